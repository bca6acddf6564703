package bulk

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// item is one action and what became of it.
type item struct {
	action string
	index  string // as asked for, or where it was stored
	id     string
	seq    uint64
	same   bool   // an equal record was there before
	fault  *fault // nil: created, or same
}

// settle takes over what the store says.
func (it *item) settle(r logging.ItemResult, index string) {
	it.index, it.seq = index, r.Seq
	if r.ID != "" {
		it.id = r.ID
	}
	switch r.Status {
	case logging.Stored:
	case logging.Duplicate:
		if it.action == "index" {
			it.fault = &fault{http.StatusBadRequest, "illegal_argument_exception",
				"[" + it.id + "]: another record with this id is stored already, and log records cannot be changed: give this one an id of its own"}
			return
		}
		it.fault = &fault{http.StatusConflict, "version_conflict_engine_exception",
			"[" + it.id + "]: version conflict, document already exists (current version [1])"}
	default:
		it.fault = &fault{http.StatusBadRequest, "illegal_argument_exception", r.Reason}
	}
}

// writeItems answers in the shape and order of Elasticsearch. The JSON is
// compact and "errors" stands before "items": some clients look for just that
// text in an answer that is too long for their buffer.
func (b *Bulk) writeItems(w http.ResponseWriter, items []item, took time.Duration) {
	bad := false
	for i := range items {
		bad = bad || items[i].fault != nil
	}
	buf, _ := b.replies.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	out := slices.Grow((*buf)[:0], 64+180*len(items))
	out = append(out, `{"took":`...)
	out = strconv.AppendInt(out, took.Milliseconds(), 10)
	out = append(out, `,"errors":`...)
	out = strconv.AppendBool(out, bad)
	out = append(out, `,"items":[`...)
	var index quoted
	for i := range items {
		if i > 0 {
			out = append(out, ',')
		}
		out = items[i].append(out, &index)
	}
	out = append(out, `]}`...)
	write(w, http.StatusOK, out)
	if cap(out) <= replyBytesKept {
		*buf = out
		b.replies.Put(buf)
	}
}

// replyBytesKept is the largest answer whose memory is used again.
const replyBytesKept = 4 << 20

// quoted is a string and its JSON: neighbours have mostly the same index.
type quoted struct {
	plain string
	json  []byte
}

func (q *quoted) append(out []byte, s string) []byte {
	if q.plain != s || q.json == nil {
		q.plain, q.json = s, jsontext.AppendString(q.json[:0], s)
	}
	return append(out, q.json...)
}

func (it *item) append(out []byte, index *quoted) []byte {
	out = append(append(append(out, `{"`...), it.action...), `":{"_index":`...)
	out = index.append(out, it.index)
	if it.id != "" {
		out = jsontext.AppendString(append(out, `,"_id":`...), it.id)
	} else {
		out = append(out, `,"_id":null`...)
	}
	if it.fault == nil {
		out = it.appendResult(out)
		out = strconv.AppendInt(append(out, `,"status":`...), int64(it.status()), 10)
		return append(out, `}}`...)
	}
	out = append(out, `,"status":`...)
	out = strconv.AppendInt(out, int64(it.fault.status), 10)
	out = jsontext.AppendString(append(out, `,"error":{"type":`...), it.fault.kind)
	out = jsontext.AppendString(append(out, `,"reason":`...), it.fault.reason)
	if it.fault.status == http.StatusConflict {
		out = appendConflict(out, it.index)
	}
	return append(out, `}}}`...)
}

// status is that of an item without a fault.
func (it *item) status() int {
	if it.same {
		return http.StatusOK
	}
	return http.StatusCreated
}

// appendResult appends what became of an item without a fault.
func (it *item) appendResult(out []byte) []byte {
	if it.same { // as Elasticsearch answers an update that changes nothing
		out = append(out, `,"_version":1,"result":"noop","_shards":{"total":0,"successful":0,"failed":0},"_seq_no":`...)
	} else {
		out = append(out, `,"_version":1,"result":"created","_shards":{"total":1,"successful":1,"failed":0},"_seq_no":`...)
	}
	out = strconv.AppendUint(out, it.seq, 10)
	return append(out, `,"_primary_term":1`...)
}

// appendConflict appends where a conflict is.
func appendConflict(out []byte, index string) []byte {
	out = jsontext.AppendString(append(out, `,"index_uuid":"_na_","shard":"0","index":`...), index)
	return out
}

// writeFault answers a whole request in Elasticsearch's shape of errors.
// conflict is the index of a version_conflict_engine_exception, "" of others.
func writeFault(w http.ResponseWriter, f *fault, conflict string) {
	if f.status == http.StatusTooManyRequests || f.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	cause := jsontext.AppendString([]byte(`{"type":`), f.kind)
	cause = jsontext.AppendString(append(cause, `,"reason":`...), f.reason)
	if conflict != "" {
		cause = appendConflict(cause, conflict)
	}
	out := append([]byte(`{"error":{"root_cause":[`), cause...)
	out = append(append(append(out, `}],`...), cause[1:]...), `},"status":`...)
	out = strconv.AppendInt(out, int64(f.status), 10)
	write(w, f.status, append(out, '}'))
}

func write(w http.ResponseWriter, status int, b []byte) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json")
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	w.WriteHeader(status)
	// A client that is gone does not read the answer, and nobody else would.
	_, _ = w.Write(b)
}
