package dsl

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// testNow is "now" in all tests: a Thursday.
var testNow = time.Date(2024, 2, 29, 12, 30, 45, 123456789, time.UTC)

var testEnv = Env{Now: testNow}

func noParams(string) string { return "" }

// testDocs are the documents that queries are tried on; their ids are a, b, ...
func testDocs() []*logging.Doc {
	sources := []struct {
		level, message, source string
		at                     time.Time
	}{
		{"error", "Connection refused by 10.0.0.1:5432", `{"message":"Connection refused by 10.0.0.1:5432","status":500,"app":"Shop-API","took":1.5,"user":{"name":"Ann Lee","admin":true}}`, testNow.Add(-time.Hour)},
		{"info", "request handled", `{"message":"request handled","status":200,"app":"shop","took":-5,"user":{"name":"bob","admin":false}}`, testNow.Add(-25 * time.Hour)},
		{"info", "new york is not york new", `{"message":"new york is not york new","status":404,"tags":["red","green"],"city":"new york"}`, testNow.AddDate(0, 0, -40)},
		{"warn", "disk /var/log almost full: 91%", `{"message":"disk /var/log almost full: 91%","status":"404","path":"/var/log","city":"york"}`, time.Date(2024, 1, 31, 23, 59, 59, 999_500_000, time.UTC)},
		{"error", "timeout", `{"message":"timeout","a:b":"colon","seen":"2024-02-01T00:00:00Z"}`, testNow.Add(time.Minute)},
	}
	var docs []*logging.Doc
	for i, s := range sources {
		docs = append(docs, logging.NewDoc(&logging.Record{
			Tenant: "shop", Index: "logs-eu-shop", ID: string(rune('a' + i)), Seq: uint64(i + 1), Time: s.at, Received: testNow,
			Cluster: "eu", Namespace: "shop", Level: s.level, Message: s.message, Source: []byte(s.source),
		}))
	}
	return docs
}

func found(f logging.Filter) string {
	var b strings.Builder
	for _, d := range testDocs() {
		if f.Match(d) {
			b.WriteString(d.Record.ID)
		}
	}
	return b.String()
}

