package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"time"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/tenant/access"
)

// edgeListeners are those that an edge opens; each may be nil.
type edgeListeners struct {
	forward, journal net.Listener
	socket           net.Listener // forward by a unix socket
	heartbeat        net.PacketConn
}

func openEdgeListeners(cfg *config.Config, forwardFlag, journalFlag *listenFlag, open func(*listenFlag) (net.Listener, error), logger *slog.Logger) (ls edgeListeners, err error) {
	defer func() {
		if err != nil {
			ls.close()
		}
	}()
	if err := access.CheckListener("--listen.forward", forwardFlag.addr, len(cfg.Forward.Keys)+len(cfg.Forward.Clients) > 0); err != nil {
		return ls, err
	}
	if err := access.CheckListener("--listen.journal", journalFlag.addr, len(cfg.Journal.Clients) > 0); err != nil {
		return ls, err
	}
	if ls.forward, err = open(forwardFlag); err != nil {
		return ls, err
	}
	if ls.forward != nil {
		// Fluentd's UDP heartbeat comes to the same port; without it only that
		// kind of heartbeat is unanswered.
		if ls.heartbeat, err = net.ListenPacket("udp", ls.forward.Addr().String()); err != nil {
			logger.Warn("UDP heartbeats of Fluentd are not answered", "address", ls.forward.Addr().String(), "error", err)
			ls.heartbeat, err = nil, nil
		}
	}
	if path := cfg.Forward.Socket; path != "" {
		if ls.socket, err = listenUnix(path); err != nil {
			return ls, fmt.Errorf("forward.socket %s: %w", path, err)
		}
		logger.Info("listening", "listener", "forward", "address", path)
	}
	if ls.journal, err = open(journalFlag); err != nil || ls.journal == nil {
		return ls, err
	}
	t, err := listenerTLS("journal", cfg.Journal.TLS)
	if t != nil {
		ls.journal = tls.NewListener(ls.journal, t)
	}
	return ls, err
}

// listenerTLS is nil where the listener speaks plain text.
func listenerTLS(section string, t config.ListenerTLS) (*tls.Config, error) {
	if t.CertFile == "" {
		return nil, nil
	}
	c, err := serverTLS(t.CertFile, t.KeyFile, t.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("%s.tls: %w", section, err)
	}
	return c, nil
}

// listenUnix listens on a socket that its owner and group may use. What a process
// that was killed left behind is taken away; where somebody answers it is not.
func listenUnix(path string) (net.Listener, error) {
	if info, err := os.Lstat(path); err == nil && info.Mode().Type() == os.ModeSocket {
		if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
			c.Close()
			return nil, errors.New("another process listens there: stop it, or choose another path")
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o660); err != nil {
		ln.Close()
		return nil, err
	}
	return ln, nil
}

func (ls edgeListeners) close() {
	for _, l := range []net.Listener{ls.forward, ls.journal, ls.socket} {
		if l != nil {
			l.Close()
		}
	}
	if ls.heartbeat != nil {
		ls.heartbeat.Close()
	}
}

func (ls edgeListeners) serve(e *edge) func(context.Context) error {
	return func(ctx context.Context) error {
		var fs []func(context.Context) error
		if ls.forward != nil {
			fs = append(fs, func(ctx context.Context) error { return e.forward.Serve(ctx, ls.forward) })
		}
		if ls.socket != nil {
			fs = append(fs, func(ctx context.Context) error { return e.forward.Serve(ctx, ls.socket) })
		}
		if ls.heartbeat != nil {
			fs = append(fs, func(ctx context.Context) error { return e.forward.ServeHeartbeat(ctx, ls.heartbeat) })
		}
		if ls.journal != nil {
			// Whoever reaches this listener is on this machine, CheckListener, or is
			// known by a certificate.
			api := e.journal.API()
			h := e.access.GuardListener(api, "journal")
			if clients := e.cfg.Journal.Clients; len(clients) > 0 {
				h = e.access.GuardClients(api, clients, "journal")
			}
			fs = append(fs, func(ctx context.Context) error { return serveHTTP(ctx, ls.journal, h, e.log) })
		}
		return runAll(ctx, fs...)
	}
}
