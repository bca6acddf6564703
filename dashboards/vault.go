package dashboards

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/tenant"
)

// vault keeps the read tokens that Grafana's data sources carry, since a
// token's secret can be had only once. Below its directory:
//
//	key              32 random bytes, 0600, made at first start
//	tokens/<tenant>  one entry a tenant, 0600:
//
//	+---------+-----------+------------------------------------------+
//	| 1 byte  | 12 bytes  | AES-256-GCM of the entry's JSON, with    |
//	| version | nonce     | the tenant's ID as additional data       |
//	| 1       |           | (16 bytes of tag at the end)             |
//	+---------+-----------+------------------------------------------+
//
// This protects the tokens where the entries get about without the key: in a
// support bundle, a partial backup, a listing of the disk; and an entry cannot be
// passed off as another tenant's. It does not protect them from somebody who reads
// the whole data directory. An entry that cannot be read (the key was lost) counts
// as absent: a new token is minted.
//
// Safe for concurrent use, one goroutine a tenant.
type vault struct {
	dir  string
	aead cipher.AEAD
}

const (
	vaultVersion  = 1
	vaultKeyBytes = 32
	entryBytesMax = 64 << 10
)

// entry is what is known of one tenant's tokens.
type entry struct {
	ID      string    `json:"id"`
	Secret  string    `json:"secret"`
	Created time.Time `json:"created"`
}

// openVault makes the directory and the key where they are missing.
func openVault(dir string) (*vault, error) {
	if err := os.MkdirAll(filepath.Join(dir, "tokens"), 0o700); err != nil {
		return nil, fmt.Errorf("directory for Grafana's tokens: %w", err)
	}
	name := filepath.Join(dir, "key")
	key, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		key = make([]byte, vaultKeyBytes)
		rand.Read(key)
		err = atomicfile.Write(name, key, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("key of Grafana's tokens: %w", err)
	}
	if len(key) != vaultKeyBytes {
		return nil, fmt.Errorf("key of Grafana's tokens %s has %d bytes, want %d: restore it, or remove it and new tokens are minted", name, len(key), vaultKeyBytes)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("key of Grafana's tokens %s: %w", name, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("key of Grafana's tokens %s: %w", name, err)
	}
	return &vault{dir: dir, aead: aead}, nil
}

func (v *vault) path(id tenant.ID) string { return filepath.Join(v.dir, "tokens", string(id)) }

// load gives ok false where there is no entry that can be read.
func (v *vault) load(id tenant.ID) (e entry, ok bool, err error) {
	raw, err := os.ReadFile(v.path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return entry{}, false, nil
	}
	if err != nil {
		return entry{}, false, fmt.Errorf("read Grafana's token of tenant %s: %w", id, err)
	}
	n := v.aead.NonceSize()
	if len(raw) < 1+n || len(raw) > entryBytesMax || raw[0] != vaultVersion {
		return entry{}, false, nil
	}
	// What cannot be opened was made with another key: a new token is minted.
	if plain, err := v.aead.Open(nil, raw[1:1+n], raw[1+n:], []byte(id)); err == nil && json.Unmarshal(plain, &e) == nil {
		return e, e.ID != "" && e.Secret != "", nil
	}
	return entry{}, false, nil
}

func (v *vault) save(id tenant.ID, e entry) error {
	plain, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode Grafana's token of tenant %s: %w", id, err)
	}
	raw := make([]byte, 1+v.aead.NonceSize())
	raw[0] = vaultVersion
	rand.Read(raw[1:])
	raw = v.aead.Seal(raw, raw[1:], plain, []byte(id))
	if err := atomicfile.Write(v.path(id), raw, 0o600); err != nil {
		return fmt.Errorf("write Grafana's token of tenant %s: %w", id, err)
	}
	return nil
}

func (v *vault) forget(id tenant.ID) error {
	if err := os.Remove(v.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove Grafana's token of tenant %s: %w", id, err)
	}
	return nil
}

// known lists the tenants with an entry.
func (v *vault) known() ([]tenant.ID, error) {
	des, err := os.ReadDir(filepath.Join(v.dir, "tokens"))
	if err != nil {
		return nil, fmt.Errorf("list Grafana's tokens: %w", err)
	}
	var ids []tenant.ID
	for _, de := range des {
		if id := tenant.ID(de.Name()); named(id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
