package multiline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var scope = scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop"}})

// sink keeps what it is given, and fails when told to.
type sink struct {
	mu      sync.Mutex
	batches []logging.Batch
	err     error
}

func (s *sink) Append(_ context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil, s.err
	}
	s.batches = append(s.batches, b)
	out := make([]logging.ItemResult, len(b.Records))
	for i := range out {
		out[i] = logging.ItemResult{Status: logging.Stored, Seq: uint64(100*len(s.batches) + i)}
	}
	return out, nil
}

func (s *sink) messages() (out []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		for _, r := range b.Records {
			out = append(out, r.Message)
		}
	}
	return out
}

// records makes lines of pod web; "POD» line" is another's, and "P» line" a piece
// of which more follows.
func records(t testing.TB, lines ...string) (out []logging.Record) {
	t.Helper()
	for _, line := range lines {
		pod, tag := "web", "F"
		if p, rest, ok := strings.Cut(line, "» "); ok {
			if line = rest; p == "P" {
				tag = "P"
			} else {
				pod = p
			}
		}
		out = append(out, record(t, pod, tag, line))
	}
	return out
}

func record(t testing.TB, pod, tag, line string) logging.Record {
	t.Helper()
	src, err := json.Marshal(map[string]any{"log": line + "\n", "logtag": tag, "kubernetes": map[string]string{"namespace_name": "shop", "pod_name": pod, "container_name": "main"}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := (&logging.Stamper{}).Stamp(scope, logging.Raw{Source: src, AddFields: true})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const javaTrace = `2026-11-29 ERROR request failed
java.lang.IllegalStateException: cart is empty
	at shop.Cart.pay(Cart.java:42)
	at shop.Web.post(Web.java:7)
	Suppressed: java.io.IOException: closed
		at shop.Cart.close(Cart.java:99)
Caused by: java.sql.SQLException: timeout
	at org.postgresql.Driver.connect(Driver.java:1)
	... 12 more
2026-11-29 INFO next`

const pythonTrace = `starting
Traceback (most recent call last):
  File "/app/a.py", line 3, in pay
    charge(card)
KeyError: 'card'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/app/a.py", line 9, in <module>
    pay()
app.errors.PayError: no card
INFO: listening`

const goTrace = `listening
panic: runtime error: index out of range [3] with length 2

goroutine 1 [running]:
main.pay({0xc00009e000, 0x2, 0x2})
	/app/main.go:12 +0x1d
main.(*cart).close(0xc000012120)
	/app/main.go:7 +0x1c
created by main.main in goroutine 1
	/app/main.go:3 +0x25
exit status 2
listening again`

const nodeTrace = `listening on 3000
TypeError: Cannot read properties of undefined (reading 'card')
    at pay (/app/cart.js:12:9)
    at async Server.<anonymous> (/app/index.js:3:1)
  [cause]: Error: timeout
      at connect (/app/db.js:1:1)
GET /health 200`

const dotnetTrace = `info: started
Unhandled exception. System.InvalidOperationException: Cart is empty
 ---> System.TimeoutException: no answer
   at Shop.Db.Connect() in /src/Db.cs:line 3
   --- End of inner exception stack trace ---
   at Shop.Cart.Pay() in /src/Cart.cs:line 42
info: next`

// Which lines become one record.
func TestJoin(t *testing.T) {
	for name, tc := range map[string]struct {
		lines []string
		want  []int // lines of each record
	}{
		"java":                     {strings.Split(javaTrace, "\n"), []int{1, 8, 1}},
		"python":                   {strings.Split(pythonTrace, "\n"), []int{1, 11, 1}},
		"go":                       {strings.Split(goTrace, "\n"), []int{1, 10, 1}},
		"node":                     {strings.Split(nodeTrace, "\n"), []int{1, 5, 1}},
		"dotnet":                   {strings.Split(dotnetTrace, "\n"), []int{1, 5, 1}},
		"an error is no trace":     {[]string{"Error: refused", "Error: refused", "  indented", "done"}, []int{1, 1, 1, 1}},
		"nothing begins":           {[]string{"\tat shop.Cart", "Caused by: x"}, []int{1, 1}},
		"two traces":               {[]string{"a.BException: x", "\tat y", "a.BException: x", "\tat y", "end"}, []int{2, 2, 1}},
		"an end is no link":        {[]string{"Traceback (most recent call last):", "  File", "KeyError: 1", "ValueError: logged"}, []int{3, 1}},
		"no link behind the blank": {[]string{"Traceback (most recent call last):", "  File", "KeyError: 1", "", "INFO: x"}, []int{4, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{}
			results, err := New(Options{Appender: s, Wait: time.Millisecond}).Append(t.Context(), scope, logging.Batch{Records: records(t, tc.lines...), Key: "k"})
			if err != nil || len(results) != len(tc.lines) {
				t.Fatalf("%d results, %v", len(results), err)
			}
			var want []string
			var places []uint64
			for rest := tc.lines; len(tc.want) > 0; tc.want = tc.want[1:] {
				want = append(want, strings.Join(rest[:tc.want[0]], "\n"))
				for range tc.want[0] {
					places = append(places, uint64(100+len(want)-1))
				}
				rest = rest[tc.want[0]:]
			}
			if got := s.messages(); !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
			for i, r := range results {
				if r.Seq != places[i] {
					t.Errorf("line %d has the result of %d, want %d", i, r.Seq, places[i])
				}
			}
			for _, r := range s.batches[0].Records {
				var doc struct{ Log, Message string }
				if err := json.Unmarshal(r.Source, &doc); err != nil || doc.Log != r.Message+"\n" || doc.Message != r.Message {
					t.Errorf("%v: %s", err, r.Source)
				}
			}
		})
	}
}

// Lines of other pods in between, pieces of long lines, and the bounds.
func TestStreamsPiecesBounds(t *testing.T) {
	s := &sink{}
	j := New(Options{Appender: s, Wait: time.Millisecond, LinesMax: 3, Rules: []Rule{
		{Name: "ours", Namespace: "shop", Container: "ma*", Start: regexp.MustCompile(`^\[`)},
	}})
	append_ := func(lines ...string) {
		t.Helper()
		if _, err := j.Append(t.Context(), scope, logging.Batch{Records: records(t, lines...)}); err != nil {
			t.Fatal(err)
		}
	}
	append_("[1] a", "web-2» [1] x", "b", "web-2» y", "[2] c", "P» [3] long", "P»  and longer", " and over", "d", "e", "f", "g")
	want := []string{"[1] a\nb", "[1] x\ny", "[2] c", "[3] long and longer and over\nd\ne", "f\ng"}
	if got := s.messages(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// A document that is large already takes no more lines than a store takes bytes.
func TestDocumentsStayBounded(t *testing.T) {
	s := &sink{}
	batch := records(t, "a.BException: x", "\tat "+strings.Repeat("\x1b", 100<<10), "\tat y")
	pad := fmt.Sprintf(`{"pad":%q,`, strings.Repeat("x", logging.SourceBytesMax-200<<10))
	batch[0].Source = append([]byte(pad), batch[0].Source[1:]...)
	if _, err := New(Options{Appender: s}).Append(t.Context(), scope, logging.Batch{Records: batch}); err != nil {
		t.Fatal(err)
	}
	for _, r := range s.batches[0].Records {
		if len(r.Source) > logging.SourceBytesMax {
			t.Errorf("a document of %d bytes", len(r.Source))
		}
	}
}

// What goes over two batches.
func TestHeld(t *testing.T) {
	lines := strings.Split(javaTrace, "\n")
	run := func(t *testing.T, fail error) (s *sink, errs [2]error, took [2]time.Duration) {
		s = &sink{err: fail}
		j := New(Options{Appender: s, Wait: time.Second})
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, errs[0] = j.Append(t.Context(), scope, logging.Batch{Records: records(t, lines[:4]...), Key: "one"})
			took[0] = time.Since(begin)
		})
		synctest.Wait()
		if got := s.messages(); len(got) > 0 {
			t.Errorf("answered before it could be: %q", got)
		}
		time.Sleep(300 * time.Millisecond)
		_, errs[1] = j.Append(t.Context(), scope, logging.Batch{Records: records(t, lines[4:]...), Key: "two"})
		took[1] = time.Since(begin)
		wg.Wait()
		return s, errs, took
	}
	t.Run("joined", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s, errs, took := run(t, nil)
			want := []string{strings.Join(lines[1:9], "\n"), lines[0], lines[9]}
			if got := s.messages(); !slices.Equal(got, want) || errs != [2]error{} || took[0] != 300*time.Millisecond {
				t.Errorf("got %q\nwant %q\n%v, after %v", got, want, errs, took)
			}
			// What has lines of both is neither's alone.
			if first := s.batches[0].Key; first == "" || first == "one" || s.batches[1].Key != "one" || s.batches[2].Key != "two" {
				t.Errorf("keys %q, %q, %q", first, s.batches[1].Key, s.batches[2].Key)
			}
		})
	})
	// Where the first one is not durable, the second one is not answered either.
	t.Run("failed", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			_, errs, _ := run(t, logging.ErrUnavailable)
			for _, err := range errs {
				if !errors.Is(err, logging.ErrUnavailable) {
					t.Errorf("%v", errs)
				}
			}
		})
	})
	// Nothing comes: the batch waits for a second, and no longer.
	t.Run("waited", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			j := New(Options{Appender: s, Wait: time.Second})
			begin := time.Now()
			if _, err := j.Append(t.Context(), scope, logging.Batch{Records: records(t, lines[:4]...)}); err != nil || time.Since(begin) != time.Second {
				t.Errorf("%v, after %v", err, time.Since(begin))
			}
			if len(j.held) > 0 || len(s.messages()) != 2 {
				t.Errorf("%d are held, %q", len(j.held), s.messages())
			}
			// And a sender that gives up leaves nothing behind.
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			defer cancel()
			if _, err := j.Append(ctx, scope, logging.Batch{Records: records(t, lines[:4]...)}); !errors.Is(err, context.DeadlineExceeded) || len(j.held) > 0 {
				t.Errorf("%v, %d are held", err, len(j.held))
			}
		})
	})
	// One that takes what another holds back, and holds back itself, in a ring of
	// pods: nobody waits for ever.
	t.Run("many", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &sink{}
			j := New(Options{Appender: s, Wait: time.Second})
			var wg sync.WaitGroup
			total := 0
			for i := range 50 {
				var batch []string
				for pod := range 5 {
					for _, line := range lines[(i+pod)%8 : (i+pod)%8+2] {
						batch = append(batch, fmt.Sprintf("p%d» %s", pod, line))
					}
				}
				total += len(batch)
				wg.Go(func() {
					time.Sleep(time.Duration(i%7) * 100 * time.Millisecond)
					if _, err := j.Append(t.Context(), scope, logging.Batch{Records: records(t, batch...)}); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			n := 0
			for _, m := range s.messages() {
				n += strings.Count(m, "\n") + 1
			}
			if n != total || len(j.held) > 0 {
				t.Errorf("%d lines of %d, %d are held", n, total, len(j.held))
			}
		})
	})
}

