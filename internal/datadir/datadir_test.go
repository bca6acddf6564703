package datadir

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOpenLocksAndRemembers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir)
	want := fmt.Sprintf("in use by process %d; stop that process", os.Getpid())
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("second opener: got %v, want an error with %q", err, want)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d, err = Open(dir)
	if err != nil {
		t.Fatalf("after Close: %v", err)
	}
	d.Close()
}

func TestOpenRefuses(t *testing.T) {
	cases := []struct {
		name, version, want string
	}{
		{"newer", "oriel 2\n", "says version 2, and this build knows versions up to 1"},
		{"foreign", "PG 15\n", "is this Oriel's data directory?"},
		{"empty", "", "is this Oriel's data directory?"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "VERSION"), []byte(c.version), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error with %q", err, c.want)
			}
		})
	}
	t.Run("a file in the way", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(name)
		if err == nil || !strings.Contains(err.Error(), "choose another with --data-dir") {
			t.Fatalf("got %v, want an error that says how to mend it", err)
		}
	})
}
