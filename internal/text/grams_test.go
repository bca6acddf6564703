package text

import (
	"fmt"
	"testing"
)

// TestGrams: what a column does not hold is known without unpacking it.
func TestGrams(t *testing.T) {
	var rows []string
	for i := range 400 {
		rows = append(rows, fmt.Sprintf("GET /shop/%s took %dms, Token blk_%d deadbeef%08x from KELVIN %s",
			pick2(i, "login", "cart", "search_all"), i, i*7, i*2654435761, pick2(i, "İstanbul", "Köln", "Paris")))
	}
	rows = append(rows, "something else entirely, seen once")
	off, data := pack1(rows)
	b := new(Encoder).Encode(nil, off, data)
	for _, c := range []struct {
		literal  string
		unpacked bool
	}{
		{"refused", false},
		{"ing", true},     // part of a raw row
		{"shop", true},    // in templates
		{"ogi", true},     // in a field, or a template
		{"blk", true},     // before a number
		{"beef", true},    // in a variable
		{"xyz", false},    //
		{"k", true},       // too short to tell
		{"blk_77", true},  // digits part
		{"kelvin", true},  // in another case
		{"istan", true},   // a dotted capital I has i as lower case
		{"cart_x", false}, // begins as something does
		{"refused shop", false},
	} {
		col, err := Decode(b, len(rows))
		if err != nil {
			t.Fatal(err)
		}
		col.SelectValue(func(string) bool { return false }, c.literal, nil, nil)
		if got := col.opened.meta.Load(); got != c.unpacked {
			t.Errorf("%q: unpacked %t, want %t", c.literal, got, c.unpacked)
		}
	}
}

func pick2(i int, of ...string) string { return of[i%len(of)] }

func TestGramsHolds(t *testing.T) {
	var s gramSet
	s.add([]byte("connection refused by peer, zzz___aaa"))
	list := s.appendTo(nil)
	for literal, want := range map[string]bool{
		"connection": true, "refused": true, "fuse": true, "Peer": true, "___": true, "zzz_": true, "aaa": true,
		"confused": false, "peers": false, "zzzz_b": false, "no": true, "": true, "fused by": true,
	} {
		ok := true
		for _, codes := range gramsOf(literal) {
			ok = ok && holds(list, codes)
		}
		if ok != want {
			t.Errorf("%q: got %t, want %t", literal, ok, want)
		}
	}
}
