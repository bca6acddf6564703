package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
)

// Raw is a record as it came in, before anybody decided whose it is.
type Raw struct {
	// Source is the sender's document, one JSON object. Forward and journal
	// build it from what they decoded.
	Source []byte
	// Time is the protocol's own time of the event (EventTime, journald's
	// source time); zero where it has none. A valid @timestamp in Source wins.
	Time time.Time
	// Index and ID are what the sender asked for; "" where it did not.
	Index string
	ID    string
	// Node marks a record of a node's journal: without namespace it is the
	// system's, not nobody's.
	Node bool
	// AddFields lets Stamp add the stamped fields to Source where absent
	// (forward and journal, whose documents are built here anyway).
	AddFields bool
}

// Stamper turns what came in into records. Safe for concurrent use.
type Stamper struct {
	// Clock tells the time of receipt; nil is the machine's.
	Clock clock.Clock
	// Retention bounds how old an event time may be before it is clamped; 0 does not.
	Retention time.Duration
	// OnClamp is told of every record whose event time was replaced by the time of
	// receipt. May be nil.
	OnClamp func(tenant.ID)
}

// Bounds of one record.
const (
	SourceBytesMax = 16 << 20 // of one document
	IDBytesMax     = 512      // of a given id, as in Elasticsearch
	labelBytesMax  = 253      // of a namespace: Kubernetes allows 63
	nameBytesMax   = 1024     // of a pod, container, node or stream
	indexBytesMax  = 255

	futureMax = 24 * time.Hour
)

// Stamp makes a record: it decides the owner from the scope, finds the time,
// level and message, and writes the labels that only the scope can know. The
// error says in one sentence why the document is refused; nothing else of the
// request need suffer from that.
//
// The namespace is kubernetes.namespace_name, else namespace, where they are
// strings; pod, container and node likewise (kubernetes.pod_name, pod;
// kubernetes.container_name, container; kubernetes.host, kubernetes.node_name,
// node, and of a node's journal _HOSTNAME and host). The message is the first
// string of message, log, msg, MESSAGE. A document that claims two namespaces
// alike ("kubernetes.namespace_name" beside {"kubernetes":{"namespace_name"}}, or
// an array) claims none, and so does one with more values than are looked at:
// what an application logs stands in the same document as what its shipper says
// of it, and must not outshout it. The index is logs-{cluster}-{namespace},
// in lower case and with _ for what Elasticsearch does not allow in names;
// without namespace logs-{cluster}-_node for a node's journal and
// logs-{cluster}-_none else. Only under a tenant's credential the index the
// sender named is kept instead.
func (s *Stamper) Stamp(w tenant.Write, raw Raw) (Record, error) {
	if !w.Valid() {
		return Record{}, errors.New("the credential may not write logs: use one with write access")
	}
	src, err := cleanSource(raw.Source)
	if err != nil {
		return Record{}, err
	}
	if len(raw.ID) > IDBytesMax || !utf8.ValidString(raw.ID) {
		return Record{}, fmt.Errorf("id of %d bytes: want valid UTF-8 of at most %d", len(raw.ID), IDBytesMax)
	}
	c := gather(string(src))
	now := time.Now
	if s.Clock != nil {
		now = s.Clock
	}
	cluster := w.Cluster()
	rec := Record{
		ID:        raw.ID,
		Received:  now().UTC(),
		Cluster:   cluster.Name,
		Region:    cluster.Region,
		Cloud:     cluster.Cloud,
		Namespace: c.first(claimNamespace),
		Pod:       c.name(claimPod),
		Container: c.name(claimContainer),
		Node:      c.name(claimNode),
		Stream:    c.name(claimStream),
		Level:     c.level,
		Message:   strings.TrimRight(c.first(claimMessage), "\r\n"),
		Source:    src,
	}
	if rec.Node == "" && raw.Node {
		rec.Node = c.name(claimHost)
	}
	if len(rec.Namespace) > labelBytesMax {
		return Record{}, fmt.Errorf("namespace of %d bytes: want at most %d", len(rec.Namespace), labelBytesMax)
	}
	clamped := s.stampTime(&rec, raw.Time, c)
	if rec.Namespace == "" && raw.Node {
		rec.Tenant, _ = w.NodeOwner()
	} else {
		rec.Tenant, _ = w.Owner(rec.Namespace, rec.Time)
	}
	if rec.Index, err = indexName(w, &rec, raw); err != nil {
		return Record{}, err
	}
	if raw.AddFields {
		rec.Source = addFields(&rec)
	}
	if clamped && s.OnClamp != nil {
		s.OnClamp(rec.Tenant)
	}
	return rec, nil
}

