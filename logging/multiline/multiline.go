// Package multiline makes one record of what a program wrote as one and its
// container's runtime or shipper took apart: the lines of a stack trace, and the
// pieces of a line over 16 KiB.
//
//	j := multiline.New(multiline.Options{Appender: store})
//	forward.New(forward.Options{Appender: j, ...})
//
// A Joiner is an Appender before another one, and what it answers is durable:
// nothing stays in its memory behind an answer. Lines of one batch are joined at
// once. A batch that ends within a trace, or within a line, is held back for a
// moment, unanswered, so that the next one can bring the rest; that one is
// answered when the first one is durable. Who hands over one batch behind the other
// is told that this one waits (logging.Batch.OnWait).
package multiline

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// Options of a Joiner. Appender is needed.
type Options struct {
	Appender logging.Appender
	// Rules are tried in this order, those of Languages behind them.
	Rules []Rule
	// Wait is how long a batch is held back at most; 0 means not at all.
	Wait time.Duration
	// LinesMax and BytesMax bound one record; what follows is another one. 0 means
	// 500 lines and 256 KiB.
	LinesMax, BytesMax int
	Registerer         prometheus.Registerer // nil: metrics are counted and not shown
}

const (
	linesDefault = 500
	bytesDefault = 256 << 10
)

// Joiner is safe for concurrent use.
type Joiner struct {
	o     Options
	rules []Rule
	named bool // some rules are for some containers
	m     *counters

	mu   sync.Mutex
	held map[stream]*group // the open ends of batches that are held back
	turns
	memory
}

var _ logging.Appender = (*Joiner)(nil)

// stream is what writes one line after the other.
type stream struct {
	tenant                                           tenant.ID
	cluster, namespace, pod, container, node, stream string
}

func streamOf(r *logging.Record) stream {
	return stream{r.Tenant, r.Cluster, r.Namespace, r.Pod, r.Container, r.Node, r.Stream}
}

// group is lines that become one record. Once it is in Joiner.held, Joiner.mu
// guards it until it is closed.
type group struct {
	lead    int // place of its first record in the batch
	source  int // bytes of that one's document
	text    []byte
	lines   int
	rule    *Rule // nil: none begins like this
	at      place
	last    time.Time // of the last line's record
	cut     bool      // the line is not over
	level   string
	members int // records, more than lines where lines came in pieces

	borrowed bool          // some are of other batches
	closed   chan struct{} // no more comes; nil unless it is held
	done     chan struct{} // closed when what follows is set
	result   logging.ItemResult
	err      error
}

// New makes a Joiner.
func New(o Options) *Joiner {
	if o.LinesMax <= 0 {
		o.LinesMax = linesDefault
	}
	if o.BytesMax <= 0 {
		o.BytesMax = bytesDefault
	}
	return &Joiner{
		o: o, rules: slices.Concat(o.Rules, Languages()), named: len(o.Rules) > 0,
		m: newCounters(o.Registerer), held: map[stream]*group{},
	}
}

// Append implements logging.Appender. A record that was joined to an earlier one
// has that one's result.
func (j *Joiner) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	return j.append(ctx, w, b, j.o.Wait > 0)
}

// Unheld gives an Appender that joins within batches alone: for senders whose next
// batch comes only when this one is answered.
func (j *Joiner) Unheld() logging.Appender { return unheld{j} }

type unheld struct{ j *Joiner }

func (u unheld) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	return u.j.append(ctx, w, b, false)
}

func (j *Joiner) append(ctx context.Context, w tenant.Write, b logging.Batch, hold bool) ([]logging.ItemResult, error) {
	m, again := j.memoOf(b.Key)
	if out := m.repeated(b.Records); out != nil {
		return out, nil
	}
	if !j.looks(b.Records) && m.nothing() {
		return j.o.Appender.Append(ctx, w, b)
	}
	// What comes again is cut as it comes: the lines that it got or lent the first
	// time may be stored, and are not given a second time.
	p := j.join(b.Records, m, hold && !again, !again)
	// Whoever lends to a group waits for it: it must come to an end, whatever does.
	defer j.end(&p)
	if p.over != nil && b.OnWait != nil {
		b.OnWait()
	}
	if err := j.hold(ctx, &p); err != nil {
		return nil, p.fail(err)
	}
	for i, g := range p.lent {
		if g == nil {
			continue
		}
		select {
		case <-g.done:
		case <-ctx.Done():
			return nil, p.fail(ctx.Err())
		}
		if g.err != nil {
			return nil, p.fail(g.err) // its sender comes again, and so does ours
		}
		m.stored(i, g.result)
	}
	for _, over := range p.after {
		select {
		case <-over:
		case <-ctx.Done():
			return nil, p.fail(ctx.Err())
		}
	}
	if err := j.appendBorrowed(ctx, w, b, m, &p); err != nil {
		return nil, p.fail(err)
	}
	var own []*group
	for _, g := range p.groups {
		if !g.borrowed {
			own = append(own, g)
		}
	}
	// Without records it is for the key, by which the batch is known when it comes again.
	if err := j.appendGroups(ctx, w, b, own, b.Key); err != nil {
		return nil, p.fail(err)
	}
	out := make([]logging.ItemResult, len(b.Records))
	for i, g := range p.of {
		out[i] = g.result
	}
	m.done(out)
	return out, nil
}

