package logging

import "time"

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
