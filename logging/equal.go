package logging

import (
	"bytes"
	"encoding/json"
	"strings"
)

// EqualSources reports whether two documents are equal as JSON: their keys in
// whatever order, numbers by their value. What is not JSON equals nothing but
// the same bytes.
func EqualSources(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	x, ok := decodeSource(a)
	if !ok {
		return false
	}
	y, ok := decodeSource(b)
	return ok && equalJSON(x, y)
}

func decodeSource(src []byte) (v any, ok bool) {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	return v, d.Decode(&v) == nil
}

func equalJSON(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for key, x := range a {
			if y, ok := b[key]; !ok || !equalJSON(x, y) {
				return false
			}
		}
		return true
	case []any:
		b, ok := b.([]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equalJSON(a[i], b[i]) {
				return false
			}
		}
		return true
	case json.Number:
		b, ok := b.(json.Number)
		return ok && equalNumbers(string(a), string(b))
	}
	return a == b
}

// equalNumbers compares integers by their digits, which a float would round.
func equalNumbers(a, b string) bool {
	if a == b {
		return true
	}
	if !strings.ContainsAny(a, ".eE") && !strings.ContainsAny(b, ".eE") {
		return false
	}
	x, errX := json.Number(a).Float64()
	y, errY := json.Number(b).Float64()
	return errX == nil && errY == nil && x == y
}
