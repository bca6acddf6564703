package tsdb

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
	promtsdb "github.com/prometheus/prometheus/tsdb"

	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

// freshMax bounds how much older than now a sample may be and still go to its
// namespace's present owner although it had none at the sample's time.
const freshMax = 10 * time.Minute

var errNoScope = errors.New("write metrics: the caller has no write scope")

// Appender implements metrics.Appender. What it gives is a
// storage.ExemplarAppenderV2. It routes every series anew, so a caller may keep
// the references that Append returns even while namespaces change hands. Commit
// commits every database that was written to, and returns the first error after
// trying them all: the caller sends all of it again, which does no harm, since a
// sample that is there already is taken as stored.
func (s *Store) Appender(ctx context.Context, w tenant.Write) storage.AppenderV2 {
	return &appender{store: s, ctx: ctx, w: w, cluster: w.Cluster(), now: s.opts.Clock()}
}

var _ metrics.RefAppender = (*appender)(nil)

type appender struct {
	store     *Store
	ctx       context.Context // of this one transaction, as the interface has no other place for it
	w         tenant.Write
	cluster   tenant.Cluster
	now       time.Time
	parts     []*part
	last      *part
	limited   error // of the tenant limitedOf, that may not write now
	limitedOf tenant.ID
	whose     whose
	roomy     bool // there was room when the transaction began
	builder   *labels.Builder
}

// whose remembers the last answer of the directory: neighbours in a request are
// of one target and one time.
type whose struct {
	known     bool
	namespace string
	t         int64
	id        tenant.ID
	ok        bool
}

// part is the transaction in one database.
type part struct {
	db        *database
	app       storage.ExemplarAppenderV2
	samples   uint64
	exemplars uint64
}

func (a *appender) Append(ref storage.SeriesRef, ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, opts storage.AOptions) (storage.SeriesRef, error) {
	p, err := a.route(ls.Get("namespace"), t)
	if errors.Is(err, metrics.ErrNoDatabase) {
		return 0, err // nobody's sample is refused
	}
	if err != nil {
		a.store.m.refused.WithLabelValues(reasonOf(err)).Inc()
		return 0, a.said(err)
	}
	ls = a.stamp(ls)
	ref, err = p.app.Append(p.db.decodeRef(ref), ls, st, t, v, h, fh, opts)
	if err != nil && !errors.Is(err, (*storage.AppendPartialError)(nil)) {
		p.db.refused.Add(1)
		a.store.refusals.add(p.db.id, a.cluster.Name, reasonOf(err))
		a.store.m.refused.WithLabelValues(reasonOf(err)).Inc()
		return 0, a.said(err)
	}
	p.samples++
	p.exemplars += uint64(len(opts.Exemplars))
	if !opts.Metadata.IsEmpty() {
		p.db.meta.put(opts.MetricFamilyName, ls, opts.Metadata)
	}
	return p.db.encodeRef(ref), err
}

func (a *appender) AppendExemplars(ref storage.SeriesRef, ls labels.Labels, es []exemplar.Exemplar) (storage.SeriesRef, error) {
	t := a.now.UnixMilli()
	if len(es) > 0 {
		t = es[len(es)-1].Ts
	}
	p, err := a.route(ls.Get("namespace"), t)
	if err != nil {
		return 0, a.said(err)
	}
	ref, err = p.app.AppendExemplars(p.db.decodeRef(ref), a.stamp(ls), es)
	if err != nil && !errors.Is(err, (*storage.AppendPartialError)(nil)) {
		return 0, err
	}
	p.exemplars += uint64(len(es))
	return p.db.encodeRef(ref), err
}

// AppendRef implements metrics.RefAppender.
func (a *appender) AppendRef(ref storage.SeriesRef, namespace string, st, t int64, v float64) (known bool, err error) {
	p, err := a.route(namespace, t)
	if err != nil {
		a.store.m.refused.WithLabelValues(reasonOf(err)).Inc()
		return true, a.said(err)
	}
	own := p.db.decodeRef(ref)
	if own == 0 {
		return false, nil
	}
	switch _, err = p.app.Append(own, labels.EmptyLabels(), st, t, v, nil, nil, storage.AOptions{}); {
	case err == nil:
		p.samples++
		return true, nil
	case errors.Is(err, promtsdb.ErrInvalidSample): // there is no such series any more
		return false, nil
	}
	p.db.refused.Add(1)
	a.store.refusals.add(p.db.id, a.cluster.Name, reasonOf(err))
	a.store.m.refused.WithLabelValues(reasonOf(err)).Inc()
	return true, a.said(err)
}

