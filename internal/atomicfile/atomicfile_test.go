package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	holds := func(text string, mode os.FileMode) {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil || string(b) != text {
			t.Errorf("%q %v, want %q", b, err, text)
		}
		if fi, err := os.Stat(name); err != nil || fi.Mode() != mode {
			t.Errorf("mode %v %v, want %v", fi.Mode(), err, mode)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("in the directory: %v %v", left, err)
		}
	}
	write := func(text string, mode os.FileMode) {
		t.Helper()
		if err := Write(name, []byte(text), mode); err != nil {
			t.Error(err)
		}
	}
	write("first", 0o600)
	holds("first", 0o600)

	// What a crash left, or a link that somebody laid there, is not written into.
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, temp(name)); err != nil {
		t.Fatal(err)
	}
	write("second", 0o666)
	holds("second", 0o666)
	if b, _ := os.ReadFile(other); string(b) != "theirs" {
		t.Errorf("the link was followed: %q", b)
	}
}

func TestWriteFails(t *testing.T) {
	dir := t.TempDir()
	if err := Write(filepath.Join(dir, "none", "a"), nil, 0o600); err == nil {
		t.Error("written into a directory that is not there")
	}
	name := filepath.Join(dir, "a")
	if err := os.MkdirAll(filepath.Join(name, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(name, []byte("x"), 0o600); err == nil {
		t.Error("a directory was replaced")
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("in the directory: %v %v", left, err)
	}
}

func TestMkdirAll(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a/b/c", "a/b/c", "a/d", "."} {
		if err := MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			t.Error(err)
		}
		if fi, err := os.Stat(filepath.Join(dir, name)); err != nil || !fi.IsDir() {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"file", "file/below"} {
		if err := MkdirAll(filepath.Join(dir, name), 0o700); err == nil {
			t.Errorf("%s was made", name)
		}
	}
}
