package queue

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

type events struct {
	mu  sync.Mutex
	all []Event
}

func (e *events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
}

func (e *events) items(k EventKind) (n int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Kind == k {
			n += ev.Items
		}
	}
	return n
}

func (e *events) count(k EventKind) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.all {
		if ev.Kind == k {
			n++
		}
	}
	return n
}

func open(t testing.TB, dir string, o Options) *Queue {
	t.Helper()
	q, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func mustAppend(t testing.TB, q *Queue, item string) uint64 {
	t.Helper()
	pos, err := q.Append(t.Context(), []byte(item))
	if err != nil {
		t.Fatal(err)
	}
	return pos
}

// drain reads everything behind after that is there now.
func drain(t testing.TB, q *Queue, after uint64) (items []string, positions []uint64) {
	t.Helper()
	q.mu.Lock()
	durable := q.durable
	q.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for after < durable {
		item, pos, err := q.Next(ctx, after)
		if err != nil {
			t.Fatalf("behind %d of %d: %v", after, durable, err)
		}
		items = append(items, string(item))
		positions = append(positions, pos)
		after = pos
	}
	return items, positions
}

func TestOrderAckReopen(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, Options{})
	for i := range 10 {
		if pos := mustAppend(t, q, fmt.Sprint("item ", i)); pos != uint64(i+1) {
			t.Fatalf("position %d for item %d", pos, i)
		}
	}
	if err := q.Ack(4); err != nil {
		t.Fatal(err)
	}
	if err := q.Ack(2); err != nil || q.Acked() != 4 {
		t.Fatalf("going back: %v, acked %d", err, q.Acked())
	}
	if err := q.Ack(11); err == nil {
		t.Fatal("acknowledged what is not there")
	}
	if n, b := q.Len(); n != 6 || b <= 0 {
		t.Fatalf("len %d, %d bytes", n, b)
	}
	if d := time.Since(q.Oldest()); d < 0 || d > time.Minute {
		t.Fatalf("oldest is %v old", d)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Append(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Fatalf("append after close: %v", err)
	}
	q = open(t, dir, Options{})
	if q.Acked() != 4 {
		t.Fatalf("acked %d after reopening", q.Acked())
	}
	items, positions := drain(t, q, q.Acked())
	if want := []string{"item 4", "item 5", "item 6", "item 7", "item 8", "item 9"}; !slices.Equal(items, want) {
		t.Fatalf("got %q", items)
	}
	if positions[0] != 5 {
		t.Fatalf("first position %d", positions[0])
	}
	// Positions are not reused when everything is acknowledged and gone.
	if err := q.Ack(10); err != nil {
		t.Fatal(err)
	}
	q.Close()
	q = open(t, dir, Options{})
	if n, b := q.Len(); n != 0 || b != 0 || !q.Oldest().IsZero() {
		t.Fatalf("len %d, %d bytes, oldest %v", n, b, q.Oldest())
	}
	if pos := mustAppend(t, q, ""); pos != 11 {
		t.Fatalf("position %d", pos)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.seg")); len(files) != 1 {
		t.Fatalf("segments %q", files)
	}
}

func TestNextWaits(t *testing.T) {
	q := open(t, t.TempDir(), Options{})
	got := make(chan string)
	go func() {
		item, _, err := q.Next(t.Context(), 0)
		got <- fmt.Sprint(string(item), err)
	}()
	mustAppend(t, q, "x")
	if s := <-got; s != "x<nil>" {
		t.Fatal(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _, err := q.Next(ctx, 1)
		got <- fmt.Sprint(err)
	}()
	cancel()
	if s := <-got; s != context.Canceled.Error() {
		t.Fatal(s)
	}
	go func() {
		_, _, err := q.Next(t.Context(), 1)
		got <- fmt.Sprint(err)
	}()
	q.Close()
	if s := <-got; s != ErrClosed.Error() {
		t.Fatal(s)
	}
}

func TestConcurrentAppendersShareSyncs(t *testing.T) {
	q := open(t, t.TempDir(), Options{BytesMax: 8 << 20})
	const writers, each = 16, 50
	var wg sync.WaitGroup
	var mu sync.Mutex
	at := map[uint64]string{}
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				item := fmt.Sprintf("%d/%d/%s", w, i, bytes.Repeat([]byte("x"), rand.IntN(3000)))
				pos, err := q.Append(t.Context(), []byte(item))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				at[pos] = item
				mu.Unlock()
			}
		})
	}
	read := make(chan error)
	go func() {
		var after uint64
		for range writers * each {
			_, pos, err := q.Next(t.Context(), after)
			if err != nil || pos != after+1 {
				read <- fmt.Errorf("behind %d: %d, %w", after, pos, err)
				return
			}
			after = pos
		}
		read <- nil
	}()
	wg.Wait()
	if err := <-read; err != nil {
		t.Fatal(err)
	}
	items, positions := drain(t, q, 0)
	if len(items) != writers*each {
		t.Fatalf("%d items", len(items))
	}
	for i, pos := range positions {
		if at[pos] != items[i] {
			t.Fatalf("item at %d differs", pos)
		}
	}
}

