package demo

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	restartMin  = 500 * time.Millisecond
	restartMax  = 10 * time.Second
	healthyFor  = 10 * time.Second // a child that lived this long starts again without waiting
	killAfter   = 5 * time.Second
	lineLenMax  = 64 << 10
	triesOnPort = 3 // before a port of before is given up
)

// SuperviseOptions of the demo. The zero value runs it without logs.
type SuperviseOptions struct {
	Exe         string       // the binary with Command in it; "": this one
	ForwardAddr string       // where the teams send their logs
	Rate        float64      // of each team; 0 is its default
	OnTarget    func(Target) // a pod listens; again, with another address, after a restart. May be called from several goroutines
	OnExit      func(team string, pid int, err error)
	OnNode      func(address string) // where the pods are told of from outside, at /metrics: a platform target
	Stderr      io.Writer            // gets the children's standard error; nil: nobody
}

// Supervise starts both teams as child processes and starts them again when
// they end, until ctx ends; then it ends them and returns nil. Should this
// process die without a word, they die with it (on Linux).
func Supervise(ctx context.Context, o SuperviseOptions) error {
	if o.Exe == "" {
		exe, err := os.Executable()
		if err != nil {
			return fmt.Errorf("find this program to start the demo teams: %w", err)
		}
		o.Exe = exe
	}
	if o.OnTarget == nil {
		o.OnTarget = func(Target) {}
	}
	if o.OnExit == nil {
		o.OnExit = func(string, int, error) {}
	}
	if o.OnNode == nil {
		o.OnNode = func(string) {}
	}
	if o.Rate <= 0 {
		o.Rate = rateDefault
	}
	s := &supervisor{o: o, node: newNode(), billingMoved: make(chan struct{})}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.node.serve(ctx, o.OnNode) })
	g.Go(func() error { return s.keep(ctx, billing) })
	g.Go(func() error { return s.keep(ctx, shop) })
	return g.Wait()
}

type supervisor struct {
	o    SuperviseOptions
	node *node

	mu           sync.Mutex // guards what follows
	billingURL   string
	billingMoved chan struct{} // closed when billingURL changes
}

// billing gives where billing is, "" at first, and what closes when it moves.
func (s *supervisor) billing() (string, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.billingURL, s.billingMoved
}

func (s *supervisor) announced(t Target) {
	if t.Team == billing && t.Pod == places(billing)[0].pod {
		s.mu.Lock()
		if url := "http://" + t.Address; url != s.billingURL {
			s.billingURL = url
			close(s.billingMoved)
			s.billingMoved = make(chan struct{})
		}
		s.mu.Unlock()
	}
	s.o.OnTarget(t)
}

// keep runs one team's process after the other.
func (s *supervisor) keep(ctx context.Context, team string) error {
	o := Options{Team: team, ForwardAddr: s.o.ForwardAddr, Rate: s.o.Rate}
	pause, failed := restartMin, 0
	for ctx.Err() == nil {
		life, cancel := context.WithCancel(ctx)
		if team == shop {
			url, moved := s.billing()
			for url == "" && ctx.Err() == nil {
				select {
				case <-moved:
				case <-ctx.Done():
				}
				url, moved = s.billing()
			}
			o.DependsURL = url
			go func() {
				select {
				case <-moved:
					cancel() // it starts again with the new address
				case <-life.Done():
				}
			}()
		}
		began := time.Now()
		listened := false
		err := s.run(life, o, func(t Target) {
			if t.Pod == places(team)[0].pod {
				o.ListenAddr, listened = t.Address, true // keep it: others know it
			}
			s.node.announced(t)
			s.announced(t)
		})
		moved := life.Err() != nil
		cancel()
		if moved || time.Since(began) > healthyFor {
			pause = restartMin
		}
		if failed++; listened {
			failed = 0
		}
		if failed >= triesOnPort {
			o.ListenAddr = "" // somebody else has the port by now
		}
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("start the demo team %s: %w", team, err)
		}
		wait(ctx, pause)
		pause = min(2*pause, restartMax)
	}
	return nil
}

// run starts one process and waits for its end.
func (s *supervisor) run(ctx context.Context, o Options, announce func(Target)) error {
	// The kernel tells a child of the end of the thread that started it, not of
	// the process: this thread has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	cmd := exec.CommandContext(ctx, s.o.Exe, o.args()...)
	cmd.SysProcAttr = withParent()
	cmd.Env = environment()
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	cmd.Stderr = s.o.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(io.Reader(out))
	lines.Buffer(nil, lineLenMax)
	for lines.Scan() {
		var t Target
		if json.Unmarshal(lines.Bytes(), &t) == nil && t.Team == o.Team && t.Address != "" {
			announce(t)
		}
	}
	_, _ = io.Copy(io.Discard, out) // a line too long must not hold it up
	err = cmd.Wait()
	s.node.exited(o.Team)
	s.o.OnExit(o.Team, cmd.Process.Pid, err)
	return err
}

// environment gives what a child needs of ours: nothing that opens a door.
func environment() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, "ORIEL_") && name != "KUBECONFIG" {
			env = append(env, kv)
		}
	}
	return append(env, fmt.Sprintf("GOMAXPROCS=%d", limitCores), fmt.Sprintf("GOMEMLIMIT=%d", limitBytes))
}