// cleanSource gives one JSON object in valid UTF-8, without blanks around it.
func cleanSource(src []byte) ([]byte, error) {
	src = bytes.TrimSpace(src)
	if len(src) > SourceBytesMax {
		return nil, fmt.Errorf("document of %d bytes: split it, the most is %d", len(src), SourceBytesMax)
	}
	if !utf8.Valid(src) {
		src = bytes.ToValidUTF8(src, []byte("\uFFFD"))
	}
	if len(src) == 0 || src[0] != '{' || !json.Valid(src) {
		return nil, errors.New("document is not valid: want one JSON object, such as {\"message\":\"...\"}")
	}
	return src, nil
}

// stampTime finds the event time. It reports whether that was so far off that
// the time of receipt took its place.
func (s *Stamper) stampTime(rec *Record, given time.Time, c claims) bool {
	rec.Time = rec.Received
	original := ""
	if t, ok := eventTime(c.time); ok {
		rec.Time, original = t, c.time.Text()
	} else if !given.IsZero() {
		rec.Time, original = given.UTC(), given.UTC().Format(time.RFC3339Nano)
	}
	tooOld := s.Retention > 0 && rec.Time.Before(rec.Received.Add(-s.Retention))
	if tooOld || rec.Time.After(rec.Received.Add(futureMax)) || !inNanos(rec.Time) {
		rec.Time, rec.Original = rec.Received, original
		return true
	}
	return false
}

