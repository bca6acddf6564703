package colenc

import (
	"math"
	"strconv"
)

// maxFrac is the greatest number of digits after the point: 10^18 is the
// greatest power of ten that an int64 holds, and a float64 holds it exactly.
const maxFrac = 18

// ParseDecimal reads a JSON number as mant / 10^frac. ok is false where
// AppendDecimal would not write the same bytes again: exponents, "-0", more
// than 18 digits after the point; and where the number is not an int64, or has
// a point and 2^53 or more without it.
func ParseDecimal(tok []byte) (mant int64, frac uint8, ok bool) {
	digits := tok
	negative := len(tok) > 0 && tok[0] == '-'
	if negative {
		digits = tok[1:]
	}
	// 20 characters: 19 digits, which fit in 64 bits, and a point.
	if len(digits) == 0 || len(digits) > 20 || digits[0] == '0' && len(digits) > 1 && digits[1] != '.' {
		return 0, 0, false
	}
	var v uint64
	point := -1
	for i, c := range digits {
		if d := c - '0'; d <= 9 {
			v = v*10 + uint64(d)
		} else if c == '.' && point < 0 && i > 0 {
			point = i
		} else {
			return 0, 0, false
		}
	}
	if point >= 0 {
		f := len(digits) - 1 - point
		if f == 0 || f > maxFrac || v >= 1<<53 {
			return 0, 0, false
		}
		frac = uint8(f)
	} else if len(digits) > 19 || v > math.MaxInt64 {
		return 0, 0, false
	}
	mant = int64(v)
	if negative {
		mant = -mant
	}
	return mant, frac, v != 0 || !negative
}

// AppendDecimal appends mant / 10^frac with frac digits after the point, and no
// point without them.
func AppendDecimal(dst []byte, mant int64, frac uint8) []byte {
	if frac == 0 {
		return strconv.AppendInt(dst, mant, 10)
	}
	u := uint64(mant)
	if mant < 0 {
		u = -u
		dst = append(dst, '-')
	}
	var buf [20]byte
	digits := strconv.AppendUint(buf[:0], u, 10)
	whole := len(digits) - int(frac)
	if whole <= 0 {
		dst = append(dst, '0', '.')
		for range -whole {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[:whole]...)
	dst = append(dst, '.')
	return append(dst, digits[whole:]...)
}

// DecimalFloat returns the float64 nearest to mant / 10^frac, as strconv parses
// it, of what ParseDecimal returned.
func DecimalFloat(mant int64, frac uint8) float64 {
	// Both are exact, and one division rounds once.
	return float64(mant) / float64(powers[min(frac, maxFrac)])
}

// powers are those of ten.
var powers = [maxFrac + 1]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18}

// How many digits the decimals of a column have, in its first byte.
const (
	decFixed    = 0 // all the same number
	decShortest = 1 // no zero at the end: 1, 1.5
	decPoint    = 2 // the same, but for one digit at least: 1.0, 1.5
	decMixed    = 3
)

// AppendDecimals appends the numbers mant[i] / 10^frac[i]. Where the rows keep
// to a rule of how many digits they have, the rule is stored, and the numbers
// as integers of one scale.
func AppendDecimals(dst []byte, mant []int64, frac []uint8) []byte {
	if len(mant) == 0 {
		return dst
	}
	frac = frac[:len(mant)]
	style, scale := decimalStyle(mant, frac)
	dst = append(dst, style)
	switch style {
	case decFixed:
		dst = append(dst, scale)
	case decMixed:
		dst = appendInts(dst, frac)
	default:
		dst = append(dst, scale)
		scaled := make([]int64, len(mant))
		for i, m := range mant {
			scaled[i] = m * powers[scale-frac[i]]
		}
		mant = scaled
	}
	return appendInts(dst, mant)
}

func decimalStyle(mant []int64, frac []uint8) (style byte, scale uint8) {
	lo, hi := frac[0], frac[0]
	shortest, point := true, true
	var widest uint64
	for i, f := range frac {
		lo, hi = min(lo, f), max(hi, f)
		trailing := f > 0 && mant[i]%10 == 0
		shortest = shortest && !trailing
		point = point && f > 0 && (f == 1 || !trailing)
		widest = max(widest, distance(mant[i], 0))
	}
	if lo == hi {
		return decFixed, lo
	}
	// A bound that is simple: the widest number with the most digits added.
	if !shortest && !point || widest > uint64(math.MaxInt64/powers[hi-lo]) {
		return decMixed, 0
	}
	if shortest {
		return decShortest, hi
	}
	return decPoint, hi
}

// DecodeDecimals returns the n numbers of AppendDecimals, in mant and frac
// where they fit. No frac is above 18.
func DecodeDecimals(b []byte, n int, mant []int64, frac []uint8) ([]int64, []uint8, error) {
	if err := checkRows("decimals", n); err != nil {
		return nil, nil, err
	}
	mant, frac = resize(mant, n), resize(frac, n)
	c := cursor{b: b}
	if n > 0 {
		style := c.byte()
		scale := uint8(0)
		switch style {
		case decFixed, decShortest, decPoint:
			scale = c.byte()
			for i := range frac {
				frac[i] = scale
			}
		case decMixed:
			if _, err := readInts("decimal digits", &c, n, frac); err != nil {
				return nil, nil, err
			}
			for _, f := range frac {
				scale = max(scale, f)
			}
		default:
			return nil, nil, corrupt("decimals: style %d", style)
		}
		if scale > maxFrac {
			return nil, nil, corrupt("decimals: %d digits after the point", scale)
		}
		if _, err := readInts("decimals", &c, n, mant); err != nil {
			return nil, nil, err
		}
		switch style {
		case decShortest:
			shorten(mant, frac, 0)
		case decPoint:
			shorten(mant, frac, 1)
		}
	}
	if len(c.b) > 0 {
		return nil, nil, corrupt("decimals: %d bytes too many", len(c.b))
	}
	return mant, frac, nil
}

// shorten takes zeros from the ends until there are least digits.
func shorten(mant []int64, frac []uint8, least uint8) {
	for i, m := range mant {
		f := frac[i]
		for f > least && m%10 == 0 {
			m /= 10
			f--
		}
		mant[i], frac[i] = m, f
	}
}