func TestFullDropsOldest(t *testing.T) {
	var ev events
	dir := t.TempDir()
	q := open(t, dir, Options{BytesMax: 1 << 20, OnEvent: ev.add})
	item := string(bytes.Repeat([]byte("y"), 20_000))
	for range 200 {
		mustAppend(t, q, item)
	}
	var size int64
	files, _ := filepath.Glob(filepath.Join(dir, "*.seg"))
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			t.Fatal(err)
		}
		size += info.Size()
	}
	if size > 1<<20 {
		t.Fatalf("%d bytes on disk", size)
	}
	n, _ := q.Len()
	if dropped := ev.items(Dropped); dropped == 0 || int64(n)+dropped != 200 {
		t.Fatalf("%d dropped, %d kept", dropped, n)
	}
	if q.Acked() != uint64(200-n) {
		t.Fatalf("acked %d with %d kept", q.Acked(), n)
	}
	if items, _ := drain(t, q, 0); len(items) != n {
		t.Fatalf("read %d of %d", len(items), n)
	}
	if _, err := q.Append(t.Context(), make([]byte, 1<<20)); !errors.Is(err, ErrTooLarge) {
		t.Fatal(err)
	}
	// Acknowledged items are no loss.
	before := ev.items(Dropped)
	if err := q.Ack(200); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		mustAppend(t, q, item)
	}
	if ev.items(Dropped) != before {
		t.Fatal("acknowledged items were counted as dropped")
	}
}

func TestTornTailAtEveryByte(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, Options{})
	var ends []int64
	for _, s := range []string{"first", "", "the third item"} {
		mustAppend(t, q, s)
		ends = append(ends, q.segments[0].bytes)
	}
	q.Close()
	whole, err := os.ReadFile(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, end := range ends {
			if int64(n) >= end {
				want++
			}
		}
		var ev events
		q := open(t, dir, Options{OnEvent: ev.add})
		if items, _ := drain(t, q, 0); len(items) != want {
			t.Fatalf("cut at %d: %q, want %d items", n, items, want)
		}
		cut := want == 0 && n > segmentHeaderBytes || want > 0 && int64(n) != ends[want-1]
		if got := ev.count(TornTail) == 1; got != cut {
			t.Fatalf("cut at %d: torn tail reported: %v", n, got)
		}
		if pos := mustAppend(t, q, "next"); pos != uint64(want+1) {
			t.Fatalf("cut at %d: next position %d", n, pos)
		}
		if items, _ := drain(t, q, 0); items[len(items)-1] != "next" {
			t.Fatalf("cut at %d: %q", n, items)
		}
		q.Close()
	}
}

func TestDamagedItemIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, Options{BytesMax: 1 << 20})
	item := bytes.Repeat([]byte("z"), 10_000)
	for i := range 20 { // 4 segments of 64 KiB
		mustAppend(t, q, fmt.Sprintf("%02d%s", i, item))
	}
	q.Close()
	name := filepath.Join(dir, segmentName(1))
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[segmentHeaderBytes+frameHeaderBytes+5] ^= 1                    // payload of item 1
	b[segmentHeaderBytes+3*(frameHeaderBytes+len(item)+2)+4] ^= 0x40 // header of item 4
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	var ev events
	q = open(t, dir, Options{BytesMax: 1 << 20, OnEvent: ev.add})
	items, positions := drain(t, q, 0)
	if positions[0] != 2 || positions[1] != 3 || positions[2] != 7 {
		t.Fatalf("positions %v", positions)
	}
	if lost := ev.items(Corrupt); int(lost)+len(items) != 20 {
		t.Fatalf("%d lost, %d read", lost, len(items))
	}
}

func TestCursorDamagedOrNewer(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, Options{})
	mustAppend(t, q, "a")
	mustAppend(t, q, "b")
	q.Ack(1)
	q.Close()
	name := filepath.Join(dir, cursorFile)
	if err := os.WriteFile(name, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	var ev events
	q = open(t, dir, Options{OnEvent: ev.add})
	if items, _ := drain(t, q, q.Acked()); len(items) != 2 || ev.count(Corrupt) != 1 {
		t.Fatalf("%q, %v", items, ev.all)
	}
	q.Close()
	// A cursor ahead of what is there keeps positions from being reused.
	if err := os.WriteFile(name, appendMark(nil, cursorMagic, 40), 0o600); err != nil {
		t.Fatal(err)
	}
	q = open(t, dir, Options{})
	if pos := mustAppend(t, q, "c"); pos != 41 {
		t.Fatalf("position %d", pos)
	}
	if items, _ := drain(t, q, 0); len(items) != 1 {
		t.Fatalf("%q", items)
	}
}

