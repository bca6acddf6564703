package logging

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/internal/shape"
)

// randomDoc makes a document of names that mean something, in few shapes and
// many, among them some that are not valid.
func randomDoc(rng *rand.Rand) []byte {
	keys := []string{"@timestamp", "message", "log", "msg", "MESSAGE", "namespace", "pod", "container", "node", "host", "_HOSTNAME", "stream", "level", "severity", "lvl", "loglevel", "log.level", "priority", "kubernetes", "namespace_name", "pod_name", "kubernetes.namespace_name", "fields", `fi\u0065lds`, "fields.message", "cluster", "a", ""}
	values := []string{`"web"`, `"w\u0065b"`, `"pay"`, `""`, `"info"`, `" WARN "`, `"İNFO"`, `"\tErr\u006fr"`, `"é漢\n"`, `"line\r\n"`, `3`, `6.0`, `1e999`, `-0`, `12345678901234567890`, `true`, `false`, `null`, `{}`, `[]`, `"2026-11-22T11:00:00.123456789Z"`, `"2026-11-22 11:00"`, `1795345200000`, `"1795345200000"`, `tru`, "\"\xff\"", `"\ud800"`}
	var b []byte
	var object func(depth int)
	var value func(depth int)
	value = func(depth int) {
		switch n := rng.IntN(12); {
		case n == 0 && depth < 4:
			object(depth + 1)
		case n == 1 && depth < 4:
			b = append(b, '[')
			for i := range rng.IntN(3) {
				if i > 0 {
					b = append(b, ',')
				}
				value(depth + 1)
			}
			b = append(b, ']')
		default:
			b = append(b, values[min(rng.IntN(len(values)), rng.IntN(len(values)*2))]...)
		}
	}
	object = func(depth int) {
		b = append(b, '{')
		for i := range rng.IntN(5) {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(append(append(b, '"'), keys[rng.IntN(len(keys))]...), '"', ':')
			if rng.IntN(8) == 0 {
				b = append(b, ' ')
			}
			value(depth)
		}
		b = append(b, '}')
	}
	object(0)
	return b
}

// checkRead compares a reader with gather, and its shapes with flatten.
func checkRead(t *testing.T, r *reader, src []byte) {
	t.Helper()
	if s, spans, _, ok := r.scanner.Scan(src); ok {
		want := flatten(string(src), flat{})
		var got flat
		for i, h := range s.Holes() {
			nth := 0
			for _, before := range got.names {
				if before == h.Path {
					nth++
				}
			}
			if h.Nth != nth {
				t.Errorf("%s: %s is number %d, want %d", src, h.Path, h.Nth, nth)
			}
			got.names = append(got.names, h.Path)
			got.vals = append(got.vals, r.value(h.Type, src[spans[i].From:spans[i].To]))
		}
		if !slices.Equal(got.names, want.names) || fmt.Sprint(got.vals) != fmt.Sprint(want.vals) {
			t.Errorf("%s:\n holes %q %v\nfields %q %v", src, got.names, got.vals, want.names, want.vals)
		}
	}
	var c claims
	if !r.read(&c, src) {
		return
	}
	want := gather(string(src))
	if c.strs != want.strs || c.time != want.time || c.level != want.level {
		t.Errorf("%s:\n got %+v\nwant %+v", src, c, want)
	}
	if top := addedIn(string(src)); c.top != top {
		t.Errorf("%s: got names %b, want %b", src, c.top, top)
	}
}

func TestReadIsGather(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, 1))
	r := newReader(new(shape.Cache))
	for i := range 60_000 {
		src := randomDoc(rng)
		for range 1 + i%3 {
			checkRead(t, r, src)
		}
		if t.Failed() {
			t.Fatalf("seed %d, document %d", seed, i)
		}
	}
	if seen := len(r.plans); seen < 1000 {
		t.Errorf("only %d shapes", seen)
	}
}

func FuzzRead(f *testing.F) {
	for seed := range uint64(8) {
		f.Add(randomDoc(rand.New(rand.NewPCG(seed, 2))), randomDoc(rand.New(rand.NewPCG(seed, 3))))
	}
	f.Fuzz(func(t *testing.T, before, src []byte) {
		r := newReader(new(shape.Cache))
		for _, src := range [][]byte{before, before, src, src, src} {
			checkRead(t, r, src)
		}
	})
}

func TestNormalizeLevelAllocatesNothing(t *testing.T) {
	long := strings.Repeat("x", 100)
	if n := testing.AllocsPerRun(100, func() {
		for _, s := range []string{"WARNING", " Error\n", "trace", "7", long} {
			NormalizeLevel(s)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	for in, want := range map[string]string{"İNFO": "info", "\u00a0Warn\u00a0": "warn", "\xffinfo": "", "informational   ": "info", long: ""} {
		if got := NormalizeLevel(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
