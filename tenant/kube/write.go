package kube

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/oriel-project/oriel/internal/kubeevent"
	"github.com/oriel-project/oriel/tenant"
)

// The reasons of our Events on namespaces.
const (
	ReasonReady         = "OrielReady"
	ReasonRefused       = "OrielRefused"
	ReasonBadAnnotation = "OrielBadAnnotation"
)

const (
	writersMax     = 16 // at once
	writeMax       = 15 * time.Second
	writeRetryMin  = 100 * time.Millisecond
	writeRetryMax  = time.Minute
	statusBytesMax = 1000
)

// notice is what one namespace is to be told.
type notice struct {
	namespace string
	status    string // of the annotation; "" removes it
	reason    string // of an Event; "" for none
	message   string
}

// noticeState is what one namespace was told by this process.
type noticeState struct {
	statusKnown bool // else the annotation says what was told before
	status      string
	reason      string
	message     string
}

// plan turns a picture and central's decisions on it into notices, and queues
// the namespaces whose notice is new. Without a decision the notice stays.
func (w *Watcher) plan(p picture, decisions []tenant.Decision) {
	byUID := make(map[string]tenant.Decision, len(decisions))
	for _, d := range decisions {
		byUID[d.UID] = d
	}
	states := map[string]int{stateReady: 0, statePending: 0, stateRefused: 0, stateUndecided: 0}
	w.mu.Lock()
	defer w.mu.Unlock()
	next := make(map[string]notice, len(p.claims)+len(p.others))
	for uid, c := range p.claims {
		n, ok := w.notices[uid]
		if d, decided := byUID[uid]; decided {
			n, ok = decide(c, d), true
		}
		if !ok {
			states[stateUndecided]++
			continue
		}
		next[uid] = n
		states[n.state()]++
	}
	for _, o := range p.others {
		n := notice{namespace: o.namespace}
		if len(o.problems) > 0 {
			n.reason, n.message = ReasonBadAnnotation, strings.Join(o.problems, "; ")
		}
		next[o.uid] = n
	}
	if decisions != nil {
		for state, count := range states {
			w.telemetry.namespaces.WithLabelValues(state).Set(float64(count))
		}
	}
	for uid, n := range next {
		if before, ok := w.notices[uid]; !ok || before != n {
			w.queue.Add(uid)
		}
	}
	for uid := range w.told {
		if _, ok := next[uid]; !ok {
			delete(w.told, uid)
		}
	}
	w.notices = next
}

// decide words central's decision for the namespace's owner.
func decide(c tenant.Claim, d tenant.Decision) notice {
	n := notice{namespace: c.Namespace, status: clip(d.Status, statusBytesMax)}
	switch {
	case d.Status == tenant.StatusReady:
		n.reason = ReasonReady
		n.message = fmt.Sprintf("the namespace belongs to tenant %s: its window stands", d.Tenant)
	case pending(d):
	case len(c.Problems) > 0:
		n.reason, n.message = ReasonBadAnnotation, strings.Join(c.Problems, "; ")
	default:
		n.reason, n.message = ReasonRefused, d.Status
	}
	return n
}

func (n notice) state() string {
	switch n.reason {
	case ReasonReady:
		return stateReady
	case "":
		return statePending
	}
	return stateRefused
}

// writeAll delivers notices until the queue is shut down.
func (w *Watcher) writeAll(ctx context.Context) {
	for {
		uid, shutdown := w.queue.Get()
		if shutdown {
			return
		}
		if err := w.write(ctx, uid); err != nil && ctx.Err() == nil {
			w.queue.AddRateLimited(uid)
		} else {
			w.queue.Forget(uid)
		}
		w.queue.Done(uid)
	}
}

