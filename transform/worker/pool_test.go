package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/awake"
	"github.com/tintype/tintype/transform"
)

func startPool(t testing.TB, change ...func(*Config)) *Pool {
	t.Helper()
	c := Config{
		Command: []string{os.Args[0], "worker"}, Workers: 2, Queue: 100, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
		Memory: 1 << 30, Budget: 1 << 40, Timeout: time.Minute, MaxWait: time.Minute, silence: time.Minute,
	}
	if race {
		c.Memory = -1
	}
	for _, f := range change {
		f(&c)
	}
	p, err := Start(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// enough is a Timeout that a job of the tests keeps on a busy machine too, if it can be kept.
const enough = 2 * time.Second

func jobOf(original string) transform.Job {
	return transform.Job{
		Originals: []transform.Original{originalOf(original)},
		Options:   transform.Defaults(), Format: transform.PNG, Limits: transform.DefaultLimits(),
		Owner: transform.Owner{Workspace: "acme", Source: "photos"},
	}
}

// gridOf is a job of any number of originals.
func gridOf(originals ...string) transform.Job {
	job := jobOf("")
	job.Originals = nil
	for _, o := range originals {
		job.Originals = append(job.Originals, originalOf(o))
	}
	return job
}

func originalOf(body string) transform.Original {
	return transform.Original{
		Body: []byte(body), Header: transform.Header{Format: transform.GIF, Width: 1, Height: 1, Frames: 1, Orientation: 1}, ID: body[:min(len(body), 100)],
	}
}

// eventually waits for what happens in another process.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func (p *Pool) wantWell(t testing.TB) {
	t.Helper()
	image, err := p.Transform(t.Context(), jobOf("echo still here"))
	if err != nil || !isEcho(image, "still here") {
		t.Errorf("afterwards: %v %q", err, image.Data)
	}
}

func TestTransform(t *testing.T) {
	p := startPool(t)
	large := strings.Repeat("x", 3<<20)
	for _, text := range []string{"hello", "", large} {
		image, err := p.Transform(t.Context(), jobOf("echo "+text))
		if err != nil {
			t.Fatal(err)
		}
		if !isEcho(image, text) || image.Format != transform.PNG || image.Width != 1 || image.Height != 2 || image.Frames != 3 {
			t.Errorf("got %d bytes, %s %d×%d, %d frames", len(image.Data), image.Format, image.Width, image.Height, image.Frames)
		}
	}
	// A shorter variant after a longer one, and marks.
	job := jobOf("echo base")
	job.Marks = []transform.MarkImage{{Image: []byte("one"), Hash: [32]byte{1}}, {Image: []byte("two"), Hash: [32]byte{2}}, {Image: []byte("one"), Hash: [32]byte{1}}}
	for range 2 {
		if image, err := p.Transform(t.Context(), job); err != nil || !isEcho(image, "base+one+two+one") {
			t.Errorf("with marks: %v, %q", err, image.Data)
		}
	}
	if job.Marks[0].Image == nil || job.Originals[0].Body == nil {
		t.Error("the caller's job was changed")
	}
	if n := len(p.marks.files); n != 2 {
		t.Errorf("%d files of marks", n)
	}
}

func TestErrorsKeepTheirIdentity(t *testing.T) {
	p := startPool(t)
	for original, want := range map[string]struct {
		is   error
		text string
	}{
		"corrupt here\n\x00": {transform.ErrTruncated, "image is truncated: here  "},
		"mark":               {transform.ErrMark, "the mark can't be stamped: image is corrupt"},
		"nonsense":           {transform.ErrUnsupported, "unsupported image format: no such verb"},
		"fault":              {nil, "vips: it went wrong"},
	} {
		_, err := p.Transform(t.Context(), jobOf(original))
		if err == nil || want.is != nil && !errors.Is(err, want.is) || err.Error() != want.text {
			t.Errorf("%q: %v", original, err)
		}
	}
	_, err := p.Transform(t.Context(), jobOf("option too wide"))
	if e, ok := errors.AsType[*transform.OptionError](err); !ok || e.Name != "w" || e.Reason != "too wide" {
		t.Errorf("option: %v", err)
	}
	if s := p.Stats(); len(s.Deaths) != 0 || s.Blamed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestNothingIsLeftOfOriginals: past the end of an original there is nothing of the one
// before, and a long one doesn't stay.
func TestNothingIsLeftOfOriginals(t *testing.T) {
	p := startPool(t, func(c *Config) { c.Workers = 1 })
	eventually(t, "a spare", func() bool { return p.Stats().Idle == 2 })
	for _, c := range []struct{ length, left int }{{keptInput, keptInput}, {5000, 5000}, {7000, 7000}, {keptInput + 1, 0}, {9, 9}} {
		text := strings.Repeat("x", c.length-len("echo "))
		image, err := p.Transform(t.Context(), jobOf("echo "+text))
		if err != nil || !isEcho(image, text) {
			t.Fatalf("%d bytes: %v", c.length, err)
		}
		p.mu.Lock()
		w := p.idle[len(p.idle)-1] // the same every time: it has come back last
		p.mu.Unlock()
		info, err := w.input.Stat()
		if err != nil || info.Size() != int64(c.left) || w.held != c.left {
			t.Errorf("%d bytes: %d are left, and counted as %d, want %d (%v)", c.length, info.Size(), w.held, c.left, err)
		}
	}
}

// TestPutFails: what part of an original was written when there is no room for more
// doesn't stay behind the next.
func TestPutFails(t *testing.T) {
	f, reader, err := tempFile("original")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	defer reader.Close()
	w := &process{input: reader} // fails
	if err := w.put(jobOf("a long original").Originals); err == nil {
		t.Fatal("written to a file that can only be read")
	}
	if _, err := f.WriteString("a long"); err != nil {
		t.Fatal(err)
	}
	w.input = f
	if err := w.put(jobOf("next").Originals); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(reader); err != nil || string(got) != "next" {
		t.Errorf("the file holds %q (%v)", got, err)
	}
}

// TestFaults: what an original can do to a worker costs its own request and nothing
// else.
func TestFaults(t *testing.T) {
	for _, c := range []struct {
		original string
		err      error
		reason   string // of each loss; empty is none
		losses   int64
		times    func(*Config)
	}{
		{original: "segv", err: transform.ErrFailed, reason: lostCrash, losses: 1},
		{original: "abort", err: transform.ErrFailed, reason: lostCrash, losses: 1},
		{original: "panic", err: transform.ErrFailed},
		{original: "alloc", err: transform.ErrFailed, reason: lostCrash, losses: 1},
		{original: "exit", err: transform.ErrFailed, reason: lostExit, losses: 2},
		{original: "close", err: transform.ErrFailed, reason: lostProtocol + " or " + lostExit, losses: 2},
		{original: "garbage", err: transform.ErrFailed, reason: lostProtocol, losses: 2},
		{original: "html", err: transform.ErrFailed, reason: lostProtocol, losses: 2},
		{original: "format", err: transform.ErrFailed, reason: lostProtocol, losses: 2},
		{original: "stop", err: transform.ErrFailed, reason: lostUnresponsive, losses: 2, times: func(c *Config) {
			c.beat, c.silence = 50*time.Millisecond, 500*time.Millisecond
		}},
		{original: "wait", err: transform.ErrTimeout, times: func(c *Config) { c.Timeout, c.grace = 100*time.Millisecond, time.Minute }},
		{original: "loop", err: transform.ErrTimeout, reason: lostTimeout, losses: 1, times: func(c *Config) {
			c.Timeout, c.grace = 100*time.Millisecond, 50*time.Millisecond
		}},
	} {
		t.Run(c.original, func(t *testing.T) {
			if runtime.GOOS != "linux" && c.original == "stop" || race && c.original == "alloc" {
				t.Skip("there is no bound on memory, or no way to stop one's own process")
			}
			t.Parallel()
			change := []func(*Config){}
			if c.times != nil {
				change = append(change, c.times)
			}
			p := startPool(t, change...)

			// Somebody else's jobs meanwhile.
			var wg sync.WaitGroup
			stop := make(chan struct{})
			var others atomic.Int64
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					job := jobOf("echo other")
					job.Owner.Source = "others"
					if image, err := p.Transform(t.Context(), job); err == nil && isEcho(image, "other") {
						others.Add(1)
						continue
					} else if c.times == nil || err == nil { // a slow machine may not make it within such short times
						t.Errorf("another job: %v", err)
						return
					}
				}
			})
			_, err := p.Transform(t.Context(), jobOf(c.original))
			close(stop)
			wg.Wait()
			if !errors.Is(err, c.err) {
				t.Errorf("got %v, want %v", err, c.err)
			}
			s := p.Stats()
			lost := func() (n int64) {
				for _, reason := range strings.Split(c.reason, " or ") {
					n += p.Stats().Deaths[Death{reason, "acme", "photos", "gif"}]
				}
				return n
			}
			if got := lost(); got != c.losses {
				t.Errorf("%d processes lost for %q, want %d: %v", got, c.reason, c.losses, s.Deaths)
			}
			if s.Blamed != 1 && c.times == nil {
				t.Errorf("%d originals blamed", s.Blamed)
			}
			// The same answer, without another process.
			if _, again := p.Transform(t.Context(), jobOf(c.original)); again == nil || again.Error() != err.Error() {
				t.Errorf("again: %v, want %v", again, err)
			}
			if got := lost(); got != c.losses {
				t.Errorf("%d processes lost after the second request", got)
			}
			if c.times == nil {
				p.wantWell(t)
			}
		})
	}
}