func TestQueryString(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"", ""}, {"   ", ""}, {"*", "abcde"}, {"*:*", "abcde"},
		{"timeout", "e"}, {"TIMEOUT", "e"}, {"error", "ae"},
		{"level:error", "ae"}, {"level:(error OR warn)", "ade"}, {"level:(error warn)", "ade"},
		{"level:ERROR", "ae"}, {`level:"Error"`, "ae"}, {"level:(Error WARN)", "ade"}, {"level:ERR*", "ae"}, {"INFO", "bc"}, {"level:err", ""},
		{"level:error AND status:500", "a"}, {"level:error && status:500", "a"},
		{"level:error AND NOT status:500", "e"}, {"level:error -status:500", "e"}, {"level:error !status:500", "e"},
		{"-level:info", "ade"}, {"NOT level:info", "ade"}, {"+level:info +status:200", "b"},
		{"level:info OR level:warn", "bcd"}, {"level:info || level:warn", "bcd"}, {"level:info or level:warn", "bcd"},
		// AND and OR as Lucene's classic parser has them, not as algebra.
		{"level:info OR level:warn AND status:404", "d"},
		{"level:info AND status:200 OR level:warn", "b"},
		{"level:info OR NOT status:404", "b"},
		{"(level:info OR level:warn) AND status:404", "cd"},
		{"level:info AND (NOT status:200)", "c"},
		{`"new york"`, "c"}, {`message:"york new"`, "c"}, {`message:"new not"~2`, "c"}, {`message:"refused connection"`, ""},
		{"city:new york", "cd"}, {"city:(new york)", "cd"}, {`city.keyword:"new york"`, "c"}, {"city.keyword:york", "d"},
		{"status:[400 TO 499]", "cd"}, {"status:{404 TO 500]", "a"}, {"status:>=500", "a"}, {"status:>404", "a"},
		{"status:<404", "b"}, {"status:(>=404 AND <500)", "cd"}, {"status:[* TO 404]", "bcd"}, {"status:{200 TO *}", "acd"},
		{"took:<0", "b"}, {`took:\-5`, "b"}, {`took:"-5"`, "b"}, {"took:1.5", "a"},
		{"user.admin:true", "a"}, {"user.name:ann", "a"}, {"user.*:bob", "!"}, {`user.\*:bob`, "b"},
		{"_exists_:tags", "c"}, {"_exists_:user", "ab"}, {"NOT _exists_:status", "e"}, {"status:*", "abcd"}, {"_exists_:@timestamp", "abcde"},
		{"message:conn*", "a"}, {"Conn*", "a"}, {"app.keyword:Shop*", "a"}, {"app.keyword:shop*", "b"}, {"app:SHOP*", "ab"},
		{"message:t?meout", "e"}, {"mess*:x", "!"}, {"*york", "cd"},
		{"message:/time.ut/", "e"}, {"message:/time/", ""}, {"message:/Time.*/", "e"}, {`message:/10\.0.*/`, "a"}, {"message:10.0.*", "a"}, {"message:*.0.1", "a"}, {"message:10.1.*", ""}, {`path.keyword:/\/var\/.*/`, "d"},
		{"message:tmeout~", "e"}, {"message:timeoot~1", "e"}, {"message:timxxut~1", ""}, {"message:timeout~0", "e"},
		{"timeout^2 refused", "ae"}, {"(timeout OR refused)^3", "ae"},
		{`a\:b:colon`, "e"}, {`path:"/var/log"`, "d"}, {"10.0.0.1", "a"}, {"message:10.0.0.1", "a"}, {"0.0.0", ""},
		{"@timestamp:[now-2h TO now]", "a"}, {"@timestamp:[2024-01-01 TO 2024-01-31]", "cd"}, {"@timestamp:2024-01-31", "d"},
		{`@timestamp:["2024-02-29T00:00:00Z" TO *]`, "ae"}, {"@timestamp:>now", "e"}, {"@timestamp:[now-1d/d TO *]", "abe"}, {`@timestamp:>=now-1d\/d`, "abe"}, {"@timestamp:>=now-1d/d", "!"},
		{"seen:>=2024-02-01", "e"}, {"tags:red AND tags:green", "c"}, {"_id:a OR _id:e", "ae"}, {"_index:logs-eu-shop", "abcde"},
		{"refused - timeout", "ae"}, {"refused -> timeout", "ae"}, {"refused >= 7", "a"}, {"status:>= 500", "!"}, {"status:<", "!"}, {"foo AND", "!"}, {"AND foo", "!"}, {"(foo", "!"}, {"foo)", "!"}, {`"foo`, "!"}, {"[1 TO", "!"},
		{"a:b:c", "!"}, {"()", "!"}, {"foo^", "!"}, {"NOT NOT foo", "!"}, {"/var/log", "d"}, {"/ab", "!"}, {`foo\`, "!"}, {"@timestamp:banana", "!"},
		{strings.Repeat("(", 100) + "a" + strings.Repeat(")", 100), "!"},
	} {
		f, err := ParseQueryString(c.query, testEnv)
		if c.want == "!" {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Status != 400 {
				t.Errorf("%q: got %v and %v, want a refusal", c.query, f, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", c.query, err)
			continue
		}
		if got := found(f); got != c.want {
			t.Errorf("%q finds %q, want %q: %#v", c.query, got, c.want, f)
		}
	}
}

func TestQueries(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{`{"match_all":{}}`, "abcde"}, {`{"match_none":{}}`, ""},
		{`{"bool":{}}`, "abcde"},
		{`{"bool":{"must":{"term":{"level":"error"}},"must_not":[{"term":{"status":500}}]}}`, "e"},
		{`{"bool":{"filter":[{"term":{"level":{"value":"info"}}},{"range":{"status":{"gt":200}}}]}}`, "c"},
		{`{"bool":{"should":[{"term":{"level":"warn"}},{"term":{"status":404}}]}}`, "cd"},
		{`{"bool":{"should":[{"term":{"level":"warn"}},{"term":{"status":404}}],"minimum_should_match":2}}`, "d"},
		{`{"bool":{"should":[{"term":{"level":"warn"}},{"term":{"status":404}}],"minimum_should_match":"100%"}}`, "d"},
		{`{"bool":{"should":[{"term":{"level":"warn"}}],"filter":{"term":{"level":"info"}}}}`, "bc"},
		{`{"bool":{"should":[{"term":{"level":"warn"}}],"filter":{"term":{"level":"info"}},"minimum_should_match":1}}`, ""},
		{`{"bool":{"should":[{"term":{"level":"warn"}},{"term":{"status":404}}],"minimum_should_match":"-25%"}}`, "d"},
		{`{"bool":{"must_not":{"term":{"level":"info"}}}}`, "ade"},
		{`{"constant_score":{"filter":{"term":{"level":"warn"}},"boost":2}}`, "d"},
		{`{"term":{"app.keyword":"shop-api"}}`, ""}, {`{"term":{"app.keyword":{"value":"shop-api","case_insensitive":true}}}`, "a"},
		{`{"term":{"app":"Shop"}}`, ""}, {`{"term":{"user.admin":true}}`, "a"},
		{`{"terms":{"level":["error","warn"],"boost":1}}`, "ade"}, {`{"terms":{"level":["ERROR"]}}`, "ae"}, {`{"match":{"level":"Warn"}}`, "d"}, {`{"prefix":{"level":"ERR"}}`, "ae"}, {`{"terms":{"status":[200,"500"]}}`, "ab"}, {`{"terms":{"level":[]}}`, ""},
		{`{"match":{"message":"refused handled"}}`, "ab"}, {`{"match":{"message":{"query":"refused handled","operator":"and"}}}`, ""},
		{`{"match":{"message":{"query":"new york disk","minimum_should_match":2}}}`, "c"}, {`{"match":{"status":"404"}}`, "cd"},
		{`{"match":{"message":{"query":"tmeout","fuzziness":"AUTO"}}}`, "e"},
		{`{"match_phrase":{"message":"New York"}}`, "c"}, {`{"match_phrase":{"message":{"query":"new not","slop":2}}}`, "c"},
		{`{"match_phrase_prefix":{"message":"connection ref"}}`, "a"}, {`{"match_bool_prefix":{"message":"handled requ"}}`, "b"},
		{`{"multi_match":{"query":"york","fields":["message","city^3"]}}`, "cd"}, {`{"multi_match":{"query":"shop api","fields":["app"],"type":"phrase"}}`, "a"},
		{`{"multi_match":{"query":"york disk","fields":["message","city"],"type":"cross_fields","operator":"and"}}`, "d"},
		{`{"range":{"status":{"gte":200,"lt":404}}}`, "b"}, {`{"range":{"status":{"from":"404","to":"500","include_upper":false}}}`, "cd"},
		{`{"range":{"@timestamp":{"gte":"now-1d/d","lte":"now/d"}}}`, "abe"}, {`{"range":{"@timestamp":{"gt":"now-1d/d"}}}`, "ae"},
		{`{"range":{"@timestamp":{"gte":"2024-01-20","lte":"2024-01-31"}}}`, "cd"}, {`{"range":{"@timestamp":{"gte":"2024-01-20","lte":"2024-01"}}}`, ""}, {`{"range":{"@timestamp":{"gte":"2024-01-20","lt":"2024-01-31||/d"}}}`, "c"},
		{`{"range":{"@timestamp":{"gte":1706745599999,"lte":1706745599999,"format":"epoch_millis"}}}`, "d"},
		{`{"range":{"@timestamp":{"gte":"1706745599999","lte":"1706745599999","format":"epoch_millis"}}}`, "d"},
		{`{"range":{"@timestamp":{"gte":"01.02.2024","lte":"01.02.2024","format":"dd.MM.yyyy","time_zone":"+01:00"}}}`, "d"},
		{`{"exists":{"field":"user.name"}}`, "ab"}, {`{"exists":{"field":"user"}}`, "ab"}, {`{"exists":{"field":"tag*"}}`, "c"},
		{`{"prefix":{"app.keyword":"Shop"}}`, "a"}, {`{"prefix":{"app.keyword":{"value":"shop","case_insensitive":true}}}`, "ab"},
		{`{"wildcard":{"path.keyword":"/var/*"}}`, "d"}, {`{"wildcard":{"path.keyword":{"wildcard":"*LOG","case_insensitive":true}}}`, "d"},
		{`{"regexp":{"app.keyword":"[Ss]hop.*"}}`, "ab"}, {`{"regexp":{"app.keyword":{"value":"SHOP","case_insensitive":true,"flags":"ALL"}}}`, "b"},
		{`{"fuzzy":{"message":{"value":"tmeout","fuzziness":"1"}}}`, "e"}, {`{"ids":{"values":["a","d","zz"]}}`, "ad"}, {`{"ids":{}}`, ""},
		{`{"dis_max":{"queries":[{"term":{"level":"warn"}},{"ids":{"values":"a"}}],"tie_breaker":0.5}}`, "ad"},
		{`{"query_string":{"query":"new york","default_operator":"AND"}}`, "c"},
		{`{"query_string":{"query":"level:info OR +status:404","default_operator":"AND"}}`, "bcd"},
		{`{"query_string":{"query":"york","fields":["city"]}}`, "cd"}, {`{"query_string":{"query":"york","default_field":"message","analyze_wildcard":true,"lenient":true}}`, "c"},
		{`{"query_string":{"query":"new york disk","fields":["message"],"minimum_should_match":2}}`, "c"},
		{`{"query_string":{"query":"york new","type":"phrase"}}`, "c"},
		{`{"query_string":{"query":"@timestamp:2024-02-01","time_zone":"+01:00"}}`, "d"},
		{`{"simple_query_string":{"query":"refused | timeout"}}`, "ae"}, {`{"simple_query_string":{"query":"new + york -city","default_operator":"and"}}`, "c"},
		{`{"simple_query_string":{"query":"\"york is\" | conn*"}}`, "ac"}, {`{"simple_query_string":{"query":"((foo"}}`, ""},
		{`{"simple_query_string":{"query":"(timeout | refused) + level","fields":["message"]}}`, ""},
	} {
		f, err := parseQuery(t, c.query)
		if err != nil {
			t.Errorf("%s: %v", c.query, err)
			continue
		}
		if got := found(f); got != c.want {
			t.Errorf("%s finds %q, want %q: %#v", c.query, got, c.want, f)
		}
	}
}

func parseQuery(t *testing.T, s string) (logging.Filter, error) {
	t.Helper()
	n, err := ParseJSON([]byte(s), RequestValuesMax)
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return (&parser{env: testEnv}).query(n, 0)
}

// Most clients show an error's first reason and nothing else of it.
func TestQueryStringComplaints(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{"path:/checkout", `a slash begins a regular expression: write \/, or put the value in double quotes`},
		{`"order paid`, "close the quote"},
		{"level:(error", `Encountered " <EOF> "`},
		{"message:/a#b/", "operator # is not supported"},
		{"status:>= 500", "write it without a blank, as in status:>=500"},
	} {
		_, err := ParseQueryString(c.query, testEnv)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Reason, "Failed to parse query ["+c.query+"]: ") || !strings.Contains(e.Reason, c.want) {
			t.Errorf("%s: got %v, want a reason with %q", c.query, err, c.want)
		}
	}
}

