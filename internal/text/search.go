package text

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// DigitHint tells which tokens a test can accept.
type DigitHint uint8

// The hints. A token counts as having a digit by HasDigit.
const (
	DigitsMaybe DigitHint = iota
	DigitsNever
	DigitsAlways
)

// What is known of a template before its rows are looked at.
const (
	verdictNo = iota
	verdictYes
	verdictLook
)

// tokenSearch looks for rows that have a token which passes a test.
type tokenSearch struct {
	c       *Column
	accept  func(string) bool
	want    string // the one token that is accepted, in lower case; "" if there may be more
	literal string
	core    string // part of literal that is spelled in ASCII where literal is; see core
	static  bool   // the token may be in a template
	other   bool   // or elsewhere
	digits  DigitHint
	verdict []uint8
	look    []capsuleSearch // by capsule
	buf     []byte
}

// capsuleSearch is what is known of a capsule's values.
type capsuleSearch struct {
	look  bool
	body  *body
	codes []uint8 // of a dictionary: verdictYes, verdictNo
	rows  []bool  // of a field, and of strings
	num   uint64  // the one number that is accepted
	exact bool    // num is set
}

// SelectToken appends the rows of in that have a token which accept accepts to
// out. in is ascending, nil means all rows. Tokens are given to accept as they
// are spelled, each perhaps more than once, and must not be kept. literal is in
// lower case, and Lower of every accepted token contains it; "" is always right.
func (c *Column) SelectToken(accept func(token string) bool, literal string, digits DigitHint, in, out []uint32) []uint32 {
	s := tokenSearch{c: c, accept: accept, literal: literal, digits: digits}
	return s.run(in, out)
}

// SelectWord appends the rows of in that have the token, which is in lower case,
// to out; in is ascending, nil means all rows.
func (c *Column) SelectWord(token string, in, out []uint32) []uint32 {
	if token == "" {
		return out
	}
	s := tokenSearch{c: c, want: token, literal: token, digits: DigitsNever,
		accept: func(t string) bool { return IsLower(t, token) }}
	if HasDigit(token) {
		s.digits = DigitsAlways
	}
	return s.run(in, out)
}

func (s *tokenSearch) run(in, out []uint32) []uint32 {
	c := s.c
	if c.n == 0 {
		return out
	}
	if s.static, s.other = c.grams.token(gramsOf(s.literal)); !s.static && !s.other {
		return out
	}
	c.openMeta()
	s.core = core(s.literal)
	s.verdict = make([]uint8, len(c.tmpls)+1)
	some := false
	for id := range c.tmpls {
		s.verdict[id] = s.template(&c.tmpls[id])
		some = some || s.verdict[id] != verdictNo
	}
	if c.raws > 0 && s.other {
		c.openRaw()
		s.verdict[len(c.tmpls)] = verdictLook
		some = true
	}
	if !some {
		return out
	}
	return c.filter(s.verdict, in, out, s.row)
}

// filter appends the rows of in whose template has verdictYes, or verdictLook
// and pass look.
func (c *Column) filter(verdict []uint8, in, out []uint32, look func(id, rank int) bool) []uint32 {
	c.openIDs()
	if in == nil {
		for row, id := range c.ids {
			switch verdict[id] {
			case verdictYes:
				out = append(out, uint32(row))
			case verdictLook:
				if look(int(id), int(c.ranks[row])) {
					out = append(out, uint32(row))
				}
			}
		}
		return out
	}
	for _, row := range in {
		id := c.ids[row]
		switch verdict[id] {
		case verdictYes:
			out = append(out, row)
		case verdictLook:
			if look(int(id), int(c.ranks[row])) {
				out = append(out, row)
			}
		}
	}
	return out
}

