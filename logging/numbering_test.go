package logging

import (
	"fmt"
	"testing"
)

// Strings keep their numbers; those that came too late never get one, and many of
// them say that it is time for another numbering.
func TestNumbering(t *testing.T) {
	keys := func(from, to int) (out []StringKey) {
		for i := from; i < to; i++ {
			out = append(out, KeyOfString(fmt.Sprint("path ", i)))
		}
		return out
	}
	n := NewNumbering(100)
	first, fresh := n.Number(keys(0, 80))
	if fresh != 80 || n.Len() != 80 {
		t.Errorf("%d new, %d in all, want 80", fresh, n.Len())
	}
	later, fresh := n.Number(keys(40, 140))
	if fresh != 20 || n.Len() != 100 {
		t.Errorf("%d new, %d in all, want 20 and 100", fresh, n.Len())
	}
	seen := map[uint32]bool{}
	for i, number := range append(first, later[40:60]...) {
		if number >= 100 || seen[number] {
			t.Errorf("string %d has number %d", i, number)
		}
		seen[number] = true
	}
	for i, k := range keys(0, 150) {
		number, ok := n.Find(k)
		switch {
		case ok != (i < 100):
			t.Errorf("string %d has a number: %t", i, ok)
		case i < 80 && number != first[i], i >= 40 && i < 140 && number != later[i-40]:
			t.Errorf("string %d has number %d now", i, number)
		}
	}
	if n.Spent() {
		t.Error("40 were refused, and 100 are numbers")
	}
	for range 30 {
		n.Number(keys(100, 140))
	}
	if !n.Spent() {
		t.Error("1,240 were refused for 100 numbers")
	}
}
