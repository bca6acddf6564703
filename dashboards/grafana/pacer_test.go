package grafana

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestPacer: ten a second and a burst of ten; who is hurried overtakes, and
// otherwise who came first goes first.
func TestPacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ctx := newPacer(10), t.Context()
		began := time.Now()
		for range 10 {
			if err := p.wait(ctx, false); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("the burst took %v", took)
		}
		var mu sync.Mutex
		var order []string
		var wg sync.WaitGroup
		ask := func(name string, ctx context.Context, hurried bool) {
			wg.Go(func() {
				err := p.wait(ctx, hurried)
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					name += ": " + err.Error()
				}
				order = append(order, name)
			})
			synctest.Wait()
		}
		gone, leave := context.WithCancel(ctx)
		ask("standing 1", ctx, false)
		ask("standing 2", ctx, false)
		ask("gone", gone, true)
		ask("new 1", ctx, true)
		ask("new 2", ctx, true)
		leave()
		wg.Wait()
		want := []string{"gone: context canceled", "new 1", "new 2", "standing 1", "standing 2"}
		if !slices.Equal(order, want) {
			t.Errorf("order %q, want %q", order, want)
		}
		if took := time.Since(began); took < 400*time.Millisecond || took > 401*time.Millisecond {
			t.Errorf("four requests at ten a second took %v", took)
		}
		if err := p.wait(gone, true); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that has ended: %v", err)
		}
	})
}
