// Package config is Oriel's one configuration file: strict YAML over defaults.
// A key that does nothing does not exist; secrets come by file.
//
//	c, err := config.Load(config.RoleUp, "oriel.yaml") // err lists every problem at once
//	c := config.Default(config.RoleUp)                 // no file needed
package config

import "time"

// Role is which process the configuration is for: defaults and demands differ.
type Role string

// The roles, named as their commands.
const (
	RoleUp      Role = "up"
	RoleCentral Role = "central"
	RoleAgent   Role = "agent"
)

// Config is the whole file. The doc tags are the text of docs/configuration.md,
// which a test keeps in line.
type Config struct {
	Cluster    Cluster    `yaml:"cluster" doc:"where this process runs; stamped on everything that comes in here without a cluster's credential"`
	Agent      Agent      `yaml:"agent" doc:"the way from an agent to central"`
	Kubernetes Kubernetes `yaml:"kubernetes" doc:"the Kubernetes API that is watched; oriel agent in a cluster needs none of it"`
	Scrape     Scrape     `yaml:"scrape" doc:"where metrics are fetched"`
	Tenancy    Tenancy    `yaml:"tenancy" doc:"who may join a tenant"`
	Auth       Auth       `yaml:"auth" doc:"who is calling"`
	Forward    Forward    `yaml:"forward" doc:"the Fluentd forward listener"`
	Journal    Journal    `yaml:"journal" doc:"systemd's journal: its listener, and where else it is read"`
	Logs       Logs       `yaml:"logs" doc:"the log store"`
	Metrics    Metrics    `yaml:"metrics" doc:"the metric store"`
	Limits     Limits     `yaml:"limits" doc:"what one tenant may use"`
	Grafana    Grafana    `yaml:"grafana" doc:"the Grafana whose organisations, data sources, dashboards and alerts are kept in line; none without a url"`
	ES         ES         `yaml:"es" doc:"the Elasticsearch API"`
	TLS        TLS        `yaml:"tls" doc:"TLS of the HTTP listeners; plain text without it"`
	Archive    Archive    `yaml:"archive" doc:"telemetry of namespaces that ended"`

	role  Role
	file  string
	lines map[string]int // by key, of what the file sets
}

// Cluster is what is stamped on data without a cluster's credential.
type Cluster struct {
	Name   string `yaml:"name" doc:"the cluster's name, 1 to 63 of a-z, 0-9 and '-'"`
	Region string `yaml:"region" doc:"the cluster's region, such as eu-central"`
	Cloud  string `yaml:"cloud" doc:"what kind of cloud it is, such as private or public"`
}

// Agent is an agent's side.
type Agent struct {
	Central Central `yaml:"central" doc:"where an agent sends what it has"`
}

// Central is how an agent reaches central.
type Central struct {
	URL       string `yaml:"url" doc:"central's HTTP listener, such as https://oriel.example:7480; an agent must have one"`
	TokenFile string `yaml:"token_file" doc:"file with a cluster's token (oriel token create --cluster)"`
	CAFile    string `yaml:"ca_file" doc:"PEM file of the authorities that may sign central's certificate; the system's without it"`
}

// Kubernetes is which cluster is watched, and by which annotations.
type Kubernetes struct {
	Kubeconfig       string `yaml:"kubeconfig" doc:"kubeconfig file of the cluster to watch; KUBECONFIG is never used silently, since Oriel writes on namespaces"`
	Context          string `yaml:"context" doc:"context in the kubeconfig file; its current one without it"`
	AnnotationPrefix string `yaml:"annotation_prefix" doc:"what the annotations of namespaces begin with"`

	Events         bool     `yaml:"events" doc:"keep the Events of owned namespaces, and of the cluster itself, as log records"`
	AuditTokenFile string   `yaml:"audit_token_file" doc:"file with the cluster's token that the API server's audit webhook shows to this agent; agent.central.token_file without it"`
	PodsKept       Duration `yaml:"pods_kept" doc:"how long a pod that is gone is remembered, so that its late logs have its labels; 50,000 of them at most"`
}

