//go:build real

package script

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// TestNodeLoggers lets the two loggers of Node.js programs send to the real program,
// with the handshake and acknowledgements: all that they were told is stored is there
// after SIGKILL.
func TestNodeLoggers(t *testing.T) {
	library := fromNPM(t, "fluent-logger@3.4.1", "@fluent-org/logger@1.0.10")
	dir := t.TempDir()
	key := filepath.Join(dir, "key")
	if err := os.WriteFile(key, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := newSenders(t, dir, fmt.Sprintf("forward: {keys: [{shared_key_file: %q, cluster: local}]}\n", key))
	_, port := p.forwardPort()
	modes := []string{"classic", "CompressedPackedForward"}
	for _, mode := range modes {
		run(t, "", []string{"NODE_PATH=" + library}, "node", "../real/testdata/forward.js", mode, fmt.Sprint(port), "secret", "100")
	}
	p.kill()
	p.start()
	for _, mode := range modes {
		p.found(mode, 100)
	}
	p.term()
}

// TestOTLPLogger lets OpenTelemetry's exporter send to the real program with a
// tenant's token. Without one everything is refused.
func TestOTLPLogger(t *testing.T) {
	p := newSenders(t, t.TempDir(), "auth: {anonymous: none}\n")
	p.token = strings.TrimSpace(p.oriel("token", "create", "--operator"))
	token := strings.TrimSpace(p.oriel("token", "create", "--tenant", "shop", "--access", "write"))
	send := func(kind string, n int, headers map[string]string) error {
		exporter, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL("http://"+p.http+"/v1/logs"),
			otlploghttp.WithCompression(otlploghttp.GzipCompression), otlploghttp.WithHeaders(headers))
		if err != nil {
			return err
		}
		records := make([]sdklog.Record, n)
		for i := range records {
			records[i].SetTimestamp(time.Now())
			records[i].SetSeverity(otellog.SeverityWarn)
			records[i].SetBody(attribute.StringValue(fmt.Sprint(kind, " message ", i)))
		}
		if err := exporter.Export(t.Context(), records); err != nil {
			return err
		}
		return exporter.Shutdown(t.Context())
	}
	if err := send("otlp", 500, map[string]string{"Authorization": "Bearer " + token}); err != nil {
		t.Fatal(err)
	}
	if err := send("nobodys", 1, nil); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("without a token: %v", err)
	}
	p.kill()
	p.start()
	p.foundBy("message:otlp", 500)
	p.foundBy("message:nobodys", 0)
	p.term()
}
