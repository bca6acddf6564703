package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// windowBytesMax and windowItemsMax bound what is read ahead of the queue and
	// under way at once; requestBytesMax, compressed, what goes in one request.
	windowBytesMax  = 4 << 20
	windowItemsMax  = 1024
	requestBytesMax = 1 << 20
	requestsMax     = 8 // at once, of different owners
	// gatherFrom is how many requests of one owner wait before they are put together,
	// where the first has waited for gatherAge: a burst of scrapes has gone by then.
	gatherFrom = 32
	gatherAge  = 2 * time.Second
)

// lane is one queue on its way to the receiver. What the receiver answered is
// passed over, and stays in the queue until the receiver has it durable: its
// answers say of which of its moments a request is a part, and up to which
// everything is durable. A receiver that lost its memory begins a new epoch:
// what it had not made durable is sent again.
type lane struct {
	s    *Sender
	q    Queue
	sent atomic.Uint64 // everything up to here was answered

	mu      sync.Mutex // guards what follows
	epoch   string
	waiting []answered // in order
	rewind  bool       // send again from what is durable
	wake    func()     // ends the wait for the next item, where there is one
}

// answered is a position of the queue and the receiver's moment that it is part of.
type answered struct{ pos, generation uint64 }

func newLane(s *Sender, q Queue) *lane {
	l := &lane{s: s, q: q}
	l.sent.Store(q.Acked())
	return l
}

// busy reports whether there is something that was not answered yet, or has to be
// sent again.
func (l *lane) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rewind || l.q.More(l.sent.Load())
}

// parcel is what goes in one request: items of one owner, in order.
type parcel struct {
	owner  string
	items  [][]byte // as the queue has them
	bodies [][]byte
	has    tally
	bytes  int
	epoch  string // of the receiver, as far as the lane knows
}

// run sends until ctx ends. handle sees to one parcel: it returns once the
// parcel was answered or put away, with an error only if ctx ends or the disk
// fails.
func (l *lane) run(ctx context.Context, handle func(context.Context, *parcel) (durability, error)) error {
	for {
		l.takeRewind()
		window, pos, err := l.next(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // a cancelled ctx is the orderly end
			}
			if errors.Is(err, context.Canceled) {
				continue // there is something to send again
			}
			return fmt.Errorf("read the queue of samples: %w", err)
		}
		epoch := l.knownEpoch()
		for _, p := range window {
			p.epoch = epoch
		}
		seen, err := l.send(ctx, window, handle)
		if err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // a cancelled ctx is the orderly end: the window is still in the queue
			}
			if began, ok := errors.AsType[*errEpoch](err); ok {
				l.beginAgain(began.epoch)
				l.s.began(began.epoch)
				continue
			}
			return err
		}
		if err := l.passed(pos, epoch, seen); err != nil {
			if ctx.Err() != nil {
				return nil //nolint:nilerr // a cancelled ctx is the orderly end
			}
			return fmt.Errorf("acknowledge in the queue of samples: %w", err)
		}
	}
}

// next is window, and ends with context.Canceled where something is to be sent
// again meanwhile.
func (l *lane) next(ctx context.Context) ([]*parcel, uint64, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	l.mu.Lock()
	l.wake = cancel
	if l.rewind {
		cancel()
	}
	l.mu.Unlock()
	return l.window(waiting)
}

// window reads what is there, at least one item, and gives the parcels and the
// position that is behind them.
func (l *lane) window(ctx context.Context) (out []*parcel, pos uint64, err error) {
	from := l.sent.Load()
	pos = from
	for n, size := 0, 0; n < windowItemsMax && size < windowBytesMax; n++ {
		if n > 0 && !l.q.More(pos) {
			break
		}
		item, at, err := l.q.Next(ctx, pos)
		if err != nil {
			if n > 0 {
				break
			}
			return nil, 0, err
		}
		pos, size = at, size+len(item)
		owner, has, body, err := parseItem(item)
		if err != nil {
			// The queue checks its items' sums: this is of another version.
			l.s.m.dropped.WithLabelValues("format").Inc()
			l.s.opts.Logger.Error("queued_samples_unreadable", "err", err)
			continue
		}
		out = append(out, &parcel{owner: owner, items: [][]byte{item}, bodies: [][]byte{body}, has: has, bytes: len(body)})
	}
	if l.s.opts.Clock().Sub(l.q.At(from)) < gatherAge {
		return out, pos, nil
	}
	return gather(out), pos, nil
}

