//go:build cgo && linux

package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/internal/freeport"
)

// A tarpit is a proxy that answers nothing any more once it is shut: requests are taken, and hang.
type tarpit struct {
	URL  string
	shut atomic.Bool
}

func startTarpit(t *testing.T, to http.Handler) *tarpit {
	t.Helper()
	p, end := &tarpit{}, make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p.shut.Load() {
			<-end
			panic(http.ErrAbortHandler)
		}
		to.ServeHTTP(w, r)
	}))
	p.URL = s.URL
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	t.Cleanup(func() { close(end) })
	return p
}

// deadEnd is the address of a listener that accepts connections and never says a word.
func deadEnd(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			if _, err := l.Accept(); err != nil {
				return
			}
		}
	}()
	return l.Addr().String()
}

// TestStopWhileAllHangs: after SIGTERM a server ends within --drain and 25 s, whatever answers
// nothing: the store, the bucket, the origin, another server, the hook of purges, the mail server,
// the collector of traces. What isn't written then is kept on disk where that was promised.
func TestStopWhileAllHangs(t *testing.T) {
	t.Parallel() // it waits more than it computes
	local, err := url.Parse(dynamodblocal.Shared(t).Endpoint)
	if err != nil {
		t.Fatal(err)
	}
	for _, hanging := range []string{"store", "bucket", "origin", "hook", "mail", "traces", "peer", "store bucket origin hook mail traces peer"} {
		if full(1, 0) == 0 && !strings.Contains(hanging, " ") {
			continue // make test tries all at once
		}
		t.Run(hanging, func(t *testing.T) {
			t.Parallel()
			hangs := func(what string) bool { return strings.Contains(hanging, what) }
			store := startTarpit(t, httputil.NewSingleHostReverseProxy(local))
			table := through(t, initStore(t, dynamodblocal.Shared(t)), store.URL)
			bucket := startTarpit(t, newBucket(t))
			var fetches atomic.Int64
			origin := startTarpit(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { servePNG(w, r, 10) }))
			hook := startTarpit(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			env := inFleet
			if hangs("traces") {
				env = append(slices.Clone(env), "OTEL_EXPORTER_OTLP_ENDPOINT=http://"+deadEnd(t))
			}
			args := fleetArgs(t, bucket.URL, "--purge-webhook", hook.URL, "--fetch-timeout", "2m")
			if hangs("mail") {
				args = append(args, "--mail", "smtp://"+deadEnd(t), "--mail-from", "a@example.com", "--public-url", "http://127.0.0.1:1", "--operators", "ops@example.com")
			}
			data := t.TempDir()
			start := func(data string, args ...string) *serverProcess {
				p, err := startProcessBy(env, data, table, args...)
				if err != nil {
					t.Fatal(err)
				}
				p.killAfter(t)
				return p
			}
			p := start(data, args...)
			p.mustCall(t, 201, "POST", "/workspaces", map[string]any{"namespace": "acme", "sources": []map[string]any{{"key": "photos", "kind": "http", "url": origin.URL + "/"}}})
			if hangs("peer") {
				other := start(t.TempDir(), "--workers", "1", "--allow-cidr", "127.0.0.0/8", "--peer-listen", freeport.Address(t))
				time.Sleep(7 * time.Second) // until they see each other
				if err := other.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			until(t, "an image is made", func() bool { // on a busy machine, the store may be slow at first
				status, err := p.image(t.Context(), "/acme/photos/z00.png?w=4", "")
				return err == nil && status == http.StatusOK
			})
			for what, pit := range map[string]*tarpit{"store": store, "bucket": bucket, "origin": origin, "hook": hook} {
				pit.shut.Store(hangs(what))
			}
			var asking sync.WaitGroup
			for i := range 20 {
				asking.Go(func() {
					fetches.Add(1)
					_, _ = p.image(t.Context(), fmt.Sprintf("/acme/photos/a%02d.png?w=4", i), "")
				})
			}
			asking.Go(func() { _, _, _ = p.call(t.Context(), "POST", "/workspaces/acme/purge", map[string]any{"all": true}) })
			if hangs("mail") {
				asking.Go(func() {
					res, err := http.PostForm(p.url+"/app/me/sign-in", url.Values{"email": {"ops@example.com"}})
					if err == nil {
						_ = res.Body.Close()
					}
				})
			}
			until(t, "all is asked", func() bool { return fetches.Load() == 20 })
			time.Sleep(time.Second)
			began := time.Now()
			if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			late := time.AfterFunc(patience, p.kill)
			_ = p.cmd.Wait()
			late.Stop()
			took := time.Since(began)
			log := p.log.String()
			t.Logf("with hanging %s, it ended after %v", hanging, took.Round(100*time.Millisecond))
			if !hangs("store") && strings.Contains(log, "could not be") {
				t.Error("something could not be written to a store that answers")
			}
			most := time.Second + stopTime
			if !soaking { // make test leaves the process little of a processor
				most *= 2
			}
			if took > most {
				t.Errorf("it took %v", took)
			}
			if hangs("store") {
				kept, err := filepath.Glob(filepath.Join(data, "usage", "*"))
				if err != nil || len(kept) == 0 {
					t.Errorf("no counts are kept: %v, %v", kept, err)
				}
			}
			if hangs("hook") && !hangs("store") {
				text, err := os.ReadFile(filepath.Join(data, "purge-webhook.journal"))
				if err != nil || !strings.Contains(string(text), "acme") {
					t.Errorf("the purge isn't kept: %q, %v", text, err)
				}
			}
		})
	}
}
