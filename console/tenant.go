package console

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

const (
	firstLines    = 100      // on the page before the script takes over
	lineBytesMax  = 4 << 10  // of a message on the page
	sourceByteMax = 16 << 10 // of a document on the page
)

// chart is an empty frame that the script fills.
type chart struct{ Key, Title string }

// line is one log record.
type line struct {
	Time    time.Time
	Level   string
	From    string // namespace/pod
	Message string
	Source  string
}

// Clock is the time of day, and Stamp the whole of it, both in UTC.
func (l line) Clock() string { return l.Time.UTC().Format("15:04:05.000") }

// Stamp is for machines and for the tooltip.
func (l line) Stamp() string { return l.Time.UTC().Format(time.RFC3339Nano) }

func (c *console) tenant(w http.ResponseWriter, r *http.Request, id tenant.ID) {
	t, ok := c.opts.Directory.Lookup(id)
	if !ok || !tenant.ReadFrom(r.Context()).Includes(id) {
		c.error(w, r, http.StatusNotFound, "no such tenant, or not one of yours")
		return
	}
	lines, err := c.newest(r.Context(), tenant.ReadFrom(r.Context()).Narrow(id))
	trouble := ""
	if err != nil {
		c.opts.Logger.Error("log_lines_failed", "tenant", string(id), "err", err)
		trouble = "The log store does not answer for now."
	}
	c.render(w, http.StatusOK, "tenant.html", struct {
		base
		ID       tenant.ID
		Clusters []cluster
		State    state
		Tabs     []tab
		Charts   []chart
		Lines    []line
		Trouble  string
		Missing  []dashboards.Check
	}{
		c.base(string(id)), id, clusters(t), c.state(id), c.tabs("./", ""),
		[]chart{
			{"requests", "Requests"}, {"errors", "Error ratio"}, {"latency", "Latency"},
			{"cpu", "CPU cores"}, {"memory", "Memory"}, {"logs", "Log records"},
		},
		lines, trouble, c.missing(r.Context(), id),
	})
}

// missing gives what the tenant is known to lack.
func (c *console) missing(ctx context.Context, id tenant.ID) []dashboards.Check {
	if c.opts.Receipt == nil {
		return nil
	}
	checks := c.opts.Receipt(ctx, tenant.ReadFrom(ctx).Narrow(id), id).Checks
	return slices.DeleteFunc(checks, func(k dashboards.Check) bool { return k.State != dashboards.CheckMissing })
}

// newest gives the scope's last log lines, newest first.
func (c *console) newest(ctx context.Context, scope tenant.Read) ([]line, error) {
	view, err := c.opts.Searcher.Snapshot(ctx, scope)
	if err != nil {
		return nil, err
	}
	defer view.Close()
	res, err := view.Search(ctx, logging.Query{
		Sort:     []logging.SortKey{{Field: logging.Field{Name: logging.FieldTime}, Desc: true}},
		Limit:    firstLines,
		TotalMax: -1,
	})
	if err != nil {
		return nil, err
	}
	lines := make([]line, 0, len(res.Hits))
	for _, h := range res.Hits {
		rec := h.Record
		l := line{
			Time: rec.Time, Level: rec.Level, From: strings.Trim(rec.Namespace+"/"+rec.Pod, "/"),
			Message: clip(rec.Message, lineBytesMax), Source: clip(string(rec.Source), sourceByteMax),
		}
		if l.Message == "" {
			l.Message = clip(l.Source, lineBytesMax)
		}
		lines = append(lines, l)
	}
	return lines, nil
}

func clip(s string, bytesMax int) string {
	if len(s) > bytesMax {
		return strings.ToValidUTF8(s[:bytesMax], "") + "…"
	}
	return s
}
