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
	if t.Include, t.IncludePattern, err = a.termsOf(n, "include", f); err != nil {
		return err
	}
	if t.Exclude, t.ExcludePattern, err = a.termsOf(n, "exclude", f); err != nil {
		return err
	}
	if t.Include != nil && t.ExcludePattern != "" || t.Exclude != nil && t.IncludePattern != "" {
		return Illegal("Cannot mix a regex-based include with a set-based method in [%s]", clip(a.name))
	}
	if t.Order, err = a.parseOrder(n); err != nil {
		return err
	}
	a.of = t
	return nil
}

// termsOf reads include or exclude: an array of values, or a regular expression.
func (a *aggPlan) termsOf(n Node, key string, f logging.Field) (values []string, pattern string, err error) {
	v, ok := n.Get(key)
	switch {
	case !ok || v.Kind == Null:
		return nil, "", nil
	case v.Kind == Text:
		if _, err := logging.NewRegexp(f, v.Text); err != nil {
			return nil, "", Illegal("[%s] of [%s]: %s", key, clip(a.name), strings.TrimPrefix(err.Error(), logging.ErrQuery.Error()+": "))
		}
		return nil, v.Text, nil
	}
	values, ok = v.Strings()
	if v.Kind != Array || !ok || len(values) > termsSizeMax {
		return nil, "", Parsing("[terms] aggregation [%s] supports an array of values or a regular expression as [%s]", clip(a.name), key)
	}
	return values, "", nil
}

// Presets of a geohash grid.
const (
	geohashPreset     = 5
	geohashSizePreset = 10_000
)

func geohashGrid(a *aggPlan, n Node) error {
	f, err := aggField(a, n, "precision", "size", "shard_size", "bounds")
	if err != nil {
		return err
	}
	g := logging.GeohashGrid{Field: f}
	precision, err := aggInt(a, n, "precision", geohashPreset, 1, 12)
	if err != nil {
		return err
	}
	size, err := aggInt(a, n, "size", geohashSizePreset, 1, 1<<40)
	if err != nil {
		return err
	}
	g.Precision, g.Size = int(precision), int(min(size, termsSizeMax))
	if b, ok := n.Get("bounds"); ok && b.Kind != Null {
		if g.Within, err = geoBox(a, b); err != nil {
			return err
		}
	}
	a.of = g
	return nil
}

// geoBox reads {"top_left":..., "bottom_right":...} and {"top":..,"left":..}.
func geoBox(a *aggPlan, n Node) (*logging.GeoBox, error) {
	var b logging.GeoBox
	sides := map[string]*float64{"top": &b.Top, "left": &b.Left, "bottom": &b.Bottom, "right": &b.Right}
	corners := map[string][2]*float64{"top_left": {&b.Top, &b.Left}, "bottom_right": {&b.Bottom, &b.Right}, "top_right": {&b.Top, &b.Right}, "bottom_left": {&b.Bottom, &b.Left}}
	found := 0
	for i, key := range n.Keys {
		v := n.Items[i]
		if side := sides[key]; side != nil {
			x, ok := v.Float()
			if !ok {
				return nil, Parsing("[bounds] of [%s]: [%s] is not a number", clip(a.name), key)
			}
			*side = x
			found++
			continue
		}
		corner, ok := corners[key]
		if !ok {
			return nil, Parsing("[bounds] of [%s] does not support [%s]", clip(a.name), clip(key))
		}
		lat, lon, ok := pointOf(v)
		if !ok {
			return nil, Parsing("[bounds] of [%s]: [%s] is no point", clip(a.name), key)
		}
		*corner[0], *corner[1] = lat, lon
		found += 2
	}
	if found != 4 {
		return nil, Parsing("[bounds] of [%s] wants all four sides, or two opposite corners", clip(a.name))
	}
	return &b, nil
}

// pointOf reads a point: a string, [lon, lat], or an object of lat and lon.
func pointOf(n Node) (lat, lon float64, ok bool) {
	switch n.Kind {
	case Text:
		return logging.ParsePoint(n.Text)
	case Array:
		if len(n.Items) != 2 {
			return 0, 0, false
		}
		lon, okLon := n.Items[0].Float()
		lat, okLat := n.Items[1].Float()
		return lat, lon, okLat && okLon
	}
	la, _ := n.Get("lat")
	lo, _ := n.Get("lon")
	lat, okLat := la.Float()
	lon, okLon := lo.Float()
	return lat, lon, okLat && okLon
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
	if sub.scaled != nil {
		return sub.scaledOrder(s, of, bad)
	}
	switch m.Kind {
	case logging.Percentiles, logging.PercentileRanks:
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