func TestQueriesRefused(t *testing.T) {
	for _, c := range []struct{ query, want string }{
		{`{"nested":{"path":"p","query":{"match_all":{}}}}`, "parsing_exception: [nested] query"},
		{`{"script":{"script":"1"}}`, "parsing_exception: unknown query [script]"},
		{`{"bool":{"foo":1}}`, "parsing_exception: [bool] query does not support [foo]"},
		{`{"term":{"a":{"value":1,"foo":2}}}`, "[term] query does not support [foo]"},
		{`{"term":{"*":"error"}}`, "[term] query: field [*] cannot be a pattern"},
		{`{"term":{"a":null}}`, "illegal_argument_exception: [term] query on field [a]: value cannot be null"},
		{`{"term":{"a":1,"b":2}}`, "doesn't support multiple fields"},
		{`{"terms":{"a":{"index":"x","id":"1","path":"p"}}}`, "looking terms up"},
		{`{"match_all":{},"match_none":{}}`, "expected [END_OBJECT]"},
		{`{"match":{"a":{"query":"x","analyzer":"whitespace"}}}`, "analyzer [whitespace] is not supported"},
		{`{"range":{"@timestamp":{"gte":"banana"}}}`, "failed to parse date field [banana]"},
		{`{"range":{"@timestamp":{"gte":"now/x"}}}`, "unit [x] not supported"},
		{`{"regexp":{"a":"("}}`, "illegal_argument_exception"},
		{`{"bool":{"should":[{"match_all":{}}],"minimum_should_match":"2<75%"}}`, "is not supported"},
		{`[]`, "must start with start_object"},
		{strings.Repeat(`{"bool":{"must":`, 40) + `{"match_all":{}}` + strings.Repeat("}}", 40), "nested depth"},
	} {
		_, err := parseQuery(t, c.query)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.query, err, c.want)
		}
	}
}

