package agents

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	reportEvery = 5 * time.Second
	reportMax   = 10 * time.Second
	// skewSaid is a difference of clocks that is worth a word in the log.
	skewSaid = 5 * time.Second
)

// ReporterOptions are the options of a Reporter.
type ReporterOptions struct {
	URL        string // central's
	Token      func() (string, error)
	Client     *http.Client
	Interval   time.Duration // between scrapes
	Version    string
	Lag        func() time.Duration
	Gaps       func() int64
	OnReply    func(Reply) // may be nil
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Reporter is an agent's side.
type Reporter struct {
	opts     ReporterOptions
	skew     prometheus.Gauge
	failures prometheus.Counter
	said     bool // that the clocks differ; Run's own
}

// NewReporter makes a Reporter.
func NewReporter(o ReporterOptions) (*Reporter, error) {
	if o.Client == nil {
		o.Client = &http.Client{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Reporter{
		opts: o,
		skew: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "oriel_agent_clock_skew_seconds", Help: "How far this agent's clock is ahead of central's; negative: behind.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oriel_agent_heartbeat_failures_total", Help: "Heartbeats that central did not answer.",
		}),
	}
	if o.Registerer == nil {
		return r, nil
	}
	return r, errors.Join(o.Registerer.Register(r.skew), o.Registerer.Register(r.failures))
}

// Run tells central every few seconds, until ctx ends.
func (r *Reporter) Run(ctx context.Context) error {
	tick := time.NewTicker(min(reportEvery, max(r.opts.Interval, time.Second)))
	defer tick.Stop()
	for {
		if err := r.beat(ctx); err != nil && ctx.Err() == nil {
			r.failures.Inc()
			r.opts.Logger.Debug("heartbeat_not_answered", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

func (r *Reporter) beat(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reportMax)
	defer cancel()
	sent := time.Now()
	body, err := json.Marshal(Beat{
		Sent: sent, IntervalSeconds: r.opts.Interval.Seconds(), LagSeconds: r.opts.Lag().Seconds(), Gaps: r.opts.Gaps(), Version: r.opts.Version,
	})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, r.opts.URL+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	token, err := r.opts.Token()
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := r.opts.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("central answered %s", resp.Status)
	}
	var reply Reply
	if err := json.Unmarshal(text, &reply); err != nil {
		return fmt.Errorf("read central's answer: %w", err)
	}
	r.compare(sent, time.Now(), reply.Now)
	if r.opts.OnReply != nil {
		r.opts.OnReply(reply)
	}
	return nil
}

// compare says how the clocks differ, as far as the way there and back lets it
// be known.
func (r *Reporter) compare(sent, back, central time.Time) {
	half := back.Sub(sent) / 2
	skew := sent.Add(half).Sub(central)
	r.skew.Set(skew.Seconds())
	differ := max(skew, -skew)-half > skewSaid
	if differ && !r.said {
		r.opts.Logger.Warn("clocks_differ", "ahead_of_central", skew, "mend", "let both keep time by NTP: samples carry this machine's time")
	}
	r.said = differ
}
