package logging

import (
	"cmp"
	"math"
	"strconv"
	"strings"
	"time"
)

// Kind tells what a Value holds.
type Kind uint8

// The kinds. Missing is the zero value: no value at all.
const (
	Missing Kind = iota
	KindString
	KindInt
	KindFloat
	KindBool
	KindTime
)

// Value is one value of a field, a sort key or a bucket. Numbers keep whether
// they were written as integers; Int holds them exactly.
type Value struct {
	Kind  Kind
	Str   string
	Int   int64
	Float float64
	Bool  bool
	Time  time.Time
}

// String makes a string value.
func String(s string) Value { return Value{Kind: KindString, Str: s} }

// Int makes an integer value.
func Int(i int64) Value { return Value{Kind: KindInt, Int: i} }

// Float makes a floating point value.
func Float(f float64) Value { return Value{Kind: KindFloat, Float: f} }

// Boolean makes a truth value.
func Boolean(b bool) Value { return Value{Kind: KindBool, Bool: b} }

// Time makes a time value.
func Time(t time.Time) Value { return Value{Kind: KindTime, Time: t.UTC()} }

// Text writes the value as a client would: "" where missing, times as RFC 3339.
func (v Value) Text() string {
	switch v.Kind {
	case KindString:
		return v.Str
	case KindInt:
		return strconv.FormatInt(v.Int, 10)
	case KindFloat:
		return strconv.FormatFloat(v.Float, 'g', -1, 64)
	case KindBool:
		return strconv.FormatBool(v.Bool)
	case KindTime:
		return v.Time.UTC().Format(time.RFC3339Nano)
	}
	return ""
}

// Compare orders any two values: missing, then truth values (false first), then
// numbers and times, then strings byte by byte. Numbers compare exactly whether
// they are integers or not; a number beside a time counts as milliseconds since
// the epoch.
func Compare(a, b Value) int {
	if c := cmp.Compare(a.rank(), b.rank()); c != 0 {
		return c
	}
	switch {
	case a.Kind == KindString:
		return strings.Compare(a.Str, b.Str)
	case a.Kind == KindBool:
		return cmp.Compare(b2i(a.Bool), b2i(b.Bool))
	case a.rank() == rankNumber:
		return compareNumbers(a, b)
	}
	return 0
}

const rankNumber = 2

func (v Value) rank() int {
	switch v.Kind {
	case KindBool:
		return 1
	case KindInt, KindFloat, KindTime:
		return rankNumber
	case KindString:
		return 3
	}
	return 0
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareNumbers compares integers, floats and times.
func compareNumbers(a, b Value) int {
	switch {
	case a.Kind == KindTime && b.Kind == KindTime:
		return a.Time.Compare(b.Time)
	case a.Kind == KindTime:
		return compareTime(a.Time, b)
	case b.Kind == KindTime:
		return -compareTime(b.Time, a)
	case a.Kind == KindInt && b.Kind == KindInt:
		return cmp.Compare(a.Int, b.Int)
	case a.Kind == KindFloat && b.Kind == KindFloat:
		return cmp.Compare(a.Float, b.Float)
	case a.Kind == KindInt:
		return compareIntFloat(a.Int, b.Float)
	}
	return -compareIntFloat(b.Int, a.Float)
}

// compareTime compares a time with a number of milliseconds.
func compareTime(t time.Time, n Value) int {
	if n.Kind == KindInt {
		return t.Compare(time.UnixMilli(n.Int))
	}
	whole := math.Floor(n.Float)
	if c := compareIntFloat(t.UnixMilli(), whole); c != 0 {
		return c
	}
	rest := t.Sub(time.UnixMilli(t.UnixMilli()))
	return cmp.Compare(float64(rest), (n.Float-whole)*float64(time.Millisecond))
}

// compareIntFloat compares exactly, also where a float64 cannot hold the integer.
// NaN comes before every number, as in cmp.Compare.
func compareIntFloat(i int64, f float64) int {
	switch {
	case math.IsNaN(f) || f < -1<<63:
		return 1
	case f >= 1<<63:
		return -1
	}
	whole := math.Trunc(f)
	if c := cmp.Compare(i, int64(whole)); c != 0 {
		return c
	}
	return cmp.Compare(0, f-whole)
}

// number gives the value as a float64: times as milliseconds since the epoch
// (isDate), truth values as 0 and 1, strings not, but for dates.
func (v Value) number() (x float64, isDate, ok bool) {
	switch v.Kind {
	case KindInt:
		return float64(v.Int), false, true
	case KindFloat:
		return v.Float, false, true
	case KindBool:
		return float64(b2i(v.Bool)), false, true
	case KindTime, KindString:
		if t, ok := v.time(); ok {
			return millis(t), true, true
		}
	}
	return 0, false, false
}

// millis gives a time as milliseconds since the epoch, with its fraction.
func millis(t time.Time) float64 {
	ms := t.UnixMilli()
	return float64(ms) + float64(t.Sub(time.UnixMilli(ms)))/float64(time.Millisecond)
}

// time reads the value as a date: a string that is one, a number of milliseconds.
func (v Value) time() (time.Time, bool) {
	switch v.Kind {
	case KindTime:
		return v.Time, true
	case KindInt:
		return time.UnixMilli(v.Int).UTC(), true
	case KindFloat:
		if math.Abs(v.Float) > 1e15 || math.IsNaN(v.Float) {
			return time.Time{}, false
		}
		ms := math.Floor(v.Float)
		return time.UnixMilli(int64(ms)).Add(time.Duration((v.Float - ms) * float64(time.Millisecond))).UTC(), true
	case KindString:
		return ParseTime(v.Str)
	}
	return time.Time{}, false
}

// ParseTime reads a date as log senders write them: RFC 3339 with any number of
// digits after the second, with or without seconds' fraction, the zone as Z,
// +01:00 or +0100, or without one (then UTC), a blank for the T.
func ParseTime(s string) (time.Time, bool) {
	if t, ok := parseRFC3339(s); ok {
		return t, true
	}
	if len(s) < len("2006-01-02T15:04") || len(s) > 64 || s[4] != '-' || s[7] != '-' || (s[10] != 'T' && s[10] != 't' && s[10] != ' ') {
		return time.Time{}, false
	}
	if s[10] != 'T' {
		s = s[:10] + "T" + s[11:]
	}
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}
