package segment_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// maker makes random records of every kind.
type maker struct {
	*rand.Rand
	seq   uint64
	start time.Time
}

func newMaker(seed uint64) *maker {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 1)), start: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)}
	if seed%3 == 1 {
		m.start = time.Date(1969, 12, 31, 23, 59, 59, 0, time.UTC) // two days, on both sides of zero
	}
	return m
}

func (m *maker) pick(of ...string) string { return of[m.IntN(len(of))] }

func (m *maker) str() string {
	switch m.IntN(12) {
	case 0:
		return ""
	case 1:
		return "a \"quoted\" \\ back\nline\ttab \u0001 \u00fc \u4e16 \U0001F600"
	case 2:
		return fmt.Sprintf("%016x", m.Uint64())
	case 3:
		return fmt.Sprintf("%016x%016x", m.Uint64(), m.Uint64())
	case 4:
		return m.start.Add(time.Duration(m.Int64N(1e12))).Format(time.RFC3339Nano)
	case 5:
		return strings.Repeat("long ", m.IntN(300))
	case 6:
		return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", m.Uint32(), m.IntN(65536), m.IntN(65536), m.IntN(65536), m.Uint64()>>16)
	}
	return m.pick("GET /api/users/", "connection refused by ", "user ", "retry in ") + fmt.Sprint(m.IntN(1000)) + m.pick("", " ms", " of 12")
}

func (m *maker) number() string {
	switch m.IntN(10) {
	case 0:
		return m.pick("1e5", "-0", "0.0", "1E-7", "-1.50", "123456789012345678901234567890", "0.1e+10", "9223372036854775807", "-9223372036854775808", "1.7976931348623157e308", "5e-324")
	case 1, 2, 3:
		return fmt.Sprint(m.IntN(1000) - 500)
	case 4:
		return fmt.Sprint(m.Int64())
	}
	return fmt.Sprintf("%.*f", m.IntN(5), m.Float64()*1000)
}

func (m *maker) value(depth int) string {
	switch m.IntN(12) {
	case 0:
		return "null"
	case 1:
		return m.pick("true", "false")
	case 2, 3, 4:
		return m.number()
	case 5:
		if depth < 3 {
			return m.object(depth + 1)
		}
	case 6:
		if depth < 3 {
			var b strings.Builder
			b.WriteByte('[')
			for i := range m.IntN(4) {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(m.value(depth + 1))
			}
			return b.String() + "]"
		}
	}
	out, _ := json.Marshal(m.str())
	return string(out)
}

func (m *maker) object(depth int) string {
	var b strings.Builder
	b.WriteByte('{')
	used := map[string]bool{}
	for range m.IntN(6) {
		key := m.pick("a", "b", "c", "a.b", "msg", "level", "@timestamp", "n", "trace_id", "ü\"x")
		if used[key] {
			continue
		}
		used[key] = true
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		k, _ := json.Marshal(key)
		b.WriteString(string(k) + ":" + m.value(depth))
	}
	return b.String() + "}"
}

// source is a document: of a shape that comes again, or of any.
func (m *maker) source(t time.Time, message string) string {
	text, _ := json.Marshal(message)
	switch m.IntN(8) {
	case 0:
		return m.object(0)
	case 1:
		return `{"dup":1,"dup":` + m.number() + `}`
	case 2:
		return fmt.Sprintf(`{"n":%s,"m":{"x":[%s,%q]},"a.b":%t,"m.y":{},"z":null,"e":[]}`, m.number(), m.number(), m.pick("x", "y"), m.IntN(2) == 0)
	case 3:
		return fmt.Sprintf(`{"@timestamp":%q,"message":%s,"trace_id":"%016x%016x"}`, t.Format(time.RFC3339Nano), text, m.Uint64(), m.Uint64())
	}
	s, _ := json.Marshal(m.str())
	return fmt.Sprintf(`{"@timestamp":%q,"message":%s,"status":%d,"took":%.3f,"ok":%t,"s":%s,"pod":"pod-%d","node":"node-%d"}`,
		t.Format("2006-01-02T15:04:05.000000000Z"), text, 200+m.IntN(5), m.Float64()*100, m.IntN(2) == 0, s, m.IntN(4), m.IntN(2))
}

func (m *maker) record() logging.Record {
	m.seq += 1 + uint64(m.IntN(3))/2
	t := m.start.Add(time.Duration(m.seq)*time.Millisecond + time.Duration(m.Int64N(int64(time.Second))))
	message := m.str()
	r := logging.Record{
		Tenant: "t1", Index: m.pick("logs-a", "logs-b"), Seq: m.seq, ID: logging.DerivedID(m.seq), Time: t,
		Received: time.UnixMilli(m.start.UnixMilli() + int64(m.seq)/100*7).UTC(), Namespace: m.pick("x", "y"), Container: m.pick("c", "c", ""),
		Pod: fmt.Sprintf("pod-%d", m.IntN(4)), Node: m.pick("node-0", "node-1"), Level: m.pick("info", "warn", ""), Stream: "stdout", Message: message,
	}
	r.Cluster = "k1"
	if m.IntN(10) == 0 {
		r.ID = fmt.Sprintf("given-%d", m.seq)
	}
	if m.IntN(20) == 0 {
		r.Original = "yesterday"
	}
	r.Source = []byte(m.source(t, message))
	return r
}

