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
// with samples of one owner, behind what it holds:
//
//	version byte (2) | owner's length as uvarint | owner | samples, histograms, exemplars as uvarints | snappy block
//
// The owner is the tenant as the agent knows it: items of different owners do
// not go in one request, so that what is refused to one does not concern the
// others. Central decides for itself whose a sample is. Version 1, of earlier
// releases, has no owner.
const (
	itemVersion    = 2
	itemVersionOld = 1
	ownerBytesMax  = 64
)

// tally counts what a request holds.
type tally struct{ samples, histograms, exemplars int }

func (t tally) all() int { return t.samples + t.histograms + t.exemplars }

func (t tally) plus(o tally) tally {
	return tally{t.samples + o.samples, t.histograms + o.histograms, t.exemplars + o.exemplars}
}

// request collects series of one owner for one remote write 2.0 message.
type request struct {
	owner   string
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
	out := make([]byte, 0, 1+4*binary.MaxVarintLen64+len(q.owner)+snappy.MaxEncodedLen(len(raw)))
	out = append(out, itemVersion)
	out = binary.AppendUvarint(out, uint64(len(q.owner)))
	out = append(out, q.owner...)
	for _, n := range []int{q.has.samples, q.has.histograms, q.has.exemplars} {
		out = binary.AppendUvarint(out, uint64(n))
	}
	block := snappy.Encode(out[len(out):cap(out)], raw)
	return out[:len(out)+len(block)], nil
}

var errItem = errors.New("not an item of this queue's format")

// splitItem gives what an item holds and the body to send.
func splitItem(item []byte) (has tally, body []byte, err error) {
	_, has, body, err = parseItem(item)
	return has, body, err
}

// parseItem is splitItem with the owner; "" where the item names none.
func parseItem(item []byte) (owner string, has tally, body []byte, err error) {
	if len(item) == 0 || item[0] != itemVersion && item[0] != itemVersionOld {
		return "", tally{}, nil, errItem
	}
	b := item[1:]
	if item[0] == itemVersion {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > ownerBytesMax || int(n) > len(b)-size {
			return "", tally{}, nil, errItem
		}
		owner, b = string(b[size:size+int(n)]), b[size+int(n):]
	}
	for _, n := range []*int{&has.samples, &has.histograms, &has.exemplars} {
		v, size := binary.Uvarint(b)
		if size <= 0 || v > decodedBytesMax {
			return "", tally{}, nil, errItem
		}
		*n, b = int(v), b[size:]
	}
	return owner, has, b, nil
}

// merge makes one body of several, in their order: what waited goes in few
// requests, or a way with long round trips would never catch up.
func merge(bodies [][]byte) ([]byte, error) {
	if len(bodies) == 1 {
		return bodies[0], nil
	}
	var (
		out     writev2.Request
		symbols = writev2.NewSymbolTable()
		raw     []byte
		to      []uint32
	)
	for _, b := range bodies {
		var err error
		if raw, err = snappy.Decode(raw[:cap(raw)], b); err != nil {
			return nil, fmt.Errorf("merge queued requests: %w", err)
		}
		var in writev2.Request
		if err := proto.Unmarshal(raw, &in); err != nil {
			return nil, fmt.Errorf("merge queued requests: %w", err)
		}
		to = to[:0]
		for _, s := range in.Symbols {
			to = append(to, symbols.Symbolize(s))
		}
		for i := range in.Timeseries {
			if !renumber(&in.Timeseries[i], to) {
				return nil, fmt.Errorf("merge queued requests: %w", errItem)
			}
		}
		out.Timeseries = append(out.Timeseries, in.Timeseries...)
	}
	out.Symbols = symbols.Symbols()
	packed, err := out.OptimizedMarshal(nil)
	if err != nil {
		return nil, fmt.Errorf("merge queued requests: %w", err)
	}
	return snappy.Encode(nil, packed), nil
}

// renumber puts to[old] in the place of each reference to a symbol.
func renumber(ts *writev2.TimeSeries, to []uint32) bool {
	ok := true
	one := func(r *uint32) {
		if int(*r) >= len(to) {
			ok = false
			return
		}
		*r = to[*r]
	}
	for i := range ts.LabelsRefs {
		one(&ts.LabelsRefs[i])
	}
	for i := range ts.Exemplars {
		for j := range ts.Exemplars[i].LabelsRefs {
			one(&ts.Exemplars[i].LabelsRefs[j])
		}
	}
	one(&ts.Metadata.HelpRef)
	one(&ts.Metadata.UnitRef)
	return ok
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