// Scrape is where metrics are fetched.
type Scrape struct {
	Interval Duration `yaml:"interval" doc:"time between two scrapes of a target"`
	Static   []Static `yaml:"static" doc:"targets that no discovery finds"`
	Kubelet  Kubelet  `yaml:"kubelet" doc:"the kubelets of the watched cluster: their own metrics and cAdvisor's"`

	Monitors    bool         `yaml:"monitors" doc:"follow PodMonitor and ServiceMonitor objects of owned namespaces, where the cluster has such"`
	HostNetwork bool         `yaml:"host_network" doc:"scrape pods that use their node's network, too: their address is the node's, and what listens there need not be theirs"`
	Limits      ScrapeLimits `yaml:"limits" doc:"what one target, and the targets of one namespace, may bring; who exceeds it fails alone, and reads why in oriel_scrape_failing"`
	State       KubeState    `yaml:"state" doc:"where the series of kube-state-metrics come from"`
	Federate    []Federate   `yaml:"federate" doc:"Prometheus servers that the cluster runs already: the series of owned namespaces are pulled from their /federate"`
}

// ScrapeLimits bound targets.
type ScrapeLimits struct {
	Targets         int   `yaml:"targets" doc:"targets of one namespace"`
	Samples         int   `yaml:"samples" doc:"samples of one scrape"`
	Body            Bytes `yaml:"body" doc:"bytes of one scrape, decompressed"`
	Labels          int   `yaml:"labels" doc:"labels of one series"`
	LabelNameBytes  int   `yaml:"label_name_bytes" doc:"bytes of a label's name"`
	LabelValueBytes int   `yaml:"label_value_bytes" doc:"bytes of a label's value"`
}

// KubeState is where the series of kube-state-metrics come from.
type KubeState struct {
	From      string `yaml:"from" doc:"auto (kube-state-metrics if it runs in the namespace below, else the agent's own watches), own (always the agent's own watches) or off"`
	Namespace string `yaml:"namespace" doc:"where kube-state-metrics is looked for; never in a namespace that a tenant owns, since it tells of everybody"`
}

// The values of KubeState.From.
const (
	StateAuto = "auto"
	StateOwn  = "own"
	StateOff  = "off"
)

// Federate is a Prometheus server that is pulled.
type Federate struct {
	URL       string   `yaml:"url" doc:"the server's base URL, such as http://prometheus.monitoring.svc:9090"`
	Job       string   `yaml:"job" doc:"value of the label job of what is told of the pull itself; federate without it"`
	Match     []string `yaml:"match" doc:"selectors that narrow what is pulled, such as {job=\"node\"}; everything of owned namespaces without it"`
	Interval  Duration `yaml:"interval" doc:"time between two pulls; scrape.interval without it"`
	TokenFile string   `yaml:"token_file" doc:"file with a bearer token"`
	CAFile    string   `yaml:"ca_file" doc:"PEM file of the authorities that may sign the server's certificate; the system's without it"`
}

// Static is a set of targets of one namespace.
type Static struct {
	Job       string            `yaml:"job" doc:"value of the label job"`
	Namespace string            `yaml:"namespace" doc:"namespace the targets belong to; its owner gets the samples"`
	Platform  bool              `yaml:"platform" doc:"a target of the operator's whose samples name their own namespaces, such as kube-state-metrics: each series goes to the owner of its namespace"`
	Targets   []string          `yaml:"targets" doc:"host:port of each target"`
	Path      string            `yaml:"path" doc:"path of the metrics; /metrics without it"`
	Scheme    string            `yaml:"scheme" doc:"http or https; http without it"`
	Labels    map[string]string `yaml:"labels" doc:"more labels, such as pod and container"`
}

