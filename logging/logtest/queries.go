package logtest

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// Field makes the name of a field as filters use them: one of the documents', a
// stamped one, every field, or a wildcard.
func Field(r *rand.Rand) logging.Field {
	switch r.IntN(14) {
	case 0:
		return logging.Field{Exact: one(r, 2)}
	case 1:
		return logging.Field{Name: pick(r, []string{"kubernetes.*", "*e*", "a*", "exported.*", "*", "n.*", "fields*", "l*l", "@*", "*.b"}), Exact: one(r, 3)}
	case 2:
		return logging.FieldOf(pick(r, []string{"region", "cloud", "container", "node", "kubernetes.container_name", "exported.cluster", "exported.level", "exported.stream", "exported.kubernetes.namespace_name", "nowhere", "kubernetes", "n"}))
	case 3:
		return logging.Field{Name: pick(r, names), Exact: one(r, 2)}
	}
	return single(r)
}

// single names one field.
func single(r *rand.Rand) logging.Field {
	name := pick(r, names)
	if one(r, 3) {
		name = pick(r, []string{"message", "level", "status", "latency", "trace", "pod", "namespace", logging.FieldTime, logging.FieldSeq, logging.FieldReceived})
	}
	if one(r, 3) {
		name += ".keyword"
	}
	return logging.FieldOf(name)
}

// term makes the text of a Term: a value, a word of one, in any case.
func term(r *rand.Rand) string {
	s := ""
	switch r.IntN(8) {
	case 0:
		s = pick(r, strs)
	case 1:
		s = pick(r, numbers)
	case 2:
		s = hexID(r)
	case 3:
		s = strings.Trim(value(r, pick(r, []byte("lutb"))), `"`)
	case 4:
		s = pick(r, levels)
	case 5:
		s = pick(r, namespaces)
	case 6:
		s = instant(r).Format(time.RFC3339Nano)
	default:
		s = pick(r, words)
	}
	if one(r, 2) {
		s = strings.ToLower(s)
	}
	return s
}

func instant(r *rand.Rand) time.Time {
	return noon.Add(time.Duration(r.Int64N(int64(pick(r, []time.Duration{time.Second, time.Minute, time.Hour, 50 * time.Hour}))))).Truncate(pick(r, []time.Duration{1, time.Second, time.Minute}))
}

// Filter makes a filter of at most that depth.
func Filter(r *rand.Rand, depth int) logging.Filter {
	if depth > 0 && !one(r, 3) {
		switch r.IntN(6) {
		case 0, 1, 2:
			f := make(logging.And, r.IntN(4))
			for i := range f {
				f[i] = Filter(r, depth-1)
			}
			return f
		case 3, 4:
			f := logging.Or{Of: make([]logging.Filter, r.IntN(4)), Min: r.IntN(3)}
			for i := range f.Of {
				f.Of[i] = Filter(r, depth-1)
			}
			return f
		}
		return logging.Not{Of: Filter(r, depth-1)}
	}
	switch r.IntN(14) {
	case 0:
		return logging.All{}
	case 1:
		if one(r, 4) {
			return logging.None{}
		}
		return logging.Exists{Field: Field(r)}
	case 2, 3:
		return phrase(r)
	case 4, 5:
		return pattern(r)
	case 6:
		return bounds(r, Field(r))
	case 7, 8:
		return bounds(r, logging.FieldOf(pick(r, []string{logging.FieldTime, logging.FieldTime, "status", "latency", "a", logging.FieldSeq, "time"})))
	case 9:
		ids := make(logging.IDs, 1+r.IntN(3))
		for i := range ids {
			n := r.IntN(1500)
			if ids[i] = logging.DerivedID(uint64(n)); one(r, 2) {
				ids[i] = fmt.Sprintf("given-%d", n)
			}
		}
		return ids
	}
	return logging.Term{Field: Field(r), Text: term(r), Fold: one(r, 4)}
}

func phrase(r *rand.Rand) logging.Filter {
	raw := pick(r, words)
	switch r.IntN(4) {
	case 0:
		raw = term(r)
	case 1:
		raw = text(r)
	case 2:
		raw += " " + pick(r, words)
	}
	f := logging.Phrase{Field: Field(r), Tokens: logging.Analyze(raw), Raw: raw}
	if one(r, 4) {
		f.Slop = r.IntN(3)
	}
	if one(r, 4) {
		f.LastPrefix = true
		if n := len(f.Tokens); n > 0 {
			last := []rune(f.Tokens[n-1])
			f.Tokens[n-1] = string(last[:1+r.IntN(len(last))])
			f.Raw = raw[:r.IntN(len(raw)+1)]
		}
	}
	return f
}

