package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time, written as 15s, 90m, 7d or 1d12h.
type Duration time.Duration

// Bytes is a size, written as 512KiB or 5MB. KB, MB and GB are powers of 1000,
// KiB, MiB and GiB of 1024.
type Bytes int64

// Rate is a number of bytes a second, written as 5MB/s.
type Rate int64

type unit struct {
	name string
	size int64
}

var durationUnits = [...]unit{
	{"d", int64(24 * time.Hour)}, {"h", int64(time.Hour)}, {"m", int64(time.Minute)},
	{"s", int64(time.Second)}, {"ms", int64(time.Millisecond)},
}

var byteUnits = [...]unit{
	{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}, {"kB", 1e3}, {"B", 1},
}

// ParseDuration reads a Duration. It takes whole numbers of d, h, m, s and ms,
// largest first, and never negative ones.
func ParseDuration(s string) (Duration, error) {
	bad := func() (Duration, error) {
		return 0, fmt.Errorf("%q is no duration: want a number with d, h, m, s or ms, such as 7d or 15s", clip(s))
	}
	if s == "0" {
		return 0, nil
	}
	var total int64
	next := 0
	for rest := s; rest != "" || s == ""; {
		n, tail, ok := leadingInt(rest)
		if !ok {
			return bad()
		}
		name := tail[:len(tail)-len(strings.TrimLeft(tail, "abcdefghijklmnopqrstuvwxyz"))]
		rest = tail[len(name):]
		i := next
		for i < len(durationUnits) && durationUnits[i].name != name {
			i++
		}
		if i == len(durationUnits) || n > (math.MaxInt64-total)/durationUnits[i].size {
			return bad()
		}
		total += n * durationUnits[i].size
		next = i + 1
	}
	return Duration(total), nil
}

// String writes d so that ParseDuration reads the same.
func (d Duration) String() string {
	if d < Duration(time.Millisecond) {
		return "0s"
	}
	var b strings.Builder
	rest := int64(d)
	for _, u := range durationUnits {
		if n := rest / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			rest -= n * u.size
		}
	}
	return b.String()
}

// MarshalYAML writes String's form.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// ParseBytes reads a size.
func ParseBytes(s string) (Bytes, error) {
	n, tail, ok := leadingInt(s)
	if ok && tail == "" {
		return Bytes(n), nil
	}
	for _, u := range byteUnits {
		if ok && tail == u.name && n <= math.MaxInt64/u.size {
			return Bytes(n * u.size), nil
		}
	}
	return 0, fmt.Errorf("%q is no size: want a whole number with B, KB, MB, GB, KiB, MiB or GiB, such as 5MB", clip(s))
}

// String writes b so that ParseBytes reads the same.
func (b Bytes) String() string {
	for _, u := range byteUnits {
		if b > 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// MarshalYAML writes String's form.
func (b Bytes) MarshalYAML() (any, error) { return b.String(), nil }

// ParseRate reads a number of bytes a second.
func ParseRate(s string) (Rate, error) {
	if head, ok := strings.CutSuffix(s, "/s"); ok {
		if b, err := ParseBytes(head); err == nil {
			return Rate(b), nil
		}
	}
	return 0, fmt.Errorf("%q is no rate: want a size and /s, such as 5MB/s", clip(s))
}

// String writes r so that ParseRate reads the same.
func (r Rate) String() string { return Bytes(r).String() + "/s" }

// MarshalYAML writes String's form.
func (r Rate) MarshalYAML() (any, error) { return r.String(), nil }

func leadingInt(s string) (n int64, rest string, ok bool) {
	i := 0
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	n, err := strconv.ParseInt(s[:i], 10, 64)
	return n, s[i:], err == nil
}

// clip keeps what a message repeats of the file short.
func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
