package scan

import (
	"fmt"

	"github.com/oriel-project/oriel/logging"
)

// Finder is a block that remembers which of its rows were found. Blocks in files
// never change, and dashboards ask them the same again and again: what is costly
// to find, which is text, is found once.
type Finder interface {
	Found(key string) (rows []uint16, ok bool)
	Remember(key string, rows []uint16)
}

// keyOf names what a filter finds: two of one key match the same documents. ""
// where that is not worth remembering.
func keyOf(f logging.Filter) string {
	switch f := f.(type) {
	case logging.Term:
		return fmt.Sprintf("term %q %t %q %t", f.Field.Name, f.Field.Exact, f.Text, f.Fold)
	case logging.Phrase:
		return fmt.Sprintf("phrase %q %t %q %q %d %t", f.Field.Name, f.Field.Exact, f.Tokens, f.Raw, f.Slop, f.LastPrefix)
	case logging.Pattern:
		return fmt.Sprintf("pattern %q %t %d %q %t", f.Field.Name, f.Field.Exact, f.Kind, f.Text, f.Fold)
	}
	return ""
}

// remembered is find with a memory. What is found among a part of the rows tells
// nothing of the others: whoever asks for a part again, such as the newest hits,
// has all rows looked at.
func (e *eval) remembered(n *node, in []uint32) ([]uint32, error) {
	b, ok := e.block.(Finder)
	if !ok {
		return e.find(n, in)
	}
	if rows, ok := b.Found(n.key); ok {
		return e.both(in, rows), nil
	}
	among := in
	if len(in) < e.info.Rows {
		asked := "asked " + n.key
		if _, again := b.Found(asked); !again {
			b.Remember(asked, nil)
			return e.find(n, in)
		}
		if e.plans[n.id].docs && len(in) < e.info.Rows/4 {
			return e.find(n, in)
		}
		among = e.every[:e.info.Rows]
	}
	out, err := e.find(n, among)
	if err != nil || e.cols.err() != nil {
		return out, err
	}
	rows := make([]uint16, len(out))
	for i, row := range out {
		rows[i] = uint16(row)
	}
	b.Remember(n.key, rows)
	if len(in) < e.info.Rows {
		return e.both(in, rows), nil
	}
	return out, nil
}

// both gives the rows of in that are among others. Both ascend.
func (e *eval) both(in []uint32, others []uint16) []uint32 {
	out := e.rows.take(min(len(in), len(others)))
	if len(in) == e.info.Rows {
		for _, row := range others {
			out = append(out, uint32(row))
		}
		return e.rows.keep(out)
	}
	for _, row := range in {
		for len(others) > 0 && uint32(others[0]) < row {
			others = others[1:]
		}
		if len(others) == 0 {
			break
		}
		if uint32(others[0]) == row {
			out = append(out, row)
		}
	}
	return e.rows.keep(out)
}
