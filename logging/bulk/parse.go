package bulk

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const actionBytesMax = 64 << 10

// errLong stands for a line that is longer than asked for; it was passed over.
var errLong = errors.New("line is too long")

// lines reads a body line by line. A line is valid until the next one is read;
// CR before LF is not part of it.
type lines struct {
	r      *bufio.Reader
	buf    []byte
	number int // of the line read last
	empty  bool
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, 64<<10), empty: true} }

// next gives the next line that is not blank, of at most max bytes; io.EOF
// behind the last one, which needs no LF.
func (l *lines) next(max int) ([]byte, error) {
	for {
		l.buf = l.buf[:0]
		long := false
		var line []byte
		for {
			part, err := l.r.ReadSlice('\n')
			if len(part) > 0 {
				l.empty = false
			}
			switch {
			case long || len(l.buf)+len(part) > max+2:
				long = true
			case err == nil && len(l.buf) == 0:
				line = part // the common case: no copy
			default:
				l.buf = append(l.buf, part...)
				line = l.buf
			}
			if errors.Is(err, bufio.ErrBufferFull) {
				continue
			}
			if errors.Is(err, io.EOF) {
				if len(line) == 0 && !long {
					return nil, io.EOF
				}
				break
			}
			if err != nil {
				return nil, err
			}
			break
		}
		l.number++
		line = bytes.TrimSpace(line)
		if long || len(line) > max {
			return nil, errLong
		}
		if len(line) > 0 {
			return line, nil
		}
	}
}

// action is the first line of an item.
type action struct {
	name  string
	index string
	id    string
}

// meta is what matters of an action; _type, routing and the like do not.
type meta struct {
	Index *string         `json:"_index"`
	ID    json.RawMessage `json:"_id"`
}

// parseAction reads an action line. Its errors spoil the whole request, as
// they do in Elasticsearch: what follows cannot be told apart any more.
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

// parser turns a body into items and the records of those that can be stored.
type parser struct {
	b            *Bulk
	lines        *lines
	scope        tenant.Write
	defaultIndex string

	items   []item
	records []logging.Record
	places  []int // of each record, in items
}

func (p *parser) run() error {
	for {
		line, err := p.lines.next(actionBytesMax)
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errLong) {
			return &fault{http.StatusBadRequest, "illegal_argument_exception",
				fmt.Sprintf("Malformed action/metadata line [%d], it is longer than %d bytes", p.lines.number, actionBytesMax)}
		}
		if err != nil {
			return readFault(err)
		}
		a, err := parseAction(line, p.lines.number)
		if err != nil {
			return err
		}
		if a.index == "" {
			a.index = p.defaultIndex
		}
		it := item{action: a.name, index: a.index, id: a.id}
		var doc []byte
		if a.name != "delete" {
			doc, err = p.lines.next(p.b.o.DocumentBytesMax)
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLong) {
				return readFault(err)
			}
		}
		switch {
		case a.name == "update" || a.name == "delete":
			it.fault = &fault{http.StatusBadRequest, "illegal_argument_exception",
				"action [" + a.name + "] is not supported: log records cannot be changed; use [create] or [index]"}
		case errors.Is(err, errLong):
			it.fault = &fault{http.StatusBadRequest, "document_parsing_exception",
				fmt.Sprintf("document is larger than %d bytes: split it", p.b.o.DocumentBytesMax)}
		case errors.Is(err, io.EOF):
			it.fault = &fault{http.StatusBadRequest, "illegal_argument_exception", "the action has no document: the body ends behind it"}
		default:
			p.document(&it, doc)
		}
		p.items = append(p.items, it)
	}
	switch {
	case len(p.items) > 0:
		return nil
	case p.lines.empty:
		return &fault{http.StatusBadRequest, "parse_exception", "request body is required"}
	}
	return &fault{http.StatusBadRequest, "action_request_validation_exception", "Validation Failed: 1: no requests added;"}
}

// document stamps the item's document, or says in the item why it cannot be stored.
func (p *parser) document(it *item, doc []byte) {
	rec, err := p.b.o.Stamper.Stamp(p.scope, logging.Raw{Source: bytes.Clone(doc), Index: it.index, ID: it.id})
	if err != nil {
		kind := "document_parsing_exception"
		if it.index != "" && logging.CheckIndexName(it.index) != nil {
			kind = "invalid_index_name_exception"
		}
		it.fault = &fault{http.StatusBadRequest, kind, err.Error()}
		return
	}
	p.records = append(p.records, rec)
	p.places = append(p.places, len(p.items))
}

// readFault tells what is wrong with a body that cannot be read to its end.
func readFault(err error) error {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		return &fault{http.StatusRequestEntityTooLarge, "content_too_long_exception", fmt.Sprintf("the body is larger than %d bytes: send smaller requests", tooLarge.Limit)}
	}
	return &fault{http.StatusBadRequest, "parse_exception", "the body ends early or cannot be unpacked: " + err.Error()}
}
