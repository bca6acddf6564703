package esapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// typeName gives the type of Elasticsearch's mapping.
func typeName(t logging.FieldType) string {
	switch t {
	case logging.Keyword:
		return "keyword"
	case logging.Text:
		return "text"
	case logging.Long:
		return "long"
	case logging.Double:
		return "double"
	case logging.Bool:
		return "boolean"
	case logging.Date:
		return "date"
	}
	return "keyword"
}

// mapped gives the types of a field as a mapping would have them: integers
// beside other numbers are numbers.
func mapped(f logging.FieldInfo) []string {
	types := slices.Clone(f.Types)
	if slices.Contains(types, logging.Double) {
		types = slices.DeleteFunc(types, func(t logging.FieldType) bool { return t == logging.Long })
	}
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = typeName(t)
	}
	return out
}

// fieldCaps answers _field_caps.
func fieldCaps(c *call) (reply, error) {
	body, err := c.json()
	if err != nil {
		return reply{}, err
	}
	patterns := expression(c.param("fields"))
	for i, key := range body.Keys {
		switch key {
		case "fields":
			list, isList := body.Items[i].Strings()
			if !isList {
				return reply{}, dsl.Parsing("[fields] wants a string or an array of strings")
			}
			for _, l := range list {
				patterns = append(patterns, expression(l)...)
			}
		case "index_filter": // it only spares work: indices that cannot match may be left out
		case "runtime_mappings":
			if len(body.Items[i].Keys) > 0 {
				return reply{}, dsl.Parsing("[runtime_mappings] are not supported")
			}
		default:
			return reply{}, dsl.Parsing("[field_caps_request] unknown field [%s]", clip(key))
		}
	}
	if len(patterns) == 0 {
		return reply{}, &dsl.Error{Status: 400, Type: "action_request_validation_exception", Reason: "Validation Failed: 1: no fields specified;"}
	}
	if len(patterns) > 1000 {
		return reply{}, dsl.Illegal("more than 1000 field patterns")
	}
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	b := []byte(`{"indices":[`)
	for i, name := range ch.names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = jsontext.AppendString(b, name)
	}
	b = append(b, `],"fields":{`...)
	if len(ch.infos) > 0 {
		fields, err := v.Fields(c.r.Context(), ch.query())
		if err != nil {
			return reply{}, err
		}
		b = appendCaps(b, fields, patterns)
	}
	return ok(append(b, "}}"...)), nil
}

func appendCaps(b []byte, fields []logging.FieldInfo, patterns []string) []byte {
	first := true
	put := func(name string, types []string, meta bool) {
		if !slices.ContainsFunc(patterns, func(p string) bool { return dsl.Glob(p, name) }) {
			return
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(jsontext.AppendString(b, name), ":{"...)
		for i, t := range types {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(jsontext.AppendString(b, t), ':')
			b = jsontext.AppendString(append(b, `{"type":`...), t)
			b = append(b, `,"metadata_field":`...)
			b = appendBool(b, meta)
			b = append(b, `,"searchable":true,"aggregatable":`...)
			b = append(appendBool(b, t != "text"), '}')
		}
		b = append(b, '}')
	}
	put("_id", []string{"_id"}, true)
	put("_index", []string{"_index"}, true)
	for _, f := range fields {
		put(f.Name, mapped(f), false)
		if slices.Contains(f.Types, logging.Text) {
			put(f.Name+".keyword", []string{"keyword"}, false)
		}
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, "true"...)
	}
	return append(b, "false"...)
}

// mappingsMax bounds how many indices are looked into one by one; beyond it
// they are all shown with the fields of all.
const mappingsMax = 32

// mapping answers _mapping.
func mapping(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	return c.perIndex(v, ch, func(b []byte, m []byte) []byte {
		return append(append(append(b, `{"mappings":`...), m...), '}')
	})
}

