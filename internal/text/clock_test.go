package text

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestTimesOfDayTakeLessBesideTimes(t *testing.T) {
	const n = 3000
	for _, layout := range []string{"2006-01-02 15:04:05,000", "02/Jan/2006:15:04:05 -0700"} {
		for _, zone := range []int{0, 2 * 3600, -12 * 3600, 330 * 60} {
			r := rand.New(rand.NewPCG(1, 8))
			at := time.Date(2024, 2, 29, 0, 0, 0, 0, time.FixedZone("", zone))
			var rows []string
			var times []int64
			for range n {
				at = at.Add(time.Duration(r.IntN(20000)) * time.Millisecond)
				times = append(times, at.UnixNano())
				rows = append(rows, at.Add(-time.Duration(r.IntN(4))*time.Millisecond).Format(layout)+" INFO done")
			}
			off, data := pack1(rows)
			var e Encoder
			alone := len(e.Encode(nil, off, data))
			b := e.EncodeAt(nil, off, data, times)
			if len(b) > alone/2 {
				t.Errorf("%s, zone %d: %d bytes beside times, %d alone", layout, zone, len(b), alone)
			}
			c, err := DecodeAt(b, n, func() ([]int64, error) { return times, nil })
			if err != nil {
				t.Fatal(err)
			}
			if _, got := c.AppendAll(nil, nil); !bytes.Equal(got, data) || c.Err() != nil {
				t.Fatalf("%s, zone %d: other strings, %v", layout, zone, c.Err())
			}
			if c, err = Decode(b, n); err != nil {
				t.Fatal(err)
			}
			if c.AppendAll(nil, nil); !errors.Is(c.Err(), ErrCorrupt) {
				t.Errorf("opened without times: %v", c.Err())
			}
		}
	}
}

func TestTimesOfDayRoundTrip(t *testing.T) {
	for what, form := range map[string]string{
		"of seconds":       "at %02d:%02d:%02d x",
		"of thousandths":   "%02d:%02d:%02d,%03d",
		"other fractions":  "%02d:%02d:%02d.%d",
		"after a year":     "[17/May/2015:%02d:%02d:%02d +0000] %d",
		"beside a field":   "%02d:%02d:%02d.%03d user=NAME done",
		"no times at all":  "a:%d:%d:%d",
		"addresses":        "%x:%x:%x",
		"two in one":       "%[1]02d:%[2]02d:%[3]02d to %[3]02d:%[2]02d:%[1]02d",
		"leap seconds too": "%02d:%02d:6%d",
	} {
		t.Run(what, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 9))
			var rows []string
			for range 500 {
				args := []any{r.IntN(24), r.IntN(60), r.IntN(60), r.IntN(1000)}
				s := fmt.Sprintf(form, args[:min(4, strings.Count(form, "%"))]...)
				rows = append(rows, strings.Replace(s, "NAME", name(r, 100), 1))
			}
			off, data := pack1(rows)
			check(t, new(Encoder), off, data)
			checkSearch(t, r, rows, 30)
			times := make([]int64, len(rows))
			for i := range times {
				times[i] = r.Int64() - 1<<62 // before 1970 too
			}
			b := new(Encoder).EncodeAt(nil, off, data, times)
			c, err := DecodeAt(b, len(rows), func() ([]int64, error) { return times, nil })
			if err != nil {
				t.Fatal(err)
			}
			if _, got := c.AppendAll(nil, nil); !bytes.Equal(got, data) {
				t.Fatal("other strings")
			}
		})
	}
}
