package promapi

import (
	"net/http"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/scrape"
	v1 "github.com/prometheus/prometheus/web/api/v1"
)

// targets answers /api/v1/targets from the series "up" and
// "scrape_duration_seconds" of the scope: agents scrape, not this process, so
// addresses before relabelling, errors and dropped targets are not known here.
// They are in the agents' own metrics and in the Events on monitor objects. A
// target whose "up" became stale is none any more.
func (a *API) targets(w http.ResponseWriter, r *http.Request) {
	state := r.Form.Get("state")
	pool := r.Form.Get("scrapePool")
	out := v1.TargetDiscovery{ActiveTargets: []*v1.Target{}, DroppedTargets: []*v1.DroppedTarget{}, DroppedTargetCounts: map[string]int{}}
	if state == "" || state == "any" || state == "active" {
		ups, err := a.newest(r, "up")
		if err == nil {
			var took map[uint64]point
			took, err = a.newest(r, "scrape_duration_seconds")
			for key, p := range ups {
				job := p.ls.Get(model.JobLabel)
				if pool != "" && job != pool {
					continue
				}
				t := &v1.Target{
					Labels: p.ls, ScrapePool: job, LastScrape: time.UnixMilli(p.t).UTC(), LastScrapeDuration: took[key].v, Health: scrape.HealthGood,
				}
				if p.v == 0 {
					t.Health = scrape.HealthBad
					t.LastError = "the scrape failed; the agent that scrapes it knows why"
				}
				out.ActiveTargets = append(out.ActiveTargets, t)
			}
		}
		if err != nil {
			writeError(w, r, http.StatusServiceUnavailable, err.Error())
			return
		}
	}
	sortTargets(out.ActiveTargets)
	writeData(w, out)
}

// newest gives the present value of every series of a metric, by the hash of its
// labels without the name.
func (a *API) newest(r *http.Request, name string) (map[uint64]point, error) {
	points, err := a.present(r, [][]*labels.Matcher{{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, name)}})
	if err != nil {
		return nil, err
	}
	out := make(map[uint64]point, len(points))
	for _, p := range points {
		p.ls = labels.NewBuilder(p.ls).Del(model.MetricNameLabel).Labels()
		out[p.ls.Hash()] = p
	}
	return out, nil
}
