package dsl

import (
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/logging"
)

func (p *parser) dateHistogram(a *aggPlan, n Node) error {
	f, err := aggField(a, n, "fixed_interval", "calendar_interval", "interval", "offset", "time_zone", "min_doc_count",
		"extended_bounds", "hard_bounds", "missing", "format", "keyed", "order")
	if err != nil {
		return err
	}
	h := logging.DateHistogram{Field: f}
	a.keyed = flag(n, "keyed")
	if err := aggFormat(a, n); err != nil {
		return err
	}
	if z, ok := n.Get("time_zone"); ok {
		if h.Zone, err = ParseZone(z.Text); err != nil {
			return err
		}
		a.zone = h.Zone
	}
	if h.Fixed, h.Calendar, err = interval(a, n); err != nil {
		return err
	}
	if o, ok := n.Get("offset"); ok && o.Kind != Null {
		if h.Offset, err = offset(o); err != nil {
			return err
		}
	}
	if h.MinDocs, err = aggInt(a, n, "min_doc_count", 0, 0, 1<<62); err != nil {
		return err
	}
	format := a.format
	if format == nil {
		format = defaultDates
	}
	if m, ok := n.Get("missing"); ok && m.Kind != Null {
		t, err := format.DateMath(m.Text, p.env.Now, h.Zone, false)
		if err != nil {
			return err
		}
		v := logging.Time(t)
		h.Missing = &v
	}
	if b, ok := n.Get("extended_bounds"); ok && b.Kind != Null {
		if h.ExtendedMin, h.ExtendedMax, err = p.dateBounds("extended_bounds", b, format, h.Zone); err != nil {
			return err
		}
	}
	if b, ok := n.Get("hard_bounds"); ok && b.Kind != Null {
		if h.HardMin, h.HardMax, err = p.dateBounds("hard_bounds", b, format, h.Zone); err != nil {
			return err
		}
		if outside(h.ExtendedMin, h.HardMin, time.Time.Compare) || outside(h.HardMax, h.ExtendedMax, time.Time.Compare) {
			return Illegal("Extended bounds have to be inside hard bounds in [%s]", clip(a.name))
		}
	}
	if h.ExtendedMin != nil && h.ExtendedMax != nil && h.MinDocs == 0 {
		span := h.ExtendedMax.Sub(*h.ExtendedMin)
		if h.Fixed > 0 && span/h.Fixed > bucketsMax {
			return tooManyBuckets()
		}
	}
	a.of = h
	return a.histogramOrder(n)
}

func tooManyBuckets() error {
	return &Error{Status: 400, Type: "too_many_buckets_exception", Phase: true,
		Reason: "Trying to create too many buckets. Must be less than or equal to: [" + strconv.Itoa(bucketsMax) + "]. This limit can be set by changing the [search.max_buckets] cluster level setting."}
}

// outside reports whether an end lies before the one that it must not be before.
func outside[T any](end, limit *T, compare func(a, b T) int) bool {
	return end != nil && limit != nil && compare(*end, *limit) < 0
}

func (p *parser) dateBounds(of string, n Node, f *DateFormat, zone *time.Location) (low, high *time.Time, err error) {
	read := func(key string) (*time.Time, error) {
		v, ok := n.Get(key)
		if !ok || v.Kind == Null {
			return nil, nil
		}
		if ms, ok := v.Int(); ok && v.Kind == Number {
			t := time.UnixMilli(ms)
			return &t, nil
		}
		t, err := f.DateMath(v.Text, p.env.Now, zone, false)
		if err != nil {
			if ms, ok := v.Int(); ok { // Grafana writes milliseconds whatever the format
				t, err = time.UnixMilli(ms), nil
			}
		}
		return &t, err
	}
	if low, err = read("min"); err != nil {
		return nil, nil, err
	}
	if high, err = read("max"); err != nil {
		return nil, nil, err
	}
	if low != nil && high != nil && low.After(*high) {
		return nil, nil, Illegal("[%s.min] cannot be greater than [%s.max]", of, of)
	}
	return low, high, nil
}

// calendars are the units of calendar_interval.
var calendars = map[string]logging.Calendar{
	"minute": logging.Minute, "1m": logging.Minute, "hour": logging.Hour, "1h": logging.Hour,
	"day": logging.Day, "1d": logging.Day, "week": logging.Week, "1w": logging.Week,
	"month": logging.Month, "1M": logging.Month, "quarter": logging.Quarter, "1q": logging.Quarter,
	"year": logging.Year, "1y": logging.Year,
}

