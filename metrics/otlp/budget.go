package otlp

import (
	"fmt"
	"net/http"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	// messagesMax bounds the metrics, data points, attributes and values of a
	// request: two bytes on the wire can stand for a data point of 150 in memory.
	messagesMax = 1_000_000
	depthMax    = 64 // of values within values
)

// budget is how many messages a request may still have. It is checked before the
// request is decoded: some millions of nested values are a stack that ends the
// process.
type budget int

var errWire = &fault{status: http.StatusBadRequest, reason: "the body is no protobuf message"}

func tooMany() error {
	return &fault{status: http.StatusRequestEntityTooLarge, reason: "the request has too many data points, attributes and values: send smaller batches"}
}

func tooDeep() error {
	return &fault{status: http.StatusBadRequest, reason: fmt.Sprintf("a value is nested deeper than %d", depthMax)}
}

// message is a message of opentelemetry/proto that others are in.
type message uint8

const (
	_ message = iota
	request
	resourceMetrics
	resource
	scopeMetrics
	scope
	metric
	numbers
	histograms
	exponentials
	summaries
	numberPoint
	histogramPoint
	exponentialPoint
	summaryPoint
	exemplar
	leaf // one in which nothing is counted
	keyValue
	anyValue
	arrayValue
	keyValueList
)

type field struct {
	of     message
	number protowire.Number
}

// inner tells which message a field holds, by the numbers of
// opentelemetry/proto/{collector/metrics,metrics,common,resource}/v1; 0 for a
// field that does not count.
func (f field) inner() message {
	switch f {
	case field{request, 1}:
		return resourceMetrics
	case field{resourceMetrics, 1}:
		return resource
	case field{resourceMetrics, 2}:
		return scopeMetrics
	case field{scopeMetrics, 1}:
		return scope
	case field{scopeMetrics, 2}:
		return metric
	case field{metric, 5}, field{metric, 7}:
		return numbers
	case field{metric, 9}:
		return histograms
	case field{metric, 10}:
		return exponentials
	case field{metric, 11}:
		return summaries
	case field{numbers, 1}:
		return numberPoint
	case field{histograms, 1}:
		return histogramPoint
	case field{exponentials, 1}:
		return exponentialPoint
	case field{summaries, 1}:
		return summaryPoint
	case field{numberPoint, 5}, field{histogramPoint, 8}, field{exponentialPoint, 11}:
		return exemplar
	case field{summaryPoint, 6}, field{exponentialPoint, 8}, field{exponentialPoint, 9}:
		return leaf
	case field{resource, 1}, field{scope, 3}, field{metric, 12}, field{keyValueList, 1}, field{exemplar, 7},
		field{numberPoint, 7}, field{histogramPoint, 9}, field{exponentialPoint, 1}, field{summaryPoint, 7}:
		return keyValue
	case field{keyValue, 2}, field{arrayValue, 1}:
		return anyValue
	case field{anyValue, 5}:
		return arrayValue
	case field{anyValue, 6}:
		return keyValueList
	}
	return 0
}

func (b *budget) protobuf(body []byte) error { return b.walk(request, body, 0) }

// walk takes what is in a message, depth values deep.
func (b *budget) walk(m message, body []byte, depth int) error {
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
		of := field{m, number}.inner()
		if of == 0 {
			continue
		}
		if *b--; *b < 0 {
			return tooMany()
		}
		below := depth
		if of == anyValue {
			below++
		}
		if err := b.walk(of, content, below); err != nil {
			return err
		}
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
			if *b--; *b < 0 {
				return tooMany()
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
		return &fault{status: http.StatusBadRequest, reason: "the body is no JSON: a string, a list or an object does not end"}
	}
	return nil
}