// write delivers one namespace's notice. An error means: try again later.
//
// It never fights: a status is written when what we have to say changes, not
// when somebody else changed or removed what we wrote.
func (w *Watcher) write(ctx context.Context, uid string) error {
	w.mu.Lock()
	n, ok := w.notices[uid]
	told := w.told[uid]
	w.mu.Unlock()
	if !ok {
		return nil
	}
	ns, err := w.lister.Get(n.namespace)
	if err != nil || string(ns.UID) != uid {
		return nil //nolint:nilerr // that life is over: nobody is left to be told
	}
	ctx, cancel := context.WithTimeout(ctx, writeMax)
	defer cancel()

	// After a restart the annotation tells what was said last.
	written := told.status
	if !told.statusKnown {
		written = ns.Annotations[w.statusKey]
	}
	if written != n.status {
		if err := w.writeStatus(ctx, uid, n); err != nil {
			return w.failed(ctx, objectStatus, "patch", "namespaces", n, err)
		}
		w.telemetry.writes.WithLabelValues(objectStatus).Inc()
	} else if !told.statusKnown && n.reason == ReasonReady {
		told.reason, told.message = n.reason, n.message // said in an earlier life of ours
	}
	told.statusKnown, told.status = true, n.status
	w.remember(uid, told)

	changed := n.reason != told.reason || n.message != told.message
	// Nothing can be created in a namespace that is going away.
	if changed && n.reason != "" && ns.DeletionTimestamp == nil {
		if err := kubeevent.Write(ctx, w.o.Client, w.event(uid, n)); err != nil {
			return w.failed(ctx, objectEvent, "create and patch", "events", n, err)
		}
		w.telemetry.writes.WithLabelValues(objectEvent).Inc()
	}
	told.reason, told.message = n.reason, n.message
	w.remember(uid, told)
	return nil
}

func (w *Watcher) remember(uid string, told noticeState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.notices[uid]; ok {
		w.told[uid] = told
	}
}

func (w *Watcher) writeStatus(ctx context.Context, uid string, n notice) error {
	var value any // null removes the annotation
	if n.status != "" {
		value = n.status
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         uid, // another life of the name refuses the patch
		"annotations": map[string]any{w.statusKey: value},
	}})
	if err != nil {
		return err
	}
	_, err = w.o.Client.CoreV1().Namespaces().Patch(ctx, n.namespace, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: kubeevent.Component})
	return err
}

// event words a notice on its namespace.
func (w *Watcher) event(uid string, n notice) kubeevent.Event {
	return kubeevent.Event{
		Object: corev1.ObjectReference{APIVersion: "v1", Kind: "Namespace", Name: n.namespace, Namespace: n.namespace, UID: types.UID(uid)},
		Reason: n.reason, Message: n.message, Warning: n.reason != ReasonReady, At: w.o.Clock(),
	}
}

// failed counts what Kubernetes did not take, and gives the error back if it is
// worth another try.
func (w *Watcher) failed(ctx context.Context, object, verb, resource string, n notice, err error) error {
	count := func(reason string) { w.telemetry.failures.WithLabelValues(object, reason).Inc() }
	switch {
	case apierrors.IsNotFound(err), isOtherLife(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		count("namespace_gone")
		return nil
	case apierrors.IsForbidden(err):
		count("forbidden")
		w.o.Logger.WarnContext(ctx, "namespace's owner not told", "namespace", n.namespace, "error", &Forbidden{verb, resource, false, err})
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		count("invalid")
		w.o.Logger.WarnContext(ctx, "namespace's owner not told", "namespace", n.namespace, "error", err)
		return nil // the same again would be refused again
	default:
		count("unavailable")
		w.o.Logger.WarnContext(ctx, "namespace's owner not told yet", "namespace", n.namespace, "error", err)
	}
	return err
}

// isOtherLife recognises how the API server refuses a patch whose UID is not the
// object's: the field is immutable.
func isOtherLife(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return false
	}
	return slices.ContainsFunc(status.Status().Details.Causes, func(c metav1.StatusCause) bool { return c.Field == "metadata.uid" })
}

// clip shortens s to bytesMax, at a boundary of a character.
func clip(s string, bytesMax int) string {
	const dots = "..."
	if len(s) <= bytesMax {
		return s
	}
	return strings.ToValidUTF8(s[:bytesMax-len(dots)], "") + dots
}
