package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// LocalOptions say which journal of this machine is read.
type LocalOptions struct {
	Scope      func() tenant.Write // what it is written under
	CursorFile string
	Command    string        // "": journalctl
	Directory  string        // of the journal files; "": journalctl's own choice
	Since      time.Duration // how far back the first run begins
}

// Local reads the journal of this machine until ctx ends, by journalctl as a child
// process: it knows every format that journald ever wrote, and needs no C here.
func (s *Intake) Local(ctx context.Context, o LocalOptions) error {
	if o.Command == "" {
		o.Command = "journalctl"
	}
	src := &source{s: s, kind: "local", name: "the journal of this machine", file: o.CursorFile, scope: o.Scope}
	return src.run(ctx, func(ctx context.Context) error { return s.follow(ctx, src, o) })
}

// localArgs: the cursor's own entry is asked for again (--cursor, not
// --after-cursor), since journalctl begins anywhere where it is gone.
func localArgs(at place, o LocalOptions) []string {
	args := []string{"--output=export", "--follow", "--no-tail", "--no-pager", "--quiet", "--all"}
	if o.Directory != "" {
		args = append(args, "--directory="+o.Directory)
	}
	switch {
	case at.Cursor != "" && at.Past:
		return append(args, "--after-cursor="+at.Cursor)
	case at.Cursor != "":
		return append(args, "--cursor="+at.Cursor)
	}
	return append(args, fmt.Sprintf("--since=-%ds", int(o.Since.Seconds())))
}

func (s *Intake) follow(ctx context.Context, src *source, o LocalOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.Command, localArgs(src.at, o)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	complaint := &tailBuffer{}
	cmd.Stderr = complaint
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", o.Command, err)
	}
	err = src.take(ctx, out, cancel, 0)
	cancel()
	ended := cmd.Wait()
	if errors.Is(err, errPartial) {
		err = nil // it was killed, or ended, in the middle of an entry
	}
	if said := strings.TrimSpace(complaint.String()); said != "" {
		ended = errors.Join(ended, errors.New(said))
	}
	return errors.Join(err, ended)
}

// tailBuffer keeps the last of what a program says.
type tailBuffer struct{ b bytes.Buffer }

func (t *tailBuffer) Write(p []byte) (int, error) {
	t.b.Write(p)
	if over := t.b.Len() - 2048; over > 0 {
		t.b.Next(over)
	}
	return len(p), nil
}

func (t *tailBuffer) String() string { return t.b.String() }
