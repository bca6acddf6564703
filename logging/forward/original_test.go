package forward

import (
	"fmt"
	"testing"
)

// The time that a record named and that was not taken stays what it was, whatever
// comes behind it in its chunk.
func TestOriginalTimesOfAChunk(t *testing.T) {
	r := start(t, Options{})
	c := r.dial(t)
	var entries arr
	for i := range 9 {
		entries = append(entries, arr{int(now()), rec{"@timestamp", fmt.Sprintf("299%d-01-01T00:00:00Z", i), "message", fmt.Sprint("m", i), "namespace", "shop"}})
	}
	want := ackOf("c")
	if _, err := exchange(t, c, pack(arr{"t", entries, rec{"chunk", "c"}}), len(want)); err != nil {
		t.Fatal(err)
	}
	for i, rec := range r.all() {
		if want := fmt.Sprintf("299%d-01-01T00:00:00Z", i); rec.Original != want {
			t.Errorf("record %d: %q, want %q", i, rec.Original, want)
		}
	}
}
