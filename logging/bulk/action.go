package bulk

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"
)

const actionBytesMax = 64 << 10

// action is the first line of an item. Not what it says, but what matters of it:
// where a record is kept and how it is routed is not the sender's to say, and
// _type is what senders for Elasticsearch 7 still write.
type action struct {
	name         string
	index        string
	id           string
	pipeline     string
	requireAlias tristate
	versioned    string // the name of a member that makes the write depend on a version; "" without
}

// tristate is a boolean that may be absent.
type tristate uint8

const (
	unsaid tristate = iota
	no
	yes
)

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
	hasIndex, hasID, hasPipeline := false, false, false
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
		case "pipeline":
			if hasPipeline {
				return got, false
			}
			hasPipeline = true
			if got.pipeline = a.last.pipeline; got.pipeline != string(value) {
				got.pipeline = string(value)
			}
		case "_type", "routing":
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

// parseAction reads any action line.
func parseAction(line []byte, number int) (action, error) {
	malformed := func(why string) (action, error) {
		return action{}, &fault{http.StatusBadRequest, "illegal_argument_exception", fmt.Sprintf("Malformed action/metadata line [%d], %s", number, why)}
	}
	if line[0] != '{' {
		return malformed("expected START_OBJECT")
	}
	var of map[string]json.RawMessage
	if err := json.Unmarshal(line, &of); err != nil {
		return malformed("expected one object such as {\"create\":{\"_index\":\"app\"}}")
	}
	var a action
	for name := range of {
		switch name {
		case "create", "index", "update", "delete":
		default:
			return malformed("expected field [create], [delete], [index] or [update] but found [" + clip(name) + "]")
		}
		a.name = name
	}
	if len(of) != 1 {
		return malformed("expected one action: [create], [delete], [index] or [update]")
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(of[a.name], &members); err != nil || members == nil {
		return malformed("expected an object behind [" + a.name + "]")
	}
	for _, key := range slices.Sorted(maps.Keys(members)) { // one order, one error
		switch why := a.member(key, members[key]); why {
		case "":
		case unknownMember:
			return action{}, &fault{http.StatusBadRequest, "illegal_argument_exception",
				fmt.Sprintf("Action/metadata line [%d] contains an unknown parameter [%s]", number, clip(key))}
		default:
			return malformed(why)
		}
	}
	return a, nil
}

// unknownMember is why a member cannot be taken over that no action has.
const unknownMember = "unknown"

// member takes one member of an action over, or says why it cannot.
func (a *action) member(key string, value json.RawMessage) string {
	if string(value) == "null" {
		return ""
	}
	text := func(to *string) string {
		if json.Unmarshal(value, to) != nil {
			return key + " must be a string"
		}
		return ""
	}
	switch key {
	case "_index":
		return text(&a.index)
	case "_id":
		return a.readID(value)
	case "pipeline":
		return text(&a.pipeline)
	case "require_alias":
		var on bool
		if json.Unmarshal(value, &on) != nil {
			return key + " must be true or false"
		}
		a.requireAlias = no
		if on {
			a.requireAlias = yes
		}
	case "op_type":
		var op string
		if why := text(&op); why != "" {
			return why
		}
		if a.name == "index" && op == "create" {
			a.name = "create"
		}
	case "if_seq_no", "if_primary_term", "version", "_version", "version_type", "_version_type":
		if a.versioned == "" {
			a.versioned = key
		}
	case "_type", "routing", "_routing", "parent", "_parent", "retry_on_conflict", "_retry_on_conflict",
		"require_data_stream", "dynamic_templates", "list_executed_pipelines", "_source":
	default:
		return unknownMember
	}
	return ""
}

func (a *action) readID(id json.RawMessage) string {
	switch {
	case id[0] == '"':
		if err := json.Unmarshal(id, &a.id); err != nil {
			return "_id is not a valid string"
		}
		if a.id == "" {
			return "if _id is specified it must not be empty"
		}
	case id[0] == '-' || id[0] >= '0' && id[0] <= '9':
		a.id = string(id)
	default:
		return "_id must be a string or a number"
	}
	return ""
}
