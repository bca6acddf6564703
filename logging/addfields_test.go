package logging

import (
	"testing"
	"time"
)

// Times are written as the standard library would.
func TestClockface(t *testing.T) {
	var c clockface
	for _, at := range []time.Time{
		time.Unix(0, 0), time.Unix(0, 1), time.Unix(0, 120_000_000), time.Unix(1_700_000_000, 999_999_999), time.Unix(1_700_000_000, 5000),
		time.Unix(-1, 1), time.Unix(-62_135_596_800, 0), time.Unix(253_402_300_799, 10), time.Unix(1_700_000_000, 0),
	} {
		if got, want := string(c.append(nil, at)), at.UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
