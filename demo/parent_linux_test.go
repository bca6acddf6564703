package demo

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

func TestChildrenDieWithTheirParent(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(exe, "demo-parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	pids := map[int]bool{}
	lines := bufio.NewScanner(out)
	for len(pids) < 2 && lines.Scan() {
		var tg Target
		if err := json.Unmarshal(lines.Bytes(), &tg); err != nil {
			t.Fatal(err)
		}
		pids[tg.PID] = true
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait()
	for pid := range pids {
		until(t, fmt.Sprintf("child %d is gone", pid), func() bool { return !alive(pid) || zombie(pid) })
	}
}

// zombie reports a process that is dead and that nobody has asked about.
func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || bytes.Contains(b, []byte(") Z "))
}
