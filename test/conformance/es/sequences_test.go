//go:build real

package es

import (
	"encoding/json"
	"fmt"
	"testing"
)

// sequences are what takes several requests: scrolls, points in time, pages.
func (s sides) sequences(t *testing.T) {
	t.Run("scroll", s.scroll)
	t.Run("point in time", s.pointInTime)
	t.Run("pages", s.pages)
	t.Run("writes", s.writes)
	t.Run("points", s.points)
}

// same compares two answers without exceptions.
func same(t *testing.T, what string, want, got answer) {
	t.Helper()
	for _, d := range diff(want, got) {
		t.Errorf("%s: %s", what, d.what)
	}
}

// at walks into an answer by keys; nil where there is nothing.
func at(v any, keys ...string) any {
	for _, k := range keys {
		m, _ := v.(map[string]any)
		v = m[k]
	}
	return v
}

func hitsOf(a answer) []any {
	list, _ := at(a.body, "hits", "hits").([]any)
	return list
}

func (s sides) scroll(t *testing.T) {
	for _, body := range []string{
		`{"size":60,"sort":["n"],"_source":false}`,
		`{"size":50,"sort":["n"],"_source":["n"],"query":{"term":{"level":"info"}},"aggs":{"l":{"terms":{"field":"pod"}}}}`,
		`{"size":10,"sort":["n"],"query":{"match_none":{}}}`,
		`{"size":181,"sort":[{"level":"asc"},{"n":"desc"}],"_source":false,"track_total_hits":true}`,
	} {
		want, got := s.real.must(t, "POST", "/logs-*/_search?scroll=1m", body), s.oriel.must(t, "POST", "/logs-*/_search?scroll=1m", body)
		for page := 0; ; page++ {
			same(t, fmt.Sprintf("%s: page %d", body, page), want, got)
			if len(hitsOf(want)) == 0 || len(hitsOf(got)) == 0 {
				break
			}
			next := func(of side, a answer) answer {
				return of.must(t, "POST", "/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, at(a.body, "_scroll_id")))
			}
			want, got = next(s.real, want), next(s.oriel, got)
		}
		end := func(of side, a answer) answer {
			return of.must(t, "DELETE", "/_search/scroll", fmt.Sprintf(`{"scroll_id":[%q]}`, at(a.body, "_scroll_id")))
		}
		same(t, body+": the end", end(s.real, want), end(s.oriel, got))
		gone := func(of side, a answer) answer {
			return of.do(t, "POST", "/_search/scroll", fmt.Sprintf(`{"scroll":"1m","scroll_id":%q}`, at(a.body, "_scroll_id")))
		}
		same(t, body+": after the end", gone(s.real, want), gone(s.oriel, got))
	}
}

// pointInTime goes through pages of a moment after which something was stored.
func (s sides) pointInTime(t *testing.T) {
	real := at(s.real.must(t, "POST", "/logs-*/_search/point_in_time?keep_alive=1m", "").body, "pit_id").(string)
	oriel := at(s.oriel.must(t, "POST", "/logs-*/_pit?keep_alive=1m", "").body, "id").(string)
	const late = `{"create":{"_index":"logs-odd","_id":"late"}}` + "\n" + `{"@timestamp":"2024-04-01T00:00:00Z","message":"late","n":-1}` + "\n"
	s.real.must(t, "POST", "/_bulk?refresh=true", late)
	s.oriel.must(t, "POST", "/_bulk?refresh=true", late)
	var want, got answer
	for page := range 10 {
		ask := func(of side, pit string, last answer) answer {
			after := ""
			if hits := hitsOf(last); len(hits) > 0 {
				values, err := json.Marshal(hits[len(hits)-1].(map[string]any)["sort"].([]any)[:2])
				if err != nil {
					t.Fatal(err)
				}
				// OpenSearch wants the tie-breaker that it adds left out, Oriel takes it as it comes.
				after = `,"search_after":` + string(values)
			}
			return of.must(t, "POST", "/_search", fmt.Sprintf(`{"size":40,"sort":[{"@timestamp":"desc"},{"n":"asc"}],"_source":false,"track_total_hits":true,"pit":{"id":%q,"keep_alive":"1m"}%s}`, pit, after))
		}
		want, got = ask(s.real, real, want), ask(s.oriel, oriel, got)
		for _, h := range hitsOf(got) { // as Elasticsearch does, Oriel shows its tie-breaker
			m := h.(map[string]any)
			m["sort"] = m["sort"].([]any)[:2]
		}
		same(t, fmt.Sprintf("page %d", page), want, got)
		if len(hitsOf(want)) == 0 {
			break
		}
	}
	s.real.must(t, "DELETE", "/_search/point_in_time", fmt.Sprintf(`{"pit_id":[%q]}`, real))
	s.oriel.must(t, "DELETE", "/_pit", fmt.Sprintf(`{"id":%q}`, oriel))
}

// pages goes through all hits by search_after, each side by the values it gave.
func (s sides) pages(t *testing.T) {
	for _, sort := range []string{
		`["n"]`,
		`[{"level":"asc"},{"n":"asc"}]`,
		`[{"level":{"order":"desc","missing":"_first"}},{"n":"desc"}]`,
		`[{"tags.keyword":"asc"},{"@timestamp":"desc"},{"n":"asc"}]`,
		`[{"@timestamp":{"order":"asc","numeric_type":"date_nanos"}},{"n":"asc"}]`,
		`[{"word.keyword":"asc"},{"n":"asc"}]`,
		`["_index",{"n":"desc"}]`,
	} {
		next := func(of side, last answer) answer {
			after := ""
			if hits := hitsOf(last); len(hits) > 0 {
				values, err := json.Marshal(hits[len(hits)-1].(map[string]any)["sort"])
				if err != nil {
					t.Fatal(err)
				}
				after = `,"search_after":` + string(values)
			}
			return of.must(t, "POST", "/logs-*/_search", fmt.Sprintf(`{"size":37,"sort":%s,"_source":false%s}`, sort, after))
		}
		var want, got answer
		for page := range 10 {
			want, got = next(s.real, want), next(s.oriel, got)
			same(t, fmt.Sprintf("%s page %d", sort, page), want, got)
			if len(hitsOf(want)) == 0 {
				break
			}
		}
	}
}

// writes compares what _bulk says, and what is found then.
func (s sides) writes(t *testing.T) {
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/_bulk?refresh=true", `{"create":{"_index":"writes-a","_id":"1"}}` + "\n" + `{"@timestamp":"2024-01-01T00:00:00Z","message":"one","n":1}` + "\n" +
			`{"index":{"_index":"writes-a","_id":"2"}}` + "\n" + `{"@timestamp":"2024-01-01T00:00:01Z","message":"two","n":2}` + "\n"},
		{"POST", "/writes-a/_bulk?refresh=true", `{"create":{"_id":"3"}}` + "\n" + `{"@timestamp":"2024-01-01T00:00:02Z","message":"three","n":3}` + "\n"},
		{"PUT", "/_bulk?refresh=true", `{"create":{"_index":"writes-b","_id":"1"}}` + "\n" + `{"@timestamp":"2024-01-01T00:00:00Z","message":"one of b","n":4}` + "\n\n"},
		{"POST", "/writes-*/_search", `{"sort":["n"]}`},
		{"GET", "/writes-a/_doc/2", ""},
		{"POST", "/writes-a/_count", ""},
		{"POST", "/_bulk?refresh=true&filter_path=errors,items.*.status,items.*.error.type", `{"create":{"_index":"writes-a","_id":"1"}}` + "\n" + `{"@timestamp":"2024-01-01T00:00:00Z","message":"again","n":1}` + "\n" +
			`{"create":{"_index":"writes-a","_id":"5"}}` + "\n" + `{"@timestamp":"2024-01-01T00:00:05Z","message":"five","n":5}` + "\n"},
		{"POST", "/writes-*/_search", `{"sort":["n"]}`},
	} {
		same(t, c.method+" "+c.path+" "+c.body, s.real.do(t, c.method, c.path, c.body), s.oriel.do(t, c.method, c.path, c.body))
	}
}

