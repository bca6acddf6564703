//go:build real

package prometheus

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/metrics/metricstest"
	"github.com/oriel-project/oriel/test/peers"
)

// TestQueriesEqualPrometheus asks both a slice of the generated queries.
func TestQueriesEqualPrometheus(t *testing.T) { compareQueries(t, 1, 250) }

func compareQueries(t *testing.T, seed uint64, n int) {
	s := start(t, seed)
	g := metricstest.NewGenerator(seed)
	equal, failed, empty := 0, 0, 0
	for i := range n {
		query := g.Query()
		params := url.Values{"query": {query}}
		path := "/api/v1/query"
		if i%2 == 0 {
			params.Set("time", at(until.Add(-time.Duration(i%37)*time.Minute)))
		} else {
			path = "/api/v1/query_range"
			params.Set("start", at(since.Add(time.Duration(i%17)*time.Minute)))
			params.Set("end", at(until))
			params.Set("step", strconv.Itoa([]int{15, 60, 97, 300}[i/2%4]))
		}
		got, want := ask(t, s.oriel, path, params), ask(t, s.real, path, params)
		if !sameAnswer(got, want) {
			t.Errorf("query %d of seed %d: %s?%s\n%s\n got %.600s\nwant %.600s", i, seed, path, params.Encode(), query, got, want)
			continue
		}
		switch equal++; {
		case !strings.HasPrefix(want, "200 "):
			failed++
		case strings.Contains(want, `"result":[]`):
			empty++
		}
	}
	t.Logf("%d of %d answers are equal; of those %d are errors, %d are empty", equal, n, failed, empty)
	if failed > n/3 || empty > n/2 {
		t.Error("most queries say nothing: the generator is off")
	}
}

func at(ts time.Time) string { return strconv.FormatFloat(float64(ts.UnixMilli())/1000, 'f', 3, 64) }

// twins are what an error about duplicates names: of several groups one, and two of
// its series, as the engine's maps have them.
var twins = regexp.MustCompile(`(found duplicate series for the match group )\{.*\}( on the (?:left|right) hand-side of the operation: )\[.*\]`)

// sameAnswer compares two answers: the same bytes, or the same series with the
// same values where the engine's own order is not defined (an instant vector,
// and sums over series, whose last bits depend on the order they are added in).
func sameAnswer(got, want string) bool {
	if got == want {
		return true
	}
	got, want = twins.ReplaceAllString(got, "${1}{}${2}[]"), twins.ReplaceAllString(want, "${1}{}${2}[]")
	g, w := decode(got), decode(want)
	return g != nil && w != nil && same(g, w)
}

func decode(answer string) any {
	_, body, _ := strings.Cut(answer, " ")
	var v map[string]any
	d := json.NewDecoder(strings.NewReader(body))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	for _, notes := range []string{"warnings", "infos"} { // of a map in the engine
		if texts, ok := v[notes].([]any); ok {
			slices.SortFunc(texts, func(x, y any) int { return strings.Compare(x.(string), y.(string)) })
		}
	}
	if data, ok := v["data"].(map[string]any); ok {
		if result, ok := data["result"].([]any); ok && data["resultType"] == "vector" {
			key := func(x any) string { b, _ := json.Marshal(x.(map[string]any)["metric"]); return string(b) }
			slices.SortStableFunc(result, func(x, y any) int { return strings.Compare(key(x), key(y)) })
		}
	}
	return v
}

