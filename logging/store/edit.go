package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/oriel-project/oriel/tenant"
)

// state is what the manifest says: which files hold what. It is changed by
// edits alone.
type state struct {
	walFloor    uint64 // log files with a lower number are in segments and not needed
	nextSeq     uint64 // every record in a segment has a lower seq
	nextFile    uint64 // number of the next segment or key table
	segments    map[uint64]*segmentInfo
	keys        map[uint64]keysInfo
	purges      []purge
	likeDerived map[tenant.ID]bool // tenants that gave ids of the form of derived ones
}

// segmentInfo is a segment file and what is in it.
type segmentInfo struct {
	number uint64
	bytes  int64
	parts  []partInfo // in the order of the file; dead ones stay, so that the others keep their places
}

// live tells how many parts are not dead, and their bytes.
func (f *segmentInfo) live() (parts int, bytes int64) {
	for i := range f.parts {
		if !f.parts[i].dead {
			parts++
			bytes += f.parts[i].bytes
		}
	}
	return parts, bytes
}

// partInfo is what is known of a part without opening its file.
type partInfo struct {
	tenant         tenant.ID
	day            int32 // days since the epoch
	rows, blocks   int
	given          int
	tMin, tMax     int64 // nanoseconds, inclusive
	seqMin, seqMax uint64
	bytes          int64
	clean          uint64 // purges up to this one have been carried out in it
	indices        []indexStat
	dead           bool
}

// indexStat is what a part holds of one index and namespace.
type indexStat struct {
	name, cluster, namespace string
	docs, bytes              int64
}

// keysInfo is a table of batch keys.
type keysInfo struct {
	number     uint64
	bytes      int64
	count      int
	tMin, tMax int64 // of the commits, nanoseconds
}

func newState() *state {
	return &state{walFloor: 1, nextSeq: 1, nextFile: 1, segments: map[uint64]*segmentInfo{}, keys: map[uint64]keysInfo{}, likeDerived: map[tenant.ID]bool{}}
}

// The operations of an edit.
const (
	opPosition    = 1 // floor of the log, next seq, next file
	opAddSegment  = 2
	opDropParts   = 3
	opAddKeys     = 4
	opDropKeys    = 5
	opAddPurge    = 6
	opDropPurge   = 7
	opLikeDerived = 8
)

// edit is a change of the manifest: all of it or nothing.
type edit struct {
	walFloor, nextSeq, nextFile uint64 // 0: as before
	addSegments                 []*segmentInfo
	dropParts                   map[uint64][]int // places in the file, by file
	addKeys                     []keysInfo
	dropKeys                    []uint64
	addPurges                   []purge
	dropPurges                  []uint64
	likeDerived                 []tenant.ID
}

// apply changes a state; an edit that does not fit it is an error, and then the
// state is of no use any more.
func (s *state) apply(e *edit) error {
	s.walFloor = max(s.walFloor, e.walFloor)
	s.nextSeq = max(s.nextSeq, e.nextSeq)
	s.nextFile = max(s.nextFile, e.nextFile)
	for _, f := range e.addSegments {
		if s.segments[f.number] != nil {
			return fmt.Errorf("segment %d is added twice", f.number)
		}
		s.segments[f.number] = f
		s.nextFile = max(s.nextFile, f.number+1)
	}
	for number, parts := range e.dropParts {
		f := s.segments[number]
		if f == nil {
			return fmt.Errorf("segment %d is changed and was not there", number)
		}
		// Views may hold the old one.
		next := &segmentInfo{number: f.number, bytes: f.bytes, parts: slices.Clone(f.parts)}
		for _, i := range parts {
			if i < 0 || i >= len(next.parts) || next.parts[i].dead {
				return fmt.Errorf("part %d of segment %d is dropped and was not there", i, number)
			}
			next.parts[i].dead = true
		}
		if n, _ := next.live(); n == 0 {
			delete(s.segments, number)
			continue
		}
		s.segments[number] = next
	}
	for _, k := range e.addKeys {
		if _, ok := s.keys[k.number]; ok {
			return fmt.Errorf("key table %d is added twice", k.number)
		}
		s.keys[k.number] = k
		s.nextFile = max(s.nextFile, k.number+1)
	}
	for _, n := range e.dropKeys {
		if _, ok := s.keys[n]; !ok {
			return fmt.Errorf("key table %d is dropped and was not there", n)
		}
		delete(s.keys, n)
	}
	s.purges = append(slices.Clip(s.purges), e.addPurges...)
	if len(e.dropPurges) > 0 {
		s.purges = slices.DeleteFunc(slices.Clone(s.purges), func(p purge) bool { return slices.Contains(e.dropPurges, p.ordinal) })
	}
	for _, id := range e.likeDerived {
		s.likeDerived[id] = true
	}
	return nil
}

