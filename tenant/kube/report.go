package kube

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/oriel-project/oriel/tenant"
)

const (
	// coalesce gathers a burst of changes, such as a kubectl apply of many
	// namespaces, into one call.
	coalesce = 50 * time.Millisecond
	// While stages are under way central is asked again after askPending, else
	// after askSettled: decisions change without us, by an operator's grant say.
	askPending = time.Second
	askSettled = 15 * time.Second
	// Data of namespaces that are not decided wait 60 s at most.
	retryMin = 250 * time.Millisecond
	retryMax = 5 * time.Second
	callMax  = 30 * time.Second
)

// picture is what the namespaces say at one moment.
type picture struct {
	claims map[string]tenant.Claim // by UID
	others []other                 // the rest that needs a word
}

// other is a namespace without a tenant that carries something of ours: a
// misspelt annotation, or the status of an onboarding that is over.
type other struct {
	uid, namespace string
	problems       []string
}

// look reads the cache.
func (w *Watcher) look() picture {
	// The selector matches everything and the lister reads memory: no error.
	all, _ := w.lister.List(labels.Everything())
	p := picture{claims: map[string]tenant.Claim{}}
	for _, ns := range all {
		c, onboarded := tenant.ParseAnnotations(w.o.Prefix, ns.Annotations)
		uid := string(ns.UID)
		if onboarded {
			c.Namespace, c.UID, c.Created = ns.Name, uid, ns.CreationTimestamp.UTC()
			p.claims[uid] = c
			continue
		}
		if w.wantsWord(ns, c.Problems) {
			p.others = append(p.others, other{uid, ns.Name, c.Problems})
		}
	}
	return p
}

func (w *Watcher) wantsWord(ns *corev1.Namespace, problems []string) bool {
	if _, ok := ns.Annotations[w.statusKey]; ok || len(problems) > 0 {
		return true
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	// A status that was written a moment ago need not be in the cache yet.
	return w.told[string(ns.UID)].status != ""
}

// report tells central what changed, for as long as ctx lives.
func (w *Watcher) report(ctx context.Context) {
	var (
		known    map[string]tenant.Claim // what central acknowledged
		snapshot = true                  // central must hear everything
		version  uint64
		failures int
	)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		dirty := w.dirty
		if failures > 0 {
			dirty = nil // the retry will look at the newest state anyway
		}
		due := false
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			due = true
		case <-dirty:
			if !sleep(ctx, coalesce) {
				return
			}
		}
		// What was touched up to now is in the picture.
		select {
		case <-w.dirty:
		default:
		}
		now := w.look()
		w.plan(now, nil) // what needs no decision is said at once
		set, ended := difference(known, now.claims)
		if !due && !snapshot && len(set) == 0 && len(ended) == 0 {
			continue
		}
		version++
		decisions, err := w.tell(ctx, snapshot, version, now, set, ended)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			// A call that failed may have arrived or not, and central may have come
			// back without a memory: only a snapshot is sure.
			again := !snapshot && errors.Is(err, tenant.ErrStaleRoster)
			snapshot = true
			if again {
				timer.Reset(0)
				continue
			}
			if failures++; failures == 1 {
				w.o.Logger.WarnContext(ctx, "central did not take the roster: trying again", "error", err)
			}
			timer.Reset(backoff(failures))
			continue
		}
		if failures > 0 {
			w.o.Logger.InfoContext(ctx, "central took the roster again", "failures", failures)
		}
		known, snapshot, failures = now.claims, false, 0
		w.plan(now, decisions)
		if w.o.OnDecisions != nil {
			w.o.OnDecisions(decisions)
		}
		if slices.ContainsFunc(decisions, pending) {
			timer.Reset(askPending)
		} else {
			timer.Reset(askSettled)
		}
	}
}

func (w *Watcher) tell(ctx context.Context, snapshot bool, version uint64, now picture, set []tenant.Claim, ended []string) ([]tenant.Decision, error) {
	ctx, cancel := context.WithTimeout(ctx, callMax)
	defer cancel()
	var (
		decisions []tenant.Decision
		err       error
		call      = callChanges
	)
	if snapshot {
		call = callSnapshot
		decisions, err = w.o.Roster.Snapshot(ctx, w.o.Cluster, version, ordered(slices.Collect(maps.Values(now.claims))))
	} else {
		decisions, err = w.o.Roster.Changes(ctx, w.o.Cluster, version, set, ended)
	}
	result := resultOK
	switch {
	case errors.Is(err, tenant.ErrStaleRoster):
		result = resultStale
	case err != nil:
		result = resultFailed
	}
	w.telemetry.calls.WithLabelValues(call, result).Inc()
	return decisions, err
}

// difference gives what is new or changed, ordered by namespace, and the UIDs
// that are gone, ordered.
func difference(known, now map[string]tenant.Claim) (set []tenant.Claim, ended []string) {
	for uid, c := range now {
		if before, ok := known[uid]; !ok || !reflect.DeepEqual(before, c) {
			set = append(set, c)
		}
	}
	for uid := range known {
		if _, ok := now[uid]; !ok {
			ended = append(ended, uid)
		}
	}
	slices.Sort(ended)
	return ordered(set), ended
}

func ordered(claims []tenant.Claim) []tenant.Claim {
	slices.SortFunc(claims, func(a, b tenant.Claim) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.UID, b.UID))
	})
	return claims
}

func pending(d tenant.Decision) bool { return strings.HasPrefix(d.Status, "pending") }

// backoff doubles from retryMin to retryMax; a random fifth more keeps the
// agents of many clusters from coming back to central in step.
func backoff(failures int) time.Duration {
	d := retryMax
	if failures < 8 {
		d = min(retryMax, retryMin<<(failures-1))
	}
	return d + rand.N(d/5)
}

// sleep reports false if ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
