package logging

import "time"

// parseRFC3339 reads the form that nearly every date has, such as
// 2026-11-22T12:00:00.123456789+01:00, in a fraction of the time that
// package time takes. What it does not read, ParseTime may.
func parseRFC3339[S ~string | ~[]byte](s S) (t time.Time, ok bool) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[7] != '-' || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return time.Time{}, false
	}
	century, bad1 := digits2(s[0], s[1])
	year, bad2 := digits2(s[2], s[3])
	month, bad3 := digits2(s[5], s[6])
	day, bad4 := digits2(s[8], s[9])
	hour, bad5 := digits2(s[11], s[12])
	minute, bad6 := digits2(s[14], s[15])
	second, bad7 := digits2(s[17], s[18])
	year += 100 * century
	if bad1 || bad2 || bad3 || bad4 || bad5 || bad6 || bad7 ||
		month-1 > 11 || day-1 >= daysOf(year, month) || hour > 23 || minute > 59 || second > 59 {
		return time.Time{}, false
	}
	i, nanos := 19, uint32(0)
	if s[i] == '.' {
		i++
		scale := uint32(1e9)
		for ; i < len(s) && s[i]-'0' <= 9; i++ {
			if scale /= 10; scale == 0 {
				return time.Time{}, false
			}
			nanos += uint32(s[i]-'0') * scale
		}
		if i == 20 {
			return time.Time{}, false
		}
	}
	east := int64(0) // seconds
	switch {
	case i+1 == len(s) && s[i] == 'Z':
	case i+6 == len(s) && (s[i] == '+' || s[i] == '-') && s[i+3] == ':':
		h, bad1 := digits2(s[i+1], s[i+2])
		m, bad2 := digits2(s[i+4], s[i+5])
		if bad1 || bad2 || h > 23 || m > 59 {
			return time.Time{}, false
		}
		if east = int64(h*3600 + m*60); s[i] == '-' {
			east = -east
		}
	default:
		return time.Time{}, false
	}
	seconds := daysSinceEpoch(year, month, day)*86400 + int64(hour*3600+minute*60+second) - east
	return time.Unix(seconds, int64(nanos)).UTC(), true
}

func digits2(a, b byte) (n uint32, bad bool) {
	a, b = a-'0', b-'0'
	return uint32(a)*10 + uint32(b), a > 9 || b > 9
}

func daysOf(year, month uint32) uint32 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSinceEpoch counts the days from 1970 on to a day of the Gregorian
// calendar, of the years 0 to 9999: the year begins in March, so that the leap
// day is its last.
func daysSinceEpoch(year, month, day uint32) int64 {
	y, m := int64(year), int64(month)-3
	if m < 0 {
		y, m = y-1, m+12
	}
	floorDiv := func(a, b int64) int64 {
		if a < 0 {
			return (a - b + 1) / b
		}
		return a / b
	}
	const toMarchOfYear0 = 719468
	return y*365 + floorDiv(y, 4) - floorDiv(y, 100) + floorDiv(y, 400) + (m*153+2)/5 + int64(day) - 1 - toMarchOfYear0
}
