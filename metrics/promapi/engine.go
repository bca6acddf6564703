package promapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/stats"

	"github.com/oriel-project/oriel/tenant"
)

// scopedEngine is Prometheus' engine as one scope uses it: what it does not know
// is refused, a limit that ends a query is named, and the query log is written.
type scopedEngine struct {
	a *API
	r tenant.Read
}

var _ promql.QueryEngine = scopedEngine{}

func (e scopedEngine) NewInstantQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	if err := e.a.check(qs); err != nil {
		return nil, err
	}
	one, err := e.a.engine.NewInstantQuery(ctx, q, opts, qs, ts)
	if err != nil {
		return nil, err
	}
	return &loggedQuery{Query: one, e: e, start: ts, end: ts}, nil
}

func (e scopedEngine) NewRangeQuery(ctx context.Context, q storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, step time.Duration) (promql.Query, error) {
	if err := e.a.check(qs); err != nil {
		return nil, err
	}
	one, err := e.a.engine.NewRangeQuery(ctx, q, opts, qs, start, end, step)
	if err != nil {
		return nil, err
	}
	return &loggedQuery{Query: one, e: e, start: start, end: end, step: step}, nil
}

type loggedQuery struct {
	promql.Query
	e          scopedEngine
	start, end time.Time
	step       time.Duration
}

func (q *loggedQuery) Exec(ctx context.Context) *promql.Result {
	res := q.Query.Exec(ctx)
	q.log(ctx, res)
	if res.Err != nil {
		named := *res
		named.Err = q.e.a.nameLimit(res.Err)
		return &named
	}
	return res
}

// nameLimit tells which setting ended a query, and how to live with it.
func (a *API) nameLimit(err error) error {
	if _, ok := errors.AsType[promql.ErrTooManySamples](err); ok {
		return fmt.Errorf("%w: limits.query_samples is %d; ask for a shorter range, a longer step or narrower selectors", err, a.opts.SamplesMax)
	}
	if errors.Is(err, context.DeadlineExceeded) { // met outside of the engine's own steps
		err = promql.ErrQueryTimeout("query execution")
	}
	if _, ok := errors.AsType[promql.ErrQueryTimeout](err); ok {
		return fmt.Errorf("%w: limits.query_time is %s, or less if the request said so; ask for a shorter range, a longer step or narrower selectors", err, a.opts.Timeout)
	}
	return err
}

// log writes the query's line, in the words of Prometheus' own query log.
func (q *loggedQuery) log(ctx context.Context, res *promql.Result) {
	l := q.e.a.opts.QueryLog
	if l == nil {
		return
	}
	st := q.Stats()
	timings := slog.Group("timings",
		slog.Float64("evalTotalTime", st.Timers.GetTimer(stats.EvalTotalTime).Duration()),
		slog.Float64("execQueueTime", st.Timers.GetTimer(stats.ExecQueueTime).Duration()),
		slog.Float64("execTotalTime", st.Timers.GetTimer(stats.ExecTotalTime).Duration()),
	)
	attrs := []slog.Attr{
		slog.Group("params", slog.String("query", q.String()), slog.Time("start", q.start.UTC()), slog.Time("end", q.end.UTC()), slog.Float64("step", q.step.Seconds())),
		slog.Group("stats", timings, slog.Group("samples", slog.Int64("totalQueryableSamples", st.Samples.TotalSamples), slog.Int("peakSamples", st.Samples.PeakSamples))),
		slog.String("caller", q.e.r.Who()),
		slog.Any("tenants", tenantsOf(q.e.r)),
	}
	if origin, ok := ctx.Value(promql.QueryOrigin{}).(map[string]any); ok {
		attrs = append(attrs, slog.Any("httpRequest", origin["httpRequest"]))
	}
	if res.Err != nil {
		attrs = append(attrs, slog.String("error", res.Err.Error()))
	}
	l.LogAttrs(ctx, slog.LevelInfo, "promql query", attrs...)
}

func tenantsOf(r tenant.Read) []string {
	if r.All() {
		return []string{"*"}
	}
	out := make([]string, 0, len(r.Tenants()))
	for _, id := range r.Tenants() {
		out = append(out, string(id))
	}
	return out
}
