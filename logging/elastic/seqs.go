package elastic

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"sync"

	"github.com/oriel-project/oriel/logging"
)

// seqs gives out positions. They are taken from the engine in blocks, each
// written there before one of it is used, so that none is ever given twice.
type seqs struct {
	mu       sync.Mutex // guards what follows; held while a block is taken
	next, to uint64     // to is not given out
}

// seqBlock is how many positions are taken at a time: 2^53 are enough for 2^33 starts.
const seqBlock = 1 << 20

// take gives the first of n positions.
func (s *Store) take(ctx context.Context, n int) (uint64, error) {
	s.seqs.mu.Lock()
	defer s.seqs.mu.Unlock()
	if s.seqs.to-s.seqs.next < uint64(n) {
		from, to, err := s.reserve(ctx, max(uint64(n), seqBlock))
		if err != nil {
			return 0, err
		}
		s.seqs.next, s.seqs.to = from, to
	}
	first := s.seqs.next
	s.seqs.next += uint64(n)
	return first, nil
}

// reserve moves the engine's counter on. Whoever else does so at the same time
// is noticed by the document's version.
func (s *Store) reserve(ctx context.Context, n uint64) (from, to uint64, err error) {
	path := "/" + s.metaIndex() + "/_doc/seq"
	for range 20 {
		var doc struct {
			Found       bool `json:"found"`
			SeqNo       int  `json:"_seq_no"`
			PrimaryTerm int  `json:"_primary_term"`
			Source      struct {
				Next uint64 `json:"next"`
			} `json:"_source"`
		}
		if _, err := s.do(ctx, request{method: "GET", path: path, may: []int{http.StatusNotFound}}, &doc); err != nil {
			return 0, 0, err
		}
		from, put := uint64(1), url.Values{"op_type": {"create"}}
		if doc.Found {
			from = doc.Source.Next
			put = url.Values{"if_seq_no": {strconv.Itoa(doc.SeqNo)}, "if_primary_term": {strconv.Itoa(doc.PrimaryTerm)}}
		}
		status, err := s.do(ctx, request{method: "PUT", path: path, params: put, body: map[string]uint64{"next": from + n}, may: []int{http.StatusConflict}}, nil)
		if err != nil {
			return 0, 0, err
		}
		if status != http.StatusConflict {
			return from, from + n, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: %s: others move the counter of positions all the time", logging.ErrUnavailable, path)
}