// Kubelet is how kubelets are scraped.
type Kubelet struct {
	Enabled            bool   `yaml:"enabled" doc:"scrape every node's kubelet"`
	ThroughAPIServer   bool   `yaml:"through_api_server" doc:"go through the API server's node proxy instead of the node's own port"`
	TokenFile          string `yaml:"token_file" doc:"file with a token that may get nodes/metrics; the agent's own account's without it"`
	CAFile             string `yaml:"ca_file" doc:"PEM file of the authorities that sign the kubelets' certificates; the cluster's without it"`
	InsecureSkipVerify bool   `yaml:"insecure_skip_verify" doc:"do not check the kubelets' certificates: the samples may then be anybody's"`
}

// Tenancy is who may join a tenant beyond the first claim.
type Tenancy struct {
	Grants []Grant `yaml:"grants" doc:"namespaces that may join a tenant although their groups differ from the tenant's"`
}

// Grant lets namespaces join a tenant.
type Grant struct {
	Cluster   string `yaml:"cluster" doc:"the cluster's name, or * for all"`
	Namespace string `yaml:"namespace" doc:"the namespace's name; * stands for any run of characters, ? for one"`
	Tenant    string `yaml:"tenant" doc:"the tenant that they may join"`
}

// Auth is who is calling.
type Auth struct {
	Anonymous string `yaml:"anonymous" doc:"who a caller without a credential is: operator (from this machine alone) or none"`
}

// The values of Auth.Anonymous.
const (
	AnonymousOperator = "operator"
	AnonymousNone     = "none"
)

// Forward is the Fluentd forward listener.
type Forward struct {
	Keys           []ForwardKey `yaml:"keys" doc:"who may send, by shared key; without any and without clients, everybody on this machine, and nobody else"`
	Clients        []Client     `yaml:"clients" doc:"who may send, by the certificate that is shown; instead of keys"`
	TLS            ListenerTLS  `yaml:"tls" doc:"TLS of the forward listener; plain text without it"`
	FrameBytesMax  Bytes        `yaml:"frame_bytes_max" doc:"the largest message that is read; four of more than 4MiB are read at a time"`
	ConnectionsMax int          `yaml:"connections_max" doc:"connections at a time"`
	Socket         string       `yaml:"socket" doc:"path of a unix socket that is listened on, too; its owner and group may send (with keys: who has one)"`
}

// ListenerTLS is the certificate of one listener.
type ListenerTLS struct {
	CertFile     string `yaml:"cert_file" doc:"PEM file of the certificate with its chain"`
	KeyFile      string `yaml:"key_file" doc:"PEM file of the certificate's private key"`
	ClientCAFile string `yaml:"client_ca_file" doc:"PEM file of the authorities that sign clients' certificates; with it a client must show one"`
}

// Client is a sender that is known by its certificate, and what it writes: either a
// cluster or a tenant.
type Client struct {
	Name    string `yaml:"name" doc:"a DNS name of the certificate, or its subject's common name where it has none"`
	Cluster string `yaml:"cluster" doc:"the cluster whose data it sends; either this or tenant"`
	Region  string `yaml:"region" doc:"that cluster's region"`
	Cloud   string `yaml:"cloud" doc:"that cluster's cloud"`
	Tenant  string `yaml:"tenant" doc:"the tenant whose data it sends, whatever the records say; either this or cluster"`
}

// Journal is how systemd's journal comes in.
type Journal struct {
	Clients []Client      `yaml:"clients" doc:"who may upload, by the certificate that is shown; without any, everybody on this machine, and nobody else"`
	TLS     ListenerTLS   `yaml:"tls" doc:"TLS of the journal listener; plain text without it"`
	Local   JournalLocal  `yaml:"local" doc:"the journal of this machine, read by journalctl"`
	Pull    []JournalPull `yaml:"pull" doc:"journals of other machines, read from their systemd-journal-gatewayd; they are this cluster's"`
	Since   Duration      `yaml:"since" doc:"how far back a journal is read the first time, by local and pull"`
}

// JournalLocal is the journal of this machine.
type JournalLocal struct {
	Enabled   bool   `yaml:"enabled" doc:"read it; the user that Oriel runs as must be in the group systemd-journal"`
	Directory string `yaml:"directory" doc:"folder of the journal files, such as /host/var/log/journal in a container; journalctl's own choice without it"`
}

