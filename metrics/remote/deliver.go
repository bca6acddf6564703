package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// retryAfterMax bounds how long a receiver may put us off.
const retryAfterMax = 5 * time.Minute

// putOffMax is how long an owner's samples may hold up others before they wait
// in a queue of their own.
const putOffMax = 2 * time.Second

// Run delivers the queue in order until ctx ends. Where the receiver cannot be
// reached, answers 5xx, or takes neither credential nor URL (401, 403, 404, ...),
// it tries again for ever: that is no fault of the samples. An owner whose samples
// it puts off (429) waits alone. What the receiver refuses for what it is (400,
// 413, ...) is counted and passed over.
func (s *Sender) Run(ctx context.Context) error {
	s.m.up.Set(1)
	defer s.m.up.Set(0)
	g, ctx := errgroup.WithContext(ctx)
	for _, owner := range s.opts.HeldBefore {
		if err := s.openHeld(ctx, g, owner); err != nil {
			return err
		}
	}
	g.Go(func() error {
		return s.main.run(ctx, func(ctx context.Context, p *parcel) (durability, error) { return s.forward(ctx, g, p) })
	})
	return g.Wait()
}

// Durable takes note of what the receiver says of its durability outside of an
// answer to samples.
func (s *Sender) Durable(epoch string, generation uint64) error {
	var errs []error
	for _, l := range s.lanes() {
		errs = append(errs, l.durable(epoch, generation))
	}
	return errors.Join(errs...)
}

// began has the lanes send again what a receiver of another epoch may have lost,
// before the main one sends what is newer.
func (s *Sender) began(epoch string) {
	for _, l := range s.lanes() {
		l.began(epoch)
	}
}

func (s *Sender) epoch() string {
	if e := s.lastEpoch.Load(); e != nil {
		return *e
	}
	return ""
}

func (s *Sender) lanes() []*lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append(slices.Collect(maps.Values(s.held)), s.main)
}

// forward delivers a parcel of the main queue, or puts it into the queue of its
// owner, behind what waits there.
func (s *Sender) forward(ctx context.Context, g *errgroup.Group, p *parcel) (durability, error) {
	if s.opts.Held == nil || p.owner == "" {
		return s.deliver(ctx, p, 0)
	}
	s.mu.Lock()
	l := s.held[p.owner]
	s.mu.Unlock()
	if l == nil || !l.busy() {
		d, err := s.deliver(ctx, p, s.putOffMax)
		if !errors.Is(err, errPutOff) {
			return d, err
		}
		if l == nil {
			if err := s.openHeld(ctx, g, p.owner); err != nil {
				return durability{}, err
			}
			s.mu.Lock()
			l = s.held[p.owner]
			s.mu.Unlock()
		}
	}
	s.m.heldSamples.Add(float64(p.has.samples + p.has.histograms))
	for _, item := range p.items {
		if _, err := l.q.Append(ctx, item); err != nil {
			return durability{}, fmt.Errorf("put samples of %s aside: %w", p.owner, err)
		}
	}
	return durability{}, nil
}

// openHeld opens the queue of an owner and begins to deliver it.
func (s *Sender) openHeld(ctx context.Context, g *errgroup.Group, owner string) error {
	q, err := s.opts.Held(owner)
	if err != nil {
		return fmt.Errorf("open the queue of samples of %s: %w", owner, err)
	}
	l := newLane(s, q)
	s.mu.Lock()
	s.held[owner] = l
	s.mu.Unlock()
	s.opts.Logger.Warn("remote_write_holds", "owner", owner, "reason", "central puts this tenant's samples off; they wait in a queue of their own")
	g.Go(func() error {
		return l.run(ctx, func(ctx context.Context, p *parcel) (durability, error) { return s.deliver(ctx, p, 0) })
	})
	return nil
}

// errEpoch says that the receiver began anew; nothing was stored.
type errEpoch struct{ epoch string }

func (e *errEpoch) Error() string { return "the receiver began a new epoch, " + e.epoch }

var errPutOff = errors.New("the receiver puts this owner off")

// deliver returns nil once the parcel is stored or refused for good, errPutOff
// where the receiver put it off for as long as patience (0: as long as it takes),
// and another error only if ctx ends before.
func (s *Sender) deliver(ctx context.Context, p *parcel, patience time.Duration) (durability, error) {
	body, err := merge(p.bodies)
	if err != nil {
		s.drop(p.has.all(), "format", err)
		return durability{}, nil
	}
	backoff := s.backoffMin
	var waited time.Duration
	for attempt := 0; ; attempt++ {
		out := s.attempt(ctx, p, body, attempt)
		switch {
		case out.began:
			return durability{}, &errEpoch{out.durability.epoch}
		case out.done && out.tooLarge && len(p.bodies) > 1:
			return s.deliverEach(ctx, p, patience)
		case out.done && out.tooLarge:
			s.drop(p.has.all(), strconv.Itoa(http.StatusRequestEntityTooLarge), out.err)
			return out.durability, nil
		case out.done:
			return out.durability, nil
		case ctx.Err() != nil:
			return durability{}, ctx.Err()
		case out.again:
			continue
		}
		if !out.putOff {
			s.m.connected.Set(0)
		}
		s.m.retries.WithLabelValues(out.reason).Inc()
		if attempt == 0 || backoff == backoffMax {
			s.opts.Logger.Warn("remote_write_waits", "reason", out.reason, "err", out.err)
		}
		wait := max(out.after, backoff/2+rand.N(backoff)) // full jitter around the step
		if out.putOff && patience > 0 {
			if waited += wait; waited > patience {
				return durability{}, errPutOff
			}
		}
		backoff = min(2*backoff, backoffMax)
		t := time.NewTimer(wait)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return durability{}, ctx.Err()
		}
	}
}

