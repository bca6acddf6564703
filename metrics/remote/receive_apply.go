package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/gogo/protobuf/proto"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

const (
	// aheadMax is how far in the future a sample may be, as with Prometheus: one
	// from next year would make everything else of its tenant too old.
	aheadMax = 10 * time.Minute
	// reasonsMax bounds how many refusals an answer spells out.
	reasonsMax = 5
)

// refusals are what a request held that was not stored.
type refusals struct {
	n       int           // for good
	limited int           // by a rate: they may come again
	after   time.Duration // when, of those
	reasons []string      // of the first of each kind
	kinds   map[string]struct{}
}

// add notes n refused samples of a series. It returns err where that is neither
// for good nor a limit.
func (r *refusals) add(n int, err error, series func() string) error {
	if limit, ok := errors.AsType[*metrics.LimitError](err); ok {
		if limit.After > 0 {
			r.limited += n
			r.after = max(r.after, limit.After)
		} else {
			r.n += n
		}
		r.reason(limit.Reason, limit.Error, series)
		return nil
	}
	if !forGood(err) {
		return err
	}
	r.n += n
	r.reason(err.Error(), err.Error, series)
	return nil
}

func (r *refusals) reason(kind string, text, series func() string) {
	if _, ok := r.kinds[kind]; ok || len(r.kinds) >= reasonsMax {
		return
	}
	if r.kinds == nil {
		r.kinds = map[string]struct{}{}
	}
	r.kinds[kind] = struct{}{}
	if s := series(); s != "" {
		r.reasons = append(r.reasons, text()+" for series "+s)
	} else {
		r.reasons = append(r.reasons, text())
	}
}

func (r *refusals) String() string {
	return fmt.Sprintf("%d samples were refused, the rest is stored: %s", r.n+r.limited, strings.Join(r.reasons, "; "))
}

// errBadSeries refuses a series for what it says of itself.
type errBadSeries string

func (e errBadSeries) Error() string { return string(e) }

