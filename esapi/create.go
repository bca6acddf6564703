package esapi

import (
	"net/http"
	"strings"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// createIndex answers PUT /{index}. An index is there as soon as it has records,
// so that nothing is made: a name that could be written to is acknowledged.
func createIndex(c *call) (reply, error) {
	name := c.vars["index"]
	if strings.HasPrefix(name, "<") {
		var err error
		if name, err = dateMathName(name, c.api.o.Clock()); err != nil {
			return reply{}, err
		}
	}
	if err := logging.CheckIndexName(name); err != nil {
		return reply{}, &dsl.Error{Status: http.StatusBadRequest, Type: "invalid_index_name_exception", Reason: err.Error()}
	}
	if _, err := c.object(); err != nil {
		return reply{}, err
	}
	b := jsontext.AppendString([]byte(`{"acknowledged":true,"shards_acknowledged":true,"index":`), name)
	return c.warned(string(append(b, '}')), "Oriel makes no indices: one is there as soon as it has records, with fields of the types of their values and without settings and aliases"), nil
}

// putMapping answers PUT /{index}/_mapping.
func putMapping(c *call) (reply, error) {
	if _, err := c.object(); err != nil {
		return reply{}, err
	}
	return c.acknowledged("Oriel keeps no mappings: fields have the types of their values"), nil
}

// putSettings answers PUT /{index}/_settings.
func putSettings(c *call) (reply, error) {
	if _, err := c.object(); err != nil {
		return reply{}, err
	}
	return c.acknowledged("Oriel keeps no settings of indices"), nil
}

// putAlias refuses what would make or remove an alias: who then searched it would
// find nothing.
func putAlias(*call) (reply, error) {
	return reply{}, dsl.Illegal("[_alias] is not supported: an index has one name; search several with a list or a pattern such as logs-*")
}
