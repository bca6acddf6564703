package elastic

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
)

// bucket is one group of records of the engine's.
type bucket struct {
	Key   map[string]any `json:"key"` // numbers are json.Number
	Docs  int64          `json:"doc_count"`
	Bytes struct {
		Value float64 `json:"value"`
	} `json:"bytes"`
}

// groupsPage is how many groups are asked for at once.
const groupsPage = 5000

// groups gives the groups of records that are alike in sources, page by page.
func (v *view) groups(ctx context.Context, query es.Query, sources []any, inside any, fn func(bucket) error) error {
	var behind map[string]json.RawMessage
	for {
		of := map[string]any{"size": groupsPage, "sources": sources}
		if behind != nil {
			of["after"] = behind
		}
		groups := map[string]any{"composite": of}
		if inside != nil {
			groups["aggs"] = inside
		}
		a, err := v.search(ctx, search{query: query, aggs: map[string]any{"groups": groups}})
		if err != nil {
			return err
		}
		var page struct {
			After   map[string]json.RawMessage `json:"after_key"`
			Buckets []bucket                   `json:"buckets"`
		}
		dec := json.NewDecoder(bytes.NewReader(a.Aggs.Groups))
		dec.UseNumber()
		if err := dec.Decode(&page); err != nil {
			return fmt.Errorf("read the engine's groups: %w", err)
		}
		for _, b := range page.Buckets {
			if err := fn(b); err != nil {
				return err
			}
		}
		if behind = page.After; behind == nil || len(page.Buckets) < groupsPage {
			return nil
		}
	}
}

// projection says what of a record an aggregation looks at, and how the engine
// groups by it: records of one group are alike for the aggregation.
type projection struct {
	sources []any
	native  map[string]string // fields of the engine's, by source
	grid    bool              // the source "ns" gives the beginning of a span of time in milliseconds
	fields  []string          // what the script gives, in order
}

// project gives the projection for aggregations; ok is false where they look at
// more than the values of single fields.
func project(aggs []logging.Agg, level bool) (p *projection, ok bool) {
	p = &projection{native: map[string]string{}}
	u := uses{values: map[string]bool{}}
	if !u.walk(aggs) {
		return nil, false
	}
	add := func(as string, of any) { p.sources = append(p.sources, map[string]any{as: of}) }
	term := func(name, field string) {
		p.native[field] = name
		add(field, map[string]any{"terms": map[string]any{"field": field, "missing_bucket": true}})
	}
	if g := u.grid; g > 0 && !u.values[logging.FieldTime] {
		p.grid = true
		add("ns", map[string]any{"date_histogram": map[string]any{"field": "ms", "fixed_interval": strconv.FormatInt(g.Milliseconds(), 10) + "ms"}})
	} else if u.values[logging.FieldTime] {
		term(logging.FieldTime, "ns")
	}
	var script [][]string
	for name := range u.values {
		switch c := canonical(name); {
		case name == logging.FieldTime:
		case name == logging.FieldReceived:
			term(name, "r")
		case name == logging.FieldSeq:
			term(name, "s")
		case name == "_index":
			term(name, "i")
		case name == "_id":
			term(name, "id")
		case c == levelName && level || isLabel(c):
			if p.native[c] == "" {
				term(name, c)
			}
		default:
			p.fields = append(p.fields, name)
			var names []string
			for _, at := range places(name) {
				names = append(names, named(at))
			}
			script = append(script, names)
		}
	}
	if script != nil {
		add("rest", map[string]any{"terms": map[string]any{"script": map[string]any{
			"lang": "painless", "source": projectScript, "params": map[string]any{"fields": script},
		}}})
	}
	return p, true
}

// isLabel reports whether a name is a stamped one that has no more than one
// value and is the engine's own field.
func isLabel(name string) bool {
	switch name {
	case "cluster", "region", "cloud", "namespace", "pod", "container", "node", "stream":
		return true
	}
	return false
}

// projectScript gives the values of some fields of a record as one text: of
// each value the number of its field, its length and itself.
const projectScript = `
StringBuilder out = new StringBuilder('=');
for (int i = 0; i < params.fields.length; i++) {
  for (name in params.fields[i]) {
    boolean found = false;
    for (text in doc['v']) {
      if (text.startsWith(name)) {
        found = true;
        String value = text.substring(name.length());
        if (value.length() > 0) out.append(i).append(':').append(value.length()).append(':').append(value);
      } else if (found) break;
    }
    if (found) {
      for (text in doc['u']) {
        if (text.startsWith(name)) {
          String value = text.substring(name.length());
          out.append(i).append(':').append(value.length()).append(':').append(value);
        }
      }
      break;
    }
  }
}
return out.toString();`

// uses is what aggregations look at.
type uses struct {
	values map[string]bool
	grid   time.Duration // of histograms of the time; 0: there are none
}

