package logging

import (
	"math"
	"unsafe"
)

// termColumns is what a Terms found of its field in the rows of the run.
type termColumns struct {
	run   uint64
	mode  termMode
	alike uint32 // modeAlike: the id of every row
	none  uint32 // the id of rows without a value

	codes  Codes
	byCode []uint32 // ids; unasked until a row has the code
	counts []uint32 // by code, zero between calls
	// By metric and code, of one call.
	tallies []tally

	strs  Strings
	nums  Numbers
	cache [256]numberID // of nums

	split splitter
}

type numberID struct {
	bits uint64
	id   uint32
	ok   bool
}

type termMode uint8

const (
	modeDocs    termMode = iota // no column: documents
	modeAlike                   // one value, or none, in all rows
	modeCodes                   // codes, by
	modeStrings                 // strs
	modeNumbers                 // nums
	modePoints                  // points of the plan
)

// load asks the rows for the field, once a run.
func (p *termsPlan) load(r *run) error {
	c := &p.columns
	if c.run == r.id {
		return nil
	}
	c.run, c.mode = r.id, modeDocs
	if !plainName(p.Field) {
		return nil
	}
	if p.points != nil {
		ok, err := p.points.load(r)
		if ok {
			c.mode = modePoints
		}
		return err
	}
	c.none = noID
	if p.Missing != nil {
		c.none = unasked
	}
	codes, ok, err := r.rows.Codes(p.Field)
	if err != nil {
		return err
	}
	if ok {
		return p.loadCodes(codes)
	}
	strs, ok, err := r.rows.Strings(p.Field)
	if err != nil {
		return err
	}
	if ok {
		c.mode, c.strs = modeStrings, strs
		return nil
	}
	if p.admits != nil {
		return nil // it knows numbers as they were written
	}
	nums, ok, err := r.rows.Numbers(p.Field)
	if err != nil {
		return err
	}
	if ok && nums.Exact {
		c.mode, c.nums = modeNumbers, nums
	}
	return nil
}

func (p *termsPlan) loadCodes(codes Codes) error {
	c := &p.columns
	if codes.Of == nil || len(codes.Values) == 0 {
		c.mode = modeAlike
		var err error
		if len(codes.Values) > 0 {
			c.alike, err = p.id(codes.Values[0])
		} else {
			c.alike, err = p.noneID()
		}
		return err
	}
	n := len(codes.Values) + 1
	c.mode, c.codes = modeCodes, codes
	if cap(c.byCode) < n {
		c.byCode = make([]uint32, n+n/4)
		c.counts = make([]uint32, n+n/4)
	}
	c.byCode = c.byCode[:n]
	for i := range c.byCode {
		c.byCode[i] = unasked
	}
	return nil
}

// noneID gives the id of rows without a value.
func (p *termsPlan) noneID() (uint32, error) {
	c := &p.columns
	if c.none == unasked {
		var err error
		if c.none, err = p.id(*p.Missing); err != nil {
			return noID, err
		}
	}
	return c.none, nil
}

// idOfCode gives the id of a code, len(Values) being no value.
func (p *termsPlan) idOfCode(code uint32) (uint32, error) {
	c := &p.columns
	id := c.byCode[code]
	if id != unasked {
		return id, nil
	}
	var err error
	if int(code) < len(c.codes.Values) {
		id, err = p.id(c.codes.Values[code])
	} else {
		id, err = p.noneID()
	}
	c.byCode[code] = id
	return id, err
}

// idOfNumber gives the id of a number, which may be NaN for none.
func (p *termsPlan) idOfNumber(x float64) (uint32, error) {
	bits := math.Float64bits(x)
	e := &p.columns.cache[mix64(bits)>>56]
	if e.ok && e.bits == bits {
		return e.id, nil
	}
	if math.IsNaN(x) {
		return p.noneID()
	}
	id, err := p.id(Float(x))
	*e = numberID{bits, id, true}
	return id, err
}

func (p *termsPlan) countable(r *run) (bool, error) {
	if err := p.load(r); err != nil || p.columns.mode != modeAlike {
		return false, err
	}
	return p.sub.countable(r)
}

func (t *terms) addCount(r *run, n int) error {
	id := t.plan.columns.alike
	if id == noID {
		return nil
	}
	g, err := t.at(id)
	if err != nil {
		return err
	}
	return t.plan.sub.addCount(g, r, n)
}

