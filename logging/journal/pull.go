package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/oriel-project/oriel/tenant"
)

// PullOptions say which systemd-journal-gatewayd is asked.
type PullOptions struct {
	Scope      func() tenant.Write // what it is written under
	CursorFile string
	URL        string // of the gatewayd, such as http://node-1:19531
	Client     *http.Client
	Since      time.Duration // older entries of a journal that is read for the first time are left out
}

// Pull reads the journal of another machine from its systemd-journal-gatewayd
// until ctx ends.
func (s *Intake) Pull(ctx context.Context, o PullOptions) error {
	o.URL = strings.TrimSuffix(o.URL, "/")
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	src := &source{s: s, kind: "pull", name: o.URL, file: o.CursorFile, scope: o.Scope}
	return src.run(ctx, func(ctx context.Context) error { return s.pull(ctx, src, o) })
}

func (s *Intake) pull(ctx context.Context, src *source, o PullOptions) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	machine, err := o.machine(ctx)
	if err != nil {
		return err
	}
	if machine != src.at.Machine {
		if src.at.Machine != "" {
			s.o.Logger.Warn("another machine answers, its journal is read from its beginning", "source", src.name, "machine", machine, "before", src.at.Machine)
		}
		src.at, src.dirty = place{Machine: machine}, true
	}
	// Without a count: everything from there on. The cursor's own entry comes first,
	// since a gatewayd begins anywhere where it is gone, and says nothing.
	header := http.Header{"Accept": {contentType}}
	if src.at.Cursor != "" {
		from := "entries=" + src.at.Cursor
		if src.at.Past {
			from += ":1:" // behind it, without a count
		}
		header.Set("Range", from)
	}
	resp, err := o.get(ctx, "/entries?follow", header)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	return src.take(ctx, resp.Body, cancel, o.Since)
}

// machine asks for the id of the machine whose journal it is.
func (o *PullOptions) machine(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := o.get(ctx, "/machine", nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var m struct {
		ID string `json:"machine_id"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&m); err != nil || m.ID == "" {
		return "", fmt.Errorf("%s/machine: this is no systemd-journal-gatewayd: %w", o.URL, err)
	}
	return m.ID, nil
}

func (o *PullOptions) get(ctx context.Context, path string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, o.URL+path, nil)
	if err != nil {
		return nil, err
	}
	for name := range header {
		req.Header[name] = header[name]
	}
	resp, err := o.Client.Do(req)
	if err != nil {
		if ue, ok := errors.AsType[*url.Error](err); ok {
			err = ue.Err // the URL is said below
		}
		return nil, fmt.Errorf("%s%s: %w", o.URL, path, err)
	}
	if resp.StatusCode != http.StatusOK {
		defer resp.Body.Close()
		what, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // the status says enough
		return nil, fmt.Errorf("%s%s: %s: %s", o.URL, path, resp.Status, strings.TrimSpace(string(what)))
	}
	return resp, nil
}
