package otlphttp

import (
	"fmt"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
)

// depthMax is how deep values may be nested within values.
const depthMax = 64

// Message is a message of opentelemetry/proto that others are in.
type Message uint8

// What every signal has. A signal numbers its own from Own.
const (
	_        Message = iota
	Body             // Export*ServiceRequest
	Resource         // resource.v1.Resource
	Scope            // common.v1.InstrumentationScope
	KeyValue         // common.v1.KeyValue
	AnyValue         // common.v1.AnyValue, which can hold others
	arrayValue
	keyValueList
	Own
)

// Field is a field that holds a message, by its number.
type Field struct {
	Of     Message
	Number protowire.Number
}

// Shape says which of a signal's fields hold a message. Those of Resource, Scope
// and values are known.
type Shape struct {
	Fields map[Field]Message
	Item   Message // what Options.ItemsMax bounds; 0: nothing
	Items  string  // what those are called: "records"
}

var common = map[Field]Message{
	{Resource, 1}:     KeyValue,
	{Scope, 3}:        KeyValue,
	{KeyValue, 2}:     AnyValue,
	{AnyValue, 5}:     arrayValue,
	{AnyValue, 6}:     keyValueList,
	{arrayValue, 1}:   AnyValue,
	{keyValueList, 1}: KeyValue,
}

// budget is what a request may still have. It is checked before the request is
// decoded: two bytes can stand for a message of 150 in memory, and some millions
// of nested values for a stack that ends the process.
type budget struct {
	shape           Shape
	items, messages int
}

var errWire = &Fault{Status: http.StatusBadRequest, Reason: "the body is no protobuf message"}

func tooMany(what string) error {
	return &Fault{Status: http.StatusRequestEntityTooLarge, Reason: "the request has too many " + what + ": send smaller batches"}
}

func tooDeep() error {
	return &Fault{Status: http.StatusBadRequest, Reason: fmt.Sprintf("a value is nested deeper than %d", depthMax)}
}

func (b *budget) protobuf(body []byte) error { return b.walk(Body, body, 0) }

// walk takes what is in a message, depth values deep.
func (b *budget) walk(m Message, body []byte, depth int) error {
	if depth > depthMax {
		return tooDeep()
	}
	for len(body) > 0 {
		number, kind, n := protowire.ConsumeTag(body)
		if n < 0 || kind == protowire.StartGroupType || kind == protowire.EndGroupType {
			return errWire
		}
		body = body[n:]
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, body); n < 0 {
				return errWire
			}
			body = body[n:]
			continue
		}
		content, n := protowire.ConsumeBytes(body)
		if n < 0 {
			return errWire
		}
		body = body[n:]
		of := b.inner(Field{m, number})
		if of == 0 {
			continue
		}
		if err := b.take(of); err != nil {
			return err
		}
		below := depth
		if of == AnyValue {
			below++
		}
		if err := b.walk(of, content, below); err != nil {
			return err
		}
	}
	return nil
}

func (b *budget) inner(f Field) Message {
	if of := common[f]; of != 0 {
		return of
	}
	return b.shape.Fields[f]
}

// take takes one message.
func (b *budget) take(m Message) error {
	if m == b.shape.Item {
		if b.items--; b.items < 0 {
			return tooMany(b.shape.Items)
		}
	}
	if b.messages--; b.messages < 0 {
		return tooMany(b.shape.Items + ", attributes and values")
	}
	return nil
}

// json counts brackets outside of strings: every message is an object.
func (b *budget) json(body []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if b.messages--; b.messages < 0 {
				return tooMany(b.shape.Items + ", attributes and values")
			}
			// Fourteen levels around the values, and up to four for each of theirs.
			if depth++; depth > 14+4*depthMax {
				return tooDeep()
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	if quoted || depth != 0 {
		return &Fault{Status: http.StatusBadRequest, Reason: "the body is no JSON: a string, a list or an object does not end"}
	}
	return nil
}
