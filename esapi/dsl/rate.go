package dsl

import (
	"time"

	"github.com/oriel-project/oriel/logging"
)

// ratePlan is a rate: a sum, or a count, a unit of time, in a date histogram.
type ratePlan struct {
	unit  timeUnit
	field bool // else documents are counted
}

// timeUnit is a unit: so many milliseconds, or so many months.
type timeUnit struct {
	name           string
	millis, months int64
}

var rateUnits = map[string]timeUnit{
	"second": {"second", 1000, 0}, "1s": {"second", 1000, 0},
	"minute": {"minute", 60_000, 0}, "1m": {"minute", 60_000, 0},
	"hour": {"hour", 3_600_000, 0}, "1h": {"hour", 3_600_000, 0},
	"day": {"day", 86_400_000, 0}, "1d": {"day", 86_400_000, 0},
	"week": {"week", 7 * 86_400_000, 0}, "1w": {"week", 7 * 86_400_000, 0},
	"month": {"month", 0, 1}, "1M": {"month", 0, 1},
	"quarter": {"quarter", 0, 3}, "1q": {"quarter", 0, 3},
	"year": {"year", 0, 12}, "1y": {"year", 0, 12},
}

func (p *parser) rateAgg(a *aggPlan, n Node) error {
	if len(a.subs) > 0 {
		return Parsing("Aggregator [%s] of type [rate] cannot accept sub-aggregations", clip(a.name))
	}
	a.rate = &ratePlan{}
	m := logging.Metric{Kind: logging.Sum}
	if v, ok := n.Get("field"); ok && v.Kind != Null {
		f, err := aggField(a, n, "unit", "mode", "format", "missing")
		if err != nil {
			return err
		}
		m.Field, a.rate.field = f, true
		if v, ok := n.Get("missing"); ok && v.Kind != Null {
			x, ok := numberValue(v.Text)
			if !ok {
				return Illegal("[missing] of [%s] is not a number: [%s]", clip(a.name), clip(v.Text))
			}
			m.Missing = &x
		}
	} else if err := aggKnown(a, n, "unit", "format"); err != nil {
		return err
	}
	if err := aggFormat(a, n); err != nil {
		return err
	}
	if v, ok := n.Get("mode"); ok && v.Kind != Null {
		switch v.Text {
		case "sum":
		case "value_count":
			m.Kind = logging.ValueCount
		default:
			return Illegal("No enum constant RateMode.%s in [%s]: want [sum] or [value_count]", clip(v.Text), clip(a.name))
		}
	}
	if v, ok := n.Get("unit"); ok && v.Kind != Null {
		if a.rate.unit, ok = rateUnits[v.Text]; !ok {
			return Illegal("Unsupported unit %s in [%s]", clip(v.Text), clip(a.name))
		}
	}
	if a.rate.field {
		a.of = m
	}
	return nil
}

// checkRate finds the date histogram around, and whether the unit can be counted
// in its buckets.
func (a *aggPlan) checkRate(above []*aggPlan) error {
	for i := len(above) - 1; i >= 0; i-- {
		h, ok := above[i].of.(logging.DateHistogram)
		if !ok {
			continue
		}
		switch u := a.rate.unit; {
		case u.months > 0 && h.Calendar < logging.Month:
			return Illegal("Cannot use month-based rate unit [%s] with non-month based interval histogram, only week, day, hour, minute and second are supported for this histogram", u.name)
		default:
			return nil
		}
	}
	return Illegal("The rate aggregation can only be used inside a date histogram aggregation or composite aggregation with exactly one date histogram value source")
}

// rateOf gives the rate of what was summed up.
func (a *aggPlan) rateOf(r logging.AggResult, in around) logging.AggResult {
	x := float64(in.docs)
	if a.rate.field {
		x = 0
		if r.Value != nil {
			x = *r.Value
		}
	}
	if u := a.rate.unit; u.name != "" && in.histogram != nil {
		h, _ := in.histogram.of.(logging.DateHistogram)
		months := map[logging.Calendar]int64{logging.Month: 1, logging.Quarter: 3, logging.Year: 12}[h.Calendar]
		switch {
		case u.months > 0:
			x /= float64(months) / float64(u.months)
		case months > 0:
			x /= float64(h.Next(in.key).Sub(in.key)/time.Millisecond) / float64(u.millis)
		default:
			x /= float64(intervalMillis(h)) / float64(u.millis)
		}
	}
	return value(x)
}

// intervalMillis is the length of buckets up to a week.
func intervalMillis(h logging.DateHistogram) int64 {
	switch h.Calendar {
	case logging.Minute:
		return 60_000
	case logging.Hour:
		return 3_600_000
	case logging.Day:
		return 86_400_000
	case logging.Week:
		return 7 * 86_400_000
	}
	return h.Fixed.Milliseconds()
}
