package forward

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"math"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// What a case must lead to.
const (
	acked  = "acked"  // answered with the right chunk id; the records are stored or counted
	closed = "closed" // ended without any answer, and counted
	waits  = "waits"  // nothing is answered; more bytes are waited for
)

func TestHostileFrames(t *testing.T) {
	chunk := rec{"chunk", "c"}
	entry := func(v ...any) arr { return arr{append(arr{}, v...)} }
	ok := arr{int(now()), rec{"message", "ok"}}
	okBytes := pack(ok)
	deep := func(n int) raw { return append(bytes.Repeat([]byte{0x91}, n), 0xc0) }
	header := func(c byte, n uint32) raw { return binary.BigEndian.AppendUint32(raw{c}, n) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	frame := func(v ...any) []byte { return pack(append(arr{}, v...)) }
	badCRC := gz(okBytes)
	badCRC[len(badCRC)-5] ^= 1
	fields := rec{}
	for i := range 100_000 {
		fields = append(fields, "field"+strings.Repeat("x", i%7)+string(rune('a'+i%26)), i)
	}
	for _, tc := range []struct {
		name    string
		in      []byte
		want    string
		records int
		refused string // reason, where a record is refused
		ack     any    // where it is not "c"
	}{
		{name: "truncated, then idle", in: frame("t", entry(int(now()), rec{"message", "x"}), chunk)[:20], want: waits},
		{name: "str32 of 4 GiB", in: join([]byte{0x93}, header(0xdb, math.MaxUint32)), want: closed},
		{name: "bin32 of 4 GiB", in: join([]byte{0x93, 0xa1, 't'}, header(0xc6, math.MaxUint32)), want: closed},
		{name: "array32 of 4G elements", in: join([]byte{0x93, 0xa1, 't'}, header(0xdd, math.MaxUint32)), want: closed},
		{name: "map32 of 4G members", in: join([]byte{0x93, 0xa1, 't', 0x01}, header(0xdf, math.MaxUint32)), want: closed},
		{name: "claims just under the limit", in: join([]byte{0x93, 0xa1, 't'}, header(0xdd, 60<<20)), want: waits},
		{name: "100,000 nested arrays", in: join([]byte{0x93, 0xa1, 't', 0x01}, deep(100_000)), want: closed},
		{name: "100,000 nested arrays, packed", in: frame("t", bin32(deep(100_000)), chunk), want: closed},
		{name: "nested as deep as allowed", in: frame("t", arr{arr{int(now()), rec{"message", "x", "a", deep(depthMax - 4)}}}, chunk), want: acked, records: 1},
		{name: "gzip of 64 MiB zero bytes", in: frame("t", bin32(gz(make([]byte, 64<<20))), rec{"chunk", "c", "compressed", "gzip"}), want: closed},
		{name: "gzip bomb within one entry", in: frame("t", bin32(gz(join([]byte{0x92, 1, 0x81, 0xa1, 'm'}, bin32(make([]byte, 64<<20))))), rec{"chunk", "c", "compressed", "gzip"}), want: acked, refused: "too_large"},
		{name: "gzip bomb of more than may be unpacked", in: frame("t", bin32(gz(join([]byte{0x92, 1, 0x81, 0xa1, 'm'}, bin32(make([]byte, 200<<20))))), rec{"chunk", "c", "compressed", "gzip"}), want: closed},
		{name: "zstd bomb", in: frame("t", bin32(zst(make([]byte, 64<<20))), rec{"chunk", "c", "compressed", "zstd"}), want: closed},
		{name: "gzip garbage", in: frame("t", []byte("not gzip at all"), rec{"chunk", "c", "compressed", "gzip"}), want: closed},
		{name: "zstd garbage", in: frame("t", []byte("not zstd at all"), rec{"chunk", "c", "compressed", "zstd"}), want: closed},
		{name: "zstd with a dictionary", in: frame("t", raw{0xc4, 9, 0x28, 0xb5, 0x2f, 0xfd, 0x01, 7, 0, 0, 0}, rec{"chunk", "c", "compressed", "zstd"}), want: closed},
		{name: "zstd skippable frame", in: frame("t", bin32(join([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9}, zst(okBytes))), rec{"chunk", "c", "compressed", "zstd"}), want: acked, records: 1},
		{name: "zstd with a window of 2 GiB", in: frame("t", bin32([]byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xa8, 0x09, 0, 0, 'x'}), rec{"chunk", "c", "compressed", "zstd"}), want: closed},
		{name: "gzip with a bad checksum", in: frame("t", bin32(badCRC), rec{"chunk", "c", "compressed", "gzip"}), want: closed},
		{name: "gzip with garbage behind it", in: frame("t", bin32(join(gz(okBytes), []byte("garbage"))), rec{"chunk", "c", "compressed", "gzip"}), want: closed},
		{name: "gzip cut short", in: frame("t", bin32(gz(okBytes)[:20]), rec{"chunk", "c", "compressed", "gzip"}), want: closed},
		{name: "gzip within gzip", in: frame("t", bin32(gz(gz(okBytes))), rec{"chunk", "c", "compressed", "gzip"}), want: closed},
		{name: "empty gzip", in: frame("t", bin32(nil), rec{"chunk", "c", "compressed", "gzip"}), want: acked},
		{name: "unknown compression", in: frame("t", bin32(okBytes), rec{"chunk", "c", "compressed", "brotli"}), want: closed},
		{name: "packed, last entry torn", in: frame("t", bin32(join(okBytes, okBytes[:4])), chunk), want: closed},
		{name: "empty tag", in: frame("", bin32(okBytes), chunk), want: acked, records: 1},
		{name: "tag with invalid UTF-8", in: frame(str32([]byte("t\xff\x00\n")), bin32(okBytes), chunk), want: acked, records: 1},
		{name: "tag ../../etc", in: frame("../../etc", bin32(okBytes), chunk), want: acked, records: 1},
		{name: "tag with NUL and newline", in: frame("t\x00\r\nack", bin32(okBytes), chunk), want: acked, records: 1},
		{name: "BOM, separators, escapes and a lone surrogate", in: frame("t", entry(1, rec{"message", "\ufeffa\u2028b\x1b[31m\x00\xed\xa0\x80\xc0\xaf"}), chunk), want: acked, records: 1},
		{name: "tag of 64 KiB", in: frame(strings.Repeat("t", 64<<10), bin32(okBytes), chunk), want: acked, records: 1},
		{name: "tag of 1 MiB", in: frame(strings.Repeat("t", 1<<20), bin32(okBytes), chunk), want: closed},
		{name: "tag is an integer", in: frame(7, bin32(okBytes), chunk), want: closed},
		{name: "time nil", in: frame("t", entry(nil, rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time -1", in: frame("t", entry(-1, rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time least int64", in: frame("t", entry(int64(math.MinInt64), rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time greatest uint64", in: frame("t", entry(uint64(math.MaxUint64), rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time 1e18", in: frame("t", entry(int64(1e18), rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time NaN", in: frame("t", entry(math.NaN(), rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time a string", in: frame("t", entry("yesterday", rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time as ext8", in: frame("t", entry(raw(append([]byte{0xc7, 8}, eventTimeExt(now(), 1)[1:]...)), rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time of ext type -1", in: frame("t", entry(raw{0xd6, 0xff, 0x60, 0, 0, 0}, rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "time of an unknown ext", in: frame("t", entry(raw{0xd4, 9, 1}, rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "4e9 nanoseconds", in: frame("t", entry(eventTimeExt(now(), 4_000_000_000), rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "the last second of EventTime, in 2106", in: frame("t", entry(eventTimeExt(math.MaxUint32, 999_999_999), rec{"message", "x"}), chunk), want: acked, records: 1},
		{name: "record is not a map", in: frame("t", arr{arr{1, "text"}, ok}, chunk), want: acked, records: 1, refused: "not_a_record"},
		{name: "entry is not an array", in: frame("t", arr{7, ok}, chunk), want: acked, records: 1, refused: "not_an_entry"},
		{name: "entry of one element", in: frame("t", arr{arr{1}, ok}, chunk), want: acked, records: 1, refused: "not_an_entry"},
		{name: "entry with an empty time", in: frame("t", arr{arr{arr{}, rec{}}, ok}, chunk), want: acked, records: 1, refused: "not_an_entry"},
		{name: "packed integers", in: frame("t", bin32(join([]byte{1, 2, 3}, okBytes)), chunk), want: acked, records: 1, refused: "not_an_entry"},
		{name: "keys that are no strings", in: frame("t", entry(1, rec{1, "a", nil, "b", arr{1}, "c", "message", "x"}), chunk), want: acked, records: 1},
		{name: "equal keys", in: frame("t", entry(1, rec{"message", "x", "a", 1, "a", 2}), chunk), want: acked, records: 1},
		{name: "NaN and infinity", in: frame("t", entry(1, rec{"message", "x", "a", math.NaN(), "b", math.Inf(1)}), chunk), want: acked, records: 1},
		{name: "ext value", in: frame("t", entry(1, rec{"message", "x", "a", raw{0xd4, 5, 1}}), chunk), want: acked, records: 1},
		{name: "byte 0xc1", in: []byte{0x93, 0xa1, 't', 0xc1}, want: closed},
		{name: "byte 0xc1, packed", in: frame("t", bin32([]byte{0xc1}), chunk), want: closed},
		{name: "chunk id is an integer", in: frame("t", bin32(okBytes), rec{"chunk", 77}), want: acked, records: 1, ack: 77},
		{name: "chunk id is nil", in: frame("t", bin32(okBytes), rec{"chunk", nil}), want: waits, records: 1},
		{name: "chunk id is a map", in: frame("t", bin32(okBytes), rec{"chunk", rec{}}), want: closed},
		{name: "chunk id of 1 MiB", in: frame("t", bin32(okBytes), rec{"chunk", strings.Repeat("c", 1<<20)}), want: closed},
		{name: "options are no map", in: frame("t", bin32(okBytes), "chunk"), want: closed},
		{name: "options nil", in: frame("t", bin32(okBytes), nil), want: waits, records: 1},
		{name: "size option lies", in: frame("t", bin32(okBytes), rec{"size", uint64(math.MaxUint64), "chunk", "c"}), want: acked, records: 1},
		{name: "compressed message", in: frame("t", 1, rec{"message", "x"}, rec{"chunk", "c", "compressed", "gzip"}), want: acked, records: 1},
		{name: "five elements", in: frame("t", bin32(okBytes), chunk, 1, 2), want: closed},
		{name: "one element", in: frame("t"), want: closed},
		{name: "empty array", in: frame(), want: closed},
		{name: "a map", in: pack(rec{"a", 1}), want: closed},
		{name: "HELO of a client", in: frame("HELO", rec{}), want: closed},
		{name: "JSON", in: []byte(`["t",1,{"message":"x"},{"chunk":"c"}]`), want: closed},
		{name: "HTTP", in: []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), want: closed},
		// What a page of the web can make a browser send to a port of this machine.
		{name: "HTTP whose body is a frame", in: join([]byte("POST / HTTP/1.1\r\nHost: 127.0.0.1:24224\r\nOrigin: https://evil.example\r\nContent-Type: text/plain\r\n\r\n"), frame("t", bin32(okBytes), chunk)), want: closed},
		{name: "TURN whose user name is a frame", in: join([]byte{0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42}, frame("t", bin32(okBytes), chunk)), want: closed},
		{name: "TLS", in: []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, want: closed},
		{name: "line of 10 MB", in: frame("t", entry(1, rec{"message", strings.Repeat("x", 10_000_000)}), chunk), want: acked, records: 1},
		{name: "line of 17 MiB", in: frame("t", arr{arr{1, rec{"message", strings.Repeat("x", 17<<20)}}, ok}, chunk), want: acked, records: 1, refused: "too_large"},
		{name: "line of 17 MiB, packed", in: frame("t", bin32(join(pack(arr{1, rec{"message", strings.Repeat("x", 17<<20)}}), okBytes)), chunk), want: acked, records: 1, refused: "too_large"},
		{name: "100,000 members", in: frame("t", entry(1, fields), chunk), want: acked, records: 1},
		{name: "2 million entries", in: frame("t", bin32(bytes.Repeat([]byte{1}, 2_000_000)), chunk), want: closed},
		{name: "2 million entries, not packed", in: join([]byte{0x93, 0xa1, 't'}, header(0xdd, 2_000_000), make([]byte, 2_000_000), pack(chunk)), want: closed},
		{name: "names that are Oriel's", in: frame("t", entry(1, rec{"message", "x", "tenant", "billing", "_index", "logs-x", "_id", "1", "@timestamp", "x", "a", 1, "a.b", 2}), chunk), want: acked, records: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, Options{Limits: Limits{UnpackedBytesMax: 100 << 20}})
			c := r.dial(t)
			switch tc.want {
			case acked:
				if tc.ack == nil {
					tc.ack = "c"
				}
				want := ackOf(tc.ack)
				got, err := exchange(t, c, tc.in, len(want))
				if err != nil || !bytes.Equal(got, want) {
					t.Fatalf("answer %q, %v", got, err)
				}
			case closed:
				if got, err := exchange(t, c, tc.in, 1); len(got) > 0 || err == nil || isTimeout(err) {
					t.Fatalf("answer %q, %v", got, err)
				}
				eventually(t, func() bool { return r.metric(t, "oriel_forward_frames_malformed_total", "") == 1 }, func() string { return "not counted as malformed" })
			case waits:
				go c.Write(tc.in)
				if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
					t.Fatal(err)
				}
				var b [1]byte
				if n, err := c.Read(b[:]); n > 0 || !isTimeout(err) {
					t.Fatalf("answer %q, %v", b[:n], err)
				}
			}
			records := r.wait(t, tc.records)
			if len(records) != tc.records {
				t.Fatalf("%d records", len(records))
			}
			if n := r.metric(t, "oriel_forward_records_refused_total", tc.refused); tc.want == acked && (n > 0) != (tc.refused != "") {
				t.Fatalf("%v records refused as %q", n, tc.refused)
			}
			if n := r.metric(t, "oriel_forward_connections_closed_total", "panic"); n != 0 {
				t.Fatal("panicked")
			}
			// Whatever one connection does, others are served.
			want := ackOf("after")
			if got, err := exchange(t, r.dial(t), frame("t", arr{ok}, rec{"chunk", "after"}), len(want)); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("another connection: %q, %v", got, err)
			}
		})
	}
}

func isTimeout(err error) bool {
	ne, ok := err.(interface{ Timeout() bool })
	return ok && ne.Timeout()
}

// Claimed lengths cost nothing: many connections that claim 60 MiB and send
// nothing of it hold no more than small buffers.
func TestClaimsAllocateNothing(t *testing.T) {
	r := start(t, Options{})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	claim := append([]byte{0x93, 0xa1, 't'}, binary.BigEndian.AppendUint32([]byte{0xc6}, 60<<20)...)
	for range 200 {
		if _, err := r.dial(t).Write(claim); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, func() bool { return r.metric(t, "oriel_forward_connections", "") == 200 }, func() string { return "connections" })
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 20<<20 {
		t.Fatalf("heap grew by %d bytes", grown)
	}
}

func TestSlowAndTooMany(t *testing.T) {
	r := start(t, Options{Limits: Limits{ConnectionsMax: 2, ProgressTimeMax: 50 * time.Millisecond, FrameTimeMax: 200 * time.Millisecond}})
	stuck, drip := r.dial(t), r.dial(t)
	eventually(t, func() bool { return r.metric(t, "oriel_forward_connections", "") == 2 }, func() string { return "connections" })
	third := r.dial(t)
	var b [1]byte
	if _, err := third.Read(b[:]); err == nil || isTimeout(err) {
		t.Fatalf("third connection: %v", err)
	}
	if _, err := stuck.Write([]byte{0x93, 0xa1}); err != nil {
		t.Fatal(err)
	}
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for _, c := range append([]byte{0x93}, str32(make([]byte, 60_000))...) {
			<-tick.C
			if _, err := drip.Write([]byte{c}); err != nil {
				return
			}
		}
	}()
	for _, c := range []io.Reader{stuck, drip} {
		if _, err := c.Read(b[:]); err == nil || isTimeout(err) {
			t.Fatalf("%v", err)
		}
	}
	if n := r.metric(t, "oriel_forward_connections_closed_total", "timeout"); n != 2 {
		t.Fatalf("%v closed by timeout", n)
	}
	if n := r.metric(t, "oriel_forward_connections_closed_total", "too_many"); n != 1 {
		t.Fatalf("%v closed as too many", n)
	}
}

// The same chunk on many connections at once is stored once, and answered on each.
func TestSameChunkAtOnce(t *testing.T) {
	r := start(t, Options{})
	frame := pack(arr{"t", arr{arr{int(now()), rec{"message", "x"}}}, rec{"chunk", "c"}})
	want := ackOf("c")
	var wg sync.WaitGroup
	for range 20 {
		c := r.dial(t)
		wg.Go(func() {
			got := make([]byte, len(want))
			_, err := c.Write(frame)
			if err == nil {
				_, err = io.ReadFull(c, got)
			}
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	wg.Wait()
	if n := len(r.all()); n != 1 {
		t.Fatalf("%d records", n)
	}
}

// Strangers fill neither the log nor memory: what they are refused for is counted,
// and said now and then.
func TestManyStrangers(t *testing.T) {
	var log bytes.Buffer
	r := start(t, Options{Keys: []Key{{Name: "k", SharedKey: "s"}}, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	const n = 200
	for range n {
		c := r.dial(t)
		h := readHelo(t, msgp.NewReaderSize(c, 1))
		if _, err := c.Write(pingOf(h, "client", "salt", "wrong", "", "")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); isTimeout(err) {
			t.Fatal("still open")
		}
		c.Close()
	}
	eventually(t, func() bool { return r.metric(t, "oriel_forward_auth_failures_total", "shared_key") == n }, func() string { return "not counted" })
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(log.Bytes(), []byte("\n")); lines == 0 || lines > n/4 {
		t.Fatalf("%d lines in the log", lines)
	}
}

// FuzzPing reads arbitrary bytes as a client's part of the handshake: nothing panics,
// and nobody is admitted who does not know the key.
func FuzzPing(f *testing.F) {
	h := hello{nonce: make([]byte, 16), auth: make([]byte, 16)}
	f.Add(pingOf(h, "client", "salt", "wrong", "ann", "pw"))
	f.Add(pack(arr{"PING", "", "", "", nil, nil}))
	f.Add(pack(arr{"PING", 1, arr{}, rec{}, "", ""}))
	s := New(Options{Keys: []Key{{Name: "k", SharedKey: "secret"}, {Name: "ann", SharedKey: "other", Username: "ann", Password: "pw"}}})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, _, err := cut(b)
		if err != nil {
			return
		}
		p, err := parsePing(v)
		if err != nil {
			return
		}
		if key, fault := s.admit(p, h.nonce, h.auth); fault == nil {
			t.Fatalf("admitted as %q", key.Name)
		}
	})
}

// An acknowledgement that nobody reads does not hold the connection for ever.
func TestClientThatNeverReads(t *testing.T) {
	r := start(t, Options{Limits: Limits{WriteTimeMax: 100 * time.Millisecond}})
	c := r.dial(t)
	frame := pack(arr{"t", arr{}, rec{"chunk", strings.Repeat("c", 60_000)}})
	for {
		if err := c.SetWriteDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Write(frame); err != nil {
			if isTimeout(err) {
				t.Fatal("the connection is still open")
			}
			return
		}
	}
}

// FuzzFrame reads arbitrary bytes as a stream of frames, in one piece and in
// small ones: nothing panics, both find the same, and what is stored is JSON.
func FuzzFrame(f *testing.F) {
	one := pack(arr{1, rec{"message", "one", "n", 1}})
	for _, b := range [][]byte{
		pack(arr{"t", 1, rec{"a", 1}, rec{"chunk", "c"}}),
		pack(arr{"t", arr{raw(one)}, rec{"chunk", "c"}}),
		pack(arr{"t", bin32(one), rec{"compressed", "text"}}),
		pack(arr{"t", bin32(gz(one, one)), rec{"compressed", "gzip"}}),
		pack(arr{"t", bin32(zst(one)), rec{"compressed", "zstd"}}),
		pack(arr{"t", bin32(pack(arr{arr{eventTimeExt(1, 2), rec{"m", 1}}, rec{"a", math.NaN(), 1, 2, "a", 3}}))}),
		{0xc0, 0xc0}, {0x93, 0xdb, 0xff, 0xff, 0xff, 0xff},
	} {
		f.Add(b)
	}
	l := DefaultLimits()
	l.UnpackedBytesMax, l.RecordBytesMax = 1<<20, 1<<16
	f.Fuzz(func(t *testing.T, b []byte) {
		read := func(r io.Reader) (sources [][]byte, err error) {
			s := &scanner{r: r, bytesMax: 1 << 20, bytesKept: 1 << 20}
			var j jsonWriter
			for {
				v, err := s.next()
				if err != nil {
					return sources, err
				}
				fr, err := parseFrame(v)
				if err != nil {
					continue
				}
				err = fr.each(&l, func(b []byte) error {
					if b == nil {
						return nil
					}
					e, reason := parseEntry(b)
					if reason != "" {
						return nil
					}
					src, err := j.source(e, fr.tag)
					if err != nil {
						t.Fatalf("a whole record: %v", err)
					}
					sources = append(sources, bytes.Clone(src))
					return nil
				})
				if err != nil {
					continue
				}
			}
		}
		whole, err := read(bytes.NewReader(b))
		small, err2 := read(&dribble{b: b})
		if err.Error() != err2.Error() || !bytes.Equal(bytes.Join(whole, nil), bytes.Join(small, nil)) {
			t.Fatalf("in one piece %q (%v), in small ones %q (%v)", whole, err, small, err2)
		}
		for _, src := range whole {
			fields(t, logRecord(src))
		}
		if _, _, err := msgp.ReadIntfBytes(b); err == nil && len(b) > 0 {
			if _, _, err := cut(b); err != nil && !errors.Is(err, errTooDeep) {
				t.Fatalf("whole for another reader, not for this one: %v", err)
			}
		}
	})
}

// dribble gives 1, 2, 3, ... bytes at a time.
type dribble struct {
	b []byte
	n int
}

func (d *dribble) Read(p []byte) (int, error) {
	if len(d.b) == 0 {
		return 0, io.EOF
	}
	d.n = d.n%7 + 1
	n := copy(p[:min(len(p), d.n)], d.b)
	d.b = d.b[n:]
	return n, nil
}
