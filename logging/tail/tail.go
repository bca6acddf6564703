// Package tail streams log records as they become durable: what
// 'oriel logs -f' and curl follow.
//
//	GET /api/v1/logs/tail?query=level:error&after=4711
//
// The answer has no end. It is NDJSON: a record a line, in the order in which
// they became durable,
//
//	{"seq":4712,"index":"logs-eu-1-shop","id":"000000003mw","source":{...}}
//
// and an empty line now and then where there is nothing. The header Oriel-After
// names the seq behind which it begins. A seq names a record and tells nothing else:
// those of later records are not greater. after is the seq of the
// last record that the caller has: everything behind it comes, so that whoever
// lost the connection misses nothing. Without it the stream begins now. With
// wait=30s the answer ends after that time, with wait=0s when the caller has what
// is there. A reader that is slower than what comes in is not cut off: it gets
// the records from the store instead.
package tail

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Options of the API. Searcher is needed.
type Options struct {
	Searcher logging.Searcher // in whose records positions ascend
	// Veil is between positions and what is shown of them. nil: they are shown.
	Veil *logging.Veil
	// Ending, when closed, ends every stream: the process is about to go. May be nil.
	Ending <-chan struct{}
	Clock  clock.Clock // nil: the machine's
}

const (
	headerAfter = "Oriel-After"

	pageRecords = 1000                  // read from the store at a time
	flushAfter  = 10 * time.Millisecond // of the first record that waits
	blankEvery  = 15 * time.Second      // so that proxies and dead readers are noticed

	streamsMax = 100 // of one scope at a time: every record that comes is held against each of them
)

// New makes the API.
func New(o Options) httpx.API {
	if o.Clock == nil {
		o.Clock = clock.System
	}
	m := httpx.NewMux(httpx.JSONError)
	open := &open{of: map[string]int{}}
	m.Handle(httpx.Route{Methods: []string{http.MethodGet}, Pattern: "/api/v1/logs/tail", Access: httpx.Read}, func(w http.ResponseWriter, r *http.Request) {
		s := stream{o: o, scope: tenant.ReadFrom(r.Context()), w: w, out: bufio.NewWriterSize(w, 64<<10)}
		if err := s.parse(r); err != nil {
			httpx.JSONError(w, r, http.StatusBadRequest, err.Error())
			return
		}
		leave, ok := open.enter(s.scope)
		if !ok {
			httpx.JSONError(w, r, http.StatusTooManyRequests, "there are "+strconv.Itoa(streamsMax)+" log streams open under this scope, and there may be no more: close those that nobody reads")
			return
		}
		defer leave()
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if o.Ending != nil {
			go func() {
				select {
				case <-o.Ending:
					cancel()
				case <-ctx.Done():
				}
			}()
		}
		s.run(ctx)
	})
	return m
}

// open counts the streams of every scope. Safe for concurrent use.
type open struct {
	mu sync.Mutex // guards of
	of map[string]int
}

// enter takes a place, that leave gives back; ok is false where there is none.
func (o *open) enter(scope tenant.Read) (leave func(), ok bool) {
	key := "*"
	if !scope.All() {
		key = fmt.Sprint(scope.Tenants())
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of[key] >= streamsMax {
		return nil, false
	}
	o.of[key]++
	return func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.of[key]--; o.of[key] == 0 {
			delete(o.of, key)
		}
	}, true
}

// stream is one answer.
type stream struct {
	o      Options
	scope  tenant.Read
	filter logging.Filter
	after  int64         // seq of the last record written; -1: from now
	wait   time.Duration // -1: for ever
	w      http.ResponseWriter
	line   []byte

	mu  sync.Mutex // guards what follows
	out *bufio.Writer
	err error
}

// parse reads the parameters.
func (s *stream) parse(r *http.Request) (err error) {
	q := r.URL.Query()
	for name := range q {
		if name != "query" && name != "after" && name != "wait" {
			return errors.New("parameter " + strconv.Quote(name) + " is not known here: there are query, after and wait")
		}
	}
	s.filter, s.after, s.wait = logging.All{}, -1, -1
	if text := q.Get("query"); text != "" {
		if s.filter, err = dsl.ParseQueryString(text, dsl.Env{Now: s.o.Clock()}); err != nil {
			return err
		}
		if s.filter, err = s.o.Veil.Filter(s.filter); err != nil {
			return err
		}
	}
	if text := q.Get("after"); text != "" {
		after, err := strconv.ParseInt(text, 10, 64)
		if err != nil || after < 0 {
			return errors.New("after=" + strconv.Quote(text) + ": want the seq of the last record that you have, such as 4711")
		}
		s.after = int64(s.o.Veil.Seq(uint64(after)))
	}
	if text := q.Get("wait"); text != "" {
		if s.wait, err = time.ParseDuration(text); err != nil || s.wait < 0 {
			return errors.New("wait=" + strconv.Quote(text) + ": want how long to go on, such as 30s")
		}
	}
	return nil
}

