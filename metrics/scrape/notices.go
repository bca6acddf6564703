package scrape

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes"

	"github.com/oriel-project/oriel/internal/kubeevent"
)

// reasonNotScraped is the reason of our Events on pods and monitors.
const reasonNotScraped = "OrielNotScraped"

const (
	noticesWaitingMax = 4096
	noticeMax         = 10 * time.Second
	// noticesPerObject bounds what one object is told, whatever is wrong with it.
	noticesPerObject = 8
)

// notices tells owners of objects what of them is not done: an Event on the
// object, once for each sentence.
type notices struct {
	client  kubernetes.Interface
	log     *slog.Logger
	waiting chan kubeevent.Event
	written *prometheus.CounterVec

	mu   sync.Mutex                                 // guards told
	told map[corev1.ObjectReference]map[string]bool // sentences, by object
}

func newNotices(client kubernetes.Interface, log *slog.Logger) *notices {
	return &notices{
		client: client, log: log, waiting: make(chan kubeevent.Event, noticesWaitingMax),
		told: map[corev1.ObjectReference]map[string]bool{},
		written: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "oriel_scrape_events_total", Help: "Events to owners of pods and monitors about what is not scraped, by whether Kubernetes took them.",
		}, []string{"result"}),
	}
}

// say gives an object's owner what is wrong now; what was said before is not
// said again, unless it was mended meanwhile.
func (n *notices) say(object corev1.ObjectReference, sentences []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before := n.told[object]
	if len(sentences) == 0 {
		delete(n.told, object)
		return
	}
	now := make(map[string]bool, len(sentences))
	for _, s := range sentences[:min(len(sentences), noticesPerObject)] {
		now[s] = true
		if before[s] {
			continue
		}
		n.log.Warn("not_scraped", "kind", object.Kind, "namespace", object.Namespace, "name", object.Name, "reason", s)
		select {
		case n.waiting <- kubeevent.Event{Object: object, Reason: reasonNotScraped, Message: s, Warning: true, At: time.Now()}:
		default:
			delete(now, s) // too many at once: said the next time round
		}
	}
	n.told[object] = now
}

// keep forgets the objects that are not among those.
func (n *notices) keep(there map[corev1.ObjectReference]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for o := range n.told {
		if !there[o] {
			delete(n.told, o)
		}
	}
}

// run writes Events until ctx ends. One that Kubernetes does not take is
// counted, and said again after a restart at the latest.
func (n *notices) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-n.waiting:
			writing, cancel := context.WithTimeout(ctx, noticeMax)
			err := kubeevent.Write(writing, n.client, e)
			cancel()
			switch {
			case ctx.Err() != nil:
				return
			case err == nil:
				n.written.WithLabelValues("ok").Inc()
				continue
			case apierrors.IsNotFound(err), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
				n.written.WithLabelValues("gone").Inc()
				continue
			}
			n.written.WithLabelValues("failed").Inc()
			n.log.Warn("owner_not_told", "kind", e.Object.Kind, "namespace", e.Object.Namespace, "name", e.Object.Name, "err", err)
			if apierrors.IsForbidden(err) {
				continue // the same again would be refused again
			}
			n.mu.Lock()
			delete(n.told[e.Object], e.Message)
			n.mu.Unlock()
		}
	}
}