// run answers a search over the test documents.
func run(t *testing.T, body string) string {
	t.Helper()
	n, err := ParseJSON([]byte(body), RequestValuesMax)
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	s, err := ParseSearch(n, noParams, testEnv)
	if err != nil {
		return err.Error()
	}
	res, err := s.Run(s.Query, func(q logging.Query) (*logging.Result, error) {
		return logging.Run(context.Background(), q, slices.Values(testDocs()))
	})
	if err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	out := s.AppendReply(nil, res, Reply{Shards: Shards{1}})
	if !json.Valid(out) {
		t.Fatalf("%s: the reply is not JSON: %s", body, out)
	}
	return string(out)
}

func TestAggregations(t *testing.T) {
	for _, c := range []struct{ aggs, want string }{
		{`{"1":{"terms":{"field":"level","size":"2","order":{"_count":"desc"},"min_doc_count":"1"}}}`,
			`{"1":{"doc_count_error_upper_bound":0,"sum_other_doc_count":1,"buckets":[{"key":"error","doc_count":2},{"key":"info","doc_count":2}]}}`},
		{`{"1":{"terms":{"field":"user.admin","missing":"none","order":{"_key":"asc"}}}}`,
			`{"1":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":0,"key_as_string":"false","doc_count":1},{"key":1,"key_as_string":"true","doc_count":1},{"key":"none","doc_count":3}]}}`},
		{`{"1":{"terms":{"field":"status","include":["200","500"]},"aggs":{"m":{"avg":{"field":"took"}}},"meta":{"k":[1]}}}`,
			`{"1":{"meta":{"k":[1]},"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":200,"doc_count":1,"m":{"value":-5.0}},{"key":500,"doc_count":1,"m":{"value":1.5}}]}}`},
		{`{"1":{"terms":{"field":"level","order":{"p[50.0]":"desc"},"size":1},"aggs":{"p":{"percentiles":{"field":"status","percents":["50"]}}}}}`,
			`{"1":{"doc_count_error_upper_bound":0,"sum_other_doc_count":3,"buckets":[{"key":"error","doc_count":2,"p":{"values":{"50.0":500.0}}}]}}`},
		{`{"1":{"filters":{"filters":{"bad":{"query_string":{"query":"level:error","analyze_wildcard":true}}},"other_bucket":true}}}`,
			`{"1":{"buckets":{"bad":{"doc_count":2},"_other_":{"doc_count":3}}}}`},
		{`{"1":{"filters":{"filters":[{"term":{"level":"warn"}}]}}}`, `{"1":{"buckets":[{"doc_count":1}]}}`},
		{`{"f":{"filter":{"term":{"level":"info"}},"aggs":{"m":{"missing":{"field":"took"}}}}}`, `{"f":{"doc_count":2,"m":{"doc_count":1}}}`},
		{`{"h":{"histogram":{"field":"status","interval":200,"min_doc_count":1}}}`,
			`{"h":{"buckets":[{"key":200.0,"doc_count":1},{"key":400.0,"doc_count":2}]}}`},
		{`{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","min_doc_count":0,"format":"epoch_millis","extended_bounds":{"min":1709204400000,"max":1709215200000}},"aggs":{"s":{"sum":{"field":"took"}},"c":{"cardinality":{"field":"level"}}}},"q":{"value_count":{"field":"status"}}}`, "long"},
		{`{"h":{"date_histogram":{"field":"@timestamp","calendar_interval":"1M","time_zone":"Europe/Paris","min_doc_count":1}}}`,
			`{"h":{"buckets":[{"key_as_string":"2024-01-01T00:00:00.000+01:00","key":1704063600000,"doc_count":1},{"key_as_string":"2024-02-01T00:00:00.000+01:00","key":1706742000000,"doc_count":4}]}}`},
		{`{"h":{"date_histogram":{"field":"@timestamp","interval":"1M","min_doc_count":1,"format":"yyyy-MM","order":{"_key":"desc"}}}}`,
			`{"h":{"buckets":[{"key_as_string":"2024-02","key":1706745600000,"doc_count":3},{"key_as_string":"2024-01","key":1704067200000,"doc_count":2}]}}`},
		{`{"s":{"stats":{"field":"took"}}}`, `{"s":{"count":2,"min":-5.0,"max":1.5,"avg":-1.75,"sum":-3.5}}`},
		{`{"s":{"extended_stats":{"field":"nope","sigma":"3"}}}`, `"count":0,"min":null,"max":null,"avg":null,"sum":0.0,"sum_of_squares":null`},
		{`{"s":{"extended_stats":{"field":"took","sigma":"1"}}}`, `"std_deviation_bounds":{"upper":1.5,"lower":-5.0,`},
		{`{"p":{"percentiles":{"field":"took","percents":["0",99.9],"keyed":false}}}`, `"values":[{"key":0.0,"value":-5.0},{"key":99.9,"value":1.4935`},
		{`{"p":{"percentiles":{"field":"nope","percents":["50"]}}}`, `{"p":{"values":{"50.0":null}}}`},
		{`{"m":{"max":{"field":"@timestamp"}}}`, `"value_as_string":"2024-02-29T12:31:45.123Z"`},
		{`{"m":{"min":{"field":"nope"}},"s":{"sum":{"field":"nope"}},"a":{"avg":{"field":"nope","missing":"7"}}}`, `{"m":{"value":null},"s":{"value":0.0},"a":{"value":7.0}}`},
		{`{"t":{"top_metrics":{"metrics":[{"field":"status"}],"size":"1","sort":[{"@timestamp":"asc"}]}}}`,
			`{"t":{"top":[{"sort":["2024-01-20T12:30:45.123Z"],"metrics":{"status":404}}]}}`},
		{`{"t":{"top_hits":{"size":1,"sort":[{"@timestamp":"desc"}],"_source":["message"]}}}`,
			`{"t":{"hits":{"total":{"value":5,"relation":"eq"},"max_score":null,"hits":[{"_index":"logs-eu-shop","_id":"e","_score":null,"_source":{"message":"timeout"},"sort":[1709209905123]}]}}}`},
		{`{"m":{"avg":{"field":"took","script":"_value*2"}}}`, `{"m":{"value":-3.5}}`},
		{`{"m":{"derivative":{"buckets_path":"1"}}}`, `must have a histogram or date_histogram as parent`},
		{`{"m":{"significant_terms":{"field":"level"}}}`, `parsing_exception: [significant_terms] aggregation [m] is not supported`},
		{`{"m":{"foo":{}}}`, `parsing_exception: Unknown aggregation type [foo]`},
		{`{"m":{"date_histogram":{"field":"@timestamp","calendar_interval":"1M","keyed":true,"format":"yyyy-MM"}}}`, `{"m":{"buckets":{"2024-01":{"key_as_string":"2024-01","key":1704067200000,"doc_count":2},"2024-02":{"key_as_string":"2024-02","key":1706745600000,"doc_count":3}}}}`},
		{`{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"1s","extended_bounds":{"min":0,"max":1709209905123}}}}`, `too_many_buckets_exception`},
		{`{"m":{"terms":{"field":"level","size":0}}}`, `[size] must be greater than or equal to 1`},
		{`{"m":{"terms":{"field":"level","include":"er.*"}}}`, `"buckets":[{"key":"error","doc_count":2}]`},
		{`{"m":{"terms":{"field":"level","include":"er~"}}}`, `illegal_argument_exception: [include] of [m]: regular expression /er~/: operator ~ is not supported`},
		// Of the rates there is no real engine to compare with: x-pack has them.
		{`{"h":{"date_histogram":{"field":"@timestamp","calendar_interval":"1M"},"aggs":{"r":{"rate":{"unit":"day"}},"s":{"rate":{"field":"took","unit":"day","mode":"sum"}},"c":{"rate":{"field":"status","mode":"value_count","unit":"year"}},"n":{"rate":{}}}}}`,
			`{"h":{"buckets":[{"key_as_string":"2024-01-01T00:00:00.000Z","key":1704067200000,"doc_count":2,"r":{"value":0.06451612903225806},"s":{"value":0.0},"c":{"value":24.0},"n":{"value":2.0}},{"key_as_string":"2024-02-01T00:00:00.000Z","key":1706745600000,"doc_count":3,"r":{"value":0.10344827586206896},"s":{"value":-0.1206896551724138},"c":{"value":24.0},"n":{"value":3.0}}]}}`},
		{`{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h","min_doc_count":1},"aggs":{"l":{"terms":{"field":"level"},"aggs":{"r":{"rate":{"unit":"minute","format":"0.000"}}}}}}}`, `"r":{"value":0.016666666666666666,"value_as_string":"0.017"}`},
		{`{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"},"aggs":{"r":{"rate":{"unit":"month"}}}}}`, `Cannot use month-based rate unit [month]`},
		{`{"h":{"terms":{"field":"level"},"aggs":{"r":{"rate":{"unit":"day"}}}}}`, `can only be used inside a date histogram`},
		{`{"h":{"date_histogram":{"field":"@timestamp","fixed_interval":"1h"},"aggs":{"r":{"rate":{"unit":"fortnight"}}}}}`, `Unsupported unit fortnight`},
		{`{"p":{"percentile_ranks":{"field":"status","values":["404",300,1000]}}}`, `{"p":{"values":{"300.0":33.006535947712415,"404.0":50.0,"1000.0":100.0}}}`},
		{`{"n":{"nested":{"path":"user"}}}`, `[nested] nested path [user] is not nested`},
	} {
		got := run(t, `{"size":0,"aggs":`+c.aggs+`}`)
		if c.want == "long" {
			if n := strings.Count(got, `"doc_count"`); !strings.Contains(got, `{"key_as_string":"1709208000000","key":1709208000000,"doc_count":1,"s":{"value":0.0},"c":{"value":1}},{"key_as_string":"1709211600000","key":1709211600000,"doc_count":0,"s":{"value":0.0},"c":{"value":0}}`) || !strings.HasSuffix(got, `"q":{"value":4}}}`) {
				t.Errorf("%s: %d buckets: %s", c.aggs, n, got)
			}
			continue
		}
		if _, aggs, ok := strings.Cut(got, `"aggregations":`); ok {
			got = strings.TrimSuffix(aggs, "}")
		}
		if got != c.want && !(c.want[0] != '{' && strings.Contains(got, c.want)) {
			t.Errorf("%s:\n got %s\nwant %s", c.aggs, got, c.want)
		}
	}
}

