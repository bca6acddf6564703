package forward

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"

	"github.com/oriel-project/oriel/logging"
)

func TestModes(t *testing.T) {
	sec := now()
	at := eventTimeExt(sec, 123456789)
	one, two := pack(arr{at, rec{"message", "one"}}), pack(arr{at, rec{"message", "two"}})
	both := slices.Concat(one, two)
	nested := pack(arr{arr{at, rec{}}, rec{"message", "one"}})
	chunk := "p8n9gmxTQVC8/nh2wlKKeQ==\n" // Fluentd's ends with a line feed
	opt := func(more ...any) rec { return append(rec{"size", 2, "chunk", chunk}, more...) }
	for _, tc := range []struct {
		name  string
		frame []byte
		want  []string
		ack   any // nil: none
	}{
		{"message", pack(arr{"t", int(sec), rec{"message", "one"}, opt()}), []string{"one"}, chunk},
		{"message, EventTime", pack(arr{"t", at, rec{"message", "one"}, opt()}), []string{"one"}, chunk},
		{"message, no options", pack(arr{"t", at, rec{"message", "one"}}), []string{"one"}, nil},
		{"message, nil options", pack(arr{"t", at, rec{"message", "one"}, nil}), []string{"one"}, nil},
		{"forward", pack(arr{"t", arr{raw(one), raw(two)}, opt()}), []string{"one", "two"}, chunk},
		{"forward of two elements", pack(arr{"t", arr{raw(one)}}), []string{"one"}, nil},
		{"forward with metadata", pack(arr{"t", arr{raw(nested), raw(two)}, opt()}), []string{"one", "two"}, chunk},
		{"forward, empty", pack(arr{"t", arr{}, opt()}), nil, chunk},
		{"packed bin", pack(arr{"t", bin32(both), opt()}), []string{"one", "two"}, chunk},
		{"packed str", pack(arr{"t", str32(both), opt("compressed", "text")}), []string{"one", "two"}, chunk},
		{"packed with metadata", pack(arr{"t", bin32(nested), opt("fluent_signal", 0)}), []string{"one"}, chunk},
		{"packed, empty", pack(arr{"t", bin32(nil), opt()}), nil, chunk},
		{"gzip", pack(arr{"t", bin32(gz(both)), opt("compressed", "gzip")}), []string{"one", "two"}, chunk},
		{"gzip in a str", pack(arr{"t", str32(gz(both)), opt("compressed", "gzip")}), []string{"one", "two"}, chunk},
		{"gzip members", pack(arr{"t", bin32(gz(one, two, nil, one)), opt("compressed", "gzip")}), []string{"one", "two", "one"}, chunk},
		{"gzip member cut within an entry", pack(arr{"t", bin32(gz(both[:5], both[5:])), opt("compressed", "gzip")}), []string{"one", "two"}, chunk},
		{"zstd frames", pack(arr{"t", bin32(zst(one, two)), opt("compressed", "zstd")}), []string{"one", "two"}, chunk},
		{"binary chunk id", pack(arr{"t", bin32(one), rec{"chunk", []byte{0, 1, 2, 0xff}}}), []string{"one"}, []byte{0, 1, 2, 0xff}},
		{"metrics of Fluent Bit", pack(arr{"t", bin32(pack(rec{"meta", 1})), opt("fluent_signal", 1)}), nil, chunk},
		{"heartbeat first", append([]byte{0xc0}, pack(arr{"t", bin32(one), opt()})...), []string{"one"}, chunk},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, Options{})
			c := r.dial(t)
			if tc.ack == nil {
				if _, err := c.Write(tc.frame); err != nil {
					t.Fatal(err)
				}
			} else {
				want := ackOf(tc.ack)
				got, err := exchange(t, c, tc.frame, len(want))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("answer %q (%v), want %q", got, err, want)
				}
			}
			got := r.wait(t, len(tc.want))
			if !slices.Equal(messages(got), tc.want) {
				t.Fatalf("stored %q, want %q", messages(got), tc.want)
			}
			for _, g := range got {
				if g.Time.Unix() != int64(sec) || !strings.Contains(tc.name, "message") && g.Time.Nanosecond() != 123456789 {
					t.Fatalf("time %v", g.Time)
				}
				if f := fields(t, g); f["tag"] != "t" || f["cluster"] != "eu-1" {
					t.Fatalf("source %s", g.Source)
				}
			}
		})
	}
}

