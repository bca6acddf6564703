package logging

import "iter"

// Tokens yields where each token of a text begins and ends, in bytes and in
// order; Analyze gives the same tokens in lower case.
func Tokens(text string) iter.Seq2[int, int] {
	return func(yield func(from, to int) bool) {
		for from, to := nextToken(text, 0); from < to; from, to = nextToken(text, to) {
			if !yield(from, to) {
				return
			}
		}
	}
}

// Fits gives the pattern's test for one whole value, or for one token in lower
// case. The returned function is safe for concurrent use.
func (f Pattern) Fits() func(string) bool { return f.fits() }
