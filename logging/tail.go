package logging

import (
	"context"
	"iter"
	"sync"

	"github.com/oriel-project/oriel/tenant"
)

// Tails hands new records to those who follow them: stores push every commit,
// and a reader that does not keep up is cut off with ErrLagging. The zero value
// is ready. Safe for concurrent use.
type Tails struct {
	mu     sync.Mutex // guards what follows
	open   map[*tail]struct{}
	closed error
}

// tailBatchesMax is how many commits a reader may fall behind.
const tailBatchesMax = 256

type tail struct {
	batches chan []Record
	end     chan struct{} // closed with err set
	err     error
}

// Push hands over the records of one commit, which must not change any more.
// It never waits.
func (t *Tails) Push(recs []Record) {
	if len(recs) == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for one := range t.open {
		select {
		case one.batches <- recs:
		default:
			t.drop(one, ErrLagging)
		}
	}
}

// Close ends every tail with an error.
func (t *Tails) Close(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = err
	for one := range t.open {
		t.drop(one, err)
	}
}

// drop ends one tail; t.mu is held.
func (t *Tails) drop(one *tail, err error) {
	if _, ok := t.open[one]; ok {
		delete(t.open, one)
		one.err = err
		close(one.end)
	}
}

// Follow is Searcher.Tail: it yields what is pushed after the call and matches.
// The sequence may be ranged over once.
func (t *Tails) Follow(ctx context.Context, r tenant.Read, f Filter) iter.Seq2[Record, error] {
	one := &tail{batches: make(chan []Record, tailBatchesMax), end: make(chan struct{})}
	t.mu.Lock()
	if t.open == nil {
		t.open = map[*tail]struct{}{}
	}
	t.open[one] = struct{}{}
	if t.closed != nil {
		t.drop(one, t.closed)
	}
	t.mu.Unlock()
	leave := func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.drop(one, ctx.Err())
	}
	stop := context.AfterFunc(ctx, leave) // also where nobody ever ranges
	if f == nil {
		f = All{}
	}
	return func(yield func(Record, error) bool) {
		defer stop()
		defer leave()
		may, match, doc := Screen(f), Matcher(f), NewDoc(nil)
		fits := func(rec *Record) bool {
			if may != nil && !may(rec) {
				return false
			}
			doc.Reset(rec)
			return match(doc)
		}
		show := func(recs []Record) bool {
			for i := range recs {
				rec := &recs[i]
				if r.Includes(rec.Tenant) && !Covered(r.Sealed(rec.Tenant), rec) && fits(rec) && !yield(*rec, nil) {
					return false
				}
			}
			return true
		}
		for {
			select {
			case <-ctx.Done():
				return
			case recs := <-one.batches:
				if !show(recs) {
					return
				}
				continue
			case <-one.end:
			}
			// What was pushed before the end is still shown.
			for {
				select {
				case recs := <-one.batches:
					if ctx.Err() != nil || !show(recs) {
						return
					}
					continue
				default:
				}
				break
			}
			if one.err != nil && ctx.Err() == nil {
				yield(Record{}, one.err)
			}
			return
		}
	}
}
