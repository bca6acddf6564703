// Package opensearch gives tests a real engine of the Elasticsearch family: one
// node of OpenSearch, from the jars that Maven Central has of it.
//
//	node := opensearch.Start(t)
//	http.Get(node.URL + "/_search")
//
// OpenSearch is a fork of Elasticsearch 7.10 and has its API up to there. The
// jars (50 MB) are fetched by Maven the first time, checked against
// jars.sha256, and kept below ORIEL_CACHE. Java and Maven come from Debian
// where they are missing.
package opensearch

import (
	"bufio"
	"bytes"
	_ "embed"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/test/debian"
)

//go:embed Node.java
var source []byte

// startMax bounds how long a node may take until it listens.
const startMax = 3 * time.Minute

// Node is a running one. It ends with the test.
type Node struct {
	URL string // http://127.0.0.1:port
	Dir string // its data and configuration
	PID int
}

// Start starts a node on a free port of the loopback address, with an empty
// data folder and a heap of 512 MiB, and waits until it listens.
func Start(t testing.TB) *Node {
	t.Helper()
	java := debian.Program(t, "java", "openjdk-17-jdk-headless")
	// The node is a file of source, which takes Java's compiler.
	debian.Program(t, "javac", "openjdk-17-jdk-headless")
	lib := jars(t)
	dir := t.TempDir()
	main := filepath.Join(dir, "Node.java")
	if err := os.WriteFile(main, source, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "config"), 0o700); err != nil {
		t.Fatal(err)
	}

	cmd := exec.Command(java, "-Xms512m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData",
		"-Djava.io.tmpdir="+dir, "-cp", filepath.Join(lib, "*"), main, dir)
	cmd.Dir = dir
	var stderr buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := &Node{Dir: dir, PID: cmd.Process.Pid}
	said := make(chan string, 1) // where it listens; closed when it ends before
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		defer close(said)
		lines := bufio.NewReader(stdout)
		for {
			line, err := lines.ReadString('\n')
			if addr, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on "); ok {
				said <- addr
				continue
			}
			if io.WriteString(&stderr, line); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		// The end of its input stops it; what does not end by that is killed.
		stdin.Close()
		kill := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
		defer kill.Stop()
		<-drained
		if err := cmd.Wait(); err != nil {
			t.Logf("opensearch: %v\n%s", err, stderr.tail())
		}
	})
	select {
	case addr, ok := <-said:
		if !ok {
			t.Fatalf("opensearch ended before it listened:\n%s", stderr.tail())
		}
		n.URL = "http://" + addr
	case <-time.After(startMax):
		t.Fatalf("opensearch does not listen after %v:\n%s", startMax, stderr.tail())
	}
	return n
}

// buffer keeps what a process wrote. Safe for concurrent use.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// tail gives the last 4 KiB.
func (b *buffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.b.Bytes()
	return string(s[max(0, len(s)-4096):])
}
