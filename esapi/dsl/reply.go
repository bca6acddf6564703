package dsl

import (
	"slices"
	"strconv"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// Shards is what a reply says about where it looked: one shard an index.
type Shards struct{ Total int }

// Append appends {"total":n,...}.
func (s Shards) Append(dst []byte) []byte {
	dst = appendInt(append(dst, `{"total":`...), int64(s.Total))
	dst = appendInt(append(dst, `,"successful":`...), int64(s.Total))
	return append(dst, `,"skipped":0,"failed":0}`...)
}

// Reply is what a search's answer holds beside the result.
type Reply struct {
	Took     time.Duration
	Shards   Shards
	ScrollID string // "" without a scroll
	PitID    string // "" without a point in time
	Status   bool   // adds "status":200, as in the answers of _msearch
	NoAggs   bool   // a scroll's pages behind the first
}

// AppendReply appends the answer to a search. A nil result is that of no index
// at all.
func (s *Search) AppendReply(dst []byte, res *logging.Result, r Reply) []byte {
	dst = slices.Grow(dst, replySize(res))
	none := res == nil
	if none {
		res = &logging.Result{}
	}
	dst = append(dst, '{')
	if r.ScrollID != "" {
		dst = append(jsontext.AppendString(append(dst, `"_scroll_id":`...), r.ScrollID), ',')
	}
	if r.PitID != "" {
		dst = append(jsontext.AppendString(append(dst, `"pit_id":`...), r.PitID), ',')
	}
	dst = appendInt(append(dst, `"took":`...), r.Took.Milliseconds())
	dst = strconv.AppendBool(append(dst, `,"timed_out":`...), res.TimedOut)
	dst = append(dst, `,"_shards":`...)
	dst = r.Shards.Append(dst)
	dst = append(dst, `,"hits":{`...)
	dst = s.appendTotal(dst, res)
	dst = s.hits.appendHits(dst, res.Hits, s.highlighter(), none)
	dst = append(dst, '}')
	if len(s.aggs) > 0 && !none && !r.NoAggs {
		dst = append(dst, `,"aggregations":`...)
		dst = s.appendAggs(dst, s.aggs, res.Aggs, s.docs)
	}
	if r.Status {
		dst = append(dst, `,"status":200`...)
	}
	return append(dst, '}')
}

func (s *Search) appendTotal(dst []byte, res *logging.Result) []byte {
	switch {
	case s.totalAsInt:
		return append(appendInt(append(dst, `"total":`...), res.Total), ',')
	case s.Query.TotalMax < 0:
		return dst
	}
	dst = appendInt(append(dst, `"total":{"value":`...), res.Total)
	if res.TotalAtLeast {
		return append(dst, `,"relation":"gte"},`...)
	}
	return append(dst, `,"relation":"eq"},`...)
}

// scored reports whether hits show a score: with no sort, with a sort by score,
// or when asked.
func (h *hitsPlan) scored() bool {
	for _, k := range h.sort {
		if k.score {
			return true
		}
	}
	return len(h.sort) == 0 || h.trackScores
}

// appendHits appends "max_score" and "hits".
func (h *hitsPlan) appendHits(dst []byte, hits []logging.Hit, hl *highlighter, none bool) []byte {
	switch {
	case none:
		dst = append(dst, `"max_score":0.0,"hits":[`...)
	case h.scored() && len(hits) > 0:
		dst = append(dst, `"max_score":1.0,"hits":[`...)
	default:
		dst = append(dst, `"max_score":null,"hits":[`...)
	}
	for i := range hits {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = h.appendHit(dst, &hits[i], hl)
	}
	return append(dst, ']')
}

func (h *hitsPlan) appendHit(dst []byte, hit *logging.Hit, hl *highlighter) []byte {
	r := &hit.Record
	dst = jsontext.AppendString(append(dst, `{"_index":`...), r.Index)
	if !h.bare {
		dst = jsontext.AppendString(append(dst, `,"_id":`...), r.ID)
	}
	if h.version {
		dst = append(dst, `,"_version":1`...)
	}
	if h.seqNo {
		dst = appendInt(append(dst, `,"_seq_no":`...), int64(r.Seq))
		dst = append(dst, `,"_primary_term":1`...)
	}
	if h.scored() {
		dst = append(dst, `,"_score":1.0`...)
	} else {
		dst = append(dst, `,"_score":null`...)
	}
	if !h.source.None && !h.bare {
		dst = h.source.Append(append(dst, `,"_source":`...), r.Source)
	}
	var doc *logging.Doc
	if len(h.fields)+len(h.docValues) > 0 || hl != nil {
		doc = logging.NewDoc(r)
	}
	if len(h.fields)+len(h.docValues) > 0 {
		// An entry of fields has its say about the format over docvalue_fields.
		entries := append(append([]fieldFormat(nil), h.docValues...), h.fields...)
		if shown := collectFields(doc, entries); len(shown) > 0 {
			dst = appendFields(append(dst, `,"fields":`...), shown)
		}
	}
	if hl != nil {
		dst = hl.append(dst, doc)
	}
	if len(h.sort) > 0 {
		dst = append(dst, `,"sort":[`...)
		at := 0
		for i, k := range h.sort {
			if i > 0 {
				dst = append(dst, ',')
			}
			if k.score {
				dst = append(dst, "1.0"...)
				continue
			}
			if at < len(hit.Sort) {
				dst = k.append(dst, hit.Sort[at])
			} else {
				dst = append(dst, "null"...)
			}
			at++
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// replySize estimates the length of a reply: one of tens of thousands of buckets is
// some megabytes, which are not to be copied again and again as it grows.
func replySize(res *logging.Result) int {
	const (
		each = 80 // of a bucket
		most = 8 << 20
	)
	n := 512
	hits := func(of []logging.Hit) {
		for i := range of {
			n += 4*each + len(of[i].Record.Source)
		}
	}
	var aggs func(map[string]logging.AggResult)
	aggs = func(of map[string]logging.AggResult) {
		for _, a := range of {
			n += each + each*len(a.Buckets)
			hits(a.Hits)
			aggs(a.Sub)
			for i := range a.Buckets {
				aggs(a.Buckets[i].Sub)
			}
		}
	}
	if res != nil {
		hits(res.Hits)
		aggs(res.Aggs)
	}
	return min(n, most)
}
