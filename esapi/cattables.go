package esapi

import (
	"net/http"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

var indicesColumns = []column{
	{name: "health", short: "h"}, {name: "status", short: "s"}, {name: "index", short: "i"}, {name: "uuid", short: "id"},
	{name: "pri", short: "p", number: true}, {name: "rep", short: "r", number: true},
	{name: "docs.count", short: "dc", number: true}, {name: "docs.deleted", short: "dd", number: true},
	{name: "store.size", short: "ss", number: true}, {name: "pri.store.size", number: true}, {name: "dataset.size", number: true, hidden: true},
}

// catIndices answers _cat/indices.
func catIndices(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	var rows [][]cell
	if h := c.param("health"); h == "" || h == "green" {
		for _, info := range ch.infos {
			size := c.size(info.Bytes)
			rows = append(rows, []cell{
				textCell("green"), textCell("open"), textCell(info.Name), textCell(uuid("index " + info.Name)),
				numberCell(1), numberCell(0), numberCell(info.Docs), numberCell(0), size, size, size,
			})
		}
	}
	return c.table(indicesColumns, rows)
}

// catCount answers _cat/count with one row.
func catCount(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	var n int64
	if len(ch.infos) > 0 {
		res, err := v.Search(c.r.Context(), logging.Query{Indices: ch.query()})
		if err != nil {
			return reply{}, err
		}
		n = res.Total
	}
	now := c.api.o.Clock().UTC()
	return c.table([]column{{name: "epoch", short: "t"}, {name: "timestamp", short: "ts"}, {name: "count", short: "dc"}},
		[][]cell{{numberCell(now.Unix()), textCell(now.Format("15:04:05")), numberCell(n)}})
}

// catHealth answers _cat/health with one row.
func catHealth(c *call) (reply, error) {
	now := c.api.o.Clock().UTC()
	noTime := c.param("ts") == "false"
	zero, one := numberCell(0), numberCell(1)
	return c.table([]column{
		{name: "epoch", short: "t", hidden: noTime}, {name: "timestamp", short: "ts", hidden: noTime},
		{name: "cluster", short: "cl"}, {name: "status", short: "st"},
		{name: "node.total", short: "nt", number: true}, {name: "node.data", short: "nd", number: true},
		{name: "shards", short: "t", number: true}, {name: "pri", short: "p", number: true}, {name: "relo", short: "r", number: true},
		{name: "init", short: "i", number: true}, {name: "unassign", short: "u", number: true}, {name: "pending_tasks", short: "pt", number: true},
		{name: "max_task_wait_time", short: "mtwt"}, {name: "active_shards_percent", short: "asp"},
	}, [][]cell{{
		numberCell(now.Unix()), textCell(now.Format("15:04:05")), textCell(clusterName), textCell("green"),
		one, one, zero, zero, zero, zero, zero, zero, textCell("-"), textCell("100.0%"),
	}})
}

// catAliases answers _cat/aliases: there are none.
func catAliases(c *call) (reply, error) {
	return c.table([]column{{name: "alias", short: "a"}, {name: "index", short: "i"}, {name: "filter", short: "f"},
		{name: "routing.index", short: "ri"}, {name: "routing.search", short: "rs"}, {name: "is_write_index", short: "w"}}, nil)
}

// catTemplates answers _cat/templates: there are none.
func catTemplates(c *call) (reply, error) {
	return c.table([]column{{name: "name", short: "n"}, {name: "index_patterns", short: "t"}, {name: "order", short: "o", number: true},
		{name: "version", short: "v", number: true}, {name: "composed_of", short: "c"}}, nil)
}

// resolveIndex answers _resolve/index.
func resolveIndex(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	b := []byte(`{"indices":[`)
	for i, name := range ch.names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(jsontext.AppendString(append(b, `{"name":`...), name), `,"attributes":["open"]}`...)
	}
	return reply{status: http.StatusOK, body: append(b, `],"aliases":[],"data_streams":[]}`...)}, nil
}
