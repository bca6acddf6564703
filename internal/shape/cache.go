package shape

import "sync"

// cacheBytesMax is about the memory of one generation of a Cache, of which
// there are two.
const cacheBytesMax = 4 << 20

// Cache keeps the shapes seen lately, each once, so that they are told apart by
// their pointers. It forgets those that were not asked for while some 4 MiB of
// others were. The zero Cache is empty. Safe for concurrent use.
type Cache struct {
	mu    sync.Mutex // guards what follows
	young map[string]*Shape
	old   map[string]*Shape
	bytes int // of young
}

// get gives the shape of a skeleton, which a scanner made; nil where the
// document is irregular. known tells that it was there before.
func (c *Cache) get(skeleton []byte) (s *Shape, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s, ok := c.young[string(skeleton)]; ok {
		return s, true
	}
	s, known = c.old[string(skeleton)]
	if !known {
		var err error
		if s, err = Parse(skeleton); err != nil {
			return nil, false
		}
	}
	if c.bytes > cacheBytesMax || c.young == nil {
		c.old, c.young, c.bytes = c.young, map[string]*Shape{}, 0
	}
	c.young[s.skeleton] = s
	c.bytes += s.Size()
	return s, known
}
