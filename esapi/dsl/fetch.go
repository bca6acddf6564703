package dsl

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

func appendInt(dst []byte, i int64) []byte { return strconv.AppendInt(dst, i, 10) }

// SourceFilter says which parts of a document's source are shown.
type SourceFilter struct {
	None     bool
	Includes []string
	Excludes []string
}

const patternsMax = 1024

// ParseSource reads _source as the documents of _mget have it.
func ParseSource(n Node) (SourceFilter, error) { return parseSource(n) }

// parseSource reads _source: true, false, "a*", ["a","b"] or an object.
func parseSource(n Node) (SourceFilter, error) {
	var s SourceFilter
	bad := Parsing("[_source] wants true, false, field patterns, or an object of [includes] and [excludes]")
	switch n.Kind {
	case Null:
		return s, nil
	case Bool:
		s.None = n.Text == "false"
		return s, nil
	case Object:
		for i, key := range n.Keys {
			list, ok := n.Items[i].Strings()
			if !ok {
				return s, bad
			}
			switch key {
			case "includes", "include":
				s.Includes = list
			case "excludes", "exclude":
				s.Excludes = list
			default:
				return s, bad
			}
		}
	default:
		list, ok := n.Strings()
		if !ok {
			return s, bad
		}
		s.Includes = list
	}
	if len(s.Includes)+len(s.Excludes) > patternsMax {
		return s, Parsing("[_source] has more than %d patterns", patternsMax)
	}
	return s, nil
}

// sourceURL reads the parameters _source, _source_includes and _source_excludes.
func (s *SourceFilter) sourceURL(get func(string) string) {
	switch v := get("_source"); v {
	case "":
	case "true":
		s.None = false
	case "false":
		s.None = true
	default:
		s.None, s.Includes = false, strings.Split(v, ",")
	}
	for _, key := range []string{"_source_includes", "_source_include"} {
		if v := get(key); v != "" {
			s.None, s.Includes = false, strings.Split(v, ",")
		}
	}
	for _, key := range []string{"_source_excludes", "_source_exclude"} {
		if v := get(key); v != "" {
			s.Excludes = strings.Split(v, ",")
		}
	}
}

// ParseSourceURL reads the parameters that a request for one document takes.
func ParseSourceURL(get func(string) string) SourceFilter {
	var s SourceFilter
	s.sourceURL(get)
	return s
}

const sourceValuesMax = 1 << 20

// Append appends the shown part of a source.
func (s SourceFilter) Append(dst, source []byte) []byte {
	if len(s.Includes) == 0 && len(s.Excludes) == 0 {
		return append(dst, source...)
	}
	n, err := ParseJSON(source, sourceValuesMax)
	if err != nil || n.Kind != Object {
		return append(dst, "{}"...)
	}
	out, _ := s.prune(n, "", len(s.Includes) == 0)
	return out.Append(dst)
}

// prune keeps what is included, by its own name or that of something around it,
// and not excluded.
func (s SourceFilter) prune(n Node, path string, included bool) (Node, bool) {
	switch n.Kind {
	case Object:
		out := Node{Kind: Object}
		for i, key := range n.Keys {
			p := key
			if path != "" {
				p = path + "." + key
			}
			if matchesPart(s.Excludes, p, key) {
				continue
			}
			if v, ok := s.prune(n.Items[i], p, included || matchesPart(s.Includes, p, key)); ok {
				out.Keys, out.Items = append(out.Keys, key), append(out.Items, v)
			}
		}
		return out, included || len(out.Keys) > 0 || path == ""
	case Array:
		out := Node{Kind: Array}
		for _, it := range n.Items {
			if v, ok := s.prune(it, path, included); ok {
				out.Items = append(out.Items, v)
			}
		}
		return out, included || len(out.Items) > 0
	}
	return n, included
}

// matchesPart reports whether a pattern fits a path, or what lies around its last
// key where that has dots: "b.x" inside "a" lies inside "a.b", too.
func matchesPart(patterns []string, path, key string) bool {
	for i, c := range key {
		if c == '.' && matchesAny(patterns, path[:len(path)-len(key)+i]) {
			return true
		}
	}
	return matchesAny(patterns, path)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return Glob(p, name) })
}

