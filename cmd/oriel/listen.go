package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"syscall"

	"github.com/spf13/pflag"
)

// listenFlag is one --listen.* flag.
type listenFlag struct {
	name string // "http"
	addr string
	flag *pflag.Flag
}

// addListen declares --listen.<name> with its default address.
func addListen(fs *pflag.FlagSet, name, def, usage string) *listenFlag {
	l := &listenFlag{name: name}
	fs.StringVar(&l.addr, "listen."+name, def, usage+"; port 0 picks a free one, empty turns it off")
	l.flag = fs.Lookup("listen." + name)
	return l
}

// open listens. It returns nil where the listener is off, or where nobody asked
// for the default port and it is busy, which is a warning that names the flag.
func (l *listenFlag) open(logger *slog.Logger) (net.Listener, error) {
	if l.addr == "" {
		return nil, nil
	}
	if _, _, err := net.SplitHostPort(l.addr); err != nil {
		return nil, usagef("--listen.%s %q: want HOST:PORT of an address of this machine, such as 127.0.0.1:0", l.name, l.addr)
	}
	ln, err := net.Listen("tcp", l.addr)
	switch {
	case err == nil:
		logger.Info("listening", "listener", l.name, "address", ln.Addr().String())
		return ln, nil
	case errors.Is(err, syscall.EADDRINUSE) && !l.flag.Changed:
		logger.Warn("default port is busy, this listener stays off", "listener", l.name, "address", l.addr, "mend", "choose another with --listen."+l.name+"=HOST:PORT")
		return nil, nil
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("--listen.%s %s: the port is busy; stop who holds it, or choose another port (0 picks a free one)", l.name, l.addr)
	}
	return nil, fmt.Errorf("--listen.%s %s: %w; give HOST:PORT of an address of this machine, such as 127.0.0.1:0", l.name, l.addr, err)
}