// TestKilledFromOutside: a job whose process is killed for no fault of the job is done
// by another; the second time the job is at fault.
func TestKilledFromOutside(t *testing.T) {
	p := startPool(t, func(c *Config) { c.Sandbox = Off })
	busy := func() *process {
		p.mu.Lock()
		defer p.mu.Unlock()
		for w := range p.all {
			if !slices.Contains(p.idle, w) {
				return w
			}
		}
		return nil
	}
	first := filepath.Join(t.TempDir(), "first")
	result := make(chan error, 1)
	go func() {
		image, err := p.Transform(t.Context(), jobOf("once "+first))
		if err == nil && !isEcho(image, "again") {
			err = fmt.Errorf("got %q", image.Data)
		}
		result <- err
	}()
	eventually(t, "the job begins", func() bool { _, err := os.Stat(first); return err == nil })
	busy().kill()
	if err := <-result; err != nil {
		t.Errorf("killed once: %v", err)
	}
	if s := p.Stats(); s.Retried != 1 || s.Deaths[Death{lostKilled, "acme", "photos", "gif"}] != 1 || s.Blamed != 0 {
		t.Errorf("%+v", s)
	}

	go func() {
		_, err := p.Transform(t.Context(), jobOf("wait"))
		result <- err
	}()
	var killed *process
	for range 2 {
		eventually(t, "the job begins", func() bool {
			w := busy()
			return w != nil && w != killed && w.begun.Load()
		})
		killed = busy()
		killed.kill()
	}
	if err := <-result; !errors.Is(err, transform.ErrFailed) {
		t.Errorf("killed twice: %v", err)
	}
	p.wantWell(t)
}

