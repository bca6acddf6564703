//go:build soak

package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

const (
	blastRecords = 600_000 // that the loud tenant has
	blastScans   = 12      // that it has going on all the time
	blastFor     = 12 * time.Second
)

// heavy are questions that look at every row, asked so that nothing that is
// remembered of one helps the next.
func heavy(rnd *rand.Rand) logging.Query {
	field := logging.FieldOf("message")
	switch rnd.IntN(4) {
	case 0:
		return logging.Query{Limit: 10, Filter: logging.Pattern{Field: logging.Field{Name: "message", Exact: true}, Kind: logging.Wildcard, Text: "*" + word(rnd) + "*"}}
	case 1:
		return logging.Query{Limit: 1000, Sort: []logging.SortKey{{Field: logging.FieldOf("message.keyword")}}}
	case 2:
		return logging.Query{Aggs: []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.FieldOf("message.keyword"), Size: 10}}}}
	}
	return logging.Query{Filter: logging.Not{Of: logging.Term{Field: field, Text: word(rnd)}}, Aggs: []logging.Agg{
		{Name: "m", Of: logging.DateHistogram{Field: logging.FieldOf(logging.FieldTime), Fixed: time.Second, MinDocs: 1}, Sub: []logging.Agg{
			{Name: "p", Of: logging.Metric{Field: logging.FieldOf("latency_ms"), Kind: logging.Percentiles, Percents: []float64{50, 99}}}}}}}
}

func word(rnd *rand.Rand) string {
	b := make([]byte, 3)
	for i := range b {
		b[i] = "0123456789abcdef"[rnd.IntN(16)]
	}
	return string(b)
}

// TestSoakBlastRadius: one tenant scans all it has with as many searches as it
// likes. What that costs another's appends and searches is printed; they go on. A
// search that nobody wants any more ends.
func TestSoakBlastRadius(t *testing.T) {
	s, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	loud, calm := tenant.ID("loud"), tenant.ID("calm")
	rnd := rand.New(rand.NewPCG(1, 1))
	day := time.Now().UTC().Truncate(24 * time.Hour)
	for at := 0; at < blastRecords; at += 2000 {
		if _, err := s.Append(ctx, bulkScope(loud), bulkBatch(rnd, loud, day, at, 2000, blastRecords)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.flush(); err != nil {
		t.Fatal(err)
	}

	// calm writes 100 records every 5 ms and looks for its newest every 50.
	measure := func(what string) (appends, searches []time.Duration) {
		rnd := rand.New(rand.NewPCG(2, 2))
		before := cpuNow(t)
		for end, i := time.Now().Add(blastFor), 0; time.Now().Before(end); i++ {
			begin := time.Now()
			if _, err := s.Append(ctx, bulkScope(calm), bulkBatch(rnd, calm, begin.UTC().Add(-time.Second), 0, 100, 86_400)); err != nil {
				t.Fatal(err)
			}
			appends = append(appends, time.Since(begin))
			if i%10 == 0 {
				begin := time.Now()
				v, err := s.Snapshot(ctx, scopetest.Read(calm))
				if err != nil {
					t.Fatal(err)
				}
				res, err := v.Search(ctx, logging.Query{Limit: 100, TotalMax: -1, Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldTime), Desc: true}}, Filter: logging.Term{Field: logging.FieldOf("level"), Text: "info"}})
				if err != nil || len(res.Hits) == 0 {
					t.Fatal(err)
				}
				_ = v.Close() // it has nothing to say
				searches = append(searches, time.Since(begin))
			}
			time.Sleep(5 * time.Millisecond)
		}
		slices.Sort(appends)
		slices.Sort(searches)
		at := func(d []time.Duration, share float64) time.Duration {
			return d[int(share*float64(len(d)-1))].Round(10 * time.Microsecond)
		}
		t.Logf("%s: %d appends, median %v, p99 %v; %d searches, median %v, p99 %v; process %.2f cores", what,
			len(appends), at(appends, 0.5), at(appends, 0.99), len(searches), at(searches, 0.5), at(searches, 0.99), (cpuNow(t)-before).Seconds()/blastFor.Seconds())
		return appends, searches
	}
	measure("alone")

	scanning, stop := context.WithCancel(ctx)
	defer stop()
	var scans sync.WaitGroup
	var mu sync.Mutex // guards done
	done := 0
	for i := range blastScans {
		scans.Go(func() {
			rnd := rand.New(rand.NewPCG(3, uint64(i)))
			for scanning.Err() == nil {
				v, err := s.Snapshot(scanning, scopetest.Read(loud))
				if err != nil {
					return
				}
				_, err = v.Search(scanning, heavy(rnd))
				_ = v.Close() // it has nothing to say
				if err != nil && scanning.Err() == nil && !errors.Is(err, logging.ErrQuery) {
					t.Error(err)
				}
				mu.Lock()
				done++
				mu.Unlock()
			}
		})
	}
	time.Sleep(time.Second)
	appends, searches := measure("while the other scans")
	mu.Lock()
	t.Logf("the other had %d scans answered", done)
	mu.Unlock()
	if slowest := appends[len(appends)-1]; slowest > 5*time.Second {
		t.Errorf("an append took %v", slowest)
	}
	if slowest := searches[len(searches)-1]; slowest > 5*time.Second {
		t.Errorf("a search took %v", slowest)
	}

	// Cancelled at some moment, while the others go on.
	var took []time.Duration
	for range 60 {
		q := heavy(rnd)
		one, cancel := context.WithCancel(ctx)
		v, err := s.Snapshot(one, scopetest.Read(loud, calm))
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan time.Time, 1)
		go func() {
			_, _ = v.Search(one, q) // that it ends is what counts
			ended <- time.Now()
		}()
		time.Sleep(time.Duration(rnd.IntN(40)) * time.Millisecond)
		begin := time.Now()
		cancel()
		took = append(took, max(0, (<-ended).Sub(begin)))
		_ = v.Close() // it has nothing to say
	}
	stop()
	begin := time.Now()
	scans.Wait()
	slices.Sort(took)
	t.Logf("cancelled under load: median %v, worst %v of %d; %d scans at once: %v", took[len(took)/2], took[len(took)-1], len(took), blastScans, time.Since(begin))
	if worst := took[len(took)-1]; worst > 2*time.Second {
		t.Errorf("a search went on for %v", worst)
	}
}

// cpuNow gives the CPU time of the process.
func cpuNow(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