// walk gives false for what takes more than values of single fields.
func (u *uses) walk(aggs []logging.Agg) bool {
	for _, a := range aggs {
		field := logging.Field{}
		switch of := a.Of.(type) {
		case logging.DateHistogram:
			if field = of.Field; field.Name == logging.FieldTime {
				g := gridOf(of)
				if u.grid != 0 {
					g = gcd(g, u.grid)
				}
				if u.grid = g; g < time.Millisecond || g%time.Millisecond != 0 {
					u.values[logging.FieldTime] = true
				}
				if !u.walk(a.Sub) {
					return false
				}
				continue
			}
		case logging.Histogram:
			field = of.Field
		case logging.Terms:
			field = of.Field
		case logging.MissingAgg:
			field = of.Field
		case logging.Metric:
			field = of.Field
		default:
			return false
		}
		if !plain(field) {
			return false
		}
		u.values[field.Name] = true
		if !u.walk(a.Sub) {
			return false
		}
	}
	return true
}

// gridOf gives a span of time at whose multiples since the epoch alone buckets
// of a histogram begin. The zones of this century are off by multiples of 15
// minutes.
func gridOf(h logging.DateHistogram) time.Duration {
	const zones = 15 * time.Minute
	g := h.Fixed
	switch h.Calendar {
	case 0:
	case logging.Minute:
		g = time.Minute
	default:
		g = time.Hour
	}
	if h.Zone != nil && h.Zone != time.UTC {
		g = gcd(g, zones)
	}
	return gcd(g, h.Offset.Abs())
}

func gcd(a, b time.Duration) time.Duration {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// errLong says that a group's values do not tell all of its records' values.
var errLong = errors.New("a value is too long to be grouped by")

// record makes a record that is, for the aggregations, like those of a group.
func (p *projection) record(b bucket) (*logging.Record, error) {
	r := &logging.Record{}
	for field := range p.native {
		key := b.Key[field]
		if key == nil {
			continue
		}
		text := fmt.Sprint(key)
		n, _ := strconv.ParseInt(text, 10, 64)
		switch field {
		case "ns":
			r.Time = time.Unix(0, n).UTC()
		case "r":
			r.Received = time.UnixMilli(n).UTC()
		case "s":
			r.Seq = uint64(n)
		case "i":
			r.Index = text
		case "id":
			r.ID = text
		case "cluster":
			r.Cluster = text
		case "region":
			r.Region = text
		case "cloud":
			r.Cloud = text
		case "namespace":
			r.Namespace = text
		case "pod":
			r.Pod = text
		case "container":
			r.Container = text
		case "node":
			r.Node = text
		case "level":
			r.Level = text
		case "stream":
			r.Stream = text
		}
	}
	if p.grid {
		n, err := strconv.ParseInt(fmt.Sprint(b.Key["ns"]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("read the engine's groups: %w", err)
		}
		r.Time = time.UnixMilli(n).UTC()
	}
	if len(p.fields) == 0 {
		r.Source = []byte("{}")
		return r, nil
	}
	text, _ := b.Key["rest"].(string)
	vals, err := p.parse(text)
	if err != nil {
		return nil, err
	}
	own := map[string][]json.RawMessage{}
	for i, name := range p.fields {
		for _, v := range vals[i] {
			own[name] = append(own[name], valueJSON(v))
		}
	}
	r.Source, err = json.Marshal(own)
	return r, err
}

// valueJSON writes a value so that it reads as the same.
func valueJSON(v logging.Value) json.RawMessage {
	switch v.Kind {
	case logging.KindString:
		text, _ := json.Marshal(v.Str) // of a string there is no error
		return text
	case logging.KindFloat:
		text := v.Text()
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return json.RawMessage(text)
	}
	return json.RawMessage(v.Text())
}

// againMax is how often a document can have a value: it has no more values.
const againMax = 1 << 16

// parse reads what projectScript wrote: the values of each field.
func (p *projection) parse(s string) ([][]logging.Value, error) {
	out := make([][]logging.Value, len(p.fields))
	rest := utf16.Encode([]rune(strings.TrimPrefix(s, "=")))
	number := func() (int, bool) {
		for i, c := range rest {
			if c == ':' {
				n, err := strconv.Atoi(string(utf16.Decode(rest[:i])))
				rest = rest[i+1:]
				return n, err == nil
			}
		}
		return 0, false
	}
	for len(rest) > 0 {
		field, ok1 := number()
		size, ok2 := number()
		if !ok1 || !ok2 || field < 0 || field >= len(out) || size < 0 || size > len(rest) {
			return nil, fmt.Errorf("read the engine's groups: %q", s)
		}
		text := string(utf16.Decode(rest[:size]))
		rest = rest[size:]
		times := 1
		if at := strings.LastIndex(text, esc+"#"); at >= 0 {
			n, err := strconv.Atoi(text[at+2:])
			if err != nil || n > againMax {
				return nil, fmt.Errorf("read the engine's groups: %q", s)
			}
			text, times = text[:at], n-1 // it is there once already
		}
		v, ok := parseStored(text)
		if !ok {
			return nil, errLong
		}
		for range times {
			out[field] = append(out[field], v)
		}
	}
	return out, nil
}
