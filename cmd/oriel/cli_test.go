package main

import (
	"bytes"
	"context"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/config"
)

// oriel runs the program as main does.
func oriel(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return code, out.String(), errs.String()
}

// Every command has an example, and its help answers with 0.
func TestHelp(t *testing.T) {
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Example == "" || c.Short == "" {
			t.Errorf("%s has no example or says nothing", c.CommandPath())
		}
		code, out, errs := oriel(t, append(strings.Fields(c.CommandPath())[1:], "--help")...)
		if code != 0 || errs != "" || !strings.Contains(out, "Examples:") {
			t.Errorf("%s --help: %d\n%s%s", c.CommandPath(), code, out, errs)
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(&bytes.Buffer{}, &bytes.Buffer{}))
}

// Whoever calls wrongly gets one sentence that says what, where and how to mend
// it, and the code 2; a failure gets 1.
func TestWrongUsage(t *testing.T) {
	here := "--data-dir=" + t.TempDir()
	nobody := "--url=http://127.0.0.1:1"
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"nonsense", 2, `unknown command "nonsense".*usage: oriel COMMAND; see 'oriel --help'`},
		{"up extra", 2, `extra.*usage: oriel up; see 'oriel up --help'`},
		{"tenants show", 2, `usage: oriel tenants show T; see`},
		{"config check", 2, `usage: oriel config check FILE; see`},
		{"token revoke", 2, `usage: oriel token revoke ID; see`},
		{"logs a b", 2, `usage: oriel logs .*'QUERY'.*; see 'oriel logs --help'`},
		{"logs --limit x", 2, `^oriel: invalid argument "x" for "-n, --limit" flag; see 'oriel logs --help'$`},
		{"logs --nonsense", 2, `unknown flag: --nonsense; see 'oriel logs --help'`},
		{"logs --since soon", 2, `--since: "soon" is no duration: .* such as 7d`},
		{"logs -t Shop", 2, `RFC 1123`},
		{"logs -t _system", 2, `cannot be named; without --tenant`},
		{"logs -o xml", 2, `text or json`},
		{"logs --since 7d " + nobody, 1, `refused; is Oriel running there`},
		{"tenants", 2, `list, show, onboard or offboard`},
		{"tenants list " + nobody, 1, `is Oriel running there`},
		{"tenants onboard x --namespace shop", 2, `CLUSTER/NAME`},
		{"token create", 2, `exactly one of`},
		{"token create --tenant a --region eu", 2, `--region and --cloud belong to --cluster`},
		{"token create --tenant a --expires soon", 2, `--expires: "soon" is no duration`},
		{"config print --role x", 2, `up, central or agent`},
		{"config check /nowhere.yaml", 1, `/nowhere.yaml.*--config`},
		{"up --log.level loud", 2, `debug, info, warn or error`},
		{"up --log.format xml", 2, `text or json`},
		{"up --log.forward here", 2, `HOST:PORT`},
		{"up --listen.http here", 2, `--listen.http "here": want HOST:PORT`},
		{"up --demo --kubeconfig x", 2, `leave out --kubeconfig`},
		{"up --listen.http= --listen.es= --listen.forward= --listen.journal= --context x", 1, `kubernetes.kubeconfig`},
		{"up --listen.http= --listen.es= --listen.forward= --listen.journal= --kubeconfig /nowhere", 1, `/nowhere.*--kubeconfig`},
		{"agent", 1, `agent.central.url`},
	} {
		code, _, errs := oriel(t, append(strings.Fields(c.args), here)...)
		lines := strings.Split(strings.TrimSpace(errs), "\n")
		last := lines[len(lines)-1] // what it does before it fails is logged above
		if code != c.code || !strings.HasPrefix(last, "oriel: ") || !regexp.MustCompile(c.want).MatchString(last) {
			t.Errorf("oriel %s: %d, want %d and %q:\n%s", c.args, code, c.code, c.want, errs)
		}
	}
}

// Without a file the defaults are printed, and can be read back.
func TestConfigPrint(t *testing.T) {
	for _, role := range []config.Role{config.RoleUp, config.RoleCentral} {
		code, out, errs := oriel(t, "config", "print", "--role", string(role))
		if code != 0 {
			t.Fatalf("%d: %s", code, errs)
		}
		if _, err := config.Parse(role, "printed", []byte(out)); err != nil {
			t.Errorf("%s: %v\n%s", role, err, out)
		}
	}
	if code, out, _ := oriel(t, "config", "print", "--role", "agent"); code != 0 || !strings.Contains(out, "central:") {
		t.Errorf("%d: %s", code, out)
	}
}

// A running Oriel's refusals come with the mend, too.
func TestRefusals(t *testing.T) {
	g := testGateway(t, nil)
	if err := g.tokens.AdminToken(g.dir.Path(adminToken)); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(g.handler())
	t.Cleanup(srv.Close)
	at := []string{"--url", srv.URL, "--token-file", g.dir.Path(adminToken)}
	for args, want := range map[string]string{
		"tenants show nope": "'oriel tenants list'",
		"logs -t nope":      "'oriel tenants list'",
		"logs foo:(":        "level:error",
		"token revoke nope": "oriel token list",
	} {
		if code, _, errs := oriel(t, append(strings.Fields(args), at...)...); code != 1 || !strings.Contains(errs, want) || strings.Count(errs, "\n") != 1 {
			t.Errorf("oriel %s: %d, %s", args, code, errs)
		}
	}
	t.Setenv("ORIEL_TOKEN", "wrong")
	if code, _, errs := oriel(t, "tenants", "list", "--url", srv.URL); code != 1 || !strings.Contains(errs, "--token-file") {
		t.Errorf("%d: %s", code, errs)
	}
}
