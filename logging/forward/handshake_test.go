package forward

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/tinylib/msgp/msgp"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

func logRecord(src []byte) logging.Record { return logging.Record{Source: src} }

type hello struct{ nonce, auth []byte }

func readHelo(t testing.TB, r *msgp.Reader) hello {
	t.Helper()
	if n, err := r.ReadArrayHeader(); err != nil || n != 2 {
		t.Fatalf("HELO of %d: %v", n, err)
	}
	if s, err := r.ReadString(); err != nil || s != "HELO" {
		t.Fatalf("%q, %v", s, err)
	}
	n, err := r.ReadMapHeader()
	if err != nil {
		t.Fatal(err)
	}
	var h hello
	for range n {
		key, err := r.ReadString()
		if err != nil {
			t.Fatal(err)
		}
		v, err := r.ReadIntf()
		if err != nil {
			t.Fatal(err)
		}
		switch b, _ := v.([]byte); key {
		case "nonce":
			h.nonce = b
		case "auth":
			h.auth = b
		}
	}
	return h
}

func pingOf(h hello, host, salt, key, user, password string) []byte {
	return pack(arr{"PING", host, str32([]byte(salt)), digest([]byte(salt), []byte(host), h.nonce, []byte(key)), user, digest(h.auth, []byte(user), []byte(password))})
}

func TestHandshake(t *testing.T) {
	keys := []Key{{Name: "plain", SharedKey: "k1"}, {Name: "ann", SharedKey: "k2", Username: "ann", Password: "pw"}, {Name: "bob", SharedKey: "k2", Username: "bob", Password: "pw2"}}
	scopes := map[string]tenant.Write{"plain": scopetest.Write("shop"), "bob": scopetest.Write("billing")}
	scope := func(id Identity) (tenant.Write, bool) {
		w, ok := scopes[id.Key]
		return w, ok
	}
	salt := "\x00\xff\x80salt of raw byt"
	for _, tc := range []struct {
		name, key, user, password string
		ok                        bool
		reason                    string
		owner                     tenant.ID // "" where the scope refuses
	}{
		{"shared key", "k1", "", "", true, "", "shop"},
		{"shared key, needless user", "k1", "eve", "x", true, "", "shop"},
		{"user", "k2", "bob", "pw2", true, "", "billing"},
		{"user without a scope", "k2", "ann", "pw", true, "", ""},
		{"wrong password", "k2", "bob", "pw", false, "username/password mismatch", ""},
		{"other's key", "k1x", "bob", "pw2", false, "shared_key mismatch", ""},
		{"empty key", "", "", "", false, "shared_key mismatch", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, Options{Keys: keys, Scope: scope, Hostname: "central"})
			c := r.dial(t)
			in := msgp.NewReader(c)
			h := readHelo(t, in)
			if len(h.nonce) != 16 || len(h.auth) != 16 {
				t.Fatalf("%+v", h)
			}
			// A client may send its first frame right behind PING.
			frame := pack(arr{"t", 1, rec{"message", "x"}, rec{"chunk", "c"}})
			if _, err := c.Write(append(pingOf(h, "client", salt, tc.key, tc.user, tc.password), frame...)); err != nil {
				t.Fatal(err)
			}
			v, err := in.ReadIntf()
			if err != nil {
				t.Fatal(err)
			}
			pong := v.([]any)
			if pong[0] != "PONG" || pong[1] != tc.ok || pong[2] != tc.reason {
				t.Fatalf("%q", pong)
			}
			if tc.ok && (pong[3] != "central" || pong[4] != digest([]byte(salt), []byte("central"), h.nonce, []byte(tc.key))) {
				t.Fatalf("%q", pong)
			}
			v, err = in.ReadIntf()
			if tc.owner == "" {
				if err == nil || isTimeout(err) || len(r.all()) != 0 {
					t.Fatalf("%v, %v", v, err)
				}
				return
			}
			if got := r.all(); err != nil || len(got) != 1 || got[0].Tenant != tc.owner {
				t.Fatalf("%v, %v: %+v", v, err, got)
			}
		})
	}
}

