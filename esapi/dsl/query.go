package dsl

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/oriel-project/oriel/logging"
)

// Bounds of queries, as Elasticsearch has them by default.
const (
	queryDepthMax   = 30     // indices.query.bool.max_nested_depth
	queryClausesMax = 65_536 // index.max_terms_count
)

// parser holds what goes on over a whole request.
type parser struct {
	env          Env
	clauses      int
	aggregations int
}

func (p *parser) count(n int) error {
	if p.clauses += n; p.clauses > queryClausesMax {
		return &Error{Status: 400, Type: "too_many_clauses", Phase: true, Reason: "maxClauseCount is set to " + strconv.Itoa(queryClausesMax)}
	}
	return nil
}

func (p *parser) query(n Node, depth int) (logging.Filter, error) {
	if depth > queryDepthMax {
		return nil, Illegal("The nested depth of the query exceeds the maximum nested depth for queries set in [indices.query.bool.max_nested_depth]: %d", queryDepthMax)
	}
	if err := p.count(1); err != nil {
		return nil, err
	}
	if n.Kind != Object {
		return nil, Parsing("[_na] query malformed, must start with start_object")
	}
	if len(n.Keys) == 0 {
		return nil, Illegal("query malformed, empty clause found")
	}
	name, body := n.Keys[0], n.Items[0]
	if len(n.Keys) > 1 {
		return nil, Parsing("[%s] malformed query, expected [END_OBJECT] but found [FIELD_NAME]", clip(name))
	}
	if body.Kind != Object {
		return nil, Parsing("[%s] query malformed, no start_object after query name", clip(name))
	}
	switch name {
	case "match_all":
		return logging.All{}, known(name, body)
	case "match_none":
		return logging.None{}, known(name, body)
	case "bool":
		return p.boolQuery(body, depth)
	case "constant_score":
		if err := known(name, body, "filter"); err != nil {
			return nil, err
		}
		return p.inner(name, body, "filter", depth)
	case "dis_max":
		return p.disMax(body, depth)
	case "ids":
		return idsQuery(body)
	case "exists":
		return existsQuery(body)
	case "term":
		return p.term(body)
	case "terms":
		return p.terms(body)
	case "prefix", "wildcard", "regexp", "fuzzy":
		return p.pattern(name, body)
	case "range":
		return p.rangeQuery(body)
	case "match", "match_bool_prefix", "match_phrase", "match_phrase_prefix":
		return p.match(name, body)
	case "multi_match":
		return p.multiMatch(body)
	case "query_string":
		return p.queryString(body)
	case "simple_query_string":
		return p.simpleQueryString(body)
	case "nested", "has_child", "has_parent", "parent_id":
		// Records are flat here: looking only at the inner query would find other documents.
		return nil, Parsing("[%s] query is not supported: records have no nested documents", name)
	}
	return nil, Parsing("unknown query [%s]", clip(name))
}

// known refuses settings of a clause that are neither in the list nor without
// influence on what is found.
func known(clause string, n Node, keys ...string) error {
	for _, k := range n.Keys {
		if k != "boost" && k != "_name" && !slices.Contains(keys, k) {
			return Parsing("[%s] query does not support [%s]", clause, clip(k))
		}
	}
	return nil
}

func (p *parser) inner(clause string, n Node, key string, depth int) (logging.Filter, error) {
	q, ok := n.Get(key)
	if !ok {
		return nil, Parsing("[%s] requires '%s' element", clause, key)
	}
	return p.query(q, depth+1)
}

