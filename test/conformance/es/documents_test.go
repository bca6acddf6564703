//go:build real

package es

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// template makes the real engine see fields as Oriel promises them: strings are
// text with an exact twin without a limit of length, the names that Oriel stamps
// are keywords, numbers with a fraction are doubles, and no string is taken for
// a date but that of @timestamp.
const template = `{"index_patterns":["logs-*","audit-*","gen-*","writes-*"],"template":{
 "settings":{"number_of_shards":1,"number_of_replicas":0},
 "mappings":{"date_detection":false,"numeric_detection":false,
  "dynamic_templates":[
   {"doubles":{"match_mapping_type":"double","mapping":{"type":"double"}}},
   {"strings":{"match_mapping_type":"string","mapping":{"type":"text","fields":{"keyword":{"type":"keyword"}}}}}],
  "properties":{"@timestamp":{"type":"date"},
   "cluster":{"type":"keyword"},"region":{"type":"keyword"},"cloud":{"type":"keyword"},"namespace":{"type":"keyword"},
   "pod":{"type":"keyword"},"container":{"type":"keyword"},"node":{"type":"keyword"},"level":{"type":"keyword"},"stream":{"type":"keyword"},
   "status":{"type":"long"},"num":{"type":"long"},"n":{"type":"long"},"bytes":{"type":"long"},
   "took":{"type":"double"},"real":{"type":"double"},"delta":{"type":"double"},
   "ok":{"type":"boolean"},"flag":{"type":"boolean"},
   "tags":{"type":"text","fields":{"keyword":{"type":"keyword"}}},
   "word":{"type":"text","fields":{"keyword":{"type":"keyword"}}},
   "user":{"properties":{"name":{"type":"text","fields":{"keyword":{"type":"keyword"}}},"id":{"type":"long"}}}}}}}`

// document is one to be stored on both sides.
type document struct{ index, id, source string }

// zero is the time of the first of the regular documents: a day before the
// clocks of Berlin change.
var zero = time.Date(2024, 3, 30, 10, 0, 0, 0, time.UTC)

// documents are what every scenario asks over: three days of two namespaces'
// logs, an index with what is odd, and a small one beside.
func documents() []document {
	docs := regular()
	docs = append(docs, odd()...)
	for i, who := range []string{"ann", "bob", "ann", "Eve"} {
		docs = append(docs, document{"audit-2024.03", fmt.Sprintf("a%d", i), fmt.Sprintf(
			`{"@timestamp":"2024-03-30T10:0%d:00Z","message":"login","user":{"name":%q},"n":%d,"cluster":"test","region":"eu","cloud":"private"}`, i, who, 900+i)})
	}
	return docs
}

// regular are documents as services log them: every 27 minutes one, n counts them.
func regular() []document {
	messages := []string{
		"GET /api/v1/cart/%d 200 in 12ms",
		"payment timeout after 30s for order %d",
		"Connection refused: dial tcp 10.0.3.%d:5432",
		"order %d placed",
		"Größe überschritten bei Bestellung %d",
		"user ann@example.com logged in from 192.168.0.%d",
		"slow query (took %d ms): SELECT * FROM orders WHERE id = 'x-1'",
		"OOMKilled container cart-%d exit code 137",
		"Payment accepted for ORDER %d",
	}
	levels := []string{"info", "info", "error", "info", "warn", "info", "warn", "fatal", "debug"}
	var docs []document
	for n := range 160 {
		i := n*7 + n/9
		m := map[string]any{
			"@timestamp": zero.Add(time.Duration(n)*27*time.Minute + time.Duration(n*n*37%60_000)*time.Millisecond).Format("2006-01-02T15:04:05.000Z"),
			"message":    fmt.Sprintf(messages[i%len(messages)], n),
			"n":          n,
			"cluster":    "test", "region": "eu", "cloud": "private",
			"namespace": []string{"shop", "shop", "billing"}[n%3],
			"level":     levels[i%len(levels)],
			"stream":    []string{"stdout", "stderr"}[n%2],
			"status":    []int{200, 200, 201, 404, 500, 503}[n%6],
			"took":      float64(n%50)*1.25 + 0.125,
			"bytes":     int64(n) * int64(n) * 1001,
			"ok":        n%4 != 0,
			"user":      map[string]any{"name": []string{"ann", "bob", "carol", "Dave", "eve mallory"}[n%5], "id": 1000 + n%5},
		}
		m["pod"] = fmt.Sprintf("%s-%d", []string{"cart", "api-gateway", "db"}[n%3], n%4)
		m["container"] = []string{"cart", "api", "postgres"}[n%3]
		m["node"] = fmt.Sprintf("node-%d.eu", n%2)
		if n%5 == 0 {
			delete(m, "status")
			m["tags"] = []string{"alpha", "beta"}
		}
		if n%7 == 0 {
			m["tags"] = []string{"beta", "gamma", "Delta x"}
			m["trace"] = fmt.Sprintf("4bf92f3577b34da6a3ce929d0e0e%04x", n)
		}
		if n%3 == 1 {
			delete(m, "took")
		}
		if n%8 == 3 {
			m["delta"] = -float64(n) + 0.5
			m["labels"] = map[string]any{"tier": "front end", "team": []string{"a", "b"}}
		}
		if n%2 == 0 {
			m["http.method"] = []string{"GET", "POST"}[n%4/2]
		} else {
			m["http"] = map[string]any{"method": "GET", "path": "/api/v1/" + []string{"cart", "pay"}[n%4/2]}
		}
		source, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		docs = append(docs, document{"logs-test-" + m["namespace"].(string), fmt.Sprintf("r%d", n), string(source)})
	}
	return docs
}

