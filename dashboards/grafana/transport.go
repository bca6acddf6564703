package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// StatusError is an answer of Grafana with a status of 300 or more.
type StatusError struct {
	Method, Path string
	Status       int
	Message      string // Grafana's own, clipped
}

func (e *StatusError) Error() string {
	s := fmt.Sprintf("Grafana answered %s %s with %d %s", e.Method, e.Path, e.Status, http.StatusText(e.Status))
	if e.Message != "" {
		s += ": " + e.Message
	}
	switch {
	case e.Status >= 300 && e.Status < 400:
		s += "; is grafana.url the address of Grafana's root, with its sub-path if it has one?"
	case e.Status == http.StatusUnauthorized:
		s += "; check grafana.user and its password file, or the token file"
	}
	return s
}

// is reports whether err is an answer with one of the statuses.
func is(err error, statuses ...int) bool {
	se, ok := errors.AsType[*StatusError](err)
	if !ok {
		return false
	}
	for _, s := range statuses {
		if se.Status == s {
			return true
		}
	}
	return false
}

type orgKey struct{}

// inOrg makes the requests under ctx act in that organisation.
func inOrg(ctx context.Context, id uint) context.Context {
	return context.WithValue(ctx, orgKey{}, id)
}

type unlockedKey struct{}

// unlocked makes the alert rules that are written under ctx ones that people can
// change in Grafana's pages, and that a later Oriel can remove.
func unlocked(ctx context.Context) context.Context {
	return context.WithValue(ctx, unlockedKey{}, true)
}

type onceKey struct{}

// once keeps requests under ctx from being sent again where an answer may have
// got lost: what they make would be there twice.
func once(ctx context.Context) context.Context { return context.WithValue(ctx, onceKey{}, true) }

const (
	messageBytesMax = 400
	replyBytesMax   = 64 << 20
	retryAfterMax   = 30 * time.Second
)

// transport is the one way to Grafana, for the library and for our own calls:
// it signs the request, names the organisation, keeps to the rate, asks again
// where that can help, and makes an error of every status from 300 on, since the
// library overlooks most of them. That last point is more than a RoundTripper
// should do, so it is used by the client of this package alone.
type transport struct {
	base           http.RoundTripper
	user, password string
	token          string
	pacer          *pacer
	attempts       int
	backoff        time.Duration
	onAnswer       func(status int) // 0: no answer
}

func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	single := req.Context().Value(onceKey{}) != nil
	for attempt := 1; ; attempt++ {
		if err := t.pacer.wait(req.Context(), hurried(req.Context())); err != nil {
			return nil, err
		}
		res, err := t.once(req)
		var wait time.Duration
		switch {
		case err != nil:
			t.onAnswer(0)
			if req.Context().Err() != nil || attempt >= t.attempts || single {
				return nil, err
			}
		default:
			t.onAnswer(res.StatusCode)
			if res.StatusCode < 300 {
				res.Body = http.MaxBytesReader(nil, res.Body, replyBytesMax)
				return res, nil
			}
			se := statusError(req, res)
			if attempt >= t.attempts || (se.Status != http.StatusTooManyRequests && (se.Status < 500 || single)) {
				return nil, se
			}
			if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 {
				wait = min(time.Duration(s)*time.Second, retryAfterMax)
			}
		}
		// Doubled each time, with half of it left to chance, so that clients that
		// failed together do not come back together.
		pause := t.backoff << (attempt - 1)
		wait = max(wait, pause/2+rand.N(pause/2+1))
		select {
		case <-req.Context().Done():
			return nil, req.Context().Err()
		case <-time.After(wait):
		}
	}
}

func (t *transport) once(req *http.Request) (*http.Response, error) {
	r := req.Clone(req.Context())
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		r.Body = body
	}
	r.Header.Set("User-Agent", "oriel")
	if t.token != "" {
		r.Header.Set("Authorization", "Bearer "+t.token)
	} else {
		r.SetBasicAuth(t.user, t.password)
	}
	if id, ok := req.Context().Value(orgKey{}).(uint); ok {
		r.Header.Set("X-Grafana-Org-Id", strconv.FormatUint(uint64(id), 10))
	}
	if req.Context().Value(unlockedKey{}) != nil {
		r.Header.Set("X-Disable-Provenance", "true")
	}
	return t.base.RoundTrip(r)
}

func statusError(req *http.Request, res *http.Response) *StatusError {
	defer res.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	var reply struct {
		Message string `json:"message"`
		Error   string `json:"error"`
	}
	msg := ""
	if json.Unmarshal(raw, &reply) == nil {
		msg = reply.Message
		if msg == "" {
			msg = reply.Error
		}
	} else if !strings.HasPrefix(strings.TrimSpace(string(raw)), "<") {
		msg = strings.TrimSpace(string(raw))
	}
	if len(msg) > messageBytesMax {
		msg = msg[:messageBytesMax] + "..."
	}
	return &StatusError{Method: req.Method, Path: req.URL.Path, Status: res.StatusCode, Message: msg}
}

// unwrap drops what net/http says around an error: method and URL stand in
// StatusError already.
func unwrap(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		if se, ok := errors.AsType[*StatusError](ue); ok {
			return se
		}
	}
	return err
}
