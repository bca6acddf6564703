package esapi

import (
	"net/http"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/internal/httpx"
)

// Parameters of the URL that several endpoints have, as Elasticsearch's REST
// specification lists them, of version 7, 8 or 9. Those that cannot change a
// result (timeouts, caches, preferences) are known and have no effect.
const (
	forIndices  = " allow_no_indices expand_wildcards ignore_unavailable ignore_throttled "
	forMaster   = " local master_timeout timeout "
	forSettings = " flat_settings include_defaults " + forMaster
	forSource   = " _source _source_includes _source_excludes _source_include _source_exclude _source_exclude_vectors "
	forGet      = forSource + " force_synthetic_source preference realtime refresh routing stored_fields version version_type "
	forQuery    = " q df analyzer analyze_wildcard default_operator lenient "
	forTables   = " bytes h help s time v " + forMaster
	forWrite    = " include_source_on_error pipeline refresh require_alias require_data_stream routing timeout type wait_for_active_shards "
	forOne      = forWrite + " if_primary_term if_seq_no op_type version version_type "
	forByQuery  = forIndices + forQuery + " conflicts from max_docs pipeline preference refresh request_cache requests_per_second routing scroll scroll_size search_timeout search_type size slices sort stats terminate_after timeout version version_type wait_for_active_shards wait_for_completion "
	forSearch   = forIndices + forQuery + forSource +
		" allow_partial_search_results batched_reduce_size ccs_minimize_roundtrips docvalue_fields explain force_synthetic_source from include_named_queries_score max_concurrent_shard_requests min_compatible_shard_node pre_filter_shard_size preference project_routing request_cache rest_total_hits_as_int routing scroll search_type seq_no_primary_term size sort stats stored_fields terminate_after timeout track_scores track_total_hits typed_keys version "
	forMany  = forIndices + " ccs_minimize_roundtrips include_named_queries_score index max_concurrent_searches max_concurrent_shard_requests pre_filter_shard_size preference project_routing rest_total_hits_as_int routing search_type typed_keys "
	forStats = forIndices + " completion_fields fielddata_fields fields forbid_closed_indices groups include_segment_file_sizes include_unloaded_segments level timeout types "
	forPut   = forMaster + " cause create include_type_name order "
)

// paramsOfAll are known to every route.
const paramsOfAll = "error_trace filter_path format human pretty source source_content_type"

