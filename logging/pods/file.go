package pods

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/oriel-project/oriel/internal/atomicfile"
)

// The format is described in docs/format/pods.md; change both together.
const (
	fileHead     = `{"oriel_pods":1}` + "\n"
	lineBytesMax = 64 << 10
	// The file is written anew when it has grown to this many times its size then,
	// and to no less than longBytesMin.
	longTimes    = 4
	longBytesMin = 4 << 20
)

// file is where pods are kept: one line a change, the last one of a pod counts.
type file struct {
	f           *os.File
	begin, size int64
	torn        bool // it ends in half a line
	failing     bool // and that was logged
}

// readFile gives the pods of a file that need not exist. What is behind a line
// that cannot be read is torn, or damaged: it is left out, since all that is lost
// with it is labels.
func readFile(path string) ([]*pod, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the memory of pods: %w", err)
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, lineBytesMax)
	head, err := in.ReadString('\n')
	if err == nil && head != fileHead {
		return nil, fmt.Errorf("read the memory of pods: %s is of a version that this Oriel does not know: remove it, or go on with the newer Oriel", path)
	}
	last := map[string]*pod{}
	var order []string
	for err == nil {
		var line []byte
		if line, err = in.ReadSlice('\n'); err != nil {
			break
		}
		var p pod
		if json.Unmarshal(line, &p) != nil || p.UID == "" {
			break
		}
		if last[p.UID] == nil {
			order = append(order, p.UID)
		}
		last[p.UID] = &p
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return nil, fmt.Errorf("read the memory of pods: %w", err)
	}
	out := make([]*pod, 0, len(order))
	for _, uid := range order {
		out = append(out, last[uid])
	}
	return out, nil
}

// createFile writes a file of these pods in the place of the one that is there.
func createFile(path string, pods []*pod) (*file, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("keep the memory of pods: %w", err)
	}
	b := lines(pods)
	if err := atomicfile.Write(path, append([]byte(fileHead), b...), 0o600); err != nil {
		return nil, fmt.Errorf("keep the memory of pods: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("keep the memory of pods: %w", err)
	}
	size := int64(len(fileHead) + len(b))
	return &file{f: f, begin: size, size: size}, nil
}

func lines(pods []*pod) []byte {
	var out bytes.Buffer
	for _, p := range pods {
		if b, err := json.Marshal(p); err == nil && len(b) < lineBytesMax {
			out.Write(b)
			out.WriteByte('\n')
		}
	}
	return out.Bytes()
}

// append writes changes in one piece. They survive this process; a power cut may
// take the last ones.
func (f *file) append(pods []*pod) error {
	b := lines(pods)
	if len(b) == 0 {
		return nil
	}
	n, err := f.f.Write(b)
	f.size += int64(n)
	if err != nil {
		f.torn = true
	}
	return err
}

// long tells that the file is to be written anew.
func (f *file) long() bool {
	return f.torn || f.size > longBytesMin && f.size > longTimes*f.begin
}

func (f *file) close() error {
	if f == nil {
		return nil
	}
	return f.f.Close()
}