// FuzzJoin: whatever the lines and wherever batches are cut, every line is there
// once, in its order.
func FuzzJoin(f *testing.F) {
	for _, trace := range []string{javaTrace, pythonTrace, goTrace, nodeTrace, dotnetTrace} {
		f.Add(trace, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, cut uint8) {
		lines := strings.Split(strings.ToValidUTF8(strings.ReplaceAll(text, "\r", ""), "?"), "\n")
		if len(lines) > 200 {
			return
		}
		s := &sink{}
		j := New(Options{Appender: s, Wait: time.Microsecond, LinesMax: 7})
		var want []string
		for len(lines) > 0 {
			n := min(int(cut)%11+1, len(lines))
			var batch []logging.Record
			for i, line := range lines[:n] {
				batch = append(batch, record(t, "web", "FP"[(i+int(cut))/13%2:][:1], line))
				want = append(want, batch[i].Message)
			}
			if results, err := j.Append(t.Context(), scope, logging.Batch{Records: batch}); err != nil || len(results) != n {
				t.Fatalf("%d results of %d, %v", len(results), n, err)
			}
			lines = lines[n:]
		}
		var got []string
		for _, b := range s.batches {
			for _, r := range b.Records {
				if !json.Valid(r.Source) {
					t.Fatalf("%s", r.Source)
				}
				got = append(got, r.Message)
			}
		}
		if a, b := strings.ReplaceAll(strings.Join(got, ""), "\n", ""), strings.ReplaceAll(strings.Join(want, ""), "\n", ""); a != b {
			t.Fatalf("got  %q\nwant %q", got, want)
		}
	})
}
