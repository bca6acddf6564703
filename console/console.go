// Package console is Oriel's own page: the caller's tenants at /, one tenant's
// charts and log lines as they come in at /t/{tenant}/, and its dashboards, drawn
// from the JSON that goes to Grafana, at /t/{tenant}/d/{dashboard}. It needs no script to show what is there, and with one it
// moves. It loads nothing from anywhere else. /series says what the active series
// consist of.
//
//	api := console.New(console.Options{Directory: reg, Searcher: logs, Onboarding: loop.Stages})
//
// The page's script reads the tenant's own APIs, /t/{tenant}/api/v1 and
// /t/{tenant}/es, so it sees what the caller sees and no more.
package console

import (
	"bytes"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/metrics"
	"github.com/oriel-project/oriel/tenant"
)

//go:embed assets pages
var files embed.FS

// Rate is what a tenant sends in, per second.
type Rate struct{ Samples, Records, LogBytes float64 }

// Options of the page. Directory and Searcher are needed.
type Options struct {
	Directory tenant.Directory
	Searcher  logging.Searcher
	// Rates gives what tenants send in; a tenant may be missing. Nil: not shown.
	Rates func() map[tenant.ID]Rate
	// Cardinality counts what the active series of a scope consist of. Nil: the page
	// /series is empty.
	Cardinality func(ctx context.Context, r tenant.Read, limit int) (metrics.Cardinality, error)
	// Onboarding says how far a tenant's window is: the seconds each finished
	// stage took, and the stages that are missing. Nil: all done.
	Onboarding func(tenant.ID) (seconds map[string]float64, missing []string)
	// Boards gives a tenant's dashboards as they are now. Nil: there are none.
	Boards func(context.Context, tenant.ID) []dashboards.Dashboard
	// Receipt says what a tenant got and what it lacks, as far as the scope sees
	// it. Nil: not shown.
	Receipt func(context.Context, tenant.Read, tenant.ID) dashboards.Receipt
	// Moments gives what happened to the workloads of the scope's tenants between
	// two times, in the order of time. Nil: nothing.
	Moments func(ctx context.Context, r tenant.Read, from, to time.Time) ([]dashboards.Moment, error)
	// Notices are what every caller of / should know of this installation, one
	// sentence each.
	Notices []string
	Version string
	Logger  *slog.Logger // nil: silent
	Clock   clock.Clock
}

type console struct {
	opts   Options
	pages  *template.Template
	assets fs.FS
	hash   string // of the assets: part of their path, so that caches hold them for ever
}

// New makes the page.
func New(o Options) httpx.API {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	c := &console{opts: o, pages: template.Must(template.ParseFS(files, "pages/*.html"))}
	var err error
	if c.assets, err = fs.Sub(files, "assets"); err != nil {
		panic(err) // the files are in the binary
	}
	c.hash = hashOf(c.assets)
	m := httpx.NewMux(c.error)
	get := []string{http.MethodGet, http.MethodHead}
	m.Handle(httpx.Route{Methods: get, Pattern: "/{$}", Access: httpx.Read}, c.root)
	m.Handle(httpx.Route{Methods: get, Pattern: "/series", Access: httpx.Read}, c.series)
	m.Handle(httpx.Route{Methods: get, Pattern: "/moments", Access: httpx.Read}, c.moments)
	m.Handle(httpx.Route{Methods: get, Pattern: "/d/{key}", Access: httpx.Read}, c.dashboard)
	m.Handle(httpx.Route{Methods: get, Pattern: "/d/{key}/model", Access: httpx.Read}, c.model)
	// The assets are the same for everybody and in everybody's copy of Oriel.
	m.Handle(httpx.Route{Methods: get, Pattern: "/assets/{hash}/{name}", Access: httpx.Open}, c.asset)
	return m
}

func hashOf(assets fs.FS) string {
	h := sha256.New()
	err := fs.WalkDir(assets, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(assets, name)
		h.Write(data)
		return err
	})
	if err != nil {
		panic(err)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

func (c *console) root(w http.ResponseWriter, r *http.Request) {
	if id, ok := tenant.NamedFrom(r.Context()); ok {
		c.tenant(w, r, id)
		return
	}
	c.tenants(w, r)
}

func (c *console) asset(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	data, err := fs.ReadFile(c.assets, name)
	if err != nil {
		c.error(w, r, http.StatusNotFound, "no such page or endpoint: "+r.URL.Path)
		return
	}
	h := w.Header()
	h.Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache")
	if r.PathValue("hash") == c.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(data) // whoever went away needs no answer
}

// base is what every page needs.
type base struct {
	Title   string
	Assets  string // path of the assets, relative to the page
	Version string
}

func (c *console) base(title string) base {
	return base{Title: title, Assets: "assets/" + c.hash, Version: c.opts.Version}
}

// policy lets a page load from its own origin and run no script that stands in
// it: log lines are hostile text.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (c *console) render(w http.ResponseWriter, status int, page string, data any) {
	var b bytes.Buffer
	if err := c.pages.ExecuteTemplate(&b, page, data); err != nil {
		c.opts.Logger.Error("page_failed", "page", page, "err", err)
		http.Error(w, "the page could not be written; Oriel's log has the reason", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // whoever went away needs no answer
}

// error writes a page with one sentence. It loads nothing: where it appears,
// relative paths mean nothing.
func (c *console) error(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	c.render(w, status, "error.html", struct {
		Status int
		Text   string
		Reason string
	}{status, http.StatusText(status), reason})
}
