// Package agentapi is how an agent's roster comes to central over HTTP: the
// server that central mounts, and the client that the agent uses in its place.
//
//	api := agentapi.New(agentapi.Options{Roster: registry})
//	var roster tenant.Roster = &agentapi.Client{URL: "https://central:7480", Token: token}
//
// docs/api.md shows the requests and replies.
package agentapi

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/oriel-project/oriel/tenant"
)

const (
	bodyBytesMax = 16 << 20
	// A claim in memory is larger than in JSON: the bytes alone do not bound it.
	claimsMax = 20_000
)

const (
	pathSnapshot = "/agent/v1/namespaces"
	pathChanges  = "/agent/v1/namespaces/changes"
)

// snapshot is the body of PUT /agent/v1/namespaces.
type snapshot struct {
	Version uint64 `json:"version"`
	Claims  claims `json:"claims"`
}

// changes is the body of POST /agent/v1/namespaces/changes.
type changes struct {
	Version uint64 `json:"version"`
	Set     claims `json:"set,omitempty"`
	Ended   ended  `json:"ended,omitempty"`
}

// reply is what both are answered with.
type reply struct {
	Decisions []tenant.Decision `json:"decisions"`
}

// claims and ended are lists that stop being read at claimsMax.
type (
	claims []tenant.Claim
	ended  []string
)

// UnmarshalJSON reads the list claim by claim.
func (c *claims) UnmarshalJSON(b []byte) error { return readList((*[]tenant.Claim)(c), b) }

// UnmarshalJSON reads the list UID by UID.
func (e *ended) UnmarshalJSON(b []byte) error { return readList((*[]string)(e), b) }

func readList[T any](list *[]T, b []byte) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	switch t, err := d.Token(); {
	case err != nil:
		return err
	case t == nil: // null
		*list = nil
		return nil
	case t != json.Delim('['):
		return fmt.Errorf("want a list, got %v", t)
	}
	out := []T{}
	for d.More() {
		if len(out) == claimsMax {
			return fmt.Errorf("more than %d entries: one cluster's namespaces are fewer", claimsMax)
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		out = append(out, v)
	}
	*list = out
	return nil
}
