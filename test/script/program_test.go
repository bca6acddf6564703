//go:build real

package script

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// program is an oriel that Go tests start, kill and start again on the same
// ports and data.
type program struct {
	t       *testing.T
	bin     string
	role    string // up, central or agent
	dir     string
	http    string // host:port
	es      string
	forward string
	journal string // "": off
	token   string // the operator's, where callers need one
	args    []string
	wrap    []string // a program before it that ends as it does, such as ip netns exec
	cmd     *exec.Cmd
}

// newProgram prepares `oriel up`; start starts it.
func newProgram(t *testing.T, args ...string) *program {
	t.Helper()
	return newRole(t, "up", args...)
}

// newRole prepares an oriel up, central or agent, with addresses that stay.
func newRole(t *testing.T, role string, args ...string) *program {
	t.Helper()
	p := &program{t: t, bin: orielBinary(t), role: role, dir: t.TempDir(), http: freeAddress(t), args: []string{"--listen.http="}}
	p.args[0] += p.http
	if role != "agent" {
		p.es = freeAddress(t)
		p.args = append(p.args, "--listen.es="+p.es)
	}
	if role != "central" {
		p.forward = freeAddress(t)
		p.args = append(p.args, "--listen.forward="+p.forward, "--listen.journal=")
	}
	p.args = append(p.args, args...)
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of oriel %s:\n%s", role, tail(p.log(), 6000))
		}
	})
	return p
}

func (p *program) log() string {
	b, _ := os.ReadFile(filepath.Join(p.dir, "log"))
	return string(b)
}

func (p *program) start() {
	p.t.Helper()
	logFile, err := os.OpenFile(filepath.Join(p.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		p.t.Fatal(err)
	}
	defer logFile.Close()
	line := append(append(slices.Clone(p.wrap), p.bin, p.role, "--data-dir="+filepath.Join(p.dir, "data")), p.args...)
	p.cmd = exec.Command(line[0], line[1:]...)
	p.cmd.Stdout, p.cmd.Stderr = logFile, logFile
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	err = poll(60*time.Second, func() error { _, _, err := request("GET", p.http+"/-/ready", "", "", nil); return err })
	if err != nil {
		p.t.Fatalf("%v\n%s", err, p.log())
	}
	p.t.Logf("ready after %.2f s", time.Since(began).Seconds())
}

// kill is kill -9; nothing where it does not run.
func (p *program) kill() {
	if p.cmd != nil {
		p.cmd.Process.Kill()
		p.cmd.Wait()
		p.cmd = nil
	}
}

// term is SIGTERM: what is under way is finished, and the end is clean.
func (p *program) term() {
	p.t.Helper()
	began := time.Now()
	cmd := p.cmd
	p.cmd = nil
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	late := time.AfterFunc(35*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	if err := cmd.Wait(); err != nil {
		p.t.Errorf("after SIGTERM: %v, after %.1f s\n%s", err, time.Since(began).Seconds(), tail(p.log(), 3000))
	}
	p.t.Logf("drained in %.2f s", time.Since(began).Seconds())
}

// oriel runs a client command and gives its output.
func (p *program) oriel(args ...string) string {
	p.t.Helper()
	out, err := exec.Command(p.bin, append([]string{"--data-dir=" + filepath.Join(p.dir, "data"), "--url=http://" + p.http}, args...)...).Output()
	if err != nil {
		p.t.Fatalf("oriel %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (p *program) get(target string) string {
	p.t.Helper()
	var headers []string
	if p.token != "" {
		headers = append(headers, "token="+p.token)
	}
	out, ok, err := request("GET", p.http+target, "", "", headers)
	if err != nil || !ok {
		p.t.Fatalf("GET %s: %v %s", target, err, out)
	}
	return out
}
