package main

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/logging"
)

// openVeil reads the key of the numbers that records are shown by;
// docs/format/numbers.md. Where there is no file it is made. mark names the file
// beside the logs that tells which key they were shown by ("": there is none): logs
// that came without it are refused, since with another key their records have other
// ids.
func openVeil(path, mark string) (*logging.Veil, error) {
	marked, err := readMark(mark)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && marked != "" {
		return nil, fmt.Errorf("key of the records' numbers %s is gone, and the logs were shown by one: restore it from where the logs were copied, or delete %s to take a new key, by which all records get other ids and cursors that clients hold end", path, mark)
	}
	if errors.Is(err, fs.ErrNotExist) {
		var key [logging.VeilKeyBytes]byte
		rand.Read(key[:]) // never fails: the runtime ends the process instead
		b = veilFile(key, 1)
		err = atomicfile.Write(path, b, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("key of the records' numbers: %w", err)
	}
	key, first, ok := parseVeil(b)
	if !ok {
		remove := "it"
		if marked != "" {
			remove += " and " + mark
		}
		return nil, fmt.Errorf("key of the records' numbers %s does not read: restore the file, or delete %s to take a new key, by which all records get other ids and cursors that clients hold end", path, remove)
	}
	switch want := markOf(key, first); {
	case mark == "" || marked == want:
	case marked != "":
		return nil, fmt.Errorf("key of the records' numbers %s is not the one that the logs were shown by: restore it from where the logs were copied, or delete %s to go on with this key, by which all records get other ids and cursors that clients hold end", path, mark)
	default:
		if err := atomicfile.Write(mark, []byte(want), 0o600); err != nil {
			return nil, fmt.Errorf("mark the logs with their key of numbers: %w", err)
		}
	}
	return logging.NewVeil(key, first), nil
}

// readMark reads the mark beside the logs; "" where there is none.
func readMark(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	b, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("mark of the records' numbers: %w", err)
	}
	if len(b) == 0 {
		return "none", nil // it was there, and matches no key
	}
	return string(b), nil
}

// markOf gives the mark of a key, from which the key cannot be had.
func markOf(key [logging.VeilKeyBytes]byte, first uint64) string {
	mac := hmac.New(sha256.New, key[:])
	fmt.Fprintf(mac, "oriel numbers mark, first %d", first)
	return fmt.Sprintf("oriel numbers mark 1\nkey %x\n", mac.Sum(nil)[:16])
}

// parseVeil reads the file's bytes.
func parseVeil(b []byte) (key [logging.VeilKeyBytes]byte, first uint64, ok bool) {
	var hexKey string
	if _, err := fmt.Sscanf(string(b), veilFormat, &hexKey, &first); err != nil {
		return key, 0, false
	}
	n, err := hex.Decode(key[:], []byte(hexKey)[:min(len(hexKey), 2*len(key))])
	return key, first, err == nil && n == len(key) && string(veilFile(key, first)) == string(b)
}

const veilFormat = "oriel numbers 1\nkey %s\nfirst %d\n"

// veilFile gives the file's bytes.
func veilFile(key [logging.VeilKeyBytes]byte, first uint64) []byte {
	b := fmt.Appendf(nil, veilFormat, hex.EncodeToString(key[:]), first)
	return fmt.Appendf(b, "sum %08x\n", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}
