//go:build cgo && linux

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/testlog"
	"github.com/tintype/tintype/server"
)

// alone starts a server in a process of its own, on a store of its own.
func alone(t *testing.T, args ...string) (p *serverProcess, ops string) {
	t.Helper()
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	data, ops := t.TempDir(), freeport.Address(t)
	return serveShared(t, data, "sqlite:"+filepath.Join(data, "tintype.db"), append([]string{
		"--ops-listen", ops, "--workers", "1", "--dir", "demo/samples=" + samples,
	}, args...)...), "http://" + ops
}

// answer returns the answer to a GET on a new connection.
func answer(t *testing.T, url string) (status int, closes bool, body string) {
	t.Helper()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	res, err := (&http.Client{Transport: transport}).Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Close, string(b)
}

// TestDrain: after SIGTERM load balancers choose another server, while all requests are still
// answered. A second signal ends the process at once.
func TestDrain(t *testing.T) {
	t.Parallel() // it waits more than it computes
	p, ops := alone(t, "--drain", "1h")
	image := p.url + "/demo/samples/dusk.jpg?w=16"
	for _, url := range []string{p.url + "/readyz", ops + "/readyz", p.url + "/healthz", ops + "/healthz", image} {
		if status, closes, body := answer(t, url); status != 200 || closes {
			t.Errorf("%s: %d, closes the connection: %v; %.100q", url, status, closes, body)
		}
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	until(t, "/readyz is 503", func() bool {
		status, _, _ := answer(t, p.url+"/readyz")
		return status == 503
	})
	for url, want := range map[string]int{
		p.url + "/readyz": 503, ops + "/readyz": 503, p.url + "/healthz": 200, ops + "/healthz": 200, image: 200, p.url + "/demo/samples/none.jpg": 404,
	} {
		if status, closes, body := answer(t, url); status != want || !closes {
			t.Errorf("draining: %s: %d, closes the connection: %v; want %d, which does; %.100q", url, status, closes, want, body)
		}
	}
	if log := p.log.String(); strings.Contains(log, "/readyz\"") || strings.Contains(log, "/healthz\"") {
		t.Errorf("probes are in the log:\n%s", log)
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = p.cmd.Wait()
	if s := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGTERM {
		t.Errorf("after the second SIGTERM: %v", p.cmd.ProcessState)
	}
}

// TestStopsTogether: all listeners stop accepting at the same time. Running requests are
// finished, but a profile ends with the listeners. SIGINT, which a terminal sends, needs no
// drain.
func TestStopsTogether(t *testing.T) {
	t.Parallel() // it waits more than it computes
	for _, test := range []struct {
		signal syscall.Signal
		drain  string
	}{{syscall.SIGTERM, "0s"}, {syscall.SIGINT, "1h"}} {
		t.Run(test.signal.String(), func(t *testing.T) {
			p, ops := alone(t, "--drain", test.drain, "--allow-cidr", "127.0.0.0/8")
			reached, held := make(chan struct{}), make(chan struct{})
			release := sync.OnceFunc(func() { close(held) })
			samples, err := drawn()
			if err != nil {
				t.Fatal(err)
			}
			origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				close(reached)
				<-held
				http.ServeFile(w, r, filepath.Join(samples, "dusk.jpg"))
			}))
			t.Cleanup(origin.Close)
			t.Cleanup(release)
			type result struct {
				status int
				closes bool
			}
			underWay := make(chan result, 1)
			go func() {
				status, closes, _ := answer(t, p.url+"/demo/transform?src="+origin.URL+"/a.jpg&w=16")
				underWay <- result{status, closes}
			}()
			<-reached
			profile := make(chan int, 1)
			go func() {
				status, _, body := answer(t, ops+"/debug/pprof/profile?seconds=250")
				if len(body) == 0 {
					status = 0
				}
				profile <- status
			}()
			until(t, "a profile is taken", func() bool {
				_, _, stacks := answer(t, ops+"/debug/pprof/goroutine?debug=1")
				return strings.Contains(stacks, "net/http/pprof.Profile")
			})
			if err := p.cmd.Process.Signal(test.signal); err != nil {
				t.Fatal(err)
			}
			for _, url := range []string{p.url, ops} {
				until(t, "nothing more is accepted on "+url, func() bool {
					c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
					if err == nil {
						_ = c.Close()
					}
					return errors.Is(err, syscall.ECONNREFUSED)
				})
			}
			if status := <-profile; status != 200 {
				t.Errorf("the profile: %d", status)
			}
			release()
			if got := <-underWay; got != (result{200, true}) {
				t.Errorf("what was under way: %+v", got)
			}
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("exit: %v\n%s", err, p.log.String())
			}
		})
	}
}

