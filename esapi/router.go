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
	params   []string // of the URL that it knows, beside those of every route
	handle   func(*call) (reply, error)
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
