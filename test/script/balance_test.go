//go:build real

package script

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/tinylib/msgp/msgp"
)

// balanced sends what is stored, known, refused and withheld by every intake, and
// sees that all that was received is accounted for, that as many records are there as
// were counted, and that a tenant sees what it lost. r was run before; dir has the certificates.
func (p *program) balanced(r *lossRun, dir string) {
	t := p.t
	t.Helper()
	// A limit is what a namespace asks for, so the two are claimed as an agent does.
	agent := strings.TrimSpace(p.oriel("token", "create", "--cluster", "local"))
	claims := `{"version":1,"claims":[
{"namespace":"calm","uid":"5f0c1e8a-0000-4000-8000-000000000001","created":"2026-03-01T11:59:58Z","tenant":"calm"},
{"namespace":"noisy","uid":"5f0c1e8a-0000-4000-8000-000000000002","created":"2026-03-01T11:59:58Z","tenant":"noisy","limits":{"log_bytes_per_second":1000}}]}`
	if out, ok, err := request("PUT", p.http+"/agent/v1/namespaces", claims, "application/json", []string{"token=" + agent}); err != nil || !ok {
		t.Fatalf("claim: %v %s", err, out)
	}
	there, before := p.total(), p.counters()
	p.unevenForward()
	p.unevenBulk(r.chunks)
	p.unevenOTLP()
	p.unevenJournal(dir)

	intakes := []struct{ received, stored, known, refused, withheld string }{
		{"oriel_forward_records_received_total", "oriel_forward_records_total", "oriel_forward_records_duplicate_total", "oriel_forward_records_refused_total", "oriel_forward_records_withheld_total"},
		{"oriel_bulk_items_received_total", `oriel_bulk_items_total{result="created"}`, `oriel_bulk_items_total{result="conflict"}`, `oriel_bulk_items_total{result="refused"}`, `oriel_bulk_items_total{result="withheld"}`},
		{"oriel_otlp_log_records_received_total", `oriel_otlp_log_records_total{result="stored"}`, "", "", `oriel_otlp_log_records_total{result="withheld"}`},
		{"oriel_journal_records_received_total", `oriel_journal_records_total{result="stored"}`, `oriel_journal_records_total{result="duplicate"}`, "", `oriel_journal_records_total{result="withheld"}`},
	}
	err := poll(20*time.Second, func() error {
		c := p.counters()
		now := func(name string) float64 {
			if name == "" {
				return 0
			}
			return c[name] - before[name]
		}
		stored := 0.0
		for _, in := range intakes {
			if got := now(in.stored) + now(in.known) + now(in.refused) + now(in.withheld); got != now(in.received) {
				return fmt.Errorf("%s: %v are received, %v accounted for", in.received, now(in.received), got)
			}
			for _, name := range []string{in.received, in.stored, in.known, in.refused, in.withheld} {
				if name != "" && now(name) == 0 && name != `oriel_journal_records_total{result="withheld"}` { // needs a store that fails
					return fmt.Errorf("none is counted as %s", name)
				}
			}
			stored += now(in.stored)
		}
		if n := p.total() - there; float64(n) != stored {
			return fmt.Errorf("%d records came in, %v are counted as stored", n, stored)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	err = poll(40*time.Second, func() error {
		query := "/t/%s/api/v1/query?query=oriel_log_records_lost_total{reason='quota'}"
		out, ok, err := request("GET", p.http+fmt.Sprintf(query, "noisy"), "", "", []string{"token=" + p.token})
		if err != nil || !ok || !strings.Contains(out, `"namespace":"noisy"`) {
			return fmt.Errorf("the tenant does not see what it lost: %w %s", err, out)
		}
		out, ok, err = request("GET", p.http+fmt.Sprintf(query, "calm"), "", "", []string{"token=" + p.token})
		if err != nil || !ok || !strings.Contains(out, `"result":[]`) {
			return fmt.Errorf("another one does: %w %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// lossEntry is one of a forward chunk.
func lossEntry(namespace, message string) []byte {
	b := msgp.AppendArrayHeader(nil, 2)
	b = msgp.AppendInt64(b, time.Now().Unix())
	b = msgp.AppendMapHeader(b, 2)
	b = msgp.AppendString(msgp.AppendString(b, "message"), message)
	return msgp.AppendString(msgp.AppendString(b, "namespace"), namespace)
}

func (p *program) unevenForward() {
	t := p.t
	t.Helper()
	send := func(frame []byte, want string) {
		t.Helper()
		conn, err := net.Dial("tcp", p.forward)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		in, err := shakeHands(conn, lossKey)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(frame); err != nil {
			t.Fatal(err)
		}
		if want == "held" {
			if err := poll(10*time.Second, func() error {
				if p.counters()["oriel_forward_chunks_held"] == 0 {
					return fmt.Errorf("a chunk over its quota is not held")
				}
				return nil
			}); err != nil {
				t.Error(err)
			}
			return // without an answer: the sender has it
		}
		m := map[string]any{}
		err = in.ReadMapStrIntf(m)
		if got, _ := m["ack"].(string); got != want {
			t.Errorf("acknowledged %q, want %q: %v", got, want, err)
		}
	}
	long := strings.Repeat("x", 4000)
	id := func(what string) string { return fmt.Sprintf("%s-%d", what, rand.Int64()) }
	for range 3 { // as much as noisy may have at once, and then more
		mixed := id("mixed")
		send(chunkOf(append(bytes.Repeat(lossEntry("noisy", long), 3), lossEntry("calm", "between")...), mixed, ""), mixed)
	}
	send(chunkOf(bytes.Repeat(lossEntry("noisy", long), 2), id("noisy"), ""), "held")
	send(lossChunk(0), chunkID(0))
	torn := lossEntry("calm", "whole")
	send(chunkOf(append(torn, torn[:5]...), id("torn"), ""), "")
	odd := id("odd")
	send(chunkOf(append(msgp.AppendString(msgp.AppendInt(msgp.AppendArrayHeader(nil, 2), 1), "no map"), lossEntry("calm", "beside it")...), odd, ""), odd)
}

func (p *program) unevenBulk(known int) {
	t := p.t
	t.Helper()
	for _, tc := range []struct{ body, want string }{
		{lossBulk(known), `"status":409`},
		{"{\"create\":{\"_index\":\"x\"}}\n{\"message\":\n{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"beside it\"}\n", `"status":400`},
		{"{\"create\":{\"_index\":\"x\"}}\n{\"message\":\"whole\"}\n{\"create\"\n", "400 Bad Request"},
		{strings.Repeat("{\"create\":{\"_index\":\"x\"}}\n{\"message\":\""+strings.Repeat("x", 6000)+"\",\"namespace\":\"noisy\"}\n", 2), "429 Too Many Requests"},
	} {
		out, _, err := request("POST", p.http+"/es/_bulk", tc.body, "application/x-ndjson", []string{"token=" + p.token})
		if err != nil || !strings.Contains(out, tc.want) {
			t.Errorf("want %s: %v %s", tc.want, err, tail(out, 500))
		}
	}
}

func (p *program) unevenOTLP() {
	t := p.t
	t.Helper()
	body := func(text string) string {
		return fmt.Sprintf(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"%d","body":{"stringValue":%q}}]}]}]}`, time.Now().UnixNano(), text)
	}
	for _, tc := range []struct{ tenant, text, want string }{
		{"calm", "a record", "partialSuccess"},
		{"noisy", strings.Repeat("x", 20_000), "429"},
		{"noisy", strings.Repeat("x", 20_000), "429"},
	} {
		out, ok, err := request("POST", p.http+"/v1/logs", body(tc.text), "application/json", []string{"token=" + p.token, "X-Scope-OrgID: " + tc.tenant})
		if err != nil || ok != (tc.want != "429") || !ok && !strings.Contains(out, tc.want) {
			t.Errorf("%s: want %s: %v %s", tc.tenant, tc.want, err, tail(out, 500))
		}
	}
}

func (p *program) unevenJournal(dir string) {
	t := p.t
	t.Helper()
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "node-1.pem"), filepath.Join(dir, "node-1.key"))
	if err != nil {
		t.Fatal(err)
	}
	// What is shown here is the client's certificate; the server's is systemd's to check.
	c := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true}}}
	entry := "__CURSOR=s=a;i=1\n__REALTIME_TIMESTAMP=" + fmt.Sprint(time.Now().UnixMicro()) + "\nMESSAGE=an entry\n\n"
	for _, tc := range []struct {
		body   string
		status int
	}{{entry, 202}, {entry, 202}, {entry + "MESSAGE=torn", 417}} {
		resp, err := c.Post("https://"+p.journal+"/upload", "application/vnd.fdo.journal", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != tc.status {
			t.Errorf("upload: %d, want %d", resp.StatusCode, tc.status)
		}
	}
}

// total tells how many records there are.
func (p *program) total() int {
	p.t.Helper()
	out, ok, err := request("GET", p.http+"/es/_search?size=0&track_total_hits=true", "", "", []string{"token=" + p.token})
	var res struct {
		Hits struct{ Total struct{ Value int } }
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &res)
	}
	if err != nil || !ok {
		p.t.Fatalf("%v %s", err, out)
	}
	return res.Hits.Total.Value
}

var sampleLine = regexp.MustCompile(`(?m)^(oriel_[a-z_]+)(?:\{([^}]*)\})? ([0-9.e+]+)$`)

// counters are Oriel's own, by name and labels; and by name alone, added up.
func (p *program) counters() map[string]float64 {
	p.t.Helper()
	var headers []string
	if p.token != "" {
		headers = append(headers, "token="+p.token)
	}
	out, ok, err := request("GET", p.http+"/metrics", "", "", headers)
	if err != nil || !ok {
		p.t.Fatalf("metrics: %v %s", err, out)
	}
	c := map[string]float64{}
	for _, m := range sampleLine.FindAllStringSubmatch(out, -1) {
		v, err := strconv.ParseFloat(m[3], 64)
		if err != nil {
			p.t.Fatal(err)
		}
		c[m[1]] += v
		if m[2] != "" {
			c[m[1]+"{"+m[2]+"}"] = v
		}
	}
	return c
}
