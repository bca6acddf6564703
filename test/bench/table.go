package main

import (
	"fmt"
	"strings"
	"time"
)

// table is the result as markdown.
func (b *bench) table(o, v *result) string {
	var t strings.Builder
	if o == nil {
		o = &result{}
	}
	if v == nil {
		v = &result{}
	}
	fmt.Fprintf(&t, "%d records of %d bytes, a day of 50 namespaces (generator %d, seed %d).\n\n", b.corpus.Records, b.corpus.Bytes/int64(b.corpus.Records), b.corpus.Generator, b.corpus.Seed)
	for _, s := range []struct {
		name string
		r    *result
	}{{"Oriel", o}, {"VictoriaLogs", v}} {
		if s.r.Version != "" {
			fmt.Fprintf(&t, "- %s: %s, measured %s\n", s.name, oneLine(s.r.Version), s.r.Taken.Format(time.DateTime))
		}
	}
	t.WriteString("\n| | Oriel | VictoriaLogs | ratio | wanted | |\n|---|---:|---:|---:|---:|---|\n")
	line := func(what, x, y string, ratio, want float64) {
		r, w, met := "", "", ""
		if ratio > 0 {
			r = fmt.Sprintf("%.2f", ratio)
			if want > 0 {
				met = "met"
				if ratio > want {
					met = "**missed**"
				}
			}
		}
		if want > 0 {
			w = fmt.Sprint(want)
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s | %s | %s |\n", what, x, y, r, w, met)
	}
	oi, vi := o.Ingests["bulk"], v.Ingests["bulk"]
	num := func(what, format string, x, y, want float64) {
		f := func(x float64) string {
			if x <= 0 {
				return ""
			}
			return fmt.Sprintf(format, x)
		}
		ratio := 0.0
		if x > 0 && y > 0 {
			ratio = x / y
		}
		line(what, f(x), f(y), ratio, want)
	}
	per := func(in ingested, x float64) float64 {
		if in.Records == 0 {
			return 0
		}
		return x / float64(in.Records)
	}
	cpu := func(in ingested) float64 { return per(in, in.CPU.Seconds()*1e6) }
	num("ingest by `_bulk`, CPU-s per million, to idle", "%.2f", cpu(oi), cpu(vi), 0.75)
	num("the same, to the last acknowledgement", "%.2f", per(oi, oi.CPUAck.Seconds()*1e6), per(vi, vi.CPUAck.Seconds()*1e6), 0)
	num("the same, with the forced merge", "%.2f", per(oi, (oi.CPU+oi.CPUMerge).Seconds()*1e6), per(vi, (vi.CPU+vi.CPUMerge).Seconds()*1e6), 0.75)
	rate := func(in ingested) float64 {
		if in.Wall == 0 {
			return 0
		}
		return float64(in.Records) / in.Wall.Seconds()
	}
	num("records/s", "%.0f", rate(oi), rate(vi), 0)
	num("peak memory while ingesting, MB", "%.0f", float64(oi.RSSPeak>>20), float64(vi.RSSPeak>>20), 1)
	num("bytes per record on disk, merged", "%.1f", per(oi, float64(oi.DiskMerged)), per(vi, float64(vi.DiskMerged)), 0.6)
	num("bytes per record on disk, as flushed", "%.1f", per(oi, float64(oi.DiskFlushed)), per(vi, float64(vi.DiskFlushed)), 0)
	num("ingest with given ids, CPU-s per million", "%.2f", cpu(o.Ingests["ids"]), cpu(v.Ingests["ids"]), 0)
	num("ingest over forward, CPU-s per million", "%.2f", cpu(o.Ingests["forward"]), cpu(v.Ingests["forward"]), 0)
	fw := o.Ingests["forward"]
	num("bytes per record on disk, over forward", "%.1f", per(fw, float64(fw.DiskMerged)), 0, 0)
	var peakO, peakV int64
	for _, q := range queries(b.corpus) {
		x, y := o.Queries[q.id], v.Queries[q.id]
		peakO, peakV = max(peakO, x.RSSPeak), max(peakV, y.RSSPeak)
		ratio := 0.0
		if x.CPU > 0 && y.CPU > 0 {
			ratio = float64(x.CPU) / float64(y.CPU)
		}
		line(q.title, figures(x), figures(y), ratio, q.want)
	}
	num("peak memory of any query, MB", "%.0f", float64(peakO>>20), float64(peakV>>20), 0)
	if d := o.Dashboard; d.Panels > 0 {
		met := "met"
		if d.Wall >= 2*d.Slowest {
			met = "**missed**"
		}
		fmt.Fprintf(&t, "| `_msearch` of %d panels, to the slowest by itself | %.1f ms of %.1f (one by one %.1f); %.1f CPU-ms | | %.2f | under 2 | %s |\n",
			d.Panels, ms(d.Wall), ms(d.Slowest), ms(d.Sum), ms(d.CPU), float64(d.Wall)/float64(max(d.Slowest, 1)), met)
	}
	for _, how := range []string{"asked", "followed", "asked under load", "followed under load"} {
		x, y := o.Tails[how], v.Tails[how]
		if x.Samples+y.Samples == 0 {
			continue
		}
		title := "append to visible, " + how
		if strings.HasSuffix(how, "load") {
			title += fmt.Sprintf(" of %d records/s", b.tailLoad)
		}
		met, want := "", "under 100 ms"
		if x.Samples > 0 {
			if met = "met"; x.Median > 100*time.Millisecond || x.Missed > 0 {
				met = "**missed**"
			}
		}
		fmt.Fprintf(&t, "| %s | %s | %s | | %s | %s |\n", title, x, y, want, met)
	}
	if n := max(len(o.Starts), len(v.Starts)); n > 0 {
		num("start with all the data, ms", "%.0f", starts(o), starts(v), 0)
		num("idle, CPU-ms a second", "%.1f", o.IdleCPU, v.IdleCPU, 0)
	}
	t.WriteString("\nQueries: CPU-ms and, in brackets, wall ms; warm (median), then cold (the first after a start). Ratios are of warm CPU.\n")
	return t.String()
}

func figures(a asked) string {
	switch {
	case a.Err != "":
		return "failed"
	case a.CPU == 0:
		return ""
	}
	return fmt.Sprintf("%.2f (%.1f); cold %.1f (%.1f)", ms(a.CPU), ms(a.Wall), ms(a.ColdCPU), ms(a.Cold))
}

func (t tailed) String() string {
	if t.Samples == 0 {
		return ""
	}
	s := fmt.Sprintf("%.0f ms, worst %.0f", ms(t.Median), ms(t.Worst))
	if t.Missed > 0 {
		s += fmt.Sprintf(", %d of %d missed", t.Missed, t.Samples)
	}
	return s
}

func starts(r *result) float64 {
	if len(r.Starts) == 0 {
		return 0
	}
	return ms(median(r.Starts))
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
