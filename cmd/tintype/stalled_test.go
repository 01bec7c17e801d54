//go:build cgo && linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/freeport"
)

const mib = 1 << 20

// TestStalledOrigins: an attacker asks an open workspace for originals on their own hosts,
// which send 24 of 25 MiB and then stall. The server stays within its memory. Hits and
// other workspaces' misses are answered meanwhile. Afterwards all is as before.
func TestStalledOrigins(t *testing.T) {
	limits := []int64{512 * mib, 2048 * mib, 0}
	if !soaking {
		limits = []int64{0}
	}
	for _, limit := range limits {
		name := "without a limit"
		if limit > 0 {
			name = fmt.Sprintf("in %d MiB", limit/mib)
		}
		t.Run(name, func(t *testing.T) { testStalledOrigins(t, limit, name) })
	}
}

func testStalledOrigins(t *testing.T, limit int64, name string) {
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	var enter []string
	var group *memoryGroup
	if limit > 0 {
		if group, err = newMemoryGroup(t, limit); err != nil {
			t.Skipf("stalled origins %s: not tried, since no control group can be made here: %v", name, err)
		}
		enter = group.enter
	}
	shop, err := listenOnHost(100, http.FileServer(http.Dir(samples)))
	if err != nil {
		t.Fatal(err)
	}
	data, ops := t.TempDir(), freeport.Address(t)
	config := filepath.Join(t.TempDir(), "workspaces.yaml")
	if err := os.WriteFile(config, fmt.Appendf(nil, `namespace: default
allowed_sources: ["*"]
---
namespace: shop
sources:
  - {key: p, kind: http, url: "%s/"}
`, shop), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"--ops-listen", ops, "--cache-disk", "0", "--workers", "2", "--allow-cidr", "127.0.0.0/8", "--apply", config}
	if !soaking {
		args = append(args, "--body-memory", "48MiB")
	}
	p, err := startProcessBy(enter, data, "sqlite:"+filepath.Join(data, "store.db"), args...)
	if err != nil {
		t.Fatal(err)
	}
	p.killAfter(t)
	h := &house{t: t, url: p.url, ops: "http://" + ops}
	ask := func(path string) (status int, took time.Duration) {
		start := time.Now()
		res, err := pooled.Get(h.url + path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return 0, 0
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode, time.Since(start)
	}
	const hit = "/shop/p/noon.jpg?w=64&format=jpeg"
	if status, _ := ask(hit); status != 200 {
		t.Fatalf("status %d\n%s", status, p.log.String())
	}
	pids := append(workersOf(p.cmd.Process.Pid), p.cmd.Process.Pid)
	idle := resident(p.cmd.Process.Pid)

	// Other clients send requests all the time.
	var hits, misses []time.Duration
	var failed atomic.Int64
	var mu sync.Mutex // guards hits and misses
	var bystanders sync.WaitGroup
	var over atomic.Bool
	watch := func(pause time.Duration, took *[]time.Duration, path func(n int) string) {
		bystanders.Go(func() {
			for n := 0; !over.Load(); n++ {
				status, d := ask(path(n))
				if status != 200 {
					failed.Add(1)
				}
				mu.Lock()
				*took = append(*took, d)
				mu.Unlock()
				time.Sleep(pause)
			}
		})
	}
	var most atomic.Int64 // resident in the server
	bystanders.Go(func() {
		for !over.Load() {
			most.Store(max(most.Load(), resident(p.cmd.Process.Pid)))
			time.Sleep(20 * time.Millisecond)
		}
	})
	watch(5*time.Millisecond, &hits, func(int) string { return hit })
	watch(50*time.Millisecond, &misses, func(n int) string {
		return fmt.Sprintf("/shop/p/noon.jpg?w=%d&format=jpeg&v=%d", 20+n%100, rand.Int64())
	})

	time.Sleep(time.Duration(full(3000, 1)) * time.Millisecond)
	mu.Lock()
	calm := at(hits, .99) // before the attack
	hits, misses = nil, nil
	mu.Unlock()
	requests := full(10_000, 40)
	start := time.Now()
	// The attacker's process has a low priority, as if it ran on other machines.
	by := exec.Command("nice", "-n", "19", "tintype-attack", p.url, strconv.Itoa(requests), strconv.Itoa(full(8, 4)))
	by.Stderr = t.Output()
	out, err := by.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers map[string]int
	if err := json.Unmarshal(out, &answers); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	over.Store(true)
	bystanders.Wait()
	f := h.figures()
	size := most.Load()
	peak := fmt.Sprintf("the server's %d MiB at most, %d before", size/mib, idle/mib)
	if group != nil {
		peak += fmt.Sprintf(", of the group %d MiB", group.peak()/mib)
	}
	t.Logf("stalled origins %s: %d requests in %.1f s, answered %v; originals took %.0f of %.0f MiB of memory and %.0f of %.0f of disk at most, %.0f gave way, %.0f found no room, %.0f were slow; %s; %d hits, p50 %s p99 %s (before, p99 %s); %d misses of others, p50 %s p99 %s; %d of both failed",
		name, requests, took.Seconds(), answers,
		f[`tintype_originals_peak_bytes{place="memory"}`]/mib, f[`tintype_originals_limit_bytes{place="memory"}`]/mib,
		f[`tintype_originals_peak_bytes{place="disk"}`]/mib, f[`tintype_originals_limit_bytes{place="disk"}`]/mib,
		f[`tintype_originals_ended_total{reason="room"}`], f[`tintype_originals_ended_total{reason="wait"}`], f[`tintype_originals_ended_total{reason="slow"}`],
		peak, len(hits), at(hits, .5), at(hits, .99), calm, len(misses), at(misses, .5), at(misses, .99), failed.Load())
	for answer, n := range answers {
		if answer != "503 OVERLOADED" && answer != "504 ORIGIN_TIMEOUT" {
			t.Errorf("%d were answered %s", n, answer)
		}
	}
	for _, place := range []string{"memory", "disk"} {
		if f[`tintype_originals_peak_bytes{place="`+place+`"}`] > f[`tintype_originals_limit_bytes{place="`+place+`"}`] {
			t.Errorf("originals took more %s than they may", place)
		}
		h.waitFor("originals take no more "+place, func() bool { return h.figures()[`tintype_originals_bytes{place="`+place+`"}`] == 0 })
	}
	if failed.Load() > 0 {
		t.Errorf("%d hits and misses of others failed", failed.Load())
	}
	if !soaking && size > 512*mib { // it was 1,500
		t.Errorf("the server took %d MiB, with 48 for originals", size/mib)
	}
	for _, pid := range pids {
		if resident(pid) == 0 {
			t.Errorf("process %d of the server is gone", pid)
		}
	}
	if soaking && (at(hits, .99) > 50*time.Millisecond || at(misses, .99) > time.Second) {
		t.Error("beyond the bounds: hits within 50 ms, misses of others within 1 s")
	}
}

// stall sends 24 of 25 MiB that begin like a picture, and then nothing until the client goes
// away.
func stall(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/length/") {
		w.Header().Set("Content-Length", strconv.Itoa(25<<20))
	}
	for range 24 {
		if _, err := w.Write(aMegabyte); err != nil {
			return
		}
	}
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

var aMegabyte = append([]byte("\x89PNG\r\n\x1a\n"), make([]byte, 1<<20-8)...)

// listenOnHost serves on an address of this machine, 127.0.0.n, as long as the process
// lives. It returns the URL.
func listenOnHost(n int, handler http.Handler) (url string, err error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", n))
	if err != nil {
		return "", err
	}
	go func() { _ = (&http.Server{Handler: handler}).Serve(l) }()
	return "http://" + l.Addr().String(), nil
}

// attacker is a program. Its arguments are the URL of a server, a number of requests and a
// number of hosts. It sends all requests at the same time for originals on these hosts. Each
// has its own connection, which stays open until all are answered. It prints the number of
// answers for each status and code.
func attacker() {
	requests, err1 := strconv.Atoi(os.Args[2])
	hosts, err2 := strconv.Atoi(os.Args[3])
	if err := errors.Join(err1, err2); err != nil {
		log.Fatal(err)
	}
	origins := make([]string, hosts)
	for i := range origins {
		var err error
		if origins[i], err = listenOnHost(2+i, http.HandlerFunc(stall)); err != nil {
			log.Fatal(err)
		}
	}
	address := strings.TrimPrefix(os.Args[1], "http://")
	answers := map[string]int{}
	var mu sync.Mutex
	var conns []net.Conn
	var wg sync.WaitGroup
	dialling := make(chan struct{}, 64)
	for n := range requests {
		dialling <- struct{}{}
		wg.Go(func() {
			c, err := net.DialTimeout("tcp", address, patience)
			<-dialling
			answer := "no connection"
			if err == nil {
				mu.Lock()
				conns = append(conns, c)
				mu.Unlock()
				answer = askOver(c, fmt.Sprintf("/default/?src=%s/%s/%d.png&w=100", origins[n%hosts], []string{"length", "chunked"}[n/hosts%2], n))
			}
			mu.Lock()
			answers[answer]++
			mu.Unlock()
		})
	}
	wg.Wait()
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		log.Fatal(err)
	}
}