// halt stops a process, and waits until it is.
func halt(t *testing.T, w *process) {
	t.Helper()
	_ = w.proc.Signal(syscall.SIGSTOP)
	eventually(t, "the process stops", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", w.pid()))
		return err != nil || bytes.Contains(stat, []byte(") T "))
	})
}

func TestIdleProcessesAreReplaced(t *testing.T) {
	p := startPool(t, func(c *Config) { c.pingEvery = 20 * time.Millisecond })
	all := func() (list []*process) {
		p.mu.Lock()
		defer p.mu.Unlock()
		return slices.Collect(maps.Keys(p.all))
	}
	replaced := func(lost []*process) func() bool {
		return func() bool {
			now := all()
			return len(now) == 3 && !slices.ContainsFunc(now, func(w *process) bool { return slices.Contains(lost, w) })
		}
	}
	eventually(t, "a spare", func() bool { return len(all()) == 3 })
	lost := all()
	for _, w := range lost {
		w.kill()
	}
	eventually(t, "replacements", replaced(lost))
	if s := p.Stats(); s.Deaths[Death{Reason: lostKilled}] < 3 {
		t.Errorf("%+v", s)
	}
	p.wantWell(t)

	lost = all()[:1]
	halt(t, lost[0])
	eventually(t, "the stopped one is noticed", replaced(lost))
	if s := p.Stats(); s.Deaths[Death{Reason: lostUnresponsive}] < 1 {
		t.Errorf("%+v", s)
	}
	p.wantWell(t)
}

