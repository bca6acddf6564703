//go:build real

package script

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"golang.org/x/sys/unix"
)

// TestBlastRadius: one team brings more series than it may have, an endless
// body and queries of everything; the other one loses no sample and gets its
// answers.
func TestBlastRadius(t *testing.T) { blast(t, 30_000) }

func blast(t *testing.T, series int) {
	p := newRole(t, "central", "--config="+configFile(t, "limits: {series: 20000, query_samples: 10000, samples: 10000000}\n"))
	p.start()
	tokens := map[string]string{}
	for _, team := range []string{"loud", "calm"} {
		p.oriel("tenants", "onboard", team, "--namespace", "local/"+team)
		tokens[team] = strings.TrimSpace(p.oriel("token", "create", "--tenant", team, "--access", "write"))
	}
	calm := func() (int, string) {
		now := time.Now().UnixMilli()
		return writeSeries(t, p, tokens["calm"], 100, func(j int) (labels.Labels, int64) {
			return labels.FromStrings("__name__", "beat", "j", fmt.Sprint(j)), now
		})
	}
	query := func(team, q string) (int, string, time.Duration) {
		before, err := processCPU(p.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		code, out := getAs(t, p, tokens[team], "/api/v1/query?query="+url.QueryEscape(q))
		after, err := processCPU(p.cmd.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		return code, out, after - before
	}
	const ask = `sum(rate(beat[5m]))`
	cost := func() (sum time.Duration) {
		for range 20 {
			code, out, took := query("calm", ask)
			if code != 200 {
				t.Fatalf("%d %s", code, out)
			}
			sum += took
		}
		return sum / 20
	}
	beats := 0
	for range 3 {
		if code, says := calm(); code != http.StatusNoContent {
			t.Fatalf("%d %s", code, says)
		}
		beats++
	}
	before := cost()

	ctx, stop := context.WithCancel(t.Context())
	var flood sync.WaitGroup
	refused, tooMany, tooLarge := false, false, false
	flood.Go(func() { // series
		for from := 0; from < series && ctx.Err() == nil; from += 5000 {
			now := time.Now().UnixMilli()
			code, says := writeSeries(t, p, tokens["loud"], min(5000, series-from), func(j int) (labels.Labels, int64) {
				return labels.FromStrings("__name__", "loud", "user_id", fmt.Sprint(from+j)), now
			})
			if code == http.StatusBadRequest && strings.Contains(says, "limits.series") && strings.Contains(says, "loud (") {
				refused = true
			} else if code != http.StatusNoContent {
				t.Errorf("the flood: %d %s", code, says)
				return
			}
		}
	})
	flood.Go(func() { // an endless body
		for ctx.Err() == nil && !tooLarge {
			code, _ := sendAs(t, p, tokens["loud"], io.LimitReader(zeros{}, 10<<30))
			tooLarge = code == http.StatusRequestEntityTooLarge
		}
	})
	done := make(chan struct{})
	go func() { flood.Wait(); close(done) }()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(200 * time.Millisecond):
		}
		if code, says := calm(); code != http.StatusNoContent {
			t.Errorf("the calm team: %d %s", code, says)
		} else {
			beats++
		}
		code, out, _ := query("loud", `sum(sum_over_time({__name__=~".+"}[1h]) + sum_over_time({__name__=~".+"}[59m]))`)
		tooMany = tooMany || code == http.StatusUnprocessableEntity && strings.Contains(out, "limits.query_samples")
	}
	stop()
	code, out, _ := query("loud", `count({__name__=~".+"})`)
	tooMany = tooMany || code == http.StatusUnprocessableEntity && strings.Contains(out, "limits.query_samples")
	after := cost()
	t.Logf("%d series of the other team later the calm team's query takes %s of CPU, before %s: ratio %.2f", series, after, before, after.Seconds()/before.Seconds())
	if !refused || !tooMany || !tooLarge {
		t.Errorf("told of its limits: series %v, query %v, body %v", refused, tooMany, tooLarge)
	}
	_, out, _ = query("calm", `sum(count_over_time(beat[1h]))`)
	var got struct {
		Data struct{ Result []struct{ Value [2]any } }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Data.Result) != 1 || got.Data.Result[0].Value[1] != fmt.Sprint(100*beats) {
		t.Errorf("the calm team has %s samples, sent %d", out, 100*beats)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func writeSeries(t *testing.T, p *program, token string, n int, of func(int) (labels.Labels, int64)) (int, string) {
	symbols := writev2.NewSymbolTable()
	req := writev2.Request{}
	for i := range n {
		ls, at := of(i)
		req.Timeseries = append(req.Timeseries, writev2.TimeSeries{LabelsRefs: symbols.SymbolizeLabels(ls, nil), Samples: []writev2.Sample{{Value: 1, Timestamp: at}}})
	}
	req.Symbols = symbols.Symbols()
	b, err := req.Marshal()
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	return sendAs(t, p, token, strings.NewReader(string(snappy.Encode(nil, b))))
}

func sendAs(t *testing.T, p *program, token string, body io.Reader) (int, string) {
	req, err := http.NewRequest(http.MethodPost, "http://"+p.http+"/api/v1/write", body)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	req.Header.Set("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request")
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err.Error() // an endless body may lose its connection before its answer
	}
	defer resp.Body.Close()
	out, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(out)
}

func getAs(t *testing.T, p *program, token, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+p.http+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(out)
}

func configFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "oriel.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// processCPU is what all threads of another process have used.
func processCPU(pid int) (time.Duration, error) {
	var ts unix.Timespec
	// clock_getcpuclockid(3): the process clock of another process.
	err := unix.ClockGettime(int32(^pid<<3|2), &ts)
	return time.Duration(ts.Nano()), err
}