// askOver sends one request, and says what the answer is.
func askOver(c net.Conn, path string) string {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: images.example\r\n\r\n", path); err != nil {
		return "cut off"
	}
	res, err := http.ReadResponse(bufio.NewReaderSize(c, 1024), nil)
	if err != nil {
		return "cut off"
	}
	defer res.Body.Close()
	var e struct{ Error struct{ Code string } }
	_ = json.NewDecoder(res.Body).Decode(&e) // an image has none
	return strings.TrimSpace(strconv.Itoa(res.StatusCode) + " " + e.Error.Code)
}

// A memoryGroup is a control group with a limit of memory.
type memoryGroup struct {
	folder, peakFile string
	enter            []string // a command that runs its arguments within the group
}

// newMemoryGroup makes a group, of either version of control groups, below this
// process's.
func newMemoryGroup(t *testing.T, limit int64) (*memoryGroup, error) {
	var err error
	for _, v := range []struct{ root, limit, peak string }{
		{"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes"},
		{"/sys/fs/cgroup", "memory.max", "memory.peak"},
	} {
		folder := filepath.Join(v.root, fmt.Sprintf("tintype-test-%d-%d", os.Getpid(), limit))
		if err = os.Mkdir(folder, 0o755); err != nil {
			continue
		}
		t.Cleanup(func() { // of which all processes have ended
			for range 100 {
				if os.Remove(folder) == nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			t.Errorf("%s is left", folder)
		})
		if err = os.WriteFile(filepath.Join(folder, v.limit), []byte(strconv.FormatInt(limit, 10)), 0); err != nil {
			continue
		}
		if v.limit == "memory.max" {
			_ = os.WriteFile(filepath.Join(folder, "memory.swap.max"), []byte("0"), 0) // without swap there is no such file
		}
		return &memoryGroup{folder, filepath.Join(folder, v.peak), []string{
			"sh", "-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(folder, "cgroup.procs"),
		}}, nil
	}
	return nil, err
}

// peak returns the most memory that the group ever took, with its file cache. It is 0 where
// that isn't known.
func (g *memoryGroup) peak() int64 {
	b, err := os.ReadFile(g.peakFile)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // of the kernel's
	return n
}
