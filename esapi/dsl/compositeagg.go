package dsl

import (
	"math"
	"strconv"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// compositePart is one source of a composite as it was asked for.
type compositePart struct {
	name   string
	kind   string // terms, histogram, date_histogram
	date   bool   // of terms: over dates
	format *DateFormat
	zone   *time.Location
}

const (
	compositeSizePreset = 10
	compositeSourcesMax = 32
)

func (p *parser) composite(a *aggPlan, n Node) error {
	if err := aggKnown(a, n, "sources", "size", "after"); err != nil {
		return err
	}
	size, err := aggInt(a, n, "size", compositeSizePreset, 1, 1<<40)
	if err != nil {
		return err
	}
	if size > bucketsMax {
		return tooManyBuckets()
	}
	out := logging.Composite{Size: int(size)}
	list, _ := n.Get("sources")
	items := list.Items
	if list.Kind == Object {
		items = []Node{list}
	}
	if len(items) == 0 || len(items) > compositeSourcesMax {
		return Illegal("Composite [sources] of [%s] cannot be null or empty, or more than %d", clip(a.name), compositeSourcesMax)
	}
	for _, it := range items {
		s, err := p.compositeSource(a, it)
		if err != nil {
			return err
		}
		out.Sources = append(out.Sources, s)
	}
	if after, ok := n.Get("after"); ok && after.Kind != Null {
		if out.After, err = a.compositeAfter(after, out.Sources); err != nil {
			return err
		}
	}
	a.of = out
	return nil
}

func (p *parser) compositeSource(a *aggPlan, n Node) (logging.CompositeSource, error) {
	var s logging.CompositeSource
	if n.Kind != Object || len(n.Keys) != 1 || n.Items[0].Kind != Object || len(n.Items[0].Keys) != 1 || n.Items[0].Items[0].Kind != Object {
		return s, Parsing("[composite] aggregation [%s]: a source is {name: {type: {...}}}", clip(a.name))
	}
	part := compositePart{name: n.Keys[0], kind: n.Items[0].Keys[0]}
	body := n.Items[0].Items[0]
	for _, other := range a.parts {
		if other.name == part.name {
			return s, Illegal("Composite source names must be unique, found duplicates: [%s]", clip(part.name))
		}
	}
	own := aggPlan{name: a.name + "." + part.name, kind: part.kind}
	settings := []string{"order", "missing_bucket", "missing_order", "format", "value_type"}
	switch part.kind {
	case "terms":
	case "histogram":
		settings = append(settings, "interval")
	case "date_histogram":
		settings = append(settings, "interval", "calendar_interval", "fixed_interval", "time_zone", "offset")
	case "geotile_grid":
		return s, Parsing("[composite] aggregation [%s] does not support sources of type [geotile_grid]", clip(a.name))
	default:
		return s, Parsing("invalid source type: %s", clip(part.kind))
	}
	f, err := aggField(&own, body, settings...)
	if err != nil {
		return s, err
	}
	if s.Desc, s.Missing, s.MissingOrder, err = compositeOrder(&own, body); err != nil {
		return s, err
	}
	if v, ok := body.Get("format"); ok && v.Kind != Null {
		if part.format, err = ParseDateFormat(v.Text); err != nil {
			return s, err
		}
	}
	switch part.kind {
	case "terms":
		part.date = isDate(f)
		s.Of = logging.Terms{Field: f}
	case "histogram":
		iv, _ := body.Get("interval")
		x, ok := iv.Float()
		if !ok || !(x > 0) || math.IsInf(x, 0) {
			return s, Illegal("[interval] must be greater than 0 for [histogram] source [%s]", clip(part.name))
		}
		s.Of = logging.Histogram{Field: f, Interval: x}
	default:
		h := logging.DateHistogram{Field: f}
		if z, ok := body.Get("time_zone"); ok && z.Kind != Null {
			if h.Zone, err = ParseZone(z.Text); err != nil {
				return s, err
			}
		}
		if h.Fixed, h.Calendar, err = interval(&own, body); err != nil {
			return s, err
		}
		if o, ok := body.Get("offset"); ok && o.Kind != Null {
			if h.Offset, err = offset(o); err != nil {
				return s, err
			}
		}
		part.zone = h.Zone
		s.Of = h
	}
	a.parts = append(a.parts, part)
	return s, nil
}

func compositeOrder(a *aggPlan, n Node) (desc, missing bool, order logging.MissingOrder, err error) {
	if v, ok := n.Get("order"); ok && v.Kind != Null {
		switch v.Text {
		case "asc", "ASC":
		case "desc", "DESC":
			desc = true
		default:
			return false, false, 0, Illegal("Unknown order direction [%s] in [%s]", clip(v.Text), clip(a.name))
		}
	}
	missing = flag(n, "missing_bucket")
	if v, ok := n.Get("missing_order"); ok && v.Kind != Null && v.Text != "default" {
		switch v.Text {
		case "first":
			order = logging.MissingFirst
		case "last":
			order = logging.MissingLast
		default:
			return false, false, 0, Illegal("Unknown missing order [%s] in [%s]: want [first], [last] or [default]", clip(v.Text), clip(a.name))
		}
		if !missing {
			return false, false, 0, Illegal("missing_order requires missing_bucket is true in [%s]", clip(a.name))
		}
	}
	return desc, missing, order, nil
}

// compositeAfter reads the key of the bucket to continue behind.
func (a *aggPlan) compositeAfter(n Node, sources []logging.CompositeSource) ([]logging.Value, error) {
	if n.Kind != Object || len(n.Keys) != len(sources) {
		return nil, Illegal("[after] has %d value(s) but [sources] has %d", len(n.Keys), len(sources))
	}
	out := make([]logging.Value, len(sources))
	for i, part := range a.parts {
		v, ok := n.Get(part.name)
		if !ok {
			return nil, Illegal("Missing value for [after.%s]", clip(part.name))
		}
		if v.Kind == Null {
			if !sources[i].Missing {
				return nil, Illegal("Invalid value for [after.%s], expected comparable, got [null]", clip(part.name))
			}
			continue
		}
		var err error
		if out[i], err = part.after(v); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (p compositePart) after(v Node) (logging.Value, error) {
	bad := &Error{Status: 400, Type: "number_format_exception", Phase: true, Reason: "For input string: " + strconv.Quote(clip(v.Text)) + " in [after." + clip(p.name) + "]"}
	switch {
	case !v.Scalar():
		return logging.Value{}, Illegal("Invalid value for [after.%s], expected comparable", clip(p.name))
	case p.kind == "histogram":
		x, ok := v.Float()
		if !ok {
			return logging.Value{}, bad
		}
		return logging.Float(x), nil
	case p.format != nil && (p.kind == "date_histogram" || p.date):
		t, err := p.format.Parse(v.Text, p.zone, false)
		return logging.Time(t), err
	case p.kind == "date_histogram" || p.date:
		ms, ok := v.Int()
		if !ok {
			return logging.Value{}, bad
		}
		return logging.Time(time.UnixMilli(ms)), nil
	case v.Kind == Number:
		x, ok := numberValue(v.Text)
		if !ok {
			return logging.Value{}, bad
		}
		return x, nil
	case v.Kind == Bool:
		return logging.Boolean(v.Text == "true"), nil
	}
	return logging.String(v.Text), nil
}

// appendComposite appends "after_key" and "buckets".
func (s *Search) appendComposite(dst []byte, a *aggPlan, r logging.AggResult) []byte {
	if n := len(r.Buckets); n > 0 {
		dst = append(a.appendParts(append(dst, `"after_key":`...), r.Buckets[n-1].Keys), ',')
	}
	dst = append(dst, `"buckets":[`...)
	for i, b := range r.Buckets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = a.appendParts(append(dst, `{"key":`...), b.Keys)
		dst = appendInt(append(dst, `,"doc_count":`...), b.DocCount)
		dst = append(s.appendSubs(dst, a, b.Sub, b.DocCount), '}')
	}
	return append(dst, ']')
}

func (a *aggPlan) appendParts(dst []byte, keys []logging.Value) []byte {
	dst = append(dst, '{')
	for i, part := range a.parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(jsontext.AppendString(dst, part.name), ':')
		switch k := keys[i]; {
		case k.Kind == logging.Missing:
			dst = append(dst, "null"...)
		case k.Kind == logging.KindTime && part.format != nil:
			dst = jsontext.AppendString(dst, part.format.Format(k.Time, part.zone))
		case k.Kind == logging.KindTime:
			dst = appendInt(dst, k.Time.UnixMilli())
		case part.kind == "histogram" && k.Kind == logging.KindInt:
			dst = AppendFloat(dst, float64(k.Int))
		default:
			dst = appendValue(dst, k)
		}
	}
	return append(dst, '}')
}
