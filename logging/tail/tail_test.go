package tail_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/logging/tail"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// follower is a client with an open stream.
type follower struct {
	t     *testing.T
	lines *bufio.Scanner
}

type line struct {
	Seq    uint64
	Index  string
	ID     string
	Source struct{ Message string }
}

// next gives the next record.
func (f *follower) next() line {
	f.t.Helper()
	for f.lines.Scan() {
		if len(f.lines.Bytes()) == 0 {
			continue
		}
		var l line
		if err := json.Unmarshal(f.lines.Bytes(), &l); err != nil {
			f.t.Fatalf("%s: %v", f.lines.Bytes(), err)
		}
		return l
	}
	f.t.Fatalf("the stream ended: %v", f.lines.Err())
	return line{}
}

// serve starts the API for one scope.
func serve(t *testing.T, s logging.Searcher, scope tenant.Read, ending <-chan struct{}) string {
	t.Helper()
	api := tail.New(tail.Options{Searcher: s, Ending: ending})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, r.WithContext(tenant.WithRead(r.Context(), scope)))
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/api/v1/logs/tail"
}

func follow(t *testing.T, address string) *follower {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	return &follower{t, bufio.NewScanner(res.Body)}
}

func put(t *testing.T, s logging.Appender, id tenant.ID, messages ...string) {
	t.Helper()
	var b logging.Batch
	for _, m := range messages {
		now := time.Now().UTC()
		b.Records = append(b.Records, logging.Record{Tenant: id, Index: "app", Time: now, Received: now, Message: m, Source: fmt.Appendf(nil, "{\n\"message\":%q}", m)})
	}
	if _, err := s.Append(context.Background(), scopetest.Write(id), b); err != nil {
		t.Fatal(err)
	}
}

func TestFollow(t *testing.T) {
	s := mem.New(mem.Options{})
	put(t, s, "shop", "before")
	at := serve(t, s, scopetest.Read("shop"), nil)
	all, errs := follow(t, at), follow(t, at+"?query="+url.QueryEscape("message:refused"))
	put(t, s, "billing", "a secret, refused")
	put(t, s, "shop", "accepted", "connection refused")
	if got := all.next(); got.Source.Message != "accepted" || got.Index != "app" || got.ID != logging.DerivedID(got.Seq) {
		t.Errorf("first line: %+v", got)
	}
	if got := all.next(); got.Source.Message != "connection refused" {
		t.Errorf("second line: %+v", got)
	}
	if got := errs.next(); got.Source.Message != "connection refused" {
		t.Errorf("with a query: %+v", got)
	}
}

func TestAfter(t *testing.T) {
	s := mem.New(mem.Options{})
	put(t, s, "shop", "one", "two", "three")
	f := follow(t, serve(t, s, scopetest.Read("shop"), nil)+"?after=1")
	put(t, s, "shop", "four")
	for _, want := range []string{"two", "three", "four"} {
		if got := f.next(); got.Source.Message != want {
			t.Errorf("got %q, want %q", got.Source.Message, want)
		}
	}
}

// slow cuts every tail off before it has said a word, as happens to readers who
// do not keep up.
type slow struct{ logging.Searcher }

func (s slow) Tail(ctx context.Context, r tenant.Read, f logging.Filter) iter.Seq2[logging.Record, error] {
	heard := s.Searcher.Tail(ctx, r, f)
	return func(yield func(logging.Record, error) bool) {
		for range heard {
			break
		}
		if ctx.Err() == nil {
			yield(logging.Record{}, logging.ErrLagging)
		}
	}
}

func TestSlowReaderMissesNothing(t *testing.T) {
	s := mem.New(mem.Options{})
	f := follow(t, serve(t, slow{s}, scopetest.Read("shop"), nil))
	for i := range 20 {
		want := fmt.Sprintf("record %d", i)
		put(t, s, "shop", want)
		if got := f.next(); got.Source.Message != want {
			t.Fatalf("got %q, want %q", got.Source.Message, want)
		}
	}
}

func TestWait(t *testing.T) {
	s := mem.New(mem.Options{})
	put(t, s, "shop", "one", "two")
	at := serve(t, s, scopetest.Read("shop"), nil)
	for _, wait := range []string{"0s", "1ms"} {
		f := follow(t, at+"?after=1&wait="+wait)
		if got := f.next(); got.Source.Message != "two" {
			t.Errorf("wait %s: got %q", wait, got.Source.Message)
		}
		for f.lines.Scan() {
			t.Errorf("wait %s: and then %q", wait, f.lines.Text())
		}
		if err := f.lines.Err(); err != nil {
			t.Error(err)
		}
	}
}

func TestEnding(t *testing.T) {
	ending := make(chan struct{})
	f := follow(t, serve(t, mem.New(mem.Options{}), scopetest.Read("shop"), ending))
	close(ending)
	if f.lines.Scan() || f.lines.Err() != nil {
		t.Errorf("got %q, %v; want a clean end", f.lines.Text(), f.lines.Err())
	}
}

// TestStreamsAtATime: one tenant's readers are bounded, and take no place from another's.
func TestStreamsAtATime(t *testing.T) {
	api := tail.New(tail.Options{Searcher: mem.New(mem.Options{})})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, r.WithContext(tenant.WithRead(r.Context(), scopetest.Read(tenant.ID(r.Header.Get("Tenant"))))))
	}))
	t.Cleanup(srv.Close)
	ask := func(id, wait string) (status int, leave func() error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/api/v1/logs/tail"+wait, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Tenant", id)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = res.Body.Close() })
		return res.StatusCode, res.Body.Close
	}
	var leave func() error
	for range 100 {
		var status int
		if status, leave = ask("shop", ""); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	if status, _ := ask("shop", "?wait=0s"); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", status)
	}
	if status, _ := ask("billing", "?wait=0s"); status != http.StatusOK {
		t.Errorf("somebody else: %d", status)
	}
	_ = leave()
	for status := 0; status != http.StatusOK; { // once the server has noticed
		status, _ = ask("shop", "?wait=0s")
	}
}

func TestBadRequests(t *testing.T) {
	at := serve(t, mem.New(mem.Options{}), scopetest.Read("shop"), nil)
	for _, tt := range []struct{ query, want string }{
		{"query=" + url.QueryEscape("a:("), "Failed to parse query"},
		{"wait=long", "want how long"},
		{"after=x", "want the seq of the last record"},
		{"tenant=billing", "not known here"},
	} {
		res, err := http.Get(at + "?" + tt.query)
		if err != nil {
			t.Fatal(err)
		}
		var body struct{ Error string }
		err = json.NewDecoder(res.Body).Decode(&body)
		_ = res.Body.Close()
		if err != nil || res.StatusCode != http.StatusBadRequest || !strings.Contains(body.Error, tt.want) {
			t.Errorf("%s: %s %q %v, want 400 and %q", tt.query, res.Status, body.Error, err, tt.want)
		}
	}
}
