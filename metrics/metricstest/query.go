package metricstest

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Generator makes queries that Prometheus' parser takes, nearly always: a few
// fail at their evaluation (many-to-many matches), which both sides must do
// alike. Not safe for concurrent use.
type Generator struct {
	r *rand.Rand
	// Selectors are vector selectors to choose from, without a range.
	Selectors []string
}

// NewGenerator makes a Generator over the series of Series.
func NewGenerator(seed uint64) *Generator {
	return &Generator{r: rand.New(rand.NewPCG(seed, 5)), Selectors: selectors}
}

// selectors are over the series that Series makes.
var selectors = []string{
	`requests_total`, `requests_total{code="500"}`, `requests_total{pod=~"p[12]"}`, `requests_total{code!~"5.."}`, `{__name__=~"requests.*|temperature",pod!=""}`,
	`temperature`, `temperature{pod="p1"}`, `temperature{zone=""}`, `latency_bucket`, `latency_bucket{le="0.5"}`, `latency_count`, `latency_sum`,
	`native_latency`, `native_latency{pod="p2"}`, `sparse`, `odd_values`, `up`, `up{job="web"}`, `absent_metric`, `{"quoted.name"}`, `{job="web"}`, `build_info`,
}

func (g *Generator) pick(of ...string) string { return of[g.r.IntN(len(of))] }

func (g *Generator) chance(percent int) bool { return g.r.IntN(100) < percent }

// Query gives the text of one query: a vector, mostly, or a scalar or string.
func (g *Generator) Query() string {
	switch g.r.IntN(20) {
	case 0:
		return g.scalar(2)
	case 1:
		return g.vector(0)
	}
	return g.vector(1 + g.r.IntN(3))
}

// Selector gives a vector selector with what may follow one.
func (g *Generator) Selector() string {
	s := g.pick(g.Selectors...)
	return s + g.modifiers()
}

func (g *Generator) modifiers() string {
	var b strings.Builder
	if g.chance(12) {
		b.WriteString(g.pick(" offset 5m", " offset -1m", " offset 90s"))
	}
	if g.chance(6) {
		b.WriteString(g.pick(" @ end()", " @ start()"))
	}
	return b.String()
}

func (g *Generator) matrix(depth int) string {
	if depth > 0 && g.chance(25) {
		return "(" + g.vector(depth-1) + ")" + g.pick("[10m:1m]", "[5m:30s]", "[15m:]", "[3m:7s]") + g.modifiers()
	}
	s := g.pick(g.Selectors...)
	return s + g.pick("[5m]", "[1m]", "[10m]", "[30s]", "[15m]") + g.modifiers()
}

func (g *Generator) scalar(depth int) string {
	if depth <= 0 || g.chance(50) {
		return g.pick("0", "1", "0.5", "2", "-1", "1e3", "Inf", "NaN", "time()", "pi()", "scalar(up{job=\"web\",pod=\"p1\"})")
	}
	if g.chance(50) {
		return "scalar(" + g.vector(depth-1) + ")"
	}
	return "(" + g.scalar(depth-1) + " " + g.pick("+", "-", "*", "/", "%", "^", "< bool", ">= bool", "== bool") + " " + g.scalar(depth-1) + ")"
}

func (g *Generator) vector(depth int) string {
	if depth <= 0 {
		return g.Selector()
	}
	d := depth - 1
	switch g.r.IntN(16) {
	case 0, 1, 2:
		return g.pick("rate", "increase", "delta", "irate", "idelta", "deriv", "changes", "resets",
			"avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "count_over_time", "last_over_time", "first_over_time",
			"present_over_time", "stddev_over_time", "stdvar_over_time", "absent_over_time") + "(" + g.matrix(depth) + ")"
	case 3:
		return g.pick("abs", "ceil", "floor", "exp", "ln", "sqrt", "sgn", "round", "absent", "timestamp", "sin", "deg", "hour", "minute", "day_of_week", "month",
			"histogram_count", "histogram_sum", "histogram_avg", "histogram_stddev") + "(" + g.vector(d) + ")"
	case 4, 5, 6:
		return g.pick("sum", "avg", "min", "max", "count", "group", "stddev", "stdvar") + g.grouping() + "(" + g.vector(d) + ")"
	case 7:
		op := g.pick("topk", "bottomk")
		// A topk by random ties is random in both: a number above what there is.
		return op + g.grouping() + "(" + g.pick("1000", "scalar(vector(100))") + ", " + g.vector(d) + ")"
	case 8:
		if g.chance(50) {
			return "quantile" + g.grouping() + "(" + g.scalar(1) + ", " + g.vector(d) + ")"
		}
		return "count_values" + g.grouping() + `("v", ` + g.vector(d) + ")"
	case 9, 10:
		return "(" + g.vector(d) + " " + g.pick("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">= bool", "atan2") + " " + g.matching() + g.vector(d) + ")"
	case 11:
		return "(" + g.vector(d) + " " + g.pick("and", "or", "unless") + " " + g.pick("", "on(pod) ", "ignoring(code) ", "on() ") + g.vector(d) + ")"
	case 12:
		return "(" + g.vector(d) + " " + g.pick("+", "-", "*", "/", "<", ">", "== bool") + " " + g.scalar(1) + ")"
	case 13:
		if g.chance(60) {
			return "histogram_quantile(" + g.pick("0.5", "0.9", "0.99", "1", "-1", "NaN") + ", " +
				g.pick("rate(latency_bucket[5m])", "sum by (le) (rate(latency_bucket[5m]))", "sum(rate(native_latency[5m]))", "native_latency", g.vector(d)) + ")"
		}
		return "histogram_fraction(0, 0.5, " + g.pick("rate(native_latency[5m])", g.vector(d)) + ")"
	case 14:
		if g.chance(50) {
			return `label_replace(` + g.vector(d) + `, "` + g.pick("pod", "dst", "__name__") + `", "x-$1", "` + g.pick("pod", "job", "nothing") + `", "(.*)")`
		}
		return `label_join(` + g.vector(d) + `, "joined", "-", "pod", "job")`
	}
	if g.chance(50) {
		return fmt.Sprintf("clamp(%s, %s, %s)", g.vector(d), g.scalar(1), g.scalar(1))
	}
	return fmt.Sprintf("%s(%s, %s)", g.pick("clamp_max", "clamp_min", "round"), g.vector(d), g.scalar(1))
}

func (g *Generator) grouping() string {
	if g.chance(40) {
		return ""
	}
	return " " + g.pick("by", "without") + " " + g.pick("()", "(pod)", "(job, code)", "(le)", "(namespace)") + " "
}

func (g *Generator) matching() string {
	if g.chance(50) {
		return ""
	}
	return g.pick("on(pod) ", "ignoring(code) ", "on(pod) group_left() ", "ignoring(code) group_left(version) ", "on(job, pod) group_right() ", "on() ")
}
