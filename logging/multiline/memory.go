package multiline

import "github.com/oriel-project/oriel/logging"

// memory knows the batches with a key that came lately, for those that come again:
// since the store was busy, or the answer was lost. It is this process' own. After a
// restart a batch that was not answered may be cut otherwise: then lines may be
// there twice, and none is missing.
type memory struct {
	now, old map[string]*memo // by key; guarded by Joiner.mu
}

const memoryMax = 16 << 10

// memo is what is known of a batch. A nil one is of a batch without a key, which
// nobody recognises.
type memo struct {
	j *Joiner // whose mu guards what follows
	// results of the records that are durable as a part of a record with lines of
	// another batch, by place.
	results  map[int]logging.ItemResult
	answered int                        // records; set when all of them are durable, where there are such
	refused  map[int]logging.ItemResult // of them
}

// memoOf gives the memo of a key, and whether it came before.
func (j *Joiner) memoOf(key string) (m *memo, again bool) {
	if key == "" {
		return nil, false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if m = j.now[key]; m == nil {
		m = j.old[key]
	}
	if m != nil {
		return m, true
	}
	if j.now == nil || len(j.now) >= memoryMax {
		j.now, j.old = make(map[string]*memo), j.now
	}
	m = &memo{j: j}
	j.now[key] = m
	return m, false
}

// stored notes a record that is durable.
func (m *memo) stored(place int, result logging.ItemResult) {
	if m == nil {
		return
	}
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	if m.results == nil {
		m.results = map[int]logging.ItemResult{}
	}
	m.results[place] = result
}

// at gives what stored was told. Joiner.mu is held.
func (m *memo) at(place int) (logging.ItemResult, bool) {
	if m == nil {
		return logging.ItemResult{}, false
	}
	r, ok := m.results[place]
	return r, ok
}

func (m *memo) nothing() bool {
	if m == nil {
		return true
	}
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	return len(m.results) == 0
}

// done notes that all of the batch is durable.
func (m *memo) done(out []logging.ItemResult) {
	if m == nil {
		return
	}
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	if len(m.results) == 0 {
		return
	}
	m.answered, m.results = len(out), nil
	for i, r := range out {
		if r.Status == logging.Refused {
			if m.refused == nil {
				m.refused = map[int]logging.ItemResult{}
			}
			m.refused[i] = r
		}
	}
}

// repeated answers a batch all of which is durable; nil else.
func (m *memo) repeated(records []logging.Record) []logging.ItemResult {
	if m == nil || len(records) == 0 {
		return nil
	}
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	if m.answered != len(records) {
		return nil
	}
	out := make([]logging.ItemResult, len(records))
	for i := range out {
		out[i] = logging.ItemResult{Status: logging.Duplicate, ID: records[i].ID}
		if r, ok := m.refused[i]; ok {
			out[i] = r
		}
	}
	return out
}
