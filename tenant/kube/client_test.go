package kube_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oriel-project/oriel/tenant/kube"
)

const kubeconfig = `apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: one, cluster: {server: "https://one.example:6443"}}
- {name: two, cluster: {server: "https://two.example:6443"}}
users: [{name: u, user: {token: t}}]
contexts:
- {name: one, context: {cluster: one, user: u}}
- {name: two, context: {cluster: two, user: u}}
`

func TestNewClient(t *testing.T) {
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	// Neither of these may be used.
	t.Setenv("KUBECONFIG", file)
	home := t.TempDir()
	t.Setenv("HOME", home)
	if err := os.Mkdir(filepath.Join(home, ".kube"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, ".kube", "config"), []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("KUBERNETES_SERVICE_HOST", "")

	for _, tt := range []struct {
		name, file, context string
		inCluster           bool
		host, problem       string
	}{
		{name: "current context", file: file, host: "https://one.example:6443"},
		{name: "other context", file: file, context: "two", inCluster: true, host: "https://two.example:6443"},
		{name: "unknown context", file: file, context: "three", problem: `no context "three": set kubernetes.context to one of one, two`},
		{name: "no file", file: file + "x", problem: "no such file"},
		{name: "context alone", context: "one", problem: "kubernetes.context is set without"},
		{name: "nothing", problem: "no Kubernetes API configured"},
		{name: "not in a cluster", inCluster: true, problem: "run in a pod"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client, config, err := kube.NewClient(tt.file, tt.context, tt.inCluster)
			if tt.problem != "" {
				if err == nil || !strings.Contains(err.Error(), tt.problem) {
					t.Errorf("error %v, want %q", err, tt.problem)
				}
				return
			}
			if err != nil || client == nil || config.Host != tt.host {
				t.Errorf("%v, host %v, want %s", err, config, tt.host)
			}
		})
	}
}
