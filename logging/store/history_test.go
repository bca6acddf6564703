package store

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var (
	seedFlag  = flag.Uint64("history.seed", 0, "run this one history")
	roundFlag = flag.Int("history.rounds", 40, "histories to run")
)

// TestHistories does the same random things to the store and to the naive one,
// and wants the same answers. A failing seed is named: run it alone with
// -history.seed.
func TestHistories(t *testing.T) {
	if *seedFlag != 0 {
		runHistory(t, *seedFlag)
		return
	}
	for seed := range uint64(*roundFlag) {
		if runHistory(t, seed+1); t.Failed() {
			t.Fatalf("run it alone with -history.seed=%d", seed+1)
		}
	}
}

type history struct {
	t     *testing.T
	rnd   *rand.Rand
	now   time.Time
	fs    vfs.FS
	opts  Options
	store *Store
	naive *mem.Store
	ids   []string
	views [][2]logging.View
	lives map[tenant.ID][]tenant.Life
	sent  map[string]logging.Batch // by key: a key comes again with its batch only
}

func runHistory(t *testing.T, seed uint64) {
	h := &history{t: t, rnd: rand.New(rand.NewPCG(seed, 7)), now: noon, fs: vfs.NewMem(), lives: map[tenant.ID][]tenant.Life{}, sent: map[string]logging.Batch{}}
	var at atomic.Int64 // now, for the store's own goroutines
	at.Store(h.now.UnixNano())
	clock := func() time.Time { return time.Unix(0, at.Load()).UTC() }
	retention := func(id tenant.ID) time.Duration {
		return map[tenant.ID]time.Duration{"shop": 26 * time.Hour, "billing": 50 * time.Hour}[id]
	}
	// Half of them as the store does by itself, half only when told to.
	h.opts = Options{Clock: clock, Retention: retention, LogBytesMax: 3000, MemtableBytesMax: 64 << 10, idle: seed%2 == 0}
	h.store, _ = open(t, h.fs, h.opts)
	h.naive = mem.New(mem.Options{Clock: clock, Retention: retention})
	for step := range 120 {
		switch n := h.rnd.IntN(100); {
		case n < 45:
			h.append(fmt.Sprintf("b%d", step))
		case n < 48:
			h.purge()
		case n < 55:
			h.now = h.now.Add(time.Duration(h.rnd.IntN(5*3600)) * time.Second)
			at.Store(h.now.UnixNano())
		case n < 60:
			closeStore(t, h.store)
			h.views = nil
			h.store, _ = open(t, h.fs, h.opts)
		case n < 62:
			if err := h.store.Sweep(context.Background()); err != nil {
				t.Fatal(err)
			}
		case n < 63:
			flushed(t, h.store)
		case n < 64:
			merged(t, h.store)
		case n < 65:
			h.wreck()
			h.store, _ = open(t, h.fs, h.opts)
		case n < 66:
			h.lives["shop"] = []tenant.Life{{Cluster: "eu", Namespace: "cart", From: h.now.Add(-10 * time.Hour), To: h.now.Add(-2 * time.Hour)}}
		case n < 72:
			h.snapshot()
		default:
			h.query()
		}
		if t.Failed() {
			t.Logf("seed %d, step %d", seed, step)
			return
		}
	}
	for _, v := range h.views {
		_ = v[0].Close()
	}
	closeStore(t, h.store)
}

// wreck damages the manifest and its twin, and has a new one made.
func (h *history) wreck() {
	if h.rnd.IntN(2) == 0 {
		merged(h.t, h.store)
		flushed(h.t, h.store)
	}
	closeStore(h.t, h.store)
	h.views = nil
	h.store = nil
	if damageBoth(h.t, h.fs, h.rnd.IntN(damages)) {
		return
	}
	var told strings.Builder
	if err := rebuild(context.Background(), h.fs, "logs", RecoverOptions{Write: true}, &told); err != nil {
		h.t.Fatalf("%v\n%s", err, &told)
	}
}

func (h *history) same(what string, got, want any) {
	h.t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); d != "" {
		h.t.Errorf("%s (-naive +store):\n%s", what, d)
	}
}

