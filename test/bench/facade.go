package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"
)

// The bars of Oriel's Elasticsearch API beside a real engine: as parts of what
// that takes.
const (
	facadeBulk    = 1.0 / 3
	facadeQueries = 1.0 / 5
)

// facadeQueriesOf gives more questions, as dashboards ask them.
func facadeQueriesOf(c *corpus) []*query {
	day := esRange(c.start(), c.End)
	of := func(id, title, aggs string, parse func([]byte) ([]row, error)) *query {
		return &query{id: id, title: title, want: facadeQueries, tolerance: 1e-6, parseES: parse,
			es: fmt.Sprintf(`{"size":0,"track_total_hits":false,"query":{"bool":{"filter":[%s,{"query_string":{"analyze_wildcard":true,"query":"*"}}]}},"aggs":{%s}}`, day, aggs)}
	}
	return []*query{
		of("volume", "log volume: 10 minutes by level", `"n":{"terms":{"field":"level.keyword","size":10},"aggs":{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"10m","min_doc_count":0}}}}`, esSeries),
		of("stats", "extended stats of latency by status", `"t":{"terms":{"field":"status","size":10},"aggs":{"a":{"extended_stats":{"field":"latency_ms"}}}}`, esCounts),
		of("percentiles", "percentiles of latency an hour", `"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"},"aggs":{"p":{"percentiles":{"field":"latency_ms","percents":[50,95,99]}}}}`, esMinutes),
		of("max-minute", "greatest latency a minute", `"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1m"},"aggs":{"a":{"max":{"field":"latency_ms"}}}}`, esMinutes),
	}
}

// esCounts reads the keys and counts of the terms "t".
func esCounts(reply []byte) ([]row, error) {
	r, err := es(reply)
	var out []row
	for _, b := range r.Aggregations["t"].Buckets {
		out = append(out, row{b.key(), []float64{b.Count}})
	}
	return out, err
}

// facade measures Oriel beside OpenSearch, on the same corpus in one run: both by
// Elasticsearch's API.
func (b *bench) facade(ctx context.Context) error {
	b.more = facadeQueriesOf(b.corpus)
	peer := &openSearch{lib: b.osLib, node: b.osNode, dir: filepath.Join(b.work, "opensearch")}
	s, err := b.measure(ctx, peer, "opensearch", b.skipPeer)
	if err != nil {
		return err
	}
	o, err := b.measure(ctx, b.newOriel("oriel"), "oriel-facade", false)
	if err != nil {
		return err
	}
	for _, q := range b.questions() {
		x, y := o.Queries[q.id], s.Queries[q.id]
		if x.CPU == 0 || y.CPU == 0 {
			continue
		}
		xr, err := q.parseES(x.Replies)
		if err != nil {
			return err
		}
		yr, err := q.parseES(y.Replies)
		if err != nil {
			return err
		}
		if d := q.differ(xr, yr); d != "" {
			b.say("%s: the answers differ: %s", q.id, d)
		}
	}
	return b.print(b.facadeTable(o, s))
}