func TestSearch(t *testing.T) {
	ids := func(body string) string {
		var r struct {
			Hits struct {
				Hits []struct {
					ID string `json:"_id"`
				}
			}
		}
		out := run(t, body)
		if err := json.Unmarshal([]byte(out), &r); err != nil {
			return out
		}
		s := ""
		for _, h := range r.Hits.Hits {
			s += h.ID
		}
		return s
	}
	for _, c := range []struct{ body, want string }{
		{`{}`, "abcde"}, {`{"size":2,"from":1}`, "bc"},
		{`{"sort":"@timestamp"}`, "cdbae"}, {`{"sort":[{"@timestamp":"desc"}]}`, "eabdc"},
		{`{"sort":{"level":{"order":"asc"},"_doc":{"order":"desc"}}}`, "eacbd"},
		{`{"sort":{"_doc":{"order":"desc"},"level":{"order":"asc"}}}`, "edcba"},
		{`{"sort":[{"took":{"order":"asc","missing":"_first","unmapped_type":"long"}},"_doc"]}`, "cdeba"},
		{`{"sort":[{"took":{"order":"desc"}},"_doc"]}`, "abcde"},
		{`{"sort":[{"@timestamp":"desc"},{"_doc":"desc"}],"search_after":[1709209905123,5]}`, "abdc"},
		{`{"sort":["_score","_doc"],"search_after":[1.0,3]}`, "de"},
		{`{"post_filter":{"term":{"level":"warn"}}}`, "d"},
		{`{"sort":["_doc"],"search_after":[1,2]}`, "illegal_argument_exception: search_after has 2 value(s) but sort has 1."},
		{`{"size":10001}`, "illegal_argument_exception: Result window is too large, from + size must be less than or equal to: [10000] but was [10001]. See the scroll api for a more efficient way to request large data sets. This limit can be set by changing the [index.max_result_window] index level setting."},
		{`{"collapse":{"field":"level"}}`, "parsing_exception: [collapse] is not supported in a search"},
		{`{"foo":1}`, "parsing_exception: unknown key [foo] in a search"},
		{`{"script_fields":{},"stored_fields":["*"],"version":true,"timeout":"1s","profile":false}`, "abcde"},
	} {
		if got := ids(c.body); got != c.want {
			t.Errorf("%s: got %s, want %s", c.body, got, c.want)
		}
	}
}

