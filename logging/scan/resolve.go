package scan

import (
	"strings"

	"github.com/oriel-project/oriel/internal/shape"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// A block has one shape: where the values of a field stand is the same in every
// row of it. A source is one such place, a field's values are those of all of
// its sources. This is logging.Doc said about columns.
type source struct {
	kind  sourceKind
	exact bool // how a filter compares strings found here
	only  only
	stamp segment.Stamp // of stamped; of differing: of what it differs from
	hole  int
	text  string // of constants; of differing: what it differs from
	rank  int    // of spelled: the place among the names of levels
}

type sourceKind uint8

const (
	fromLabel    sourceKind = iota // text in every row
	fromStamp                      // a stamped column; "" is no value
	fromHole                       // a column of the document
	fromTime                       // the record's time
	fromReceived                   // the record's receipt
	fromSeq                        // the record's place
	fromID                         // the record's id
)

// only says in which rows a source counts.
type only uint8

const (
	always       only = iota
	levelMissing      // where no level was stamped
	levelSpelled      // where the stamped level was read from this place
	fromText          // where it differs from text, and
	fromColumn        // from the stamped column: the sender's own values of stamped names
	levelStamped      // as fromColumn, of levels: only where one was stamped
)

// layout is what the search knows of a shape.
type layout struct {
	holes  []shape.Hole
	names  []string // distinct, in the order of their first places
	byName map[string][]int
	levels []int // of each of the names of levels the first place, -1
}

func newLayout(s *shape.Shape, levelNames []string) *layout {
	l := &layout{holes: s.Holes(), byName: map[string][]int{}}
	for i := range l.holes {
		name := l.holes[i].Path
		if name == "" {
			continue // has no name to search it by
		}
		if l.byName[name] == nil {
			l.names = append(l.names, name)
		}
		l.byName[name] = append(l.byName[name], i)
	}
	for _, name := range levelNames {
		at := -1
		if of := l.byName[name]; of != nil {
			at = of[0]
		}
		l.levels = append(l.levels, at)
	}
	return l
}

// label tells what a stamped name is: a text that all of a block share, or a
// column.
func label(in *segment.Info, name string) (text string, stamp segment.Stamp, column, ok bool) {
	switch name {
	case "cluster":
		return in.Cluster, 0, false, true
	case "region":
		return in.Region, 0, false, true
	case "cloud":
		return in.Cloud, 0, false, true
	case "namespace", "kubernetes.namespace_name":
		return in.Namespace, 0, false, true
	case "container", "kubernetes.container_name":
		return in.Container, 0, false, true
	case "pod", "kubernetes.pod_name":
		return "", segment.StampPod, true, true
	case "node", "kubernetes.host":
		return "", segment.StampNode, true, true
	case fieldLevel:
		return "", segment.StampLevel, true, true
	case "stream":
		return "", segment.StampStream, true, true
	}
	return "", 0, false, false
}

const (
	fieldLevel   = "level"
	fieldMessage = "message"
	fieldIndex   = "_index"
	fieldID      = "_id"
	exported     = "exported."
)

// isWide reports whether a name stands for several fields.
func isWide(name string) bool { return name == "" || strings.Contains(name, "*") }

// sources appends where the values of a field are. spelled adds what only
// filters look at: what the sender wrote for the level. ok is false where the
// rows' documents have to be looked at.
func (e *eval) sources(dst []source, f logging.Field, spelled bool) (_ []source, ok bool) {
	if e.layout == nil && !fixed(f.Name) {
		return dst, false
	}
	if !isWide(f.Name) {
		return e.named(dst, f, f.Name, spelled), true
	}
	for _, name := range e.s.stamped {
		if logging.NameFits(f.Name, name) {
			dst = e.named(dst, f, name, spelled)
		}
	}
	if e.layout.byName[fieldMessage] == nil && logging.NameFits(f.Name, fieldMessage) {
		dst = e.named(dst, f, fieldMessage, spelled)
	}
	for _, name := range e.layout.names {
		switch name {
		case logging.FieldTime, logging.FieldReceived, logging.FieldSeq, fieldIndex, fieldID:
			continue
		}
		called := name
		if _, _, _, stamped := label(e.info, name); stamped {
			if isAlias(name) && logging.NameFits(f.Name, name) {
				dst = e.named(dst, f, name, spelled)
			}
			if called = exported + name; logging.NameFits(f.Name, called) {
				dst = e.exported(dst, f, name, called)
			}
			continue
		}
		if logging.NameFits(f.Name, called) {
			dst = e.named(dst, f, name, spelled)
		}
	}
	if f.Name != "" {
		for _, name := range [...]string{logging.FieldTime, logging.FieldReceived} {
			if logging.NameFits(f.Name, name) {
				dst = e.named(dst, f, name, spelled)
			}
		}
	}
	return dst, true
}

// fixed reports whether a name means the same in every document, whatever
// stands in it.
func fixed(name string) bool {
	switch name {
	case logging.FieldTime, logging.FieldReceived, logging.FieldSeq, fieldIndex, fieldID:
		return true
	case fieldLevel:
		return false
	}
	_, _, _, ok := label(&segment.Info{}, name)
	return ok
}

func isAlias(name string) bool { return strings.HasPrefix(name, "kubernetes.") }

// named appends where the values of one field are.
func (e *eval) named(dst []source, f logging.Field, name string, spelled bool) []source {
	src := source{exact: logging.FieldExact(name, f)}
	add := func(kind sourceKind) []source {
		src.kind = kind
		return append(dst, src)
	}
	if text, stamp, column, ok := label(e.info, name); ok {
		if !column {
			if text == "" {
				return dst
			}
			src.text = text
			return add(fromLabel)
		}
		src.stamp = stamp
		dst = add(fromStamp)
		if name == fieldLevel {
			dst = e.levels(dst, src, spelled)
		}
		return dst
	}
	switch name {
	case logging.FieldTime:
		return add(fromTime)
	case logging.FieldReceived:
		return add(fromReceived)
	case logging.FieldSeq:
		return add(fromSeq)
	case fieldID:
		return add(fromID)
	case fieldIndex:
		if src.text = e.info.Index; src.text == "" {
			return dst
		}
		return add(fromLabel)
	}
	if of := e.layout.byName[name]; of != nil {
		for _, src.hole = range of {
			dst = add(fromHole)
		}
		return dst
	}
	switch name {
	case fieldMessage, "log":
		src.stamp = segment.StampMessage
		return add(fromStamp)
	case "host":
		src.stamp = segment.StampNode
		return add(fromStamp)
	case "timestamp_original":
		src.stamp = segment.StampOriginal
		return add(fromStamp)
	}
	if base, ok := strings.CutPrefix(name, exported); ok {
		return e.exported(dst, f, base, name)
	}
	return dst
}

// levels appends where levels are beside the stamped column.
func (e *eval) levels(dst []source, src source, spelled bool) []source {
	src.kind, src.only = fromHole, levelMissing
	for _, src.hole = range e.layout.byName[fieldLevel] {
		dst = append(dst, src)
	}
	if !spelled {
		return dst
	}
	src.only = levelSpelled
	for rank, first := range e.layout.levels {
		if first < 0 {
			continue
		}
		src.rank = rank
		for _, src.hole = range e.layout.byName[e.layout.holes[first].Path] {
			dst = append(dst, src)
		}
	}
	return dst
}

// exported appends where the sender's own values of a stamped name are.
func (e *eval) exported(dst []source, f logging.Field, base, called string) []source {
	text, stamp, column, ok := label(e.info, base)
	if !ok {
		return dst
	}
	src := source{kind: fromHole, exact: logging.FieldExact(called, f), only: fromText, text: text}
	if column {
		src.only, src.stamp = fromColumn, stamp
		if base == fieldLevel {
			src.only = levelStamped
		}
	}
	for _, src.hole = range e.layout.byName[base] {
		dst = append(dst, src)
	}
	return dst
}
