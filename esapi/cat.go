package esapi

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// catColumn is one column of _cat/indices.
type catColumn struct {
	name   string
	short  string
	number bool
	hidden bool // not among the default ones
	of     func(logging.IndexInfo, sizes) string
}

// sizes says how bytes are written.
type sizes string

var catColumns = []catColumn{
	{name: "health", short: "h", of: func(logging.IndexInfo, sizes) string { return "green" }},
	{name: "status", short: "s", of: func(logging.IndexInfo, sizes) string { return "open" }},
	{name: "index", short: "i", of: func(i logging.IndexInfo, _ sizes) string { return i.Name }},
	{name: "uuid", short: "id", of: func(i logging.IndexInfo, _ sizes) string { return uuid("index " + i.Name) }},
	{name: "pri", short: "p", number: true, of: func(logging.IndexInfo, sizes) string { return "1" }},
	{name: "rep", short: "r", number: true, of: func(logging.IndexInfo, sizes) string { return "0" }},
	{name: "docs.count", short: "dc", number: true, of: func(i logging.IndexInfo, _ sizes) string { return strconv.FormatInt(i.Docs, 10) }},
	{name: "docs.deleted", short: "dd", number: true, of: func(logging.IndexInfo, sizes) string { return "0" }},
	{name: "store.size", short: "ss", number: true, of: func(i logging.IndexInfo, s sizes) string { return s.format(i.Bytes) }},
	{name: "pri.store.size", number: true, of: func(i logging.IndexInfo, s sizes) string { return s.format(i.Bytes) }},
	{name: "dataset.size", number: true, hidden: true, of: func(i logging.IndexInfo, s sizes) string { return s.format(i.Bytes) }},
}

func (s sizes) format(n int64) string {
	units := []string{"b", "kb", "mb", "gb", "tb", "pb"}
	if i := slices.Index(units, string(s)); i >= 0 {
		return strconv.FormatInt(n>>(10*i), 10)
	}
	f := float64(n)
	for _, u := range units {
		if f < 1024 || u == "pb" {
			text := strconv.FormatFloat(f, 'f', 1, 64)
			return strings.TrimSuffix(text, ".0") + u
		}
		f /= 1024
	}
	return ""
}

// catIndices answers _cat/indices as a table, or as JSON where asked.
func catIndices(c *call) (reply, error) {
	v, ch, err := c.openFor()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	var columns []catColumn
	if h := c.param("h"); h != "" {
		for name := range strings.SplitSeq(h, ",") {
			for _, col := range catColumns {
				if name != "" && (dsl.Glob(name, col.name) || name == col.short) {
					columns = append(columns, col)
				}
			}
			if len(columns) > 100 {
				return reply{}, dsl.Illegal("more than 100 columns")
			}
		}
	} else {
		columns = slices.DeleteFunc(slices.Clone(catColumns), func(c catColumn) bool { return c.hidden })
	}
	infos := slices.Clone(ch.infos)
	if err := catSort(infos, c.param("s")); err != nil {
		return reply{}, err
	}
	size := sizes(c.param("bytes"))
	accept := c.r.Header.Get("Accept")
	if f := c.param("format"); f == "json" || (f == "" && strings.Contains(accept, "json") && !strings.Contains(accept, "text/plain")) {
		b := []byte{'['}
		for i, info := range infos {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '{')
			for j, col := range columns {
				if j > 0 {
					b = append(b, ',')
				}
				b = append(jsontext.AppendString(b, col.name), ':')
				b = jsontext.AppendString(b, col.of(info, size))
			}
			b = append(b, '}')
		}
		return ok(append(b, ']')), nil
	}
	var rows [][]string
	if c.on("v") {
		var head []string
		for _, col := range columns {
			head = append(head, col.name)
		}
		rows = append(rows, head)
	}
	for _, info := range infos {
		var row []string
		for _, col := range columns {
			row = append(row, col.of(info, size))
		}
		rows = append(rows, row)
	}
	return reply{plain: true, body: table(columns, rows)}, nil
}

// catSort sorts by the columns of ?s=docs.count:desc,index.
func catSort(infos []logging.IndexInfo, by string) error {
	if by == "" {
		return nil
	}
	keys := strings.Split(by, ",")
	if len(keys) > len(catColumns) {
		return dsl.Illegal("more sort keys than columns")
	}
	slices.Reverse(keys) // stable sorts from the last key to the first
	for _, key := range keys {
		name, order, _ := strings.Cut(key, ":")
		i := slices.IndexFunc(catColumns, func(c catColumn) bool { return c.name == name || (c.short == name && name != "") })
		if i < 0 {
			return dsl.Illegal("Unable to sort by unknown sort key `%s`", clip(name))
		}
		col := catColumns[i]
		slices.SortStableFunc(infos, func(a, b logging.IndexInfo) int {
			x, y := col.of(a, "b"), col.of(b, "b")
			c := strings.Compare(x, y)
			if col.number && len(x) != len(y) {
				c = len(x) - len(y)
			}
			if order == "desc" {
				return -c
			}
			return c
		})
	}
	return nil
}

func table(columns []catColumn, rows [][]string) []byte {
	widths := make([]int, len(columns))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b []byte
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteByte(' ')
			}
			if columns[i].number {
				fmt.Fprintf(&line, "%*s", widths[i], cell)
			} else {
				fmt.Fprintf(&line, "%-*s", widths[i], cell)
			}
		}
		b = append(append(b, strings.TrimRight(line.String(), " ")...), '\n')
	}
	return b
}

// catHealth answers _cat/health with one line.
func catHealth(c *call) (reply, error) {
	now := c.api.o.Clock().UTC()
	line := fmt.Sprintf("%d %s %s green 1 1 0 0 0 0 0 0 - 100.0%%\n", now.Unix(), now.Format("15:04:05"), clusterName)
	return reply{plain: true, body: []byte(line)}, nil
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