func pattern(r *rand.Rand) logging.Filter {
	f := logging.Pattern{Field: Field(r), Kind: pick(r, []logging.PatternKind{logging.Prefix, logging.Wildcard, logging.Regexp, logging.Fuzzy}), Fold: one(r, 3)}
	s := term(r)
	if len(s) > 3 && one(r, 2) {
		s = strings.ToValidUTF8(s[r.IntN(2):len(s)-r.IntN(3)], "")
	}
	f.Text = s
	switch f.Kind {
	case logging.Wildcard:
		f.Text = pick(r, []string{"*" + s + "*", s + "*", "*" + s, "?" + s, s, "*"})
	case logging.Regexp:
		p, err := logging.NewRegexp(f.Field, pick(r, []string{".*err.*", "[a-z]+", "\\d+", "(web|db)-.", "Con.*d", "[0-9]{3}", ".*", "e?rror"}))
		if err != nil {
			panic(err)
		}
		p.Fold = f.Fold
		return p
	}
	return f
}

func bounds(r *rand.Rand, field logging.Field) logging.Filter {
	f := logging.Range{Field: field}
	kind := r.IntN(4)
	bound := func() *logging.Bound {
		var v logging.Value
		switch {
		case field.Name == logging.FieldTime && kind != 0 || kind == 1:
			v = logging.Time(instant(r))
		case kind == 2:
			v = logging.Float(pick(r, []float64{0, 0.5, 1, 12.3, 200, 404.5, 500, -1, 1e18, 1e300, 1763812800000.5}))
		case kind == 3:
			v = logging.String(term(r))
		default:
			v = logging.Int(pick(r, []int64{0, 1, 7, 42, 200, 500, -1, 1 << 53, 1763812800000, int64(r.IntN(1500))}))
		}
		return &logging.Bound{Value: v, Inclusive: one(r, 2)}
	}
	if !one(r, 3) {
		f.Min = bound()
	}
	if !one(r, 3) {
		f.Max = bound()
	}
	return f
}

// Sort makes up to three sort keys, by time more often than not.
func Sort(r *rand.Rand) []logging.SortKey {
	var keys []logging.SortKey
	if !one(r, 3) {
		keys = append(keys, logging.SortKey{Field: logging.FieldOf(logging.FieldTime), Desc: !one(r, 3)})
	}
	for range r.IntN(3) {
		f := single(r)
		if one(r, 8) {
			f = Field(r)
		}
		keys = append(keys, logging.SortKey{Field: f, Desc: one(r, 2), MissingFirst: one(r, 2)})
	}
	return keys
}

// Query makes a query: any filter, sort, bounds and aggregations. Its After is
// not set: it takes a result to continue from.
func Query(r *rand.Rand) logging.Query {
	q := logging.Query{Filter: Filter(r, 3), Sort: Sort(r)}
	if one(r, 6) {
		q.Filter = nil
	}
	if one(r, 5) {
		q.Indices = []string{"logs-eu-web", "logs-all", "nowhere"}[:1+r.IntN(3)]
	}
	if !one(r, 4) {
		q.Limit = pick(r, []int{1, 3, 10, 100, 10_000})
	}
	if one(r, 4) {
		q.Offset = r.IntN(20)
	}
	q.TotalMax = pick(r, []int{0, 0, -1, 1, 10, 1000})
	if one(r, 3) {
		q.Aggs = Aggs(r, 2)
	}
	return q
}

// Aggs makes aggregations nested at most that deep.
func Aggs(r *rand.Rand, depth int) []logging.Agg {
	aggs := make([]logging.Agg, 1+r.IntN(2))
	for i := range aggs {
		aggs[i] = agg(r, fmt.Sprintf("a%d", i), depth)
	}
	return aggs
}

