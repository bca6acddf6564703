// Package kubetest starts a real etcd and a real kube-apiserver on loopback,
// with RBAC and the controllers that a namespace needs, for tests whose other
// side is Kubernetes:
//
//	c := kubetest.Start(t, kubetest.Options{})
//	out := c.MustKubectl(t, "create", "namespace", "shop")
//	client := dial(c.AdminKubeconfig)
//
// The binaries are built from the module test/kube on first use and kept in a
// cache folder (see Binaries). There are no nodes and no kubelet: nothing runs
// in a pod, and a pod that has a node leaves only if its grace period is 0.
// Pod makes such pods, with the address of a local server.
package kubetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	etcdReadyMax        = 30 * time.Second
	apiserverReadyMax   = 90 * time.Second
	controllersReadyMax = 60 * time.Second
	// A free port may be taken by somebody else before the server binds it.
	portAttemptsMax = 3
)

// Options of a cluster. The zero value is a good one.
type Options struct {
	// APIServerArgs are added to kube-apiserver's command line.
	APIServerArgs []string
}

// Cluster is a running control plane. Its methods may be called concurrently.
type Cluster struct {
	URL             string // of the API server, https
	CAFile          string // PEM, signs the API server and every client
	AdminKubeconfig string // of a member of system:masters
	// Dir holds keys, kubeconfigs and the servers' logs. It goes away with Stop.
	Dir string
	// EtcdReady, APIReady and ControllersReady are how long each start took.
	EtcdReady, APIReady, ControllersReady time.Duration

	kubebox, kubectl string
	ca               *authority
	admin            *http.Client
	processes        []*process // in the order they were started
}

// Start gives a cluster that ends with the test, and fails the test if there
// can be none. The servers' logs are shown if the test failed.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	c, err := New(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("cluster %s: etcd ready in %v, kube-apiserver in %v, controllers in %v", c.URL,
		c.EtcdReady.Round(time.Millisecond), c.APIReady.Round(time.Millisecond), c.ControllersReady.Round(time.Millisecond))
	t.Cleanup(func() {
		if t.Failed() {
			for _, p := range c.processes {
				t.Logf("end of %s:\n%s", p.name, p.logTail())
			}
		}
		c.Stop()
	})
	return c
}

// New is Start for those who have no test at hand, such as a TestMain. The
// caller stops the cluster.
func New(ctx context.Context, o Options) (_ *Cluster, err error) {
	c := &Cluster{}
	if c.kubebox, c.kubectl, err = Binaries(ctx); err != nil {
		return nil, err
	}
	// Unix socket paths are limited to about 108 bytes, which t.TempDir exceeds.
	if c.Dir, err = os.MkdirTemp("", "kubetest"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.Stop()
		}
	}()
	if c.ca, err = newAuthority(); err != nil {
		return nil, err
	}
	if c.CAFile, err = c.write("ca.crt", c.ca.pem); err != nil {
		return nil, err
	}
	socket := filepath.Join(c.Dir, "etcd.sock")
	if err := c.startEtcd(ctx, socket); err != nil {
		return nil, err
	}
	if err := c.startAPIServer(ctx, socket, o.APIServerArgs); err != nil {
		return nil, err
	}
	if err := c.startControllers(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Cluster) startEtcd(ctx context.Context, socket string) error {
	began := time.Now()
	p, err := c.start("etcd", c.kubebox, "etcd",
		"--data-dir", filepath.Join(c.Dir, "etcd"),
		"--listen-client-urls", "unix://"+socket,
		"--advertise-client-urls", "http://127.0.0.1:1", // nobody asks for it
		"--listen-peer-urls", "http://127.0.0.1:0",
		"--log-level", "warn", "--unsafe-no-fsync")
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 5 * time.Second}
	if err := p.ready(ctx, etcdReadyMax, func() bool { return answers(client, "http://etcd/health") }); err != nil {
		return err
	}
	c.EtcdReady = time.Since(began)
	return nil
}