// template decides by the static tokens, and finds the capsules to look at.
func (s *tokenSearch) template(t *tmpl) uint8 {
	if s.static && s.digits != DigitsAlways && containsFold(t.text, s.core) && s.any(t.text, DigitsMaybe) {
		return verdictYes
	}
	if !s.other {
		return verdictNo
	}
	verdict := uint8(verdictNo)
	for i := t.from; i < t.to; i++ {
		p := &s.c.caps[i]
		if !p.field && s.digits == DigitsNever || !p.mayHold(s.literal) {
			continue
		}
		if p.kind == kindConst {
			if s.accept(p.one) {
				return verdictYes
			}
			continue
		}
		var k capsuleSearch
		if s.want != "" && (p.kind == kindDecimal || p.kind == kindDigits) {
			var ok bool
			if k.num, ok = p.number(s.want); !ok {
				continue
			}
			k.exact = true
		}
		if (p.kind == kindDict || p.kind == kindStrings) && s.c.lacks(p, s.core) {
			continue
		}
		if k.body = s.c.open(p); !s.prepare(p, &k) {
			continue
		}
		if s.look == nil {
			s.look = make([]capsuleSearch, len(s.c.caps))
		}
		k.look = true
		s.look[i] = k
		verdict = verdictLook
	}
	return verdict
}

// prepare decides what can be decided once for all values; false where none passes.
func (s *tokenSearch) prepare(p *capsule, k *capsuleSearch) bool {
	some := false
	switch p.kind {
	case kindDict:
		if k.body == emptyBody {
			return false
		}
		k.codes = make([]uint8, p.count)
		k.body.holding(s.core, func(i int) {
			if s.holds(p, k.body.string(i)) {
				k.codes[i], some = verdictYes, true
			}
		})
		return some
	case kindStrings:
		if k.body == emptyBody || s.core == "" {
			return k.body != emptyBody // rows are looked at one by one
		}
		k.rows = make([]bool, p.rows)
		k.body.holding(s.core, func(i int) {
			if s.holds(p, k.body.string(i)) {
				k.rows[i], some = true, true
			}
		})
		return some
	case kindField:
		if k.body.field == nil {
			return false
		}
		f := *s
		f.c, f.look = k.body.field, nil
		k.rows = make([]bool, p.rows)
		for _, rank := range f.run(nil, nil) {
			k.rows[rank], some = true, true
		}
		return some
	case kindHex:
		return true
	}
	return k.body != emptyBody
}

// row looks at a row of a template, or at one without.
func (s *tokenSearch) row(id, rank int) bool {
	c := s.c
	if id == len(c.tmpls) {
		row := view(c.rawRow(rank))
		return containsFold(row, s.core) && s.any(row, s.digits)
	}
	t := &c.tmpls[id]
	if rank >= t.rows {
		return false
	}
	for i := t.from; i < t.to; i++ {
		k := &s.look[i]
		if !k.look {
			continue
		}
		switch p := &c.caps[i]; {
		case k.exact:
			if k.body.ints[rank] == k.num {
				return true
			}
		case k.codes != nil:
			if k.codes[k.body.ints[rank]] == verdictYes {
				return true
			}
		case k.rows != nil:
			if k.rows[rank] {
				return true
			}
		case p.kind == kindStrings:
			if s.holds(p, k.body.string(rank)) {
				return true
			}
		default:
			s.buf = c.value(s.buf[:0], p, rank)
			if s.accept(view(s.buf)) {
				return true
			}
		}
	}
	return false
}

// holds reports whether a value of a capsule passes.
func (s *tokenSearch) holds(p *capsule, value string) bool {
	if p.field {
		return containsFold(value, s.core) && s.any(value, s.digits)
	}
	return s.accept(value)
}

// any reports whether a token of the text is accepted.
func (s *tokenSearch) any(text string, digits DigitHint) bool {
	for from, to := NextToken(text, 0); from < to; from, to = NextToken(text, to) {
		token := text[from:to]
		if digits != DigitsMaybe && HasDigit(token) != (digits == DigitsAlways) {
			continue
		}
		if s.accept(token) {
			return true
		}
	}
	return false
}

// mayHold is false only if Lower of no value of the capsule contains the
// literal, which is in lower case.
func (p *capsule) mayHold(literal string) bool {
	switch p.kind {
	case kindConst, kindField:
		return true
	case kindDict, kindStrings:
		if p.mask&lettersWide != 0 {
			return true // characters beyond ASCII have letters as lower case
		}
		for i := 0; i < len(literal); i++ {
			if c := literal[i]; letters[c]&^p.mask != 0 || classes[c] == 0 {
				return false
			}
		}
		return true
	}
	for i := 0; i < len(literal); i++ {
		c := literal[i]
		if classes[c] == classDigit || p.kind == kindHex && hexValue[c] != hexNone {
			continue
		}
		if !hasByteFold(p.prefix, c) && !hasByteFold(p.suffix, c) {
			return false
		}
	}
	return true
}

