package dsl

import (
	"math"
	"strings"
	"testing"
)

func TestScripts(t *testing.T) {
	names := scriptNames{params: map[string]int{"a": 0, "b": 1}, fixed: map[string]float64{"k": 4}, values: true}
	env := &scriptEnv{params: []float64{7.5, 2}, values: []float64{1, 2, 4}}
	for source, want := range map[string]float64{
		"params.a / params.b": 3.75, "params['a']*params.k": 30, `params.get("b")`: 2,
		"5 / 2": 2, "5 / 2.0": 2.5, "7 % 4": 3, "-2 + 3 * (4 - 1)": 7, "2 - 3 - 4": -5, "1e2 + .5": 100.5, "10L / 4": 2, "1d / 4": 0.25,
		"params.a > 7 ? 1 : 0": 1, "params.a > 7 && !(params.b == 2) || false ? 1 : 2": 2, "true ? 3 : 1 / 0": 3, "params.a == null ? 0 : params.a": 7.5,
		"Math.max(params.a, 8) + Math.abs(-2) + Math.pow(2, 3)": 18, "Math.round(2.5) / 2": 1, "Math.floor(-0.5)": -1, "(int) 7.9": 7, "(double) 7 / 2": 3.5, "Math.PI": math.Pi,
		"return params.a;": 7.5, "if (params.a > 7) { return 1; } else { return 2; }": 1, "if (params.a < 7) 1; else 2": 2, "if (params.a < 7) {return 1} 3": 3,
		"values.length + values[2]": 7, "MovingFunctions.sum(values)": 7, "MovingFunctions.min(values) + MovingFunctions.max(values)": 5,
		"MovingFunctions.stdDev(values, MovingFunctions.unweightedAvg(values))": 1.247219128924647,
		"MovingFunctions.linearWeightedAvg(values)":                             17. / 7,
	} {
		s, err := parseScript(source, names)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		if got, ok := s.run(env); !ok || math.Abs(got-want) > 1e-12 {
			t.Errorf("%s: got %v %t, want %v", source, got, ok, want)
		}
	}
	for source, want := range map[string]string{
		"": "empty", "params.c": "there is no params.c", "x": "cannot resolve symbol [x]", "1 +": "unexpected end", "params.a > 1": "must be a number",
		"1; 2": "behind the result", "params.a = 3": "unexpected", "Math.exit(1)": "there is no Math.exit", "System.exit(1)": "cannot resolve", "'x'": "unexpected",
		"if (1) {2}": "truth value", "1 && 2": "does not fit", "for (;;) {}": "cannot resolve symbol [for]", "values": "must be a number", "`": "unexpected character",
		strings.Repeat("(", 1000) + "1": "nested too deep", strings.Repeat("!", 1000) + "true": "nested too deep", strings.Repeat("1+", 3000) + "1": "longer than",
		strings.Repeat("if (true) ", 300) + "1": "nested too deep", "1 ? 2 : 3": "truth value", "true ? 1 : null": "one type", "values['a']": "unexpected", "Math.max(1": "unexpected end",
	} {
		if _, err := parseScript(source, names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: got %v, want %q", source, err, want)
		}
	}
	// Of metrics: what a number times _value and another number come to.
	for source, want := range map[string][2]float64{
		"_value": {1, 0}, "_value * 2 + 1": {2, 1}, "-_value": {-1, 0}, "(_value - 32) * 5.0 / 9": {5. / 9, -160. / 9}, "3 * (1 - _value)": {-3, 3}, "_value / params.k": {0.25, 0},
	} {
		times, plus, err := linearScript(source, map[string]float64{"k": 4})
		if err != nil || math.Abs(times-want[0]) > 1e-12 || math.Abs(plus-want[1]) > 1e-12 {
			t.Errorf("%s: got %v %v %v, want %v", source, times, plus, err, want)
		}
	}
	for _, source := range []string{"_value * _value", "1 / _value", "Math.log(_value)", "_value > 1 ? 1 : 0", "doc['x'].value"} {
		if _, _, err := linearScript(source, nil); err == nil {
			t.Errorf("%s is accepted", source)
		}
	}
}

func FuzzScript(f *testing.F) {
	for _, seed := range []string{"params.a / params.b", "if (values.length > 2) {MovingFunctions.holt(values, 0.3, 0.1)}", "_value*2", "Math.max(1, params['a']) ? 1 : 2", "((((", "1e", "a.b[0]?.c"} {
		f.Add(seed)
	}
	names := scriptNames{params: map[string]int{"a": 0, "b": 1}, values: true, value: true}
	f.Fuzz(func(t *testing.T, source string) {
		s, err := parseScript(source, names)
		if err != nil {
			if !strings.Contains(err.Error(), "script_exception") {
				t.Fatalf("%q: %v", source, err)
			}
			return
		}
		s.run(&scriptEnv{params: []float64{1, 0}, values: []float64{1, 2, 3}})
		s.run(&scriptEnv{params: []float64{math.NaN(), -1}})
	})
}

func TestDecimalFormats(t *testing.T) {
	for _, c := range []struct {
		pattern string
		x       float64
		want    string
	}{
		{"0.00", 1.005, "1.00"}, {"0.00", -2.675, "-2.67"}, {"0.##", 2, "2"}, {"#,##0.0", 1234567.25, "1,234,567.2"}, {"0", 0.5, "0"}, {"0", 1.5, "2"},
		{"00.0", 3.14, "03.1"}, {"#.##", 0.25, ".25"}, {"#", 0, "0"}, {"$0.00", 5, "$5.00"}, {"0%", 0.256, "26%"}, {"0.0 ms", -1.25, "-1.2 ms"}, {"0.0;(0.0)", -1.5, "(1.5)"},
		{"raw", 2, "2.0"}, {"0.00", math.NaN(), "NaN"},
	} {
		f, err := parseDecimal(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got := f.Format(c.x); got != c.want {
			t.Errorf("%s of %v: got %q, want %q", c.pattern, c.x, got, c.want)
		}
	}
	for _, bad := range []string{"0E0", "0.0.0", "#,#0.0,0", "'x'0", strings.Repeat("0", 300)} {
		if _, err := parseDecimal(bad); err == nil {
			t.Errorf("%.40q is accepted", bad)
		}
	}
}
