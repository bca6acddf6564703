package forward

import (
	"crypto/rand"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/hex"
)

// authError tells why a client was refused.
type authError struct{ reason, text string }

func (e authError) Error() string { return e.text }

// greet does what comes before the first frame: TLS, and with keys the
// handshake, in which the server speaks first. Forward v1, "Handshake messages".
func (c *conn) greet() error {
	if err := c.upgrade(); err != nil {
		return err
	}
	if len(c.s.o.Keys) == 0 {
		return nil
	}
	var nonce, salt []byte
	nonce = make([]byte, 16)
	rand.Read(nonce)
	for _, k := range c.s.o.Keys {
		if k.Username != "" {
			salt = make([]byte, 16)
			rand.Read(salt)
			break
		}
	}
	if err := c.write(helo(nonce, salt)); err != nil {
		return err
	}
	b, err := c.in.next()
	if err != nil {
		return err
	}
	ping, err := parsePing(b)
	if err != nil {
		return err
	}
	key, fault := c.s.admit(ping, nonce, salt)
	pong := appendStr([]byte{0x95}, "PONG")
	pong = appendBool(pong, fault == nil)
	if fault != nil {
		pong = appendStr(appendStr(appendStr(pong, fault.text), ""), "")
		if err := c.write(pong); err != nil {
			return err
		}
		return *fault
	}
	c.ident.Key, c.ident.Username, c.ident.ClientHost = key.Name, key.Username, string(ping.host)
	pong = appendStr(pong, "")
	pong = appendStr(pong, c.s.o.Hostname)
	pong = appendStr(pong, digest(ping.salt, []byte(c.s.o.Hostname), nonce, []byte(key.SharedKey)))
	return c.write(pong)
}

func helo(nonce, salt []byte) []byte {
	b := appendStr([]byte{0x92}, "HELO")
	b = append(b, 0x83)
	b = appendBin(appendStr(b, "nonce"), nonce)
	b = appendStr(b, "auth")
	if salt == nil {
		b = appendStr(b, "")
	} else {
		b = appendBin(b, salt)
	}
	return appendBool(appendStr(b, "keepalive"), true)
}

// ping is the client's part, over the scanner's buffer.
type ping struct{ host, salt, keyDigest, user, passwordDigest []byte }

func parsePing(b []byte) (ping, error) {
	bad := authError{"no_handshake", "the client did not answer HELO with PING: give it the shared key"}
	if len(b) == 0 || !isArray(b[0]) {
		return ping{}, bad
	}
	n, rest, err := items(b)
	if err != nil || n != 6 {
		return ping{}, bad
	}
	var parts [6][]byte
	for i := range parts {
		var v []byte
		if v, rest, err = cut(rest); err != nil {
			return ping{}, bad
		}
		var ok bool
		if parts[i], ok = text(v); !ok && v[0] != 0xc0 {
			return ping{}, bad
		}
	}
	if string(parts[0]) != "PING" {
		return ping{}, bad
	}
	return ping{parts[1], parts[2], parts[3], parts[4], parts[5]}, nil
}

// admit finds the key that the client proved to know.
func (s *Server) admit(p ping, nonce, salt []byte) (Key, *authError) {
	known := false
	for _, k := range s.o.Keys {
		if !equal(p.keyDigest, digest(p.salt, p.host, nonce, []byte(k.SharedKey))) {
			continue
		}
		known = true
		if k.Username == "" ||
			equal(p.user, k.Username) && equal(p.passwordDigest, digest(salt, []byte(k.Username), []byte(k.Password))) {
			return k, nil
		}
	}
	if known {
		return Key{}, &authError{"user", "username/password mismatch"}
	}
	return Key{}, &authError{"shared_key", "shared_key mismatch"}
}

func digest(parts ...[]byte) string {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func equal(got []byte, want string) bool { return subtle.ConstantTimeCompare(got, []byte(want)) == 1 }
