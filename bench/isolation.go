//go:build cgo && linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/transform/vips"
	"github.com/tintype/tintype/transform/worker"
)

// runWorker runs this program as a worker of its own pool.
func runWorker() error {
	return worker.Serve(func() (transform.Engine, error) {
		if err := vips.Start(vips.Config{Logger: slog.New(slog.DiscardHandler)}); err != nil {
			return nil, err
		}
		vips.Warm(context.Background())
		return vips.New(), nil
	})
}

// measureIsolation prints the cost of running the engine in worker processes: a JPEG of
// 2000 pixels reduced to 512, in this process and in workers, in turn. If binary is set, it
// also measures the memory of a server that handles 16 large JPEGs at a time.
func measureIsolation(out io.Writer, n int, binary string) error {
	ctx := context.Background()
	original := toJPEG(samples.Scene(2000, 1333))
	h, err := header.Read(original)
	if err != nil {
		return err
	}
	o := transform.Defaults()
	o.Width = 512
	job := transform.Job{Originals: []transform.Original{{Body: original, Header: h}}, Options: o, Format: transform.JPEG, Limits: transform.DefaultLimits()}

	// The memory layout of a process makes it some percent faster or slower for all of its
	// life. Several pools average that out.
	const pools = 5
	var times, rates [2][]float64
	here := vips.New()
	for range pools {
		pool, err := worker.Start(ctx, worker.Config{Command: []string{os.Args[0], "worker"}, Queue: 1000, Sandbox: worker.Auto})
		if err != nil {
			return err
		}
		err = takeTurns(ctx, [2]transform.Engine{here, pool}, job, max(n/pools, 1), &times, &rates)
		if err := errors.Join(err, pool.Close(ctx)); err != nil {
			return err
		}
	}
	inside, outside := median(times[0]), median(times[1])
	fmt.Fprintf(out, "isolation, p50 of %d: %.2f ms in this process, %.2f ms in a worker: %+.1f %% (bound: +5 %%)\n",
		len(times[0]), inside, outside, 100*(outside/inside-1))
	inside, outside = median(rates[0]), median(rates[1])
	fmt.Fprintf(out, "isolation, %d at a time: %.1f a second in this process, %.1f in workers: %+.1f %% (bound: -3 %%)\n",
		runtime.NumCPU(), inside, outside, 100*(outside/inside-1))
	if binary == "" {
		return nil
	}
	return measureMemory(out, binary)
}

// takeTurns runs the job on both engines in turn. It adds the times, in milliseconds, and
// the rates, per second.
func takeTurns(ctx context.Context, engines [2]transform.Engine, job transform.Job, n int, times, rates *[2][]float64) error {
	for round := range n + 5 {
		for i, e := range engines {
			start := time.Now()
			if _, err := e.Transform(ctx, job); err != nil {
				return err
			}
			if took := time.Since(start); round >= 5 { // the first rounds warm up
				times[i] = append(times[i], float64(took)/1e6)
			}
		}
	}
	for range 2 {
		for i, e := range engines {
			rate, err := throughput(ctx, e, job, time.Second)
			if err != nil {
				return err
			}
			rates[i] = append(rates[i], rate)
		}
	}
	return nil
}

// throughput returns the jobs per second of an engine with one job per core at a time.
func throughput(ctx context.Context, e transform.Engine, job transform.Job, d time.Duration) (float64, error) {
	var done atomic.Int64
	var failed atomic.Pointer[error]
	var wg sync.WaitGroup
	start := time.Now()
	for range runtime.NumCPU() {
		wg.Go(func() {
			for time.Since(start) < d {
				if _, err := e.Transform(ctx, job); err != nil {
					failed.Store(&err)
					return
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(done.Load()) / time.Since(start).Seconds(), nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// measureMemory starts the server and requests variants of 16 large photographs at once. It
// measures the memory of the server and its workers, and counts shared pages once (PSS).
func measureMemory(out io.Writer, binary string) error {
	dir, err := os.MkdirTemp("", "tintype-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	photo := toJPEG(samples.Scene(4800, 3200))
	pictures := filepath.Join(dir, "pictures")
	if err := os.Mkdir(pictures, 0o700); err != nil {
		return err
	}
	const many = 16
	for i := range many {
		// A byte after the picture makes each file different.
		if err := os.WriteFile(filepath.Join(pictures, strconv.Itoa(i)+".jpg"), append(photo, byte(i)), 0o600); err != nil {
			return err
		}
	}
	server := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--ops-listen", "off", "--drain", "0s", "--data", filepath.Join(dir, "data"), "--dir", "bench/p="+pictures)
	stdout, err := server.StdoutPipe()
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return err
	}
	defer func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait()
	}()
	said := make([]byte, 4096)
	k, err := io.ReadAtLeast(stdout, said, len("Tintype serves on http://localhost:1\n"))
	if err != nil {
		return err
	}
	address := regexp.MustCompile(`localhost:\d+`).FindString(string(said[:k]))
	go io.Copy(io.Discard, stdout)
	time.Sleep(2 * time.Second)                                                     // let the spare worker start
	workers := slices.DeleteFunc(children(server.Process.Pid), func(pid int) bool { // not their zygote
		args, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return !strings.HasSuffix(string(args), "worker\x00")
	})
	for _, pid := range workers {
		fmt.Fprintf(out, "a worker after its start: %.1f MB of its own (bound: 25 MB)\n", float64(rollup(pid, "Private_Clean:")+rollup(pid, "Private_Dirty:"))/1e6)
	}
	before := treeMemory(server.Process.Pid)

	var most atomic.Int64
	stop := make(chan struct{})
	var watching, asking sync.WaitGroup
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				most.Store(max(most.Load(), treeMemory(server.Process.Pid)))
				time.Sleep(5 * time.Millisecond)
			}
		}
	})
	failed := make(chan error, many)
	for round := range 3 {
		for i := range many {
			asking.Go(func() {
				res, err := http.Get(fmt.Sprintf("http://%s/bench/p/%d.jpg?w=1000&format=jpeg&v=%d", address, i, round))
				if err == nil {
					_, err = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					if res.StatusCode != http.StatusOK {
						err = fmt.Errorf("status %d", res.StatusCode)
					}
				}
				if err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			})
		}
		asking.Wait()
	}
	close(stop)
	watching.Wait()
	select {
	case err := <-failed:
		return err
	default:
	}
	fmt.Fprintf(out, "server and %d workers: %.0f MB at rest, %.0f MB at most with %d JPEGs of 4800×3200 (%.1f MB each) at a time (bound: 350 MB)\n",
		len(workers), float64(before)/1e6, float64(most.Load())/1e6, many, float64(len(photo))/1e6)
	return nil
}

// treeMemory returns the memory of a process and its children. It counts shared pages once.
func treeMemory(pid int) int64 {
	total := rollup(pid, "Pss:")
	for _, child := range children(pid) {
		total += rollup(child, "Pss:")
	}
	return total
}

func children(pid int) (pids []int) {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range tasks {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		for _, f := range strings.Fields(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// rollup returns a line of smaps_rollup, in bytes, or 0 if the process has ended.
func rollup(pid int, name string) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), "\n"+name)
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return 0
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
