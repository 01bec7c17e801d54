//go:build cgo && linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/letterbox"
)

// inNamespace runs the rest of the test in a process that may mount file systems. Only that
// process and its children see them. It needs no rights where the system lets users make
// namespaces. Otherwise the test is skipped.
func inNamespace(t *testing.T) (inside bool) {
	t.Helper()
	const mark = "TEST_IN_NAMESPACE"
	if os.Getenv(mark) == t.Name() {
		if err := unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			t.Fatal(err)
		}
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=1h")
	cmd.Env = append(os.Environ(), mark+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		Pdeathsig:   syscall.SIGKILL,
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	runtime.LockOSThread() // Pdeathsig is sent when the thread ends that started the child
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		t.Skipf("skipped: this system lets nobody make a user namespace, in which a small disk could be mounted: %v", err)
	}
	err = cmd.Wait()
	t.Logf("in a namespace of its own:\n%s", strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// A small disk and a server on it.
type smallDisk struct {
	*serverProcess
	t      *testing.T
	data   string
	filler string
	args   []string
	box    *letterbox.Box // of the operator

	name    string // of the workspace, as was acknowledged
	n       int
	refused int
	written int
	asked   atomic.Int64 // images
	failed  atomic.Int64
}

func (d *smallDisk) start() {
	d.t.Helper()
	var err error
	if d.serverProcess, err = startProcess(d.data, "sqlite", d.args...); err != nil {
		d.t.Fatal(err)
	}
}

// end stops the server, or kills it.
func (d *smallDisk) end(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
	_ = d.cmd.Wait() // the last counts may be lost, which is an error
	if d.t.Failed() {
		d.t.Logf("server log:\n%s", d.log.String())
	}
}

// fill fills the disk to the last byte.
func (d *smallDisk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(d.filler, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			d.t.Fatal(err)
		}
	}
}

// image asks for an image, which must come.
func (d *smallDisk) image(target string) {
	d.t.Helper()
	d.asked.Add(1)
	if status, err := d.serverProcess.image(d.t.Context(), "/demo/"+target, ""); status != 200 || err != nil {
		d.failed.Add(1)
		d.t.Errorf("%s: %d, %v", target, status, err)
	}
}

// write changes the workspace's name. The answer must be 200, or 503 with a message about
// the disk. The change is so large that it needs several pages of the database.
func (d *smallDisk) write(disk string) (status int) {
	d.t.Helper()
	d.n++
	name := fmt.Sprintf("name %d", d.n)
	status, answer, err := d.call(d.t.Context(), "PATCH", "/workspaces/demo", map[string]any{"name": name})
	switch {
	case err != nil:
		d.t.Fatal(err)
	case status == 200:
		d.name = name
		d.written++
	case status == 503 && strings.Contains(string(answer), "the disk of the server's database "+disk):
		d.refused++
	default:
		d.t.Fatalf("a write: %d\n%s", status, answer)
	}
	return status
}

// check tests that the server has all acknowledged writes, serves cached and new images, and
// is ready.
func (d *smallDisk) check(when string) {
	d.t.Helper()
	status, answer, err := d.call(d.t.Context(), "GET", "/workspaces/demo", nil)
	var w struct{ Name string }
	if err == nil {
		err = json.Unmarshal(answer, &w)
	}
	if status != 200 || err != nil || w.Name != d.name {
		d.t.Errorf("%s: the workspace is called %q, and %q was acknowledged; %d, %v", when, w.Name, d.name, status, err)
	}
	d.image("samples/dusk.jpg?w=64&format=jpeg") // on disk since the beginning
	res, err := d.get(d.t.Context(), "/demo/samples/dusk.jpg?w=65&format=jpeg")
	if err != nil || res.StatusCode != 200 || !strings.Contains(res.Header.Get("Cache-Status"), "hit") {
		d.t.Errorf("%s: what was cached before: %v, %v", when, res.Header, err)
	}
	d.n++
	d.image(fmt.Sprintf("samples/noon.jpg?w=32&format=jpeg&v=%d", d.n)) // a miss
	for _, path := range []string{"/healthz", "/readyz"} {
		if status, err := d.serverProcess.image(d.t.Context(), path, ""); status != 200 || err != nil {
			d.t.Errorf("%s: %s: %d, %v", when, path, status, err)
		}
	}
}

// newSmallDisk is a server with its data folder on a disk of 24 MiB.
func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=24m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(disk, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	box := letterbox.Start(t, "127.0.0.1:0")
	d := &smallDisk{
		t: t, data: filepath.Join(disk, "data"), filler: filepath.Join(disk, "filler"), box: box,
		args: append(mailing(box.Address),
			"--workers", "1", "--drain", "0s", "--cache-disk", "8MiB", "--dir", "demo/samples="+samples,
			"--purge-webhook", "http://"+freeport.Address(t), // where nobody answers, so that messages wait
		),
	}
	d.start()
	t.Cleanup(func() { d.kill() })
	if d.write("") != 200 {
		t.Fatal("the first write is refused")
	}
	d.mustCall(t, 202, "POST", "/workspaces/demo/purge", map[string]any{"all": true})
	for _, w := range []string{"64", "65"} {
		d.image("samples/dusk.jpg?w=" + w + "&format=jpeg")
	}
	until(t, "two variants are on the disk", func() bool {
		files, err := filepath.Glob(filepath.Join(d.data, "cache", "*", "*", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(files) == 2
	})
	return d
}

// TestDiskFull: while the data folder's disk is full, no image fails, also on a server that
// is stopped or killed and started again. Writes are answered 503 with the reason, and
// acknowledged writes stay. When there is room, writes work again. The operator gets a mail of both.
func TestDiskFull(t *testing.T) {
	t.Parallel() // it waits more than it computes
	if !inNamespace(t) {
		return
	}
	d := newSmallDisk(t)
	rounds := full(50, 2)
	for round := range rounds {
		ctx, stop := context.WithCancel(t.Context())
		var load sync.WaitGroup
		load.Go(func() {
			pace := time.NewTicker(5 * time.Millisecond) // other tests run on this machine too
			defer pace.Stop()
			for n := 0; ctx.Err() == nil; n++ {
				d.image(fmt.Sprintf("samples/noon.jpg?w=%d&format=jpeg&v=%d", 16+n%64, round))
				<-pace.C
			}
		})
		d.fill()
		until(t, "a write is refused", func() bool { return d.write("is full") == 503 })
		d.check("full")
		d.box.Find(t, "The disk of the data folder is full")
		stop()
		load.Wait()

		sig := syscall.SIGKILL
		if round%2 == 1 {
			sig = syscall.SIGTERM
		}
		d.end(sig)
		d.fill() // where the server made room
		d.box.Clear()
		d.start()
		if log := d.log.String(); !strings.Contains(log, "the disk of the data folder is full") || !strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("started on a full disk, the log doesn't say so:\n%s", log)
		}
		d.check("started on a full disk")
		if d.write("is full") != 503 {
			t.Error("started on a full disk, a write is taken")
		}
		d.box.Find(t, "The disk of the data folder is full")
		if err := os.Remove(d.filler); err != nil {
			t.Fatal(err)
		}
		until(t, "writes are taken again", func() bool { return d.write("is full") == 200 })
		d.check("with room again")
		d.box.Find(t, "Tintype server alert is over: A disk is full")
		d.box.Clear()
		d.end(syscall.SIGKILL)
		d.start()
		d.check("started with room")
	}
	t.Logf("full disk: %d rounds of filling, restarting, freeing: %d images asked for, %d failed; %d writes refused with 503, %d acknowledged and none of them lost",
		rounds, d.asked.Load(), d.failed.Load(), d.refused, d.written)
}

// TestReadOnlyData: a server starts on a read-only data folder and serves images. The server
// before it may have been stopped or killed.
func TestReadOnlyData(t *testing.T) {
	t.Parallel() // it waits more than it computes
	if !inNamespace(t) {
		return
	}
	d := newSmallDisk(t)
	for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
		if d.write("") != 200 {
			t.Fatal("a write is refused")
		}
		d.end(sig)
		if err := unix.Mount(d.data, d.data, "", unix.MS_BIND, ""); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("", d.data, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			t.Fatal(err)
		}
		d.start()
		if log := d.log.String(); !strings.Contains(log, "its files can only be read") || !strings.Contains(log, `"level":"ERROR"`) {
			t.Errorf("the log doesn't say that the folder can't be written:\n%s", log)
		}
		when := "read-only after " + sig.String()
		d.check(when)
		if d.write("can only be read") != 503 {
			t.Errorf("%s: a write is taken", when)
		}
		d.check(when)
		if err := unix.Mount("", d.data, "", unix.MS_BIND|unix.MS_REMOUNT, ""); err != nil {
			t.Fatal(err)
		}
		until(t, "writes are taken again", func() bool { return d.write("can only be read") == 200 })
		d.check("writable again")
		d.end(syscall.SIGKILL)
		if err := unix.Unmount(d.data, 0); err != nil {
			t.Fatal(err)
		}
		d.start()
		d.check("started where it can be written")
	}
}
