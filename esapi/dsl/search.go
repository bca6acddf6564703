package dsl

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// Bounds and presets of searches, as Elasticsearch has them.
const (
	resultWindowMax = 10_000
	totalPreset     = 10_000
	sizePreset      = 10
)

// Search is a search request: what to ask the store, and how to write the reply.
type Search struct {
	Query logging.Query // without Indices
	PIT   *PIT          // point in time to search in, or nil
	hits  *hitsPlan
	aggs  []aggPlan
	post  logging.Filter // of hits that aggregations do not have
	docs  int64          // that the aggregations are over, once it is known
	// total as a bare number (rest_total_hits_as_int), and type#name for
	// aggregations (typed_keys).
	totalAsInt, typedKeys bool
}

// PIT names a point in time that was opened before.
type PIT struct {
	ID        string
	KeepAlive time.Duration // 0: unchanged
}

// hitsPlan says how hits are written.
type hitsPlan struct {
	sort           []sortKey
	source         SourceFilter
	fields         []fieldFormat
	docValues      []fieldFormat
	highlight      *highlightPlan
	version, seqNo bool
	trackScores    bool
	bare           bool // stored_fields: _none_, no id and no source
}

// Params gives a request's URL parameters; "" where absent.
type Params func(key string) string

// Body keys that decide about time, statistics or scores, not about what is found.
const searchIgnored = " profile explain stats batched_reduce_size terminate_after indices_boost stored_fields ext allow_partial_search_results "

