package iddict

import (
	"encoding/binary"
	"math/bits"

	"github.com/oriel-project/oriel/internal/bitpack"
)

// How the ids of a group differ, in its first byte. The lead is what they are
// sorted by, stored as differences; the tail is as it is.
const (
	leadHigh     = 0 // the lead is the first 8 bytes, the others are those of the first id
	leadHighTail = 1 // the lead is the first 8 bytes, the tail the others
	leadLow      = 2 // the lead is the last 8 bytes, the others are those of the first id
)

// appendIDs appends the ids of a group but for the first, which the fence has.
func appendIDs(dst []byte, keys []key) []byte {
	first, last := keys[0], keys[len(keys)-1]
	mode := byte(leadHigh)
	least, most := first.lo, first.lo
	for _, k := range keys {
		least, most = min(least, k.lo), max(most, k.lo)
	}
	if first.hi == last.hi && first.lo != last.lo {
		mode = leadLow
	} else if least != most {
		mode = leadHighTail
	}
	var buf [groupSize]uint64
	diffs := buf[:len(keys)-1]
	for i := range diffs {
		if mode == leadLow {
			diffs[i] = keys[i+1].lo - keys[i].lo
		} else {
			diffs[i] = keys[i+1].hi - keys[i].hi
		}
	}
	dst = bitpack.AppendGroup(append(dst, mode), diffs)
	if mode == leadHighTail {
		width := bits.Len64(most - least)
		for i := range diffs {
			diffs[i] = keys[i+1].lo - least
		}
		dst = binary.LittleEndian.AppendUint64(append(dst, byte(width)), least)
		dst = bitpack.Append(dst, diffs, uint(width))
	}
	return dst
}

// ids are those of a group that was read: as many as fit are made only when
// they are asked for.
type ids struct {
	n     int
	first key
	mode  byte

	leads [groupSize]uint64

	tailWidth uint
	tailLeast uint64
	tails     []byte // with slack
}

// read reads the ids and returns what stands after them. g has Slack in its
// capacity.
func (s *ids) read(g []byte, n int, first key) (rest []byte, ok bool) {
	if len(g) < 1 || g[0] > leadLow {
		return nil, false
	}
	s.n, s.first, s.mode = n, first, g[0]
	at := first.hi
	if s.mode == leadLow {
		at = first.lo
	}
	s.leads[0] = at
	if g, ok = bitpack.UnpackGroup(s.leads[1:n], g[1:], 0, 1); !ok {
		return nil, false
	}
	for i := 1; i < n; i++ {
		at += s.leads[i]
		s.leads[i] = at
	}
	if s.mode == leadHighTail {
		if len(g) < 9 {
			return nil, false
		}
		s.tailWidth, s.tailLeast = uint(g[0]), binary.LittleEndian.Uint64(g[1:])
		g = g[9:]
		size := bitpack.Len(n-1, s.tailWidth)
		if s.tailWidth > 64 || size > len(g) {
			return nil, false
		}
		s.tails, g = g[:size+bitpack.Slack], g[size:]
	}
	return g, true
}

func (s *ids) at(i int) key {
	switch s.mode {
	case leadLow:
		return key{s.first.hi, s.leads[i]}
	case leadHigh:
		return key{s.leads[i], s.first.lo}
	}
	if i == 0 {
		return s.first
	}
	return key{s.leads[i], s.tailLeast + bitpack.Get(s.tails, i-1, s.tailWidth)}
}

// search returns how many ids are less than k.
func (s *ids) search(k key) int {
	lead := k.hi
	if s.mode == leadLow {
		if k.hi != s.first.hi {
			if k.hi < s.first.hi {
				return 0
			}
			return s.n
		}
		lead = k.lo
	}
	from, to := 0, s.n
	for from < to {
		if mid := (from + to) / 2; s.leads[mid] < lead {
			from = mid + 1
		} else {
			to = mid
		}
	}
	for from < s.n && s.leads[from] == lead && s.at(from).less(k) {
		from++
	}
	return from
}

// appendAll appends all ids.
func (s *ids) appendAll(dst []key) []key {
	if s.mode != leadHighTail {
		for i := range s.n {
			dst = append(dst, s.at(i))
		}
		return dst
	}
	var tails [groupSize]uint64
	tails[0] = s.first.lo
	bitpack.Unpack(tails[1:s.n], s.tails, s.tailWidth, s.tailLeast, 1)
	for i := range s.n {
		dst = append(dst, key{s.leads[i], tails[i]})
	}
	return dst
}
