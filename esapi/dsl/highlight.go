package dsl

import (
	"slices"
	"strings"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// highlightPlan is a request's highlight.
type highlightPlan struct {
	fields []highlightField
}

type highlightField struct {
	pattern      string
	pre, post    string
	size, number int  // of fragments; number 0: the whole field
	anyField     bool // require_field_match: false
}

const highlightTextMax = 1_000_000 // index.highlight.max_analyzed_offset

// parseHighlight reads highlight. What says how fragments are cut or in which
// order they come is ignored but for their size and number.
func parseHighlight(n Node) (*highlightPlan, error) {
	if n.Kind == Null {
		return nil, nil
	}
	if n.Kind != Object {
		return nil, Parsing("[highlight] wants an object")
	}
	preset := highlightField{pre: "<em>", post: "</em>", size: 100, number: 5}
	if err := preset.settings(n); err != nil {
		return nil, err
	}
	v, ok := n.Get("fields")
	if !ok {
		return nil, nil
	}
	h := &highlightPlan{}
	objects := []Node{v}
	if v.Kind == Array {
		objects = v.Items
	}
	for _, o := range objects {
		if o.Kind != Object {
			return nil, Parsing("[highlight] [fields] wants an object, or an array of them")
		}
		for i, name := range o.Keys {
			f := preset
			f.pattern = name
			if err := f.settings(o.Items[i]); err != nil {
				return nil, err
			}
			h.fields = append(h.fields, f)
		}
	}
	if len(h.fields) > patternsMax {
		return nil, Parsing("[highlight] has more than %d fields", patternsMax)
	}
	return h, nil
}

func (f *highlightField) settings(n Node) error {
	for i, key := range n.Keys {
		v := n.Items[i]
		var err error
		switch key {
		case "pre_tags", "post_tags":
			tags, ok := v.Strings()
			if !ok || len(tags) == 0 {
				return Parsing("[highlight] [%s] wants an array of strings", key)
			}
			if key == "pre_tags" {
				f.pre = tags[0]
			} else {
				f.post = tags[0]
			}
		case "fragment_size":
			f.size, err = bodyInt(key, v)
		case "number_of_fragments":
			f.number, err = bodyInt(key, v)
		case "require_field_match":
			match, _ := v.Bool()
			f.anyField = !match
		case "type":
			if v.Text != "unified" && v.Text != "plain" && v.Text != "fvh" {
				err = Illegal("unknown highlighter type [%s]", clip(v.Text))
			}
		case "highlight_query", "matched_fields", "no_match_size":
			if key != "no_match_size" || v.Text != "0" {
				err = Parsing("[highlight] does not support [%s]", key)
			}
		case "encoder":
			if v.Text == "html" {
				err = Parsing("[highlight] encoder [html] is not supported")
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mark is one thing a query looks for, as far as it can be shown in a text.
type mark struct {
	field  logging.Field
	tokens []string // a phrase; one for a term
	prefix bool     // the last token need only be a beginning
	slop   int
	raw    string // whole values
	fold   bool
	fits   func(string) bool // patterns
}

type highlighter struct {
	plan  *highlightPlan
	marks []mark
}

// highlighter gives the one of the search; nil where nothing is highlighted.
func (s *Search) highlighter() *highlighter {
	if s.hits.highlight == nil {
		return nil
	}
	return newHighlighter(s.hits.highlight, s.Query.Filter)
}

func newHighlighter(plan *highlightPlan, f logging.Filter) *highlighter {
	h := &highlighter{plan: plan}
	h.collect(f)
	if len(h.marks) == 0 {
		return nil
	}
	return h
}

const marksMax = 10_000

// collect walks over what a document must hold, not over what it must not.
func (h *highlighter) collect(f logging.Filter) {
	if len(h.marks) >= marksMax {
		return
	}
	switch f := f.(type) {
	case logging.And:
		for _, p := range f {
			h.collect(p)
		}
	case logging.Or:
		for _, p := range f.Of {
			h.collect(p)
		}
	case logging.Term:
		h.marks = append(h.marks, mark{field: f.Field, tokens: []string{f.Text}, raw: f.Text, fold: f.Fold})
	case logging.Phrase:
		h.marks = append(h.marks, mark{field: f.Field, tokens: f.Tokens, raw: f.Raw, slop: f.Slop, prefix: f.LastPrefix})
	case logging.Pattern:
		h.marks = append(h.marks, mark{field: f.Field, fits: f.Fits()})
	}
}

type span struct{ from, to int }

// append appends ,"highlight":{...} where there is something to show.
func (h *highlighter) append(dst []byte, doc *logging.Doc) []byte {
	any := false
	done := map[string]bool{}
	var names []string
	for _, f := range h.plan.fields {
		candidates := []string{f.pattern}
		if strings.Contains(f.pattern, "*") {
			if names == nil {
				names = h.names(doc)
			}
			candidates = names
		}
		for _, name := range candidates {
			if done[name] || !Glob(f.pattern, name) {
				continue
			}
			frags := h.fragments(doc, name, f)
			if len(frags) == 0 {
				continue
			}
			done[name] = true
			if any {
				dst = append(dst, ',')
			} else {
				dst = append(dst, `,"highlight":{`...)
			}
			any = true
			dst = append(jsontext.AppendString(dst, name), ":["...)
			for i, s := range frags {
				if i > 0 {
					dst = append(dst, ',')
				}
				dst = jsontext.AppendString(dst, s)
			}
			dst = append(dst, ']')
		}
	}
	if any {
		dst = append(dst, '}')
	}
	return dst
}

// names lists the document's fields, with the twins that the query asks for.
func (h *highlighter) names(doc *logging.Doc) []string {
	names := fieldNames(doc)
	for _, m := range h.marks {
		twin := m.field.Name + ".keyword"
		if m.field.Exact && !logging.IsKeyword(m.field.Name) && !slices.Contains(names, twin) {
			names = append(names, twin)
		}
	}
	return names
}

func (h *highlighter) fragments(doc *logging.Doc, name string, f highlightField) []string {
	field := exactly(name)
	var out []string
	for _, v := range doc.Values(field) {
		if v.Kind != logging.KindString || len(v.Str) > highlightTextMax {
			continue
		}
		var spans []span
		for _, m := range h.marks {
			if f.anyField || m.on(field) {
				spans = m.find(v.Str, field.Exact, spans)
			}
		}
		out = append(out, f.cut(v.Str, merge(spans))...)
		if f.number > 0 && len(out) >= f.number {
			return out[:f.number]
		}
	}
	return out
}

// on reports whether the mark was searched for in the field.
func (m mark) on(f logging.Field) bool {
	if anyField(m.field) {
		// Twins are not shown for a search over all fields: the field itself is.
		return (m.field.Name == "" || Glob(m.field.Name, f.Name)) && (!f.Exact || logging.IsKeyword(f.Name))
	}
	return m.field.Name == f.Name && m.field.Exact == f.Exact
}

// find adds where the mark stands in a text, or the whole text if that is what
// it compares.
func (m mark) find(text string, exact bool, spans []span) []span {
	whole := span{0, len(text)}
	if exact {
		switch {
		case m.fits != nil:
			if m.fits(text) {
				return append(spans, whole)
			}
		case text == m.raw, m.fold && strings.EqualFold(text, m.raw), m.prefix && strings.HasPrefix(text, m.raw):
			return append(spans, whole)
		}
		return spans
	}
	var places []span
	var tokens []string
	for from, to := range logging.Tokens(text) {
		token := text[from:to]
		if low := logging.Analyze(token); len(low) == 1 {
			token = low[0]
		}
		if m.fits != nil {
			if m.fits(token) {
				spans = append(spans, span{from, to})
			}
			continue
		}
		places, tokens = append(places, span{from, to}), append(tokens, token)
	}
	if m.fits != nil || len(m.tokens) == 0 {
		return spans
	}
	if m.slop > 0 {
		for i, t := range tokens {
			if slices.Contains(m.tokens, t) {
				spans = append(spans, places[i])
			}
		}
		return spans
	}
	for i := 0; i+len(m.tokens) <= len(tokens); i++ {
		if m.at(tokens[i:]) {
			spans = append(spans, span{places[i].from, places[i+len(m.tokens)-1].to})
		}
	}
	return spans
}

func (m mark) at(tokens []string) bool {
	last := len(m.tokens) - 1
	for i, want := range m.tokens {
		if tokens[i] != want && (i != last || !m.prefix || !strings.HasPrefix(tokens[i], want)) {
			return false
		}
	}
	return true
}

// merge sorts spans and joins those that overlap.
func merge(spans []span) []span {
	slices.SortFunc(spans, func(a, b span) int {
		if a.from != b.from {
			return a.from - b.from
		}
		return b.to - a.to
	})
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.from < out[n-1].to {
			out[n-1].to = max(out[n-1].to, s.to)
			continue
		}
		out = append(out, s)
	}
	return out
}

// cut gives the fragments of a text that hold marks, tagged.
func (f highlightField) cut(text string, spans []span) []string {
	if len(spans) == 0 {
		return nil
	}
	if f.number == 0 || f.size == 0 || f.size >= len(text) {
		return []string{f.tag(text, 0, len(text), spans)}
	}
	var out []string
	for i := 0; i < len(spans); {
		// A fragment begins at a word before its first mark and ends at one behind
		// its last that still fits.
		from := wordStart(text, max(0, spans[i].from-f.size/4))
		to := max(spans[i].to, wordStart(text, min(len(text), from+f.size)))
		j := i
		for j < len(spans) && spans[j].to <= to {
			j++
		}
		if j < len(spans) && spans[j].from < to {
			to = spans[j].from
		}
		out = append(out, strings.TrimSpace(f.tag(text, from, to, spans[i:j])))
		i = j
	}
	return out
}

// wordStart goes back to the beginning of a word, or stays where none is near.
func wordStart(text string, at int) int {
	if at >= len(text) {
		return len(text)
	}
	for i := at; i >= 0 && at-i < 40; i-- {
		if i == 0 || text[i-1] == ' ' {
			return i
		}
	}
	for at > 0 && text[at]&0xC0 == 0x80 {
		at--
	}
	return at
}

func (f highlightField) tag(text string, from, to int, spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		if s.from < from {
			continue
		}
		b.WriteString(text[from:s.from])
		b.WriteString(f.pre)
		b.WriteString(text[s.from:s.to])
		b.WriteString(f.post)
		from = s.to
	}
	b.WriteString(text[from:to])
	return b.String()
}
