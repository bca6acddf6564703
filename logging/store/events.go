package store

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/logging/segment"
)

// EventKind tells what happened.
type EventKind string

// The kinds of events.
const (
	EventOpened      EventKind = "opened"       // the store is ready: Files, Records
	EventTornTail    EventKind = "torn_tail"    // what a crash left half written was cut off: File, Bytes
	EventCorrupt     EventKind = "corrupt"      // bytes do not check and are left out: File, Offset (of a segment: which part), Bytes
	EventMended      EventKind = "mended"       // a file that did not read was written anew from its twin: File, Err
	EventUnavailable EventKind = "unavailable"  // writes fail for now: Err
	EventAvailable   EventKind = "available"    // writes work again
	EventDeleted     EventKind = "deleted"      // a file whose records are expired or merged is gone: File, Bytes
	EventPurged      EventKind = "purged"       // a purge is durable
	EventDeleteError EventKind = "delete_error" // a file that is not needed any more could not be removed: File, Err
	EventFlushError  EventKind = "flush_error"  // records could not be written to a segment, it is tried again: Err
	EventMergeError  EventKind = "merge_error"  // a merge or a sweep failed, it is tried again: Err
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
	corrupt    *prometheus.CounterVec
	replayed   prometheus.Counter
	available  prometheus.Gauge
	files      *prometheus.GaugeVec
	fileBytes  *prometheus.GaugeVec

	waits       *prometheus.CounterVec
	waitSeconds prometheus.Counter
	dropped     *prometheus.CounterVec

	flushes       prometheus.Counter
	flushFailures prometheus.Counter
	flushSeconds  prometheus.Counter
	flushRows     prometheus.Counter
	flushBytes    prometheus.Counter

	merges         prometheus.Counter
	mergeFailures  *prometheus.CounterVec
	mergeSeconds   prometheus.Counter
	mergeParts     prometheus.Counter
	mergeRows      prometheus.Counter
	mergeReadBytes prometheus.Counter
	mergeBytes     prometheus.Counter
	mergesWaiting  prometheus.Gauge

	gateWaits   prometheus.Counter
	gateSeconds prometheus.Counter
}

func newMetrics(r prometheus.Registerer, s *Store) (*metrics, error) {
	var all []prometheus.Collector
	const prefix = "oriel_logstore_"
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
		all = append(all, c)
		return c
	}
	counters := func(name, label, help string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, []string{label})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + name, Help: help})
		all = append(all, g)
		return g
	}
	gauges := func(name, label, help string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: prefix + name, Help: help}, []string{label})
		all = append(all, g)
		return g
	}
	current := func(name, help string, f func() float64) {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, f))
	}
	m := &metrics{
		records:    counter("records_total", "Log records made durable."),
		bytes:      counter("source_bytes_total", "Bytes of the sources of log records made durable."),
		commits:    counter("commits_total", "Group commits to the write-ahead log."),
		tornBytes:  counter("torn_bytes_total", "Bytes of torn tails cut off at start."),
		corrupt:    counters("corrupt_total", "in", "Places in files that did not check and are left out, by the kind of file."),
		replayed:   counter("replayed_records_total", "Log records read back from the write-ahead log at start."),
		available:  gauge("available", "1 where the log store takes records, 0 where its last write failed."),
		files:      gauges("files", "kind", "Files of the log store, by kind."),
		fileBytes:  gauges("file_bytes", "kind", "Bytes of the files of the log store, by kind."),
		commitTime: prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + "commit_seconds", Help: "Time to write and sync one group commit.", Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14)}),
		refused:    counters("refused_total", "reason", "Log records refused, by reason."),
		duplicates: counters("duplicates_total", "by", "Log records that were there before, by how they were known."),

		waits:       counters("append_waits_total", "reason", "Appends that waited or were refused while memory was full, by reason."),
		waitSeconds: counter("append_wait_seconds_total", "Seconds that appends waited for records to be written to segments."),
		dropped:     counters("dropped_records_total", "reason", "Log records that are gone from disk, by reason."),

		flushes:       counter("flushes_total", "Times that records in memory were written to a segment."),
		flushFailures: counter("flush_failures_total", "Times that this failed and is tried again."),
		flushSeconds:  counter("flush_seconds_total", "Seconds that writing records in memory to segments took."),
		flushRows:     counter("flush_records_total", "Log records written from memory to segments."),
		flushBytes:    counter("flush_bytes_total", "Bytes of segments written from memory."),

		merges:         counter("merges_total", "Merges of parts of segments."),
		mergeFailures:  counters("merge_failures_total", "reason", "Merges and sweeps that failed and are tried again, by reason."),
		mergeSeconds:   counter("merge_seconds_total", "Seconds that merges took."),
		mergeParts:     counter("merge_parts_total", "Parts that were merged."),
		mergeRows:      counter("merge_records_total", "Log records that were merged."),
		mergeReadBytes: counter("merge_read_bytes_total", "Bytes of parts that were merged."),
		mergeBytes:     counter("merge_bytes_total", "Bytes of segments written by merges."),
		mergesWaiting:  gauge("merges_waiting", "Tenants' days with parts that wait to be merged."),

		gateWaits:   counter("search_waits_total", "Searches that waited for others."),
		gateSeconds: counter("search_wait_seconds_total", "Seconds that searches waited for others."),
	}
	all = append(all, m.commitTime)
	current("column_cache_bytes", "Bytes of decoded columns kept for searches.", func() float64 { return float64(s.columns.Stats().Bytes) })
	for _, of := range []struct {
		name, help string
		f          func(segment.CacheStats) int64
	}{
		{"column_cache_hits_total", "Columns, and what was made of them, that searches found.", func(c segment.CacheStats) int64 { return c.Hits }},
		{"column_cache_misses_total", "Columns that searches did not find decoded, those that are not kept among them.", func(c segment.CacheStats) int64 { return c.Misses }},
	} {
		all = append(all, prometheus.NewCounterFunc(prometheus.CounterOpts{Name: prefix + of.name, Help: of.help}, func() float64 { return float64(of.f(s.columns.Stats())) }))
	}
	current("memory_bytes", "Bytes of log records in memory that are in no segment yet.", func() float64 {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return float64(s.looseBytes + s.held.Load() + s.frozenHeld.Load())
	})
	current("batch_keys", "Batch keys remembered in tables on disk.", func() float64 {
		s.mu.RLock()
		defer s.mu.RUnlock()
		n := 0
		for _, t := range s.keyTables {
			n += t.count
		}
		return float64(n)
	})
	current("open_segments", "Segment files that are open.", func() float64 { return float64(s.files.count()) })
	if r == nil {
		return m, nil
	}
	var errs []error
	for _, c := range all {
		errs = append(errs, r.Register(c))
	}
	return m, errors.Join(errs...)
}
