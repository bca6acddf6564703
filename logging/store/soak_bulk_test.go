//go:build soak

package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// The bulk: every tenant has the same days.
const (
	bulkBytes   = 10 << 30
	bulkDays    = 30
	bulkRecords = 200_000 // a tenant and day
	bulkTail    = 400_000 // in the log alone, when the process is killed
	bulkDir     = "ORIEL_BULK_DIR"
)

func bulkName(n int) tenant.ID { return tenant.ID(fmt.Sprintf("bulk-%03d", n)) }

// bulkBatch makes records of a day, in the order of their times.
func bulkBatch(rnd *rand.Rand, id tenant.ID, day time.Time, from, n, of int) logging.Batch {
	services := [...]string{"checkout", "cart", "search", "billing", "gateway"}
	var b logging.Batch
	for i := from; i < from+n; i++ {
		at := day.Add(24 * time.Hour / time.Duration(of) * time.Duration(i))
		service := services[rnd.IntN(len(services))]
		trace := fmt.Sprintf("%016x%016x", rnd.Uint64(), rnd.Uint64())
		msg := fmt.Sprintf("GET /%s/items/%d took %d.%03d ms, token %016x", service, rnd.IntN(1e6), rnd.IntN(90), rnd.IntN(1000), rnd.Uint64())
		b.Records = append(b.Records, logging.Record{
			Tenant: id, Index: logging.IndexFor("eu", service), Time: at, Received: at, Cluster: "eu", Region: "r", Cloud: "private",
			Namespace: service, Pod: fmt.Sprintf("%s-%d", service, rnd.IntN(4)), Level: "info", Message: msg,
			Source: fmt.Appendf(nil, `{"message":%q,"level":"info","status":%d,"latency_ms":%d,"trace_id":%q}`, msg, 200+rnd.IntN(5), rnd.IntN(90_000), trace),
		})
	}
	return b
}

func bulkScope(id tenant.ID) tenant.Write {
	of := map[string]tenant.ID{}
	for _, ns := range []string{"checkout", "cart", "search", "billing", "gateway"} {
		of["eu/"+ns] = id
	}
	return scopetest.WriteCluster(cluster, scopetest.Owners{Of: of})
}

