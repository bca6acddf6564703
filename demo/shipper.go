package demo

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/fluent/fluent-logger-golang/fluent"
)

// shipper sends log records to a Fluentd forward input, acknowledged one by
// one. It never blocks its callers: what does not fit its buffer is lost and
// said on standard error.
type shipper struct{ client *fluent.Fluent }

// newShipper gives one that throws records away for "".
func newShipper(addr string) (*shipper, error) {
	if addr == "" {
		return &shipper{}, nil
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("forward address %q: want HOST:PORT: %w", addr, err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, fmt.Errorf("forward address %q: want HOST:PORT with a number", addr)
	}
	c, err := fluent.New(fluent.Config{
		FluentHost: host, FluentPort: n,
		Async: true, RequestAck: true, SubSecondPrecision: true,
		BufferLimit: 8192, RetryWait: 200, MaxRetryWait: 2000, MaxRetry: 50,
		Timeout: 3 * time.Second, WriteTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second,
	})
	if err != nil {
		return nil, fmt.Errorf("forward to %s: %w", addr, err)
	}
	return &shipper{client: c}, nil
}

func (s *shipper) post(tag string, rec map[string]any) {
	if s.client == nil {
		return
	}
	if err := s.client.PostWithTime(tag, time.Now(), rec); err != nil {
		fmt.Fprintln(os.Stderr, "demo: a log record is lost:", err)
	}
}

// close sends what waits, for as long as a shutdown may take: the process ends
// after it, and with it a client that cannot reach anybody.
func (s *shipper) close() {
	if s.client == nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.client.Close()
	}()
	select {
	case <-done:
	case <-time.After(shutdownAfter):
	}
}
