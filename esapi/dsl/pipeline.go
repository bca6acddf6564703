package dsl

import (
	"strings"
	"time"
)

// pipePlan is an aggregation over the results of others: of a parent kind its
// value stands in every bucket of the aggregation it is in, of a sibling kind
// once beside one that makes buckets.
type pipePlan struct {
	paths   []bucketPath // in the order of scriptEnv.params
	zeros   bool         // gap_policy: insert_zeros
	sibling bool

	unit          time.Duration // derivative: of normalized_value, 0: none
	lag           int           // serial_diff
	window, shift int           // moving_fn, moving_avg
	script        *script       // bucket_script, moving_fn
	model         movingModel   // moving_avg
	predict       int
	sigma         float64 // extended_stats_bucket
}

// bucketPath leads from a bucket to a number: through single buckets, or for a
// sibling first through one of many, to a metric, one of its numbers, or _count.
type bucketPath struct {
	text  string
	steps []string
	of    string // one number of several; "" the value
}

// Kinds of pipeline aggregations, and whether they stand beside what they read.
var pipeKinds = map[string]bool{
	"derivative": false, "cumulative_sum": false, "serial_diff": false, "moving_fn": false, "moving_avg": false, "bucket_script": false,
	"avg_bucket": true, "sum_bucket": true, "min_bucket": true, "max_bucket": true, "stats_bucket": true, "extended_stats_bucket": true,
}

const (
	pathStepsMax  = 16
	pathsMax      = 32
	windowMax     = 65_536
	predictMax    = 1000
	lagPreset     = 1
	windowPreset  = 5
	alphaPreset   = 0.3
	betaPreset    = 0.1
	gammaPreset   = 0.3
	paddingPreset = 1e-10
)

// pipeline reads one of pipeKinds.
func (p *parser) pipeline(a *aggPlan, n Node) error {
	if len(a.subs) > 0 {
		return Parsing("Aggregator [%s] of type [%s] cannot accept sub-aggregations", clip(a.name), a.kind)
	}
	a.pipe = &pipePlan{sibling: pipeKinds[a.kind], lag: lagPreset, window: windowPreset, sigma: 2}
	settings := []string{"buckets_path", "gap_policy", "format"}
	switch a.kind {
	case "derivative":
		settings = append(settings, "unit")
	case "serial_diff":
		settings = append(settings, "lag")
	case "moving_fn":
		settings = append(settings, "window", "shift", "script")
	case "moving_avg":
		settings = append(settings, "window", "model", "predict", "minimize", "settings")
	case "bucket_script":
		settings = append(settings, "script")
	case "extended_stats_bucket":
		settings = append(settings, "sigma")
	}
	if err := aggKnown(a, n, settings...); err != nil {
		return err
	}
	if err := aggFormat(a, n); err != nil {
		return err
	}
	if err := a.gapPolicy(n); err != nil {
		return err
	}
	names, err := a.bucketPaths(n)
	if err != nil {
		return err
	}
	return a.pipeSettings(n, names)
}

func (a *aggPlan) gapPolicy(n Node) error {
	v, ok := n.Get("gap_policy")
	if !ok || v.Kind == Null {
		return nil
	}
	switch v.Text {
	case "skip":
	case "insert_zeros":
		a.pipe.zeros = true
	default:
		return Parsing("Invalid gap policy: [%s], accepted values: [insert_zeros, skip] in [%s]", clip(v.Text), clip(a.name))
	}
	return nil
}

// bucketPaths reads buckets_path: a string, an array, or an object of them for a
// script; names says what a script calls them.
func (a *aggPlan) bucketPaths(n Node) (names []string, err error) {
	v, ok := n.Get("buckets_path")
	if !ok || v.Kind == Null {
		return nil, Parsing("Missing required field [buckets_path] for %s aggregation [%s]", a.kind, clip(a.name))
	}
	items := v.Items
	if v.Kind == Text {
		items = []Node{v}
	}
	if len(items) == 0 || len(items) > pathsMax {
		return nil, Parsing("[buckets_path] of [%s] wants 1 to %d paths", clip(a.name), pathsMax)
	}
	for i, it := range items {
		if it.Kind != Text {
			return nil, Parsing("[buckets_path] of [%s] wants strings", clip(a.name))
		}
		path, err := parsePath(it.Text)
		if err != nil {
			return nil, err
		}
		a.pipe.paths = append(a.pipe.paths, path)
		name := "_value" + itoa(i)
		if v.Kind == Object {
			name = v.Keys[i]
		}
		names = append(names, name)
	}
	return names, nil
}

