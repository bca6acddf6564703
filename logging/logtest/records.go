// Package logtest makes random log records and random queries, for tests that
// hold a fast store against logging.Run. The same seed gives the same.
//
//	rnd := rand.New(rand.NewPCG(seed, 0))
//	recs := logtest.Records(rnd, 500)
//	q := logtest.Query(rnd)
//	if d := logtest.Diff(want, got); d != "" { ... }
package logtest

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Noon is the time around which the records of Records lie.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// Noon is the time around which the records of Records lie.
func Noon() time.Time { return noon }

// Tenant owns the records of Records.
const Tenant tenant.ID = "shop"

// The small worlds values are taken from: small, so that queries meet them.
var (
	clusters   = []string{"eu", "us"}
	namespaces = []string{"web", "web", "web", "db", ""}
	pods       = []string{"web-1", "web-2", "db-0", ""}
	containers = []string{"app", "side", ""}
	nodes      = []string{"node-a", "node-b", ""}
	levels     = []string{"", logging.LevelInfo, logging.LevelInfo, logging.LevelWarn, logging.LevelError, logging.LevelDebug}
	streams    = []string{"stdout", "stderr", ""}
	spellings  = []string{"INFO", "info", "Warning", "warn", "err", "ERROR", "verbose", "weird", "debug", "notice", ""}
	words      = []string{"error", "Error", "connection", "refused", "GET", "user", "id", "timeout", "wäre", "Straße", "漢字", "İstanbul", "x_y", "42", "200", "web", "eu", "info"}
	strs       = []string{
		"", " ", "error", "Error", "200", "-3", "1.5", "true", "a.b", "web", "db", "web-1", "eu", "node-a", "stdout", "info", "INFO",
		"Connection refused", "connection refused by 10.1.2.3:8080", "GET /api/v1/items?id=42 HTTP/1.1", "漢字テスト ok", "STRASSE straße",
		"2026-11-22T12:00:05Z", "2026-11-22T12:00:05.123456789Z", "2026-11-22 12:00", "2026-11-22T13:00:05+01:00", "not a date",
		"deadbeef", "line\nbreak\ttab \"quoted\" \\ back", "\x00\x7f", "e\u0301", "1e3", "trailing  ", "52.5,13.4", "POINT (-70.25 42.5)",
	}
	numbers = []string{
		"0", "1", "-1", "7", "42", "200", "200", "404", "500", "-0", "1.0", "1.5", "12.30", "0.1", "-2.25", "1e3", "1E-2", "200.0", "0.10",
		"9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808", "123456789012345678901234567890", "1e400", "1763812800000", "1763812805123", "-0.0",
	}
	// names are field names of documents; dots stand for dotted keys or nesting.
	names = []string{
		"message", "log", "msg", "level", "severity", "lvl", "fields.level", "log.level", "status", "latency", "user", "path", "trace", "span", "tags",
		"kubernetes.namespace_name", "kubernetes.pod_name", "kubernetes.host", "kubernetes.labels.app", "namespace", "pod", "cluster", "host",
		"stream", "@timestamp", "@received", "_id", "_seq", "_index", "exported.namespace", "exported.pod", "timestamp_original", "ok", "a", "a.b", "a.b.c", "time", "n.x", "n.y", "size", "size", "émoji", "where", "where.lat", "where.lon",
	}
)

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

