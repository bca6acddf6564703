package logging

import "math"

// metricPlan is what the collectors of a Metric have in common.
type metricPlan struct {
	Metric
	bounds *aggBounds
	slab   []moments // to be given out

	run    uint64
	mode   metricMode
	nums   Numbers
	times  Times
	codes  Codes
	strs   Strings
	hashes []uint64

	// Of codes, for Cardinality: their hashes, and in which call they were met.
	byCode  []uint64
	met     []uint32
	calls   uint32
	missing uint64
}

// metricMode is the column that a run serves a metric with.
type metricMode uint8

const (
	metricDocs metricMode = iota
	metricNumbers
	metricTimes
	metricCodes
	metricStrings
	metricHashes
)

func newMetric(m Metric, b *aggBounds) *metricPlan {
	p := &metricPlan{Metric: m, bounds: b}
	if m.Missing != nil {
		p.missing = HashValue(*m.Missing)
	}
	return p
}

func (p *metricPlan) make() (collector, error) {
	switch p.Kind {
	case Cardinality:
		return &cardinality{plan: p}, p.bounds.hold(sketchBytes, "cardinality of", p.Field.Name)
	case Percentiles, PercentileRanks:
		return &percentiles{moments: moments{plan: p}}, p.bounds.hold(sketchBytes+momentsBytes, "percentiles of", p.Field.Name)
	}
	if len(p.slab) == 0 {
		p.slab = make([]moments, 32)
	}
	m := &p.slab[0]
	p.slab = p.slab[1:]
	m.plan = p
	return m, p.bounds.hold(momentsBytes, "a metric of", p.Field.Name)
}

// countable reports whether there is nothing to add, since no row has a value.
func (p *metricPlan) countable(r *run) (bool, error) {
	if p.Missing != nil {
		return false, nil
	}
	err := p.load(r)
	return err == nil && p.empty(), err
}

// load asks the rows for the field, once a run, for the column that serves the
// kind of metric best.
func (p *metricPlan) load(r *run) error {
	if p.run == r.id {
		return nil
	}
	p.run, p.mode = r.id, metricDocs
	if !plainName(p.Field) {
		return nil
	}
	order := []metricMode{metricNumbers, metricTimes, metricCodes, metricStrings}
	switch p.Kind {
	case Cardinality:
		order = []metricMode{metricCodes, metricHashes, metricNumbers, metricTimes, metricStrings}
	case ValueCount:
		order = []metricMode{metricCodes, metricNumbers, metricTimes, metricStrings}
	}
	for _, mode := range order {
		if ok, err := p.ask(r, mode); ok || err != nil {
			return err
		}
	}
	return nil
}

// ask asks the rows for one column.
func (p *metricPlan) ask(r *run, mode metricMode) (ok bool, err error) {
	switch f := p.Field; mode {
	case metricNumbers:
		if p.nums, ok, err = r.rows.Numbers(f); ok && p.Kind == Cardinality && !p.nums.Exact {
			ok = false
		}
	case metricTimes:
		if p.times, ok, err = r.rows.Times(f); ok && p.Kind == Cardinality && p.times.Text {
			ok = false // two spellings of a time are two values
		}
	case metricCodes:
		if p.codes, ok, err = r.rows.Codes(f); ok && p.Kind == Cardinality {
			p.resetCodes()
		}
	case metricStrings:
		p.strs, ok, err = r.rows.Strings(f)
	case metricHashes:
		p.hashes, ok, err = r.rows.Hashes(f)
	}
	if ok {
		p.mode = mode
	}
	return ok, err
}

func (p *metricPlan) resetCodes() {
	n := len(p.codes.Values) + 1
	if cap(p.byCode) < n {
		p.byCode, p.met = make([]uint64, n+n/4), make([]uint32, n+n/4)
	}
	p.byCode, p.met = p.byCode[:n], p.met[:n]
	clear(p.met)
	p.calls = 0
	for i, v := range p.codes.Values {
		p.byCode[i] = HashValue(v)
	}
	p.byCode[n-1] = p.missing
}

