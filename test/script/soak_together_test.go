//go:build real && soak

package script

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/tinylib/msgp/msgp"
	"google.golang.org/protobuf/encoding/protowire"
)

// TestSoakTogether has 50 people look at a dashboard of 20 panels, which asks
// anew every 30 s, while 20 teams send 50,000 records and 100,000 samples a
// second. It prints how long a panel takes; the senders share the machine. All
// that was acknowledged is there in the end.
func TestSoakTogether(t *testing.T) {
	const (
		people, panels = 50, 20
		refresh        = 30 * time.Second
		warm, measured = 45 * time.Second, 120 * time.Second

		teams       = 20 // the demo's two among them
		records     = 50_000
		perChunk    = 1000
		samples     = 100_000
		interval    = 5 * time.Second
		seriesEach  = int(samples*interval/time.Second) / teams
		perRequest  = 2500
		requestEach = seriesEach / perRequest
	)
	p := newProgram(t, "--demo", "--config="+configFile(t, "limits: {series: 1000000, samples: 1000000, logs: 100MB/s}\n"))
	p.start()
	names := []string{"shop", "billing"}
	for i := len(names); i < teams; i++ {
		names = append(names, fmt.Sprintf("team-%02d", i))
		p.oriel("tenants", "onboard", names[i], "--namespace", "demo/"+names[i])
	}
	token := strings.TrimSpace(p.oriel("token", "create", "--cluster", "demo"))

	end := time.Now().Add(warm + measured)
	var wg sync.WaitGroup
	var sent [teams]atomic.Int64 // acknowledged records
	var lateLogs, lateSamples, acked atomic.Int64
	// every calls f so often until the end, and keeps how late it was at most when warm.
	start := time.Now()
	every := func(period time.Duration, late *atomic.Int64, f func(n int) bool) {
		began := time.Now()
		for n := 0; ; n++ {
			due := began.Add(time.Duration(n) * period)
			if due.After(end) {
				return
			}
			time.Sleep(time.Until(due))
			if time.Since(start) > warm {
				late.Store(max(late.Load(), int64(time.Since(due))))
			}
			if !f(n) {
				return
			}
		}
	}

	const connections = 2
	for c := range connections {
		conn, err := net.Dial("tcp", p.forward)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		var chunks [][]byte
		for _, name := range names {
			chunks = append(chunks, logChunk(name, perChunk))
		}
		answers := msgp.NewReader(conn)
		wg.Go(func() {
			every(time.Second*connections*perChunk/records, &lateLogs, func(n int) bool {
				team := (n*connections + c) % teams
				now := time.Now()
				restamp(chunks[team], fmt.Sprintf("%02d-%08d", c, n), now)
				if _, err := conn.Write(chunks[team]); err != nil {
					t.Errorf("send a chunk: %v", err)
					return false
				}
				if err := answers.ReadMapStrIntf(map[string]any{}); err != nil {
					t.Errorf("read an acknowledgement: %v", err)
					return false
				}
				sent[team].Add(perChunk)
				return true
			})
		})
	}

	var requests []*samplesRequest
	for _, name := range names {
		for r := range requestEach {
			requests = append(requests, newSamplesRequest(name, r*perRequest, perRequest))
		}
	}
	wg.Go(func() {
		every(interval/time.Duration(len(requests)), &lateSamples, func(n int) bool {
			code, out := sendAs(t, p, token, bytes.NewReader(requests[n%len(requests)].at(time.Now(), float64(n))))
			if code != http.StatusNoContent {
				t.Errorf("samples: %d %s", code, out)
				return false
			}
			acked.Add(perRequest)
			return true
		})
	})

	var boards [2][]panel
	for i := range boards {
		boards[i] = p.panels(names[i], panels)
	}
	var took [][2]time.Duration // when it was asked, after the start; how long it took
	var mu sync.Mutex
	for person := range people {
		team, board := names[person%2], boards[person%2]
		ask := func(method, path, contentType string, body []byte, answer any) error {
			req, err := http.NewRequest(method, "http://"+p.http+"/t/"+team+path, bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header.Set("Content-Type", contentType)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			out, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != http.StatusOK {
				return fmt.Errorf("%s %w: %s", resp.Status, err, tail(string(out), 300))
			}
			return json.Unmarshal(out, answer)
		}
		wg.Go(func() {
			var late atomic.Int64
			time.Sleep(refresh * time.Duration(person) / people)
			every(refresh, &late, func(int) bool {
				var wg sync.WaitGroup
				browser := make(chan struct{}, 6) // connections of a browser
				for _, shown := range board {
					browser <- struct{}{}
					wg.Go(func() {
						defer func() { <-browser }()
						asked := time.Now()
						for i, target := range shown.Targets {
							var err error
							if target.Expr != "" {
								err = promPanel(target.Expr, target.Instant, func(path string, form url.Values, out any) error {
									return ask("POST", path, "application/x-www-form-urlencoded", []byte(form.Encode()), out)
								})
							} else {
								err = logsPanel(shown, i, func(body []byte, out any) error {
									return ask("POST", "/es/_msearch?max_concurrent_shard_requests=5", "application/x-ndjson", body, out)
								})
							}
							if err != nil && time.Since(start) > warm {
								t.Errorf("%s, panel %q: %v", team, shown.Title, err)
							}
						}
						mu.Lock()
						took = append(took, [2]time.Duration{asked.Sub(start), time.Since(asked)})
						mu.Unlock()
					})
				}
				wg.Wait()
				return true
			})
		})
	}
	wg.Wait()
	cpu, err := processCPU(p.cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	var each []time.Duration
	for _, one := range took {
		if one[0] > warm {
			each = append(each, one[1])
		}
	}
	if len(each) == 0 {
		t.Fatal("nobody saw a panel")
	}
	slices.Sort(each)
	of := func(share float64) time.Duration {
		return each[min(len(each)-1, int(share*float64(len(each))))].Round(time.Millisecond)
	}
	all := int64(0)
	for i := range sent {
		all += sent[i].Load()
	}
	seconds := (warm + measured).Seconds()
	t.Logf("%d panels seen by %d people: p50 %s, p90 %s, p99 %s, most %s; beside %.0f records/s (%s late at most) and %.0f samples/s of %d series (%s late); %.2f cores, %d MiB",
		len(each), people, of(0.5), of(0.9), of(0.99), of(1), float64(all)/seconds, time.Duration(lateLogs.Load()).Round(time.Millisecond),
		float64(acked.Load())/seconds, teams*seriesEach, time.Duration(lateSamples.Load()).Round(time.Millisecond), cpu.Seconds()/time.Since(start).Seconds(), p.rss())
	for i, name := range names {
		out := p.get("/t/" + name + "/es/_search?size=0&track_total_hits=true&q=kind:together")
		if !strings.Contains(out, fmt.Sprintf(`"total":{"value":%d,`, sent[i].Load())) {
			t.Errorf("%s: %d records acknowledged: %s", name, sent[i].Load(), tail(out, 200))
		}
	}
}

// panels gives the first n panels with queries of a team's Overview and Logs.
func (p *program) panels(team string, n int) (out []panel) {
	p.t.Helper()
	for _, key := range []string{"overview", "logs"} {
		var board struct{ Panels []panel }
		// It is made anew as metrics come in: the page is good from the first record.
		if err := json.Unmarshal([]byte(p.get("/t/"+team+"/d/"+key+"/model")), &board); err != nil {
			p.t.Fatal(err)
		}
		for _, shown := range board.Panels {
			if len(shown.Targets) > 0 && len(out) < n {
				out = append(out, shown)
			}
		}
	}
	if len(out) < n {
		p.t.Fatalf("%s has %d panels, want %d", team, len(out), n)
	}
	return out
}

// logChunk is a frame of n records of a namespace, as Fluentd sends them.
func logChunk(namespace string, n int) []byte {
	var entries []byte
	levels := []string{"info", "info", "info", "info", "info", "info", "debug", "warn", "error"}
	for i := range n {
		entries = msgp.AppendArrayHeader(entries, 2)
		entries = append(entries, 0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 0) // an EventTime
		entries = msgp.AppendMapHeader(entries, 6)
		entries = msgp.AppendString(msgp.AppendString(entries, "message"), fmt.Sprintf("GET /api/v1/orders/%d answered %d in %d ms for user %d", i*7919%100_000, 200+i%5, i*31%900, i*104_729%5000))
		entries = msgp.AppendString(msgp.AppendString(entries, "level"), levels[i%len(levels)])
		entries = msgp.AppendString(msgp.AppendString(entries, "kind"), "together")
		entries = msgp.AppendInt(msgp.AppendString(entries, "status"), 200+i%5)
		entries = msgp.AppendString(msgp.AppendString(entries, "trace_id"), fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15))
		entries = msgp.AppendMapHeader(msgp.AppendString(entries, "kubernetes"), 3)
		entries = msgp.AppendString(msgp.AppendString(entries, "namespace_name"), namespace)
		entries = msgp.AppendString(msgp.AppendString(entries, "pod_name"), fmt.Sprintf("web-7d9f8b6c5-%05d", i%12))
		entries = msgp.AppendString(msgp.AppendString(entries, "container_name"), "web")
	}
	return chunkOf(entries, "00-00000000", "")
}

// restamp gives a frame of logChunk another id and its records times up to now.
func restamp(chunk []byte, id string, now time.Time) {
	copy(chunk[len(chunk)-len(id):], id)
	mark := []byte{0x92, 0xd7, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	copy(mark[3:], chunk[bytes.Index(chunk, mark[:3])+3:][:8]) // all have the same
	at := binary.BigEndian.AppendUint32(nil, uint32(now.Unix()))
	at = binary.BigEndian.AppendUint32(at, uint32(now.Nanosecond()))
	for rest := chunk; ; {
		i := bytes.Index(rest, mark)
		if i < 0 {
			return
		}
		copy(rest[i+3:], at)
		rest = rest[i+len(mark):]
	}
}

// samplesRequest is a remote write request that is sent again and again with
// other values and times.
type samplesRequest struct {
	body    []byte
	samples []int // where in the body; a value of 8 bytes, a tag, a time of 6
}

func newSamplesRequest(namespace string, from, n int) *samplesRequest {
	r := &samplesRequest{}
	symbols := map[string]uint64{}
	symbol := func(s string) uint64 {
		if _, ok := symbols[s]; !ok {
			symbols[s] = uint64(len(symbols))
			r.body = protowire.AppendString(protowire.AppendTag(r.body, 4, protowire.BytesType), s)
		}
		return symbols[s]
	}
	symbol("")
	var refs [][]byte
	for i := from; i < from+n; i++ {
		pod := i / 250
		var b []byte
		for _, s := range []string{
			"__name__", fmt.Sprintf("app_metric_%d", i%250), "container", "app", "instance", fmt.Sprintf("10.0.%d.%d:8080", pod/250, pod%250),
			"job", "app", "namespace", namespace, "path", fmt.Sprintf("/api/v1/thing/%d", i%7), "pod", fmt.Sprintf("app-7d9f8b6c5-%05d", pod),
		} {
			b = protowire.AppendVarint(b, symbol(s))
		}
		refs = append(refs, b)
	}
	for _, b := range refs {
		sample := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 0)
		sample = protowire.AppendVarint(protowire.AppendTag(sample, 2, protowire.VarintType), uint64(time.Now().UnixMilli()))
		ts := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
		ts = protowire.AppendBytes(protowire.AppendTag(ts, 2, protowire.BytesType), sample)
		r.body = protowire.AppendBytes(protowire.AppendTag(r.body, 5, protowire.BytesType), ts)
		r.samples = append(r.samples, len(r.body)-len(sample)+1)
	}
	return r
}

func (r *samplesRequest) at(now time.Time, value float64) []byte {
	millis := protowire.AppendVarint(nil, uint64(now.UnixMilli()))
	for i, at := range r.samples {
		binary.LittleEndian.PutUint64(r.body[at:], math.Float64bits(value+float64(i%13)))
		copy(r.body[at+9:], millis)
	}
	return snappy.Encode(nil, r.body)
}