// JournalPull is one systemd-journal-gatewayd.
type JournalPull struct {
	URL      string `yaml:"url" doc:"such as http://node-1:19531"`
	CAFile   string `yaml:"ca_file" doc:"PEM file of the authorities that may sign its certificate; the system's without it"`
	CertFile string `yaml:"cert_file" doc:"PEM file of the certificate to show"`
	KeyFile  string `yaml:"key_file" doc:"PEM file of that certificate's private key"`
}

// ForwardKey is one credential of the forward protocol and what it writes:
// either a cluster or a tenant.
type ForwardKey struct {
	SharedKeyFile string `yaml:"shared_key_file" doc:"file with the shared key, as in shared_key of Fluentd's security section"`
	Username      string `yaml:"username" doc:"user name, where senders give one"`
	PasswordFile  string `yaml:"password_file" doc:"file with the user's password"`
	Cluster       string `yaml:"cluster" doc:"the cluster whose data it sends; either this or tenant"`
	Region        string `yaml:"region" doc:"that cluster's region"`
	Cloud         string `yaml:"cloud" doc:"that cluster's cloud"`
	Tenant        string `yaml:"tenant" doc:"the tenant whose data it sends, whatever the records say; either this or cluster"`
}

// Logs is the log store.
type Logs struct {
	Store          string   `yaml:"store" doc:"which store: embedded (in this process) or elastic (an Elasticsearch or OpenSearch cluster)"`
	Elastic        Elastic  `yaml:"elastic" doc:"the cluster of logs.store: elastic"`
	Durability     string   `yaml:"durability" doc:"what an acknowledgement means: sync (fsynced), interval (fsynced a little later: a power cut may lose the last moment) or none (the operating system's business); the elastic store only has sync"`
	Retention      Duration `yaml:"retention" doc:"how long records are kept where a tenant asks for nothing else"`
	RetentionMax   Duration `yaml:"retention_max" doc:"the longest retention that a tenant may ask for"`
	RecordBytesMax Bytes    `yaml:"record_bytes_max" doc:"the largest record that is taken"`

	Multiline Multiline `yaml:"multiline" doc:"lines of containers that come by forward and are one record: stack traces, and lines that a container's runtime cut"`

	Buffer       Bytes `yaml:"buffer" doc:"embedded store: memory that fresh records may take before they are written to a segment; up to three times as much while the disk cannot keep up"`
	SearchMemory Bytes `yaml:"search_memory" doc:"the most memory that one search may take"`
	Searches     int   `yaml:"searches" doc:"embedded store: how many searches run at a time, the others wait in turns; 0: twice the number of processors"`
}

// Elastic is the Elasticsearch or OpenSearch cluster that keeps the logs.
type Elastic struct {
	URLs         []string `yaml:"urls" doc:"base URLs of its nodes, such as https://es-1.example:9200; they are asked in turn"`
	User         string   `yaml:"user" doc:"the user's name; used with password_file"`
	PasswordFile string   `yaml:"password_file" doc:"file with that user's password"`
	CAFile       string   `yaml:"ca_file" doc:"PEM file of the authorities that may sign the nodes' certificates; the system's without it"`
	IndexPrefix  string   `yaml:"index_prefix" doc:"what the names of the indices begin with; one Oriel writes to the indices of a prefix at a time"`
	Shards       int      `yaml:"shards" doc:"shards of a tenant's index, when it is made"`
	Replicas     int      `yaml:"replicas" doc:"copies of each shard; with 0 a node's disk is the only one that has its records"`
	ScanRecords  int      `yaml:"scan_records" doc:"the most records that are read for a query that the engine cannot answer by itself; a query that needs more is refused"`
}