// points compares grids of geohashes over an index with a field of points, which
// takes a mapping there.
func (s sides) points(t *testing.T) {
	s.real.must(t, "PUT", "/points", `{"settings":{"number_of_shards":1},"mappings":{"properties":{"where":{"type":"geo_point"},"n":{"type":"long"}}}}`)
	defer s.real.do(t, "DELETE", "/points", "")
	var docs []document
	for i, where := range []string{`{"lat":52.52,"lon":13.41}`, `{"lat":52.5,"lon":13.4}`, `"48.137,11.575"`, `[11.5,48.1]`, `"POINT (-70.25 42.5)"`, `{"lat":-33.86,"lon":151.2}`, `{"lat":0,"lon":0}`,
		`{"lat":89.9,"lon":179.9}`, `["52.5,13.4","48.1,11.5"]`, `null`} {
		docs = append(docs, document{"points", fmt.Sprint(i), fmt.Sprintf(`{"@timestamp":"2024-03-30T10:00:00Z","where":%s,"n":%d}`, where, i)})
	}
	for _, body := range bulks(docs) {
		s.oriel.must(t, "POST", "/_bulk?refresh=true", body)
		s.real.must(t, "POST", "/_bulk?refresh=true", body)
	}
	for _, grid := range []string{
		`{"geohash_grid":{"field":"where","precision":3}}`, `{"geohash_grid":{"field":"where","precision":"1"}}`, `{"geohash_grid":{"field":"where","precision":11}}`, `{"geohash_grid":{"field":"where"}}`,
		`{"geohash_grid":{"field":"where","precision":2,"size":2}}`, `{"geohash_grid":{"field":"where","precision":4},"aggs":{"m":{"max":{"field":"n"}}}}`,
		`{"geohash_grid":{"field":"where","precision":13}}`, `{"geohash_grid":{"field":"where","precision":0}}`, `{"geohash_grid":{"precision":1}}`,
		`{"geohash_grid":{"field":"where","precision":5,"bounds":{"top_left":"53,13","bottom_right":"52,14"}}}`,
	} {
		body := `{"size":0,"aggs":{"g":` + grid + `}}`
		same(t, grid, s.real.do(t, "POST", "/points/_search", body), s.oriel.do(t, "POST", "/points/_search", body))
	}
}
