package store

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// EventKind tells what happened.
type EventKind string

// The kinds of events.
const (
	EventOpened      EventKind = "opened"       // the store is ready: Files, Records
	EventTornTail    EventKind = "torn_tail"    // what a crash left half written was cut off: File, Bytes
	EventCorrupt     EventKind = "corrupt"      // bytes do not check and are lost: File, Offset, Bytes
	EventUnavailable EventKind = "unavailable"  // writes fail for now: Err
	EventAvailable   EventKind = "available"    // writes work again
	EventDeleted     EventKind = "deleted"      // a file whose records are all expired is gone: File, Bytes
	EventPurged      EventKind = "purged"       // a purge is durable
	EventDeleteError EventKind = "delete_error" // an expired file could not be removed: File, Err
)

// Event is something that an operator may want to read in the log.
type Event struct {
	Kind    EventKind
	File    string
	Offset  int64
	Bytes   int64
	Files   int
	Records int64
	Err     error
}

// metrics of a store. They are gathered whether or not anybody registers them.
type metrics struct {
	records    prometheus.Counter
	bytes      prometheus.Counter
	commits    prometheus.Counter
	commitTime prometheus.Histogram
	refused    *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	tornBytes  prometheus.Counter
	corrupt    prometheus.Counter
	available  prometheus.Gauge
	files      prometheus.Gauge
	fileBytes  prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "oriel_logstore_" + name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "oriel_logstore_" + name, Help: help})
	}
	m := &metrics{
		records:    counter("records_total", "Log records made durable."),
		bytes:      counter("source_bytes_total", "Bytes of the sources of log records made durable."),
		commits:    counter("commits_total", "Group commits to the write-ahead log."),
		tornBytes:  counter("torn_bytes_total", "Bytes of torn tails cut off at start."),
		corrupt:    counter("corrupt_total", "Places in the write-ahead log that did not check."),
		available:  gauge("available", "1 where the log store takes records, 0 where its last write failed."),
		files:      gauge("files", "Files of the write-ahead log."),
		fileBytes:  gauge("file_bytes", "Bytes of the files of the write-ahead log."),
		commitTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "oriel_logstore_commit_seconds", Help: "Time to write and sync one group commit.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		refused:    prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_logstore_refused_total", Help: "Log records refused, by reason."}, []string{"reason"}),
		duplicates: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "oriel_logstore_duplicates_total", Help: "Log records that were there before, by how they were known."}, []string{"by"}),
	}
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.records, m.bytes, m.commits, m.tornBytes, m.corrupt, m.available, m.files, m.fileBytes, m.commitTime, m.refused, m.duplicates} {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}
