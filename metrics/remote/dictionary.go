package remote

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/storage"
)

const (
	// sweepEvery is how often the dictionary is looked through. Where more than
	// half of its series were not written meanwhile, a new one is begun.
	sweepEvery = 10 * time.Minute
	// sweepFloor is how many such series are not worth it.
	sweepFloor = 4096
	// slotBits of a reference are a series' number in its dictionary; the others
	// tell dictionaries apart.
	slotBits = 40
)

// dictionary keeps the series that an agent writes, each spelled once: a list of
// numbers of labels, which are pairs of numbers of strings. A scraper gives a series'
// reference with each of its samples, and nothing of its labels is looked at
// again. What was added never changes, so it is read without a lock. A dictionary
// only grows; dictionaries begins another one in time.
type dictionary struct {
	number uint64 // above slotBits in references
	view   atomic.Pointer[view]

	mu         sync.Mutex // guards what follows
	symbols    map[string]uint32
	pairs      map[pair]uint32
	namespaces map[string]*namespace
	families   map[metadata.Metadata]*family
	byHash     map[uint64]uint32 // of labels: the first series of it
	seen       []uint64          // a bit for each series: written since the last sweep
	scratch    []byte
}

// view is what a dictionary held at one moment; its slices are only read.
type view struct {
	symbols []string
	pairs   []pair
	series  []knownLabels
}

// pair is a label: its name and its value among the symbols.
type pair struct{ name, value uint32 }

// knownLabels is one series.
type knownLabels struct {
	pairs     string // their numbers, as uvarints
	namespace *namespace
	family    *family // that it was first seen with; nil: none
}

type namespace struct{ name string }

// family is what a metric says of itself.
type family struct {
	metadata.Metadata
	help, unit uint32 // symbols
}

func newDictionary(number uint64) *dictionary {
	d := &dictionary{
		number: number, symbols: map[string]uint32{"": 0}, pairs: map[pair]uint32{}, namespaces: map[string]*namespace{},
		families: map[metadata.Metadata]*family{}, byHash: map[uint64]uint32{},
	}
	d.view.Store(&view{symbols: []string{""}})
	return d
}

// find gives the series that ref stands for, and false where it is none of this
// dictionary.
func (d *dictionary) find(ref storage.SeriesRef) (uint32, bool) {
	if ref == 0 || uint64(ref>>slotBits) != d.number {
		return 0, false
	}
	slot := uint64(ref & (1<<slotBits - 1))
	return uint32(slot), slot < uint64(len(d.view.Load().series))
}

func (d *dictionary) ref(slot uint32) storage.SeriesRef {
	return storage.SeriesRef(d.number<<slotBits | uint64(slot))
}

// add gives the number of a series, which is made unless it is there.
func (d *dictionary) add(ls labels.Labels, md metadata.Metadata) uint32 {
	hash := ls.Hash()
	d.mu.Lock()
	defer d.mu.Unlock()
	v := *d.view.Load()
	d.scratch = d.scratch[:0]
	ls.Range(func(l labels.Label) {
		p := pair{d.symbol(&v, l.Name), d.symbol(&v, l.Value)}
		n, ok := d.pairs[p]
		if !ok {
			n = uint32(len(v.pairs))
			v.pairs = append(v.pairs, p)
			d.pairs[p] = n
		}
		d.scratch = binary.AppendUvarint(d.scratch, uint64(n))
	})
	slot, there := d.byHash[hash]
	if there && v.series[slot].pairs == string(d.scratch) {
		return slot
	}
	slot = uint32(len(v.series))
	if !there {
		d.byHash[hash] = slot
	}
	v.series = append(v.series, knownLabels{pairs: string(d.scratch), namespace: d.namespaceOf(ls.Get("namespace")), family: d.familyOf(&v, md)})
	if int(slot)/64 >= len(d.seen) {
		d.seen = append(d.seen, 0)
	}
	d.view.Store(&v)
	return slot
}

// family gives what stands for md.
func (d *dictionary) family(md metadata.Metadata) *family {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := *d.view.Load()
	f := d.familyOf(&v, md)
	d.view.Store(&v)
	return f
}

func (d *dictionary) familyOf(v *view, md metadata.Metadata) *family {
	if md.IsEmpty() {
		return nil
	}
	f := d.families[md]
	if f == nil {
		md = metadata.Metadata{Type: md.Type, Help: strings.Clone(md.Help), Unit: strings.Clone(md.Unit)}
		f = &family{Metadata: md, help: d.symbol(v, md.Help), unit: d.symbol(v, md.Unit)}
		d.families[md] = f
	}
	return f
}

func (d *dictionary) namespaceOf(name string) *namespace {
	n := d.namespaces[name]
	if n == nil {
		n = &namespace{strings.Clone(name)}
		d.namespaces[n.name] = n
	}
	return n
}

func (d *dictionary) symbol(v *view, s string) uint32 {
	n, ok := d.symbols[s]
	if !ok {
		n, s = uint32(len(v.symbols)), strings.Clone(s) // the caller's is a part of something larger
		v.symbols = append(v.symbols, s)
		d.symbols[s] = n
	}
	return n
}

// wrote notes that the series were written.
func (d *dictionary) wrote(rows []row) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range rows {
		d.seen[rows[i].slot/64] |= 1 << (rows[i].slot % 64)
	}
}

// worn reports whether most series were not written since the last time.
func (d *dictionary) worn() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for i, w := range d.seen {
		n += bits.OnesCount64(w)
		d.seen[i] = 0
	}
	return len(d.view.Load().series) > 2*n+sweepFloor
}

// dictionaries gives the one that is written with now.
type dictionaries struct {
	mu    sync.Mutex // guards what follows
	now   *dictionary
	swept time.Time
}

func (d *dictionaries) at(now time.Time) *dictionary {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.now == nil:
		d.now, d.swept = newDictionary(1), now
	case now.Sub(d.swept) >= sweepEvery:
		if d.now.worn() {
			// Transactions that are under way end with the old one; its references
			// are none of the new one, and scrapers give labels with them.
			d.now = newDictionary(d.now.number + 1)
		}
		d.swept = now
	}
	return d.now
}
