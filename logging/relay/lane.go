package relay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/oriel-project/oriel/internal/queue"
	"github.com/oriel-project/oriel/logging"
)

const (
	sendParcels     = 64 // in one request
	sendBytes       = 4 << 20
	replyBytesMax   = 4 << 20
	undecidedLook   = time.Second            // how often a decision is looked for
	gatherPatience  = 100 * time.Millisecond // for a parcel that should be there
	heldKeySuffix   = "/held"
	logEveryFailure = 30 * time.Second
)

// lane sends the parcels of one queue, in order.
type lane struct {
	s     *Sender
	q     *queue.Queue
	name  string
	aside *lane // where parcels go that have to wait; nil: they wait here

	logged time.Time // when a failure was logged last
}

// waiting is a parcel that was read and not acknowledged yet.
type waiting struct {
	bytes []byte
	pos   uint64
}

func (l *lane) put(ctx context.Context, p *parcel) error {
	if _, err := l.q.Append(ctx, l.s.codec.pack(p)); err != nil {
		if ctx.Err() != nil {
			return err
		}
		// A disk that is full or broken: the edges wait and try again.
		return fmt.Errorf("%w: %w", logging.ErrUnavailable, err)
	}
	return nil
}

func (l *lane) run(ctx context.Context) error {
	pos := l.q.Acked()
	var batch []waiting
	for wait := time.Duration(0); ; {
		if len(batch) == 0 {
			var err error
			if batch, err = l.gather(ctx, pos); err != nil {
				if ctx.Err() != nil {
					return nil //nolint:nilerr // a cancelled ctx is the orderly end
				}
				return fmt.Errorf("read queue of logs: %w", err)
			}
			pos = batch[len(batch)-1].pos
		}
		n, err := l.send(ctx, batch)
		if n > 0 {
			if err := l.q.Ack(batch[n-1].pos); err != nil {
				return fmt.Errorf("acknowledge queue of logs: %w", err)
			}
			batch = batch[n:]
		}
		if err == nil {
			wait = 0
			continue
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // a cancelled ctx is the orderly end
		}
		l.failed(err)
		if n > 0 && !errors.Is(err, errAgain) {
			wait = 0
		}
		wait = min(max(2*wait, l.s.backoffMin), l.s.backoffMax)
		if !sleep(ctx, wait/2+rand.N(wait/2+1)) {
			return nil
		}
		// What the queue dropped meanwhile is counted as lost: it stays that.
		for acked := l.q.Acked(); len(batch) > 0 && batch[0].pos <= acked; {
			batch = batch[1:]
		}
		var fault *answer
		if errors.As(err, &fault) && fault.status == http.StatusRequestEntityTooLarge && len(batch) > 1 {
			// Too much at once: the rest is read again, later, one by one.
			batch = batch[:1]
			pos = batch[0].pos
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

func (l *lane) failed(err error) {
	reason := "network"
	var fault *answer
	switch {
	case errors.Is(err, errAgain):
		reason = "too_much"
	case errors.As(err, &fault):
		reason = fmt.Sprint(fault.status)
	}
	l.s.m.failures.WithLabelValues(reason).Inc()
	if now := time.Now(); now.Sub(l.logged) > logEveryFailure {
		l.logged = now
		l.s.o.Logger.Warn("central does not take logs; they wait in the queue", "queue", l.name, "err", err)
	}
}

// gather waits for the next parcel behind pos and takes those along that are
// there already, as far as they may go.
func (l *lane) gather(ctx context.Context, pos uint64) (batch []waiting, err error) {
	size := 0
	for len(batch) == 0 || len(batch) < sendParcels && size < sendBytes && l.q.More(pos) {
		soon, cancel := ctx, context.CancelFunc(func() {})
		if len(batch) > 0 {
			soon, cancel = context.WithTimeout(ctx, gatherPatience)
		}
		b, at, err := l.q.Next(soon, pos)
		cancel()
		if err != nil {
			if len(batch) > 0 && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
				break
			}
			return nil, err
		}
		if l.aside == nil {
			if p, _, err := unpackHead(b); err == nil && l.s.undecided(&p) > 0 {
				if len(batch) > 0 {
					break
				}
				for left := l.s.undecided(&p); left > 0; left = l.s.undecided(&p) {
					if !sleep(ctx, min(left, undecidedLook)) {
						return nil, ctx.Err()
					}
				}
			}
		}
		batch = append(batch, waiting{b, at})
		size += len(b)
		pos = at
	}
	return batch, nil
}

// answer is a reply of central other than 200.
type answer struct {
	status int
	text   string
}

func (a *answer) Error() string { return fmt.Sprintf("central answered %d: %s", a.status, a.text) }

// errAgain means that what is left has to wait for a quota.
var errAgain = errors.New("a tenant is over its quota")

// send delivers parcels. n of them are settled, also where there is an error.
func (l *lane) send(ctx context.Context, batch []waiting) (n int, err error) {
	var body []byte
	for _, w := range batch {
		body = appendParcel(body, w.bytes)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.s.url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", contentType)
	if l.s.o.Token != nil {
		token, err := l.s.o.Token()
		if err != nil {
			return 0, err
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := l.s.o.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, replyBytesMax))
	if err != nil {
		return 0, err
	}
	var out reply
	if jerr := json.Unmarshal(b, &out); jerr != nil && res.StatusCode == http.StatusOK {
		return 0, fmt.Errorf("central's answer is not Oriel's: %w", jerr)
	}
	var again error
	for i, done := range out.Parcels {
		if i == len(batch) {
			return n, fmt.Errorf("central answered for %d parcels of %d", len(out.Parcels), len(batch))
		}
		moved, err := l.settle(ctx, batch[i], done)
		if err != nil {
			return n, errors.Join(err, again)
		}
		if moved {
			again = errAgain
		}
		n++
	}
	switch {
	case res.StatusCode == http.StatusOK && n == len(batch):
		if l.aside != nil {
			again = nil // it is the other lane that waits
		}
		return n, again
	case res.StatusCode == http.StatusOK:
		return n, fmt.Errorf("central answered for %d parcels of %d", n, len(batch))
	case res.StatusCode == http.StatusRequestEntityTooLarge && len(batch) == 1:
		l.s.m.refused.WithLabelValues("damaged").Inc()
		return 1, nil // it would never fit
	}
	return n, &answer{res.StatusCode, clip(out.Error)}
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// settle counts what became of a parcel. Records that have to wait for a quota
// go into a parcel of their own, at the end of the lane for those who wait. Its
// key stays: central keeps it for each owner's records apart, and those that
// wait are all the records of their owners.
func (l *lane) settle(ctx context.Context, w waiting, done settled) (moved bool, err error) {
	m := l.s.m
	if len(done.Again) > 0 {
		p, err := l.s.codec.unpack(w.bytes)
		if err != nil {
			return false, err
		}
		rest := parcel{queued: p.queued, key: p.key, namespaces: p.namespaces}
		if l.aside != nil {
			m.held.Add(float64(len(done.Again)))
		}
		for _, i := range done.Again {
			if i < 0 || i >= len(p.records) {
				return false, fmt.Errorf("central wants record %d of %d again", i, len(p.records))
			}
			rest.records = append(rest.records, p.records[i])
		}
		to := l
		if l.aside != nil {
			to = l.aside
		}
		if err := to.put(ctx, &rest); err != nil {
			return false, err
		}
		moved = true
	}
	if done.Error != "" {
		m.refused.WithLabelValues("damaged").Inc()
	}
	m.sent.Add(float64(done.Stored + done.Duplicate))
	m.refused.WithLabelValues("central").Add(float64(done.Refused))
	return moved, nil
}
