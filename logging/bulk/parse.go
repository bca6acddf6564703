package bulk

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// parser turns a body into items and the records of those that can be stored.
type parser struct {
	b       *Bulk
	lines   *lines
	size    int64 // of the body, as it is said to be; 0 or less: not known
	actions actions
	scope   tenant.Write
	presets presets

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
		a, err := p.actions.read(line, p.lines.number)
		if err != nil {
			return err
		}
		p.presets.fill(&a)
		it := item{action: a.name, index: a.index, id: a.id}
		var doc []byte
		if a.name != "delete" {
			doc, err = p.lines.next(p.b.o.DocumentBytesMax)
			if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errLong) {
				return readFault(err)
			}
		}
		it.fault = a.refuse()
		switch {
		case it.fault != nil:
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
	rec, err := p.b.o.Stamper.Stamp(p.scope, logging.Raw{Source: doc, Index: it.index, ID: it.id})
	if err != nil {
		kind := "document_parsing_exception"
		if it.index != "" && logging.CheckIndexName(it.index) != nil {
			kind = "invalid_index_name_exception"
		}
		it.fault = &fault{http.StatusBadRequest, kind, err.Error()}
		return
	}
	if len(p.records) == cap(p.records) {
		n := p.expected()
		p.items, p.records, p.places = slices.Grow(p.items, n), slices.Grow(p.records, n), slices.Grow(p.places, n)
	}
	p.records = append(p.records, rec)
	p.places = append(p.places, len(p.items))
}

// expected is how many more records to make room for: as many as the rest of
// the body holds, if it is as large as it is said to be and they are like those
// before. A sender who only says so gets room for few.
func (p *parser) expected() int {
	have := len(p.records) + 1
	if p.size <= 0 {
		return max(have, 64)
	}
	each := max(p.lines.given()/int64(have), 1)
	rest := max(p.size-p.lines.given(), 0) / each
	return int(min(rest+2, int64(max(have, 1024))))
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
