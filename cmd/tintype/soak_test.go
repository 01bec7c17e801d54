//go:build cgo && linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/gif"
	"image/jpeg"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/testlog"
	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// soaking makes tests run in full, and check figures against their bounds. Otherwise tests
// are short, and check only the bounds that hold on the slowest machine.
var soaking = workspacetest.Soak(0, 1) == 1

// full is one of two numbers.
func full(soak, short int) int { return workspacetest.Soak(short, soak) }

// A house is a server in this process, with its workers and very many pictures.
type house struct {
	t        *testing.T
	url, ops string
	pictures string
	log      *testlog.Log
	stop     func()
}

func openHouse(t *testing.T, args ...string) *house {
	t.Helper()
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, pictures: manyPictures(t, samples), log: &testlog.Log{}}
	public, ops := freeport.Address(t), freeport.Address(t)
	h.url, h.ops = "http://"+public, "http://"+ops
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{
			"serve", "--listen", public, "--ops-listen", ops, "--data", t.TempDir(), "--cache-disk", "0", "--workers", "2",
			"--dir", "demo/p=" + h.pictures, "--dir", "demo/samples=" + samples,
		}, args...), func(string) string { return "" }, io.Discard, h.log)
	}()
	h.stop = sync.OnceFunc(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("stopping: %v", err)
		}
	})
	t.Cleanup(h.stop)
	for deadline := time.Now().Add(patience); !strings.Contains(h.log.String(), `"msg":"serving"`); time.Sleep(5 * time.Millisecond) {
		select {
		case err := <-done:
			done <- err
			t.Fatalf("it stopped: %v\n%s", err, h.log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("it doesn't serve:\n%s", h.log)
		}
	}
	return h
}

// manyPictures is a folder of one picture under many names.
func manyPictures(t *testing.T, samples string) string {
	t.Helper()
	dir := t.TempDir()
	for i := range full(4000, 300) {
		if err := os.Link(filepath.Join(samples, "dusk.jpg"), filepath.Join(dir, strconv.Itoa(i)+".jpg")); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// get asks for a variant: its status, or the error's code, and how long it took.
func (h *house) get(target string) (status int, code string, took time.Duration) {
	return h.getFrom("demo", target)
}

// getFrom is get for another workspace.
func (h *house) getFrom(workspace, target string) (status int, code string, took time.Duration) {
	start := time.Now()
	res, err := pooled.Get(h.url + "/" + workspace + "/" + target)
	if err != nil {
		h.t.Error(err)
		return 0, err.Error(), 0
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	took = time.Since(start)
	if err != nil {
		h.t.Errorf("%s: %v", target, err)
	}
	if res.StatusCode == http.StatusOK {
		return res.StatusCode, "", took
	}
	var e struct{ Error struct{ Code string } }
	if err := json.Unmarshal(body, &e); err != nil {
		h.t.Errorf("%s: status %d without an error: %q", target, res.StatusCode, body)
	}
	if res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") == "" {
		h.t.Errorf("%s: 503 without Retry-After", target)
	}
	return res.StatusCode, e.Error.Code, took
}

var pooled = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1000, MaxConnsPerHost: 1000}}

// figures are the server's own, by name and labels.
func (h *house) figures() map[string]float64 {
	_, text := fetch(h.t, h.ops+"/metrics")
	m := map[string]float64{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			m[name], _ = strconv.ParseFloat(value, 64) // comments are of no interest
		}
	}
	return m
}

func (h *house) ready() int {
	f := h.figures()
	return int(f[`tintype_workers_processes{state="idle"}`] + f[`tintype_workers_processes{state="busy"}`])
}

func (h *house) waitFor(what string, ok func() bool) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			h.t.Fatalf("never: %s", what)
		}
	}
}

// replacedWithin is the share of lost workers that were replaced within a bound of the
// histogram, of how many.
func (h *house) replacedWithin(bound string) (share, of float64) {
	f := h.figures()
	of = f["tintype_workers_replaced_seconds_count"]
	return f[`tintype_workers_replaced_seconds_bucket{le="`+bound+`"}`] / max(of, 1), of
}

