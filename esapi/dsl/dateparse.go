package dsl

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// partialDate is a date as far as it was spelled out.
type partialDate struct {
	v    [7]int // year month day hour minute second nanosecond
	set  [7]bool
	pm   int // 0: 24-hour clock; 1 AM, 2 PM
	zone *time.Location
}

const (
	pYear = iota
	pMonth
	pDay
	pHour
	pMinute
	pSecond
	pNano
)

// Parse reads a date. What has no zone of its own is read in zone (nil: UTC).
// Missing components are the first possible ones; with up those of the time of
// day are the last possible ones: "2024-03" is the end of the 1st of March.
func (f *DateFormat) Parse(s string, zone *time.Location, up bool) (time.Time, error) {
	for _, a := range f.alts {
		if t, ok := a.parse(s, zone, up); ok {
			return t, nil
		}
	}
	return time.Time{}, badDate(s, f.name)
}

func (a dateAlt) parse(s string, zone *time.Location, up bool) (time.Time, bool) {
	if a.epoch != 0 {
		return parseEpoch(s, a.epoch, up)
	}
	var d partialDate
	ok := false
	if a.iso {
		ok = d.iso(s, a.lax)
	} else {
		ok = d.pattern(s, a.parts)
	}
	if !ok {
		return time.Time{}, false
	}
	return d.time(zone, up)
}

// parseEpoch reads milliseconds or seconds since the epoch, with a fraction.
// Rounded up, a whole millisecond reaches to its last nanosecond.
func parseEpoch(s string, unit time.Duration, up bool) (time.Time, bool) {
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		f, ok := parseFloat(s) // 1.7E12
		if !ok || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return time.Time{}, false
		}
		n, frac = int64(f), ""
	}
	const most = 253402300799999 // the end of the year 9999
	perSecond := int64(time.Second / unit)
	if n > most/1000*perSecond || n < -most/1000*perSecond {
		return time.Time{}, false
	}
	sec := floorDiv(n, perSecond)
	nanos := (n - sec*perSecond) * int64(unit)
	if frac != "" {
		digits := 9
		if unit == time.Millisecond {
			digits = 6
		}
		if len(frac) > digits || strings.Trim(frac, "0123456789") != "" {
			return time.Time{}, false
		}
		v, _ := strconv.Atoi(frac + strings.Repeat("0", digits-len(frac)))
		if whole[0] == '-' {
			v = -v
		}
		nanos += int64(v)
	} else if up && unit == time.Millisecond {
		nanos += 999_999
	} else if up {
		nanos += 999_999_999
	}
	return time.Unix(sec, nanos).UTC(), true
}

// iso reads yyyy[-MM[-dd[THH[:mm[:ss[.fraction]]]]]][zone].
func (d *partialDate) iso(s string, lax bool) bool {
	in := dateInput{s: s}
	num := func(part, digits int) bool {
		least := digits
		if lax {
			least = 1
		}
		return in.number(&d.v[part], least, digits) && d.mark(part)
	}
	if !num(pYear, 4) {
		return false
	}
	steps := []struct {
		sep  string
		part int
	}{{"-", pMonth}, {"-", pDay}, {"T", pHour}, {":", pMinute}, {":", pSecond}}
	for _, st := range steps {
		if !in.literal(st.sep) {
			break
		}
		if st.part == pHour && in.s == "" {
			break // "2024-01-01T" is a whole day
		}
		if !num(st.part, 2) {
			return false
		}
	}
	if d.set[pSecond] && (in.literal(".") || in.literal(",")) && !d.fraction(&in, 1, 9) {
		return false
	}
	if in.s != "" {
		if !d.set[pHour] || !d.readZone(&in) {
			return false
		}
	}
	return in.s == ""
}

func (d *partialDate) mark(part int) bool { d.set[part] = true; return true }

func (d *partialDate) fraction(in *dateInput, least, most int) bool {
	before := in.s
	var v int
	if !in.number(&v, least, most) {
		return false
	}
	for range 9 - (len(before) - len(in.s)) {
		v *= 10
	}
	d.v[pNano] = v
	return d.mark(pNano)
}

func (d *partialDate) pattern(s string, parts []datePart) bool {
	in := dateInput{s: s}
	for i, p := range parts {
		if p.opt && in.s == "" {
			continue
		}
		// A field that another one follows without a separator takes just its digits.
		most := 9
		if i+1 < len(parts) && parts[i+1].letter != 0 {
			most = p.count
		}
		if !d.patternPart(&in, p, most) {
			return false
		}
	}
	return in.s == ""
}

