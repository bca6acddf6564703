package logging

import (
	"testing"
	"time"
)

// Every day of some centuries, and every field just beyond its end.
func TestParseRFC3339(t *testing.T) {
	for day := time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC); day.Year() < 2500; day = day.AddDate(0, 0, 1) {
		if got, ok := parseRFC3339(day.Format(time.RFC3339)); !ok || got != day {
			t.Fatalf("%v read as %v, %v", day, got, ok)
		}
	}
	for _, s := range []string{
		"2026-11-22T12:34:56.123456789Z", "2026-11-22T12:34:56.1+01:30", "2026-11-22T00:00:00-23:59", "9999-12-31T23:59:59.999999999Z", "0000-01-01T00:00:00+12:00",
	} {
		want, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := parseRFC3339([]byte(s)); !ok || got != want.UTC() {
			t.Errorf("%s read as %v, want %v", s, got, want)
		}
	}
	for _, f := range []string{
		"2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
		"2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00.1234567890Z", "2026-01-01T00:00:00ZZ", "2o26-01-01T00:00:00Z", "2026-01-01T00:0/:00Z",
	} {
		if got, ok := parseRFC3339(f); ok {
			t.Errorf("%s read as %v", f, got)
		}
	}
}

func FuzzParseRFC3339(f *testing.F) {
	for _, s := range []string{"2026-11-22T12:34:56.123456789Z", "1969-12-31T23:59:59.5-08:00", "2024-02-29T00:00:00+00:00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseRFC3339(s)
		want, err := time.Parse(time.RFC3339Nano, s)
		if ok && (err != nil || got != want.UTC()) {
			t.Fatalf("%q read as %v, want %v (%v)", s, got, want, err)
		}
	})
}
