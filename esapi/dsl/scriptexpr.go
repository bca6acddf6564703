package dsl

import (
	"math"
	"strconv"
	"strings"
)

// The operators, the loosest first.
var scriptLevels = [][]string{{"||"}, {"&&"}, {"==", "!="}, {"<", "<=", ">", ">="}, {"+", "-"}, {"*", "/", "%"}}

func (p *scriptParser) expression(depth int) (operand, error) {
	if depth > scriptDepthMax {
		return operand{}, badScript(p.source, "it is nested too deep")
	}
	cond, err := p.binary(0, depth)
	if err != nil || !p.take("?") {
		return cond, err
	}
	if cond.typ != typeBool {
		return cond, badScript(p.source, "the condition of a ? must be a truth value")
	}
	a, err := p.expression(depth + 1)
	if err != nil {
		return a, err
	}
	if err := p.want(":"); err != nil {
		return a, err
	}
	b, err := p.expression(depth + 1)
	if err != nil {
		return b, err
	}
	typ := max(a.typ, b.typ)
	if typ > typeDouble && a.typ != b.typ {
		return a, badScript(p.source, "both sides of a : must be of one type")
	}
	return operand{typ: typ, eval: func(e *scriptEnv) float64 {
		if cond.eval(e) != 0 {
			return a.eval(e)
		}
		return b.eval(e)
	}}, nil
}

func (p *scriptParser) binary(level, depth int) (operand, error) {
	if level == len(scriptLevels) {
		return p.unary(depth)
	}
	a, err := p.binary(level+1, depth)
	for err == nil {
		op := ""
		for _, o := range scriptLevels[level] {
			if t := p.peek(); t.kind == 'o' && t.text == o {
				op = o
			}
		}
		if op == "" {
			return a, nil
		}
		p.at++
		var b operand
		if b, err = p.binary(level+1, depth); err == nil {
			a, err = p.apply(op, a, b)
		}
	}
	return a, err
}

func (p *scriptParser) apply(op string, a, b operand) (operand, error) {
	x, y := a.eval, b.eval
	truth := func(fn func(*scriptEnv) bool) (operand, error) {
		return operand{typ: typeBool, eval: func(e *scriptEnv) float64 { return b2f(fn(e)) }}, nil
	}
	unfit := func() (operand, error) {
		return a, badScript(p.source, "the operator ["+op+"] does not fit its operands")
	}
	switch op {
	case "||", "&&":
		if a.typ != typeBool || b.typ != typeBool {
			return unfit()
		}
		if op == "||" {
			return truth(func(e *scriptEnv) bool { return x(e) != 0 || y(e) != 0 })
		}
		return truth(func(e *scriptEnv) bool { return x(e) != 0 && y(e) != 0 })
	case "==", "!=":
		if a.typ == typeNull || b.typ == typeNull { // what a name stands for is never null
			same := a.typ == b.typ
			return truth(func(*scriptEnv) bool { return same == (op == "==") })
		}
		if a.typ == typeValues || b.typ == typeValues || (a.typ == typeBool) != (b.typ == typeBool) {
			return unfit()
		}
		return truth(func(e *scriptEnv) bool { return (x(e) == y(e)) == (op == "==") })
	}
	if a.typ > typeDouble || b.typ > typeDouble {
		return unfit()
	}
	switch op {
	case "<":
		return truth(func(e *scriptEnv) bool { return x(e) < y(e) })
	case "<=":
		return truth(func(e *scriptEnv) bool { return x(e) <= y(e) })
	case ">":
		return truth(func(e *scriptEnv) bool { return x(e) > y(e) })
	case ">=":
		return truth(func(e *scriptEnv) bool { return x(e) >= y(e) })
	}
	typ := max(a.typ, b.typ)
	out := operand{typ: typ}
	constA, constB := a.linear && a.times == 0, b.linear && b.times == 0
	switch op {
	case "+":
		out.eval = func(e *scriptEnv) float64 { return x(e) + y(e) }
		out.linear, out.times, out.plus = a.linear && b.linear, a.times+b.times, a.plus+b.plus
	case "-":
		out.eval = func(e *scriptEnv) float64 { return x(e) - y(e) }
		out.linear, out.times, out.plus = a.linear && b.linear, a.times-b.times, a.plus-b.plus
	case "*":
		out.eval = func(e *scriptEnv) float64 { return x(e) * y(e) }
		if constA && b.linear {
			a, b, constB = b, a, true
		}
		out.linear, out.times, out.plus = a.linear && constB, a.times*b.plus, a.plus*b.plus
	case "/":
		out.eval = func(e *scriptEnv) float64 { return x(e) / y(e) }
		out.linear, out.times, out.plus = a.linear && constB && b.plus != 0, a.times/b.plus, a.plus/b.plus
		if typ == typeInt {
			out.eval = func(e *scriptEnv) float64 {
				q := x(e) / y(e)
				if math.IsInf(q, 0) {
					return math.NaN()
				}
				return math.Trunc(q)
			}
			out.plus = math.Trunc(out.plus)
		}
	default:
		out.eval = func(e *scriptEnv) float64 { return math.Mod(x(e), y(e)) }
		out.linear, out.plus = constA && constB && b.plus != 0, math.Mod(a.plus, b.plus)
	}
	return out, nil
}