// code gives the code of a row; len(Values) is no value.
func (p *metricPlan) code(i uint32) uint32 {
	none := uint32(len(p.codes.Values))
	if p.codes.Of == nil {
		return min(none, 0)
	}
	return min(p.codes.Of[i], none)
}

// value gives a row's value, Missing where it has none.
func (p *metricPlan) value(i uint32) Value {
	switch p.mode {
	case metricCodes:
		if c := p.code(i); int(c) < len(p.codes.Values) {
			return p.codes.Values[c]
		}
	case metricStrings:
		return String(string(p.strs.Data[p.strs.Off[i]:p.strs.Off[i+1]]))
	}
	return Value{}
}

// moments is Avg, Sum, Min, Max, ValueCount and the Stats.
type moments struct {
	plan  *metricPlan
	stats Stats
}

func (m *moments) add(d *Doc) error {
	vals := d.Values(m.plan.Field)
	if len(vals) == 0 && m.plan.Missing != nil {
		m.addValue(*m.plan.Missing)
	}
	for _, v := range vals {
		m.addValue(v)
	}
	return nil
}

// addValue takes a value; x is what it counts as, where ok.
func (m *moments) addValue(v Value) (x float64, ok bool) {
	if m.plan.Kind == ValueCount {
		m.stats.Count++
		return 0, false
	}
	x, isDate, ok := v.number()
	if ok {
		m.stats.add(x, isDate)
	}
	return x, ok
}

func (s *Stats) add(x float64, isDate bool) {
	if s.Count == 0 {
		s.Min, s.Max, s.IsDate = x, x, isDate
	}
	s.IsDate = s.IsDate && isDate
	s.Count++
	s.Sum += x
	s.SumOfSqr += x * x
	s.Min, s.Max = min(s.Min, x), max(s.Max, x)
}

func (m *moments) addRows(r *run, sel []uint32) (bool, error) {
	if err := m.plan.load(r); err != nil || m.plan.mode == metricDocs {
		return false, err
	}
	if m.plan.Kind == ValueCount {
		m.countRows(r, sel)
		return true, nil
	}
	m.addNumbers(r, sel, nil)
	return true, nil
}

// countRows counts the values.
func (m *moments) countRows(r *run, sel []uint32) {
	p := m.plan
	n := r.count(sel)
	if p.Missing == nil {
		switch p.mode {
		case metricNumbers:
			for _, i := range r.rowsOf(sel) {
				if x := p.nums.Vals[i]; x != x {
					n--
				}
			}
		case metricCodes:
			switch {
			case len(p.codes.Values) == 0:
				n = 0
			case p.codes.Of != nil:
				for _, i := range r.rowsOf(sel) {
					if int(p.codes.Of[i]) >= len(p.codes.Values) {
						n--
					}
				}
			}
		}
	}
	m.stats.Count += int64(n)
}

// addNumbers takes the numbers of rows; each is given to also, if there is one.
func (m *moments) addNumbers(r *run, sel []uint32, also func(float64)) {
	p := m.plan
	switch {
	case p.empty() && p.Missing == nil:
		return
	case p.mode == metricNumbers && also == nil:
		m.addColumn(r, sel)
		return
	}
	for _, i := range r.rowsOf(sel) {
		var x float64
		ok := true
		switch p.mode {
		case metricNumbers:
			if x = p.nums.Vals[i]; x == x {
				m.stats.add(x, p.nums.Date)
			} else if ok = p.Missing != nil; ok {
				x, ok = m.addValue(*p.Missing)
			}
		case metricTimes:
			x = Millis(p.times.Nanos[i])
			m.stats.add(x, true)
		default:
			if v := p.value(i); v.Kind != Missing {
				x, ok = m.addValue(v)
			} else if ok = p.Missing != nil; ok {
				x, ok = m.addValue(*p.Missing)
			}
		}
		if ok && also != nil {
			also(x)
		}
	}
}