// parsePath reads "a>b>metric", "metric.value" and "metric[95.0]".
func parsePath(s string) (bucketPath, error) {
	p := bucketPath{text: s, steps: strings.Split(s, ">")}
	if len(p.steps) > pathStepsMax {
		return p, Illegal("buckets_path [%s] has more than %d steps", clip(s), pathStepsMax)
	}
	last := &p.steps[len(p.steps)-1]
	if name, of, ok := strings.Cut(*last, "["); ok && strings.HasSuffix(of, "]") {
		*last, p.of = name, strings.Trim(of[:len(of)-1], `'"`)
	}
	for _, step := range p.steps {
		if step == "" {
			return p, Illegal("Invalid path element in buckets_path [%s]", clip(s))
		}
		if strings.Contains(step, "[") {
			return p, Parsing("buckets_path [%s]: one bucket of several by its key is not supported", clip(s))
		}
	}
	return p, nil
}

func (a *aggPlan) pipeSettings(n Node, names []string) error {
	pipe := a.pipe
	number := func(key string, preset, least, most int) (int, error) {
		i, err := aggInt(a, n, key, int64(preset), int64(least), int64(most))
		return int(i), err
	}
	var err error
	switch a.kind {
	case "derivative":
		if v, ok := n.Get("unit"); ok && v.Kind != Null {
			if pipe.unit, err = rateUnit(v.Text); err != nil {
				return err
			}
		}
	case "serial_diff":
		pipe.lag, err = number("lag", lagPreset, 1, windowMax)
	case "moving_fn":
		if _, ok := n.Get("window"); !ok {
			return Illegal("Required [window] in [%s]", clip(a.name))
		}
		if pipe.window, err = number("window", windowPreset, 1, windowMax); err != nil {
			return err
		}
		if pipe.shift, err = number("shift", 0, -windowMax, windowMax); err != nil {
			return err
		}
		pipe.script, err = a.pipeScript(n, scriptNames{values: true})
	case "moving_avg":
		if pipe.window, err = number("window", windowPreset, 1, windowMax); err != nil {
			return err
		}
		if pipe.predict, err = number("predict", 0, 0, predictMax); err != nil {
			return err
		}
		pipe.model, err = parseModel(a, n)
	case "bucket_script":
		of := scriptNames{params: map[string]int{}}
		for i, name := range names {
			of.params[name] = i
		}
		pipe.script, err = a.pipeScript(n, of)
	case "extended_stats_bucket":
		if v, ok := n.Get("sigma"); ok && v.Kind != Null {
			if pipe.sigma, ok = v.Float(); !ok || pipe.sigma < 0 {
				return Illegal("[sigma] must be a non-negative double in [%s]", clip(a.name))
			}
		}
		a.sigma = pipe.sigma
	}
	return err
}

// pipeScript reads script: a string, or an object with source (inline of old)
// and params.
func (a *aggPlan) pipeScript(n Node, names scriptNames) (*script, error) {
	source, fixed, err := scriptSource(a, n)
	if err != nil {
		return nil, err
	}
	names.fixed = fixed
	return parseScript(source, names)
}

func scriptSource(a *aggPlan, n Node) (source string, fixed map[string]float64, err error) {
	v, ok := n.Get("script")
	if !ok || v.Kind != Text && v.Kind != Object {
		return "", nil, Illegal("Required [script] in [%s]", clip(a.name))
	}
	if v.Kind == Text {
		return v.Text, nil, nil
	}
	for i, key := range v.Keys {
		it := v.Items[i]
		switch key {
		case "source", "inline":
			source = it.Text
		case "lang":
			if it.Text != "painless" && it.Text != "expression" {
				return "", nil, Illegal("script_lang not supported [%s]", clip(it.Text))
			}
		case "params":
			fixed = map[string]float64{}
			for k, name := range it.Keys {
				x, ok := it.Items[k].Float()
				if !ok {
					return "", nil, Parsing("[%s]: params of a script that are no numbers are not supported", clip(a.name))
				}
				fixed[name] = x
			}
		default:
			return "", nil, Parsing("[%s]: [%s] of a script is not supported", clip(a.name), clip(key))
		}
	}
	if source == "" {
		return "", nil, Illegal("must specify either [source] for an inline script or [id] for a stored script in [%s]", clip(a.name))
	}
	return source, fixed, nil
}

