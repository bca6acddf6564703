package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/prometheus/client_golang/prometheus"
)

func testGate(most, mostOne int) *gate {
	c := func() prometheus.Counter { return prometheus.NewCounter(prometheus.CounterOpts{Name: "x"}) }
	return newGate(most, mostOne, c(), c())
}

// TestGateTurns: one scope with many searches does not delay another's.
func TestGateTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(1, 1)
		leave, err := g.enter(context.Background(), "busy")
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 100)
		search := func(key string) {
			go func() {
				leave, err := g.enter(context.Background(), key)
				if err != nil {
					t.Error(err)
					return
				}
				order <- key
				leave()
			}()
			synctest.Wait()
		}
		for range 5 {
			search("busy")
		}
		search("b")
		search("c")
		leave()
		leave() // twice is once
		synctest.Wait()
		close(order)
		var got []string
		for key := range order {
			got = append(got, key)
		}
		if want := strings.Fields("busy b c busy busy busy busy"); !slices.Equal(got, want) {
			t.Errorf("served %q, want %q", got, want)
		}
		if len(g.lanes) != 0 || len(g.turns) != 0 || g.running != 0 {
			t.Errorf("left: %d lanes, %d turns, %d running", len(g.lanes), len(g.turns), g.running)
		}
	})
}

// TestGateOne: one scope does not have all places, and who gives up leaves no gap.
func TestGateOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := testGate(4, 2)
		ctx, cancel := context.WithCancel(context.Background())
		var leaves []func()
		for range 2 {
			leave, err := g.enter(ctx, "a")
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		gone := make(chan error, 10)
		for range 3 {
			go func() {
				_, err := g.enter(ctx, "a")
				gone <- err
			}()
		}
		synctest.Wait()
		for i := range 2 { // others still get in
			leave, err := g.enter(context.Background(), fmt.Sprint("other", i))
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, leave)
		}
		cancel()
		for range 3 {
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want that it was canceled", err)
			}
		}
		for _, leave := range leaves {
			leave()
		}
		if leave, err := g.enter(context.Background(), "a"); err != nil {
			t.Error(err)
		} else {
			leave()
		}
		if len(g.lanes) != 0 || g.running != 0 {
			t.Errorf("left: %d lanes, %d running", len(g.lanes), g.running)
		}
	})
}
