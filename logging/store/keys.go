package store

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"time"
)

// keyInfo is what a repetition of the batch is told.
type keyInfo struct {
	first uint64
	at    int64  // of the commit, nanoseconds since the epoch
	items uint32 // 0: the seqs are not consecutive, and not told
}

// keyHash is a key in memory and in tables. It is one that nobody can make two
// keys meet in, since a key that is taken for another loses a batch.
func keyHash(key string) hash {
	sum := sha256.Sum256([]byte(key))
	return hash{binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])}
}

// storedKey is a key as frames hold it.
func storedKey(key string) string {
	if len(key) <= keyBytesMax {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// inTime reports whether a key is still remembered.
func (i keyInfo) inTime(now time.Time) bool { return now.Sub(time.Unix(0, i.at)) < keysKept }

// entriesOf gives the keys of a generation that are still remembered, in the
// order of a table.
func entriesOf(keys map[hash]keyInfo, now time.Time) (entries []keyEntry, tMin, tMax int64) {
	for h, info := range keys {
		if !info.inTime(now) {
			continue
		}
		if len(entries) == 0 {
			tMin, tMax = info.at, info.at
		}
		tMin, tMax = min(tMin, info.at), max(tMax, info.at)
		entries = append(entries, keyEntry{h, info})
	}
	slices.SortFunc(entries, byHash)
	return entries, tMin, tMax
}

// hourOf groups tables that are merged with each other: those of one hour go
// together when they expire.
func hourOf(nanos int64) int64 { return nanos / int64(time.Hour) }

// keyTables are the tables of the last 24 h. Only the writer looks keys up, and
// it sees the tables of one moment.
type keyTables []*keyTable

// get looks a key up, newest tables first. What does not read is handed to
// damaged and passed over.
func (ts keyTables) get(h hash, now time.Time, damaged func(*keyTable, error)) (keyInfo, bool) {
	for _, t := range slices.Backward(ts) {
		info, ok, err := t.get(h)
		if err != nil {
			damaged(t, err)
			continue
		}
		if ok && info.inTime(now) {
			return info, true
		}
	}
	return keyInfo{}, false
}

// expired gives the tables whose every key is forgotten.
func (ts keyTables) expired(now time.Time) (numbers []uint64) {
	for _, t := range ts {
		if now.Sub(time.Unix(0, t.tMax)) >= keysKept+time.Hour {
			numbers = append(numbers, t.number)
		}
	}
	return numbers
}

// toMerge gives tables of one hour that should become one: eight of the
// newest hour that are of a size, or all of an hour that is over.
func (ts keyTables) toMerge(now time.Time) keyTables {
	by := map[int64]keyTables{}
	for _, t := range ts {
		if !t.bad {
			by[hourOf(t.tMin)] = append(by[hourOf(t.tMin)], t)
		}
	}
	for hour, tables := range by {
		if hourOf(now.UnixNano()) > hour+1 && len(tables) > 1 {
			return tables[:min(len(tables), 4*keyTablesMax)]
		}
		tiers := map[int]keyTables{}
		for _, t := range tables {
			tier := 0
			for n := t.count / 1024; n > 0; n /= keyTablesMax {
				tier++
			}
			if tiers[tier] = append(tiers[tier], t); len(tiers[tier]) == keyTablesMax {
				return tiers[tier]
			}
		}
	}
	return nil
}
