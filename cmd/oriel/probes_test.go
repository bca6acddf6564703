package main

const (
	everySeries = "%7B__name__%3D~%22.%2B%22%7D" // {__name__=~".+"}
	everyDoc    = `{"query":{"match_all":{}},"size":100,"aggs":{"n":{"terms":{"field":"namespace"}}}}`
	everyBody   = `{"ignore_unavailable":true,"index":"logs-east-NAME-s3cr3t","search_type":"query_then_fetch"}` + "\n" +
		`{"size":50,"query":{"bool":{"filter":{"query_string":{"query":"*"}}}},"aggs":{"1":{"terms":{"field":"namespace"}}}}` + "\n" +
		`{"index":"*"}` + "\n" + `{"size":50}` + "\n"
	plant = `{"create":{"_index":"logs-east-NAME-s3cr3t"}}` + "\n" +
		`{"message":"planted","namespace":"NAME-s3cr3t","kubernetes":{"namespace_name":"NAME-s3cr3t"},"tenant":"NAME"}` + "\n"
)

func get(target string) probe { return probe{method: "GET", target: target} }

func send(method, target, contentType, body string) probe {
	return probe{method: method, target: target, body: body, contentType: contentType}
}

func post(target, body string) probe { return send("POST", target, "application/json", body) }

// form has one value in the URL and another one in the body.
func form(target, body string) probe {
	return send("POST", target, "application/x-www-form-urlencoded", body)
}

// both is a search, by GET and by POST with a body.
func both(target, body string) []probe { return []probe{get(target), post(target, body)} }

