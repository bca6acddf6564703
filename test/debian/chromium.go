package debian

import (
	"bytes"
	"context"
	"os/exec"
	"testing"
	"time"
)

// Chromium runs the browser without a window and gives what it wrote, with
// --dump-dom the page as its scripts have made it.
func Chromium(t testing.TB, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, Program(t, "chromium", "chromium"), append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--hide-scrollbars",
		"--disable-dev-shm-usage", // a container has little of it
		"--user-data-dir=" + t.TempDir(),
	}, args...)...)
	cmd.WaitDelay = 10 * time.Second // its children may hold the pipes
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, stderr.String())
	}
	return string(out)
}
