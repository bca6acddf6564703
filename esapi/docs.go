package esapi

import (
	"net/http"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// oneIndex resolves the path's index, which must be one.
func (c *call) oneIndex() (*window, string, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return nil, "", err
	}
	if len(ch.infos) != 1 {
		v.Close()
		return nil, "", dsl.Illegal("unable to return a single index as the index and options provided got resolved to %d indices", len(ch.infos))
	}
	return v, ch.infos[0].Name, nil
}

// document answers _doc/{id}.
func document(c *call) (reply, error) {
	v, index, err := c.oneIndex()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	rec, found, err := v.Get(c.r.Context(), index, c.vars["id"])
	if err != nil {
		return reply{}, err
	}
	out := ok(appendDocument(nil, index, c.vars["id"], rec, found, dsl.ParseSourceURL(c.param)))
	if !found {
		out.status = http.StatusNotFound
	}
	return out, nil
}

func appendDocument(b []byte, index, id string, rec logging.Record, found bool, src dsl.SourceFilter) []byte {
	b = jsontext.AppendString(append(b, `{"_index":`...), index)
	b = jsontext.AppendString(append(b, `,"_id":`...), id)
	if !found {
		return append(b, `,"found":false}`...)
	}
	b = appendInt(append(b, `,"_version":1,"_seq_no":`...), int64(rec.Seq))
	b = append(b, `,"_primary_term":1,"found":true`...)
	if !src.None {
		b = src.Append(append(b, `,"_source":`...), rec.Source)
	}
	return append(b, '}')
}

// documentSource answers _source/{id}.
func documentSource(c *call) (reply, error) {
	v, index, err := c.oneIndex()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	rec, found, err := v.Get(c.r.Context(), index, c.vars["id"])
	switch {
	case err != nil:
		return reply{}, err
	case !found:
		return reply{}, &dsl.Error{Status: http.StatusNotFound, Type: "resource_not_found_exception", Reason: "Document not found [" + clip(index) + "]/[" + clip(c.vars["id"]) + "]"}
	}
	return ok(dsl.ParseSourceURL(c.param).Append(nil, rec.Source)), nil
}

const getsMax = 10_000 // of one _mget

// multiGet answers _mget.
func multiGet(c *call) (reply, error) {
	body, err := c.json()
	if err != nil {
		return reply{}, err
	}
	type wanted struct {
		index, id string
		source    dsl.SourceFilter
	}
	src := dsl.ParseSourceURL(c.param)
	var docs []wanted
	if ids, has := body.Get("ids"); has {
		list, isList := ids.Strings()
		if !isList {
			return reply{}, dsl.Parsing("[ids] wants an array")
		}
		for _, id := range list {
			docs = append(docs, wanted{c.vars["index"], id, src})
		}
	}
	if list, has := body.Get("docs"); has {
		for _, d := range list.Items {
			w := wanted{index: c.vars["index"], source: src}
			if i, has := d.Get("_index"); has {
				w.index = i.Text
			}
			id, _ := d.Get("_id")
			w.id = id.Text
			if s, has := d.Get("_source"); has {
				if w.source, err = dsl.ParseSource(s); err != nil {
					return reply{}, err
				}
			}
			docs = append(docs, w)
		}
	}
	if len(docs) == 0 || len(docs) > getsMax {
		return reply{}, &dsl.Error{Status: http.StatusBadRequest, Type: "action_request_validation_exception", Reason: "Validation Failed: 1: want 1 to 10000 documents;"}
	}
	v, err := c.open()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	there := make(map[string]bool, len(v.infos))
	for _, info := range v.infos {
		there[info.Name] = true
	}
	b := []byte(`{"docs":[`)
	for i, d := range docs {
		if i > 0 {
			b = append(b, ',')
		}
		if !there[d.index] {
			b = jsontext.AppendString(append(b, `{"_index":`...), d.index)
			b = jsontext.AppendString(append(b, `,"_id":`...), d.id)
			b = dsl.IndexNotFound(clip(d.index)).AppendError(append(b, `,"error":`...))
			b = append(b, '}')
			continue
		}
		rec, found, err := v.Get(c.r.Context(), d.index, d.id)
		if err != nil {
			return reply{}, err
		}
		n := len(b)
		b = appendDocument(b, d.index, d.id, rec, found, d.source)
		if err := c.hold(2 * int64(len(b)-n)); err != nil { // the slice grows by copies
			return reply{}, err
		}
	}
	return ok(append(b, "]}"...)), nil
}