func TestHit(t *testing.T) {
	for _, c := range []struct{ body, want string }{
		{`{"_source":false,"sort":{"@timestamp":{"order":"desc","unmapped_type":"boolean"},"_doc":{"order":"desc"}}}`,
			`{"_index":"logs-eu-shop","_id":"a","_score":null,"sort":[1709206245123,1]}`},
		{`{"_source":["user.*","status"]}`, `{"_index":"logs-eu-shop","_id":"a","_score":1.0,"_source":{"status":500,"user":{"name":"Ann Lee","admin":true}}}`},
		{`{"_source":{"includes":["user"],"excludes":"*.admin"}}`, `{"_index":"logs-eu-shop","_id":"a","_score":1.0,"_source":{"user":{"name":"Ann Lee"}}}`},
		{`{"_source":["nested.in"],"stored_fields":"_none_"}`, `{"_index":"logs-eu-shop","_score":1.0}`},
		{`{"_source":false,"docvalue_fields":["@timestamp"],"fields":[{"field":"@timestamp","format":"strict_date_optional_time_nanos"},"user.*","app.keyword"]}`,
			`{"_index":"logs-eu-shop","_id":"a","_score":1.0,"fields":{"@timestamp":["2024-02-29T11:30:45.123456789Z"],"user.name":["Ann Lee"],"user.admin":[true],"app.keyword":["Shop-API"]}}`},
		{`{"_source":false,"docvalue_fields":["@timestamp",{"field":"@received","format":"epoch_millis"}]}`,
			`{"_index":"logs-eu-shop","_id":"a","_score":1.0,"fields":{"@timestamp":["2024-02-29T11:30:45.123Z"],"@received":["1709209845123"]}}`},
		{`{"_source":false,"version":true,"seq_no_primary_term":true,"sort":[{"@timestamp":{"order":"asc","format":"yyyy-MM-dd'T'HH:mm:ss.SSSSSSSSSXXX"}},{"@timestamp":{"numeric_type":"date_nanos"}},"_score"]}`,
			`{"_index":"logs-eu-shop","_id":"a","_version":1,"_seq_no":1,"_primary_term":1,"_score":1.0,"sort":["2024-02-29T11:30:45.123456789Z",1709206245123456789,1.0]}`},
		{`{"_source":false,"query":{"query_string":{"query":"refused OR level:error OR shop OR NOT timeout"}},"highlight":{"fields":{"*":{}},"pre_tags":["@HIGHLIGHT@"],"post_tags":["@/HIGHLIGHT@"],"fragment_size":2147483647}}`,
			`{"_index":"logs-eu-shop","_id":"a","_score":1.0,"highlight":{"namespace":["@HIGHLIGHT@shop@/HIGHLIGHT@"],"level":["@HIGHLIGHT@error@/HIGHLIGHT@"],"message":["Connection @HIGHLIGHT@refused@/HIGHLIGHT@ by 10.0.0.1:5432"],"app":["@HIGHLIGHT@Shop@/HIGHLIGHT@-API"]}}`},
		{`{"_source":false,"query":{"match_phrase":{"message":"refused by"}},"highlight":{"fields":{"message":{"number_of_fragments":0}}}}`,
			`{"_index":"logs-eu-shop","_id":"a","_score":1.0,"highlight":{"message":["Connection <em>refused by</em> 10.0.0.1:5432"]}}`},
		{`{"_source":false,"query":{"match":{"message":"refused"}},"highlight":{"fields":{"message":{"fragment_size":16}}}}`,
			`{"_index":"logs-eu-shop","_id":"a","_score":1.0,"highlight":{"message":["Connection <em>refused</em>"]}}`},
		{`{"_source":false,"query":{"wildcard":{"app.keyword":"Sh*"}},"highlight":{"fields":{"*":{}}}}`,
			`{"_index":"logs-eu-shop","_id":"a","_score":1.0,"highlight":{"app.keyword":["<em>Shop-API</em>"]}}`},
	} {
		body := `{"query":{"ids":{"values":["a"]}},` + c.body[1:]
		if strings.Contains(c.body, `"query"`) {
			body = `{"post_filter":{"ids":{"values":["a"]}},` + c.body[1:]
		}
		got := run(t, body)
		_, got, _ = strings.Cut(got, `"hits":[`)
		if got = strings.TrimSuffix(got, "]}}"); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.body, got, c.want)
		}
	}
}

