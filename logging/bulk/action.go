package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf8"
)

const actionBytesMax = 64 << 10

// action is the first line of an item.
type action struct {
	name  string
	index string
	id    string
}

// actions reads action lines. Most are like the one before.
type actions struct {
	line []byte // the last one
	last action
}

// read reads an action line. Its errors spoil the whole request, as they do in
// Elasticsearch: what follows cannot be told apart any more.
func (a *actions) read(line []byte, number int) (action, error) {
	if bytes.Equal(line, a.line) {
		return a.last, nil
	}
	got, ok := a.plain(line)
	if !ok {
		var err error
		if got, err = parseAction(line, number); err != nil {
			return action{}, err
		}
	}
	a.line, a.last = line, got
	return got, nil
}

// plain reads an action as nearly every client writes it: {"create":{...}} with
// members of plain strings, in ASCII and without escapes. ok is false for all
// others, which parseAction reads.
func (a *actions) plain(line []byte) (got action, ok bool) {
	s := cursor{b: line}
	if !s.skip('{') {
		return got, false
	}
	switch name, _ := s.text(); string(name) {
	case "create":
		got.name = "create"
	case "index":
		got.name = "index"
	case "update":
		got.name = "update"
	case "delete":
		got.name = "delete"
	default:
		return got, false
	}
	if !s.skip(':') || !s.skip('{') {
		return got, false
	}
	hasIndex, hasID := false, false
	for !s.skip('}') {
		if s.more && !s.skip(',') {
			return got, false
		}
		s.more = true
		key, ok := s.text()
		if !ok || !s.skip(':') {
			return got, false
		}
		value, ok := s.text()
		if !ok {
			return got, false
		}
		switch string(key) {
		case "_index":
			if hasIndex {
				return got, false
			}
			hasIndex = true
			if got.index = a.last.index; got.index != string(value) {
				got.index = string(value)
			}
		case "_id":
			if hasID || len(value) == 0 {
				return got, false
			}
			hasID = true
			got.id = string(value)
		case "_type", "routing", "pipeline":
		default:
			return got, false
		}
	}
	return got, s.skip('}') && s.end()
}

// cursor goes along a line.
type cursor struct {
	b    []byte
	i    int
	more bool // a member was read
}

func (s *cursor) blanks() {
	for s.i < len(s.b) && (s.b[s.i] == ' ' || s.b[s.i] == '\t' || s.b[s.i] == '\r') {
		s.i++
	}
}

// skip passes c and the blanks before it, if it is there.
func (s *cursor) skip(c byte) bool {
	s.blanks()
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *cursor) end() bool {
	s.blanks()
	return s.i == len(s.b)
}

// text reads a string of printable ASCII without escapes.
func (s *cursor) text() ([]byte, bool) {
	if !s.skip('"') {
		return nil, false
	}
	for from := s.i; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[from : s.i-1], true
		case c < ' ' || c == '\\' || c >= utf8.RuneSelf:
			return nil, false
		}
	}
	return nil, false
}

// meta is what matters of an action; _type, routing and the like do not.
type meta struct {
	Index *string         `json:"_index"`
	ID    json.RawMessage `json:"_id"`
}

// parseAction reads any action line.
func parseAction(line []byte, number int) (action, error) {
	malformed := func(why string) (action, error) {
		return action{}, &fault{http.StatusBadRequest, "illegal_argument_exception", fmt.Sprintf("Malformed action/metadata line [%d], %s", number, why)}
	}
	if line[0] != '{' {
		return malformed("expected START_OBJECT")
	}
	var of struct {
		Create *meta `json:"create"`
		Index  *meta `json:"index"`
		Update *meta `json:"update"`
		Delete *meta `json:"delete"`
	}
	if err := json.Unmarshal(line, &of); err != nil {
		return malformed("expected one object such as {\"create\":{\"_index\":\"app\"}}")
	}
	var a action
	var m *meta
	for _, c := range []struct {
		name string
		m    *meta
	}{{"create", of.Create}, {"index", of.Index}, {"update", of.Update}, {"delete", of.Delete}} {
		if c.m == nil {
			continue
		}
		if m != nil {
			return malformed("expected one action and found [" + a.name + "] and [" + c.name + "]")
		}
		a.name, m = c.name, c.m
	}
	if m == nil {
		return malformed("expected field [create], [delete], [index] or [update]")
	}
	if m.Index != nil {
		a.index = *m.Index
	}
	switch id := m.ID; {
	case len(id) == 0 || string(id) == "null":
	case id[0] == '"':
		if err := json.Unmarshal(id, &a.id); err != nil {
			return malformed("_id is not a valid string")
		}
		if a.id == "" {
			return malformed("if _id is specified it must not be empty")
		}
	case id[0] == '-' || id[0] >= '0' && id[0] <= '9':
		a.id = string(id)
	default:
		return malformed("_id must be a string or a number")
	}
	return a, nil
}
