package esapi

import (
	"strings"
	"time"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/logging"
)

// indexOptions say what becomes of names that are not there.
type indexOptions struct {
	ignoreUnavailable bool // a concrete name that is not there is left out, not an error
	allowNone         bool // patterns that match nothing are no error
	noneOpen          bool // patterns are not about open indices, which all are
}

func (c *call) indexOptions() indexOptions {
	return indexOptions{
		ignoreUnavailable: c.on("ignore_unavailable"),
		allowNone:         c.param("allow_no_indices") != "false",
		noneOpen:          noneOpen(c.param("expand_wildcards")),
	}
}

// noneOpen reports whether expand_wildcards leaves open indices out.
func noneOpen(states string) bool {
	return states != "" && !strings.Contains(states, "open") && !strings.Contains(states, "all")
}

// chosen are the concrete indices that an expression means.
type chosen struct {
	infos []logging.IndexInfo
	all   bool // they are all of the view
}

// query gives them as logging.Query takes them. Ask only where there are some.
func (ch chosen) query() []string {
	if ch.all {
		return nil
	}
	return ch.names()
}

func (ch chosen) names() []string {
	out := make([]string, len(ch.infos))
	for i, info := range ch.infos {
		out[i] = info.Name
	}
	return out
}

func (ch chosen) shards() dsl.Shards { return dsl.Shards{Total: len(ch.infos)} }

// Bounds of index expressions.
const (
	indexPartsMax = 4096
	indexNameMax  = 2048
)

// choose resolves an index expression over the concrete names of the view:
// names, patterns with *, exclusions behind a pattern, and date math. What is
// not among them is not found, whether somebody else has it or nobody.
func (c *call) choose(infos []logging.IndexInfo, parts []string, o indexOptions) (chosen, error) {
	parts = trimmed(parts)
	if len(parts) == 0 || (len(parts) == 1 && (parts[0] == "_all" || parts[0] == "*")) {
		if o.noneOpen {
			infos = nil
		}
		return chosen{infos, !o.noneOpen}, nil
	}
	if len(parts) > indexPartsMax {
		return chosen{}, dsl.Illegal("more than %d index names in one request", indexPartsMax)
	}
	at := make(map[string]int, len(infos))
	for i, info := range infos {
		at[info.Name] = i
	}
	in := make([]bool, len(infos))
	wild := false
	for _, p := range parts {
		if len(p) > indexNameMax {
			return chosen{}, dsl.IndexNotFound(clip(p))
		}
		name, out := p, false
		if wild {
			name, out = strings.CutPrefix(p, "-")
		}
		if strings.HasPrefix(name, "<") {
			var err error
			if name, err = dateMathName(name, c.api.o.Clock()); err != nil {
				return chosen{}, err
			}
		}
		if name == "_all" {
			name = "*"
		}
		if !strings.Contains(name, "*") {
			i, ok := at[name]
			switch {
			case ok:
				in[i] = !out
			case !o.ignoreUnavailable && !out:
				return chosen{}, dsl.IndexNotFound(name)
			}
			continue
		}
		wild = true
		hit := false
		for i := range infos {
			if !o.noneOpen && dsl.Glob(name, infos[i].Name) {
				in[i], hit = !out, true
			}
		}
		if !hit && !out && !o.allowNone {
			return chosen{}, dsl.IndexNotFound(name)
		}
	}
	var ch chosen
	for i, yes := range in {
		if yes {
			ch.infos = append(ch.infos, infos[i])
		}
	}
	if len(ch.infos) == 0 && !o.allowNone {
		return chosen{}, dsl.IndexNotFound(clip(strings.Join(parts, ",")))
	}
	return ch, nil
}

func trimmed(parts []string) []string {
	var out []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			out = append(out, p)
		}
	}
	return out
}

// expression cuts the index part of a path.
func expression(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, ",")
}

// dateMathName resolves <static{now/d{format|zone}}>.
func dateMathName(s string, now time.Time) (string, error) {
	bad := dsl.Illegal("invalid dynamic name expression [%s]", clip(s))
	inner, ok := strings.CutSuffix(strings.TrimPrefix(s, "<"), ">")
	if !ok {
		return "", bad
	}
	var out strings.Builder
	for inner != "" {
		open := strings.IndexByte(inner, '{')
		if open < 0 {
			out.WriteString(inner)
			break
		}
		out.WriteString(inner[:open])
		depth, end := 0, -1
		for i := open; i < len(inner) && end < 0; i++ {
			switch inner[i] {
			case '{':
				depth++
			case '}':
				if depth--; depth == 0 {
					end = i
				}
			}
		}
		if end < 0 {
			return "", bad
		}
		text, err := dateMathPart(inner[open+1:end], now)
		if err != nil {
			return "", err
		}
		out.WriteString(text)
		inner = inner[end+1:]
	}
	return out.String(), nil
}

func dateMathPart(s string, now time.Time) (string, error) {
	math, rest, formatted := strings.Cut(s, "{")
	pattern, zoneName := "uuuu.MM.dd", ""
	if formatted {
		pattern, zoneName, _ = strings.Cut(strings.TrimSuffix(rest, "}"), "|")
	}
	zone, err := dsl.ParseZone(zoneName)
	if err != nil {
		return "", err
	}
	format, err := dsl.ParseDateFormat(pattern)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(math, "now") {
		return "", dsl.Illegal("date math [%s] in an index name does not begin with now", clip(math))
	}
	t, err := format.DateMath(math, now, zone, false)
	if err != nil {
		return "", err
	}
	return format.Format(t, zone), nil
}

// window is a view with the indices in it.
type window struct {
	logging.View
	infos []logging.IndexInfo
}

// open takes a view of the caller's scope. Close it.
func (c *call) open() (*window, error) {
	v, err := c.api.o.Searcher.Snapshot(c.r.Context(), c.scope)
	if err != nil {
		return nil, err
	}
	infos, err := v.Indices(c.r.Context())
	if err != nil {
		v.Close()
		return nil, err
	}
	return &window{v, infos}, nil
}

// openFor takes a view and resolves the path's index expression in it.
func (c *call) openFor() (*window, chosen, error) {
	v, err := c.open()
	if err != nil {
		return nil, chosen{}, err
	}
	ch, err := c.choose(v.infos, expression(c.vars["index"]), c.indexOptions())
	if err != nil {
		v.Close()
		return nil, chosen{}, err
	}
	return v, ch, nil
}
