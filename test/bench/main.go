// Command bench puts the same logs into Oriel and into VictoriaLogs, over HTTP,
// asks both the same questions, compares the answers, and prints what each took.
//
//	go run . -oriel ../../bin/oriel -vl ./victoria-logs -records 5000000
//
// What counts is the CPU time of the server's process. Everything stands in one
// work directory, so that a later run can take the corpus, the data of an ingest
// (-only queries) or VictoriaLogs' figures (-skip-vl) from there. Linux only.
package main

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"
)

// bench is one run.
type bench struct {
	oriel, vl, vlRelease string
	work                 string
	mergePath            string
	records, ids         int
	forward              int
	seed                 uint64
	perBody, conns, runs int
	quiet, timeout       time.Duration
	cold, skipVL         bool
	only                 string
	pattern              *regexp.Regexp
	tailLoad             int
	out                  string
	stdout, stderr       io.Writer

	osLib, osNode string
	skipPeer      bool

	corpus   *corpus
	more     []*query // beside queries
	failures int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	b := &bench{stdout: os.Stdout, stderr: os.Stderr}
	if err := b.main(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.stderr, format+"\n", args...) }

// fail says what is wrong and lets the run end with an error.
func (b *bench) fail(format string, args ...any) {
	b.failures++
	b.say("ERROR: "+format, args...)
}

func (b *bench) main(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&b.oriel, "oriel", "", "the program oriel")
	fs.StringVar(&b.vl, "vl", "", "the program victoria-logs; without it Oriel alone is measured")
	fs.StringVar(&b.vlRelease, "vl-release", "release unknown", "which release it is, for the table: its module does not say")
	fs.StringVar(&b.work, "work", filepath.Join(os.TempDir(), "oriel-bench"), "directory for the corpus, the data and the results")
	fs.StringVar(&b.mergePath, "oriel-merge", "/admin/v1/logs/merge", "path of Oriel's operator API that forces a merge by POST")
	fs.IntVar(&b.records, "records", 5_000_000, "how many records")
	fs.IntVar(&b.ids, "ids", 1_000_000, "how many records to send with given ids too, 0 for none")
	fs.IntVar(&b.forward, "forward", 1_000_000, "how many records to send over forward too, 0 for none")
	fs.Uint64Var(&b.seed, "seed", 1, "of the generator")
	fs.IntVar(&b.perBody, "per-body", 2000, "records in a _bulk request")
	fs.IntVar(&b.conns, "conns", 2, "connections that send")
	fs.IntVar(&b.runs, "runs", 5, "batches of runs of which the median counts")
	fs.DurationVar(&b.quiet, "quiet", 12*time.Second, "a system that is idle for so long has settled; VictoriaLogs flushes within 10 s")
	fs.DurationVar(&b.timeout, "timeout", 2*time.Minute, "of one query")
	fs.BoolVar(&b.cold, "cold", true, "start the system anew before each query")
	fs.BoolVar(&b.skipVL, "skip-vl", false, "take VictoriaLogs' figures from the last run on the same corpus")
	fs.StringVar(&b.osLib, "os-lib", "", "folder with OpenSearch's jars: Oriel's Elasticsearch API is measured beside it")
	fs.StringVar(&b.osNode, "os-node", "", "source of the program that starts one of its nodes")
	fs.BoolVar(&b.skipPeer, "skip-os", false, "take OpenSearch's figures from the last run on the same corpus")
	fs.StringVar(&b.only, "only", "", "ingest, queries or tail, on the data that are there; default all")
	pattern := fs.String("query", "", "regular expression of the queries to ask; default all")
	fs.IntVar(&b.tailLoad, "tail-load", 50_000, "records a second that come in while the live tail is measured")
	fs.StringVar(&b.out, "out", "", "file for the table, too")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if b.oriel == "" && b.vl == "" {
		return errors.New("give -oriel, and -vl or -os-lib")
	}
	if *pattern != "" {
		var err error
		if b.pattern, err = regexp.Compile(*pattern); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(b.work, 0o700); err != nil {
		return err
	}
	var err error
	if b.corpus, err = openCorpus(b.work, b.records, b.seed, b.perBody, b.say); err != nil {
		return err
	}
	if b.osLib != "" {
		return b.facade(ctx)
	}
	results := map[string]*result{}
	if b.vl != "" || b.skipVL {
		v := &victoria{bin: b.vl, dir: filepath.Join(b.work, "victorialogs"), release: b.vlRelease}
		if results["vl"], err = b.measure(ctx, v, "vl", b.skipVL); err != nil {
			return err
		}
	}
	if b.oriel != "" {
		o := b.newOriel("oriel")
		if results["oriel"], err = b.measure(ctx, o, "oriel", false); err != nil {
			return err
		}
	}
	b.compare(results["oriel"], results["vl"])
	table := b.table(results["oriel"], results["vl"])
	return b.print(table)
}

// questions are the queries of this run, in the order of its table.
func (b *bench) questions() []*query { return append(queries(b.corpus), b.more...) }

// print writes the table, and says whether anything went wrong.
func (b *bench) print(table string) error {
	fmt.Fprint(b.stdout, table)
	if b.out != "" {
		if err := os.WriteFile(b.out, []byte(table), 0o644); err != nil {
			return err
		}
	}
	if b.failures > 0 {
		return fmt.Errorf("%d errors, see above", b.failures)
	}
	return nil
}

func (b *bench) newOriel(dir string) *oriel {
	return &oriel{bin: b.oriel, dir: filepath.Join(b.work, dir), mergePath: b.mergePath, corpus: b.corpus}
}

func (b *bench) wants(phase string) bool { return b.only == "" || b.only == phase }

