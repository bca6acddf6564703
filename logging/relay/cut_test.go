package relay

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/oriel-project/oriel/internal/queue"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// A central that is away for so long that the agent's queue is full: the disk that it
// takes stays bounded, the oldest records go and are counted, all others arrive, each
// once and in order. The agent is started again twice meanwhile.
func TestCutThatFillsTheQueue(t *testing.T) { cutAndCount(t, 40_000, 512<<10) }

// numbered is central's store: it notes the numbers that are the records' messages.
type numbered struct {
	mu              sync.Mutex
	seen            []bool
	keys            map[string]bool
	last            int
	disorder, twice int
}

func (n *numbered) Append(_ context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := make([]logging.ItemResult, len(b.Records))
	if n.keys[b.Key] {
		for i := range out {
			out[i].Status = logging.Duplicate
		}
		return out, nil
	}
	n.keys[b.Key] = true
	for i := range b.Records {
		at, err := strconv.Atoi(strings.TrimSpace(b.Records[i].Message[:8]))
		if err != nil {
			return nil, err
		}
		if n.seen[at] {
			n.twice++
		}
		if at < n.last {
			n.disorder++
		}
		n.seen[at], n.last = true, at
		out[i].Status = logging.Stored
	}
	return out, nil
}

func cutAndCount(t *testing.T, total int, bytesMax int64) {
	store := &numbered{seen: make([]bool, total), keys: map[string]bool{}}
	api := NewReceiver(ReceiverOptions{Appender: store, Stamper: &logging.Stamper{}})
	var away atomic.Bool
	central := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if away.Load() {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		api.ServeHTTP(w, r.WithContext(tenant.WithWrite(r.Context(), centralScope)))
	}))
	defer central.Close()

	dir := t.TempDir()
	var dropped, items atomic.Int64
	run := func(work func(s *Sender, reg *prometheus.Registry, q *queue.Queue)) {
		q, err := queue.Open(dir, queue.Options{BytesMax: bytesMax, Records: Records, OnEvent: func(e queue.Event) {
			if e.Kind != queue.Dropped {
				t.Errorf("%s: %s", e.Kind, e.Reason)
			}
			dropped.Add(e.Records)
			items.Add(e.Items)
		}})
		if err != nil {
			t.Fatal(err)
		}
		defer q.Close()
		reg := prometheus.NewRegistry()
		s, err := NewSender(SenderOptions{Queue: q, URL: central.URL, Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		s.backoffMin, s.backoffMax = 5*time.Millisecond, 20*time.Millisecond
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		work(s, reg, q)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}

	const batch = 500
	var most int64
	next := 0
	stamper := &logging.Stamper{}
	put := func(s *Sender, upTo int) {
		for next < upTo {
			var recs []logging.Record
			for range min(batch, upTo-next) {
				// What hardly compresses: a queue of this size is full soon.
				rec, err := stamper.Stamp(agentScope, logging.Raw{Source: fmt.Appendf(nil, `{"namespace":"web","message":"%8d %016x%016x"}`, next, uint64(next)*0x9e3779b97f4a7c15, uint64(next)*0xc2b2ae3d27d4eb4f)})
				if err != nil {
					t.Fatal(err)
				}
				recs = append(recs, rec)
				next++
			}
			if _, err := s.Append(t.Context(), agentScope, logging.Batch{Records: recs}); err != nil {
				t.Fatal(err)
			}
			most = max(most, folderBytes(t, dir))
		}
	}
	sent := 0.0
	count := func(s *Sender, _ *prometheus.Registry) { sent += testutil.ToFloat64(s.m.sent) }
	run(func(s *Sender, reg *prometheus.Registry, _ *queue.Queue) {
		put(s, total/20)
		away.Store(true)
		put(s, total/3)
		count(s, reg)
	})
	run(func(s *Sender, reg *prometheus.Registry, _ *queue.Queue) { put(s, 2*total/3); count(s, reg) })
	run(func(s *Sender, reg *prometheus.Registry, q *queue.Queue) {
		put(s, total)
		away.Store(false)
		for begin := time.Now(); ; {
			if n, _ := q.Len(); n == 0 {
				break
			}
			if time.Since(begin) > time.Minute {
				t.Fatal("the queue is not empty a minute after central is back")
			}
			time.Sleep(5 * time.Millisecond)
		}
		count(s, reg)
	})

	missing, first := 0, -1
	for i, ok := range store.seen {
		switch {
		case !ok:
			missing++
			first = i
		}
	}
	t.Logf("%d records, %d dropped in %d parcels, at most %d bytes of disk of %d", total, dropped.Load(), items.Load(), most, bytesMax)
	switch {
	case store.twice > 0 || store.disorder > 0:
		t.Errorf("%d records twice, %d out of order", store.twice, store.disorder)
	case dropped.Load() == 0:
		t.Error("nothing was dropped: the cut is too short to show anything")
	// What central took just before the cut, and could not acknowledge, is dropped for
	// all that the agent knows.
	case int64(missing) > dropped.Load():
		t.Errorf("%d records are missing, %d are counted as dropped", missing, dropped.Load())
	case !store.seen[total-1] || first > total*9/10:
		t.Errorf("the newest are not those that are kept: %d is missing", first)
	case most > bytesMax+bytesMax/8:
		t.Errorf("%d bytes of disk, of %d", most, bytesMax)
	case int64(sent)+dropped.Load() != int64(total):
		t.Errorf("%d taken, %v sent, %d dropped", total, sent, dropped.Load())
	}
}

func folderBytes(t *testing.T, dir string) (n int64) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := os.Stat(filepath.Join(dir, f.Name()))
		if err == nil { // it may be gone by now
			n += info.Size()
		}
	}
	return n
}
