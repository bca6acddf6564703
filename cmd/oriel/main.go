// Command oriel gives every team its own window on its software: metrics, logs,
// dashboards and access, over every cluster. One static binary holds the
// gateway (central), the process in each cluster (agent), both in one (up), and
// the command line that talks to them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/demo"
)

func main() {
	collectAt(50)
	os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}

// collectAt sets how much of the heap's size may be allocated, in percent, before
// garbage is collected, unless the environment's GOGC does. Much is allocated here
// that lives for seconds: records on their way into columns, answers. A collector
// that runs twice as often as Go's default costs some 5 % of ingest and saves a third
// of the memory.
func collectAt(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}

// run is the whole program: tests start the same one. It returns the exit code:
// 0, 1 for failure, 2 for wrong usage. An error is one sentence on stderr.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	ctx, stop := withSignals(ctx)
	defer stop()
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return 0
	}
	_, usage := errors.AsType[usageError](err)
	if !usage && isCobraUsage(err) {
		usage, err = true, fmt.Errorf("%w; usage: %s; see '%s --help'", err, useLine(cmd), cmd.CommandPath())
	}
	fmt.Fprintln(stderr, "oriel:", oneLine(err.Error()))
	if usage {
		return 2
	}
	return 1
}

// useLine is a command with its arguments: "oriel tenants show T".
func useLine(c *cobra.Command) string {
	if !c.HasParent() {
		return c.Use + " COMMAND"
	}
	return c.Parent().CommandPath() + " " + c.Use
}

// withSignals ends ctx at the first SIGTERM or SIGINT; a second one exits now.
func withSignals(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	ch := make(chan os.Signal, 2)
	signal.Notify(ch, syscall.SIGTERM, os.Interrupt)
	done := make(chan struct{})
	go func() {
		select {
		case <-ch:
			cancel()
		case <-done:
			return
		}
		select {
		case <-ch:
			os.Exit(1)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(ch)
		close(done)
		cancel()
	}
}

// usageError is an error of the command line itself.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// isCobraUsage recognises the errors that cobra makes of unknown commands and
// flags; it gives them no type.
func isCobraUsage(err error) bool {
	for _, p := range []string{"unknown command", "unknown flag", "unknown shorthand", "flag needs an argument", "invalid argument", "required flag", "accepts ", "requires at least"} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

func oneLine(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// global are the flags of every command.
type global struct {
	configFile string
	dataDir    string
	logLevel   string
	logFormat  string
	logForward string
	url        string
	tokenFile  string

	stdout, stderr io.Writer
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	g := &global{stdout: stdout, stderr: stderr}
	root := &cobra.Command{
		Use:           "oriel",
		Short:         "every team's own window on its software: metrics, logs, dashboards, access",
		Example:       "  oriel up --demo\n  oriel up --kubeconfig ~/.kube/config\n  oriel logs -t payments --since 15m 'level:error'",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		what, _, _ := strings.Cut(err.Error(), ": strconv.") // Go's word for it helps nobody
		return usagef("%s; see '%s --help'", what, c.CommandPath())
	})
	root.CompletionOptions.HiddenDefaultCmd = true
	p := root.PersistentFlags()
	p.StringVar(&g.configFile, "config", "", "configuration file (YAML); 'oriel config print' shows every key")
	p.StringVar(&g.dataDir, "data-dir", "./data", "where everything is kept")
	p.StringVar(&g.logLevel, "log.level", "info", "debug, info, warn or error")
	p.StringVar(&g.logFormat, "log.format", "text", "text or json")
	p.StringVar(&g.logForward, "log.forward", "", "HOST:PORT of a Fluentd forward input that gets Oriel's own log too, acknowledged")
	p.StringVar(&g.url, "url", "http://127.0.0.1:7480", "the running Oriel that client commands talk to")
	p.StringVar(&g.tokenFile, "token-file", "", "file with the token of client commands; else $ORIEL_TOKEN, else <data-dir>/admin.token")
	root.AddCommand(
		newUp(g), newCentral(g), newAgent(g),
		newTenants(g), newLogs(g), newSegments(g), newToken(g),
		newConfig(g), newVersion(g), demo.Command(),
	)
	return root
}
