package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// TestSegmentsRecover damages both copies of a manifest, and mends it as the refusal to
// start says.
func TestSegmentsRecover(t *testing.T) {
	dir := t.TempDir()
	logs := filepath.Join(dir, dirLogs)
	ctx := context.Background()
	s, err := store.Open(logs, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	rec := logging.Record{Tenant: "shop", Index: "app", Time: now, Received: now.Truncate(time.Millisecond), Source: []byte(`{"message":"order 1 paid"}`)}
	if _, err := s.Append(ctx, scopetest.Write("shop"), logging.Batch{Records: []logging.Record{rec}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	want := func(wantCode int, contains string, args ...string) {
		t.Helper()
		args = append(args, "--data-dir", dir)
		if code, out, errs := oriel(t, args...); !strings.Contains(out+errs, contains) || code != wantCode {
			t.Errorf("oriel %s: exit %d\n%s%s\nwant %d, %q", strings.Join(args, " "), code, out, errs, wantCode, contains)
		}
	}
	want(0, "nothing to recover", "segments", "recover")
	copies, err := filepath.Glob(filepath.Join(logs, "MANIFEST-*"))
	if err != nil || len(copies) != 2 {
		t.Fatal(copies, err)
	}
	for _, name := range copies {
		if err := os.WriteFile(name, []byte(strings.Repeat("x", 200)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Open(logs, store.Options{}); err == nil || !strings.Contains(err.Error(), "oriel segments recover") {
		t.Errorf("start: %v", err)
	}
	want(2, "want keep or quarantine", "segments", "recover", "--doubtful", "perhaps")
	want(0, "carry it out with --write", "segments", "recover")
	want(0, "tenant shop", "segments", "recover", "--write")
	s, err = store.Open(logs, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	v, err := s.Snapshot(ctx, scopetest.Read("shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if res, err := v.Search(ctx, logging.Query{Limit: 10}); err != nil || len(res.Hits) != 1 {
		t.Errorf("%+v, %v", res, err)
	}
}