func same(x, y any) bool {
	switch x := x.(type) {
	case map[string]any:
		y, ok := y.(map[string]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for k, v := range x {
			if w, ok := y[k]; !ok || !same(v, w) {
				return false
			}
		}
		return true
	case []any:
		y, ok := y.([]any)
		return ok && slices.EqualFunc(x, y, same)
	case string:
		y, ok := y.(string)
		if !ok || x == y {
			return ok
		}
		a, errA := strconv.ParseFloat(x, 64)
		b, errB := strconv.ParseFloat(y, 64)
		return errA == nil && errB == nil && math.Abs(a-b) <= 1e-12*math.Max(math.Abs(a), math.Abs(b))
	}
	return x == y
}

// TestEndpointsEqualPrometheus asks both what Grafana and promtool ask beside
// queries.
func TestEndpointsEqualPrometheus(t *testing.T) {
	s := start(t, 3)
	window := url.Values{"start": {at(since)}, "end": {at(until)}}
	with := func(pairs ...string) url.Values {
		v := url.Values{}
		for k, vs := range window {
			v[k] = vs
		}
		for i := 0; i+1 < len(pairs); i += 2 {
			v.Add(pairs[i], pairs[i+1])
		}
		return v
	}
	for _, c := range []struct {
		path   string
		params url.Values
	}{
		{"labels", with()},
		{"labels", with("match[]", "latency_bucket")},
		{"labels", with("limit", "2")},
		{"label/pod/values", with()},
		{"label/__name__/values", with()},
		{"label/__name__/values", with("match[]", `{pod="p1"}`, "match[]", `up`)},
		{"label/U__sp_e4_h_2e_label/values", with()},
		{"label/pod/values", with("match[]", `{`)},
		{"label/pod/values", with("limit", "1")},
		{"series", with("match[]", `requests_total{code="500"}`)},
		{"series", with("match[]", `up`, "match[]", `{__name__=~".*temp.*"}`)},
		{"series", with("match[]", `up`, "limit", "1")},
		{"series", with()},
		{"query_exemplars", with("query", `requests_total{pod="p1"}`)},
		{"query_exemplars", with("query", `sum(rate(up[1m])) / temperature`)},
		{"query_exemplars", url.Values{"query": {"test"}, "start": {strconv.FormatInt(since.UnixMilli(), 10)}, "end": {strconv.FormatInt(until.UnixMilli(), 10)}}},
		{"query_exemplars", with("query", `up{`)},
		{"format_query", url.Values{"query": {`sum  by(x)(rate(up[1m]))>1`}}},
		{"format_query", url.Values{"query": {`sum(`}}},
		{"parse_query", url.Values{"query": {`sum by (x) (rate(up{a="b"}[1m] offset 5m)) > on(x) group_left() vector(1)`}}},
		{"query", url.Values{"query": {"1+1"}, "time": {"4"}}},
		{"query", url.Values{"query": {"up"}, "time": {"nonsense"}}},
		{"query", url.Values{"query": {""}}},
		{"query", url.Values{"query": {"up"}, "time": {at(until)}, "limit": {"1"}}},
		{"query", url.Values{"query": {"up[2m]"}, "time": {at(until)}}},
		{"query", url.Values{"query": {`"text"`}, "time": {at(until)}}},
		{"query", url.Values{"query": {"up"}, "time": {at(until)}, "lookback_delta": {"1s"}}},
		{"query", url.Values{"query": {"up"}, "time": {at(until)}, "timeout": {"x"}}},
		{"query_range", url.Values{"query": {"up"}, "start": {"1"}, "end": {"0"}, "step": {"1"}}},
		{"query_range", url.Values{"query": {"up"}, "start": {"0"}, "end": {"100000"}, "step": {"1"}}},
		{"query_range", url.Values{"query": {"up"}, "start": {"0"}, "end": {"100"}, "step": {"0"}}},
		{"query_range", url.Values{"query": {"up[1m]"}, "start": {"0"}, "end": {"100"}, "step": {"1"}}},
		{"rules", url.Values{}},
		{"alerts", url.Values{}},
	} {
		got, want := ask(t, s.oriel, "/api/v1/"+c.path, c.params), ask(t, s.real, "/api/v1/"+c.path, c.params)
		if !sameAnswer(got, want) {
			t.Errorf("%s?%s\n got %.800s\nwant %.800s", c.path, c.params.Encode(), got, want)
		}
	}
	got, want := ask(t, s.oriel, "/federate", url.Values{"match[]": {`{pod="p1"}`, `{job="nobody"}`}}), ask(t, s.real, "/federate", url.Values{"match[]": {`{pod="p1"}`, `{job="nobody"}`}})
	if got != want {
		t.Errorf("federate:\n got %.1500s\nwant %.1500s", got, want)
	}
}

// TestPromtool has Prometheus' own command ask Oriel, and reads what it prints
// beside what it prints of Prometheus.
func TestPromtool(t *testing.T) {
	bin, err := peers.Prometheus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, 4)
	for _, args := range [][]string{
		{"query", "instant", "--time=" + at(until), "URL", `sum by (pod) (rate(requests_total[5m]))`},
		{"query", "range", "--start=" + at(since), "--end=" + at(until), "--step=5m", "URL", `temperature{pod="p1"}`},
		{"query", "series", "--match=up", "--start=" + at(since), "--end=" + at(until), "URL"},
		{"query", "labels", "--start=" + at(since), "--end=" + at(until), "URL", "pod"},
		{"query", "instant", "URL", `sum(`},
		{"query", "analyze", "--server=URL", "--type=histogram", "--duration=1h", "--time=" + at(until), "--match=latency_bucket"},
	} {
		run := func(base string) string {
			line := slices.Clone(args)
			for i := range line {
				line[i] = strings.ReplaceAll(line[i], "URL", base)
			}
			out, err := exec.Command(bin.Tool, line...).CombinedOutput()
			return fmt.Sprintf("%v %s", err, strings.ReplaceAll(string(out), base, "URL"))
		}
		if got, want := run(s.oriel), run(s.real); got != want {
			t.Errorf("promtool %s:\n got %s\nwant %s", strings.Join(args, " "), got, want)
		}
	}
}