// Multiline is how lines of containers become one record.
type Multiline struct {
	Wait  Duration        `yaml:"wait" doc:"how long a batch that ends within a stack trace, or within a line that was cut, is held back unanswered for the rest; 0s joins within batches alone"`
	Lines int             `yaml:"lines" doc:"the most lines of one record"`
	Bytes Bytes           `yaml:"bytes" doc:"the most bytes of one record that is joined"`
	Rules []MultilineRule `yaml:"rules" doc:"rules beside those for the traces of Java, .NET, Node, Python and Go"`
}

// MultilineRule says which lines of which containers belong together.
type MultilineRule struct {
	Namespace string `yaml:"namespace" doc:"whose lines; * stands for any run of characters, ? for one; all without it"`
	Container string `yaml:"container" doc:"of which containers; all without it"`
	Start     string `yaml:"start" doc:"regular expression (RE2) of a line that begins a record, such as ^\\d{4}-"`
	Continue  string `yaml:"continue" doc:"regular expression of the lines that go on with it; without it all lines up to the next start do"`
}

// The values of Logs.Durability.
const (
	DurabilitySync     = "sync"
	DurabilityInterval = "interval"
	DurabilityNone     = "none"
)

// The values of Logs.Store; of Metrics.Store there is the first.
const (
	StoreEmbedded = "embedded" // in this process
	StoreElastic  = "elastic"
)

// Metrics is the metric store.
type Metrics struct {
	Store        string   `yaml:"store" doc:"which store: embedded"`
	Retention    Duration `yaml:"retention" doc:"how long samples are kept where a tenant asks for nothing else"`
	RetentionMax Duration `yaml:"retention_max" doc:"the longest retention that a tenant may ask for"`
	OutOfOrder   Duration `yaml:"out_of_order" doc:"how much older than the newest sample of its series a sample may be; 0s takes none"`
	CatchUp      Duration `yaml:"catch_up" doc:"how much older than the tenant's newest sample one may be that comes late, such as what an agent kept while it was cut off; the larger of this and out_of_order counts, and the retention if that is less"`
	QueryLog     string   `yaml:"query_log" doc:"file that gets a line of JSON for every query of PromQL; it is only ever added to"`
}

// Limits is what one tenant may use: what it gets, and the most it may ask for.
type Limits struct {
	Series    int  `yaml:"series" doc:"active series of a tenant that asks for nothing else"`
	SeriesMax int  `yaml:"series_max" doc:"the most active series that a tenant may ask for"`
	Logs      Rate `yaml:"logs" doc:"log bytes a second of a tenant that asks for nothing else"`
	LogsMax   Rate `yaml:"logs_max" doc:"the most log bytes a second that a tenant may ask for"`

	LogStreams int `yaml:"log_streams" doc:"log streams that a tenant has open, which are the indices, namespaces and containers that had a record within the last hour; records of further ones are refused"`

	Samples      int      `yaml:"samples" doc:"samples a second that a tenant may send; more are put off with 429"`
	Labels       int      `yaml:"labels" doc:"labels of one series"`
	LabelLength  Bytes    `yaml:"label_length" doc:"the longest value of a label; a name is 1KiB at most"`
	Queries      int      `yaml:"queries" doc:"queries of PromQL of one tenant at a time; more wait, and many more get 429"`
	QuerySamples int      `yaml:"query_samples" doc:"samples that one query may hold in memory at a time, of 16 bytes each"`
	QueryTime    Duration `yaml:"query_time" doc:"how long one query of PromQL, and one search of logs, may take"`
}

// Grafana is the Grafana that is provisioned.
type Grafana struct {
	URL          string `yaml:"url" doc:"Grafana's base URL, such as https://grafana.example"`
	User         string `yaml:"user" doc:"a server admin's name; used with password_file"`
	PasswordFile string `yaml:"password_file" doc:"file with that user's password"`
	TokenFile    string `yaml:"token_file" doc:"file with a service account's token; enough for isolation folder"`
	OrielURL     string `yaml:"oriel_url" doc:"where Grafana and people find this Oriel's HTTP listener, such as https://oriel.example; the listener's own address without it"`
	Isolation    string `yaml:"isolation" doc:"org (an organisation for each tenant: isolates) or folder (a folder for each tenant: isolates dashboards only)"`
	Requests     int    `yaml:"requests" doc:"requests a second that Grafana is asked at most; a round over 2,000 windows that are right takes 20,000"`
}

