package dsl

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// rangePlan is one bucket of range or date_range. To the store it is a filter.
type rangePlan struct {
	key              string
	from, to         *float64 // of dates in milliseconds
	fromText, toText string   // as formatted; "" where there is no format
	fromMath, toMath time.Time
}

// rangeAgg reads range, and date_range with dates.
func (p *parser) rangeAgg(a *aggPlan, n Node, dates bool) error {
	settings := []string{"ranges", "keyed", "missing", "format"}
	if dates {
		settings = append(settings, "time_zone")
	}
	f, err := aggField(a, n, settings...)
	if err != nil {
		return err
	}
	if err := aggFormat(a, n); err != nil {
		return err
	}
	a.keyed = flag(n, "keyed")
	if z, ok := n.Get("time_zone"); ok && z.Kind != Null {
		if a.zone, err = ParseZone(z.Text); err != nil {
			return err
		}
	}
	dates = dates || isDate(f)
	if dates && a.format == nil {
		a.format = defaultDates
	}
	list, _ := n.Get("ranges")
	if list.Kind != Array || len(list.Items) == 0 || len(list.Items) > aggCountMax {
		return Illegal("No [ranges] specified for the [%s] aggregation, or more than %d", clip(a.name), aggCountMax)
	}
	for _, it := range list.Items {
		r, err := p.oneRange(a, it, dates)
		if err != nil {
			return err
		}
		a.ranges = append(a.ranges, r)
	}
	end := func(x *float64, none float64) float64 {
		if x == nil {
			return none
		}
		return *x
	}
	slices.SortStableFunc(a.ranges, func(x, y rangePlan) int {
		if c := compareFloats(end(x.from, math.Inf(-1)), end(y.from, math.Inf(-1))); c != 0 {
			return c
		}
		return compareFloats(end(x.to, math.Inf(1)), end(y.to, math.Inf(1)))
	})
	missing, err := p.rangeMissing(a, n, dates)
	if err != nil {
		return err
	}
	var out logging.Filters
	for _, r := range a.ranges {
		var filter logging.Filter = logging.Range{Field: f, Min: r.bound(r.from, r.fromMath, true, dates), Max: r.bound(r.to, r.toMath, false, dates)}
		if r.from == nil && r.to == nil {
			filter = existsFilter(f.Name)
		}
		if missing != nil && (r.from == nil || *missing >= *r.from) && (r.to == nil || *missing < *r.to) {
			filter = anyOf([]logging.Filter{filter, logging.Not{Of: existsFilter(f.Name)}}, 1)
		}
		out.Of = append(out.Of, logging.NamedFilter{Name: r.key, Filter: filter})
	}
	a.of = out
	return nil
}

func compareFloats(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func (r rangePlan) bound(x *float64, at time.Time, inclusive, dates bool) *logging.Bound {
	switch {
	case x == nil:
		return nil
	case dates:
		return &logging.Bound{Value: logging.Time(at), Inclusive: inclusive}
	}
	return &logging.Bound{Value: logging.Float(*x), Inclusive: inclusive}
}

func (p *parser) oneRange(a *aggPlan, n Node, dates bool) (rangePlan, error) {
	var r rangePlan
	if n.Kind != Object {
		return r, Parsing("[%s] aggregation [%s]: a range is an object with [from] and [to]", a.kind, clip(a.name))
	}
	for i, key := range n.Keys {
		v := n.Items[i]
		if v.Kind == Null {
			continue
		}
		switch key {
		case "key":
			r.key = v.Text
		case "from", "to":
			x, at, err := p.rangeEnd(a, v, dates)
			if err != nil {
				return r, err
			}
			text := ""
			switch {
			case dates:
				text = a.format.Format(at, a.zone)
			case a.decimals != nil && !a.decimals.raw:
				text = a.decimals.Format(x)
			}
			if key == "from" {
				r.from, r.fromText, r.fromMath = &x, text, at
			} else {
				r.to, r.toText, r.toMath = &x, text, at
			}
		default:
			return r, Parsing("[%s] aggregation [%s]: a range does not support [%s]", a.kind, clip(a.name), clip(key))
		}
	}
	if r.key == "" {
		r.key = rangeEndKey(r.from, r.fromText) + "-" + rangeEndKey(r.to, r.toText)
	}
	return r, nil
}

func rangeEndKey(x *float64, text string) string {
	switch {
	case x == nil:
		return "*"
	case text != "":
		return text
	}
	return javaFloat(*x)
}

func (p *parser) rangeEnd(a *aggPlan, v Node, dates bool) (x float64, at time.Time, err error) {
	if !dates || v.Kind == Number {
		x, ok := v.Float()
		if !ok || math.IsNaN(x) || dates && math.Abs(x) > 1e15 {
			return 0, at, &Error{Status: 400, Type: "number_format_exception", Phase: true, Reason: "For input string: " + strconv.Quote(clip(v.Text))}
		}
		if dates {
			at = time.UnixMilli(int64(x))
		}
		return x, at, nil
	}
	at, err = a.format.DateMath(v.Text, p.env.Now, a.zone, false)
	return float64(at.UnixMilli()), at, err
}

// rangeMissing gives what documents without the field count as; nil: nothing.
func (p *parser) rangeMissing(a *aggPlan, n Node, dates bool) (*float64, error) {
	v, ok := n.Get("missing")
	if !ok || v.Kind == Null {
		return nil, nil
	}
	x, _, err := p.rangeEnd(a, v, dates)
	return &x, err
}

// appendRangeBucket appends what says which range a bucket is.
func appendRangeBucket(dst []byte, r rangePlan) []byte {
	for _, e := range []struct {
		key, text string
		x         *float64
	}{{"from", r.fromText, r.from}, {"to", r.toText, r.to}} {
		if e.x == nil {
			continue
		}
		dst = append(AppendFloat(append(append(append(dst, '"'), e.key...), `":`...), *e.x), ',')
		if e.text != "" {
			dst = append(append(append(dst, '"'), e.key...), `_as_string":`...)
			dst = append(jsontext.AppendString(dst, e.text), ',')
		}
	}
	return dst
}
