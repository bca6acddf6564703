package colenc

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	f := func(s string) {
		t.Helper()
		want, err := time.Parse(time.RFC3339Nano, s)
		ns, l, ok := ParseTime(s)
		if err != nil || !ok || ns != want.UnixNano() {
			t.Errorf("ParseTime(%q) = %d, %v; want %d, %v", s, ns, ok, want.UnixNano(), err)
			return
		}
		if got := string(AppendTime(nil, ns, l)); got != s {
			t.Errorf("%q is written as %q", s, got)
		}
		if !l.Valid() || !l.Fits(s, ns) || l.Fits(s, ns+1) || l.Fits(s+" ", ns) {
			t.Errorf("%q: its layout %#x does not fit, or fits too much", s, l)
		}
		if got, ok := TimeLayout(s, ns); !ok || got != l {
			t.Errorf("TimeLayout(%q) = %#x, %v; want %#x", s, got, ok, l)
		}
	}
	f("2024-02-29T23:59:59Z")
	f("1970-01-01T00:00:00Z")
	f("1969-12-31T23:59:59.999999999Z")
	f("2026-11-22T23:11:31.123Z")
	f("2026-11-22T23:11:31.000Z")
	f("2026-11-22T23:11:31.123456Z")
	f("2026-11-22T23:11:31.120000000Z")
	f("2026-11-22T23:11:31.12Z")
	f("2026-11-22T23:11:31.1234567+00:00")
	f("2026-11-22T23:11:31.5+05:30")
	f("2026-11-22T23:11:31-11:59")
	f("2000-02-29T00:00:00Z")
	f("1900-03-01T00:00:00Z")
	f("1678-01-01T00:00:00+23:59")
	f("2261-12-31T23:59:59.999999999-23:59")

	for _, s := range []string{"", "2026-11-22", "2026-11-22T23:11:31", "2026-11-22 23:11:31Z", "2026-11-22t23:11:31Z",
		"2026-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-04-31T00:00:00Z",
		"2026-11-22T24:00:00Z", "2026-11-22T23:60:00Z", "2026-11-22T23:59:60Z", "2026-11-22T23:11:31.Z",
		"2026-11-22T23:11:31.10Z", "2026-11-22T23:11:31.1234567890Z", "2026-11-22T23:11:31z", "2026-11-22T23:11:31-00:00",
		"2026-11-22T23:11:31+24:00", "2026-11-22T23:11:31+0100", "2026-11-22T23:11:31,123Z", "1677-12-31T00:00:00Z", "2262-01-01T00:00:00Z",
		"2026-1x-22T23:11:31Z", "2026-11-22T23:11:31Zx"} {
		if ns, _, ok := ParseTime(s); ok {
			t.Errorf("ParseTime(%q) = %d", s, ns)
		}
	}
}

func TestShortestLayout(t *testing.T) {
	// What Go and JavaScript write: one column, several numbers of digits.
	for _, s := range []string{"2026-11-22T23:11:31Z", "2026-11-22T23:11:31.1Z", "2026-11-22T23:11:31.123Z", "2026-11-22T23:11:31.123456Z", "2026-11-22T23:11:31.12345678Z"} {
		ns, l, _ := ParseTime(s)
		if l = l.Shortest(); !l.Fits(s, ns) || string(AppendTime(nil, ns, l)) != s {
			t.Errorf("%q does not fit the shortest layout", s)
		}
	}
	for _, s := range []string{"2026-11-22T23:11:31.000Z", "2026-11-22T23:11:31.120Z"} {
		ns, l, _ := ParseTime(s)
		if l.Shortest().Fits(s, ns) {
			t.Errorf("%q fits the shortest layout", s)
		}
	}
}

func TestAppendTime(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for range 20000 {
		ns := int64(rng.Uint64())
		if got, want := string(AppendTime(nil, ns, 3)), time.Unix(0, ns).UTC().Format("2006-01-02T15:04:05.000000000Z"); got != want {
			t.Fatalf("%d is %q, want %q", ns, got, want)
		}
		if got, want := string(AppendTime(nil, ns, fractionShortest)), time.Unix(0, ns).UTC().Format(time.RFC3339Nano); got != want {
			t.Fatalf("%d is %q, want %q", ns, got, want)
		}
	}
	for l := range 1 << 16 { // also what a disk made up
		AppendTime(nil, math.MinInt64, Layout(l))
		AppendTime(nil, math.MaxInt64, Layout(l))
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("2026-11-22T23:11:31.123Z")
	f.Add("2026-11-22T23:11:31.12+05:30")
	f.Fuzz(func(t *testing.T, s string) {
		ns, l, ok := ParseTime(s)
		if !ok {
			return
		}
		if got := string(AppendTime(nil, ns, l)); got != s || !l.Valid() || !l.Fits(s, ns) {
			t.Fatalf("%q is written as %q, layout %#x", s, got, l)
		}
	})
}

func TestCounts(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		times := make([]int64, rng.IntN(500))
		at, step := rng.Int64N(1e18)-5e17, rng.Int64N(3*minute)+1
		for i := range times {
			at += rng.Int64N(step)
			times[i] = at
		}
		if seed%10 == 0 && len(times) > 1 {
			times[0], times[len(times)-1] = math.MinInt64, math.MaxInt64
		}
		var want []Count
		for _, ns := range times {
			m := ns / minute
			if ns < m*minute {
				m--
			}
			if k := len(want); k > 0 && want[k-1].Minute == m {
				want[k-1].Rows++
			} else {
				want = append(want, Count{m, 1})
			}
		}
		b := AppendCounts(nil, times)
		got, err := DecodeCounts(b, len(times), nil)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("seed %d: %v\n got %v\nwant %v", seed, err, got, want)
		}
		if _, err := DecodeCounts(append(b, 0), len(times), nil); err == nil {
			t.Fatalf("seed %d: a byte too many is taken", seed)
		}
	}
}

func FuzzDecodeCounts(f *testing.F) {
	f.Add(AppendCounts(nil, []int64{-1, 0, 1, minute, 5 * minute}), 5)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		counts, err := DecodeCounts(b, n, nil)
		if err != nil {
			return
		}
		rows := 0
		for i, c := range counts {
			rows += int(c.Rows)
			if c.Rows == 0 || i > 0 && c.Minute <= counts[i-1].Minute {
				t.Fatalf("%v", counts)
			}
		}
		if rows != n {
			t.Fatalf("%d rows, want %d", rows, n)
		}
	})
}

func BenchmarkTime(b *testing.B) {
	const s = "2026-11-22T23:11:31.123456789Z"
	ns, l, _ := ParseTime(s)
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			ParseTime(s)
		}
	})
	b.Run("fits", func(b *testing.B) {
		for b.Loop() {
			l.Fits(s, ns)
		}
	})
	b.Run("append", func(b *testing.B) {
		var buf []byte
		for b.Loop() {
			buf = AppendTime(buf[:0], ns, l)
		}
	})
	b.Run("counts", func(b *testing.B) {
		times := make([]int64, 8192)
		for i := range times {
			times[i] = ns + int64(i)*10*second
		}
		var buf []byte
		for b.Loop() {
			buf = AppendCounts(buf[:0], times)
		}
		perValue(b, len(times))
	})
}
