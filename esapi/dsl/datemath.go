package dsl

import (
	"strconv"
	"strings"
	"time"
)

// DateMath reads a date, "now" or a date with "||" behind it, followed by steps
// such as +1d, -2h and roundings such as /d. up rounds to the last moment of a
// unit (for lte and gt) instead of its first. The zone holds for dates without
// one and for roundings, not for now itself.
func (f *DateFormat) DateMath(s string, now time.Time, zone *time.Location, up bool) (time.Time, error) {
	math, isNow := strings.CutPrefix(s, "now")
	if isNow {
		return dateSteps(s, math, now, zone, up)
	}
	date, math, ok := strings.Cut(s, "||")
	if !ok {
		return f.Parse(s, zone, up)
	}
	// With a rounding the date itself is not rounded up.
	t, err := f.Parse(date, zone, false)
	if err != nil {
		return t, err
	}
	return dateSteps(s, math, t, zone, up)
}

const dateStepsMax = 20

func dateSteps(whole, s string, t time.Time, zone *time.Location, up bool) (time.Time, error) {
	if zone == nil {
		zone = time.UTC
	}
	bad := func(why string) error {
		e := badDate(whole, "date math")
		e.Reason = why + " [" + clip(whole) + "]"
		return e
	}
	t = t.In(zone)
	for steps := 0; s != ""; steps++ {
		op := s[0]
		if steps == dateStepsMax || (op != '+' && op != '-' && op != '/') {
			return t, bad("operator not supported for date math")
		}
		s = s[1:]
		n, digits := 1, 0
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits > 0 {
			var err error
			if n, err = strconv.Atoi(s[:digits]); err != nil || n > 1_000_000_000 {
				return t, bad("number too large in date math")
			}
			s = s[digits:]
		}
		if s == "" {
			return t, bad("truncated date math")
		}
		unit := s[0]
		s = s[1:]
		if op == '/' {
			if digits > 0 && n != 1 {
				return t, bad("rounding `/` can only be used on single unit types")
			}
			start, ok := floorUnit(t, unit)
			if !ok {
				return t, bad("unit [" + string(rune(unit)) + "] not supported for date math")
			}
			if t = start; up {
				next, _ := addUnits(start, unit, 1)
				t = next.Add(-1)
			}
			continue
		}
		if op == '-' {
			n = -n
		}
		next, ok := addUnits(t, unit, n)
		if !ok {
			return t, bad("unit [" + string(rune(unit)) + "] not supported for date math")
		}
		if t = next; t.Year() < -9999 || t.Year() > 9999 {
			return t, bad("date out of range")
		}
	}
	return t.UTC(), nil
}

func addUnits(t time.Time, unit byte, n int) (time.Time, bool) {
	switch unit {
	case 'y':
		return addMonths(t, 12*n), true
	case 'M':
		return addMonths(t, n), true
	case 'w':
		return t.AddDate(0, 0, 7*n), true
	case 'd':
		return t.AddDate(0, 0, n), true
	case 'h', 'H':
		return addSeconds(t, n, 3600), true
	case 'm':
		return addSeconds(t, n, 60), true
	case 's':
		return addSeconds(t, n, 1), true
	}
	return t, false
}

// addSeconds adds without the overflow of a time.Duration at 292 years.
func addSeconds(t time.Time, n, each int) time.Time {
	return time.Unix(t.Unix()+int64(n)*int64(each), int64(t.Nanosecond())).In(t.Location())
}

// addMonths keeps within the month: a month after 31 January is the end of February.
func addMonths(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n%12), 1, 0, 0, 0, 0, time.UTC).AddDate(n/12, 0, 0)
	last := first.AddDate(0, 1, -1).Day()
	return time.Date(first.Year(), first.Month(), min(t.Day(), last), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
}

func floorUnit(t time.Time, unit byte) (time.Time, bool) {
	y, m, d := t.Date()
	loc := t.Location()
	switch unit {
	case 'y':
		return time.Date(y, 1, 1, 0, 0, 0, 0, loc), true
	case 'M':
		return time.Date(y, m, 1, 0, 0, 0, 0, loc), true
	case 'w':
		return time.Date(y, m, d-(int(t.Weekday())+6)%7, 0, 0, 0, 0, loc), true
	case 'd':
		return time.Date(y, m, d, 0, 0, 0, 0, loc), true
	}
	// Whole hours and below are cut off the wall clock, so that an hour that
	// happens twice is not left.
	var cut int
	switch unit {
	case 'h', 'H':
		cut = t.Minute()*60 + t.Second()
	case 'm':
		cut = t.Second()
	case 's':
	default:
		return t, false
	}
	return time.Unix(t.Unix()-int64(cut), 0).In(loc), true
}
