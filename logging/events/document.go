package events

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"

	"github.com/oriel-project/oriel/logging"
)

// stream tells records of Events from what containers write.
const stream = "events"

// document is an Event as a record. Its fields are those of events.k8s.io/v1,
// and the message is its note.
type document struct {
	Message             string     `json:"message"`
	Level               string     `json:"level"`
	Stream              string     `json:"stream"`
	Type                string     `json:"type,omitempty"`
	Reason              string     `json:"reason,omitempty"`
	Action              string     `json:"action,omitempty"`
	Count               int32      `json:"count"`
	Regarding           object     `json:"regarding"`
	Related             *object    `json:"related,omitempty"`
	ReportingController string     `json:"reportingController,omitempty"`
	ReportingInstance   string     `json:"reportingInstance,omitempty"`
	First               *time.Time `json:"firstTimestamp,omitempty"`
	Last                *time.Time `json:"lastTimestamp,omitempty"`
	Event               identity   `json:"event"`
	Kubernetes          *place     `json:"kubernetes,omitempty"`
}

type object struct {
	APIVersion string `json:"apiVersion,omitempty"`
	Kind       string `json:"kind,omitempty"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name,omitempty"`
	UID        string `json:"uid,omitempty"`
	FieldPath  string `json:"fieldPath,omitempty"`
}

type identity struct {
	Name            string `json:"name"`
	UID             string `json:"uid"`
	ResourceVersion string `json:"resourceVersion"`
}

type place struct {
	Namespace string `json:"namespace_name,omitempty"`
	Pod       string `json:"pod_name,omitempty"`
	PodID     string `json:"pod_id,omitempty"`
	Container string `json:"container_name,omitempty"`
	Host      string `json:"host,omitempty"`
}

// rawOf makes the record of an Event. The namespace is that of the Event itself,
// which Kubernetes holds to be that of what it is about; an Event about something
// outside any namespace is a node's or the cluster's own.
func rawOf(e *eventsv1.Event, who string) logging.Raw {
	d := document{
		Message: strings.TrimSpace(e.Note), Level: logging.LevelInfo, Stream: stream,
		Type: e.Type, Reason: e.Reason, Action: e.Action, Count: max(1, e.DeprecatedCount),
		Regarding:           objectOf(&e.Regarding),
		ReportingController: cmp.Or(e.ReportingController, e.DeprecatedSource.Component),
		ReportingInstance:   e.ReportingInstance,
		Event:               identity{e.Name, string(e.UID), e.ResourceVersion},
	}
	if e.Type == corev1.EventTypeWarning {
		d.Level = logging.LevelWarn
	}
	if e.Related != nil {
		related := objectOf(e.Related)
		d.Related = &related
	}
	first := firstOf(e.DeprecatedFirstTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time)
	last := firstOf(e.DeprecatedLastTimestamp.Time, e.EventTime.Time, first)
	if e.Series != nil {
		d.Count = max(d.Count, e.Series.Count)
		last = firstOf(e.Series.LastObservedTime.Time, last)
	}
	d.First, d.Last = timeOrNone(first), timeOrNone(last)
	k := place{Host: e.DeprecatedSource.Host}
	if e.Regarding.Namespace != "" {
		k.Namespace = e.Namespace
	}
	switch e.Regarding.Kind {
	case "Pod":
		k.Pod, k.PodID = e.Regarding.Name, string(e.Regarding.UID)
		k.Container = containerOf(e.Regarding.FieldPath)
	case "Node":
		k.Host = cmp.Or(k.Host, e.Regarding.Name)
	}
	if k.Host == "" && d.ReportingController == "kubelet" {
		k.Host = e.ReportingInstance
	}
	if k != (place{}) {
		d.Kubernetes = &k
	}
	source, err := json.Marshal(d)
	if err != nil {
		panic(err) // there is nothing in it that cannot be marshalled
	}
	h := sha256.Sum256([]byte(who + "\x00event\x00" + string(e.UID) + "\x00" + e.ResourceVersion))
	return logging.Raw{
		Source: source, Time: last, ID: hex.EncodeToString(h[:16]),
		Node: e.Regarding.Namespace == "", AddFields: true,
	}
}

func objectOf(o *corev1.ObjectReference) object {
	return object{o.APIVersion, o.Kind, o.Namespace, o.Name, string(o.UID), o.FieldPath}
}

func firstOf(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t.UTC()
		}
	}
	return time.Time{}
}

func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// containerOf reads spec.containers{NAME}, spec.initContainers{NAME} and the like.
func containerOf(path string) string {
	_, rest, ok := strings.Cut(path, "ontainers{")
	if name, found := strings.CutSuffix(rest, "}"); ok && found {
		return name
	}
	return ""
}