// probes has a row for every route of the gateway, by its String. Each request
// is sent with every method of the route, as it is, below /t/NAME, and with
// X-Scope-OrgID: NAME.
var probes = map[string][]probe{
	"GET,HEAD /metrics":   {get("/metrics")},
	"GET,HEAD /-/healthy": {get("/-/healthy")},
	"GET,HEAD /-/ready":   {get("/-/ready")},

	"GET,POST,OPTIONS /api/v1/query": {
		get("/api/v1/query?query=" + everySeries),
		get("/api/v1/query?query=s3cr3t_requests_total"),
		get("/api/v1/query?query=absent(s3cr3t_requests_total%7Bnamespace%3D%22NAME-s3cr3t%22%7D)"),
		get("/api/v1/query?query=topk(scalar(s3cr3t_requests_total),%7B__name__%3D~%22.%2B%22%7D)&stats=all"),
		form("/api/v1/query?query=1", "query="+everySeries),
		form("/api/v1/query?tenant=NAME", "query="+everySeries+"&extra_label=tenant%3DNAME"),
	},
	"GET,POST,OPTIONS /api/v1/query_range": {
		get("/api/v1/query_range?query=count(" + everySeries + ")by(namespace)&start=0&end=99999999999&step=86400000"),
		form("/api/v1/query_range", "query="+everySeries+"&start=1&end=2&step=1"),
	},
	"GET,POST,OPTIONS /api/v1/query_exemplars": {get("/api/v1/query_exemplars?query=s3cr3t_requests_total&start=0&end=99999999999")},
	"GET,POST,OPTIONS /api/v1/format_query":    {get("/api/v1/format_query?query=up")},
	"GET,POST,OPTIONS /api/v1/parse_query":     {get("/api/v1/parse_query?query=up")},
	"GET,POST,OPTIONS /api/v1/labels":          {get("/api/v1/labels"), get("/api/v1/labels?match[]=" + everySeries)},
	"GET,POST,OPTIONS /api/v1/series": {
		get("/api/v1/series?match[]=" + everySeries), get("/api/v1/series"),
		form("/api/v1/series?match[]=up", "match[]="+everySeries),
	},
	"GET,OPTIONS /api/v1/label/{name}/values": {
		get("/api/v1/label/namespace/values"), get("/api/v1/label/__name__/values"), get("/api/v1/label/U__namespace/values"),
	},
	"GET,OPTIONS /api/v1/status/buildinfo": {get("/api/v1/status/buildinfo")},
	"GET,OPTIONS /api/v1/rules":            {get("/api/v1/rules")},
	"GET,HEAD /series":                     {get("/series")},
	"GET,OPTIONS /api/v1/targets":          {get("/api/v1/targets"), get("/api/v1/targets?state=any&scrapePool=NAME")},
	"GET,OPTIONS /api/v1/status/tsdb":      {get("/api/v1/status/tsdb"), get("/api/v1/status/tsdb?limit=10000")},
	"GET,OPTIONS /api/v1/alerts":           {get("/api/v1/alerts")},
	"POST,OPTIONS /api/v1/read":            {send("POST", "/api/v1/read", "application/x-protobuf", "NAME")},
	"GET,OPTIONS /api/v1/metadata":         {get("/api/v1/metadata"), get("/api/v1/metadata?metric=s3cr3t_requests_total")},
	"GET,OPTIONS /federate":                {get("/federate?match[]=" + everySeries), get("/federate"), get("/federate?match[]=")},
	"POST /v1/logs":                        {post("/v1/logs", `{"resourceLogs":[{"resource":{"attributes":[{"key":"k8s.namespace.name","value":{"stringValue":"NAME"}}]},"scopeLogs":[{"logRecords":[{"body":{"stringValue":"mine"}}]}]}]}`), send("POST", "/v1/logs", "application/x-protobuf", "NAME")},
	"POST /v1/metrics":                     {post("/v1/metrics", `{"resourceMetrics":[{"resource":{"attributes":[{"key":"k8s.namespace.name","value":{"stringValue":"NAME-s3cr3t"}},{"key":"tenant","value":{"stringValue":"NAME"}}]},"scopeMetrics":[{"metrics":[{"name":"planted","gauge":{"dataPoints":[{"asInt":"1","timeUnixNano":"1"}]}}]}]}]}`), send("POST", "/v1/metrics", "application/x-protobuf", "NAME")},
	"POST /api/v1/write":                   {send("POST", "/api/v1/write", "application/x-protobuf", "NAME")},

	"GET,HEAD /es/":                        {get("/es/")},
	"GET,HEAD /es/_nodes":                  {get("/es/_nodes")},
	"GET,HEAD /es/_nodes/{nodes}":          {get("/es/_nodes/NAME")},
	"GET,HEAD /es/_nodes/http":             {get("/es/_nodes/http")},
	"GET,HEAD /es/_nodes/{nodes}/http":     {get("/es/_nodes/_all/http")},
	"GET,HEAD /es/_cluster/health":         {get("/es/_cluster/health")},
	"GET,HEAD /es/_cluster/health/{index}": {get("/es/_cluster/health/logs-east-NAME-s3cr3t")},
	"GET,HEAD /es/_license":                {get("/es/_license")},
	"GET,HEAD /es/_xpack":                  {get("/es/_xpack")},
	"GET,HEAD /es/_cat/health":             {get("/es/_cat/health?h=status")},
	"GET,HEAD /es/_cat/indices":            {get("/es/_cat/indices"), get("/es/_cat/indices?format=json")},
	"GET,HEAD /es/_cat/indices/{index}":    {get("/es/_cat/indices/logs-east-NAME-s3cr3t"), get("/es/_cat/indices/logs-*")},
	"GET,HEAD /es/_resolve/index/{index}":  {get("/es/_resolve/index/*"), get("/es/_resolve/index/logs-east-NAME-s3cr3t")},
	"GET,POST,HEAD /es/_search": append(both("/es/_search", everyDoc), get("/es/_search?q=s3cr3t"), post("/es/_search", `{"query":{"query_string":{"query":"namespace:NAME-s3cr3t OR *"}}}`),
		post("/es/_search", `{"query":{"terms":{"pod":{"index":"logs-east-NAME-s3cr3t","id":"doc-1","path":"pod"}}}}`), post("/es/_search", `{"query":{"ids":{"values":["doc-1","NAME-1"]}}}`),
		post("/es/_search?preference=NAME&routing=NAME", `{"query":{"terms":{"_index":["logs-east-NAME-s3cr3t"]}}}`), post("/es/_search?typed_keys=true", `{"size":0,"aggs":{"c":{"composite":{"size":100,"sources":[{"n":{"terms":{"field":"namespace"}}}],"after":{"n":"NAME"}}},"t":{"terms":{"field":"namespace","min_doc_count":0,"include":".*"}}}}`), post("/es/_search", `{"query":{"ids":{"values":["doc-1"]}}}`)),
	"GET,POST,HEAD /es/{index}/_search": append(both("/es/logs-east-NAME-s3cr3t/_search", everyDoc), get("/es/*/_search"), get("/es/_all/_search"),
		get("/es/logs-*,logs-east-NAME-s3cr3t/_search?ignore_unavailable=true"), get("/es/*NAME*/_search"), get("/es/%2Alogs-east-NAME-s3cr3t/_search"), get("/es/..%2Flogs-east-NAME-s3cr3t/_search"),
		get("/es/logs-east-alpha,logs-east-NAME-s3cr3t/_search"), get("/es/*,-logs-east-alpha/_search"), get("/es/logs-east-NAME-s3cr3t/_search?routing=NAME&preference=_shards:0"),
		get("/es/%3Clogs-east-NAME-%7Bnow%2Fd%7D%3E/_search"), get("/es/LOGS-EAST-NAME-S3CR3T/_search"), get("/es/NAME:logs-*/_search")),
	"GET,POST,HEAD /es/_msearch":            {send("POST", "/es/_msearch", "application/x-ndjson", everyBody)},
	"GET,POST,HEAD /es/{index}/_msearch":    {send("POST", "/es/logs-east-NAME-s3cr3t/_msearch", "application/x-ndjson", "{}\n{}\n")},
	"GET,POST,HEAD /es/_count":              both("/es/_count", `{"query":{"match_all":{}}}`),
	"GET,POST,HEAD /es/{index}/_count":      both("/es/logs-east-NAME-s3cr3t/_count", `{}`),
	"GET,POST,HEAD /es/_field_caps":         {get("/es/_field_caps?fields=*"), post("/es/_field_caps", `{"fields":"*"}`)},
	"GET,POST,HEAD /es/{index}/_field_caps": {get("/es/logs-east-NAME-s3cr3t/_field_caps?fields=*"), get("/es/*/_field_caps?fields=s3cr3t_field")},
	"GET,HEAD /es/_mapping":                 {get("/es/_mapping")},
	"GET,HEAD /es/{index}/_mapping":         {get("/es/logs-east-NAME-s3cr3t/_mapping"), get("/es/*/_mapping")},
	"GET,HEAD /es/{index}/_mapping/{type}":  {get("/es/logs-east-NAME-s3cr3t/_mapping/_doc")},
	"GET,HEAD /es/_settings":                {get("/es/_settings")},
	"GET,HEAD /es/{index}/_settings":        {get("/es/logs-east-NAME-s3cr3t/_settings")},
	"GET,HEAD /es/_alias":                   {get("/es/_alias")},
	"GET,HEAD /es/{index}/_alias":           {get("/es/logs-east-NAME-s3cr3t/_alias")},
	"GET,HEAD /es/_aliases":                 {get("/es/_aliases")},
	"GET,HEAD /es/_alias/{alias}":           {get("/es/_alias/NAME"), get("/es/_alias/*")},
	"GET,HEAD /es/{index}/_alias/{alias}":   {get("/es/logs-east-NAME-s3cr3t/_alias/*")},
	"GET,POST,DELETE,HEAD /es/_search/scroll": {
		post("/es/_search/scroll", `{"scroll":"1m","scroll_id":"NAME"}`),
	},
	"GET,POST,DELETE,HEAD /es/_search/scroll/{scroll}": {get("/es/_search/scroll/NAME")},
	"POST /es/{index}/_pit":                            {post("/es/logs-east-NAME-s3cr3t/_pit?keep_alive=1m", "")},
	"DELETE /es/_pit":                                  {send("DELETE", "/es/_pit", "application/json", `{"id":"NAME"}`)},
	"GET,HEAD /es/{index}":                             {get("/es/logs-east-NAME-s3cr3t"), get("/es/*")},
	"GET,HEAD /es/{index}/_doc/{id}":                   {get("/es/logs-east-NAME-s3cr3t/_doc/doc-1")},
	"GET,HEAD /es/{index}/_source/{id}":                {get("/es/logs-east-NAME-s3cr3t/_source/doc-1")},
	"GET,POST,HEAD /es/_mget":                          {post("/es/_mget", `{"docs":[{"_index":"logs-east-NAME-s3cr3t","_id":"doc-1"}]}`)},
	"GET,POST,HEAD /es/{index}/_mget":                  {post("/es/logs-east-NAME-s3cr3t/_mget", `{"ids":["doc-1"]}`)},
	"GET,POST,HEAD /es/_refresh":                       {get("/es/_refresh")},
	"GET,POST,HEAD /es/{index}/_refresh":               {get("/es/logs-east-NAME-s3cr3t/_refresh")},
	"GET,POST,HEAD /es/_flush":                         {get("/es/_flush")},
	"GET,POST,HEAD /es/{index}/_flush":                 {get("/es/logs-east-NAME-s3cr3t/_flush")},
	"POST,PUT /es/_bulk":                               {send("POST", "/es/_bulk", "application/x-ndjson", plant)},
	"POST,PUT /es/{index}/_bulk":                       {send("POST", "/es/logs-east-NAME-s3cr3t/_bulk", "application/x-ndjson", `{"create":{}}`+"\n"+`{"message":"planted"}`+"\n")},

	"POST /es/{index}/_doc":                  {post("/es/logs-east-NAME-s3cr3t/_doc", `{"message":"planted","namespace":"NAME-s3cr3t"}`)},
	"PUT,POST /es/{index}/_doc/{id}":         {post("/es/logs-east-NAME-s3cr3t/_doc/NAME-1", `{"message":"planted"}`)},
	"PUT,POST /es/{index}/_create/{id}":      {post("/es/logs-east-NAME-s3cr3t/_create/NAME-2", `{"message":"planted"}`)},
	"PUT,POST /es/{index}/_doc/{id}/_create": {post("/es/logs-east-NAME-s3cr3t/_doc/NAME-3/_create", `{"message":"planted"}`)},
	"POST /es/{index}/_doc/{id}/_update":     {post("/es/logs-east-NAME-s3cr3t/_doc/NAME-3/_update", `{"doc":{}}`)},
	"DELETE /es/{index}/_doc/{id}":           {send("DELETE", "/es/logs-east-NAME-s3cr3t/_doc/doc-1", "", "")},
	"DELETE /es/{index}":                     {send("DELETE", "/es/logs-east-NAME-s3cr3t", "", ""), send("DELETE", "/es/*", "", "")},
	"POST /es/{index}/_update/{id}":          {post("/es/logs-east-NAME-s3cr3t/_update/doc-1", `{"doc":{}}`)},
	"POST /es/{index}/_update_by_query":      {post("/es/logs-east-NAME-s3cr3t/_update_by_query", `{}`)},
	"POST /es/{index}/_delete_by_query":      {post("/es/logs-east-NAME-s3cr3t/_delete_by_query", `{"query":{"match_all":{}}}`)},

	"GET,HEAD /es/_cluster/settings":                {get("/es/_cluster/settings?include_defaults=true")},
	"GET,HEAD /es/_index_template":                  {get("/es/_index_template")},
	"GET,HEAD /es/_index_template/{name}":           {get("/es/_index_template/logs-east-NAME-s3cr3t"), get("/es/_index_template/*NAME*")},
	"PUT,POST /es/_index_template/{name}":           {post("/es/_index_template/logs-east-NAME-s3cr3t", `{"index_patterns":["logs-east-NAME-s3cr3t"]}`)},
	"DELETE /es/_index_template/{name}":             {send("DELETE", "/es/_index_template/logs-east-NAME-s3cr3t", "", "")},
	"GET,HEAD /es/_component_template":              {get("/es/_component_template")},
	"GET,HEAD /es/_component_template/{name}":       {get("/es/_component_template/logs-east-NAME-s3cr3t"), get("/es/_component_template/*NAME*")},
	"PUT,POST /es/_component_template/{name}":       {post("/es/_component_template/logs-east-NAME-s3cr3t", `{"index_patterns":["logs-east-NAME-s3cr3t"]}`)},
	"DELETE /es/_component_template/{name}":         {send("DELETE", "/es/_component_template/logs-east-NAME-s3cr3t", "", "")},
	"GET,HEAD /es/_template":                        {get("/es/_template")},
	"GET,HEAD /es/_template/{name}":                 {get("/es/_template/logs-east-NAME-s3cr3t"), get("/es/_template/*NAME*")},
	"PUT,POST /es/_template/{name}":                 {post("/es/_template/logs-east-NAME-s3cr3t", `{"index_patterns":["logs-east-NAME-s3cr3t"]}`)},
	"DELETE /es/_template/{name}":                   {send("DELETE", "/es/_template/logs-east-NAME-s3cr3t", "", "")},
	"GET,HEAD /es/_ilm/policy":                      {get("/es/_ilm/policy")},
	"GET,HEAD /es/_ilm/policy/{name}":               {get("/es/_ilm/policy/logs-east-NAME-s3cr3t"), get("/es/_ilm/policy/*NAME*")},
	"PUT,POST /es/_ilm/policy/{name}":               {post("/es/_ilm/policy/logs-east-NAME-s3cr3t", `{"index_patterns":["logs-east-NAME-s3cr3t"]}`)},
	"DELETE /es/_ilm/policy/{name}":                 {send("DELETE", "/es/_ilm/policy/logs-east-NAME-s3cr3t", "", "")},
	"GET,HEAD /es/_data_stream":                     {get("/es/_data_stream")},
	"GET,HEAD /es/_data_stream/{name}":              {get("/es/_data_stream/logs-east-NAME-s3cr3t"), get("/es/_data_stream/*NAME*")},
	"PUT,POST /es/_data_stream/{name}":              {post("/es/_data_stream/logs-east-NAME-s3cr3t", `{"index_patterns":["logs-east-NAME-s3cr3t"]}`)},
	"DELETE /es/_data_stream/{name}":                {send("DELETE", "/es/_data_stream/logs-east-NAME-s3cr3t", "", "")},
	"GET,HEAD /es/_ingest/pipeline":                 {get("/es/_ingest/pipeline")},
	"GET,HEAD /es/_ingest/pipeline/{name}":          {get("/es/_ingest/pipeline/logs-east-NAME-s3cr3t"), get("/es/_ingest/pipeline/*NAME*")},
	"PUT,POST /es/_ingest/pipeline/{name}":          {post("/es/_ingest/pipeline/logs-east-NAME-s3cr3t", `{"index_patterns":["logs-east-NAME-s3cr3t"]}`)},
	"DELETE /es/_ingest/pipeline/{name}":            {send("DELETE", "/es/_ingest/pipeline/logs-east-NAME-s3cr3t", "", "")},
	"GET,HEAD /es/_cat/templates":                   {get("/es/_cat/templates")},
	"GET,HEAD /es/_cat/templates/{name}":            {get("/es/_cat/templates/logs-east-NAME-s3cr3t")},
	"GET,HEAD /es/_cluster/state":                   {get("/es/_cluster/state")},
	"GET,HEAD /es/_cluster/state/{metrics}":         {get("/es/_cluster/state/metadata")},
	"GET,HEAD /es/_cluster/state/{metrics}/{index}": {get("/es/_cluster/state/_all/logs-east-NAME-s3cr3t"), get("/es/_cluster/state/metadata/*")},
	"GET,HEAD /es/_cluster/stats":                   {get("/es/_cluster/stats?filter_path=indices,nodes")},
	"GET,HEAD /es/_nodes/stats":                     {get("/es/_nodes/stats")},
	"GET,HEAD /es/_nodes/{nodes}/stats":             {get("/es/_nodes/NAME/stats")},
	"GET,HEAD /es/_nodes/stats/{metrics}":           {get("/es/_nodes/stats/indices")},
	"GET,HEAD /es/_nodes/{nodes}/stats/{metrics}":   {get("/es/_nodes/_all/stats/_all")},
	"GET,HEAD /es/_cat/count":                       {get("/es/_cat/count?h=count")},
	"GET,HEAD /es/_cat/count/{index}":               {get("/es/_cat/count/logs-east-NAME-s3cr3t?h=count"), get("/es/_cat/count/*?h=count")},
	"GET,HEAD /es/_cat/aliases":                     {get("/es/_cat/aliases?v")},
	"GET,HEAD /es/_cat/aliases/{alias}":             {get("/es/_cat/aliases/logs-east-NAME-s3cr3t?v")},
	"GET,HEAD /es/_stats":                           {get("/es/_stats")},
	"GET,HEAD /es/{index}/_stats":                   {get("/es/logs-east-NAME-s3cr3t/_stats"), get("/es/*/_stats")},
	"GET,HEAD /es/_stats/{metrics}":                 {get("/es/_stats/docs")},
	"GET,HEAD /es/{index}/_stats/{metrics}":         {get("/es/logs-east-NAME-s3cr3t/_stats/_all")},
	"GET,POST,HEAD /es/_validate/query":             {get("/es/_validate/query?explain&q=s3cr3t"), post("/es/_validate/query?explain", `{"query":{"match_all":{}}}`)},
	"GET,POST,HEAD /es/{index}/_validate/query":     {get("/es/logs-east-NAME-s3cr3t/_validate/query?explain"), get("/es/*/_validate/query?explain")},
	"PUT /es/{index}":                               {send("PUT", "/es/logs-east-NAME-s3cr3t", "application/json", `{"aliases":{"all":{}}}`)},
	"PUT,POST /es/{index}/_mapping":                 {post("/es/logs-east-NAME-s3cr3t/_mapping", `{"properties":{}}`)},
	"PUT,POST /es/{index}/_mapping/{type}":          {post("/es/logs-east-NAME-s3cr3t/_mapping/_doc", `{"properties":{}}`)},
	"PUT /es/_settings":                             {send("PUT", "/es/_settings", "application/json", `{}`)},
	"PUT /es/{index}/_settings":                     {send("PUT", "/es/logs-east-NAME-s3cr3t/_settings", "application/json", `{}`)},
	"POST /es/_aliases":                             {post("/es/_aliases", `{"actions":[{"add":{"index":"logs-east-NAME-s3cr3t","alias":"mine"}}]}`)},
	"PUT,POST,DELETE /es/{index}/_alias/{alias}":    {send("PUT", "/es/logs-east-NAME-s3cr3t/_alias/mine", "", "")},

	"GET /api/v1/logs/tail": {get("/api/v1/logs/tail?after=0&wait=0s"), get("/api/v1/logs/tail?after=0&query=s3cr3t&wait=0s"), get("/api/v1/logs/tail?query=namespace:NAME-s3cr3t&wait=0s")},

	"PUT /agent/v1/namespaces":          {send("PUT", "/agent/v1/namespaces", "application/json", `{"version":1,"claims":[]}`)},
	"PUT /agent/v1/heartbeat":           {send("PUT", "/agent/v1/heartbeat", "application/json", `{"sent":"2026-03-01T12:00:00Z","interval_seconds":15,"lag_seconds":0,"gaps":0}`)},
	"POST /agent/v1/namespaces/changes": {post("/agent/v1/namespaces/changes", `{"version":1}`)},
	"POST /agent/v1/audit": {send("POST", "/agent/v1/audit", "application/json",
		`{"kind":"EventList","apiVersion":"audit.k8s.io/v1","items":[{"auditID":"x","stage":"Panic","objectRef":{"namespace":"NAME"}}]}`)},
	"POST /agent/v1/logs": {send("POST", "/agent/v1/logs", "application/octet-stream", "NAME")},

	"GET /admin/v1/tenants":                     {get("/admin/v1/tenants")},
	"GET /admin/v1/tenants/{tenant}":            {get("/admin/v1/tenants/NAME")},
	"PUT /admin/v1/tenants/{tenant}":            {send("PUT", "/admin/v1/tenants/NAME", "application/json", `{"groups":["mine"]}`)},
	"DELETE /admin/v1/tenants/{tenant}":         {send("DELETE", "/admin/v1/tenants/NAME", "", "")},
	"GET /admin/v1/tenants/{tenant}/namespaces": {get("/admin/v1/tenants/NAME/namespaces")},
	"PUT /admin/v1/tenants/{tenant}/namespaces": {send("PUT", "/admin/v1/tenants/NAME/namespaces", "application/json", `{"namespaces":[]}`)},
	"GET /admin/v1/tokens":                      {get("/admin/v1/tokens")},
	"POST /admin/v1/tokens":                     {post("/admin/v1/tokens", `{"kind":"tenant","tenant":"NAME"}`)},
	"DELETE /admin/v1/tokens/{id}":              {send("DELETE", "/admin/v1/tokens/NAME", "", "")},
	"POST /admin/v1/logs/merge":                 {post("/admin/v1/logs/merge", "")},
	"GET,HEAD /{$}":                             {get("/")},
	"GET,HEAD /moments":                         {get("/moments?from=0&to=2000000000"), get("/moments?from=1795960800000&to=1795964400000"), get("/moments")},
	"GET,HEAD /d/{key}":                         {get("/d/overview"), get("/d/NAME")},
	"GET,HEAD /d/{key}/model":                   {get("/d/overview/model"), get("/d/NAME/model"), get("/d/application/model")},
	"GET,HEAD /assets/{hash}/{name}":            {get("/assets/x/NAME"), get("/assets/x/..%2FNAME")},
}
