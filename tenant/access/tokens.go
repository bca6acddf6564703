package access

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/oriel-project/oriel/internal/atomicfile"
	"github.com/oriel-project/oriel/internal/clock"
	"github.com/oriel-project/oriel/tenant"
)

// Tokens is the durable store of tokens: <dir>/tokens.json, readable by its
// owner alone, holding hashes and never a secret. It is safe for concurrent use.
type Tokens struct {
	file  string
	clock clock.Clock

	mu    sync.RWMutex     // guards what follows
	byID  map[string]entry // the next two are among them, but are not written
	admin string           // its id, "" without one
	taken string           // likewise of a token that was made elsewhere
}

type entry struct {
	info tenant.TokenInfo
	hash [sha256.Size]byte
}

var _ tenant.Tokens = (*Tokens)(nil)

// Why a token does not count.
var (
	errMalformed = errors.New("malformed")
	errUnknown   = errors.New("unknown") // never made, or revoked
	errExpired   = errors.New("expired")
)

// tokensFile is the file's shape. Version is raised when an older Oriel would
// misread it.
type tokensFile struct {
	Version int         `json:"version"`
	Tokens  []tokenLine `json:"tokens"`
}

type tokenLine struct {
	tenant.TokenInfo
	SHA256 string `json:"sha256"`
}

const tokensVersion = 1

// OpenTokens opens the store in dir and makes it where it is missing. One
// process at a time may have it open.
func OpenTokens(dir string, c clock.Clock) (*Tokens, error) {
	if c == nil {
		c = clock.System
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("open token store: %w", err)
	}
	t := &Tokens{file: filepath.Join(dir, "tokens.json"), clock: c, byID: map[string]entry{}}
	data, err := os.ReadFile(t.file)
	if errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open token store: %w", err)
	}
	if err := t.load(data); err != nil {
		return nil, fmt.Errorf("token store %s: %w; put back a copy from a backup, or remove the file and make new tokens", t.file, err)
	}
	return t, nil
}

func (t *Tokens) load(data []byte) error {
	var f tokensFile
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return fmt.Errorf("cannot be read: %w", err)
	}
	if f.Version != tokensVersion {
		return fmt.Errorf("is of version %d, and this build knows version %d", f.Version, tokensVersion)
	}
	for _, line := range f.Tokens {
		e := entry{info: line.TokenInfo}
		if n, err := hex.Decode(e.hash[:], []byte(line.SHA256)); err != nil || n != len(e.hash) || len(line.SHA256) != 2*len(e.hash) || line.ID == "" {
			return fmt.Errorf("has a damaged entry for token %q", line.ID)
		}
		t.byID[line.ID] = e
	}
	return nil
}

// Create implements tenant.Tokens.
func (t *Tokens) Create(s tenant.TokenSpec) (string, tenant.TokenInfo, error) {
	if err := s.Validate(); err != nil {
		return "", tenant.TokenInfo{}, err
	}
	secret, e := t.make(s)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byID[e.info.ID] = e
	if err := t.save(); err != nil {
		delete(t.byID, e.info.ID)
		return "", tenant.TokenInfo{}, fmt.Errorf("create token: %w", err)
	}
	return secret, e.info, nil
}

func (t *Tokens) make(s tenant.TokenSpec) (token string, e entry) {
	now := t.clock().UTC()
	e.info = tenant.TokenInfo{
		ID: random(idLen), Kind: s.Kind, Tenant: s.Tenant, Cluster: s.Cluster, Access: s.Access, Name: s.Name, Created: now,
	}
	if s.Kind == tenant.TokenTenant {
		e.info.Access = cmp.Or(s.Access, tenant.AccessRead)
	}
	if s.Expires > 0 {
		e.info.Expires = now.Add(s.Expires)
	}
	token = tokenPrefix + letter(s.Kind) + "_" + e.info.ID + "_" + random(secretLen)
	e.hash = hash(token)
	return token, e
}

