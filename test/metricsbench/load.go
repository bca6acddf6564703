package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/klauspost/compress/snappy"
	"google.golang.org/protobuf/encoding/protowire"
)

const perRequest = 2000

// load makes remote write requests: each series has eleven labels as pods have
// them, and is by a quarter a large counter, a small one, a random gauge or a
// constant.
type load struct {
	series int
	names  [][]string // pairs of name and value, by series
	values []float64
	r      *rand.Rand
}

func newLoad(series int, namespaceOf func(i int) string) *load {
	l := &load{series: series, values: make([]float64, series), r: rand.New(rand.NewPCG(1, 2))}
	for i := range series {
		pod := i / 100
		l.names = append(l.names, []string{
			"__name__", fmt.Sprintf("app_metric_%d", i%100), "cloud", "private", "cluster", "local", "container", "app",
			"instance", fmt.Sprintf("10.0.%d.%d:8080", pod/250, pod%250), "job", "app", "namespace", namespaceOf(i),
			"node", fmt.Sprintf("node-%d", pod%50), "path", fmt.Sprintf("/api/v1/thing/%d", i%7), "pod", fmt.Sprintf("app-7d9f8b6c5-%05d", pod), "region", "eu-central",
		})
	}
	return l
}

func (l *load) next(i int) float64 {
	switch i % 4 {
	case 0:
		l.values[i] += float64(1e6 + l.r.IntN(1000))
	case 1:
		l.values[i] += float64(l.r.IntN(3))
	case 2:
		l.values[i] = l.r.Float64() * 100
	default:
		l.values[i] = 1
	}
	return l.values[i]
}

// request gives the body for the series from to to at one time.
func (l *load) request(v2 bool, from, to int, at time.Time) []byte {
	var b []byte
	if !v2 {
		for i := from; i < to; i++ {
			var ts []byte
			for j := 0; j < len(l.names[i]); j += 2 {
				label := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), l.names[i][j])
				label = protowire.AppendString(protowire.AppendTag(label, 2, protowire.BytesType), l.names[i][j+1])
				ts = protowire.AppendBytes(protowire.AppendTag(ts, 1, protowire.BytesType), label)
			}
			ts = protowire.AppendBytes(protowire.AppendTag(ts, 2, protowire.BytesType), l.sample(i, at))
			b = protowire.AppendBytes(protowire.AppendTag(b, 1, protowire.BytesType), ts)
		}
		return snappy.Encode(nil, b)
	}
	symbols := map[string]uint64{"": 0}
	b = protowire.AppendString(protowire.AppendTag(b, 4, protowire.BytesType), "")
	for i := from; i < to; i++ {
		for _, s := range l.names[i] {
			if _, ok := symbols[s]; !ok {
				symbols[s] = uint64(len(symbols))
				b = protowire.AppendString(protowire.AppendTag(b, 4, protowire.BytesType), s)
			}
		}
	}
	for i := from; i < to; i++ {
		var refs []byte
		for _, s := range l.names[i] {
			refs = protowire.AppendVarint(refs, symbols[s])
		}
		ts := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), refs)
		ts = protowire.AppendBytes(protowire.AppendTag(ts, 2, protowire.BytesType), l.sample(i, at))
		b = protowire.AppendBytes(protowire.AppendTag(b, 5, protowire.BytesType), ts)
	}
	return snappy.Encode(nil, b)
}

func (l *load) sample(i int, at time.Time) []byte {
	s := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), math.Float64bits(l.next(i)))
	return protowire.AppendVarint(protowire.AppendTag(s, 2, protowire.VarintType), uint64(at.UnixMilli()))
}

func contentType(v2 bool) string {
	if v2 {
		return "application/x-protobuf;proto=io.prometheus.write.v2.Request"
	}
	return "application/x-protobuf"
}
