//go:build real && soak

package script

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestSoakLoss is TestLoss with a million records, twenty kills, a disk that fills
// once and a network that is cut twice: Oriel stands in a network namespace, and its
// link goes down. It mounts a file system and makes a namespace: as root.
func TestSoakLoss(t *testing.T) {
	dir := t.TempDir()
	link := newLink(t)
	p := newLossProgram(t, dir, lossAddress.String())
	p.wrap = []string{"ip", "netns", "exec", link.namespace}
	if err := syscall.Mount("tmpfs", p.dir, "tmpfs", 0, "size=1g"); err != nil {
		t.Fatalf("mount a file system, which root may: %v", err)
	}
	t.Cleanup(func() {
		p.kill()
		if err := syscall.Unmount(p.dir, 0); err != nil {
			t.Error(err)
		}
	})
	r := &lossRun{chunks: 1200, bulks: 600, journals: 5, entries: 20_000, kills: 20, filled: fillDisk, cuts: 2, cut: link.cut}
	r.run(p, dir)
	t.Logf("%d MiB of memory at the end", p.rss())
	p.balanced(r, dir)
}

// fillDisk takes the last byte of the data's file system for a while.
func fillDisk(p *program) {
	ballast := filepath.Join(p.dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		p.t.Error(err)
		return
	}
	for b := make([]byte, 64<<10); err == nil; _, err = f.Write(b) {
	}
	f.Close()
	p.t.Logf("the disk is full: %v", err)
	<-time.After(5 * time.Second)
	if err := os.Remove(ballast); err != nil {
		p.t.Error(err)
	}
}

// link is a cable to a network namespace.
type link struct {
	t         *testing.T
	namespace string
	device    string
}

func newLink(t *testing.T) *link {
	l := &link{t: t, namespace: fmt.Sprintf("oriel-loss-%d", os.Getpid()), device: fmt.Sprintf("ol%d", os.Getpid()%1_000_000)}
	l.ip("netns", "add", l.namespace)
	t.Cleanup(func() { // the device goes with it
		if out, err := exec.Command("ip", "netns", "del", l.namespace).CombinedOutput(); err != nil {
			t.Errorf("ip netns del: %v: %s", err, out)
		}
	})
	l.ip("link", "add", l.device, "type", "veth", "peer", "name", "eth0", "netns", l.namespace)
	here := lossAddress.To4()
	here[3]--
	l.ip("addr", "add", here.String()+"/30", "dev", l.device)
	here[3]++
	l.ip("link", "set", l.device, "up")
	l.ip("-n", l.namespace, "addr", "add", lossAddress.String()+"/30", "dev", "eth0")
	l.ip("-n", l.namespace, "link", "set", "eth0", "up")
	l.ip("-n", l.namespace, "link", "set", "lo", "up")
	return l
}

func (l *link) ip(args ...string) {
	l.t.Helper()
	run(l.t, "", nil, "ip", args...)
}

func (l *link) cut(down bool) {
	state := "up"
	if down {
		state = "down"
	}
	l.t.Logf("the network is %s", state)
	l.ip("link", "set", l.device, state)
}
