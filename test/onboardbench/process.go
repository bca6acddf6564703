package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is one oriel.
type process struct {
	cmd       *exec.Cmd
	done      chan struct{}
	mu        sync.Mutex // guards what follows
	log       bytes.Buffer
	addresses map[string]string
}

// start runs the program and waits until the listeners are there.
func (b *bench) start(ctx context.Context, listeners []string, args ...string) (*process, error) {
	p := &process{cmd: exec.Command(b.oriel, append(args, "--log.format=json")...), done: make(chan struct{}), addresses: map[string]string{}}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.done)
		p.read(out)
		_ = p.cmd.Wait() // killed, or it says why in its log
	}()
	return p, b.until(ctx, time.Minute, func() error {
		for _, l := range listeners {
			if p.address(l) == "" {
				return fmt.Errorf("no listener %s", l)
			}
		}
		return nil
	})
}

func (p *process) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m struct{ Level, Msg, Listener, Address string }
		_ = json.Unmarshal(lines.Bytes(), &m) // else it is a line to keep
		p.mu.Lock()
		if m.Msg == "listening" {
			p.addresses[m.Listener] = m.Address
		}
		if m.Level != "INFO" {
			p.log.Write(lines.Bytes())
			p.log.WriteByte('\n')
		}
		p.mu.Unlock()
	}
}

func (p *process) address(listener string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addresses[listener]
}

func (p *process) tail() string {
	if p == nil {
		return "not started"
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	text := p.log.String()
	return text[max(0, len(text)-2000):]
}

func (p *process) kill() {
	if p != nil {
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

func (b *bench) write(name, text string) (string, error) {
	path := filepath.Join(b.work, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

func (b *bench) startCentral(ctx context.Context, requests int) error {
	password, err := b.write("password", "pw")
	if err != nil {
		return err
	}
	file, err := b.write("central.yaml", fmt.Sprintf("grafana: {url: %q, user: admin, password_file: %q, requests: %d}\n", b.shown, password, requests))
	if err != nil {
		return err
	}
	listen := "127.0.0.1:0"
	if b.central != nil {
		listen, b.central = b.central.address("http"), nil // the agent knows it by that
	}
	data := filepath.Join(b.work, "central")
	b.central, err = b.start(ctx, []string{"http"}, "central", "--config="+file, "--data-dir="+data, "--listen.http="+listen, "--listen.es=")
	if err != nil {
		return err
	}
	b.base = "http://" + b.central.address("http")
	if err := b.until(ctx, time.Minute, func() error { return b.ask(b.base+"/-/ready", nil, nil) }); err != nil || b.token != "" {
		return err
	}
	b.token, err = b.newToken("--operator")
	return err
}

// newToken has central make a token.
func (b *bench) newToken(args ...string) (string, error) {
	out, err := exec.Command(b.oriel, append([]string{"token", "create", "--url=" + b.base, "--data-dir=" + filepath.Join(b.work, "central")}, args...)...).Output()
	lines := strings.Fields(string(out))
	if err != nil || len(lines) == 0 {
		return "", fmt.Errorf("a token: %w", err)
	}
	return lines[len(lines)-1], nil
}

func (b *bench) startAgent(ctx context.Context) error {
	secret, err := b.newToken("--cluster", "kube", "--region", "eu", "--cloud", "private")
	if err != nil {
		return err
	}
	token, err := b.write("token", secret)
	if err != nil {
		return err
	}
	file, err := b.write("agent.yaml", fmt.Sprintf("cluster: {name: kube, region: eu, cloud: private}\nagent: {central: {url: %q, token_file: %q}}\nscrape: {interval: %s}\n", b.base, token, b.interval))
	if err != nil {
		return err
	}
	b.agent, err = b.start(ctx, []string{"forward"}, "agent", "--config="+file, "--kubeconfig="+b.cluster.AdminKubeconfig,
		"--data-dir="+filepath.Join(b.work, "agent"), "--listen.http=127.0.0.1:0", "--listen.forward=127.0.0.1:0", "--listen.journal=")
	return err
}

// until asks again and again, and gives the last answer where that is too long.
func (b *bench) until(ctx context.Context, limit time.Duration, is func() error) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.Now().Add(limit)
	for {
		err := is()
		if err == nil || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.ended():
			return errors.New("a process ended")
		case <-tick.C:
		}
	}
}

func (b *bench) ended() <-chan struct{} {
	if b.central == nil {
		return nil
	}
	return b.central.done
}

// ask is a GET of Oriel as the operator, or of Grafana as a member.
func (b *bench) ask(url string, header http.Header, out any) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header = header
	res, err := b.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s %.200s", url, res.Status, raw)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

func (b *bench) operator() http.Header { return http.Header{"Authorization": {"Bearer " + b.token}} }

// done gives how many tenants have finished each of the stages.
func (b *bench) done(stages ...string) (int, error) {
	req, err := http.NewRequest(http.MethodGet, b.base+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	req.Header = b.operator()
	res, err := b.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	least, found := 1<<30, 0
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		for _, s := range stages {
			if v, ok := strings.CutPrefix(lines.Text(), fmt.Sprintf("oriel_onboarding_seconds_count{stage=%q} ", s)); ok {
				n, err := strconv.ParseFloat(v, 64)
				if err != nil {
					return 0, err
				}
				least, found = min(least, int(n)), found+1
			}
		}
	}
	if found < len(stages) {
		return 0, lines.Err()
	}
	return least, lines.Err()
}
