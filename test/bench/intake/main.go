// Command intake measures how fast Oriel takes in PackedForward, beside the
// OpenTelemetry Collector's fluentforward receiver writing to nothing. `make
// bench-intake` runs it. Oriel fsyncs before it acknowledges; the receiver
// acknowledges what it has in memory.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "intake:", err)
		os.Exit(1)
	}
}

type options struct {
	oriel, work, modes   string
	receiver             string
	conns, chunk, rounds int
	seconds              time.Duration
	profile              string
	only                 string
}

func run(ctx context.Context) error {
	var o options
	flag.StringVar(&o.oriel, "oriel", "", "oriel binary")
	flag.StringVar(&o.work, "work", "", "folder for Oriel's data; a temporary one without it")
	flag.StringVar(&o.modes, "modes", "packed,gzip,forward", "how entries are packed")
	flag.IntVar(&o.conns, "conns", 2, "connections; each waits for its acknowledgement")
	flag.IntVar(&o.chunk, "chunk", 1000, "records a chunk")
	flag.IntVar(&o.rounds, "rounds", 3, "times that each is measured, in turns")
	flag.DurationVar(&o.seconds, "time", 8*time.Second, "of one measurement")
	flag.StringVar(&o.only, "only", "", "oriel or collector")
	flag.StringVar(&o.receiver, "receiver", "", "be the collector's receiver on this address (used by the command itself)")
	flag.Parse()
	if o.receiver != "" {
		return serveReceiver(ctx, o.receiver)
	}
	if o.oriel == "" {
		return fmt.Errorf("-oriel names the binary to measure")
	}
	if o.work == "" {
		dir, err := os.MkdirTemp("", "oriel-bench-intake-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.work = dir
	}
	chunks := map[string][]*template{}
	modes := strings.Split(o.modes, ",")
	for _, m := range modes {
		t, err := templates(m, o.chunk)
		if err != nil {
			return err
		}
		chunks[m] = t
	}
	fmt.Printf("%d connections, %d records a chunk, %d bytes a record\n\n", o.conns, o.chunk, len(chunks[modes[0]][0].frame)/o.chunk)
	fmt.Println("| mode | receiver | records/s | a core, to the last ack | a core, to rest | p50 ack | p99 ack |")
	fmt.Println("|---|---|---:|---:|---:|---:|---:|")
	for _, mode := range modes {
		results := map[string][]result{}
		for range o.rounds {
			for _, peer := range []string{"oriel", "collector"} {
				if o.only != "" && o.only != peer {
					continue
				}
				began := time.Now()
				r, err := measure(ctx, &o, peer, chunks[mode])
				if err != nil {
					return fmt.Errorf("%s, %s: %w", mode, peer, err)
				}
				fmt.Fprintf(os.Stderr, "%s, %s: %.0f records/s, %.0f a core, %.1f s until at rest, %.0f s in all\n", mode, peer, r.perSecond(), r.perCore(), r.rest.Seconds(), time.Since(began).Seconds())
				results[peer] = append(results[peer], r)
			}
		}
		for _, peer := range []string{"oriel", "collector"} {
			if rs := results[peer]; rs != nil {
				slices.SortFunc(rs, func(a, b result) int { return int(a.perCore() - b.perCore()) })
				r := rs[len(rs)/2]
				fmt.Printf("| %s | %s | %.0f | %.0f | %.0f | %.1f ms | %.1f ms |\n", mode, peer, r.perSecond(), float64(r.records)/r.cpuAcked.Seconds(), r.perCore(), ms(r.quantile(0.5)), ms(r.quantile(0.99)))
			}
		}
	}
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1000 }

// result of one measurement.
type result struct {
	records  int
	wall     time.Duration
	cpuAcked time.Duration // of the server, until the last acknowledgement
	cpu      time.Duration // until it has nothing more to do
	rest     time.Duration // until then, after the last acknowledgement
	acks     []time.Duration
}

func (r result) perSecond() float64 { return float64(r.records) / r.wall.Seconds() }
func (r result) perCore() float64   { return float64(r.records) / r.cpu.Seconds() }
func (r result) quantile(q float64) time.Duration {
	return r.acks[min(int(q*float64(len(r.acks))), len(r.acks)-1)]
}

// measure starts a server and sends for a while.
func measure(ctx context.Context, o *options, peer string, chunks []*template) (result, error) {
	start := startOriel
	if peer == "collector" {
		start = startCollector
	}
	p, err := start(ctx, o)
	if err != nil {
		return result{}, err
	}
	defer p.stop()
	// Warm: the heap has its size, and the connections are open.
	if _, err := send(ctx, o, p.addr, chunks, time.Second); err != nil {
		return result{}, err
	}
	if err := p.idle(); err != nil {
		return result{}, err
	}
	before, err := p.cpu()
	if err != nil {
		return result{}, err
	}
	r, err := send(ctx, o, p.addr, chunks, o.seconds)
	if err != nil {
		return result{}, err
	}
	acked, err := p.cpu()
	if err != nil {
		return result{}, err
	}
	began := time.Now()
	if err := p.idle(); err != nil {
		return result{}, err
	}
	r.rest = time.Since(began)
	after, err := p.cpu()
	r.cpuAcked, r.cpu = acked-before, after-before
	return r, err
}

// send keeps every connection busy with one chunk at a time.
func send(ctx context.Context, o *options, addr string, chunks []*template, d time.Duration) (result, error) {
	var (
		mu   sync.Mutex // guards what follows
		all  result
		fail error
		wg   sync.WaitGroup
	)
	began := time.Now()
	for c := range o.conns {
		wg.Go(func() {
			acks, err := sendOn(ctx, addr, chunks, c, began.Add(d))
			mu.Lock()
			defer mu.Unlock()
			all.acks = append(all.acks, acks...)
			if err != nil {
				fail = err
			}
		})
	}
	wg.Wait()
	all.wall = time.Since(began)
	all.records = len(all.acks) * o.chunk
	slices.Sort(all.acks)
	return all, fail
}

func startOriel(ctx context.Context, o *options) (*process, error) {
	dir, err := os.MkdirTemp(o.work, "data-")
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "oriel.yaml")
	if err := os.WriteFile(config, []byte("limits: {logs: 10GB/s, logs_max: 10GB/s}\n"), 0o600); err != nil {
		return nil, err
	}
	forward, http := freeAddress(), freeAddress()
	data := filepath.Join(dir, "data")
	cmd := exec.CommandContext(ctx, o.oriel, "up", "--config="+config, "--data-dir="+data, "--listen.http="+http, "--listen.es=", "--listen.journal=", "--listen.forward="+forward)
	p, err := startProcess(cmd, filepath.Join(dir, "log"), forward)
	if err != nil {
		return nil, err
	}
	p.after = func() { os.RemoveAll(dir) }
	args := []string{"--url=http://" + http, "--data-dir=" + data, "tenants", "onboard", "shop"}
	for n := range namespaces {
		args = append(args, "--namespace", "local/"+namespaceOf(n))
	}
	soon, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if out, err := exec.CommandContext(soon, o.oriel, args...).CombinedOutput(); err != nil {
		p.stop()
		return nil, fmt.Errorf("onboard: %w: %s", err, out)
	}
	return p, nil
}

func startCollector(ctx context.Context, o *options) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	addr := freeAddress()
	return startProcess(exec.CommandContext(ctx, self, "-receiver", addr), filepath.Join(o.work, "collector.log"), addr)
}
