"""Uses an Elasticsearch API by elasticsearch-py 7, 8 or 9, as a user's script would.

Usage: pyclient.py URL TOKEN. The index is of this program's own.
"""

import datetime
import sys

import elasticsearch
from elasticsearch import Elasticsearch, helpers

URL, TOKEN = sys.argv[1:]
MAJOR = elasticsearch.__version__[0]
INDEX = "python-%d" % MAJOR
ROWS = 250


def client():
    if MAJOR == 7:
        return Elasticsearch([URL], http_auth=("any", TOKEN), sniff_on_start=True)
    return Elasticsearch([URL], basic_auth=("any", TOKEN), sniff_on_start=True)


def body(**keys):
    """Version 7 wants a body where the later ones want keywords."""
    return {"body": keys} if MAJOR == 7 else keys


def equal(what, got, want):
    if got != want:
        raise SystemExit("elasticsearch-py %d: %s: got %r, want %r" % (MAJOR, what, got, want))


def fails(what, status, call):
    try:
        call()
    except elasticsearch.ApiError if MAJOR > 7 else elasticsearch.TransportError as e:
        got = e.status_code
    else:
        got = "no error"
    equal(what, got, status)


def paged(es):
    pit = es.open_point_in_time(index=INDEX, keep_alive="1m")["id"]
    found, after = [], {}
    while True:
        page = es.search(**body(size=70, query={"match_all": {}}, sort=[{"n": "asc"}], pit={"id": pit, "keep_alive": "1m"}, **after))
        if not page["hits"]["hits"]:
            break
        found += [h["_source"]["n"] for h in page["hits"]["hits"]]
        pit, after = page["pit_id"], {"search_after": page["hits"]["hits"][-1]["sort"]}
    es.close_point_in_time(**body(id=pit))
    return found


def main():
    es = client()
    equal("ping", bool(es.ping()), True)
    now = datetime.datetime.now(datetime.timezone.utc).isoformat()
    rows = [{"_op_type": "create", "_index": INDEX, "_id": str(i), "n": i, "@timestamp": now, "message": "row %d" % i} for i in range(ROWS)]
    equal("bulk", helpers.bulk(es, rows), (ROWS, []))
    stored, errors = helpers.bulk(es, rows[:3], raise_on_error=False)
    equal("the same once more", (stored, [e["create"]["status"] for e in errors]), (0, [409, 409, 409]))
    es.indices.refresh(index=INDEX)
    equal("exists", (bool(es.indices.exists(index=INDEX)), bool(es.indices.exists(index="absent"))), (True, False))
    equal("count", es.count(index=INDEX)["count"], ROWS)

    got = es.search(index=INDEX, **body(
        query={"bool": {"filter": [{"range": {"n": {"gte": 10}}}, {"query_string": {"query": "message:row"}}]}},
        sort=["n"], size=2, track_total_hits=True,
        aggs={"all": {"stats": {"field": "n"}}, "middle": {"percentiles": {"field": "n", "percents": [50]}}}))
    equal("total", got["hits"]["total"], {"value": ROWS - 10, "relation": "eq"})
    equal("hits", [h["_source"]["n"] for h in got["hits"]["hits"]], [10, 11])
    equal("sum", got["aggregations"]["all"]["sum"], float(sum(range(10, ROWS))))
    equal("median", got["aggregations"]["middle"]["values"]["50.0"], (10 + ROWS - 1) / 2)
    equal("?q=", es.search(index=INDEX, q='message:"row 17"')["hits"]["total"]["value"], 1)

    equal("scan", len(list(helpers.scan(es, index=INDEX, query={"query": {"match_all": {}}}, size=100))), ROWS)
    ordered = helpers.scan(es, index=INDEX, query={"sort": ["n"]}, size=100, preserve_order=True)
    equal("scan in order", [h["_source"]["n"] for h in ordered], list(range(ROWS)))
    equal("point in time", paged(es), list(range(ROWS)))

    equal("get", es.get(index=INDEX, id="5")["_source"]["n"], 5)
    equal("mget", [d["found"] for d in es.mget(index=INDEX, **body(ids=["1", "absent"]))["docs"]], [True, False])
    equal("mapping", es.indices.get_mapping(index=INDEX)[INDEX]["mappings"]["properties"]["n"]["type"], "long")
    equal("field_caps", list(es.field_caps(index=INDEX, fields="@timestamp")["fields"]["@timestamp"]), ["date"])
    equal("cat", [r["docs.count"] for r in es.cat.indices(index=INDEX, format="json")], [str(ROWS)])
    equal("health", es.cluster.health()["status"], "green")
    equal("a pattern of nothing", es.search(index="absent-*")["hits"]["total"]["value"], 0)

    fails("an absent document", 404, lambda: es.get(index=INDEX, id="absent"))
    fails("an absent index", 404, lambda: es.search(index="absent"))
    fails("an unsupported clause", 400, lambda: es.search(index=INDEX, **body(query={"nested": {"path": "x", "query": {"match_all": {}}}})))
    fails("a wrong syntax", 400, lambda: es.search(index=INDEX, q="message:(row"))


main()
