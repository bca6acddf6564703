package forward

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const (
	heldBytesConn   = 8 << 20  // frames that wait for a quota, of one connection
	heldBytesServer = 64 << 20 // of all
)

// held are the chunks of a connection whose tenant is over its quota. They wait
// aside, without an answer, so that the connection's other tenants are served.
type held struct {
	wg sync.WaitGroup

	mu    sync.Mutex // guards what follows
	bytes int
	err   error // of the first chunk that could not be taken in
}

func (h *held) wait() { h.wg.Wait() }

func (h *held) fault() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// hold sets a frame aside that was refused for the quota, and answers it once it is
// durable. Where that takes longer than RetryTimeMax the connection is closed, as
// for any other chunk. It reports false where too much waits already: then reading
// has to wait, too.
func (c *conn) hold(frame []byte, w tenant.Write, key string) bool {
	n := len(frame)
	c.held.mu.Lock()
	defer c.held.mu.Unlock()
	if c.held.bytes+n > heldBytesConn {
		return false
	}
	if c.s.heldBytes.Add(int64(n)) > heldBytesServer {
		c.s.heldBytes.Add(-int64(n))
		return false
	}
	c.held.bytes += n
	frame = bytes.Clone(frame) // the scanner's buffer goes on
	c.s.m.held.Inc()
	c.held.wg.Go(func() {
		err := c.takeHeld(frame, w, key)
		c.s.m.held.Dec()
		c.s.heldBytes.Add(-int64(n))
		c.held.mu.Lock()
		defer c.held.mu.Unlock()
		c.held.bytes -= n
		if err != nil && c.held.err == nil {
			c.held.err = err
			c.nc.Close()
		}
	})
	return true
}

func (c *conn) takeHeld(b []byte, w tenant.Write, key string) error {
	f, err := parseFrame(b)
	if err != nil {
		return err
	}
	t := taker{s: c.s, work: c.work, draining: c.isDraining, w: w}
	err = t.waitFor(logging.ErrTooMuch, func() error { return t.chunk(&f, key) })
	t.settle()
	if err != nil {
		return err
	}
	if err := c.ack(f.chunk); err != nil {
		return errors.Join(errDeaf, fmt.Errorf("acknowledge: %w", err))
	}
	return nil
}