func (p *scriptParser) unary(depth int) (operand, error) {
	if depth > scriptDepthMax {
		return operand{}, badScript(p.source, "it is nested too deep")
	}
	switch {
	case p.take("-"):
		a, err := p.unary(depth + 1)
		if err != nil {
			return a, err
		}
		return p.apply("-", number(typeInt, 0), a)
	case p.take("+"):
		a, err := p.unary(depth + 1)
		if err != nil {
			return a, err
		}
		return p.apply("+", number(typeInt, 0), a)
	case p.take("!"):
		a, err := p.unary(depth + 1)
		if err != nil {
			return a, err
		}
		if a.typ != typeBool {
			return a, badScript(p.source, "the operator [!] wants a truth value")
		}
		return operand{typ: typeBool, eval: func(e *scriptEnv) float64 { return 1 - a.eval(e) }}, nil
	case p.take("("):
		for _, cast := range []string{"int", "long", "double", "float"} {
			if t := p.peek(); t.kind == 'w' && t.text == cast && p.at+1 < len(p.tokens) && p.tokens[p.at+1].text == ")" {
				p.at += 2
				a, err := p.unary(depth + 1)
				if err != nil || a.typ > typeDouble {
					return a, firstError(err, badScript(p.source, "only a number can be made ["+cast+"]"))
				}
				if cast == "int" || cast == "long" {
					return operand{typ: typeInt, eval: func(e *scriptEnv) float64 { return math.Trunc(a.eval(e)) }}, nil
				}
				a.typ = typeDouble
				return a, nil
			}
		}
		a, err := p.expression(depth + 1)
		if err != nil {
			return a, err
		}
		return a, p.want(")")
	}
	return p.primary(depth)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *scriptParser) primary(depth int) (operand, error) {
	t := p.peek()
	p.at++
	switch t.kind {
	case 'n':
		text := strings.TrimRight(t.text, "LlDdFf")
		x, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return operand{}, badScript(p.source, "["+clip(t.text)+"] is no number")
		}
		typ := typeInt
		if strings.ContainsAny(text, ".eE") || strings.ContainsAny(t.text, "DdFf") {
			typ = typeDouble
		}
		return number(typ, x), nil
	case 'w':
		return p.named(t.text, depth)
	}
	p.at--
	return operand{}, p.unexpected("a number, a name or (")
}

func (p *scriptParser) named(word string, depth int) (operand, error) {
	switch {
	case word == "true" || word == "false":
		on := b2f(word == "true")
		return operand{typ: typeBool, eval: func(*scriptEnv) float64 { return on }}, nil
	case word == "null":
		return operand{typ: typeNull, eval: func(*scriptEnv) float64 { return math.NaN() }}, nil
	case word == "_value" && p.names.value:
		return operand{typ: typeDouble, eval: func(e *scriptEnv) float64 { return e.params[0] }, linear: true, times: 1}, nil
	case word == "params":
		return p.param()
	case word == "values" && p.names.values:
		return p.window(depth)
	case word == "Math" || word == "Double" || word == "MovingFunctions" && p.names.values:
		if err := p.want("."); err != nil {
			return operand{}, err
		}
		return p.call(word, depth)
	}
	return operand{}, badScript(p.source, "cannot resolve symbol ["+clip(word)+"]")
}

// param reads params.name, params['name'] and params.get('name').
func (p *scriptParser) param() (operand, error) {
	name := ""
	switch {
	case p.take("["):
		name = p.peek().text
		p.at++
		if err := p.want("]"); err != nil {
			return operand{}, err
		}
	case p.take("."):
		name = p.peek().text
		if p.at++; name == "get" && p.take("(") {
			name = p.peek().text
			p.at++
			if err := p.want(")"); err != nil {
				return operand{}, err
			}
		}
	}
	if i, ok := p.names.params[name]; ok {
		return operand{typ: typeDouble, eval: func(e *scriptEnv) float64 { return e.params[i] }}, nil
	}
	if x, ok := p.names.fixed[name]; ok {
		typ := typeInt
		if x != math.Trunc(x) {
			typ = typeDouble
		}
		return number(typ, x), nil
	}
	return operand{}, badScript(p.source, "there is no params."+clip(name))
}

