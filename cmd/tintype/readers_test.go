//go:build cgo && linux

package main

import (
	"fmt"
	"image"
	"image/png"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/freeport"
)

// TestSlowReaders: many clients ask for a variant of 4 MiB and don't read the answer. The
// variant is on disk only, so each answer has its own copy. The server stays within its
// memory, other clients are answered meanwhile, and afterwards all memory is free.
func TestSlowReaders(t *testing.T) {
	t.Run("without a limit", func(t *testing.T) { testSlowReaders(t, 0) })
	if soaking {
		t.Run("in 512 MiB", func(t *testing.T) { testSlowReaders(t, 512*mib) })
	}
}

// testSlowReaders gives the whole server so much memory; 0 is all of the machine's.
func testSlowReaders(t *testing.T, memory int64) {
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	pictures := t.TempDir()
	if err := writeNoise(filepath.Join(pictures, "noise.png")); err != nil {
		t.Fatal(err)
	}
	data, ops := t.TempDir(), freeport.Address(t)
	args := []string{"--ops-listen", ops, "--workers", "1", "--dir", "shop/p=" + pictures, "--dir", "shop/samples=" + samples, "--cache-memory", "16MiB"}
	var enter []string
	if memory > 0 {
		group, err := newMemoryGroup(t, memory)
		if err != nil {
			t.Skipf("slow readers in %d MiB: not tried, since no control group can be made here: %v", memory/mib, err)
		}
		enter = group.enter
	} else {
		args = append(args, "--answer-memory", "48MiB")
	}
	p, err := startProcessBy(enter, data, "sqlite:"+filepath.Join(data, "store.db"), args...)
	if err != nil {
		t.Fatal(err)
	}
	p.killAfter(t)
	h := &house{t: t, url: p.url, ops: "http://" + ops}
	ask := func(path string) (status int, tier string, n int64, err error) {
		res, err := pooled.Get(h.url + path)
		if err != nil {
			return 0, "", 0, err
		}
		defer res.Body.Close()
		n, err = io.Copy(io.Discard, res.Body)
		return res.StatusCode, res.Header.Get("Cache-Status"), n, err
	}
	const hit, large = "/shop/samples/noon.jpg?w=64&format=jpeg", "/shop/p/noise.png?format=png"
	var size int64
	for _, path := range []string{hit, large} {
		if status, _, n, err := ask(path); status != 200 || err != nil {
			t.Fatal(path, status, err)
		} else {
			size = n
		}
	}
	if size < 4*mib {
		t.Fatalf("the large variant has %d bytes", size)
	}
	for { // until it is written
		if h.figures()[`tintype_cache_puts_total{tier="disk"}`] == 2 {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	idle, kernel := resident(p.cmd.Process.Pid), socketMemory()

	var most, mostKernel, failed, hits, whole atomic.Int64
	var over atomic.Bool
	var bystanders sync.WaitGroup
	watch := func(pause time.Duration, do func()) {
		bystanders.Go(func() {
			for !over.Load() {
				do()
				time.Sleep(pause)
			}
		})
	}
	watch(10*time.Millisecond, func() {
		most.Store(max(most.Load(), resident(p.cmd.Process.Pid)))
		mostKernel.Store(max(mostKernel.Load(), socketMemory()))
	})
	var busy atomic.Int64 // large ones that were refused: until clients are slow, nobody gives way to one that holds as much
	others := func(path string, count *atomic.Int64) func() {
		return func() {
			status, _, _, err := ask(path)
			if path == large && status == 503 && err == nil {
				busy.Add(1)
				return
			}
			if status != 200 || err != nil {
				failed.Add(1)
				t.Errorf("%s: status %d, %v", path, status, err)
				return
			}
			count.Add(1)
		}
	}
	watch(5*time.Millisecond, others(hit, &hits))
	watch(50*time.Millisecond, others(large, &whole))

	start := time.Now()
	readers := full(2000, 100)
	conns := make([]net.Conn, readers)
	var dialling sync.WaitGroup
	places := make(chan struct{}, 64)
	for i := range conns {
		places <- struct{}{}
		dialling.Go(func() {
			defer func() { <-places }()
			from := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%8))}, Timeout: patience}
			c, err := from.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
			if err != nil {
				t.Errorf("connection %d: %v", i, err)
				return
			}
			conns[i] = c
			fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: images.example\r\n\r\n", large) // what it fails of shows later
		})
	}
	dialling.Wait()
	time.Sleep(time.Duration(full(15_000, 500)) * time.Millisecond)
	gaveWay := func(f map[string]float64) float64 {
		return f[`tintype_answers_ended_total{reason="slow"}`] + f[`tintype_answers_ended_total{reason="room"}`] + f[`tintype_answers_ended_total{reason="refused"}`]
	}
	h.waitFor("a slow reader gives way, and others are answered", func() bool { return gaveWay(h.figures()) > 0 && hits.Load() > 0 })
	over.Store(true)
	bystanders.Wait()
	f := h.figures()
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
	slow, room, refused := f[`tintype_answers_ended_total{reason="slow"}`], f[`tintype_answers_ended_total{reason="room"}`], f[`tintype_answers_ended_total{reason="refused"}`]
	t.Logf("slow readers, %s: %d of a variant of %.1f MiB, for %.1f s; answers took %.0f of %.0f MiB at most, %.0f were cut off for being slow and %.0f for want of room, %.0f refused; the server's %d MiB at most, %d before, of all sockets %d MiB, %d before; %d hits and %d whole large ones of others, %d of these refused, %d failed",
		t.Name(), readers, float64(size)/mib, time.Since(start).Seconds(), f["tintype_answers_peak_bytes"]/mib, f["tintype_answers_limit_bytes"]/mib,
		slow, room, refused, most.Load()/mib, idle/mib, mostKernel.Load()/mib, kernel/mib, hits.Load(), whole.Load(), busy.Load(), failed.Load())
	if f["tintype_answers_peak_bytes"] > 2*f["tintype_answers_limit_bytes"] { // with those that have just been cut off
		t.Error("answers took more than they may")
	}
	for _, pid := range append(workersOf(p.cmd.Process.Pid), p.cmd.Process.Pid) {
		if resident(pid) == 0 {
			t.Errorf("process %d of the server is gone", pid)
		}
	}
	if n := most.Load(); n > int64(full(600, 450))*mib { // without a bound it was 5,900 when soaking, and 750 with 150 readers
		t.Errorf("the server took %d MiB, with %.0f for answers", n/mib, f["tintype_answers_limit_bytes"]/mib)
	}
	if soaking && busy.Load() > whole.Load()/4 {
		t.Errorf("%d large ones of others were refused, and %d answered", busy.Load(), whole.Load())
	}
	if soaking && whole.Load() == 0 {
		t.Error("no large one of others was answered")
	}
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		f := h.figures()
		if f["tintype_answers_bytes"] == 0 && f["tintype_answers_held"] == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("afterwards %.0f answers with %.0f bytes are held", f["tintype_answers_held"], f["tintype_answers_bytes"])
		}
	}
	if status, _, n, err := ask(large); status != 200 || n != size || err != nil {
		t.Errorf("afterwards the large variant: status %d, %d bytes, %v", status, n, err)
	}
}

// writeNoise writes a picture that no encoder can make small.
func writeNoise(path string) error {
	img := image.NewRGBA(image.Rect(0, 0, 1400, 1050))
	random := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = byte(random.Uint32())
		if i%4 == 3 {
			img.Pix[i] = 255
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := (&png.Encoder{CompressionLevel: png.NoCompression}).Encode(f, img); err != nil {
		return err
	}
	return f.Close()
}

// socketMemory returns the kernel's memory for all TCP sockets of this machine, in bytes.
func socketMemory() (n int64) {
	b, err := os.ReadFile("/proc/net/sockstat")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if _, mem, ok := strings.Cut(line, " mem "); ok && strings.HasPrefix(line, "TCP:") {
			_, _ = fmt.Sscan(mem, &n)
		}
	}
	return n * int64(os.Getpagesize())
}
