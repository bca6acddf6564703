package dsl

import (
	"math"
	"strconv"
	"strings"
)

// script is an arithmetic expression of Painless, as people write it into
// bucket_script and moving_fn: numbers, params, + - * / %, comparisons, logic,
// the ternary, Math, and if, else and return around them. It has no loops and no
// variables, so it ends after as many steps as it is long.
type script struct{ body []statement }

// statement is an if with its branches, or an expression whose value is the result.
type statement struct {
	cond        *operand // nil: an expression
	then, other []statement
	value       operand
}

// operand is a part of an expression: its type and how it is computed.
type operand struct {
	typ  operandType
	eval func(*scriptEnv) float64 // truth values are 0 and 1
	// linear says that it is times*_value + plus.
	linear      bool
	times, plus float64
}

type operandType uint8

const (
	typeInt operandType = iota // integers divide without a rest
	typeDouble
	typeBool
	typeNull
	typeValues // the array of a window
)

// scriptEnv is what a script is run with.
type scriptEnv struct {
	params []float64 // by scriptNames
	values []float64 // of a window
}

// scriptNames says what a script may name.
type scriptNames struct {
	params map[string]int     // numbers of scriptEnv
	fixed  map[string]float64 // "params" of the script itself
	values bool               // values and MovingFunctions
	value  bool               // _value
}

const (
	scriptLenMax   = 4096
	scriptDepthMax = 50
)

// parseScript reads a script. The error names what is not supported.
func parseScript(source string, names scriptNames) (*script, error) {
	if len(source) > scriptLenMax {
		return nil, badScript(source, "it is longer than "+strconv.Itoa(scriptLenMax)+" characters")
	}
	p := &scriptParser{source: source, names: names}
	if err := p.lex(); err != nil {
		return nil, err
	}
	body, err := p.statements("", 0)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, badScript(source, "it is empty")
	}
	return &script{body}, nil
}

func badScript(source, why string) error {
	return &Error{Status: 400, Type: "script_exception", Phase: true,
		Reason: "compile error: " + why + " in [" + clip(source) + "]; supported are numbers, params, + - * / %, comparisons, && || !, ?:, if, return and Math"}
}

// run gives the script's value; ok is false where it ends without one.
func (s *script) run(env *scriptEnv) (x float64, ok bool) { return runStatements(s.body, env) }

func runStatements(body []statement, env *scriptEnv) (float64, bool) {
	for _, st := range body {
		if st.cond == nil {
			return st.value.eval(env), true
		}
		branch := st.other
		if st.cond.eval(env) != 0 {
			branch = st.then
		}
		if x, ok := runStatements(branch, env); ok {
			return x, true
		}
	}
	return 0, false
}

// scriptParser reads tokens by recursive descent.
type scriptParser struct {
	source string
	names  scriptNames
	tokens []scriptToken
	at     int
}

type scriptToken struct {
	kind byte // n number, w word, s string, o operator; 0 is the end
	text string
}

func (p *scriptParser) lex() error {
	s := p.source
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
		case c >= '0' && c <= '9' || c == '.' && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9':
			j := i
			for j < len(s) && (s[j] >= '0' && s[j] <= '9' || s[j] == '.' || (s[j] == 'e' || s[j] == 'E') ||
				(s[j] == '+' || s[j] == '-') && (s[j-1] == 'e' || s[j-1] == 'E')) {
				j++
			}
			if j < len(s) && strings.IndexByte("LlDdFf", s[j]) >= 0 {
				j++
			}
			p.tokens = append(p.tokens, scriptToken{'n', s[i:j]})
			i = j
		case isWordByte(c):
			j := i
			for j < len(s) && (isWordByte(s[j]) || s[j] >= '0' && s[j] <= '9') {
				j++
			}
			p.tokens = append(p.tokens, scriptToken{'w', s[i:j]})
			i = j
		case c == '\'' || c == '"':
			end := strings.IndexByte(s[i+1:], c)
			if end < 0 {
				return badScript(s, "a string does not end")
			}
			p.tokens = append(p.tokens, scriptToken{'s', s[i+1 : i+1+end]})
			i += end + 2
		default:
			op := s[i : i+1]
			for _, two := range []string{"&&", "||", "==", "!=", "<=", ">=", "?.", "?:"} {
				if strings.HasPrefix(s[i:], two) {
					op = two
				}
			}
			if len(op) == 1 && !strings.Contains("+-*/%<>!?:().,;{}[]", op) {
				return badScript(s, "unexpected character ["+op+"]")
			}
			p.tokens = append(p.tokens, scriptToken{'o', op})
			i += len(op)
		}
	}
	return nil
}

func isWordByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

func (p *scriptParser) peek() scriptToken {
	if p.at < len(p.tokens) {
		return p.tokens[p.at]
	}
	return scriptToken{}
}

// take goes on where the next token is this operator or word.
func (p *scriptParser) take(text string) bool {
	if t := p.peek(); (t.kind == 'o' || t.kind == 'w') && t.text == text {
		p.at++
		return true
	}
	return false
}

func (p *scriptParser) want(text string) error {
	if !p.take(text) {
		return p.unexpected("[" + text + "]")
	}
	return nil
}

func (p *scriptParser) unexpected(want string) error {
	t := p.peek()
	if t.kind == 0 {
		return badScript(p.source, "unexpected end, want "+want)
	}
	return badScript(p.source, "unexpected ["+clip(t.text)+"], want "+want)
}

// statements reads up to closing, or the end where that is "".
func (p *scriptParser) statements(closing string, depth int) ([]statement, error) {
	var out []statement
	for {
		if closing == "" && p.peek().kind == 0 || closing != "" && p.take(closing) {
			return out, nil
		}
		if p.take(";") {
			continue
		}
		if n := len(out); n > 0 && out[n-1].cond == nil {
			return nil, badScript(p.source, "a statement behind the result")
		}
		st, err := p.statement(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
}

func (p *scriptParser) statement(depth int) (st statement, err error) {
	if depth > scriptDepthMax {
		return st, badScript(p.source, "it is nested too deep")
	}
	if !p.take("if") {
		p.take("return")
		if st.value, err = p.expression(depth); err != nil {
			return st, err
		}
		if st.value.typ > typeDouble {
			return st, badScript(p.source, "the result must be a number")
		}
		if t := p.peek(); t.kind != 0 && t.text != "}" {
			return st, p.want(";")
		}
		return st, nil
	}
	if err := p.want("("); err != nil {
		return st, err
	}
	cond, err := p.expression(depth)
	if err != nil {
		return st, err
	}
	if cond.typ != typeBool {
		return st, badScript(p.source, "the condition of an if must be a truth value")
	}
	if err := p.want(")"); err != nil {
		return st, err
	}
	st.cond = &cond
	if st.then, err = p.branch(depth); err != nil || !p.take("else") {
		return st, err
	}
	st.other, err = p.branch(depth)
	return st, err
}

func (p *scriptParser) branch(depth int) ([]statement, error) {
	if p.take("{") {
		return p.statements("}", depth)
	}
	st, err := p.statement(depth + 1)
	return []statement{st}, err
}

func number(typ operandType, x float64) operand {
	return operand{typ: typ, eval: func(*scriptEnv) float64 { return x }, linear: true, plus: x}
}

func b2f(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// linearScript reads a script of _value that is a*_value + b.
func linearScript(source string, fixed map[string]float64) (times, plus float64, err error) {
	s, err := parseScript(source, scriptNames{value: true, fixed: fixed})
	if err != nil {
		return 0, 0, err
	}
	if len(s.body) != 1 || s.body[0].cond != nil || !s.body[0].value.linear || math.IsNaN(s.body[0].value.times) {
		return 0, 0, badScript(source, "scripts of metrics other than _value times a number plus a number are not supported")
	}
	return s.body[0].value.times, s.body[0].value.plus, nil
}
