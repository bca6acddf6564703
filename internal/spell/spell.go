// Package spell finds what somebody may have meant.
package spell

import "math"

// nameBytesMax bounds the work: a longer name is compared by its beginning.
const nameBytesMax = 64

// Nearest gives the known word that takes the fewest edits to reach from name,
// the first of several, and how many: bytes inserted, deleted or replaced.
// Without known words it gives "".
func Nearest(name string, known []string) (best string, edits int) {
	edits = math.MaxInt
	for _, k := range known {
		if d := distance(name[:min(len(name), nameBytesMax)], k); d < edits {
			best, edits = k, d
		}
	}
	return best, edits
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