// list reads one query or an array of them.
func (p *parser) list(n Node, depth int) ([]logging.Filter, error) {
	items := n.Items
	if n.Kind != Array {
		items = []Node{n}
	}
	out := make([]logging.Filter, 0, len(items))
	for _, it := range items {
		f, err := p.query(it, depth+1)
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (p *parser) boolQuery(n Node, depth int) (logging.Filter, error) {
	var all logging.And
	var should []logging.Filter
	positive, pureNegative := false, true
	least := ""
	for i, key := range n.Keys {
		v := n.Items[i]
		switch key {
		case "must", "filter", "should", "must_not":
			if v.Kind == Null {
				continue
			}
			fs, err := p.list(v, depth)
			if err != nil {
				return nil, err
			}
			switch key {
			case "should":
				should = append(should, fs...)
			case "must_not":
				for _, f := range fs {
					all = append(all, logging.Not{Of: f})
				}
			default:
				positive = positive || len(fs) > 0
				all = append(all, fs...)
			}
		case "minimum_should_match":
			if !v.Scalar() && v.Kind != Null {
				return nil, Parsing("[bool] failed to parse [minimum_should_match]")
			}
			least = v.Text
		case "adjust_pure_negative":
			pureNegative, _ = v.Bool()
		case "boost", "_name":
		default:
			return nil, Parsing("[bool] query does not support [%s]", clip(key))
		}
	}
	if len(should) > 0 {
		want := 0
		if !positive {
			want = 1
		}
		if least != "" {
			n, err := minimumShouldMatch(least, len(should))
			if err != nil {
				return nil, err
			}
			want = max(n, want) // without a positive clause one of them must match anyway
		}
		switch {
		case want > len(should):
			return logging.None{}, nil
		case want > 0:
			all = append(all, anyOf(should, want))
		}
	} else if len(all) > 0 && !positive && !pureNegative {
		return logging.None{}, nil
	}
	return allOf(all), nil
}

// minimumShouldMatch reads "2", "-1", "75%" and "-25%".
func minimumShouldMatch(s string, of int) (int, error) {
	num, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	n, err := strconv.Atoi(num)
	if err != nil || (percent && (n > 100 || n < -100)) {
		return 0, Parsing("[minimum_should_match] [%s] is not supported: want a number or a percentage", clip(s))
	}
	if percent {
		part := n * of / 100 // cut towards nothing, of those that may be missing too
		if n < 0 {
			part += of
		}
		return part, nil
	}
	if n < 0 {
		n += of
	}
	return max(n, 0), nil
}

func allOf(fs []logging.Filter) logging.Filter {
	switch len(fs) {
	case 0:
		return logging.All{}
	case 1:
		return fs[0]
	}
	return logging.And(fs)
}

func anyOf(fs []logging.Filter, least int) logging.Filter {
	if len(fs) == 1 && least <= 1 {
		return fs[0]
	}
	if len(fs) == 0 {
		return logging.None{}
	}
	return logging.Or{Of: fs, Min: max(least, 1)}
}

func (p *parser) disMax(n Node, depth int) (logging.Filter, error) {
	if err := known("dis_max", n, "queries", "tie_breaker"); err != nil {
		return nil, err
	}
	qs, ok := n.Get("queries")
	if !ok {
		return nil, Parsing("[dis_max] requires 'queries' field with at least one clause")
	}
	fs, err := p.list(qs, depth)
	return anyOf(fs, 1), err
}

func idsQuery(n Node) (logging.Filter, error) {
	if err := known("ids", n, "values", "type"); err != nil {
		return nil, err
	}
	v, ok := n.Get("values")
	if !ok {
		return logging.None{}, nil
	}
	ids, isList := v.Strings()
	if !isList {
		return nil, Parsing("[ids] requires providing ids in [values]")
	}
	return logging.IDs(ids), nil
}

func existsQuery(n Node) (logging.Filter, error) {
	if err := known("exists", n, "field"); err != nil {
		return nil, err
	}
	v, ok := n.Get("field")
	if !ok || v.Kind != Text || v.Text == "" {
		return nil, Parsing("[exists] must be provided with a [field]")
	}
	return existsFilter(v.Text), nil
}

// existsFilter knows the metadata and the time that every document has.
func existsFilter(field string) logging.Filter {
	switch f := logging.FieldOf(field); f.Name {
	case logging.FieldTime, logging.FieldReceived, "_id", "_index", "_source":
		return logging.All{}
	default:
		return logging.Exists{Field: f}
	}
}

// fieldBody reads the {"field": value} of a clause, where value is either the
// shorthand for key or an object of settings.
func fieldBody(clause string, n Node, key string, settings ...string) (logging.Field, Node, error) {
	name, body, found := "", Node{}, 0
	for i, k := range n.Keys {
		if n.Items[i].Kind != Object && (k == "boost" || k == "_name") {
			continue
		}
		name, body = k, n.Items[i]
		found++
	}
	switch {
	case found == 0:
		return logging.Field{}, Node{}, Illegal("field name is null or empty")
	case found > 1:
		return logging.Field{}, Node{}, Parsing("[%s] query doesn't support multiple fields, found [%s] and [%s]", clause, clip(n.Keys[0]), clip(name))
	case name == "":
		return logging.Field{}, Node{}, Illegal("field name is null or empty")
	}
	if body.Kind != Object {
		body = Node{Kind: Object, Keys: []string{key}, Items: []Node{body}}
	}
	if err := known(clause, body, append(settings, key)...); err != nil {
		return logging.Field{}, Node{}, err
	}
	v, ok := body.Get(key)
	if !ok || v.Kind == Null {
		return logging.Field{}, Node{}, Illegal("[%s] query on field [%s]: value cannot be null", clause, clip(name))
	}
	if !v.Scalar() {
		return logging.Field{}, Node{}, Parsing("[%s] query on field [%s] does not support an %s as [%s]", clause, clip(name), v.Kind, key)
	}
	f, err := oneField(clause, name)
	return f, body, err
}

// oneField is for clauses that name one field. To Elasticsearch a pattern there
// is a field that no document has, which nobody means.
func oneField(clause, name string) (logging.Field, error) {
	if strings.Contains(name, "*") || name == "_all" {
		return logging.Field{}, Illegal("[%s] query: field [%s] cannot be a pattern", clause, clip(name))
	}
	return logging.FieldOf(name), nil
}

func (p *parser) term(n Node) (logging.Filter, error) {
	f, body, err := fieldBody("term", n, "value", "case_insensitive")
	if err != nil {
		return nil, err
	}
	v, _ := body.Get("value")
	return p.oneTerm(f, v.Text, flag(body, "case_insensitive"))
}

func flag(n Node, key string) bool {
	v, _ := n.Get(key)
	b, _ := v.Bool()
	return b
}

func (p *parser) oneTerm(f logging.Field, text string, fold bool) (logging.Filter, error) {
	if isDate(f) {
		return p.dateRange(f, &end{text, true}, &end{text, true}, dateSettings{})
	}
	return logging.Term{Field: f, Text: text, Fold: fold || f.Name == levelField}, nil
}

func (p *parser) terms(n Node) (logging.Filter, error) {
	name, vals := "", Node{}
	for i, k := range n.Keys {
		if k == "boost" || k == "_name" {
			continue
		}
		if name != "" {
			return nil, Parsing("[terms] query does not support multiple fields")
		}
		name, vals = k, n.Items[i]
	}
	if name == "" {
		return nil, Parsing("[terms] query requires a field name, followed by array of terms")
	}
	if vals.Kind != Array {
		return nil, Parsing("[terms] query on [%s] wants an array of values; looking terms up in another document is not supported", clip(name))
	}
	if err := p.count(len(vals.Items)); err != nil {
		return nil, err
	}
	f, err := oneField("terms", name)
	if err != nil {
		return nil, err
	}
	of := make([]logging.Filter, 0, len(vals.Items))
	for _, v := range vals.Items {
		if !v.Scalar() {
			return nil, Parsing("[terms] query on [%s]: values cannot be %s", clip(name), v.Kind)
		}
		t, err := p.oneTerm(f, v.Text, false)
		if err != nil {
			return nil, err
		}
		of = append(of, t)
	}
	return anyOf(of, 1), nil
}

func (p *parser) pattern(clause string, n Node) (logging.Filter, error) {
	key := "value"
	if clause == "wildcard" && len(n.Items) > 0 {
		for _, it := range n.Items {
			if _, ok := it.Get("wildcard"); ok {
				key = "wildcard"
			}
		}
	}
	settings := []string{"case_insensitive", "rewrite"}
	switch clause {
	case "regexp":
		settings = append(settings, "flags", "flags_value", "max_determinized_states")
	case "fuzzy":
		settings = []string{"fuzziness", "max_expansions", "rewrite", "transpositions"}
	}
	f, body, err := fieldBody(clause, n, key, settings...)
	if err != nil {
		return nil, err
	}
	v, _ := body.Get(key)
	fold := flag(body, "case_insensitive") || f.Name == levelField
	switch clause {
	case "prefix":
		return logging.Pattern{Field: f, Kind: logging.Prefix, Text: v.Text, Fold: fold}, nil
	case "wildcard":
		return logging.Pattern{Field: f, Kind: logging.Wildcard, Text: v.Text, Fold: fold}, nil
	case "fuzzy":
		edits, _ := body.Get("fuzziness")
		return fuzzy(f, v.Text, edits.Text)
	}
	return regexpFilter(f, v.Text, fold)
}

func regexpFilter(f logging.Field, text string, fold bool) (logging.Filter, error) {
	r, err := logging.NewRegexp(f, text)
	if err != nil {
		return nil, Illegal("%s", clip(reason(err)))
	}
	r.Fold = fold
	return r, nil
}

// reason takes the sentinel off an error of package logging.
func reason(err error) string {
	s := err.Error()
	if errors.Is(err, logging.ErrQuery) {
		s = strings.TrimPrefix(s, logging.ErrQuery.Error()+": ")
	}
	return s
}
