//go:build real

package script

import (
	"context"
	"fmt"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/oriel-project/oriel/test/kubetest"
)

type clusters map[string]*kubetest.Cluster

func (c clusters) kubectl(name string, args ...string) (string, error) {
	k, ok := c[name]
	if !ok {
		return "", fmt.Errorf("no cluster is called %s", name)
	}
	return k.Kubectl(args...)
}

func startCluster(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	k, err := kubetest.New(context.Background(), kubetest.Options{})
	ts.Check(err)
	w.closers = append(w.closers, k.Stop)
	if w.clusters == nil {
		w.clusters = clusters{}
	}
	w.clusters[args[0]] = k
	ts.Setenv(args[0]+"_kubeconfig", k.AdminKubeconfig)
	ts.Logf("cluster %s: kube-apiserver ready after %.1f s", args[0], k.APIReady.Seconds())
}

func kubectl(ts *testscript.TestScript, neg bool, args []string) {
	out, err := worldOf(ts).clusters.kubectl(args[0], args[1:]...)
	if (err != nil) != neg {
		ts.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if err != nil {
		fmt.Fprintln(ts.Stderr(), err)
	}
	fmt.Fprint(ts.Stdout(), out)
}

// pod CLUSTER NAMESPACE POD HOST PORT
func pod(ts *testscript.TestScript, _ bool, args []string) {
	c, namespace, name, host, port := args[0], args[1], args[2], args[3], args[4]
	cs := worldOf(ts).clusters
	manifest := fmt.Sprintf(`{"apiVersion":"v1","kind":"Pod","metadata":{"name":%q,"namespace":%q,"labels":{"app":"api"},
"annotations":{"prometheus.io/scrape":"true","prometheus.io/port":%q}},
"spec":{"terminationGracePeriodSeconds":0,"containers":[{"name":"main","image":"example.invalid/none"}]}}`, name, namespace, port)
	k, ok := cs[c]
	if !ok {
		ts.Fatalf("no cluster is called %s", c)
	}
	_, err := k.KubectlAs(k.AdminKubeconfig, manifest, "apply", "-f", "-")
	ts.Check(err)
	status := fmt.Sprintf(`{"status":{"phase":"Running","podIP":%q,"podIPs":[{"ip":%q}],"conditions":[{"type":"Ready","status":"True"}]}}`, host, host)
	_, err = cs.kubectl(c, "-n", namespace, "patch", "pod", name, "--subresource=status", "--type=merge", "-p", status)
	ts.Check(err)
}
