package dsl

import (
	"math"
	"strconv"
	"strings"
)

// decimalFormat is a pattern of Java's DecimalFormat: what stands before and
// behind the number, and how many digits it has.
type decimalFormat struct {
	prefix, suffix     string
	whole              int // digits before the point, at least
	least, most        int // digits behind it
	group              int // 0: no commas
	percent, permille  bool
	raw                bool // "raw": as the number is
	negPrefix, negTail string
	negative           bool
}

// isDecimal reports whether a format is one for numbers, not for dates.
func isDecimal(s string) bool { return s == "raw" || strings.ContainsAny(s, "#0") }

func parseDecimal(s string) (*decimalFormat, error) {
	if s == "raw" {
		return &decimalFormat{raw: true}, nil
	}
	if len(s) > dateFormatLenMax {
		return nil, Illegal("Invalid format: [%s]: longer than %d characters", clip(s), dateFormatLenMax)
	}
	f := &decimalFormat{}
	positive, negative, both := strings.Cut(s, ";")
	from := strings.IndexAny(positive, "#0,.")
	to := strings.LastIndexAny(positive, "#0,.") + 1
	if from < 0 || strings.ContainsAny(positive, "E¤'") {
		return nil, Illegal("Invalid format: [%s]: exponents, currencies and quotes are not supported", clip(s))
	}
	f.prefix, f.suffix = positive[:from], positive[to:]
	f.percent = strings.Contains(f.prefix+f.suffix, "%")
	f.permille = strings.Contains(f.prefix+f.suffix, "‰")
	whole, fraction, _ := strings.Cut(positive[from:to], ".")
	if i := strings.LastIndexByte(whole, ','); i >= 0 {
		f.group = len(whole) - i - 1
	}
	f.whole, f.least, f.most = strings.Count(whole, "0"), strings.Count(fraction, "0"), len(fraction)
	if strings.Trim(whole, "#0,") != "" || strings.Trim(fraction, "#0") != "" || f.most > 100 {
		return nil, Illegal("Invalid format: [%s]: Malformed pattern", clip(s))
	}
	if both {
		if i, k := strings.IndexAny(negative, "#0,."), strings.LastIndexAny(negative, "#0,."); i >= 0 {
			f.negative, f.negPrefix, f.negTail = true, negative[:i], negative[k+1:]
		}
	}
	return f, nil
}

// Format writes a number, rounded half to even.
func (f *decimalFormat) Format(x float64) string {
	switch {
	case f.raw:
		return javaFloat(x)
	case math.IsNaN(x):
		return "NaN"
	}
	prefix, suffix := f.prefix, f.suffix
	if x < 0 || math.Signbit(x) {
		if f.negative {
			prefix, suffix = f.negPrefix, f.negTail
		} else {
			prefix = "-" + prefix
		}
		x = -x
	}
	if math.IsInf(x, 0) {
		return prefix + "∞" + suffix
	}
	switch {
	case f.percent:
		x *= 100
	case f.permille:
		x *= 1000
	}
	whole, fraction, _ := strings.Cut(strconv.FormatFloat(x, 'f', f.most, 64), ".")
	for len(fraction) > f.least && fraction[len(fraction)-1] == '0' {
		fraction = fraction[:len(fraction)-1]
	}
	if whole = strings.TrimLeft(whole, "0"); len(whole) < f.whole {
		whole = strings.Repeat("0", f.whole-len(whole)) + whole
	}
	if whole == "" && fraction == "" {
		whole = "0"
	}
	if f.group > 0 {
		for i := len(whole) - f.group; i > 0; i -= f.group {
			whole = whole[:i] + "," + whole[i:]
		}
	}
	if fraction != "" {
		whole += "." + fraction
	}
	return prefix + whole + suffix
}
