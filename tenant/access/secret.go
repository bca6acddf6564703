package access

import (
	"crypto/rand"
	"crypto/sha256"
	"strings"

	"github.com/oriel-project/oriel/tenant"
)

// A token is written oriel_<letter of its kind>_<id>_<secret>. The prefix lets
// secret scanners find a leaked one; the id names it in lists and logs.
const (
	tokenPrefix  = "oriel_"
	tokenLenMax  = 200
	idLen        = 10
	secretLen    = 32 // 190 bits
	base62       = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	letterTenant = "t"
	letterClus   = "c"
	letterOper   = "o"
)

func letter(k tenant.TokenKind) string {
	switch k {
	case tenant.TokenTenant:
		return letterTenant
	case tenant.TokenCluster:
		return letterClus
	}
	return letterOper
}

// random gives n characters of base62, each equally likely.
func random(n int) string {
	out := make([]byte, 0, n)
	var buf [64]byte
	for len(out) < n {
		rand.Read(buf[:]) // never fails: the runtime ends the process instead
		for _, b := range buf {
			// 248 is the largest multiple of 62 in a byte; what is above would
			// favour the first characters.
			if b < 248 && len(out) < n {
				out = append(out, base62[b%62])
			}
		}
	}
	return string(out)
}

// idOf takes the id out of a token. ok is false for anything else than a token.
func idOf(token string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(token, tokenPrefix)
	if !ok || len(token) > tokenLenMax {
		return "", false
	}
	parts := strings.Split(rest, "_")
	if len(parts) != 3 || len(parts[0]) != 1 || parts[1] == "" || parts[2] == "" {
		return "", false
	}
	return parts[1], true
}

func hash(token string) [sha256.Size]byte { return sha256.Sum256([]byte(token)) }
