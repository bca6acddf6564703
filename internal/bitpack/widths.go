package bitpack

// widths are the array types whose lengths unpack8 takes as constants.
type widths interface {
	[1]struct{} | [2]struct{} | [3]struct{} | [4]struct{} | [5]struct{} | [6]struct{} | [7]struct{} | [8]struct{} |
		[9]struct{} | [10]struct{} | [11]struct{} | [12]struct{} | [13]struct{} | [14]struct{} | [15]struct{} | [16]struct{} |
		[17]struct{} | [18]struct{} | [19]struct{} | [20]struct{} | [21]struct{} | [22]struct{} | [23]struct{} | [24]struct{} |
		[25]struct{} | [26]struct{} | [27]struct{} | [28]struct{} | [29]struct{} | [30]struct{} | [31]struct{} | [32]struct{} |
		[33]struct{} | [34]struct{} | [35]struct{} | [36]struct{} | [37]struct{} | [38]struct{} | [39]struct{} | [40]struct{} |
		[41]struct{} | [42]struct{} | [43]struct{} | [44]struct{} | [45]struct{} | [46]struct{} | [47]struct{} | [48]struct{} |
		[49]struct{} | [50]struct{} | [51]struct{} | [52]struct{} | [53]struct{} | [54]struct{} | [55]struct{} | [56]struct{}
}

// unpackWhole is Unpack for 1 to 56 bits and a multiple of 8 values.
func unpackWhole[T Number](out []T, in []byte, width uint, base, mul uint64) {
	switch width {
	case 1:
		unpack8[T, [1]struct{}](out, in, base, mul)
	case 2:
		unpack8[T, [2]struct{}](out, in, base, mul)
	case 3:
		unpack8[T, [3]struct{}](out, in, base, mul)
	case 4:
		unpack8[T, [4]struct{}](out, in, base, mul)
	case 5:
		unpack8[T, [5]struct{}](out, in, base, mul)
	case 6:
		unpack8[T, [6]struct{}](out, in, base, mul)
	case 7:
		unpack8[T, [7]struct{}](out, in, base, mul)
	case 8:
		unpack8[T, [8]struct{}](out, in, base, mul)
	case 9:
		unpack8[T, [9]struct{}](out, in, base, mul)
	case 10:
		unpack8[T, [10]struct{}](out, in, base, mul)
	case 11:
		unpack8[T, [11]struct{}](out, in, base, mul)
	case 12:
		unpack8[T, [12]struct{}](out, in, base, mul)
	case 13:
		unpack8[T, [13]struct{}](out, in, base, mul)
	case 14:
		unpack8[T, [14]struct{}](out, in, base, mul)
	case 15:
		unpack8[T, [15]struct{}](out, in, base, mul)
	case 16:
		unpack8[T, [16]struct{}](out, in, base, mul)
	case 17:
		unpack8[T, [17]struct{}](out, in, base, mul)
	case 18:
		unpack8[T, [18]struct{}](out, in, base, mul)
	case 19:
		unpack8[T, [19]struct{}](out, in, base, mul)
	case 20:
		unpack8[T, [20]struct{}](out, in, base, mul)
	case 21:
		unpack8[T, [21]struct{}](out, in, base, mul)
	case 22:
		unpack8[T, [22]struct{}](out, in, base, mul)
	case 23:
		unpack8[T, [23]struct{}](out, in, base, mul)
	case 24:
		unpack8[T, [24]struct{}](out, in, base, mul)
	case 25:
		unpack8[T, [25]struct{}](out, in, base, mul)
	case 26:
		unpack8[T, [26]struct{}](out, in, base, mul)
	case 27:
		unpack8[T, [27]struct{}](out, in, base, mul)
	case 28:
		unpack8[T, [28]struct{}](out, in, base, mul)
	case 29:
		unpack8[T, [29]struct{}](out, in, base, mul)
	case 30:
		unpack8[T, [30]struct{}](out, in, base, mul)
	case 31:
		unpack8[T, [31]struct{}](out, in, base, mul)
	case 32:
		unpack8[T, [32]struct{}](out, in, base, mul)
	case 33:
		unpack8[T, [33]struct{}](out, in, base, mul)
	case 34:
		unpack8[T, [34]struct{}](out, in, base, mul)
	case 35:
		unpack8[T, [35]struct{}](out, in, base, mul)
	case 36:
		unpack8[T, [36]struct{}](out, in, base, mul)
	case 37:
		unpack8[T, [37]struct{}](out, in, base, mul)
	case 38:
		unpack8[T, [38]struct{}](out, in, base, mul)
	case 39:
		unpack8[T, [39]struct{}](out, in, base, mul)
	case 40:
		unpack8[T, [40]struct{}](out, in, base, mul)
	case 41:
		unpack8[T, [41]struct{}](out, in, base, mul)
	case 42:
		unpack8[T, [42]struct{}](out, in, base, mul)
	case 43:
		unpack8[T, [43]struct{}](out, in, base, mul)
	case 44:
		unpack8[T, [44]struct{}](out, in, base, mul)
	case 45:
		unpack8[T, [45]struct{}](out, in, base, mul)
	case 46:
		unpack8[T, [46]struct{}](out, in, base, mul)
	case 47:
		unpack8[T, [47]struct{}](out, in, base, mul)
	case 48:
		unpack8[T, [48]struct{}](out, in, base, mul)
	case 49:
		unpack8[T, [49]struct{}](out, in, base, mul)
	case 50:
		unpack8[T, [50]struct{}](out, in, base, mul)
	case 51:
		unpack8[T, [51]struct{}](out, in, base, mul)
	case 52:
		unpack8[T, [52]struct{}](out, in, base, mul)
	case 53:
		unpack8[T, [53]struct{}](out, in, base, mul)
	case 54:
		unpack8[T, [54]struct{}](out, in, base, mul)
	case 55:
		unpack8[T, [55]struct{}](out, in, base, mul)
	case 56:
		unpack8[T, [56]struct{}](out, in, base, mul)
	}
}
