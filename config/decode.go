package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/oriel-project/oriel/internal/spell"
)

// decoder fills a Config from YAML nodes and goes on after each problem. It is
// written here because yaml's own strict mode names lines but neither keys nor
// what would be right.
type decoder struct {
	config   *Config
	problems Problems
}

func (d *decoder) bad(n *yaml.Node, key, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.config.file, Line: n.Line, Key: key, What: fmt.Sprintf(format, args...)})
}

func (d *decoder) root(n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		if !isNull(n) {
			d.bad(n, "", "want keys such as \"logs:\" at the top, found %s", kindName(n))
		}
		return
	}
	d.value(n, "", reflect.ValueOf(d.config).Elem())
}

// value decodes n into v. An empty section or list keeps its defaults.
func (d *decoder) value(n *yaml.Node, key string, v reflect.Value) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.bad(n, key, "YAML anchors and aliases are not taken: write the value out")
		return
	}
	if key != "" {
		d.config.lines[key] = n.Line
	}
	switch v.Interface().(type) {
	case Duration:
		parseInto(d, n, key, v, ParseDuration, "a duration such as 7d or 15s")
		return
	case Bytes:
		parseInto(d, n, key, v, ParseBytes, "a size such as 5MB")
		return
	case Rate:
		parseInto(d, n, key, v, ParseRate, "a rate such as 5MB/s")
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.section(n, key, v)
	case reflect.Slice:
		d.list(n, key, v)
	case reflect.Map:
		d.stringMap(n, key, v)
	case reflect.String:
		parseInto(d, n, key, v, func(s string) (string, error) { return s, nil }, "a string")
	case reflect.Int:
		parseInto(d, n, key, v, func(s string) (int, error) {
			i, err := strconv.Atoi(strings.ReplaceAll(s, "_", ""))
			if err != nil {
				return 0, fmt.Errorf("%q is no whole number: want one such as 50000", clip(s))
			}
			return i, nil
		}, "a whole number such as 50000")
	case reflect.Bool:
		parseInto(d, n, key, v, func(s string) (bool, error) {
			if s != "true" && s != "false" {
				return false, fmt.Errorf("%q: want true or false", clip(s))
			}
			return s == "true", nil
		}, "true or false")
	default:
		panic("config: field type without decoder: " + v.Type().String())
	}
}

func parseInto[T any](d *decoder, n *yaml.Node, key string, v reflect.Value, parse func(string) (T, error), want string) {
	if n.Kind != yaml.ScalarNode {
		d.bad(n, key, "want %s, found %s", want, kindName(n))
		return
	}
	if isNull(n) {
		d.bad(n, key, "has no value: give %s, or remove the key", want)
		return
	}
	x, err := parse(n.Value)
	if err != nil {
		d.bad(n, key, "%v", err)
		return
	}
	v.Set(reflect.ValueOf(x))
}

func (d *decoder) section(n *yaml.Node, key string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.bad(n, key, "want a section with keys such as %q, found %s", fieldNames(v.Type())[0]+":", kindName(n))
		return
	}
	for name, value := range d.pairs(n, key) {
		at := join(key, name.Value)
		if f, ok := fieldByName(v, name.Value); ok {
			d.value(value, at, f)
		} else {
			d.bad(name, at, "%s", unknown(key, name.Value, v.Type()))
		}
	}
}

func (d *decoder) list(n *yaml.Node, key string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.bad(n, key, "want a list, one item a line beginning with \"- \", found %s", kindName(n))
		return
	}
	out := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.value(item, fmt.Sprintf("%s[%d]", key, i), out.Index(i))
	}
	v.Set(out)
}

func (d *decoder) stringMap(n *yaml.Node, key string, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		d.bad(n, key, "want names with values, such as \"pod: shop-0\", found %s", kindName(n))
		return
	}
	out := map[string]string{}
	for name, value := range d.pairs(n, key) {
		var s string
		d.value(value, join(key, name.Value), reflect.ValueOf(&s).Elem())
		out[name.Value] = s
	}
	v.Set(reflect.ValueOf(out))
}

// pairs yields the keys and values of a mapping, and reports keys that stand
// there twice.
func (d *decoder) pairs(n *yaml.Node, key string) func(func(name, value *yaml.Node) bool) {
	return func(yield func(name, value *yaml.Node) bool) {
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			name, value := n.Content[i], n.Content[i+1]
			if first, twice := seen[name.Value]; twice {
				d.bad(name, join(key, name.Value), "stands here twice, first in line %d: keep one", first)
				continue
			}
			seen[name.Value] = name.Line
			if !yield(name, value) {
				return
			}
		}
	}
}

// later names keys that other versions of Oriel know: what to do without them.
func later(at string) (string, bool) {
	switch at {
	case "tenancy.operators":
		return "this build knows no directory of groups, so no group can be the operator: remove the key and make tokens with `oriel token create --operator`", true
	case "auth.ldap", "auth.oidc", "auth.keystone":
		return "this build knows no directory of people: remove the key and make tokens with `oriel token create`", true
	case "metrics.upstream":
		return "this build supports the embedded store alone: remove the key", true
	}
	return "", false
}

// unknown says what is wrong with a key, and which one was probably meant.
// Values are not repeated: they may be secrets.
func unknown(section, name string, t reflect.Type) string {
	if what, ok := later(join(section, name)); ok {
		return what
	}
	names := fieldNames(t)
	if slices.Contains(names, name+"_file") {
		return fmt.Sprintf("secrets come by file: write it into a file, and its path at %s", join(section, name+"_file"))
	}
	if best, edits := spell.Nearest(name, names); edits <= max(2, len(name)/3) {
		return fmt.Sprintf("unknown key; did you mean %s?", join(section, best))
	}
	var elsewhere []string
	for _, k := range Keys() {
		if strings.HasSuffix(k.Name, "."+name) {
			elsewhere = append(elsewhere, k.Name)
		}
	}
	if len(elsewhere) > 0 {
		return "unknown key; did you mean " + strings.Join(elsewhere, " or ") + "?"
	}
	where := "at the top"
	if section != "" {
		where = "in " + section
	}
	return fmt.Sprintf("unknown key; the keys %s are %s", where, strings.Join(names, ", "))
}

// Key describes one key of the file.
type Key struct {
	Name    string // as logs.retention; items of lists as forward.keys[].tenant
	Doc     string
	Section bool // has keys of its own
	Type    reflect.Type
}

// Keys lists every key of the file in its order.
func Keys() []Key { return appendKeys(nil, "", reflect.TypeFor[Config]()) }

func appendKeys(out []Key, at string, t reflect.Type) []Key {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name := join(at, f.Tag.Get("yaml"))
		ft := f.Type
		list := ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct
		if list {
			ft = ft.Elem()
		}
		isSection := ft.Kind() == reflect.Struct
		out = append(out, Key{Name: name, Doc: f.Tag.Get("doc"), Section: isSection, Type: f.Type})
		if list {
			name += "[]"
		}
		if isSection {
			out = appendKeys(out, name, ft)
		}
	}
	return out
}

func fieldNames(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() {
			out = append(out, f.Tag.Get("yaml"))
		}
	}
	return out
}

func fieldByName(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() && f.Tag.Get("yaml") == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func join(section, name string) string {
	if section == "" {
		return name
	}
	return section + "." + name
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a section"
	case yaml.SequenceNode:
		return "a list"
	}
	return "a single value"
}