// one reports true once in n times.
func one(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// Records makes n records of one tenant, in the order of their Seq: documents of
// a few shapes that come again and some that do not, of mixed types, with names
// that were stamped too, odd levels, and values from a small world.
func Records(r *rand.Rand, n int) []logging.Record {
	shapes := make([]skeleton, 1+r.IntN(6))
	for i := range shapes {
		shapes[i] = newSkeleton(r)
	}
	oneIndex, odd := one(r, 2), pick(r, []int{100, 100, 100, 3})
	spread := pick(r, []time.Duration{time.Second, time.Minute, time.Hour, 50 * time.Hour})
	recs := make([]logging.Record, n)
	seq := uint64(r.IntN(1000))
	for i := range recs {
		seq += 1 + uint64(r.IntN(3)/2)
		src := ""
		if s := pick(r, shapes); one(r, 20) {
			src = newSkeleton(r).write(r)
		} else {
			src = s.write(r)
		}
		switch {
		case one(r, odd):
			src = pick(r, irregular)
		case one(r, odd): // a key twice: any document is irregular with it
			src = strings.TrimSuffix(src, "}") + pick(r, []string{`,"zz":1,"zz":2}`, `,"level":"info","level":"WARN"}`, `,"zz":true,"zz":"caf\u00e9"}`})
			src = strings.Replace(src, "{,", "{", 1)
		}
		recs[i] = record(r, src, seq, spread)
		if oneIndex {
			recs[i].Index = "logs-all"
		}
	}
	return recs
}

// irregular documents keep their text in any store.
var irregular = []string{
	`{"a":1,"a":2}`, `{"message":"lone \ud800 half"}`, `{}`, `{"":1,"a":{"":"x"}}`, `{"level":["WARN","x"],"level":"INFO"}`,
	strings.Repeat(`{"a":`, 70) + `"deep"` + strings.Repeat(`}`, 70), `{"kubernetes":{"namespace_name":"evil"},"kubernetes.namespace_name":"web"}`,
}

func record(r *rand.Rand, src string, seq uint64, spread time.Duration) logging.Record {
	at := noon.Add(time.Duration(r.Int64N(int64(spread))))
	if one(r, 3) {
		at = at.Truncate(pick(r, []time.Duration{time.Second, time.Millisecond, time.Minute})) // ties
	}
	rec := logging.Record{
		Tenant: Tenant, Seq: seq, ID: logging.DerivedID(seq),
		Time: at, Received: noon.Add(time.Duration(r.IntN(5000)) * time.Millisecond),
		Cluster: pick(r, clusters), Namespace: pick(r, namespaces), Pod: pick(r, pods), Container: pick(r, containers), Node: pick(r, nodes),
		Level: pick(r, levels), Stream: pick(r, streams), Source: []byte(src),
	}
	rec.Index = "logs-" + rec.Cluster + "-" + rec.Namespace
	if rec.Namespace == "" {
		rec.Index = "logs-" + rec.Cluster + "-_none"
	}
	if one(r, 8) {
		rec.Region, rec.Cloud = "north", "aws"
	}
	if one(r, 10) {
		rec.ID = "given-" + strconv.FormatUint(seq, 10)
	}
	if one(r, 30) {
		rec.Original = "1999-01-01"
	}
	d := logging.NewDoc(&rec)
	if own := d.Values(logging.Field{Name: pick(r, []string{"message", "log", "msg"})}); len(own) > 0 && !one(r, 6) {
		rec.Message = own[0].Text()
	} else {
		rec.Message = text(r)
	}
	if one(r, 2) { // as Stamp finds it
		for _, name := range []string{"severity", "lvl", "log.level", "fields.level"} {
			if own := logging.NewDoc(&rec).Values(logging.Field{Name: name}); len(own) > 0 {
				if l := logging.NormalizeLevel(own[0].Text()); l != "" {
					rec.Level = l
					break
				}
			}
		}
	}
	return rec
}

// text makes a message of some words.
func text(r *rand.Rand) string {
	if one(r, 4) {
		return pick(r, strs)
	}
	var b strings.Builder
	for i := range 1 + r.IntN(6) {
		if i > 0 {
			b.WriteString(pick(r, []string{" ", " ", "=", ": ", "/"}))
		}
		if one(r, 4) {
			fmt.Fprint(&b, r.IntN(1000))
		} else {
			b.WriteString(pick(r, words))
		}
	}
	return b.String()
}

// skeleton is a shape: a tree of keys with what stands at them.
type skeleton struct{ keys []keyed }

type keyed struct {
	key  string
	kind byte // s string, w text, l level, n number, i integer, f decimal, x hex id, u uuid, t time, b bool, 0 null, e empty object, a array, o object
	many []byte
	sub  skeleton
}

func newSkeleton(r *rand.Rand) skeleton {
	var s skeleton
	for range r.IntN(8) {
		s.put(r, pick(r, names))
	}
	return s
}

// put adds a name: as one dotted key, or nested, as the dice fall.
func (s *skeleton) put(r *rand.Rand, name string) {
	if head, rest, ok := strings.Cut(name, "."); ok && one(r, 2) {
		for i := range s.keys {
			if s.keys[i].key == head && s.keys[i].kind == 'o' {
				s.keys[i].sub.put(r, rest)
				return
			}
		}
		if !s.has(head) {
			k := keyed{key: head, kind: 'o'}
			k.sub.put(r, rest)
			s.keys = append(s.keys, k)
		}
		return
	}
	if s.has(name) {
		return
	}
	k := keyed{key: name, kind: kindFor(r, name)}
	if one(r, 10) {
		k.kind = 'a'
		for range r.IntN(4) {
			k.many = append(k.many, kindFor(r, name))
		}
	}
	s.keys = append(s.keys, k)
}

func (s *skeleton) has(key string) bool {
	for _, k := range s.keys {
		if k.key == key {
			return true
		}
	}
	return false
}

func kindFor(r *rand.Rand, name string) byte {
	if name == "size" { // what is summed: no numbers so large that the order of adding shows
		return pick(r, []byte("iiffs"))
	}
	if one(r, 6) {
		return pick(r, []byte("sswwlniifxutb0e"))
	}
	switch name {
	case "message", "log", "msg", "path":
		return 'w'
	case "level", "severity", "lvl", "fields.level", "log.level":
		return 'l'
	case "status":
		return 'i'
	case "latency":
		return 'f'
	case "trace":
		return 'x'
	case "span":
		return 'u'
	case "time", "@timestamp":
		return 't'
	case "ok":
		return 'b'
	case "a", "n.x":
		return 'n'
	}
	return 's'
}

func (s skeleton) write(r *rand.Rand) string {
	var b strings.Builder
	s.append(&b, r)
	return b.String()
}

func (s skeleton) append(b *strings.Builder, r *rand.Rand) {
	b.WriteByte('{')
	for i, k := range s.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(quote(k.key))
		b.WriteByte(':')
		switch k.kind {
		case 'o':
			k.sub.append(b, r)
		case 'a':
			b.WriteByte('[')
			for i, kind := range k.many {
				if i > 0 {
					b.WriteByte(',')
				}
				b.WriteString(value(r, kind))
			}
			b.WriteByte(']')
		default:
			b.WriteString(value(r, k.kind))
		}
	}
	b.WriteByte('}')
}