// Glob reports whether the name fits the pattern, in which * is any run of
// characters. It takes time in proportion to both lengths.
func Glob(pattern, name string) bool {
	first, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, first) {
		return false
	}
	name = name[len(first):]
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(name, part)
		}
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name, rest = name[i+len(part):], after
	}
}

// fieldFormat is one entry of fields or docvalue_fields.
type fieldFormat struct {
	pattern string
	format  *DateFormat // nil: the default
	sorted  bool        // of docvalue_fields: values in their order, a string but once
}

func parseFields(key string, n Node) ([]fieldFormat, error) {
	items := n.Items
	if n.Kind == Text {
		items = []Node{n}
	} else if n.Kind != Array && n.Kind != Null {
		return nil, Parsing("[%s] wants an array of fields", key)
	}
	if len(items) > patternsMax {
		return nil, Parsing("[%s] has more than %d entries", key, patternsMax)
	}
	sorted := key == "docvalue_fields"
	var out []fieldFormat
	for _, it := range items {
		if it.Kind == Text {
			out = append(out, fieldFormat{pattern: it.Text, sorted: sorted})
			continue
		}
		name, ok := it.Get("field")
		if !ok || name.Kind != Text {
			return nil, Parsing("[%s] entries want a [field]", key)
		}
		f := fieldFormat{pattern: name.Text, sorted: sorted}
		for i, k := range it.Keys {
			switch k {
			case "field", "include_unmapped":
			case "format":
				v := it.Items[i]
				if v.Kind == Null || v.Text == "use_field_mapping" {
					continue
				}
				var err error
				if f.format, err = ParseDateFormat(v.Text); err != nil {
					return nil, err
				}
			default:
				return nil, Parsing("[%s] entries do not support [%s]", key, clip(k))
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// shownField is one field of a hit with its values.
type shownField struct {
	name   string
	values []logging.Value
	format *DateFormat
}

// collectFields gathers what the entries ask for; a field that is asked for
// twice is shown as the last entry has it. Twins (f.keyword) only show where a
// pattern without a wildcard names them.
func collectFields(doc *logging.Doc, entries []fieldFormat) []shownField {
	var out []shownField
	at := map[string]int{}
	add := func(name string, vals []logging.Value, e fieldFormat) {
		if len(vals) == 0 {
			return
		}
		if i, ok := at[name]; ok {
			if e.format != nil {
				out[i].format = e.format
			}
			if !e.sorted {
				out[i].values = vals
			}
			return
		}
		at[name] = len(out)
		if e.sorted && len(vals) > 1 {
			vals = slices.SortedFunc(slices.Values(vals), logging.Compare)
			vals = slices.CompactFunc(vals, func(a, b logging.Value) bool { return a.Kind == logging.KindString && a == b })
		}
		out = append(out, shownField{name, vals, e.format})
	}
	var names []string
	for _, e := range entries {
		if !strings.Contains(e.pattern, "*") {
			add(e.pattern, doc.Values(exactly(e.pattern)), e)
			continue
		}
		if names == nil {
			names = fieldNames(doc)
		}
		for _, name := range names {
			if Glob(e.pattern, name) {
				add(name, doc.Values(logging.Field{Name: name}), e)
			}
		}
	}
	return out
}

// fieldNames lists the fields of a document, each once.
func fieldNames(doc *logging.Doc) []string {
	var names []string
	seen := map[string]bool{}
	for name := range doc.Fields() {
		if !seen[name] && !strings.Contains(name, "*") {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func appendFields(dst []byte, shown []shownField) []byte {
	dst = append(dst, '{')
	for i, f := range shown {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendString(dst, f.name), ":["...)
		for j, v := range f.values {
			if j > 0 {
				dst = append(dst, ',')
			}
			if v.Kind == logging.KindTime && f.format != nil {
				dst = jsontext.AppendString(dst, f.format.Format(v.Time, time.UTC))
			} else {
				dst = appendValue(dst, v)
			}
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// exactly is logging.FieldOf for a name that cannot mean every field.
func exactly(name string) logging.Field {
	if f := logging.FieldOf(name); f.Name != "" {
		return f
	}
	return logging.Field{Name: name, Exact: true}
}
