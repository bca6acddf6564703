package forward

import (
	"strconv"
	"sync"
)

// repeats tells a chunk that is sent again from a new one that is the same to the
// byte. The ids of Fluentd are unique. Those of Fluent Bit are hashes of the content:
// two flushes of the same lines within the same second, with times in whole seconds,
// have one id. What tells them apart is whether the sender got its answer. Fluent Bit
// waits for it before it uses the connection again, so who goes on has read it, and
// a chunk with that id which comes later is a new one.
//
// It is kept in memory and not for long, since equal times are not far apart. After a
// restart a chunk that comes again is known by the store, under any of its keys.
type repeats struct {
	mu       sync.Mutex
	now, old map[string]int // key as of the first time: how often it was answered beyond doubt
}

const repeatsMax = 16 << 10

// key gives the key that a chunk is to be stored under.
func (r *repeats) key(first string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.count(first); n > 0 {
		return first + "#" + strconv.Itoa(n)
	}
	return first
}

func (r *repeats) count(first string) int {
	if n, ok := r.now[first]; ok {
		return n
	}
	return r.old[first]
}

// answered notes that the sender has read the answer to the chunk of that key.
func (r *repeats) answered(key string) {
	first := key
	for i := range len(key) {
		if key[i] == '#' {
			first = key[:i]
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.count(first)
	if key != first && key != first+"#"+strconv.Itoa(n) || key == first && n > 0 {
		return // the same chunk on two connections at once: one of them counted
	}
	if r.now == nil || len(r.now) >= repeatsMax {
		r.now, r.old = make(map[string]int), r.now
	}
	r.now[first] = n + 1
}

// contentID reports an id of Fluent Bit's form: 16 bytes of a hash in base64, or in
// hexadecimal digits up to version 1.8. Fluentd's base64 ends with a newline.
func contentID(chunk []byte) bool {
	id, _ := text(chunk)
	switch len(id) {
	case 24:
		return id[22] == '=' && id[23] == '='
	case 32:
		for _, c := range id {
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
				return false
			}
		}
		return true
	}
	return false
}
