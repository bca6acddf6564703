package shape_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
)

func TestShapes(t *testing.T) {
	tests := []struct{ doc, skeleton string }{
		{`{}`, `{}`},
		{` { "a" : "x" , "b":{ "c" : -1.5e3, "d":[true,null,{},"y"] } } `, "{\"a\":\x01,\"b\":{\"c\":\x02,\"d\":[\x03,null,{},\x01]}}"},
		{`{"a.b":1,"a":{"b":2}}`, "{\"a.b\":\x02,\"a\":{\"b\":\x02}}"},
		{`{"\u0061":"\ud83d\ude00\n"}`, "{\"a\":\x01}"},
		{`{"a":1,"a":2}`, ""},
		{`{"":1}`, ""},
		{`{"a":"\ud800"}`, ""},
		{`{"a":01}`, ""},
		{`{"a":1}x`, ""},
		{`[1]`, ""},
		{"{\"a\":\"\x01\"}", ""},
		{"{\"a\":\"\xff\"}", ""},
		{`{"a":"\x"}`, ""},
		{``, ""},
	}
	var sc shape.Scanner
	for range 2 { // unknown, then known
		for _, tt := range tests {
			s, _, _, ok := sc.Scan([]byte(tt.doc))
			if got := ""; ok {
				if got = string(s.Skeleton()); got != tt.skeleton {
					t.Errorf("%s: skeleton %q, want %q", tt.doc, got, tt.skeleton)
				}
				if p, err := shape.Parse(s.Skeleton()); err != nil || !reflect.DeepEqual(p.Holes(), s.Holes()) {
					t.Errorf("%s: Parse gives %v, want the holes %v", tt.doc, err, s.Holes())
				}
			} else if tt.skeleton != "" {
				t.Errorf("%s: no shape", tt.doc)
			}
		}
	}
}

// TestPaths wants the holes to be named as searches name the fields.
func TestPaths(t *testing.T) {
	var sc shape.Scanner
	doc := `{"m":"x","a":{"b":[1,{"c":"y","d":null},true]},"a.b":2,"k":{"l":{"m":"z"}}}`
	s, spans, _, ok := sc.Scan([]byte(doc))
	if !ok {
		t.Fatal("no shape")
	}
	var got, want []string
	for i, h := range s.Holes() {
		got = append(got, fmt.Sprint(h.Path, "#", h.Nth, "=", doc[spans[i].From:spans[i].To]))
	}
	for _, name := range []string{"m", "a.b", "a.b.c", "k.l.m"} {
		for i, v := range logging.NewDoc(&logging.Record{Source: []byte(doc)}).Values(logging.Field{Name: name}) {
			want = append(want, fmt.Sprint(name, "#", i, "=", v.Text()))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("holes %v, want %v", got, want)
	}
}

// check scans a document and holds it against encoding/json.
func check(t *testing.T, sc *shape.Scanner, doc []byte) {
	t.Helper()
	s, spans, escaped, ok := sc.Scan(doc)
	if !ok {
		return
	}
	if !json.Valid(doc) {
		t.Fatalf("%q has a shape and is not valid", doc)
	}
	again := s.Append(nil, func(dst []byte, i int) []byte {
		raw := doc[spans[i].From:spans[i].To]
		if s.Holes()[i].Type != shape.String {
			return append(dst, raw...)
		}
		if !escaped && bytes.IndexByte(raw, '\\') >= 0 {
			t.Fatalf("%q: %q has escapes and nobody says so", doc, raw)
		}
		return shape.AppendQuoted(dst, shape.Unescape(nil, raw))
	})
	want, got := decode(t, doc), decode(t, again)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%q came back as %q", doc, again)
	}
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	return v
}

func FuzzScan(f *testing.F) {
	for _, s := range []string{`{"a":"b\u00e9\\","c":[1,2.50,-0,1e9,true,false,null,{},[]]}`, `{"a":{"b":{"c":"d"}}}`, `{ "x" : "y" }`, `{"a":1,"a":2}`, `{"é":"ü"}`} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var sc shape.Scanner
		for range 2 {
			check(t, &sc, a)
			check(t, &sc, b)
		}
		_, _, _, first := new(shape.Scanner).Scan(b)
		if _, _, _, ok := sc.Scan(b); ok != first {
			t.Fatalf("%q: shape %t when new, %t when known", b, first, ok)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("{\"a\":\x01,\"b\":[\x02,\x03,null,{}]}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := shape.Parse(b)
		if err != nil {
			return
		}
		doc := s.Append(nil, func(dst []byte, i int) []byte {
			return append(dst, [...]string{shape.String: `"s"`, shape.Number: "1", shape.Bool: "true"}[s.Holes()[i].Type]...)
		})
		var sc shape.Scanner
		again, _, _, ok := sc.Scan(doc)
		if !ok || !bytes.Equal(again.Skeleton(), b) {
			t.Fatalf("skeleton %q makes %q, which has another", b, doc)
		}
	})
}

const k8sDoc = `{"@timestamp":"2026-11-22T12:00:00.123456789Z","stream":"stdout","kubernetes":{"namespace_name":"payments","pod_name":"api-6d5f7c9b8-x2x4z","container_name":"api","host":"node-07.eu.example","labels":{"app":"api","version":"1.14.2","team":"payments","pod-template-hash":"6d5f7c9b8"}},"level":"info","message":"request served path=/api/v1/orders/48213 in 12 ms","status":200,"latency_ms":12.48,"path":"/api/v1/orders/48213","user_id":"u-18233","trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","method":"GET"}`

func BenchmarkScan(b *testing.B) {
	var sc shape.Scanner
	doc := []byte(k8sDoc)
	b.SetBytes(int64(len(doc)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, _, ok := sc.Scan(doc); !ok {
			b.Fatal("no shape")
		}
	}
}

func BenchmarkValid(b *testing.B) { // the peer
	doc := []byte(k8sDoc)
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		if !json.Valid(doc) {
			b.Fatal("not valid")
		}
	}
}
