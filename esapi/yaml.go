package esapi

import (
	"strings"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
)

// wantsYAML reports whether the answer is asked for as YAML.
func wantsYAML(c *call) bool {
	if f := c.param("format"); f != "" {
		return f == "yaml"
	}
	return strings.Contains(c.r.Header.Get("Accept"), "application/yaml")
}

// appendYAML writes an answer as Elasticsearch does: strings in double quotes,
// whose escapes are those of JSON.
func appendYAML(b []byte, n dsl.Node) []byte {
	b = append(b, "---"...)
	if n.Kind == dsl.Object && len(n.Keys) > 0 {
		b = append(b, '\n')
	}
	b = appendYAMLValue(b, n, 0)
	if len(b) == 0 || b[len(b)-1] != '\n' {
		b = append(b, '\n')
	}
	return b
}

// appendYAMLValue appends what stands behind a key, a dash or the beginning.
func appendYAMLValue(b []byte, n dsl.Node, depth int) []byte {
	switch {
	case n.Kind == dsl.Object && len(n.Keys) == 0:
		return append(b, " {}\n"...)
	case n.Kind == dsl.Array && len(n.Items) == 0:
		return append(b, " []\n"...)
	case n.Kind == dsl.Object:
		for i, key := range n.Keys {
			b = indentYAML(b, depth)
			b = append(appendYAMLKey(b, key), ':')
			b = appendYAMLMember(b, n.Items[i], depth)
		}
		return b
	case n.Kind == dsl.Array:
		b = append(b, '\n')
		for _, item := range n.Items {
			b = append(indentYAML(b, depth), '-')
			switch {
			case item.Kind == dsl.Object && len(item.Keys) > 0:
				// The first key stands behind the dash.
				at := len(b)
				b = appendYAMLValue(b, item, depth+1)
				b[at], b = ' ', append(b[:at+1], b[at+2*(depth+1):]...)
			default:
				b = appendYAMLMember(b, item, depth)
			}
		}
		return b
	}
	return append(n.Append(append(b, ' ')), '\n')
}

func appendYAMLMember(b []byte, n dsl.Node, depth int) []byte {
	if n.Kind == dsl.Object && len(n.Keys) > 0 {
		return appendYAMLValue(append(b, '\n'), n, depth+1)
	}
	if n.Kind == dsl.Array {
		return appendYAMLValue(b, n, depth)
	}
	return appendYAMLValue(b, n, depth+1)
}

func indentYAML(b []byte, depth int) []byte {
	for range depth {
		b = append(b, "  "...)
	}
	return b
}

// appendYAMLKey writes a key plainly where nothing of it could be read as
// something else.
func appendYAMLKey(b []byte, key string) []byte {
	for i, c := range key {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || i > 0 && (c >= '0' && c <= '9' || c == '.' || c == '-') {
			continue
		}
		return jsontext.AppendString(b, key)
	}
	switch strings.ToLower(key) {
	case "", "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		return jsontext.AppendString(b, key)
	}
	return append(b, key...)
}
