package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// token gives the credential of client commands: --token-file, else
// $ORIEL_TOKEN, else <data-dir>/admin.token. "" where there is none: a loopback
// Oriel may let anonymous operators in.
func (g *global) token() (string, error) {
	name := g.tokenFile
	if name == "" {
		if t := os.Getenv("ORIEL_TOKEN"); t != "" {
			return strings.TrimSpace(t), nil
		}
		name = filepath.Join(g.dataDir, "admin.token")
		if _, err := os.Stat(name); errors.Is(err, os.ErrNotExist) {
			return "", nil
		}
	}
	b, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the token: %w; give another with --token-file or $ORIEL_TOKEN", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// baseURL checks --url.
func (g *global) baseURL() (string, error) {
	u, err := url.Parse(g.url)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", usagef("--url %q: want http://HOST:PORT of a running Oriel", g.url)
	}
	return strings.TrimSuffix(g.url, "/"), nil
}

// httpClient sends the token with every request.
func (g *global) httpClient() (*http.Client, error) {
	t, err := g.token()
	if err != nil {
		return nil, err
	}
	return &http.Client{Timeout: time.Minute, Transport: bearer{t}}, nil
}

type bearer struct{ token string }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.token != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+b.token)
	}
	return http.DefaultTransport.RoundTrip(r)
}
