package tsdb

import (
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/tenant/scopetest"
)

// A question meets everything, however often its database is closed meanwhile.
func TestQuestionsWhileDatabasesAreClosed(t *testing.T) {
	s := open(t, t.TempDir(), Options{Clock: func() time.Time { return now }, IdleAfter: time.Nanosecond})
	put(t, s, scopetest.Write("t0"), map[string]float64{"m": 1}, now)
	var wg sync.WaitGroup
	done := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.closeIdle("t0", now.Add(time.Hour))
			}
		}
	})
	for range 200 {
		if n := count(t, s, scopetest.Read("t0"), now.Add(-time.Minute), now); n != 1 {
			t.Errorf("%d samples, want 1", n)
			break
		}
	}
	close(done)
	wg.Wait()
}
