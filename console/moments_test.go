package console

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func TestMoments(t *testing.T) {
	o := options(t)
	o.Moments = func(_ context.Context, r tenant.Read, from, to time.Time) ([]dashboards.Moment, error) {
		if from.UnixMilli() != 1000 {
			return nil, errors.New("the store is down")
		}
		var out []dashboards.Moment
		for _, id := range []tenant.ID{"billing", "shop"} {
			if r.Includes(id) {
				out = append(out, dashboards.Moment{At: to, Text: string(id) + " was deployed", Kind: dashboards.MomentDeploy, Cluster: "east", Namespace: string(id)})
			}
		}
		return out, nil
	}
	shop := scopetest.Read("shop")
	for _, c := range []struct {
		scope      tenant.Read
		path, want string
		status     int
	}{
		{shop, "/moments?from=1000&to=2000", `[{"time":2000,"text":"shop was deployed","tags":["deploy","east","shop"]}]` + "\n", 200},
		{tenant.Read{}, "/moments?from=1000&to=2000", "[]\n", 200},
		{shop, "/moments?from=3000&to=4000", "", 503},
		{shop, "/moments", "", 400},
		{shop, "/moments?from=2000&to=1000", "", 400},
		{shop, "/moments?from=0&to=9000000000000", "", 400},
	} {
		w := get(o, c.scope, "", c.path)
		if w.Code != c.status || c.want != "" && w.Body.String() != c.want {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
	}
}