func (d *partialDate) patternPart(in *dateInput, p datePart, most int) bool {
	num := func(part int) bool {
		return in.number(&d.v[part], p.count, max(min(most, 4), p.count)) && d.mark(part)
	}
	switch p.letter {
	case 0:
		return in.literal(p.text)
	case 'y', 'u':
		if !num(pYear) {
			return false
		}
		if p.count == 2 {
			d.v[pYear] += 2000
		}
		return true
	case 'M':
		if p.count >= 3 {
			return d.name(in, p.count, func(m int) string { return time.Month(m).String() }, 1, 12, pMonth)
		}
		return num(pMonth)
	case 'd':
		return num(pDay)
	case 'H', 'h':
		return num(pHour)
	case 'm':
		return num(pMinute)
	case 's':
		return num(pSecond)
	case 'S':
		return d.fraction(in, p.count, p.count)
	case 'a':
		switch {
		case in.literal("AM"):
			d.pm = 1
		case in.literal("PM"):
			d.pm = 2
		default:
			return false
		}
		return true
	case 'E':
		return d.name(in, p.count, func(w int) string { return time.Weekday(w).String() }, 0, 6, -1)
	case 'X', 'x', 'Z':
		return d.readZone(in)
	}
	return false // n and A are for writing only
}

func (d *partialDate) name(in *dateInput, count int, of func(int) string, from, to, part int) bool {
	for i := from; i <= to; i++ {
		s := of(i)
		if count == 3 {
			s = s[:3]
		}
		if in.literal(s) {
			if part >= 0 {
				d.v[part] = i
				d.mark(part)
			}
			return true
		}
	}
	return false
}

func (d *partialDate) readZone(in *dateInput) bool {
	if in.literal("Z") {
		d.zone = time.UTC
		return true
	}
	end := strings.IndexAny(in.s, " ]")
	if end < 0 {
		end = len(in.s)
	}
	z, ok := parseOffset(in.s[:end])
	if ok {
		d.zone, in.s = z, in.s[end:]
	}
	return ok
}

func (d *partialDate) time(zone *time.Location, up bool) (time.Time, bool) {
	first := [7]int{1970, 1, 1, 0, 0, 0, 0}
	last := [7]int{1970, 1, 1, 23, 59, 59, 999_999_999}
	v := first
	if up {
		v = last
	}
	for i := range d.v {
		if d.set[i] {
			v[i] = d.v[i]
		}
	}
	switch {
	case d.pm == 2 && v[pHour] < 12:
		v[pHour] += 12
	case d.pm == 1 && v[pHour] == 12:
		v[pHour] = 0
	}
	if v[pMonth] < 1 || v[pMonth] > 12 || v[pHour] > 23 || v[pMinute] > 59 || v[pSecond] > 59 {
		return time.Time{}, false
	}
	days := time.Date(v[pYear], time.Month(v[pMonth])+1, 0, 0, 0, 0, 0, time.UTC).Day()
	if v[pDay] < 1 || v[pDay] > days {
		return time.Time{}, false
	}
	if d.zone != nil {
		zone = d.zone
	} else if zone == nil {
		zone = time.UTC
	}
	return time.Date(v[pYear], time.Month(v[pMonth]), v[pDay], v[pHour], v[pMinute], v[pSecond], v[pNano], zone).UTC(), true
}

type dateInput struct{ s string }

func (in *dateInput) literal(lit string) bool {
	rest, ok := strings.CutPrefix(in.s, lit)
	if ok {
		in.s = rest
	}
	return ok
}

func (in *dateInput) number(v *int, least, most int) bool {
	n := 0
	for n < len(in.s) && n < most && in.s[n] >= '0' && in.s[n] <= '9' {
		n++
	}
	if n < least || n == 0 {
		return false
	}
	*v, _ = strconv.Atoi(in.s[:n])
	in.s = in.s[n:]
	return true
}

// parseOffset reads +1, +01, +0100 and +01:00.
func parseOffset(s string) (*time.Location, bool) {
	if len(s) < 2 || (s[0] != '+' && s[0] != '-') {
		return nil, false
	}
	digits := strings.ReplaceAll(s[1:], ":", "")
	if len(digits) > 4 || strings.Trim(digits, "0123456789") != "" {
		return nil, false
	}
	n, err := strconv.Atoi(digits)
	if err != nil {
		return nil, false
	}
	if len(digits) <= 2 {
		n *= 100
	}
	if n/100 > 18 || n%100 > 59 {
		return nil, false
	}
	sec := n/100*3600 + n%100*60
	if s[0] == '-' {
		sec = -sec
	}
	return time.FixedZone("", sec), true
}

// ParseZone reads a time_zone: an offset, "Z", "UTC" or a name of the zone database.
func ParseZone(s string) (*time.Location, error) {
	switch s {
	case "", "Z", "UTC", "GMT":
		return time.UTC, nil
	}
	if z, ok := parseOffset(s); ok {
		return z, nil
	}
	if s == "Local" || len(s) > 64 || strings.ContainsAny(s, ".\\") {
		return nil, Illegal("Unknown time-zone ID: %s", clip(s))
	}
	z, err := time.LoadLocation(s)
	if err != nil {
		return nil, Illegal("Unknown time-zone ID: %s", clip(s))
	}
	return z, nil
}
