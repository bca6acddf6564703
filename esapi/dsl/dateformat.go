package dsl

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// DefaultDateFormat is what a date field is read and written with where a
// request names no format.
const DefaultDateFormat = "strict_date_optional_time||epoch_millis"

// DateFormat is one of Elasticsearch's named date formats, a pattern in Java's
// letters, or several with || between them: the first one writes, all read.
type DateFormat struct {
	name string
	alts []dateAlt
}

type dateAlt struct {
	epoch time.Duration // of epoch_millis and epoch_second; else 0
	iso   bool          // date_optional_time: components from the right may be missing
	lax   bool          // iso without fixed numbers of digits
	nanos bool          // iso, written with all digits of the second
	parts []datePart    // a pattern
}

// datePart is one field of a pattern, or a literal between them.
type datePart struct {
	letter byte // 0: literal
	count  int
	text   string
	opt    bool // stands in [ ]
}

// The named formats that are patterns.
var namedDatePatterns = map[string]string{
	"date":                             "yyyy-MM-dd",
	"basic_date":                       "yyyyMMdd",
	"date_time":                        "yyyy-MM-dd'T'HH:mm:ss.SSSX",
	"date_time_no_millis":              "yyyy-MM-dd'T'HH:mm:ssX",
	"basic_date_time":                  "yyyyMMdd'T'HHmmss.SSSX",
	"basic_date_time_no_millis":        "yyyyMMdd'T'HHmmssX",
	"date_hour":                        "yyyy-MM-dd'T'HH",
	"date_hour_minute":                 "yyyy-MM-dd'T'HH:mm",
	"date_hour_minute_second":          "yyyy-MM-dd'T'HH:mm:ss",
	"date_hour_minute_second_millis":   "yyyy-MM-dd'T'HH:mm:ss.SSS",
	"date_hour_minute_second_fraction": "yyyy-MM-dd'T'HH:mm:ss.SSS",
	"hour":                             "HH",
	"hour_minute":                      "HH:mm",
	"hour_minute_second":               "HH:mm:ss",
	"year":                             "yyyy",
	"year_month":                       "yyyy-MM",
	"year_month_day":                   "yyyy-MM-dd",
}

const dateFormatLenMax = 200

// ParseDateFormat reads a format's name or pattern. "" is the default format.
func ParseDateFormat(name string) (*DateFormat, error) {
	if name == "" {
		name = DefaultDateFormat
	}
	if len(name) > dateFormatLenMax {
		return nil, Illegal("Invalid format: [%s]: longer than %d characters", clip(name), dateFormatLenMax)
	}
	f := &DateFormat{name: name}
	for alt := range strings.SplitSeq(name, "||") {
		a, err := parseDateAlt(strings.TrimPrefix(alt, "8"))
		if err != nil {
			return nil, err
		}
		f.alts = append(f.alts, a)
	}
	return f, nil
}

func parseDateAlt(s string) (dateAlt, error) {
	switch s {
	case "epoch_millis":
		return dateAlt{epoch: time.Millisecond}, nil
	case "epoch_second":
		return dateAlt{epoch: time.Second}, nil
	case "strict_date_optional_time", "iso8601":
		return dateAlt{iso: true}, nil
	case "date_optional_time":
		return dateAlt{iso: true, lax: true}, nil
	case "strict_date_optional_time_nanos":
		return dateAlt{iso: true, nanos: true}, nil
	}
	if p, ok := namedDatePatterns[strings.TrimPrefix(s, "strict_")]; ok {
		s = p
	}
	parts, err := parseDatePattern(s)
	return dateAlt{parts: parts}, err
}

func parseDatePattern(s string) ([]datePart, error) {
	bad := func(why string) error {
		return Illegal("Invalid format: [%s]: %s", clip(s), why)
	}
	var parts []datePart
	opt := false
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '[' || c == ']':
			if (c == '[') == opt {
				return nil, bad("optional sections cannot be nested")
			}
			opt = c == '['
			i++
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return nil, bad("Pattern ends with an incomplete string literal")
			}
			lit := s[i+1 : i+1+end]
			if end == 0 {
				lit = "'"
			}
			parts = append(parts, datePart{text: lit, opt: opt})
			i += end + 2
		case (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'):
			n := 1
			for i+n < len(s) && s[i+n] == c {
				n++
			}
			if !strings.ContainsRune("yuMdHhmsSaEXxZnA", rune(c)) || n > 9 {
				return nil, bad("Unknown pattern letter: " + string(c))
			}
			parts = append(parts, datePart{letter: c, count: n, opt: opt})
			i += n
		default:
			parts = append(parts, datePart{text: string(c), opt: opt})
			i++
		}
	}
	if opt || len(parts) == 0 {
		return nil, bad("incomplete")
	}
	return parts, nil
}

