package queue

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
)

const killDir = "ORIEL_TEST_QUEUE_DIR"

// TestMain is also the process that is killed: with killDir set it appends
// until it dies, printing each item once it is durable.
func TestMain(m *testing.M) {
	dir := os.Getenv(killDir)
	if dir == "" {
		os.Exit(m.Run())
	}
	q, err := Open(dir, Options{BytesMax: 64 << 20})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				item := fmt.Sprintf("%d-%d-%d", os.Getpid(), w, i)
				pos, err := q.Append(context.Background(), []byte(item))
				if err != nil {
					return
				}
				mu.Lock()
				fmt.Println(pos, item)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestKilledAtAnyMoment(t *testing.T) {
	dir := t.TempDir()
	acked := map[uint64]string{}
	for round := range 5 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killDir+"="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		sc := bufio.NewScanner(out)
		for n := 0; sc.Scan(); n++ {
			if n == 100+round*37 {
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			var pos, item string
			if k, _ := fmt.Sscan(sc.Text(), &pos, &item); k != 2 {
				continue // the line that the kill cut short
			}
			p, err := strconv.ParseUint(pos, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if was, ok := acked[p]; ok {
				t.Fatalf("position %d given to %q and %q", p, was, item)
			}
			acked[p] = item
		}
		cmd.Wait()
	}
	q := open(t, dir, Options{BytesMax: 64 << 20})
	items, positions := drain(t, q, 0)
	have := map[uint64]string{}
	for i, p := range positions {
		have[p] = items[i]
	}
	for p, item := range acked {
		if have[p] != item {
			t.Fatalf("item %q at %d was acknowledged as durable, and is %q", item, p, have[p])
		}
	}
	t.Logf("%d items acknowledged, %d there", len(acked), len(have))
}
