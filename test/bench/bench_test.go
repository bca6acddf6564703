package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"sync/atomic"
	"testing"

	"github.com/valyala/fastjson"
)

// A corpus comes back from its file as it was made, body by body.
func TestCorpus(t *testing.T) {
	dir := t.TempDir()
	say := func(string, ...any) {}
	made, err := openCorpus(dir, 4500, 1, 2000, say)
	if err != nil {
		t.Fatal(err)
	}
	found, err := openCorpus(dir, 4500, 1, 2000, say)
	if err != nil {
		t.Fatal(err)
	}
	if made.SHA256 != found.SHA256 || len(found.Ends) != 3 {
		t.Fatalf("made %s, found %s with %d bodies", made.SHA256, found.SHA256, len(found.Ends))
	}
	for i, want := range []int{2000, 2000, 500} {
		body, n, err := found.body(i, nil)
		if err != nil || n != want || bytes.Count(body, []byte("\n")) != 2*want || !bytes.HasPrefix(body, []byte(action)) {
			t.Errorf("body %d: %d records, %d lines, %v; want %d records", i, n, bytes.Count(body, []byte("\n")), err, want)
		}
	}
	if other, err := openCorpus(dir, 4500, 2, 2000, say); err != nil || other.SHA256 == made.SHA256 {
		t.Errorf("another seed gave the same corpus, or %v", err)
	}
}

func TestWithIDs(t *testing.T) {
	body := []byte(action + "{\"a\":1}\n" + action + "{\"a\":2}\n")
	got := string(withIDs(nil, body, 7))
	const want = `{"create":{"_index":"k8s","_id":"8f14e45fceea167a5a36"}}` + "\n{\"a\":1}\n" +
		`{"create":{"_index":"k8s","_id":"c9f0f895fb98ab9159f5"}}` + "\n{\"a\":2}\n"
	if got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// What goes over forward, in MessagePack's bytes.
func TestPack(t *testing.T) {
	v := fastjson.MustParse(`{"s":"x","n":200,"f":1.5,"o":{"i":-1}}`)
	got, err := packValue(nil, v)
	const want = "de0004" + "a173a178" + "a16ed300000000000000c8" + "a166cb3ff8000000000000" + "a16fde0001a169d3ffffffffffffffff"
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("got %x, %v\nwant %s", got, err, want)
	}
}

func TestDiffer(t *testing.T) {
	rows := func(kv ...any) (out []row) {
		for i := 0; i < len(kv); i += 2 {
			out = append(out, row{kv[i].(string), []float64{float64(kv[i+1].(int))}})
		}
		return out
	}
	for _, c := range []struct {
		name string
		q    query
		a, b []row
		same bool
	}{
		{"equal", query{}, rows("a", 1, "b", 2), rows("a", 1, "b", 2), true},
		{"another key", query{}, rows("a", 1), rows("b", 1), false},
		{"another number", query{}, rows("a", 1), rows("a", 2), false},
		{"within the tolerance", query{tolerance: 0.02}, rows("", 1000), rows("", 1015), true},
		{"outside of it", query{tolerance: 0.02}, rows("", 1000), rows("", 1025), false},
		{"a row less", query{}, rows("a", 1), nil, false},
		{"a tie at the end", query{top: true}, rows("a", 9, "b", 3), rows("a", 9, "c", 3), true},
		{"no tie in front", query{top: true}, rows("a", 9, "b", 3), rows("z", 9, "b", 3), false},
	} {
		if got := c.q.differ(c.a, c.b); (got == "") != c.same {
			t.Errorf("%s: %q", c.name, got)
		}
	}
}

// Every query's body is one JSON object, and every body is sent once.
func TestQueriesAndSend(t *testing.T) {
	c, err := openCorpus(t.TempDir(), 100, 1, 10, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, q := range queries(c) {
		if err := fastjson.Validate(q.es); err != nil || seen[q.id] || len(q.vl) == 0 {
			t.Errorf("%s: %v, twice: %t\n%s", q.id, err, seen[q.id], q.es)
		}
		seen[q.id] = true
	}
	var sent [100]atomic.Int32
	if err := send(context.Background(), 3, len(sent), func(_ context.Context, _, i int) error { sent[i].Add(1); return nil }); err != nil {
		t.Fatal(err)
	}
	for i := range sent {
		if n := sent[i].Load(); n != 1 {
			t.Errorf("body %d was sent %d times", i, n)
		}
	}
}