// odd are documents that test the edges of types and texts. Every one has n.
func odd() []document {
	const day = `"@timestamp":"2024-04-03T`
	sources := []string{
		`{` + day + `00:00:00.000Z","message":"null and empty","nothing":null,"list":[],"object":{},"word":"","status":null}`,
		`{` + day + `00:00:01.001Z","message":"lists","word":["one","two","two"],"num":[3,1,2],"real":[1.5,-2.5],"flag":[true,false]}`,
		`{` + day + `00:00:02.002Z","message":"lists in lists","num":[[7],[8,[9]]],"items":[{"sku":"a-1","qty":1},{"sku":"b-2","qty":2}]}`,
		`{` + day + `00:00:03.003+02:00","message":"numbers","num":9007199254740993,"real":1e300}`,
		`{` + day + `00:00:04.004Z","message":"more numbers","num":-9223372036854775808,"real":-0.001}`,
		`{` + day + `00:00:05Z","message":"texts","word":"Mixed Case-Text_with.dots and,commas; e.g. foo@bar.com","path":"/var/log/app.log"}`,
		`{` + day + `00:00:06.000Z","message":"unicode","word":"北京 naïve café ÅNGSTRÖM ß 😀 Ελλάδα"}`,
		`{` + day + `00:00:07.000Z","message":"reserved","word":"a+b-c=d && e || f ! (g) {h} [i] ^j \"k\" ~l *m ?n :o \\p /q"}`,
		`{` + day + `00:00:08.000Z","message":"first line\nsecond line\n\tat com.example.Main.run(Main.java:42)","word":"trailing space "}`,
		`{` + day + `00:00:09.000Z","message":"addresses","addr":["10.0.0.1","fe80::1","192.168.100.200"],"word":"10.0.0.0/8"}`,
		`{` + day + `00:00:10.000Z","message":"looks like","word":"2024-01-01","path":"123","flag":true}`,
		`{` + day + `00:00:11.000Z","message":"deep","a":{"b":{"c":{"d":1,"e":"leaf"}},"b.x":"dotted"},"a.f":"outer"}`,
		`{` + day + `00:00:12.000Z","message":"long ` + strings.Repeat("x", 300) + `","word":"` + strings.Repeat("long ", 80) + `end"}`,
		`{` + day + `00:00:13.000Z","message":"the quick brown fox jumps over the lazy dog","word":"fox"}`,
		`{` + day + `00:00:14.000Z","message":"the brown quick fox","word":"foxes"}`,
		`{` + day + `00:00:15.000Z","message":"quick","word":"Fox","num":0,"real":0.5,"flag":false}`,
		`{` + day + `00:00:16.000Z","message":"error: AND OR NOT TO","word":"AND"}`,
		`{` + day + `00:00:17.000Z","message":"it's o'clock; don't","word":"it's"}`,
		`{` + day + `00:00:18.000Z","message":"v1.2.3-rc.1 snake_case camelCase kebab-case 3.14 1,000 x2","word":"v1.2.3"}`,
		`{` + day + `00:00:19.000Z","message":"equal","word":"equal","num":5,"real":2.5}`,
		`{` + day + `00:00:20.000Z","message":"equal","word":"equal","num":5,"real":2.5}`,
	}
	docs := make([]document, len(sources))
	for i, s := range sources {
		docs[i] = document{"logs-odd", fmt.Sprintf("o%d", i), strings.TrimSuffix(s, "}") +
			fmt.Sprintf(`,"n":%d,"cluster":"test","region":"eu","cloud":"private"}`, 500+i)}
	}
	return docs
}
