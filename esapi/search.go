package esapi

import (
	"bytes"
	"context"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/logging"
)

func (c *call) env() dsl.Env { return dsl.Env{Now: c.api.o.Clock()} }

// search answers _search.
func search(c *call) (reply, error) {
	begin := time.Now()
	in, err := c.json()
	if err != nil {
		return reply{}, err
	}
	s, err := dsl.ParseSearch(in, c.param, c.env())
	if err != nil {
		return reply{}, err
	}
	switch {
	case s.PIT != nil:
		return c.searchPIT(s, begin)
	case c.param("scroll") != "":
		return c.startScroll(s, begin)
	}
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	res, err := ask(c.r.Context(), v, s, ch)
	if err != nil {
		return reply{}, err
	}
	out, err := c.answer(c.api.buffer(), s, res, dsl.Reply{Took: time.Since(begin), Shards: ch.shards()})
	return reply{body: out, lent: err == nil}, err
}

// ask runs a search over the chosen indices; nil where there are none.
func ask(ctx context.Context, v logging.View, s *dsl.Search, ch chosen) (*logging.Result, error) {
	if len(ch.infos) == 0 {
		return nil, nil
	}
	q := s.Query
	q.Indices = ch.query()
	if err := exactAfter(ctx, v, s, &q); err != nil {
		return nil, err
	}
	return s.Run(q, func(q logging.Query) (*logging.Result, error) { return v.Search(ctx, q) })
}

// exactAfter mends search_after: clients hand dates back as milliseconds, while
// hits are sorted by the nanosecond, so that hits of the same millisecond would
// be lost or come twice. With the durable position among the sort keys the hit
// itself is looked up; without it all of that millisecond count as seen, as they
// do in Elasticsearch.
func exactAfter(ctx context.Context, v logging.View, s *dsl.Search, q *logging.Query) error {
	dates, seq := s.RoundedAfter()
	if len(dates) == 0 {
		return nil
	}
	q.After = append([]logging.Value(nil), q.After...)
	for _, i := range dates {
		if q.After[i].Kind != logging.KindTime {
			continue
		}
		from := q.After[i].Time
		if seq >= 0 && q.After[seq].Kind == logging.KindInt {
			field := q.Sort[i].Field
			res, err := v.Search(ctx, logging.Query{
				Indices: q.Indices, Limit: 1, TotalMax: -1,
				Filter: logging.And{
					logging.Range{Field: field, Min: &logging.Bound{Value: logging.Time(from), Inclusive: true}, Max: &logging.Bound{Value: logging.Time(from.Add(time.Millisecond))}},
					logging.Range{Field: logging.Field{Name: logging.FieldSeq}, Min: &logging.Bound{Value: q.After[seq], Inclusive: true}, Max: &logging.Bound{Value: q.After[seq], Inclusive: true}},
				},
				Sort: []logging.SortKey{{Field: field}},
			})
			if err != nil {
				return err
			}
			if len(res.Hits) == 1 && len(res.Hits[0].Sort) == 1 {
				q.After[i] = res.Hits[0].Sort[0]
				continue
			}
		}
		if !q.Sort[i].Desc {
			q.After[i] = logging.Time(from.Add(time.Millisecond - 1))
		}
	}
	return nil
}

// count answers _count.
func count(c *call) (reply, error) {
	body, err := c.json()
	if err != nil {
		return reply{}, err
	}
	for _, key := range body.Keys {
		if key != "query" {
			return reply{}, dsl.Parsing("request does not support [%s]", clip(key))
		}
	}
	s, err := dsl.ParseSearch(body, c.param, c.env())
	if err != nil {
		return reply{}, err
	}
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	var n int64
	if len(ch.infos) > 0 {
		res, err := v.Search(c.r.Context(), logging.Query{Indices: ch.query(), Filter: s.Query.Filter})
		if err != nil {
			return reply{}, err
		}
		n = res.Total
	}
	b := appendInt([]byte(`{"count":`), n)
	b = ch.shards().Append(append(b, `,"_shards":`...))
	return ok(append(b, '}')), nil
}

const searchesMax = 1000 // of one _msearch

// multiSearch answers _msearch: pairs of lines, a header and a body. The
// searches see the same moment. One that fails does not disturb the others.
func multiSearch(c *call) (reply, error) {
	begin := time.Now()
	in, err := c.body()
	if err != nil {
		return reply{}, err
	}
	v, err := c.open()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	searches, err := pairs(in)
	if err != nil {
		return reply{}, err
	}
	// A dashboard sends its panels in one request: they share the machine.
	answers := make([][]byte, len(searches))
	sideBySide(len(searches), func(i int) {
		answers[i] = c.oneOfMany(nil, v, searches[i].header, searches[i].body)
	})
	size := 64
	for _, a := range answers {
		size += len(a) + 1
	}
	if err := c.hold(int64(size)); err != nil {
		return reply{}, err
	}
	b := appendInt(append(make([]byte, 0, size), `{"took":`...), time.Since(begin).Milliseconds())
	b = append(b, `,"responses":[`...)
	for i, a := range answers {
		if i > 0 {
			b = append(b, ',')
		}
		b, answers[i] = append(b, a...), nil
	}
	return ok(append(b, "]}"...)), nil
}

