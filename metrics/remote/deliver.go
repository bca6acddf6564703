package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/internal/clock"
)

// retryAfterMax bounds how long a receiver may put us off.
const retryAfterMax = 5 * time.Minute

// Run delivers the queue in order until ctx ends. Where the receiver cannot be
// reached, answers 5xx or 429, or takes neither credential nor URL (401, 403,
// 404, ...), it tries again for ever: that is no fault of the samples. What the
// receiver refuses for what it is (400, 413, ...) is counted and passed over.
func (s *Sender) Run(ctx context.Context) error {
	s.m.up.Set(1)
	defer s.m.up.Set(0)
	after := s.opts.Queue.Acked()
	for {
		item, pos, err := s.opts.Queue.Next(ctx, after)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("read the queue of samples: %w", err)
		}
		if err := s.deliver(ctx, item); err != nil {
			return nil // ctx ended; the item is still in the queue
		}
		if err := s.opts.Queue.Ack(pos); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("acknowledge in the queue of samples: %w", err)
		}
		after = pos
	}
}

// deliver returns nil once the item is stored or refused for good, and an error
// only if ctx ends before.
func (s *Sender) deliver(ctx context.Context, item []byte) error {
	has, body, err := splitItem(item)
	if err != nil {
		// The queue checks its items' sums: this is of another version.
		s.m.dropped.WithLabelValues("format").Inc()
		s.opts.Logger.Error("queued_samples_unreadable", "err", err)
		return nil
	}
	backoff := s.backoffMin
	for attempt := 0; ; attempt++ {
		out := s.attempt(ctx, has, body, attempt)
		if out.done {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if out.again {
			continue
		}
		s.m.connected.Set(0)
		s.m.retries.WithLabelValues(out.reason).Inc()
		if attempt == 0 || backoff == backoffMax {
			s.opts.Logger.Warn("remote_write_waits", "reason", out.reason, "err", out.err)
		}
		wait := max(out.after, backoff/2+rand.N(backoff)) // full jitter around the step
		backoff = min(2*backoff, backoffMax)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// outcome is what became of one attempt.
type outcome struct {
	done   bool          // delivered, or refused for good
	again  bool          // at once, in the older protocol
	after  time.Duration // wait at least this long
	reason string
	err    error
}

func (s *Sender) attempt(ctx context.Context, has tally, body []byte, attempt int) outcome {
	contentType, version := "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	if s.v1 {
		b, err := asV1(body)
		if err != nil {
			s.drop(has.all(), "format", err)
			return outcome{done: true}
		}
		body, contentType, version = b, "application/x-protobuf", "0.1.0"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return outcome{reason: "request", err: err}
	}
	req.Header.Set("Content-Type", contentType)
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("X-Prometheus-Remote-Write-Version", version)
	req.Header.Set("User-Agent", "oriel-agent")
	if attempt > 0 {
		req.Header.Set("Retry-Attempt", strconv.Itoa(attempt))
	}
	if s.opts.Token != nil {
		token, err := s.opts.Token()
		if err != nil {
			return outcome{reason: "token", err: err}
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.opts.Client.Do(req)
	if err != nil {
		return outcome{reason: "network", err: err}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	return s.judge(resp, has, string(text))
}

// judge decides by the answer. Remote write 2.0, "Retries" and "Partial Writes".
func (s *Sender) judge(resp *http.Response, has tally, text string) outcome {
	err := fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(text))
	code := resp.StatusCode
	switch {
	case code/100 == 2:
		s.m.connected.Set(1)
		s.sent(resp, has)
		return outcome{done: true}
	case code == http.StatusUnsupportedMediaType && !s.v1:
		s.opts.Logger.Warn("remote_write_falls_back", "to", "1.0", "err", err)
		s.v1 = true
		return outcome{again: true}
	case code/100 == 5 || code/100 == 3 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		return outcome{reason: strconv.Itoa(code), err: err, after: retryAfter(resp.Header.Get("Retry-After"), s.opts.Clock())}
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound,
		code == http.StatusMethodNotAllowed, code == http.StatusProxyAuthRequired:
		return outcome{reason: strconv.Itoa(code), err: err}
	}
	s.m.connected.Set(1)
	lost := has.all() - s.sent(resp, has)
	s.drop(lost, strconv.Itoa(code), err)
	return outcome{done: true}
}

// sent counts what the receiver says it has written. A success that does not
// say so is believed; a refusal that does not has written nothing.
func (s *Sender) sent(resp *http.Response, has tally) (written int) {
	const prefix = "X-Prometheus-Remote-Write-"
	confirmed := false
	for _, p := range []struct {
		header string
		of     int
		count  bool
	}{{"Samples-Written", has.samples, true}, {"Histograms-Written", has.histograms, true}, {"Exemplars-Written", has.exemplars, false}} {
		n, err := strconv.Atoi(resp.Header.Get(prefix + p.header))
		if err != nil || n < 0 {
			continue
		}
		confirmed = true
		n = min(n, p.of)
		written += n
		if p.count {
			s.m.sent.Add(float64(n))
		}
	}
	if !confirmed && resp.StatusCode/100 == 2 {
		s.m.sent.Add(float64(has.samples + has.histograms))
		return has.all()
	}
	return written
}

// drop counts samples, histograms and exemplars that are lost, and tells of it
// twice a minute at most.
func (s *Sender) drop(n int, reason string, err error) {
	s.m.dropped.WithLabelValues(reason).Add(float64(n))
	if now := s.opts.Clock(); now.Sub(s.lastLog) >= 30*time.Second {
		s.lastLog = now
		s.opts.Logger.Warn("remote_write_refused", "lost", n, "err", err)
	}
}

// retryAfter reads a Retry-After header: seconds or a date (RFC 9110, 10.2.3).
func retryAfter(v string, now time.Time) time.Duration {
	if secs, err := strconv.Atoi(v); err == nil && secs > 0 {
		return min(time.Duration(min(secs, 1<<20))*time.Second, retryAfterMax)
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), retryAfterMax)
	}
	return 0
}

// senderMetrics are the agent's.
type senderMetrics struct {
	queued, sent     prometheus.Counter
	dropped, retries *prometheus.CounterVec // by reason
	up, connected    prometheus.Gauge
}

func newSenderMetrics(reg prometheus.Registerer, q Queue, now clock.Clock) (*senderMetrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	m := &senderMetrics{
		queued: counter("oriel_agent_queue_samples_total", "Samples that were made durable in the agent's queue."),
		sent:   counter("oriel_agent_queue_sent_samples_total", "Samples that central has acknowledged."),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_agent_queue_dropped_samples_total", Help: "Samples and exemplars that are lost: refused by central (reason is the HTTP status), or not storable in the queue.",
		}, []string{"reason"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_agent_queue_retries_total", Help: "Deliveries that have to be tried again.",
		}, []string{"reason"}),
		up:        gauge("oriel_agent_up", "1 while the agent delivers samples."),
		connected: gauge("oriel_agent_queue_connected", "1 if central answered the last delivery."),
	}
	all := []prometheus.Collector{
		m.queued, m.sent, m.dropped, m.retries, m.up, m.connected,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_agent_queue_items", Help: "Requests that wait in the agent's queue.",
		}, func() float64 { n, _ := q.Len(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_agent_queue_bytes", Help: "Bytes that wait in the agent's queue.",
		}, func() float64 { _, n := q.Len(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_agent_queue_lag_seconds", Help: "Age of the oldest samples that wait in the agent's queue.",
		}, func() float64 {
			oldest := q.Oldest()
			if oldest.IsZero() {
				return 0
			}
			return max(0, now().Sub(oldest).Seconds())
		}),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}
