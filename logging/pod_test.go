package logging_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// onePod knows one pod, by name and by the id of its container.
type onePod struct{ known logging.Pod }

func (p onePod) Pod(ref logging.PodRef, _ time.Time) (logging.Pod, bool) {
	if ref.ContainerID == containerID || ref.Name == p.known.Name && ref.Namespace == p.known.Namespace {
		return p.known, true
	}
	return logging.Pod{}, false
}

const containerID = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// What is added to a document before its message does not shift the message.
func TestMessageBehindThePod(t *testing.T) {
	pods := onePod{logging.Pod{Namespace: "shop", Name: "web-5d.x", UID: "u-1", Node: "n1", Container: "main", Labels: `{"app":"web"}`}}
	s := &logging.Stamper{Pods: pods, PodsOf: "eu-1"}
	w := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{})
	for range 3 { // the third time along a known path
		for _, doc := range []string{
			`{"kubernetes":{"namespace_name":"shop","pod_name":"web-5d.x"},"log":"what was said"}`,
			`{"log":"what was said","kubernetes":{"namespace_name":"shop","pod_name":"web-5d.x"}}`,
			`{"log":"what was said","namespace":"shop","pod":"web-5d.x"}`,
			`{"kubernetes":{"namespace_name":"shop","pod_name":"web-5d.x"},"log":"what was said","log":"what was said"}`,
		} {
			src := []byte(doc)
			rec, err := s.Stamp(w, logging.Raw{Source: src, AddFields: true})
			if err != nil {
				t.Fatal(err)
			}
			clear(src) // its memory is used again
			if rec.Message != "what was said" || !json.Valid(rec.Source) {
				t.Errorf("%s: message %q of %s", doc, rec.Message, rec.Source)
			}
		}
	}
}