// interval reads fixed_interval, calendar_interval or the interval of old,
// which is a calendar's where it can be.
func interval(a *aggPlan, n Node) (time.Duration, logging.Calendar, error) {
	fixed, isFixed := n.Get("fixed_interval")
	calendar, isCalendar := n.Get("calendar_interval")
	legacy, isLegacy := n.Get("interval")
	switch {
	case isFixed && isCalendar, isFixed && isLegacy, isCalendar && isLegacy:
		return 0, 0, Illegal("Cannot use [interval] with [fixed_interval] or [calendar_interval] configuration options.")
	case isCalendar:
		if c, ok := calendars[calendar.Text]; ok {
			return 0, c, nil
		}
		return 0, 0, Illegal("The supplied interval [%s] could not be parsed as a calendar interval.", clip(calendar.Text))
	case isLegacy:
		if c, ok := calendars[legacy.Text]; ok {
			return 0, c, nil
		}
		if ms, ok := legacy.Int(); ok {
			legacy.Text = strconv.FormatInt(ms, 10) + "ms"
		}
		fixed = legacy
	case !isFixed:
		return 0, 0, Illegal("Invalid interval specified, must be non-null and non-empty in [%s]", clip(a.name))
	}
	d, err := ParseDuration(fixed.Text)
	if err != nil || d < time.Millisecond {
		return 0, 0, Illegal("failed to parse setting [fixed_interval] with value [%s] as a time value", clip(fixed.Text))
	}
	return d, 0, nil
}

// ParseDuration reads a time value: a number and one of the units nanos, micros,
// ms, s, m, h and d.
func ParseDuration(s string) (time.Duration, error) {
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	units := map[string]time.Duration{"nanos": 1, "micros": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	unit, ok := units[s[digits:]]
	if err != nil || !ok || n > int64(1<<62)/int64(unit) {
		return 0, Illegal("failed to parse time value [%s]: want a number and a unit such as [30s]", clip(s))
	}
	return time.Duration(n) * unit, nil
}

func offset(n Node) (time.Duration, error) {
	if ms, ok := n.Int(); ok && ms > -1<<40 && ms < 1<<40 {
		return time.Duration(ms) * time.Millisecond, nil
	}
	s, neg := strings.CutPrefix(n.Text, "-")
	d, err := ParseDuration(strings.TrimPrefix(s, "+"))
	if neg {
		d = -d
	}
	return d, err
}

func histogram(a *aggPlan, n Node) error {
	f, err := aggField(a, n, "interval", "offset", "min_doc_count", "extended_bounds", "hard_bounds", "missing", "format", "keyed", "order")
	if err != nil {
		return err
	}
	h := logging.Histogram{Field: f}
	a.keyed = flag(n, "keyed")
	if err := aggFormat(a, n); err != nil {
		return err
	}
	iv, _ := n.Get("interval")
	var ok bool
	if h.Interval, ok = iv.Float(); !ok || h.Interval <= 0 {
		return Illegal("[interval] must be >0 for histogram aggregation [%s]", clip(a.name))
	}
	number := func(n Node, key string) (*float64, error) {
		v, ok := n.Get(key)
		if !ok || v.Kind == Null {
			return nil, nil
		}
		x, ok := v.Float()
		if !ok {
			return nil, Illegal("[%s] of [%s] is not a number: [%s]", key, clip(a.name), clip(v.Text))
		}
		return &x, nil
	}
	if o, err := number(n, "offset"); err != nil {
		return err
	} else if o != nil {
		h.Offset = *o
	}
	if h.MinDocs, err = aggInt(a, n, "min_doc_count", 0, 0, 1<<62); err != nil {
		return err
	}
	if m, err := number(n, "missing"); err != nil {
		return err
	} else if m != nil {
		v := logging.Float(*m)
		h.Missing = &v
	}
	if b, ok := n.Get("extended_bounds"); ok {
		if h.ExtendedMin, err = number(b, "min"); err != nil {
			return err
		}
		if h.ExtendedMax, err = number(b, "max"); err != nil {
			return err
		}
		if low, high := h.ExtendedMin, h.ExtendedMax; low != nil && high != nil && h.MinDocs == 0 && (*high-*low)/h.Interval > bucketsMax {
			return tooManyBuckets()
		}
	}
	if b, ok := n.Get("hard_bounds"); ok {
		if h.HardMin, err = number(b, "min"); err != nil {
			return err
		}
		if h.HardMax, err = number(b, "max"); err != nil {
			return err
		}
		if outside(h.ExtendedMin, h.HardMin, compareFloats) || outside(h.HardMax, h.ExtendedMax, compareFloats) {
			return Illegal("Extended bounds have to be inside hard bounds in [%s]", clip(a.name))
		}
	}
	a.of = h
	return a.histogramOrder(n)
}
