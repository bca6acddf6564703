package config

import (
	"fmt"
	"path/filepath"
	"time"
)

func (k *checker) forward() {
	for i, f := range k.Forward.Keys {
		at := fmt.Sprintf("forward.keys[%d].", i)
		if f.SharedKeyFile == "" {
			k.bad(at+"shared_key_file", "is missing: name a file with the key that senders have as shared_key")
		}
		k.together(at+"username", f.Username, at+"password_file", f.PasswordFile)
		k.writer(at, "key", f.Cluster, f.Region, f.Cloud, f.Tenant)
	}
	if len(k.Forward.Keys) > 0 && len(k.Forward.Clients) > 0 {
		k.bad("forward.clients", "contradicts forward.keys, since each says whose the records are: keep one of the two (with keys, tls.client_ca_file may still ask for certificates)")
	}
	if b := k.Forward.FrameBytesMax; b < 1<<20 || b > 1<<30 {
		k.bad("forward.frame_bytes_max", "%s: want 1MiB to 1GiB, such as 64MiB", b)
	}
	if n := k.Forward.ConnectionsMax; n < 1 {
		k.bad("forward.connections_max", "%d: want at least 1, such as 10000", n)
	}
	if s := k.Forward.Socket; s != "" && !filepath.IsAbs(s) {
		k.bad("forward.socket", "%q: want an absolute path, such as /run/oriel/forward.sock", clip(s))
	}
	k.listenerTLS("forward", k.Forward.TLS, k.Forward.Clients, len(k.Forward.Keys) > 0)
}

func (k *checker) journal() {
	k.listenerTLS("journal", k.Journal.TLS, k.Journal.Clients, false)
	k.atLeast("journal.since", k.Journal.Since, time.Second, "1d")
	if k.Journal.Local.Directory != "" && !k.Journal.Local.Enabled {
		k.bad("journal.local.directory", "is not read: set journal.local.enabled: true, too")
	}
	for i, p := range k.Journal.Pull {
		at := fmt.Sprintf("journal.pull[%d].", i)
		k.url(at+"url", p.URL, "http://node-1:19531")
		k.together(at+"cert_file", p.CertFile, at+"key_file", p.KeyFile)
	}
}

// listenerTLS checks a listener's certificate and those who are known by theirs.
func (k *checker) listenerTLS(section string, t ListenerTLS, clients []Client, known bool) {
	at := section + ".tls."
	k.together(at+"cert_file", t.CertFile, at+"key_file", t.KeyFile)
	switch {
	case t.ClientCAFile != "" && t.CertFile == "":
		k.bad(at+"client_ca_file", "asks clients for certificates without having one: set cert_file and key_file, too")
	case t.ClientCAFile != "" && len(clients) == 0 && !known:
		k.bad(at+"client_ca_file", "admits certificates without saying what they may write: list them in %s.clients", section)
	case t.ClientCAFile == "" && len(clients) > 0:
		k.bad(section+".clients", "are known by their certificates, and nobody is asked for one: set %s.tls.client_ca_file", section)
	}
	names := map[string]bool{}
	for i, c := range clients {
		at := fmt.Sprintf("%s.clients[%d].", section, i)
		switch {
		case c.Name == "":
			k.bad(at+"name", "is missing: give the name in the client's certificate, such as node-1.example")
		case names[c.Name]:
			k.bad(at+"name", "%q is there twice: one certificate writes one cluster or tenant", clip(c.Name))
		}
		names[c.Name] = true
		k.writer(at, "certificate", c.Cluster, c.Region, c.Cloud, c.Tenant)
	}
}

// writer checks what a credential writes.
func (k *checker) writer(at, what, cluster, region, cloud, id string) {
	switch {
	case (cluster == "") == (id == ""):
		k.bad(at+"cluster", "a %s writes either one cluster or one tenant: set exactly one of cluster and tenant", what)
	case id != "":
		k.tenant(at+"tenant", id)
		if region != "" || cloud != "" {
			k.bad(at+"region", "region and cloud belong to a cluster's %s: remove them, or set cluster instead of tenant", what)
		}
	default:
		k.label(at+"cluster", cluster, "eu-1")
		k.stamp(at+"region", region, "eu-central")
		k.stamp(at+"cloud", cloud, "private")
	}
}
