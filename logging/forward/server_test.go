package forward

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/tinylib/msgp/msgp"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// box is a store in memory that knows batch keys and can be told to fail.
type box struct {
	mu      sync.Mutex
	records []logging.Record
	keys    map[string]bool
	batches int
	fail    func() error
	hold    chan struct{} // where set, Append waits for it
}

func (b *box) Append(ctx context.Context, w tenant.Write, batch logging.Batch) ([]logging.ItemResult, error) {
	if b.hold != nil {
		select {
		case <-b.hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		if err := b.fail(); err != nil {
			return nil, err
		}
	}
	b.batches++
	status := logging.Stored
	if batch.Key != "" {
		if b.keys == nil {
			b.keys = map[string]bool{}
		}
		if b.keys[batch.Key] {
			status = logging.Duplicate
		}
		b.keys[batch.Key] = true
	}
	results := make([]logging.ItemResult, len(batch.Records))
	for i := range results {
		results[i].Status = status
	}
	if status == logging.Stored {
		b.records = append(b.records, batch.Records...)
	}
	return results, nil
}

func (b *box) all() []logging.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]logging.Record(nil), b.records...)
}

func (b *box) wait(t testing.TB, n int) []logging.Record {
	t.Helper()
	var got []logging.Record
	eventually(t, func() bool { got = b.all(); return len(got) >= n }, func() string {
		return fmt.Sprintf("%d records of %d", len(got), n)
	})
	return got
}

func eventually(t testing.TB, ok func() bool, what func() string) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long: %s", what())
		}
		<-tick.C
	}
}

type rig struct {
	*box
	addr string
	srv  *Server
	reg  *prometheus.Registry
	stop func() error // drains
}

func start(t testing.TB, o Options) *rig {
	t.Helper()
	r := &rig{box: &box{}, reg: prometheus.NewRegistry()}
	if o.Appender == nil {
		o.Appender = r.box
	} else {
		r.box, _ = o.Appender.(*box)
	}
	o.Stamper = &logging.Stamper{}
	if o.Scope == nil {
		w := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: map[string]tenant.ID{"eu-1/shop": "shop", "eu-1/pay": "billing"}})
		o.Scope = func(Identity) (tenant.Write, bool) { return w, true }
	}
	o.Registerer = r.reg
	r.srv = New(o)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.srv.Serve(ctx, ln) }()
	var once sync.Once
	var serveErr error
	r.stop = func() error {
		once.Do(func() { cancel(); serveErr = <-done })
		return serveErr
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *rig) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", r.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// metric sums the named family where the label value fits ("" for any).
func (r *rig) metric(t testing.TB, name, label string) (sum float64) {
	t.Helper()
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || hasLabel(m, label) {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func hasLabel(m *dto.Metric, value string) bool {
	for _, l := range m.GetLabel() {
		if l.GetValue() == value {
			return true
		}
	}
	return false
}

// pack writes Go values as MessagePack; raw bytes go in as they are.
func pack(v any) []byte {
	switch v := v.(type) {
	case raw:
		return v
	case arr:
		b := msgp.AppendArrayHeader(nil, uint32(len(v)))
		for _, e := range v {
			b = append(b, pack(e)...)
		}
		return b
	case rec: // ordered pairs
		b := msgp.AppendMapHeader(nil, uint32(len(v)/2))
		for _, e := range v {
			b = append(b, pack(e)...)
		}
		return b
	}
	b, err := msgp.AppendIntf(nil, v)
	if err != nil {
		panic(err)
	}
	return b
}

type (
	raw []byte
	arr []any
	rec []any
)

func eventTimeExt(sec, nsec uint32) raw {
	return raw{0xd7, 0, byte(sec >> 24), byte(sec >> 16), byte(sec >> 8), byte(sec), byte(nsec >> 24), byte(nsec >> 16), byte(nsec >> 8), byte(nsec)}
}

func gz(b ...[]byte) []byte {
	var out bytes.Buffer
	for _, m := range b {
		w := gzip.NewWriter(&out)
		w.Write(m)
		w.Close()
	}
	return out.Bytes()
}

func zst(b ...[]byte) []byte {
	var out []byte
	enc, _ := zstd.NewWriter(nil)
	for _, m := range b {
		out = enc.EncodeAll(m, out)
	}
	return out
}

func bin32(b []byte) raw { return append(msgp.AppendBytesHeader(nil, uint32(len(b))), b...) }
func str32(b []byte) raw { return msgp.AppendStringFromBytes(nil, b) }

// exchange sends b and reads the answer up to n bytes, or the end.
func exchange(t testing.TB, c net.Conn, b []byte, n int) ([]byte, error) {
	t.Helper()
	// A server that has read enough closes: writing may fail, reading tells.
	go c.Write(b)
	got := make([]byte, n)
	k, err := io.ReadFull(c, got)
	return got[:k], err
}

func ackOf(chunk any) []byte { return pack(rec{"ack", chunk}) }

func now() uint32 { return uint32(time.Now().Unix()) }

func messages(records []logging.Record) (out []string) {
	for _, r := range records {
		out = append(out, r.Message)
	}
	return out
}

func fields(t testing.TB, r logging.Record) map[string]any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(r.Source))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		t.Fatalf("%v: %s", err, r.Source)
	}
	return m
}