// hasByteFold reports whether c, which is in lower case, may be in Lower(s).
func hasByteFold(s string, c byte) bool {
	for i := 0; i < len(s); i++ {
		x := s[i]
		if 'A' <= x && x <= 'Z' {
			x += 'a' - 'A'
		}
		if x == c || x >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// number is what the number between prefix and suffix has to be for the value in
// lower case to be want; false if there is none.
func (p *capsule) number(want string) (uint64, bool) {
	if p.prefix != "" || p.suffix != "" {
		prefix, suffix := Lower(p.prefix), Lower(p.suffix)
		if !strings.HasPrefix(want, prefix) || !strings.HasSuffix(want, suffix) || len(want) <= len(prefix)+len(suffix) {
			return 0, false
		}
		want = want[len(prefix) : len(want)-len(suffix)]
	}
	if len(want) > decimalMax || p.kind == kindDigits && len(want) != p.digits || p.kind == kindDecimal && len(want) > 1 && want[0] == '0' {
		return 0, false
	}
	x := uint64(0)
	for i := 0; i < len(want); i++ {
		c := want[i] - '0'
		if c > 9 {
			return 0, false
		}
		x = x*10 + uint64(c)
	}
	if p.part == 0 && p.mode == intsFrame && (x < p.least || p.width < 64 && x-p.least >= 1<<p.width) {
		return 0, false
	}
	return x, true
}

// core is the longest part of a lower case literal that can only come from the
// same letters in either case: without i and k, which are the lower case of the
// dotted capital I and of the Kelvin sign too, and without what is not ASCII.
func core(literal string) string {
	best, from := "", 0
	for i := 0; i <= len(literal); i++ {
		if i < len(literal) && literal[i] < utf8.RuneSelf && literal[i] != 'i' && literal[i] != 'k' {
			continue
		}
		if i-from > len(best) {
			best = literal[from:i]
		}
		from = i + 1
	}
	return best
}

// containsFold reports whether s contains core, which is ASCII in lower case, in
// any case.
func containsFold(s, core string) bool {
	if core == "" {
		return true
	}
	if len(s) < len(core) {
		return false
	}
	lead := rarest(core)
	low := core[lead]
	if foldedAt(s, 0, core, lead, low) >= 0 {
		return true
	}
	return low != upper(low) && foldedAt(s, 0, core, lead, upper(low)) >= 0
}

// rarest gives the place of the byte to look for first.
func rarest(core string) int {
	lead := 0
	for i := 1; i < len(core); i++ {
		if rarity[core[i]] > rarity[core[lead]] {
			lead = i
		}
	}
	return lead
}

// foldedAt gives where, from a place on, s has core in any case, with c at lead;
// -1 where it has not.
func foldedAt(s string, from int, core string, lead int, c byte) int {
	end := len(s) - len(core) + lead + 1
	for at := from + lead; at < end; at++ {
		k := strings.IndexByte(s[at:end], c)
		if k < 0 {
			return -1
		}
		at += k
		if equalFold(s[at-lead:at-lead+len(core)], core) {
			return at - lead
		}
	}
	return -1
}

// string gives a string of a capsule of some.
func (b *body) string(i int) string { return b.text[b.off[i] : b.off[i+1]-1] }

// holding calls found with every string that contains core, as containsFold has
// it, once or twice.
func (b *body) holding(core string, found func(i int)) {
	if core == "" {
		for i := range len(b.off) - 1 {
			found(i)
		}
		return
	}
	lead := rarest(core)
	for _, c := range [...]byte{core[lead], upper(core[lead])} {
		i, at := 0, 0
		for {
			if at = foldedAt(b.text, at, core, lead, c); at < 0 {
				break
			}
			for int(b.off[i+1]) <= at {
				i++
			}
			found(i)
			at = int(b.off[i+1])
		}
		if c == upper(c) {
			break // it has no other case
		}
	}
}

func equalFold(s, lower string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// rarity ranks bytes by how seldom they are in logs, roughly.
var rarity = func() (t [256]uint8) {
	for c := range t {
		t[c] = 20
	}
	for i, c := range []byte(" etaoinsrdlcupmh.gf0123:/-bvwyk456789_xqjz") {
		t[c] = uint8(i)
	}
	return t
}()

// SelectEqual appends the rows of in that are the value to out; in is ascending,
// nil means all rows.
func (c *Column) SelectEqual(value string, in, out []uint32) []uint32 {
	return c.SelectValue(func(s string) bool { return s == value }, value, in, out)
}

// SelectValue appends the rows of in whose whole string is accepted to out; in is
// ascending, nil means all rows. accept must not keep what it is given, which it
// is given perhaps more than once. Every accepted string contains literal, as it
// is spelled; "" is always right.
func (c *Column) SelectValue(accept func(value string) bool, literal string, in, out []uint32) []uint32 {
	if c.n == 0 || !c.grams.anywhere(gramsOf(literal)) {
		return out
	}
	c.openMeta()
	verdict := make([]uint8, len(c.tmpls)+1)
	some := false
	parts := literalTokens(literal)
	for i := range parts {
		k := &parts[i]
		_, k.other = c.grams.token(gramsOf(k.lower))
	}
	for id := range c.tmpls {
		t := &c.tmpls[id]
		switch {
		case !c.mayContain(t, literal, parts):
			continue
		case t.from < t.to:
			verdict[id] = verdictLook
		case accept(t.text):
			verdict[id] = verdictYes
		default:
			continue
		}
		some = true
	}
	if c.raws > 0 {
		verdict[len(c.tmpls)] = verdictLook
		some = true
	}
	if !some {
		return out
	}
	var buf []byte
	lit := []byte(literal)
	return c.filter(verdict, in, out, func(id, rank int) bool {
		if id == len(c.tmpls) {
			c.openRaw()
			row := c.rawRow(rank)
			return bytes.Contains(row, lit) && accept(view(row))
		}
		buf = c.append(buf[:0], id, rank)
		return bytes.Contains(buf, lit) && accept(view(buf))
	})
}

// literalToken is a token of a literal. One that is whole is a token of every
// string that contains the literal, the others are a part of one.
type literalToken struct {
	text, lower string
	whole       bool
	digit       bool
	other       bool // it may be elsewhere than in a template
}

func literalTokens(literal string) (parts []literalToken) {
	if !utf8.ValidString(literal) {
		return nil
	}
	for from, to := NextToken(literal, 0); from < to; from, to = NextToken(literal, to) {
		k := literal[from:to]
		parts = append(parts, literalToken{text: k, lower: Lower(k), whole: from > 0 && to < len(literal), digit: HasDigit(k)})
	}
	return parts
}

// mayContain is false only if no row of the template contains the literal.
func (c *Column) mayContain(t *tmpl, literal string, parts []literalToken) bool {
	if t.from == t.to {
		return strings.Contains(t.text, literal)
	}
	caps := c.caps[t.from:t.to]
	for _, k := range parts {
		if !k.digit && strings.Contains(t.text, k.text) {
			continue
		}
		held := false
		for i := range caps {
			if !k.other {
				break
			}
			p := &caps[i]
			switch {
			case p.field:
				held = c.mayHave(p, k.lower)
			case !k.digit && k.whole:
			case p.kind == kindConst:
				held = strings.Contains(p.one, k.text)
			default:
				held = p.mayHold(k.lower)
			}
			if held {
				break
			}
		}
		if !held {
			return false
		}
	}
	return true
}

// mayHave is false only if Lower of no string of a field contains the literal,
// which is a token in lower case or a part of one.
func (c *Column) mayHave(p *capsule, literal string) bool {
	if !p.mayHold(literal) {
		return false
	}
	if HasDigit(literal) {
		return true
	}
	b := c.open(p)
	if b.field == nil {
		return containsFold(b.text, core(literal))
	}
	f := b.field
	f.openMeta()
	for i := range f.tmpls {
		if containsFold(f.tmpls[i].text, core(literal)) {
			return true
		}
	}
	for i := range f.caps {
		if p := &f.caps[i]; p.kind == kindConst && containsFold(p.one, core(literal)) || p.kind != kindConst && p.mayHold(literal) && (!p.field || f.mayHave(p, literal)) {
			return true
		}
	}
	if f.raws > 0 {
		f.openRaw()
		return containsFold(view(f.raw), core(literal))
	}
	return false
}
