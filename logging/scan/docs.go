package scan

import (
	"bytes"
	"strings"

	"github.com/oriel-project/oriel/internal/text"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// runDocs decides by documents, rebuilt one by one. A look at the JSON that
// irregular blocks keep spares most of that where a word is looked for.
func (e *eval) runDocs(n *node, in []uint32) ([]uint32, error) {
	may := func(int) (bool, error) { return true, nil }
	if e.layout == nil && n.kind == nodeLeaf {
		if literal := n.leaf.anywhere(); literal != "" && !e.labelled(literal) {
			may = func(row int) (bool, error) { return e.mayHold(row, literal) }
		}
	}
	out := e.rows.take(len(in))
	for _, row := range in {
		ok, err := may(int(row))
		if err != nil {
			return nil, err
		}
		if !ok {
			if err := e.tick(4); err != nil {
				return nil, err
			}
			continue
		}
		if err := e.tick(64); err != nil {
			return nil, err
		}
		d, err := e.document(int(row))
		if err != nil {
			return nil, err
		}
		if n.match(d) {
			out = append(out, row)
		}
	}
	return e.rows.keep(out), nil
}

// anywhere gives what is in the JSON, or in a stamped string, of every document
// that matches, in any case; "" where that is not known.
func (l *leaf) anywhere() string {
	literal := l.text.token.Text
	if literal == "" || literal != l.text.whole.Text || !text.IsASCII(literal) {
		return ""
	}
	if strings.Contains(l.field.Name, "*") {
		return "" // times may be meant, which are in no JSON
	}
	// A number may be written in other digits than those it is compared by.
	if l.num.ok && !l.num.none || strings.Trim(literal, "0123456789+-.e") == "" {
		return ""
	}
	return literal
}

// labelled reports whether what all of the block share may hold a literal.
func (e *eval) labelled(literal string) bool {
	in := e.info
	for _, s := range [...]string{in.Cluster, in.Region, in.Cloud, in.Namespace, in.Container} {
		if text.MayHold(s, literal) {
			return true
		}
	}
	return false
}

// mayHold reports whether a row's JSON or one of its stamped strings may hold a
// literal. Escapes may hide anything.
func (e *eval) mayHold(row int, literal string) (bool, error) {
	var err error
	if e.json, err = e.block.Source(e.json[:0], row); err != nil {
		return false, err
	}
	// Letters and digits are hidden by \u escapes alone; others have short ones, too.
	hidden := []byte(`\u`)
	if strings.ContainsFunc(literal, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		hidden = hidden[:1]
	}
	if bytes.Contains(e.json, hidden) || text.MayHold(e.json, literal) {
		return true, nil
	}
	for _, s := range [...]segment.Stamp{segment.StampMessage, segment.StampPod, segment.StampNode, segment.StampLevel, segment.StampStream, segment.StampOriginal} {
		c, err := e.cols.stamped(e, s)
		if err != nil {
			return false, err
		}
		if s := e.stringAt(c, row); text.MayHold(s, literal) {
			return true, nil
		}
	}
	return false, nil
}

// document rebuilds a row; it is good until the next call.
func (e *eval) document(row int) (*logging.Doc, error) {
	var err error
	if e.rec, err = e.block.Record(row); err != nil {
		return nil, err
	}
	e.doc.Reset(&e.rec)
	return e.doc, e.tick(len(e.rec.Source) / bytesTick)
}
