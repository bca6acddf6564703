package colenc

// Layout says how an RFC 3339 timestamp was written: how many digits the
// fraction of its second has, and its zone. The zero Layout has no fraction and
// the zone Z. On disk it is 16 bits: 0 to 2 the fraction, 3 to 14 the zone.
type Layout uint16

// The fractions: 0 to 3 are 0, 3, 6 and 9 digits.
const (
	fractionShortest = 4 // as many digits as there are before the zeros at the end
	fractionBits     = 3
	fractionMask     = 1<<fractionBits - 1
	// zoneZero is the zone +00:00, as zones are numbered by minutes; 0 is Z.
	zoneZero = 1440
	zoneMost = zoneZero + 23*60 + 59
)

const (
	second = 1_000_000_000
	day    = 86_400
)

// Shortest returns the layout with as many digits as each time needs, which may
// be none, instead of a number that is always the same.
func (l Layout) Shortest() Layout { return l&^fractionMask | fractionShortest }

// Valid reports whether ParseTime could have returned l.
func (l Layout) Valid() bool {
	zone := l >> fractionBits
	return l&fractionMask <= fractionShortest && (zone == 0 || zone >= 2*zoneZero-zoneMost && zone <= zoneMost)
}

// Fits reports whether AppendTime(nil, ns, l) is s.
func (l Layout) Fits(s string, ns int64) bool {
	got, layout, digits, ok := parseTime(s)
	if !ok || got != ns || (l^layout)>>fractionBits != 0 {
		return false
	}
	if l&fractionMask == fractionShortest {
		return digits == shortestDigits(subsecond(ns))
	}
	return l == layout
}

// TimeLayout returns the layout with which AppendTime makes s of ns. Of a
// fraction of 0, 3, 6 or 9 digits it takes for granted that all have as many;
// the layout of a column that has others too is Shortest.
func TimeLayout(s string, ns int64) (Layout, bool) {
	got, l, ok := ParseTime(s)
	return l, ok && got == ns
}

// ParseTime returns the nanoseconds since 1970 and the layout of an RFC 3339
// timestamp. ok is false where AppendTime would not write s again, and for the
// years that nanoseconds do not reach (before 1678, after 2261).
func ParseTime(s string) (ns int64, l Layout, ok bool) {
	ns, l, _, ok = parseTime(s)
	return ns, l, ok
}

func parseTime(s string) (ns int64, l Layout, digits int, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") ||
		s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return 0, 0, 0, false
	}
	year := two(s[0], s[1])*100 + two(s[2], s[3])
	month, date := two(s[5], s[6]), two(s[8], s[9])
	hour, minute, sec := two(s[11], s[12]), two(s[14], s[15]), two(s[17], s[18])
	if year < 1678 || year > 2261 || month < 1 || month > 12 || date < 1 || date > daysIn(year, month) ||
		hour > 23 || minute > 59 || sec > 59 {
		return 0, 0, 0, false
	}
	rest := s[19:]
	var frac int64
	if rest[0] == '.' {
		rest = rest[1:]
		for digits < len(rest) && digits < 9 && rest[digits]-'0' <= 9 {
			frac = frac*10 + int64(rest[digits]-'0')
			digits++
		}
		if digits == 0 {
			return 0, 0, 0, false
		}
		for range 9 - digits {
			frac *= 10
		}
		rest = rest[digits:]
	}
	if digits%3 == 0 {
		l = Layout(digits / 3)
	} else if l = fractionShortest; digits != shortestDigits(frac) {
		return 0, 0, 0, false
	}
	offset := 0
	switch {
	case rest == "Z":
	case len(rest) == len("+00:00") && rest[3] == ':' && (rest[0] == '+' || rest[0] == '-'):
		h, m := two(rest[1], rest[2]), two(rest[4], rest[5])
		if h > 23 || m > 59 || rest == "-00:00" {
			return 0, 0, 0, false
		}
		offset = h*60 + m
		if rest[0] == '-' {
			offset = -offset
		}
		l |= Layout(zoneZero+offset) << fractionBits
	default:
		return 0, 0, 0, false
	}
	at := daysBefore(year, month, date)*day + int64(hour*3600+minute*60+sec-offset*60)
	return at*second + frac, l, digits, true
}

// two returns the number of two digits, or one that is beyond every bound.
func two(a, b byte) int {
	a -= '0'
	b -= '0'
	if a > 9 || b > 9 {
		return 1 << 20
	}
	return int(a)*10 + int(b)
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// The calendar is counted in years from March on, so that the day of a leap
// year is the last, and in spans of 400 years, which all have as many days.
const (
	spanDays = 146_097
	// epoch is 1970-01-01, in days since March 1 of the year 0.
	epoch = 719_468
)

func daysBefore(year, month, date int) int64 {
	if month < 3 {
		year--
		month += 12
	}
	inYear := (153*(month-3)+2)/5 + date - 1
	return int64(365*year+year/4-year/100+year/400+inYear) - epoch
}

func dateOf(days int64) (year, month, date int) {
	d := int(days + epoch)
	span := d / spanDays
	d -= span * spanDays
	inSpan := (d - d/1460 + d/36524 - d/(spanDays-1)) / 365
	d -= 365*inSpan + inSpan/4 - inSpan/100
	m := (5*d + 2) / 153
	date = d - (153*m+2)/5 + 1
	year, month = span*400+inSpan, m+3
	if month > 12 {
		year++
		month -= 12
	}
	return year, month, date
}

func subsecond(ns int64) int64 {
	if ns %= second; ns < 0 {
		ns += second
	}
	return ns
}

func shortestDigits(frac int64) int {
	if frac == 0 {
		return 0
	}
	digits := 9
	for frac%10 == 0 {
		frac /= 10
		digits--
	}
	return digits
}

// AppendTime appends the time ns nanoseconds after 1970-01-01 in the layout l.
func AppendTime(dst []byte, ns int64, l Layout) []byte {
	at, frac := ns/second, ns%second
	if frac < 0 {
		at, frac = at-1, frac+second
	}
	zone := int64(l >> fractionBits)
	offset := int64(0)
	if zone != 0 {
		offset = zone - zoneZero
		at += offset * 60
	}
	days := at / day
	if at%day < 0 {
		days--
	}
	at -= days * day
	year, month, date := dateOf(days)
	dst = append(dst,
		byte('0'+year/1000), byte('0'+year/100%10), byte('0'+year/10%10), byte('0'+year%10), '-',
		byte('0'+month/10), byte('0'+month%10), '-', byte('0'+date/10), byte('0'+date%10), 'T',
		byte('0'+at/36000), byte('0'+at/3600%10), ':', byte('0'+at/600%6), byte('0'+at/60%10), ':',
		byte('0'+at/10%6), byte('0'+at%10))
	digits := int(l&fractionMask) * 3
	if l&fractionMask >= fractionShortest {
		digits = shortestDigits(frac)
	}
	if digits > 0 {
		var buf [9]byte
		for i := range buf {
			buf[8-i] = byte('0' + frac%10)
			frac /= 10
		}
		dst = append(append(dst, '.'), buf[:digits]...)
	}
	if zone == 0 {
		return append(dst, 'Z')
	}
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	return append(dst, sign, byte('0'+offset/600), byte('0'+offset/60%10), ':', byte('0'+offset%60/10), byte('0'+offset%10))
}
