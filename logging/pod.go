package logging

import (
	"cmp"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/tenant"
)

// PodRef is what a record says of the pod that it comes from; "" for what it
// does not say.
type PodRef struct {
	Namespace, Name, UID, ContainerID string
}

// Pod is what is known of one.
type Pod struct {
	Namespace, Name, UID, Node string
	Container                  string // the one whose id was asked for
	Labels                     string // a JSON object; "" where there are none
	// OwnerKind is deployment, statefulset, daemonset, job and the like, in lower
	// case; "" for a pod that nobody controls.
	OwnerKind, OwnerName string
}

// Pods knows the pods of one cluster, also those that are gone, for a while.
// Safe for concurrent use.
type Pods interface {
	// Pod finds the pod that the reference means: by its UID or the id of one of its
	// containers where it has one, else by its name and the time, since a name is
	// given again.
	Pod(ref PodRef, at time.Time) (Pod, bool)
}

// The names of what is known of pods, below kubernetesKey. Labels and ids are
// called as Fluentd's and Fluent Bit's filters call them, owners as Elastic's
// shippers do: kubernetes.deployment.name.
const (
	kubernetesKey    = "kubernetes"
	kubernetesPrefix = kubernetesKey + "."
)

// joinPod adds to a document what is known of its pod, where the document has no
// such name, into its object "kubernetes" where it has one. Everything else stays
// as it is, byte by byte.
func joinPod(src []byte, p *Pod) (joined []byte, place int) {
	k, ok := findKubernetes(string(src))
	if !ok {
		return src, len(src)
	}
	var add []byte
	put := func(name string) {
		if len(add) > 0 {
			add = append(add, ',')
		}
		add = append(append(append(add, '"'), name...), '"', ':')
	}
	str := func(name, value string) {
		if value != "" && !k.has(name) {
			put(name)
			add = jsontext.AppendString(add, value)
		}
	}
	str("namespace_name", p.Namespace)
	str("pod_name", p.Name)
	str("pod_id", p.UID)
	str("container_name", p.Container)
	if !k.has("node_name") {
		str("host", p.Node)
	}
	if p.Labels != "" && !k.has("labels") {
		put("labels")
		add = append(add, p.Labels...)
	}
	if p.OwnerKind != "" && !k.has(p.OwnerKind) {
		put(p.OwnerKind)
		add = append(jsontext.AppendString(append(add, `{"name":`...), p.OwnerName), '}')
	}
	if len(add) == 0 {
		return src, len(src)
	}
	out := make([]byte, 0, len(src)+len(add)+len(kubernetesKey)+8)
	out = append(out, src[:k.end]...)
	if k.comma {
		out = append(out, ',')
	}
	if k.object {
		out = append(out, add...)
	} else {
		out = append(append(append(out, `"`+kubernetesKey+`":{`...), add...), '}')
	}
	return append(out, src[k.end:]...), k.end
}

// kubernetesObject is where a document has what its shipper says of Kubernetes.
type kubernetesObject struct {
	object bool // there is an object "kubernetes"
	end    int  // of it, or of the document: the place of the brace that closes it
	comma  bool // something stands before that
	keys   []string
}

func (k *kubernetesObject) has(name string) bool {
	for _, key := range k.keys {
		if key == name {
			return true
		}
	}
	return false
}

// findKubernetes looks through the top of a JSON object. ok is false where there
// is something else than an object under "kubernetes".
func findKubernetes(src string) (k kubernetesObject, ok bool) {
	k.end = len(src) - 1
	f := flattener{s: src}
	ok = f.members(func(key string) bool {
		if name, dotted := strings.CutPrefix(key, kubernetesPrefix); dotted {
			name, _, _ = strings.Cut(name, ".")
			k.keys = append(k.keys, name)
		}
		if key != kubernetesKey {
			return f.pass()
		}
		if k.object || f.peek() != '{' {
			return false // twice, or no object
		}
		k.object = true
		some := false
		if !f.members(func(name string) bool {
			some = true
			name, _, _ = strings.Cut(name, ".")
			k.keys = append(k.keys, name)
			return f.pass()
		}) {
			return false
		}
		k.end, k.comma = f.i-1, some
		return true
	})
	if ok && !k.object {
		k.comma = len(strings.TrimSpace(src)) > 2 && strings.TrimSpace(src[1:k.end]) != ""
	}
	return k, ok
}

