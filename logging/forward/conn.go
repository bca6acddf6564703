package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/oriel-project/oriel/logging"
)

const (
	largeFrameBytes = 4 << 20
	idleBufferBytes = 16 << 10
	drainPatience   = 250 * time.Millisecond // for bytes that are still on their way at the end
)

// Why the server ends a connection, other than a wireError.
var (
	errNotAllowed = errors.New("the client may not write")
	errStore      = errors.New("the store does not take records")
	errDeaf       = errors.New("a chunk that waited for the quota could not be answered")
)

// conn is one connection, served by one goroutine.
type conn struct {
	s     *Server
	nc    net.Conn
	work  context.Context // ends when draining has taken too long
	in    *scanner
	ident Identity
	taker taker
	aside aside

	large   bool      // holds a place in Server.large
	begun   time.Time // first byte of the frame being read; zero between frames
	preAuth time.Time // deadline of the handshake; zero after it

	writing sync.Mutex // one answer at a time

	mu       sync.Mutex // guards what follows, and setting read deadlines
	draining time.Time  // when reading ends; zero while serving
}

func (s *Server) serveConn(ctx, work context.Context, nc net.Conn) {
	s.m.connections.Inc()
	defer s.m.connections.Dec()
	lasting := work
	work, gone := context.WithCancel(work)
	c := &conn{s: s, nc: nc, work: work, preAuth: time.Now().Add(s.o.Limits.HandshakeTimeMax)}
	c.aside.s = s
	c.taker = taker{s: s, work: work, lasting: lasting, draining: c.isDraining, aside: &c.aside}
	c.ident.Remote = nc.RemoteAddr()
	c.ident.Local = nc.LocalAddr().Network() == "unix"
	c.in = &scanner{r: reader{c}, bytesMax: uint64(s.o.Limits.HandshakeBytesMax), bytesKept: s.o.Limits.FrameBytesMax, grow: c.grow, spare: &s.spare}
	stop := context.AfterFunc(ctx, c.drain)
	defer stop()
	defer func() {
		c.aside.soon.Wait()
		gone() // who went away gets no answers
		c.nc.Close()
		c.aside.all.Wait()
		c.in.giveBack()
		if c.large {
			<-s.large
		}
	}()
	defer func() {
		// A fault of ours on one connection's bytes must not end everybody's.
		if p := recover(); p != nil {
			c.failed(fault{p, debug.Stack()})
			c.taker.abandon()
		}
	}()
	err := c.serve()
	if aside := c.aside.fault(); aside != nil {
		err = aside
	}
	c.end(err)
}

func (c *conn) failed(f fault) {
	c.s.m.closed.WithLabelValues("panic").Inc()
	c.s.o.Logger.Error("forward connection failed", "remote", c.ident.Remote.String(), "panic", fmt.Sprint(f.value), "stack", string(f.stack))
}

// end counts why the connection ended, and logs what somebody should look at.
func (c *conn) end(err error) {
	reason, level := "", slog.LevelWarn
	var wire wireError
	var refused authError
	var ours fault
	switch {
	case errors.As(err, &ours):
		c.failed(ours)
		return
	case err == nil || errors.Is(err, io.EOF):
		return
	case errors.As(err, &wire):
		c.s.m.malformed.WithLabelValues(wire.reason).Inc()
		reason = "malformed"
	case errors.As(err, &refused):
		c.s.m.authFailures.WithLabelValues(refused.reason).Inc()
		reason = "unauthenticated"
	case errors.Is(err, errNotAllowed):
		reason = "not_allowed"
	case errors.Is(err, logging.ErrTooMuch):
		reason = "quota"
	case errors.Is(err, errStore):
		reason = "store"
	case errors.Is(err, os.ErrDeadlineExceeded):
		if c.isDraining() {
			return
		}
		reason = "timeout"
	default:
		// The client went away, which clients do.
		reason, level = "network", slog.LevelDebug
	}
	c.s.m.closed.WithLabelValues(reason).Inc()
	if level > slog.LevelDebug && !c.s.quiet.Allow() {
		return
	}
	c.s.o.Logger.Log(c.work, level, "forward connection closed", "remote", c.ident.Remote.String(), "key", c.ident.Key, "reason", reason, "err", err)
}

// drain lets the connection take in what has arrived, and no more.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = time.Now().Add(drainPatience)
	// Where the deadline cannot be set the connection is gone, and reading tells.
	_ = c.nc.SetReadDeadline(c.draining)
}

func (c *conn) isDraining() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.draining.IsZero()
}

// reader sets the deadline that each read has.
type reader struct{ c *conn }

func (r reader) Read(p []byte) (int, error) {
	c, l := r.c, &r.c.s.o.Limits
	now := time.Now()
	if c.in.end > c.in.start && c.begun.IsZero() {
		c.begun = now
	}
	deadline := time.Time{} // an idle client may stay: loggers have nothing to say for days
	switch {
	case !c.preAuth.IsZero():
		deadline = c.preAuth
	case !c.begun.IsZero():
		deadline = now.Add(l.ProgressTimeMax)
		if end := c.begun.Add(l.FrameTimeMax); end.Before(deadline) {
			deadline = end
		}
	}
	c.mu.Lock()
	if !c.draining.IsZero() && (deadline.IsZero() || c.draining.Before(deadline)) {
		deadline = c.draining
	}
	err := c.nc.SetReadDeadline(deadline)
	c.mu.Unlock()
	if err != nil {
		return 0, err
	}
	return c.nc.Read(p)
}

