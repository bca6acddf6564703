package store

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/vfs"
)

// tableOf writes a table of the keys k<from> to k<to-1>, a millisecond apart.
func tableOf(t testing.TB, fs vfs.FS, number uint64, from, to int) *keyTable {
	t.Helper()
	keys := map[hash]keyInfo{}
	for i := from; i < to; i++ {
		keys[keyHash(fmt.Sprint("k", i))] = keyInfo{first: uint64(i), at: noon.Add(time.Duration(i) * time.Millisecond).UnixNano(), items: uint32(i % 7)}
	}
	entries, tMin, tMax := entriesOf(keys, noon)
	i := 0
	table, err := writeKeyTable(fs, "logs", keysInfo{number: number, count: len(entries), tMin: tMin, tMax: tMax}, func() (keyEntry, bool, error) {
		if i++; i > len(entries) {
			return keyEntry{}, false, nil
		}
		return entries[i-1], true, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestKeyTable(t *testing.T) {
	for _, n := range []int{0, 1, keysPerPage, keysPerPage + 1, 5000} {
		fs := vfs.NewMem()
		_ = fs.MkdirAll("logs")
		written := tableOf(t, fs, 3, 0, n)
		table, err := openKeyTable(fs.Crash(nil), "logs", written.keysInfo)
		if err != nil {
			t.Fatal(err)
		}
		for i := range n {
			info, ok, err := table.get(keyHash(fmt.Sprint("k", i)))
			if want := (keyInfo{uint64(i), noon.Add(time.Duration(i) * time.Millisecond).UnixNano(), uint32(i % 7)}); !ok || err != nil || info != want {
				t.Fatalf("%d keys, key %d: %+v %v %v, want %+v", n, i, info, ok, err, want)
			}
		}
		false_ := 0
		for i := range 10_000 {
			h := keyHash(fmt.Sprint("other", i))
			if n > 0 && table.bloom.has(h) {
				false_++
			}
			if _, ok, err := table.get(h); ok || err != nil {
				t.Errorf("%d keys: a key that was never written is there (%v)", n, err)
			}
		}
		if false_ > 300 {
			t.Errorf("%d keys: the filter lets %d of 10,000 through", n, false_)
		}
	}
}

func TestMergeKeyTables(t *testing.T) {
	fs := vfs.NewMem()
	_ = fs.MkdirAll("logs")
	// The second has some keys of the first: what is newest counts.
	tables := keyTables{tableOf(t, fs, 1, 0, 1000), tableOf(t, fs, 2, 900, 2000), tableOf(t, fs, 3, 5000, 5001)}
	m, err := mergeKeyTables(fs, "logs", 4, tables)
	if err != nil {
		t.Fatal(err)
	}
	if m.count != 2001 {
		t.Errorf("%d keys, want 2001", m.count)
	}
	for _, i := range []int{0, 899, 900, 999, 1000, 1999, 5000} {
		if info, ok, err := m.get(keyHash(fmt.Sprint("k", i))); !ok || err != nil || info.first != uint64(i) {
			t.Errorf("key %d: %+v %v %v", i, info, ok, err)
		}
	}
}

func TestKeyTablesToMerge(t *testing.T) {
	table := func(hour time.Duration, count int) *keyTable {
		at := noon.Add(hour).UnixNano()
		return &keyTable{keysInfo: keysInfo{count: count, tMin: at, tMax: at}}
	}
	small := slices.Repeat(keyTables{table(0, 10)}, keyTablesMax)
	for what, c := range map[string]struct {
		tables keyTables
		now    time.Duration
		want   int
	}{
		"none":                 {nil, 0, 0},
		"few of this hour":     {small[:7], 0, 0},
		"eight of this hour":   {small, 0, 8},
		"of different sizes":   {append(keyTables{table(0, 100_000)}, small[:7]...), 0, 0},
		"two of an hour ago":   {small[:2], 3 * time.Hour, 2},
		"one of an hour ago":   {small[:1], 3 * time.Hour, 0},
		"of different hours":   {append(keyTables{table(-time.Hour, 10)}, small[:7]...), 0, 0},
		"of the hour before":   {small[:2], time.Hour, 0},
		"a damaged one stays":  {append(keyTables{{keysInfo: small[0].keysInfo, bad: true}}, small[0]), 3 * time.Hour, 0},
		"of an hour long past": {append(small, table(0, 100_000)), 5 * time.Hour, 9},
	} {
		if got := c.tables.toMerge(noon.Add(c.now)); len(got) != c.want {
			t.Errorf("%s: %d tables, want %d", what, len(got), c.want)
		}
	}
}

// FuzzKeyTable opens a table of any bytes; it must not panic, and finds what it has.
func FuzzKeyTable(f *testing.F) {
	fs := vfs.NewMem()
	_ = fs.MkdirAll("logs")
	table := tableOf(f, fs, 1, 0, 300)
	in, _ := fs.Open(table.name)
	b := make([]byte, table.bytes)
	_, _ = in.ReadAt(b, 0)
	f.Add(b, uint16(300))
	f.Add(b[:5000], uint16(300))
	f.Add([]byte(keysMagic), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, count uint16) {
		fs := vfs.NewMem()
		_ = fs.MkdirAll("logs")
		out, _ := fs.Create("logs/" + keysName(1))
		_, _ = out.WriteAt(bytes.Clone(data), 0)
		table, err := openKeyTable(fs, "logs", keysInfo{number: 1, count: int(count), bytes: int64(len(data))})
		if err != nil {
			return
		}
		for i := range 20 {
			_, _, _ = table.get(keyHash(fmt.Sprint("k", i)))
		}
	})
}
