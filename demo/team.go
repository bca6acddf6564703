package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	rateDefault   = 3.0
	shutdownAfter = 3 * time.Second
)

// Options of one team's process.
type Options struct {
	Team        string    // "shop" or "billing"
	ForwardAddr string    // HOST:PORT of a Fluentd forward input for the logs; "": no logs
	DependsURL  string    // shop only: where billing is
	ListenAddr  string    // of the first pod; "" is 127.0.0.1:0. The others take free ports
	Rate        float64   // visitors' requests a second, on average over a day; 0 is 3
	Announce    io.Writer // gets a Target as one line of JSON for each pod; nil: nobody
}

// RunTeam serves a team's pods and sends them traffic until ctx ends.
func RunTeam(ctx context.Context, o Options) error {
	where := places(o.Team)
	if where == nil {
		return fmt.Errorf("no demo team %q: want %q or %q", o.Team, shop, billing)
	}
	if o.Team == shop && o.DependsURL == "" {
		return errors.New("the team shop needs to know where billing is: give its URL")
	}
	if o.ListenAddr == "" {
		o.ListenAddr = "127.0.0.1:0"
	}
	if o.Rate <= 0 {
		o.Rate = rateDefault
	}
	logs, err := newShipper(o.ForwardAddr)
	if err != nil {
		return err
	}
	defer logs.close()

	// The listeners first: who is announced answers.
	host, _, err := net.SplitHostPort(o.ListenAddr)
	if err != nil {
		return fmt.Errorf("listen address %q: want HOST:PORT: %w", o.ListenAddr, err)
	}
	g, ctx := errgroup.WithContext(ctx)
	var urls []string
	for i, p := range where {
		addr := o.ListenAddr
		if i > 0 {
			addr = net.JoinHostPort(host, "0")
		}
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			return fmt.Errorf("pod %s: %w", p.pod, err)
		}
		// One process stands for several pods: only the first one shows what
		// the process costs, or its cost would be counted twice.
		pod := newPod(o.Team, p, logs, i == 0)
		if o.Team == shop {
			pod.serveShop(o.DependsURL)
		} else {
			pod.serveBilling()
		}
		serve(ctx, g, pod, ln)
		urls = append(urls, "http://"+ln.Addr().String())
		if o.Announce != nil {
			b, err := json.Marshal(Target{Team: o.Team, Namespace: o.Team, Pod: p.pod, Container: p.container, Node: p.node, Address: ln.Addr().String(), PID: os.Getpid()})
			if err != nil {
				return err
			}
			if _, err := o.Announce.Write(append(b, '\n')); err != nil {
				return fmt.Errorf("announce pod %s: %w", p.pod, err)
			}
		}
	}
	g.Go(func() error { return visit(ctx, o.Team, urls, o.Rate) })
	return g.Wait()
}

func serve(ctx context.Context, g *errgroup.Group, p *pod, ln net.Listener) {
	srv := &http.Server{Handler: p.mux, ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	g.Go(func() error {
		p.log(ctx, "info", "server", "listening on "+ln.Addr().String(), nil)
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		p.log(context.WithoutCancel(ctx), "info", "server", "shutting down", nil)
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownAfter)
		defer cancel()
		if srv.Shutdown(end) != nil {
			return srv.Close()
		}
		return nil
	})
}