// gather puts parcels of one owner together where many wait: to take them apart
// and encode them anew costs more than a request, unless round trips are long.
func gather(in []*parcel) []*parcel {
	waiting := map[string]int{}
	for _, p := range in {
		waiting[p.owner]++
	}
	open := map[string]*parcel{}
	out := in[:0]
	for _, p := range in {
		to := open[p.owner]
		if waiting[p.owner] <= gatherFrom || to == nil || to.bytes+p.bytes > requestBytesMax {
			open[p.owner] = p
			out = append(out, p)
			continue
		}
		to.items, to.bodies = append(to.items, p.items...), append(to.bodies, p.bodies...)
		to.has, to.bytes = to.has.plus(p.has), to.bytes+p.bytes
	}
	return out
}

// send sees to a window: parcels of different owners side by side, those of one
// owner one after the other.
func (l *lane) send(ctx context.Context, window []*parcel, handle func(context.Context, *parcel) (durability, error)) ([]durability, error) {
	chains := map[string][]*parcel{}
	var order []string
	for _, p := range window {
		if chains[p.owner] == nil {
			order = append(order, p.owner)
		}
		chains[p.owner] = append(chains[p.owner], p)
	}
	var (
		wg   sync.WaitGroup
		gate = make(chan struct{}, requestsMax)
		mu   sync.Mutex
		seen []durability
		errs []error
	)
	for _, owner := range order {
		gate <- struct{}{}
		wg.Go(func() {
			defer func() { <-gate }()
			for _, p := range chains[owner] {
				d, err := handle(ctx, p)
				mu.Lock()
				seen = append(seen, d)
				if err != nil {
					errs = append(errs, err)
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return seen, errors.Join(errs...)
}

// passed notes that everything up to pos was answered, with what the answers
// said of durability. sentTo is the epoch that the lane knew when it sent.
func (l *lane) passed(pos uint64, sentTo string, seen []durability) error {
	l.sent.Store(pos)
	l.mu.Lock()
	last := answered{pos: pos}
	first := ""
	if known := l.epoch; known != sentTo && slices.ContainsFunc(seen, func(d durability) bool { return d.epoch != "" && d.epoch != known }) {
		l.rewind, l.waiting = true, nil // another lane met a newer epoch since
		l.mu.Unlock()
		return nil
	}
	for _, d := range seen {
		if d.epoch == "" {
			continue
		}
		if l.meet(d.epoch); first != "" && first != d.epoch {
			l.rewind = true // a part of this very window went before the receiver began anew
		}
		first = d.epoch
		last.generation = max(last.generation, d.generation)
	}
	l.waiting = append(l.waiting, last)
	if l.rewind {
		l.waiting = nil
	}
	l.mu.Unlock()
	done := durability{}
	for _, d := range seen {
		if d.durable >= done.durable {
			done = d
		}
	}
	return l.durable(done.epoch, done.durable)
}

// meet compares the receiver's epoch with the one before; l.mu is held.
func (l *lane) meet(epoch string) {
	l.s.lastEpoch.Store(&epoch)
	if epoch != l.epoch {
		if l.epoch != "" && len(l.waiting) > 0 {
			l.rewind = true
			if l.wake != nil {
				l.wake()
			}
		}
		l.epoch, l.waiting = epoch, nil
	}
}

// durable takes note of what the receiver has made durable, and acknowledges in
// the queue what is a part of it.
func (l *lane) durable(epoch string, generation uint64) error {
	l.mu.Lock()
	if epoch != "" {
		l.meet(epoch)
	}
	var ack uint64
	for len(l.waiting) > 0 && l.waiting[0].generation <= generation {
		ack = l.waiting[0].pos
		l.waiting = l.waiting[1:]
	}
	l.mu.Unlock()
	if ack == 0 {
		return nil
	}
	return l.q.Ack(ack)
}

// knownEpoch is the receiver's as this lane or, before it has an answer, another one
// knows it.
func (l *lane) knownEpoch() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.epoch == "" {
		l.epoch = l.s.epoch()
	}
	return l.epoch
}

// began tells the lane of an epoch that another one met: what it may have lost goes
// before what others send.
func (l *lane) began(epoch string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.meet(epoch)
}

// beginAgain sends again from what is durable: the receiver said that it is of
// another epoch, before it took anything out of order.
func (l *lane) beginAgain(epoch string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch, l.waiting, l.rewind = epoch, nil, true
}

func (l *lane) takeRewind() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.rewind {
		return
	}
	l.sent.Store(l.q.Acked())
	l.rewind, l.waiting = false, nil
	l.s.m.rewinds.Inc()
	l.s.opts.Logger.Warn("remote_write_repeats", "reason", "central began anew; what it may not have made durable is sent again")
}
