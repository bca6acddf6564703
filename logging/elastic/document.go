package elastic

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// document is a record as the engine keeps it; mapping.json says how each part
// is looked for. What ends with "only searched" the engine does not give back.
type document struct {
	Tenant   string `json:"t"`
	Index    string `json:"i"`
	ID       string `json:"id"`
	Seq      uint64 `json:"s"`
	Nanos    int64  `json:"ns"`
	Millis   int64  `json:"ms"` // only searched
	Received int64  `json:"r"`  // milliseconds

	Cluster   string `json:"cluster,omitempty"`
	Region    string `json:"region,omitempty"`
	Cloud     string `json:"cloud,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Pod       string `json:"pod,omitempty"`
	Container string `json:"container,omitempty"`
	Node      string `json:"node,omitempty"`
	Level     string `json:"level,omitempty"`
	Stream    string `json:"stream,omitempty"`

	Rest *rest  `json:"rest,omitempty"`
	Size int    `json:"sz"`            // bytes of the source
	Src  string `json:"src,omitempty"` // the sender's document, as text: the engine reads nothing of it

	Names  []string `json:"n,omitempty"`    // of fields that have values; only searched
	Terms  []string `json:"x,omitempty"`    // only searched
	Values []string `json:"v,omitempty"`    // what sorts and aggregations read: name, sep, stored; only searched
	Again  []string `json:"u,omitempty"`    // values that are there more than once, with how often; only searched
	Long   []string `json:"long,omitempty"` // names of fields of which terms do not tell everything; only searched
	Tokens []string `json:"tk,omitempty"`   // of every analysed string its tokens, one a line, each behind its field's name; only searched
}

// rest is what mostly is not there.
type rest struct {
	Original string  `json:"original,omitempty"`
	Message  *string `json:"message,omitempty"` // where it is not what the document's own message is
	Binary   []byte  `json:"binary,omitempty"`  // the sender's document where it is not UTF-8
}

// originalName is the field of logging.Record.Original, which gives way to an
// own one.
const originalName = "timestamp_original"

// encodeRecord makes the document of a record.
func encodeRecord(r *logging.Record) *document {
	doc := &document{
		Tenant: string(r.Tenant), Index: r.Index, ID: r.ID, Seq: r.Seq,
		Nanos: nanos(r.Time), Millis: r.Time.UnixMilli(), Received: r.Received.UnixMilli(),
		Cluster: r.Cluster, Region: r.Region, Cloud: r.Cloud, Namespace: r.Namespace, Pod: r.Pod, Container: r.Container, Node: r.Node,
		Level: r.Level, Stream: r.Stream, Size: len(r.Source), Src: string(r.Source),
	}
	var more rest
	more.Original = r.Original
	d := logging.NewDoc(r)
	if own := ownMessage(d); own != r.Message || !utf8.ValidString(own) {
		more.Message = &r.Message
	}
	if !utf8.Valid(r.Source) {
		more.Binary, doc.Src = r.Source, ""
	}
	if more.Original != "" || more.Message != nil || more.Binary != nil {
		doc.Rest = &more
	}
	t := gathered{doc: doc, seen: map[string]bool{}}
	for name, vals := range d.Searched() {
		t.field(name, d.Values(logging.Field{Name: name}))
		for _, v := range vals {
			t.value("", name, v)
		}
	}
	if v := d.Values(logging.Field{Name: originalName}); len(v) > 0 && !slices.Contains(doc.Names, originalName) {
		t.field(hiddenOriginal, v)
	}
	message := d.Values(logging.Field{Name: messageName})
	switch {
	case len(message) == 0 || len(message) == 1 && message[0] == logging.String(r.Message):
	case r.Message == "":
		doc.Names = append(doc.Names, encodeName(hiddenNone))
		doc.Values = append(doc.Values, named(hiddenNone))
	default:
		t.field(hiddenMessage, []logging.Value{logging.String(r.Message)})
	}
	for _, v := range d.Spelled() {
		t.value(levelName, levelName, v)
		t.value("", levelName, v)
	}
	return doc
}

const (
	levelName   = "level"
	messageName = "message"
)

// ownMessage gives the document's own message, where it has one.
func ownMessage(d *logging.Doc) string {
	probe := *d.Record
	probe.Message = ""
	vals := logging.NewDoc(&probe).Values(logging.Field{Name: messageName})
	if len(vals) == 1 && vals[0].Kind == logging.KindString {
		return vals[0].Str
	}
	return ""
}

// gathered is the terms of one document.
type gathered struct {
	doc  *document
	seen map[string]bool // what is in Terms
}

// field notes everything about a field and its values.
func (t *gathered) field(name string, vals []logging.Value) {
	if len(vals) == 0 {
		return
	}
	begin := named(name)
	t.doc.Names = append(t.doc.Names, begin[:len(begin)-len(sep)])
	times := map[string]int{}
	for _, v := range vals {
		t.value(name, name, v)
		text, _ := stored(v)
		times[begin+text]++
	}
	for text, n := range times {
		t.doc.Values = append(t.doc.Values, text)
		if n > 1 {
			t.doc.Again = append(t.doc.Again, fmt.Sprintf("%s%s#%d", text, esc, n))
		}
	}
}

// value notes what a value is found by: under a field's name, or "" for a
// search in every field; of is the name it was found under.
func (t *gathered) value(under, of string, v logging.Value) {
	begin := named(under)
	text, long := encodeValue(v)
	if long {
		t.long(begin)
	}
	if v.Kind != logging.KindString {
		t.term(begin + text)
		t.term(begin + tagText + v.Text())
		return
	}
	analysed := !logging.IsKeyword(of) || of == levelName
	if under != "" || !analysed {
		t.term(begin + text)
	}
	if at, ok := logging.ParseTime(v.Str); ok {
		t.term(begin + tagDate + encodeNanos(nanos(at)))
	}
	if analysed {
		t.tokens(begin, v.Str)
	}
}

func (t *gathered) tokens(begin, s string) {
	var b strings.Builder
	for i, token := range logging.Analyze(s) {
		if i > 0 {
			b.WriteByte('\n')
		}
		text, long := cut(token)
		if long {
			t.long(begin)
		}
		b.WriteString(begin)
		b.WriteString(text)
	}
	if b.Len() > 0 {
		t.doc.Tokens = append(t.doc.Tokens, b.String())
	}
	for from, to := range logging.Words(s) {
		word := s[from:to]
		if !strings.ContainsAny(word, ".',;:") {
			continue
		}
		text, long := cut(lower(word))
		if long {
			t.long(begin)
		}
		t.term(begin + tagWord + text)
	}
}

func (t *gathered) term(s string) {
	if !t.seen[s] {
		t.seen[s] = true
		t.doc.Terms = append(t.doc.Terms, s)
	}
}

func (t *gathered) long(begin string) {
	if !slices.Contains(t.doc.Long, begin) {
		t.doc.Long = append(t.doc.Long, begin)
	}
}

// nanos gives a time as nanoseconds since the epoch, the nearest there is.
func nanos(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// decodeRecord reads what encodeRecord made and the engine gave back.
func decodeRecord(src []byte) (logging.Record, error) {
	var d document
	if err := json.Unmarshal(src, &d); err != nil {
		return logging.Record{}, fmt.Errorf("read a document of the engine's: %w", err)
	}
	r := logging.Record{
		Tenant: tenant.ID(d.Tenant), Index: d.Index, ID: d.ID, Seq: d.Seq,
		Time: time.Unix(0, d.Nanos).UTC(), Received: time.UnixMilli(d.Received).UTC(),
		Cluster: d.Cluster, Region: d.Region, Cloud: d.Cloud, Namespace: d.Namespace, Pod: d.Pod, Container: d.Container, Node: d.Node,
		Level: d.Level, Stream: d.Stream, Source: []byte(d.Src),
	}
	if d.Rest != nil {
		r.Original = d.Rest.Original
		if d.Rest.Binary != nil {
			r.Source = d.Rest.Binary
		}
	}
	if d.Rest != nil && d.Rest.Message != nil {
		r.Message = *d.Rest.Message
	} else {
		r.Message = ownMessage(logging.NewDoc(&r))
	}
	return r, nil
}