func allRoutes() []route {
	var out []route
	add := func(methods, pattern string, access httpx.Access, params string, h func(*call) (reply, error)) {
		ms := strings.Fields(methods)
		if slices.Contains(ms, http.MethodGet) {
			ms = append(ms, http.MethodHead)
		}
		out = append(out, route{httpx.Route{Methods: ms, Pattern: pattern, Access: access}, split(pattern), strings.Fields(params + " " + paramsOfAll), h})
	}
	// read adds a route with and without an index in front.
	read := func(methods, pattern, params string, h func(*call) (reply, error)) {
		add(methods, pattern, httpx.Read, params, h)
		add(methods, "/{index}"+pattern, httpx.Read, params, h)
	}
	write := func(methods, pattern, params string, h func(*call) (reply, error)) {
		add(methods, pattern, httpx.Write, params, h)
	}

	// What shippers ask at their start, which may write and not read.
	add("GET", "/", httpx.Open, "", root)
	for _, p := range []string{"/_nodes", "/_nodes/{nodes}", "/_nodes/http", "/_nodes/{nodes}/http"} {
		add("GET", p, httpx.Known, "flat_settings timeout", nodes)
	}
	const forHealth = forMaster + " expand_wildcards level wait_for_active_shards wait_for_events wait_for_no_initializing_shards wait_for_no_relocating_shards wait_for_nodes wait_for_status "
	add("GET", "/_cluster/health", httpx.Known, forHealth, health)
	add("GET", "/_cluster/settings", httpx.Known, forSettings, clusterSettings)
	add("GET", "/_license", httpx.Known, "accept_enterprise local", license)
	add("GET", "/_xpack", httpx.Known, "accept_enterprise categories", xpack)
	add("GET", "/_cat/health", httpx.Known, forTables+" ts", catHealth)
	for _, k := range keptElsewhere {
		for _, suffix := range []string{"", "/{name}"} {
			add("GET", k.path+suffix, httpx.Known, forSettings+" expand_wildcards include_type_name settings_filter summary verbose", k.get)
		}
		write("PUT POST", k.path+"/{name}", forPut+" if_version ", k.put)
		write("DELETE", k.path+"/{name}", forMaster+" expand_wildcards ", k.remove)
	}
	for _, p := range []string{"/_cat/templates", "/_cat/templates/{name}"} {
		add("GET", p, httpx.Known, forTables, catTemplates)
	}

	// What is asked about the whole.
	add("GET", "/_cluster/health/{index}", httpx.Read, forHealth, health)
	for _, p := range []string{"/_cluster/state", "/_cluster/state/{metrics}", "/_cluster/state/{metrics}/{index}"} {
		add("GET", p, httpx.Read, forIndices+forMaster+" flat_settings wait_for_metadata_version wait_for_timeout ", clusterState)
	}
	add("GET", "/_cluster/stats", httpx.Read, "flat_settings include_remotes timeout", clusterStats)
	for _, p := range []string{"/_nodes/stats", "/_nodes/{nodes}/stats", "/_nodes/stats/{metrics}", "/_nodes/{nodes}/stats/{metrics}"} {
		add("GET", p, httpx.Read, forStats, nodesStats)
	}
	for _, p := range []string{"", "/{index}"} {
		add("GET", "/_cat/indices"+p, httpx.Read, forTables+" expand_wildcards health include_unloaded_segments pri ", catIndices)
		add("GET", "/_cat/count"+p, httpx.Read, forTables, catCount)
	}
	add("GET", "/_cat/aliases", httpx.Read, forTables+" expand_wildcards ", catAliases)
	add("GET", "/_cat/aliases/{alias}", httpx.Read, forTables+" expand_wildcards ", catAliases)
	add("GET", "/_resolve/index/{index}", httpx.Read, forIndices+" mode ", resolveIndex)
	read("GET", "/_stats", forStats, indexStats)
	read("GET", "/_stats/{metrics}", forStats, indexStats)

	// Reading.
	read("GET POST", "/_search", forSearch, search)
	read("GET POST", "/_msearch", forMany, multiSearch)
	read("GET POST", "/_count", forIndices+forQuery+" min_score preference routing stats terminate_after ", count)
	read("GET POST", "/_validate/query", forIndices+forQuery+" all_shards explain rewrite ", validateQuery)
	read("GET POST", "/_field_caps", forIndices+" fields filters include_empty_fields include_unmapped types ", fieldCaps)
	read("GET", "/_mapping", forIndices+forMaster+" include_type_name ", mapping)
	add("GET", "/{index}/_mapping/{type}", httpx.Read, forIndices+forMaster+" include_type_name ", mapping) // olivere/elastic still writes a type
	read("GET", "/_settings", forIndices+forSettings, indexInfo)
	read("GET", "/_alias", forIndices+forMaster, indexInfo)
	read("GET", "/_alias/{alias}", forIndices+forMaster, namedAlias)
	add("GET", "/_aliases", httpx.Read, forIndices+forMaster, indexInfo)
	for _, p := range []string{"/_search/scroll", "/_search/scroll/{scroll}"} {
		add("GET POST DELETE", p, httpx.Read, "rest_total_hits_as_int scroll scroll_id", scroll)
	}
	add("POST", "/{index}/_pit", httpx.Read, forIndices+" allow_partial_search_results keep_alive max_concurrent_shard_requests preference routing ", openPIT)
	add("DELETE", "/_pit", httpx.Read, "", closePIT)
	add("GET", "/{index}", httpx.Read, forIndices+forSettings+" features include_type_name ", indexInfo)
	add("GET", "/{index}/_doc/{id}", httpx.Read, forGet, document)
	add("GET", "/{index}/_source/{id}", httpx.Read, forGet, documentSource)
	read("GET POST", "/_mget", forGet, multiGet)

	// Writing.
	write("POST PUT", "/_bulk", forWrite+forSource+" list_executed_pipelines ", bulkWrite)
	write("POST PUT", "/{index}/_bulk", forWrite+forSource+" list_executed_pipelines ", bulkWrite)
	write("POST", "/{index}/_doc", forOne, documentWrite)
	write("PUT POST", "/{index}/_doc/{id}", forOne, documentWrite)
	write("PUT POST", "/{index}/_create/{id}", forOne, documentCreate)
	// As go-elasticsearch 7 writes _create and _update.
	write("PUT POST", "/{index}/_doc/{id}/_create", forOne, documentCreate)
	write("POST", "/{index}/_doc/{id}/_update", forOne+forSource+" lang retry_on_conflict ", written("_update"))
	write("DELETE", "/{index}/_doc/{id}", forOne, written("delete"))
	write("POST", "/{index}/_update/{id}", forOne+forSource+" lang retry_on_conflict ", written("_update"))
	write("POST", "/{index}/_update_by_query", forByQuery, written("_update_by_query"))
	write("POST", "/{index}/_delete_by_query", forByQuery, written("_delete_by_query"))
	write("DELETE", "/{index}", forIndices+forMaster, written("delete index"))
	// Importers ask for it after writing. What was stored shows at once here.
	for _, p := range []string{"/_refresh", "/{index}/_refresh", "/_flush", "/{index}/_flush"} {
		write("GET POST", p, forIndices+" force wait_if_ongoing ", refreshed)
	}

	// What is made before writing, and is not needed here.
	write("PUT", "/{index}", forPut+" wait_for_active_shards ", createIndex)
	for _, p := range []string{"/{index}/_mapping", "/{index}/_mapping/{type}"} {
		write("PUT POST", p, forIndices+forPut+" write_index_only ", putMapping)
	}
	write("PUT", "/_settings", forIndices+forSettings+" preserve_existing reopen ", putSettings)
	write("PUT", "/{index}/_settings", forIndices+forSettings+" preserve_existing reopen ", putSettings)
	write("POST", "/_aliases", forMaster, putAlias)
	write("PUT POST DELETE", "/{index}/_alias/{alias}", forMaster, putAlias)
	return out
}
