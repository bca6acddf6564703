package otlp

import (
	"net/http"

	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// writeDone writes an ExportLogsServiceResponse; what was rejected is a partial
// success, which is not to be sent again.
func writeDone(w http.ResponseWriter, f format, rejected rejection) {
	res := plogotlp.NewExportResponse()
	if rejected.records > 0 {
		res.PartialSuccess().SetRejectedLogRecords(int64(rejected.records))
		res.PartialSuccess().SetErrorMessage(rejected.why)
	}
	marshal := res.MarshalProto
	if f == formatJSON {
		marshal = res.MarshalJSON
	}
	b, err := marshal()
	if err != nil {
		panic("otlp: a response does not marshal: " + err.Error())
	}
	w.Header().Set("Content-Type", f.contentType())
	_, _ = w.Write(b) // the client is gone, or reads it
}

// retryAfter is what senders are told to wait, in seconds.
const retryAfter = "1"

// writeStatus writes a google.rpc.Status, as OTLP's failures are. 429, 502, 503
// and 504 are those that clients try again.
func writeStatus(w http.ResponseWriter, f format, of *fault) {
	var b []byte
	if f == formatJSON {
		b = append(jsontext.AppendString([]byte(`{"message":`), of.reason), '}')
	} else {
		b = protowire.AppendTag(nil, 2, protowire.BytesType)
		b = protowire.AppendString(b, of.reason)
	}
	w.Header().Set("Content-Type", f.contentType())
	if of.status == http.StatusTooManyRequests || of.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(of.status)
	_, _ = w.Write(b)
}
