package esapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/bulk"
)

// TestOlivere drives the facade with the real client, which sniffs and checks
// health as it does by default.
func TestOlivere(t *testing.T) {
	store := testStore(t)
	stamper := &logging.Stamper{Clock: func() time.Time { return testNow }, Retention: 7 * 24 * time.Hour}
	api := New(Options{Searcher: store, Bulk: bulk.New(bulk.Options{Appender: store, Repeater: store, Stamper: stamper}), Clock: func() time.Time { return testNow }})
	defer api.Close()
	srv := httptest.NewServer(asShop(api))
	defer srv.Close()
	ctx := context.Background()
	es, err := elastic.NewClient(elastic.SetURL(srv.URL), elastic.SetSniff(true), elastic.SetHealthcheck(true), elastic.SetBasicAuth("shop", "token"))
	if err != nil {
		t.Fatal(err)
	}
	defer es.Stop()

	if v, err := es.ElasticsearchVersion(srv.URL); err != nil || v != VersionDefault {
		t.Errorf("version %q, %v", v, err)
	}
	if err := es.WaitForGreenStatus("1s"); err != nil {
		t.Error(err)
	}
	if names, err := es.IndexNames(); err != nil || len(names) != 3 || !slices.Contains(names, "logs-eu-shop-db") {
		t.Errorf("index names %v, %v", names, err)
	}
	for index, want := range map[string]bool{"logs-eu-shop": true, "logs-eu-billing": false} {
		if there, err := es.IndexExists(index).Do(ctx); err != nil || there != want {
			t.Errorf("%s exists: %t, %v", index, there, err)
		}
	}

	res, err := es.Search("logs-*").
		Query(elastic.NewBoolQuery().Must(elastic.NewMatchQuery("message", "payment")).
			Filter(elastic.NewRangeQuery("@timestamp").Gte("now-2h").Lte("now"), elastic.NewTermsQuery("level", "error", "warn"))).
		Aggregation("levels", elastic.NewTermsAggregation().Field("level").OrderByCountDesc().
			SubAggregation("slow", elastic.NewMaxAggregation().Field("took"))).
		Aggregation("hours", elastic.NewDateHistogramAggregation().Field("@timestamp").CalendarInterval("hour").MinDocCount(1)).
		Highlight(elastic.NewHighlight().Field("message")).
		SortBy(elastic.NewFieldSort("@timestamp").Desc(), elastic.NewFieldSort("_doc")).Size(10).Do(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if res.TotalHits() != 2 || res.Hits.Hits[0].Id != "s4" || res.Hits.Hits[0].Highlight["message"][0] != "slow <em>payment</em>" {
		t.Errorf("search: %+v", res.Hits)
	}
	levels, ok := res.Aggregations.Terms("levels")
	if !ok || len(levels.Buckets) != 2 || levels.Buckets[0].Key != "error" {
		t.Errorf("terms: %+v", levels)
	} else if slow, ok := levels.Buckets[0].Max("slow"); !ok || *slow.Value != 1.5 {
		t.Errorf("max: %+v", slow)
	}
	if hours, ok := res.Aggregations.DateHistogram("hours"); !ok || len(hours.Buckets) != 1 || hours.Buckets[0].DocCount != 2 {
		t.Errorf("date histogram: %+v", hours)
	}

	if n, err := es.Count("logs-*").Query(elastic.NewQueryStringQuery("level:error OR order")).Do(ctx); err != nil || n != 4 {
		t.Errorf("count %d, %v", n, err)
	}
	many, err := es.MultiSearch().Add(
		elastic.NewSearchRequest().Index("logs-eu-shop").Query(elastic.NewTermQuery("level", "warn")),
		elastic.NewSearchRequest().Index("logs-eu-billing").Query(elastic.NewMatchAllQuery())).Do(ctx)
	if err != nil || len(many.Responses) != 2 || many.Responses[0].TotalHits() != 1 || many.Responses[1].Error == nil || many.Responses[1].Error.Type != "index_not_found_exception" {
		t.Errorf("multi search: %+v, %v", many, err)
	}
	if _, err := es.Search("logs-eu-billing").Do(ctx); !elastic.IsNotFound(err) {
		t.Errorf("foreign index: %v", err)
	}
	doc, err := es.Get().Index("logs-eu-shop").Id("s1").Do(ctx)
	if err != nil || !doc.Found || !strings.Contains(string(doc.Source), "payment timeout") {
		t.Errorf("get: %+v, %v", doc, err)
	}
	docs, err := es.MultiGet().Add(elastic.NewMultiGetItem().Index("logs-eu-shop").Id("s2"), elastic.NewMultiGetItem().Index("logs-eu-shop").Id("b2")).Do(ctx)
	if err != nil || len(docs.Docs) != 2 || !docs.Docs[0].Found || docs.Docs[1].Found {
		t.Errorf("multi get: %+v, %v", docs, err)
	}
	caps, err := es.FieldCaps("logs-*").Fields("@timestamp", "mess*").Do(ctx)
	if err != nil || caps.Fields["@timestamp"]["date"].Type != "date" || caps.Fields["message"]["text"].Type != "text" {
		t.Errorf("field caps: %+v, %v", caps, err)
	}
	if m, err := es.GetMapping().Index("logs-eu-shop").Do(ctx); err != nil || m["logs-eu-shop"] == nil {
		t.Errorf("mapping: %v, %v", m, err)
	}
	if rows, err := es.CatIndices().Columns("index", "docs.count").Do(ctx); err != nil || len(rows) != 3 {
		t.Errorf("cat indices: %v, %v", rows, err)
	}

	// What programs make before they write, then one record, and what would change it.
	if made, err := es.IndexPutIndexTemplate("one").BodyJson(map[string]any{"index_patterns": []string{"one*"}}).Do(ctx); err != nil || !made.Acknowledged {
		t.Errorf("template: %+v, %v", made, err)
	}
	if made, err := es.CreateIndex("one").BodyJson(map[string]any{"settings": map[string]any{"number_of_shards": 1}}).Do(ctx); err != nil || !made.Acknowledged || made.Index != "one" {
		t.Errorf("index: %+v, %v", made, err)
	}
	if made, err := es.PutMapping().Index("one").BodyString(`{"properties":{}}`).Do(ctx); err != nil || !made.Acknowledged {
		t.Errorf("mapping: %+v, %v", made, err)
	}
	line := map[string]any{"message": "one line"}
	if r, err := es.Index().Index("one").BodyJson(line).Do(ctx); err != nil || r.Result != "created" || r.Id == "" || r.Status != 0 {
		t.Errorf("index: %+v, %v", r, err)
	}
	if r, err := es.Index().Index("one").Id("1").OpType("create").Refresh("true").BodyJson(line).Do(ctx); err != nil || r.Id != "1" || r.SeqNo == 0 || r.PrimaryTerm != 1 {
		t.Errorf("create: %+v, %v", r, err)
	}
	if _, err := es.Index().Index("one").Id("1").OpType("create").BodyJson(line).Do(ctx); !elastic.IsConflict(err) {
		t.Errorf("create again: %v", err)
	}
	if r, err := es.Index().Index("one").Id("1").BodyJson(line).Do(ctx); err != nil || r.Result != "noop" {
		t.Errorf("the same: %+v, %v", r, err)
	}
	if _, err := es.Index().Index("one").Id("1").BodyString(`{"message":"another"}`).Do(ctx); !elastic.IsStatusCode(err, 400) {
		t.Errorf("another: %v", err)
	}
	if _, err := es.Update().Index("one").Id("1").Doc(line).Do(ctx); !elastic.IsStatusCode(err, 400) {
		t.Errorf("update: %v", err)
	}
	if _, err := es.Delete().Index("one").Id("1").Do(ctx); !elastic.IsStatusCode(err, 400) {
		t.Errorf("delete: %v", err)
	}
	if _, err := es.DeleteIndex("one").Do(ctx); !elastic.IsStatusCode(err, 400) {
		t.Errorf("delete index: %v", err)
	}
	for id, want := range map[string]bool{"1": true, "2": false} {
		if there, err := es.Exists().Index("one").Id(id).Do(ctx); err != nil || there != want {
			t.Errorf("%s exists: %t, %v", id, there, err)
		}
	}
	if stats, err := es.IndexStats("one").Do(ctx); err != nil || stats.Indices["one"].Total.Docs.Count != 2 {
		t.Errorf("stats: %+v, %v", stats, err)
	}
	if rows, err := es.CatCount().Index("one").Do(ctx); err != nil || len(rows) != 1 || rows[0].Count != 2 {
		t.Errorf("cat count: %+v, %v", rows, err)
	}
	if v, err := es.Validate("one").Query(elastic.NewTermQuery("message", "line")).Do(ctx); err != nil || !v.Valid {
		t.Errorf("validate: %+v, %v", v, err)
	}
	if _, err := es.ClusterState().Index("one").Metric("metadata").Do(ctx); err != nil {
		t.Errorf("cluster state: %v", err)
	}
	if stats, err := es.ClusterStats().Do(ctx); err != nil || stats.Status != "green" {
		t.Errorf("cluster stats: %+v, %v", stats, err)
	}
	if stats, err := es.NodesStats().Do(ctx); err != nil || len(stats.Nodes) != 1 {
		t.Errorf("nodes stats: %+v, %v", stats, err)
	}

	// Write through the bulk processor's request, then read it all by scrolling.
	req := es.Bulk().Index("imported")
	for i := range 25 {
		req.Add(elastic.NewBulkIndexRequest().Id(fmt.Sprint(i)).Doc(map[string]any{"message": "imported line", "n": i}))
	}
	wrote, err := req.Do(ctx)
	if err != nil || wrote.Errors || len(wrote.Succeeded()) != 25 {
		t.Fatalf("bulk: %+v, %v", wrote, err)
	}
	scroll := es.Scroll("imported").Size(10).Scroll("1m").Sort("n", false)
	var seen []string
	for {
		page, err := scroll.Do(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range page.Hits.Hits {
			seen = append(seen, h.Id)
		}
	}
	if len(seen) != 25 || seen[0] != "24" || seen[24] != "0" {
		t.Errorf("scrolled over %v", seen)
	}
	if err := scroll.Clear(ctx); err != nil {
		t.Error(err)
	}
}