// TestStoppedProcess: a job of a process that doesn't answer goes to another.
func TestStoppedProcess(t *testing.T) {
	p := startPool(t, func(c *Config) { c.beat, c.silence, c.Workers = 100*time.Millisecond, 2*time.Second, 1 })
	eventually(t, "a spare", func() bool { return p.Stats().Idle == 2 })
	p.mu.Lock()
	next := p.idle[len(p.idle)-1]
	p.mu.Unlock()
	halt(t, next)
	if image, err := p.Transform(t.Context(), jobOf("echo moved")); err != nil || !isEcho(image, "moved") {
		t.Errorf("%v, %q", err, image.Data)
	}
	if s := p.Stats(); s.Deaths[Death{lostUnresponsive, "acme", "photos", "gif"}] == 0 || s.Blamed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestPausedPool: where this process had a pause, the workers' answers wait to be read, and
// no worker counts as silent.
func TestPausedPool(t *testing.T) {
	p := startPool(t, func(c *Config) { c.Workers = 1 })
	w, err := p.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer p.giveBack(w)
	job := jobOf("wait")
	tt := times{job: time.Hour, grace: time.Minute, beat: 50 * time.Millisecond, silence: 100 * time.Millisecond, clock: new(awake.Clock)}
	if o, ok := w.hand(1, tt, &job, marks{}); !ok {
		t.Fatal(o.err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := run{process: w, id: 1, times: tt, beat: time.Now().Add(-time.Minute), deadline: time.Now().Add(tt.job)}
	for range 2 { // the first sends a ping, and the second comes after a pause
		if o, ended := r.keepTime(ctx); ended {
			t.Fatal(o.err)
		}
		r.beat = time.Now().Add(-time.Minute)
	}
	r.beat = time.Now().Add(time.Minute)
	k, payload, err := r.conn.receive(maxFromWorker, r.next())
	if _, ended := r.hear(ctx, &job, k, payload); err != nil || ended || r.pings != 0 {
		t.Errorf("heard %v, %v, %d pings without an answer", k, err, r.pings)
	}
	cancel()
	if o := r.await(ctx, &job); !errors.Is(o.err, context.Canceled) || o.lost != "" {
		t.Errorf("%v, %s", o.err, o.lost)
	}
}

// TestStarvedProcess: a process that wants to run and gets no processor isn't stuck. One that
// is stopped, or that runs and doesn't answer, is.
func TestStarvedProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nothing tells a stuck process from one that waits for a processor")
	}
	p := startPool(t, func(c *Config) { c.Workers = 1 })
	w, err := p.take(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	job := jobOf("loop")
	tt := times{job: time.Hour, beat: time.Second, silence: 100 * time.Second, clock: new(awake.Clock)}
	if o, ok := w.hand(1, tt, &job, marks{}); !ok {
		t.Fatal(o.err)
	}
	r := run{process: w, times: tt, pings: 100}
	eventually(t, "the loop runs", func() bool { return runnable(w.pid()) })
	if r.used, err = cpuTime(w.pid()); err != nil || r.stuck() {
		t.Errorf("it waits for a processor, and counts as stuck (%v)", err)
	}
	r.used -= tt.silence
	if !r.stuck() {
		t.Error("it ran for all the time without an answer, and isn't stuck")
	}
	r.used += tt.silence
	if r.pings--; r.stuck() {
		t.Error("it is stuck too early")
	}
	r.pings++
	halt(t, w)
	eventually(t, "it stands still", func() bool { return !runnable(w.pid()) })
	if !r.stuck() {
		t.Error("it stands still, and isn't stuck")
	}
	p.lose(w, Death{Reason: lostUnresponsive}, nil)
}

// TestNobodyWaits: work that nobody waits for ends, and its place is free again.
func TestNobodyWaits(t *testing.T) {
	p := startPool(t, func(c *Config) { c.Workers = 1; c.grace = 100 * time.Millisecond })
	for _, original := range []string{"wait", "loop"} {
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error, 1)
		go func() {
			_, err := p.Transform(ctx, jobOf(original))
			result <- err
		}()
		eventually(t, "the job runs", func() bool { return p.Stats().Running == 1 })
		cancel()
		if err := <-result; !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", original, err)
		}
		p.wantWell(t)
	}
	eventually(t, "its place is free", func() bool { return p.Stats().Running == 0 })
	if s := p.Stats(); s.Blamed != 0 {
		t.Errorf("%+v", s)
	}
}

