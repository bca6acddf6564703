package esapi

import (
	"errors"
	"net/http"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// appendDocs appends the statistics that Oriel has of an index, or of several.
func appendDocs(b []byte, docs, bytes int64) []byte {
	b = appendInt(append(b, `{"docs":{"count":`...), docs)
	b = appendInt(append(b, `,"deleted":0,"total_size_in_bytes":`...), bytes)
	b = appendInt(append(b, `},"store":{"size_in_bytes":`...), bytes)
	b = appendInt(append(b, `,"total_data_set_size_in_bytes":`...), bytes)
	return append(b, `,"reserved_in_bytes":0}}`...)
}

// appendTotals appends the statistics twice: of primaries, and of all.
func appendTotals(b []byte, docs, bytes int64) []byte {
	b = appendDocs(append(b, `"primaries":`...), docs, bytes)
	return appendDocs(append(b, `,"total":`...), docs, bytes)
}

func sums(infos []logging.IndexInfo) (docs, bytes int64) {
	for _, i := range infos {
		docs, bytes = docs+i.Docs, bytes+i.Bytes
	}
	return docs, bytes
}

// indexStats answers _stats with documents and bytes.
func indexStats(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	b := ch.shards().Append([]byte(`{"_shards":`))
	docs, bytes := sums(ch.infos)
	b = append(appendTotals(append(b, `,"_all":{`...), docs, bytes), `},"indices":{`...)
	for i, info := range ch.infos {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsontext.AppendString(b, info.Name), `:{"uuid":"`+uuid("index "+info.Name)+`","health":"green","status":"open",`...)
		b = append(appendTotals(b, info.Docs, info.Bytes), '}')
	}
	return ok(append(b, `}}`...)), nil
}

// nodesStats answers _nodes/stats: all of what the caller sees is on one node.
func nodesStats(c *call) (reply, error) {
	v, err := c.open()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	docs, bytes := sums(v.infos)
	return ok(c.appendNode(nil, func(b []byte) []byte {
		return appendDocs(append(b, `,"indices":`...), docs, bytes)
	})), nil
}

// clusterStats answers _cluster/stats.
func clusterStats(c *call) (reply, error) {
	v, err := c.open()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	docs, bytes := sums(v.infos)
	n := int64(len(v.infos))
	b := []byte(`{"_nodes":{"total":1,"successful":1,"failed":0},"cluster_name":"` + clusterName + `","cluster_uuid":"` + uuid("cluster "+clusterName) + `","timestamp":`)
	b = appendInt(b, c.api.o.Clock().UnixMilli())
	b = appendInt(append(b, `,"status":"green","indices":{"count":`...), n)
	b = appendInt(append(b, `,"shards":{"total":`...), n)
	b = appendInt(append(b, `,"primaries":`...), n)
	b = append(b, `,"replication":0.0},`...)
	b = append(b, appendDocs(nil, docs, bytes)[1:]...)
	b = jsontext.AppendString(append(b, `,"nodes":{"count":{"total":1,"data":1,"ingest":1,"master":1},"versions":[`...), c.api.o.Version)
	return ok(append(b, `]}}`...)), nil
}

// clusterState answers _cluster/state with the metadata of the indices.
func clusterState(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	set, err := settingsOf(c.r.Context(), v, ch)
	if err != nil {
		return reply{}, err
	}
	b := []byte(`{"cluster_name":"` + clusterName + `","cluster_uuid":"` + uuid("cluster "+clusterName) + `","version":1,"state_uuid":"` + uuid("state "+clusterName) +
		`","master_node":"` + nodeID + `","blocks":{},"nodes":{"` + nodeID + `":{"name":"` + clusterName + `","roles":["data","ingest","master"]}},"metadata":{"cluster_uuid":"` + uuid("cluster "+clusterName) + `","templates":{},"indices":{`)
	for i, info := range ch.infos {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsontext.AppendString(b, info.Name), `:{"version":1,"state":"open","settings":`+set[info.Name]+`,"mappings":{},"aliases":[]}`...)
	}
	return ok(append(b, `}}}`...)), nil
}

// clusterSettings answers _cluster/settings: there are none.
func clusterSettings(c *call) (reply, error) {
	if c.on("include_defaults") {
		return ok([]byte(`{"persistent":{},"transient":{},"defaults":{}}`)), nil
	}
	return ok([]byte(`{"persistent":{},"transient":{}}`)), nil
}

// validateQuery answers _validate/query.
func validateQuery(c *call) (reply, error) {
	body, bad := c.json()
	if e := (*dsl.Error)(nil); errors.As(bad, &e) && e.Status != http.StatusBadRequest {
		return reply{}, bad
	}
	for _, key := range body.Keys {
		if key != "query" {
			bad = dsl.Parsing("request does not support [%s]", clip(key))
		}
	}
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	if bad == nil {
		_, bad = dsl.ParseSearch(body, c.param, c.env())
	}
	if bad != nil {
		e := c.explain(bad)
		if e.Status != http.StatusBadRequest {
			return reply{}, bad
		}
		b := []byte(`{"valid":false`)
		if c.on("explain") {
			b = jsontext.AppendString(append(b, `,"error":`...), e.Type+": "+e.Reason)
		}
		return ok(append(b, '}')), nil
	}
	b := []byte(`{"_shards":{"total":1,"successful":1,"failed":0},"valid":true`)
	if c.on("explain") {
		b = append(b, `,"explanations":[`...)
		for i, name := range ch.names() {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(jsontext.AppendString(append(b, `{"index":`...), name), `,"valid":true}`...)
		}
		b = append(b, ']')
	}
	return ok(append(b, '}')), nil
}