// rateUnit reads a unit: a calendar's name, or a time value.
func rateUnit(s string) (time.Duration, error) {
	switch s {
	case "second":
		return time.Second, nil
	case "minute", "1m":
		return time.Minute, nil
	case "hour", "1h":
		return time.Hour, nil
	case "day", "1d":
		return 24 * time.Hour, nil
	case "week", "1w":
		return 7 * 24 * time.Hour, nil
	case "month", "1M":
		return 30 * 24 * time.Hour, nil // as Elasticsearch estimates it
	case "quarter", "1q":
		return 90 * 24 * time.Hour, nil
	case "year", "1y":
		return 365 * 24 * time.Hour, nil
	}
	d, err := ParseDuration(s)
	if err == nil && d < time.Millisecond {
		err = Illegal("failed to parse setting [unit] with value [%s] as a time value: it is zero", clip(s))
	}
	return d, err
}

// movingModel is a model of moving_avg.
type movingModel struct {
	kind        string
	alpha, beta float64
	winters     holtWinters
}

func parseModel(a *aggPlan, n Node) (movingModel, error) {
	m := movingModel{kind: "simple", alpha: alphaPreset, beta: betaPreset}
	if v, ok := n.Get("model"); ok && v.Kind != Null {
		m.kind = v.Text
	}
	minimized, given := false, false
	if v, ok := n.Get("minimize"); ok && v.Kind != Null {
		minimized, given = flag(n, "minimize"), true
	}
	known := " "
	switch m.kind {
	case "simple", "linear":
	case "ewma":
		known = " alpha "
	case "holt":
		known = " alpha beta "
	case "holt_winters":
		known = " alpha beta gamma period type pad "
		minimized = minimized || !given
	default:
		return m, Parsing("no [moving_avg_model] registered for [%s]", clip(m.kind))
	}
	if minimized {
		return m, Parsing("[moving_avg] aggregation [%s] does not support [minimize], which draws by chance: set it to false, with settings", clip(a.name))
	}
	w := &m.winters
	*w = holtWinters{gamma: gammaPreset, period: 1}
	settings, _ := n.Get("settings")
	for i, key := range settings.Keys {
		v := settings.Items[i]
		if !strings.Contains(known, " "+key+" ") || v.Kind == Null {
			return m, Parsing("[moving_avg] aggregation [%s]: model [%s] does not support [%s]", clip(a.name), m.kind, clip(key))
		}
		switch key {
		case "type":
			if v.Text != "add" && v.Text != "mult" {
				return m, Parsing("Unknown seasonality type [%s] in [%s]: want [add] or [mult]", clip(v.Text), clip(a.name))
			}
			w.multiplicative = v.Text == "mult"
			continue
		case "pad":
			if flag(settings, "pad") {
				w.padding = paddingPreset
			}
			continue
		}
		x, ok := v.Float()
		if key == "period" {
			if !ok || x < 1 || x > windowMax {
				return m, Parsing("[period] of [%s] must be an integer above 0", clip(a.name))
			}
			w.period = int(x)
			continue
		}
		if !ok || x < 0 || x > 1 {
			return m, Parsing("[%s] of [%s] must be between 0 and 1 inclusive", key, clip(a.name))
		}
		switch key {
		case "alpha":
			m.alpha = x
		case "beta":
			m.beta = x
		default:
			w.gamma = x
		}
	}
	if !w.multiplicative {
		w.padding = 0
	}
	w.alpha, w.beta = m.alpha, m.beta
	return m, nil
}

// has reports whether the model says something after so many values.
func (m movingModel) has(values int) bool {
	if m.kind == "holt_winters" {
		return values >= 2*m.winters.period
	}
	return values > 0
}

// forecast gives the next n values.
func (m movingModel) forecast(values []float64, n int) []float64 {
	var x float64
	switch m.kind {
	case "holt":
		return holt(values, m.alpha, m.beta, n)
	case "holt_winters":
		return m.winters.forecast(values, n)
	case "simple":
		x = unweightedAvg(values)
	case "linear":
		x = linearAvg(values)
	default:
		x = ewma(values, m.alpha)
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = x
	}
	return out
}
