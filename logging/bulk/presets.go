package bulk

import (
	"net/http"
	"net/url"
)

// presets are what a request says for all of its items that do not say it
// themselves.
type presets struct {
	index        string // of the path
	pipeline     string
	requireAlias bool
}

func presetsOf(params url.Values, index string) presets {
	return presets{
		index:        index,
		pipeline:     params.Get("pipeline"),
		requireAlias: params.Has("require_alias") && params.Get("require_alias") != "false",
	}
}

func (p *presets) fill(a *action) {
	if a.index == "" {
		a.index = p.index
	}
	if a.pipeline == "" {
		a.pipeline = p.pipeline
	}
	if a.requireAlias == unsaid && p.requireAlias {
		a.requireAlias = yes
	}
}

// refuse tells of an action that asks for what there is not; nil where it can be
// done. Storing a record all the same would be another thing than was asked for.
func (a *action) refuse() *fault {
	switch {
	case a.name == "update" || a.name == "delete":
		return &fault{http.StatusBadRequest, "illegal_argument_exception",
			"action [" + a.name + "] is not supported: log records cannot be changed; use [create] or [index]"}
	case a.versioned != "":
		return &fault{http.StatusBadRequest, "illegal_argument_exception",
			"[" + a.versioned + "] is not supported: log records cannot be changed, so that each has one version"}
	case a.pipeline != "" && a.pipeline != "_none":
		return &fault{http.StatusBadRequest, "illegal_argument_exception",
			"pipeline with id [" + clip(a.pipeline) + "] does not exist"}
	case a.requireAlias == yes:
		return &fault{http.StatusNotFound, "index_not_found_exception",
			"no such index [" + clip(a.index) + "] and [require_alias] request flag is [true] and [" + clip(a.index) + "] is not an alias"}
	}
	return nil
}