// appendBorrowed makes the groups durable that got lines of other batches. They go
// first, and under a key that says what is in them: under the batch's own key, a
// batch that was stored by itself before and comes again would be a duplicate, and
// with it the lines of the others.
func (j *Joiner) appendBorrowed(ctx context.Context, w tenant.Write, b logging.Batch, m *memo, p *plan) error {
	var borrowed []*group
	var texts []byte
	for _, g := range p.groups {
		if g.borrowed {
			borrowed = append(borrowed, g)
			texts = append(append(texts, g.text...), 0)
		}
	}
	if len(borrowed) == 0 {
		return nil
	}
	key := b.Key
	if key != "" {
		key = logging.BatchKey(key, "joined", "", texts)
	}
	if err := j.appendGroups(ctx, w, b, borrowed, key); err != nil {
		return err
	}
	for i, g := range p.of {
		if g.borrowed && p.lent[i] == nil {
			m.stored(i, g.result)
		}
	}
	p.settle(borrowed)
	return nil
}

// appendGroups hands over the records of groups, and notes what became of them.
func (j *Joiner) appendGroups(ctx context.Context, w tenant.Write, b logging.Batch, groups []*group, key string) error {
	if len(groups) == 0 && key == "" {
		return nil
	}
	records := make([]logging.Record, 0, len(groups))
	for _, g := range groups {
		rec := b.Records[g.lead]
		if g.members > 1 {
			if rec.ID != "" {
				// With more or fewer lines it is another record: as a duplicate of the one
				// that is there, lines that came later would be lost.
				rec.ID = logging.BatchKey(rec.ID, "joined", "", g.text)
			}
			rec.SetMessage(string(g.text))
			if rec.Level == "" {
				rec.Level = g.level
			}
			j.m.joined.Add(float64(g.members - 1))
		}
		records = append(records, rec)
	}
	results, err := j.o.Appender.Append(ctx, w, logging.Batch{Records: records, Key: key})
	if err != nil {
		return err
	}
	for i, g := range groups {
		g.result = results[i]
	}
	return nil
}

// looks tells whether anything of a batch may have to be joined: mostly nothing
// has.
func (j *Joiner) looks(records []logging.Record) bool {
	j.mu.Lock()
	held := len(j.held) > 0 || len(j.waiting) > 0
	j.mu.Unlock()
	if held || j.named {
		return true
	}
	for i := range records {
		r := &records[i]
		if streamed(r) && (r.Piece != logging.Whole || j.ruleOf(r, r.Message) != nil) {
			return true
		}
	}
	return false
}

// streamed tells whether a record comes from a container's output.
func streamed(r *logging.Record) bool { return r.Pod != "" || r.Container != "" }

// ruleOf finds the rule of which a line is the start.
func (j *Joiner) ruleOf(r *logging.Record, line string) *Rule {
	for i := range j.rules {
		rule := &j.rules[i]
		if rule.fits(r.Namespace, r.Container) && (rule.starts(line) || rule.Continue == nil) {
			return rule
		}
	}
	return nil
}

// plan is what becomes of a batch.
type plan struct {
	groups []*group // its own, in the order of their first records
	of     []*group // of each record
	lent   []*group // of each record, the group of another batch that it went to
	ends   []*group // its own that are held back
	order
}

// errUnfinished is of lines whose batch ended without a word: in a panic.
var errUnfinished = errors.New("the batch that the lines were joined to was not stored")

func (p *plan) fail(err error) error {
	for _, g := range p.ends {
		g.err = err
	}
	return err
}