// said is what the sender is told of a refusal. A cluster's credential reads
// nothing: it does not learn what its tenants have from other clusters.
func (a *appender) said(err error) error {
	limit, ok := errors.AsType[*metrics.LimitError](err)
	if _, own := a.w.Tenant(); own || !ok || limit.Most == nil {
		return err
	}
	without := *limit
	without.Most = nil
	return &without
}

// PutMetadata implements metrics.RefAppender.
func (a *appender) PutMetadata(family string, md metadata.Metadata) {
	if _, own := a.w.Tenant(); !own {
		return
	}
	if p, err := a.route("", a.now.UnixMilli()); err == nil {
		p.db.meta.put(family, labels.EmptyLabels(), md)
	}
}

// owner decides whose a series of the namespace is at t (milliseconds).
func (a *appender) owner(namespace string, t int64) (tenant.ID, bool) {
	if namespace == "" {
		return a.w.NodeOwner()
	}
	if a.whose.known && a.whose.t == t && a.whose.namespace == namespace {
		return a.whose.id, a.whose.ok
	}
	at := time.UnixMilli(t)
	id, ok := a.w.Owner(namespace, at)
	if ok && id == tenant.Unassigned && a.now.Sub(at) <= freshMax {
		id, ok = a.w.Owner(namespace, a.now)
	}
	a.whose = whose{true, namespace, t, id, ok}
	return id, ok
}

func (a *appender) route(namespace string, t int64) (*part, error) {
	id, ok := a.owner(namespace, t)
	if !ok {
		return nil, errNoScope
	}
	if a.limited != nil && a.limitedOf == id {
		return nil, a.limited
	}
	if a.last != nil && a.last.db.id == id {
		return a.last, nil
	}
	for _, p := range a.parts {
		if p.db.id == id {
			a.last = p
			return p, nil
		}
	}
	if !a.roomy {
		if err := a.store.room(0); err != nil {
			return nil, err
		}
		a.roomy = true
	}
	db, err := a.database(id)
	if err != nil {
		return nil, err
	}
	if err := a.store.admit(db, a.now); err != nil {
		db.release()
		a.limited, a.limitedOf = err, id
		return nil, err
	}
	app, ok := db.db.AppenderV2(a.ctx).(storage.ExemplarAppenderV2)
	if !ok {
		db.release()
		return nil, errors.New("the metrics database takes no exemplars")
	}
	p := &part{db: db, app: app}
	a.parts = append(a.parts, p)
	a.last = p
	return p, nil
}

// database gives the tenant's database, acquired.
func (a *appender) database(id tenant.ID) (*database, error) {
	if !metrics.IsAccount(a.ctx) {
		db, err := a.store.database(id)
		if err == nil {
			db.touch(a.now)
		}
		return db, err
	}
	db, err := a.store.opened(id)
	switch {
	case err != nil:
		return nil, err
	case db == nil:
		return nil, metrics.ErrNoDatabase
	case db.torn.Load(): // for whoever sends samples to mend
		db.release()
		return nil, metrics.ErrNoDatabase
	}
	return db, nil
}

// stamp overwrites where the series comes from.
func (a *appender) stamp(ls labels.Labels) labels.Labels {
	c := a.cluster
	if ls.Get("cluster") == c.Name && ls.Get("region") == c.Region && ls.Get("cloud") == c.Cloud {
		return ls
	}
	if a.builder == nil {
		a.builder = labels.NewBuilder(ls)
	} else {
		a.builder.Reset(ls)
	}
	// An empty value removes the label.
	a.builder.Set("cluster", c.Name)
	a.builder.Set("region", c.Region)
	a.builder.Set("cloud", c.Cloud)
	return a.builder.Labels()
}

func (a *appender) Commit() error {
	var first error
	for _, p := range a.parts {
		if err := p.db.commit(p.app); err != nil {
			if first == nil {
				first = err
			}
		} else {
			a.store.generations.committed(p.db)
			if !metrics.IsAccount(a.ctx) {
				p.db.samples.Add(p.samples)
			}
			p.db.exemplars.Add(p.exemplars)
			p.db.rate.pay(p.samples)
			a.store.m.samples.Add(float64(p.samples))
			a.store.m.exemplars.Add(float64(p.exemplars))
		}
		p.db.release()
	}
	a.parts, a.last = nil, nil
	return first
}

func (a *appender) Rollback() error {
	var first error
	for _, p := range a.parts {
		if err := p.db.rollback(p.app); err != nil && first == nil {
			first = err
		}
		p.db.release()
	}
	a.parts, a.last = nil, nil
	return first
}
