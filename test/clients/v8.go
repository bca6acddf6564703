package main

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	elasticsearch "github.com/elastic/go-elasticsearch/v8"
	"github.com/elastic/go-elasticsearch/v8/esapi"
	"github.com/elastic/go-elasticsearch/v8/esutil"
	"github.com/elastic/go-elasticsearch/v8/typedapi/core/search"
	"github.com/elastic/go-elasticsearch/v8/typedapi/types"
)

func open8(url, token string) (api, error) {
	a := api{name: "go-elasticsearch 8"}
	es, err := elasticsearch.NewClient(elasticsearch.Config{Addresses: []string{url}, Username: "any", Password: token, EnableCompatibilityMode: true})
	if err != nil {
		return a, err
	}
	answer := func(res *esapi.Response, err error) (int, string, error) {
		if err != nil {
			return 0, "", err
		}
		return read(res.StatusCode, res.Body)
	}
	a.discover = es.DiscoverNodes
	a.bulk = func(index, action string, rows []string) (uint64, uint64, error) {
		b, err := esutil.NewBulkIndexer(esutil.BulkIndexerConfig{Client: es, Index: index, NumWorkers: 2, FlushBytes: 10_000})
		if err != nil {
			return 0, 0, err
		}
		for i, row := range rows {
			if err := b.Add(context.Background(), esutil.BulkIndexerItem{Action: action, DocumentID: strconv.Itoa(i), Body: bytes.NewReader([]byte(row))}); err != nil {
				return 0, 0, err
			}
		}
		err = b.Close(context.Background())
		s := b.Stats()
		return s.NumFlushed, s.NumFailed, err
	}
	typed, err := elasticsearch.NewTypedClient(elasticsearch.Config{Addresses: []string{url}, Username: "any", Password: token})
	if err != nil {
		return a, err
	}
	a.typed = func(index string) (int64, error) {
		res, err := typed.Search().Index(index).Request(&search.Request{
			Query:          &types.Query{Range: map[string]types.RangeQuery{"n": types.NumberRangeQuery{Gte: new(types.Float64)}}},
			TrackTotalHits: true,
		}).Do(context.Background())
		if err != nil {
			return 0, err
		}
		return res.Hits.Total.Value, nil
	}
	a.info = func() (int, string, error) { return answer(es.Info()) }
	a.make = func(index string) (int, string, error) { return answer(es.Indices.Create(index)) }
	a.index = func(index, id, doc string) (int, string, error) {
		return answer(es.Index(index, strings.NewReader(doc), es.Index.WithDocumentID(id), es.Index.WithRefresh("true")))
	}
	a.create = func(index, id, doc string) (int, string, error) {
		return answer(es.Create(index, id, strings.NewReader(doc)))
	}
	a.update = func(index, id, doc string) (int, string, error) {
		return answer(es.Update(index, id, strings.NewReader(doc)))
	}
	a.remove = func(index, id string) (int, string, error) { return answer(es.Delete(index, id)) }
	a.get = func(index, id string) (int, string, error) { return answer(es.Get(index, id)) }
	a.search = func(index, body string) (int, string, error) {
		return answer(es.Search(es.Search.WithIndex(index), es.Search.WithBody(strings.NewReader(body))))
	}
	a.scroll = func(index string, size int) (int, string, error) {
		return answer(es.Search(es.Search.WithIndex(index), es.Search.WithScroll(time.Minute), es.Search.WithSize(size), es.Search.WithSort("_doc")))
	}
	a.next = func(scroll string) (int, string, error) {
		return answer(es.Scroll(es.Scroll.WithScrollID(scroll), es.Scroll.WithScroll(time.Minute)))
	}
	a.count = func(index string) (int, string, error) { return answer(es.Count(es.Count.WithIndex(index))) }
	a.caps = func(index string) (int, string, error) {
		return answer(es.FieldCaps(es.FieldCaps.WithIndex(index), es.FieldCaps.WithFields("*")))
	}
	return a, nil
}
