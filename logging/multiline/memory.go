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
	results map[int]logging.ItemResult
	answer  []logging.ItemResult // set when all of it is durable, where there are such
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
	if len(m.results) > 0 {
		m.answer, m.results = out, nil
	}
}

// repeated answers a batch all of which is durable; nil else.
func (m *memo) repeated(n int) []logging.ItemResult {
	if m == nil {
		return nil
	}
	m.j.mu.Lock()
	defer m.j.mu.Unlock()
	if len(m.answer) != n || n == 0 {
		return nil
	}
	out := make([]logging.ItemResult, n)
	for i, r := range m.answer {
		if r.Status == logging.Stored {
			r.Status = logging.Duplicate
		}
		out[i] = r
	}
	return out
}
