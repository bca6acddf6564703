package logging

import "time"

// rounding cuts time into the buckets of a DateHistogram. Fixed intervals are
// counted from 1970-01-01T00:00 in the zone's local time, calendar intervals
// follow the zone's clocks: a day may have 23 or 25 hours.
type rounding struct {
	fixed    time.Duration // 0: calendar
	calendar Calendar
	zone     *time.Location
	offset   time.Duration
}

// floor gives the start of the bucket that t lies in.
func (r rounding) floor(t time.Time) time.Time { return r.cut(t.Add(-r.offset)).Add(r.offset) }

// plain reports whether buckets are all of one length.
func (r rounding) plain() bool { return r.calendar == 0 && r.zone == time.UTC }

// next gives the start of the bucket after the one that starts at t.
func (r rounding) next(t time.Time) time.Time {
	if r.plain() {
		return t.Add(r.fixed)
	}
	t = t.Add(-r.offset).In(r.zone)
	y, m, d := t.Date()
	step := time.Duration(0)
	switch r.calendar {
	case Minute:
		step = time.Minute
	case Hour:
		step = time.Hour
	case Day:
		return r.midnight(y, m, d+1).Add(r.offset)
	case Week:
		return r.midnight(y, m, d+7).Add(r.offset)
	case Month:
		return r.midnight(y, m+1, 1).Add(r.offset)
	case Quarter:
		return r.midnight(y, m+3, 1).Add(r.offset)
	case Year:
		return r.midnight(y+1, 1, 1).Add(r.offset)
	default:
		step = r.fixed
	}
	// Where clocks change, the next bucket may start sooner or later than one
	// step on: creep up to it.
	creep := min(step, 15*time.Minute)
	n := r.cut(t.Add(step))
	for at := t.Add(step); !n.After(t); at = at.Add(creep) {
		n = r.cut(at)
	}
	for prev := r.cut(n.Add(-1)); prev.After(t); prev = r.cut(n.Add(-1)) {
		n = prev
	}
	return n.Add(r.offset)
}

func (r rounding) cut(t time.Time) time.Time {
	t = t.In(r.zone)
	y, m, d := t.Date()
	switch r.calendar {
	case Minute:
		return t.Add(-time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case Hour:
		return t.Add(-time.Duration(t.Minute())*time.Minute - time.Duration(t.Second())*time.Second - time.Duration(t.Nanosecond()))
	case Day:
		return r.midnight(y, m, d)
	case Week:
		return r.midnight(y, m, d-(int(t.Weekday())+6)%7)
	case Month:
		return r.midnight(y, m, 1)
	case Quarter:
		return r.midnight(y, (m-1)/3*3+1, 1)
	case Year:
		return r.midnight(y, 1, 1)
	}
	return r.cutFixed(t)
}

// cutFixed rounds the local time down, and reads it as a time again with the
// zone's offset there.
func (r rounding) cutFixed(t time.Time) time.Time {
	_, east := t.Zone()
	local := t.UnixNano() + int64(east)*int64(time.Second)
	rest := local % int64(r.fixed)
	if rest < 0 {
		rest += int64(r.fixed)
	}
	start := t.Add(-time.Duration(rest))
	if _, there := start.Zone(); there != east {
		if moved := start.Add(time.Duration(east-there) * time.Second); !moved.After(t) {
			start = moved
		}
	}
	return start
}

// midnight is the first moment of a day, also where the clocks skip 00:00.
func (r rounding) midnight(y int, m time.Month, d int) time.Time {
	t := time.Date(y, m, d, 0, 0, 0, 0, r.zone)
	if t.Hour() > 12 { // the hour before the gap
		if _, end := t.ZoneBounds(); !end.IsZero() {
			return end
		}
	}
	return t
}

// span gives the bucket of t, a time within inNanos, and times around it that
// are all in it: from is at most t, until greater. The bucket itself may go on
// on both sides.
func (r rounding) span(t int64) (from, until, place int64) {
	if r.plain() {
		rest := (t - int64(r.offset)) % int64(r.fixed)
		if rest < 0 {
			rest += int64(r.fixed)
		}
		return t - rest, max(t-rest+int64(r.fixed), t+1), t - rest
	}
	at := time.Unix(0, t)
	place = r.floor(at).UnixNano()
	// As long as the zone's offset stays, local time goes on as the clock does,
	// and the start is the same up to the next local boundary.
	local := at.Add(-r.offset).In(r.zone)
	_, east := local.Zone()
	step := 24 * time.Hour
	switch r.calendar {
	case 0:
		step = r.fixed
	case Minute:
		step = time.Minute
	case Hour:
		step = time.Hour
	}
	rest := (local.UnixNano() + int64(east)*int64(time.Second)) % int64(step)
	if rest < 0 {
		rest += int64(step)
	}
	until = t - rest + int64(step)
	if _, end := local.ZoneBounds(); !end.IsZero() && inNanos(end) {
		until = min(until, end.Add(r.offset).UnixNano())
	}
	if start := at.Add(-time.Duration(rest)); r.calendar == 0 && place == start.UnixNano() {
		// A start beyond a change of the clocks moves as soon as cutFixed can move it.
		if _, there := start.Add(-r.offset).In(r.zone).Zone(); east > there {
			until = min(until, place+int64(east-there)*int64(time.Second))
		}
	}
	return t, max(until, t+1), place
}

// wholeMinutes reports whether every bucket with times from one minute since the
// epoch to another begins at a minute of UTC.
func (r rounding) wholeMinutes(from, to int64) bool {
	if r.calendar == 0 && r.fixed%time.Minute != 0 || r.offset%time.Minute != 0 {
		return false
	}
	if from < minNanos/int64(time.Minute) || to >= maxNanos/int64(time.Minute) {
		return false
	}
	if r.zone == time.UTC {
		return true
	}
	// All zones have kept to whole minutes since 1973.
	if from < int64(3*365*24*60+1*24*60) {
		return false
	}
	for _, m := range [...]int64{from, to} {
		if _, east := time.Unix(m*60, 0).In(r.zone).Zone(); east%60 != 0 {
			return false
		}
	}
	return true
}
