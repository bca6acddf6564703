package elastic

import (
	"math"
	"time"
	"unicode/utf8"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
)

// meta translates a leaf of what is not among a record's fields: its times, its
// position, its index and id.
func (t *translator) meta(f logging.Leaf, up bool) es.Query {
	switch name := f.Of().Name; name {
	case logging.FieldTime, logging.FieldReceived:
		return t.timed(f, name, up)
	case logging.FieldSeq:
		return t.seq(f, up)
	case "_index":
		return t.whole(f, "i", up)
	default:
		return t.whole(f, "id", up)
	}
}

// timeField is how the engine counts a time.
type timeField struct {
	name string
	unit time.Duration
}

func timeFieldOf(name string) timeField {
	if name == logging.FieldReceived {
		return timeField{"r", time.Millisecond}
	}
	return timeField{"ns", 1}
}

// timed translates a leaf of one of the times.
func (t *translator) timed(f logging.Leaf, name string, up bool) es.Query {
	in := timeFieldOf(name)
	equal := func(text string) es.Query {
		if at, ok := logging.ParseTime(text); ok {
			return in.between(&logging.Bound{Value: logging.Time(at), Inclusive: true}, &logging.Bound{Value: logging.Time(at), Inclusive: true})
		}
		if n, ok := number(text); ok {
			return in.between(&logging.Bound{Value: n, Inclusive: true}, &logging.Bound{Value: n, Inclusive: true})
		}
		return nothing()
	}
	switch f := f.(type) {
	case logging.Term:
		return equal(f.Text)
	case logging.Phrase:
		return equal(f.Raw)
	case logging.Range:
		return in.between(f.Min, f.Max)
	case logging.Pattern:
		if f.Kind == logging.Fuzzy {
			return nothing()
		}
	}
	return t.unclear(up, "a pattern for times")
}

// between gives the times between two bounds, of which numbers are milliseconds.
func (in timeField) between(lo, hi *logging.Bound) es.Query {
	q := es.NewRangeQuery(in.name)
	for i, b := range []*logging.Bound{lo, hi} {
		if b == nil {
			continue
		}
		at, below, ok := in.whole(b.Value)
		if !ok {
			return nothing()
		}
		switch {
		case i == 0 && (below || !b.Inclusive): // at itself is too early
			q.Gt(at)
		case i == 0:
			q.Gte(at)
		case below || b.Inclusive:
			q.Lte(at)
		default:
			q.Lt(at)
		}
	}
	if lo == nil && hi == nil {
		return es.NewMatchAllQuery()
	}
	return q
}

// whole gives the last whole unit that is not after a bound, and whether it is
// before it.
func (in timeField) whole(v logging.Value) (at int64, below, ok bool) {
	perMilli := float64(time.Millisecond / in.unit)
	switch v.Kind {
	case logging.KindTime:
		ns := nanos(v.Time)
		at = ns / int64(in.unit)
		if at*int64(in.unit) > ns {
			at--
		}
		return at, at*int64(in.unit) < ns, true
	case logging.KindInt:
		if in.unit == time.Millisecond {
			return v.Int, false, true
		}
		switch {
		case v.Int > math.MaxInt64/int64(perMilli):
			return math.MaxInt64, true, true
		case v.Int < math.MinInt64/int64(perMilli):
			return math.MinInt64, false, true
		}
		return v.Int * int64(perMilli), false, true
	case logging.KindFloat:
		if math.IsNaN(v.Float) {
			return 0, false, false
		}
		whole := math.Floor(v.Float)
		switch {
		case whole >= math.MaxInt64/perMilli:
			return math.MaxInt64, true, true
		case whole < math.MinInt64/perMilli:
			return math.MinInt64, false, true
		}
		part := (v.Float - whole) * perMilli
		at = int64(whole)*int64(perMilli) + int64(math.Floor(part))
		return at, part != math.Floor(part), true
	}
	return 0, false, false
}

// seq translates a leaf of the position: an integer.
func (t *translator) seq(f logging.Leaf, up bool) es.Query {
	equal := func(text string) es.Query {
		n, ok := number(text)
		if !ok || n.Kind == logging.KindFloat && n.Float != math.Floor(n.Float) || logging.Compare(n, logging.Int(0)) < 0 || logging.Compare(n, logging.Int(1<<53)) > 0 {
			return nothing()
		}
		if n.Kind == logging.KindFloat {
			n = logging.Int(int64(n.Float))
		}
		return es.NewTermQuery("s", n.Int)
	}
	switch f := f.(type) {
	case logging.Term:
		return equal(f.Text)
	case logging.Phrase:
		return equal(f.Raw)
	case logging.Range:
		return timeField{"s", time.Millisecond}.between(f.Min, f.Max)
	case logging.Pattern:
		if f.Kind == logging.Fuzzy {
			return nothing()
		}
	}
	return t.unclear(up, "a pattern for positions")
}

// whole translates a leaf of a name that the engine keeps as it is.
func (t *translator) whole(f logging.Leaf, field string, up bool) es.Query {
	switch f := f.(type) {
	case logging.Term:
		if f.Fold {
			return es.NewRegexpQuery(field, foldedRegexp(f.Text))
		}
		return es.NewTermQuery(field, f.Text)
	case logging.Phrase:
		if f.LastPrefix {
			return es.NewPrefixQuery(field, f.Raw)
		}
		return es.NewTermQuery(field, f.Raw)
	case logging.Range:
		for _, b := range []*logging.Bound{f.Min, f.Max} {
			if b != nil && b.Value.Kind != logging.KindString {
				return t.unclear(up, "a bound for names that is no text")
			}
		}
		return termRange(field, "", stringBound(f.Min), stringBound(f.Max))
	case logging.Pattern:
		if !utf8.ValidString(f.Text) {
			return t.unclear(up, "a pattern that is no UTF-8")
		}
		switch {
		case f.Kind == logging.Prefix && !f.Fold:
			return es.NewPrefixQuery(field, f.Text)
		case f.Kind == logging.Prefix:
			return es.NewRegexpQuery(field, foldedRegexp(f.Text)+".*")
		case f.Kind == logging.Wildcard:
			return es.NewRegexpQuery(field, wildcardRegexp(f.Text, f.Fold))
		case f.Kind == logging.Regexp:
			if re, ok := luceneRegexp(f.Text, f.Fold); ok {
				return es.NewRegexpQuery(field, re)
			}
		}
	}
	return t.unclear(up, "a pattern for names")
}