// addColumn is addNumbers for a column of numbers, its sums in registers.
func (m *moments) addColumn(r *run, sel []uint32) {
	p, vals := m.plan, m.plan.nums.Vals
	s := m.stats
	sel = r.rowsOf(sel)
	if s.Count == 0 {
		s.Min, s.Max, s.IsDate = math.Inf(1), math.Inf(-1), true
	}
	none, n := 0, s.Count
	for _, i := range sel {
		x := vals[i]
		if x != x {
			none++
			continue
		}
		s.Sum += x
		s.SumOfSqr += x * x
		if x < s.Min {
			s.Min = x
		}
		if x > s.Max {
			s.Max = x
		}
	}
	s.Count += int64(len(sel) - none)
	if s.Count > n {
		s.IsDate = s.IsDate && p.nums.Date
		m.stats = s
	}
	if p.Missing != nil {
		for range none {
			m.addValue(*p.Missing)
		}
	}
}

func (*moments) addCount(*run, int) error { return nil }

func (m *moments) result() (AggResult, error) {
	s := m.stats
	one := func(x float64) (AggResult, error) {
		return AggResult{Value: &x, ValueIsDate: s.IsDate && m.plan.Kind != Sum}, nil
	}
	switch m.plan.Kind {
	case ValueCount:
		return one(float64(s.Count))
	case Sum:
		return one(s.Sum)
	case StatsMetric, ExtendedStats:
		return AggResult{Stats: &s}, nil
	}
	if s.Count == 0 {
		return AggResult{}, nil
	}
	switch m.plan.Kind {
	case Min:
		return one(s.Min)
	case Max:
		return one(s.Max)
	}
	return one(s.Avg())
}

// none is what a bucket without values is ordered by, as in Elasticsearch: the
// greatest of nothing is below all numbers, the least above them, and anything
// else comes last (NaN).
func (m Metric) none(of string) float64 {
	switch {
	case m.Kind == Max || of == "max":
		return math.Inf(-1)
	case m.Kind == Min || of == "min":
		return math.Inf(1)
	}
	return math.NaN()
}

// Avg is the mean; NaN without values.
func (s Stats) Avg() float64 { return s.Sum / float64(s.Count) }

// Variance is the population's variance; NaN without values.
func (s Stats) Variance() float64 {
	n := float64(s.Count)
	return max((s.SumOfSqr-s.Sum*s.Sum/n)/n, 0)
}

// percentiles is Percentiles and PercentileRanks.
type percentiles struct {
	moments
	sketch quantiles
}

func (c *percentiles) add(d *Doc) error {
	vals := d.Values(c.plan.Field)
	if len(vals) == 0 && c.plan.Missing != nil {
		vals = []Value{*c.plan.Missing}
	}
	before := c.sketch.bytes
	for _, v := range vals {
		if x, ok := c.addValue(v); ok {
			c.sketch.add(x)
		}
	}
	return c.plan.bounds.hold(c.sketch.bytes-before, "percentiles of", c.plan.Field.Name)
}

func (c *percentiles) addRows(r *run, sel []uint32) (bool, error) {
	if err := c.plan.load(r); err != nil || c.plan.mode == metricDocs {
		return false, err
	}
	before := c.sketch.bytes
	c.addNumbers(r, sel, c.sketch.add)
	return true, c.plan.bounds.hold(c.sketch.bytes-before, "percentiles of", c.plan.Field.Name)
}