// List implements tenant.Tokens. The admin token of this process is left out.
func (t *Tokens) List() []tenant.TokenInfo {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []tenant.TokenInfo
	for id, e := range t.byID {
		if !t.unwritten(id) && !t.expired(e) {
			out = append(out, e.info)
		}
	}
	slices.SortFunc(out, func(a, b tenant.TokenInfo) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return out
}

// Revoke implements tenant.Tokens.
func (t *Tokens) Revoke(id string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, ok := t.byID[id]
	if !ok || t.unwritten(id) {
		return fmt.Errorf("%w: %q; `oriel token list` shows the ids", tenant.ErrNoToken, id)
	}
	delete(t.byID, id)
	if err := t.save(); err != nil {
		t.byID[id] = e
		return fmt.Errorf("revoke token %s: %w", id, err)
	}
	return nil
}

// AdminToken makes an operator's token that is good as long as the process
// lives, and writes it to a file that its owner alone may read: the command
// line on this machine takes it from there.
func (t *Tokens) AdminToken(file string) error {
	token, e := t.make(tenant.TokenSpec{Kind: tenant.TokenOperator, Name: "admin.token"})
	if err := atomicfile.Write(file, []byte(token+"\n"), 0o600); err != nil {
		return fmt.Errorf("write admin token: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byID, t.admin)
	t.byID[e.info.ID], t.admin = e, e.info.ID
	return nil
}

// Accept lets a cluster's token that another Oriel made count here, too, as long
// as the process lives, in the place of the one accepted before: an agent knows
// its cluster's token, and the cluster's API server shows it.
func (t *Tokens) Accept(token string, c tenant.Cluster) error {
	id, ok := idOf(token)
	if !ok || !strings.HasPrefix(token, tokenPrefix+letterClus+"_") {
		return errors.New("this is no cluster's token: make one with `oriel token create --cluster`")
	}
	e := entry{info: tenant.TokenInfo{ID: id, Kind: tenant.TokenCluster, Cluster: c, Created: t.clock().UTC()}, hash: hash(token)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := t.byID[id]; ok && id != t.taken {
		return fmt.Errorf("token %s is one of this Oriel's own", id)
	}
	delete(t.byID, t.taken)
	t.byID[id], t.taken = e, id
	return nil
}

// unwritten reports whether a token is not kept beyond this process. t.mu is held.
func (t *Tokens) unwritten(id string) bool { return id == t.admin || id == t.taken }

// check finds out what a presented token is. The error is one of errMalformed,
// errUnknown and errExpired; the last two come with nothing that would tell an
// outsider how close a guess was.
func (t *Tokens) check(token string) (tenant.TokenInfo, error) {
	id, ok := idOf(token)
	if !ok {
		return tenant.TokenInfo{}, errMalformed
	}
	got := hash(token)
	t.mu.RLock()
	e, ok := t.byID[id]
	t.mu.RUnlock()
	switch {
	case !ok || subtle.ConstantTimeCompare(got[:], e.hash[:]) != 1:
		return tenant.TokenInfo{}, errUnknown
	case t.expired(e):
		return tenant.TokenInfo{}, errExpired
	}
	return e.info, nil
}

func (t *Tokens) expired(e entry) bool {
	return !e.info.Expires.IsZero() && !t.clock().Before(e.info.Expires)
}

// save writes the store; t.mu is held. Expired tokens are forgotten on the way.
func (t *Tokens) save() error {
	f := tokensFile{Version: tokensVersion, Tokens: []tokenLine{}}
	for id, e := range t.byID {
		if !t.unwritten(id) && !t.expired(e) {
			f.Tokens = append(f.Tokens, tokenLine{e.info, hex.EncodeToString(e.hash[:])})
		}
	}
	slices.SortFunc(f.Tokens, func(a, b tokenLine) int { return cmp.Compare(a.ID, b.ID) })
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.Write(t.file, append(data, '\n'), 0o600)
}
