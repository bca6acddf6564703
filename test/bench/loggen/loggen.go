// Package loggen makes the logs of a made-up Kubernetes fleet: 50 namespaces of
// 20 pods each, one day, the same bytes for the same options.
//
//	g := loggen.New(loggen.Options{Seed: 1, Records: 1_000_000, End: noon})
//	for doc, ok := g.Append(nil); ok; doc, ok = g.Append(doc[:0]) {
//		// doc is one JSON object
//	}
//
// 56 % of the records are the structured logs of applications, 20 % access lines
// of web servers and proxies, 24 % free text of services. Namespaces, pods, users,
// clients and words are skewed. One record in a hundred is up to 2 s late. Nothing
// here depends on floating point, so every machine makes the same bytes.
package loggen

import (
	"math/bits"
	"math/rand/v2"
	"strconv"
	"time"
)

// Needle is the trace id that occurs once.
const Needle = "deadbeefcafef00d0123456789abcdef"

// Version tells corpora of different generators apart; the golden test's hash
// changes with it.
const Version = 2

// Options of a Generator.
type Options struct {
	Seed    uint64
	Records int           // how many; the needle stands at 37 % of them
	End     time.Time     // of the span: every time is before it
	Span    time.Duration // 0 means 24 h
}

// Generator makes records one after the other. Not safe for concurrent use.
type Generator struct {
	o     Options
	rng   *rand.Rand
	i     int
	start time.Time

	namespaces        []*namespace
	pickNamespace     wheel
	hosts             []string
	request, job, web *lines
	idPaths           []template
	agents            [][]byte
	agentPick         wheel
	traces            [64][2]uint64 // those of which more may come
	traceNext         int
	blocks, sessions  [64]uint64 // ids that are written about more than once
	pids              [64]uint64
	at                time.Time // of the record in hand
	src               *source
	method            string
	fixedPath         bool
	path, msg         []byte
}

// New makes a generator.
func New(o Options) *Generator {
	if o.Span <= 0 {
		o.Span = 24 * time.Hour
	}
	g := &Generator{o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x6f7269656c)), start: o.End.Add(-o.Span).UTC()}
	g.build()
	for i := range g.blocks {
		g.blocks[i], g.sessions[i], g.pids[i] = g.rng.Uint64(), g.rng.Uint64(), g.rng.Uint64()
	}
	for i := range g.traces {
		g.traces[i] = [2]uint64{g.rng.Uint64(), g.rng.Uint64()}
	}
	return g
}

// Namespaces gives the names, the one with the most records first.
func (g *Generator) Namespaces() []string {
	out := make([]string, len(g.namespaces))
	for i, ns := range g.namespaces {
		out[i] = ns.name
	}
	return out
}

// Append appends the next record to dst, one JSON object without a newline, in
// order of arrival; false after the last.
func (g *Generator) Append(dst []byte) ([]byte, bool) {
	if g.i >= g.o.Records {
		return dst, false
	}
	needle := g.i == g.o.Records*37/100
	g.at = g.start.Add(g.arrival())
	g.i++
	if g.rng.Uint32N(100) == 0 {
		if late := g.at.Add(-g.below(2 * time.Second)); !late.Before(g.start) {
			g.at = late
		}
	}
	k := text
	if x := g.rng.Uint32N(100); x < 56 || needle {
		k = structured
	} else if x < 76 {
		k = access
	}
	ns := g.namespaces[g.pickNamespace.spin(g)]
	g.src = ns.sources[k][ns.pick[k].spin(g)]

	dst = append(dst, `{"@timestamp":"`...)
	dst = g.at.AppendFormat(dst, "2006-01-02T15:04:05.000000000Z")
	dst = append(dst, `",`...)
	stderr := 0
	switch k {
	case structured:
		dst, stderr = g.structured(dst, needle)
	case access:
		dst, stderr = g.access(dst)
	default:
		g.msg = g.src.lines.next(g).append(g, g.msg[:0])
		dst = append(appendString(append(dst, `"message":`...), g.msg), ',')
	}
	return append(dst, g.src.tail[stderr]...), true
}

// hourly is how busy each hour of the span is.
var hourly = [24]uint64{6, 5, 4, 3, 3, 4, 6, 9, 12, 14, 15, 15, 14, 13, 14, 15, 14, 13, 12, 11, 10, 9, 8, 7}

