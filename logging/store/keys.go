package store

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
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

// get looks a key up, newest tables first. What is corrupt or gone is handed to
// damaged and passed over; an error is one that may pass, such as of a process
// that has too many files open.
func (ts keyTables) get(h hash, now time.Time, damaged func(*keyTable, error)) (keyInfo, bool, error) {
	for _, t := range slices.Backward(ts) {
		info, ok, err := t.get(h)
		if err = lost(err); errors.Is(err, errKeys) || errors.Is(err, segment.ErrCorrupt) {
			damaged(t, err)
			continue
		}
		if err != nil {
			return keyInfo{}, false, fmt.Errorf("%w: look up a batch key: %w", logging.ErrUnavailable, err)
		}
		if ok && info.inTime(now) {
			return info, true, nil
		}
	}
	return keyInfo{}, false, nil
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

// mergeKeys makes fewer tables of batch keys where there are many.
func (s *Store) mergeKeys() error {
	s.merging.Lock()
	defer s.merging.Unlock()
	for {
		s.mu.RLock()
		tables := s.keyTables.toMerge(s.opts.Clock())
		s.mu.RUnlock()
		if tables == nil {
			return nil
		}
		table, err := mergeKeyTables(s.fs, s.dir, s.nextFile.Add(1)-1, tables)
		if err != nil {
			if errors.Is(err, errKeys) {
				s.mu.Lock()
				for _, t := range tables {
					t.bad = true // it is told when a key is looked up in it, and goes when it is old
				}
				s.mu.Unlock()
				continue
			}
			return s.mergeFailed("keys", err)
		}
		e := &edit{addKeys: []keysInfo{table.keysInfo}}
		for _, t := range tables {
			e.dropKeys = append(e.dropKeys, t.number)
		}
		if err := s.advance(e, func() { s.replaceKeys(e.dropKeys, table) }); err != nil {
			return s.mergeFailed("keys", err)
		}
		s.removeKeys(e.dropKeys)
	}
}

// replaceKeys changes the present tables; the lock is held.
func (s *Store) replaceKeys(drop []uint64, add *keyTable) {
	s.keyTables = slices.DeleteFunc(slices.Clone(s.keyTables), func(t *keyTable) bool { return slices.Contains(drop, t.number) })
	if add != nil {
		s.keyTables = append(s.keyTables, add)
		slices.SortFunc(s.keyTables, func(a, b *keyTable) int { return cmp.Compare(a.tMax, b.tMax) })
	}
}

// removeKeys deletes tables that are no more in the manifest, once no lookup is
// under way that may have seen them.
func (s *Store) removeKeys(numbers []uint64) {
	s.lookups.Lock()
	defer s.lookups.Unlock()
	for _, n := range numbers {
		name := filepath.Join(s.dir, keysName(n))
		if err := removeIfThere(s.fs, name); err != nil {
			s.opts.OnEvent(Event{Kind: EventDeleteError, File: name, Err: err})
		}
	}
}
