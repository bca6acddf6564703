package scrape

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"reflect"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

const kubeletPort = 10250

// Kubelet says how kubelets are scraped: their own metrics (job kubelet) and
// cAdvisor's, which tell of every container (job cadvisor).
type Kubelet struct {
	// ThroughAPIServer asks the API server's node proxy instead of each node's
	// own port. The right that it needs (nodes/proxy) reaches much more than
	// metrics: prefer the nodes' ports.
	ThroughAPIServer bool
	Port             int // 0: the port that the node names, else 10250
	// TokenFile holds the token that is shown, Token is one; without either it is
	// the pod's service account's.
	TokenFile, Token string
	// CAFile holds the authorities that sign what is asked, the kubelets or the
	// API server, CA is them, PEM; without either they are the service account's.
	CAFile, CA         string
	InsecureSkipVerify bool // the samples may then be anybody's
}

// tokenFile is "" where the token is given itself; caFile likewise.
func (k *Kubelet) tokenFile() string {
	if k.Token != "" {
		return ""
	}
	return cmp.Or(k.TokenFile, serviceAccountToken)
}

func (k *Kubelet) caFile() string {
	if k.CA != "" {
		return ""
	}
	return cmp.Or(k.CAFile, serviceAccountCA)
}

func (k *Kubelet) check() error {
	if k == nil {
		return nil
	}
	if k.Token != "" && k.TokenFile != "" || k.CA != "" && k.CAFile != "" {
		return errors.New("scrape kubelets: a token and authorities come from a file or as they are, not both")
	}
	if err := stat(k.tokenFile()); err != nil {
		return fmt.Errorf("scrape kubelets: %w; outside a pod, use a kubeconfig with a token, or name a file with one that may read nodes/metrics (scrape.kubelet.token_file)", err)
	}
	if k.InsecureSkipVerify {
		return nil
	}
	if err := stat(k.caFile()); err != nil {
		return fmt.Errorf("scrape kubelets: %w; name a PEM file of the authorities that sign the kubelets' certificates (scrape.kubelet.ca_file)", err)
	}
	return nil
}

// stat reports whether the file, where there is a name, can be found.
func stat(name string) error {
	if name == "" {
		return nil
	}
	_, err := os.Stat(name)
	return err
}

// node is one whose kubelet is scraped.
type node struct {
	name, ip string
	port     int
}

func nodeOf(n *corev1.Node) (out node, ok bool) {
	out = node{name: n.Name, port: cmp.Or(int(n.Status.DaemonEndpoints.KubeletEndpoint.Port), kubeletPort)}
	for _, a := range n.Status.Addresses {
		if a.Type == corev1.NodeInternalIP && net.ParseIP(a.Address) != nil {
			out.ip = a.Address
			return out, true
		}
	}
	return out, false
}

func (m *Manager) nodeTargets(n node) []target {
	k := m.opts.Kubelet
	address, scheme, prefix := net.JoinHostPort(n.ip, strconv.Itoa(cmp.Or(k.Port, n.port))), "", ""
	if k.ThroughAPIServer {
		api, ok := m.apiServer()
		if !ok {
			return nil
		}
		address, scheme, prefix = api.Host, api.Scheme, "/api/v1/nodes/"+n.name+"/proxy"
	}
	var out []target
	for job, path := range map[string]string{"kubelet": "/metrics", "cadvisor": "/metrics/cadvisor"} {
		out = append(out, target{pool: poolKubelet, labels: m.labelSet(address, scheme, prefix+path, map[string]string{
			"job": job, "node": n.name, "instance": n.name,
		})})
	}
	return out
}

// apiServer gives the address that the client speaks to; ok is false for one
// that speaks to none (a test's).
func (m *Manager) apiServer() (api *url.URL, ok bool) {
	c := m.opts.Kube.CoreV1().RESTClient()
	if c == nil || reflect.ValueOf(c).IsNil() {
		return nil, false
	}
	if r, is := c.(*rest.RESTClient); !is || r == nil {
		return nil, false
	}
	u := c.Get().AbsPath("/").URL()
	if u.Port() == "" {
		u.Host = net.JoinHostPort(u.Hostname(), map[string]string{"http": "80"}[u.Scheme])
		if u.Scheme == "https" {
			u.Host = net.JoinHostPort(u.Hostname(), "443")
		}
	}
	return u, true
}

func stripNode(obj any) (any, error) {
	n, ok := obj.(*corev1.Node)
	if !ok {
		return obj, nil
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: n.Name, UID: n.UID, ResourceVersion: n.ResourceVersion},
		Status:     corev1.NodeStatus{Addresses: n.Status.Addresses, DaemonEndpoints: n.Status.DaemonEndpoints},
	}, nil
}

func (m *Manager) setNode(obj any) {
	n, ok := obj.(*corev1.Node)
	if !ok {
		return
	}
	now, ok := nodeOf(n)
	if !ok {
		m.deleteNode(n.Name)
		return
	}
	m.mu.Lock()
	before, known := m.nodes[n.Name]
	m.nodes[n.Name] = now
	m.mu.Unlock()
	if !known || before != now {
		m.Reload()
	}
}

func (m *Manager) deleteNode(name string) {
	m.mu.Lock()
	_, known := m.nodes[name]
	delete(m.nodes, name)
	m.mu.Unlock()
	if known {
		m.Reload()
	}
}
