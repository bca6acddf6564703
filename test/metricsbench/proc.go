package main

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// server is a process under measurement.
type server struct {
	name   string
	bin    string
	url    string
	write  string // URL of remote write
	dir    string
	token  string
	header http.Header
	cmd    *exec.Cmd
}

// launch starts a server on a free port and waits until it is ready. args name
// the address by ADDRESS and the data by DIR.
func (b *bench) launch(ctx context.Context, name, bin, ready, write string, args ...string) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	dir, err := os.MkdirTemp(b.work, name)
	if err != nil {
		return nil, err
	}
	for i := range args {
		args[i] = strings.NewReplacer("ADDRESS", address, "DIR", dir).Replace(args[i])
	}
	s := &server{name: name, bin: bin, url: "http://" + address, write: "http://" + address + write, dir: dir, header: http.Header{}}
	s.cmd = exec.Command(bin, args...)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a server must not outlive a killed runner
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	for until := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := s.do(ctx, http.MethodGet, s.url+ready, nil, ""); err == nil {
			return s, nil
		}
		if time.Now().After(until) || ctx.Err() != nil {
			text, _ := os.ReadFile(filepath.Join(dir, "log"))
			s.stop()
			return nil, fmt.Errorf("%s did not start: %.2000s", name, text)
		}
	}
}

func (s *server) stop() {
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	_ = os.RemoveAll(s.dir)
}

func (b *bench) startPrometheus(ctx context.Context) (*server, error) {
	config := filepath.Join(b.work, "prometheus.yml")
	if err := os.WriteFile(config, []byte("{}\n"), 0o600); err != nil {
		return nil, err
	}
	return b.launch(ctx, "Prometheus", b.prometheus.Server, "/-/ready", "/api/v1/write", "--config.file="+config,
		"--storage.tsdb.path=DIR/data", "--web.listen-address=ADDRESS", "--web.enable-remote-write-receiver")
}

func (b *bench) startVictoria(ctx context.Context) (*server, error) {
	return b.launch(ctx, "VictoriaMetrics", b.victoria.Single, "/health", "/api/v1/write", "-httpListenAddr=ADDRESS", "-storageDataPath=DIR/data", "-retentionPeriod=1y")
}

// startOriel starts a central with one tenant, whose token s then has.
func (b *bench) startOriel(ctx context.Context) (*server, error) {
	config := filepath.Join(b.work, "oriel.yaml")
	if err := os.WriteFile(config, []byte("limits: {series: 2000000, series_max: 2000000, samples: 100000000}\n"), 0o600); err != nil {
		return nil, err
	}
	s, err := b.launch(ctx, "Oriel", b.oriel, "/-/ready", "/api/v1/write", "central", "--config="+config, "--data-dir=DIR/data", "--listen.http=ADDRESS", "--listen.es=")
	if err != nil {
		return nil, err
	}
	if _, err := b.cli(ctx, s, "tenants", "onboard", "bench", "--namespace", "local/bench"); err != nil {
		return nil, err
	}
	token, err := b.cli(ctx, s, "token", "create", "--tenant", "bench", "--access", "write")
	s.token = strings.TrimSpace(token)
	return s, err
}

func (b *bench) cli(ctx context.Context, s *server, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, b.oriel, append(args, "--url="+s.url, "--data-dir="+filepath.Join(s.dir, "data"))...)
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("oriel %s: %w %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// do gives the body of a 2xx answer.
func (s *server) do(ctx context.Context, method, url string, body []byte, contentType string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if s.token != "" {
		req.Header.Set("Authorization", "Bearer "+s.token)
	}
	if strings.HasPrefix(contentType, "application/x-protobuf") {
		req.Header.Set("Content-Encoding", "snappy")
		req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s %s: %s %.500s", s.name, method, req.URL.Path, resp.Status, text)
	}
	return text, err
}

// cpu is what all of its threads have used, in user and kernel mode.
func (s *server) cpu() time.Duration {
	var ts unix.Timespec
	// clock_getcpuclockid(3): the process clock of another process.
	clock := int32(^s.cmd.Process.Pid<<3 | 2)
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// settle waits until the server is idle, and gives its CPU time then.
func (s *server) settle(ctx context.Context) time.Duration {
	before := s.cpu()
	for range 20 {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		now := s.cpu()
		if now-before < 20*time.Millisecond {
			return now
		}
		before = now
	}
	return before
}

// memory gives VmRSS or VmHWM in bytes.
func (s *server) memory(which string) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, which+":"); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("/proc has no " + which)
}

// disk gives the bytes of the files below the data directory.
func (s *server) disk() (n int64) {
	_ = filepath.WalkDir(filepath.Join(s.dir, "data"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			if info, err := d.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

func version(bin string) string {
	info, err := buildinfo.ReadFile(bin)
	if err != nil {
		return err.Error()
	}
	for _, d := range append(info.Deps, &info.Main) {
		if d.Path == "github.com/VictoriaMetrics/VictoriaMetrics" || d.Path == "github.com/prometheus/prometheus" {
			return d.Version + ", " + info.GoVersion
		}
	}
	return info.Main.Version + ", " + info.GoVersion
}
