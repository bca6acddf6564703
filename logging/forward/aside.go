package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const (
	asideBytesConn   = 8 << 20  // of a connection's batches and frames that wait aside
	asideBytesServer = 64 << 20 // of all
)

// aside is what of a connection waits while the connection is read on: chunks whose
// tenant is over its quota, and what ends within a record whose rest may come behind
// it (see logging.Batch.OnWait). A chunk gets its answer when all of it is durable,
// before or after those behind it: the protocol tells answers apart by the chunk's id.
type aside struct {
	s    *Server
	soon sync.WaitGroup // what waits for a moment, and its answers
	all  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	bytes   int
	waiting int    // chunks that have no answer yet
	unsure  string // key of the last chunk, whose answer the client has not shown to have read; or ""
	piped   bool   // the client sends more before it has its answer
	err     error  // of the first chunk that could not be taken in
}

func (a *aside) fault() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.err
}

// reserve asks for room.
func (a *aside) reserve(n int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.bytes+n > asideBytesConn {
		return false
	}
	if a.s.asideBytes.Add(int64(n)) > asideBytesServer {
		a.s.asideBytes.Add(-int64(n))
		return false
	}
	a.bytes += n
	return true
}

func (a *aside) release(n int) {
	a.s.asideBytes.Add(-int64(n))
	a.mu.Lock()
	defer a.mu.Unlock()
	a.bytes -= n
}

// goesOn notes that the client sends more. Where it waited for the answer, it has
// read it.
func (a *aside) goesOn() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.piped = a.piped || a.waiting > 0
	if a.unsure != "" {
		a.s.repeats.answered(a.unsure)
		a.unsure = ""
	}
}

// answered notes that the answer to a chunk was written; more tells that bytes of the
// next one were there before. a.mu is held.
func (a *aside) answered(chunk []byte, key string, more bool) {
	a.unsure = ""
	if a.piped = a.piped || more; !a.piped && contentID(chunk) {
		a.unsure = key
	}
}

// parked are the batches of one chunk, or one of frames without a chunk, that wait.
type parked struct {
	wg    sync.WaitGroup
	bytes int // reserved

	mu    sync.Mutex // guards what follows
	tally tally
	err   error
}

// wait gives the first error, and what became of the records else.
func (p *parked) wait() (tally, error) {
	p.wg.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tally, p.err
}

// handed is what became of a batch.
type handed struct {
	results []logging.ItemResult
	err     error
}

// hand gives a batch to the appender and waits, unless that waits for other batches
// and there is room aside: then later will tell what became of it.
func (t *taker) hand(b logging.Batch) (got handed, later <-chan handed) {
	if t.aside == nil {
		return t.s.append(t.work, t.w, b), nil
	}
	waits := make(chan struct{})
	done := make(chan handed, 1)
	b.OnWait = func() { close(waits) }
	w := t.w
	go func() { done <- t.s.append(t.lasting, w, b) }()
	select {
	case got = <-done:
		return got, nil
	case <-waits:
	}
	n := sizeOf(b.Records)
	if !t.aside.reserve(n) {
		return <-done, nil
	}
	if t.parked == nil {
		t.parked = &parked{}
	}
	t.parked.bytes += n
	return handed{}, done
}

// append hands a batch to the appender. A fault of ours in there must not end
// everybody's connections.
func (s *Server) append(ctx context.Context, w tenant.Write, b logging.Batch) (h handed) {
	defer func() {
		if p := recover(); p != nil {
			h = handed{err: fault{p, debug.Stack()}}
		}
	}()
	h.results, h.err = s.o.Appender.Append(ctx, w, b)
	return h
}

// fault is a panic of ours.
type fault struct {
	value any
	stack []byte
}

func (f fault) Error() string { return fmt.Sprintf("panic: %v", f.value) }

// sizeOf is about the memory that records take.
func sizeOf(records []logging.Record) int {
	n := len(records) * recordBytes
	for i := range records {
		n += len(records[i].Source)
	}
	return n
}

const recordBytes = 400

// park lets a batch wait aside; retry, where set, goes on where that fails.
func (t *taker) park(b logging.Batch, later <-chan handed, retry func(error) (tally, error)) {
	p, n := t.parked, len(b.Records)
	t.tally.received -= n
	p.wg.Go(func() {
		h := <-later
		var its tally
		if h.err == nil {
			its.count(h.results)
		} else {
			t.s.countError(h.err)
			if retry != nil {
				its, h.err = retry(h.err)
			}
		}
		its.received += n
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tally.add(&its)
		if h.err != nil && p.err == nil {
			p.err = h.err
		}
	})
}

// abandon ends what a panic left: it waits for what is parked of the frames at hand,
// and gives its room back.
func (t *taker) abandon() {
	if p := t.parked; p != nil {
		t.parked = nil
		its, _ := p.wait()
		t.tally.add(&its)
		t.aside.release(p.bytes)
	}
	t.settle()
}

// leave sets a frame aside that was refused for the quota (err), or of which batches
// wait (p), and answers it once it is durable. Where that takes longer than
// RetryTimeMax the connection is closed, as for any other chunk. It reports false
// where too much waits already: then reading has to wait, too.
func (c *conn) leave(frame []byte, w tenant.Write, key string, p *parked, err error) bool {
	n := len(frame)
	if !c.aside.reserve(n) {
		return false
	}
	frame = bytes.Clone(frame) // the scanner's buffer goes on
	f, bad := parseFrame(frame)
	if bad != nil {
		panic("forward: a frame does not read a second time")
	}
	sum := c.taker.tally
	c.taker.tally = tally{}
	if p == nil {
		p = &parked{}
	}
	c.aside.mu.Lock()
	c.aside.waiting++
	c.aside.mu.Unlock()
	c.aside.soon.Add(1)
	c.aside.all.Go(func() {
		soon := sync.OnceFunc(c.aside.soon.Done)
		defer soon()
		its, failed := p.wait()
		sum.add(&its)
		if err == nil {
			err = failed
		}
		if err != nil {
			soon()
			c.s.m.held.Inc()
			t := c.taker.plain(c.work, w)
			err = t.waitFor(err, func() error { return t.chunk(&f, key) })
			sum = t.tally
			c.s.m.held.Dec()
		}
		c.s.settle(&sum)
		c.aside.release(n + p.bytes)
		c.aside.mu.Lock()
		defer c.aside.mu.Unlock()
		c.aside.waiting--
		if err == nil {
			// Who reads the answer may send more at once: what follows from that is decided
			// by what is noted here.
			if err = c.ack(f.chunk); err == nil {
				c.aside.answered(f.chunk, key, false)
				return
			}
			err = errors.Join(errDeaf, fmt.Errorf("acknowledge: %w", err))
		}
		if c.aside.err == nil {
			c.aside.err = err
			c.nc.Close()
		}
	})
	return true
}

// plain is a taker for the same server that lets nothing wait aside.
func (t *taker) plain(work context.Context, w tenant.Write) *taker {
	return &taker{s: t.s, work: work, draining: t.draining, w: w}
}