// Format writes t in the zone.
func (f *DateFormat) Format(t time.Time, zone *time.Location) string {
	if zone == nil {
		zone = time.UTC
	}
	t = t.In(zone)
	a := f.alts[0]
	switch {
	case a.epoch == time.Millisecond:
		return strconv.FormatInt(t.UnixMilli(), 10)
	case a.epoch == time.Second:
		if ms := t.UnixMilli(); ms%1000 != 0 {
			return fmt.Sprintf("%d.%03d", floorDiv(ms, 1000), ms-1000*floorDiv(ms, 1000))
		}
		return strconv.FormatInt(t.Unix(), 10)
	case a.iso && a.nanos:
		s := t.Format("2006-01-02T15:04:05.000000000")
		for range 6 {
			if s[len(s)-1] != '0' {
				break
			}
			s = s[:len(s)-1]
		}
		return s + t.Format("Z07:00")
	case a.iso:
		if b, ok := appendUTC(nil, t); ok {
			return string(b)
		}
		return t.Format("2006-01-02T15:04:05.000Z07:00")
	}
	var b strings.Builder
	for _, p := range a.parts {
		b.WriteString(p.format(t))
	}
	return b.String()
}

// appendQuoted appends what Format writes as a JSON string. There may be tens of
// thousands in a reply.
func (f *DateFormat) appendQuoted(dst []byte, t time.Time, zone *time.Location) []byte {
	if a := f.alts[0]; a.iso && !a.nanos && (zone == nil || zone == time.UTC) {
		if b, ok := appendUTC(append(dst, '"'), t.UTC()); ok {
			return append(b, '"')
		}
	}
	return jsontext.AppendString(dst, f.Format(t, zone))
}

// appendUTC appends a time of UTC as 2006-01-02T15:04:05.000Z; false where it is of
// another zone, or of a year that is not written with four digits.
func appendUTC(dst []byte, t time.Time) ([]byte, bool) {
	if t.Location() != time.UTC {
		return dst, false
	}
	year, month, day := t.Date()
	if year < 0 || year > 9999 {
		return dst, false
	}
	hour, minute, second := t.Clock()
	var b [24]byte
	two := func(at, v int) { b[at], b[at+1] = byte('0'+v/10), byte('0'+v%10) }
	two(0, year/100)
	two(2, year%100)
	two(5, int(month))
	two(8, day)
	two(11, hour)
	two(14, minute)
	two(17, second)
	ms := t.Nanosecond() / 1e6
	two(20, ms/10)
	b[4], b[7], b[10], b[13], b[16], b[19], b[22], b[23] = '-', '-', 'T', ':', ':', '.', byte('0'+ms%10), 'Z'
	return append(dst, b[:]...), true
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

func (p datePart) format(t time.Time) string {
	num := func(v int) string { return fmt.Sprintf("%0*d", p.count, v) }
	switch p.letter {
	case 0:
		return p.text
	case 'y', 'u':
		if p.count == 2 {
			return fmt.Sprintf("%02d", t.Year()%100)
		}
		return num(t.Year())
	case 'M':
		switch {
		case p.count >= 4:
			return t.Month().String()
		case p.count == 3:
			return t.Month().String()[:3]
		}
		return num(int(t.Month()))
	case 'd':
		return num(t.Day())
	case 'H':
		return num(t.Hour())
	case 'h':
		return num((t.Hour()+11)%12 + 1)
	case 'm':
		return num(t.Minute())
	case 's':
		return num(t.Second())
	case 'S':
		return fmt.Sprintf("%09d", t.Nanosecond())[:p.count]
	case 'n':
		return num(t.Nanosecond())
	case 'A':
		return num((t.Hour()*3600+t.Minute()*60+t.Second())*1000 + t.Nanosecond()/1e6)
	case 'a':
		return t.Format("PM")
	case 'E':
		if p.count >= 4 {
			return t.Weekday().String()
		}
		return t.Weekday().String()[:3]
	}
	return p.formatZone(t)
}

func (p datePart) formatZone(t time.Time) string {
	switch {
	case p.letter == 'X' && p.count >= 3:
		return t.Format("Z07:00")
	case p.letter == 'X' && p.count == 2:
		return t.Format("Z0700")
	case p.letter == 'X':
		if _, off := t.Zone(); off%3600 != 0 {
			return t.Format("Z0700")
		}
		return t.Format("Z07")
	case p.letter == 'x' && p.count == 1:
		return t.Format("-07")
	case p.letter == 'x' && p.count >= 3, p.count >= 5:
		return t.Format("-07:00")
	}
	return t.Format("-0700")
}
