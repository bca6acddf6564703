package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/internal/httpx"
)

// drainMax is how long requests under way may take after SIGTERM; the process
// is to be gone within 30 s.
const drainMax = 20 * time.Second

// serveHTTP serves h until ctx ends, then drains.
func serveHTTP(ctx context.Context, ln net.Listener, h http.Handler, logger *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    256 << 10, // Grafana names hundreds of indices in one line
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return context.WithoutCancel(ctx) },
	}
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
		defer cancel()
		if err := srv.Shutdown(drain); err != nil {
			srv.Close()
		}
	})
	err := srv.Serve(ln)
	if stop() {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	<-done
	return nil
}

// withTLS wraps the listener where the configuration has a certificate.
func withTLS(ln net.Listener, c config.TLS) (net.Listener, error) {
	if ln == nil || c.CertFile == "" {
		return ln, nil
	}
	t, err := serverTLS(c.CertFile, c.KeyFile, c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	t.NextProtos = []string{"h2", "http/1.1"}
	return tls.NewListener(ln, t), nil
}

func serverTLS(certFile, keyFile, clientCAFile string) (*tls.Config, error) {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate %s and key %s: %w", certFile, keyFile, err)
	}
	t := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	if clientCAFile != "" {
		pool, err := certPool(clientCAFile)
		if err != nil {
			return nil, err
		}
		t.ClientCAs, t.ClientAuth = pool, tls.RequireAndVerifyClientCert
	}
	return t, nil
}

func certPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no PEM certificate", file)
	}
	return pool, nil
}

// plainError is the error shape of pages and of what people call by hand.
func plainError(w http.ResponseWriter, _ *http.Request, status int, reason string) {
	http.Error(w, reason, status)
}

// readiness says in a sentence why a process is not ready, "" where it is, and
// what it does not do for now although it answers.
type readiness func() (not, but string)

// systemAPI is a process' own: its metrics, whether it lives, whether it is
// ready.
func systemAPI(reg *prometheus.Registry, ready readiness) httpx.API {
	m := httpx.NewMux(plainError)
	get := []string{http.MethodGet, http.MethodHead}
	m.Handle(httpx.Route{Methods: get, Pattern: "/metrics", Access: httpx.Operator},
		promhttp.HandlerFor(reg, promhttp.HandlerOpts{Registry: reg, EnableOpenMetrics: true}).ServeHTTP)
	m.Handle(httpx.Route{Methods: get, Pattern: "/-/healthy", Access: httpx.Open},
		func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "alive") })
	m.Handle(httpx.Route{Methods: get, Pattern: "/-/ready", Access: httpx.Open},
		func(w http.ResponseWriter, _ *http.Request) {
			switch not, but := ready(); {
			case not != "":
				http.Error(w, not, http.StatusServiceUnavailable)
			case but != "":
				fmt.Fprintln(w, "ready, but "+but)
			default:
				fmt.Fprintln(w, "ready")
			}
		})
	return m
}

// ended tells a clean end from a failure: what stops because ctx ended is clean.
func ended(ctx context.Context, err error) error {
	if err == nil || (ctx.Err() != nil && errors.Is(err, context.Canceled)) {
		return nil
	}
	return err
}