func TestTotals(t *testing.T) {
	for _, c := range []struct{ body, params, want string }{
		{`{}`, "", `"total":{"value":5,"relation":"eq"},"max_score":1.0`},
		{`{"track_total_hits":2}`, "", `"total":{"value":2,"relation":"gte"},`},
		{`{"track_total_hits":false}`, "", `"hits":{"max_score":1.0`},
		{`{"track_total_hits":2}`, "rest_total_hits_as_int", `"total":5,`},
		{`{"size":0}`, "", `"max_score":null,"hits":[]`},
	} {
		n, _ := ParseJSON([]byte(c.body), 100)
		s, err := ParseSearch(n, func(key string) string {
			if key == c.params {
				return "true"
			}
			return ""
		}, testEnv)
		if err != nil {
			t.Fatal(err)
		}
		res, err := logging.Run(context.Background(), s.Query, slices.Values(testDocs()))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(s.AppendReply(nil, res, Reply{})); !strings.Contains(got, c.want) {
			t.Errorf("%s %s: got %s, want %s", c.body, c.params, got, c.want)
		}
	}
}

func TestJavaFloats(t *testing.T) {
	for f, want := range map[float64]string{0: "0.0", 1: "1.0", -1.5: "-1.5", 1e7: "1.0E7", 9999999: "9999999.0", 1.25e10: "1.25E10", 1e-3: "0.001", 1e-5: "1.0E-5", 1709209905123: "1.709209905123E12"} {
		if got := string(AppendFloat(nil, f)); got != want {
			t.Errorf("%v: got %s, want %s", f, got, want)
		}
	}
}