// TestCaptured replays frames as they were captured from Fluent Bit 5.1, to the byte
// but for their times.
func TestCaptured(t *testing.T) {
	sec := binary.BigEndian.AppendUint32(nil, now())
	for name, frame := range map[string][]byte{
		// [["t", [[[EventTime, {}], {"message": "x"}]]]]: no options without require_ack_response.
		"defaults":        slices.Concat([]byte("\x92\xa1t\x91\x92\x92\xd7\x00"), sec, []byte("\x00\x00\x00\x01\x80\x81\xa7message\xa1x")),
		"time_as_integer": slices.Concat([]byte("\x92\xa1t\x91\x92\xce"), sec, []byte("\x81\xa7message\xa1x")),
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Options{})
			if _, err := r.dial(t).Write(frame); err != nil {
				t.Fatal(err)
			}
			got := r.wait(t, 1)
			if len(got) != 1 || got[0].Message != "x" || got[0].Time.Unix() != int64(binary.BigEndian.Uint32(sec)) || fields(t, got[0])["tag"] != "t" {
				t.Fatalf("%+v", got)
			}
		})
	}
}

func TestOwnersWithinOneChunk(t *testing.T) {
	r := start(t, Options{})
	c := r.dial(t)
	var entries arr
	for _, ns := range []string{"shop", "pay", "nobody", ""} {
		e := rec{"log", "x\n", "kubernetes", rec{"namespace_name", ns, "pod_name", "p-1", "container_name", "main", "labels", rec{"app", "a"}}}
		entries = append(entries, arr{int(now()), e})
	}
	want := ackOf("c1")
	if got, err := exchange(t, c, pack(arr{"kube.x", entries, rec{"chunk", "c1"}}), len(want)); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q, %v", got, err)
	}
	var owners []string
	for _, g := range r.all() {
		owners = append(owners, string(g.Tenant)+" "+g.Index)
	}
	if want := []string{"shop logs-eu-1-shop", "billing logs-eu-1-pay", "_unassigned logs-eu-1-nobody", "_unassigned logs-eu-1-_none"}; !slices.Equal(owners, want) {
		t.Fatalf("%q", owners)
	}
	if g := r.all()[0]; g.Pod != "p-1" || g.Container != "main" || g.Message != "x" {
		t.Fatalf("%+v", g)
	}
}

