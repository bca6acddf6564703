package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/oriel-project/oriel/internal/golden"
)

func TestDefaultsAreValid(t *testing.T) {
	for _, role := range []Role{RoleUp, RoleCentral} {
		if err := Default(role).Validate(); err != nil {
			t.Errorf("%s: %v", role, err)
		}
	}
	// An agent alone cannot do without a file: it has to know central.
	err := Default(RoleAgent).Validate()
	if err == nil || !strings.Contains(err.Error(), "agent.central.url") {
		t.Errorf("agent: error %v, want one about agent.central.url", err)
	}
	if got := Default(RoleCentral).Auth.Anonymous; got != AnonymousNone {
		t.Errorf("central's anonymous callers are %q by default, want %q", got, AnonymousNone)
	}
}

// Every bad file gives exactly the messages of the golden file, and no message
// shows a secret.
func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	var out strings.Builder
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Parse(RoleUp, filepath.Base(file), data)
		if err == nil {
			t.Errorf("%s: no error", file)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: a secret is in the message: %v", file, err)
		}
		fmt.Fprintln(&out, err)
	}
	golden.Check(t, "messages.golden", []byte(out.String()))
}

func TestPrintReadsBack(t *testing.T) {
	full, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range []string{"", "# nothing\n", string(full)} {
		c, err := Parse(RoleCentral, "a.yaml", []byte(data))
		if err != nil {
			t.Fatal(err)
		}
		var printed bytes.Buffer
		if err := c.Print(&printed); err != nil {
			t.Fatal(err)
		}
		back, err := Parse(RoleCentral, "a.yaml", printed.Bytes())
		if err != nil {
			t.Fatalf("%v in\n%s", err, printed.String())
		}
		if diff := cmp.Diff(c, back, cmpopts.IgnoreUnexported(Config{}), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
		if data == string(full) {
			golden.Check(t, "full.golden", printed.Bytes())
		}
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	_, err := Load(RoleUp, filepath.Join(t.TempDir(), "absent.yaml"))
	if err == nil || !strings.Contains(err.Error(), "absent.yaml") {
		t.Error(err)
	}
	big := filepath.Join(t.TempDir(), "big.yaml")
	if err := os.WriteFile(big, bytes.Repeat([]byte("#"), fileBytesMax+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(RoleUp, big); err == nil || !strings.Contains(err.Error(), "larger than 1MiB") {
		t.Error(err)
	}
}

func TestReadSecret(t *testing.T) {
	f := func(content, want, wantErr string) {
		t.Helper()
		name := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSecret("grafana.password_file", name)
		if got != want || (err == nil) != (wantErr == "") || (err != nil && !strings.Contains(err.Error(), wantErr)) {
			t.Errorf("%.20q: got %q, %v", content, got, err)
		}
	}
	f("hunter2\n", "hunter2", "")
	f(" with space \r\n", " with space ", "")
	f("\n", "", "is empty")
	f(strings.Repeat("x", secretBytesMax+1), "", "larger than 64KiB")
	if _, err := ReadSecret("k", "/nowhere/at/all"); err == nil {
		t.Error("no error for an absent file")
	}
}

func TestUnits(t *testing.T) {
	f := func(in, want string) {
		t.Helper()
		d, err := ParseDuration(in)
		if err != nil || d.String() != want {
			t.Errorf("%q: %v, %v; want %s", in, d, err, want)
		}
	}
	f("7d", "7d")
	f("36h", "1d12h")
	f("90m", "1h30m")
	f("1500ms", "1s500ms")
	f("0s", "0s")
	f("0", "0s")
	for _, bad := range []string{"", "7", "d", "-7d", "1s1d", "1s1s", "1.5h", "1 d", "1y", "106752d", "99999999999999999999s"} {
		if d, err := ParseDuration(bad); err == nil {
			t.Errorf("%q is %v, want an error", bad, d)
		}
	}
	g := func(in string, want Bytes, print string) {
		t.Helper()
		b, err := ParseBytes(in)
		if err != nil || b != want || b.String() != print {
			t.Errorf("%q: %d (%v), %v", in, b, b, err)
		}
	}
	g("5MB", 5_000_000, "5MB")
	g("1MiB", 1<<20, "1MiB")
	g("1536KiB", 1536<<10, "1536KiB")
	g("17", 17, "17B")
	g("0", 0, "0B")
	for _, bad := range []string{"", "MB", "-1MB", "1.5MB", "1 MB", "1mb", "9999999999999GiB"} {
		if b, err := ParseBytes(bad); err == nil {
			t.Errorf("%q is %v, want an error", bad, b)
		}
	}
}

// The file comes from outside: whatever it holds, Parse answers.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"", "logs: {retention: 7d}", "scrape: {static: [{labels: {a: b}}]}", "a: &a [*a]", "? [x]\n: y", "logs:\n  logs:\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := Parse(RoleUp, "f.yaml", data)
		if err != nil {
			return
		}
		var printed bytes.Buffer
		if err := c.Print(&printed); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(RoleUp, "f.yaml", printed.Bytes()); err != nil {
			t.Fatalf("%v in\n%s", err, printed.String())
		}
	})
}
