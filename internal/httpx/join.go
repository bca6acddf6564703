package httpx

import (
	"net/http"
	"strings"
)

// Join makes one API of several: a request goes to the first one that has a
// route for it. Where none has, the one whose routes share the longest beginning
// with the path answers, so that its clients get an error they understand; the
// last one where nothing is shared.
func Join(apis ...API) API { return joined(apis) }

type joined []API

func (j joined) Routes() []Route {
	var out []Route
	for _, a := range j {
		out = append(out, a.Routes()...)
	}
	return out
}

func (j joined) Access(r *http.Request) (Access, bool) {
	for _, a := range j {
		if what, ok := a.Access(r); ok {
			return what, true
		}
	}
	return Open, false
}

func (j joined) Error(w http.ResponseWriter, r *http.Request, status int, reason string) {
	j.of(r).Error(w, r, status, reason)
}

func (j joined) ServeHTTP(w http.ResponseWriter, r *http.Request) { j.of(r).ServeHTTP(w, r) }

func (j joined) of(r *http.Request) API {
	for _, a := range j {
		if _, ok := a.Access(r); ok {
			return a
		}
	}
	best, most := j[len(j)-1], 0
	for _, a := range j {
		for _, rt := range a.Routes() {
			if n := shared(rt.Pattern, r.URL.Path); n > most {
				best, most = a, n
			}
		}
	}
	return best
}

// shared counts the segments that a pattern and a path begin with alike.
func shared(pattern, path string) int {
	n := 0
	ps, segs := strings.Split(pattern, "/")[1:], strings.Split(strings.TrimPrefix(path, "/"), "/")
	for n < len(ps) && n < len(segs) && ps[n] != "" && ps[n] == segs[n] {
		n++
	}
	return n
}
