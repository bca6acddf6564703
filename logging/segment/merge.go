package segment

import (
	"cmp"
	"slices"
)

// input is a block that is being merged.
type input struct {
	b      Block
	info   *Info
	times  []int64 // nil until open
	seqs   []uint64
	perm   []int32           // the rows in order; nil: as they are
	at     int               // next of them
	picked int               // rows that stand in picks
	shared int               // rows whose documents are counted
	ids    map[int]*idColumn // own columns whose strings go to the part's dictionary
}

// open reads what the order is made of.
func (in *input) open() (err error) {
	if in.times, err = in.b.Times(); err != nil {
		return err
	}
	if in.seqs, err = in.b.Seqs(); err != nil {
		return err
	}
	if in.info.Sorted {
		return nil
	}
	in.perm = make([]int32, len(in.times))
	for i := range in.perm {
		in.perm[i] = int32(i)
	}
	slices.SortFunc(in.perm, func(a, b int32) int {
		if c := cmp.Compare(in.times[a], in.times[b]); c != 0 {
			return c
		}
		return cmp.Compare(in.seqs[a], in.seqs[b])
	})
	return nil
}

// close lets go of what was decoded.
func (in *input) close() {
	in.times, in.seqs, in.perm, in.ids, in.b = nil, nil, nil, nil, nil
}

func (in *input) row(at int) int32 {
	if in.perm == nil {
		return int32(at)
	}
	return in.perm[at]
}

// less reports whether a row of in comes before a position.
func (in *input) less(at int, t int64, seq uint64) bool {
	r := in.row(at)
	return in.times[r] < t || in.times[r] == t && in.seqs[r] < seq
}

// pick is a row of an output block.
type pick struct {
	in  *input
	row int32
}

// sink takes the blocks that a merge makes, in the order of their rows.
type sink interface {
	// rows makes a block of the picked rows, which are in order.
	rows(picks []pick) error
	// wholes reports whether whole can take a block.
	wholes(in *input) bool
	// whole takes a block of a file as it is.
	whole(in *input) error
}

// A block with that many rows is not made anew to fill it up, and rows are cut
// off rather than that a full block is made anew.
const (
	wholeMin = RowsMax / 2
	cutMin   = RowsMax / 4
)

// mergeStream orders the rows of one stream's blocks and cuts them into blocks.
// What it holds decoded are the blocks that overlap, not the stream.
func mergeStream(inputs []*input, to sink) error {
	slices.SortFunc(inputs, func(a, b *input) int {
		return cmp.Or(cmp.Compare(a.info.TimeMin, b.info.TimeMin), cmp.Compare(a.info.SeqMin, b.info.SeqMin))
	})
	var active []*input
	var picks []pick
	flush := func(n int) error {
		if err := to.rows(picks[:n]); err != nil {
			return err
		}
		for _, p := range picks[:n] {
			if p.in.picked--; p.in.picked == 0 && p.in.at == p.in.info.Rows {
				p.in.close()
			}
		}
		picks = append(picks[:0], picks[n:]...)
		return nil
	}
	end := func() error {
		if n := len(picks); n > RowsMax {
			if err := flush(n / 2); err != nil {
				return err
			}
		}
		if len(picks) == 0 {
			return nil
		}
		return flush(len(picks))
	}
	for len(inputs) > 0 || len(active) > 0 {
		if len(active) == 0 {
			in := inputs[0]
			alone := in.info.Sorted && in.info.Rows >= wholeMin && (len(inputs) == 1 || inputs[1].info.TimeMin > in.info.TimeMax)
			if alone && (len(picks) == 0 || len(picks) >= cutMin) && to.wholes(in) {
				if err := end(); err != nil {
					return err
				}
				if err := to.whole(in); err != nil {
					return err
				}
				inputs = inputs[1:]
				in.close()
				continue
			}
		}
		best := -1
		for i, in := range active {
			if best < 0 || in.less(in.at, active[best].times[active[best].row(active[best].at)], active[best].seqs[active[best].row(active[best].at)]) {
				best = i
			}
		}
		if best < 0 || len(inputs) > 0 && inputs[0].info.TimeMin <= active[best].times[active[best].row(active[best].at)] {
			in := inputs[0]
			inputs = inputs[1:]
			if err := in.open(); err != nil {
				return err
			}
			active = append(active, in)
			continue
		}
		in := active[best]
		for {
			picks = append(picks, pick{in, in.row(in.at)})
			in.at++
			in.picked++
			if in.at == in.info.Rows {
				active = slices.Delete(active, best, best+1)
				break
			}
			if !leads(in, best, active, inputs) {
				break
			}
		}
		if len(picks) >= 2*RowsMax {
			if err := flush(RowsMax); err != nil {
				return err
			}
		}
	}
	return end()
}

// leads reports whether the next row of in comes before every other.
func leads(in *input, self int, active, waiting []*input) bool {
	r := in.row(in.at)
	t, seq := in.times[r], in.seqs[r]
	if len(waiting) > 0 && waiting[0].info.TimeMin <= t {
		return false
	}
	for i, other := range active {
		if i != self && other.less(other.at, t, seq) {
			return false
		}
	}
	return true
}
