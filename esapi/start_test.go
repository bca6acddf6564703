package esapi

import (
	"strings"
	"testing"

	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// asked is one request of a client with what its answer must be.
type asked struct {
	method, path, body string
	code               int
	want               string // in the answer's body
}

// TestStarts sends what shippers and tools send before the first record, as read
// in their sources and captured from them, under a credential that may write and
// not read. None may be stopped by an answer, and nothing may look as if it were
// there that is not.
func TestStarts(t *testing.T) {
	h := as(testAPI(t), tenant.Read{}, scopetest.Write("shop"))
	for client, requests := range map[string][]asked{
		"filebeat": {
			{"GET", "/", "", 200, `"tagline":"You Know, for Search"`},
			{"GET", "/_license?human=false", "", 200, `"type":"basic"`},
			{"GET", "/_ilm/policy/filebeat", "", 404, `"reason":"Lifecycle policy not found: filebeat"`},
			{"PUT", "/_ilm/policy/filebeat", `{"policy":{"phases":{"hot":{"actions":{"rollover":{"max_age":"30d"}}}}}}`, 200, `{"acknowledged":true}`},
			{"HEAD", "/_index_template/filebeat-9.1.0", "", 404, ""},
			{"PUT", "/_index_template/filebeat-9.1.0", `{"index_patterns":["filebeat-9.1.0"],"data_stream":{},"template":{"mappings":{}}}`, 200, `{"acknowledged":true}`},
			{"GET", "/_data_stream/filebeat-9.1.0", "", 404, `"type":"index_not_found_exception"`},
			{"PUT", "/_data_stream/filebeat-9.1.0", "", 200, `{"acknowledged":true}`},
			{"POST", "/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status%2Citems.%2A.failure_store", "{\"create\":{\"_index\":\"filebeat-9.1.0\"}}\n{}\n", 200, `{"errors":false,"items":[{"create":{"status":201}}]}`},
		},
		"beats 7": {
			{"GET", "/_xpack?filter_path=features.ilm.available,features.ilm.enabled", "", 200, `{"features":{"ilm":{"available":true,"enabled":true}}}`},
			{"GET", "/_cat/templates/filebeat-7.17.0", "", 200, ""},
			{"HEAD", "/_alias/filebeat-7.17.0", "", 404, ""},
			{"PUT", "/_template/filebeat-7.17.0", `{"index_patterns":["filebeat-7.17.0-*"]}`, 200, `{"acknowledged":true}`},
			{"PUT", "/%3Cfilebeat-7.17.0-%7Bnow%2Fd%7D-000001%3E", `{"aliases":{"filebeat-7.17.0":{"is_write_index":true}}}`, 200, `{"acknowledged":true,"shards_acknowledged":true,"index":"filebeat-7.17.0-2024.02.29-000001"}`},
		},
		"fluent-plugin-elasticsearch": {
			{"GET", "/", "", 200, `"number":"8.19.0"`},
			{"GET", "/_nodes/http", "", 200, `"publish_address"`},
			{"GET", "/_data_stream/app", "", 404, `"type":"index_not_found_exception"`},
			{"GET", "/_index_template/app", "", 404, `index template matching [app] not found`},
			{"GET", "/_ilm/policy/app_policy", "", 404, `"type":"resource_not_found_exception"`},
			{"PUT", "/_ilm/policy/app_policy", `{"policy":{}}`, 200, `{"acknowledged":true}`},
			{"PUT", "/_index_template/app", `{"index_patterns":["app*"],"data_stream":{}}`, 200, `{"acknowledged":true}`},
			{"PUT", "/_data_stream/app", "", 200, `{"acknowledged":true}`},
			{"GET", "/_template/logstash", "", 404, "{}"},
			{"PUT", "/_template/logstash?include_type_name=true", `{"index_patterns":["logstash-*"]}`, 200, `{"acknowledged":true}`},
			{"PUT", "/_component_template/logstash", `{"template":{}}`, 200, `{"acknowledged":true}`},
			{"GET", "/_component_template/logstash", "", 404, `component template matching [logstash] not found`},
			{"POST", "/app/_bulk", "{\"create\":{}}\n{}\n", 200, `"errors":false,"items":[`},
		},
		"fluent-bit": {
			{"POST", "/_bulk", "{\"create\":{\"_index\":\"fluent-bit\",\"_type\":\"_doc\"}}\n{}\n", 200, `"errors":false,"items":[`},
		},
		"rsyslog": {
			{"GET", "/_cat/health", "", 200, "oriel green"},
			{"HEAD", "/", "", 200, ""},
		},
		"elasticdump in": {
			{"GET", "/", "", 200, `"build_flavor":"default"`},
			{"PUT", "/app", "", 200, `"index":"app"`},
			{"PUT", "/app/_mapping", `{"properties":{"a":{"type":"keyword"}}}`, 200, `{"acknowledged":true}`},
			{"PUT", "/app/_settings", `{"index":{}}`, 200, `{"acknowledged":true}`},
			{"PUT", "/app/_bulk", "{\"index\":{\"_index\":\"app\",\"_id\":\"1\"}}\n{}\n", 200, `"errors":false`},
			{"POST", "/app/_refresh", "", 200, `"_shards"`},
		},
		"olivere": {
			{"HEAD", "/", "", 200, ""},
			{"GET", "/_nodes/http", "", 200, `"nodes":{`},
			{"GET", "/_cluster/health?wait_for_status=green&timeout=10s", "", 200, `"status":"green"`},
		},
		"nothing of this is here": {
			{"GET", "/_index_template", "", 200, `{"index_templates":[]}`},
			{"GET", "/_index_template/app*", "", 200, `{"index_templates":[]}`},
			{"GET", "/_component_template", "", 200, `{"component_templates":[]}`},
			{"GET", "/_template", "", 200, `{}`},
			{"GET", "/_ilm/policy", "", 200, `{}`},
			{"GET", "/_data_stream/*", "", 200, `{"data_streams":[]}`},
			{"GET", "/_ingest/pipeline", "", 200, `{}`},
			{"GET", "/_ingest/pipeline/geoip", "", 404, `{}`},
			{"DELETE", "/_index_template/app", "", 404, `index_template [app] missing`},
			{"DELETE", "/_template/app", "", 404, `"type":"index_template_missing_exception"`},
			{"DELETE", "/_ingest/pipeline/app", "", 404, `pipeline [app] is missing`},
			{"DELETE", "/_data_stream/app", "", 404, `index_not_found_exception`},
			{"GET", "/_cluster/settings?include_defaults=true&flat_settings=true", "", 200, `{"persistent":{},"transient":{},"defaults":{}}`},
		},
		"refused by name": {
			{"PUT", "/_ingest/pipeline/geoip", `{"processors":[]}`, 400, `[_ingest/pipeline] is not supported`},
			{"POST", "/_aliases", `{"actions":[{"add":{"index":"a","alias":"b"}}]}`, 400, `[_alias] is not supported`},
			{"PUT", "/a/_alias/b", "", 400, `[_alias] is not supported`},
			{"DELETE", "/a/_alias/b", "", 400, `[_alias] is not supported`},
			{"PUT", "/Upper", "", 400, `invalid_index_name_exception`},
			{"PUT", "/app", "{", 400, `parsing_exception`},
			{"PUT", "/app/_mapping", "[]", 400, `expected an object`},
			{"PUT", "/_index_template/app", "torn", 400, `parsing_exception`},
		},
	} {
		t.Run(client, func(t *testing.T) {
			for _, q := range requests {
				w := send(t, h, q.method, q.path, q.body)
				if w.Code != q.code || !strings.Contains(w.Body.String(), q.want) {
					t.Errorf("%s %s: %d %s, want %d %s", q.method, q.path, w.Code, w.Body, q.code, q.want)
				}
				warns := strings.Contains(w.Body.String(), `"acknowledged":true`)
				if warning := w.Header().Get("Warning"); strings.HasPrefix(warning, `299 Elasticsearch-8.19.0 "Oriel `) != warns {
					t.Errorf("%s %s: Warning %q", q.method, q.path, warning)
				}
			}
		})
	}
}

// TestTools asks what tools and people ask about the whole.
func TestTools(t *testing.T) {
	h := asShop(testAPI(t))
	for _, q := range []asked{
		{"GET", "/_cat/count", "", 200, "1709208000 12:00:00 6\n"},
		{"GET", "/_cat/count/logs-eu-shop?v", "", 200, "epoch      timestamp count\n1709208000 12:00:00  4\n"},
		{"GET", "/_cat/count/none-*?format=json", "", 200, `[{"epoch":"1709208000","timestamp":"12:00:00","count":"0"}]`},
		{"GET", "/_cat/count/absent", "", 404, `index_not_found_exception`},
		{"GET", "/_cat/aliases", "", 200, ""},
		{"GET", "/_cat/aliases?v&h=alias,index", "", 200, "alias index\n"},
		{"GET", "/_cat/aliases/x?format=json", "", 200, "[]"},
		{"GET", "/_cat/health?v&ts=false&h=cluster,status", "", 200, "cluster status\noriel   green\n"},
		{"GET", "/_cat/health?format=yaml&h=cluster,status", "", 200, "---\n- cluster: \"oriel\"\n  status: \"green\"\n"},
		{"GET", "/_cat/indices?h=index,docs.count&s=docs.count:desc,index", "", 200, "logs-eu-shop     4\naudit-2024.02.29 1\nlogs-eu-shop-db  1\n"},
		{"GET", "/_cat/indices/logs-*?h=i&s=i:desc&health=green", "", 200, "logs-eu-shop-db\nlogs-eu-shop\n"},
		{"GET", "/_cat/indices?health=red", "", 200, ""},
		{"GET", "/_cat/indices?help", "", 200, "docs.count | dc | \n"},
		{"GET", "/_cat/indices?s=nothing", "", 400, "Unable to sort by unknown sort key `nothing`"},
		{"GET", "/logs-eu-shop/_stats?filter_path=indices.*.total.docs.count,_all.primaries.docs.count", "", 200, `{"_all":{"primaries":{"docs":{"count":4}}},"indices":{"logs-eu-shop":{"total":{"docs":{"count":4}}}}}`},
		{"GET", "/_stats/docs,store", "", 200, `"_all":{"primaries":{"docs":{"count":6,`},
		{"GET", "/_nodes/stats", "", 200, `"indices":{"docs":{"count":6,`},
		{"GET", "/_nodes/_all/stats/indices?level=node", "", 200, `"indices":{"docs":{"count":6,`},
		{"GET", "/_cluster/stats?filter_path=status,indices.count,nodes.count.total", "", 200, `{"status":"green","indices":{"count":3},"nodes":{"count":{"total":1}}}`},
		{"GET", "/_cluster/state/metadata/logs-eu-shop?filter_path=metadata.indices.*.state", "", 200, `{"metadata":{"indices":{"logs-eu-shop":{"state":"open"}}}}`},
		{"GET", "/_cluster/state/master_node?filter_path=master_node", "", 200, `{"master_node":"` + nodeID + `"}`},
		{"GET", "/logs-*/_validate/query?q=level:error", "", 200, `"valid":true}`},
		{"POST", "/_validate/query?explain=true&filter_path=valid,explanations", `{"query":{"match_all":{}}}`, 200, `{"valid":true,"explanations":[{"index":"audit-2024.02.29","valid":true},{"index":"logs-eu-shop","valid":true},{"index":"logs-eu-shop-db","valid":true}]}`},
		{"POST", "/_validate/query", `{"query":{"nothing":{}}}`, 200, `"valid":false}`},
		{"POST", "/_validate/query?explain", `{"query":{"nothing":{}}}`, 200, `"valid":false,"error":"parsing_exception: unknown query [nothing]`},
		{"POST", "/_validate/query?explain", `{"size":1}`, 200, `{"valid":false,"error":"parsing_exception: request does not support [size]"}`},
		{"POST", "/_validate/query", `{`, 200, `{"valid":false}`},
		{"POST", "/absent/_validate/query", `{}`, 404, `index_not_found_exception`},
		{"GET", "/_all/_settings?expand_wildcards=open%2Cclosed", "", 200, `"logs-eu-shop":{"settings":`},
		{"GET", "/logs-*/_count?expand_wildcards=closed", "", 200, `"count":0`},
		{"GET", "/logs-eu-shop/_count?expand_wildcards=none", "", 200, `"count":4`},
	} {
		if w := send(t, h, q.method, q.path, q.body); w.Code != q.code || !strings.Contains(w.Body.String(), q.want) {
			t.Errorf("%s %s: %d %s, want %d %s", q.method, q.path, w.Code, w.Body, q.code, q.want)
		}
	}
}

// TestYAML answers as YAML whatever would be JSON, errors too.
func TestYAML(t *testing.T) {
	h := asShop(testAPI(t))
	for _, q := range []asked{
		{"GET", "/?format=yaml&filter_path=name,version.number,version.build_snapshot", "", 200, "---\nname: \"oriel\"\nversion:\n  number: \"8.19.0\"\n  build_snapshot: false\n"},
		{"GET", "/logs-eu-shop/_search?format=yaml&size=2&sort=_doc&filter_path=hits.total,hits.hits._id,hits.hits._source.user,aggregations,_shards.none", "", 200,
			"---\nhits:\n  total:\n    value: 4\n    relation: \"eq\"\n  hits:\n  - _id: \"s1\"\n    _source:\n      user:\n        name: \"ann\"\n  - _id: \"s2\"\n    _source:\n      user:\n        name: \"bob\"\n"},
		{"GET", "/logs-eu-shop/_alias?format=yaml", "", 200, "---\nlogs-eu-shop:\n  aliases: {}\n"},
		{"GET", "/_data_stream?format=yaml", "", 200, "---\ndata_streams: []\n"},
		{"GET", "/_template?format=yaml", "", 200, "--- {}\n"},
		{"GET", "/absent/_search?format=yaml&filter_path=error.type,status", "", 404, "---\nerror:\n  type: \"index_not_found_exception\"\nstatus: 404\n"},
	} {
		w := send(t, h, q.method, q.path, q.body)
		if w.Code != q.code || w.Body.String() != q.want || w.Header().Get("Content-Type") != "application/yaml" {
			t.Errorf("%s: %d %s\n%s\nwant\n%s", q.path, w.Code, w.Header().Get("Content-Type"), w.Body, q.want)
		}
	}
	if w := send(t, h, "GET", "/?filter_path=name", "", "Accept", "application/yaml"); w.Body.String() != "---\nname: \"oriel\"\n" {
		t.Errorf("by header: %s", w.Body)
	}
}

// TestParameters: those of Elasticsearch's specification are known where it has
// them, others are refused.
func TestParameters(t *testing.T) {
	h := asShop(testAPI(t))
	for _, path := range []string{
		"/_msearch?max_concurrent_shard_requests=5&ignore_throttled=false", "/_search?preference=_local&request_cache=true&batched_reduce_size=2&ccs_minimize_roundtrips=true&pre_filter_shard_size=1&include_type_name=true",
		"/_count?ignore_unavailable=true&typo=1", "/_count?b=1&a=2", "/_cluster/health?wait_for_status=yellow", "/_cat/indices?format=json&expand_wildcards=open&bytes=b&v&pretty&human&error_trace",
	} {
		w := send(t, h, "GET", path, "")
		switch {
		case strings.Contains(path, "typo"):
			if w.Code != 400 || !strings.Contains(w.Body.String(), `"reason":"request [/_count] contains unrecognized parameter: [typo]"`) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		case strings.Contains(path, "b=1"):
			if w.Code != 400 || !strings.Contains(w.Body.String(), `contains unrecognized parameters: [a], [b]`) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		case strings.Contains(path, "include_type_name"):
			if w.Code != 400 {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		case strings.Contains(w.Body.String(), "unrecognized"):
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	// A body may stand in the URL.
	if w := send(t, h, "GET", "/_count?source_content_type=application/json&source=%7B%22query%22%3A%7B%22term%22%3A%7B%22level%22%3A%22warn%22%7D%7D%7D", ""); !strings.Contains(w.Body.String(), `"count":1`) {
		t.Errorf("source: %d %s", w.Code, w.Body)
	}
}
