package journal

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/mem"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var owners = scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop-prod": "shop"}})

func bin(name string, value []byte) string {
	return name + "\n" + string(binary.LittleEndian.AppendUint64(nil, uint64(len(value)))) + string(value) + "\n"
}

func post(t testing.TB, o Options, w tenant.Write, body io.Reader, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	o.Stamper = &logging.Stamper{}
	req := httptest.NewRequest(http.MethodPost, "/upload", body)
	req.Header.Set("Content-Type", "application/vnd.fdo.journal")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	rec := httptest.NewRecorder()
	New(o).API().ServeHTTP(rec, req.WithContext(tenant.WithWrite(req.Context(), w)))
	return rec
}

func stored(t testing.TB, s *mem.Store) (out []logging.Record) {
	t.Helper()
	v, err := s.Snapshot(t.Context(), scopetest.Operator())
	if err != nil {
		t.Fatal(err)
	}
	res, err := v.Search(t.Context(), logging.Query{Limit: 10_000, Sort: []logging.SortKey{{Field: logging.Field{Name: logging.FieldSeq}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range res.Hits {
		out = append(out, h.Record)
	}
	return out
}

func TestEntries(t *testing.T) {
	at := time.Now().Add(-time.Minute).Truncate(time.Microsecond).UTC()
	us := fmt.Sprint(at.UnixMicro())
	base := "__CURSOR=s=1;i=%d\n__REALTIME_TIMESTAMP=" + us + "\n"
	body := fmt.Sprintf(base, 1) + "_HOSTNAME=n1\nMESSAGE=plain = text\nPRIORITY=4\n_SYSTEMD_UNIT=ssh.service\n\n" +
		fmt.Sprintf(base, 2) + "_SOURCE_REALTIME_TIMESTAMP=" + fmt.Sprint(at.Add(-time.Second).UnixMicro()) + "\n" + bin("MESSAGE", []byte("two\nlines\xff")) + "A=1\nA=2\nEMPTY=\n" + bin("NIL", nil) + "\n" +
		"\n" + fmt.Sprintf(base, 3) + "MESSAGE=from a pod\nPRIORITY=3\n_UID=0\nCONTAINER_NAME=k8s_main.1a2b_web-5d_shop-prod_0c-uid_0\n\n" +
		fmt.Sprintf(base, 4) + "MESSAGE=forged\n_UID=1000\nCONTAINER_NAME=k8s_main_web_shop-prod_uid_0\nnamespace=shop-prod\nKUBERNETES.X=1\n=x\n0A=1\n\n"
	store := mem.New(mem.Options{})
	w := post(t, Options{Appender: store}, owners, strings.NewReader(body))
	if w.Code != http.StatusAccepted || w.Body.String() != "OK.\n" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	got := stored(t, store)
	if len(got) != 4 {
		t.Fatalf("%d records", len(got))
	}
	var texts []string
	for _, r := range got {
		texts = append(texts, fmt.Sprintf("%s|%s|%s|%s|%s|%s|%s", r.Tenant, r.Namespace, r.Pod, r.Container, r.Level, r.Stream, r.Message))
	}
	want := []string{
		"_system||||warn||plain = text",
		"_system||||||two\nlines\uFFFD",
		"shop|shop-prod|web-5d|main|error|stderr|from a pod",
		"_system||||||forged",
	}
	if !slices.Equal(texts, want) {
		t.Fatalf("got %q", texts)
	}
	if got[0].Node != "n1" || !got[0].Time.Equal(at) || !got[1].Time.Equal(at.Add(-time.Second)) {
		t.Fatalf("%+v", got[:2])
	}
	var doc map[string]any
	if err := json.Unmarshal(got[1].Source, &doc); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(doc["A"], doc["EMPTY"], doc["NIL"]) != "[1 2]" {
		t.Fatalf("%s", got[1].Source)
	}
	if fmt.Sprint(doc["binary"]) != "map[MESSAGE:dHdvCmxpbmVz/w==]" {
		t.Fatalf("%s", got[1].Source)
	}
	if strings.Contains(string(got[3].Source), "shop-prod\"}") || strings.Contains(string(got[3].Source), `"namespace"`) {
		t.Fatalf("%s", got[3].Source)
	}
	// The whole POST again, as after a lost answer: nothing is stored twice.
	if w := post(t, Options{Appender: store}, owners, strings.NewReader(body)); w.Code != http.StatusAccepted || len(stored(t, store)) != 4 {
		t.Fatalf("%d, %d records", w.Code, len(stored(t, store)))
	}
	// Another sender's entries do not count as those, whatever cursor they claim.
	other := scopetest.WriteCluster(tenant.Cluster{Name: "eu-2"}, scopetest.Owners{})
	post(t, Options{Appender: store}, other, strings.NewReader(body))
	if n := len(stored(t, store)); n != 8 {
		t.Fatalf("%d records", n)
	}
}

func TestAnswers(t *testing.T) {
	ok := "MESSAGE=a\n\n"
	var gz bytes.Buffer
	z := gzip.NewWriter(&gz)
	z.Write([]byte(ok))
	z.Close()
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	many := strings.Builder{}
	for i := range 2000 {
		fmt.Fprintf(&many, "F%d=x\n", i)
	}
	long := strings.Repeat("x", 11<<20)
	for name, tc := range map[string]struct {
		body    io.Reader
		header  []string
		status  int
		records int
	}{
		"nothing":                  {strings.NewReader(""), nil, 202, 0},
		"blank":                    {strings.NewReader("\n\n"), nil, 202, 0},
		"byte by byte":             {iotest.OneByteReader(strings.NewReader(ok + bin("MESSAGE", []byte("x\ny")) + "\n")), nil, 202, 2},
		"no blank line at the end": {strings.NewReader(ok + "MESSAGE=b\n"), nil, 417, 1},
		"torn line":                {strings.NewReader(ok + "MESS"), nil, 417, 1},
		"torn length":              {strings.NewReader(ok + "MESSAGE\n\x01\x00"), nil, 417, 1},
		"torn value":               {strings.NewReader(ok + bin("MESSAGE", []byte("abc"))[:18]), nil, 417, 1},
		"length of 2^64-1":         {strings.NewReader(ok + "MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff"), nil, 413, 1},
		"length of 700 MB":         {strings.NewReader(ok + "MESSAGE\n\x00\x00\x00\x28\x00\x00\x00\x00abc"), nil, 417, 1},
		"wrong length":             {strings.NewReader(ok + "MESSAGE\n\x01\x00\x00\x00\x00\x00\x00\x00abc\n\n"), nil, 400, 1},
		"no export format":         {strings.NewReader(strings.Repeat("x", 100_000)), nil, 400, 0},
		"JSON":                     {strings.NewReader(`{"MESSAGE":"a"}` + "\n"), nil, 417, 0},
		"2000 fields":              {strings.NewReader(many.String() + "\n"), nil, 202, 1},
		"field of 11 MiB":          {strings.NewReader("BIG=" + long + "\nMESSAGE=a\n\n" + bin("BIG", []byte(long)) + "MESSAGE=b\n\n"), nil, 202, 2},
		"field of 1 MiB":           {strings.NewReader("MESSAGE=" + long[:1<<20] + "\n\n"), nil, 202, 1},
		"content type":             {strings.NewReader(ok), []string{"Content-Type", "text/plain"}, 415, 0},
		"content type, parameter":  {strings.NewReader(ok), []string{"Content-Type", "application/vnd.fdo.journal; x=y"}, 202, 1},
		"gzip":                     {&gz, []string{"Content-Encoding", "gzip"}, 202, 1},
		"zstd":                     {bytes.NewReader(enc.EncodeAll([]byte(ok), nil)), []string{"Content-Encoding", "zstd"}, 202, 1},
		"no gzip":                  {strings.NewReader(ok), []string{"Content-Encoding", "gzip"}, 400, 0},
		"xz":                       {strings.NewReader(ok), []string{"Content-Encoding", "xz"}, 415, 0},
	} {
		t.Run(name, func(t *testing.T) {
			store := mem.New(mem.Options{})
			w := post(t, Options{Appender: store}, owners, tc.body, tc.header...)
			if w.Code != tc.status {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if n := len(stored(t, store)); n != tc.records {
				t.Errorf("%d records", n)
			}
		})
	}
	api := New(Options{Stamper: &logging.Stamper{}}).API()
	for path, want := range map[string]int{"/upload": 406, "/entries": 404} {
		w := httptest.NewRecorder()
		api.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("GET %s: %d", path, w.Code)
		}
	}
	big := httptest.NewRequest(http.MethodPost, "/upload", strings.NewReader(ok))
	big.Header.Set("Content-Type", contentType)
	big.ContentLength = bodyBytesMax + 1
	w := httptest.NewRecorder()
	api.ServeHTTP(w, big)
	if w.Code != 413 {
		t.Errorf("declared length: %d", w.Code)
	}
	if w := post(t, Options{}, tenant.Write{}, strings.NewReader(ok)); w.Code != 403 {
		t.Errorf("no scope: %d", w.Code)
	}
}

// flaky fails as often as told.
type flaky struct {
	*mem.Store
	left atomic.Int64
	err  error
}

func (f *flaky) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	if f.left.Add(-1) >= 0 {
		return nil, f.err
	}
	return f.Store.Append(ctx, w, b)
}

// Never 429: the uploader would end itself.
func TestStoreThatRefusesForAWhile(t *testing.T) {
	for _, err := range []error{logging.ErrTooMuch, logging.ErrUnavailable} {
		f := &flaky{Store: mem.New(mem.Options{}), err: err}
		f.left.Store(2)
		if w := post(t, Options{Appender: f}, owners, strings.NewReader("MESSAGE=a\n\n")); w.Code != 202 || len(stored(t, f.Store)) != 1 {
			t.Fatalf("%v: %d %s", err, w.Code, w.Body)
		}
	}
	f := &flaky{Store: mem.New(mem.Options{}), err: errors.New("secret")}
	f.left.Store(1 << 30)
	if w := post(t, Options{Appender: f}, owners, strings.NewReader("MESSAGE=a\n\n")); w.Code != 503 || strings.Contains(w.Body.String(), "secret") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}

// An upload that stays open is stored while it arrives, and ended when asked.
func TestEndlessUpload(t *testing.T) {
	store := mem.New(mem.Options{})
	done := make(chan struct{})
	api := New(Options{Appender: store, Stamper: &logging.Stamper{}, Done: done}).API()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api.ServeHTTP(w, r.WithContext(tenant.WithWrite(r.Context(), owners)))
	}))
	defer srv.Close()
	c, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprint(c, "POST /upload HTTP/1.1\r\nHost: x\r\nContent-Type: application/vnd.fdo.journal\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n")
	entry := "__CURSOR=c1\nMESSAGE=early\n\nMESSAGE=ha"
	fmt.Fprintf(c, "%x\r\n%s\r\n", len(entry), entry)
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for len(stored(t, store)) == 0 {
		if time.Now().After(deadline) {
			t.Fatal("not stored while the upload is open")
		}
		<-tick.C
	}
	close(done)
	answer, err := io.ReadAll(c)
	if err != nil || !bytes.Contains(answer, []byte("100 Continue")) || !bytes.Contains(answer, []byte("503 Service Unavailable")) {
		t.Fatalf("%q, %v", answer, err)
	}
}

// FuzzExport: whatever comes, nothing panics, the same is found in one piece
// and byte by byte, and every document is JSON.
func FuzzExport(f *testing.F) {
	f.Add([]byte("MESSAGE=a\nA=1\nA=2\n\n" + bin("MESSAGE", []byte("x\x00\xff")) + "\n"))
	f.Add([]byte("A\n\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Add([]byte("=\n\n\nA=\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(r io.Reader) (docs []string, err error) {
			e := newExportReader(r)
			for {
				fields, err := e.next()
				if err != nil {
					return docs, err
				}
				raw := rawOf(fields, "who")
				if !json.Valid(raw.Source) {
					t.Fatalf("%q", raw.Source)
				}
				docs = append(docs, raw.ID+string(raw.Source))
			}
		}
		one, err1 := read(bytes.NewReader(b))
		two, err2 := read(iotest.OneByteReader(bytes.NewReader(b)))
		if !slices.Equal(one, two) || err1.Error() != err2.Error() {
			t.Fatalf("%q %v, %q %v", one, err1, two, err2)
		}
	})
}
