package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync/atomic"
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
	opts := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if empty(a.Value) {
			return slog.Attr{}
		}
		return a
	}}
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

// empty are values that say nothing: an event has fields that not every kind of
// it fills.
func empty(v slog.Value) bool {
	return v.Kind() == slog.KindString && v.String() == "" || v.Kind() == slog.KindAny && v.Any() == nil
}

const (
	ownLogWaitingMax = 8192
	ownLogFlushMax   = 3 * time.Second // the whole process has 30 s for its end
)

// forwardHandler sends log records to a Fluentd forward input.
type forwardHandler struct {
	level slog.Level
	*ownLog
	attrs []slog.Attr
	group string
}

// ownLog is what a handler and those made from it share.
type ownLog struct {
	client  *fluent.Fluent
	addr    string
	stderr  io.Writer
	waiting atomic.Int64 // records handed over whose fate is not known yet
	lost    atomic.Int64
}

// lose says that a record is lost: the first time, and then seldom.
func (o *ownLog) lose(err error) {
	if n := o.lost.Add(1); n == 1 || n%1000 == 0 {
		fmt.Fprintf(o.stderr, "oriel: --log.forward %s: %d log records were not delivered: %v\n", o.addr, n, err)
	}
}

// greet says early where nobody answers: records wait, and nothing else shows it.
func (o *ownLog) greet() {
	c, err := net.DialTimeout("tcp", o.addr, ownLogFlushMax)
	if err != nil {
		fmt.Fprintf(o.stderr, "oriel: --log.forward %s: %v; %d log records wait for it at most\n", o.addr, err, ownLogWaitingMax)
		return
	}
	c.Close()
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
	o := &ownLog{addr: addr, stderr: stderr}
	o.client, err = fluent.New(fluent.Config{
		FluentHost: host, FluentPort: n,
		Async: true, RequestAck: true, SubSecondPrecision: true,
		BufferLimit: ownLogWaitingMax, MaxRetry: 10, RetryWait: 500, MaxRetryWait: 10_000,
		Timeout: 3 * time.Second, WriteTimeout: 3 * time.Second, ReadTimeout: 10 * time.Second,
		// Without this a Fluentd that is away would hold up our own end.
		ForceStopAsyncSend: true,
		AsyncResultCallback: func(_ []byte, err error) {
			o.waiting.Add(-1)
			if err != nil {
				o.lose(err)
			}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("--log.forward %s: %w", addr, err)
	}
	go o.greet()
	return &forwardHandler{level: level, ownLog: o}, nil
}

// close waits for the last records, which often say why a process ends: the
// client itself would throw away what waits.
func (o *ownLog) close() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(ownLogFlushMax); o.waiting.Load() > 0 && time.Now().Before(end); {
		<-tick.C
	}
	if n := o.waiting.Load(); n > 0 {
		fmt.Fprintf(o.stderr, "oriel: --log.forward %s: the last %d log records were not delivered\n", o.addr, n)
	}
	o.client.Close()
}

// Enabled implements slog.Handler.
func (h *forwardHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

// Handle implements slog.Handler. It never blocks on the network: the client
// buffers, and what does not fit is lost, and said on stderr.
func (h *forwardHandler) Handle(_ context.Context, r slog.Record) error {
	host, _ := os.Hostname()
	m := map[string]any{"message": r.Message, "level": levelName(r.Level), "logger": "oriel", "node": host}
	add := func(a slog.Attr) bool {
		v := a.Value.Resolve()
		if empty(v) {
			return true
		}
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
	h.waiting.Add(1)
	if err := h.client.PostWithTime("oriel", r.Time, m); err != nil {
		h.waiting.Add(-1)
		h.lose(err)
	}
	return nil
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
