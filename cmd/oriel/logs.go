package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
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
	// The stream is opened first, so that nothing falls between the two.
	var live *follower
	if o.follow {
		live = &follower{hc: &http.Client{Transport: hc.Transport}, url: base + "/api/v1/logs/tail", query: o.query, print: print, seen: map[string]bool{}}
		if err := live.open(ctx); err != nil {
			return searchError(g.url, err)
		}
		defer live.close()
	}
	q := elastic.NewBoolQuery()
	if o.query != "" {
		q.Filter(elastic.NewQueryStringQuery(o.query))
	}
	q.Filter(elastic.NewRangeQuery("@timestamp").Gte(time.Now().Add(-o.since).UnixMilli()).Format("epoch_millis"))
	res, err := es.Search().Query(q).Sort("@timestamp", false).Sort("_doc", false).Size(o.limit).Do(ctx)
	if err != nil {
		return searchError(g.url, err)
	}
	for _, h := range slices.Backward(res.Hits.Hits) {
		if err := print(h.Source); err != nil {
			return err
		}
		if live != nil {
			live.seen[h.Index+"/"+h.Id] = true
		}
	}
	if live == nil {
		return nil
	}
	if err := live.run(ctx); err != nil {
		return searchError(g.url, err)
	}
	return nil
}

// follower prints what /api/v1/logs/tail tells.
type follower struct {
	hc    *http.Client
	url   string
	query string
	print func(json.RawMessage) error
	seen  map[string]bool // index and id of what was printed before the stream was read
	after string          // seq of the last record of the stream; "": not known
	body  io.ReadCloser
}

// open begins the stream, behind what was printed.
func (f *follower) open(ctx context.Context) error {
	q := url.Values{}
	if f.query != "" {
		q.Set("query", f.query)
	}
	if f.after != "" {
		q.Set("after", f.after)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.url+"?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	res, err := f.hc.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		var body struct{ Error string }
		_ = json.NewDecoder(io.LimitReader(res.Body, 64<<10)).Decode(&body) // without a reason the status says enough
		return &elastic.Error{Status: res.StatusCode, Details: &elastic.ErrorDetails{Reason: body.Error}}
	}
	f.body = res.Body
	f.after = res.Header.Get("Oriel-After")
	return nil
}

func (f *follower) close() { _ = f.body.Close() }

// run prints until ctx ends. Where the stream ends, as it does when Oriel is
// restarted, it is opened again behind what was printed.
func (f *follower) run(ctx context.Context) error {
	for {
		lines := bufio.NewReaderSize(f.body, 64<<10)
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil {
				break
			}
			if len(line) == 1 {
				continue
			}
			var rec struct {
				Seq       json.Number
				Index, ID string
				Source    json.RawMessage
			}
			if err := json.Unmarshal(line, &rec); err != nil {
				return fmt.Errorf("read the stream of %s: %w", f.url, err)
			}
			if !f.seen[rec.Index+"/"+rec.ID] {
				if err := f.print(rec.Source); err != nil {
					return err
				}
			}
			f.after = rec.Seq.String()
		}
		f.close()
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Second):
		}
		if err := f.open(ctx); err != nil {
			return err
		}
	}
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
