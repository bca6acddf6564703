package text

import "slices"

// phraseSearch looks for tokens that follow one another.
type phraseSearch struct {
	c      *Column
	tokens []string
	prefix bool // the last token may go on
	cores  []string
	digits []bool
	other  []bool // the token may be elsewhere than in a template
	elems  []element
	buf    []byte
}

// element is what stands where a token of a template may stand.
type element struct {
	token string // static, "" otherwise
	at    int    // capsule
}

// SelectPhrase appends the rows of in that have the tokens, which are in lower
// case, one right after the other to out; in is ascending, nil means all rows.
// With lastPrefix the last one may be the beginning of a token. No tokens are in
// no row.
func (c *Column) SelectPhrase(tokens []string, lastPrefix bool, in, out []uint32) []uint32 {
	if len(tokens) == 0 || c.n == 0 {
		return out
	}
	if len(tokens) == 1 && !lastPrefix {
		return c.SelectWord(tokens[0], in, out)
	}
	s := phraseSearch{c: c, tokens: tokens, prefix: lastPrefix}
	for _, k := range tokens {
		static, other := c.grams.token(gramsOf(k))
		if !static && !other {
			return out
		}
		s.other = append(s.other, other)
		s.cores = append(s.cores, core(k))
		s.digits = append(s.digits, HasDigit(k))
	}
	c.openMeta()
	verdict := make([]uint8, len(c.tmpls)+1)
	raws := c.raws > 0 && !slices.Contains(s.other, false)
	some := raws
	for id := range c.tmpls {
		verdict[id] = s.template(&c.tmpls[id])
		some = some || verdict[id] != verdictNo
	}
	if !some {
		return out
	}
	if raws {
		c.openRaw()
		verdict[len(c.tmpls)] = verdictLook
	}
	return c.filter(verdict, in, out, s.row)
}

func (s *phraseSearch) row(id, rank int) bool {
	if id == len(s.c.tmpls) {
		row := view(s.c.rawRow(rank))
		for _, k := range s.cores {
			if !containsFold(row, k) {
				return false
			}
		}
		return s.in(row)
	}
	s.buf = s.c.append(s.buf[:0], id, rank)
	return s.in(view(s.buf))
}

// in reports whether the phrase is in a text.
func (s *phraseSearch) in(text string) bool {
	for from, to := NextToken(text, 0); from < to; from, to = NextToken(text, to) {
		if !s.is(0, text[from:to]) {
			continue
		}
		i, end := 1, to
		for ; i < len(s.tokens); i++ {
			f, t := NextToken(text, end)
			if f == t || !s.is(i, text[f:t]) {
				break
			}
			end = t
		}
		if i == len(s.tokens) {
			return true
		}
	}
	return false
}

// is reports whether the i-th token of the phrase fits a token.
func (s *phraseSearch) is(i int, token string) bool {
	if s.prefix && i == len(s.tokens)-1 {
		return hasLowerPrefix(token, s.tokens[i])
	}
	return IsLower(token, s.tokens[i])
}

// template decides what of a phrase is in the static tokens, and whether the rest
// can be in the variables between.
func (s *phraseSearch) template(t *tmpl) uint8 {
	caps := s.c.caps[t.from:t.to]
	for i, k := range s.cores {
		if !s.digits[i] && (!s.prefix || i < len(s.tokens)-1) && !containsFold(t.text, k) && !(s.other[i] && s.inField(caps, s.tokens[i])) {
			return verdictNo
		}
	}
	s.elems = s.elems[:0]
	last := 0
	for i := range caps {
		s.static(t.text[last:caps[i].at])
		s.elems = append(s.elems, element{at: t.from + i})
		last = caps[i].at + 1
	}
	s.static(t.text[last:])
	verdict := uint8(verdictNo)
	for from := range s.elems {
		switch s.from(from) {
		case verdictYes:
			return verdictYes
		case verdictLook:
			verdict = verdictLook
		}
	}
	return verdict
}

// inField tells whether one of the fields may have the token.
func (s *phraseSearch) inField(caps []capsule, token string) bool {
	for i := range caps {
		if p := &caps[i]; p.field && s.c.mayHave(p, token) {
			return true
		}
	}
	return false
}

func (s *phraseSearch) static(text string) {
	for from, to := NextToken(text, 0); from < to; from, to = NextToken(text, to) {
		s.elems = append(s.elems, element{token: text[from:to]})
	}
}

// from tells whether the phrase begins at an element.
func (s *phraseSearch) from(from int) uint8 {
	verdict := uint8(verdictYes)
	for i, want := range s.tokens {
		if from+i >= len(s.elems) {
			return verdictNo
		}
		e := &s.elems[from+i]
		if e.token != "" {
			if !s.is(i, e.token) {
				return verdictNo
			}
			continue
		}
		last := s.prefix && i == len(s.tokens)-1
		switch p := &s.c.caps[e.at]; {
		case p.field:
			return verdictLook // how many tokens it has differs by row
		case !last && !s.digits[i]:
			return verdictNo
		case p.kind == kindConst:
			if !s.is(i, p.one) {
				return verdictNo
			}
		case !p.mayHold(want):
			return verdictNo
		case !last && (p.kind == kindDecimal || p.kind == kindDigits):
			if _, ok := p.number(want); !ok {
				return verdictNo
			}
			verdict = verdictLook
		default:
			verdict = verdictLook
		}
	}
	return verdict
}
