package otlphttp

import (
	"mime"
	"net/http"
	"strconv"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// format is how a request is written, and its answer with it.
type format uint8

const (
	formatProtobuf format = iota
	formatJSON
)

func (f format) String() string {
	if f == formatJSON {
		return "JSON"
	}
	return "protobuf"
}

func (f format) contentType() string {
	if f == formatJSON {
		return "application/json"
	}
	return "application/x-protobuf"
}

// formatOf gives JSON with its error, which everybody can read.
func formatOf(contentType string) (format, error) {
	kind, _, err := mime.ParseMediaType(contentType)
	if err == nil {
		switch kind {
		case "application/x-protobuf", "application/protobuf":
			return formatProtobuf, nil
		case "application/json":
			return formatJSON, nil
		}
	}
	return formatJSON, &Fault{Status: http.StatusUnsupportedMediaType, Reason: "Content-Type " + strconv.Quote(contentType) + " is not supported: use application/x-protobuf or application/json"}
}

func writeDone(w http.ResponseWriter, f format, res Response) {
	marshal := res.MarshalProto
	if f == formatJSON {
		marshal = res.MarshalJSON
	}
	b, err := marshal()
	if err != nil {
		panic("otlphttp: a response does not marshal: " + err.Error())
	}
	w.Header().Set("Content-Type", f.contentType())
	_, _ = w.Write(b) // the client is gone, or reads it
}

// writeFault writes a google.rpc.Status, as OTLP's failures are. 429, 502, 503
// and 504 are those that clients try again.
func writeFault(w http.ResponseWriter, f format, of *Fault) {
	var b []byte
	if f == formatJSON {
		b = append(jsontext.AppendString([]byte(`{"message":`), of.Reason), '}')
	} else {
		b = protowire.AppendTag(nil, 2, protowire.BytesType)
		b = protowire.AppendString(b, of.Reason)
	}
	w.Header().Set("Content-Type", f.contentType())
	if of.Status == http.StatusTooManyRequests || of.Status == http.StatusServiceUnavailable {
		seconds := (max(of.After, time.Second) + time.Second - 1) / time.Second // rounded up
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	w.WriteHeader(of.Status)
	_, _ = w.Write(b)
}