// members calls value at the value of every key of the object that begins here; it
// has to pass over it.
func (f *flattener) members(value func(key string) bool) bool {
	if f.space(); f.peek() != '{' {
		return false
	}
	f.i++
	if f.space(); f.peek() == '}' {
		f.i++
		return true
	}
	for {
		if f.space(); f.peek() != '"' {
			return false
		}
		key, ok := f.str()
		if f.space(); !ok || f.peek() != ':' {
			return false
		}
		f.i++
		f.space()
		if !value(key) {
			return false
		}
		f.space()
		c := f.peek()
		f.i++
		if c == '}' {
			return true
		}
		if c != ',' {
			return false
		}
	}
}

// pass passes over a value of any kind.
func (f *flattener) pass() bool {
	switch f.peek() {
	case '{', '[':
		return f.skip()
	}
	return f.value("", depthMax)
}

// nameContainer takes the names of a record's container from its tag or from the
// name that the kubelet gave it, as Stamp says. A tenant's credential is not one
// of a cluster: what is tagged under it says nothing of pods.
func (s *Stamper) nameContainer(r *reader, w tenant.Write, c *claims, raw *Raw) {
	if _, ok := w.Tenant(); ok || raw.Node || !raw.AddFields {
		return
	}
	namespace, rank := c.strs[claimNamespace], c.rank[claimNamespace]
	names, ok, file := r.namesOf(raw.Tag)
	switch {
	case file && !ok:
		// It is a container's file, and whose cannot be told: what the container
		// wrote must not say it instead.
		c.strs[claimNamespace], c.rank[claimNamespace] = "", rankStamped
		return
	case ok && rank > 0 && namespace == "":
		return // two of them
	case ok && rank == rankStamped && namespace != names.namespace:
		c.strs[claimNamespace] = ""
		return
	case !ok && (rank > 0 || c.strs[claimDockerName] == ""):
		return
	case !ok:
		if names, ok = namesOfDocker(c.strs[claimDockerName]); !ok {
			return
		}
	}
	c.strs[claimNamespace] = names.namespace
	for _, n := range [...]struct {
		of   claim
		name string
	}{{claimPod, names.pod}, {claimContainer, names.container}, {claimPodID, names.podID}, {claimContainerID, names.containerID}} {
		if n.name != "" && c.rank[n.of] <= rankPlain {
			c.strs[n.of] = n.name
		}
	}
}

// namesOf is namesOfTag, mostly of the tag that came before.
func (r *reader) namesOf(tag string) (n containerNames, ok, file bool) {
	if tag == "" {
		return n, false, false
	}
	if tag != r.tag {
		r.tag = tag
		r.tagNames, r.tagged, r.tagFile = namesOfTag(tag)
	}
	return r.tagNames, r.tagged, r.tagFile
}

// podOf finds the pod that a record comes from, and takes from it what the record
// does not say. Nothing is joined under a tenant's credential, which may name any
// pod; and what is found must be what the record names.
func (s *Stamper) podOf(w tenant.Write, rec *Record, c *claims, raw *Raw) (pod Pod, ok bool) {
	if s.Pods == nil || rec.Cluster != s.PodsOf || !raw.AddFields {
		return pod, false
	}
	if _, ok := w.Tenant(); ok {
		return pod, false
	}
	ref := PodRef{Namespace: rec.Namespace, Name: rec.Pod, UID: c.strs[claimPodID], ContainerID: c.strs[claimContainerID]}
	if ref.Namespace == "" && (raw.Node || c.rank[claimNamespace] > 0 || ref.ContainerID == "") {
		return pod, false
	}
	if ref.Name == "" && ref.UID == "" && ref.ContainerID == "" {
		return pod, false
	}
	pod, ok = s.Pods.Pod(ref, rec.Time)
	if !ok || ref.Namespace != "" && ref.Namespace != pod.Namespace || ref.Name != "" && ref.Name != pod.Name {
		return Pod{}, false
	}
	rec.Namespace, rec.Pod = pod.Namespace, pod.Name
	rec.Node, rec.Container = cmp.Or(rec.Node, pod.Node), cmp.Or(rec.Container, pod.Container)
	return pod, true
}
