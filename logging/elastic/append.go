package elastic

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Append implements logging.Appender. A record that has no id gets one that
// depends on the batch's key and what is in it alone, where there is a key: a
// batch that comes again meets what is there, restarts or not, as long as it is
// kept. Its place does not count: a batch may come again with fewer records, whose
// tenant is over its quota now, or with more.
func (s *Store) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	out := make([]logging.ItemResult, len(b.Records))
	todo := make([]*item, 0, len(b.Records))
	ids := keyedIDs{key: b.Key}
	for i := range b.Records {
		it := &item{rec: b.Records[i], out: &out[i]}
		if !logging.MayWrite(w, &it.rec) {
			*it.out = logging.ItemResult{Status: logging.Refused, ID: it.rec.ID, Reason: "the credential may not write this tenant's logs"}
			continue
		}
		if it.derived = it.rec.ID == ""; it.derived && b.Key != "" {
			it.rec.ID, it.derived = ids.of(&it.rec), false
		}
		todo = append(todo, it)
	}
	var added []logging.Record
	for len(todo) > 0 {
		first, err := s.take(ctx, len(todo))
		if err != nil {
			return nil, err
		}
		for i, it := range todo {
			it.rec.Seq = first + uint64(i)
			if it.derived {
				it.rec.ID = logging.DerivedID(it.rec.Seq)
			}
		}
		if todo, err = s.write(ctx, todo, &added); err != nil {
			s.tails.Push(added)
			return nil, err
		}
	}
	s.tails.Push(added)
	for i := range out {
		switch out[i].Status {
		case logging.Stored:
			s.m.records.Inc()
		case logging.Duplicate:
			s.m.duplicates.Inc()
		case logging.Refused:
			s.m.refused.Inc()
		}
	}
	return out, nil
}

// item is a record on its way.
type item struct {
	rec     logging.Record
	derived bool // its id comes from its position
	out     *logging.ItemResult
}

// keyedIDs gives ids to the records without one of a batch that has a key.
type keyedIDs struct {
	key  string
	seen map[[sha256.Size]byte]int // how many of each there were
}

func (k *keyedIDs) of(r *logging.Record) string {
	h := sha256.New()
	for _, part := range [...]string{k.key, string(r.Tenant), r.Index} {
		io.WriteString(h, part)
		h.Write([]byte{0})
	}
	h.Write(r.Source)
	what := [sha256.Size]byte(h.Sum(nil))
	n := k.seen[what]
	if k.seen == nil {
		k.seen = map[[sha256.Size]byte]int{}
	}
	k.seen[what] = n + 1
	sum := sha256.Sum256(strconv.AppendInt(what[:], int64(n), 10))
	return strings.ToLower(base32.HexEncoding.EncodeToString(sum[:15]))
}

// documentID is the engine's id for a record: one for each (index, id).
func documentID(index, id string) string {
	if len(index)+len(id) < 500 {
		return index + "/" + id
	}
	sum := sha256.Sum256([]byte(index + "/" + id))
	return "/" + base64.RawURLEncoding.EncodeToString(sum[:])
}

// bulkBytesMax is how much goes to the engine in one request.
const bulkBytesMax = 4 << 20

// write hands items to the engine, adds those that it stored to added, and gives
// back those whose derived id was somebody's own.
func (s *Store) write(ctx context.Context, items []*item, added *[]logging.Record) (again []*item, err error) {
	for len(items) > 0 {
		var body strings.Builder
		touched := map[tenant.ID]*indexState{}
		n := 0
		for ; n < len(items) && body.Len() < bulkBytesMax; n++ {
			r := &items[n].rec
			if touched[r.Tenant] == nil {
				if touched[r.Tenant], err = s.index(ctx, r.Tenant); err != nil {
					return nil, err
				}
			}
			if err := s.line(&body, "create", r, nil); err != nil {
				return nil, err
			}
		}
		replies, err := s.bulk(ctx, body.String())
		s.wrote(touched)
		if err != nil {
			return nil, err
		}
		if len(replies) != n {
			return nil, fmt.Errorf("%w: the engine answered %d of %d records", logging.ErrUnavailable, len(replies), n)
		}
		rest, err := s.settle(ctx, items[:n], replies, added)
		if err != nil {
			return nil, err
		}
		again, items = append(again, rest...), items[n:]
	}
	return again, nil
}

// line adds an operation to a bulk's body.
func (s *Store) line(b *strings.Builder, op string, r *logging.Record, over *version) error {
	meta := map[string]any{"_index": s.indexName(r.Tenant), "_id": documentID(r.Index, r.ID)}
	if over != nil {
		meta["if_seq_no"], meta["if_primary_term"] = over.SeqNo, over.PrimaryTerm
	}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(map[string]any{op: meta}); err != nil {
		return err
	}
	return enc.Encode(encodeRecord(r))
}

// version is a version of a document in the engine.
type version struct {
	SeqNo       int64 `json:"_seq_no"`
	PrimaryTerm int64 `json:"_primary_term"`
}

// reply is the engine's answer to one operation.
type reply struct {
	Status int `json:"status"`
	Error  *struct {
		Type     string         `json:"type"`
		Reason   string         `json:"reason"`
		CausedBy map[string]any `json:"caused_by"`
	} `json:"error"`
}

// bulk sends operations and gives the answers, one each.
func (s *Store) bulk(ctx context.Context, body string) ([]reply, error) {
	size := min(int64(len(body)), s.opts.InFlightBytesMax)
	if err := s.room.Acquire(ctx, size); err != nil {
		return nil, err
	}
	defer s.room.Release(size)
	var answer struct {
		Items []map[string]reply `json:"items"`
	}
	if _, err := s.do(ctx, request{method: "POST", path: "/_bulk", body: body, ndjson: true}, &answer); err != nil {
		return nil, err
	}
	out := make([]reply, 0, len(answer.Items))
	for _, it := range answer.Items {
		for _, r := range it {
			out = append(out, r)
		}
	}
	return out, nil
}

