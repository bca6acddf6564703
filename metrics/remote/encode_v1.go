package remote

import (
	"github.com/gogo/protobuf/proto"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
)

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
