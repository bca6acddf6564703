package dsl

import (
	"fmt"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// Error is an error as Elasticsearch answers it.
type Error struct {
	Status int // of HTTP
	Type   string
	Reason string
	Index  string // index_not_found_exception: the name asked for
	Cause  *Error // caused_by
	// Phase makes it a search_phase_execution_exception around this error.
	Phase bool
}

// Error implements error.
func (e *Error) Error() string { return e.Type + ": " + e.Reason }

// Parsing is the error for a clause that is not understood or not supported.
func Parsing(format string, args ...any) *Error {
	return &Error{Status: 400, Type: "parsing_exception", Reason: fmt.Sprintf(format, args...)}
}

// Illegal is the error for a value that cannot be used.
func Illegal(format string, args ...any) *Error {
	return &Error{Status: 400, Type: "illegal_argument_exception", Reason: fmt.Sprintf(format, args...)}
}

// IndexNotFound is the answer for an index that is not there, or not the caller's.
func IndexNotFound(name string) *Error {
	return &Error{Status: 404, Type: "index_not_found_exception", Reason: "no such index [" + name + "]", Index: name}
}

// badDate is how Elasticsearch refuses a date.
func badDate(text, format string) *Error {
	return &Error{Status: 400, Type: "parse_exception", Phase: true,
		Reason: fmt.Sprintf("failed to parse date field [%s] with format [%s]", clip(text), format)}
}

// badQueryString is how Elasticsearch refuses a query_string it cannot parse.
func badQueryString(query, reason string) *Error {
	return &Error{Status: 400, Type: "query_shard_exception", Phase: true,
		Reason: "Failed to parse query [" + clip(query) + "]: " + reason, // most clients show nothing but this
		Cause:  &Error{Type: "parse_exception", Reason: "Cannot parse '" + clip(query) + "': " + reason}}
}

// clip keeps answers short whatever was sent.
func clip(s string) string {
	const most = 500
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}

// AppendBody appends the reply's body: {"error":{...},"status":400}.
func (e *Error) AppendBody(dst []byte) []byte {
	dst = append(dst, `{"error":`...)
	dst = e.AppendError(dst)
	dst = append(dst, `,"status":`...)
	dst = fmt.Appendf(dst, "%d}", e.Status)
	return dst
}

// AppendError appends what stands under "error".
func (e *Error) AppendError(dst []byte) []byte {
	dst = append(dst, `{"root_cause":[{`...)
	dst = e.appendFields(dst)
	dst = append(dst, "}],"...)
	if !e.Phase {
		dst = e.appendFields(dst)
		return append(e.appendCause(dst), '}')
	}
	dst = append(dst, `"type":"search_phase_execution_exception","reason":"all shards failed","phase":"query","grouped":true,"failed_shards":[],"caused_by":{`...)
	dst = e.appendFields(dst)
	return append(e.appendCause(dst), "}}"...)
}

func (e *Error) appendCause(dst []byte) []byte {
	if e.Cause == nil {
		return dst
	}
	dst = append(dst, `,"caused_by":{`...)
	dst = e.Cause.appendFields(dst)
	return append(e.Cause.appendCause(dst), '}')
}

func (e *Error) appendFields(dst []byte) []byte {
	dst = jsontext.AppendString(append(dst, `"type":`...), e.Type)
	dst = jsontext.AppendString(append(dst, `,"reason":`...), e.Reason)
	if e.Index != "" {
		dst = jsontext.AppendString(append(dst, `,"resource.type":"index_or_alias","resource.id":`...), e.Index)
		dst = jsontext.AppendString(append(dst, `,"index_uuid":"_na_","index":`...), e.Index)
	}
	return dst
}
