package store

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/maphash"
	"slices"
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

// keys are the batches of the last 24 h; their memory is freed by the hour. A
// platform takes thousands of batches a second, so a batch costs no
// more here than its hash and what a repetition is answered.
type keys struct {
	seeds [2]maphash.Seed
	hours []keysOfHour // oldest first
}

type keysOfHour struct {
	from  time.Time
	known map[hash]keyInfo
}

// keyInfo is what a repetition of the batch is told.
type keyInfo struct {
	first uint64
	at    int64  // of the commit, nanoseconds since the epoch
	items uint32 // 0: the seqs are not consecutive, and not told
}

func newKeys() keys {
	return keys{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}}
}

func (k *keys) hash(key string) hash {
	return hash{maphash.String(k.seeds[0], key), maphash.String(k.seeds[1], key)}
}

func (k *keys) get(key string, now time.Time) (keyInfo, bool) {
	h := k.hash(key)
	for _, hour := range slices.Backward(k.hours) {
		if info, ok := hour.known[h]; ok && now.Sub(time.Unix(0, info.at)) < keysKept {
			return info, true
		}
	}
	return keyInfo{}, false
}

func (k *keys) set(e batchEntry, at time.Time) {
	if e.key == "" {
		return
	}
	from := at.Truncate(time.Hour)
	i, ok := slices.BinarySearchFunc(k.hours, from, func(h keysOfHour, t time.Time) int { return h.from.Compare(t) })
	if !ok {
		k.hours = slices.Insert(k.hours, i, keysOfHour{from, map[hash]keyInfo{}})
	}
	k.hours[i].known[k.hash(e.key)] = e.info(at)
}

// expire forgets the hours that ended more than 24 h ago.
func (k *keys) expire(now time.Time) {
	n := 0
	for n < len(k.hours) && now.Sub(k.hours[n].from) >= keysKept+time.Hour {
		n++
	}
	k.hours = slices.Delete(k.hours, 0, n)
}

// storedKey is a key as frames hold it.
func storedKey(key string) string {
	if len(key) <= keyBytesMax {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}
