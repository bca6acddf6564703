package elastic

import (
	"fmt"
	"slices"
	"strings"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
)

// translator writes filters as queries of the engine's, of records as
// encodeRecord keeps them. Where the engine cannot say exactly what a filter
// means, the query is wider (up) or narrower (not up): what it finds then has to
// be read and held against the filter.
type translator struct {
	// resolve gives the names of fields that fit a name with * in it; false where
	// there are too many.
	resolve func(pattern string) (names []string, ok bool, err error)

	vague  string     // why no query is exact; "": as far as is known they are
	doubts []es.Query // the queries are exact where no record matches one of these
	err    error
}

// filter translates f. With up everything that f matches matches the query, else
// everything that the query matches matches f.
func (t *translator) filter(f logging.Filter, up bool) es.Query {
	switch f := f.(type) {
	case nil, logging.All:
		return es.NewMatchAllQuery()
	case logging.None:
		return nothing()
	case logging.And:
		q := es.NewBoolQuery().Filter(es.NewMatchAllQuery())
		for _, p := range f {
			q.Filter(t.filter(p, up))
		}
		return q
	case logging.Or:
		return t.or(f, up)
	case logging.Not:
		return es.NewBoolQuery().MustNot(t.filter(f.Of, !up))
	case logging.IDs:
		return terms("id", f...)
	case logging.Exists:
		return t.exists(f.Field)
	case logging.Leaf:
		return t.leaf(f, up)
	}
	t.err = fmt.Errorf("%w: filter of an unknown type %T", logging.ErrQuery, f)
	return nothing()
}

func (t *translator) or(f logging.Or, up bool) es.Query {
	least := max(f.Min, 1)
	if least > len(f.Of) {
		return nothing()
	}
	var of []es.Query
	var all clauses
	for _, p := range f.Of {
		// Single terms, of which there may be thousands, are asked for at once.
		if leaf, ok := p.(logging.Term); ok && least == 1 {
			if c, ok := t.termClauses(leaf); ok {
				all.add(c)
				continue
			}
		}
		of = append(of, t.filter(p, up))
	}
	if q := all.query(); q != nil {
		of = append(of, q)
	}
	return atLeast(least, of...)
}

// clauses are terms of which one must be there.
type clauses struct{ terms, tokens []string }

func (c *clauses) add(o clauses) {
	c.terms, c.tokens = append(c.terms, o.terms...), append(c.tokens, o.tokens...)
}

// query gives nil where there are none.
func (c *clauses) query() es.Query {
	var of []es.Query
	for _, in := range []struct {
		field string
		terms []string
	}{{"x", c.terms}, {"tk", c.tokens}} {
		slices.Sort(in.terms)
		for part := range slices.Chunk(slices.Compact(in.terms), 65_000) {
			of = append(of, terms(in.field, part...))
		}
	}
	if len(of) == 0 {
		return nil
	}
	return atLeast(1, of...)
}

func nothing() es.Query { return es.NewBoolQuery().MustNot(es.NewMatchAllQuery()) }

func terms[T ~string](field string, of ...T) es.Query {
	vals := make([]any, len(of))
	for i, v := range of {
		vals[i] = string(v)
	}
	if len(vals) == 1 {
		return es.NewTermQuery(field, vals[0])
	}
	return es.NewTermsQuery(field, vals...)
}

func atLeast(n int, of ...es.Query) es.Query {
	switch {
	case len(of) < n:
		return nothing()
	case len(of) == 1:
		return of[0]
	}
	return es.NewBoolQuery().Should(of...).MinimumNumberShouldMatch(n)
}

// plain reports whether a field's name names one field.
func plain(f logging.Field) bool { return f.Name != "" && !strings.Contains(f.Name, "*") }

// canonical gives the name under which a stamped name's values are.
func canonical(name string) string {
	switch name {
	case "kubernetes.namespace_name":
		return "namespace"
	case "kubernetes.pod_name":
		return "pod"
	case "kubernetes.container_name":
		return "container"
	case "kubernetes.host":
		return "node"
	}
	return name
}

