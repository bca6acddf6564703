package scan_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/logtest"
)

// TestSumsOfTime holds what is summed up by time against the oracle: buckets of few
// and of many rows, sorted or not, within bounds, and inside other buckets.
func TestSumsOfTime(t *testing.T) {
	for seed := uint64(1); seed < 60; seed++ {
		w, _, _ := newWorld(seed)
		rnd := rand.New(rand.NewPCG(seed, 4))
		metric := func(name string) logging.Agg {
			fields := []string{"status", "latency", "a", "n.x", "nothing", logging.FieldTime}
			kinds := []logging.MetricKind{logging.Min, logging.Max, logging.Min, logging.Max, logging.Avg, logging.ValueCount, logging.ExtendedStats}
			m := logging.Metric{Field: logging.FieldOf(fields[rnd.IntN(len(fields))]), Kind: kinds[rnd.IntN(len(kinds))]}
			if m.Kind >= logging.StatsMetric || m.Kind == logging.Avg {
				m.Field = logging.FieldOf("size")
			}
			return logging.Agg{Name: name, Of: m}
		}
		for range 12 {
			h := logging.DateHistogram{Field: logging.FieldOf([]string{logging.FieldTime, logging.FieldTime, "time", logging.FieldReceived}[rnd.IntN(4)]), MinDocs: 1}
			h.Fixed = []time.Duration{time.Second, 7 * time.Second, time.Minute, time.Hour}[rnd.IntN(4)]
			if rnd.IntN(4) == 0 {
				h.Offset = time.Duration(rnd.IntN(90)-45) * time.Second
			}
			if rnd.IntN(5) == 0 {
				from, to := logtest.Noon().Add(time.Duration(rnd.IntN(40))*time.Second), logtest.Noon().Add(time.Duration(40+rnd.IntN(60))*time.Second)
				h.HardMin, h.HardMax = &from, &to
			}
			of := logging.Agg{Name: "m", Of: h}
			for i := range rnd.IntN(4) {
				of.Sub = append(of.Sub, metric(fmt.Sprint("x", i)))
			}
			q := logging.Query{Filter: logging.All{}, TotalMax: -1, Aggs: []logging.Agg{of}}
			switch rnd.IntN(3) {
			case 0:
				names := []string{"namespace", "level", "status", "pod", "user"}
				q.Aggs = []logging.Agg{{Name: "t", Of: logging.Terms{Field: logging.FieldOf(names[rnd.IntN(len(names))]), Size: 20}, Sub: q.Aggs}}
			case 1:
				q.Filter = logging.Exists{Field: logging.FieldOf("size")}
			}
			w.check(t, q)
		}
	}
}
