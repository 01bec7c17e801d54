package main

import (
	"context"
	"crypto/tls"
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

// With the default --drain, a stop fits into the 30 s that Kubernetes gives a pod.
const (
	stopTime  = 25 * time.Second // from the stop of the listeners to the end of the process
	flushTime = 5 * time.Second  // the part of stopTime for writing data that is in memory only
	closeTime = 2 * time.Second  // the part of it for closing files and connections, and for a busy machine
)

// errTerminated is the cause of a context that SIGTERM ended.
var errTerminated = errors.New("SIGTERM")

// untilSignal returns a context that ends with the first SIGTERM or SIGINT. For SIGTERM its
// cause is errTerminated. The next signal ends the process at once.
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

// tellSystemd says how far the server is, such as READY=1, to the systemd that started it as a unit of
// Type=notify (sd_notify(3)). Elsewhere it does nothing.
func tellSystemd(state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.Dial("unixgram", name) // an @ at its beginning is an abstract name, as there
	if err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return errors.Join(err, conn.Close())
}

// parts collects background goroutines, and functions that write and close at the end of the
// process. The zero value is ready. Only one goroutine may use it.
type parts struct {
	stop    context.CancelFunc // ends the context of the goroutines
	running sync.WaitGroup
	flushes []func(context.Context) error
	closes  []func() error
}

// run starts functions in the background. They must return when their context ends.
func (p *parts) run(all ...func(context.Context)) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	for _, f := range all {
		p.running.Go(func() { f(ctx) })
	}
}

// flush registers f, which writes data that is in memory only. It is called at the end,
// when no background function runs any more but those that hang, at the same time as others, and
// must return when its context ends.
func (p *parts) flush(f func(context.Context) error) { p.flushes = append(p.flushes, f) }

// close registers f, which is called after all flushes, in reverse order.
func (p *parts) close(f func() error) { p.closes = append(p.closes, f) }

// end stops the background functions, then flushes, then closes. It takes little longer than
// within, even if one of them hangs. Background functions have half of it, so that one that hangs,
// such as for a mail server, doesn't keep the others' data from being written.
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
		half := time.NewTimer(within / 2)
		defer half.Stop()
		select {
		case <-stopped:
		case <-half.C:
			err = errors.New("background work did not end in time")
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

// A front is a listener and its handler, or what serves HTTP/3 on a socket.
type front struct {
	flag     string // the flag with its address
	listener net.Listener
	socket   net.PacketConn
	http3    *server.HTTP3 // nil where there is a listener
	handler  http.Handler
	tls      *tls.Config // nil is none
	cutOff   bool        // requests are cut off when the listener stops

	connections *server.Connections // bounds the listener's connections; nil is no bound
}

// listeners has those of a server. It has no secure one without --tls, no quic without --http3,
// no ops where that is off, and no peers without --peer-listen.
type listeners struct {
	public, secure, ops net.Listener
	peers               net.Listener
	quic                net.PacketConn
}

// listen opens the listeners.
func (c *serveCmd) listen(parts *parts) (l listeners, err error) {
	open := func(flag, address, instead string) net.Listener {
		if err != nil {
			return nil
		}
		var l net.Listener
		if l, err = net.Listen("tcp", address); err != nil {
			err = fmt.Errorf("%s: %w (%s)", flag, err, instead)
			return nil
		}
		parts.close(func() error { _ = l.Close(); return nil }) // where no server has closed it
		return l
	}
	l.public = open("--listen", c.plainListen(), "another address, or stop what serves there")
	if c.TLS != "off" {
		l.secure = open("--tls-listen", c.TLSListen, "another address, or stop what serves there")
	}
	if c.HTTP3 && err == nil {
		if l.quic, err = net.ListenPacket("udp", l.secure.Addr().String()); err != nil {
			return l, fmt.Errorf("--http3: %w (stop what uses this port by UDP, or choose another --tls-listen)", err)
		}
		parts.close(func() error { _ = l.quic.Close(); return nil })
	}
	if c.OpsListen != "off" {
		l.ops = open("--ops-listen", c.OpsListen, "another address, or off for none")
	}
	if c.PeerListen != "" {
		l.peers = open("--peer-listen", c.PeerListen, "another address, or stop what serves there")
	}
	return l, err
}

// addresses returns those that the world may reach.
func (l listeners) addresses() []net.Addr {
	if l.secure == nil {
		return []net.Addr{l.public.Addr()}
	}
	return []net.Addr{l.public.Addr(), l.secure.Addr()}
}

// serveUntil serves until ctx ends. After SIGTERM it drains first: srv announces the end for
// the time of drain. Then, or at once after another cause, all listeners stop together, and
// the requests that run have the time of within to finish. When a listener fails, the others
// stop too, and the error says which one failed.
func serveUntil(ctx context.Context, fronts []front, srv *server.Server, drain, within time.Duration, log *slog.Logger) (err error) {
	failed := make(chan error, len(fronts))
	underWay, cutOff := context.WithCancel(context.Background())
	defer cutOff()
	var servers []stopper
	for _, f := range fronts {
		if f.http3 != nil {
			servers = append(servers, f.http3)
			go func() {
				if err := f.http3.Serve(f.socket); !errors.Is(err, http.ErrServerClosed) {
					failed <- fmt.Errorf("%s: the socket on %s failed: %w", f.flag, f.socket.LocalAddr(), err)
				}
			}()
			continue
		}
		s := newHTTPServer(f.handler, log)
		if f.cutOff {
			s.BaseContext = func(net.Listener) context.Context { return underWay }
		}
		s.TLSConfig = f.tls
		listener := f.connections.Guard(s, f.listener)
		servers = append(servers, s)
		serve := s.Serve
		if f.tls != nil {
			serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
		}
		go func() {
			if err := serve(listener); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("%s: the listener on %s failed: %w", f.flag, f.listener.Addr(), err)
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
		log.Info("draining: requests are still answered, and /readyz is 503", "for", drain.String())
		over := time.NewTimer(drain)
		defer over.Stop()
		select {
		case <-over.C:
		case err = <-failed:
			log.Error("a listener failed", "err", err)
		}
	}
	log.Info("stopping: finishing requests")
	cutOff()
	finish, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	errs := make([]error, len(servers))
	var stopping sync.WaitGroup
	for i, s := range servers {
		stopping.Go(func() {
			if e := s.Shutdown(finish); e != nil {
				errs[i] = fmt.Errorf("%s: running requests were cut off: %w", fronts[i].flag, errors.Join(e, s.Close()))
			}
		})
	}
	stopping.Wait()
	return errors.Join(append(append([]error{err}, errs...), srv.Close(finish))...)
}

// A stopper is an [http.Server], or what serves HTTP/3.
type stopper interface {
	Shutdown(context.Context) error
	Close() error
}

// newHTTPServer returns a server of h with the timeouts and bounds of all listeners.
func newHTTPServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: server.HeaderTimeout,
		ReadTimeout:       server.ReadTimeout,
		WriteTimeout:      server.WriteTimeout,
		IdleTimeout:       server.IdleTimeout,
		MaxHeaderBytes:    server.MaxHeaderBytes,
		HTTP2:             server.HTTP2(),
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}
