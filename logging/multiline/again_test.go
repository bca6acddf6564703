package multiline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// watched is a store that tells what it holds, and is busy for a key when told to.
type watched struct {
	*mem.Store
	mu   sync.Mutex
	busy map[string]int // how often still
}

func (s *watched) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	s.mu.Lock()
	busy := s.busy[b.Key] > 0
	s.busy[b.Key]--
	s.mu.Unlock()
	if busy {
		return nil, logging.ErrTooMuch
	}
	return s.Store.Append(ctx, w, b)
}

// lines gives every line that is stored, in no order.
func (s *watched) lines(t *testing.T) (out []string) {
	t.Helper()
	v, err := s.Snapshot(t.Context(), scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	res, err := v.Search(t.Context(), logging.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, strings.Split(h.Record.Message, "\n")...)
	}
	slices.Sort(out)
	return out
}

func newWatched() *watched { return &watched{Store: mem.New(mem.Options{}), busy: map[string]int{}} }

func sorted(lines []string) []string {
	out := slices.Clone(lines)
	slices.Sort(out)
	return out
}

// append2 hands over two batches, the second while the first is held back. Each is
// handed over until it is taken.
func append2(t *testing.T, j *Joiner, one, two []string) {
	t.Helper()
	send := func(key string, lines []string) {
		for {
			results, err := j.Append(t.Context(), scope, logging.Batch{Records: records(t, lines...), Key: key})
			if err == nil {
				if len(results) != len(lines) {
					t.Errorf("%s: %d results of %d", key, len(results), len(lines))
				}
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { send("one", one) })
	synctest.Wait()
	send("two", two)
	wg.Wait()
}

// A chunk that was stored by itself, and not answered, comes again after a restart:
// what it borrows this time is no duplicate.
func TestKnownChunkBorrows(t *testing.T) {
	lines := strings.Split(javaTrace, "\n")
	synctest.Test(t, func(t *testing.T) {
		s := newWatched()
		if _, err := New(Options{Appender: s, Wait: time.Second}).Append(t.Context(), scope, logging.Batch{Records: records(t, lines[:4]...), Key: "one"}); err != nil {
			t.Fatal(err)
		}
		append2(t, New(Options{Appender: s, Wait: time.Second}), lines[:4], lines[4:])
		got := s.lines(t)
		for _, line := range lines {
			if !slices.Contains(got, line) {
				t.Errorf("%q was answered and is not there", line)
			}
		}
	})
}

// Whichever part of two chunks the store does not take at first: every line is there
// once. So it is where both come again although they were answered.
func TestBusyAndAgain(t *testing.T) {
	lines := strings.Split(javaTrace, "\n")
	joined := logging.BatchKey("one", "joined", "", append([]byte(strings.Join(lines[1:9], "\n")), 0))
	for _, busy := range []string{"none", "one", "two", joined} {
		for _, cut := range []int{3, 4, 8, 9} {
			t.Run(fmt.Sprintf("%s/%d", busy, cut), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := newWatched()
					s.busy[busy] = 2
					j := New(Options{Appender: s, Wait: time.Second})
					append2(t, j, lines[:cut], lines[cut:])
					append2(t, j, lines[:cut], lines[cut:])
					if got := s.lines(t); !slices.Equal(got, sorted(lines)) {
						t.Errorf("got %q", got)
					}
				})
			})
		}
	}
}

// Entries of a journal have ids, and are read again from where the cursor was kept:
// a record of more lines than before is no duplicate.
func TestReadAgainWithMoreLines(t *testing.T) {
	lines := strings.Split(javaTrace, "\n")[1:]
	recs := records(t, lines...)
	for i := range recs {
		recs[i].ID = fmt.Sprint("id", i)
	}
	s := newWatched()
	j := New(Options{Appender: s}).Unheld()
	for _, upTo := range []int{3, 9, 9} {
		if _, err := j.Append(t.Context(), scope, logging.Batch{Records: slices.Clone(recs[:upTo])}); err != nil {
			t.Fatal(err)
		}
	}
	got := s.lines(t)
	for _, line := range lines {
		if !slices.Contains(got, line) {
			t.Errorf("%q was answered and is not there", line)
		}
	}
	if len(got) != 3+9 {
		t.Errorf("%d lines", len(got))
	}
}