// arrival is when record i comes, after the start: even within an hour, with
// some jitter.
func (g *Generator) arrival() time.Duration {
	var sum uint64
	for _, h := range hourly {
		sum += h
	}
	// Positions are counted in 2^24ths of a record times the sum of the shares:
	// fine enough for any nanosecond to occur.
	pos := (uint64(g.i)<<24 + g.rng.Uint64N(1<<24)) * sum
	hour := uint64(g.o.Span) / uint64(len(hourly))
	for h, share := range hourly {
		unit := share * uint64(g.o.Records) << 24
		if pos < unit {
			hi, lo := bits.Mul64(pos, hour)
			within, _ := bits.Div64(hi, lo, unit)
			return time.Duration(uint64(h)*hour + within)
		}
		pos -= unit
	}
	return g.o.Span - 1
}

func (g *Generator) structured(dst []byte, needle bool) ([]byte, int) {
	job := g.src.job && g.rng.Uint32N(3) > 0 && !needle
	g.method = methods[g.rng.IntN(len(methods))]
	g.nextPath()
	ls := g.request
	if job {
		ls = g.job
	}
	t := ls.next(g)
	latency := g.latency()
	g.msg = t.append(g, g.msg[:0])
	level, status := t.level, g.status(t.level)
	switch g.src.schema {
	case 1:
		dst = append(appendString(append(dst, `"message":`...), g.msg), ',')
		dst = append(append(append(dst, `"logger":"`...), g.src.logger...), `",`...)
		dst = append(append(append(dst, `"level":"`...), upper(level)...), `",`...)
	default:
		dst = append(append(append(dst, `"level":"`...), level...), `",`...)
		dst = append(appendString(append(dst, `"message":`...), g.msg), ',')
	}
	if !job {
		dst = append(strconv.AppendUint(append(dst, `"status":`...), status, 10), ',')
		dst = append(appendMilli(append(dst, `"latency_ms":`...), latency), ',')
		dst = append(append(append(dst, `"path":"`...), g.path...), `",`...)
		dst = append(append(append(dst, `"method":"`...), g.method...), `",`...)
		if g.rng.Uint32N(12) > 0 { // the others are not signed in
			dst = append(g.user(append(dst, `"user_id":"`...)), `",`...)
		}
	}
	dst = append(dst, `"trace_id":"`...)
	switch id := g.trace(); {
	case needle:
		dst = append(dst, Needle...)
	default:
		dst = appendHex(appendHex(dst, id[0], 16), id[1], 16)
	}
	dst = append(dst, `",`...)
	if g.src.stderr && level == "error" {
		return dst, 1
	}
	return dst, 0
}

func upper(level string) string {
	switch level {
	case "debug":
		return "DEBUG"
	case "warn":
		return "WARN"
	case "error":
		return "ERROR"
	}
	return "INFO"
}

func (g *Generator) access(dst []byte) ([]byte, int) {
	g.method = methods[g.rng.IntN(len(methods))]
	g.nextPath()
	if g.src.stderr && g.rng.Uint32N(60) == 0 {
		g.msg = g.web.next(g).append(g, g.msg[:0])
		return append(appendString(append(dst, `"message":`...), g.msg), ','), 1
	}
	c := g.client()
	b := append(append(g.msg[:0], c.from...), ' ')
	// The line's time is that of the request's beginning.
	took := g.latency()
	b = g.at.Add(-time.Duration(took)*time.Microsecond).AppendFormat(append(b, '['), "02/Jan/2006:15:04:05 -0700")
	b = append(append(append(b, `] "`...), g.method...), ' ')
	b = append(append(b, g.path...), ` HTTP/1.1" `...)
	level := "info"
	if x := g.rng.Uint32N(100); x < 2 {
		level = "error"
	} else if x < 9 {
		level = "warn"
	}
	b = append(strconv.AppendUint(b, g.status(level), 10), ' ')
	if size := uint64(len(g.path)) * 977; g.fixedPath && g.rng.Uint32N(4) > 0 {
		b = strconv.AppendUint(b, size, 10)
	} else {
		b = strconv.AppendUint(b, g.skewed(80_000), 10)
	}
	if g.rng.Uint32N(3) == 0 {
		b = append(b, ` "https://www.example.com/`...)
		b = append(append(b, words[g.skewed(uint64(len(words)))]...), `" "`...)
	} else {
		b = append(b, ` "-" "`...)
	}
	b = append(append(b, c.agent...), '"')
	g.msg = b
	return append(appendString(append(dst, `"message":`...), g.msg), ','), 0
}

