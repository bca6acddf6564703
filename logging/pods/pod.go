package pods

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// pod is one life of a pod, as it is kept. It is not changed any more.
type pod struct {
	UID        string            `json:"uid"`
	Namespace  string            `json:"namespace"`
	Name       string            `json:"name"`
	Node       string            `json:"node,omitempty"`
	Labels     json.RawMessage   `json:"labels,omitempty"`
	OwnerKind  string            `json:"owner_kind,omitempty"`
	OwnerName  string            `json:"owner_name,omitempty"`
	Containers map[string]string `json:"containers,omitempty"` // id -> name
	Created    time.Time         `json:"created"`
	Deleted    time.Time         `json:"deleted,omitzero"`
}

func (p *pod) over() bool { return !p.Deleted.IsZero() }

func (p *pod) equal(q *pod) bool {
	return p.UID == q.UID && p.Node == q.Node && bytes.Equal(p.Labels, q.Labels) && p.OwnerKind == q.OwnerKind &&
		p.OwnerName == q.OwnerName && maps.Equal(p.Containers, q.Containers)
}

// containersMax bounds the ids of one pod: one whose containers start again and
// again has a new id each time.
const containersMax = 64

// addContainers keeps the ids of containers that are gone.
func (p *pod) addContainers(before map[string]string) {
	for id, name := range before {
		if len(p.Containers) >= containersMax {
			return
		}
		if _, ok := p.Containers[id]; !ok {
			if p.Containers == nil {
				p.Containers = map[string]string{}
			}
			p.Containers[id] = name
		}
	}
}

func podOf(p *corev1.Pod) *pod {
	out := &pod{
		UID: string(p.UID), Namespace: p.Namespace, Name: p.Name, Node: p.Spec.NodeName, Created: p.CreationTimestamp.UTC(),
	}
	if len(p.Labels) > 0 {
		if b, err := json.Marshal(p.Labels); err == nil && len(b) <= labelsBytesMax {
			out.Labels = b
		}
	}
	out.OwnerKind, out.OwnerName = ownerOf(p)
	for _, c := range p.Status.ContainerStatuses {
		// containerd://ID, docker://ID, cri-o://ID
		if _, id, ok := strings.Cut(c.ContainerID, "://"); ok && id != "" {
			if out.Containers == nil {
				out.Containers = map[string]string{}
			}
			out.Containers[id] = c.Name
		}
	}
	return out
}

// ownerOf names the controller of a pod: of a ReplicaSet that a Deployment made,
// the Deployment, whose name is the ReplicaSet's without the hash.
func ownerOf(p *corev1.Pod) (kind, name string) {
	for _, o := range p.OwnerReferences {
		if o.Controller == nil || !*o.Controller {
			continue
		}
		if hash := p.Labels["pod-template-hash"]; o.Kind == "ReplicaSet" && hash != "" {
			if base, ok := strings.CutSuffix(o.Name, "-"+hash); ok {
				return "deployment", base
			}
		}
		return strings.ToLower(o.Kind), o.Name
	}
	return "", ""
}
