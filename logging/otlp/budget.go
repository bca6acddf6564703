package otlp

import (
	"fmt"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
)

// depthMax is how deep values may be nested.
const depthMax = 64

// budget is what a request may still have. It is checked before the request is
// decoded: two bytes can stand for a record, and some millions of nested values
// for a stack that ends the process.
type budget struct{ records, values int }

var errWire = &fault{http.StatusBadRequest, "the body is no protobuf message"}

func tooMany(what string) error {
	return &fault{http.StatusRequestEntityTooLarge, "the request has too many " + what + ": send smaller batches"}
}

func tooDeep() error {
	return &fault{http.StatusBadRequest, fmt.Sprintf("a value is nested deeper than %d", depthMax)}
}

// message is a message of opentelemetry/proto that records or values are in.
type message uint8

const (
	_ message = iota
	requestMessage
	resourceLogs
	resourceMessage
	scopeLogs
	scopeMessage
	logRecord
	keyValue
	anyValue
	arrayValue
	keyValueList
)

// field is a field that holds a message.
type field struct {
	of     message
	number protowire.Number
}

// inner tells which message a field holds, by the numbers of
// opentelemetry/proto/{collector/logs,logs,common,resource}/v1; 0 for a field
// that does not count.
func (f field) inner() message {
	switch f {
	case field{requestMessage, 1}:
		return resourceLogs
	case field{resourceLogs, 1}:
		return resourceMessage
	case field{resourceLogs, 2}:
		return scopeLogs
	case field{scopeLogs, 1}:
		return scopeMessage
	case field{scopeLogs, 2}:
		return logRecord
	case field{resourceMessage, 1}, field{scopeMessage, 3}, field{logRecord, 6}, field{keyValueList, 1}:
		return keyValue
	case field{logRecord, 5}, field{keyValue, 2}, field{arrayValue, 1}:
		return anyValue
	case field{anyValue, 5}:
		return arrayValue
	case field{anyValue, 6}:
		return keyValueList
	}
	return 0
}

func (b *budget) protobuf(body []byte) error { return b.walk(requestMessage, body, 0) }

// walk takes what is in a message of a depth.
func (b *budget) walk(m message, body []byte, at int) error {
	depth := at
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 {
			return errWire
		}
		body = body[n:]
		if kind != protowire.BytesType {
			if kind == protowire.StartGroupType || kind == protowire.EndGroupType {
				return errWire
			}
			if n = protowire.ConsumeFieldValue(number, kind, body); n < 0 {
				return errWire
			}
			body = body[n:]
			continue
		}
		inner, n := protowire.ConsumeBytes(body)
		if n < 0 {
			return errWire
		}
		body = body[n:]
		of := field{m, number}.inner()
		if of == 0 {
			continue
		}
		if err := b.take(of, &depth); err != nil {
			return err
		}
		if err := b.walk(of, inner, depth); err != nil {
			return err
		}
		depth = at
	}
	return nil
}

// take takes one message.
func (b *budget) take(m message, depth *int) error {
	switch m {
	case logRecord:
		if b.records--; b.records < 0 {
			return tooMany("records")
		}
	case keyValue, anyValue:
		if b.values--; b.values < 0 {
			return tooMany("attributes and values")
		}
		if *depth++; *depth > 2*depthMax {
			return tooDeep()
		}
	}
	return nil
}

// json counts brackets outside of strings: every record and every value is an
// object.
func (b *budget) json(body []byte) error {
	objects, depth, quoted := b.records+b.values, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if objects--; objects < 0 {
				return tooMany("records, attributes and values")
			}
			// Ten levels around the values, and an object, a list and an object for each of theirs.
			if depth++; depth > 10+4*depthMax {
				return tooDeep()
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if quoted || depth != 0 {
		return &fault{http.StatusBadRequest, "the body is no JSON: a string, a list or an object does not end"}
	}
	return nil
}
