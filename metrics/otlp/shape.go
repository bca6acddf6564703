package otlp

import (
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/oriel-project/oriel/internal/otlphttp"
)

const (
	resourceMetrics = otlphttp.Own + iota
	scopeMetrics
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
)

// shape has the numbers of opentelemetry/proto/{collector/metrics,metrics}/v1.
func shape() otlphttp.Shape {
	fields := map[otlphttp.Field]otlphttp.Message{}
	holds := func(of otlphttp.Message, number protowire.Number, inner otlphttp.Message) {
		fields[otlphttp.Field{Of: of, Number: number}] = inner
	}
	holds(otlphttp.Body, 1, resourceMetrics)
	holds(resourceMetrics, 1, otlphttp.Resource)
	holds(resourceMetrics, 2, scopeMetrics)
	holds(scopeMetrics, 1, otlphttp.Scope)
	holds(scopeMetrics, 2, metric)
	holds(metric, 5, numbers) // gauge
	holds(metric, 7, numbers) // sum
	holds(metric, 9, histograms)
	holds(metric, 10, exponentials)
	holds(metric, 11, summaries)
	holds(metric, 12, otlphttp.KeyValue)
	holds(numbers, 1, numberPoint)
	holds(numberPoint, 5, exemplar)
	holds(numberPoint, 7, otlphttp.KeyValue)
	holds(histograms, 1, histogramPoint)
	holds(histogramPoint, 8, exemplar)
	holds(histogramPoint, 9, otlphttp.KeyValue)
	holds(exponentials, 1, exponentialPoint)
	holds(exponentialPoint, 1, otlphttp.KeyValue)
	holds(exponentialPoint, 8, leaf) // positive buckets
	holds(exponentialPoint, 9, leaf) // negative ones
	holds(exponentialPoint, 11, exemplar)
	holds(summaries, 1, summaryPoint)
	holds(summaryPoint, 6, leaf) // quantiles
	holds(summaryPoint, 7, otlphttp.KeyValue)
	holds(exemplar, 7, otlphttp.KeyValue)
	return otlphttp.Shape{Items: "data points", Fields: fields}
}