func TestRecycling(t *testing.T) {
	p := startPool(t, func(c *Config) { c.RecycleJobs = 2; c.Workers = 1 })
	for range 7 {
		p.wantWell(t)
	}
	if s := p.Stats(); s.Retired < 2 || len(s.Deaths) != 0 {
		t.Errorf("%+v", s)
	}
}

// TestClose: what runs is finished, what waits is turned away, and no process is left.
func TestClose(t *testing.T) {
	dir := t.TempDir()
	p := startPool(t, func(c *Config) { c.Workers = 1; c.Sandbox = Off; c.Timeout = enough })
	file := filepath.Join(dir, "begun")
	running, waiting := make(chan error, 1), make(chan error, 1)
	go func() {
		_, err := p.Transform(t.Context(), jobOf("once "+file))
		running <- err
	}()
	eventually(t, "the job begins", func() bool { _, err := os.Stat(file); return err == nil })
	go func() {
		_, err := p.Transform(t.Context(), jobOf("echo late"))
		waiting <- err
	}()
	eventually(t, "the other waits", func() bool { return p.Stats().Waiting == 1 || len(waiting) == 1 })
	var pids []int
	p.mu.Lock()
	for w := range p.all {
		pids = append(pids, w.pid())
	}
	p.mu.Unlock()
	if err := p.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-running; !errors.Is(err, transform.ErrTimeout) { // to its own end
		t.Errorf("the running job: %v", err)
	}
	if err := <-waiting; err != nil && !errors.Is(err, transform.ErrOverloaded) {
		t.Errorf("the waiting job: %v", err)
	}
	if _, err := p.Transform(t.Context(), jobOf("echo")); !errors.Is(err, transform.ErrOverloaded) {
		t.Errorf("after Close: %v", err)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d is left: %v", pid, err)
		}
	}
}

// TestNothingIsInherited: a worker has neither our variables nor our files.
func TestNothingIsInherited(t *testing.T) {
	t.Setenv("TINTYPE_ROOT_KEY", "secret")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	if err := clearCloseOnExec(r); err != nil {
		t.Fatal(err)
	}
	p := startPool(t)
	image, err := p.Transform(t.Context(), jobOf("env"))
	if err != nil || bytes.Contains(image.Data, []byte("secret")) {
		t.Errorf("%v\n%s", err, image.Data)
	}
	image, err = p.Transform(t.Context(), jobOf("files"))
	if err != nil {
		t.Fatal(err)
	}
	var pipe unix.Stat_t
	if err := unix.Fstat(int(r.Fd()), &pipe); err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(image.Data, []byte(fileID(&pipe))) {
		t.Errorf("a file of ours is among those of the worker: %s", image.Data)
	}
}

