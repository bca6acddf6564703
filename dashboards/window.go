// Package dashboards makes a tenant's window in Grafana: its organisation or
// folder, a pair of data sources (Prometheus and Elasticsearch, both pointing at
// Oriel with a read token of that tenant) and dashboards over them.
//
//	w := dashboards.Render(dashboards.Input{Tenant: t, GatewayURL: "http://oriel:7480"})
//
// Render is pure. The Reconciler keeps a Target (a Grafana over HTTP, or files
// for Grafana's own provisioning) in line with it: what is missing is made, what
// a tenant's people changed is copied and then mended, what is not ours is never
// touched, and what belongs to a tenant that is gone is removed.
package dashboards

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/oriel-project/oriel/tenant"
)

// Isolation says what keeps tenants apart in Grafana.
type Isolation string

// The isolations. Only ByOrg isolates data; see HonestSentence.
const (
	ByOrg    Isolation = "org"    // an organisation a tenant
	ByFolder Isolation = "folder" // a folder and a team a tenant, in one organisation
	ByFiles  Isolation = "files"  // a directory of files a tenant, for Grafana's file provisioning
)

// HonestSentence is what README, start-up log and page say where the isolation
// is not ByOrg.
const HonestSentence = "Folder isolation and file provisioning isolate dashboards only: every user of that Grafana organisation can query every data source in it, other tenants' included."

// UIDLenMax is the longest uid Grafana takes, in characters.
const UIDLenMax = 40

// Names are what the objects of one tenant are called, in every Target. They
// follow from the tenant's ID alone, so that they can be found and removed when
// nothing else is known of the tenant.
type Names struct {
	Tenant tenant.ID
	// Prefix begins every uid of the tenant: "oriel-" and 20 hex digits of the
	// SHA-256 of its ID.
	Prefix      string
	Org         string // name of the organisation (ByOrg)
	Team        string // name of the team (ByFolder)
	Folder      string // uid of the folder
	FolderTitle string
	Metrics     string // uid of the Prometheus data source
	Logs        string // uid of the Elasticsearch data source
}

// NamesOf gives the names of a tenant.
func NamesOf(id tenant.ID) Names {
	sum := sha256.Sum256([]byte(id))
	p := "oriel-" + hex.EncodeToString(sum[:10])
	return Names{
		Tenant:      id,
		Prefix:      p,
		Org:         "oriel: " + string(id),
		Team:        "oriel: " + string(id),
		Folder:      p,
		FolderTitle: string(id),
		Metrics:     p + "-m",
		Logs:        p + "-l",
	}
}

// Board gives the uid of a dashboard by its key, such as "overview".
func (n Names) Board(key string) string { return n.Prefix + "-" + key }

// Dashboards are the uids of all the tenant's dashboards, the overview first.
func (n Names) Dashboards() []string {
	out := Keys()
	for i, k := range out {
		out[i] = n.Board(k)
	}
	return out
}

// Owns reports whether a dashboard's uid is one that Oriel gives for the tenant.
// A copy made of somebody's edits is not: it is theirs.
func (n Names) Owns(uid string) bool {
	rest, ok := strings.CutPrefix(uid, n.Prefix+"-")
	return ok && !strings.HasPrefix(rest, copyInfix)
}

// Window is all that a tenant has in Grafana.
type Window struct {
	Names
	Sources []DataSource
	Boards  []Dashboard
	Rules   []Rule // the whole of the group RuleGroup
	// Fresh: it was never whole, somebody waits for it. Render leaves it out.
	Fresh bool
}

// DataSource is one data source, without its secret.
type DataSource struct {
	UID      string
	Name     string // unique in the organisation
	Type     string // prometheus or elasticsearch
	URL      string
	Default  bool
	JSONData map[string]any // plain JSON values
}

// The marks in a data source's jsonData by which Oriel knows its own.
const (
	MarkTenant = "orielTenant" // the tenant's ID
	MarkToken  = "orielToken"  // ID of the read token that is in the secret; not a secret
)

// Dashboard is one dashboard in classic JSON, with a mark in "oriel" (tenant and
// hash of the rest) and the tag Tag.
type Dashboard struct {
	Key   string // ends its uid: overview, workloads, ...; "" of a copy
	UID   string
	Title string
	JSON  []byte
	// Was is the JSON that was written last, nil where that is not known. A
	// Target tells by it whether somebody edited the dashboard; Render leaves it out.
	Was []byte
}

// Tag is on every dashboard that Oriel keeps; CopyTag on the copies of edits,
// which are left alone.
const (
	Tag     = "oriel"
	CopyTag = "oriel-copy"
)

// Input is what a window depends on.
type Input struct {
	Tenant    tenant.Tenant
	Isolation Isolation // "" means ByOrg
	// GatewayURL is where Grafana reaches Oriel, such as http://oriel:7480.
	GatewayURL string
	// PageURL is where people reach Oriel's own page; "" leaves the link out.
	PageURL string
	// Metrics are the names of the metrics the tenant has; nil: not known, and
	// the queries ask for every name there may be.
	Metrics []string
	// Own are the metrics of the tenant's own programs among them.
	Own []Metric
	// ScrapeInterval as Grafana spells it, such as "15s" (the default).
	ScrapeInterval string
}

// Render gives the window of a tenant. It depends on nothing but its input.
func Render(in Input) Window {
	n := NamesOf(in.Tenant.ID)
	return Window{Names: n, Sources: sources(n, in), Boards: tenantBoards(n, in), Rules: rules(n)}
}

// sources are the two data sources of a window.
func sources(n Names, in Input) []DataSource {
	gateway := strings.TrimRight(in.GatewayURL, "/")
	interval := in.ScrapeInterval
	if interval == "" {
		interval = "15s"
	}
	return []DataSource{
		{
			UID:     n.Metrics,
			Name:    "oriel " + string(n.Tenant) + " metrics",
			Type:    typePrometheus,
			URL:     gateway,
			Default: in.Isolation == ByOrg || in.Isolation == "",
			JSONData: map[string]any{
				"httpMethod":                  "POST",
				"timeInterval":                interval,
				"prometheusType":              "Prometheus",
				"prometheusVersion":           "3.0.0",
				"manageAlerts":                false,
				"allowAsRecordingRulesTarget": false,
				"httpHeaderName1":             "Authorization",
				MarkTenant:                    string(n.Tenant),
			},
		},
		{
			UID:  n.Logs,
			Name: "oriel " + string(n.Tenant) + " logs",
			Type: typeElasticsearch,
			URL:  gateway + "/es",
			JSONData: map[string]any{
				// The token decides whose indices these are, not the pattern: a
				// tenant's indices under names of its own belong to it, too.
				"index":                      "*",
				"timeField":                  "@timestamp",
				"logMessageField":            "message",
				"logLevelField":              "level",
				"maxConcurrentShardRequests": float64(5),
				"httpHeaderName1":            "Authorization",
				MarkTenant:                   string(n.Tenant),
			},
		},
	}
}

const (
	typePrometheus    = "prometheus"
	typeElasticsearch = "elasticsearch"
)
