package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/logging"
)

// openVeil reads the key of the numbers that records are shown by, and the first
// position that is hidden by it; docs/format/numbers.md. Where there is no file it
// is made: positions below next count as seen before, and keep their number, which
// unveils them where the file was there and is lost.
func openVeil(path string, next uint64) (*logging.Veil, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		var key [logging.VeilKeyBytes]byte
		rand.Read(key[:]) // never fails: the runtime ends the process instead
		b = veilFile(key, next)
		err = atomicfile.Write(path, b, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("key of the records' numbers: %w", err)
	}
	var hexKey string
	var first uint64
	if _, err := fmt.Sscanf(string(b), veilFormat, &hexKey, &first); err == nil {
		var key [logging.VeilKeyBytes]byte
		if n, err := hex.Decode(key[:], []byte(hexKey)[:min(len(hexKey), 2*len(key))]); err == nil && n == len(key) && string(veilFile(key, first)) == string(b) {
			return logging.NewVeil(key, first), nil
		}
	}
	return nil, fmt.Errorf("key of the records' numbers %s does not read: restore the file; without it (delete it then) the records that are there are shown by their positions, from which a tenant can count what others wrote", path)
}

const veilFormat = "oriel numbers 1\nkey %s\nfirst %d\n"

// veilFile gives the file's bytes.
func veilFile(key [logging.VeilKeyBytes]byte, first uint64) []byte {
	b := fmt.Appendf(nil, veilFormat, hex.EncodeToString(key[:]), first)
	return fmt.Appendf(b, "sum %08x\n", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}