// The values of Grafana.Isolation.
const (
	IsolationOrg    = "org"
	IsolationFolder = "folder"
)

// ES is the Elasticsearch API.
type ES struct {
	Version        string `yaml:"version" doc:"the version that clients are told"`
	PublishAddress string `yaml:"publish_address" doc:"host:port that sniffing clients are told; the request's own host without it"`
	BodyBytesMax   Bytes  `yaml:"body_bytes_max" doc:"the largest body of a request that is taken, unpacked; of searches 16MiB at most"`
	AnswersMemory  Bytes  `yaml:"answers_memory" doc:"the most memory that all answers may take together until they are sent, beyond which 429 is answered; 0: four times logs.search_memory"`
}

// TLS is the certificate of the HTTP listeners.
type TLS struct {
	CertFile     string `yaml:"cert_file" doc:"PEM file of the certificate with its chain"`
	KeyFile      string `yaml:"key_file" doc:"PEM file of the certificate's private key"`
	ClientCAFile string `yaml:"client_ca_file" doc:"PEM file of the authorities that sign clients' certificates; with it a client must show one"`
}

// Archive is what becomes of ended namespaces' telemetry.
type Archive struct {
	Keep Duration `yaml:"keep" doc:"how long sealed telemetry is kept"`
}

const day = 24 * time.Hour

// Default gives the configuration of a role without a file.
func Default(role Role) *Config {
	c := &Config{
		Cluster:    Cluster{Name: "local"},
		Kubernetes: Kubernetes{AnnotationPrefix: "oriel/", Events: true, PodsKept: Duration(6 * time.Hour)},
		Scrape: Scrape{
			Interval: Duration(15 * time.Second), Monitors: true,
			Limits: ScrapeLimits{Targets: 1000, Samples: 50_000, Body: 50 << 20, Labels: 64, LabelNameBytes: 256, LabelValueBytes: 4096},
			State:  KubeState{From: StateAuto, Namespace: "kube-system"},
		},
		Auth:    Auth{Anonymous: AnonymousNone},
		Forward: Forward{FrameBytesMax: 64 << 20, ConnectionsMax: 10_000},
		Journal: Journal{Since: Duration(day)},
		Logs: Logs{
			Multiline: Multiline{Wait: Duration(time.Second), Lines: 500, Bytes: 256 << 10},
			Store:     StoreEmbedded, Durability: DurabilitySync,
			Elastic:   Elastic{IndexPrefix: "oriel", Shards: 1, Replicas: 1, ScanRecords: 1_000_000},
			Retention: Duration(7 * day), RetentionMax: Duration(90 * day), RecordBytesMax: 1 << 20,
			Buffer: 32 << 20, SearchMemory: 256 << 20,
		},
		Metrics: Metrics{
			Store:     StoreEmbedded,
			Retention: Duration(30 * day), RetentionMax: Duration(400 * day), OutOfOrder: Duration(10 * time.Minute), CatchUp: Duration(day),
		},
		Limits: Limits{
			Series: 100_000, SeriesMax: 1_000_000, Logs: 10_000_000, LogsMax: 100_000_000, LogStreams: 5000,
			Samples: 100_000, Labels: 64, LabelLength: 4 << 10,
			Queries: 10, QuerySamples: 50_000_000, QueryTime: Duration(2 * time.Minute),
		},
		Grafana: Grafana{User: "admin", Isolation: IsolationOrg, Requests: 40},
		ES:      ES{Version: "8.19.0", BodyBytesMax: 100 << 20},
		Archive: Archive{Keep: Duration(7 * day)},
		role:    role,
		file:    "configuration",
	}
	if role == RoleUp {
		c.Auth.Anonymous = AnonymousOperator
	}
	return c
}

// Role tells which process the configuration is for.
func (c *Config) Role() Role { return c.role }