// perIndex writes an object of the chosen indices, each with what of makes of
// its mapping.
func (c *call) perIndex(v *window, ch chosen, of func(dst, mapping []byte) []byte) (reply, error) {
	var union []byte
	if len(ch.infos) > mappingsMax {
		fields, err := v.Fields(c.r.Context(), ch.query())
		if err != nil {
			return reply{}, err
		}
		union = appendMapping(nil, fields)
	}
	b := []byte{'{'}
	for i, info := range ch.infos {
		if i > 0 {
			b = append(b, ',')
		}
		m := union
		if m == nil {
			fields, err := v.Fields(c.r.Context(), []string{info.Name})
			if err != nil {
				return reply{}, err
			}
			m = appendMapping(nil, fields)
		}
		b = of(append(jsontext.AppendString(b, info.Name), ':'), m)
	}
	return ok(append(b, '}')), nil
}

// mappingNode is one level of a mapping.
type mappingNode struct {
	types []string
	names []string
	sub   map[string]*mappingNode
}

func appendMapping(b []byte, fields []logging.FieldInfo) []byte {
	root := &mappingNode{}
	for _, f := range fields {
		n := root
		for part := range strings.SplitSeq(f.Name, ".") {
			if n.sub == nil {
				n.sub = map[string]*mappingNode{}
			}
			next := n.sub[part]
			if next == nil {
				next = &mappingNode{}
				n.sub[part] = next
				n.names = append(n.names, part)
			}
			n = next
		}
		n.types = mapped(f)
	}
	return append(root.append(append(b, '{')), '}')
}

// append writes a level without its braces. A field that was seen with several
// types is shown as text, which holds them all.
func (n *mappingNode) append(b []byte) []byte {
	if len(n.types) > 0 {
		t := n.types[0]
		if slices.Contains(n.types, "text") {
			t = "text"
		}
		b = jsontext.AppendString(append(b, `"type":`...), t)
		if t == "text" {
			b = append(b, `,"fields":{"keyword":{"type":"keyword"}}`...)
		}
		if len(n.sub) > 0 {
			b = append(b, ',')
		}
	}
	if len(n.sub) == 0 {
		return b
	}
	b = append(b, `"properties":{`...)
	for i, name := range n.names {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsontext.AppendString(b, name), ":{"...)
		b = append(n.sub[name].append(b), '}')
	}
	return append(b, '}')
}

// indexInfo answers GET /{index}, _settings, _alias and _aliases.
func indexInfo(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	if c.r.Method == "HEAD" {
		return ok(nil), nil
	}
	last := ""
	if parts := split(c.r.URL.EscapedPath()); len(parts) > 0 {
		last = parts[len(parts)-1]
	}
	switch last {
	case "_alias", "_aliases":
		return namesOnly(ch, func(string) string { return `{"aliases":{}}` }), nil
	case "_settings":
		set, err := settingsOf(c.r.Context(), v, ch)
		if err != nil {
			return reply{}, err
		}
		return namesOnly(ch, func(name string) string { return `{"settings":` + set[name] + `}` }), nil
	}
	set, err := settingsOf(c.r.Context(), v, ch)
	if err != nil {
		return reply{}, err
	}
	at := 0
	return c.perIndex(v, ch, func(b, m []byte) []byte {
		b = append(append(b, `{"aliases":{},"mappings":`...), m...)
		b = append(b, `,"settings":`+set[ch.infos[at].Name]+"}"...)
		at++
		return b
	})
}

// namedAlias says that there are no aliases, as exporters ask for all of an index.
func namedAlias(c *call) (reply, error) {
	v, _, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	name := c.vars["alias"]
	if (name == "_all" || strings.Contains(name, "*")) && c.r.Method != http.MethodHead {
		return ok([]byte("{}")), nil
	}
	return textError(http.StatusNotFound, "alias ["+clip(name)+"] missing", true), nil
}

func namesOnly(ch chosen, of func(name string) string) reply {
	b := []byte{'{'}
	for i, name := range ch.names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsontext.AppendString(b, name), ':')
		b = append(b, of(name)...)
	}
	return ok(append(b, '}'))
}
