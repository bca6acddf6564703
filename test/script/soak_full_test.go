//go:build real && soak

package script

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	remoteapi "github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/prompb"
)

// TestSoakDiskFull lets the disk run full under records and samples: first by
// what Oriel itself takes in, then to the last byte by somebody else. Writers are
// refused, readers are served, it mends itself, and after a SIGKILL everything
// that was acknowledged is there. It mounts a small file system: as root.
func TestSoakDiskFull(t *testing.T) {
	p := newProgram(t)
	if err := syscall.Mount("tmpfs", p.dir, "tmpfs", 0, "size=40m"); err != nil {
		t.Fatalf("mount a small file system, which root may: %v", err)
	}
	t.Cleanup(func() {
		p.kill()
		if err := syscall.Unmount(p.dir, 0); err != nil {
			t.Error(err)
		}
	})
	p.start()
	p.oriel("tenants", "onboard", "payments", "--namespace", "local/payments")
	token := strings.TrimSpace(p.oriel("token", "create", "--tenant", "payments", "--access", "write"))
	api, err := remoteapi.NewAPI("http://"+p.http, remoteapi.WithAPIPath("api/v1/write"), remoteapi.WithAPIHTTPClient(&http.Client{Transport: bearer(token)}),
		remoteapi.WithAPIBackoff(remoteapi.BackoffConfig{Min: time.Millisecond, Max: time.Millisecond, MaxRetries: 1}))
	if err != nil {
		t.Fatal(err)
	}
	samples, records, base := 0, 0, time.Now().Add(-4*time.Minute).UnixMilli()
	writeSamples := func(i, from, to int) error {
		req := &prompb.WriteRequest{}
		for s := from; s < to; s++ {
			req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
				Labels:  []prompb.Label{{Name: "__name__", Value: "full_test"}, {Name: "pad", Value: strings.Repeat("x", 200)}, {Name: "series", Value: fmt.Sprint(s)}},
				Samples: []prompb.Sample{{Timestamp: base + int64(i)*100, Value: float64(i)}},
			})
		}
		_, err := api.Write(context.Background(), remoteapi.WriteV1MessageType, req)
		if err == nil {
			samples += to - from
		}
		return err
	}
	text := strings.Repeat("as long as lines are ", 10)
	writeRecords := func(i, n int) error {
		var body strings.Builder
		for j := range n {
			fmt.Fprintf(&body, "{\"create\":{\"_index\":\"x\",\"_id\":\"%d-%d\"}}\n{\"message\":%q}\n", i, j, text)
		}
		out, ok, err := request("POST", p.http+"/es/_bulk", body.String(), "application/x-ndjson", []string{"token=" + token})
		if err == nil && !ok {
			err = fmt.Errorf("%s", tail(out, 300))
		}
		if err == nil && !strings.Contains(out, `"errors":false`) {
			t.Fatalf("bulk: %s", tail(out, 300))
		}
		if err == nil {
			records += n
		}
		return err
	}
	found := func(when string) {
		t.Helper()
		out := p.get("/t/payments/api/v1/query?query=sum(count_over_time(full_test[10m]))")
		if !strings.Contains(out, fmt.Sprintf(`"%d"`, samples)) {
			t.Errorf("%s: %d samples are acknowledged, got %s", when, samples, out)
		}
		out = p.get("/t/payments/es/_search?size=0&track_total_hits=true")
		if !strings.Contains(out, fmt.Sprintf(`"total":{"value":%d,`, records)) {
			t.Errorf("%s: %d records are acknowledged, got %s", when, records, tail(out, 300))
		}
		t.Logf("%s: %d samples and %d records are there", when, samples, records)
	}

	i := 0
	for ; writeRecords(i, 2000) == nil; i++ {
		if err := writeSamples(i, 0, 500); err != nil {
			break
		}
	}
	t.Logf("full after %d requests: %v", i, writeRecords(i, 1))
	found("full by itself")
	ballast := filepath.Join(p.dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for b := make([]byte, 4096); err == nil; _, err = f.Write(b) {
	}
	f.Close()
	for n := range 50 {
		if writeSamples(i+n, n*100, n*100+300) == nil || writeRecords(i+1+n, 10) == nil {
			t.Error("something was taken in by a full disk")
		}
	}
	found("full to the last byte")
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	// Room by itself, as retention or an operator makes it: a larger disk.
	if err := syscall.Mount("tmpfs", p.dir, "tmpfs", syscall.MS_REMOUNT, "size=120m"); err != nil {
		t.Fatal(err)
	}
	for n := 60; n < 90; n++ {
		if err := writeSamples(i+n, 0, 1500); err != nil {
			t.Errorf("samples after the trouble: %v", err)
		}
		if err := writeRecords(i+n, 100); err != nil {
			t.Errorf("records after the trouble: %v", err)
		}
	}
	found("with room again")
	p.kill()
	p.start()
	found("after a SIGKILL")
	p.term()
}

// TestSoakDrain ends the process by SIGTERM while it is written to from all
// sides, again and again: it exits with 0 in time, and what was acknowledged is
// there.
func TestSoakDrain(t *testing.T) {
	const rounds, senders = 5, 8
	p := newProgram(t)
	var acked atomic.Int64
	for round := range rounds {
		p.start()
		stop := make(chan struct{})
		done := make(chan struct{}, senders)
		for s := range senders {
			go func() {
				defer func() { done <- struct{}{} }()
				for c := 0; ; c++ {
					select {
					case <-stop:
						return
					default:
					}
					body := strings.Repeat(fmt.Sprintf("{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"drained\",\"round\":%d}\n", round), 100)
					if _, ok, err := request("POST", p.http+"/es/_bulk", body, "application/x-ndjson", nil); err == nil && ok {
						acked.Add(100)
					}
					one := []bool{false}
					sendChunks(t, p.forward, one, func(int) []byte { return chunkOf(killEntries((round*senders+s)*100_000+c, 100), chunkID(0), "") }, func(int) {})
				}
			}()
		}
		<-time.After(2 * time.Second)
		p.term()
		close(stop)
		for range senders {
			<-done
		}
	}
	p.start()
	out := p.get("/es/_search?size=0&track_total_hits=true&q=message:drained")
	// What was stored and could not be answered any more may be there, too.
	var res struct {
		Hits struct{ Total struct{ Value int64 } }
	}
	if err := json.Unmarshal([]byte(out), &res); err != nil || res.Hits.Total.Value < acked.Load() {
		t.Errorf("%d records are acknowledged, and %d are there: %v", acked.Load(), res.Hits.Total.Value, err)
	}
	t.Logf("%d records acknowledged by _bulk through %d ends, %d are there", acked.Load(), rounds, res.Hits.Total.Value)
	// A second signal does not wait: here for a sender whose frame is never whole.
	conn, err := net.Dial("tcp", p.forward)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	for range 2 {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			break // it has ended
		}
		<-time.After(10 * time.Millisecond)
	}
	_ = p.cmd.Wait() // 0 or 1: it may have ended well before the second
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("%v after a second SIGTERM", took)
	}
	p.cmd = nil
}
