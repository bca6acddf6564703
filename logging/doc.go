package logging

import (
	"iter"
	"slices"
	"strings"
)

// Doc is a record as filters, sorts and aggregations see it: the stamped names,
// the sender's own fields under their dotted names, and the aliases readers
// expect. Not safe for concurrent use: it flattens the source when first asked.
//
// A stamped name (cluster, region, cloud, namespace, pod, container, node,
// stream, and the aliases kubernetes.namespace_name, kubernetes.pod_name,
// kubernetes.container_name and kubernetes.host) holds what was stamped and
// nothing else; a sender's own differing value is found under
// "exported.<name>". level holds the normalised level, and what the sender
// wrote where that could not be read. host is the node and log is the message
// where the sender has no such field.
type Doc struct {
	Record *Record

	flattened bool
	own       flat
	index     map[string][]int32 // places in own by name; of wide documents only
}

// NewDoc makes the document of a record. The record must not change while it is used.
func NewDoc(r *Record) *Doc { return &Doc{Record: r} }

// Reset makes d the document of another record and uses its memory again: what
// Values gave before must not be used any more.
func (d *Doc) Reset(r *Record) { d.Record, d.flattened = r, false }

// indexMin is the number of values from which on names are looked up in a map.
const indexMin = 48

// exportedPrefix leads to the sender's own values of stamped names.
const exportedPrefix = "exported."

// Names that are stamped without being keyword labels, and metadata.
const (
	fieldMessage  = "message"
	fieldLog      = "log"
	fieldLevel    = "level"
	fieldHost     = "host"
	fieldOriginal = "timestamp_original"
	fieldIndex    = "_index"
	fieldID       = "_id"
)

// stampedNames are the labels every document has, where known, in the order in
// which they are listed.
var stampedNames = [...]string{"cluster", "region", "cloud", "namespace", "pod", "container", "node", "level", "stream"}

// stamped gives the label that was stamped under a name or its alias; ok is
// false for names that belong to the sender.
func (r *Record) stamped(name string) (value string, ok bool) {
	switch name {
	case "cluster":
		return r.Cluster, true
	case "region":
		return r.Region, true
	case "cloud":
		return r.Cloud, true
	case "namespace", "kubernetes.namespace_name":
		return r.Namespace, true
	case "pod", "kubernetes.pod_name":
		return r.Pod, true
	case "container", "kubernetes.container_name":
		return r.Container, true
	case "node", "kubernetes.host":
		return r.Node, true
	case "level":
		return r.Level, true
	case "stream":
		return r.Stream, true
	}
	return "", false
}

// fields flattens the source, once.
func (d *Doc) fields() *flat {
	if d.flattened {
		return &d.own
	}
	d.flattened = true
	d.own = flatten(string(d.Record.Source), d.own)
	d.index = nil
	if len(d.own.names) >= indexMin {
		d.index = make(map[string][]int32, len(d.own.names))
		for i, name := range d.own.names {
			d.index[name] = append(d.index[name], int32(i))
		}
	}
	return &d.own
}

// ownValues gives the values the source has under a name.
func (d *Doc) ownValues(name string) []Value {
	own := d.fields()
	if d.index != nil {
		places := d.index[name]
		if len(places) == 1 {
			return own.vals[places[0] : places[0]+1 : places[0]+1]
		}
		var out []Value
		for _, i := range places {
			out = append(out, own.vals[i])
		}
		return out
	}
	var out []Value
	for i, n := range own.names {
		switch {
		case n != name:
		case out == nil:
			out = own.vals[i : i+1 : i+1]
		default:
			out = append(out, own.vals[i])
		}
	}
	return out
}

// firstPlace reports whether a name stands at that place of own for the first time.
func (d *Doc) firstPlace(i int) bool {
	if d.index != nil {
		return d.index[d.own.names[i]][0] == int32(i)
	}
	return slices.Index(d.own.names[:i], d.own.names[i]) < 0
}

// Values gives the values of a field; none where the document has none. An
// empty name means every field, a name with * every field whose name fits. The
// caller must not change the slice.
func (d *Doc) Values(f Field) []Value {
	if f.Name == "" || strings.Contains(f.Name, "*") {
		var all []Value
		d.each(f, func(_ string, vals []Value) bool {
			all = append(all, vals...)
			return false
		})
		return all
	}
	return d.values(f.Name)
}