// sideBySide calls fn for 0 to n-1, as many at once as there are processors. A
// panic in one of them ends up with the caller, as if there had been no others.
func sideBySide(n int, fn func(i int)) {
	var (
		group  errgroup.Group
		once   sync.Once
		caught any
	)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for i := range n {
		group.Go(func() error {
			defer func() {
				if p := recover(); p != nil {
					once.Do(func() { caught = p })
				}
			}()
			fn(i)
			return nil
		})
	}
	_ = group.Wait() // fn has no error
	if caught != nil {
		panic(caught)
	}
}

// pair is one search of a _msearch.
type pair struct{ header, body []byte }

// pairs reads the lines of a _msearch.
func pairs(in []byte) ([]pair, error) {
	var all []pair
	lines := lineReader{in}
	for {
		header, more := lines.next()
		if !more || (len(header) == 0 && lines.onlyBlank()) {
			break
		}
		if len(all) == searchesMax {
			return nil, dsl.Illegal("more than %d searches in one request", searchesMax)
		}
		body, more := lines.next()
		if !more {
			return nil, &dsl.Error{Status: http.StatusBadRequest, Type: "action_request_validation_exception", Reason: "Validation Failed: 1: a header without a search body behind it;"}
		}
		all = append(all, pair{header, body})
	}
	if len(all) == 0 {
		return nil, &dsl.Error{Status: http.StatusBadRequest, Type: "action_request_validation_exception", Reason: "Validation Failed: 1: no requests added;"}
	}
	return all, nil
}

// oneOfMany appends the answer to one search of a _msearch. Safe for concurrent use.
func (c *call) oneOfMany(dst []byte, v *window, header, body []byte) []byte {
	out, err := func() ([]byte, error) {
		begin := time.Now()
		h, err := parseJSON(header)
		if err != nil {
			return nil, err
		}
		parts, o, err := c.header(h)
		if err != nil {
			return nil, err
		}
		b, err := parseJSON(body)
		if err != nil {
			return nil, err
		}
		s, err := dsl.ParseSearch(b, c.shared, c.env())
		if err != nil {
			return nil, err
		}
		if s.PIT != nil {
			return c.partPIT(dst, s, begin)
		}
		ch, err := c.choose(v.infos, parts, o)
		if err != nil {
			return nil, err
		}
		res, err := ask(c.r.Context(), v, s, ch)
		if err != nil {
			return nil, err
		}
		return c.answer(dst, s, res, dsl.Reply{Took: time.Since(begin), Shards: ch.shards(), Status: true})
	}()
	if err != nil {
		return c.explain(err).AppendBody(dst)
	}
	return out
}

// shared gives the URL's parameters that hold for every search of a _msearch.
func (c *call) shared(key string) string {
	switch key {
	case "rest_total_hits_as_int", "typed_keys":
		return c.param(key)
	}
	return ""
}

// header reads a search's header: index as a string or an array.
func (c *call) header(h dsl.Node) (parts []string, o indexOptions, err error) {
	if h.Kind != dsl.Object && h.Kind != dsl.Null {
		return nil, o, dsl.Parsing("a search's header wants an object")
	}
	o = c.indexOptions()
	for i, key := range h.Keys {
		val := h.Items[i]
		switch key {
		case "index", "indices":
			if val.Kind == dsl.Null {
				continue
			}
			list, isList := val.Strings()
			if !isList {
				return nil, o, dsl.Parsing("[index] of a search's header wants a string or an array of strings")
			}
			for _, l := range list {
				parts = append(parts, expression(l)...)
			}
		case "ignore_unavailable", "ignoreUnavailable":
			o.ignoreUnavailable, _ = val.Bool()
		case "expand_wildcards", "expandWildcards":
			list, _ := val.Strings()
			o.noneOpen = noneOpen(strings.Join(list, ","))
		case "allow_no_indices", "allowNoIndices":
			if b, isBool := val.Bool(); isBool {
				o.allowNone = b
			}
		}
	}
	if len(trimmed(parts)) == 0 {
		parts = expression(c.vars["index"])
	}
	return parts, o, nil
}

// lineReader cuts lines; the last one need not end.
type lineReader struct{ rest []byte }

func (l *lineReader) next() (line []byte, more bool) {
	if len(l.rest) == 0 {
		return nil, false
	}
	line, l.rest, _ = bytes.Cut(l.rest, []byte{'\n'})
	return bytes.TrimSpace(line), true
}

func (l *lineReader) onlyBlank() bool { return len(bytes.TrimSpace(l.rest)) == 0 }