// whole gives the edit that makes the state out of an empty one.
func (s *state) whole() *edit {
	e := &edit{walFloor: s.walFloor, nextSeq: s.nextSeq, nextFile: s.nextFile, addPurges: s.purges}
	for _, n := range slices.Sorted(maps.Keys(s.segments)) {
		e.addSegments = append(e.addSegments, s.segments[n])
	}
	for _, n := range slices.Sorted(maps.Keys(s.keys)) {
		e.addKeys = append(e.addKeys, s.keys[n])
	}
	e.likeDerived = slices.Sorted(maps.Keys(s.likeDerived))
	return e
}

// encode writes an edit down, as docs/format/manifest.md has it.
func (e *edit) encode() []byte {
	var b []byte
	if e.walFloor > 0 || e.nextSeq > 0 || e.nextFile > 0 {
		b = append(b, opPosition)
		b = binary.AppendUvarint(b, e.walFloor)
		b = binary.AppendUvarint(b, e.nextSeq)
		b = binary.AppendUvarint(b, e.nextFile)
	}
	for _, f := range e.addSegments {
		b = append(b, opAddSegment)
		b = binary.AppendUvarint(b, f.number)
		b = binary.AppendUvarint(b, uint64(f.bytes))
		b = binary.AppendUvarint(b, uint64(len(f.parts)))
		for i := range f.parts {
			b = f.parts[i].appendTo(b)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(e.dropParts)) {
		b = append(b, opDropParts)
		b = binary.AppendUvarint(b, number)
		b = binary.AppendUvarint(b, uint64(len(e.dropParts[number])))
		for _, i := range e.dropParts[number] {
			b = binary.AppendUvarint(b, uint64(i))
		}
	}
	for _, k := range e.addKeys {
		b = append(b, opAddKeys)
		b = binary.AppendUvarint(b, k.number)
		b = binary.AppendUvarint(b, uint64(k.bytes))
		b = binary.AppendUvarint(b, uint64(k.count))
		b = binary.AppendVarint(b, k.tMin)
		b = binary.AppendVarint(b, k.tMax)
	}
	for _, n := range e.dropKeys {
		b = binary.AppendUvarint(append(b, opDropKeys), n)
	}
	for i := range e.addPurges {
		p := &e.addPurges[i]
		b = append(b, opAddPurge)
		b = p.appendTo(b)
		b = binary.AppendUvarint(b, p.upTo)
		b = binary.AppendUvarint(b, p.ordinal)
	}
	for _, n := range e.dropPurges {
		b = binary.AppendUvarint(append(b, opDropPurge), n)
	}
	for _, id := range e.likeDerived {
		b = appendBytes(append(b, opLikeDerived), id)
	}
	return b
}

func (p *partInfo) appendTo(b []byte) []byte {
	flags := byte(0)
	if p.dead {
		flags = 1
	}
	b = append(b, flags)
	b = appendBytes(b, p.tenant)
	b = binary.AppendVarint(b, int64(p.day))
	for _, n := range [...]int{p.rows, p.blocks, p.given} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = binary.AppendVarint(b, p.tMin)
	b = binary.AppendUvarint(b, uint64(p.tMax-p.tMin))
	b = binary.AppendUvarint(b, p.seqMin)
	b = binary.AppendUvarint(b, p.seqMax-p.seqMin)
	b = binary.AppendUvarint(b, uint64(p.bytes))
	b = binary.AppendUvarint(b, p.clean)
	b = binary.AppendUvarint(b, uint64(len(p.indices)))
	for _, i := range p.indices {
		b = appendBytes(b, i.name)
		b = appendBytes(b, i.cluster)
		b = appendBytes(b, i.namespace)
		b = binary.AppendUvarint(b, uint64(i.docs))
		b = binary.AppendUvarint(b, uint64(i.bytes))
	}
	return b
}

var errEdit = errors.New("edit does not read")

// decodeEdit reads what encode wrote. intern gives one copy of strings that
// come again and again.
func decodeEdit(b []byte, intern func([]byte) string) (*edit, error) {
	c := cursor{b: b}
	e := &edit{dropParts: map[uint64][]int{}}
	for len(c.b) > 0 {
		op := c.b[0]
		c.b = c.b[1:]
		switch op {
		case opPosition:
			e.walFloor, e.nextSeq, e.nextFile = c.uvarint(), c.uvarint(), c.uvarint()
			if e.nextSeq > seqMax+1 {
				c.bad = true
			}
		case opAddSegment:
			f := &segmentInfo{number: c.uvarint(), bytes: c.size()}
			for range c.count() {
				f.parts = append(f.parts, c.part(intern))
				if c.bad {
					return nil, errEdit
				}
			}
			e.addSegments = append(e.addSegments, f)
		case opDropParts:
			number := c.uvarint()
			for range c.count() {
				e.dropParts[number] = append(e.dropParts[number], c.int())
			}
		case opAddKeys:
			e.addKeys = append(e.addKeys, keysInfo{number: c.uvarint(), bytes: c.size(), count: c.int(), tMin: c.varint(), tMax: c.varint()})
		case opDropKeys:
			e.dropKeys = append(e.dropKeys, c.uvarint())
		case opAddPurge:
			p := c.purge(intern)
			p.upTo, p.ordinal = c.uvarint(), c.uvarint()
			e.addPurges = append(e.addPurges, *p)
		case opDropPurge:
			e.dropPurges = append(e.dropPurges, c.uvarint())
		case opLikeDerived:
			e.likeDerived = append(e.likeDerived, tenant.ID(intern(c.bytes())))
		default:
			c.bad = true
		}
		if c.bad {
			return nil, errEdit
		}
	}
	return e, nil
}

func (c *cursor) part(intern func([]byte) string) partInfo {
	if len(c.b) == 0 || c.b[0] > 1 {
		c.bad, c.b = true, nil
		return partInfo{}
	}
	p := partInfo{dead: c.b[0] == 1}
	c.b = c.b[1:]
	p.tenant = tenant.ID(intern(c.bytes()))
	p.day = int32(c.varint())
	p.rows, p.blocks, p.given = c.int(), c.int(), c.int()
	p.tMin = c.varint()
	p.tMax = p.tMin + int64(c.uvarint())
	p.seqMin = c.uvarint()
	p.seqMax = p.seqMin + c.uvarint()
	p.bytes = c.size()
	p.clean = c.uvarint()
	for range c.count() {
		p.indices = append(p.indices, indexStat{name: intern(c.bytes()), cluster: intern(c.bytes()), namespace: intern(c.bytes()), docs: c.size(), bytes: c.size()})
		if c.bad {
			return p
		}
	}
	if p.tMax < p.tMin || p.seqMax < p.seqMin || p.seqMax > seqMax {
		c.bad = true
	}
	return p
}

// int reads a count that takes no memory.
func (c *cursor) int() int { return int(c.size()) }

func (c *cursor) size() int64 {
	n := c.uvarint()
	if n > 1<<53 {
		c.bad, c.b = true, nil
		return 0
	}
	return int64(n)
}
