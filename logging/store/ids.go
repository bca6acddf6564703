package store

import (
	"hash/maphash"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// hash is 128 bits of a key or an id, such that nobody can make two meet.
type hash [2]uint64

// seeds make hashes of ids: they are only in memory.
type seeds [2]maphash.Seed

func newSeeds() seeds { return seeds{maphash.MakeSeed(), maphash.MakeSeed()} }

func (x *seeds) hash(id tenant.ID, index, docID string) hash {
	var h hash
	var m maphash.Hash
	for i, seed := range x {
		m.SetSeed(seed)
		for _, part := range [...]string{string(id), index, docID} {
			_, _ = m.WriteString(part)
			_ = m.WriteByte(0xff) // in no UTF-8 string: parts do not run together
		}
		h[i] = m.Sum64()
	}
	return h
}

// givenID is where a record with a given id is, and what tells whether it shows.
type givenID struct {
	seq                uint64
	time               int64
	cluster, namespace string
}

func givenOf(r *logging.Record) givenID {
	return givenID{r.Seq, r.Time.UnixNano(), r.Cluster, r.Namespace}
}

// generation is what must be known of the records of some log files beside
// themselves, as long as they are not in segments: the given ids and the batch
// keys. The last one is the writer's; those before do not change.
type generation struct {
	logTo       uint64 // last log file; of the writer's: not yet known
	ids         map[hash]givenID
	keys        map[hash]keyInfo
	likeDerived map[tenant.ID]bool // tenants that gave ids of the form of derived ones
	purges      []purge
}

func newGeneration() *generation {
	return &generation{ids: map[hash]givenID{}, keys: map[hash]keyInfo{}, likeDerived: map[tenant.ID]bool{}}
}

// note takes a given id in.
func (g *generation) note(h hash, r *logging.Record) {
	g.ids[h] = givenOf(r)
	if _, ok := logging.ParseDerivedID(r.ID); ok {
		g.likeDerived[r.Tenant] = true
	}
}
