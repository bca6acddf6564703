package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a server that is measured.
type process struct {
	cmd   *exec.Cmd
	addr  string
	after func()
}

// startProcess waits until the server takes connections at addr.
func startProcess(cmd *exec.Cmd, log, addr string) (*process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, addr: addr}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			return p, nil
		}
		if time.Now().After(end) {
			p.stop()
			said, _ := os.ReadFile(log) // the error above says more
			return nil, fmt.Errorf("%s does not listen: %w\n%s", cmd.Path, err, said)
		}
	}
}

func (p *process) stop() {
	p.cmd.Process.Kill()
	_ = p.cmd.Wait() // it was killed
	if p.after != nil {
		p.after()
	}
}

// cpu is the processor time that the process has used.
func (p *process) cpu() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond, nil // USER_HZ is 100
}

// idle waits until the process has nothing to do, such as writing segments.
func (p *process) idle() error {
	quiet := 0
	for end := time.Now().Add(2 * time.Minute); quiet < 4; {
		before, err := p.cpu()
		if err != nil {
			return err
		}
		time.Sleep(500 * time.Millisecond)
		after, err := p.cpu()
		if err != nil {
			return err
		}
		if quiet++; after-before > 30*time.Millisecond {
			quiet = 0
		}
		if time.Now().After(end) {
			return fmt.Errorf("the server is busy with nothing to do")
		}
	}
	return nil
}

func freeAddress() string {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}
