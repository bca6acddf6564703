// Command clients uses an Elasticsearch API by go-elasticsearch 7, 8 and 9, as a
// user's program would: the plain calls, the bulk indexer, discovery of nodes,
// and of the later ones the typed client.
//
//	clients URL TOKEN
//
// It is a module of its own, so that these clients are no dependencies of Oriel.
// test/script runs it.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// api is what is used of one client. Every call gives the answer's status and body.
type api struct {
	name     string
	discover func() error
	// bulk sends rows by the bulk indexer with ids from 0 on and tells how many
	// were stored and refused.
	bulk   func(index, action string, rows []string) (stored, refused uint64, err error)
	typed  func(index string) (total int64, err error) // nil: there is no typed client
	info   func() (int, string, error)
	make   func(index string) (int, string, error)
	index  func(index, id, doc string) (int, string, error)
	create func(index, id, doc string) (int, string, error)
	update func(index, id, doc string) (int, string, error)
	remove func(index, id string) (int, string, error)
	get    func(index, id string) (int, string, error)
	search func(index, body string) (int, string, error)
	scroll func(index string, size int) (int, string, error)
	next   func(scroll string) (int, string, error)
	count  func(index string) (int, string, error)
	caps   func(index string) (int, string, error)
}

const rowsNum = 1000

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: clients URL TOKEN")
		os.Exit(2)
	}
	for _, open := range []func(url, token string) (api, error){open7, open8, open9} {
		a, err := open(os.Args[1], os.Args[2])
		if err == nil {
			err = use(a)
		}
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s: %v\n", a.name, err)
			os.Exit(1)
		}
	}
}

// use goes through one client. The index is of its own.
func use(a api) error {
	index := "go-" + a.name[len(a.name)-1:]
	var failed error
	// check looks at one answer; after the first failure nothing else is asked.
	check := func(what string, status int, contains string, call func() (int, string, error)) string {
		if failed != nil {
			return ""
		}
		got, body, err := call()
		if err != nil || got != status || !strings.Contains(body, contains) {
			failed = fmt.Errorf("%s: %d %s %v, want %d %s", what, got, body, err, status, contains)
		}
		return body
	}
	check("info", 200, `"tagline":"You Know, for Search"`, a.info)
	if err := a.discover(); err != nil && failed == nil {
		return fmt.Errorf("discover: %w", err)
	}
	check("make", 200, `"acknowledged":true`, func() (int, string, error) { return a.make(index) })
	rows := make([]string, rowsNum)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"n":%d,"message":"row %d"}`, i, i)
	}
	for _, c := range []struct {
		action          string
		stored, refused uint64
	}{{"create", rowsNum, 0}, {"create", 0, rowsNum}, {"index", rowsNum, 0}} {
		stored, refused, err := a.bulk(index, c.action, rows)
		if err != nil || stored != c.stored || refused != c.refused {
			return fmt.Errorf("bulk %s: %d stored, %d refused, %v; want %d and %d", c.action, stored, refused, err, c.stored, c.refused)
		}
	}
	const doc = `{"n":-1,"message":"one"}`
	check("index", 201, `"result":"created"`, func() (int, string, error) { return a.index(index, "one", doc) })
	check("the same", 200, `"result":"noop"`, func() (int, string, error) { return a.index(index, "one", doc) })
	check("another", 400, `"type":"illegal_argument_exception"`, func() (int, string, error) { return a.index(index, "one", rows[0]) })
	check("create", 409, `"type":"version_conflict_engine_exception"`, func() (int, string, error) { return a.create(index, "one", doc) })
	check("update", 400, `[_update] is not supported`, func() (int, string, error) { return a.update(index, "one", `{"doc":{}}`) })
	check("delete", 400, `[delete] is not supported`, func() (int, string, error) { return a.remove(index, "one") })
	check("get", 200, `"_source":`+doc, func() (int, string, error) { return a.get(index, "one") })
	check("get none", 404, `"found":false`, func() (int, string, error) { return a.get(index, "none") })
	check("search", 200, `"value":990`, func() (int, string, error) {
		return a.search(index, `{"track_total_hits":true,"query":{"bool":{"filter":[{"range":{"n":{"gte":10}}},{"query_string":{"query":"message:row"}}]}}}`)
	})
	check("absent", 404, `"type":"index_not_found_exception"`, func() (int, string, error) { return a.search("absent", `{}`) })
	check("count", 200, `"count":1001`, func() (int, string, error) { return a.count(index) })
	check("caps", 200, `"n":{"long":`, func() (int, string, error) { return a.caps(index) })
	if failed != nil {
		return failed
	}
	if a.typed != nil {
		if total, err := a.typed(index); err != nil || total != rowsNum {
			return fmt.Errorf("typed: %d hits, %v", total, err)
		}
	}
	return scrollAll(a, index)
}

func scrollAll(a api, index string) error {
	seen := 0
	status, body, err := a.scroll(index, 300)
	for range 10 {
		var page struct {
			ScrollID string `json:"_scroll_id"`
			Hits     struct{ Hits []struct{} }
		}
		if err == nil {
			err = json.Unmarshal([]byte(body), &page)
		}
		if err != nil || status != 200 {
			return fmt.Errorf("scroll: %d %s %v", status, body, err)
		}
		if len(page.Hits.Hits) == 0 {
			break
		}
		seen += len(page.Hits.Hits)
		status, body, err = a.next(page.ScrollID)
	}
	if seen != rowsNum+1 {
		return fmt.Errorf("scroll: %d hits", seen)
	}
	return nil
}

// read reads an answer.
func read(status int, body io.ReadCloser) (int, string, error) {
	defer body.Close()
	b, err := io.ReadAll(body)
	return status, string(b), err
}
