package journal

import (
	"strconv"
	"strings"
	"sync"

	"github.com/oriel-project/oriel/tenant"
)

// Loss is that entries of a journal never came.
type Loss struct {
	Namespace string // whose they would have been; "": not known, so the node's
	Node      string // _HOSTNAME
	Reason    string // LossGap or LossSuppressed
	Records   int
}

// The reasons of a Loss.
const (
	LossGap        = "journal_gap"
	LossSuppressed = "journald_suppressed"
)

// messageDropped is what journald says, once a burst of one unit is over.
const messageDropped = "a596d6fe7bfa4994828e72309e95d61e"

const lossesMax = 8 << 10 // journals, and containers, that are remembered

// losses remembers what is needed to tell that something never came.
type losses struct {
	mu         sync.Mutex
	last       recent[uint64] // number of the last entry, by who and the journal's seqnum id
	containers recent[string] // namespace, by container id
}

// recent is a map that forgets what is long past.
type recent[V any] struct{ now, old map[string]V }

func (r *recent[V]) get(k string) (V, bool) {
	v, ok := r.now[k]
	if !ok {
		v, ok = r.old[k]
	}
	return v, ok
}

func (r *recent[V]) set(k string, v V) {
	if r.now == nil || len(r.now) >= lossesMax {
		r.now, r.old = make(map[string]V), r.now
	}
	r.now[k] = v
}

// watch looks at an entry for signs that others are missing: numbers that were left
// out, as where they were removed before anybody read them, and journald's own word
// that a unit said more than it may. Only fields that journald itself sets count.
func (s *Intake) watch(w tenant.Write, fields []field) {
	l := &s.losses
	l.mu.Lock()
	defer l.mu.Unlock()
	if id, n, ok := sequence(valueOf(fields, "__CURSOR")); ok {
		key := w.Who() + "\x00" + id
		last, known := l.last.get(key)
		if known && n > last+1 {
			s.lose(w, Loss{Node: valueOf(fields, "_HOSTNAME"), Reason: LossGap, Records: int(min(n-last-1, 1<<31-1))})
		}
		if !known || n > last {
			l.last.set(key, n)
		}
	}
	if name := valueOf(fields, "CONTAINER_NAME"); name != "" && valueOf(fields, "_UID") == "0" {
		if m := podName.FindStringSubmatch(name); m != nil {
			if id := valueOf(fields, "CONTAINER_ID_FULL"); len(id) == 64 {
				if _, ok := l.containers.now[id]; !ok {
					l.containers.set(id, m[3])
				}
			}
		}
	}
	if valueOf(fields, "MESSAGE_ID") == messageDropped && valueOf(fields, "_TRANSPORT") == "driver" {
		if n, unit := suppressed(fields); n > 0 {
			s.lose(w, Loss{Namespace: l.namespaceOf(unit), Node: valueOf(fields, "_HOSTNAME"), Reason: LossSuppressed, Records: n})
		}
	}
}

func (s *Intake) lose(w tenant.Write, l Loss) {
	s.lost.WithLabelValues(strings.TrimPrefix(strings.TrimPrefix(l.Reason, "journal_"), "journald_")).Add(float64(l.Records))
	s.o.OnLoss(w, l)
}

// namespaceOf finds the container that a unit such as crio-conmon-ID.scope is of.
func (l *losses) namespaceOf(unit string) string {
	for part := range strings.FieldsFuncSeq(unit, func(r rune) bool { return r == '-' || r == '.' }) {
		if ns, ok := l.containers.get(part); ok && len(part) == 64 {
			return ns
		}
	}
	return ""
}

// suppressed reads how many messages of which unit journald did not take:
// "Suppressed 35 messages from docker.service".
func suppressed(fields []field) (n int, unit string) {
	count, rest, _ := strings.Cut(strings.TrimPrefix(valueOf(fields, "MESSAGE"), "Suppressed "), " ")
	_, unit, _ = strings.Cut(rest, "from ")
	if v := valueOf(fields, "N_DROPPED"); v != "" {
		count = v
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 0 {
		return 0, unit
	}
	return n, unit
}

// sequence reads a cursor, s=SEQNUM_ID;i=NUMBER;b=...: which journal, and which
// entry of it, in hexadecimal digits.
func sequence(cursor string) (id string, n uint64, ok bool) {
	for part := range strings.SplitSeq(cursor, ";") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "s":
			id = value
		case "i":
			var err error
			if n, err = strconv.ParseUint(value, 16, 64); err != nil {
				return "", 0, false
			}
			ok = true
		}
	}
	return id, n, ok && id != ""
}
