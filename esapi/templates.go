package esapi

import (
	"net/http"
	"strings"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/internal/jsontext"
)

// kept is a kind of thing that shippers look for at their start, and make where
// it is not there. There is never one here. Making one is acknowledged where
// records are kept and found without it all the same, with a warning that says
// so, and refused where they would be other records with it.
type kept struct {
	path    string                  // /_index_template
	none    string                  // the answer to a list of all of them
	missing func(name string) reply // to one of them
	removed func(name string) reply // to the removal of one; nil: as missing
	warn    string                  // of making one; "" where that is refused
	refuse  string
}

var keptElsewhere = []kept{
	{path: "/_index_template", none: `{"index_templates":[]}`, warn: warnTemplates,
		missing: notThere("resource_not_found_exception", "index template matching [NAME] not found"), removed: templateMissing},
	{path: "/_component_template", none: `{"component_templates":[]}`, warn: warnTemplates,
		missing: notThere("resource_not_found_exception", "component template matching [NAME] not found"), removed: templateMissing},
	{path: "/_template", none: "{}", warn: warnTemplates, missing: emptyNotFound, removed: templateMissing},
	{path: "/_ilm/policy", none: "{}", warn: "Oriel keeps no lifecycle policies: records are kept as long as their namespace's retention says",
		missing: notThere("resource_not_found_exception", "Lifecycle policy not found: NAME")},
	{path: "/_data_stream", none: `{"data_streams":[]}`, warn: "Oriel has no data streams: an index is there as soon as it has records",
		missing: func(name string) reply {
			return reply{status: http.StatusNotFound, body: dsl.IndexNotFound(name).AppendBody(nil)}
		}},
	{path: "/_ingest/pipeline", none: "{}", missing: emptyNotFound, removed: notThere("resource_not_found_exception", "pipeline [NAME] is missing"),
		refuse: "[_ingest/pipeline] is not supported: records are stored as they are sent; parse them where they are collected"},
}

const warnTemplates = "Oriel keeps no templates: fields have the types of their values"

func notThere(kind, reason string) func(string) reply {
	return func(name string) reply {
		e := &dsl.Error{Status: http.StatusNotFound, Type: kind, Reason: strings.ReplaceAll(reason, "NAME", name)}
		return reply{status: e.Status, body: e.AppendBody(nil)}
	}
}

var templateMissing = notThere("index_template_missing_exception", "index_template [NAME] missing")

func emptyNotFound(string) reply { return reply{status: http.StatusNotFound, body: []byte("{}")} }

// get answers that there are none: 404 for a name, nothing for a pattern.
func (k kept) get(c *call) (reply, error) {
	name := c.vars["name"]
	if name == "" || name == "_all" || strings.Contains(name, "*") {
		return ok([]byte(k.none)), nil
	}
	return k.missing(clip(name)), nil
}

// put acknowledges, or refuses.
func (k kept) put(c *call) (reply, error) {
	if k.refuse != "" {
		return reply{}, dsl.Illegal("%s", k.refuse)
	}
	if _, err := c.object(); err != nil {
		return reply{}, err
	}
	return c.acknowledged(k.warn), nil
}

// remove answers that there was none.
func (k kept) remove(c *call) (reply, error) {
	if k.removed != nil {
		return k.removed(clip(c.vars["name"])), nil
	}
	return k.missing(clip(c.vars["name"])), nil
}

// object reads a body that is an object, or empty.
func (c *call) object() (dsl.Node, error) {
	n, err := c.json()
	if err == nil && n.Kind != dsl.Null && n.Kind != dsl.Object {
		err = dsl.Parsing("expected an object and found [%s]", n.Kind)
	}
	return n, err
}

// acknowledged is the answer to what has no effect here. The warning says so, in
// the header in which Elasticsearch tells what a client should know; clients show
// or log it.
func (c *call) acknowledged(warning string) reply {
	return c.warned(`{"acknowledged":true}`, warning)
}

func (c *call) warned(body, warning string) reply {
	text := "299 Elasticsearch-" + c.api.o.Version + " " + string(jsontext.AppendString(nil, warning))
	return reply{body: []byte(body), header: http.Header{"Warning": {text}}}
}