// TestModel runs random histories, with restarts, against a slice.
func TestModel(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		q := open(t, dir, Options{BytesMax: 64 << 20})
		var model []string // by position - 1
		var acked, read uint64
		for step := range 200 {
			switch rnd.IntN(12) {
			case 0:
				q.Close()
				q = open(t, dir, Options{BytesMax: 64 << 20})
				if q.Acked() != acked {
					t.Fatalf("seed %d step %d: acked %d, want %d", seed, step, q.Acked(), acked)
				}
				read = acked
			case 1, 2:
				if read > acked {
					acked += 1 + rnd.Uint64N(read-acked)
					if err := q.Ack(acked); err != nil {
						t.Fatal(err)
					}
				}
			case 3, 4, 5, 6:
				if int(read) < len(model) {
					item, pos, err := q.Next(t.Context(), read)
					if err != nil || pos != read+1 || string(item) != model[read] {
						t.Fatalf("seed %d step %d: behind %d: %d, %v", seed, step, read, pos, err)
					}
					read = pos
				}
			default:
				s := string(bytes.Repeat([]byte{byte(step)}, rnd.IntN(rnd.IntN(300_000)+1)))
				if pos := mustAppend(t, q, s); pos != uint64(len(model)+1) {
					t.Fatalf("seed %d step %d: position %d", seed, step, pos)
				}
				model = append(model, s)
			}
			if n, _ := q.Len(); n != len(model)-int(acked) {
				t.Fatalf("seed %d step %d: len %d, want %d", seed, step, n, len(model)-int(acked))
			}
		}
		q.Close()
	}
}

func FuzzOpen(f *testing.F) {
	frame := appendFrame(nil, time.Unix(1, 2), []byte("seed"))
	setPosition(frame, 1)
	good := append(appendMark(nil, segmentMagic, 1), frame...)
	f.Add(good)
	f.Add(good[:len(good)-2])
	f.Add(append(slices.Clone(good), good...))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), b, 0o600); err != nil {
			t.Fatal(err)
		}
		q, err := Open(dir, Options{})
		if err != nil {
			return // a version of the future
		}
		defer q.Close()
		want := mustAppend(t, q, "after")
		var got string
		for after := uint64(0); after < want; {
			item, pos, err := q.Next(t.Context(), after)
			if err != nil || pos <= after {
				t.Fatalf("behind %d: %d, %v", after, pos, err)
			}
			got, after = string(item), pos
		}
		if got != "after" {
			t.Fatalf("last item is %q", got)
		}
	})
}

// After a failed write the item is refused, and the queue goes on in a new segment.
func TestFailedWrite(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir, Options{})
	mustAppend(t, q, "one")
	q.tail.Close() // the committer is idle: what it writes next fails
	if _, err := q.Append(t.Context(), []byte("lost")); err == nil || errors.Is(err, ErrClosed) {
		t.Fatalf("appended to a closed file: %v", err)
	}
	if pos := mustAppend(t, q, "two"); pos != 2 {
		t.Fatalf("position %d", pos)
	}
	for range 2 {
		if items, _ := drain(t, q, 0); !slices.Equal(items, []string{"one", "two"}) {
			t.Fatalf("%q", items)
		}
		q.Close()
		q = open(t, dir, Options{})
	}
}

// TestBudget: queues that share a bound keep to it, each at the cost of its own
// oldest items, and what is acknowledged or closed is given back.
func TestBudget(t *testing.T) {
	const max = 1 << 20
	b := NewBudget(max)
	dropped := map[string]int64{}
	dir := t.TempDir()
	open := func(name string) *Queue {
		q, err := Open(filepath.Join(dir, name), Options{BytesMax: 64 << 20, Budget: b, OnEvent: func(e Event) { dropped[name] += e.Items }})
		if err != nil {
			t.Fatal(err)
		}
		return q
	}
	one, two := open("one"), open("two")
	item := make([]byte, 100<<10)
	var last uint64
	for range 20 {
		for _, q := range []*Queue{one, two} {
			pos, err := q.Append(t.Context(), item)
			if err != nil {
				t.Fatal(err)
			}
			last = pos
		}
		if b.Used() > max+2*int64(len(item)) {
			t.Fatalf("%d bytes are used, and %d allowed", b.Used(), max)
		}
	}
	n, _ := one.Len()
	m, _ := two.Len()
	if n == 0 || m == 0 || dropped["one"] != int64(20-n) || dropped["two"] != int64(20-m) {
		t.Errorf("of 20 items each %d and %d are kept, and %v dropped", n, m, dropped)
	}
	if got, pos, err := two.Next(t.Context(), last-1); err != nil || pos != last || len(got) != len(item) {
		t.Errorf("the newest item: %d bytes at %d, %v", len(got), pos, err)
	}
	if err := errors.Join(one.Close(), two.Close()); err != nil || b.Used() != 0 {
		t.Errorf("after closing %d bytes are used: %v", b.Used(), err)
	}
	two = open("two")
	if k, _ := two.Len(); k != m || b.Used() == 0 {
		t.Errorf("opened again it holds %d items, and held %d; %d bytes are used", k, m, b.Used())
	}
	if err := errors.Join(two.Ack(last), two.Close()); err != nil || b.Used() != 0 {
		t.Errorf("after closing %d bytes are used: %v", b.Used(), err)
	}
}
