package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// row is a line of an answer: what both systems must agree on.
type row struct {
	key  string
	vals []float64
}

type esReply struct {
	TimedOut bool `json:"timed_out"`
	Hits     struct {
		Total struct{ Value float64 }
		Hits  []struct {
			Source struct {
				Timestamp string `json:"@timestamp"`
				Message   string
			} `json:"_source"`
		}
	}
	Aggregations map[string]struct {
		Value   float64
		Buckets []esBucket
	}
}

type esBucket struct {
	Key   json.RawMessage
	Count float64 `json:"doc_count"`
	A     struct{ Value *float64 }
	M     struct{ Buckets []esBucket }
}

func (b esBucket) key() string {
	var s string
	if json.Unmarshal(b.Key, &s) == nil {
		return s
	}
	return string(b.Key)
}

func es(reply []byte) (esReply, error) {
	var r esReply
	if err := json.Unmarshal(reply, &r); err != nil {
		return r, err
	}
	if r.TimedOut {
		return r, fmt.Errorf("timed out: %.300s", reply)
	}
	return r, nil
}

func esHits(reply []byte) ([]row, error) {
	r, err := es(reply)
	var out []row
	for _, h := range r.Hits.Hits {
		out = append(out, row{key: h.Source.Timestamp + " " + h.Source.Message})
	}
	return sorted(out), err
}

func esTotal(reply []byte) ([]row, error) {
	r, err := es(reply)
	return []row{{"", []float64{r.Hits.Total.Value}}}, err
}

func esValue(reply []byte) ([]row, error) {
	r, err := es(reply)
	for _, a := range r.Aggregations {
		return []row{{"", []float64{a.Value}}}, err
	}
	return nil, err
}

func esMinutes(reply []byte) ([]row, error) {
	r, err := es(reply)
	var out []row
	for _, b := range r.Aggregations["m"].Buckets {
		out = append(out, row{b.key(), []float64{b.Count}})
	}
	return sorted(out), err
}

func esSeries(reply []byte) ([]row, error) {
	r, err := es(reply)
	var out []row
	for _, n := range r.Aggregations["n"].Buckets {
		for _, b := range n.M.Buckets {
			out = append(out, row{n.key() + " " + b.key(), []float64{b.Count}})
		}
	}
	return sorted(out), err
}

func esTerms(reply []byte) ([]row, error) {
	r, err := es(reply)
	var out []row
	for _, b := range r.Aggregations["t"].Buckets {
		avg := math.NaN()
		if b.A.Value != nil {
			avg = *b.A.Value
		}
		out = append(out, row{b.key(), []float64{b.Count, avg}})
	}
	return out, err
}

// vlRows reads VictoriaLogs' lines of JSON, all values strings.
func vlRows(reply []byte) ([]map[string]string, error) {
	var out []map[string]string
	for l := range bytes.Lines(reply) {
		m := map[string]string{}
		if err := json.Unmarshal(l, &m); err != nil {
			return nil, fmt.Errorf("%w: %.200s", err, l)
		}
		out = append(out, m)
	}
	return out, nil
}

func vlHits(reply []byte) ([]row, error) {
	rows, err := vlRows(reply)
	var out []row
	for _, m := range rows {
		t, perr := time.Parse(time.RFC3339Nano, m["_time"])
		if perr != nil {
			return nil, perr
		}
		out = append(out, row{key: t.UTC().Format(iso) + " " + m["_msg"]})
	}
	return sorted(out), err
}

func vlValue(reply []byte) ([]row, error) {
	rows, err := vlRows(reply)
	if err != nil || len(rows) != 1 {
		return nil, fmt.Errorf("want one row: %w: %.200s", err, reply)
	}
	return []row{{"", []float64{number(rows[0]["n"])}}}, nil
}

func vlTerms(field string) func([]byte) ([]row, error) {
	return func(reply []byte) ([]row, error) {
		rows, err := vlRows(reply)
		var out []row
		for _, m := range rows {
			if m[field] != "" {
				out = append(out, row{m[field], []float64{number(m["n"]), number(m["a"])}})
			}
		}
		slices.SortStableFunc(out, func(a, b row) int { return int(b.vals[0] - a.vals[0]) })
		return out[:min(10, len(out))], err
	}
}

func vlHitsByMinute(reply []byte) ([]row, error) {
	var r struct {
		Hits []struct {
			Fields     map[string]string
			Timestamps []time.Time
			Values     []float64
		}
	}
	if err := json.Unmarshal(reply, &r); err != nil {
		return nil, err
	}
	var out []row
	for _, h := range r.Hits {
		prefix := ""
		for _, v := range h.Fields {
			prefix = v + " "
		}
		if prefix == "" && len(r.Hits) > 1 {
			continue // the namespaces beyond the limit, as one
		}
		for i, t := range h.Timestamps {
			out = append(out, row{prefix + strconv.FormatInt(t.UnixMilli(), 10), []float64{h.Values[i]}})
		}
	}
	return sorted(out), nil
}

func number(s string) float64 {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return math.NaN()
	}
	return f
}

func sorted(rows []row) []row {
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.key, b.key) })
	return rows
}

// differ says where two answers to a query differ; "" where they agree.
func (q *query) differ(a, b []row) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d rows and %d", len(a), len(b))
	}
	for i := range a {
		tied := q.top && a[i].vals[0] == b[i].vals[0] && (a[i].vals[0] == a[len(a)-1].vals[0] || i+1 < len(a) && a[i].vals[0] == a[i+1].vals[0] || i > 0 && a[i].vals[0] == a[i-1].vals[0])
		if a[i].key != b[i].key && !tied {
			return fmt.Sprintf("row %d of %d: %.120s and %.120s", i, len(a), a[i].key, b[i].key)
		}
		if tied && a[i].key != b[i].key {
			continue
		}
		for j, x := range a[i].vals {
			y := b[i].vals[j]
			if math.IsNaN(x) && math.IsNaN(y) {
				continue
			}
			if !(math.Abs(x-y) <= q.tolerance*math.Max(math.Abs(x), math.Abs(y))) {
				return fmt.Sprintf("row %d of %d, %s: %v and %v", i, len(a), a[i].key, x, y)
			}
		}
	}
	return ""
}

// sum tells what an answer is, in a few words.
func sum(rows []row) string {
	if len(rows) == 1 && len(rows[0].vals) > 0 {
		return strconv.FormatFloat(rows[0].vals[0], 'f', -1, 64)
	}
	return fmt.Sprintf("%d rows", len(rows))
}
