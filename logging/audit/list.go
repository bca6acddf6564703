package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

const (
	apiVersion = "audit.k8s.io/v1"
	listKind   = "EventList"
)

// listError is a fault of the batch: sending it again does not help.
type listError struct{ what string }

func (e *listError) Error() string { return e.what }

// readList hands over the items of an EventList one by one, while it is read:
// of the list, only one event is in memory. kind and apiVersion stand anywhere in
// it; where they say something else the error comes when they do.
func readList(r io.Reader, each func(json.RawMessage) error) error {
	d := json.NewDecoder(r)
	bad := func(err error) error {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		if errors.As(err, &syntax) || errors.As(err, &kind) {
			return &listError{"the body is no EventList in JSON: " + err.Error()}
		}
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("read the batch: %w", err)
	}
	expect := func(want json.Delim) error {
		t, err := d.Token()
		if err != nil {
			return bad(err)
		}
		if t != want {
			return &listError{fmt.Sprintf("the body is no EventList in JSON: found %v in place of %v", t, want)}
		}
		return nil
	}
	if err := expect('{'); err != nil {
		return err
	}
	said := 0
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return bad(err)
		}
		switch key {
		case "kind", "apiVersion":
			var got string
			if err := d.Decode(&got); err != nil {
				return bad(err)
			}
			if want := map[any]string{"kind": listKind, "apiVersion": apiVersion}[key]; got != want {
				return &listError{fmt.Sprintf("%s %q is not supported: want %s of %s, see --audit-webhook-version", key, got, listKind, apiVersion)}
			}
			said++
		case "items":
			if err := expect('['); err != nil {
				return err
			}
			for d.More() {
				var item json.RawMessage
				if err := d.Decode(&item); err != nil {
					return bad(err)
				}
				if err := each(item); err != nil {
					return err
				}
			}
			if err := expect(']'); err != nil {
				return err
			}
		default:
			var skipped json.RawMessage
			if err := d.Decode(&skipped); err != nil {
				return bad(err)
			}
		}
	}
	if err := expect('}'); err != nil {
		return err
	}
	if said < 2 {
		return &listError{"kind and apiVersion are missing: want " + listKind + " of " + apiVersion}
	}
	return nil
}