// TestBegin: jobs are done although nobody has waited for the processes, and a pool that nobody
// waits for can be closed.
func TestBegin(t *testing.T) {
	p, err := Begin(Config{Command: []string{os.Args[0], "worker"}, Workers: 2, Queue: 1, Memory: -1, MaxWait: time.Minute, silence: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	p.wantWell(t)
	if err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	p.wantWell(t)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}

	p, err = Begin(Config{Command: []string{os.Args[0], "worker"}, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) > 0 || len(p.idle) > 0 || p.starting > 0 {
		t.Errorf("%d processes, %d idle, %d starting are left", len(p.all), len(p.idle), p.starting)
	}
}

func TestStartFails(t *testing.T) {
	for name, command := range map[string][]string{
		"no worker":  {os.Args[0], "-test.run=^$"},
		"no command": nil,
	} {
		p, err := Start(t.Context(), Config{Command: command, Workers: 1})
		if err == nil {
			_ = p.Close(t.Context())
			t.Errorf("%s: it started", name)
		}
	}
}

// TestKilledWhileStarting: a process that is killed before it is ready is told from one
// that can't start, and the next comes soon after it, however often that was.
func TestKilledWhileStarting(t *testing.T) {
	for _, c := range []struct {
		argument string
		kill     bool
		err      error
		pause    time.Duration // at most, to the next
	}{
		{"worker", true, errStruck, 250 * time.Millisecond},
		{"-test.run=^$", false, errEnded, 5 * time.Second},
	} {
		w, err := startProcess(&nursery{
			command: []string{os.Args[0], c.argument}, launch: func(start func() error) error { return start() }, log: slog.New(slog.DiscardHandler), off: true,
		}, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if c.kill {
			w.kill()
		}
		<-w.gone
		if err := w.setUp(setup{}, time.Minute); !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %v", c.argument, err, c.err)
		}
		w.close(0)
		if got := startPause(20, c.err); got != c.pause {
			t.Errorf("%s: a pause of %s, want %s", c.argument, got, c.pause)
		}
	}
}

func TestRequireNamesWhatIsMissing(t *testing.T) {
	c := Config{Command: []string{os.Args[0], "worker"}, Workers: 1, Sandbox: Require, Memory: -1}
	p, err := Start(t.Context(), c)
	if err == nil {
		_ = p.Close(t.Context())
		return // this system has it all
	}
	if !strings.Contains(err.Error(), "lacks") {
		t.Error(err)
	}
}

// TestTail: a worker may say what it likes.
func TestTail(t *testing.T) {
	tl := &tail{log: slog.New(slog.NewTextHandler(io.Discard, nil))}
	fmt.Fprint(tl, "one\ntwo\x1b[0m\n\nthr")
	fmt.Fprint(tl, "ee\n"+strings.Repeat("y", 5000)+"\n")
	got := tl.last()
	if !strings.HasPrefix(got, "two [0m; three; yyy") || len(got) > 1200 {
		t.Errorf("%d bytes: %.40q", len(got), got)
	}
}

// TestTasks: a job without an original and one that makes JSON come back. A worker that
// answers such a job with something else is lost.
func TestTasks(t *testing.T) {
	p := startPool(t)
	drawn := gridOf()
	drawn.Task, drawn.Drawing = transform.TaskDraw, &transform.Drawing{Of: transform.DrawBlurHash, Hash: "LEHV6n", Output: transform.Size{W: 2, H: 2}}
	image, err := p.Transform(t.Context(), drawn)
	if err != nil || !bytes.HasSuffix(image.Data, []byte("draw LEHV6n")) {
		t.Errorf("drawing: %q, %v", image.Data, err)
	}
	for _, c := range []struct {
		data string
		lost int64
	}{{`{"a":1}`, 0}, {`{"a":`, 2}, {`"` + strings.Repeat("a", maxJSON) + `"`, 2}} {
		job := jobOf("json " + c.data)
		job.Task, job.Format = transform.TaskFacts, transform.JSON
		before := deaths(p)
		image, err := p.Transform(t.Context(), job)
		if lost := deaths(p) - before; lost != c.lost || (err == nil) != (c.lost == 0) || err == nil && string(image.Data) != c.data {
			t.Errorf("%.20s: %.20q, %v, and %d workers were lost", c.data, image.Data, err, lost)
		}
	}
}

func deaths(p *Pool) (n int64) {
	for _, k := range p.Stats().Deaths {
		n += k
	}
	return n
}
