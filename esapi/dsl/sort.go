package dsl

import (
	"math"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// sortKey is one key of a request's sort, with how its values are written.
type sortKey struct {
	field  logging.Field
	score  bool // _score: the same for every hit, so it does not reach the store
	desc   bool
	first  bool // missing: _first
	nanos  bool // dates as nanoseconds
	format *DateFormat
}

const sortKeysMax = 32

// parseSort reads sort in all its forms. Objects with several keys sort by them
// in the order in which they are written.
func parseSort(n Node) ([]sortKey, error) {
	var keys []sortKey
	items := n.Items
	if n.Kind != Array {
		items = []Node{n}
	}
	for _, it := range items {
		switch it.Kind {
		case Text:
			k, err := sortField(it.Text, Node{})
			if err != nil {
				return nil, err
			}
			keys = append(keys, k)
		case Object:
			for i, name := range it.Keys {
				k, err := sortField(name, it.Items[i])
				if err != nil {
					return nil, err
				}
				keys = append(keys, k)
			}
		default:
			return nil, Illegal("malformed sort format, either start with array, object, or an actual string")
		}
		if len(keys) > sortKeysMax {
			return nil, Illegal("sort has more than %d keys", sortKeysMax)
		}
	}
	return keys, nil
}

// sortURL reads ?sort=a:desc,b.
func sortURL(s string) ([]sortKey, error) {
	n := Node{Kind: Array}
	for part := range strings.SplitSeq(s, ",") {
		name, order := part, ""
		if i := strings.LastIndexByte(part, ':'); i >= 0 {
			name, order = part[:i], part[i+1:]
		}
		it := Node{Kind: Text, Text: name}
		if order != "" {
			it = Node{Kind: Object, Keys: []string{name}, Items: []Node{{Kind: Text, Text: order}}}
		}
		n.Items = append(n.Items, it)
	}
	return parseSort(n)
}

func sortField(name string, n Node) (sortKey, error) {
	var k sortKey
	switch name {
	case "_score":
		k.score, k.desc = true, true
	case "_doc", "_shard_doc":
		k.field = logging.Field{Name: logging.FieldSeq}
	case "_script", "_geo_distance", "":
		return k, Parsing("sort by [%s] is not supported", name)
	default:
		if k.field = exactly(name); strings.Contains(k.field.Name, "*") {
			return k, Illegal("No mapping found for [%s] in order to sort on", clip(name))
		}
	}
	if n.Kind == Null {
		return k, nil
	}
	if n.Kind == Text {
		return k, k.order(n.Text)
	}
	if n.Kind != Object {
		return k, Parsing("sort on [%s]: want [asc], [desc] or an object", clip(name))
	}
	for i, key := range n.Keys {
		v := n.Items[i]
		var err error
		switch key {
		case "order", "reverse":
			err = k.order(v.Text)
		case "missing":
			switch v.Text {
			case "_first":
				k.first = true
			case "_last":
			default:
				err = Parsing("sort on [%s]: missing [%s] is not supported: want [_first] or [_last]", clip(name), clip(v.Text))
			}
		case "format":
			k.format, err = ParseDateFormat(v.Text)
		case "numeric_type":
			switch v.Text {
			case "date_nanos":
				k.nanos = true
			case "date", "long", "double":
			default:
				err = Illegal("invalid value for [numeric_type], must be [long, double, date, date_nanos]")
			}
		case "unmapped_type", "ignore_unmapped": // what no document has sorts as missing anyway
		case "mode":
			// The lowest value ascending and the highest descending is what is done.
			if (v.Text == "min" && !k.desc) || (v.Text == "max" && k.desc) || v.Text == "" {
				continue
			}
			if o, ok := n.Get("order"); ok && ((v.Text == "max") == (o.Text == "desc")) && (v.Text == "min" || v.Text == "max") {
				continue
			}
			err = Parsing("sort on [%s]: mode [%s] is not supported", clip(name), clip(v.Text))
		default:
			err = Parsing("sort on [%s] does not support [%s]", clip(name), clip(key))
		}
		if err != nil {
			return k, err
		}
	}
	return k, nil
}

func (k *sortKey) order(s string) error {
	switch strings.ToLower(s) {
	case "asc":
		k.desc = false
	case "desc":
		k.desc = true
	default:
		return Illegal("No enum constant org.elasticsearch.search.sort.SortOrder.%s", clip(strings.ToUpper(s)))
	}
	return nil
}

// storeSort gives the keys as the store knows them.
func storeSort(keys []sortKey) []logging.SortKey {
	var out []logging.SortKey
	for _, k := range keys {
		if !k.score {
			out = append(out, logging.SortKey{Field: k.field, Desc: k.desc, MissingFirst: k.first})
		}
	}
	return out
}

// parseAfter reads search_after: the sort values of the hit to go on behind.
func parseAfter(n Node, keys []sortKey) ([]logging.Value, error) {
	if n.Kind != Array || len(n.Items) == 0 {
		return nil, Illegal("Values must contains at least one value.")
	}
	if len(keys) == 0 {
		return nil, Illegal("Sort must contain at least one field.")
	}
	if len(n.Items) != len(keys) {
		return nil, Illegal("search_after has %d value(s) but sort has %d.", len(n.Items), len(keys))
	}
	var out []logging.Value
	for i, k := range keys {
		if k.score {
			continue
		}
		v, err := k.value(n.Items[i])
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func (k sortKey) value(n Node) (logging.Value, error) {
	switch {
	case n.Kind == Null:
		return logging.Value{}, nil
	case !n.Scalar():
		return logging.Value{}, Illegal("Can't handle search_after field value of type [%s]", n.Kind)
	case isDate(k.field):
		return k.date(n)
	case k.field.Name == logging.FieldSeq:
		i, ok := n.Int()
		if !ok {
			return logging.Value{}, Illegal("Failed to parse search_after value for field [_doc]: [%s]", clip(n.Text))
		}
		return logging.Int(i), nil
	case n.Kind == Bool:
		return logging.Boolean(n.Text == "true"), nil
	case n.Kind == Number:
		v, ok := numberValue(n.Text)
		if !ok {
			return v, Illegal("Failed to parse search_after value: [%s]", clip(n.Text))
		}
		return v, nil
	}
	return logging.String(n.Text), nil
}

func (k sortKey) date(n Node) (logging.Value, error) {
	if k.format != nil {
		t, err := k.format.Parse(n.Text, nil, false)
		return logging.Time(t), err
	}
	if i, ok := n.Int(); ok {
		if k.nanos {
			return logging.Time(time.Unix(floorDiv(i, 1e9), i-1e9*floorDiv(i, 1e9))), nil
		}
		return logging.Time(time.UnixMilli(i)), nil
	}
	t, err := defaultDates.Parse(n.Text, nil, false)
	return logging.Time(t), err
}

// rounded reports whether the key's dates lose digits on their way through a
// client.
func (k sortKey) rounded() bool {
	return isDate(k.field) && !k.nanos && (k.format == nil || !strings.Contains(k.format.name, "nanos"))
}

// append writes the sort value of a hit.
func (k sortKey) append(dst []byte, v logging.Value) []byte {
	if v.Kind == logging.KindTime {
		switch {
		case k.format != nil:
			return jsontext.AppendString(dst, k.format.Format(v.Time, nil))
		case k.nanos:
			return appendInt(dst, v.Time.UnixNano())
		}
		return appendInt(dst, v.Time.UnixMilli())
	}
	return appendValue(dst, v)
}

// appendValue writes a value as JSON; times as in a document's fields.
func appendValue(dst []byte, v logging.Value) []byte {
	switch v.Kind {
	case logging.KindString:
		return jsontext.AppendString(dst, v.Str)
	case logging.KindInt:
		return appendInt(dst, v.Int)
	case logging.KindFloat:
		if math.IsNaN(v.Float) || math.IsInf(v.Float, 0) {
			return append(dst, "null"...)
		}
		return AppendFloat(dst, v.Float)
	case logging.KindBool:
		if v.Bool {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case logging.KindTime:
		return jsontext.AppendString(dst, defaultDates.Format(v.Time, nil))
	}
	return append(dst, "null"...)
}