func TestDates(t *testing.T) {
	for _, c := range []struct {
		format, text, zone string
		up                 bool
		want               string
	}{
		{"", "2024-02-29T12:30:45.123456789Z", "", false, "2024-02-29T12:30:45.123456789Z"},
		{"", "2024-02-29T12:30:45+0130", "", false, "2024-02-29T11:00:45Z"},
		{"", "2024-02", "", true, "2024-02-01T23:59:59.999999999Z"}, {"", "2024", "", true, "2024-01-01T23:59:59.999999999Z"},
		{"", "2024", "", false, "2024-01-01T00:00:00Z"},
		{"", "2024-02-29", "+02:00", false, "2024-02-28T22:00:00Z"},
		{"", "1709209845123", "", true, "2024-02-29T12:30:45.123999999Z"},
		{"", "now", "+02:00", true, "2024-02-29T12:30:45.123456789Z"},
		{"", "now/d", "+02:00", false, "2024-02-28T22:00:00Z"},
		{"", "now/d", "", true, "2024-02-29T23:59:59.999999999Z"},
		{"", "now-1M/M", "", false, "2024-01-01T00:00:00Z"},
		{"", "now/w", "", false, "2024-02-26T00:00:00Z"},
		{"", "now+1y", "", false, "2025-02-28T12:30:45.123456789Z"},
		{"", "2024-01-31||+1M/d", "", true, "2024-02-29T23:59:59.999999999Z"},
		{"", "2024-03-31T00:30:00Z||/h", "Europe/Paris", true, "2024-03-31T00:59:59.999999999Z"},
		{"epoch_second", "1709209845", "", false, "2024-02-29T12:30:45Z"},
		{"epoch_second", "1709209845.25", "", false, "2024-02-29T12:30:45.25Z"},
		{"yyyy.MM.dd", "2024.02.29", "", false, "2024-02-29T00:00:00Z"},
		{"yyyyMMddHHmmss", "20240229123045", "", false, "2024-02-29T12:30:45Z"},
		{"dd/MMM/yyyy:HH:mm:ss Z||epoch_millis", "29/Feb/2024:12:30:45 +0100", "", false, "2024-02-29T11:30:45Z"},
		{"", "2024-02-30", "", false, "!"}, {"", "2024-1-1", "", false, "!"}, {"", "2024-02-29T25:00", "", false, "!"}, {"", "", "", false, "!"},
		{"", "now+", "", false, "!"}, {"", "now+1x", "", false, "!"}, {"", "now/2d", "", false, "!"}, {"", "99999999999999999", "", false, "!"},
	} {
		f, err := ParseDateFormat(c.format)
		if err != nil {
			t.Fatalf("%q: %v", c.format, err)
		}
		zone, err := ParseZone(c.zone)
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.DateMath(c.text, testNow, zone, c.up)
		if c.want == "!" {
			if err == nil {
				t.Errorf("%q %q: got %v, want a refusal", c.format, c.text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339Nano) != c.want {
			t.Errorf("%q %q up=%t: got %s, %v; want %s", c.format, c.text, c.up, got.Format(time.RFC3339Nano), err, c.want)
		}
	}
	paris, _ := ParseZone("Europe/Paris")
	for format, want := range map[string]string{
		"": "2024-02-29T13:30:45.123+01:00", "epoch_millis": "1709209845123", "epoch_second": "1709209845.123",
		"strict_date_optional_time_nanos": "2024-02-29T13:30:45.123456789+01:00", "yyyy-MM-dd HH:mm:ss.SSS": "2024-02-29 13:30:45.123",
		"EEE, d MMM yy hh:mm a Z": "Thu, 29 Feb 24 01:30 PM +0100", "basic_date": "20240229", "date_time": "2024-02-29T13:30:45.123+01",
	} {
		f, err := ParseDateFormat(format)
		if err != nil {
			t.Fatalf("%q: %v", format, err)
		}
		if got := f.Format(testNow, paris); got != want {
			t.Errorf("%q: got %s, want %s", format, got, want)
		}
	}
	for _, bad := range []string{"yyyy-QQ", "'open", strings.Repeat("y", 300), "["} {
		if _, err := ParseDateFormat(bad); err == nil {
			t.Errorf("format %q is taken", bad)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	for _, s := range []string{`null`, `true`, `[1,2.50,-0,1e400,9007199254740993]`, `{"b":1,"a":{"x":[],"y":{}},"b":2}`, `"\u0001\"\\é\n"`} {
		n, err := ParseJSON([]byte(s), 100)
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if got := string(n.Append(nil)); got != s {
			t.Errorf("%s became %s", s, got)
		}
	}
	for _, bad := range []string{``, `{`, `{"a"}`, `{"a":1,}`, `[1,]`, `01`, `1.`, `"a`, `"\x"`, `nul`, `{} {}`, "\"\n\"", strings.Repeat("[", 200)} {
		if _, err := ParseJSON([]byte(bad), 1000); err == nil {
			t.Errorf("%q is taken as JSON", bad)
		}
	}
	if _, err := ParseJSON([]byte("["+strings.Repeat("1,", 200)+"1]"), 100); err == nil {
		t.Error("more values than allowed are taken")
	}
}

func FuzzQueryString(f *testing.F) {
	for _, s := range []string{"a AND b", `f:"x y"~2 OR -g:[1 TO 2}`, "/re/ (a b^2)", `a\:b:c~1 _exists_:x`, "@timestamp:>now-1d/d", "+a -b !c && d || e", "*:* ?x*"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		filter, err := ParseQueryString(s, testEnv)
		if (err == nil) == (filter == nil) {
			t.Fatalf("%q: filter %v with error %v", s, filter, err)
		}
		if err == nil {
			found(filter)
		} else if e := (*Error)(nil); !errors.As(err, &e) || !json.Valid(e.AppendBody(nil)) {
			t.Fatalf("%q: error %v is no reply", s, err)
		}
	})
}

func FuzzParseSearch(f *testing.F) {
	f.Add([]byte(`{"size":5,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":1,"lte":"now/d","format":"epoch_millis"}}},{"query_string":{"query":"a:b"}}]}},"sort":[{"@timestamp":"desc"},"_doc"],"search_after":[1,2]}`))
	f.Add([]byte(`{"aggs":{"2":{"terms":{"field":"level","order":{"1.std_upper":"desc"}},"aggs":{"1":{"extended_stats":{"field":"status"}}}},"3":{"date_histogram":{"field":"@timestamp","calendar_interval":"1w","time_zone":"+01:00"}}}}`))
	f.Add([]byte(`{"highlight":{"fields":{"*":{}},"fragment_size":3},"query":{"match":{"message":"refused york"}},"fields":["*"],"_source":{"includes":["a*"]}}`))
	f.Add([]byte(`{"query":{"simple_query_string":{"query":"a + (b | \"c d\"~2) -e*"}},"docvalue_fields":[{"field":"@timestamp","format":"dd.MM.yy[ HH]"}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := ParseJSON(b, RequestValuesMax)
		if err != nil {
			return
		}
		s, err := ParseSearch(n, noParams, testEnv)
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || !json.Valid(e.AppendBody(nil)) {
				t.Fatalf("%s: error %v is no reply", b, err)
			}
			return
		}
		res, err := logging.Run(context.Background(), s.Query, slices.Values(testDocs()))
		if err != nil {
			if !errors.Is(err, logging.ErrQuery) {
				t.Fatalf("%s: %v", b, err)
			}
			return
		}
		if out := s.AppendReply(nil, res, Reply{}); !json.Valid(out) {
			t.Fatalf("%s: the reply is not JSON: %s", b, out)
		}
	})
}

func ExampleParseSearch() {
	body, _ := ParseJSON([]byte(`{"query":{"query_string":{"query":"level:error"}},"size":1,"_source":["status"]}`), RequestValuesMax)
	s, _ := ParseSearch(body, noParams, testEnv)
	res, _ := logging.Run(context.Background(), s.Query, slices.Values(testDocs()))
	fmt.Printf("%s\n", s.AppendReply(nil, res, Reply{Shards: Shards{1}}))
	// Output: {"took":0,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},"hits":{"total":{"value":2,"relation":"eq"},"max_score":1.0,"hits":[{"_index":"logs-eu-shop","_id":"a","_score":1.0,"_source":{"status":500}}]}}
}
