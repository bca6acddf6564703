package logging

// Match implements Filter.
func (All) Match(*Doc) bool { return true }

// Match implements Filter.
func (None) Match(*Doc) bool { return false }

// Match implements Filter.
func (f And) Match(d *Doc) bool {
	for _, p := range f {
		if !p.Match(d) {
			return false
		}
	}
	return true
}

// Match implements Filter.
func (f Or) Match(d *Doc) bool {
	want := max(f.Min, 1)
	for _, p := range f.Of {
		if p.Match(d) {
			if want--; want == 0 {
				return true
			}
		}
	}
	return false
}

// Match implements Filter.
func (f Not) Match(d *Doc) bool { return !f.Of.Match(d) }

// Match implements Filter.
func (f IDs) Match(d *Doc) bool {
	for _, id := range f {
		if id == d.Record.ID {
			return true
		}
	}
	return false
}

// Match implements Filter.
func (f Term) Match(d *Doc) bool { return false }

// Match implements Filter.
func (f Phrase) Match(d *Doc) bool { return false }

// Match implements Filter.
func (f Pattern) Match(d *Doc) bool { return false }

// Match implements Filter.
func (f Range) Match(d *Doc) bool { return false }

// Match implements Filter.
func (f Exists) Match(d *Doc) bool { return false }