func (t *terms) addRows(r *run, sel []uint32) (bool, error) {
	p := t.plan
	if ok, err := t.addKeyed(r, sel); ok || err != nil {
		return ok, err
	}
	if ok, err := t.addKept(r, sel); ok || err != nil {
		return ok, err
	}
	if err := p.load(r); err != nil {
		return false, err
	}
	mark := r.top
	defer func() { r.top = mark }()
	c := &p.columns
	switch c.mode {
	case modeAlike:
		return true, t.addPart(r, c.alike, sel)
	case modeCodes:
		if len(p.sub.plans) == 0 {
			return true, t.countCodes(r, sel)
		}
		if ok, err := t.addTallies(r, sel); ok || err != nil {
			return true, err
		}
		return true, t.addCodes(r, sel)
	case modeStrings, modeNumbers, modePoints:
		return true, t.addIDs(r, sel)
	}
	return false, nil
}

// addPart adds rows of one id.
func (t *terms) addPart(r *run, id uint32, part []uint32) error {
	if id == noID {
		return nil
	}
	g, err := t.at(id)
	if err != nil {
		return err
	}
	return t.plan.sub.addRows(g, r, part)
}

// countCodes counts rows by code, where there is nothing inside the buckets.
func (t *terms) countCodes(r *run, sel []uint32) error {
	c := &t.plan.columns
	counts, of, none := c.counts[:len(c.codes.Values)+1], c.codes.Of, uint32(len(c.codes.Values))
	add := func(code uint32) error {
		n := counts[code]
		counts[code] = 0
		id, err := t.plan.idOfCode(code)
		if err != nil || id == noID {
			return err
		}
		g, err := t.at(id)
		if err != nil {
			return err
		}
		g.docs += int64(n)
		return nil
	}
	if sel == nil {
		for _, code := range of[:r.n] {
			counts[min(code, none)]++
		}
	} else {
		for _, i := range sel {
			counts[min(of[i], none)]++
		}
	}
	if r.count(sel) >= len(counts)/4 {
		for code, n := range counts {
			if n > 0 {
				if err := add(uint32(code)); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, i := range sel {
		if code := min(of[i], none); counts[code] > 0 {
			if err := add(code); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCodes parts the rows by code.
func (t *terms) addCodes(r *run, sel []uint32) error {
	c := &t.plan.columns
	sel = r.rowsOf(sel)
	keys, none := r.take(len(sel)), uint32(len(c.codes.Values))
	for j, i := range sel {
		keys[j] = min(c.codes.Of[i], none)
	}
	return c.split.split(r, sel, keys, int(none)+1, func(code uint32, part []uint32) error {
		id, err := t.plan.idOfCode(code)
		if err != nil {
			return err
		}
		return t.addPart(r, id, part)
	})
}

// addIDs looks up every row, and parts the rows by id.
func (t *terms) addIDs(r *run, sel []uint32) error {
	p, c := t.plan, &t.plan.columns
	sel = r.rowsOf(sel)
	rows, keys := r.take(len(sel)), r.take(len(sel))
	n := 0
	for _, i := range sel {
		id, err := p.idOfRow(i)
		if err != nil {
			return err
		}
		if id != noID {
			rows[n], keys[n] = i, id
			n++
		}
	}
	rows, keys = rows[:n], keys[:n]
	if len(p.sub.plans) > 0 {
		return c.split.split(r, rows, keys, p.ids.n(), func(id uint32, part []uint32) error { return t.addPart(r, id, part) })
	}
	for _, id := range keys {
		g, err := t.at(id)
		if err != nil {
			return err
		}
		g.docs++
	}
	return nil
}

// idOfRow gives the id of a row of strings or numbers.
func (p *termsPlan) idOfRow(i uint32) (uint32, error) {
	c := &p.columns
	switch c.mode {
	case modeNumbers:
		return p.idOfNumber(c.nums.Vals[i])
	case modePoints:
		cell, ok := p.points.cellOf(i)
		if !ok {
			return noID, nil
		}
		return p.ids.ofString(cell, p.bounds, p.Field.Name)
	}
	from, to := c.strs.Off[i], c.strs.Off[i+1]
	if from == to {
		return p.id(String(""))
	}
	// A string of the rows' bytes: it is looked up, and copied where it is kept.
	s := unsafe.String(&c.strs.Data[from], to-from)
	if p.admits == nil {
		return p.ids.ofString(s, p.bounds, p.Field.Name)
	}
	return p.id(String(s))
}