func (d *Doc) values(name string) []Value {
	r := d.Record
	if s, ok := r.stamped(name); ok {
		if s == "" && name == fieldLevel {
			return d.ownValues(name)
		}
		return stringOrNone(s)
	}
	switch name {
	case FieldTime:
		return []Value{Time(r.Time)}
	case FieldReceived:
		return []Value{Time(r.Received)}
	case FieldSeq:
		return []Value{Int(int64(r.Seq))}
	case fieldIndex:
		return stringOrNone(r.Index)
	case fieldID:
		return stringOrNone(r.ID)
	}
	if own := d.ownValues(name); own != nil {
		return own
	}
	switch name {
	case fieldMessage, fieldLog:
		return stringOrNone(r.Message)
	case fieldHost:
		return stringOrNone(r.Node)
	case fieldOriginal:
		return stringOrNone(r.Original)
	}
	if base, ok := strings.CutPrefix(name, exportedPrefix); ok {
		return d.exported(base)
	}
	return nil
}

func stringOrNone(s string) []Value {
	if s == "" {
		return nil
	}
	return []Value{String(s)}
}

// exported gives the sender's own values of a stamped name that differ from it.
func (d *Doc) exported(name string) []Value {
	stamp, ok := d.Record.stamped(name)
	if !ok || name == fieldLevel && stamp == "" {
		return nil
	}
	own := d.ownValues(name)
	same := func(v Value) bool { return v.Kind == KindString && v.Str == stamp }
	if !slices.ContainsFunc(own, same) {
		return own
	}
	return slices.DeleteFunc(slices.Clone(own), same)
}

// spelled gives what the sender wrote for the level: filters on level match it too.
func (d *Doc) spelled() []Value {
	if d.Record.Level == "" {
		return nil
	}
	for _, name := range levelNames {
		if own := d.ownValues(name); len(own) > 0 && NormalizeLevel(own[0].Text()) == d.Record.Level {
			return own
		}
	}
	return nil
}

// each calls fn with every field whose name fits f, until fn is true. Metadata
// and the record's own times are not among "every field": a search for a number
// does not mean them.
func (d *Doc) each(f Field, fn func(name string, vals []Value) bool) bool {
	fits := func(name string) bool { return f.Name == "" || wildcardFits(f.Name, name, false) }
	for _, name := range stampedNames {
		if fits(name) {
			if vals := d.values(name); len(vals) > 0 && fn(name, vals) {
				return true
			}
		}
	}
	own := d.fields()
	if d.ownValues(fieldMessage) == nil && d.Record.Message != "" && fits(fieldMessage) && fn(fieldMessage, d.values(fieldMessage)) {
		return true
	}
	for i, name := range own.names {
		if !d.firstPlace(i) {
			continue
		}
		vals, called := []Value(nil), name
		if _, ok := d.Record.stamped(name); ok {
			if fits(name) && isAlias(name) && fn(name, d.values(name)) {
				return true
			}
			called = exportedPrefix + name
			vals = d.exported(name)
		} else if name == FieldTime || name == FieldReceived || name == fieldIndex || name == fieldID || name == FieldSeq {
			continue
		} else {
			vals = d.ownValues(name)
		}
		if len(vals) > 0 && fits(called) && fn(called, vals) {
			return true
		}
	}
	if f.Name != "" {
		for _, name := range [...]string{FieldTime, FieldReceived} {
			if fits(name) && fn(name, d.values(name)) {
				return true
			}
		}
	}
	return false
}

// isAlias reports whether a stamped name is a second one of a label.
func isAlias(name string) bool { return strings.HasPrefix(name, "kubernetes.") }

// Fields gives the searchable fields of the document with the type of each
// value, the times among them. A name comes once a value.
func (d *Doc) Fields() iter.Seq2[string, FieldType] {
	return func(yield func(string, FieldType) bool) {
		if !yield(FieldTime, Date) || !yield(FieldReceived, Date) {
			return
		}
		d.each(Field{}, func(name string, vals []Value) bool {
			for _, v := range vals {
				if !yield(name, typeOf(name, v)) {
					return true
				}
			}
			return false
		})
	}
}

func typeOf(name string, v Value) FieldType {
	switch v.Kind {
	case KindInt:
		return Long
	case KindFloat:
		return Double
	case KindBool:
		return Bool
	case KindTime:
		return Date
	}
	if IsKeyword(name) {
		return Keyword
	}
	return Text
}

// Searched gives the fields that a search over every field looks at, with their
// values: the stamped names under which there is something, then the sender's
// own and their aliases, without metadata and the record's own times. The caller
// must not change the values.
func (d *Doc) Searched() iter.Seq2[string, []Value] {
	return func(yield func(string, []Value) bool) {
		d.each(Field{}, func(name string, vals []Value) bool { return !yield(name, vals) })
	}
}

// Spelled gives what the sender wrote for the level where the stamped one was
// read from it: filters on level match it too. The caller must not change it.
func (d *Doc) Spelled() []Value { return d.spelled() }