func value(r *rand.Rand, kind byte) string {
	switch kind {
	case 'w':
		return quote(text(r))
	case 'l':
		return quote(pick(r, spellings))
	case 'n':
		return pick(r, numbers)
	case 'i':
		return strconv.Itoa(pick(r, []int{200, 200, 200, 404, 500, r.IntN(1000)}))
	case 'f':
		return strconv.FormatFloat(float64(r.IntN(100000))/100, 'f', r.IntN(4), 64)
	case 'x':
		return quote(hexID(r))
	case 'u':
		x := hexID(r)
		return quote(x[:8] + "-" + x[8:12] + "-" + x[12:16] + "-" + x[16:20] + "-" + x[20:])
	case 't':
		return quote(noon.Add(time.Duration(r.Int64N(int64(time.Minute)))).Truncate(pick(r, []time.Duration{1, time.Second, time.Millisecond})).Format(pick(r, []string{time.RFC3339Nano, "2006-01-02T15:04:05.000Z"})))
	case 'b':
		return strconv.FormatBool(one(r, 2))
	case '0':
		return "null"
	case 'e':
		return "{}"
	}
	return quote(pick(r, strs))
}

// hexID is one of some 40 ids.
func hexID(r *rand.Rand) string {
	n := uint64(r.IntN(40)) * 0x9e3779b97f4a7c15
	return fmt.Sprintf("%016x%016x", n, n*31+7)
}

// quote writes a JSON string.
func quote(s string) string {
	b := []byte{'"'}
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, '\\', 'n')
		case r < 0x20:
			b = fmt.Appendf(b, "\\u%04x", r)
		default:
			b = append(b, string(r)...)
		}
	}
	return string(append(b, '"'))
}
