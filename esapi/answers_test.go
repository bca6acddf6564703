package esapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// slowReader is a client that does not read its answer until it is let go.
type slowReader struct {
	*httptest.ResponseRecorder
	reached chan struct{}
	let     chan struct{}
}

func (w *slowReader) Write(b []byte) (int, error) {
	close(w.reached)
	<-w.let
	return w.ResponseRecorder.Write(b)
}

// TestAnswersMemory: what answers take until they are sent is bounded all together, is
// given back, and a request beyond it is told so.
func TestAnswersMemory(t *testing.T) {
	s := mem.New(mem.Options{Clock: func() time.Time { return testNow }})
	var b logging.Batch
	for i := range 20 { // 200 KiB each
		b.Records = append(b.Records, logging.Record{
			Tenant: "shop", Index: "big", ID: fmt.Sprint("d", i), Time: testNow, Received: testNow,
			Source: fmt.Appendf(nil, `{"message":%q}`, strings.Repeat("large ", 200<<10/6)),
		})
	}
	if _, err := s.Append(context.Background(), scopetest.Write("shop"), b); err != nil {
		t.Fatal(err)
	}
	a := New(Options{Searcher: s, Bulk: fakeBulk{}, Clock: func() time.Time { return testNow }, AnswersBytesMax: 14 << 20})
	t.Cleanup(func() { a.Close() })
	h := as(a, scopetest.Read("shop"), tenant.Write{})
	request := func(path, body string) *http.Request {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		return r
	}
	ask := func(path, body string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request(path, body))
		return w.Code, w.Body.String()
	}
	refused := func(what, path, body string) {
		t.Helper()
		if code, got := ask(path, body); code != http.StatusTooManyRequests || !strings.Contains(got, "circuit_breaking_exception") || !strings.Contains(got, "es.answers_memory") {
			t.Errorf("%s: %d %.300s", what, code, got)
		}
	}
	served := func(what, path, body string) {
		t.Helper()
		if code, got := ask(path, body); code != http.StatusOK {
			t.Errorf("%s: %d %.300s", what, code, got)
		}
		if n := a.answers.held.Load(); n != 0 {
			t.Errorf("%s: %d bytes are held when it is sent", what, n)
		}
	}
	const all = `{"size":20}`
	served("alone", "/big/_search", all)

	// Two that are not read (4 MiB each) and one that would take 8 while it is made.
	var wait sync.WaitGroup
	let := make(chan struct{})
	for range 2 {
		w := &slowReader{httptest.NewRecorder(), make(chan struct{}), let}
		wait.Go(func() { h.ServeHTTP(w, request("/big/_search", all)) })
		<-w.reached
	}
	refused("beside two that are not read", "/big/_search", all)
	refused("a scroll", "/big/_search?scroll=1m", all)
	if code, got := ask("/big/_search", `{"size":1,"_source":false}`); code != http.StatusOK {
		t.Errorf("a small one beside them: %d %.300s", code, got)
	}
	close(let)
	wait.Wait()
	served("once they are read", "/big/_search", all)

	// One request that asks for much.
	code, got := ask("/_msearch", strings.Repeat("{\"index\":\"big\"}\n"+all+"\n", 8))
	if code == http.StatusOK {
		var answer struct{ Responses []struct{ Status int } }
		if err := json.Unmarshal([]byte(got), &answer); err != nil {
			t.Fatal(err)
		}
		for _, r := range answer.Responses {
			code = max(code, r.Status)
		}
	}
	if code != http.StatusTooManyRequests {
		t.Errorf("eight searches in one request: %d %.200s", code, got)
	}
	ids, err := json.Marshal(strings.Split(strings.TrimSuffix(strings.Repeat("d1 ", 100), " "), " "))
	if err != nil {
		t.Fatal(err)
	}
	refused("a document a hundred times", "/big/_mget", `{"ids":`+string(ids)+`}`)
	served("five documents", "/big/_mget", `{"ids":["d1","d2","d3","d4","d5"]}`)

	// A scroll's page that was refused can be asked for again.
	code, got = ask("/big/_search?scroll=1m", `{"size":5}`)
	var page struct {
		ID string `json:"_scroll_id"`
	}
	if err := json.Unmarshal([]byte(got), &page); err != nil || code != http.StatusOK {
		t.Fatal(code, err)
	}
	next := func() string { _, got := ask("/_search/scroll", `{"scroll_id":"`+page.ID+`"}`); return got }
	a.answers.held.Add(14 << 20)
	if got := next(); !strings.Contains(got, "circuit_breaking_exception") {
		t.Errorf("the next page: %.300s", got)
	}
	a.answers.held.Add(-14 << 20)
	if got := next(); !strings.Contains(got, `"_id":"d5"`) || strings.Contains(got, `"_id":"d4"`) {
		t.Errorf("the next page, again: %.100s", got)
	}

	// What is parsed again to be indented takes many times what it is.
	var many logging.Batch
	many.Records = append(many.Records, logging.Record{Tenant: "shop", Index: "many", ID: "m", Time: testNow, Received: testNow,
		Source: append(bytes.Repeat([]byte(`1,`), 200_000), '1')})
	many.Records[0].Source = append(append([]byte(`{"a":[`), many.Records[0].Source...), "]}"...)
	if _, err := s.Append(context.Background(), scopetest.Write("shop"), many); err != nil {
		t.Fatal(err)
	}
	served("many values", "/many/_search", "{}")
	refused("many values, indented", "/many/_search?pretty", "{}")
}

// goneReader is a client whose stream ended while a piece of its answer waits to be
// sent, as HTTP/2 has it: the piece is of the memory that was written.
type goneReader struct {
	*httptest.ResponseRecorder
	waits []byte
}

func (w *goneReader) Write(b []byte) (int, error) {
	w.waits = b
	return 0, errors.New("the stream is closed")
}

// TestAnswersOfOthers: what may yet be sent of an answer stays that answer, whatever
// others ask for.
func TestAnswersOfOthers(t *testing.T) {
	s := mem.New(mem.Options{Clock: func() time.Time { return testNow }})
	for _, id := range []tenant.ID{"shop", "billing"} {
		b := logging.Batch{Records: []logging.Record{{
			Tenant: id, Index: "big", ID: "d", Time: testNow, Received: testNow,
			Source: fmt.Appendf(nil, `{"message":%q}`, strings.Repeat(string(id)+" ", 10_000)),
		}}}
		if _, err := s.Append(context.Background(), scopetest.Write(id), b); err != nil {
			t.Fatal(err)
		}
	}
	a := New(Options{Searcher: s, Bulk: fakeBulk{}, Clock: func() time.Time { return testNow }})
	t.Cleanup(func() { a.Close() })
	ask := func(w http.ResponseWriter, id tenant.ID) {
		r := httptest.NewRequest("POST", "/big/_search", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", "application/json")
		as(a, scopetest.Read(id), tenant.Write{}).ServeHTTP(w, r)
	}
	for range 20 { // the pool may forget
		gone := &goneReader{ResponseRecorder: httptest.NewRecorder()}
		ask(gone, "billing")
		ask(httptest.NewRecorder(), "shop")
		if n := bytes.Count(gone.waits, []byte("billing")); n < 10_000 || bytes.Contains(gone.waits, []byte("shop")) {
			t.Fatalf("an answer that waits has %d words of its own, and others': %.200q", n, gone.waits)
		}
	}
}
