package dashboards

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/oriel-project/oriel/tenant"
)

func TestVault(t *testing.T) {
	dir := t.TempDir()
	v, err := openVault(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := v.load("payments"); ok || err != nil {
		t.Fatalf("an entry before the first: %v, %v", ok, err)
	}
	e := entry{ID: "t1", Secret: "very secret", Created: testTime}
	if err := v.save("payments", e); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(v.path("payments"))
	if err != nil || bytes.Contains(raw, []byte("secret")) {
		t.Errorf("stored in the clear: %q, %v", raw, err)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if fi, _ := d.Info(); !d.IsDir() && fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, fi.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	if v, err = openVault(dir); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := v.load("payments"); !ok || err != nil || got != e {
		t.Errorf("after opening again: %+v, %v, %v", got, ok, err)
	}
	if ids, err := v.known(); err != nil || !slices.Equal(ids, []tenant.ID{"payments"}) {
		t.Errorf("known %v, %v", ids, err)
	}

	// Damaged, cut, another tenant's, of another version: as if it were not there.
	for name, bad := range map[string][]byte{
		"damaged": append(slices.Clone(raw[:len(raw)-1]), raw[len(raw)-1]^1),
		"cut":     raw[:9],
		"empty":   {},
		"version": append([]byte{9}, raw[1:]...),
	} {
		if err := os.WriteFile(v.path("payments"), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := v.load("payments"); ok || err != nil {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if err := os.WriteFile(v.path("billing"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, ok, _ := v.load("billing"); ok {
		t.Error("one tenant's token was taken for another's")
	}

	if err := v.forget("payments"); err != nil {
		t.Fatal(err)
	}
	if err := v.forget("payments"); err != nil {
		t.Errorf("forget again: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openVault(dir); err == nil {
		t.Error("a short key was taken")
	}
}
