package remote

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

// An item of the queue is one remote write 2.0 request as it goes over the wire,
// behind what it holds:
//
//	version byte (1) | samples, histograms, exemplars as uvarints | snappy block
const itemVersion = 1

// tally counts what a request holds.
type tally struct{ samples, histograms, exemplars int }

func (t tally) all() int { return t.samples + t.histograms + t.exemplars }

// request collects series for one remote write 2.0 message.
type request struct {
	symbols writev2.SymbolsTable
	series  []writev2.TimeSeries
	has     tally
}

func newRequest() *request { return &request{symbols: writev2.NewSymbolTable()} }

func (q *request) add(ls labels.Labels, st, t int64, v float64, h *histogram.Histogram, fh *histogram.FloatHistogram, md metadata.Metadata, es []exemplar.Exemplar) {
	ts := writev2.TimeSeries{LabelsRefs: q.symbols.SymbolizeLabels(ls, make([]uint32, 0, 2*ls.Len()))}
	if !md.IsEmpty() {
		ts.Metadata = writev2.Metadata{
			Type: writev2.FromMetadataType(md.Type), HelpRef: q.symbols.Symbolize(md.Help), UnitRef: q.symbols.Symbolize(md.Unit),
		}
	}
	switch {
	case fh != nil:
		ts.Histograms = []writev2.Histogram{writev2.FromFloatHistogram(st, t, fh)}
		q.has.histograms++
	case h != nil:
		ts.Histograms = []writev2.Histogram{writev2.FromIntHistogram(st, t, h)}
		q.has.histograms++
	default:
		ts.Samples = []writev2.Sample{{Value: v, Timestamp: t, StartTimestamp: st}}
		q.has.samples++
	}
	q.addExemplars(&ts, es)
	q.series = append(q.series, ts)
}

func (q *request) addExemplars(ts *writev2.TimeSeries, es []exemplar.Exemplar) {
	for _, e := range es {
		ts.Exemplars = append(ts.Exemplars, writev2.Exemplar{
			LabelsRefs: q.symbols.SymbolizeLabels(e.Labels, nil), Value: e.Value, Timestamp: e.Ts,
		})
		q.has.exemplars++
	}
}

// item gives the request as the queue keeps it.
func (q *request) item() ([]byte, error) {
	msg := writev2.Request{Symbols: q.symbols.Symbols(), Timeseries: q.series}
	raw, err := msg.OptimizedMarshal(nil)
	if err != nil {
		return nil, fmt.Errorf("encode %d series for remote write: %w", len(q.series), err)
	}
	out := make([]byte, 0, 1+3*binary.MaxVarintLen64+snappy.MaxEncodedLen(len(raw)))
	out = append(out, itemVersion)
	for _, n := range []int{q.has.samples, q.has.histograms, q.has.exemplars} {
		out = binary.AppendUvarint(out, uint64(n))
	}
	block := snappy.Encode(out[len(out):cap(out)], raw)
	return out[:len(out)+len(block)], nil
}

var errItem = errors.New("not an item of this queue's format")

// splitItem gives what an item holds and the body to send.
func splitItem(item []byte) (has tally, body []byte, err error) {
	if len(item) == 0 || item[0] != itemVersion {
		return tally{}, nil, errItem
	}
	b := item[1:]
	for _, n := range []*int{&has.samples, &has.histograms, &has.exemplars} {
		v, size := binary.Uvarint(b)
		if size <= 0 || v > decodedBytesMax {
			return tally{}, nil, errItem
		}
		*n, b = int(v), b[size:]
	}
	return has, b, nil
}

// asV1 turns a 2.0 body into a 1.0 body, for receivers that speak no other.
// Start times are lost: 1.0 has none.
func asV1(body []byte) ([]byte, error) {
	raw, err := snappy.Decode(nil, body)
	if err != nil {
		return nil, err
	}
	var v2 writev2.Request
	if err := proto.Unmarshal(raw, &v2); err != nil {
		return nil, err
	}
	var (
		v1 prompb.WriteRequest
		b  = labels.NewScratchBuilder(0)
	)
	for _, ts := range v2.Timeseries {
		ls, err := ts.ToLabels(&b, v2.Symbols)
		if err != nil {
			return nil, err
		}
		out := prompb.TimeSeries{Labels: prompb.FromLabels(ls, nil)}
		for _, s := range ts.Samples {
			out.Samples = append(out.Samples, prompb.Sample{Value: s.Value, Timestamp: s.Timestamp})
		}
		for _, h := range ts.Histograms {
			if h.IsFloatHistogram() {
				out.Histograms = append(out.Histograms, prompb.FromFloatHistogram(h.Timestamp, h.ToFloatHistogram()))
			} else {
				out.Histograms = append(out.Histograms, prompb.FromIntHistogram(h.Timestamp, h.ToIntHistogram()))
			}
		}
		for _, x := range ts.Exemplars {
			e, err := x.ToExemplar(&b, v2.Symbols)
			if err != nil {
				return nil, err
			}
			out.Exemplars = append(out.Exemplars, prompb.Exemplar{Labels: prompb.FromLabels(e.Labels, nil), Value: e.Value, Timestamp: e.Ts})
		}
		v1.Timeseries = append(v1.Timeseries, out)
	}
	if raw, err = proto.Marshal(&v1); err != nil {
		return nil, err
	}
	return snappy.Encode(nil, raw), nil
}