func (m *maker) records(n int) []logging.Record {
	out := make([]logging.Record, n)
	for i := range out {
		out[i] = m.record()
	}
	return out
}

// tokens gives a document's tokens with numbers as they were written: two are
// equal where the documents are, keys in their order.
func tokens(t *testing.T, src []byte) []json.Token {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(src)))
	d.UseNumber()
	var out []json.Token
	for {
		tok, err := d.Token()
		if err != nil {
			if err.Error() != "EOF" {
				t.Fatalf("%s: %v", src, err)
			}
			return out
		}
		out = append(out, tok)
	}
}

func same(t *testing.T, what string, got, want logging.Record) {
	t.Helper()
	if !bytes.Equal(got.Source, want.Source) {
		if diff := cmp.Diff(tokens(t, want.Source), tokens(t, got.Source)); diff != "" {
			t.Fatalf("%s: source of seq %d (-want +got):\n%s", what, want.Seq, diff)
		}
	}
	got.Source, want.Source = nil, nil
	if reflect.DeepEqual(got, want) {
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s: seq %d (-want +got):\n%s", what, want.Seq, diff)
	}
}

// holds checks that the blocks have the records, each once.
func holds(t *testing.T, what string, blocks []segment.Block, want map[uint64]logging.Record) {
	t.Helper()
	seen := map[uint64]bool{}
	for _, b := range blocks {
		for row := range b.Info().Rows {
			rec, err := b.Record(row)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			w, ok := want[rec.Seq]
			if !ok || seen[rec.Seq] {
				t.Fatalf("%s: seq %d is there, and should not be (or twice)", what, rec.Seq)
			}
			seen[rec.Seq] = true
			same(t, what, rec, w)
		}
		together(t, what, b)
	}
	if len(seen) != len(want) {
		t.Fatalf("%s: %d records, want %d", what, len(seen), len(want))
	}
}

// together checks that rows of a block that are asked for together are what they
// are one by one, and that nothing of one is in the memory of another.
func together(t *testing.T, what string, b segment.Block) {
	t.Helper()
	for _, step := range []int{1, 3, b.Info().Rows} {
		var rows []int
		var to []*logging.Record
		for row := 0; row < b.Info().Rows; row += step {
			rows, to = append(rows, row), append(to, new(logging.Record))
		}
		if err := b.Records(rows, to); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for i, row := range rows {
			if i%2 == 1 {
				clear(to[i-1].Source[:cap(to[i-1].Source)])
			}
			one, err := b.Record(row)
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			if !reflect.DeepEqual(*to[i], one) {
				t.Fatalf("%s: row %d of %d together (-one by one +together):\n%s", what, row, len(rows), cmp.Diff(one, *to[i]))
			}
		}
	}
}

func bySeq(recs []logging.Record) map[uint64]logging.Record {
	out := make(map[uint64]logging.Record, len(recs))
	for _, r := range recs {
		out[r.Seq] = r
	}
	return out
}

func TestTable(t *testing.T) {
	for seed := range uint64(10) {
		m := newMaker(seed)
		tab := segment.NewTable("t1")
		recs := m.records(1 + m.IntN(1200))
		for i := 0; i < len(recs); {
			n := min(1+m.IntN(100), len(recs)-i)
			tab.Append(recs[i : i+n])
			i += n
			if m.IntN(10) == 0 {
				holds(t, fmt.Sprintf("seed %d, %d records", seed, i), tab.Blocks(), bySeq(recs[:i]))
			}
		}
		holds(t, fmt.Sprintf("seed %d", seed), tab.Blocks(), bySeq(recs))
	}
}

// TestSnapshots: what Blocks gave stays as it was while the writer goes on, and
// may be read then.
func TestSnapshots(t *testing.T) {
	m := newMaker(4)
	recs := m.records(3000)
	tab := segment.NewTable("t1")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; i < len(recs); i += 50 {
			tab.Append(recs[i : i+50])
		}
	}()
	for going := true; going; {
		select {
		case <-done:
			going = false
		default:
		}
		blocks := tab.Blocks()
		n := 0
		for _, b := range blocks {
			n += b.Info().Rows
		}
		holds(t, fmt.Sprintf("%d records", n), blocks, bySeq(recs[:n]))
	}
}
