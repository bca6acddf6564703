package scan_test

import (
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// TestByPlace: hits that are ordered by time, by place or by both are those of the
// naive order, where many records have one time, whatever the page goes on behind.
func TestByPlace(t *testing.T) {
	byTime, bySeq := logging.Field{Name: logging.FieldTime}, logging.Field{Name: logging.FieldSeq}
	for seed := uint64(1); seed < 16; seed++ {
		w, _, rnd := newWorld(seed)
		for i := range w.recs {
			w.recs[i].Time = w.recs[i].Time.Truncate(20 * time.Second)
		}
		desc := func() bool { return rnd.IntN(2) == 0 }
		for _, keys := range [][]logging.SortKey{
			{{Field: byTime, Desc: desc()}},
			{{Field: bySeq, Desc: desc()}},
			{{Field: byTime, Desc: false}, {Field: bySeq, Desc: desc()}},
			{{Field: byTime, Desc: true}, {Field: bySeq, Desc: desc(), MissingFirst: desc()}},
			{{Field: bySeq, Desc: desc()}, {Field: byTime, Desc: desc()}},
			{{Field: byTime, Desc: desc()}, {Field: logging.FieldOf("level"), Desc: desc()}, {Field: bySeq, Desc: desc()}},
		} {
			q := logging.Query{Sort: keys, Limit: 1 + rnd.IntN(30), Offset: rnd.IntN(4), TotalMax: rnd.IntN(3) - 1}
			w.check(t, q)
			all, err := w.run(w.recs, logging.Query{Sort: keys, Limit: len(w.recs)})
			if err != nil {
				t.Fatal(err)
			}
			if len(all.Hits) == 0 {
				continue
			}
			q.Offset, q.After = 0, all.Hits[rnd.IntN(len(all.Hits))].Sort
			w.check(t, q)
			// What clients hand back: milliseconds, text, nothing.
			for _, v := range []logging.Value{logging.Int(all.Hits[0].Record.Time.UnixMilli()), logging.String("x"), {}, logging.Float(1.5)} {
				q.After = append([]logging.Value{v}, q.After[1:]...)
				w.check(t, q)
			}
		}
	}
}