// TestOneDeadline: a stop takes no longer than the deadline, even if several parts hang.
func TestOneDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p parts
		var ended []string
		hang := make(chan struct{})
		p.run(func(ctx context.Context) { <-ctx.Done(); <-hang })
		for range 3 {
			p.flush(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		}
		p.flush(func(ctx context.Context) error { return ctx.Err() }) // there is time for what doesn't hang
		p.close(func() error { ended = append(ended, "first"); return nil })
		p.close(func() error { ended = append(ended, "second"); return errors.New("no") })
		start := time.Now()
		err := p.end(flushTime)
		if took := time.Since(start); took != flushTime {
			t.Errorf("it took %v, not %v", took, flushTime)
		}
		if strings.Join(ended, " ") != "second first" || strings.Count(err.Error(), context.DeadlineExceeded.Error()) != 3 || !strings.Contains(err.Error(), "no") {
			t.Errorf("%v, %v", ended, err)
		}
		close(hang)
	})
}

// TestCutOff: requests that don't end in time are cut off, on all listeners at once.
func TestCutOff(t *testing.T) {
	srv := server.New(server.Config{Delivery: delivery.New(delivery.Config{Cache: cache.NewMemory(1), Log: slog.New(slog.DiscardHandler)}), Log: slog.New(slog.DiscardHandler)})
	var fronts []front
	reached, ended := make(chan struct{}), make(chan struct{}, 3)
	for range cap(ended) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		fronts = append(fronts, front{flag: "--listen", listener: l, handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			reached <- struct{}{}
			<-r.Context().Done()
			ended <- struct{}{}
		})})
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- serveUntil(ctx, fronts, srv, time.Hour, 50*time.Millisecond, slog.New(slog.DiscardHandler))
	}()
	var asked []chan error
	for _, f := range fronts {
		ask := make(chan error, 1)
		go func() {
			_, err := http.Get("http://" + f.listener.Addr().String())
			ask <- err
		}()
		asked = append(asked, ask)
	}
	for range fronts {
		<-reached
	}
	stop()
	if err := <-done; err == nil || strings.Count(err.Error(), "cut off") != 3 {
		t.Errorf("serveUntil: %v", err)
	}
	for _, ask := range asked {
		<-ended
		if err := <-ask; err == nil {
			t.Error("a request that was cut off was answered")
		}
	}
}

// TestTellsSystemd: a unit of Type=notify has started when the server listens.
func TestTellsSystemd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	_, _, log, stop := serveOps(t)
	defer stop()
	if err := socket.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	said := make([]byte, 100)
	if n, err := socket.Read(said); err != nil || string(said[:n]) != "READY=1" {
		t.Errorf("%q, %v\n%s", said[:n], err, log)
	}
}

// TestListenerFails: a server whose listener fails ends with an error, so that a supervisor
// can start another.
func TestListenerFails(t *testing.T) {
	for _, flag := range []string{"--listen", "--ops-listen"} {
		t.Run(flag, func(t *testing.T) {
			addresses := map[string]string{"--listen": freeport.Address(t), "--ops-listen": freeport.Address(t)}
			done, log := make(chan error, 1), &testlog.Log{}
			go func() {
				done <- run(t.Context(), []string{
					"serve", "--listen", addresses["--listen"], "--ops-listen", addresses["--ops-listen"], "--data", t.TempDir(), "--workers", "1",
				}, func(string) string { return "" }, io.Discard, log)
			}()
			until(t, "it serves", func() bool {
				select {
				case err := <-done:
					t.Fatalf("%v\n%s", err, log)
				default:
				}
				return strings.Contains(log.String(), `"msg":"serving"`)
			})
			if status, _, _ := answer(t, "http://"+addresses["--listen"]+"/healthz"); status != 200 {
				t.Fatal(status)
			}
			breakListener(t, addresses[flag])
			if err := <-done; err == nil || !strings.Contains(err.Error(), flag+": the listener on "+addresses[flag]+" failed") {
				t.Errorf("it ended with %v", err)
			}
		})
	}
}

// breakListener makes the kernel refuse all accepts of this process at an address.
func breakListener(t *testing.T, address string) {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range fds {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			t.Fatal(err)
		}
		if listens, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || listens == 0 {
			continue
		}
		if a, err := unix.Getsockname(fd); err == nil {
			if in, ok := a.(*unix.SockaddrInet4); ok && strconv.Itoa(in.Port) == port {
				if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil {
					t.Fatal(err)
				}
				return
			}
		}
	}
	t.Fatalf("nothing of this process listens on %s", address)
}
