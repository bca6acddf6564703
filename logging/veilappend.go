package logging

import (
	"context"

	"github.com/oriel-project/oriel/tenant"
)

// Given makes an appender that takes given ids as StoredID has them. Everything
// that stores records for others goes through it; what it answers names derived
// ids and positions as they are stored.
func (v *Veil) Given(a Appender) Appender { return &given{v, a} }

type given struct {
	veil *Veil
	next Appender
}

// Append implements Appender.
func (g *given) Append(ctx context.Context, w tenant.Write, b Batch) ([]ItemResult, error) {
	recs, mapped := g.veil.storedIDs(b.Records)
	if mapped == nil {
		return g.next.Append(ctx, w, b)
	}
	was := b.Records
	b.Records = recs
	out, err := g.next.Append(ctx, w, b)
	for _, i := range mapped {
		if err == nil {
			out[i].ID = was[i].ID
		}
	}
	return out, err
}

// storedIDs gives records with ids as they are stored, and which of them differ;
// the records themselves are not changed.
func (v *Veil) storedIDs(recs []Record) (out []Record, mapped []int) {
	out = recs
	for i := range recs {
		if recs[i].ID == "" {
			continue
		}
		id := v.StoredID(recs[i].ID)
		if id == recs[i].ID {
			continue
		}
		if mapped == nil {
			out = append([]Record(nil), recs...)
		}
		out[i].ID = id
		mapped = append(mapped, i)
	}
	return out, mapped
}

// Answers makes an appender whose answers may be shown; a goes through Given.
func (v *Veil) Answers(a Appender) Appender { return &answers{v, a} }

type answers struct {
	veil *Veil
	next Appender
}

// Append implements Appender.
func (a *answers) Append(ctx context.Context, w tenant.Write, b Batch) ([]ItemResult, error) {
	out, err := a.next.Append(ctx, w, b)
	if err != nil || a.veil == nil {
		return out, err
	}
	ids := make([]byte, 0, derivedIDLen*len(out)) // one piece of memory for all
	for i := range out {
		r := &out[i]
		if r.Seq == 0 {
			continue
		}
		seq := r.Seq
		r.Seq = a.veil.Shown(seq)
		if r.ID != "" && b.Records[i].ID == "" && r.Seq != seq {
			from := len(ids)
			ids = appendDerivedID(ids, r.Seq)
			r.ID = string(ids[from:])
		}
	}
	return out, nil
}

// Repeats makes a repeater that takes given ids as Given does.
func (v *Veil) Repeats(r Repeater) Repeater { return &repeats{v, r} }

type repeats struct {
	veil *Veil
	next Repeater
}

// Repeats implements Repeater.
func (r *repeats) Repeats(ctx context.Context, w tenant.Write, recs []Record) ([]bool, error) {
	recs, _ = r.veil.storedIDs(recs)
	return r.next.Repeats(ctx, w, recs)
}
