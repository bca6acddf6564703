package logging

import "testing"

func TestEqualSources(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1}`, `{"a":1}`, true},
		{`{"a":1,"b":[1,{"c":null}]}`, ` { "b":[1.0,{"c":null}], "a":1e0 } `, true},
		{`{"a":"\u00e9"}`, `{"a":"é"}`, true},
		{`{"a":-0}`, `{"a":0.0}`, true},
		{`{"a":9007199254740993}`, `{"a":9007199254740992}`, false},
		{`{"a":1}`, `{"a":1,"b":null}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":[1,2]}`, `{"a":[2,1]}`, false},
		{`{"a":[1]}`, `{"a":1}`, false},
		{`{"a":true}`, `{"a":false}`, false},
		{`{"a":1e999}`, `{"a":2e999}`, false},
		{`not json`, `not json`, true},
		{`not json`, `{}`, false},
		{`{}`, ``, false},
	} {
		if EqualSources([]byte(c.a), []byte(c.b)) != c.want || EqualSources([]byte(c.b), []byte(c.a)) != c.want {
			t.Errorf("%s and %s: want %t", c.a, c.b, c.want)
		}
	}
}
