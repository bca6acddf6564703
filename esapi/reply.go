package esapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/klauspost/compress/gzip"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// reply is one answer. Every request gets exactly one.
type reply struct {
	status int // 0: 200
	body   []byte
	plain  bool        // text instead of JSON
	header http.Header // of a part that answered by itself; nil else
	lent   bool        // body is of a buffer that finish gives back
}

func ok(body []byte) reply { return reply{body: body} }

// bufferBytesMax bounds the buffers that are kept for the next answer: pages of
// hits have some hundred kilobytes, and come several times a second.
const bufferBytesMax = 1 << 20

// buffer lends memory for an answer: see reply.lent.
func (a *API) buffer() []byte {
	if b, ok := a.buffers.Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return nil
}

func (a *API) giveBack(b []byte) {
	if cap(b) <= bufferBytesMax {
		a.buffers.Put(&b)
	}
}

// Replies below this many bytes are not worth compressing.
const gzipBytesMin = 1400

// finish shapes an answer as the request wants it, sends it and gives its status.
func (c *call) finish(out reply) int {
	var lent []byte
	if out.lent {
		lent = out.body
	}
	h := c.w.Header()
	for key, vals := range out.header {
		h[key] = vals
	}
	// Clients look for it on every answer, errors too.
	h.Set("X-Elastic-Product", "Elasticsearch")
	if out.status == 0 {
		out.status = http.StatusOK
	}
	if !out.plain {
		var err error
		if out.body, err = c.shape(out.body); err != nil {
			out = c.failure(err)
		}
		if len(out.body) > 0 && wantsYAML(c) {
			h.Set("Content-Type", "application/yaml")
		} else {
			h.Set("Content-Type", c.mediaType())
		}
	} else {
		h.Set("Content-Type", "text/plain; charset=UTF-8")
	}
	switch out.status {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if h.Get("Retry-After") == "" {
			h.Set("Retry-After", "1")
		}
	case http.StatusUnauthorized:
		if len(h.Values("WWW-Authenticate")) == 0 {
			h["Www-Authenticate"] = []string{`Basic realm="security", charset="UTF-8"`, "Bearer", "ApiKey"}
		}
	}
	h.Add("Vary", "Accept-Encoding")
	if len(out.body) >= gzipBytesMin && acceptsGzip(c.r) {
		out.body = c.api.zip(c.r.Context(), out.body)
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(out.body)))
	c.w.WriteHeader(out.status)
	var err error
	if c.r.Method != http.MethodHead {
		_, err = c.w.Write(out.body)
	}
	// An error here means that the client is gone. HTTP/2 may still be about to send a
	// piece then: nobody else's answer must be in it.
	if lent != nil && err == nil {
		c.api.giveBack(lent)
	}
	return out.status
}

func acceptsGzip(r *http.Request) bool {
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		name, q, _ := strings.Cut(strings.TrimSpace(part), ";")
		if name == "gzip" || name == "*" {
			return strings.ReplaceAll(q, " ", "") != "q=0"
		}
	}
	return false
}

// zip packs a body, and ends early where nobody waits for it any more.
func (a *API) zip(ctx context.Context, body []byte) []byte {
	var b bytes.Buffer
	z := a.zippers.Get().(*gzip.Writer)
	defer a.zippers.Put(z)
	z.Reset(&b)
	// Writing to memory does not fail.
	for piece := range slices.Chunk(body, 1<<20) {
		if ctx.Err() != nil {
			break
		}
		_, _ = z.Write(piece)
	}
	_ = z.Close()
	return b.Bytes()
}

// mediaType echoes the versioned type that clients of 8 and 9 ask for.
func (c *call) mediaType() string {
	const key = "compatible-with="
	accept := strings.ToLower(c.r.Header.Get("Accept"))
	if i := strings.Index(accept, key); i >= 0 && len(accept) > i+len(key) {
		if v := accept[i+len(key)]; v >= '7' && v <= '9' {
			return "application/vnd.elasticsearch+json;compatible-with=" + string(rune(v))
		}
	}
	return "application/json"
}

// Bounds of replies that are filtered or indented, in values.
const replyValuesMax = 20_000_000

