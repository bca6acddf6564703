package dsl

import (
	"math"
	"slices"

	"github.com/oriel-project/oriel/logging"
)

// scaledPlan is the script of a metric: values count as times*_value + plus. The
// store computes the metric of the values as they are, and what the script makes
// of it follows from that.
type scaledPlan struct {
	times, plus float64
	kind        logging.MetricKind // asked for
	percents    []float64
}

// metricScript reads the script of a metric.
func (a *aggPlan) metricScript(n Node, m *logging.Metric) error {
	if v, ok := n.Get("script"); !ok || v.Kind == Null {
		return nil
	}
	source, fixed, err := scriptSource(a, n)
	if err != nil {
		return err
	}
	s := &scaledPlan{kind: m.Kind}
	if s.times, s.plus, err = linearScript(source, fixed); err != nil {
		return err
	}
	if s.times == 0 {
		return badScript(source, "a script of a metric without _value is not supported")
	}
	switch m.Kind {
	case logging.Sum, logging.Min, logging.Max, logging.Avg:
		m.Kind = logging.StatsMetric
	case logging.Percentiles, logging.PercentileRanks:
		s.percents = m.Percents
		m.Percents = slices.Clone(m.Percents)
		for i, p := range m.Percents {
			m.Percents[i] = s.back(p, m.Kind)
		}
	}
	if m.Missing != nil { // which the script does not change
		x, ok := missingNumber(*m.Missing)
		if !ok && m.Kind != logging.Cardinality && m.Kind != logging.ValueCount {
			return Illegal("[missing] of [%s] beside a script must be a number", clip(a.name))
		}
		if ok {
			v := logging.Float((x - s.plus) / s.times)
			m.Missing = &v
		}
	}
	a.scaled = s
	return nil
}

func missingNumber(v logging.Value) (float64, bool) {
	switch v.Kind {
	case logging.KindInt:
		return float64(v.Int), true
	case logging.KindFloat:
		return v.Float, true
	}
	return 0, false
}

// back gives what to ask the store for: of percentiles the same one from the
// other end where the script turns the order round, of ranks the value before it.
func (s *scaledPlan) back(p float64, kind logging.MetricKind) float64 {
	switch {
	case kind == logging.PercentileRanks:
		return (p - s.plus) / s.times
	case s.times < 0:
		return 100 - p
	}
	return p
}

// result makes the store's result that of the scripted values.
func (s *scaledPlan) result(a *aggPlan, r logging.AggResult) logging.AggResult {
	if r.Percentiles != nil {
		out := make([]logging.Percentile, len(r.Percentiles))
		for i, p := range r.Percentiles {
			switch {
			case r.Ranks && s.times < 0:
				p.Percent = 100 - p.Percent
			case !r.Ranks:
				p.Value = s.times*p.Value + s.plus
			}
			if r.Ranks {
				p.Value = s.percents[i]
			} else {
				p.Percent = s.percents[i]
			}
			out[i] = p
		}
		r.Percentiles, r.ValueIsDate = out, false
		return r
	}
	if r.Stats == nil {
		return r // counts
	}
	was := *r.Stats
	n := float64(was.Count)
	of := logging.Stats{Count: was.Count}
	if was.Count > 0 {
		of.Sum = s.times*was.Sum + s.plus*n
		of.SumOfSqr = s.times*s.times*was.SumOfSqr + 2*s.times*s.plus*was.Sum + s.plus*s.plus*n
		x, y := s.times*was.Min+s.plus, s.times*was.Max+s.plus
		of.Min, of.Max = math.Min(x, y), math.Max(x, y)
	}
	r.Stats = &of
	if s.kind == logging.StatsMetric || s.kind == logging.ExtendedStats {
		return r
	}
	r.Stats = nil
	var x float64
	switch s.kind {
	case logging.Sum:
		x = of.Sum
	case logging.Min:
		x = of.Min
	case logging.Max:
		x = of.Max
	default:
		x = of.Avg()
	}
	if of.Count > 0 || s.kind == logging.Sum {
		r.Value = &x
	}
	return r
}

// scaledOrder gives the order by a scripted metric, where that is the order of
// what the store computes.
func (a *aggPlan) scaledOrder(path, of string, bad error) (logging.TermsOrder, error) {
	s := a.scaled
	by := map[logging.MetricKind]string{logging.Sum: "sum", logging.Min: "min", logging.Max: "max", logging.Avg: "avg"}[s.kind]
	switch {
	case of != "" && of != "value":
		return logging.TermsOrder{}, bad
	case s.kind == logging.Cardinality || s.kind == logging.ValueCount:
		return logging.TermsOrder{By: a.name}, nil
	case by == "" || s.times < 0 || s.kind == logging.Sum && s.plus != 0:
		return logging.TermsOrder{}, Illegal("order by [%s]: the script of that metric turns the order round, which is not supported", clip(path))
	}
	return logging.TermsOrder{By: a.name + "." + by}, nil
}
