package text

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"
)

// Templates that differ in few of their fields (a user's name, a path, what a
// browser calls itself) become one, with marks for these fields, whose values
// are a column of their own. Fields are first what blanks part, with quoted
// strings in one piece; templates that find no company are cut finer.
const (
	levelQuoted = iota // between blanks; a quoted string is one field
	levelBlank         // between blanks, quotes and brackets
	levelToken         // between ASCII separators
	levelLoose         // as before, and it is enough that the separators are alike
	levels

	fieldsMax   = 64   // of a template that is clustered
	clustersMax = 48   // of templates with the same separators, at one level
	clusterRows = 16   // a cluster of fewer rows is not worth it
	frequent    = 64   // a template of as many rows stands for itself
	depthMax    = 3    // fields in fields in fields
	fieldRows   = 1024 // a field of fewer rows is not worth a column of its own; a quarter if it is of numbers

	looseRepeats = 4 // how often a field of a loose cluster has to occur on average
)

// field is a field of a template: where it stands in the template's text.
type field struct {
	from, to uint32
	hash     uint64
}

// cluster is a set of templates with the same separators.
type cluster struct {
	separators uint64
	level      int
	fields     []uint64 // hashes of those that all have in common, 0 for the others
	first      uint32   // its first template
	rows       uint32
}

// part is what a row of a clustered template gives to a mark of the cluster's:
// a variable of its own, or what stands in a field.
type part struct {
	field    bool
	from, to uint32 // of a field, in the template's text
	v0, v1   uint32 // its variables; v0 where it is one
}

type clusters struct {
	list     []cluster
	fields   []field
	signs    []byte
	hashes   []uint64 // arena of cluster.fields
	parts    []part
	partsAt  []uint32 // where the parts of each found template begin
	values   []span
	fieldOff []uint32
	fieldBuf []byte
}

// cutFields finds the fields of a template and the hash of what stands between.
func (e *Encoder) cutFields(text []byte, level int) (separators uint64, ok bool) {
	c := &e.clusters
	c.fields, c.signs = c.fields[:0], c.signs[:0]
	for i := 0; i < len(text); {
		to, skip := i, 0
		switch {
		case level == levelQuoted && text[i] == '"':
			if k := bytes.IndexByte(text[i+1:], '"'); k > 0 {
				c.signs = append(c.signs, '"')
				i++
				to, skip = i+k, 1
			}
		case level == levelQuoted:
			for to < len(text) && text[to] != ' ' && text[to] != '"' {
				to++
			}
		case level == levelBlank:
			for to < len(text) && !isBracket[text[to]] {
				to++
			}
		default:
			for to < len(text) && classes[text[to]] != 0 {
				to++
			}
		}
		if to > i {
			if len(c.fields) == fieldsMax {
				return 0, false
			}
			h := maphash.Bytes(e.seed, text[i:to]) | 1
			c.fields = append(c.fields, field{uint32(i), uint32(to), h})
			c.signs = append(c.signs, 1)
			i = to
			if skip > 0 {
				c.signs = append(c.signs, '"')
				i++
			}
			continue
		}
		c.signs = append(c.signs, text[i])
		i++
	}
	return maphash.Bytes(e.seed, c.signs), len(c.fields) > 1
}

var isBracket = func() (t [256]bool) {
	for _, c := range []byte(` "'()[]{}<>,`) {
		t[c] = true
	}
	return t
}()

// cluster finds clusters for templates that are not frequent, and notes them in
// found.cluster, 0 for none.
func (e *Encoder) cluster() {
	c := &e.clusters
	c.list, c.hashes = c.list[:0], c.hashes[:0]
	rare := uint32(0)
	for id := range e.found {
		if e.found[id].rows < frequent {
			rare += e.found[id].rows
		}
	}
	if e.depth >= depthMax || rare < clusterRows {
		return
	}
	for level := range levels {
		begin := len(c.list)
		for id := range e.found {
			t := &e.found[id]
			if t.rows >= frequent || t.cluster != 0 {
				continue
			}
			separators, ok := e.cutFields(e.texts[t.from:t.to], level)
			if !ok {
				continue
			}
			t.cluster = e.join(begin, level, separators, uint32(id))
		}
		for k := begin; k < len(c.list); k++ {
			if o := &c.list[k]; o.rows < clusterRows || o.rows == e.found[o.first].rows || level == levelLoose && !e.pays(k) {
				o.rows = 0
			}
		}
		for id := range e.found {
			if t := &e.found[id]; t.cluster != 0 && c.list[t.cluster-1].rows == 0 {
				t.cluster = 0
			}
		}
	}
}

// pays tells whether the fields of a loose cluster repeat enough to be better
// stored one by one than in raw rows.
func (e *Encoder) pays(k int) bool {
	c := &e.clusters
	o := &c.list[k]
	e.ints = e.ints[:0]
	n := 0
	for id := range e.found {
		t := &e.found[id]
		if int(t.cluster) != k+1 {
			continue
		}
		e.cutFields(e.texts[t.from:t.to], o.level)
		n++
		for i, f := range c.fields {
			e.ints = append(e.ints, f.hash+uint64(i))
		}
	}
	_, ok := e.distinct.ints(e.ints, len(e.ints)/looseRepeats)
	return ok && n > 0
}