// measure runs what is wanted on one system, and keeps the result as a file.
func (b *bench) measure(ctx context.Context, s system, key string, stored bool) (*result, error) {
	file := filepath.Join(b.work, "result-"+key+".json")
	r := &result{}
	if raw, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(raw, r); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	if r.Corpus != b.corpus.SHA256 {
		if stored || b.only != "" && b.only != "ingest" {
			return nil, fmt.Errorf("%s: nothing was measured on this corpus yet: run once without -skip-vl and -only", s.name())
		}
		*r = result{}
	}
	if stored {
		return r, nil
	}
	if b.only == "" {
		*r = result{}
	}
	r.Corpus, r.Version, r.Taken = b.corpus.SHA256, s.version(), time.Now().UTC()
	r.Ingests, r.Queries, r.Tails = orNew(r.Ingests), orNew(r.Queries), orNew(r.Tails)
	defer func() { _ = s.process().stop() }()
	if b.wants("ingest") {
		if err := b.ingests(ctx, s, r); err != nil {
			return nil, err
		}
	}
	if b.wants("queries") {
		if err := b.ask(ctx, s, r); err != nil {
			return nil, err
		}
		if o, ok := s.(dashboarder); ok && b.pattern == nil {
			d, err := b.dash(ctx, o)
			if err != nil {
				b.fail("dashboard: %v", err)
			}
			r.Dashboard = d
		}
		if p := s.process(); p != nil {
			p.settle(ctx, 2*time.Second, 20*time.Second)
			cpu, begin := p.cpu(), time.Now()
			wait(ctx, 5*time.Second)
			r.IdleCPU = ms(p.cpu()-cpu) / time.Since(begin).Seconds()
		}
	}
	if b.wants("tail") && b.osLib == "" {
		if err := b.tail(ctx, s, r); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	return r, os.WriteFile(file, raw, 0o600)
}

func orNew[V any](m map[string]V) map[string]V {
	if m == nil {
		return map[string]V{}
	}
	return m
}

// ingests fills the system by _bulk, and for Oriel other data directories with
// given ids and over forward.
func (b *bench) ingests(ctx context.Context, s system, r *result) error {
	bufs := make([][]byte, b.conns)
	body := func(conn, i int) ([]byte, int, error) {
		buf, n, err := b.corpus.body(i, bufs[conn])
		if err == nil {
			bufs[conn] = buf
		}
		return buf, n, err
	}
	into := func(s system, key string, records int, one func(ctx context.Context, conn, i int) error) error {
		if err := wipe(s.home()); err != nil {
			return err
		}
		if err := s.start(ctx); err != nil {
			return err
		}
		in, err := b.takeIn(ctx, s, records, one)
		if err != nil {
			return err
		}
		r.Ingests[key] = in
		return s.process().stop()
	}
	if err := into(s, "bulk", b.records, func(ctx context.Context, conn, i int) error {
		buf, _, err := body(conn, i)
		if err != nil {
			return err
		}
		return s.bulk(ctx, buf)
	}); err != nil {
		return err
	}
	if _, ok := s.(*oriel); !ok {
		return nil
	}
	if n := min(b.ids, b.records) / b.perBody * b.perBody; n > 0 {
		o := b.newOriel("oriel-ids")
		with := make([][]byte, b.conns)
		if err := into(o, "ids", n, func(ctx context.Context, conn, i int) error {
			buf, _, err := body(conn, i)
			if err != nil {
				return err
			}
			with[conn] = withIDs(with[conn][:0], buf, i*b.perBody)
			return o.bulk(ctx, with[conn])
		}); err != nil {
			return err
		}
		if err := wipe(o.dir); err != nil {
			return err
		}
	}
	if n := min(b.forward, b.records) / b.perBody * b.perBody; n > 0 {
		o := b.newOriel("oriel-forward")
		conns := make([]*forwarder, b.conns)
		err := into(o, "forward", n, func(ctx context.Context, conn, i int) (err error) {
			if conns[conn] == nil {
				if conns[conn], err = newForwarder(ctx, o.forward); err != nil {
					return err
				}
			}
			buf, n, err := body(conn, i)
			if err != nil {
				return err
			}
			return conns[conn].send(buf, n)
		})
		for _, c := range conns {
			if c != nil {
				c.conn.Close()
			}
		}
		if err != nil {
			return err
		}
		return wipe(o.dir)
	}
	return nil
}

// withIDs gives each action of a body an id, as Elasticsearch's own are.
func withIDs(dst, body []byte, first int) []byte {
	n := 0
	for len(body) > 0 {
		body = body[len(action):]
		end := 0
		for body[end] != '\n' {
			end++
		}
		sum := md5.Sum(strconv.AppendInt(nil, int64(first+n), 10))
		dst = append(dst, `{"create":{"_index":"k8s","_id":"`...)
		dst = append(hex.AppendEncode(dst, sum[:10]), "\"}}\n"...)
		dst = append(dst, body[:end+1]...)
		body = body[end+1:]
		n++
	}
	return dst
}

// compare says where the answers differ.
func (b *bench) compare(o, v *result) {
	if o == nil || v == nil {
		return
	}
	for _, q := range queries(b.corpus) {
		x, ok := o.Queries[q.id]
		y, ok2 := v.Queries[q.id]
		if !ok || !ok2 || x.Err != "" || y.Err != "" {
			continue
		}
		xr, err := q.parseES(x.Replies)
		if err != nil {
			b.fail("%s: %v", q.id, err)
			continue
		}
		yr, err := q.parseVL(y.Replies)
		if err != nil {
			b.fail("%s: %v", q.id, err)
			continue
		}
		if d := q.differ(xr, yr); d != "" {
			b.fail("%s: the answers differ: %s", q.id, d)
		}
	}
}
