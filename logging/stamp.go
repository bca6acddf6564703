package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/shape"
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
	// Tag is the protocol's own, where it has one. That of a container's log file
	// names the pod (see Stamp).
	Tag string
	// Decided says that Namespace is the record's, "" for nobody's, whatever Source
	// claims: an agent has decided by more than stands there, such as the tag.
	Decided   bool
	Namespace string
	// Names, where set, are the record's, likewise.
	Names *Names
	// Node marks a record of a node's journal: without namespace it is the
	// system's, not nobody's.
	Node bool
	// AddFields lets Stamp add the stamped fields to Source where absent
	// (forward and journal, whose documents are built here anyway).
	AddFields bool
}

// Names are of where a record comes from; "" is unknown.
type Names struct{ Pod, Container, Node string }

// Stamper turns what came in into records. Safe for concurrent use; it must not
// be copied.
type Stamper struct {
	// Clock tells the time of receipt; nil is the machine's.
	Clock clock.Clock
	// Retention bounds how old an event time may be before it is clamped; 0 does not.
	Retention time.Duration
	// Pods, where set, knows the pods of the cluster PodsOf: what it knows of a
	// record's pod is added to its document (see Raw.AddFields).
	Pods   Pods
	PodsOf string
	// OnClamp is told of every record whose event time was replaced by the time of
	// receipt. May be nil.
	OnClamp func(tenant.ID)

	shapes  shape.Cache
	readers sync.Pool // of *reader
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
// of it, and must not outshout it.
//
// Under a cluster's credential the tag of a container's log file says the same:
// it goes before a plain namespace, which an application may log for reasons of
// its own, and one that contradicts kubernetes.namespace_name makes the record
// nobody's. Where nothing names a namespace, a container does that the kubelet
// named for Docker (container_name), or one that Pods knows by its id.
//
// The index is logs-{cluster}-{namespace},
// in lower case and with _ for what Elasticsearch does not allow in names;
// without namespace logs-{cluster}-_node for a node's journal and
// logs-{cluster}-_none else. Only under a tenant's credential the index the
// sender named is kept instead. The time of receipt is kept to the millisecond,
// that of the event to the nanosecond.
//
// The record shares the memory of raw.Source, which must not be changed any more;
// not so with AddFields, which copies it.
func (s *Stamper) Stamp(w tenant.Write, raw Raw) (Record, error) {
	var rec Record
	err := s.StampTo(&rec, w, raw)
	return rec, err
}

// StampTo is Stamp into a record that is there; with an error rec is of no use.
func (s *Stamper) StampTo(rec *Record, w tenant.Write, raw Raw) error {
	if !w.Valid() {
		return errors.New("the credential may not write logs: use one with write access")
	}
	r, _ := s.readers.Get().(*reader)
	if r == nil {
		r = newReader(&s.shapes)
	}
	err := s.stamp(r, rec, w, &raw)
	s.readers.Put(r)
	return err
}

func (s *Stamper) stamp(r *reader, rec *Record, w tenant.Write, raw *Raw) error {
	src := bytes.TrimSpace(raw.Source)
	if len(src) > SourceBytesMax {
		return fmt.Errorf("document of %d bytes: split it, the most is %d", len(src), SourceBytesMax)
	}
	var c claims
	if !r.read(&c, src) {
		var err error
		if src, err = cleanSource(src); err != nil {
			return err
		}
		c = gather(string(src))
	}
	if len(raw.ID) > IDBytesMax || !utf8.ValidString(raw.ID) {
		return fmt.Errorf("id of %d bytes: want valid UTF-8 of at most %d", len(raw.ID), IDBytesMax)
	}
	now := time.Now
	if s.Clock != nil {
		now = s.Clock
	}
	cluster := w.Cluster()
	if raw.Decided {
		c.strs[claimNamespace], c.rank[claimNamespace] = raw.Namespace, rankStamped
	} else {
		s.nameContainer(r, w, &c, raw)
	}
	if n := raw.Names; n != nil {
		c.strs[claimPod], c.strs[claimContainer], c.strs[claimNode] = n.Pod, n.Container, n.Node
	}
	*rec = Record{
		ID:        raw.ID,
		Received:  time.UnixMilli(now().UnixMilli()).UTC(),
		Cluster:   cluster.Name,
		Region:    cluster.Region,
		Cloud:     cluster.Cloud,
		Namespace: c.strs[claimNamespace],
		Pod:       c.name(claimPod),
		Container: c.name(claimContainer),
		Node:      c.name(claimNode),
		Stream:    c.name(claimStream),
		Level:     c.level,
		Message:   trimNewlines(c.strs[claimMessage]),
		Piece:     c.piece,
		Source:    src,
	}
	if rec.Node == "" && raw.Node {
		rec.Node = c.name(claimHost)
	}
	if len(rec.Namespace) > labelBytesMax {
		return fmt.Errorf("namespace of %d bytes: want at most %d", len(rec.Namespace), labelBytesMax)
	}
	clamped := s.stampTime(rec, raw.Time, &c)
	pod, joined := s.podOf(w, rec, &c, raw)
	if rec.Namespace == "" && raw.Node {
		rec.Tenant, _ = w.NodeOwner()
	} else {
		rec.Tenant, _ = w.Owner(rec.Namespace, rec.Time)
	}
	var err error
	if rec.Index, err = r.indexName(w, rec, raw); err != nil {
		return err
	}
	if raw.AddFields {
		if joined {
			var place int
			rec.Source, place = joinPod(src, &pod)
			rec.Message = moved(rec.Message, src, rec.Source, place)
			src = rec.Source
		}
		has := c.top
		if !c.regular {
			has = addedIn(string(rec.Source))
		}
		rec.Source = r.addFields(rec, has)
		rec.Message = moved(rec.Message, src, rec.Source, len(src)-1)
	}
	if clamped && s.OnClamp != nil {
		s.OnClamp(rec.Tenant)
	}
	return nil
}

// trimNewlines cuts the ends of line off the end.
func trimNewlines(s string) string {
	for len(s) > 0 && (s[len(s)-1] == '\n' || s[len(s)-1] == '\r') {
		s = s[:len(s)-1]
	}
	return s
}

// cleanSource gives one JSON object in valid UTF-8.
func cleanSource(src []byte) ([]byte, error) {
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
func (s *Stamper) stampTime(rec *Record, given time.Time, c *claims) bool {
	rec.Time = rec.Received
	t, own := eventTime(&c.time)
	switch {
	case own:
		rec.Time = t
	case !given.IsZero():
		rec.Time = given.UTC()
	}
	tooOld := s.Retention > 0 && rec.Time.Before(rec.Received.Add(-s.Retention))
	if !tooOld && !rec.Time.After(rec.Received.Add(futureMax)) && inNanos(rec.Time) {
		return false
	}
	switch {
	case own:
		rec.Original = strings.Clone(c.time.Text()) // the document's memory may be used again
	case !given.IsZero():
		rec.Original = rec.Time.Format(time.RFC3339Nano)
	}
	rec.Time = rec.Received
	return true
}

// eventTime reads @timestamp: a date, or milliseconds since the epoch as a
// number or in digits.
func eventTime(v *Value) (time.Time, bool) {
	if v.Kind == KindString {
		if t, ok := ParseTime(v.Str); ok {
			return t, true
		}
		x, err := strconv.ParseInt(v.Str, 10, 64)
		if err != nil {
			return time.Time{}, false
		}
		n := Int(x)
		v = &n
	}
	if v.Kind != KindInt && v.Kind != KindFloat || v.Kind == KindInt && (v.Int > math.MaxInt64/2 || v.Int < math.MinInt64/2) {
		return time.Time{}, false
	}
	return v.time()
}

// indexName decides the index of a record whose owner is known.
func (r *reader) indexName(w tenant.Write, rec *Record, raw *Raw) (string, error) {
	if raw.Index != "" {
		if _, ok := w.Tenant(); ok {
			if raw.Index == r.goodIndex {
				return raw.Index, nil
			}
			err := CheckIndexName(raw.Index)
			if err == nil {
				r.goodIndex = raw.Index
			}
			return raw.Index, err
		}
	}
	namespace := rec.Namespace
	switch {
	case namespace != "":
	case raw.Node:
		namespace = "_node"
	default:
		namespace = "_none"
	}
	known := &r.indices[hashName(namespace)%uint64(len(r.indices))]
	if known.namespace != namespace || known.cluster != rec.Cluster {
		*known = indexOf{rec.Cluster, namespace, IndexFor(rec.Cluster, namespace)}
	}
	return known.index, nil
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
