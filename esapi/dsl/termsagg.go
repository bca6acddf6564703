package dsl

import (
	"strconv"
	"strings"

	"github.com/oriel-project/oriel/logging"
)

func (p *parser) termsAgg(a *aggPlan, n Node) error {
	// How terms are gathered over shards makes no difference here: counts are exact.
	f, err := aggField(a, n, "size", "shard_size", "order", "min_doc_count", "shard_min_doc_count", "missing", "include", "exclude",
		"execution_hint", "collect_mode", "show_term_doc_count_error", "value_type", "format")
	if err != nil {
		return err
	}
	if err := aggFormat(a, n); err != nil {
		return err
	}
	t := logging.Terms{Field: f}
	size, err := aggInt(a, n, "size", 10, 1, 1<<40)
	if err != nil {
		return err
	}
	t.Size = int(min(size, termsSizeMax))
	if t.MinDocs, err = aggInt(a, n, "min_doc_count", 1, 0, 1<<62); err != nil {
		return err
	}
	if m, ok := n.Get("missing"); ok && m.Kind != Null {
		v := logging.String(m.Text)
		if m.Kind == Number {
			v, _ = numberValue(m.Text)
		} else if m.Kind == Bool {
			v = logging.Boolean(m.Text == "true")
		}
		t.Missing = &v
	}
	list := func(key string) ([]string, error) {
		v, ok := n.Get(key)
		if !ok || v.Kind == Null {
			return nil, nil
		}
		out, ok := v.Strings()
		if v.Kind != Array || !ok || len(out) > termsSizeMax {
			return nil, Parsing("[terms] aggregation [%s] supports arrays of exact values as [%s] only", clip(a.name), key)
		}
		return out, nil
	}
	if t.Include, err = list("include"); err != nil {
		return err
	}
	if t.Exclude, err = list("exclude"); err != nil {
		return err
	}
	if t.Order, err = a.parseOrder(n); err != nil {
		return err
	}
	a.of = t
	return nil
}

func (p *parser) filtersAgg(a *aggPlan, n Node) error {
	if err := aggKnown(a, n, "filters", "other_bucket", "other_bucket_key", "keyed"); err != nil {
		return err
	}
	if v, ok := n.Get("keyed"); ok && v.Text == "false" {
		a.unnamed = true
	}
	v, _ := n.Get("filters")
	if (v.Kind != Array && v.Kind != Object) || len(v.Items) == 0 || len(v.Items) > aggCountMax {
		return Parsing("[filters] of [%s] wants an object or array of 1 to %d queries", clip(a.name), aggCountMax)
	}
	var out logging.Filters
	var all []logging.Filter
	for i, it := range v.Items {
		f, err := p.query(it, 0)
		if err != nil {
			return err
		}
		name := strconv.Itoa(i)
		if v.Kind == Object {
			name = v.Keys[i]
		}
		out.Of = append(out.Of, logging.NamedFilter{Name: name, Filter: f})
		all = append(all, f)
	}
	a.unnamed = a.unnamed || v.Kind == Array
	name, named := n.Get("other_bucket_key")
	if flag(n, "other_bucket") || named {
		other := "_other_"
		if named {
			other = name.Text
		}
		out.Of = append(out.Of, logging.NamedFilter{Name: other, Filter: logging.Not{Of: anyOf(all, 1)}})
	}
	a.of = out
	return nil
}

// histogramOrder reads the order of a histogram's buckets: by key ascending
// where none is given.
func (a *aggPlan) histogramOrder(n Node) error {
	var err error
	a.order, err = a.parseOrder(n)
	return err
}

// parseOrder reads {"_key":"asc"} and arrays of such.
func (a *aggPlan) parseOrder(n Node) ([]logging.TermsOrder, error) {
	v, ok := n.Get("order")
	if !ok || v.Kind == Null {
		return nil, nil
	}
	items := v.Items
	if v.Kind != Array {
		items = []Node{v}
	}
	var out []logging.TermsOrder
	for _, it := range items {
		if it.Kind != Object || len(it.Keys) != 1 || len(out) > 16 {
			return nil, Parsing("Must specify at least one field for [order] in [%s]", clip(a.name))
		}
		by, err := a.orderBy(it.Keys[0])
		if err != nil {
			return nil, err
		}
		switch strings.ToLower(it.Items[0].Text) {
		case "asc":
		case "desc":
			by.Desc = true
		default:
			return nil, Parsing("Unknown order direction [%s] in [%s]", clip(it.Items[0].Text), clip(a.name))
		}
		out = append(out, by)
	}
	return out, nil
}

// orderBy reads what buckets are ordered by: _count, _key, a metric inside, or
// one number of it as in "1[95.0]" and "1.std_deviation".
func (a *aggPlan) orderBy(s string) (logging.TermsOrder, error) {
	switch s {
	case "_count", "_key":
		return logging.TermsOrder{By: s}, nil
	case "_term", "_time":
		return logging.TermsOrder{By: "_key"}, nil
	}
	name, of, _ := strings.Cut(s, "[")
	of = strings.TrimSuffix(of, "]")
	sub := a.sub(name)
	for i := 0; sub == nil && i < min(len(s), 512); i++ { // 1.95.0: the name ends at one of the dots
		if s[i] == '.' {
			name, of = s[:i], s[i+1:]
			sub = a.sub(name)
		}
	}
	bad := Illegal("Invalid aggregation order path [%s]. It must name a single-value metric, or one value of a metric, directly inside [%s]", clip(s), clip(a.name))
	if sub == nil {
		return logging.TermsOrder{}, bad
	}
	m, ok := sub.of.(logging.Metric)
	if !ok {
		return logging.TermsOrder{}, bad
	}
	switch m.Kind {
	case logging.Percentiles:
		p, ok := parseFloat(of)
		if !ok {
			return logging.TermsOrder{}, bad
		}
		for _, have := range m.Percents {
			if have == p {
				return logging.TermsOrder{By: name + "." + javaFloat(p)}, nil
			}
		}
		return logging.TermsOrder{}, bad
	case logging.StatsMetric, logging.ExtendedStats:
		if !strings.Contains(" count sum min max avg sum_of_squares variance variance_population std_deviation std_deviation_population std_upper std_lower ", " "+of+" ") || of == "" {
			return logging.TermsOrder{}, bad
		}
		if strings.HasSuffix(of, "per") || strings.HasSuffix(of, "lower") {
			if sub.sigma != 2 {
				return logging.TermsOrder{}, Illegal("order by [%s] is supported with a sigma of 2 only", clip(s))
			}
		}
		return logging.TermsOrder{By: name + "." + of}, nil
	}
	if of != "" && of != "value" {
		return logging.TermsOrder{}, bad
	}
	return logging.TermsOrder{By: name}, nil
}

func (a *aggPlan) sub(name string) *aggPlan {
	for i := range a.subs {
		if a.subs[i].name == name {
			return &a.subs[i]
		}
	}
	return nil
}