// settle turns the answers to one bulk into results.
func (s *Store) settle(ctx context.Context, items []*item, replies []reply, added *[]logging.Record) (again []*item, err error) {
	var there []*item
	for i, r := range replies {
		it := items[i]
		switch {
		case r.Status < 300:
			*it.out = logging.ItemResult{Status: logging.Stored, Seq: it.rec.Seq, ID: it.rec.ID}
			*added = append(*added, it.rec)
		case r.Status == http.StatusConflict && it.derived:
			again = append(again, it)
		case r.Status == http.StatusConflict:
			there = append(there, it)
		case r.Status == http.StatusBadRequest:
			*it.out = logging.ItemResult{Status: logging.Refused, ID: it.rec.ID, Reason: "the log store's engine refuses the record: " + r.why()}
		default:
			// Too busy, no disk, no shard: nothing of it is the record's fault.
			if err == nil {
				err = fmt.Errorf("%w: the engine refuses records with %d: %s", logging.ErrUnavailable, r.Status, r.why())
			}
		}
	}
	if err != nil {
		return nil, err
	}
	if len(there) == 0 {
		return again, nil
	}
	return again, s.meet(ctx, there, added)
}

func (r reply) why() string {
	if r.Error == nil {
		return "no reason given"
	}
	out := r.Error.Type + ": " + r.Error.Reason
	if c, ok := r.Error.CausedBy["reason"].(string); ok {
		out += ": " + c
	}
	return out
}

// meet answers for items whose id is taken: a duplicate, or a new record in the
// place of one that does not show any more.
func (s *Store) meet(ctx context.Context, items []*item, added *[]logging.Record) error {
	old, err := s.fetch(ctx, items, url.Values{"_source_excludes": {"src"}})
	if err != nil {
		return err
	}
	now := s.opts.Clock()
	for i, it := range items {
		switch o := old[i]; {
		case o.Found && !s.expired(&o.rec, now):
			*it.out = logging.ItemResult{Status: logging.Duplicate, Seq: o.rec.Seq, ID: o.rec.ID}
		default:
			var body strings.Builder
			op, over := "create", (*version)(nil)
			if o.Found {
				op, over = "index", &o.version
			}
			if err := s.line(&body, op, &it.rec, over); err != nil {
				return err
			}
			replies, err := s.bulk(ctx, body.String())
			if err != nil {
				return err
			}
			if len(replies) != 1 || replies[0].Status >= 300 {
				return fmt.Errorf("%w: somebody else writes the same record", logging.ErrUnavailable)
			}
			*it.out = logging.ItemResult{Status: logging.Stored, Seq: it.rec.Seq, ID: it.rec.ID}
			*added = append(*added, it.rec)
		}
	}
	return nil
}

// fetched is a document as it is now, whether or not searches see it.
type fetched struct {
	Found  bool            `json:"found"`
	Source json.RawMessage `json:"_source"`
	version
	rec logging.Record
}

// fetch gives what stands under the ids of items, one each; params say how much
// of it.
func (s *Store) fetch(ctx context.Context, items []*item, params url.Values) ([]fetched, error) {
	type doc struct {
		Index string `json:"_index"`
		ID    string `json:"_id"`
	}
	var ask struct {
		Docs []doc `json:"docs"`
	}
	for _, it := range items {
		ask.Docs = append(ask.Docs, doc{s.indexName(it.rec.Tenant), documentID(it.rec.Index, it.rec.ID)})
	}
	var answer struct {
		Docs []fetched `json:"docs"`
	}
	if _, err := s.do(ctx, request{method: "POST", path: "/_mget", params: params, body: ask}, &answer); err != nil {
		return nil, err
	}
	if len(answer.Docs) != len(items) {
		return nil, fmt.Errorf("%w: the engine gave %d of %d documents", logging.ErrUnavailable, len(answer.Docs), len(items))
	}
	for i := range answer.Docs {
		d := &answer.Docs[i]
		if !d.Found {
			continue
		}
		var err error
		if d.rec, err = decodeRecord(d.Source); err != nil {
			return nil, err
		}
		// An id of the engine's may be a hash.
		if r := &items[i].rec; d.rec.Index != r.Index || d.rec.ID != r.ID || d.rec.Tenant != r.Tenant {
			return nil, fmt.Errorf("document %q of the engine is not the one that was asked for", ask.Docs[i].ID)
		}
	}
	return answer.Docs, nil
}

// Repeats implements logging.Repeater.
func (s *Store) Repeats(ctx context.Context, w tenant.Write, recs []logging.Record) ([]bool, error) {
	if err := s.prepare(ctx); err != nil {
		return nil, err
	}
	out := make([]bool, len(recs))
	var items []*item
	var places []int
	for i := range recs {
		if logging.MayWrite(w, &recs[i]) && recs[i].ID != "" {
			items, places = append(items, &item{rec: recs[i]}), append(places, i)
		}
	}
	if len(items) == 0 {
		return out, nil
	}
	old, err := s.fetch(ctx, items, nil)
	if err != nil {
		return nil, err
	}
	now := s.opts.Clock()
	for i, o := range old {
		out[places[i]] = o.Found && !s.expired(&o.rec, now) && logging.EqualSources(o.rec.Source, items[i].rec.Source)
	}
	return out, nil
}

// wrote notes that searches do not see everything of these indices.
func (s *Store) wrote(touched map[tenant.ID]*indexState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, st := range touched {
		st.written++
	}
}
