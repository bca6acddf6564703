package iddict

import "fmt"

// Merge returns a builder, built, with all the ids of the dictionaries, and for
// each dictionary a table from its ordinals to those of the builder. The blocks
// are not taken over, for rows are dealt out anew when parts are merged: the
// caller tells them with Note.
func Merge(dicts ...*Dict) (*Builder, [][]uint32, error) {
	if len(dicts) == 0 {
		return nil, nil, fmt.Errorf("iddict: nothing to merge")
	}
	b := &Builder{width: dicts[0].p.width}
	remaps := make([][]uint32, len(dicts))
	heads := make([]mergeHead, 0, len(dicts))
	most := 0
	for i, d := range dicts {
		if d.p.width != b.width {
			return nil, nil, fmt.Errorf("merge ids of %d and of %d bytes", b.width, d.p.width)
		}
		most = max(most, d.p.count)
		remaps[i] = make([]uint32, 0, d.p.count)
		h := mergeHead{sc: scanner{d: d}, dict: i}
		if ok, err := h.fill(); err != nil {
			return nil, nil, err
		} else if ok {
			heads = append(heads, h)
		}
	}
	b.keys = make([]key, 0, most)
	for len(heads) > 0 {
		least := heads[0].keys[0]
		for i := 1; i < len(heads); i++ {
			if k := heads[i].keys[0]; k.less(least) {
				least = k
			}
		}
		ordinal := uint32(len(b.keys))
		b.keys = append(b.keys, least)
		for i := 0; i < len(heads); {
			h := &heads[i]
			if h.keys[0] != least {
				i++
				continue
			}
			remaps[h.dict] = append(remaps[h.dict], ordinal)
			h.keys = h.keys[1:]
			if ok, err := h.fill(); err != nil {
				return nil, nil, err
			} else if !ok {
				heads = append(heads[:i], heads[i+1:]...)
				continue
			}
			i++
		}
	}
	return b, remaps, nil
}

// mergeHead is where a merge is in one dictionary.
type mergeHead struct {
	sc   scanner
	keys []key
	dict int
}

// fill sees to it that there are keys; false at the end.
func (h *mergeHead) fill() (bool, error) {
	if len(h.keys) == 0 {
		var err error
		if h.keys, err = h.sc.next(); err != nil {
			return false, err
		}
	}
	return len(h.keys) > 0, nil
}
