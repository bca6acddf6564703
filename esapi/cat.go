package esapi

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
)

// column is one column of a table of _cat.
type column struct {
	name   string
	short  string
	number bool
	hidden bool // not among those shown where none are named
}

// cell is one value of a row.
type cell struct {
	text string
	n    int64 // what a column of numbers is sorted by
}

func textCell(s string) cell      { return cell{text: s} }
func numberCell(n int64) cell     { return cell{strconv.FormatInt(n, 10), n} }
func (c *call) size(n int64) cell { return cell{bytesText(n, c.param("bytes")), n} }

// bytesText writes a size in the unit, or with the unit that suits it.
func bytesText(n int64, unit string) string {
	units := []string{"b", "kb", "mb", "gb", "tb", "pb"}
	if i := slices.Index(units, unit); i >= 0 {
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

// table answers with rows of all columns: those that ?h= names, sorted by ?s=,
// as text, or as JSON where asked.
func (c *call) table(columns []column, rows [][]cell) (reply, error) {
	if c.on("help") {
		var b []byte
		for _, col := range columns {
			b = fmt.Appendf(b, "%s | %s | \n", col.name, col.short)
		}
		return reply{plain: true, body: b}, nil
	}
	shown, err := c.shownColumns(columns)
	if err != nil {
		return reply{}, err
	}
	if rows, err = sortRows(columns, rows, c.param("s")); err != nil {
		return reply{}, err
	}
	accept := c.r.Header.Get("Accept")
	switch f := c.param("format"); {
	case f == "json", f == "yaml", f == "" && (strings.Contains(accept, "json") && !strings.Contains(accept, "text/plain") || wantsYAML(c)):
		return ok(jsonTable(columns, shown, rows)), nil
	}
	return reply{plain: true, body: textTable(columns, shown, rows, c.on("v"))}, nil
}

// shownColumns gives the places of the columns that are asked for.
func (c *call) shownColumns(columns []column) ([]int, error) {
	var shown []int
	h := c.param("h")
	if h == "" {
		for i, col := range columns {
			if !col.hidden {
				shown = append(shown, i)
			}
		}
		return shown, nil
	}
	for name := range strings.SplitSeq(h, ",") {
		for i, col := range columns {
			if name = strings.TrimSpace(name); name != "" && (dsl.Glob(name, col.name) || name == col.short) {
				shown = append(shown, i)
			}
		}
		if len(shown) > 100 {
			return nil, dsl.Illegal("more than 100 columns")
		}
	}
	return shown, nil
}

// sortRows sorts by the columns of ?s=docs.count:desc,index.
func sortRows(columns []column, rows [][]cell, by string) ([][]cell, error) {
	if by == "" {
		return rows, nil
	}
	keys := strings.Split(by, ",")
	if len(keys) > len(columns) {
		return nil, dsl.Illegal("more sort keys than columns")
	}
	rows = slices.Clone(rows)
	slices.Reverse(keys) // stable sorts from the last key to the first
	for _, key := range keys {
		name, order, _ := strings.Cut(key, ":")
		at := slices.IndexFunc(columns, func(c column) bool { return name != "" && (c.name == name || c.short == name) })
		if at < 0 {
			return nil, dsl.Illegal("Unable to sort by unknown sort key `%s`", clip(name))
		}
		slices.SortStableFunc(rows, func(a, b []cell) int {
			c := strings.Compare(a[at].text, b[at].text)
			if columns[at].number {
				c = int(min(max(a[at].n-b[at].n, -1), 1))
			}
			if order == "desc" {
				return -c
			}
			return c
		})
	}
	return rows, nil
}

func jsonTable(columns []column, shown []int, rows [][]cell) []byte {
	b := []byte{'['}
	for i, row := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '{')
		for j, at := range shown {
			if j > 0 {
				b = append(b, ',')
			}
			b = append(jsontext.AppendString(b, columns[at].name), ':')
			b = jsontext.AppendString(b, row[at].text)
		}
		b = append(b, '}')
	}
	return append(b, ']')
}

func textTable(columns []column, shown []int, rows [][]cell, head bool) []byte {
	var lines [][]string
	if head {
		var line []string
		for _, at := range shown {
			line = append(line, columns[at].name)
		}
		lines = append(lines, line)
	}
	for _, row := range rows {
		var line []string
		for _, at := range shown {
			line = append(line, row[at].text)
		}
		lines = append(lines, line)
	}
	widths := make([]int, len(shown))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	var b []byte
	for _, line := range lines {
		var out strings.Builder
		for i, text := range line {
			if i > 0 {
				out.WriteByte(' ')
			}
			if columns[shown[i]].number {
				fmt.Fprintf(&out, "%*s", widths[i], text)
			} else {
				fmt.Fprintf(&out, "%-*s", widths[i], text)
			}
		}
		b = append(append(b, strings.TrimRight(out.String(), " ")...), '\n')
	}
	return b
}
