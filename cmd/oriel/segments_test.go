package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/store"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func TestSegments(t *testing.T) {
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, dirLogs), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b logging.Batch
	for i := range 1000 {
		now := time.Now().UTC()
		b.Records = append(b.Records, logging.Record{
			Tenant: "shop", Index: "app", Time: now, Received: now.Truncate(time.Millisecond),
			Source: fmt.Appendf(nil, `{"message":"order %d paid","took":%d}`, i, i*i),
		})
	}
	if _, err := s.Append(context.Background(), scopetest.Write("shop"), b); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, dirLogs, "*"+segmentSuffix))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}

	want := func(contains string, wantErr bool, args ...string) {
		t.Helper()
		if code, out, errs := oriel(t, args...); !strings.Contains(out, contains) || (code != 0) != wantErr {
			t.Errorf("oriel %s: exit %d\n%s%s\nwant %q", strings.Join(args, " "), code, out, errs, contains)
		}
	}
	want("damage in 0 places", false, "segments", "verify", "--data-dir", dir)
	want("1 segments, 1000 records", false, "segments", "verify", files[0])
	want("tenant shop", false, "segments", "dump", files[0])
	want("order 999 paid", false, "segments", "dump", "--records", files[0])
	want("", true, "segments", "verify", "--data-dir", filepath.Join(dir, "elsewhere"))

	bytes, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	bytes[len(bytes)/3] ^= 0x10
	if err := os.WriteFile(files[0], bytes, 0o600); err != nil {
		t.Fatal(err)
	}
	want("block 0, time", true, "segments", "verify", files[0])
	want("block 0: time", true, "segments", "verify", "--data-dir", dir)
}
