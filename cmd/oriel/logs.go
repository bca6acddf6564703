package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/olivere/elastic/v7"
	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/tenant"
)

func newLogs(g *global) *cobra.Command {
	var o logsOptions
	var since string
	c := &cobra.Command{
		Use:   "logs [-t TENANT] [--since 15m] [-f] [-o text|json] ['QUERY']",
		Short: "search and tail logs; QUERY is Lucene's syntax, as in Grafana",
		Example: "  oriel logs -t payments --since 1h 'level:error AND \"connection refused\"'\n" +
			"  oriel logs -t payments -f 'kubernetes.pod_name:api-*'",
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 1 {
				o.query = args[0]
			}
			d, err := config.ParseDuration(since)
			if err != nil {
				return usagef("--since: %w", err)
			}
			o.since = time.Duration(d)
			return g.logs(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVarP(&o.tenant, "tenant", "t", "", "whose logs; default: everything the token may read")
	f.StringVar(&since, "since", "15m", "how far back, such as 30s, 2h or 7d")
	f.BoolVarP(&o.follow, "follow", "f", false, "go on with new records until interrupted")
	f.StringVarP(&o.output, "output", "o", "text", "text, or json: one document a line, as the sender wrote it")
	f.IntVarP(&o.limit, "limit", "n", 500, "newest records to print, 10000 at most")
	return c
}

type logsOptions struct {
	tenant, query, output string
	since                 time.Duration
	follow                bool
	limit                 int
}

// logs prints the newest records, oldest first, and with follow goes on in the
// order in which they became durable, so that a late one is not missed.
func (g *global) logs(ctx context.Context, o logsOptions) error {
	base, err := g.baseURL()
	if err != nil {
		return err
	}
	print, err := printer(g.stdout, o.output)
	if err != nil {
		return err
	}
	if o.limit < 1 || o.limit > 10_000 {
		return usagef("--limit %d: want 1 to 10000", o.limit)
	}
	if o.tenant != "" {
		id, err := tenant.ParseID(o.tenant)
		switch {
		case tenant.ID(o.tenant).Reserved():
			return usagef("--tenant %s: it is the operator's and cannot be named; without --tenant an operator's token reads everything, it included", o.tenant)
		case err != nil:
			return usageError{err}
		}
		base += "/t/" + string(id)
	}
	hc, err := g.httpClient()
	if err != nil {
		return err
	}
	es, err := elastic.NewSimpleClient(elastic.SetURL(base+"/es"), elastic.SetHttpClient(hc))
	if err != nil {
		return fmt.Errorf("--url %s: %w", g.url, err)
	}
	q := elastic.NewBoolQuery()
	if o.query != "" {
		q.Filter(elastic.NewQueryStringQuery(o.query))
	}
	newest := elastic.NewBoolQuery().Filter(q, elastic.NewRangeQuery("@timestamp").Gte(time.Now().Add(-o.since).UnixMilli()).Format("epoch_millis"))
	res, err := es.Search().Query(newest).Sort("@timestamp", false).Sort("_doc", false).Size(o.limit).Do(ctx)
	if err != nil {
		return searchError(g.url, err)
	}
	var last float64
	for _, h := range slices.Backward(res.Hits.Hits) {
		if err := print(h.Source); err != nil {
			return err
		}
		last = max(last, position(h))
	}
	if !o.follow {
		return nil
	}
	if len(res.Hits.Hits) == 0 {
		// Nothing matched yet: go on from now, whatever was there before.
		q.Filter(elastic.NewRangeQuery("@received").Gte(time.Now().UnixMilli()).Format("epoch_millis"))
	}
	for {
		res, err := es.Search().Query(q).Sort("_doc", true).SearchAfter(last).Size(1000).Do(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return searchError(g.url, err)
		}
		for _, h := range res.Hits.Hits {
			if err := print(h.Source); err != nil {
				return err
			}
			last = max(last, position(h))
		}
		if len(res.Hits.Hits) == 1000 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
	}
}

// position is the last sort value, the durable position.
func position(h *elastic.SearchHit) float64 {
	if len(h.Sort) == 0 {
		return 0
	}
	f, _ := h.Sort[len(h.Sort)-1].(float64)
	return f
}

func searchError(url string, err error) error {
	ee, ok := errors.AsType[*elastic.Error](err)
	switch {
	case !ok:
		return fmt.Errorf("ask %s: %w; is Oriel running there? (--url)", url, err)
	case ee.Status == 401:
		return fmt.Errorf("%s wants a token: give one with --token-file or $ORIEL_TOKEN ('oriel token create' makes one)", url)
	case ee.Status == 404:
		return errors.New("no such tenant for this token; 'oriel tenants list' shows yours")
	case ee.Details != nil:
		reason := ee.Details.Reason
		if len(ee.Details.RootCause) > 0 {
			reason = ee.Details.RootCause[0].Reason
		}
		return fmt.Errorf("search: %s; write QUERY as in Grafana, such as 'level:error AND \"connection refused\"'", reason)
	}
	return fmt.Errorf("search: %w", err)
}

// printer gives the function that prints one document.
func printer(w io.Writer, output string) (func(json.RawMessage) error, error) {
	switch output {
	case "json":
		return func(src json.RawMessage) error {
			_, err := fmt.Fprintf(w, "%s\n", oneLine(string(src)))
			return err
		}, nil
	case "text":
		return func(src json.RawMessage) error {
			_, err := fmt.Fprintln(w, textLine(src))
			return err
		}, nil
	}
	return nil, usagef("--output %q: want text or json", output)
}

// textLine is "time LEVEL cluster/namespace/pod message".
func textLine(src json.RawMessage) string {
	var d struct {
		Time       string `json:"@timestamp"`
		Level      any    `json:"level"`
		Message    any    `json:"message"`
		Log        any    `json:"log"`
		Cluster    string `json:"cluster"`
		Namespace  string `json:"namespace"`
		Pod        string `json:"pod"`
		Kubernetes struct {
			Namespace string `json:"namespace_name"`
			Pod       string `json:"pod_name"`
		} `json:"kubernetes"`
	}
	if err := json.Unmarshal(src, &d); err != nil {
		return oneLine(string(src))
	}
	var parts []string
	for _, p := range []string{d.Time, strings.ToUpper(text(d.Level)), strings.Trim(strings.Join([]string{
		d.Cluster, first(d.Namespace, d.Kubernetes.Namespace), first(d.Pod, d.Kubernetes.Pod)}, "/"), "/")} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	msg := first(text(d.Message), text(d.Log))
	if msg == "" {
		msg = string(src)
	}
	return printable(strings.Join(append(parts, oneLine(msg)), " "))
}

func text(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

func first(ss ...string) string {
	for _, s := range ss {
		if s != "" {
			return s
		}
	}
	return ""
}

// printable keeps log text from steering the terminal it is shown on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if (r < 0x20 && r != '\t') || r == 0x7f || (r >= 0x80 && r < 0xa0) {
			return '\uFFFD'
		}
		return r
	}, s)
}
