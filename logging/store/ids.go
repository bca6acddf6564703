package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// hash is 128 bits under seeds that nobody outside knows, so that nobody can
// make two ids meet.
type hash [2]uint64

// ids knows where the records are whose ids were given by their senders.
type ids struct {
	seeds [2]maphash.Seed
	at    map[hash]uint64 // seq
	// likeDerived is set once a given id looks like a derived one: from then on
	// derived ids must be checked too.
	likeDerived bool
}

func newIDs() ids {
	return ids{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, at: map[hash]uint64{}}
}

func (x *ids) hash(id tenant.ID, index, docID string) hash {
	var h hash
	var m maphash.Hash
	for i, seed := range x.seeds {
		m.SetSeed(seed)
		for _, part := range [...]string{string(id), index, docID} {
			_, _ = m.WriteString(part)
			_ = m.WriteByte(0xff) // in no UTF-8 string: parts do not run together
		}
		h[i] = m.Sum64()
	}
	return h
}

// set notes a given id.
func (x *ids) set(h hash, docID string, seq uint64) {
	x.at[h] = seq
	if _, ok := logging.ParseDerivedID(docID); ok {
		x.likeDerived = true
	}
}

// forget drops the ids of a file.
func (x *ids) forget(first, last uint64) {
	for h, seq := range x.at {
		if first <= seq && seq <= last {
			delete(x.at, h)
		}
	}
}

// keys are the batches of the last 24 h.
type keys struct {
	known map[string]keyInfo
	order []string // by time
}

type keyInfo struct {
	at    time.Time
	batch batchEntry
}

func newKeys() keys { return keys{known: map[string]keyInfo{}} }

func (k *keys) set(e batchEntry, at time.Time) {
	if e.key == "" {
		return
	}
	if _, ok := k.known[e.key]; !ok {
		k.order = append(k.order, e.key)
	}
	k.known[e.key] = keyInfo{at, e}
}

// expire forgets what is older than 24 h.
func (k *keys) expire(now time.Time) {
	n := 0
	for n < len(k.order) && now.Sub(k.known[k.order[n]].at) >= keysKept {
		delete(k.known, k.order[n])
		n++
	}
	k.order = k.order[n:]
}

// storedKey is a key as frames hold it.
func storedKey(key string) string {
	if len(key) <= keyBytesMax {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
