// Package peers builds the programs of other projects that Oriel is held
// against, from the Go module proxy, and keeps them:
//
//	bin, err := peers.Prometheus(ctx)  // bin.Server, bin.Tool
//	bin, err := peers.VictoriaMetrics(ctx)
//	bin, err := peers.Collector(ctx)
//
// The modules in test/peers/prometheus, victoriametrics and collector pin the
// versions. Binaries lie in $ORIEL_CACHE/peers/<name>-<hash>, or else in the
// folder oriel/peers of the user's cache folder; the hash covers go.mod and
// go.sum. The first build takes minutes and says so on stderr; packages that
// need them at the same time wait for one build.
package peers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/oriel-project/oriel/internal/filelock"
)

const modulePath = "github.com/oriel-project/oriel"

// peer is one module with its programs.
type peer struct {
	name     string
	tags     string
	cgo      bool // where there is a C compiler
	packages []string
}

var (
	prometheus = peer{
		name: "prometheus",
		// Its service discoveries of two dozen clouds double the build.
		tags:     "remove_all_sd",
		packages: []string{"github.com/prometheus/prometheus/cmd/prometheus", "github.com/prometheus/prometheus/cmd/promtool"},
	}
	victoriaMetrics = peer{
		name: "victoriametrics",
		// Its zstd is then the one in C, which is faster.
		cgo:      true,
		packages: []string{"github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics", "github.com/VictoriaMetrics/VictoriaMetrics/app/vmagent"},
	}
	collector = peer{
		name:     "collector",
		tags:     "remove_all_sd",
		packages: []string{modulePath + "/test/peers/collector"},
	}
)

// PrometheusBinaries are a server (which is an agent, too, by --agent) and promtool.
type PrometheusBinaries struct{ Server, Tool string }

// Prometheus gives the Prometheus whose library Oriel is built with.
func Prometheus(ctx context.Context) (PrometheusBinaries, error) {
	files, err := prometheus.binaries(ctx)
	if err != nil {
		return PrometheusBinaries{}, err
	}
	return PrometheusBinaries{Server: files[0], Tool: files[1]}, nil
}

// VictoriaMetricsBinaries are a single node and an agent.
type VictoriaMetricsBinaries struct{ Single, Agent string }

// VictoriaMetrics gives the VictoriaMetrics that test/peers/victoriametrics pins.
func VictoriaMetrics(ctx context.Context) (VictoriaMetricsBinaries, error) {
	files, err := victoriaMetrics.binaries(ctx)
	if err != nil {
		return VictoriaMetricsBinaries{}, err
	}
	return VictoriaMetricsBinaries{Single: files[0], Agent: files[1]}, nil
}

// Collector gives an OpenTelemetry Collector of the few components that
// test/peers/collector puts together.
func Collector(ctx context.Context) (string, error) {
	files, err := collector.binaries(ctx)
	if err != nil {
		return "", err
	}
	return files[0], nil
}

func (p peer) binaries(ctx context.Context) ([]string, error) {
	source, err := sourceDir(p.name)
	if err != nil {
		return nil, err
	}
	dir, err := p.dir(source)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, pkg := range p.packages {
		files = append(files, filepath.Join(dir, path.Base(pkg)))
	}
	unlock, err := filelock.Lock(filepath.Join(dir, "LOCK"))
	if err != nil {
		return nil, err
	}
	defer unlock()
	if allExist(files) {
		return files, nil
	}
	fmt.Fprintf(os.Stderr, "peers: building %s into %s; the first build takes minutes\n", p.name, dir)
	return files, p.build(ctx, source, dir)
}

// build links into a folder of its own and renames: a killed build leaves no
// half-written binary behind.
func (p peer) build(ctx context.Context, source, dir string) error {
	temp, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	args := []string{"build", "-buildvcs=false", "-tags", p.tags, "-o", temp + string(filepath.Separator)}
	cmd := exec.CommandContext(ctx, "go", append(args, p.packages...)...)
	cmd.Dir = source
	cgo := "CGO_ENABLED=0"
	if _, err := exec.LookPath("gcc"); err == nil && p.cgo {
		cgo = "CGO_ENABLED=1"
	}
	// GOFLAGS of the caller (-mod, -tags) are meant for the main module.
	cmd.Env = append(os.Environ(), cgo, "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s from %s: %w\n%s", p.name, source, err, out)
	}
	for _, pkg := range p.packages {
		name := path.Base(pkg)
		if err := os.Rename(filepath.Join(temp, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// dir makes the folder for what is built from source.
func (p peer) dir(source string) (string, error) {
	h := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			return "", err
		}
		h.Write(b)
	}
	cache := os.Getenv("ORIEL_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no place for the built programs: %w; set ORIEL_CACHE to a folder", err)
		}
		cache = filepath.Join(user, "oriel")
	}
	dir := filepath.Join(cache, "peers", p.name+"-"+hex.EncodeToString(h.Sum(nil))[:12])
	return dir, os.MkdirAll(dir, 0o755)
}

// sourceDir finds the peer's module from the folder that the process runs in.
func sourceDir(name string) (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil && strings.HasPrefix(string(b), "module "+modulePath+"\n"):
			return filepath.Join(dir, "test", "peers", name), nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside a checkout of %s: run it from there", start, modulePath)
		}
	}
}

func allExist(files []string) bool {
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			return false
		}
	}
	return true
}
