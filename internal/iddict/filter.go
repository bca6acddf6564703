package iddict

import "math/bits"

const (
	filterBits  = 10 // of a hash
	filterLine  = 64 // bytes, of which one hash looks at no others
	filterTries = 6
)

// Filter says which hashes are surely not in a table; of those that are not,
// some 1 of 80 pass. It is read-only.
type Filter struct {
	lines []byte
}

// filterLen returns how many bytes the filter of n hashes has.
func filterLen(n int) int {
	return (n*filterBits + 8*filterLine - 1) / (8 * filterLine) * filterLine
}

func newFilter(n int) *Filter { return &Filter{make([]byte, filterLen(n))} }

// line returns the bytes that are the hash's, and the bits by which it chooses
// among them, 9 for each try.
func (f *Filter) line(hash uint64) ([]byte, uint64) {
	n, _ := bits.Mul64(hash, uint64(len(f.lines)/filterLine))
	// The upper bits chose the line: a product brings the lower ones up.
	return f.lines[n*filterLine:][:filterLine], hash * 0x9e3779b97f4a7c15 >> (64 - 9*filterTries)
}

func (f *Filter) add(hash uint64) {
	line, choice := f.line(hash)
	for range filterTries {
		line[choice>>3&63] |= 1 << (choice & 7)
		choice >>= 9
	}
}

// Has reports whether the hash may be in the table: always of one that is.
func (f *Filter) Has(hash uint64) bool {
	if len(f.lines) == 0 {
		return false
	}
	line, choice := f.line(hash)
	for range filterTries {
		if line[choice>>3&63]>>(choice&7)&1 == 0 {
			return false
		}
		choice >>= 9
	}
	return true
}