// forGood reports whether a sample is refused however often it is sent.
func forGood(err error) bool {
	if _, ok := errors.AsType[histogram.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[errBadSeries](err); ok {
		return true
	}
	return errors.Is(err, storage.ErrOutOfOrderSample) || errors.Is(err, storage.ErrOutOfBounds) ||
		errors.Is(err, storage.ErrDuplicateSampleForTimestamp) || errors.Is(err, storage.ErrTooOldSample)
}

// apply stores a message under w: the good part of it, whatever else there is.
// Prometheus' own receiver drops a whole 1.0 request for one bad sample, and the
// sender does not send it again. With an error nothing is stored.
func (rc *Receiver) apply(ctx context.Context, w tenant.Write, m *message) (stored tally, out refusals, err error) {
	app, ok := rc.opts.Appender.Appender(ctx, w).(metrics.RefAppender)
	if !ok {
		return tally{}, out, errors.New("the metrics store takes no series by reference")
	}
	now := time.Now()
	a := application{m: m, app: app, out: &out, maxMillis: now.Add(aheadMax).UnixMilli()}
	series, age := rc.known.of(w, now)
	a.found = slices.Grow(m.found[:0], len(m.series))[:len(m.series)]
	m.found = a.found
	series.lookup(m.series, a.found, age)
	a.fresh = m.fresh[:0]
	defer func() { clear(a.fresh); m.fresh = a.fresh[:0] }()
	for i := range m.series {
		if err := a.series(i); err != nil {
			return tally{}, out, errors.Join(err, app.Rollback())
		}
	}
	if _, own := w.Tenant(); own && len(m.families) > 0 {
		a.metadataV1()
	}
	if err := app.Commit(); err != nil {
		return tally{}, out, err
	}
	series.learn(rc.known, a.fresh, age)
	return a.stored, out, nil
}

// application is one message on its way into the store.
type application struct {
	m         *message
	app       metrics.RefAppender
	found     []found
	fresh     []learned
	out       *refusals
	stored    tally
	maxMillis int64
	builder   labels.ScratchBuilder
	strings   []string // 2.0: the symbols, made when they are first needed
}

func (a *application) series(i int) error {
	ts := &a.m.series[i]
	samples := a.m.samples[ts.samples.from:ts.samples.to]
	ref := a.found[i].ref
	if ref != 0 && len(ts.histograms) == 0 && len(ts.exemplars) == 0 && len(samples) > 0 {
		for j, s := range samples {
			known, err := true, error(nil)
			if s.t > a.maxMillis {
				err = errAhead
			} else {
				known, err = a.app.AppendRef(ref, a.found[i].namespace, s.st, s.t, s.v)
			}
			if !known {
				return a.spelled(ts, samples[j:], 0)
			}
			if err == nil {
				a.stored.samples++
			} else if err := a.out.add(1, err, func() string { return a.text(ts) }); err != nil {
				return err
			}
		}
		return nil
	}
	return a.spelled(ts, samples, ref)
}

var errAhead = fmt.Errorf("%w: timestamp is too far in the future", storage.ErrOutOfBounds)

// spelled stores a series by its labels.
func (a *application) spelled(ts *wireSeries, samples []wireSample, ref storage.SeriesRef) error {
	n := len(samples) + len(ts.histograms)
	ls, opts, err := a.labels(ts)
	if err == nil && n == 0 && a.m.v2 && len(ts.exemplars) == 0 {
		err, n = errBadSeries("a series must have a sample or a histogram"), 1
	}
	text := func() string { return ls.String() }
	if err != nil {
		return a.out.add(max(n, 1), err, text)
	}
	for _, s := range samples {
		var got storage.SeriesRef
		err := errAhead
		if s.t <= a.maxMillis {
			got, err = a.app.Append(ref, ls, s.st, s.t, s.v, nil, nil, opts)
		}
		if err != nil {
			if err := a.out.add(1, err, text); err != nil {
				return err
			}
			continue
		}
		a.stored.samples++
		ref = got
	}
	for _, at := range ts.histograms {
		got, err := a.histogram(ref, ls, at, opts)
		if err != nil {
			if err := a.out.add(1, err, text); err != nil {
				return err
			}
			continue
		}
		a.stored.histograms++
		ref = got
	}
	if ref != 0 {
		a.fresh = append(a.fresh, learned{ts.key, found{ref, strings.Clone(ls.Get("namespace"))}})
	}
	// Prometheus sends exemplars as series of their own, without a sample.
	if len(ts.exemplars) > 0 {
		a.exemplars(ref, ls, ts)
	}
	return nil
}

func (a *application) histogram(ref storage.SeriesRef, ls labels.Labels, at span, opts storage.AOptions) (storage.SeriesRef, error) {
	var (
		h     *histogram.Histogram
		fh    *histogram.FloatHistogram
		st, t int64
		err   error
		b     = a.m.body[at.from:at.to]
	)
	if a.m.v2 {
		var p writev2.Histogram
		if err := p.Unmarshal(b); err != nil {
			return 0, errBadSeries("a histogram cannot be read: " + err.Error())
		}
		if st, t = p.StartTimestamp, p.Timestamp; p.IsFloatHistogram() {
			fh = p.ToFloatHistogram()
		} else {
			h = p.ToIntHistogram()
		}
	} else {
		var p prompb.Histogram
		if err := p.Unmarshal(b); err != nil {
			return 0, errBadSeries("a histogram cannot be read: " + err.Error())
		}
		if t = p.Timestamp; p.IsFloatHistogram() {
			fh = p.ToFloatHistogram()
		} else {
			h = p.ToIntHistogram()
		}
	}
	if t > a.maxMillis {
		return 0, errAhead
	}
	// As Prometheus' receiver: a resolution that is reserved is brought down.
	switch {
	case h != nil && histogram.IsExponentialSchemaReserved(h.Schema) && h.Schema > histogram.ExponentialSchemaMax:
		err = h.ReduceResolution(histogram.ExponentialSchemaMax)
	case fh != nil && histogram.IsExponentialSchemaReserved(fh.Schema) && fh.Schema > histogram.ExponentialSchemaMax:
		err = fh.ReduceResolution(histogram.ExponentialSchemaMax)
	}
	if err != nil {
		return 0, err
	}
	return a.app.Append(ref, ls, st, t, 0, h, fh, opts)
}

// exemplars are kept as far as there is room and they are in order; they never
// fail a request.
func (a *application) exemplars(ref storage.SeriesRef, ls labels.Labels, ts *wireSeries) {
	var es []exemplar.Exemplar
	for _, at := range ts.exemplars {
		b := a.m.body[at.from:at.to]
		var (
			e   exemplar.Exemplar
			err error
		)
		if a.m.v2 {
			var p writev2.Exemplar
			if err = p.Unmarshal(b); err == nil {
				e, err = p.ToExemplar(&a.builder, a.symbols())
			}
		} else {
			var p prompb.Exemplar
			if err = p.Unmarshal(b); err == nil {
				e = p.ToExemplar(&a.builder, nil)
			}
		}
		switch {
		case err != nil:
			_ = a.out.add(0, errBadSeries("an exemplar cannot be read: "+err.Error()), ls.String)
		case e.Ts <= a.maxMillis:
			es = append(es, e)
		}
	}
	slices.SortFunc(es, exemplar.Compare) // which the store asks for
	_, err := a.app.AppendExemplars(ref, ls, es)
	failed := 0
	if partial, ok := errors.AsType[*storage.AppendPartialError](err); ok {
		failed = len(partial.ExemplarErrors)
	} else if err != nil {
		failed = len(es)
	}
	a.stored.exemplars += max(0, len(es)-failed)
}

// labels spells out a series, and checks what the protocol wants of it.
func (a *application) labels(ts *wireSeries) (labels.Labels, storage.AOptions, error) {
	var opts storage.AOptions
	a.builder.Reset()
	if a.m.v2 {
		symbols, refs := a.symbols(), a.m.refs[ts.labels.from:ts.labels.to]
		if len(refs)%2 != 0 {
			return labels.EmptyLabels(), opts, errBadSeries("the references to a series' labels are no pairs")
		}
		for i := 0; i < len(refs); i += 2 {
			name, value := int(refs[i]), int(refs[i+1])
			if name >= len(symbols) || value >= len(symbols) {
				return labels.EmptyLabels(), opts, errBadSeries(fmt.Sprintf("a series' label refers to symbol %d of %d", max(name, value), len(symbols)))
			}
			a.builder.Add(symbols[name], symbols[value])
		}
		if md := ts.metadata; md != (wireMetadata{}) {
			var err error
			opts.Metadata, err = writev2.TimeSeries{Metadata: writev2.Metadata{Type: writev2.Metadata_MetricType(md.typ), HelpRef: md.help, UnitRef: md.unit}}.ToMetadata(symbols)
			if err != nil {
				return labels.EmptyLabels(), opts, errBadSeries(err.Error())
			}
		}
	} else if err := a.labelsV1(ts); err != nil {
		return labels.EmptyLabels(), opts, err
	}
	a.builder.Sort()
	ls := a.builder.Labels()
	if name, twice := ls.HasDuplicateLabelNames(); twice {
		return ls, opts, errBadSeries("the label " + name + " is there twice")
	}
	if !ls.Has(model.MetricNameLabel) || !ls.IsValid(model.UTF8Validation) {
		return ls, opts, errBadSeries("the metric's name or a label is missing or no UTF-8")
	}
	return ls, opts, nil
}

func (a *application) labelsV1(ts *wireSeries) error {
	return eachFieldAt(a.m.body, ts.labels, func(num protowire.Number, f field) error {
		if num != 1 {
			return nil // of the series, between its labels
		}
		var name, value string
		err := eachFieldAt(a.m.body, f.at, func(num protowire.Number, f field) error {
			switch num {
			case 1:
				name = string(f.bytes(a.m.body))
			case 2:
				value = string(f.bytes(a.m.body))
			}
			return nil
		})
		a.builder.Add(name, value)
		if err != nil {
			return errBadSeries(err.Error())
		}
		return nil
	})
}

// text is a series' labels for an answer.
func (a *application) text(ts *wireSeries) string {
	ls, _, err := a.labels(ts)
	if err != nil {
		return ""
	}
	return ls.String()
}

func (a *application) symbols() []string {
	if a.strings == nil {
		a.strings = make([]string, len(a.m.symbols))
		for i, b := range a.m.symbols {
			a.strings[i] = string(b)
		}
	}
	return a.strings
}

// metadataV1 keeps what 1.0 says of metrics apart from their series. Under a
// cluster's credential nobody could tell whose metrics those are: it is left out.
func (a *application) metadataV1() {
	for _, b := range a.m.families {
		var p prompb.MetricMetadata
		if err := proto.Unmarshal(b, &p); err == nil {
			a.app.PutMetadata(p.MetricFamilyName, metadata.Metadata{Type: model.MetricType(strings.ToLower(p.Type.String())), Help: p.Help, Unit: p.Unit})
		}
	}
}