// places gives the names under which a field's values are: of the first that a
// record has. See logging.Doc.
func places(name string) []string {
	switch name {
	case "log":
		return []string{"log", hiddenMessage, hiddenNone, messageName}
	case "host":
		return []string{"host", "node"}
	case originalName:
		return []string{originalName, hiddenOriginal}
	}
	return []string{canonical(name)}
}

func (t *translator) exists(f logging.Field) es.Query {
	switch {
	case f.Name == "":
		return es.NewExistsQuery("n")
	case !plain(f):
		if logging.NameFits(f.Name, logging.FieldTime) || logging.NameFits(f.Name, logging.FieldReceived) {
			return es.NewMatchAllQuery()
		}
		return es.NewRegexpQuery("n", wildcardRegexp(encodeName(f.Name), false))
	case always(f.Name):
		return es.NewMatchAllQuery()
	}
	of := []es.Query{es.NewPrefixQuery("n", encodeName(f.Name+"."))}
	of = append(of, inOrder(places(f.Name), func(name string) es.Query {
		if name == hiddenNone {
			return nothing()
		}
		return es.NewTermQuery("n", encodeName(name))
	}))
	return atLeast(1, of...)
}

// inOrder asks of the first of the names that a record has.
func inOrder(names []string, ask func(name string) es.Query) es.Query {
	var of []es.Query
	for i, name := range names {
		q := ask(name)
		if i > 0 {
			before := make([]string, i)
			for j := range before {
				before[j] = encodeName(names[j])
			}
			q = es.NewBoolQuery().Filter(q).MustNot(terms("n", before...))
		}
		of = append(of, q)
	}
	return atLeast(1, of...)
}

// always reports whether every record has a value of that name which is not
// among its fields.
func always(name string) bool {
	switch name {
	case logging.FieldTime, logging.FieldReceived, logging.FieldSeq, "_index", "_id":
		return true
	}
	return false
}

// leaf translates what looks at the values of one field.
func (t *translator) leaf(f logging.Leaf, up bool) es.Query {
	field := f.Of()
	switch {
	case field.Name == "" && field.Exact:
		return t.unclear(up, "whole values in every field")
	case field.Name == "":
		return t.in(f, place{exact: false}, up)
	case !plain(field):
		return t.pattern(f, up)
	}
	if always(field.Name) {
		return t.meta(f, up)
	}
	exact := logging.FieldExact(field.Name, field)
	return inOrder(places(field.Name), func(name string) es.Query { return t.in(f, place{name: name, exact: exact}, up) })
}

// pattern translates a leaf of a name with * in it.
func (t *translator) pattern(f logging.Leaf, up bool) es.Query {
	field := f.Of()
	names, ok, err := t.resolve(field.Name)
	if err != nil {
		t.err = err
		return nothing()
	}
	if !ok {
		return t.unclear(up, "too many fields")
	}
	var of []es.Query
	for _, name := range names {
		if strings.HasPrefix(name, "exported.") {
			// A sender may have a field of that name, too.
			return t.unclear(up, "fields below exported")
		}
		of = append(of, t.in(f, place{name: name, exact: logging.FieldExact(name, field)}, up))
	}
	for _, name := range []string{logging.FieldTime, logging.FieldReceived} {
		if logging.NameFits(field.Name, name) {
			of = append(of, t.timed(f, name, up))
		}
	}
	return atLeast(1, of...)
}

// unclear stands for a filter that the engine cannot tell.
func (t *translator) unclear(up bool, why string) es.Query {
	t.vague = why
	if up {
		return es.NewMatchAllQuery()
	}
	return nothing()
}

// doubt says that the terms of a field do not tell everything where they do not
// hold all of its values.
func (t *translator) doubt(p place, of es.Query, up bool) es.Query {
	long := es.NewTermQuery("long", named(p.name))
	t.doubts = append(t.doubts, long)
	if up {
		return atLeast(1, of, long)
	}
	return es.NewBoolQuery().Filter(of).MustNot(long)
}
