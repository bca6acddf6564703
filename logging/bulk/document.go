package bulk

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// ServeDocument reads one document from the body, stores it under the scope and
// answers as Elasticsearch answers the writing of one. raw names index and id,
// "" where there is none; create makes an id that is taken a conflict. The
// parameters op_type, pipeline and require_alias are read from the URL, and
// those that make a write depend on a version, which are refused.
func (b *Bulk) ServeDocument(w http.ResponseWriter, r *http.Request, s tenant.Write, raw logging.Raw, create bool) {
	params := r.URL.Query()
	p := &parser{b: b, scope: s, presets: presetsOf(params, raw.Index)}
	err := b.read(r, s, func(body io.Reader, size int64) error {
		doc, err := b.readDocument(body, size)
		if err != nil {
			return err
		}
		a, err := documentAction(params, raw, create)
		if err != nil {
			return err
		}
		p.presets.fill(&a)
		if f := a.refuse(); f != nil {
			return f
		}
		it := item{action: a.name, index: a.index, id: a.id}
		p.document(&it, doc)
		p.items = append(p.items, it)
		return b.store(r.Context(), s, p)
	})
	if err != nil {
		b.withhold(len(p.items))
		b.refuse(w, err)
		return
	}
	it := &p.items[0]
	if it.fault != nil {
		b.requests.WithLabelValues(fmt.Sprint(it.fault.status)).Inc()
		conflict := ""
		if it.fault.status == http.StatusConflict {
			conflict = it.index
		}
		writeFault(w, it.fault, conflict)
		return
	}
	b.requests.WithLabelValues(fmt.Sprint(it.status())).Inc()
	out := jsontext.AppendString([]byte(`{"_index":`), it.index)
	out = jsontext.AppendString(append(out, `,"_id":`...), it.id)
	out = append(it.appendResult(out), '}')
	if !it.same {
		w.Header().Set("Location", "/"+url.PathEscape(it.index)+"/_doc/"+url.PathEscape(it.id))
	}
	write(w, it.status(), out)
}

// documentAction is the action of an item that would do the same.
func documentAction(params url.Values, raw logging.Raw, create bool) (action, error) {
	a := action{name: "index", index: raw.Index, id: raw.ID}
	switch op := params.Get("op_type"); op {
	case "", "index":
	case "create":
		create = true
	default:
		return a, &fault{http.StatusBadRequest, "illegal_argument_exception", "opType must be 'create' or 'index', found: [" + clip(op) + "]"}
	}
	if create {
		a.name = "create"
	}
	for _, key := range []string{"if_seq_no", "if_primary_term", "version", "version_type"} {
		if params.Has(key) {
			a.versioned = key
			break
		}
	}
	return a, nil
}

// readDocument reads a body that is one document.
func (b *Bulk) readDocument(body io.Reader, size int64) ([]byte, error) {
	most := int64(b.o.DocumentBytesMax)
	doc := make([]byte, 0, min(max(size, 0), chunkBytesFirst)+512)
	for int64(len(doc)) <= most {
		n, err := body.Read(doc[len(doc):cap(doc)])
		doc = doc[:len(doc)+n]
		switch {
		case err == io.EOF && len(doc) == 0:
			return nil, &fault{http.StatusBadRequest, "parse_exception", "request body is required"}
		case err == io.EOF:
			return doc, nil
		case err != nil:
			return nil, readFault(err)
		}
		doc = slices.Grow(doc, 512)
	}
	return nil, &fault{http.StatusRequestEntityTooLarge, "content_too_long_exception", fmt.Sprintf("document is larger than %d bytes: split it", most)}
}
