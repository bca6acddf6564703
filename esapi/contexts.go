package esapi

import (
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// Bounds of scrolls and points in time, since each holds on to a view.
const (
	contextsMax       = 1000 // of everybody
	contextsMaxCaller = 100
	keepAliveMax      = time.Hour
	keepAlivePreset   = 5 * time.Minute
)

// contexts are the views that are kept between requests. A context belongs to
// the scope that opened it: to all others it does not exist.
type contexts struct {
	mu   sync.Mutex // guards open
	open map[string]*searchContext
}

// searchContext is one scroll or point in time.
type searchContext struct {
	id, key string
	view    logging.View
	ch      chosen
	timer   *time.Timer

	mu     sync.Mutex // held while the view is used; guards what follows
	closed bool
	search *dsl.Search // of a scroll; nil for a point in time
	query  logging.Query
	total  logging.Result // a scroll's first count
	done   bool           // a scroll's end was reached
}

// add keeps a view. The context is the owner of the view from then on, unless
// an error comes back.
func (cs *contexts) add(key string, sc *searchContext, keep time.Duration) error {
	var b [24]byte
	if _, err := rand.Read(b[:]); err != nil {
		return err
	}
	sc.id, sc.key = base64.RawURLEncoding.EncodeToString(b[:]), key
	cs.mu.Lock()
	defer cs.mu.Unlock()
	own := 0
	for _, other := range cs.open {
		if other.key == key {
			own++
		}
	}
	if own >= contextsMaxCaller || len(cs.open) >= contextsMax {
		return &dsl.Error{Status: http.StatusTooManyRequests, Type: "too_many_scroll_contexts_exception",
			Reason: "Trying to create too many scroll contexts. Must be less than or equal to: [" + strconv.Itoa(contextsMaxCaller) + "]. Close those that are done."}
	}
	cs.open[sc.id] = sc
	sc.timer = time.AfterFunc(keep, func() { cs.drop(sc) })
	return nil
}

// use gives a context of that scope, locked, and lets it live on. Unlock it.
func (cs *contexts) use(key, id string, keep time.Duration) *searchContext {
	cs.mu.Lock()
	sc := cs.open[id]
	cs.mu.Unlock()
	if sc == nil || sc.key != key {
		return nil
	}
	sc.mu.Lock()
	if sc.closed {
		sc.mu.Unlock()
		return nil
	}
	if keep > 0 {
		sc.timer.Reset(keep)
	}
	return sc
}

// drop closes a context, after whoever uses it is done.
func (cs *contexts) drop(sc *searchContext) {
	cs.mu.Lock()
	delete(cs.open, sc.id)
	cs.mu.Unlock()
	sc.timer.Stop()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if !sc.closed {
		sc.closed = true
		_ = sc.view.Close() // a view that was only read has nothing to lose
	}
}

// free closes contexts of that scope by id and tells how many there were; all
// of them for "_all".
func (cs *contexts) free(key string, ids []string) int {
	cs.mu.Lock()
	var found []*searchContext
	for _, id := range ids {
		if id == "_all" {
			for _, sc := range cs.open {
				if sc.key == key && sc.search != nil {
					found = append(found, sc)
				}
			}
		} else if sc := cs.open[id]; sc != nil && sc.key == key {
			found = append(found, sc)
		}
	}
	cs.mu.Unlock()
	for _, sc := range found {
		cs.drop(sc)
	}
	return len(found)
}

// Close ends all scrolls and points in time.
func (a *API) Close() error {
	a.contexts.mu.Lock()
	var all []*searchContext
	for _, sc := range a.contexts.open {
		all = append(all, sc)
	}
	a.contexts.mu.Unlock()
	for _, sc := range all {
		a.contexts.drop(sc)
	}
	return nil
}

func contextMissing(id string) error {
	return &dsl.Error{Status: http.StatusNotFound, Type: "search_context_missing_exception", Phase: true, Reason: "No search context found for id [" + clip(id) + "]"}
}

func keepAlive(s string, preset time.Duration) (time.Duration, error) {
	if s == "" {
		return preset, nil
	}
	d, err := dsl.ParseDuration(s)
	if err != nil {
		return 0, err
	}
	if d > keepAliveMax {
		return 0, dsl.Illegal("Keep alive for request (%s) is too large. It must be less than (1h).", clip(s))
	}
	return max(d, time.Second), nil
}

// startScroll answers the first page of a scroll.
func (c *call) startScroll(s *dsl.Search, begin time.Time) (reply, error) {
	keep, err := keepAlive(c.param("scroll"), keepAlivePreset)
	switch {
	case err != nil:
		return reply{}, err
	case s.Query.Offset > 0:
		return reply{}, dsl.Illegal("Validation Failed: 1: using [from] is not allowed in a scroll context;")
	case s.Query.Limit == 0:
		return reply{}, dsl.Illegal("Validation Failed: 1: [size] cannot be [0] in a scroll context;")
	case s.Query.After != nil:
		return reply{}, dsl.Illegal("Validation Failed: 1: using [search_after] is not allowed in a scroll context;")
	}
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	sc := &searchContext{view: v.View, ch: ch, search: s, query: s.Query}
	sc.query.Indices = ch.query()
	sc.query.Timeout = 0 // the page after one that lacks records would pass them over
	sc.query.Sort = append([]logging.SortKey(nil), s.Query.Sort...)
	if !sorted(sc.query.Sort) {
		sc.query.Sort = append(sc.query.Sort, logging.SortKey{Field: logging.Field{Name: logging.FieldSeq}})
	}
	if err := c.api.contexts.add(c.scope.Key(), sc, keep); err != nil {
		v.Close()
		return reply{}, err
	}
	out, err := c.scrollPage(sc.id, keep, begin)
	if err != nil {
		c.api.contexts.drop(sc)
	}
	return out, err
}

func sorted(keys []logging.SortKey) bool {
	for _, k := range keys {
		if k.Field.Name == logging.FieldSeq {
			return true
		}
	}
	return false
}

// scrollPage answers the next page of a scroll.
func (c *call) scrollPage(id string, keep time.Duration, begin time.Time) (reply, error) {
	sc := c.api.contexts.use(c.scope.Key(), id, keep)
	if sc == nil {
		return reply{}, contextMissing(id)
	}
	defer sc.mu.Unlock()
	if sc.search == nil {
		return reply{}, contextMissing(id)
	}
	first, before := sc.query.After == nil && !sc.done, sc.query.After
	var res *logging.Result
	if len(sc.ch.infos) > 0 {
		q := sc.query
		if sc.done {
			q.Limit = 0
		}
		if !first {
			q.Aggs, q.TotalMax = nil, -1
		}
		var err error
		if res, err = sc.search.Run(q, func(q logging.Query) (*logging.Result, error) { return sc.view.Search(c.r.Context(), q) }); err != nil {
			return reply{}, err
		}
		if first {
			sc.total = logging.Result{Total: res.Total, TotalAtLeast: res.TotalAtLeast}
		}
		res.Total, res.TotalAtLeast = sc.total.Total, sc.total.TotalAtLeast
		if n := len(res.Hits); n > 0 {
			sc.query.After = res.Hits[n-1].Sort
		}
		sc.done = sc.done || len(res.Hits) < q.Limit
	}
	out, err := c.answer(nil, sc.search, res, dsl.Reply{
		Took: time.Since(begin), Shards: sc.ch.shards(), ScrollID: sc.id, NoAggs: !first,
	})
	if err != nil {
		sc.query.After, sc.done = before, false // the page can be asked for again
	}
	return ok(out), err
}

// scroll answers _search/scroll: the next page, or the end.
func scroll(c *call) (reply, error) {
	begin := time.Now()
	body, err := c.json()
	if err != nil {
		return reply{}, err
	}
	ids := trimmed([]string{c.vars["scroll"], c.param("scroll_id")})
	if n, has := body.Get("scroll_id"); has {
		list, isList := n.Strings()
		if !isList || len(list) > contextsMax {
			return reply{}, dsl.Parsing("[scroll_id] wants a string or an array of strings")
		}
		ids = list
	}
	if len(ids) == 0 {
		return reply{}, &dsl.Error{Status: http.StatusBadRequest, Type: "action_request_validation_exception", Reason: "Validation Failed: 1: scrollId is missing;"}
	}
	if c.r.Method == http.MethodDelete {
		return freed(c.api.contexts.free(c.scope.Key(), ids)), nil
	}
	keepText := c.param("scroll")
	if n, has := body.Get("scroll"); has {
		keepText = n.Text
	}
	keep, err := keepAlive(keepText, 0)
	if err != nil {
		return reply{}, err
	}
	return c.scrollPage(ids[0], keep, begin)
}

func freed(n int) reply {
	out := ok([]byte(`{"succeeded":true,"num_freed":` + strconv.Itoa(n) + "}"))
	if n == 0 {
		out.status = http.StatusNotFound
	}
	return out
}

// openPIT answers /{index}/_pit.
func openPIT(c *call) (reply, error) {
	if c.param("keep_alive") == "" {
		return reply{}, dsl.Illegal("Validation Failed: 1: [keep_alive] is not specified;")
	}
	keep, err := keepAlive(c.param("keep_alive"), 0)
	if err != nil {
		return reply{}, err
	}
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	sc := &searchContext{view: v.View, ch: ch}
	if err := c.api.contexts.add(c.scope.Key(), sc, keep); err != nil {
		v.Close()
		return reply{}, err
	}
	b := jsontext.AppendString([]byte(`{"id":`), sc.id)
	b = ch.shards().Append(append(b, `,"_shards":`...))
	return ok(append(b, '}')), nil
}

// closePIT answers DELETE /_pit.
func closePIT(c *call) (reply, error) {
	body, err := c.json()
	if err != nil {
		return reply{}, err
	}
	id, _ := body.Get("id")
	if id.Kind != dsl.Text {
		return reply{}, dsl.Parsing("[id] of the point in time is missing")
	}
	return freed(c.api.contexts.free(c.scope.Key(), []string{id.Text})), nil
}

// searchPIT answers a search in a point in time.
func (c *call) searchPIT(s *dsl.Search, begin time.Time) (reply, error) {
	if c.vars["index"] != "" {
		return reply{}, dsl.Illegal("Validation Failed: 1: [indices] cannot be used with point in time. Do not specify any index with point in time.;")
	}
	out, err := c.inPIT(nil, s, begin, false)
	return ok(out), err
}

func (c *call) partPIT(dst []byte, s *dsl.Search, begin time.Time) ([]byte, error) {
	return c.inPIT(dst, s, begin, true)
}

func (c *call) inPIT(dst []byte, s *dsl.Search, begin time.Time, status bool) ([]byte, error) {
	sc := c.api.contexts.use(c.scope.Key(), s.PIT.ID, min(s.PIT.KeepAlive, keepAliveMax))
	if sc == nil {
		return nil, contextMissing(s.PIT.ID)
	}
	defer sc.mu.Unlock()
	if sc.search != nil {
		return nil, contextMissing(s.PIT.ID)
	}
	res, err := ask(c.r.Context(), sc.view, s, sc.ch)
	if err != nil {
		return nil, err
	}
	return c.answer(dst, s, res, dsl.Reply{Took: time.Since(begin), Shards: sc.ch.shards(), PitID: sc.id, Status: status})
}