// client is who asks a web server.
type client struct{ from, agent []byte }

// client gives one that asked a moment ago, or, one in three times, another.
func (g *Generator) client() *client {
	c := &g.src.clients[g.rng.IntN(len(g.src.clients))]
	if len(c.from) == 0 || g.rng.Uint32N(3) == 0 {
		c.from = append(g.ip(c.from[:0]), " - "...)
		if g.rng.Uint32N(8) == 0 {
			c.from = g.user(c.from)
		} else {
			c.from = append(c.from, '-')
		}
		c.agent = g.agents[g.agentPick.spin(g)]
	}
	return c
}

func (g *Generator) nextPath() {
	g.fixedPath = g.rng.Uint32N(100) < 60
	if g.fixedPath {
		g.path = append(g.path[:0], fixedPaths[g.skewed(uint64(len(fixedPaths)))]...)
		return
	}
	g.path = g.idPaths[g.skewed(uint64(len(g.idPaths)))].append(g, g.path[:0])
}

func (g *Generator) status(level string) uint64 {
	switch x := g.rng.Uint32N(100); {
	case level == "error":
		return [...]uint64{500, 500, 502, 503, 504}[x%5]
	case level == "warn":
		return [...]uint64{400, 401, 403, 404, 404, 409, 429, 200}[x%8]
	case x < 78:
		return 200
	case x < 86:
		return 201
	case x < 92:
		return 204
	case x < 97:
		return 304
	}
	return 302
}

// trace gives a trace id: a new one, or one of which records came a moment ago;
// 2.7 records have one on average.
func (g *Generator) trace() [2]uint64 {
	if g.rng.Uint32N(27) >= 10 {
		return g.traces[g.rng.IntN(len(g.traces))]
	}
	g.traceNext = (g.traceNext + 1) % len(g.traces)
	g.traces[g.traceNext] = [2]uint64{g.rng.Uint64(), g.rng.Uint64()}
	return g.traces[g.traceNext]
}

// recent gives an id of a set of which one in so many calls replaces one.
func (g *Generator) recent(ids *[64]uint64, calls uint32) uint64 {
	i := g.rng.IntN(len(ids))
	if g.rng.Uint32N(calls) == 0 {
		ids[i] = g.rng.Uint64()
	}
	return ids[i]
}

// user appends a user's name: few of 60,000 are seen often.
func (g *Generator) user(dst []byte) []byte {
	return strconv.AppendUint(append(dst, "u-"...), 100_000+g.skewed(60_000)*7919%900_000, 10)
}

// ip appends an address: one in two is of the cluster, the others anybody's.
func (g *Generator) ip(dst []byte) []byte {
	var x uint64
	if g.rng.Uint32N(2) == 0 {
		pod := g.skewed(1000)
		x = 10<<24 | (20+pod%3)<<16 | pod*7919&0xffff
	} else {
		x = g.skewed(1<<13)*2654435761&0xffffffff | 1<<24
	}
	for i := 3; i >= 0; i-- {
		dst = strconv.AppendUint(dst, x>>(8*i)&255, 10)
		if i > 0 {
			dst = append(dst, '.')
		}
	}
	return dst
}

// latency is in microseconds: mostly some milliseconds, seldom seconds.
func (g *Generator) latency() uint64 {
	return 200 + g.rng.Uint64N(1<<(10+g.skewed(12)))
}

// skewed gives a number below n, small ones far more often: the square of an
// even one, and half of the time the cube.
func (g *Generator) skewed(n uint64) uint64 {
	a := g.rng.Uint64N(1 << 16)
	x := a * a >> 16
	if a&1 == 0 {
		x = x * a >> 16
	}
	if n > 1<<16 {
		return (x<<16 | g.rng.Uint64N(1<<16)) * (n >> 4) >> 28
	}
	return x * n >> 16
}

// below gives a duration in [0, d).
func (g *Generator) below(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return time.Duration(g.rng.Uint64N(uint64(d)))
}
