package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

// newLogger makes Oriel's own log: text or JSON on stderr, and with
// --log.forward also records to a Fluentd, acknowledged. close sends what is
// buffered.
func (g *global) newLogger() (l *slog.Logger, close func(), err error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(g.logLevel)); err != nil {
		return nil, nil, usagef("--log.level %q: want debug, info, warn or error", g.logLevel)
	}
	opts := &slog.HandlerOptions{Level: level}
	var h slog.Handler
	switch g.logFormat {
	case "text":
		h = slog.NewTextHandler(g.stderr, opts)
	case "json":
		h = slog.NewJSONHandler(g.stderr, opts)
	default:
		return nil, nil, usagef("--log.format %q: want text or json", g.logFormat)
	}
	if g.logForward == "" {
		return slog.New(h), func() {}, nil
	}
	f, err := newForwardHandler(g.logForward, level, g.stderr)
	if err != nil {
		return nil, nil, err
	}
	return slog.New(slog.NewMultiHandler(h, f)), f.close, nil
}

// forwardHandler sends log records to a Fluentd forward input.
type forwardHandler struct {
	level  slog.Level
	client *fluent.Fluent
	attrs  []slog.Attr
	group  string
}

func newForwardHandler(addr string, level slog.Level, stderr io.Writer) (*forwardHandler, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usagef("--log.forward %q: want HOST:PORT, such as 127.0.0.1:24224", addr)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, usagef("--log.forward %q: the port is not a number", addr)
	}
	c, err := fluent.New(fluent.Config{
		FluentHost: host, FluentPort: n,
		Async: true, RequestAck: true, SubSecondPrecision: true,
		BufferLimit: 8192, MaxRetry: 10, RetryWait: 500, MaxRetryWait: 10_000,
		Timeout: 3 * time.Second, WriteTimeout: 3 * time.Second, ReadTimeout: 10 * time.Second,
		// Without this a Fluentd that is away would hold up our own end.
		ForceStopAsyncSend: true,
		AsyncResultCallback: func(_ []byte, err error) {
			if err != nil {
				fmt.Fprintln(stderr, "oriel: --log.forward: a log record was not delivered:", err)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("--log.forward %s: %w", addr, err)
	}
	return &forwardHandler{level: level, client: c}, nil
}

func (h *forwardHandler) close() { h.client.Close() }

// Enabled implements slog.Handler.
func (h *forwardHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle implements slog.Handler. It never blocks on the network: the client
// buffers, and a full buffer is an error that slog drops, so it is counted on
// stderr by the callback.
func (h *forwardHandler) Handle(_ context.Context, r slog.Record) error {
	host, _ := os.Hostname()
	m := map[string]any{"message": r.Message, "level": levelName(r.Level), "logger": "oriel", "node": host}
	add := func(a slog.Attr) bool {
		v := a.Value.Resolve()
		switch v.Kind() {
		case slog.KindInt64, slog.KindUint64, slog.KindFloat64, slog.KindBool:
			m[h.group+a.Key] = v.Any()
		default:
			m[h.group+a.Key] = v.String()
		}
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	return h.client.PostWithTime("oriel", r.Time, m)
}

// WithAttrs implements slog.Handler.
func (h *forwardHandler) WithAttrs(as []slog.Attr) slog.Handler {
	c := *h
	c.attrs = append(c.attrs[:len(c.attrs):len(c.attrs)], as...)
	return &c
}

// WithGroup implements slog.Handler.
func (h *forwardHandler) WithGroup(name string) slog.Handler {
	c := *h
	c.group += name + "."
	return &c
}

func levelName(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return "error"
	case l >= slog.LevelWarn:
		return "warn"
	case l >= slog.LevelInfo:
		return "info"
	}
	return "debug"
}
