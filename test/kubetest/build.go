package kubetest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/oriel-project/oriel/internal/filelock"
)

const modulePath = "github.com/oriel-project/oriel"

// Binaries gives kubebox and kubectl, built from the module test/kube. They are
// kept in $ORIEL_CACHE/kube/<hash>, or else in the folder oriel/kube/<hash> of
// the user's cache folder; the hash covers the module's files and the Go
// version. The first build takes minutes and says so on stderr; packages that
// need them at the same time wait for one build.
func Binaries(ctx context.Context) (kubebox, kubectl string, err error) {
	source, err := sourceDir()
	if err != nil {
		return "", "", err
	}
	sum, err := hashSources(source)
	if err != nil {
		return "", "", err
	}
	cache := os.Getenv("ORIEL_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", "", fmt.Errorf("no place for the built Kubernetes binaries: %w; set ORIEL_CACHE to a folder", err)
		}
		cache = filepath.Join(user, "oriel")
	}
	dir := filepath.Join(cache, "kube", sum)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", err
	}
	kubebox, kubectl = filepath.Join(dir, "kubebox"), filepath.Join(dir, "kubectl")
	unlock, err := filelock.Lock(filepath.Join(dir, "LOCK"))
	if err != nil {
		return "", "", err
	}
	defer unlock()
	if exists(kubebox) && exists(kubectl) {
		return kubebox, kubectl, nil
	}
	fmt.Fprintf(os.Stderr, "kubetest: building etcd, kube-apiserver and kubectl into %s; the first build takes minutes\n", dir)
	return kubebox, kubectl, build(ctx, source, dir)
}

// build links into a folder of its own and renames: a killed build leaves no
// half-written binary behind.
func build(ctx context.Context, source, dir string) error {
	version, err := kubernetesVersion(filepath.Join(source, "go.mod"))
	if err != nil {
		return err
	}
	temp, err := os.MkdirTemp(dir, "build")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags", linkerFlags(version),
		"-o", temp+string(filepath.Separator), "./kubebox", "./kubectl")
	cmd.Dir = source
	// GOFLAGS of the caller (-mod, -tags) are meant for the main module.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build Kubernetes from %s: %w\n%s", source, err, out)
	}
	for _, name := range []string{"kubebox", "kubectl"} {
		if err := os.Rename(filepath.Join(temp, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// linkerFlags stamp the version, without which the servers call themselves
// v0.0.0-master and kubectl warns of a skew.
func linkerFlags(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	flags := []string{"-s", "-w"}
	stamp := func(pkg, name, value string) {
		flags = append(flags, "-X", fmt.Sprintf("%s.%s=%s", pkg, name, value))
	}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		stamp(pkg, "gitVersion", version)
		stamp(pkg, "gitMajor", parts[0])
		stamp(pkg, "gitMinor", parts[1])
	}
	return strings.Join(flags, " ")
}

var kubernetesRequired = regexp.MustCompile(`(?m)\bk8s\.io/kubernetes (v\d+\.\d+\.\S+)`)

func kubernetesVersion(goMod string) (string, error) {
	b, err := os.ReadFile(goMod)
	if err != nil {
		return "", err
	}
	m := kubernetesRequired.FindSubmatch(b)
	if m == nil {
		return "", fmt.Errorf("%s requires no k8s.io/kubernetes: add it with go get", goMod)
	}
	return string(m[1]), nil
}

// sourceDir finds test/kube from the folder that the test runs in.
func sourceDir() (string, error) {
	start, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		switch {
		case err == nil && strings.HasPrefix(string(b), "module "+modulePath+"\n"):
			return filepath.Join(dir, "test", "kube"), nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", err
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("%s is not inside a checkout of %s: run the test from there", start, modulePath)
		}
	}
}

func hashSources(dir string) (string, error) {
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && (d.Name() == "go.mod" || d.Name() == "go.sum" || filepath.Ext(path) == ".go") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	slices.Sort(files)
	h := sha256.New()
	fmt.Fprintf(h, "%s %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			return "", err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s %x\n", filepath.ToSlash(rel), sha256.Sum256(b))
	}
	return hex.EncodeToString(h.Sum(nil))[:16], nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