// end lets go of who waits for a group of this batch, or for all of it.
func (j *Joiner) end(p *plan) {
	for _, g := range p.ends {
		close(g.done)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.leave(&p.order)
}

// settle does so for groups that are durable.
func (p *plan) settle(groups []*group) {
	for _, g := range groups {
		g.err = nil
		close(g.done)
	}
	p.ends = slices.DeleteFunc(p.ends, func(g *group) bool { return slices.Contains(groups, g) })
}

// join puts the records of a batch into groups: of an earlier batch where that
// one is held back for them (if lend), else of their own. Those that m knows as
// stored are in none.
func (j *Joiner) join(records []logging.Record, m *memo, hold, lend bool) plan {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := plan{of: make([]*group, len(records)), lent: make([]*group, len(records))}
	open := map[stream]*group{}
	lent := false
	for i := range records {
		r := &records[i]
		if res, ok := m.at(i); ok {
			p.of[i] = &group{result: res}
			continue
		}
		key := streamOf(r)
		if streamed(r) {
			g := open[key]
			if g == nil && lend {
				g = j.held[key]
			}
			if g != nil && j.add(g, r) {
				p.of[i], g.last = g, r.Time
				if open[key] == nil {
					p.lent[i], g.borrowed, lent = g, true, true
				}
				continue
			}
			if g != nil && open[key] == nil {
				j.release(key, g)
			}
		}
		if lend {
			j.follow(&p.order, key, r.Time)
		}
		g := &group{lead: i, source: len(r.Source), lines: 1, members: 1, level: r.Level, last: r.Time}
		if streamed(r) {
			before := open[key]
			open[key] = g
			g.text = append(g.text, r.Message...)
			g.cut = r.Piece == logging.FirstPiece
			if g.rule = j.ruleOf(r, r.Message); g.rule == nil && before != nil && j.full(before, r) && before.rule != nil {
				// The rest of what was too long for one record.
				if at, ok := before.rule.next(before.at, r.Message); ok {
					g.rule, g.at = before.rule, at
				}
			}
		}
		p.groups = append(p.groups, g)
		p.of[i] = g
	}
	for key, g := range open {
		if hold && j.held[key] == nil && !g.full(&j.o) && (g.cut || g.rule != nil && g.rule.open(g.at, g.lines)) {
			g.closed, g.done, g.err = make(chan struct{}), make(chan struct{}), errUnfinished
			j.held[key] = g
			p.ends = append(p.ends, g)
		}
	}
	if lent || len(p.ends) > 0 || len(p.after) > 0 {
		j.queue(&p.order, records)
	}
	return p
}

// add puts a record into a group, if it belongs there.
func (j *Joiner) add(g *group, r *logging.Record) bool {
	if j.full(g, r) {
		return false
	}
	switch {
	case g.cut:
		g.text = append(g.text, r.Message...)
		if g.cut = r.Piece == logging.FirstPiece; !g.cut && g.lines == 1 {
			g.rule = j.ruleOf(r, string(g.text))
		}
	case g.rule == nil:
		return false
	default:
		at, ok := g.rule.next(g.at, r.Message)
		if !ok {
			return false
		}
		g.at = at
		g.text = append(append(g.text, '\n'), r.Message...)
		g.cut = r.Piece == logging.FirstPiece
		g.lines++
	}
	if g.level == "" {
		g.level = r.Level
	}
	g.members++
	return true
}

// growthMax is how much longer a document can become by a byte of its message: that
// is there under up to four names, and a byte is up to six in JSON.
const growthMax = 4 * 6

func (j *Joiner) full(g *group, r *logging.Record) bool {
	n := len(g.text) + len(r.Message)
	// A record that no store takes would lose all its lines.
	return g.lines >= j.o.LinesMax || n > j.o.BytesMax || g.source+growthMax*(n+g.lines) > logging.SourceBytesMax
}

func (g *group) full(o *Options) bool { return g.lines >= o.LinesMax || len(g.text) >= o.BytesMax }

// release tells who holds a group back that no more comes. j.mu is held.
func (j *Joiner) release(key stream, g *group) {
	if j.held[key] == g {
		delete(j.held, key)
		close(g.closed)
	}
}

// hold waits until the open ends of a batch are closed, or for as long as it may.
func (j *Joiner) hold(ctx context.Context, p *plan) error {
	if len(p.ends) == 0 {
		return nil
	}
	j.m.waiting.Inc()
	defer j.m.waiting.Dec()
	timer := time.NewTimer(j.o.Wait)
	defer timer.Stop()
	result := "joined"
	var err error
	for _, g := range p.ends {
		select {
		case <-g.closed:
			continue
		case <-timer.C:
			timer.Reset(0) // for the others, too
			result = "waited"
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	j.m.held.WithLabelValues(result).Inc()
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, g := range j.held {
		if slices.Contains(p.ends, g) {
			j.release(key, g)
		}
	}
	return err
}

// counters are what a Joiner counts.
type counters struct {
	joined  prometheus.Counter
	held    *prometheus.CounterVec // result
	waiting prometheus.Gauge
}

func newCounters(r prometheus.Registerer) *counters {
	c := &counters{
		joined: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "oriel_multiline_joined_total", Help: "Lines and pieces of lines that became part of the record before them.",
		}),
		held: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_multiline_held_total", Help: "Batches that ended within a stack trace or a line and were held back, by whether the rest came (joined) or not in time (waited).",
		}, []string{"result"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "oriel_multiline_waiting", Help: "Batches that are held back now, for the rest of a stack trace or a line.",
		}),
	}
	if r != nil {
		r.MustRegister(c.joined, c.held, c.waiting)
	}
	return c
}
