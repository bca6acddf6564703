package config

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/internal/golden"
)

const (
	referenceFile  = "../docs/configuration.md"
	referenceBegin = "<!-- keys: begin -->\n"
	referenceEnd   = "<!-- keys: end -->\n"
)

// The reference lists every key with its default and its meaning; -update
// rewrites the list from the struct tags.
func TestReferenceIsInLine(t *testing.T) {
	doc, err := os.ReadFile(referenceFile)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(doc), referenceBegin)
	_, tail, ok2 := strings.Cut(rest, referenceEnd)
	if !ok1 || !ok2 {
		t.Fatalf("%s: the marks %q and %q are missing", referenceFile, referenceBegin, referenceEnd)
	}
	golden.Check(t, "../"+referenceFile, []byte(head+referenceBegin+reference()+referenceEnd+tail))
}

func reference() string {
	var b strings.Builder
	def := reflect.ValueOf(Default(RoleCentral)).Elem()
	for _, k := range Keys() {
		top := !strings.Contains(k.Name, ".")
		switch {
		case k.Doc == "":
			panic("no doc tag: " + k.Name)
		case top:
			fmt.Fprintf(&b, "\n### `%s`\n\n%s.\n\n| key | default | meaning |\n|---|---|---|\n", k.Name, upper(k.Doc))
		default:
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, defaultOf(def, k), k.Doc)
		}
	}
	b.WriteByte('\n')
	return b.String()
}

func defaultOf(v reflect.Value, k Key) string {
	if strings.Contains(k.Name, "[]") || k.Section {
		return ""
	}
	for _, name := range strings.Split(k.Name, ".") {
		v, _ = fieldByName(v, name)
	}
	if k.Name == "auth.anonymous" {
		return "`none`; `operator` for `oriel up`"
	}
	if v.Kind() == reflect.Slice || v.IsZero() && v.Kind() == reflect.String {
		return ""
	}
	return fmt.Sprintf("`%v`", v.Interface())
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
