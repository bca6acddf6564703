package logging

import (
	"slices"
	"strings"
)

// inText looks for the phrase in a text. It gathers where each of its tokens
// stands, and looks for a place for every one of them.
func (f Phrase) inText(text string) bool {
	at := make([][]int, len(f.Tokens)) // positions of each token, ascending
	pos := 0
	for from, to := nextToken(text, 0); from < to; from, to = nextToken(text, to) {
		for i, want := range f.Tokens {
			if f.LastPrefix && i == len(f.Tokens)-1 {
				if strings.HasPrefix(lower(text[from:to]), want) {
					at[i] = append(at[i], pos)
				}
			} else if isLower(text[from:to], want) {
				at[i] = append(at[i], pos)
			}
		}
		pos++
	}
	for _, p := range at {
		if len(p) == 0 {
			return false
		}
	}
	// A token that stands at p where the phrase has it as its i-th is displaced
	// by p-i. The phrase fits where the displacements of all its tokens differ
	// by at most Slop, as in Lucene's sloppy phrases.
	for i, ps := range at {
		for _, p := range ps {
			if f.fitsFrom(at, p-i) {
				return true
			}
		}
	}
	return false
}

// fitsFrom reports whether every token finds a place of its own that is
// displaced by least to least+Slop. Going through the tokens in order and
// taking the first free place is best possible, since the windows of equal
// tokens begin and end in that order too.
func (f Phrase) fitsFrom(at [][]int, least int) bool {
	var taken []int
	for i, ps := range at {
		first, _ := slices.BinarySearch(ps, least+i)
		found := false
		for _, p := range ps[first:] {
			if p > least+i+f.Slop {
				break
			}
			if !slices.Contains(taken, p) {
				taken, found = append(taken, p), true
				break
			}
		}
		if !found {
			return false
		}
	}
	return true
}