func agg(r *rand.Rand, name string, depth int) logging.Agg {
	a := logging.Agg{Name: name}
	field := single(r)
	if one(r, 12) {
		field = Field(r)
	}
	if depth == 0 || one(r, 3) {
		if one(r, 5) {
			a.Of = logging.TopHits{Sort: Sort(r), Offset: r.IntN(2), Limit: r.IntN(4)}
			return a
		}
		m := logging.Metric{Field: field, Kind: logging.MetricKind(1 + r.IntN(int(logging.PercentileRanks))), Percents: []float64{0, 50, 95, 100}}
		if one(r, 2) {
			m.Field = logging.FieldOf(pick(r, []string{"status", "latency", "a", "size", logging.FieldTime, "trace", "n.x"}))
		}
		if m.Kind == logging.Avg || m.Kind == logging.Sum {
			m.Field = logging.FieldOf("size")
		}
		m.Missing = missing(r)
		a.Of = m
		return a
	}
	switch r.IntN(9) {
	case 0, 1:
		h := logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), MinDocs: int64(r.IntN(3)), Desc: one(r, 4)}
		if one(r, 3) {
			h.Field = logging.FieldOf(pick(r, []string{"time", "@received", "a", "status"}))
			h.MinDocs, h.Missing = 1, missing(r)
		}
		if h.MinDocs > 0 || one(r, 2) {
			h.Fixed = pick(r, []time.Duration{time.Minute, time.Hour, 7 * time.Second, 90 * time.Minute})
		} else {
			h.Calendar = logging.Calendar(2 + r.IntN(int(logging.Year)-1))
		}
		if h.Fixed == 0 && one(r, 2) {
			h.Zone = time.FixedZone("x", 5400)
		}
		if one(r, 5) {
			h.Offset = time.Duration(r.IntN(100)) * time.Second
		}
		if one(r, 5) {
			from, to := instant(r), instant(r).Add(time.Hour)
			h.HardMin, h.HardMax = &from, &to
		}
		a.Of = h
	case 2:
		h := logging.Histogram{Field: logging.FieldOf(pick(r, []string{"status", "latency", "a", "n.x"})), Interval: pick(r, []float64{1, 10, 2.5}), MinDocs: 1, Missing: missing(r)}
		if one(r, 5) {
			from, to := float64(r.IntN(100)), float64(100+r.IntN(400))
			h.HardMin, h.HardMax = &from, &to
		}
		a.Of = h
	case 3:
		a.Of = logging.Filters{Of: []logging.NamedFilter{{Name: "x", Filter: Filter(r, 1)}, {Name: "y", Filter: Filter(r, 1)}}}
	case 4:
		a.Of = logging.FilterAgg{Filter: Filter(r, 1)}
	case 5:
		a.Of = logging.MissingAgg{Field: field}
	case 6:
		a.Of = composite(r)
	case 7:
		a.Of = logging.GeohashGrid{Field: logging.Field{Name: pick(r, []string{"where", "message", "a"})}, Precision: 1 + r.IntN(6), Size: pick(r, []int{1, 5, 100})}
	default:
		t := logging.Terms{Field: field, Size: pick(r, []int{0, 1, 5, 100}), MinDocs: int64(r.IntN(3)), Missing: missing(r)}
		if one(r, 5) {
			t.Include = []string{"200", "error", "web-1", "info", "web", "eu"}
		}
		if one(r, 5) {
			t.Exclude = []string{"200", "db-0", "warn"}
		}
		if one(r, 6) {
			t.IncludePattern = pick(r, []string{".*e.*", "[0-9]+", "(web|db)-.", "[a-k].*"})
		}
		if one(r, 6) {
			t.ExcludePattern = pick(r, []string{"web.*", "[0-4].*", ".*o.*"})
		}
		if one(r, 3) {
			t.Order = []logging.TermsOrder{{By: "_key", Desc: one(r, 2)}}
		}
		a.Of = t
	}
	if !one(r, 3) {
		a.Sub = Aggs(r, depth-1)
	}
	return a
}

// composite makes one to three sources, and a place to continue from.
func composite(r *rand.Rand) logging.Composite {
	c := logging.Composite{Size: pick(r, []int{1, 3, 10, 1000})}
	var after []logging.Value
	for range 1 + r.IntN(3) {
		s := logging.CompositeSource{Desc: one(r, 3), Missing: one(r, 3), MissingOrder: logging.MissingOrder(r.IntN(3))}
		switch r.IntN(4) {
		case 0:
			s.Of = logging.Histogram{Field: logging.FieldOf(pick(r, []string{"status", "latency", "a", "size"})), Interval: pick(r, []float64{1, 10, 2.5, 100})}
			after = append(after, logging.Float(float64(r.IntN(500))))
		case 1:
			s.Of = logging.DateHistogram{Field: logging.FieldOf(pick(r, []string{logging.FieldTime, logging.FieldTime, "time"})), Fixed: pick(r, []time.Duration{time.Minute, time.Hour, 90 * time.Minute}), Offset: pick(r, []time.Duration{0, time.Second})}
			after = append(after, logging.Time(instant(r)))
		default:
			f := single(r)
			s.Of = logging.Terms{Field: f}
			v := logging.String(pick(r, []string{"info", "web-1", "m", ""}))
			if one(r, 3) {
				v = logging.Int(int64(r.IntN(500)))
			}
			if f.Name == logging.FieldTime {
				v = logging.Time(instant(r))
			}
			after = append(after, v)
		}
		if s.Missing && one(r, 5) {
			after[len(after)-1] = logging.Value{}
		}
		c.Sources = append(c.Sources, s)
	}
	if one(r, 2) {
		c.After = after
	}
	return c
}

func missing(r *rand.Rand) *logging.Value {
	if !one(r, 4) {
		return nil
	}
	v := pick(r, []logging.Value{logging.Int(200), logging.String("none"), logging.Float(0.5)})
	return &v
}
