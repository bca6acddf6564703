package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// system is a log store under measurement.
type system interface {
	name() string
	version() string
	start(context.Context) error // the process; returns when it answers
	process() *proc
	home() string    // all that it has
	dataDir() string // what its bytes on disk are
	bulk(ctx context.Context, body []byte) error
	count(context.Context) (int, error)
	merge(context.Context) error      // or errNoMerge
	tailTenant(context.Context) error // from here on, until the process ends
	ways(*query) int
	run(ctx context.Context, q *query, way int) ([]byte, error)
	parse(q *query, reply []byte) ([]row, error)
	follow(ctx context.Context, query string, found func(line string)) error
}

// ingested is what it took to take records in.
type ingested struct {
	Records     int           `json:"records"`
	Wall        time.Duration `json:"wall"`         // to the last acknowledgement
	CPUAck      time.Duration `json:"cpu_ack"`      // to the last acknowledgement
	CPU         time.Duration `json:"cpu"`          // to when it was idle
	Settled     bool          `json:"settled"`      // it was
	RSSPeak     int64         `json:"rss_peak"`     // bytes
	DiskFlushed int64         `json:"disk_flushed"` // bytes, idle
	CPUMerge    time.Duration `json:"cpu_merge"`    // of the forced merge
	Merged      bool          `json:"merged"`       // there was one
	DiskMerged  int64         `json:"disk_merged"`  // bytes
}

// asked is what a query took.
type asked struct {
	Cold      time.Duration `json:"cold"` // the first after a start
	ColdCPU   time.Duration `json:"cold_cpu"`
	Wall      time.Duration `json:"wall"` // median
	CPU       time.Duration `json:"cpu"`
	RSSPeak   int64         `json:"rss_peak"`
	Answer    string        `json:"answer"`
	Way       int           `json:"way"`
	Err       string        `json:"err,omitempty"`
	Rows      []row         `json:"-"`
	Replies   []byte        `json:"reply"` // to compare with in a later run
	ReplySize int           `json:"reply_size"`
}

// result is all of one system.
type result struct {
	Corpus  string              `json:"corpus"` // its hash
	Version string              `json:"version"`
	Taken   time.Time           `json:"taken"`
	Ingests map[string]ingested `json:"ingests"` // bulk, ids, forward
	Queries map[string]asked    `json:"queries"`
	Tails   map[string]tailed   `json:"tails"`
	Starts  []time.Duration     `json:"starts"`   // with all the data there
	IdleCPU float64             `json:"idle_cpu"` // ms a second, with nothing to do

	Dashboard dashboard `json:"dashboard"`
}

// send sends bodies [0, n) over so many connections, in order but for those in
// flight.
func send(ctx context.Context, conns, n int, one func(ctx context.Context, conn, body int) error) error {
	var next atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for conn := range conns {
		g.Go(func() error {
			for {
				i := int(next.Add(1) - 1)
				if i >= n {
					return nil
				}
				if err := one(ctx, conn, i); err != nil {
					return fmt.Errorf("body %d: %w", i, err)
				}
			}
		})
	}
	return g.Wait()
}

// takeIn measures an ingest into a started, empty system.
func (b *bench) takeIn(ctx context.Context, s system, records int, one func(ctx context.Context, conn, body int) error) (ingested, error) {
	p := s.process()
	if _, ok := p.settle(ctx, time.Second, 20*time.Second); !ok {
		b.say("%s: not quiet after its start", s.name())
	}
	in := ingested{Records: records}
	cpu, begin := p.cpu(), time.Now()
	if err := send(ctx, b.conns, (records+b.corpus.PerBody-1)/b.corpus.PerBody, one); err != nil {
		return in, err
	}
	in.Wall, in.CPUAck = time.Since(begin), p.cpu()-cpu
	idle, settled := p.settle(ctx, b.quiet, 10*time.Minute)
	in.CPU, in.Settled = idle-cpu, settled
	if !settled {
		b.fail("%s is not idle 10 minutes after the last acknowledgement", s.name())
	}
	in.RSSPeak = p.rssPeak()
	var err error
	if in.DiskFlushed, err = diskBytes(s.dataDir()); err != nil {
		return in, err
	}
	if got, err := s.count(ctx); err != nil || got != records {
		b.fail("%s holds %d records of %d (%v)", s.name(), got, records, err)
	}
	before := p.cpu()
	err = s.merge(ctx)
	switch {
	case errors.Is(err, errNoMerge):
		b.say("%s: there is no forced merge; its bytes are those as flushed", s.name())
	case err != nil:
		return in, err
	default:
		in.Merged = true
		idle, _ := p.settle(ctx, b.quiet, 10*time.Minute)
		in.CPUMerge = idle - before
	}
	in.DiskMerged, err = diskBytes(s.dataDir())
	b.say("%s: %d records in %s, %.2f CPU-s a million (%.2f by the last ack), peak %d MB, %.1f B a record flushed, %.1f merged", s.name(), records,
		in.Wall.Round(time.Millisecond), perMillion(in.CPU, records), perMillion(in.CPUAck, records), in.RSSPeak>>20,
		float64(in.DiskFlushed)/float64(records), float64(in.DiskMerged)/float64(records))
	return in, err
}

