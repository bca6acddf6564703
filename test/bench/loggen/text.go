package loggen

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// template is a parsed line: literal, variable, literal, variable, ..., literal.
type template struct {
	level  string
	lits   []string
	vars   []variable
	sticky []bool // of each variable, whether values come again
}

// sticky are the variables of which half of a source's values came a moment ago:
// the same client, block or account is written about several times.
var sticky = []string{"N", "blk", "sid", "pid", "id", "ip", "port", "size", "hex8", "hex16", "uuid", "user", "name", "amount", "host"}

type variable func(g *Generator, dst []byte) []byte

// parse compiles a template. It panics on an unknown variable: templates are
// constants of this package.
func parse(l line) template {
	t := template{level: l.level}
	rest := l.text
	for {
		lit, after, found := strings.Cut(rest, "{")
		t.lits = append(t.lits, lit)
		if !found {
			return t
		}
		name, after, found := strings.Cut(after, "}")
		v := variables()[name]
		if !found || v == nil {
			panic(fmt.Sprintf("template %q: no variable %q", l.text, name))
		}
		t.vars, rest = append(t.vars, v), after
		t.sticky = append(t.sticky, slices.Contains(sticky, name))
	}
}

// memory is how many values of a variable a source may write again.
const memory = 8

func (t *template) append(g *Generator, dst []byte) []byte {
	var seen [][memory][]byte
	if g.src != nil {
		if seen = g.src.seen[t]; seen == nil {
			seen = make([][memory][]byte, len(t.vars))
			g.src.seen[t] = seen
		}
	}
	for i, lit := range t.lits {
		dst = append(dst, lit...)
		switch {
		case i == len(t.vars):
		case !t.sticky[i] || seen == nil:
			dst = t.vars[i](g, dst)
		default:
			x := g.rng.Uint32N(2 * memory)
			v := &seen[i][x/2]
			if x%2 == 0 || len(*v) == 0 {
				*v = t.vars[i](g, (*v)[:0])
			}
			dst = append(dst, *v...)
		}
	}
	return dst
}

// lines are templates with their weights.
type lines struct {
	templates []template
	pick      wheel
}

func parseLines(ls []line) lines {
	var out lines
	weights := make([]int, len(ls))
	for i, l := range ls {
		out.templates = append(out.templates, parse(l))
		weights[i] = l.weight
	}
	out.pick = newWheel(weights)
	return out
}

func (l *lines) next(g *Generator) *template { return &l.templates[l.pick.spin(g)] }

// wheel picks an index with a probability in proportion to its weight.
type wheel []uint32 // cumulative

func newWheel(weights []int) wheel {
	w := make(wheel, len(weights))
	var sum uint32
	for i, x := range weights {
		sum += uint32(x)
		w[i] = sum
	}
	return w
}

