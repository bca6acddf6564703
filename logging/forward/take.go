package forward

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const (
	// A batch is handed over when it has this many records or bytes. The parts of
	// a chunk are cut by these alone, so that a chunk that is sent again is cut
	// the same way.
	partRecordsMax = 8192
	partBytesMax   = 4 << 20
)

// taker turns the entries of frames into batches and hands them over. It is for
// one goroutine at a time.
type taker struct {
	s        *Server
	work     context.Context // ends when draining has taken too long, or the client is gone
	lasting  context.Context // ends when draining has taken too long
	draining func() bool
	aside    *aside  // nil: nothing waits aside
	parked   *parked // what waits aside of the frames at hand; nil: nothing
	json     jsonWriter

	w     tenant.Write
	tag   string // of the frame
	batch []logging.Record
	bytes int
	most  int // records of the last batch, which the next is likely to have
	tally tally
}

// tally is what became of entries that were received. What is none of the others
// in the end was left to the sender, who got no answer.
type tally struct {
	received, stored, duplicate int
	refused                     map[string]int // by reason
}

func (t *tally) refuse(reason string, n int) {
	if t.refused == nil {
		t.refused = map[string]int{}
	}
	t.refused[reason] += n
}

func (t *tally) add(o *tally) {
	t.received += o.received
	t.stored += o.stored
	t.duplicate += o.duplicate
	for reason, n := range o.refused {
		t.refuse(reason, n)
	}
}

// settle counts what became of the entries since the last time.
func (t *taker) settle() { t.s.settle(&t.tally) }

func (s *Server) settle(n *tally) {
	m := s.m
	withheld := n.received - n.stored - n.duplicate
	m.received.Add(float64(n.received))
	m.records.Add(float64(n.stored))
	m.duplicates.Add(float64(n.duplicate))
	for reason, k := range n.refused {
		m.refused.WithLabelValues(reason).Add(float64(k))
		withheld -= k
	}
	m.withheld.Add(float64(withheld))
	*n = tally{}
}

// chunk takes in a frame that is to be answered: with nil all of it is durable, but
// for what is parked then. It does not wait for a quota. The caller settles.
func (t *taker) chunk(f *frame, key string) error {
	t.tally = tally{} // of an attempt before
	if err := t.frame(f, key); err != nil {
		t.batch, t.bytes = nil, 0
		return err
	}
	return nil
}

// frame takes in the entries of one frame. With a key nothing stays in the batch;
// without one it waits for more, or for flush.
func (t *taker) frame(f *frame, key string) error {
	part := 0
	err := f.each(&t.s.o.Limits, func(b []byte) error {
		t.tally.received++
		if b == nil {
			t.tally.refuse("too_large", 1)
			return nil
		}
		if !t.add(b, f) {
			return nil
		}
		if len(t.batch) < partRecordsMax && t.bytes < partBytesMax {
			return nil
		}
		err := t.flush(partKey(key, part))
		part++
		return err
	})
	if err != nil || key == "" {
		return err
	}
	return t.flush(partKey(key, part))
}

func partKey(key string, part int) string {
	if key == "" || part == 0 {
		return key
	}
	return key + "/" + strconv.Itoa(part)
}

// add puts an entry into the batch, or notes why not.
func (t *taker) add(b []byte, f *frame) bool {
	if f.other {
		t.tally.refuse("not_logs", 1)
		return false
	}
	e, reason := parseEntry(b)
	if reason != "" {
		t.tally.refuse(reason, 1)
		return false
	}
	source, err := t.json.source(e, f.tag)
	if err != nil {
		t.tally.refuse("not_a_record", 1)
		return false
	}
	if t.tag != string(f.tag) {
		t.tag = string(f.tag)
	}
	if t.batch == nil {
		t.batch = make([]logging.Record, 0, max(t.most, 1))
	}
	n := len(t.batch)
	t.batch = append(t.batch, logging.Record{})
	if err := t.s.o.Stamper.StampTo(&t.batch[n], t.w, logging.Raw{Source: source, Time: e.time, Tag: t.tag, AddFields: true}); err != nil {
		t.batch = t.batch[:n]
		t.tally.refuse("stamp", 1)
		return false
	}
	// Not of the document: what is known of its pod, and added, may be other things
	// when the chunk comes again.
	t.bytes += len(b)
	return true
}

