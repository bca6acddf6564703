package esapi

import (
	"slices"
	"strings"

	"github.com/oriel-project/oriel/esapi/dsl"
)

// checkParams refuses parameters of the URL that the endpoint does not have, as
// Elasticsearch does: who misspells ignore_unavailable would get another answer
// than was asked for.
func (c *call) checkParams(rt *route) error {
	var unknown []string
	for key := range c.params {
		if !slices.Contains(rt.params, key) {
			unknown = append(unknown, "["+clip(key)+"]")
		}
	}
	switch len(unknown) {
	case 0:
		return nil
	case 1:
		return dsl.Illegal("request [%s] contains unrecognized parameter: %s", clip(c.r.URL.Path), unknown[0])
	}
	slices.Sort(unknown)
	return dsl.Illegal("request [%s] contains unrecognized parameters: %s", clip(c.r.URL.Path), clip(strings.Join(unknown, ", ")))
}
