package segment

// LabelMask says which of a block's labels count: a bit each, in the order of Labels.
type LabelMask uint8

// The labels.
const (
	LabelIndex LabelMask = 1 << iota
	LabelCluster
	LabelRegion
	LabelCloud
	LabelNamespace
	LabelContainer
)

// Only gives the labels that count, the others empty.
func (m LabelMask) Only(l Labels) Labels {
	for i, s := range [...]*string{&l.Index, &l.Cluster, &l.Region, &l.Cloud, &l.Namespace, &l.Container} {
		if m&(1<<i) == 0 {
			*s = ""
		}
	}
	return l
}

// Minutes are how many rows the blocks of a part with the same labels have in each
// minute. They are not changed.
type Minutes struct {
	Blocks int
	Rows   int
	Counts []MinuteCount // ascending; nil: not known
}

// minutesSpanMax bounds the minutes between the first and the last row of a part
// that is counted by minutes.
const minutesSpanMax = 1 << 13

// minutesKey is what is kept of a part for one mask.
type minutesKey struct {
	part *Part
	mask LabelMask
}

// Minutes counts all rows of the part by minute and by the labels that count. It
// is worked out once, for as long as the cache has room for it. It gives nil where
// it cannot be told.
func (p *CachedPart) Minutes(mask LabelMask) map[Labels]*Minutes {
	key := minutesKey{p.Part, mask}
	if known := p.cache.minutes(key); known != nil {
		return known
	}
	out := map[Labels]*Minutes{}
	dense := map[Labels][]uint32{}
	from, to := p.minuteSpan()
	if to-from >= minutesSpanMax {
		return nil
	}
	var counts []MinuteCount
	for i := range p.Len() {
		in := p.BlockInfo(i)
		if in.Rows == 0 {
			continue
		}
		l := mask.Only(in.Labels)
		of := out[l]
		if of == nil {
			of = &Minutes{}
			out[l], dense[l] = of, make([]uint32, to-from+1)
		}
		of.Blocks++
		of.Rows += in.Rows
		var err error
		counts, err = p.Block(i).Counts(counts[:0])
		sums := dense[l]
		if err != nil || len(counts) == 0 || sums == nil {
			// Not known of one block. One that does not read says so to whoever looks at it.
			dense[l] = nil
			continue
		}
		for _, c := range counts {
			if c.Minute < from || c.Minute > to {
				dense[l] = nil // it is corrupt
				break
			}
			sums[c.Minute-from] += c.Rows
		}
	}
	bytes := int64(256)
	for l, of := range out {
		bytes += 256
		for i, n := range dense[l] {
			if n > 0 {
				of.Counts = append(of.Counts, MinuteCount{Minute: from + int64(i), Rows: n})
			}
		}
		bytes += int64(cap(of.Counts)) * 16
	}
	p.cache.keepMinutes(key, out, bytes)
	return out
}

// minuteSpan gives the first and the last minute of the part.
func (p *Part) minuteSpan() (from, to int64) {
	for i := range p.Len() {
		in := p.BlockInfo(i)
		if in.Rows == 0 {
			continue
		}
		low, high := minuteOf(in.TimeMin), minuteOf(in.TimeMax)
		if from == 0 && to == 0 {
			from, to = low, high
		}
		from, to = min(from, low), max(to, high)
	}
	return from, to
}

func (c *Cache) minutes(key minutesKey) map[Labels]*Minutes {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(key); k != nil {
		return k.minutes
	}
	return nil
}

func (c *Cache) keepMinutes(key minutesKey, of map[Labels]*Minutes, bytes int64) {
	if c == nil || bytes > c.bytesMax/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.of(key); k == nil {
		c.add(key, bytes).minutes = of
	}
}