// workersOf are the children of a process that are workers: one of tests has others.
func workersOf(pid int) []int { return childrenOf(pid, "worker") }

// childrenOf returns the children of a process that have this argument.
func childrenOf(pid int, argument string) (pids []int) {
	names, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range names {
		b, _ := os.ReadFile(name) // a thread that has ended
		for _, f := range strings.Fields(string(b)) {
			n, err := strconv.Atoi(f)
			if err != nil {
				continue
			}
			args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", n)) // a process that has ended
			if a := bytes.Split(args, []byte{0}); len(a) > 1 && string(a[1]) == argument {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// A load asks for variants until it is stopped, and counts the answers by code.
type load struct {
	house *house
	stop  atomic.Bool
	wg    sync.WaitGroup
	n     atomic.Int64
	mu    sync.Mutex // guards codes
	codes map[string]int
}

// load has clients ask for variants, each at most every 100 ms.
func (h *house) load(clients int) *load { return h.pacedLoad(clients, 100*time.Millisecond) }

// pacedLoad is load with another pace, which doesn't count while soaking.
func (h *house) pacedLoad(clients int, every time.Duration) *load {
	if soaking {
		every = time.Millisecond
	}
	l := &load{house: h, codes: map[string]int{}}
	for range clients {
		l.wg.Go(func() {
			pace := time.NewTicker(every) // other tests run on this machine too
			defer pace.Stop()
			for !l.stop.Load() {
				<-pace.C
				n := l.n.Add(1)
				_, code, _ := h.get(fmt.Sprintf("p/%d.jpg?format=jpeg&w=%d&v=%d", n%100, 50+n%100, rand.Int64())) // always a miss
				l.mu.Lock()
				l.codes[code]++
				l.mu.Unlock()
			}
		})
	}
	return l
}

// end stops the load and says what was answered.
func (l *load) end() map[string]int {
	l.stop.Store(true)
	l.wg.Wait()
	return l.codes
}

// TestKilledWorkers: kill -9 kills workers at random under load. Another worker does the
// job, and clients get their images.
func TestKilledWorkers(t *testing.T) {
	h := openHouse(t)
	l := h.load(2)
	before := l.n.Load()
	kills := full(1000, 5)
	for i := range kills {
		h.waitFor("workers, and a spare after the first loss", func() bool { return h.ready() == 2+min(i, 1) })
		pids := workersOf(os.Getpid())
		if len(pids) == 0 {
			t.Fatal("there are no workers")
		}
		started := h.figures()["tintype_workers_started_total"]
		pid := pids[rand.IntN(len(pids))]
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		h.waitFor("another worker", func() bool { return h.figures()["tintype_workers_started_total"] > started })
	}
	if l.n.Load() == before {
		t.Error("nothing was asked for meanwhile")
	}
	codes := l.end()
	f := h.figures()
	share, of := h.replacedWithin("0.1")
	t.Logf("kill -9: %d kills, %d answers, %d of them 200, %v; %v jobs retried; %.1f %% of %v losses replaced within 100 ms",
		kills, sum(codes), codes[""], codes, f["tintype_workers_retried_total"], 100*share, of)
	// Two kills may hit the same job. Its original is then blocked for a minute.
	if bad := sum(codes) - codes[""]; bad != codes["WORKER_FAILED"] || bad > kills/2 || soaking && bad > sum(codes)/100 {
		t.Errorf("answers: %v", codes)
	}
	if soaking && share < 0.99 {
		t.Errorf("replaced within 100 ms: %.1f %%", 100*share)
	}
}

func sum(m map[string]int) (n int) {
	for v := range maps.Values(m) {
		n += v
	}
	return n
}

// TestWorkerFaults: an original that crashes its worker is refused, with any options.
// Options that crash a worker are refused alone. Other requests get images meanwhile.
func TestWorkerFaults(t *testing.T) {
	if !soaking {
		t.Parallel() // it waits for deadlines
	}
	bad := t.TempDir()
	open := func(timeout time.Duration) *house {
		return openHouse(t, "--transform-timeout", timeout.String(), "--worker-memory", "512MiB", "--dir", "demo/bad="+bad)
	}
	// Nothing may run into this deadline, however busy the machine is.
	h := open(time.Minute)
	photo, err := os.ReadFile(filepath.Join(h.pictures, "0.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	next := 200 // originals that no load asks for
	var slowest time.Duration
	for _, fault := range []struct {
		kind, code string
		n          int
		every      time.Duration // pace of others, who ask as long as it lasts
	}{
		{"segv", "WORKER_FAILED", full(200, 2), 100 * time.Millisecond},
		{"abort", "WORKER_FAILED", full(200, 2), 100 * time.Millisecond},
		{"alloc", "WORKER_FAILED", full(50, 1), 100 * time.Millisecond},
		{"close", "WORKER_FAILED", full(50, 1), 100 * time.Millisecond},
		{"garbage", "WORKER_FAILED", full(50, 1), 100 * time.Millisecond},
		{"stop", "WORKER_FAILED or TRANSFORM_TIMEOUT", full(20, 1), time.Second},
		{"loop", "TRANSFORM_TIMEOUT", full(20, 1), time.Second},
	} {
		if fault.kind == "stop" {
			// These run into the deadline, and others must not: so it is by how long answers take here and now.
			h.faultsAreSeen(t)
			h.stop()
			h = open(time.Second + 5*slowest)
		}
		l := h.pacedLoad(2, fault.every)
		got := map[string]int{}
		var longest time.Duration
		ask := func(target string) {
			t.Helper()
			_, code, took := h.get(target)
			longest = max(longest, took)
			got[code]++
			if !strings.Contains(fault.code, code) || code == "" {
				t.Errorf("%s: %s: %q, want %s", fault.kind, target, code, fault.code)
			}
		}
		for i := range fault.n {
			// The original. This variant is refused, and all variants are when the plainest one
			// has been tried.
			name := fmt.Sprintf("%s-%d.jpg", fault.kind, i)
			if err := os.WriteFile(filepath.Join(bad, name), withFault(photo, fault.kind), 0o600); err != nil {
				t.Fatal(err)
			}
			ask("bad/" + name + "?w=99&format=jpeg")
			ask("bad/" + name + "?w=98&format=jpeg")
			lost := h.lostOver("bad")
			ask("bad/" + name + "?w=97&blur=3&format=png")
			if now := h.lostOver("bad"); now != lost {
				t.Errorf("%s: %v workers lost over an original that is known", fault.kind, now-lost)
			}
			// The options.
			next++
			target := fmt.Sprintf("p/%d.jpg?format=jpeg&", next)
			ask(target + "w=99&v=fault-" + fault.kind)
			status, code, took := h.get(target + "w=98")
			if status != http.StatusOK {
				t.Errorf("%s: another variant of a good original: %s", fault.kind, code)
			}
			longest = max(longest, took)
		}
		slowest = max(slowest, longest)
		others := l.end()
		t.Logf("%s: %d originals and as many options answered %v within %s; meanwhile %d answers, %d of them 200", fault.kind, fault.n, got, longest.Round(time.Millisecond), sum(others), others[""])
		if others[""] != sum(others) {
			t.Errorf("%s: others got %v", fault.kind, others)
		}
	}
	h.waitFor("workers and a spare", func() bool { return h.ready() == 3 })
}

// faultsAreSeen fails where metrics and log don't say whose original crashes workers.
func (h *house) faultsAreSeen(t *testing.T) {
	t.Helper()
	h.waitFor("workers and a spare", func() bool { return h.ready() == 3 })
	if _, metrics := fetch(t, h.ops+"/metrics"); !strings.Contains(metrics, `tintype_workers_lost_total{format="jpeg",reason="crash",source="bad",workspace="demo"}`) {
		t.Error("the metrics don't say whose original crashes workers")
	}
	if log := h.log.String(); !strings.Contains(log, `"msg":"a worker is lost","reason":"crash"`) || !strings.Contains(log, `"source":"bad"`) {
		t.Error("the log doesn't say whose original crashes workers")
	}
}

// lostOver returns how many workers were lost over originals of a source, or of all sources
// where it is empty.
func (h *house) lostOver(source string) (n float64) {
	for name, value := range h.figures() {
		if strings.HasPrefix(name, "tintype_workers_lost_total{") && (source == "" || strings.Contains(name, `source="`+source+`"`)) {
			n += value
		}
	}
	return n
}

// TestExpensiveOptions: after a request with any options, the plain variant of a good
// original is still served.
func TestExpensiveOptions(t *testing.T) {
	const seed = 11
	large := t.TempDir()
	if err := writeLarge(large); err != nil {
		t.Fatal(err)
	}
	timeout := time.Duration(full(10, 2)) * time.Second
	h := openHouse(t, "--dir", "demo/large="+large, "--transform-timeout", timeout.String())
	slow, again := 0, 0
	slowAt := map[string]time.Time{} // by plain variant
	random := rand.New(rand.NewPCG(seed, seed))
	originals := []string{"samples/dusk.jpg", "samples/orbit.gif", "large/photo.jpg", "large/frames.gif"}
	count := map[string]int{}
	var longest time.Duration
	try := func(target string) {
		name, _, _ := strings.Cut(target, "?")
		status, code, took := h.get(target)
		longest = max(longest, took)
		count[code]++
		switch {
		case status == http.StatusOK, code == "INVALID_OPTION", code == "TRANSFORM_TIMEOUT", code == "WORKER_FAILED", code == "MARK_UNAVAILABLE":
		default:
			t.Errorf("%s: %d %s", target, status, code)
		}
		plains := []string{"?w=64&anim=0", "?w=320&format=webp&anim=0"}
		if soaking {
			plains[0] = "?w=64" // of 1,000 frames too
		}
		if _, mark, ok := strings.Cut(target, "&mark="); ok { // and the mark in its usual size
			mark, _, _ = strings.Cut(mark, "&")
			plains = append(plains, "?w=320&format=webp&anim=0&mark="+mark)
		}
		for _, plain := range plains {
			variant := name + plain
			plain = fmt.Sprintf("%s&v=%d", variant, random.Uint64())
			switch status, code, took := h.get(plain); {
			case code == "TRANSFORM_TIMEOUT" && took >= timeout:
				slow++ // on a machine that has no time: it was tried, and not refused
				slowAt[variant] = time.Now()
			case code == "TRANSFORM_TIMEOUT" && time.Since(slowAt[variant]) < time.Minute:
				again++ // for what itself was slow
			case status != http.StatusOK:
				t.Errorf("%s after %s: %d %s in %s", plain, target, status, code, took)
			}
		}
	}
	// These are always tested.
	for _, target := range []string{
		"samples/dusk.jpg?w=8000&h=8000&fit=cover&format=jxl&lossless",
		"samples/dusk.jpg?w=8000&h=8000&fit=cover&format=webp&lossless",
		"samples/dusk.jpg?w=4000&h=4000&fit=cover&format=avif&q=100",
		"large/frames.gif?blur=100&sharpen=100&format=webp",
	} {
		try(target)
	}
	if count["INVALID_OPTION"] == 0 {
		t.Error("nothing was refused before a worker had it")
	}
	tries := full(400, 4)
	for range tries {
		try(originals[random.IntN(len(originals))] + "?" + expensive(random))
	}
	t.Logf("expensive options: %d on good originals (seed %d) answered %v within %s, %v workers lost; the plain variants asked for after each: all 200 but %d that were tried for %s, and %d of these within a minute, unless said otherwise",
		sum(count), seed, count, longest.Round(time.Millisecond), h.lostOver(""), slow, timeout, again)
}

// writeLarge writes a photograph of 12 megapixels and an animation of 1,000 frames, or
// a tenth of that.
func writeLarge(folder string) error {
	var photo, frames bytes.Buffer
	if err := jpeg.Encode(&photo, samples.Scene(4000, 3000), nil); err != nil {
		return err
	}
	if err := gif.EncodeAll(&frames, samples.Animation(160, 120, full(1000, 100))); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "photo.jpg"), photo.Bytes(), 0o600),
		os.WriteFile(filepath.Join(folder, "frames.gif"), frames.Bytes(), 0o600))
}

// expensive returns options that need much time and memory, or more than there is.
func expensive(random *rand.Rand) string {
	one := func(of ...string) string { return of[random.IntN(len(of))] }
	number := func(from, to int) string { return strconv.Itoa(from + random.IntN(to-from+1)) }
	options := []string{
		"format=" + one("jxl", "jxl", "avif", "webp", "png", "gif", "tiff", "jpeg"),
		"w=" + number(1000, 5000),
	}
	for _, option := range []struct {
		of    int // once in so many
		value string
	}{
		{2, "h=" + number(1000, 5000)},
		{2, "fit=" + one("cover", "contain", "pad", "squeeze", "crop")},
		{3, "lossless"},
		{6, "dpr=" + one("0.5", "1.5", "5")},
		{3, "blur=" + one("0.3", "3.9", "30", "100")},
		{3, "sharpen=" + number(1, 100)},
		{4, "pixelate=" + number(2, 100)},
		{4, "rotate=" + one("90", "180", "270", "45", "-7")},
		{4, "radius=" + one("20", "10%25", "max")},
		{4, "enlarge=" + one("0", "1")},
		{4, "flip=" + one("h", "v", "hv")},
		{4, "trim=" + number(0, 255)},
		{3, "gravity=" + one("attention", "entropy", "face", "south")},
		{4, "pad=" + number(1, 3000)},
		{5, "bg=ff00ff80"},
		{4, "q=" + number(1, 100)},
		{4, "progressive"},
		{6, "metadata=keep"},
		{6, "gamma=2&contrast=2&saturation=3&sepia"},
		{3, "mark=" + one("samples/logo.png&mark-opacity=0.5", "large/photo.jpg&mark-fit=cover&mark-h=100%25") + "&mark-w=" + one("100%25", "8000")},
	} {
		if random.IntN(option.of) == 0 {
			options = append(options, option.value)
		}
	}
	return strings.Join(options, "&")
}

// TestSlowPictures: one workspace keeps all workers busy with transforms that take seconds.
// Misses of another workspace are still served.
func TestSlowPictures(t *testing.T) {
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	h := openHouse(t, "--dir", "other/samples="+dir)
	var stop atomic.Bool
	var slow, other sync.WaitGroup
	var mu sync.Mutex // guards both counts
	slowCodes, codes := map[string]int{}, map[string]int{}
	for range 3 {
		slow.Go(func() {
			for !stop.Load() {
				_, code, _ := h.get(fmt.Sprintf("samples/dusk.jpg?w=3500&h=3500&fit=cover&format=avif&v=%d", rand.Int64()))
				mu.Lock()
				slowCodes[code]++
				mu.Unlock()
			}
		})
	}
	var took []time.Duration
	h.waitFor("slow ones have all workers, and more wait", func() bool {
		f := h.figures()
		return f["tintype_workers_running"] >= 2 && f["tintype_workers_queue_length"] >= 1
	})
	for client := range 3 {
		other.Go(func() {
			for i := range full(300, 10) {
				status, code, t0 := h.getFrom("other", fmt.Sprintf("samples/noon.jpg?w=%d&format=jpeg&v=%d", 64+i, client))
				mu.Lock()
				codes[code]++
				took = append(took, t0)
				if status != http.StatusOK {
					t.Errorf("another workspace: %d %s after %s", status, code, t0)
				}
				mu.Unlock()
			}
		})
	}
	other.Wait()
	stop.Store(true)
	slow.Wait()
	t.Logf("slow pictures: of another workspace %d misses, %d of them 200, p50 %s p99 %s; the slow ones meanwhile %v",
		sum(codes), codes[""], at(took, .5), at(took, .99), slowCodes)
	if soaking && at(took, .99) > 2*time.Second {
		t.Error("beyond the bound: the other workspace's misses within 2 s")
	}
}

// TestOverload: there are ten times as many requests as the server can answer. It refuses
// requests at once, answers those that it admits, and serves cached variants.
func TestOverload(t *testing.T) {
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	// The server has a process of its own, so that the clients' processor time can be measured.
	data, ops := t.TempDir(), freeport.Address(t)
	p, err := startProcess(data, "sqlite:"+filepath.Join(data, "store.db"), "--ops-listen", ops, "--cache-disk", "0", "--workers", "2", "--queue", "32",
		"--dir", "demo/samples="+samples, "--dir", "demo/p="+manyPictures(t, samples))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	h := &house{t: t, url: p.url, ops: "http://" + ops}
	hit := "samples/noon.jpg?w=64&format=jpeg"
	if status, code, _ := h.get(hit); status != 200 {
		t.Fatal(code)
	}
	// The machine's speed changes with time. So each minute is compared with the peaks before
	// and after it, and the median of several minutes counts.
	minutes := full(3, 1)
	var admitted, refused, hits []time.Duration
	var shares []float64
	refusals := func() float64 {
		f := h.figures()
		return f[`tintype_workers_refused_total{reason="full"}`] + f[`tintype_workers_refused_total{reason="late"}`]
	}
	var counted float64 // refusals, by the server
	peak, usedAtPeak := h.peak()
	for range minutes {
		before := refusals()
		m := h.flood(peak, hit)
		counted += refusals() - before
		admitted, refused, hits = append(admitted, m.admitted...), append(refused, m.refused...), append(hits, m.hits...)
		if m.failed > 0 || len(m.admitted) == 0 || len(m.hits) == 0 {
			t.Errorf("%d neither done nor refused, %d done, %d hits", m.failed, len(m.admitted), len(m.hits))
		}
		goodput := float64(len(m.admitted)) / m.took
		peakAfter, usedAfter := h.peak()
		peak, usedAtPeak = (peak+peakAfter)/2, (usedAtPeak+usedAfter)/2
		// Only the cores that the clients leave count. In production the server has them all.
		cores := float64(runtime.NumCPU())
		share := goodput / (cores - m.used) / (peak / (cores - usedAtPeak))
		shares = append(shares, share)
		t.Logf("overload: peak %.0f a second, clients taking %.2f of %.0f cores; %.0f a second asked for during %.0f s, clients taking %.2f: %.0f a second done (%.0f %%, of what clients leave %.0f %%)",
			peak, usedAtPeak, cores, m.rate, m.took, m.used, goodput, 100*goodput/peak, 100*share)
		peak, usedAtPeak = peakAfter, usedAfter
	}
	slices.Sort(shares)
	share := shares[len(shares)/2]
	t.Logf("overload: done, in the median of %d: %.0f %% of peak, of what clients leave; admitted p50 %s p99 %s; %d refused, p50 %s p99 %s; %d hits, p99 %s",
		len(shares), 100*share, at(admitted, .5), at(admitted, .99), len(refused), at(refused, .5), at(refused, .99), len(hits), at(hits, .99))
	if int(counted) != len(refused) {
		t.Errorf("%v refusals counted, %d seen", counted, len(refused))
	}
	if soaking && (share < .9 || at(refused, .99) > 50*time.Millisecond || at(hits, .99) > 50*time.Millisecond) {
		t.Error("beyond the bounds: done 90 % of peak, of what clients leave of the machine; refusals and hits within 50 ms")
	}
}

// A minute has the results of a minute of overload.
type minute struct {
	rate, took, used        float64 // requests a second; seconds; cores that the clients took
	admitted, refused, hits []time.Duration
	failed                  int
}

// flood asks for ten times the peak, a tenth of it for hit, which is cached.
func (h *house) flood(peak float64, hit string) (m minute) {
	length := time.Duration(full(60, 2)) * time.Second
	m.rate = min(10*peak, float64(full(2000, 600)))
	var mu sync.Mutex
	var wg sync.WaitGroup
	start, used := time.Now(), processorTime()
	for n := 0; ; n++ {
		due := start.Add(time.Duration(float64(n) / m.rate * float64(time.Second)))
		if due.Sub(start) > length {
			break
		}
		time.Sleep(time.Until(due))
		wg.Go(func() {
			target := fmt.Sprintf("p/%d.jpg?format=jpeg&w=%d&v=%d", n%100, 50+n%100, rand.Int64()) // always a miss
			if n%10 == 0 {
				target = hit
			}
			status, _, took := h.get(target)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case n%10 == 0 && status == 200:
				m.hits = append(m.hits, took)
			case status == 200:
				m.admitted = append(m.admitted, took)
			case status == 503 && n%10 != 0:
				m.refused = append(m.refused, took)
			default:
				m.failed++
			}
		})
	}
	wg.Wait()
	m.took = time.Since(start).Seconds()
	m.used = (processorTime() - used) / m.took
	return m
}

// peak returns the goodput with enough clients to keep the workers busy, and the cores that
// the clients took.
func (h *house) peak() (rate, cores float64) {
	seconds := full(15, 1)
	used := processorTime()
	rate = h.goodput(seconds, 4)
	return rate, (processorTime() - used) / float64(seconds)
}

// processorTime returns the processor time of this process, in seconds.
func processorTime() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// goodput returns the variants a second of this number of clients. Each client waits for its
// answer before it sends the next request.
func (h *house) goodput(seconds, clients int) float64 {
	l := h.load(clients)
	start := time.Now()
	time.Sleep(time.Duration(seconds) * time.Second)
	n := l.n.Load()
	took := time.Since(start).Seconds()
	l.end()
	return float64(n) / took
}

// at is a quantile.
func at(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	d = slices.Sorted(slices.Values(d))
	return d[int(q*float64(len(d)-1))].Round(100 * time.Microsecond)
}

// TestMemoryStaysFlat: many transforms of every kind.
func TestMemoryStaysFlat(t *testing.T) {
	if !soaking {
		t.Skip("it takes many transforms to see: make soak")
	}
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	p, err := startProcess(data, "sqlite:"+filepath.Join(data, "store.db"), "--cache-memory", "8MiB", "--cache-disk", "0", "--workers", "2", "--dir", "demo/samples="+samples)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	h := &house{t: t, url: p.url}
	const rounds, each = 10, 10_000
	var sizes, servers []int64 // MiB
	for range rounds {
		var wg sync.WaitGroup
		var next atomic.Int64
		for range 4 {
			wg.Go(func() {
				for n := next.Add(1); n <= each; n = next.Add(1) {
					target := fmt.Sprintf("samples/dusk.jpg?w=%d&v=%d", 20+rand.IntN(100), rand.Int64())
					switch rand.IntN(20) {
					case 0:
						target = fmt.Sprintf("samples/orbit.gif?w=%d&format=webp&v=%d", 20+rand.IntN(50), rand.Int64())
					case 1:
						target += "&format=avif"
					case 2, 3:
						target += "&format=webp"
					case 4, 5:
						target += "&format=png&blur=2&rotate=90"
					default:
						target += "&format=jpeg"
					}
					if status, code, _ := h.get(target); status != 200 {
						t.Errorf("%s: %d %s", target, status, code)
					}
				}
			})
		}
		wg.Wait()
		server := resident(p.cmd.Process.Pid) >> 20
		size := server
		for _, pid := range append(workersOf(p.cmd.Process.Pid), childrenOf(p.cmd.Process.Pid, "zygote")...) {
			size += resident(pid) >> 20
		}
		sizes, servers = append(sizes, size), append(servers, server)
	}
	t.Logf("memory: %d transforms; MB of the server and its workers after every %d: %v, of the server alone: %v", rounds*each, each, sizes, servers)
	if first, last := sizes[1], sizes[rounds-1]; last > first+first/10+16 {
		t.Errorf("it grew from %d to %d MB", first, last)
	}
}

// resident returns the resident memory of a process, in bytes.
func resident(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	return n * int64(os.Getpagesize())
}

// TestStopUnderLoad: after SIGTERM running requests are finished, and the server exits
// without an error. No process is left behind.
func TestStopUnderLoad(t *testing.T) {
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var dropped int
	rounds := full(50, 2)
	for round := range rounds {
		ops := freeport.Address(t)
		server := &exec.Cmd{
			Path: self, Args: []string{"tintype", "serve", "--listen", "127.0.0.1:0", "--ops-listen", ops, "--drain", "0s", "--data", t.TempDir(), "--dir", "demo/samples=" + samples, "--workers", "2"},
			Env: []string{"HOME=" + t.TempDir()},
		}
		var log testlog.Log
		server.Stderr = &log
		stdout, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, ops: "http://" + ops}
		lines := bufio.NewScanner(stdout)
		for h.url == "" && lines.Scan() {
			_, h.url, _ = strings.Cut(lines.Text(), "Tintype serves on ")
		}
		go io.Copy(io.Discard, stdout)
		const many = 8
		var wg sync.WaitGroup
		var good atomic.Int64
		for i := range many {
			wg.Go(func() {
				res, err := (&http.Client{Transport: &http.Transport{}}).Get(fmt.Sprintf("%s/demo/samples/dusk.jpg?w=%d&format=webp&v=%d", h.url, full(2000, 1000)+i, round))
				if err != nil {
					t.Log(err)
					return
				}
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				if err == nil && res.StatusCode == 200 && int64(len(body)) == res.ContentLength {
					good.Add(1)
				}
			})
		}
		h.waitFor("all are under way", func() bool {
			f := h.figures()
			return f["tintype_workers_running"]+f["tintype_workers_queue_length"]+float64(good.Load()) >= many
		})
		workers := workersOf(server.Process.Pid)
		if err := server.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if err := server.Wait(); err != nil {
			t.Errorf("exit: %v\n%s", err, log.String())
		}
		dropped += many - int(good.Load())
		for _, pid := range workers {
			if err := syscall.Kill(pid, 0); err == nil {
				t.Errorf("worker %d is left", pid)
			}
		}
	}
	t.Logf("SIGTERM: %d stops with 8 requests under way: %d dropped", rounds, dropped)
	if dropped > 0 {
		t.Errorf("%d requests were dropped", dropped)
	}
}

// TestKilledServer: workers don't outlive a server that is killed.
func TestKilledServer(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := &exec.Cmd{
		Path: self, Args: []string{"tintype", "serve", "--listen", "127.0.0.1:0", "--ops-listen", "off", "--data", t.TempDir(), "--workers", "1"},
		Env: []string{"HOME=" + t.TempDir()},
	}
	stdout, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 10)
	if _, err := io.ReadFull(stdout, first); err != nil || !bytes.HasPrefix(first, []byte("Tintype")) {
		t.Fatal(err)
	}
	workers := append(workersOf(server.Process.Pid), childrenOf(server.Process.Pid, "zygote")...)
	_ = server.Process.Kill()
	_ = server.Wait()
	if len(workers) == 0 {
		t.Error("it had no workers")
	}
	h := &house{t: t}
	for _, pid := range workers {
		h.waitFor("the worker ends", func() bool {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			return err != nil || bytes.Contains(stat, []byte(") Z "))
		})
	}
}
