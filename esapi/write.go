package esapi

import (
	"net/http"
	"strings"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// bulkWrite answers _bulk.
func bulkWrite(c *call) (reply, error) {
	return c.write(func(w http.ResponseWriter, s tenant.Write, index string) {
		c.api.o.Bulk.ServeBulk(w, c.r, s, index)
	})
}

// documentWrite answers _doc and _doc/{id} where they write.
func documentWrite(c *call) (reply, error) {
	return c.write(func(w http.ResponseWriter, s tenant.Write, index string) {
		c.api.o.Bulk.ServeDocument(w, c.r, s, logging.Raw{Index: index, ID: c.vars["id"]}, false)
	})
}

// documentCreate answers _create/{id}.
func documentCreate(c *call) (reply, error) {
	return c.write(func(w http.ResponseWriter, s tenant.Write, index string) {
		c.api.o.Bulk.ServeDocument(w, c.r, s, logging.Raw{Index: index, ID: c.vars["id"]}, true)
	})
}

// write lets a part write to the index of the path, and shapes its answer like
// any other.
func (c *call) write(serve func(w http.ResponseWriter, s tenant.Write, index string)) (reply, error) {
	if c.api.o.Bulk == nil {
		return reply{}, &dsl.Error{Status: http.StatusServiceUnavailable, Type: "unavailable_shards_exception", Reason: "this Oriel takes no logs in"}
	}
	index := c.vars["index"]
	if strings.HasPrefix(index, "<") {
		var err error
		if index, err = dateMathName(index, c.api.o.Clock()); err != nil {
			return reply{}, err
		}
	}
	w := &captured{header: http.Header{}}
	serve(w, tenant.WriteFrom(c.r.Context()), index)
	return reply{status: w.status, body: w.body.Bytes(), header: w.header}, nil
}

// written refuses what would change or remove records: see
// docs/decisions/008-written-once.md.
func written(what string) func(*call) (reply, error) {
	return func(*call) (reply, error) {
		return reply{}, dsl.Illegal("[%s] is not supported: log records are written once, and go when their retention ends", what)
	}
}

// refreshed answers _refresh and _flush, which have nothing to do.
func refreshed(*call) (reply, error) {
	return ok([]byte(`{"_shards":{"total":1,"successful":1,"failed":0}}`)), nil
}
