package httpx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

const replyBytesMax = 64 << 20

// JSONError is the error shape of Oriel's own APIs: {"error":"one sentence"}.
func JSONError(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	WriteJSON(w, status, map[string]string{"error": reason})
}

// WriteJSON writes a whole reply.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		status, b = http.StatusInternalServerError, bytes.Buffer{}
		b.WriteString(`{"error":"the reply could not be written as JSON"}` + "\n")
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // whoever went away needs no answer
}

// ReadJSON reads the request's body, one JSON value of at most bytesMax without
// unknown fields, into v. With an error, status is the one to answer with and
// the error's text may be shown.
func ReadJSON(w http.ResponseWriter, r *http.Request, bytesMax int64, v any) (status int, err error) {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, bytesMax))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if err == nil {
		if _, next := d.Token(); next != io.EOF {
			err = errors.New("something follows the JSON value: send one value alone")
			if tooLarge(next) {
				err = next
			}
		}
	}
	switch {
	case err == nil:
		return http.StatusOK, nil
	case tooLarge(err):
		return http.StatusRequestEntityTooLarge, fmt.Errorf("body is over the limit of %d bytes: send less at a time", bytesMax)
	case errors.Is(err, io.EOF):
		return http.StatusBadRequest, errors.New("body is empty: send a JSON object")
	}
	return http.StatusBadRequest, fmt.Errorf("body is not the JSON that is wanted here: %s", strings.TrimPrefix(err.Error(), "json: "))
}

func tooLarge(err error) bool {
	var large *http.MaxBytesError
	return errors.As(err, &large)
}

// StatusError is an answer with a status of 300 or more.
type StatusError struct {
	Status int
	Reason string // the server's sentence, or its status line
}

// Error gives the server's sentence.
func (e *StatusError) Error() string { return e.Reason }

// CallJSON sends in as JSON (no body where nil) and reads the reply into out
// (thrown away where nil). An answer of 300 or more is a *StatusError. No
// reply is read beyond 64 MiB.
func CallJSON(ctx context.Context, c *http.Client, method, url, token string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return err
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, replyBytesMax+1))
	if err != nil {
		return fmt.Errorf("%s %s: read the reply: %w", method, url, err)
	}
	if len(b) > replyBytesMax {
		return fmt.Errorf("%s %s: the reply is over %d bytes", method, url, replyBytesMax)
	}
	if resp.StatusCode >= 300 {
		var e struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(b, &e) != nil || e.Error == "" {
			e.Error = fmt.Sprintf("%s %s answers %s", method, url, resp.Status)
		}
		return &StatusError{Status: resp.StatusCode, Reason: e.Error}
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(b, out); err != nil {
		return fmt.Errorf("%s %s: read the reply: %w", method, url, err)
	}
	return nil
}