func (c *Cluster) startAPIServer(ctx context.Context, etcdSocket string, extra []string) error {
	began := time.Now()
	crt, key, err := c.ca.issue("kube-apiserver", nil, true)
	if err != nil {
		return err
	}
	crtFile, err := c.write("apiserver.crt", crt)
	if err != nil {
		return err
	}
	keyFile, err := c.write("apiserver.key", key)
	if err != nil {
		return err
	}
	saKey, err := newKey()
	if err != nil {
		return err
	}
	saPEM, err := keyPEM(saKey)
	if err != nil {
		return err
	}
	saFile, err := c.write("service-accounts.key", saPEM)
	if err != nil {
		return err
	}
	if c.admin, err = c.adminClient(); err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		port, err := freePort()
		if err != nil {
			return err
		}
		c.URL = fmt.Sprintf("https://127.0.0.1:%d", port)
		p, err := c.start("kube-apiserver", c.kubebox, append([]string{"kube-apiserver",
			"--etcd-servers=unix://" + etcdSocket,
			"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port),
			"--endpoint-reconciler-type=none",
			"--tls-cert-file=" + crtFile, "--tls-private-key-file=" + keyFile, "--client-ca-file=" + c.CAFile,
			"--authorization-mode=RBAC",
			"--service-account-issuer=https://kubernetes.default.svc",
			"--service-account-key-file=" + saFile, "--service-account-signing-key-file=" + saFile,
			"--service-cluster-ip-range=10.0.0.0/24", "--profiling=false",
		}, extra...)...)
		if err != nil {
			return err
		}
		err = p.ready(ctx, apiserverReadyMax, func() bool { return answers(c.admin, c.URL+"/readyz") })
		if err == nil {
			break
		}
		if attempt == portAttemptsMax || !strings.Contains(p.logTail(), "address already in use") {
			return err
		}
	}
	c.APIReady = time.Since(began)
	c.AdminKubeconfig, err = c.Kubeconfig("admin", "system:masters")
	return err
}

// startControllers returns when each controller has done its first work: the
// default service account, the root certificate, the rules of role view.
func (c *Cluster) startControllers(ctx context.Context) error {
	began := time.Now()
	p, err := c.start("controllers", c.kubebox, "controllers", "-kubeconfig", c.AdminKubeconfig, "-root-ca", c.CAFile)
	if err != nil {
		return err
	}
	base := c.URL + "/api/v1/namespaces/default/"
	err = p.ready(ctx, controllersReadyMax, func() bool {
		return answers(c.admin, base+"serviceaccounts/default") && answers(c.admin, base+"configmaps/kube-root-ca.crt") && c.viewHasRules()
	})
	c.ControllersReady = time.Since(began)
	return err
}

func (c *Cluster) viewHasRules() bool {
	b, err := c.Do(http.MethodGet, "/apis/rbac.authorization.k8s.io/v1/clusterroles/view", "", "")
	return err == nil && bytes.Contains(b, []byte(`"pods"`))
}

// Stop kills the processes and removes Dir. Nothing in such a cluster is worth
// a graceful end. It may be called again.
func (c *Cluster) Stop() {
	for i := len(c.processes) - 1; i >= 0; i-- {
		c.processes[i].kill()
	}
	c.processes = nil
	if c.admin != nil {
		c.admin.CloseIdleConnections()
	}
	if c.Dir != "" {
		os.RemoveAll(c.Dir)
	}
}

func (c *Cluster) write(name string, content []byte) (path string, err error) {
	path = filepath.Join(c.Dir, name)
	return path, os.WriteFile(path, content, 0o600)
}

func (c *Cluster) adminClient() (*http.Client, error) {
	crt, key, err := c.ca.issue("admin", []string{"system:masters"}, false)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(crt, key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(c.ca.cert)
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}},
		Timeout:   30 * time.Second,
	}, nil
}

// process is one server. done is closed when it has ended.
type process struct {
	name, logFile string
	cmd           *exec.Cmd
	done          chan struct{}
}

func (c *Cluster) start(name, bin string, args ...string) (*process, error) {
	p := &process{name: name, logFile: filepath.Join(c.Dir, name+".log"), done: make(chan struct{})}
	log, err := os.OpenFile(p.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(bin, args...)
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Env = []string{"HOME=" + c.Dir, "PATH=" + os.Getenv("PATH")}
	p.cmd.SysProcAttr = dieWithParent()
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	c.processes = append(c.processes, p)
	go func() {
		p.cmd.Wait() // how it ended stands in ProcessState
		close(p.done)
	}()
	return p, nil
}

func (p *process) ready(ctx context.Context, limit time.Duration, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-p.done:
			return fmt.Errorf("%s ended (%v) before it was ready:\n%s", p.name, p.cmd.ProcessState, p.logTail())
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("%s is not ready after %v:\n%s", p.name, limit, p.logTail())
			}
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

func (p *process) kill() {
	p.cmd.Process.Kill() // fails only if it has ended
	<-p.done
}

func (p *process) logTail() string {
	const tailBytesMax = 2 << 10
	b, err := os.ReadFile(p.logFile)
	if err != nil {
		return err.Error()
	}
	if len(b) > tailBytesMax {
		b = b[len(b)-tailBytesMax:]
	}
	return string(bytes.TrimSpace(b))
}

func answers(c *http.Client, url string) bool {
	r, err := c.Get(url)
	if err != nil {
		return false
	}
	defer r.Body.Close()
	_, err = io.Copy(io.Discard, r.Body)
	return err == nil && r.StatusCode == http.StatusOK
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
