package elastic

import (
	es "github.com/olivere/elastic/v7"

	"github.com/oriel-project/oriel/logging"
)

// bySeq is the last key of every order.
var bySeq = map[string]any{"s": map[string]any{"order": "asc"}}

// sortScript gives the least of a record's values of a field (or the greatest)
// as text that orders as the values do.
const sortScript = `
String found = null;
for (name in params.names) {
  for (text in doc['v']) {
    if (text.startsWith(name)) {
      found = text.substring(name.length());
      if (!params.greatest) break;
    } else if (found != null) break;
  }
  if (found != null) break;
}
if (found == null || found.length() == 0) return params.missing;
if (found.startsWith('n')) return found.substring(0, found.length() - 1);
return found;`

// What hits without the field sort by: before and behind all texts of values.
const sortsFirst, sortsLast = " ", "~"

// order translates the keys of an order; ok is false where the engine cannot
// sort by one of them. doubts are as a translator's.
func order(keys []logging.SortKey) (out []any, doubts []es.Query, ok bool) {
	total := false
	for _, k := range keys {
		by := func(field string) {
			out = append(out, map[string]any{field: map[string]any{"order": direction(k.Desc)}})
		}
		switch name := k.Field.Name; {
		case name == logging.FieldTime:
			by("ns")
		case name == logging.FieldReceived:
			by("r")
		case name == logging.FieldSeq:
			by("s")
			total = true
		case name == "_index":
			by("i")
		case name == "_id":
			by("id")
		case !plain(k.Field):
			return nil, nil, false
		default:
			var names []string
			for _, p := range places(name) {
				names = append(names, named(p))
				doubts = append(doubts, es.NewTermQuery("long", named(p)))
			}
			out = append(out, map[string]any{"_script": map[string]any{
				"type": "string", "order": direction(k.Desc),
				"script": map[string]any{"lang": "painless", "source": sortScript, "params": map[string]any{"names": names, "greatest": k.Desc, "missing": missingText(k)}},
			}})
		}
	}
	if !total {
		out = append(out, bySeq)
	}
	return out, doubts, true
}

func direction(desc bool) string {
	if desc {
		return "desc"
	}
	return "asc"
}

func missingText(k logging.SortKey) string {
	if k.MissingFirst != k.Desc {
		return sortsFirst
	}
	return sortsLast
}

// seqAfter is behind every position.
const seqAfter = 1 << 53

// after translates the values a search continues behind; ok is false where one
// is not of the kind that its key has.
func after(keys []logging.SortKey, vals []logging.Value) (out []any, ok bool) {
	total := false
	for i, k := range keys {
		v := vals[i]
		switch k.Field.Name {
		case logging.FieldTime:
			if v.Kind != logging.KindTime {
				return nil, false
			}
			out = append(out, nanos(v.Time))
		case logging.FieldReceived:
			if v.Kind != logging.KindTime || v.Time.Nanosecond()%1_000_000 != 0 {
				return nil, false
			}
			out = append(out, v.Time.UnixMilli())
		case logging.FieldSeq:
			if v.Kind != logging.KindInt {
				return nil, false
			}
			out = append(out, v.Int)
			total = true
		case "_index", "_id":
			if v.Kind != logging.KindString {
				return nil, false
			}
			out = append(out, v.Str)
		default:
			switch text, long := encodeValue(v); {
			case v.Kind == logging.Missing:
				out = append(out, missingText(k))
			case long || text == "":
				return nil, false
			default:
				out = append(out, text)
			}
		}
	}
	if !total {
		out = append(out, seqAfter)
	}
	return out, true
}
