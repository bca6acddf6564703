package otlp

import (
	"encoding/base64"
	"iter"
	"math"
	"strconv"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// kubernetesNames are where the semantic conventions of OpenTelemetry keep what
// the shippers of Kubernetes keep below "kubernetes".
var kubernetesNames = [...]struct{ attribute, field string }{
	{"k8s.namespace.name", "namespace_name"},
	{"k8s.pod.name", "pod_name"},
	{"k8s.pod.uid", "pod_id"},
	{"k8s.container.name", "container_name"},
	{"k8s.node.name", "host"},
}

// documents gives the records of a request. A record's document is
//
//	{"message": "...", "level": "error", "severity_text": "ERROR", "severity_number": 17,
//	 "trace_id": "...", "span_id": "...", "event_name": "...", "attributes": {...},
//	 "resource": {"attributes": {...}}, "scope": {"name": "...", "version": "..."},
//	 "kubernetes": {"namespace_name": "...", "pod_name": "..."}}
//
// without what is empty. A body that is no string is "body", and its text is the
// message only where it has a string under message or msg. Keys of attributes
// stay as they are; where one comes twice the last one counts.
func documents(logs plog.Logs) iter.Seq[logging.Raw] {
	return func(yield func(logging.Raw) bool) {
		var doc []byte
		for _, rl := range logs.ResourceLogs().All() {
			resource := appendResource(nil, rl.Resource().Attributes())
			for _, sl := range rl.ScopeLogs().All() {
				around := appendScope(resource, sl.Scope())
				for _, rec := range sl.LogRecords().All() {
					doc = appendRecord(doc[:0], rec)
					doc = append(doc, around...)
					raw := logging.Raw{Source: append(append(make([]byte, 0, len(doc)+1), doc...), '}'), AddFields: true}
					for _, at := range []pcommon.Timestamp{rec.Timestamp(), rec.ObservedTimestamp()} {
						if at != 0 && at <= math.MaxInt64 && raw.Time.IsZero() {
							raw.Time = time.Unix(0, int64(at)).UTC()
						}
					}
					if !yield(raw) {
						return
					}
				}
			}
		}
	}
}

// appendRecord begins a document: what follows begins with a comma.
func appendRecord(doc []byte, rec plog.LogRecord) []byte {
	doc = append(doc, `{"severity_number":`...)
	doc = strconv.AppendInt(doc, int64(rec.SeverityNumber()), 10)
	str := func(name, value string) {
		if value != "" {
			doc = append(append(append(doc, `,"`...), name...), `":`...)
			doc = jsontext.AppendString(doc, value)
		}
	}
	str("severity_text", rec.SeverityText())
	level := levelOf(rec.SeverityNumber())
	if level == "" {
		level = logging.NormalizeLevel(rec.SeverityText())
	}
	str("level", level)
	body := rec.Body()
	switch body.Type() {
	case pcommon.ValueTypeEmpty:
	case pcommon.ValueTypeStr:
		str("message", body.Str())
	default:
		doc = appendValue(append(doc, `,"body":`...), body)
		if body.Type() == pcommon.ValueTypeMap {
			for _, name := range [...]string{"message", "msg"} {
				if v, ok := body.Map().Get(name); ok && v.Type() == pcommon.ValueTypeStr {
					str("message", v.Str())
					break
				}
			}
		}
	}
	str("event_name", rec.EventName())
	if id := rec.TraceID(); !id.IsEmpty() {
		str("trace_id", id.String())
	}
	if id := rec.SpanID(); !id.IsEmpty() {
		str("span_id", id.String())
	}
	if rec.Attributes().Len() > 0 {
		doc = appendMap(append(doc, `,"attributes":`...), rec.Attributes())
	}
	return doc
}

// appendResource appends what a resource says.
func appendResource(doc []byte, of pcommon.Map) []byte {
	if of.Len() == 0 {
		return doc
	}
	doc = append(appendMap(append(doc, `,"resource":{"attributes":`...), of), '}')
	before := len(doc)
	for _, n := range kubernetesNames {
		if v, ok := of.Get(n.attribute); ok && v.Type() == pcommon.ValueTypeStr {
			if len(doc) == before {
				doc = append(doc, `,"kubernetes":{"`...)
			} else {
				doc = append(doc, `,"`...)
			}
			doc = jsontext.AppendString(append(append(doc, n.field...), `":`...), v.Str())
		}
	}
	if len(doc) > before {
		doc = append(doc, '}')
	}
	return doc
}

// appendScope appends what an instrumentation scope says to what its resource
// does, in memory of its own.
func appendScope(resource []byte, of pcommon.InstrumentationScope) []byte {
	doc := append(make([]byte, 0, len(resource)+64), resource...)
	if of.Name() == "" && of.Version() == "" && of.Attributes().Len() == 0 {
		return doc
	}
	doc = jsontext.AppendString(append(doc, `,"scope":{"name":`...), of.Name())
	if of.Version() != "" {
		doc = jsontext.AppendString(append(doc, `,"version":`...), of.Version())
	}
	if of.Attributes().Len() > 0 {
		doc = appendMap(append(doc, `,"attributes":`...), of.Attributes())
	}
	return append(doc, '}')
}

func appendMap(doc []byte, of pcommon.Map) []byte {
	doc = append(doc, '{')
	first := true
	var seen map[string]int // of the last value of a key; nil: no key comes twice
	if repeats(of) {
		seen = map[string]int{}
		i := 0
		for key := range of.All() {
			seen[key] = i
			i++
		}
	}
	i := -1
	for key, v := range of.All() {
		if i++; seen != nil && seen[key] != i {
			continue
		}
		if !first {
			doc = append(doc, ',')
		}
		first = false
		doc = append(jsontext.AppendString(doc, key), ':')
		doc = appendValue(doc, v)
	}
	return append(doc, '}')
}

// repeats tells whether a key comes twice, which the protocol forbids and the
// wire does not.
func repeats(of pcommon.Map) bool {
	if of.Len() < 2 {
		return false
	}
	seen := make(map[string]struct{}, of.Len())
	for key := range of.All() {
		seen[key] = struct{}{}
	}
	return len(seen) < of.Len()
}

func appendValue(doc []byte, v pcommon.Value) []byte {
	switch v.Type() {
	case pcommon.ValueTypeStr:
		return jsontext.AppendString(doc, v.Str())
	case pcommon.ValueTypeBool:
		return strconv.AppendBool(doc, v.Bool())
	case pcommon.ValueTypeInt:
		return strconv.AppendInt(doc, v.Int(), 10)
	case pcommon.ValueTypeDouble:
		x := v.Double()
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return jsontext.AppendString(doc, strconv.FormatFloat(x, 'g', -1, 64))
		}
		return strconv.AppendFloat(doc, x, 'g', -1, 64)
	case pcommon.ValueTypeBytes:
		return jsontext.AppendString(doc, base64.StdEncoding.EncodeToString(v.Bytes().AsRaw()))
	case pcommon.ValueTypeSlice:
		doc = append(doc, '[')
		for i, e := range v.Slice().All() {
			if i > 0 {
				doc = append(doc, ',')
			}
			doc = appendValue(doc, e)
		}
		return append(doc, ']')
	case pcommon.ValueTypeMap:
		return appendMap(doc, v.Map())
	}
	return append(doc, "null"...)
}

// levelOf reads a severity number (OpenTelemetry, "Log data model",
// SeverityNumber); "" where it says nothing.
func levelOf(n plog.SeverityNumber) string {
	switch {
	case n < 1 || n > 24:
		return ""
	case n <= 4:
		return logging.LevelTrace
	case n <= 8:
		return logging.LevelDebug
	case n <= 12:
		return logging.LevelInfo
	case n <= 16:
		return logging.LevelWarn
	case n <= 20:
		return logging.LevelError
	}
	return logging.LevelFatal
}
