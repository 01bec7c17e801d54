//go:build cgo && linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
)

// TestZygote: workers share memory with the zygote that has forked them. After a crash they
// come from another zygote, and after the end of the zygote too.
func TestZygote(t *testing.T) {
	t.Parallel()
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	p, err := startProcess(data, "sqlite:"+filepath.Join(data, "store.db"), "--workers", "1", "--dir", "demo/samples="+samples)
	if err != nil {
		t.Fatal(err)
	}
	p.killAfter(t)
	h := &house{t: t, url: p.url}
	server := p.cmd.Process.Pid
	zygote := 0
	// settle waits for n workers, and a zygote that isn't the last one.
	settle := func(what string, n int) []int {
		h.waitFor(what, func() bool {
			zygotes := childrenOf(server, "zygote")
			return len(workersOf(server)) == n && len(zygotes) == 1 && zygotes[0] != zygote
		})
		zygote = childrenOf(server, "zygote")[0]
		return workersOf(server)
	}
	send := func(pid int, s syscall.Signal) {
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
	}

	workers := settle("a worker and its zygote", 1)
	for _, pid := range workers {
		if own, all := memoryField(t, pid, "Private_Dirty"), memoryField(t, pid, "Anonymous"); all-own < 4<<20 {
			t.Errorf("worker %d shares only %d of %d bytes", pid, all-own, all)
		}
	}
	send(workers[0], syscall.SIGSEGV)
	workers = settle("a spare too, and another zygote, after a crash", 2)
	send(zygote, syscall.SIGKILL)
	send(workers[0], syscall.SIGKILL)
	settle("another zygote after its end", 2)
	if status, code, _ := h.get("samples/dusk.jpg?w=64&format=jpeg"); status != 200 {
		t.Errorf("status %d %s", status, code)
	}
}

// memoryField returns a field of proc_pid_smaps_rollup(5) in bytes.
func memoryField(t *testing.T, pid int, name string) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^` + name + `: +(\d+) kB`).FindSubmatch(b)
	if found == nil {
		t.Fatalf("no %s in %s", name, b)
	}
	n, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n << 10
}