// window reads values, values.length and values[i].
func (p *scriptParser) window(depth int) (operand, error) {
	switch {
	case p.take("."):
		if err := p.want("length"); err != nil {
			return operand{}, err
		}
		return operand{typ: typeInt, eval: func(e *scriptEnv) float64 { return float64(len(e.values)) }}, nil
	case p.take("["):
		at, err := p.expression(depth + 1)
		if err != nil || at.typ != typeInt {
			return at, firstError(err, badScript(p.source, "an index must be an integer"))
		}
		return operand{typ: typeDouble, eval: func(e *scriptEnv) float64 {
			i := at.eval(e)
			if i < 0 || i >= float64(len(e.values)) {
				return math.NaN()
			}
			return e.values[int(i)]
		}}, p.want("]")
	}
	return operand{typ: typeValues, eval: func(*scriptEnv) float64 { return math.NaN() }}, nil
}

// call reads the name behind Math., Double. or MovingFunctions. and its arguments.
func (p *scriptParser) call(of string, depth int) (operand, error) {
	name := p.peek().text
	p.at++
	if !p.take("(") {
		switch of + "." + name {
		case "Math.PI":
			return number(typeDouble, math.Pi), nil
		case "Math.E":
			return number(typeDouble, math.E), nil
		case "Double.NaN":
			return number(typeDouble, math.NaN()), nil
		}
		return operand{}, badScript(p.source, "there is no "+of+"."+clip(name))
	}
	var args []operand
	for !p.take(")") {
		if len(args) > 0 {
			if err := p.want(","); err != nil {
				return operand{}, err
			}
		}
		a, err := p.expression(depth + 1)
		if err != nil {
			return a, err
		}
		if args = append(args, a); len(args) > 16 {
			return a, badScript(p.source, "too many arguments")
		}
	}
	var out operand
	var ok bool
	switch of {
	case "MovingFunctions":
		out, ok = movingFunction(name, args)
	case "Double":
		if name == "isNaN" && len(args) == 1 && args[0].typ <= typeDouble {
			x := args[0].eval
			return operand{typ: typeBool, eval: func(e *scriptEnv) float64 { v := x(e); return b2f(v != v) }}, nil
		}
	default:
		out, ok = mathFunction(name, args)
	}
	if !ok {
		return out, badScript(p.source, "there is no "+of+"."+clip(name)+" of such arguments")
	}
	return out, nil
}

var (
	mathOne = map[string]func(float64) float64{
		"ceil": math.Ceil, "floor": math.Floor, "rint": math.RoundToEven, "sqrt": math.Sqrt, "cbrt": math.Cbrt,
		"exp": math.Exp, "expm1": math.Expm1, "log": math.Log, "log10": math.Log10, "log1p": math.Log1p,
		"sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin, "acos": math.Acos, "atan": math.Atan,
		"sinh": math.Sinh, "cosh": math.Cosh, "tanh": math.Tanh,
		"toDegrees": func(x float64) float64 { return x * 180 / math.Pi }, "toRadians": func(x float64) float64 { return x / 180 * math.Pi },
		"signum": func(x float64) float64 {
			if x == 0 || x != x {
				return x
			}
			return math.Copysign(1, x)
		},
	}
	mathTwo = map[string]func(x, y float64) float64{"pow": math.Pow, "atan2": math.Atan2, "hypot": math.Hypot}
)

func mathFunction(name string, args []operand) (operand, bool) {
	for _, a := range args {
		if a.typ > typeDouble {
			return a, false
		}
	}
	switch len(args) {
	case 1:
		x := args[0].eval
		if fn, ok := mathOne[name]; ok {
			return operand{typ: typeDouble, eval: func(e *scriptEnv) float64 { return fn(x(e)) }}, true
		}
		switch name {
		case "abs":
			return operand{typ: args[0].typ, eval: func(e *scriptEnv) float64 { return math.Abs(x(e)) }}, true
		case "round":
			return operand{typ: typeInt, eval: func(e *scriptEnv) float64 {
				v := x(e)
				if v != v {
					return 0
				}
				return math.Floor(v + 0.5)
			}}, true
		}
	case 2:
		x, y := args[0].eval, args[1].eval
		if fn, ok := mathTwo[name]; ok {
			return operand{typ: typeDouble, eval: func(e *scriptEnv) float64 { return fn(x(e), y(e)) }}, true
		}
		typ := max(args[0].typ, args[1].typ)
		switch name {
		case "max":
			return operand{typ: typ, eval: func(e *scriptEnv) float64 { return max(x(e), y(e)) }}, true
		case "min":
			return operand{typ: typ, eval: func(e *scriptEnv) float64 { return min(x(e), y(e)) }}, true
		}
	}
	return operand{}, false
}