// grow takes a place before the buffer becomes large, and waits for one.
func (c *conn) grow(n int) error {
	if n <= largeFrameBytes || c.large {
		return nil
	}
	select {
	case c.s.large <- struct{}{}:
		c.large = true
		return nil
	case <-c.work.Done():
		return c.work.Err()
	}
}

// release gives a large buffer and its place back, where nothing is in it.
func (c *conn) release() {
	if c.large && c.in.shrink(0) {
		c.large = false
		<-c.s.large
	}
}

func (c *conn) serve() error {
	if err := c.greet(); err != nil {
		return err
	}
	c.preAuth, c.begun = time.Time{}, time.Time{}
	c.in.bytesMax = uint64(c.s.o.Limits.FrameBytesMax)
	for {
		if !c.in.whole() {
			// Nothing more to go with what was taken from frames without a chunk.
			if err := c.taker.flush(""); err != nil {
				return err
			}
			c.release()
			c.in.shrink(idleBufferBytes)
		}
		if err := c.check(); err != nil {
			return err
		}
		b, err := c.in.next()
		c.begun = time.Time{}
		if err != nil {
			if ferr := c.taker.flush(""); ferr != nil {
				return ferr
			}
			return err
		}
		c.s.m.bytes.Add(float64(len(b)))
		if len(b) == 1 && b[0] == 0xc0 {
			continue // heartbeat
		}
		if err := c.take(b); err != nil {
			return err
		}
	}
}

// check looks at the first byte of what comes next, as soon as it is there: who
// speaks HTTP, TLS or JSON need not send 64 MiB of it.
func (c *conn) check() error {
	for c.in.start == c.in.end {
		if err := c.in.fill(); err != nil {
			return err
		}
	}
	c.aside.goesOn()
	if b := c.in.buf[c.in.start]; !isArray(b) && b != 0xc0 {
		if err := c.taker.flush(""); err != nil {
			return err
		}
		return wireError{"shape", "a message is an array; this may be another protocol, or TLS on one side only"}
	}
	return nil
}

// take stores one frame and answers it.
func (c *conn) take(b []byte) error {
	t := &c.taker
	f, err := parseFrame(b)
	if err != nil {
		return errors.Join(t.flush(""), err)
	}
	w, ok := c.s.o.Scope(c.ident)
	if !ok {
		return errors.Join(t.flush(""), errNotAllowed)
	}
	c.s.m.frames.WithLabelValues(f.mode).Inc()
	if f.chunk == nil {
		t.w = w
		if err := t.frame(&f, ""); err != nil {
			// Nobody sends the frame again: what could be read is kept.
			return errors.Join(t.flush(""), err)
		}
		return nil
	}
	// Frames without a chunk that came before it go first, by themselves.
	if err := t.flush(""); err != nil {
		return err
	}
	t.w = w
	key := c.s.repeats.key(logging.BatchKey(w.Who(), string(f.tag), string(f.chunk), f.payload))
	err = t.chunk(&f, key)
	p := t.parked
	t.parked = nil
	over := errors.Is(err, logging.ErrTooMuch)
	if (over || err == nil && p != nil) && c.leave(b, w, key, p, err) {
		return nil
	}
	if p != nil {
		its, failed := p.wait()
		c.aside.release(p.bytes)
		t.tally.add(&its)
		if err == nil {
			err, over = failed, failed != nil
		}
	}
	if over {
		u := t.plain(c.work, w)
		err = u.waitFor(err, func() error { return u.chunk(&f, key) })
		t.tally = u.tally
	}
	t.settle()
	if err != nil {
		return err
	}
	c.aside.mu.Lock()
	defer c.aside.mu.Unlock()
	if err := c.ack(f.chunk); err != nil {
		return err
	}
	c.aside.answered(f.chunk, key, c.in.start < c.in.end)
	return nil
}

// ack tells the client that the chunk is durable. Forward v1, "Response": the
// chunk id goes back as it came. One write: Fluentd reads it with one recv.
func (c *conn) ack(chunk []byte) error {
	msg := append(appendStr([]byte{0x81}, "ack"), chunk...)
	if err := c.write(msg); err != nil {
		return err
	}
	c.s.m.acks.Inc()
	return nil
}

func (c *conn) write(b []byte) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.nc.SetWriteDeadline(time.Now().Add(c.s.o.Limits.WriteTimeMax)); err != nil {
		return err
	}
	_, err := c.nc.Write(b)
	return err
}

// upgrade speaks TLS where it is configured.
func (c *conn) upgrade() error {
	if c.s.o.TLS == nil || c.ident.Local {
		return nil
	}
	tc := tls.Server(c.nc, c.s.o.TLS)
	ctx, cancel := context.WithDeadline(c.work, c.preAuth)
	defer cancel()
	if err := tc.HandshakeContext(ctx); err != nil {
		return err
	}
	state := tc.ConnectionState()
	c.mu.Lock()
	c.nc = tc
	c.mu.Unlock()
	c.ident.TLS = &state
	return nil
}
