package logging

import (
	"bytes"
	"strings"
	"time"
)

type topHitsPlan struct {
	TopHits
	bounds *aggBounds

	run   uint64
	times []int64   // of FieldTime, where that is the first key and known
	seqs  []float64 // of FieldSeq, where there is no key and they are known
}

func (p *topHitsPlan) make() (collector, error) {
	return &topHits{plan: p, top: topK{keys: p.Sort, k: p.Offset + p.Limit}}, p.bounds.hold(sketchBytes, "top hits", "")
}

func (*topHitsPlan) countable(*run) (bool, error) { return false, nil }

// load asks the rows for what tells, without a document, that a row is no hit.
func (p *topHitsPlan) load(r *run) error {
	if p.run == r.id {
		return nil
	}
	p.run, p.times, p.seqs = r.id, nil, nil
	switch {
	case len(p.Sort) == 0:
		nums, ok, err := r.rows.Numbers(Field{Name: FieldSeq})
		if err != nil {
			return err
		}
		if ok && nums.Exact {
			p.seqs = nums.Vals
		}
	case p.Sort[0].Field.Name == FieldTime:
		times, ok, err := r.rows.Times(p.Sort[0].Field)
		if err != nil {
			return err
		}
		if ok {
			p.times = times.Nanos
		}
	}
	return nil
}

type topHits struct {
	plan *topHitsPlan
	top  topK
}

func (t *topHits) add(d *Doc) error {
	if t.top.k == 0 {
		return nil
	}
	keys := SortValues(d, t.plan.Sort)
	if !t.top.admits(keys, d.Record.Seq) {
		return nil
	}
	rec := d.Record
	if t.plan.bounds.passing {
		rec, keys = cloneRecord(rec), cloneKeys(keys)
	}
	held := hitBytes + recordBytes(rec)
	if gone := t.top.add(ranked{keys: keys, seq: rec.Seq, rec: rec}); gone.rec != nil {
		held -= hitBytes + recordBytes(gone.rec)
	}
	return t.plan.bounds.hold(held, "top hits", "")
}

func (t *topHits) addRows(r *run, sel []uint32) (bool, error) {
	if t.top.k == 0 {
		return true, nil
	}
	if err := t.plan.load(r); err != nil {
		return false, err
	}
	for _, i := range r.rowsOf(sel) {
		if t.top.full() && t.worse(i) {
			continue
		}
		d, err := r.doc(i)
		if err != nil {
			return false, err
		}
		if err := t.add(d); err != nil {
			return false, err
		}
	}
	return true, nil
}

// worse reports whether a row is known to come behind all that is kept.
func (t *topHits) worse(i uint32) bool {
	worst, p := &t.top.heap[0], t.plan
	switch {
	case p.seqs != nil:
		return uint64(p.seqs[i]) > worst.seq
	case p.times == nil:
		return false
	}
	c := time.Unix(0, p.times[i]).Compare(worst.keys[0].Time)
	if p.Sort[0].Desc {
		return c < 0
	}
	return c > 0
}

func (*topHits) addCount(*run, int) error { return nil }

func (t *topHits) result() (AggResult, error) {
	hits, err := t.top.hits(t.plan.Offset, t.plan.bounds)
	return AggResult{Hits: hits}, err
}

// cloneRecord copies a record with all its memory.
func cloneRecord(r *Record) *Record {
	c := *r
	for _, s := range [...]*string{&c.Index, &c.ID, &c.Original, &c.Cluster, &c.Region, &c.Cloud, &c.Namespace, &c.Pod, &c.Container, &c.Node, &c.Level, &c.Stream, &c.Message} {
		*s = strings.Clone(*s)
	}
	c.Source = bytes.Clone(r.Source)
	return &c
}
