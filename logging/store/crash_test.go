package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

var errCrashed = errors.New("power is off")

// TestCrash cuts the power after any operation on the file system, and wants
// every acknowledged record once, and no batch by half.
func TestCrash(t *testing.T) {
	for after := 0; after < 90; after++ {
		for seed := range uint64(3) {
			crashAfter(t, after, seed)
		}
	}
}

func crashAfter(t *testing.T, after int, seed uint64) {
	mem := vfs.NewMem()
	var ops atomic.Int64
	fs := &vfs.Faulty{FS: mem, Fail: func(vfs.Op, string) error {
		if ops.Add(1) > int64(after) {
			return errCrashed
		}
		return nil
	}}
	acked, sent := map[string]bool{}, map[string]int{}
	o := Options{FS: fs, LogBytesMax: 1500, Clock: func() time.Time { return noon }}
	if s, err := Open("logs", o); err == nil {
		for i := range 12 {
			b := logging.Batch{Key: fmt.Sprint("k", i)}
			for j := range 1 + i%3 {
				b.Records = append(b.Records, rec([]string{"web", "pay"}[(i+j)%2], noon, fmt.Sprintf("%d.%d", i, j)))
			}
			sent[b.Key] = len(b.Records)
			if _, err := s.Append(context.Background(), writer, b); err == nil {
				acked[b.Key] = true
			} else if !errors.Is(err, logging.ErrUnavailable) {
				t.Fatalf("append: %v", err)
			}
		}
		_ = s.Close()
	}
	var rnd *rand.Rand
	if seed > 0 {
		rnd = rand.New(rand.NewPCG(seed, uint64(after)))
	}
	s, ev := open(t, mem.Crash(rnd), o)
	defer closeStore(t, s)
	found := map[string]int{}
	for _, m := range messages(t, s, scopetest.Operator()) {
		batch, _, _ := strings.Cut(m, ".")
		found["k"+batch]++
	}
	for key, n := range sent {
		if found[key] != n && (acked[key] || found[key] != 0) {
			t.Errorf("crash after %d operations, seed %d: %d of the %d records of %s (acknowledged: %v); events %+v", after, seed, found[key], n, key, acked[key], ev.list)
		}
	}
	// What was acknowledged is known; what was not is taken now, once.
	for i := range 12 {
		key := fmt.Sprint("k", i)
		b := logging.Batch{Key: key}
		for j := range 1 + i%3 {
			b.Records = append(b.Records, rec([]string{"web", "pay"}[(i+j)%2], noon, fmt.Sprintf("%d.%d", i, j)))
		}
		for _, r := range appendTo(t, s, b) {
			if want := map[bool]logging.ItemStatus{true: logging.Duplicate, false: logging.Stored}[found[key] > 0]; r.Status != want {
				t.Errorf("crash after %d operations, seed %d: sent again, %s is %+v, want status %d", after, seed, key, r, want)
			}
		}
	}
	if got := messages(t, s, scopetest.Operator()); len(got) != 24 {
		t.Errorf("crash after %d operations, seed %d: %d records after all were sent again, want 24", after, seed, len(got))
	}
}

const (
	childDir     = "ORIEL_STORE_TEST_DIR"
	childRecords = "ORIEL_STORE_TEST_RECORDS" // 100000 for the long run
)

// killOptions have segments written and merged many times in a short run.
var killOptions = Options{MemtableBytesMax: 128 << 10, LogBytesMax: 1 << 20}

// TestKill kills a process with SIGKILL while it appends, and wants every record
// it acknowledged. The long run is ORIEL_STORE_TEST_RECORDS=100000 go test -run TestKill.
func TestKill(t *testing.T) {
	records := 4000
	if v := os.Getenv(childRecords); v != "" {
		var err error
		if records, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	if dir := os.Getenv(childDir); dir != "" {
		appendForEver(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "logs")
	acked := map[int]bool{}
	for round := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		want := len(acked) + records/3
		in := bufio.NewReader(out)
		for killed := false; ; {
			line, err := in.ReadString('\n')
			if err != nil {
				break // the last line may be torn: then it was not read, and not counted
			}
			var from, n int
			if _, err := fmt.Sscanf(line, "acked %d %d\n", &from, &n); err != nil {
				continue
			}
			for i := range n {
				acked[from+i] = true
			}
			if len(acked) >= want && !killed {
				killed = true
				_ = cmd.Process.Kill()
			}
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		began := time.Now()
		s, err := Open(dir, killOptions)
		if err != nil {
			t.Fatal(err)
		}
		opened := time.Since(began)
		found := map[int]int{}
		for _, m := range messages(t, s, scopetest.Operator()) {
			i, err := strconv.Atoi(m)
			if err != nil {
				t.Fatalf("message %q", m)
			}
			found[i]++
		}
		for i := range acked {
			if found[i] != 1 {
				t.Errorf("round %d: record %d was acknowledged and is there %d times", round, i, found[i])
			}
		}
		for i, n := range found {
			if n > 1 {
				t.Errorf("round %d: record %d is there %d times", round, i, n)
			}
		}
		closeStore(t, s)
		t.Logf("round %d: %d acknowledged, %d found, opened in %v", round, len(acked), len(found), opened)
		if t.Failed() {
			return
		}
	}
}

// appendForEver is the child: it appends from several goroutines and says what
// was acknowledged, until it is killed.
func appendForEver(t *testing.T, dir string) {
	s, err := Open(dir, killOptions)
	if err != nil {
		t.Fatal(err)
	}
	next := atomic.Int64{}
	next.Store(time.Now().UnixMicro()) // apart from those of earlier rounds
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				const n = 20
				from := int(next.Add(n)) - n
				b := logging.Batch{Key: fmt.Sprint(from)}
				for i := range n {
					b.Records = append(b.Records, rec([]string{"web", "pay"}[i%2], noon, strconv.Itoa(from+i)))
				}
				if _, err := s.Append(context.Background(), writer, b); err != nil {
					return
				}
				mu.Lock()
				_, err := fmt.Printf("acked %d %d\n", from, n)
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	wg.Wait()
}
