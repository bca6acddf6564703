package promapi

import (
	"bytes"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/promql"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// streamFrom is how many points a matrix has at least that is written in pieces.
// Prometheus' own handlers make the whole answer in memory, twice for a moment:
// 30 bytes a point beside the 16 of the result itself.
const (
	streamFrom  = 20_000
	streamBytes = 64 << 10 // of one piece
)

// streams is Prometheus' JSON codec, except that for a large matrix it gives a
// ticket. The request's streamWriter knows the ticket and writes the answer
// piece by piece, while the result is still there: the handlers write what the
// codec gives before they give the result back.
type streams struct {
	v1.JSONCodec
	next    atomic.Uint64
	pending sync.Map // ticket as a string to *v1.Response
}

// A ticket cannot be mistaken for an answer: no JSON begins with a zero byte.
const ticketPrefix = "\x00oriel-stream:"

var _ v1.Codec = (*streams)(nil)

func (s *streams) Encode(resp *v1.Response) ([]byte, error) {
	if m, ok := matrixOf(resp); !ok || m.TotalSamples() < streamFrom {
		return s.JSONCodec.Encode(resp)
	}
	ticket := ticketPrefix + strconv.FormatUint(s.next.Add(1), 10)
	s.pending.Store(ticket, resp)
	return []byte(ticket), nil
}

func matrixOf(resp *v1.Response) (promql.Matrix, bool) {
	data, ok := resp.Data.(*v1.QueryData)
	if !ok {
		return nil, false
	}
	m, ok := data.Result.(promql.Matrix)
	return m, ok
}

// writer gives w with tickets cashed in.
func (s *streams) writer(w http.ResponseWriter) http.ResponseWriter { return &streamWriter{w, s} }

type streamWriter struct {
	http.ResponseWriter
	streams *streams
}

func (w *streamWriter) Write(b []byte) (int, error) {
	if !bytes.HasPrefix(b, []byte(ticketPrefix)) {
		return w.ResponseWriter.Write(b)
	}
	resp, ok := w.streams.pending.LoadAndDelete(string(b))
	if !ok {
		return w.ResponseWriter.Write(b)
	}
	return len(b), writeMatrix(w.ResponseWriter, resp.(*v1.Response))
}

// writeMatrix writes what Prometheus' codec would, a piece of series at a time.
func writeMatrix(w http.ResponseWriter, resp *v1.Response) error {
	m, _ := matrixOf(resp)
	// The frame around the series is the codec's own: an answer without series,
	// cut where they belong.
	empty := *resp
	data := *resp.Data.(*v1.QueryData)
	data.Result = promql.Matrix{}
	empty.Data = &data
	frame, err := v1.JSONCodec{}.Encode(&empty)
	if err != nil {
		return err
	}
	const result = `"result":[`
	at := bytes.Index(frame, []byte(result)) + len(result)
	if _, err := w.Write(frame[:at]); err != nil {
		return err
	}
	stream := jsoniter.NewStream(jsoniter.ConfigCompatibleWithStandardLibrary, w, streamBytes)
	for i, s := range m {
		if i > 0 {
			stream.WriteMore()
		}
		stream.WriteVal(s)
		if stream.Buffered() >= streamBytes {
			if err := stream.Flush(); err != nil {
				return err
			}
		}
	}
	if err := stream.Flush(); err != nil {
		return err
	}
	_, err = w.Write(frame[at:])
	return err
}

// Unwrap lets http.ResponseController through.
func (w *streamWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *streamWriter) Flush() {
	if f, ok := w.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}