// A chunk that comes again, after a lost answer, is answered and not stored
// twice; the same id with other bytes is another chunk.
func TestChunkSentAgain(t *testing.T) {
	r := start(t, Options{})
	var entries []byte
	for i := range 3 * partRecordsMax {
		entries = append(entries, pack(arr{int(now()), rec{"message", fmt.Sprint(i)}})...)
	}
	big := pack(arr{"t", bin32(entries), rec{"chunk", "same"}})
	other := pack(arr{"t", bin32(pack(arr{int(now()), rec{"message", "other"}})), rec{"chunk", "same"}})
	want := ackOf("same")
	for _, frame := range [][]byte{big, big, other, other} {
		if got, err := exchange(t, r.dial(t), frame, len(want)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	if n := len(r.all()); n != 3*partRecordsMax+1 {
		t.Fatalf("%d records", n)
	}
	if r.batches < 6 {
		t.Fatalf("%d batches: a chunk should be stored in parts", r.batches)
	}
	if d := r.metric(t, "oriel_forward_records_duplicate_total", ""); d != 3*partRecordsMax+1 {
		t.Fatalf("%v duplicates counted", d)
	}
}

func TestNoAckBeforeDurable(t *testing.T) {
	b := &box{hold: make(chan struct{})}
	r := start(t, Options{Appender: b})
	c := r.dial(t)
	if _, err := c.Write(pack(arr{"t", int(now()), rec{"message", "x"}, rec{"chunk", "c"}})); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(50 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	if n, err := c.Read(one[:]); n != 0 || err == nil {
		t.Fatal("answered before the store did")
	}
	close(b.hold)
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(ackOf("c")))
	if _, err := io.ReadFull(c, got); err != nil || !bytes.Equal(got, ackOf("c")) {
		t.Fatalf("%q, %v", got, err)
	}
}

func TestStoreUnavailable(t *testing.T) {
	for _, tc := range []struct {
		err    error
		times  int
		stored bool
	}{{logging.ErrUnavailable, 2, true}, {logging.ErrTooMuch, 1, true}, {logging.ErrUnavailable, 1 << 30, false}, {errors.New("disk on fire"), 1 << 30, false}} {
		failed := 0
		b := &box{}
		b.fail = func() error {
			if failed++; failed <= tc.times {
				return tc.err
			}
			return nil
		}
		r := start(t, Options{Appender: b, Limits: Limits{RetryTimeMax: 500 * time.Millisecond}})
		want := ackOf("c")
		got, err := exchange(t, r.dial(t), pack(arr{"t", int(now()), rec{"message", "x"}, rec{"chunk", "c"}}), len(want))
		if tc.stored != (err == nil) || tc.stored && !bytes.Equal(got, want) || !tc.stored && len(got) != 0 {
			t.Fatalf("%v, %d times: answer %q, %v", tc.err, tc.times, got, err)
		}
		if n := r.metric(t, "oriel_forward_append_errors_total", ""); n == 0 {
			t.Fatal("not counted")
		}
	}
}

// Messages without a chunk that arrive together share a batch.
func TestMessagesShareBatches(t *testing.T) {
	b := &box{hold: make(chan struct{})}
	r := start(t, Options{Appender: b})
	c := r.dial(t)
	const n = 2000
	var frames []byte
	for i := range n {
		frames = append(frames, pack(arr{"t", int(now()), rec{"message", fmt.Sprint(i)}})...)
	}
	if _, err := c.Write(frames); err != nil {
		t.Fatal(err)
	}
	close(b.hold)
	got := r.wait(t, n)
	for i, g := range got {
		if g.Message != fmt.Sprint(i) {
			t.Fatalf("record %d is %q", i, g.Message)
		}
	}
	if b.batches > n/4 {
		t.Fatalf("%d batches for %d messages", b.batches, n)
	}
}

func TestDrain(t *testing.T) {
	b := &box{hold: make(chan struct{})}
	r := start(t, Options{Appender: b})
	idle, busy := r.dial(t), r.dial(t)
	if _, err := busy.Write(pack(arr{"t", int(now()), rec{"message", "last"}, rec{"chunk", "c"}})); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return r.metric(t, "oriel_forward_frames_total", "") == 1 }, func() string { return "no frame" })
	done := make(chan error)
	go func() { done <- r.stop() }()
	var one [1]byte
	if _, err := idle.Read(one[:]); !errors.Is(err, io.EOF) {
		t.Fatalf("idle connection: %v", err)
	}
	close(b.hold)
	got, err := io.ReadAll(busy)
	if err != nil || !bytes.Equal(got, ackOf("c")) {
		t.Fatalf("%q, %v", got, err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(r.all()) != 1 {
		t.Fatal("not stored")
	}
}

func TestHeartbeatUDP(t *testing.T) {
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- New(Options{}).ServeHeartbeat(ctx, pc) }()
	c, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	for _, ask := range [][]byte{{0}, bytes.Repeat([]byte("x"), 1400)} {
		if _, err := c.Write(ask); err != nil {
			t.Fatal(err)
		}
		var got [100]byte
		if n, err := c.Read(got[:]); err != nil || n != 1 || got[0] != 0 {
			t.Fatalf("%d bytes, %v", n, err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// A flood of datagrams on the port of the heartbeats holds up nobody who sends records,
// each is answered with a byte at most, and afterwards heartbeats are answered as before.
func TestHeartbeatFlood(t *testing.T) {
	r := start(t, Options{})
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- r.srv.ServeHeartbeat(ctx, pc) }()
	const flooders, datagrams = 4, 10_000
	var flood sync.WaitGroup
	for range flooders {
		flood.Go(func() {
			c, err := net.Dial("udp", pc.LocalAddr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			ask := bytes.Repeat([]byte("x"), 1400)
			for range datagrams {
				_, _ = c.Write(ask) // a full buffer is what a flood is for
			}
		})
	}
	c := r.dial(t)
	for i := range 200 {
		want := ackOf(fmt.Sprint("c-", i))
		if got, err := exchange(t, c, chunkFor("shop", fmt.Sprint("c-", i)), len(want)); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q, %v", got, err)
		}
	}
	flood.Wait()
	u, err := net.Dial("udp", pc.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	eventually(t, func() bool {
		// One that comes while the buffer is full is lost, as any datagram may be.
		var got [100]byte
		_, werr := u.Write([]byte{0})
		derr := u.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		n, err := u.Read(got[:])
		return werr == nil && derr == nil && err == nil && n == 1 && got[0] == 0
	}, func() string { return "no answer after the flood" })
	if n := r.metric(t, "oriel_forward_heartbeats_total", ""); n < 1 || n > flooders*datagrams+1000 {
		t.Errorf("%v heartbeats are counted", n)
	}
	cancel()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
}

func TestJSONOfRecords(t *testing.T) {
	big := make(rec, 0, 400)
	for i := range 100 {
		big = append(big, fmt.Sprint("k", i), i, fmt.Sprint("k", i%50), -i)
	}
	for _, tc := range []struct {
		in   any
		want string
	}{
		{rec{"a", int64(math.MinInt64), "b", uint64(math.MaxUint64), "c", int64(1) << 53}, `{"a":-9223372036854775808,"b":18446744073709551615,"c":9007199254740992}`},
		{rec{"a", int64(-1), "b", int64(-33), "c", int64(-129), "d", int64(-40000), "e", uint64(200), "f", uint64(70000)}, `{"a":-1,"b":-33,"c":-129,"d":-40000,"e":200,"f":70000}`},
		{rec{"a", 1.5, "b", float32(0.1), "c", 2.0, "d", 1e300, "e", math.NaN(), "f", math.Inf(-1)}, `{"a":1.5,"b":0.1,"c":2.0,"d":1e+300,"e":"NaN","f":"-Infinity"}`},
		{rec{"a", nil, "b", true, "c", false, "d", arr{}, "e", rec{}}, `{"a":null,"b":true,"c":false,"d":[],"e":{}}`},
		{rec{"a", "q\"\\\n\t\x00\x1b\u2028é"}, `{"a":"q\"\\\n\t\u0000\u001b` + "\u2028é" + `"}`},
		{rec{"a", str32([]byte("x\xff\xed\xa0\x80y\xc0"))}, `{"a":"x` + strings.Repeat("\uFFFD", 4) + `y` + "\uFFFD" + `"}`},
		{rec{bin32([]byte("key")), []byte("bytes")}, `{"key":"bytes"}`},
		{rec{1, "a", nil, "b", true, "c", 1.5, "d", arr{1}, "e"}, `{"1":"a","null":"b","true":"c","1.5":"d","[1]":"e"}`},
		{rec{"a", 1, "b", 2, "a", 3}, `{"b":2,"a":3}`},
		{rec{"a", 1, "a", 2, "a", rec{"x", 1, "x", 2}}, `{"a":{"x":2}}`},
		{rec{"a", raw{0xd4, 5, 0xff}}, `{"a":{"ext":5,"base64":"/w=="}}`},
		{rec{"a", raw{0xc7, 0, 5}}, `{"a":{"ext":5,"base64":""}}`},
		{rec{"a", eventTimeExt(1, 5)}, `{"a":"1970-01-01T00:00:01.000000005Z"}`},
		{rec{"a", raw{0xd6, 0xff, 0, 0, 0, 1}}, `{"a":"1970-01-01T00:00:01Z"}`},
		{rec{"__proto__", 1, "a.b", 2, "a", rec{"b", 3}}, `{"__proto__":1,"a.b":2,"a":{"b":3}}`},
	} {
		var j jsonWriter
		got, rest, err := j.value(nil, pack(tc.in))
		if err != nil || len(rest) != 0 || string(got) != tc.want {
			t.Errorf("%#v:\n got %s (%v)\nwant %s", tc.in, got, err, tc.want)
		}
		if len(j.pairs) != 0 {
			t.Errorf("%#v: %d pairs left", tc.in, len(j.pairs))
		}
	}
	var j jsonWriter
	got, _, err := j.value(nil, pack(big))
	if err != nil {
		t.Fatal(err)
	}
	f := fields(t, logging.Record{Source: got})
	if len(f) != 100 || bytes.Count(got, []byte(`"k7":`)) != 1 || f["k7"] == nil {
		t.Fatalf("%s", got)
	}
}

// The logger that Docker and Go programs use, with acknowledgements.
func TestFluentLoggerGolang(t *testing.T) {
	for _, o := range []fluent.Config{
		{RequestAck: true}, {RequestAck: true, SubSecondPrecision: true}, {Async: true, RequestAck: true}, {SubSecondPrecision: true},
	} {
		r := start(t, Options{})
		host, port, err := net.SplitHostPort(r.addr)
		if err != nil {
			t.Fatal(err)
		}
		o.FluentHost, o.TagPrefix, o.WriteTimeout, o.ReadTimeout = host, "app", 10*time.Second, 10*time.Second
		fmt.Sscan(port, &o.FluentPort)
		l, err := fluent.New(o)
		if err != nil {
			t.Fatal(err)
		}
		const n = 50
		for i := range n {
			if err := l.PostWithTime("web", time.Now(), map[string]any{"message": fmt.Sprint(i), "n": i, "f": 1.5, "namespace": "shop"}); err != nil {
				t.Fatalf("%+v: %v", o, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		got := r.wait(t, n)
		for i, g := range got {
			if g.Message != fmt.Sprint(i) || g.Tenant != "shop" || fields(t, g)["tag"] != "app.web" {
				t.Fatalf("record %d: %+v %s", i, g, g.Source)
			}
		}
		if o.RequestAck { // they are counted when they are on their way
			acks := func() float64 { return r.metric(t, "oriel_forward_acks_total", "") }
			eventually(t, func() bool { return acks() == n }, func() string { return fmt.Sprint(acks(), " acks") })
		}
	}
}