func (h *history) pick(of ...string) string { return of[h.rnd.IntN(len(of))] }

func (h *history) append(key string) {
	b := logging.Batch{}
	switch h.rnd.IntN(3) {
	case 0:
		b.Key = key
	case 1:
		b.Key = fmt.Sprintf("again%d", h.rnd.IntN(6))
	}
	for range h.rnd.IntN(6) {
		at := h.now.Add(-time.Duration(h.rnd.IntN(4*3600)) * time.Second)
		r := rec(h.pick("web", "cart", "pay", "led"), at, h.pick("alpha beta", "beta gamma", "gamma \"quoted\"", "delta")+" "+key)
		r.Level = h.pick("info", "error", "")
		r.Source = fmt.Appendf(nil, `{"message":%q,"n":%d,"tag":%q}`, r.Message, h.rnd.IntN(5), h.pick("x", "y"))
		switch h.rnd.IntN(12) {
		case 0, 1:
			r.ID = fmt.Sprintf("id%d", h.rnd.IntN(20))
		case 2:
			r.ID = logging.DerivedID(uint64(1 + h.rnd.IntN(150)))
		case 3:
			r.Tenant = "billing" // which some of the namespaces are not
		case 4:
			r.Message = "not in the source"
		}
		b.Records = append(b.Records, r)
	}
	if old, ok := h.sent[b.Key]; ok && b.Key != "" {
		b = old
	}
	h.sent[b.Key] = b
	ctx := context.Background()
	want, err1 := h.naive.Append(ctx, writer, b)
	got, err2 := h.store.Append(ctx, writer, b)
	if err1 != nil || err2 != nil {
		h.t.Fatal(err1, err2)
	}
	for i := range want {
		if want[i].Status == logging.Refused {
			want[i].Reason, got[i].Reason = "", ""
		}
		if want[i].Status == logging.Duplicate && got[i].Seq == 0 {
			want[i].Seq, want[i].ID, got[i].ID = 0, "", "" // a batch's seqs are only known where they are consecutive
		}
		h.ids = append(h.ids, want[i].ID)
	}
	h.same("append", got, want)
}

func (h *history) purge() {
	from, to := h.now.Add(-time.Duration(h.rnd.IntN(8))*time.Hour), time.Time{}
	if h.rnd.IntN(2) == 0 {
		to = h.now.Add(-time.Hour)
	}
	ns := h.pick("web", "pay")
	for _, s := range []interface {
		Purge(context.Context, tenant.ID, string, string, time.Time, time.Time) error
	}{h.naive, h.store} {
		if err := s.Purge(context.Background(), owners.Of["eu/"+ns], "eu", ns, from, to); err != nil {
			h.t.Fatal(err)
		}
	}
}

func (h *history) scope() tenant.Read {
	o := scopetest.Owners{Lives: h.lives}
	switch h.rnd.IntN(5) {
	case 0:
		return tenant.Read{}
	case 1:
		return scopetest.ReadSealed(o, "shop")
	case 2:
		return scopetest.ReadSealed(o, "billing", "nobody")
	case 3:
		return scopetest.Operator()
	}
	return scopetest.ReadSealed(o, "shop", "billing")
}

func (h *history) snapshot() {
	ctx, scope := context.Background(), h.scope()
	want, err1 := h.naive.Snapshot(ctx, scope)
	got, err2 := h.store.Snapshot(ctx, scope)
	if err1 != nil || err2 != nil {
		h.t.Fatal(err1, err2)
	}
	h.views = append(h.views, [2]logging.View{got, want})
}

