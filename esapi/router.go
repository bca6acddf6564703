package esapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/internal/httpx"
)

// route is one way in with what answers it. http.ServeMux cannot tell
// /{index}/_search from /_search/scroll, so that matching is done here: by
// segment, where a name of an index never begins with an underscore.
type route struct {
	httpx.Route
	segments []string
	handle   func(*call) (reply, error)
}

func allRoutes() []route {
	var out []route
	add := func(methods, pattern string, access httpx.Access, h func(*call) (reply, error)) {
		ms := strings.Fields(methods)
		if slices.Contains(ms, http.MethodGet) {
			ms = append(ms, http.MethodHead)
		}
		out = append(out, route{httpx.Route{Methods: ms, Pattern: pattern, Access: access}, split(pattern), h})
	}
	// read adds a route with and without an index in front.
	read := func(methods, pattern string, h func(*call) (reply, error)) {
		add(methods, pattern, httpx.Read, h)
		add(methods, "/{index}"+pattern, httpx.Read, h)
	}
	add("GET", "/", httpx.Open, root)
	for _, p := range []string{"/_nodes", "/_nodes/{nodes}", "/_nodes/http", "/_nodes/{nodes}/http"} {
		add("GET", p, httpx.Read, nodes)
	}
	add("GET", "/_cluster/health", httpx.Read, health)
	add("GET", "/_cluster/health/{index}", httpx.Read, health)
	add("GET", "/_license", httpx.Read, license)
	add("GET", "/_xpack", httpx.Read, xpack)
	add("GET", "/_cat/health", httpx.Read, catHealth)
	add("GET", "/_cat/indices", httpx.Read, catIndices)
	add("GET", "/_cat/indices/{index}", httpx.Read, catIndices)
	add("GET", "/_resolve/index/{index}", httpx.Read, resolveIndex)

	read("GET POST", "/_search", search)
	read("GET POST", "/_msearch", multiSearch)
	read("GET POST", "/_count", count)
	read("GET POST", "/_field_caps", fieldCaps)
	read("GET", "/_mapping", mapping)
	add("GET", "/{index}/_mapping/{type}", httpx.Read, mapping) // olivere/elastic still writes a type
	read("GET", "/_settings", indexInfo)
	read("GET", "/_alias", indexInfo)
	read("GET", "/_alias/{alias}", namedAlias)
	add("GET", "/_aliases", httpx.Read, indexInfo)
	add("GET POST DELETE", "/_search/scroll", httpx.Read, scroll)
	add("GET POST DELETE", "/_search/scroll/{scroll}", httpx.Read, scroll)
	add("POST", "/{index}/_pit", httpx.Read, openPIT)
	add("DELETE", "/_pit", httpx.Read, closePIT)
	add("GET", "/{index}", httpx.Read, indexInfo)
	add("GET", "/{index}/_doc/{id}", httpx.Read, document)
	add("GET", "/{index}/_source/{id}", httpx.Read, documentSource)
	read("GET POST", "/_mget", multiGet)

	add("POST PUT", "/_bulk", httpx.Write, bulkWrite)
	add("POST PUT", "/{index}/_bulk", httpx.Write, bulkWrite)
	add("POST", "/{index}/_doc", httpx.Write, documentWrite)
	add("PUT POST", "/{index}/_doc/{id}", httpx.Write, documentWrite)
	add("PUT POST", "/{index}/_create/{id}", httpx.Write, documentCreate)
	add("DELETE", "/{index}/_doc/{id}", httpx.Write, written("delete"))
	add("DELETE", "/{index}", httpx.Write, written("delete index"))
	add("POST", "/{index}/_update/{id}", httpx.Write, written("_update"))
	add("POST", "/{index}/_update_by_query", httpx.Write, written("_update_by_query"))
	add("POST", "/{index}/_delete_by_query", httpx.Write, written("_delete_by_query"))
	// Importers ask for it after writing. What was stored shows at once here.
	for _, p := range []string{"/_refresh", "/{index}/_refresh", "/_flush", "/{index}/_flush"} {
		add("GET POST", p, httpx.Write, refreshed)
	}
	return out
}

// split cuts a path into its segments; empty ones do not count.
func split(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" })
}

// match finds the route of a request with the variables of its path. Without
// one, allowed are the methods that the path has.
func (a *API) match(r *http.Request) (found *route, vars map[string]string, allowed []string) {
	segments := split(r.URL.EscapedPath())
	for i, s := range segments {
		u, err := url.PathUnescape(s)
		if err != nil {
			return nil, nil, nil
		}
		segments[i] = u
	}
	best := -1
	for i := range a.routes {
		rt := &a.routes[i]
		literals, ok := rt.fits(segments)
		if !ok {
			continue
		}
		if !slices.Contains(rt.Methods, r.Method) {
			allowed = append(allowed, rt.Methods...)
			continue
		}
		if literals > best { // /_nodes/http before /_nodes/{nodes}
			best, found = literals, rt
		}
	}
	if found == nil {
		slices.Sort(allowed)
		return nil, nil, slices.Compact(allowed)
	}
	vars = map[string]string{}
	for i, s := range found.segments {
		if s[0] == '{' {
			vars[s[1:len(s)-1]] = segments[i]
		}
	}
	return found, vars, nil
}

func (rt *route) fits(segments []string) (literals int, ok bool) {
	if len(segments) != len(rt.segments) {
		return 0, false
	}
	for i, s := range rt.segments {
		switch {
		case s == "{index}":
			if segments[i][0] == '_' && segments[i] != "_all" {
				return 0, false
			}
		case s[0] == '{':
		case s != segments[i]:
			return 0, false
		default:
			literals++
		}
	}
	return literals, true
}
