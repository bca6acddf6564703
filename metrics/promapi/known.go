package promapi

import (
	"fmt"

	"github.com/prometheus/prometheus/promql/parser"
)

// knownFunctions are the functions of PromQL that were looked at with the
// question whether they could see more than the storage under them shows. A new
// version of the library may bring more: they do not exist here until they are
// on the list. Experimental ones are not.
var knownFunctions = []string{
	"abs", "absent", "absent_over_time", "acos", "acosh", "asin", "asinh", "atan", "atanh", "avg_over_time",
	"ceil", "changes", "clamp", "clamp_max", "clamp_min", "cos", "cosh", "count_over_time",
	"day_of_month", "day_of_week", "day_of_year", "days_in_month", "deg", "delta", "deriv", "exp", "first_over_time", "floor",
	"histogram_avg", "histogram_count", "histogram_fraction", "histogram_quantile", "histogram_stddev", "histogram_stdvar", "histogram_sum",
	"hour", "idelta", "increase", "irate", "label_join", "label_replace", "last_over_time", "ln", "log10", "log2",
	"max_over_time", "min_over_time", "minute", "month", "pi", "predict_linear", "present_over_time", "quantile_over_time",
	"rad", "rate", "resets", "round", "scalar", "sgn", "sin", "sinh", "sort", "sort_desc", "sqrt",
	"stddev_over_time", "stdvar_over_time", "sum_over_time", "tan", "tanh", "time", "timestamp", "vector", "year",
}

// newParser knows what is on the list and nothing else.
func newParser() parser.Parser {
	functions := map[string]*parser.Function{}
	for _, name := range knownFunctions {
		if f, ok := parser.Functions[name]; ok {
			functions[name] = f
		}
	}
	return parser.NewParser(parser.Options{Functions: functions})
}

// check reads a query and refuses what it does not know: the kinds of nodes
// below are those whose evaluation goes through the scope's storage alone.
func (a *API) check(query string) error {
	expr, err := a.parser.ParseExpr(query)
	if err != nil {
		return err
	}
	return checkNode(expr)
}

func checkNode(n parser.Node) error {
	switch n := n.(type) {
	case *parser.NumberLiteral, *parser.StringLiteral, *parser.VectorSelector:
		return nil
	case *parser.MatrixSelector:
		return checkNode(n.VectorSelector)
	case *parser.SubqueryExpr:
		return checkNode(n.Expr)
	case *parser.ParenExpr:
		return checkNode(n.Expr)
	case *parser.UnaryExpr:
		return checkNode(n.Expr)
	case *parser.StepInvariantExpr:
		return checkNode(n.Expr)
	case *parser.BinaryExpr:
		if err := checkNode(n.LHS); err != nil {
			return err
		}
		return checkNode(n.RHS)
	case *parser.AggregateExpr:
		if n.Param != nil {
			if err := checkNode(n.Param); err != nil {
				return err
			}
		}
		return checkNode(n.Expr)
	case *parser.Call:
		for _, arg := range n.Args {
			if err := checkNode(arg); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("the query holds something that is not known here (%T), and is refused", n)
}
