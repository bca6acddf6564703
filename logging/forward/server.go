// Package forward takes in log records by the Fluentd forward protocol, version
// 1: from Fluentd, Fluent Bit, Docker's fluentd log driver and the loggers of
// many languages. All its modes and compressions are understood, with the
// handshake of shared keys and user names, over TCP or TLS.
//
//	srv := forward.New(forward.Options{Scope: scope, Appender: store, Stamper: stamper})
//	err := srv.Serve(ctx, listener) // until ctx ends; what is being taken in is finished
//
// An acknowledgement goes out only after everything of its chunk is durable. A
// record that can never be stored is counted and acknowledged, since sending it
// again would not help; a fault of the store is not acknowledged, and a frame
// that cannot be read ends the connection.
package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Identity is who is at the other end of a connection, as far as the protocol
// tells. A client's host name is its own claim.
type Identity struct {
	Key        string // Name of the Key that the handshake was made with; "" without Keys
	Username   string // of that key
	ClientHost string
	Remote     net.Addr
	Local      bool                 // by a unix socket
	TLS        *tls.ConnectionState // nil without TLS
}

// Key admits clients. Where Username is set, the user name and password are
// asked for too. The protocol hashes these secrets without stretching them: use
// TLS where others can listen.
type Key struct {
	Name      string
	SharedKey string
	Username  string
	Password  string
}

// Limits bound what one sender can make the server do. Zero values mean the
// defaults, which DefaultLimits gives.
type Limits struct {
	FrameBytesMax     int           // one message of the wire
	RecordBytesMax    int           // one entry; a longer one is refused and counted
	UnpackedBytesMax  int64         // the entries of one frame, decompressed
	EntriesMax        int           // of one frame
	ConnectionsMax    int           // at once
	LargeFramesMax    int           // frames over 4 MiB read at once; others wait
	HandshakeBytesMax int           // before the client is known
	HandshakeTimeMax  time.Duration // TLS and keys, together
	FrameTimeMax      time.Duration // from the first byte of a frame to its last
	ProgressTimeMax   time.Duration // without any byte, within a frame
	WriteTimeMax      time.Duration // for an acknowledgement
	RetryTimeMax      time.Duration // of a store that is unavailable, before the connection is closed
	DrainTimeMax      time.Duration // for what was received, at the end
}

// DefaultLimits fit one machine and the defaults of the known senders.
func DefaultLimits() Limits {
	return Limits{
		FrameBytesMax: 64 << 20, RecordBytesMax: 16 << 20, UnpackedBytesMax: 256 << 20, EntriesMax: 1 << 20,
		ConnectionsMax: 10_000, LargeFramesMax: 4, HandshakeBytesMax: 64 << 10, HandshakeTimeMax: 10 * time.Second,
		FrameTimeMax: 5 * time.Minute, ProgressTimeMax: time.Minute, WriteTimeMax: 10 * time.Second,
		RetryTimeMax: 30 * time.Second, DrainTimeMax: 20 * time.Second,
	}
}

func (l *Limits) fill() {
	d := DefaultLimits()
	for _, p := range []struct{ v, def *int }{
		{&l.FrameBytesMax, &d.FrameBytesMax}, {&l.RecordBytesMax, &d.RecordBytesMax}, {&l.EntriesMax, &d.EntriesMax},
		{&l.ConnectionsMax, &d.ConnectionsMax}, {&l.LargeFramesMax, &d.LargeFramesMax}, {&l.HandshakeBytesMax, &d.HandshakeBytesMax},
	} {
		if *p.v <= 0 {
			*p.v = *p.def
		}
	}
	for _, p := range []struct{ v, def *time.Duration }{
		{&l.HandshakeTimeMax, &d.HandshakeTimeMax}, {&l.FrameTimeMax, &d.FrameTimeMax}, {&l.ProgressTimeMax, &d.ProgressTimeMax},
		{&l.WriteTimeMax, &d.WriteTimeMax}, {&l.RetryTimeMax, &d.RetryTimeMax}, {&l.DrainTimeMax, &d.DrainTimeMax},
	} {
		if *p.v <= 0 {
			*p.v = *p.def
		}
	}
	if l.UnpackedBytesMax <= 0 {
		l.UnpackedBytesMax = d.UnpackedBytesMax
	}
}

// Options of a Server.
type Options struct {
	// Scope tells what a client may write; ok false closes its connection. It is
	// asked at every frame, so that a withdrawn right ends at once, and must be
	// quick and safe for concurrent use.
	Scope    func(Identity) (w tenant.Write, ok bool)
	Appender logging.Appender
	Stamper  *logging.Stamper
	// Keys turn the handshake on where there is at least one.
	Keys []Key
	// TLS, where set, is spoken on every connection but those of a unix socket.
	TLS *tls.Config
	// Hostname is what the server calls itself in the handshake; it must differ
	// from every client's name. "" means "oriel".
	Hostname   string
	Limits     Limits
	Logger     *slog.Logger          // nil: discard
	Registerer prometheus.Registerer // nil: metrics are counted and not shown
}

// Server speaks the protocol on listeners. Safe for concurrent use.
type Server struct {
	o          Options
	m          *metrics
	large      chan struct{} // a place for each large frame
	spare      sync.Pool     // of *[]byte, for scanners
	repeats    repeats
	asideBytes atomic.Int64  // see aside
	quiet      *rate.Limiter // of log lines that a stranger can cause
}

// New makes a server.
func New(o Options) *Server {
	o.Limits.fill()
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Hostname == "" {
		o.Hostname = "oriel"
	}
	return &Server{
		o: o, m: newMetrics(o.Registerer),
		large: make(chan struct{}, o.Limits.LargeFramesMax),
		quiet: rate.NewLimiter(rate.Every(time.Second), 10),
	}
}

// Serve accepts connections until ctx ends, then closes ln, takes in what its
// clients have already sent, answers it and returns nil. It returns an error
// where the listener fails.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	var (
		wg   sync.WaitGroup
		free = make(chan struct{}, s.o.Limits.ConnectionsMax)
		fail error
	)
	for {
		nc, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			if temporary(err) {
				// Out of file descriptors, or a client that was gone before it was
				// accepted: it passes.
				s.m.acceptErrors.Inc()
				select {
				case <-time.After(50 * time.Millisecond):
				case <-ctx.Done():
				}
				continue
			}
			fail = err
			break
		}
		select {
		case free <- struct{}{}:
		default:
			s.m.closed.WithLabelValues("too_many").Inc()
			nc.Close()
			continue
		}
		wg.Go(func() {
			defer func() { <-free }()
			s.serveConn(ctx, work, nc)
		})
	}
	ln.Close()
	timer := time.AfterFunc(s.o.Limits.DrainTimeMax, cancel)
	defer timer.Stop()
	wg.Wait()
	return fail
}

func temporary(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		return false
	}
	var ne net.Error
	return errors.As(err, &ne)
}

// ServeHeartbeat answers Fluentd's UDP heartbeats on the same port, one byte
// for any datagram, until ctx ends. It closes pc.
func (s *Server) ServeHeartbeat(ctx context.Context, pc net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { pc.Close() })
	defer stop()
	defer pc.Close()
	var buf [16]byte
	for {
		_, from, err := pc.ReadFrom(buf[:])
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			if temporary(err) {
				continue
			}
			return err
		}
		s.m.heartbeats.Inc()
		// A heartbeat that is lost is sent again a second later.
		_, _ = pc.WriteTo([]byte{0}, from)
	}
}