func perMillion(d time.Duration, records int) float64 { return d.Seconds() * 1e6 / float64(records) }

// ask measures the queries; the system is started anew before each.
func (b *bench) ask(ctx context.Context, s system, r *result) error {
	r.Starts = nil
	for _, q := range b.questions() {
		if b.pattern != nil && !b.pattern.MatchString(q.id) {
			continue
		}
		a, err := b.askOne(ctx, s, q, r)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			a.Err = err.Error()
			b.fail("%s: %s: %v", s.name(), q.id, err)
		} else {
			b.say("%s: %-16s %8.2f CPU-ms %8.2f ms; cold %8.2f CPU-ms %8.2f ms; %s", s.name(), q.id, ms(a.CPU), ms(a.Wall), ms(a.ColdCPU), ms(a.Cold), a.Answer)
		}
		r.Queries[q.id] = a
	}
	return nil
}

func (b *bench) askOne(ctx context.Context, s system, q *query, r *result) (asked, error) {
	var best asked
	for way := range s.ways(q) {
		a, err := b.askWay(ctx, s, q, way, r)
		if err != nil {
			return best, err
		}
		if way == 0 || a.CPU < best.CPU {
			best = a
		}
	}
	return best, nil
}

func (b *bench) askWay(ctx context.Context, s system, q *query, way int, r *result) (asked, error) {
	a := asked{Way: way}
	if b.cold || s.process() == nil || s.process().exited() {
		if err := s.process().stop(); err != nil {
			return a, err
		}
		begin := time.Now()
		if err := s.start(ctx); err != nil {
			return a, err
		}
		r.Starts = append(r.Starts, time.Since(begin))
	}
	p := s.process()
	p.settle(ctx, time.Second, 20*time.Second)
	if err := p.rssReset(); err != nil {
		return a, err
	}
	once := func() (wall, cpu time.Duration, reply []byte, err error) {
		ctx, cancel := context.WithTimeout(ctx, b.timeout)
		defer cancel()
		c, t := p.cpu(), time.Now()
		reply, err = s.run(ctx, q, way)
		return time.Since(t), p.cpu() - c, reply, err
	}
	var err error
	var reply []byte
	if a.Cold, a.ColdCPU, reply, err = once(); err != nil {
		return a, err
	}
	if a.Rows, err = s.parse(q, reply); err != nil {
		return a, err
	}
	a.Answer, a.Replies, a.ReplySize = sum(a.Rows), reply, len(reply)
	// A batch is long enough that a garbage collection now and then is its share
	// of each run, and not a run's bad luck.
	batch := min(max(1, int(100*time.Millisecond/max(a.Cold, time.Millisecond))), 20)
	var walls, cpus []time.Duration
	for range b.runs {
		begin := p.cpu()
		for range batch {
			wall, _, _, err := once()
			if err != nil {
				return a, err
			}
			walls = append(walls, wall)
		}
		cpus = append(cpus, (p.cpu()-begin)/time.Duration(batch))
	}
	a.Wall, a.CPU, a.RSSPeak = median(walls), median(cpus), p.rssPeak()
	return a, nil
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func ms(d time.Duration) float64 { return float64(d) / 1e6 }

// tailed is how long records took from being sent to being seen.
type tailed struct {
	Median  time.Duration `json:"median"`
	Worst   time.Duration `json:"worst"`
	Samples int           `json:"samples"`
	Missed  int           `json:"missed"`
}

// tail measures how soon a record that is sent is seen: by somebody who asks
// again and again, and by the system's own live tail; idle, and while others
// send so many records a second.
func (b *bench) tail(ctx context.Context, s system, r *result) error {
	if s.process() == nil || s.process().exited() {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	if err := s.tailTenant(ctx); err != nil {
		return err
	}
	for _, load := range []int{0, b.tailLoad} {
		loadCtx, stop := context.WithCancel(ctx)
		var loader errgroup.Group
		if load > 0 {
			loader.Go(func() error { return b.pace(loadCtx, s, load) })
			wait(ctx, time.Second)
		}
		for _, how := range []string{"asked", "followed"} {
			t, err := b.tailOne(ctx, s, how)
			if err != nil {
				stop()
				return errors.Join(err, loader.Wait())
			}
			key := how
			if load > 0 {
				key += " under load"
			}
			r.Tails[key] = t
			b.say("%s: append to visible, %s: median %.1f ms, worst %.1f ms, %d of %d missed", s.name(), key, ms(t.Median), ms(t.Worst), t.Missed, t.Samples)
		}
		stop()
		if err := loader.Wait(); err != nil && !errors.Is(err, context.Canceled) {
			b.fail("%s: %d records/s: %v", s.name(), load, err)
		}
	}
	return nil
}

// pace sends the corpus again at so many records a second until ctx ends.
func (b *bench) pace(ctx context.Context, s system, perSecond int) error {
	begin := time.Now()
	every := time.Duration(float64(b.corpus.PerBody) / float64(perSecond) * float64(time.Second))
	bufs := make([][]byte, b.conns)
	behind := 0
	err := send(ctx, b.conns, 1<<30, func(ctx context.Context, conn, i int) error {
		due := begin.Add(time.Duration(i) * every)
		if d := time.Until(due); d > 0 {
			wait(ctx, d)
		} else if d < -time.Second {
			behind++
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		var err error
		if bufs[conn], _, err = b.corpus.body(i%len(b.corpus.Ends), bufs[conn]); err != nil {
			return err
		}
		return s.bulk(ctx, bufs[conn])
	})
	if behind > 0 {
		b.say("%s: could not take %d records/s: %d bodies came over a second late", s.name(), perSecond, behind)
	}
	return err
}

func (b *bench) tailOne(ctx context.Context, s system, how string) (tailed, error) {
	const samples = 11
	var took []time.Duration
	t := tailed{Samples: samples}
	// Words of letters alone are one token everywhere.
	series := fmt.Sprintf("tail%s", letters(uint64(time.Now().UnixNano())))
	seen := make(chan string, 1024)
	if how == "followed" {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { _ = s.follow(ctx, "series:"+series, func(l string) { seen <- l }) }()
		wait(ctx, 1500*time.Millisecond) // it is there
	}
	for i := range samples {
		wait(ctx, time.Duration(i*37)*time.Millisecond) // not in step with anybody's timer
		mark := series + letters(uint64(i+1)*7919)
		doc := fmt.Sprintf(`{"@timestamp":"%s","message":"watch %s","mark":"%s","series":"%s","kubernetes":{"namespace_name":"%s","pod_name":"tail","container_name":"tail"}}`,
			time.Now().UTC().Format(iso), mark, mark, series, b.corpus.Namespaces[0])
		begin := time.Now()
		if err := s.bulk(ctx, []byte(action+doc+"\n")); err != nil {
			return t, err
		}
		ok := false
		if how == "followed" {
			ok = awaitLine(seen, mark, 15*time.Second)
		} else {
			q := &query{
				es: `{"size":1,"track_total_hits":false,"query":{"bool":{"filter":[{"range":{"@timestamp":{"gte":"now-1m"}}},` + esString("mark:"+mark) + `]}}}`,
				vl: []ask{{"query", `_time:1m mark:="` + mark + `"`, nil}},
			}
			for !ok && time.Since(begin) < 15*time.Second && ctx.Err() == nil {
				reply, err := s.run(ctx, q, 0)
				if err != nil {
					return t, err
				}
				if ok = strings.Contains(string(reply), mark); !ok {
					wait(ctx, 5*time.Millisecond)
				}
			}
		}
		if !ok {
			t.Missed++
			continue
		}
		took = append(took, time.Since(begin))
	}
	if len(took) > 0 {
		t.Median = median(took)
		t.Worst = took[len(took)-1]
	}
	return t, nil
}

func awaitLine(seen <-chan string, mark string, max time.Duration) bool {
	timer := time.NewTimer(max)
	defer timer.Stop()
	for {
		select {
		case l := <-seen:
			if strings.Contains(l, mark) {
				return true
			}
		case <-timer.C:
			return false
		}
	}
}

// letters writes a number in lower case letters.
func letters(x uint64) string {
	var b []byte
	for ; x > 0; x /= 26 {
		b = append(b, 'a'+byte(x%26))
	}
	return string(b)
}

// wipe removes a system's data.
func wipe(dir string) error { return os.RemoveAll(dir) }
