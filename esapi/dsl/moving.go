package dsl

import "math"

// movingFunction gives one of MovingFunctions over the values of the window.
func movingFunction(name string, args []operand) (operand, bool) {
	if len(args) == 0 || args[0].typ != typeValues {
		return operand{}, false
	}
	for _, a := range args[1:] {
		if a.typ > typeBool {
			return a, false
		}
	}
	arg := func(e *scriptEnv, i int) float64 { return args[i].eval(e) }
	of := func(want int, fn func(e *scriptEnv) float64) (operand, bool) {
		return operand{typ: typeDouble, eval: fn}, len(args) == want
	}
	switch name {
	case "max":
		return of(1, func(e *scriptEnv) float64 { return fold(e.values, func(a, b float64) float64 { return max(a, b) }) })
	case "min":
		return of(1, func(e *scriptEnv) float64 { return fold(e.values, func(a, b float64) float64 { return min(a, b) }) })
	case "sum":
		return of(1, func(e *scriptEnv) float64 { return sumOf(e.values) })
	case "unweightedAvg":
		return of(1, func(e *scriptEnv) float64 { return unweightedAvg(e.values) })
	case "linearWeightedAvg":
		return of(1, func(e *scriptEnv) float64 { return linearAvg(e.values) })
	case "stdDev":
		return of(2, func(e *scriptEnv) float64 { return stdDev(e.values, arg(e, 1)) })
	case "ewma":
		return of(2, func(e *scriptEnv) float64 { return ewma(e.values, arg(e, 1)) })
	case "holt":
		return of(3, func(e *scriptEnv) float64 { return holt(e.values, arg(e, 1), arg(e, 2), 1)[0] })
	case "holtWinters":
		return of(6, func(e *scriptEnv) float64 {
			w := holtWinters{alpha: arg(e, 1), beta: arg(e, 2), gamma: arg(e, 3), period: int(arg(e, 4)), multiplicative: arg(e, 5) != 0}
			return w.forecast(e.values, 1)[0]
		})
	}
	return operand{}, false
}

func fold(values []float64, fn func(a, b float64) float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	x := values[0]
	for _, v := range values[1:] {
		x = fn(x, v)
	}
	return x
}

func sumOf(values []float64) float64 {
	x := 0.0
	for _, v := range values {
		x += v
	}
	return x
}

func unweightedAvg(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	return sumOf(values) / float64(len(values))
}

func stdDev(values []float64, avg float64) float64 {
	if avg != avg || len(values) == 0 {
		return math.NaN()
	}
	squares := 0.0
	for _, v := range values {
		squares += (v - avg) * (v - avg)
	}
	return math.Sqrt(squares / float64(len(values)))
}

// linearAvg weighs later values more. The weights' sum is one more than the
// weights come to, as in Elasticsearch.
func linearAvg(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	avg, total := 0.0, 1.0
	for i, v := range values {
		avg += v * float64(i+1)
		total += float64(i + 1)
	}
	return avg / total
}

// ewma is the exponentially weighted moving average.
func ewma(values []float64, alpha float64) float64 {
	avg := math.NaN()
	for i, v := range values {
		if i == 0 {
			avg = v
			continue
		}
		avg = v*alpha + avg*(1-alpha)
	}
	return avg
}

// holt forecasts n values by a level and a trend.
func holt(values []float64, alpha, beta float64, n int) []float64 {
	level, trend := math.NaN(), 0.0
	for i, v := range values {
		if i == 0 {
			level = v
			continue
		}
		was := level
		level = alpha*v + (1-alpha)*(level+trend)
		trend = beta*(level-was) + (1-beta)*trend
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = level + float64(i)*trend
	}
	return out
}

// holtWinters forecasts by a level, a trend and a season of so many values.
type holtWinters struct {
	alpha, beta, gamma float64
	period             int
	multiplicative     bool
	padding            float64 // added to the values, for those that are multiplied
}

// forecast gives n values, NaN where there are less than two seasons.
func (w holtWinters) forecast(values []float64, n int) []float64 {
	out := make([]float64, n)
	p := w.period
	if p < 1 || len(values) < 2*p {
		for i := range out {
			out[i] = math.NaN()
		}
		return out
	}
	vs, seasonal := make([]float64, len(values)), make([]float64, len(values))
	for i, v := range values {
		vs[i] = v + w.padding
	}
	level, trend := 0.0, 0.0
	for i := range p {
		level += vs[i]
		trend += (vs[i+p] - vs[i]) / float64(p)
	}
	level /= float64(p)
	trend /= float64(p)
	wasTrend := 0.0
	wasLevel := level
	if level != 0 {
		for i := range p {
			seasonal[i] = vs[i] / level
		}
	}
	for i := p; i < len(vs); i++ {
		if w.multiplicative {
			level = w.alpha*(vs[i]/seasonal[i-p]) + (1-w.alpha)*(wasLevel+wasTrend)
		} else {
			level = w.alpha*(vs[i]-seasonal[i-p]) + (1-w.alpha)*(wasLevel+wasTrend)
		}
		trend = w.beta*(level-wasLevel) + (1-w.beta)*wasTrend
		if w.multiplicative {
			seasonal[i] = w.gamma*(vs[i]/(wasLevel+wasTrend)) + (1-w.gamma)*seasonal[i-p]
		} else {
			seasonal[i] = w.gamma*(vs[i]-(wasLevel-wasTrend)) + (1-w.gamma)*seasonal[i-p]
		}
		wasLevel, wasTrend = level, trend
	}
	for i := range out {
		season := seasonal[len(values)-p+i%p]
		if w.multiplicative {
			out[i] = (level + float64(i+1)*trend) * season
		} else {
			out[i] = level + float64(i+1)*trend + season
		}
	}
	return out
}
