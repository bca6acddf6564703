package text

import "fmt"

// Three variables with colons between them that are a time of day, and perhaps
// thousandths of a second after them, are one number. Where the rows have times of
// their own, which the text mostly repeats in some zone, only what it differs from
// them by is stored.
const (
	clockMillis   = 1 // four variables, otherwise three
	clockRelative = 2 // to the times of the rows

	daySeconds = 24 * 60 * 60
)

// clock writes the variables from the p-th on, whose marks begin at text[at], as
// a time of day if that is what they are. It gives how many they are.
func (e *Encoder) clock(t *final, at, p int, data []byte) int {
	text := t.text[at:]
	if len(t.rows) < poolRows || len(text) < 5 || text[1] != ':' || text[2] != markVar || text[3] != ':' || text[4] != markVar {
		return 0
	}
	parts := 3
	if len(text) > 6 && (text[5] == ',' || text[5] == '.') && text[6] == markVar {
		parts = 4
	}
	e.ints = e.ints[:0]
	for k := 0; k < len(t.rows); k++ {
		v := uint64(0)
		for i := range 3 {
			s := e.value(t, k, p+i)
			x, ok := twoDigits(data[s.from:s.to])
			if !ok || i == 0 && x > 23 || x > 59 {
				return 0
			}
			v = v*60 + x
		}
		if parts == 4 {
			s := e.value(t, k, p+3)
			b := data[s.from:s.to]
			if len(b) != 3 || b[0] < '0' || b[0] > '9' {
				parts, k = 3, -1 // again, without
				e.ints = e.ints[:0]
				continue
			}
			x, ok := twoDigits(b[1:])
			if !ok {
				parts, k = 3, -1
				e.ints = e.ints[:0]
				continue
			}
			v = v*1000 + uint64(b[0]-'0')*100 + x
		}
		e.ints = append(e.ints, v)
	}
	flags := byte(0)
	if parts == 4 {
		flags |= clockMillis
	}
	if e.times != nil {
		day, unit := clockUnits(flags)
		e.planeInts = e.planeInts[:0]
		for k, v := range e.ints {
			e.planeInts = append(e.planeInts, (v+day+noZone(day)-timeOfDay(e.times[t.rows[k]], day, unit))%day)
		}
		if spreadOf(e.planeInts) < spreadOf(e.ints) {
			flags |= clockRelative
			e.ints = append(e.ints[:0], e.planeInts...)
		}
	}
	e.meta = append(e.meta, kindClock, flags)
	e.integers()
	for range parts - 1 {
		e.meta = append(e.meta, kindRest)
	}
	return parts
}

// value is where a row of a template has its p-th variable.
func (e *Encoder) value(t *final, k, p int) span {
	if t.group {
		return e.clusters.values[k*t.parts+p]
	}
	return e.spans[e.first[t.rows[k]]+uint32(p)]
}

func twoDigits(b []byte) (uint64, bool) {
	if len(b) != 2 || b[0]-'0' > 9 || b[1]-'0' > 9 {
		return 0, false
	}
	return uint64(b[0]-'0')*10 + uint64(b[1]-'0'), true
}

func spreadOf(vals []uint64) uint64 {
	least, most := vals[0], vals[0]
	for _, v := range vals {
		least, most = min(least, v), max(most, v)
	}
	return most - least
}

// clockUnits gives the length of a day in the clock's units, and of a unit in
// nanoseconds.
func clockUnits(flags byte) (day uint64, unit int64) {
	if flags&clockMillis != 0 {
		return daySeconds * 1000, 1e6
	}
	return daySeconds, 1e9
}

// noZone is added to what a time of day is later than a row's, so that those of
// one zone, which may be a little earlier or later, do not begin anew at midnight:
// zones are quarters of an hour apart.
func noZone(day uint64) uint64 { return day/2 + day/192 }

// timeOfDay is when in its day a time is, in UTC and the clock's units.
func timeOfDay(t int64, day uint64, unit int64) uint64 {
	d := int64(day) * unit
	return uint64((t%d + d) % d / unit)
}

// describeClock reads what the first variable of a time of day is.
func (p *capsule) describeClock(r *reader) {
	p.kind, p.digits, p.part = kindDigits, 2, 1
	if p.clock = r.byte(); p.clock > clockMillis|clockRelative {
		r.fail("kind of a time of day")
	}
	p.describeInts(r)
}

// describeRest makes a capsule that of the variable after another of a time of day.
func (p *capsule) describeRest(r *reader, before *capsule) {
	parts := 3
	if before != nil && before.clock&clockMillis != 0 {
		parts = 4
	}
	if before == nil || before.part == 0 || before.part == parts {
		r.fail("a part of no time of day")
		return
	}
	p.kind, p.digits, p.part, p.clock = kindDigits, 2, before.part+1, before.clock
	if p.part == 4 {
		p.digits = 3
	}
}

// unpackClock unpacks one variable of a time of day. c.mu is held. rows
// are those of the template and times those of all rows, where the clock is relative.
func (c *Column) unpackClock(p, lead *capsule, rows []uint16, times []int64) (*body, error) {
	b, err := lead.unpackInts()
	if err != nil {
		return nil, err
	}
	day, unit := clockUnits(p.clock)
	if p.clock&clockRelative != 0 && (len(rows) != p.rows || len(times) != c.n) {
		return nil, fmt.Errorf("%w: times of day without the times of the rows", ErrCorrupt)
	}
	for i, v := range b.ints {
		if v >= day {
			return nil, fmt.Errorf("%w: a time of day of %d", ErrCorrupt, v)
		}
		if p.clock&clockRelative != 0 {
			v = (v + day - noZone(day) + timeOfDay(times[rows[i]], day, unit)) % day
		}
		if p.clock&clockMillis != 0 {
			if p.part == 4 {
				b.ints[i] = v % 1000
				continue
			}
			v /= 1000
		}
		switch p.part {
		case 1:
			v /= 3600
		case 2:
			v = v / 60 % 60
		default:
			v %= 60
		}
		b.ints[i] = v
	}
	return b, nil
}

// rowsOf gives the rows of a template.
func (c *Column) rowsOf(id int) []uint16 {
	c.openIDs()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.order == nil {
		c.order = make([]uint16, c.n)
		c.starts = make([]uint32, len(c.tmpls)+2)
		for _, k := range c.ids {
			c.starts[k+1]++
		}
		for k := range c.tmpls {
			c.starts[k+1] += c.starts[k]
		}
		for row, k := range c.ids {
			if at := int(c.starts[k]) + int(c.ranks[row]); at < c.n {
				c.order[at] = uint16(row)
			}
		}
	}
	return c.order[c.starts[id]:c.starts[id+1]]
}
