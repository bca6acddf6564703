// Command metricsbench sends the same samples to Oriel, to Prometheus and to
// VictoriaMetrics, over HTTP, asks Oriel and Prometheus the same questions, and
// prints what each took.
//
//	go run ./test/metricsbench -oriel bin/oriel receive query tenants
//
// What counts is the CPU time of the server's process, and its ratio to the
// peer's in the same run. Linux only.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/oriel-project/oriel/test/peers"
)

// bench is one run.
type bench struct {
	oriel   string
	work    string
	series  int
	rounds  int
	tenants int
	each    int
	repeat  int

	prometheus peers.PrometheusBinaries
	victoria   peers.VictoriaMetricsBinaries
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "metricsbench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (err error) {
	b := &bench{}
	fs := flag.NewFlagSet("metricsbench", flag.ContinueOnError)
	fs.StringVar(&b.oriel, "oriel", "bin/oriel", "the program oriel")
	fs.IntVar(&b.series, "series", 20_000, "series of receive and query")
	fs.IntVar(&b.rounds, "rounds", 100, "samples of each series, 15 s apart")
	fs.IntVar(&b.tenants, "tenants", 2000, "tenants of the phase tenants")
	fs.IntVar(&b.each, "each", 500, "series of each of them")
	fs.IntVar(&b.repeat, "repeat", 5, "times that a query is asked, and runs of receive, of which the median counts")
	if err := fs.Parse(args); err != nil {
		return err
	}
	phases := map[string]func(context.Context) error{"receive": b.receive, "query": b.query, "tenants": b.many}
	if fs.NArg() == 0 {
		return errors.New("name at least one phase: receive, query or tenants")
	}
	if b.work, err = os.MkdirTemp("", "oriel-metricsbench"); err != nil {
		return err
	}
	defer os.RemoveAll(b.work)
	if b.prometheus, err = peers.Prometheus(ctx); err != nil {
		return err
	}
	if b.victoria, err = peers.VictoriaMetrics(ctx); err != nil {
		return err
	}
	fmt.Printf("%s, %d series, %d samples each\n", time.Now().UTC().Format(time.DateOnly), b.series, b.rounds)
	for _, name := range fs.Args() {
		phase, ok := phases[name]
		if !ok {
			return fmt.Errorf("no phase %q: receive, query or tenants", name)
		}
		fmt.Printf("\n## %s\n\n", name)
		if err := phase(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}