func (w wheel) spin(g *Generator) int {
	x := g.rng.Uint32N(w[len(w)-1])
	lo, hi := 0, len(w)-1
	for lo < hi {
		if mid := (lo + hi) / 2; w[mid] > x {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo
}

func variables() map[string]variable {
	number := func(below func(*Generator) uint64) variable {
		return func(g *Generator, dst []byte) []byte { return strconv.AppendUint(dst, below(g), 10) }
	}
	pick := func(list []string) variable {
		return func(g *Generator, dst []byte) []byte { return append(dst, list[g.rng.IntN(len(list))]...) }
	}
	clock := func(layout string, late time.Duration) variable {
		return func(g *Generator, dst []byte) []byte { return g.at.Add(-g.below(late)).AppendFormat(dst, layout) }
	}
	return map[string]variable{
		"n":    number(func(g *Generator) uint64 { return g.rng.Uint64N(1 << (1 + g.rng.Uint64N(7))) }),
		"n1":   number(func(g *Generator) uint64 { return g.skewed(10) }),
		"n2":   number(func(g *Generator) uint64 { return 10 + g.skewed(30) }),
		"n4":   number(func(g *Generator) uint64 { return 1000 + g.skewed(6000) }),
		"N":    number(func(g *Generator) uint64 { return g.rng.Uint64N(1 << (6 + g.rng.Uint64N(12))) }),
		"pid":  number(func(g *Generator) uint64 { return g.recent(&g.pids, 6) % 4_000_000 }),
		"size": number(func(g *Generator) uint64 { return size(g) }),
		"port": number(func(g *Generator) uint64 { return port(g) }),
		"pct":  number(func(g *Generator) uint64 { return g.rng.Uint64N(101) }),
		"id":   number(func(g *Generator) uint64 { return 1000 + g.skewed(20_000)*37 }),
		"ms":   func(g *Generator, dst []byte) []byte { return appendMilli(dst, short(g.latency())) },
		"amount": func(g *Generator, dst []byte) []byte {
			cents := g.skewed(90000)
			return fmt.Appendf(dst, "%d.%02d", cents/100, cents%100)
		},
		"ip":     func(g *Generator, dst []byte) []byte { return g.ip(dst) },
		"blk":    blk,
		"hex8":   func(g *Generator, dst []byte) []byte { return appendHex(dst, g.rng.Uint64(), 8) },
		"hex16":  func(g *Generator, dst []byte) []byte { return appendHex(dst, g.rng.Uint64(), 16) },
		"sid":    func(g *Generator, dst []byte) []byte { return appendHex(dst, g.recent(&g.sessions, 4), 16) },
		"uuid":   uuid,
		"user":   func(g *Generator, dst []byte) []byte { return g.user(dst) },
		"word":   func(g *Generator, dst []byte) []byte { return append(dst, words[g.skewed(uint64(len(words)))]...) },
		"name":   pick(names),
		"noun":   func(g *Generator, dst []byte) []byte { return append(dst, g.src.noun...) },
		"verb":   pick(verbs),
		"method": func(g *Generator, dst []byte) []byte { return append(dst, g.method...) },
		"path":   func(g *Generator, dst []byte) []byte { return append(dst, g.path...) },
		"letter": func(g *Generator, dst []byte) []byte { return append(dst, 'a'+byte(g.rng.Uint32N(6))) },
		"host":   func(g *Generator, dst []byte) []byte { return append(dst, g.hosts[g.rng.IntN(len(g.hosts))]...) },
		"uptime": func(g *Generator, dst []byte) []byte {
			up := g.at.Sub(g.start) + 1_000_000*time.Second - g.below(5*time.Millisecond)
			return fmt.Appendf(dst, "%d.%06d", up/time.Second, up%time.Second/1000)
		},
		// What a program writes as its time is a little before the time that the
		// container runtime stamps on the line.
		"logtime":   clock("2006-01-02 15:04:05,000", 4*time.Millisecond),
		"sparktime": clock("06/01/02 15:04:05", time.Millisecond),
		"systime":   clock("Jan _2 15:04:05", 400*time.Millisecond),
		"pgtime":    clock("2006-01-02 15:04:05.000", 2*time.Millisecond),
		"nginxtime": clock("2006/01/02 15:04:05", 0),
	}
}

// short leaves two digits, or three.
func short(x uint64) uint64 {
	unit := uint64(1)
	for x/unit >= 200 {
		unit *= 10
	}
	return x / unit * unit
}

func size(g *Generator) uint64 {
	if g.rng.Uint32N(2) == 0 {
		return 64 << 20
	}
	return g.rng.Uint64N(64 << 20)
}

func port(g *Generator) uint64 {
	if g.rng.Uint32N(3) > 0 {
		return []uint64{5432, 6379, 8080, 9092, 443, 3306}[g.rng.IntN(6)]
	}
	return 32768 + g.rng.Uint64N(28232)
}

func blk(g *Generator, dst []byte) []byte {
	dst = append(dst, "blk_"...)
	return strconv.AppendInt(dst, int64(g.recent(&g.blocks, 8)), 10)
}

func uuid(g *Generator, dst []byte) []byte {
	a, b := g.rng.Uint64(), g.rng.Uint64()
	a = a&^0xf000 | 0x4000
	b = b&^(3<<62) | 2<<62
	dst = append(appendHex(dst, a>>32, 8), '-')
	dst = append(appendHex(dst, a>>16&0xffff, 4), '-')
	dst = append(appendHex(dst, a&0xffff, 4), '-')
	dst = append(appendHex(dst, b>>48, 4), '-')
	return appendHex(dst, b&(1<<48-1), 12)
}

// appendHex appends the lowest n hex digits of x.
func appendHex(dst []byte, x uint64, n int) []byte {
	for i := n - 1; i >= 0; i-- {
		dst = append(dst, "0123456789abcdef"[x>>(4*i)&15])
	}
	return dst
}

// appendMilli appends thousandths as a decimal without trailing zeros: 12.34.
func appendMilli(dst []byte, thousandths uint64) []byte {
	dst = strconv.AppendUint(dst, thousandths/1000, 10)
	f := thousandths % 1000
	if f == 0 {
		return dst
	}
	dst = append(dst, '.', '0'+byte(f/100))
	if f%100 != 0 {
		dst = append(dst, '0'+byte(f/10%10))
		if f%10 != 0 {
			dst = append(dst, '0'+byte(f%10))
		}
	}
	return dst
}

// appendString appends s as a JSON string. Templates hold ASCII alone, of which
// the quote and the backslash need an escape.
func appendString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
