// Package losses shows a tenant which of its log records never came in, and why: as
// a series among its own metrics.
//
//	l := losses.New(losses.Options{Appendable: func(w tenant.Write) metrics.Appendable { return metrics.Scoped(store, w) }})
//	l.Add(w, losses.Loss{Namespace: "shop-prod", Node: "n1", Reason: "quota", Records: 12})
//	err := l.Run(ctx) // oriel_log_records_lost_total{namespace="shop-prod",node="n1",reason="quota"} 12
//
// A loss is written under the scope that the records would have been written under,
// so its namespace decides who sees it; one without namespace is the operator's.
package losses

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"

	"github.com/prometheus/common/model"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// Name of the series.
const Name = "oriel_log_records_lost_total"

const (
	// seriesMax is how many there are at once. What is beyond is added up without its
	// node, then without its namespace, which a sender may choose.
	seriesMax = 20_000
	forgotten = 24 * time.Hour // without a loss, a series ends
)

// Loss is a number of records that never came in. Empty labels are left out.
type Loss struct {
	Namespace string
	Node      string
	Reason    string
	Records   int
}

// Options of Losses. Appendable is needed.
type Options struct {
	// Appendable gives what is written to under a scope.
	Appendable func(tenant.Write) metrics.Appendable
	Every      time.Duration // between two samples of a series; 15 s where 0
	Clock      clock.Clock
	Logger     *slog.Logger // nil: silent
}

// Losses adds losses up and writes their series. Safe for concurrent use.
type Losses struct {
	o Options

	mu     sync.Mutex // guards series, and what its values point to
	series map[key]*counter
}

type key struct{ who, namespace, node, reason string }

type counter struct {
	w       tenant.Write
	total   float64
	changed time.Time
	begun   bool // a sample was written
}

// New makes one.
func New(o Options) *Losses {
	if o.Every <= 0 {
		o.Every = 15 * time.Second
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return &Losses{o: o, series: map[key]*counter{}}
}

// Add counts a loss of records that would have been written under w.
func (l *Losses) Add(w tenant.Write, loss Loss) {
	k := key{w.Who(), loss.Namespace, loss.Node, loss.Reason}
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.series[k]
	for _, drop := range [...]*string{&k.node, &k.namespace} {
		if c == nil && len(l.series) >= seriesMax {
			*drop = ""
			c = l.series[k]
		}
	}
	if c == nil {
		c = &counter{w: w}
		l.series[k] = c
	}
	c.w, c.changed = w, l.o.Clock()
	c.total += float64(loss.Records)
}

// Run writes the series until ctx ends.
func (l *Losses) Run(ctx context.Context) error {
	tick := time.NewTicker(l.o.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			l.write(ctx)
		}
	}
}

// write gives each series a sample. What cannot be written now is, with the next.
// What is refused is so for its own tenant, and takes nobody else's with it.
func (l *Losses) write(ctx context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.o.Clock()
	by := map[string][]key{}
	for k, c := range l.series {
		if now.Sub(c.changed) > forgotten {
			delete(l.series, k)
			continue
		}
		by[k.who] = append(by[k.who], k)
	}
	for _, keys := range by {
		app := l.o.Appendable(l.series[keys[0]].w).AppenderV2(ctx)
		err := error(nil)
		taken := keys[:0]
		for _, k := range keys {
			c := l.series[k]
			err = nil
			if !c.begun {
				// A counter begins at 0, so that increase() sees the first loss.
				err = appendSample(app, k, now.Add(-l.o.Every), 0)
			}
			if err == nil {
				err = appendSample(app, k, now, c.total)
			}
			if refused(err) {
				err = nil
				continue
			}
			if err != nil {
				break
			}
			taken = append(taken, k)
		}
		if err == nil {
			err = app.Commit()
		} else {
			_ = app.Rollback() // err says more
		}
		if err != nil {
			l.o.Logger.Warn("losses of log records could not be written as metrics", "error", err)
			continue
		}
		for _, k := range taken {
			l.series[k].begun = true
		}
	}
}

// refused tells what the store holds against one sample, and counts itself, from
// what keeps it from storing any.
func refused(err error) bool {
	return errors.Is(err, storage.ErrOutOfBounds) || errors.Is(err, storage.ErrOutOfOrderSample) ||
		errors.Is(err, storage.ErrTooOldSample) || errors.Is(err, storage.ErrDuplicateSampleForTimestamp)
}

func appendSample(app storage.AppenderV2, k key, at time.Time, v float64) error {
	b := labels.NewScratchBuilder(5)
	b.Add(model.MetricNameLabel, Name)
	b.Add("job", "oriel")
	for _, p := range [...][2]string{{"namespace", k.namespace}, {"node", k.node}, {"reason", k.reason}} {
		if p[1] != "" {
			b.Add(p[0], p[1])
		}
	}
	b.Sort()
	_, err := app.Append(0, b.Labels(), 0, at.UnixMilli(), v, nil, nil, storage.AOptions{
		MetricFamilyName: Name,
		Metadata:         metadata.Metadata{Type: model.MetricTypeCounter, Help: "Log records that never came in, by reason."},
	})
	return err
}