func (h *history) filter(depth int) logging.Filter {
	f := logging.FieldOf
	switch n := h.rnd.IntN(12); {
	case n < 2:
		return logging.All{}
	case n == 2:
		return logging.Term{Field: f("message"), Text: h.pick("alpha", "beta", "delta")}
	case n == 3:
		return logging.Term{Field: f("namespace"), Text: h.pick("web", "pay")}
	case n == 4:
		return logging.Range{Field: f("n"), Min: &logging.Bound{Value: logging.Int(2), Inclusive: true}}
	case n == 5:
		return logging.Term{Field: f("*"), Text: h.pick("x", "error", "gamma")}
	case n < 9:
		r := logging.Range{Field: f("@timestamp"), Min: &logging.Bound{Value: logging.Time(h.now.Add(-time.Duration(h.rnd.IntN(20)) * time.Hour)), Inclusive: h.rnd.IntN(2) == 0}}
		if h.rnd.IntN(2) == 0 {
			r.Max = &logging.Bound{Value: logging.Int(h.now.Add(-time.Hour).UnixMilli()), Inclusive: h.rnd.IntN(2) == 0}
		}
		return r
	case depth > 2:
		return logging.None{}
	case n == 9:
		return logging.Not{Of: h.filter(depth + 1)}
	case n == 10:
		return logging.Or{Of: []logging.Filter{h.filter(depth + 1), h.filter(depth + 1)}}
	}
	return logging.And{h.filter(depth + 1), h.filter(depth + 1)}
}

func (h *history) query() {
	if len(h.views) == 0 || h.rnd.IntN(2) == 0 {
		h.snapshot()
	}
	i := h.rnd.IntN(len(h.views))
	got, want := h.views[i][0], h.views[i][1]
	ctx := context.Background()
	if id := "none"; h.rnd.IntN(3) == 0 {
		if len(h.ids) > 0 {
			id = h.ids[h.rnd.IntN(len(h.ids))]
		}
		index := logging.IndexFor("eu", h.pick("web", "cart", "pay", "led"))
		r1, ok1, err1 := got.Get(ctx, index, id)
		r2, ok2, err2 := want.Get(ctx, index, id)
		h.same("get "+index+" "+id, []any{r1, ok1, err1}, []any{r2, ok2, err2})
		i1, err1 := got.Indices(ctx)
		i2, err2 := want.Indices(ctx)
		h.same("indices", []any{i1, err1}, []any{i2, err2})
		f1, err1 := got.Fields(ctx, nil)
		f2, err2 := want.Fields(ctx, nil)
		h.same("fields", []any{f1, err1}, []any{f2, err2})
		return
	}
	f := logging.FieldOf
	q := logging.Query{Filter: h.filter(0), Limit: h.rnd.IntN(8), Offset: h.rnd.IntN(2), TotalMax: h.rnd.IntN(12) - 1}
	switch h.rnd.IntN(5) {
	case 0:
		q.Sort = []logging.SortKey{{Field: f("@timestamp"), Desc: true}}
	case 1:
		q.Sort = []logging.SortKey{{Field: f("@timestamp")}, {Field: f("_seq"), Desc: true}}
	case 2:
		q.Sort = []logging.SortKey{{Field: f("n"), Desc: true}, {Field: f("@timestamp"), Desc: true}}
	}
	if h.rnd.IntN(3) == 0 {
		q.Indices = []string{logging.IndexFor("eu", h.pick("web", "pay"))}
	}
	if h.rnd.IntN(3) == 0 {
		q.Aggs = []logging.Agg{
			{Name: "t", Of: logging.DateHistogram{Field: f("@timestamp"), Fixed: time.Hour}, Sub: []logging.Agg{{Name: "a", Of: logging.Metric{Field: f("n"), Kind: logging.Avg}}}},
			{Name: "k", Of: logging.Terms{Field: f("tag"), Size: 5}},
		}
	}
	r1, err1 := got.Search(ctx, q)
	r2, err2 := want.Search(ctx, q)
	h.same(fmt.Sprintf("search %+v", q), []any{r1, err1}, []any{r2, err2})
	if r1 != nil && len(r1.Hits) > 0 && len(q.Sort) > 0 {
		q.After, q.Offset = r1.Hits[len(r1.Hits)-1].Sort, 0
		r1, err1 = got.Search(ctx, q)
		r2, err2 = want.Search(ctx, q)
		h.same(fmt.Sprintf("search after %+v", q), []any{r1, err1}, []any{r2, err2})
	}
}