// eventTime reads @timestamp: a date, or milliseconds since the epoch as a
// number or in digits.
func eventTime(v Value) (time.Time, bool) {
	if v.Kind == KindString {
		if t, ok := ParseTime(v.Str); ok {
			return t, true
		}
		x, err := strconv.ParseInt(v.Str, 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		v = Int(x)
	}
	if v.Kind != KindInt && v.Kind != KindFloat || v.Kind == KindInt && (v.Int > math.MaxInt64/2 || v.Int < math.MinInt64/2) {
		return time.Time{}, false
	}
	return v.time()
}

// claim is something the sender says about a record, in order of preference.
type claim uint8

const (
	claimNamespace claim = iota
	claimPod
	claimContainer
	claimNode
	claimHost
	claimStream
	claimMessage
	claimsNum
)

// claims are what a document says about itself.
type claims struct {
	strs  [claimsNum]string
	rank  [claimsNum]uint8 // of the name that strs came from; 0: none yet
	time  Value
	level string
	torn  bool // two namespaces are claimed with equal right
}

func (c *claims) first(k claim) string { return c.strs[k] }

// name is first without what is too long to be a name.
func (c *claims) name(k claim) string {
	if len(c.strs[k]) > nameBytesMax {
		return ""
	}
	return c.strs[k]
}

// claimOf tells which claim a field is; a higher rank is preferred.
func claimOf(name string) (k claim, rank uint8) {
	switch name {
	case "kubernetes.namespace_name":
		return claimNamespace, 2
	case "namespace":
		return claimNamespace, 1
	case "kubernetes.pod_name":
		return claimPod, 2
	case "pod":
		return claimPod, 1
	case "kubernetes.container_name":
		return claimContainer, 2
	case "container":
		return claimContainer, 1
	case "kubernetes.host":
		return claimNode, 3
	case "kubernetes.node_name":
		return claimNode, 2
	case "node":
		return claimNode, 1
	case "_HOSTNAME":
		return claimHost, 2
	case "host":
		return claimHost, 1
	case "stream":
		return claimStream, 1
	case "message":
		return claimMessage, 6
	case belowFields + "message":
		return claimMessage, 5
	case belowFields + "msg":
		return claimMessage, 4
	case "log": // the whole line, where the application's JSON was read
		return claimMessage, 3
	case "msg":
		return claimMessage, 2
	case "MESSAGE":
		return claimMessage, 1
	}
	return 0, 0
}

// gather reads the claims of a document.
func gather(src string) claims {
	c := claims{}
	best := len(levelNames)
	all := flatten(src, flat{names: make([]string, 0, 24), vals: make([]Value, 0, 24)})
	for at, field := range all.names {
		v := &all.vals[at]
		if field == FieldTime && c.time.Kind == Missing {
			c.time = *v
			continue
		}
		if k, rank := claimOf(field); rank > 0 && rank >= c.rank[k] && v.Kind == KindString && v.Str != "" {
			switch {
			case rank > c.rank[k]:
				c.strs[k], c.rank[k] = v.Str, rank
				c.torn = c.torn && k != claimNamespace
			case k == claimNamespace && v.Str != c.strs[k]:
				c.torn = true
			}
		}
		for i, name := range levelNames[:best] {
			if name == field {
				if l := NormalizeLevel(v.Text()); l != "" {
					c.level, best = l, i
				}
				break
			}
		}
	}
	if c.torn || all.cut {
		c.strs[claimNamespace] = ""
	}
	return c
}

// indexName decides the index of a record whose owner is known.
func indexName(w tenant.Write, rec *Record, raw Raw) (string, error) {
	if _, ok := w.Tenant(); ok && raw.Index != "" {
		return raw.Index, CheckIndexName(raw.Index)
	}
	namespace := rec.Namespace
	switch {
	case namespace != "":
	case raw.Node:
		namespace = "_node"
	default:
		namespace = "_none"
	}
	return IndexFor(rec.Cluster, namespace), nil
}

const indexIllegal = "\\/*?\"<>| ,#:"

// IndexFor names the index of a namespace of a cluster. It is never parsed
// back: two pairs may share a name.
func IndexFor(cluster, namespace string) string {
	name := []byte("logs-" + strings.ToLower(cluster) + "-" + strings.ToLower(namespace))
	for i, c := range name {
		if c <= ' ' || c == 0x7f || strings.IndexByte(indexIllegal, c) >= 0 {
			name[i] = '_'
		}
	}
	if len(name) > indexBytesMax {
		name = bytes.ToValidUTF8(name[:indexBytesMax], nil)
	}
	return string(name)
}

// CheckIndexName refuses what Elasticsearch refuses as the name of an index.
func CheckIndexName(name string) error {
	bad := func(why string) error {
		if len(name) > 80 {
			name = name[:80] + "..."
		}
		return fmt.Errorf("invalid index name [%s], %s", name, why)
	}
	switch {
	case name == "" || name == "." || name == "..":
		return bad("must not be empty, '.' or '..'")
	case len(name) > indexBytesMax:
		return bad(fmt.Sprintf("must not be longer than %d bytes", indexBytesMax))
	case strings.ContainsAny(name[:1], "-_+"):
		return bad("must not start with '_', '-', or '+'")
	case strings.ContainsAny(name, indexIllegal) || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return bad("must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?, #, :]")
	case name != strings.ToLower(name):
		return bad("must be lowercase")
	case !utf8.ValidString(name):
		return bad("must be valid UTF-8")
	}
	return nil
}

// messageRepeatMax is the longest message, in bytes, that addFields adds.
const messageRepeatMax = 64 << 10

// addFields writes the stamped fields into the source where it has no such
// name, and leaves the rest as it is, byte by byte.
func addFields(rec *Record) []byte {
	has := topNames(string(rec.Source))
	var more []byte
	add := func(name, value string) {
		if value == "" || has[name] {
			return
		}
		v, err := json.Marshal(value)
		if err != nil {
			return // cannot be: every string marshals
		}
		more = append(append(append(append(more, ',', '"'), name...), '"', ':'), v...)
	}
	add(FieldTime, rec.Time.Format(time.RFC3339Nano))
	add(fieldOriginal, rec.Original)
	add(fieldLevel, rec.Level)
	// Readers of _source, Grafana's log view among them, know one name for the
	// message; what shippers of containers and journald call it is another one. A
	// long one is not written twice.
	if len(rec.Message) <= messageRepeatMax {
		add(fieldMessage, rec.Message)
	}
	add("cluster", rec.Cluster)
	add("region", rec.Region)
	add("cloud", rec.Cloud)
	add("namespace", rec.Namespace)
	add("pod", rec.Pod)
	add("container", rec.Container)
	add("node", rec.Node)
	if len(more) == 0 {
		return rec.Source
	}
	body := rec.Source[:len(rec.Source)-1] // without the last brace
	if len(bytes.TrimSpace(body)) == 1 {   // nothing but the first one
		more = more[1:]
	}
	out := make([]byte, 0, len(body)+len(more)+1)
	return append(append(append(out, body...), more...), '}')
}

// topNames gives the names at the top of a JSON object.
func topNames(src string) map[string]bool {
	f := flattener{s: src, i: 1}
	names := map[string]bool{}
	for {
		if f.space(); f.peek() != '"' {
			return names
		}
		name, ok := f.str()
		if f.space(); !ok || f.peek() != ':' {
			return names
		}
		names[name] = true
		f.i++
		f.space()
		switch f.peek() {
		case '{', '[':
			ok = f.skip()
		default:
			ok = f.value("", depthMax)
		}
		if f.space(); !ok || f.peek() != ',' {
			return names
		}
		f.i++
	}
}