// flush hands the batch over and waits until it is durable. While the store is
// unavailable it waits and tries again, and with it waits who reads. A batch with a
// key does not wait for a quota: ErrTooMuch. One without belongs to frames that
// nobody sends again: what does not get in within RetryTimeMax is lost, and counted.
func (t *taker) flush(key string) error {
	if key == "" {
		defer t.settle()
	}
	if len(t.batch) == 0 {
		return nil
	}
	b := logging.Batch{Records: t.batch, Key: key}
	t.most = len(t.batch)
	t.batch, t.bytes = nil, 0
	later, err := t.append(b)
	switch {
	case later != nil && key != "":
		t.park(b, later, nil)
		return nil
	case later != nil:
		t.parkAlone(b, later)
		return nil
	}
	if err != nil && (key == "" || !errors.Is(err, logging.ErrTooMuch)) {
		err = t.waitFor(err, func() error { return t.again(b) })
	}
	if err != nil && key == "" {
		t.tally.refuse("not_acknowledged", len(b.Records))
	}
	return err
}

// parkAlone lets a batch of frames without a chunk wait aside. Nobody sends it again:
// it does not end with its connection.
func (t *taker) parkAlone(b logging.Batch, later <-chan handed) {
	u := t.plain(t.lasting, t.w)
	t.park(b, later, func(err error) (tally, error) {
		if err = u.waitFor(err, func() error { return u.again(b) }); err != nil {
			u.tally.refuse("not_acknowledged", len(b.Records))
		}
		return u.tally, err
	})
	p := t.parked
	t.parked = nil
	t.aside.all.Go(func() {
		its, err := p.wait()
		t.s.settle(&its)
		t.aside.release(p.bytes)
		t.aside.mu.Lock()
		defer t.aside.mu.Unlock()
		if err != nil && t.aside.err == nil {
			t.aside.err = err
		}
	})
}

// append hands a batch over. Where it waits aside, later will tell what became of it.
func (t *taker) append(b logging.Batch) (later <-chan handed, err error) {
	begin := time.Now()
	got, later := t.hand(b)
	switch {
	case later != nil:
		return later, nil
	case got.err != nil:
		t.s.countError(got.err)
	default:
		t.s.m.appendSeconds.Observe(time.Since(begin).Seconds())
		t.tally.count(got.results)
	}
	return nil, got.err
}

// again hands a batch over and waits for it.
func (t *taker) again(b logging.Batch) error {
	u := t.plain(t.work, t.w)
	_, err := u.append(b)
	t.tally.add(&u.tally)
	return err
}

func (s *Server) countError(err error) {
	reason := "other"
	switch {
	case errors.Is(err, logging.ErrTooMuch):
		reason = "too_much"
	case errors.Is(err, logging.ErrUnavailable):
		reason = "unavailable"
	}
	s.m.appendErrors.WithLabelValues(reason).Inc()
}

// waitFor tries again until it works, or RetryTimeMax is over.
func (t *taker) waitFor(err error, again func() error) error {
	begin := time.Now()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		if errors.As(err, new(fault)) {
			return err
		}
		if t.draining() || time.Since(begin)+wait > t.s.o.Limits.RetryTimeMax {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		select {
		case <-time.After(wait):
		case <-t.work.Done():
			return fmt.Errorf("%w: %w", errStore, err)
		}
		if err = again(); err == nil || errors.Is(err, errStore) || errors.As(err, new(wireError)) {
			return err
		}
	}
}

func (t *tally) count(results []logging.ItemResult) {
	for i := range results {
		switch results[i].Status {
		case logging.Stored:
			t.stored++
		case logging.Duplicate:
			t.duplicate++
		default:
			t.refuse("store", 1)
		}
	}
}