// Whose a record is and what its pod's labels are, by what the record, its tag
// and its container's name say.
func TestPodOfRecord(t *testing.T) {
	pods := onePod{logging.Pod{
		Namespace: "shop", Name: "web-5d.x", UID: "u-1", Node: "n1", Container: "main", Labels: `{"app":"web","tier":"\u00e9"}`,
		OwnerKind: "deployment", OwnerName: "web",
	}}
	s := &logging.Stamper{Pods: pods, PodsOf: "eu-1"}
	of := map[string]tenant.ID{"eu-1/shop": "team-shop", "eu-1/pay": "team-pay", "eu-2/shop": "other"}
	cluster := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{Of: of})
	foreign := scopetest.WriteCluster(tenant.Cluster{Name: "eu-2"}, scopetest.Owners{Of: of})
	const tag = "kubernetes.var.log.containers.web-5d.x_shop_main-" + containerID + ".log"
	long := strings.Repeat("x", 180)
	const meta = `"labels":{"app":"web","tier":"\u00e9"},"deployment":{"name":"web"}`
	for name, tc := range map[string]struct {
		w          tenant.Write
		tag, doc   string
		owner      tenant.ID
		pod        string
		kubernetes string // as it is in the document
	}{
		"stamped by the shipper": {cluster, "", `{"log":"a","kubernetes":{"namespace_name":"shop","pod_name":"web-5d.x","labels":{"own":"1"}}}`, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","labels":{"own":"1"},"pod_id":"u-1","container_name":"main","host":"n1","deployment":{"name":"web"}}`},
		"by the tag": {cluster, tag, `{"log":"a"}`, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","pod_id":"u-1","container_name":"main","host":"n1",` + meta + `}`},
		"by the tag, which goes before an application's namespace": {cluster, tag, `{"log":"a","namespace":"pay"}`, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","pod_id":"u-1","container_name":"main","host":"n1",` + meta + `}`},
		"a tag that contradicts the shipper": {cluster, tag, `{"log":"a","kubernetes":{"namespace_name":"pay","pod_name":"p"}}`, tenant.Unassigned, "p", `{"namespace_name":"pay","pod_name":"p"}`},
		"a tag that is the path and no file": {cluster, "kubernetes.var.log.containers.log", `{"log":"a","namespace":"shop"}`, tenant.Unassigned, "", ``},
		"a pod whose name is like a path":    {cluster, "kubernetes.var.log.pods.shop_a.var.log.containers.b_01234567-89ab-cdef-0123-456789abcdef.main.0.log", `{"log":"a","namespace":"pay"}`, "team-shop", "a.var.log.containers.b", ``},
		"a static pod": {cluster, "kubernetes.var.log.pods.shop_web-5d.x_0123456789abcdef0123456789abcdef.main.0.log", `{"log":"a","namespace":"pay"}`, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","pod_id":"u-1","container_name":"main","host":"n1",` + meta + `}`},
		"a name so long that the kubelet cut the container off": {cluster, cutTag(long + "_shop_main-" + containerID), `{"log":"a","namespace":"pay"}`, "team-shop", long, ``},
		"so long that the namespace is cut off": {cluster, cutTag(long + long + "_shop_main-" + containerID),
			`{"log":"a","container_id":"` + containerID + `","kubernetes":{"namespace_name":"pay"}}`, tenant.Unassigned, "", `{"namespace_name":"pay"}`},
		"a container's file with another name": {cluster, "kubernetes.var.log.containers.web.log", `{"log":"a","namespace":"pay"}`, tenant.Unassigned, "", ``},
		"Docker's name": {cluster, "docker", `{"log":"a","container_name":"/k8s_main_web-5d.x_shop_u-1_0","source":"stdout"}`, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","pod_id":"u-1","container_name":"main","host":"n1",` + meta + `}`},
		"the container's id alone": {cluster, "docker", `{"log":"a","container_id":"` + containerID + `","container_name":"/x"}`, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","pod_id":"u-1","container_name":"main","host":"n1",` + meta + `}`},
		"a container's id of another namespace": {cluster, "", `{"log":"a","namespace":"pay","container_id":"` + containerID + `"}`, "team-pay", "", ``},
		"an unknown pod":                        {cluster, "", `{"log":"a","namespace":"pay","pod":"p"}`, "team-pay", "p", ``},
		"nothing is known of the other cluster": {foreign, tag, `{"log":"a"}`, "other", "web-5d.x", ``},
		"a tenant's credential": {scopetest.Write("mine"), tag, `{"log":"a","kubernetes":{"namespace_name":"shop","pod_name":"web-5d.x"}}`, "mine", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x"}`},
		"no object": {cluster, "", `{"kubernetes":"x","namespace":"shop","pod":"web-5d.x"}`, "team-shop", "web-5d.x", `"x"`},
		"dotted": {cluster, "", `{"kubernetes.labels.app":"own","namespace":"shop","pod":"web-5d.x"}`, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","pod_id":"u-1","container_name":"main","host":"n1","deployment":{"name":"web"}}`},
		"an empty object": {cluster, tag, ` { "kubernetes" : { } , "a" : [ {} ] } `, "team-shop", "web-5d.x",
			`{"namespace_name":"shop","pod_name":"web-5d.x","pod_id":"u-1","container_name":"main","host":"n1",` + meta + `}`},
	} {
		t.Run(name, func(t *testing.T) {
			rec, err := s.Stamp(tc.w, logging.Raw{Source: []byte(tc.doc), Tag: tc.tag, AddFields: true})
			if err != nil {
				t.Fatal(err)
			}
			var doc struct{ Kubernetes json.RawMessage }
			if err := json.Unmarshal(rec.Source, &doc); err != nil {
				t.Fatalf("%s: %v", rec.Source, err)
			}
			got := strings.NewReplacer(" ", "").Replace(string(doc.Kubernetes))
			if rec.Tenant != tc.owner || rec.Pod != tc.pod || got != tc.kubernetes {
				t.Errorf("tenant %s, pod %s\n got %s\nwant %s", rec.Tenant, rec.Pod, got, tc.kubernetes)
			}
		})
	}
	// What a client hands over by _bulk stays its own.
	rec, err := s.Stamp(cluster, logging.Raw{Source: []byte(`{"namespace":"shop","pod":"web-5d.x"}`)})
	if err != nil || string(rec.Source) != `{"namespace":"shop","pod":"web-5d.x"}` {
		t.Errorf("%s, %v", rec.Source, err)
	}
}

// cutTag is the tag of a container's file as the kubelet calls it, which is not
// longer than 255 bytes with its suffix.
func cutTag(file string) string { return "kubernetes.var.log.containers." + file[:251] + ".log" }

// FuzzPodOfRecord: whatever the document, what comes out is JSON, and nothing of
// it is lost.
func FuzzPodOfRecord(f *testing.F) {
	f.Add(`{"kubernetes":{"labels":{"a":1}},"x":"}"}`, "kube.var.log.containers.p_n_c-"+containerID+".log")
	f.Add(`{"kubernetes":{},"kubernetes":{"a":[1,{"b":"\""}]}}`, "var.log.pods.n_p_01234567-89ab-cdef-0123-456789abcdef.c.0.log")
	f.Add(`{"kubernetes.labels":1,"container_name":"/k8s_c.1_p_n_u_0"}`, "")
	pods := anyPod{}
	f.Add(`{"kubernetes":{"pod_name":"p","namespace_name":"n"},"log":"behind\n"}`, "")
	s, plain := &logging.Stamper{Pods: pods, PodsOf: "eu-1"}, &logging.Stamper{}
	w := scopetest.WriteCluster(tenant.Cluster{Name: "eu-1"}, scopetest.Owners{})
	f.Fuzz(func(t *testing.T, doc, tag string) {
		rec, err := s.Stamp(w, logging.Raw{Source: []byte(doc), Tag: tag, AddFields: true})
		if err != nil {
			return
		}
		if !json.Valid(rec.Source) {
			t.Fatalf("%s\n%s", doc, rec.Source)
		}
		again, err := plain.Stamp(w, logging.Raw{Source: rec.Source})
		if err != nil || again.Message != rec.Message {
			t.Fatalf("%s: message %q, and %q (%v) of %s", doc, rec.Message, again.Message, err, rec.Source)
		}
		var before, after map[string]any
		doc = strings.ToValidUTF8(doc, "\uFFFD") // as it is stored
		if json.Unmarshal([]byte(doc), &before) != nil || json.Unmarshal(rec.Source, &after) != nil {
			return
		}
		for key := range before {
			if _, ok := after[key]; !ok {
				t.Fatalf("%q is gone:\n%s\n%s", key, doc, rec.Source)
			}
		}
	})
}

type anyPod struct{}

func (anyPod) Pod(ref logging.PodRef, _ time.Time) (logging.Pod, bool) {
	return logging.Pod{Namespace: ref.Namespace, Name: ref.Name, UID: "u", Labels: `{"a":"b"}`, OwnerKind: "job", OwnerName: "j"}, true
}