// deliverEach sends what was too large together one by one.
func (s *Sender) deliverEach(ctx context.Context, p *parcel, patience time.Duration) (last durability, err error) {
	for i, body := range p.bodies {
		_, has, _, err := parseItem(p.items[i])
		if err != nil {
			return last, nil //nolint:nilerr // it was read before: it cannot be
		}
		d, err := s.deliver(ctx, &parcel{owner: p.owner, items: p.items[i : i+1], bodies: [][]byte{body}, has: has, epoch: p.epoch}, patience)
		if err != nil {
			return last, err
		}
		if d.epoch != "" {
			if last.epoch != "" && last.epoch != d.epoch {
				return last, &errEpoch{d.epoch} // what went before may be gone
			}
			last = d
		}
	}
	return last, nil
}

// outcome is what became of one attempt.
type outcome struct {
	done       bool // delivered, or refused for good
	began      bool // not even looked at: the receiver is of another epoch
	tooLarge   bool // refused for its size alone
	again      bool // at once, in the older protocol
	putOff     bool // for now, and perhaps this owner alone
	durability durability
	after      time.Duration // wait at least this long
	reason     string
	err        error
}

func (s *Sender) attempt(ctx context.Context, p *parcel, body []byte, attempt int) outcome {
	has := p.has
	contentType, version := "application/x-protobuf;proto=io.prometheus.write.v2.Request", "2.0.0"
	v1 := s.v1.Load()
	if v1 {
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
	if p.epoch != "" {
		req.Header.Set(DurabilityHeader, p.epoch)
	}
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
	s.m.bytes.Add(float64(len(body)))
	s.m.requests.Inc()
	resp, err := s.opts.Client.Do(req)
	if err != nil {
		return outcome{reason: "network", err: err}
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10)) // so that the connection can be used again
	d := parseDurability(resp.Header.Get(DurabilityHeader))
	if resp.StatusCode == http.StatusPreconditionFailed && d.epoch != "" && p.epoch != "" && d.epoch != p.epoch {
		return outcome{began: true, durability: d}
	}
	out := s.judge(resp, has, string(text), v1)
	out.durability = d
	return out
}

// judge decides by the answer. Remote write 2.0, "Retries" and "Partial Writes".
func (s *Sender) judge(resp *http.Response, has tally, text string, v1 bool) outcome {
	err := fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(text))
	code := resp.StatusCode
	switch {
	case code/100 == 2:
		s.m.connected.Set(1)
		s.sent(resp, has)
		return outcome{done: true}
	case code == http.StatusUnsupportedMediaType && !v1:
		if s.v1.CompareAndSwap(false, true) {
			s.opts.Logger.Warn("remote_write_falls_back", "to", "1.0", "err", err)
		}
		return outcome{again: true}
	case code/100 == 5 || code/100 == 3 || code == http.StatusTooManyRequests || code == http.StatusRequestTimeout:
		after := retryAfter(resp.Header.Get("Retry-After"), s.opts.Clock())
		return outcome{reason: strconv.Itoa(code), err: err, after: after, putOff: code == http.StatusTooManyRequests}
	case code == http.StatusUnauthorized, code == http.StatusForbidden, code == http.StatusNotFound,
		code == http.StatusMethodNotAllowed, code == http.StatusProxyAuthRequired:
		return outcome{reason: strconv.Itoa(code), err: err}
	}
	s.m.connected.Set(1)
	if code == http.StatusRequestEntityTooLarge {
		return outcome{done: true, tooLarge: true, err: err}
	}
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
	s.mu.Lock()
	defer s.mu.Unlock()
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
	queued, sent, heldSamples prometheus.Counter
	bytes, requests, rewinds  prometheus.Counter
	dropped, retries          *prometheus.CounterVec // by reason
	up, connected             prometheus.Gauge
}

func newSenderMetrics(reg prometheus.Registerer, q Queue, lag func() time.Duration) (*senderMetrics, error) {
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
		heldSamples: counter("oriel_agent_queue_held_samples_total", "Samples that were put aside because central puts off their tenant."),
		bytes:       counter("oriel_agent_sent_bytes_total", "Bytes of requests with samples, as they went over the wire, repeated ones too."),
		requests:    counter("oriel_agent_requests_total", "Requests with samples, repeated ones too."),
		rewinds:     counter("oriel_agent_queue_rewinds_total", "Times that samples which central had acknowledged were sent again, because it began anew before they were durable."),
		up:          gauge("oriel_agent_up", "1 while the agent delivers samples."),
		connected:   gauge("oriel_agent_queue_connected", "1 if central answered the last delivery."),
	}
	all := []prometheus.Collector{
		m.queued, m.sent, m.heldSamples, m.bytes, m.requests, m.rewinds, m.dropped, m.retries, m.up, m.connected,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_agent_queue_items", Help: "Requests that wait in the agent's queue.",
		}, func() float64 { n, _ := q.Len(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_agent_queue_bytes", Help: "Bytes that wait in the agent's queue.",
		}, func() float64 { _, n := q.Len(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "oriel_agent_queue_lag_seconds", Help: "Age of the oldest samples that wait in the agent's queue.",
		}, func() float64 { return lag().Seconds() }),
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