func (c *percentiles) result() (AggResult, error) {
	if !c.sketch.sorted {
		if err := c.plan.bounds.spend(len(c.sketch.vals) / 8); err != nil {
			return AggResult{}, err
		}
	}
	out := make([]Percentile, len(c.plan.Percents))
	if c.plan.Kind == PercentileRanks {
		for i, x := range c.plan.Percents {
			out[i] = Percentile{Percent: math.NaN(), Value: x}
			if c.stats.Count > 0 && !math.IsNaN(x) {
				out[i].Percent = 100 * c.sketch.below(x, c.stats.Min, c.stats.Max)
			}
		}
		return AggResult{Percentiles: out, Ranks: true}, nil
	}
	for i, p := range c.plan.Percents {
		out[i] = Percentile{Percent: p, Value: math.NaN()}
		if c.stats.Count > 0 && !math.IsNaN(p) {
			out[i].Value = c.sketch.at(min(max(p, 0), 100)/100, c.stats.Min, c.stats.Max)
		}
	}
	return AggResult{Percentiles: out, ValueIsDate: c.stats.IsDate}, nil
}

// cardinality is Cardinality.
type cardinality struct {
	plan *metricPlan
	seen distinct
}

func (c *cardinality) add(d *Doc) error {
	vals := d.Values(c.plan.Field)
	if len(vals) == 0 && c.plan.Missing != nil {
		vals = []Value{*c.plan.Missing}
	}
	before := c.seen.bytes
	for _, v := range vals {
		c.seen.add(HashValue(v))
	}
	return c.hold(before)
}

func (c *cardinality) hold(before int) error {
	return c.plan.bounds.hold(c.seen.bytes-before, "cardinality of", c.plan.Field.Name)
}

func (c *cardinality) addRows(r *run, sel []uint32) (bool, error) {
	p, before := c.plan, c.seen.bytes
	if sel == nil && p.Missing == nil && plainName(p.Field) {
		if rows, ok := r.rows.(DistinctHasher); ok {
			hashes, ok, err := rows.DistinctHashes(p.Field)
			if err != nil {
				return false, err
			}
			if ok {
				for _, h := range hashes {
					c.seen.add(h)
				}
				return true, c.hold(before)
			}
		}
	}
	if err := p.load(r); err != nil || p.mode == metricDocs {
		return false, err
	}
	switch p.mode {
	case metricCodes:
		c.addCodes(r, sel)
	case metricHashes:
		if sel == nil {
			for _, h := range p.hashes[:r.n] {
				c.seen.add(h)
			}
			break
		}
		for _, i := range sel {
			c.seen.add(p.hashes[i])
		}
	case metricNumbers:
		for _, i := range r.rowsOf(sel) {
			if x := p.nums.Vals[i]; x == x {
				c.seen.add(HashNumber(x))
			} else if p.Missing != nil {
				c.seen.add(p.missing)
			}
		}
	case metricTimes:
		for _, i := range r.rowsOf(sel) {
			c.seen.add(hashTime(p.times.Nanos[i]))
		}
	case metricStrings:
		for _, i := range r.rowsOf(sel) {
			c.seen.add(HashBytes(p.strs.Data[p.strs.Off[i]:p.strs.Off[i+1]]))
		}
	}
	return true, c.hold(before)
}

// addCodes adds every code of the rows once.
func (c *cardinality) addCodes(r *run, sel []uint32) {
	p := c.plan
	none := uint32(len(p.codes.Values))
	add := func(code uint32) {
		if code < none || p.Missing != nil {
			c.seen.add(p.byCode[code])
		}
	}
	if p.codes.Of == nil || none == 0 {
		add(0)
		return
	}
	p.calls++
	for _, i := range r.rowsOf(sel) {
		if code := min(p.codes.Of[i], none); p.met[code] != p.calls {
			p.met[code] = p.calls
			add(code)
		}
	}
}

func (*cardinality) addCount(*run, int) error { return nil }

func (c *cardinality) result() (AggResult, error) {
	if err := c.plan.bounds.spend(len(c.seen.registers) / 256); err != nil {
		return AggResult{}, err
	}
	n := float64(c.seen.count())
	return AggResult{Value: &n}, nil
}