// bulkCopy makes segments of another tenant of those of the first one: the name
// in the directory is changed, and what is checked with it.
func bulkCopy(t *testing.T, from, to string, old, id tenant.ID) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	le, end := binary.LittleEndian, len(b)-48
	dir := b[le.Uint64(b[end:]):end]
	if n := bytes.Count(dir, []byte(old)); n == 0 || len(old) != len(id) {
		t.Fatalf("%s: the tenant's name is in the directory %d times", from, n)
	}
	copy(dir, bytes.ReplaceAll(dir, []byte(old), []byte(id)))
	le.PutUint32(b[end+16:], checksum(dir))
	le.PutUint32(b[end+36:], checksum(b[end:end+36]))
	if err := os.WriteFile(to, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestSoakBulk: with 10 GiB of 30 days on disk and a log to read after a kill -9,
// a store is open within 10 seconds, and a question about one hour costs what it
// costs with a day on disk.
func TestSoakBulk(t *testing.T) {
	if dir := os.Getenv(bulkDir); dir != "" {
		bulkWriter(t, dir)
		return
	}
	dir := t.TempDir()
	today := time.Now().UTC().Truncate(24 * time.Hour)
	small, large := filepath.Join(dir, "small"), filepath.Join(dir, "large")
	rnd := rand.New(rand.NewPCG(1, 1))
	fill := func(dir string, days int) {
		s, err := Open(dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := bulkScope(bulkName(0))
		for d := range days {
			for from := 0; from < bulkRecords; from += 5000 {
				if _, err := s.Append(t.Context(), w, bulkBatch(rnd, bulkName(0), today.AddDate(0, 0, -d-1), from, 5000, bulkRecords)); err != nil {
					t.Fatal(err)
				}
			}
			flushed(t, s)
		}
		merged(t, s)
		closeStore(t, s)
	}
	fill(small, 1)
	fill(large, bulkDays)
	m, _, err := openManifest(vfs.OS{}, large)
	if err != nil {
		t.Fatal(err)
	}
	var whole []*segmentInfo
	bytesOf := int64(0)
	for _, f := range m.state.segments {
		whole = append(whole, f)
		bytesOf += f.bytes
	}
	tenants, segments := 1, len(whole)
	for total := bytesOf; total < bulkBytes; total += bytesOf {
		id, e := bulkName(tenants), &edit{}
		for _, f := range whole {
			cp := &segmentInfo{number: m.state.nextFile + uint64(len(e.addSegments)), bytes: f.bytes}
			for _, p := range f.parts {
				p.tenant = id
				cp.parts = append(cp.parts, p)
			}
			bulkCopy(t, filepath.Join(large, segmentName(f.number)), filepath.Join(large, segmentName(cp.number)), bulkName(0), id)
			e.addSegments = append(e.addSegments, cp)
		}
		if err := m.commit(e); err != nil {
			t.Fatal(err)
		}
		tenants, segments = tenants+1, segments+len(whole)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d tenants, %d days, %d records, %d segments, %.1f GiB", tenants, bulkDays, tenants*bulkDays*bulkRecords, segments, float64(bytesOf)*float64(tenants)/(1<<30))

	// A process that writes, killed.
	cmd := exec.Command(os.Args[0], "-test.run", "^TestSoakBulk$", "-test.v")
	cmd.Env = append(os.Environ(), bulkDir+"="+large)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for b := make([]byte, 4096); !strings.Contains(said.String(), "written"); {
		n, err := out.Read(b)
		said.Write(b[:n])
		if err != nil {
			t.Fatalf("the writer ended: %v\n%s", err, said.String())
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = cmd.Wait() // killed

	dropCaches(t)
	began := time.Now()
	s, err := Open(large, Options{})
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	t.Logf("open after kill -9, nothing of it in memory: %.2f s, %d files open", took.Seconds(), openFiles(t))
	if took > 10*time.Second {
		t.Errorf("it took %s to open", took)
	}
	defer closeStore(t, s)
	o, err := Open(small, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, o)
	yesterday := today.AddDate(0, 0, -1)
	count := func(s *Store, id tenant.ID, q logging.Query) int64 {
		v, err := s.Snapshot(context.Background(), scopetest.Read(id))
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		res, err := v.Search(context.Background(), q)
		if err != nil {
			t.Fatal(err)
		}
		return res.Total
	}
	if n := count(s, bulkName(1), logging.Query{}); n != bulkDays*bulkRecords {
		t.Errorf("a tenant of the bulk has %d records", n)
	}
	if n := count(s, bulkName(0), logging.Query{}); n != bulkDays*bulkRecords+bulkTail {
		t.Errorf("the tenant that was written to has %d records, want %d", n, bulkDays*bulkRecords+bulkTail)
	}
	hour := func(word string) logging.Query {
		at := logging.FieldOf(logging.FieldTime)
		return logging.Query{
			Filter: logging.And{
				logging.Range{Field: at, Min: &logging.Bound{Value: logging.Time(yesterday.Add(11 * time.Hour)), Inclusive: true}, Max: &logging.Bound{Value: logging.Time(yesterday.Add(12 * time.Hour))}},
				logging.Term{Field: logging.FieldOf("message"), Text: word},
			},
			Limit: 500, Sort: []logging.SortKey{{Field: at, Desc: true}},
			Aggs: []logging.Agg{{Name: "m", Of: logging.DateHistogram{Field: at, Fixed: time.Minute, MinDocs: 1}}},
		}
	}
	const asked = 200
	cost := func(s *Store) time.Duration {
		runtime.GC()
		before := cpuTime(t)
		for range asked {
			if n := count(s, bulkName(0), hour("checkout")); n == 0 {
				t.Fatal("nothing found")
			}
		}
		return (cpuTime(t) - before) / asked
	}
	cost(o)
	cost(s)
	day, month := cost(o), cost(s)
	t.Logf("a question about an hour: %s with 1 day on disk, %s with %d days of %d tenants", day, month, bulkDays, tenants)
	if month > 2*day {
		t.Errorf("the cost grows with what is stored: %s, then %s", day, month)
	}
}

// bulkWriter is the process that is killed.
func bulkWriter(t *testing.T, dir string) {
	s, err := Open(dir, Options{MemtableAgeMax: time.Hour, MemtableBytesMax: 4 << 30})
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(2, 2))
	w := bulkScope(bulkName(0))
	for from := 0; from < bulkTail; from += 4000 {
		if _, err := s.Append(t.Context(), w, bulkBatch(rnd, bulkName(0), time.Now().UTC().Truncate(24*time.Hour), from, 4000, bulkTail)); err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("written")
	select {}
}

// dropCaches makes the next reads come from the disk, where we may.
func dropCaches(t *testing.T) {
	syscall.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		t.Logf("the files may be in memory: %v", err)
	}
}

func openFiles(t *testing.T) int {
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func cpuTime(t *testing.T) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