// shape applies filter_path, pretty and format=yaml.
func (c *call) shape(body []byte) ([]byte, error) {
	paths, pretty, yaml := c.param("filter_path"), c.on("pretty"), wantsYAML(c)
	if (paths == "" && !pretty && !yaml) || len(body) == 0 {
		return body, nil
	}
	if err := c.holdShaped(body); err != nil {
		return nil, err
	}
	if n, err := dsl.ParseJSON(body, replyValuesMax); err == nil { // else it stays as it is
		body = shaped(n, paths, pretty, yaml)
	}
	return body, nil
}

func shaped(n dsl.Node, paths string, pretty, yaml bool) []byte {
	if paths != "" {
		n = dsl.FilterPath(n, strings.Split(clipPaths(paths), ","))
	}
	switch {
	case yaml:
		return appendYAML(nil, n)
	case pretty:
		return append(n.AppendIndent(nil, 0), '\n')
	}
	return n.Append(nil)
}

func clipPaths(s string) string { return s[:min(len(s), 4096)] }

// statusError makes the error of a status that was decided elsewhere: by the
// guard in front, or by http itself.
func statusError(status int, reason string) *dsl.Error {
	kind := "exception"
	switch status {
	case http.StatusBadRequest:
		kind = "illegal_argument_exception"
	case http.StatusUnauthorized, http.StatusForbidden:
		kind = "security_exception"
	case http.StatusNotFound:
		kind = "resource_not_found_exception"
	case http.StatusRequestEntityTooLarge:
		kind = "content_too_long_exception"
	case http.StatusTooManyRequests:
		kind = "es_rejected_execution_exception"
	case http.StatusServiceUnavailable:
		kind = "unavailable_shards_exception"
	}
	return &dsl.Error{Status: status, Type: kind, Reason: reason}
}

// textError is the shape of errors about routes, which is a string alone.
func textError(status int, reason string, withStatus bool) reply {
	b := jsontext.AppendString([]byte(`{"error":`), reason)
	if withStatus {
		b = append(strconv.AppendInt(append(b, `,"status":`...), int64(status), 10), '}')
	} else {
		b = append(b, '}')
	}
	return reply{status: status, body: b}
}

// failure turns an error into the answer.
func (c *call) failure(err error) reply {
	e := c.explain(err)
	return reply{status: e.Status, body: e.AppendBody(nil)}
}

// explain gives the error that the caller is shown. What is unknown goes to the
// log under an id, not to the caller.
func (c *call) explain(err error) *dsl.Error {
	e := (*dsl.Error)(nil)
	switch {
	case errors.As(err, &e):
	case errors.Is(err, logging.ErrQuery):
		reason := strings.TrimPrefix(err.Error(), logging.ErrQuery.Error()+": ")
		e = &dsl.Error{Status: http.StatusBadRequest, Type: "illegal_argument_exception", Reason: reason, Phase: true}
		if strings.Contains(reason, " buckets: ") {
			e.Type = "too_many_buckets_exception"
		}
	case errors.Is(err, logging.ErrTooMuch):
		e = statusError(http.StatusTooManyRequests, err.Error())
	case errors.Is(err, logging.ErrUnavailable):
		e = statusError(http.StatusServiceUnavailable, logging.ErrUnavailable.Error()+"; try again")
	case errors.Is(err, context.DeadlineExceeded) && errors.Is(context.Cause(c.r.Context()), errTooLong):
		e = &dsl.Error{Status: http.StatusBadRequest, Type: "task_cancelled_exception", Reason: "the search took longer than " + c.api.o.SearchTime.String() +
			" (limits.query_time): ask for a shorter time range or fewer buckets, or for what is found in time with [timeout]"}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		e = &dsl.Error{Status: http.StatusServiceUnavailable, Type: "task_cancelled_exception", Reason: "the request ended before its answer was ready: ask for less, or wait longer"}
	default:
		var id [8]byte
		_, _ = rand.Read(id[:])
		c.api.o.Logger.Error("elasticsearch api request failed", "id", hex.EncodeToString(id[:]), "path", c.r.URL.Path, "err", err)
		e = statusError(http.StatusInternalServerError, "the request failed; Oriel's log says why under "+hex.EncodeToString(id[:]))
	}
	c.api.refused.WithLabelValues(e.Type).Inc()
	return e
}

// captured lets a part answer by itself and keeps what it said.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (w *captured) Header() http.Header { return w.header }

func (w *captured) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *captured) Write(b []byte) (int, error) { return w.body.Write(b) }
