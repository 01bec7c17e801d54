package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/tintype/tintype/server"
)

// With the default --drain, a stop takes no longer than the 30 s that Kubernetes gives
// a pod.
const (
	stopTime  = 25 * time.Second // from when the listeners stop until the process ends
	flushTime = 5 * time.Second  // of these, for writing what is in memory only
)

// errTerminated is why a context ended that SIGTERM ended.
var errTerminated = errors.New("SIGTERM")

// untilSignal returns a context that ends with the first SIGTERM, because of
// errTerminated, or the first SIGINT. The next signal ends the process at once.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, end := context.WithCancelCause(context.Background())
	first := make(chan os.Signal, 1)
	signal.Notify(first, os.Interrupt, syscall.SIGTERM)
	go func() {
		var why error
		select {
		case s := <-first:
			if s == syscall.SIGTERM {
				why = errTerminated
			}
		case <-ctx.Done():
		}
		signal.Stop(first)
		end(why)
	}()
	return ctx, func() { end(nil) }
}

// parts are what runs beside requests, and what is to be written and closed once there
// are none any more. The zero value is ready; it is used by one goroutine.
type parts struct {
	stop    context.CancelFunc // of all that runs
	running sync.WaitGroup
	flushes []func(context.Context) error
	closes  []func() error
}

// run starts what runs until the end.
func (p *parts) run(all ...func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	for _, f := range all {
		p.running.Go(func() { f(ctx) })
	}
}

// flush has f called at the end, when nothing runs any more: it writes what is in memory
// only, until its context ends, beside others that do the same.
func (p *parts) flush(f func(context.Context) error) { p.flushes = append(p.flushes, f) }

// close has f called after everything has been written, in the reverse order.
func (p *parts) close(f func() error) { p.closes = append(p.closes, f) }

// end stops what runs, writes and closes. It takes little longer than within, whatever
// hangs.
func (p *parts) end(within time.Duration) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	if p.stop != nil {
		p.stop()
		stopped := make(chan struct{})
		go func() {
			p.running.Wait()
			close(stopped)
		}()
		select {
		case <-stopped:
		case <-ctx.Done():
			err = errors.New("what runs in the background did not end in time")
		}
	}
	errs := make([]error, len(p.flushes))
	var flushing sync.WaitGroup
	for i, f := range p.flushes {
		flushing.Go(func() { errs[i] = f(ctx) })
	}
	flushing.Wait()
	err = errors.Join(append([]error{err}, errs...)...)
	for i := len(p.closes) - 1; i >= 0; i-- {
		err = errors.Join(err, p.closes[i]())
	}
	return err
}

// A front is a listener and what answers there.
type front struct {
	flag     string // that says where
	listener net.Listener
	handler  http.Handler
	cutOff   bool // what is under way ends when the listener does

	connections *server.Connections // what bounds those of the listener; nil is nothing
}

// listen opens the public listener and that of the operator, which may be none.
func (c *serveCmd) listen(parts *parts) (public, ops net.Listener, err error) {
	open := func(flag, address, instead string) (l net.Listener, err error) {
		if l, err = net.Listen("tcp", address); err != nil {
			return nil, fmt.Errorf("%s: %w (%s)", flag, err, instead)
		}
		parts.close(func() error { _ = l.Close(); return nil }) // where no server has
		return l, nil
	}
	if public, err = open("--listen", c.Listen, "another address, or stop what serves there"); err != nil || c.OpsListen == "off" {
		return public, nil, err
	}
	ops, err = open("--ops-listen", c.OpsListen, "another address, or off for none")
	return public, ops, err
}

// serveUntil serves until ctx ends. SIGTERM then begins a drain of that length, in which
// srv announces the end; after it, or at once where another cause ended ctx, all
// listeners stop together, and requests under way have that long to finish. When a
// listener fails, the others stop as well, and the error says which failed.
func serveUntil(ctx context.Context, fronts []front, srv *server.Server, drain, within time.Duration, log *slog.Logger) (err error) {
	failed := make(chan error, len(fronts))
	underWay, cutOff := context.WithCancel(context.Background())
	defer cutOff()
	var servers []*http.Server
	for _, f := range fronts {
		s := newHTTPServer(f.handler, log)
		if f.cutOff {
			s.BaseContext = func(net.Listener) context.Context { return underWay }
		}
		listener := f.connections.Guard(s, f.listener)
		servers = append(servers, s)
		go func() {
			if err := s.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s: nothing more can be accepted on %s: %w", f.flag, f.listener.Addr(), err)
			}
		}()
	}

	select {
	case <-ctx.Done():
	case err = <-failed:
		log.Error("a listener failed", "err", err)
	}
	srv.Drain()
	if err == nil && drain > 0 && errors.Is(context.Cause(ctx), errTerminated) {
		log.Info("draining: requests are still taken, and /readyz is 503", "for", drain.String())
		over := time.NewTimer(drain)
		defer over.Stop()
		select {
		case <-over.C:
		case err = <-failed:
			log.Error("a listener failed", "err", err)
		}
	}
	log.Info("stopping: finishing what runs")
	cutOff()
	finish, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	errs := make([]error, len(servers))
	var stopping sync.WaitGroup
	for i, s := range servers {
		stopping.Go(func() {
			if e := s.Shutdown(finish); e != nil {
				errs[i] = fmt.Errorf("%s: requests under way were cut off: %w", fronts[i].flag, errors.Join(e, s.Close()))
			}
		})
	}
	stopping.Wait()
	return errors.Join(append(append([]error{err}, errs...), srv.Close(finish))...)
}

// newHTTPServer is a server of h with the bounds that all have.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      5 * time.Minute, // a large variant over a slow line
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    server.MaxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
