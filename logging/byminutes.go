package logging

import "time"

// ByMinutes reports whether the aggregations need no more of rows than how many
// of them there are in each minute of FieldTime, between the two minutes since the
// epoch, inclusive, where the rows are alike in some fields. Such rows may be added
// many blocks at once.
func (a *Aggregator) ByMinutes(from, to int64) (alike []Field, ok bool) {
	return a.plan.byMinutes(nil, from, to)
}

func (p *groupPlan) byMinutes(alike []Field, from, to int64) (_ []Field, ok bool) {
	for _, of := range p.plans {
		switch of := of.(type) {
		case *dateHistogramPlan:
			if of.field.Name != FieldTime || len(of.sub.plans) > 0 || !of.rounding.wholeMinutes(from, to) {
				return nil, false
			}
		case *termsPlan:
			if of.points != nil || !plainName(of.Field) {
				return nil, false
			}
			if alike, ok = of.sub.byMinutes(append(alike, of.Field), from, to); !ok {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	return alike, true
}

// MinuteOf gives the minute since the epoch that a time in nanoseconds lies in.
func MinuteOf(ns int64) int64 {
	m := ns / int64(time.Minute)
	if ns%int64(time.Minute) < 0 {
		m--
	}
	return m
}
