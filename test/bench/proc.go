package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// proc is a server under measurement, on Linux.
type proc struct {
	cmd  *exec.Cmd
	done chan error
	log  string         // file with all that it wrote
	feed io.WriteCloser // its input, whose end stops it; nil: a signal does
}

// startProc starts a program whose output goes to the end of a file.
func startProc(logFile, bin string, args ...string) (*proc, error) {
	return start(logFile, false, bin, args...)
}

// startProcFed starts one that runs until its input ends.
func startProcFed(logFile, bin string, args ...string) (*proc, error) {
	return start(logFile, true, bin, args...)
}

func start(logFile string, fed bool, bin string, args ...string) (*proc, error) {
	f, err := os.OpenFile(logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := &proc{cmd: exec.Command(bin, args...), done: make(chan error, 1), log: logFile}
	p.cmd.Stdout, p.cmd.Stderr = f, f
	// A server must not outlive a killed runner.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if fed {
		if p.feed, err = p.cmd.StdinPipe(); err != nil {
			return nil, err
		}
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

func (p *proc) pid() int { return p.cmd.Process.Pid }

// exited reports whether it ended by itself.
func (p *proc) exited() bool {
	select {
	case err := <-p.done:
		p.done <- err
		return true
	default:
		return false
	}
}

// cpu is what all of its threads have used, in user and kernel mode, to the
// nanosecond: /proc/PID/stat counts hundredths of seconds.
func (p *proc) cpu() time.Duration {
	var ts unix.Timespec
	// clock_getcpuclockid(3): the process clock of another process.
	clock := int32(^p.pid()<<3 | 2)
	if err := unix.ClockGettime(clock, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// rssPeak is VmHWM in bytes.
func (p *proc) rssPeak() int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid()))
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(l, "VmHWM:"); ok {
			n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n << 10
		}
	}
	return 0
}

// rssReset begins a new peak.
func (p *proc) rssReset() error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid()), []byte("5"), 0o600)
}

// settle waits until the process has used next to no CPU for the quiet time, and
// gives what it had used when that began. Whether it was quiet at all within max
// is the second result.
func (p *proc) settle(ctx context.Context, quiet, max time.Duration) (time.Duration, bool) {
	const step = 500 * time.Millisecond
	deadline := time.Now().Add(max)
	since, last := time.Now(), p.cpu()
	base := last
	for time.Now().Before(deadline) && ctx.Err() == nil && !p.exited() {
		wait(ctx, step)
		now := p.cpu()
		if now-last > step/25 { // 4 % of a core
			since, base = time.Now(), now
		}
		last = now
		if time.Since(since) >= quiet {
			return base, true
		}
	}
	return last, false
}

// stop ends it in order, and kills it where that takes over a minute.
func (p *proc) stop() error {
	if p == nil {
		return nil
	}
	if p.feed != nil {
		_ = p.feed.Close()
	} else {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case err := <-p.done:
		p.done <- err
		var ee *exec.ExitError
		if errors.As(err, &ee) && ee.ExitCode() > 0 {
			return fmt.Errorf("%s ended with %w: %s", filepath.Base(p.cmd.Path), err, p.logTail())
		}
		return nil
	case <-time.After(time.Minute):
		_ = p.cmd.Process.Kill()
		return fmt.Errorf("%s did not stop within a minute and was killed", filepath.Base(p.cmd.Path))
	}
}

func (p *proc) logTail() string {
	b, _ := os.ReadFile(p.log)
	if len(b) > 600 {
		b = b[len(b)-600:]
	}
	return string(bytes.TrimSpace(b))
}

// wait sleeps, or not where ctx ends.
func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// diskBytes is what a folder occupies, blocks that files do not fill included.
func diskBytes(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // merged away while we look
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum, err
}