// run answers until the caller leaves or ctx ends.
func (s *stream) run(ctx context.Context) {
	h := s.w.Header()
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx
	if s.after >= 0 {
		h.Set(headerAfter, s.shownAfter())
	}
	if s.wait > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.wait)
		defer cancel()
	}
	begun := false
	for ctx.Err() == nil {
		// First the ear, then the eye: what becomes durable in between is heard.
		heard := s.o.Searcher.Tail(ctx, s.scope, s.filter)
		if err := s.catchUp(ctx); err != nil {
			if !begun && s.line == nil && ctx.Err() == nil {
				httpx.JSONError(s.w, nil, http.StatusServiceUnavailable, "the log store does not answer now: come again")
			}
			return
		}
		if !begun {
			begun = true
			s.send() // the header, if nothing else
			if s.wait == 0 {
				return
			}
			stop := s.keepFlushing(ctx)
			defer stop()
		}
		for rec, err := range heard {
			if errors.Is(err, logging.ErrLagging) {
				break // what was missed is in the store
			}
			if err != nil || s.write(&rec) != nil {
				return
			}
		}
	}
}

// catchUp writes what became durable behind the last record written. Where there
// is none yet, the newest that is there now counts as written.
func (s *stream) catchUp(ctx context.Context) error {
	view, err := s.o.Searcher.Snapshot(ctx, s.scope)
	if err != nil {
		return err
	}
	defer view.Close()
	seq := logging.Field{Name: logging.FieldSeq}
	if s.after < 0 {
		res, err := view.Search(ctx, logging.Query{Limit: 1, TotalMax: -1, Sort: []logging.SortKey{{Field: seq, Desc: true}}})
		if err != nil {
			return err
		}
		s.after = 0
		if len(res.Hits) > 0 {
			s.after = int64(res.Hits[0].Record.Seq)
		}
		s.w.Header().Set(headerAfter, s.shownAfter())
		return nil
	}
	for {
		res, err := view.Search(ctx, logging.Query{
			Filter: logging.And{logging.Range{Field: seq, Min: &logging.Bound{Value: logging.Int(s.after)}}, s.filter},
			Limit:  pageRecords, TotalMax: -1, Sort: []logging.SortKey{{Field: seq}},
		})
		if err != nil {
			return err
		}
		for i := range res.Hits {
			if err := s.write(&res.Hits[i].Record); err != nil {
				return err
			}
		}
		if len(res.Hits) < pageRecords {
			return nil
		}
	}
}

// shownAfter is the seq behind which the answer begins, as it is shown.
func (s *stream) shownAfter() string {
	return strconv.FormatUint(s.o.Veil.Shown(uint64(s.after)), 10)
}

// write adds a record, but for one that was written before.
func (s *stream) write(r *logging.Record) error {
	if int64(r.Seq) <= s.after {
		return nil
	}
	s.after = int64(r.Seq)
	b := append(s.line[:0], `{"seq":`...)
	b = strconv.AppendUint(b, s.o.Veil.Shown(r.Seq), 10)
	b = jsontext.AppendString(append(b, `,"index":`...), r.Index)
	b = jsontext.AppendString(append(b, `,"id":`...), s.o.Veil.ShownID(r.ID))
	b = append(append(append(b, `,"source":`...), oneLine(r.Source)...), '}', '\n')
	s.line = b
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		_, s.err = s.out.Write(b)
	}
	return s.err
}

// oneLine gives a document without line ends: between its tokens there may be
// some, inside of strings there cannot.
func oneLine(src []byte) []byte {
	for i, c := range src {
		if c != '\n' && c != '\r' {
			continue
		}
		out := append([]byte(nil), src...)
		for j := i; j < len(out); j++ {
			if out[j] == '\n' || out[j] == '\r' {
				out[j] = ' '
			}
		}
		return out
	}
	return src
}

// keepFlushing sends what was written a moment ago, and a blank line where it is
// quiet for long. Call the function that it returns before the handler ends.
func (s *stream) keepFlushing(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(flushAfter)
		defer tick.Stop()
		quiet := time.Duration(0)
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if quiet += flushAfter; quiet >= blankEvery {
				s.mu.Lock()
				if s.err == nil && s.out.Buffered() == 0 {
					s.err = s.out.WriteByte('\n')
				}
				s.mu.Unlock()
			}
			if s.waits() {
				quiet = 0
				s.send()
			}
		}
	}()
	return func() {
		cancel()
		<-done
		s.send()
	}
}

// waits reports whether there is something to send.
func (s *stream) waits() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Buffered() > 0
}

// send sends what waits.
func (s *stream) send() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = s.out.Flush()
	}
	if s.err == nil {
		s.err = http.NewResponseController(s.w).Flush()
	}
}