// ParseSearch reads a search body; the zero Node is an empty one. Parameters
// override the body as they do in Elasticsearch.
func ParseSearch(body Node, params Params, env Env) (*Search, error) {
	if body.Kind == Null {
		body.Kind = Object
	}
	if body.Kind != Object {
		return nil, Parsing("Expected [START_OBJECT] but found [%s]", body.Kind)
	}
	p := &parser{env: env}
	s := &Search{}
	s.Query.Limit = sizePreset
	s.Query.TotalMax = totalPreset
	h, err := parseHits(body)
	if err != nil {
		return nil, err
	}
	s.hits = h
	var post logging.Filter
	for i, key := range body.Keys {
		v := body.Items[i]
		switch key {
		case "query":
			if v.Kind != Null {
				s.Query.Filter, err = p.query(v, 0)
			}
		case "post_filter":
			post, err = p.query(v, 0)
		case "aggs", "aggregations":
			if len(s.aggs) == 0 {
				if s.aggs, err = p.aggs(v, 0); err == nil {
					err = check(s.aggs, nil)
				}
			}
		case "size":
			s.Query.Limit, err = bodyInt(key, v)
		case "from":
			s.Query.Offset, err = bodyInt(key, v)
		case "track_total_hits":
			err = s.trackTotal(v.Text)
		case "timeout":
			err = s.timeout(v.Text)
		case "pit":
			err = s.parsePIT(v)
		case "min_score":
			if f, ok := v.Float(); !ok || f > 1 {
				err = Parsing("[min_score] above 1 is not supported: every hit scores 1")
			}
		case "sort", "search_after", "_source", "fields", "docvalue_fields", "highlight", "version", "seq_no_primary_term", "track_scores":
			// read by parseHits, or below
		default:
			err = otherKey(key, v)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := s.params(p, params); err != nil {
		return nil, err
	}
	switch {
	case post != nil && len(s.aggs) > 0:
		s.post = post
	case post != nil:
		s.Query.Filter = both(s.Query.Filter, post)
	}
	if s.Query.Offset+s.Query.Limit > resultWindowMax {
		return nil, &Error{Status: 400, Type: "illegal_argument_exception", Phase: true, Reason: "Result window is too large, from + size must be less than or equal to: [10000] but was [" +
			itoa(s.Query.Offset+s.Query.Limit) + "]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting."}
	}
	if s.PIT != nil && len(s.hits.sort) > 0 && !s.bySeq() {
		s.hits.sort = append(s.hits.sort, sortKey{field: logging.Field{Name: logging.FieldSeq}})
	}
	s.Query.Sort = storeSort(s.hits.sort)
	if after, ok := body.Get("search_after"); ok && after.Kind != Null {
		if s.Query.Offset > 0 {
			return nil, Illegal("[from] parameter must be set to 0 when [search_after] is used")
		}
		// A point in time adds its own tie-breaker, which clients may leave out: then
		// all hits with these values are behind them.
		keys := s.hits.sort
		if s.PIT != nil && len(after.Items) == len(keys)-1 {
			after.Items = append(after.Items, Node{Kind: Number, Text: strconv.FormatInt(math.MaxInt64, 10)})
		}
		if s.Query.After, err = parseAfter(after, keys); err != nil {
			return nil, err
		}
	}
	s.Query.Aggs = storeAggs(s.aggs)
	return s, nil
}

func both(a, b logging.Filter) logging.Filter {
	if a == nil {
		return b
	}
	return logging.And{a, b}
}

func itoa(i int) string { return string(appendInt(nil, int64(i))) }

func (s *Search) bySeq() bool {
	for _, k := range s.hits.sort {
		if k.field.Name == logging.FieldSeq {
			return true
		}
	}
	return false
}

func bodyInt(key string, v Node) (int, error) {
	i, ok := v.Int()
	if !ok || i < 0 {
		if key == "size" && ok && i == -1 { // the old way to say "the default"
			return sizePreset, nil
		}
		return 0, Illegal("[%s] parameter cannot be negative but was [%s]", key, clip(v.String()))
	}
	return int(min(i, 1<<30)), nil
}

// otherKey lets pass what cannot change the result and refuses the rest by name.
func otherKey(key string, v Node) error {
	if strings.Contains(searchIgnored, " "+key+" ") {
		return nil
	}
	switch key {
	case "script_fields", "runtime_mappings", "rescore", "suggest", "collapse", "slice", "knn", "rank", "retriever", "sub_searches":
		if len(v.Items) == 0 && v.Kind != Text { // Grafana sends "script_fields": {}
			return nil
		}
		return Parsing("[%s] is not supported in a search", key)
	}
	return Parsing("unknown key [%s] in a search", clip(key))
}

// timeout reads the time after which the answer is of what was found until then; -1,
// and an empty one, are none.
func (s *Search) timeout(v string) (err error) {
	s.Query.Timeout = 0
	if v == "" || v == "null" || v == "-1" {
		return nil
	}
	if s.Query.Timeout, err = ParseDuration(v); err == nil && s.Query.Timeout == 0 {
		s.Query.Timeout = 1 // as short as there is: at once
	}
	return err
}

// trackTotal reads true, false or how far to count.
func (s *Search) trackTotal(v string) error {
	switch v {
	case "true", "-1":
		s.Query.TotalMax = 0
	case "false":
		s.Query.TotalMax = -1
	case "", "null":
	default:
		i, ok := Node{Kind: Number, Text: v}.Int()
		if !ok || i < 0 {
			return Illegal("[track_total_hits] parameter must be positive or equals to -1, got %s", clip(v))
		}
		s.Query.TotalMax = int(max(i, 1))
	}
	return nil
}

func (s *Search) parsePIT(n Node) error {
	id, ok := n.Get("id")
	if !ok || id.Kind != Text {
		return Parsing("[pit] wants an [id]")
	}
	s.PIT = &PIT{ID: id.Text}
	if k, ok := n.Get("keep_alive"); ok {
		d, err := ParseDuration(k.Text)
		if err != nil {
			return err
		}
		s.PIT.KeepAlive = d
	}
	return nil
}

// parseHits reads the keys that a search and top_hits share.
func parseHits(n Node) (*hitsPlan, error) {
	h := &hitsPlan{}
	var err error
	for i, key := range n.Keys {
		v := n.Items[i]
		switch key {
		case "sort":
			if v.Kind != Null {
				h.sort, err = parseSort(v)
			}
		case "_source":
			h.source, err = parseSource(v)
		case "fields":
			h.fields, err = parseFields(key, v)
		case "docvalue_fields":
			h.docValues, err = parseFields(key, v)
		case "highlight":
			h.highlight, err = parseHighlight(v)
		case "version":
			h.version, _ = v.Bool()
		case "seq_no_primary_term":
			h.seqNo, _ = v.Bool()
		case "track_scores":
			h.trackScores, _ = v.Bool()
		case "stored_fields":
			names, _ := v.Strings()
			h.bare = slices.Contains(names, "_none_")
		}
		if err != nil {
			return nil, err
		}
	}
	return h, nil
}

// params applies the URL's parameters.
func (s *Search) params(p *parser, get Params) error {
	if q := get("q"); q != "" {
		set := luceneSettings{fields: []logging.Field{{}}}
		if df := get("df"); df != "" {
			set.fields = []logging.Field{logging.FieldOf(df)}
		}
		set.and = strings.EqualFold(get("default_operator"), "and")
		f, err := p.lucene(q, set)
		if err != nil {
			return err
		}
		s.Query.Filter = f
	}
	for key, to := range map[string]*int{"size": &s.Query.Limit, "from": &s.Query.Offset} {
		if v := get(key); v != "" {
			var err error
			if *to, err = bodyInt(key, Node{Kind: Number, Text: v}); err != nil {
				return err
			}
		}
	}
	if v := get("sort"); v != "" {
		keys, err := sortURL(v)
		if err != nil {
			return err
		}
		s.hits.sort = keys
	}
	if v := get("docvalue_fields"); v != "" {
		for name := range strings.SplitSeq(v, ",") {
			s.hits.docValues = append(s.hits.docValues, fieldFormat{pattern: name, sorted: true})
		}
	}
	s.hits.bare = s.hits.bare || get("stored_fields") == "_none_"
	s.hits.source.sourceURL(get)
	if v := get("timeout"); v != "" {
		if err := s.timeout(v); err != nil {
			return err
		}
	}
	if v := get("track_total_hits"); v != "" {
		if err := s.trackTotal(v); err != nil {
			return err
		}
	}
	on := func(key string) bool { v := get(key); return v != "" && v != "false" }
	s.hits.trackScores = s.hits.trackScores || on("track_scores")
	s.hits.version = s.hits.version || on("version")
	s.hits.seqNo = s.hits.seqNo || on("seq_no_primary_term")
	s.typedKeys = get("typed_keys") == "true"
	if s.totalAsInt = get("rest_total_hits_as_int") == "true"; s.totalAsInt && s.Query.TotalMax > 0 {
		s.Query.TotalMax = 0
	}
	return nil
}

// RoundedAfter tells which of the query's sort keys are dates that came back
// from the client as whole milliseconds, and where the durable position stands
// among the keys (-1 where it does not): the two of them find the exact place.
func (s *Search) RoundedAfter() (dates []int, seq int) {
	seq = -1
	if s.Query.After == nil {
		return nil, seq
	}
	at := 0
	for _, k := range s.hits.sort {
		if k.score {
			continue
		}
		switch {
		case k.rounded():
			dates = append(dates, at)
		case k.field.Name == logging.FieldSeq:
			seq = at
		}
		at++
	}
	return dates, seq
}