// facadeTable is the result as markdown.
func (b *bench) facadeTable(o, s *result) string {
	var t strings.Builder
	fmt.Fprintf(&t, "%d records of %d bytes, a day of 50 namespaces (generator %d, seed %d).\n\n", b.corpus.Records, b.corpus.Bytes/int64(b.corpus.Records), b.corpus.Generator, b.corpus.Seed)
	fmt.Fprintf(&t, "- Oriel: %s, measured %s\n- OpenSearch: %s, measured %s\n", oneLine(o.Version), o.Taken.Format(time.DateTime), oneLine(s.Version), s.Taken.Format(time.DateTime))
	t.WriteString("\n| | Oriel | OpenSearch | CPU: times faster | wall: times faster | wanted | |\n|---|---:|---:|---:|---:|---:|---|\n")
	row := func(what, x, y string, cpu, wall, part float64) {
		want, met := "", ""
		if part > 0 && cpu > 0 {
			want, met = fmt.Sprintf("%.0f", 1/part), "met"
			if cpu < 1/part || wall > 0 && wall < 1/part {
				met = "**missed**"
			}
		}
		f := func(x float64) string {
			if x <= 0 {
				return ""
			}
			return fmt.Sprintf("%.1f", x)
		}
		fmt.Fprintf(&t, "| %s | %s | %s | %s | %s | %s | %s |\n", what, x, y, f(cpu), f(wall), want, met)
	}
	in, peer := o.Ingests["bulk"], s.Ingests["bulk"]
	if in.Records > 0 && peer.Records > 0 {
		per := func(d time.Duration, n int) string { return fmt.Sprintf("%.2f", perMillion(d, n)) }
		times := func(x, y time.Duration) float64 { return float64(y) / float64(max(x, 1)) }
		row("`_bulk`, CPU-s per million, to the last acknowledgement", per(in.CPUAck, in.Records), per(peer.CPUAck, peer.Records), times(in.CPUAck, peer.CPUAck), 0, facadeBulk)
		row("the same, to idle", per(in.CPU, in.Records), per(peer.CPU, peer.Records), times(in.CPU, peer.CPU), 0, facadeBulk)
		row("records/s", fmt.Sprintf("%.0f", float64(in.Records)/in.Wall.Seconds()), fmt.Sprintf("%.0f", float64(peer.Records)/peer.Wall.Seconds()), 0, times(in.Wall, peer.Wall), 0)
		row("bytes per record on disk, merged", fmt.Sprintf("%.1f", float64(in.DiskMerged)/float64(in.Records)), fmt.Sprintf("%.1f", float64(peer.DiskMerged)/float64(peer.Records)), 0, 0, 0)
		row("peak memory while ingesting, MB", fmt.Sprint(in.RSSPeak>>20), fmt.Sprint(peer.RSSPeak>>20), 0, 0, 0)
	}
	for _, q := range b.questions() {
		x, y := o.Queries[q.id], s.Queries[q.id]
		cpu, wall := 0.0, 0.0
		if x.CPU > 0 && y.CPU > 0 {
			cpu, wall = float64(y.CPU)/float64(x.CPU), float64(y.Wall)/float64(max(x.Wall, 1))
		}
		row(q.title, warm(x), warm(y), cpu, wall, facadeQueries)
	}
	for _, d := range []struct {
		name string
		d    dashboard
		bar  bool
	}{{"Oriel", o.Dashboard, true}, {"OpenSearch", s.Dashboard, false}} {
		if d.d.Panels == 0 {
			continue
		}
		want, met := "", ""
		if d.bar {
			if want, met = "under 2", "met"; d.d.Wall >= 2*d.d.Slowest {
				met = "**missed**"
			}
		}
		fmt.Fprintf(&t, "| %s: `_msearch` of %d panels | %.1f ms, %.1f CPU-ms; slowest panel by itself %.1f ms, one by one %.1f | | | %.2f x the slowest | %s | %s |\n",
			d.name, d.d.Panels, ms(d.d.Wall), ms(d.d.CPU), ms(d.d.Slowest), ms(d.d.Sum), float64(d.d.Wall)/float64(max(d.d.Slowest, 1)), want, met)
	}
	t.WriteString("\nQueries: CPU-ms and, in brackets, wall ms, warm (medians). OpenSearch's cache of whole answers is off; its cache of filters is on.\n")
	return t.String()
}

func warm(a asked) string {
	switch {
	case a.Err != "":
		return "failed"
	case a.CPU == 0:
		return ""
	}
	return fmt.Sprintf("%.2f (%.1f)", ms(a.CPU), ms(a.Wall))
}

// msearch asks Oriel for all panels at once.
func (o *oriel) msearch(ctx context.Context, panels []string) ([]byte, error) {
	return o.request(ctx, "POST", "/es/_msearch", "application/x-ndjson", []byte("{}\n"+strings.Join(panels, "\n{}\n")+"\n"))
}

// dashboarder is a system that dashboards are measured of.
type dashboarder interface {
	system
	search(ctx context.Context, body string) ([]byte, error)
	msearch(ctx context.Context, panels []string) ([]byte, error)
}

var (
	_ dashboarder = (*oriel)(nil)
	_ dashboarder = (*openSearch)(nil)
)

// statuses checks that a _msearch answered every panel.
func statuses(reply []byte, panels int) error {
	var r struct{ Responses []struct{ Status int } }
	if err := json.Unmarshal(reply, &r); err != nil || len(r.Responses) != panels {
		return fmt.Errorf("_msearch: %d responses of %d, %w", len(r.Responses), panels, err)
	}
	for _, x := range r.Responses {
		if x.Status != 200 {
			return fmt.Errorf("_msearch: a panel has status %d: %.300s", x.Status, reply)
		}
	}
	return nil
}
