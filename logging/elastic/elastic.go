// Package elastic keeps logs in an Elasticsearch or OpenSearch cluster, for
// those who outgrow one machine. It answers as every other store does (see
// logging.Filter and logging/mem): the engine's own ways of comparing are not
// used, but terms that are made here, so that a query means the same whoever
// keeps the records.
//
//	s, err := elastic.Open(elastic.Options{URLs: []string{"https://es.example:9200"}, Prefix: "oriel"})
//	go s.Run(ctx) // retention
//	results, err := s.Append(ctx, w, batch)
//
// Every tenant has an index of its own, prefix.tenant, and every query names
// the indices of the scope's tenants and filters by tenant, too. One Oriel
// writes to the indices of a prefix at a time.
package elastic

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	_ "embed"
	"fmt"
	"iter"
	"net/http"
	"regexp"
	"sync"
	"time"

	es "github.com/olivere/elastic/v7"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

var (
	_ logging.Store    = (*Store)(nil)
	_ logging.Repeater = (*Store)(nil)
)

// Options configure a Store.
type Options struct {
	URLs     []string // of nodes; which one is asked goes round
	User     string   // "": no credential is sent
	Password string
	RootCAs  *x509.CertPool // who may sign the nodes' certificates; nil: the system's

	Prefix   string // what the names of the indices begin with; see PrefixPattern
	Shards   int    // of each index, when it is made; 0: 1
	Replicas int    // copies of each shard

	// ScanMax is how many records are read for one query where the engine cannot
	// answer it by itself; 0: 1,000,000.
	ScanMax int
	// SearchMemoryMax bounds the memory of one search; 0: as logging has it.
	SearchMemoryMax int64
	// InFlightBytesMax bounds what is being written to the engine; 0: 64 MiB.
	InFlightBytesMax int64

	// Retention says how long a tenant's records show. nil or 0: for ever.
	Retention func(tenant.ID) time.Duration
	// Namespaces gives the namespaces of a tenant whose records are kept for a
	// shorter time than the tenant's others. nil: none.
	Namespaces func(tenant.ID) []NamespaceRetention

	OnEvent    func(Event) // nil: nobody hears
	Clock      clock.Clock // nil: the machine's
	Registerer prometheus.Registerer
	Transport  http.RoundTripper // nil: one of its own; tests cut it
}

// NamespaceRetention says how long the records of one namespace show.
type NamespaceRetention struct {
	Cluster, Namespace string
	Keep               time.Duration // above 0
}

// PrefixPattern is what a prefix must fit: the engine's rules for names of indices.
var PrefixPattern = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// Store is a log store in a cluster. Safe for concurrent use.
type Store struct {
	opts   Options
	client *es.Client
	http   *http.Client
	m      *metrics
	tails  logging.Tails
	seqs   seqs
	room   *semaphore.Weighted // bytes being written

	mu      sync.Mutex // guards what follows
	closed  bool
	ready   bool // the cluster has been prepared
	pits    pitAPI
	failing bool // the last request found no engine
	tenants map[tenant.ID]*indexState

	preparing sync.Mutex // held by who prepares
}

// indexState is what is known of a tenant's index.
type indexState struct {
	mu sync.Mutex // held while the index is refreshed, made or removed

	// Guarded by Store.mu:
	made      bool
	written   uint64 // counts writes
	refreshed uint64 // what of them searches see
}

// Open makes a store. It does not ask the cluster for anything: that is done
// when it is needed, and again until it answers.
func Open(o Options) (*Store, error) {
	if len(o.URLs) == 0 || !PrefixPattern.MatchString(o.Prefix) {
		return nil, fmt.Errorf("open the log store of a cluster: %d URLs and prefix %q: want at least one, and a prefix that fits %s", len(o.URLs), o.Prefix, PrefixPattern)
	}
	o.Shards = max(o.Shards, 1)
	if o.ScanMax == 0 {
		o.ScanMax = 1_000_000
	}
	if o.InFlightBytesMax == 0 {
		o.InFlightBytesMax = 64 << 20
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.OnEvent == nil {
		o.OnEvent = func(Event) {}
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 64
		t.TLSClientConfig = &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}
		o.Transport = t
	}
	s := &Store{opts: o, http: &http.Client{Transport: o.Transport}, tenants: map[tenant.ID]*indexState{}, room: semaphore.NewWeighted(o.InFlightBytesMax)}
	set := []es.ClientOptionFunc{
		es.SetURL(o.URLs...), es.SetHttpClient(s.http),
		// What the nodes call themselves need not be how they are reached; and a
		// cluster that is down now is asked again at the next request.
		es.SetSniff(false), es.SetHealthcheck(false),
	}
	if o.User != "" {
		set = append(set, es.SetBasicAuth(o.User, o.Password))
	}
	var err error
	if s.client, err = es.NewClient(set...); err != nil {
		return nil, fmt.Errorf("open the log store of a cluster: %w", err)
	}
	s.m, err = newMetrics(o.Registerer)
	return s, err
}

// Close implements logging.Store. Open views go on.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.tails.Close(logging.ErrUnavailable)
	s.client.Stop()
	s.http.CloseIdleConnections()
	return nil
}

// Tail implements logging.Searcher: what this process writes.
func (s *Store) Tail(ctx context.Context, r tenant.Read, f logging.Filter) iter.Seq2[logging.Record, error] {
	return s.tails.Follow(ctx, r, f)
}
