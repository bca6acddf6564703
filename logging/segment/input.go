package segment

// column gives an own column; of irregular rows, the documents.
func (in *input) column(hole int) (*Column, error) {
	if m, ok := in.b.(*memBlock); ok {
		return m.view(hole), nil
	}
	return in.b.Own(hole)
}

func (in *input) stamped(s Stamp) (*Column, error) { return in.b.Stamped(s) }

// aliasOf gives the own column that another one is kept as; -1: none. at counts the
// own columns, then the stamped ones.
func (in *input) aliasOf(at, own int) int {
	switch b := in.b.(type) {
	case *memBlock:
		b.rows.mu.RLock()
		defer b.rows.mu.RUnlock()
		if col := b.chunk.column(at); col.form == formAlias {
			return int(col.alias)
		}
	case *fileBlock:
		cols, err := b.columns()
		if err != nil {
			return -1
		}
		if m := &cols[colOwn+at]; m.enc == encAlias && int(m.ref) < colOwn+own {
			return int(m.ref) - colOwn
		}
	}
	return -1
}