func TestHandshakeThenFrames(t *testing.T) {
	var seen Identity
	r := start(t, Options{Keys: []Key{{Name: "k", SharedKey: "s"}}, Scope: func(id Identity) (tenant.Write, bool) {
		seen = id
		return scopetest.Write("shop"), true
	}})
	c := r.dial(t)
	in := msgp.NewReader(c)
	h := readHelo(t, in)
	if len(h.auth) != 0 {
		t.Fatalf("salt %q without users", h.auth)
	}
	if _, err := c.Write(pingOf(h, "client-1", "salt", "s", "", "")); err != nil {
		t.Fatal(err)
	}
	if _, err := in.ReadIntf(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := c.Write(pack(arr{"t", 1, rec{"message", "x"}, rec{"chunk", "c"}})); err != nil {
			t.Fatal(err)
		}
		v, err := in.ReadIntf()
		if m, _ := v.(map[string]any); err != nil || m["ack"] != "c" {
			t.Fatalf("%v, %v", v, err)
		}
	}
	if seen.Key != "k" || seen.ClientHost != "client-1" || seen.Remote == nil {
		t.Fatalf("%+v", seen)
	}
	if got := r.all(); len(got) != 1 || got[0].Tenant != "shop" {
		t.Fatalf("%+v", got)
	}
}

func TestHandshakeRefusesStrangers(t *testing.T) {
	old := hello{nonce: bytes.Repeat([]byte{1}, 16)}
	for name, in := range map[string][]byte{
		"a frame":               pack(arr{"t", 1, rec{"message", "x"}, rec{"chunk", "c"}}),
		"PING to another nonce": pingOf(old, "client", "salt", "s", "", ""),
		"HELO":                  pack(arr{"HELO", rec{}}),
		"HTTP":                  []byte("GET / HTTP/1.1\r\n\r\n"),
		"name of 1 MB":          pingOf(old, string(make([]byte, 1_000_000)), "salt", "s", "", ""),
		"claim of 1 GB":         {0x96, 0xa4, 'P', 'I', 'N', 'G', 0xdb, 0x40, 0, 0, 0},
		"nothing":               nil,
		"half":                  {0x96, 0xa4, 'P'},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, Options{Keys: []Key{{Name: "k", SharedKey: "s"}}, Limits: Limits{HandshakeTimeMax: 200 * time.Millisecond}})
			c := r.dial(t)
			readHelo(t, msgp.NewReaderSize(c, 1))
			go c.Write(in)
			if _, err := io.Copy(io.Discard, c); isTimeout(err) {
				t.Fatal("still open")
			}
			if len(r.all()) != 0 {
				t.Fatal("stored")
			}
		})
	}
}

func TestTLS(t *testing.T) {
	cert := certificate(t)
	r := start(t, Options{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, Scope: func(id Identity) (tenant.Write, bool) {
		return scopetest.Write("shop"), id.TLS != nil
	}})
	roots := x509.NewCertPool()
	roots.AddCert(cert.Leaf)
	c, err := tls.Dial("tcp", r.addr, &tls.Config{RootCAs: roots, ServerName: "central"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := ackOf("c")
	if got, err := exchange(t, c, pack(arr{"t", 1, rec{"message", "x"}, rec{"chunk", "c"}}), len(want)); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q, %v", got, err)
	}
	// Without TLS nothing is taken.
	plain := r.dial(t)
	if _, err := plain.Write(pack(arr{"t", 1, rec{"message", "x"}, rec{"chunk", "c"}})); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(plain); isTimeout(err) || bytes.Contains(got, []byte("ack")) {
		t.Fatalf("%q, %v", got, err)
	}
	if len(r.all()) != 1 {
		t.Fatalf("%d records", len(r.all()))
	}
}

// A unix socket takes frames without TLS: who may open it is on this machine.
func TestUnixSocket(t *testing.T) {
	var seen Identity
	r := start(t, Options{TLS: &tls.Config{Certificates: []tls.Certificate{certificate(t)}}, Scope: func(id Identity) (tenant.Write, bool) {
		seen = id
		return scopetest.Write("shop"), true
	}})
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "forward.sock"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { done <- r.srv.Serve(ctx, ln) }()
	c, err := net.Dial("unix", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	want := ackOf("c")
	if got, err := exchange(t, c, pack(arr{"t", 1, rec{"message", "x"}, rec{"chunk", "c"}}), len(want)); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q, %v", got, err)
	}
	if !seen.Local || seen.TLS != nil {
		t.Fatalf("%+v", seen)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func certificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "central"}, DNSNames: []string{"central"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}