// join finds the cluster of the level that has most in common with a template,
// or begins one; 0 where there are too many.
func (e *Encoder) join(begin, level int, separators uint64, id uint32) uint32 {
	c := &e.clusters
	best, common, seen := -1, -1, 0
	need := (len(c.fields) + 1) / 2
	if level == levelLoose {
		need = 0
	}
	for k := begin; k < len(c.list); k++ {
		o := &c.list[k]
		if o.separators != separators || len(o.fields) != len(c.fields) {
			continue
		}
		seen++
		n := 0
		for i, h := range o.fields {
			if h == c.fields[i].hash {
				n++
			}
		}
		if n >= need && n > common {
			best, common = k, n
		}
	}
	if best < 0 {
		if seen >= clustersMax || len(c.list)-begin >= 8*clustersMax {
			return 0
		}
		at := len(c.hashes)
		for _, f := range c.fields {
			c.hashes = append(c.hashes, f.hash)
		}
		c.list = append(c.list, cluster{separators, level, c.hashes[at:len(c.hashes):len(c.hashes)], id, e.found[id].rows})
		return uint32(len(c.list))
	}
	o := &c.list[best]
	o.rows += e.found[id].rows
	for i, f := range c.fields {
		if o.fields[i] != f.hash {
			o.fields[i] = 0
		}
	}
	return uint32(best + 1)
}

// merge makes the template of a cluster: its text, appended to texts, and for
// each of its found templates where the parts are.
func (e *Encoder) merge(k int) (text []byte, parts int) {
	c := &e.clusters
	o := &c.list[k]
	t := &e.found[o.first]
	e.cutFields(e.texts[t.from:t.to], o.level)
	begin := uint32(len(e.texts))
	last := t.from
	for i, f := range c.fields {
		if o.fields[i] != 0 {
			continue
		}
		e.texts = append(append(e.texts, e.texts[last:t.from+f.from]...), markField)
		last = t.from + f.to
	}
	e.texts = append(e.texts, e.texts[last:t.to]...)
	text = e.texts[begin:]
	for i := range text {
		if text[i] >= markField {
			parts++
		}
	}
	return text, parts
}

// partsOf gives where a found template has the parts of its cluster.
func (e *Encoder) partsOf(id uint32, parts int) []part {
	c := &e.clusters
	if at := c.partsAt[id]; at != 0 {
		return c.parts[at-1:][:parts]
	}
	t := &e.found[id]
	o := &c.list[t.cluster-1]
	text := e.texts[t.from:t.to]
	e.cutFields(text, o.level)
	at := len(c.parts)
	c.partsAt[id] = uint32(at) + 1
	v, i := uint32(0), uint32(0)
	static := func(to uint32) {
		for ; i < to; i++ {
			if text[i] == markVar {
				c.parts = append(c.parts, part{v0: v, v1: v + 1})
				v++
			}
		}
	}
	for k, f := range c.fields {
		if o.fields[k] != 0 {
			continue
		}
		static(f.from)
		n := uint32(bytes.Count(text[f.from:f.to], []byte{markVar}))
		c.parts = append(c.parts, part{true, f.from, f.to, v, v + n})
		v += n
		i = f.to
	}
	static(uint32(len(text)))
	return c.parts[at:]
}

// gather puts the parts of all rows of a cluster into values, row by row.
func (e *Encoder) gather(t *final, off []uint32) {
	c := &e.clusters
	c.values = c.values[:0]
	for _, row := range t.rows {
		vars := e.spans[e.first[row]:]
		more, v := uint32(0), uint32(0) // what the variables before are longer than their marks
		for _, p := range e.partsOf(e.found0[row], t.parts) {
			if !p.field {
				c.values = append(c.values, vars[p.v0])
				continue
			}
			for ; v < p.v0; v++ {
				more += vars[v].to - vars[v].from - 1
			}
			from := off[row] + p.from + more
			for ; v < p.v1; v++ {
				more += vars[v].to - vars[v].from - 1
			}
			c.values = append(c.values, span{from, off[row] + p.to + more})
		}
	}
}

// field writes the values in vals: few as strings, more as a column of its own.
func (e *Encoder) field(data []byte) {
	c := &e.clusters
	c.fieldOff, c.fieldBuf = append(c.fieldOff[:0], 0), c.fieldBuf[:0]
	plain, digits := len(e.vals) < fieldRows, 0
	for _, s := range e.vals {
		if plain {
			v := data[s.from:s.to]
			plain = bytes.IndexByte(v, '\n') < 0
			if HasDigit(view(v)) {
				digits++
			}
		}
		c.fieldBuf = append(c.fieldBuf, data[s.from:s.to]...)
		c.fieldOff = append(c.fieldOff, uint32(len(c.fieldBuf)))
	}
	if plain && (digits < len(e.vals)/2 || len(e.vals) < fieldRows/4) {
		if !e.dict(data) {
			e.strings(data)
		}
		return
	}
	if e.sub == nil {
		e.sub = &Encoder{zw: e.writer(), depth: e.depth + 1}
	}
	before := len(e.bits)
	e.bits = e.sub.Encode(e.bits, c.fieldOff, c.fieldBuf)
	e.other.union(&e.sub.static)
	e.other.union(&e.sub.other)
	e.meta = append(e.meta, kindField)
	e.meta = binary.AppendUvarint(e.meta, uint64(len(e.bits)-before))
}
