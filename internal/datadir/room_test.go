package datadir

import (
	"errors"
	"testing"
)

func TestRoom(t *testing.T) {
	d, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := d.Room(1 << 60); !errors.Is(err, ErrFull) {
		t.Errorf("room for an exbibyte: %v", err)
	}
}
