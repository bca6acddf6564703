package dsl

import (
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// isDate reports whether the field is one of those that always hold dates.
func isDate(f logging.Field) bool {
	return f.Name == logging.FieldTime || f.Name == logging.FieldReceived
}

// end is one end of a range as it is spelled.
type end struct {
	text      string
	inclusive bool
}

// dateSettings say how the dates of a range are read.
type dateSettings struct {
	format *DateFormat // nil: the default
	zone   *time.Location
	named  bool // format or time_zone was given: it must be dates
}

func (p *parser) rangeQuery(n Node) (logging.Filter, error) {
	name, body := "", Node{}
	for i, k := range n.Keys {
		if n.Items[i].Kind != Object {
			if k == "boost" || k == "_name" {
				continue
			}
			return nil, Parsing("[range] query does not support [%s]", clip(k))
		}
		if name != "" {
			return nil, Parsing("[range] query doesn't support multiple fields, found [%s] and [%s]", clip(name), clip(k))
		}
		name, body = k, n.Items[i]
	}
	if name == "" {
		return nil, Illegal("field name is null or empty")
	}
	var low, high *end
	lowIn, highIn := true, true
	var set dateSettings
	for i, key := range body.Keys {
		v := body.Items[i]
		if v.Kind == Array || v.Kind == Object {
			return nil, Parsing("[range] query on [%s] does not support %s as [%s]", clip(name), v.Kind, clip(key))
		}
		var at *end
		if v.Kind != Null {
			at = &end{text: v.Text}
		}
		switch key {
		case "gte", "from":
			low = at
		case "gt":
			low, lowIn = at, false
		case "lte", "to":
			high = at
		case "lt":
			high, highIn = at, false
		case "include_lower":
			lowIn, _ = v.Bool()
		case "include_upper":
			highIn, _ = v.Bool()
		case "format":
			f, err := ParseDateFormat(v.Text)
			if err != nil {
				return nil, err
			}
			set.format, set.named = f, true
		case "time_zone":
			z, err := ParseZone(v.Text)
			if err != nil {
				return nil, err
			}
			set.zone, set.named = z, true
		case "boost", "_name", "relation":
		default:
			return nil, Parsing("[range] query does not support [%s]", clip(key))
		}
	}
	if low != nil {
		low.inclusive = lowIn
	}
	if high != nil {
		high.inclusive = highIn
	}
	f, err := oneField("range", name)
	if err != nil {
		return nil, err
	}
	return p.rangeOver(f, low, high, set)
}

// rangeOver makes the filter. The types of a field's values are not known here,
// so the ends are read in every way they can be: as dates, numbers and strings.
// A value compares with the ends of its own type only.
func (p *parser) rangeOver(f logging.Field, low, high *end, set dateSettings) (logging.Filter, error) {
	if low == nil && high == nil {
		return existsFilter(f.Name), nil
	}
	if isDate(f) || set.named {
		return p.dateRange(f, low, high, set)
	}
	var of []logging.Filter
	if lo, okLow := numberBound(low); okLow {
		if hi, okHigh := numberBound(high); okHigh {
			of = append(of, logging.Range{Field: f, Min: lo, Max: hi})
		}
	}
	if len(of) == 0 {
		if d, err := p.dateRange(f, low, high, set); err == nil {
			of = append(of, d)
		}
	}
	of = append(of, logging.Range{Field: f, Min: stringBound(low), Max: stringBound(high)})
	return anyOf(of, 1), nil
}

func numberBound(e *end) (*logging.Bound, bool) {
	if e == nil {
		return nil, true
	}
	v, ok := numberValue(e.text)
	return &logging.Bound{Value: v, Inclusive: e.inclusive}, ok
}

func numberValue(s string) (logging.Value, bool) {
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return logging.Int(i), true
	}
	f, ok := parseFloat(s)
	return logging.Float(f), ok
}

func stringBound(e *end) *logging.Bound {
	if e == nil {
		return nil
	}
	return &logging.Bound{Value: logging.String(e.text), Inclusive: e.inclusive}
}

// dateRange rounds as Elasticsearch does: gt and lte to the end of what was
// named, gte and lt to its beginning.
func (p *parser) dateRange(f logging.Field, low, high *end, set dateSettings) (logging.Filter, error) {
	format := set.format
	if format == nil {
		format = defaultDates
	}
	r := logging.Range{Field: f}
	bound := func(e *end, up bool) (*logging.Bound, error) {
		if e == nil {
			return nil, nil
		}
		t, err := format.DateMath(e.text, p.env.Now, set.zone, up)
		return &logging.Bound{Value: logging.Time(t), Inclusive: e.inclusive}, err
	}
	var err error
	if r.Min, err = bound(low, low != nil && !low.inclusive); err != nil {
		return nil, err
	}
	if r.Max, err = bound(high, high != nil && high.inclusive); err != nil {
		return nil, err
	}
	return r, nil
}

// defaultDates reads dates where no format is named.
var defaultDates = mustDateFormat(DefaultDateFormat)

func mustDateFormat(name string) *DateFormat {
	f, err := ParseDateFormat(name)
	if err != nil {
		panic(err)
	}
	return f
}

// compared reads the ends >5, >=5, <5 and <=5 of a query string's term.
func compared(text string) (low, high *end, ok bool) {
	for _, op := range []string{">=", "<=", ">", "<"} {
		rest, found := strings.CutPrefix(text, op)
		if !found {
			continue
		}
		e := &end{text: rest, inclusive: len(op) == 2}
		if op[0] == '>' {
			return e, nil, true
		}
		return nil, e, true
	}
	return nil, nil, false
}
