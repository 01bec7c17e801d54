package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tintype/tintype/awake"
	"github.com/tintype/tintype/transform"
)

// Reasons for the loss of a process.
const (
	lostCrash        = "crash"        // its own signal, such as SIGSEGV, or a fatal error of Go's runtime
	lostTimeout      = "timeout"      // its job passed the deadline and didn't stop, so the pool killed it
	lostCanceled     = "canceled"     // its canceled job didn't stop, so the pool killed it
	lostKilled       = "killed"       // SIGKILL from outside, such as by the kernel when memory is short
	lostUnresponsive = "unresponsive" // it didn't answer, so the pool killed it
	lostProtocol     = "protocol"     // it sent a malformed message or closed the connection, so the pool killed it
	lostExit         = "exit"         // it ended by itself
	lostStart        = "start"        // it didn't become ready
)

// LossReasons returns the reasons for the loss of a process, as [Death] has them.
func LossReasons() []string {
	return []string{lostCrash, lostTimeout, lostCanceled, lostKilled, lostUnresponsive, lostProtocol, lostExit, lostStart}
}

// A process is the pool's view of a worker. One goroutine at a time uses it.
type process struct {
	proc   *os.Process
	ended  *os.ProcessState // set before gone is closed
	conn   *conn
	tasks  *taskWriter
	input  *os.File      // the originals of the current job
	held   int           // the length of input, in bytes
	output *os.File      // the variant of the last job
	gone   chan struct{} // closed when the process has ended
	said   *tail
	state  ready
	ticket uint64
	jobs   int
	begun  atomic.Bool // the process has received the current job
	idleAt time.Time   // when it became idle
}

// An outcome is the end of a job in one process.
type outcome struct {
	image transform.Image
	err   error
	begun bool            // the process received the job
	lost  string          // reason for the loss of the process, or ""
	blame bool            // the job caused the error
	at    transform.Place // the image that the process worked on last
}

func (w *process) pid() int { return w.proc.Pid }

// startProcess starts a worker, which isn't ready yet. A zygote of n forks it, where there is
// one.
func startProcess(n *nursery, timeout time.Duration) (*process, error) {
	conn, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	input, reader, err := inputFile()
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	defer reader.Close()
	output, err := outputFile()
	if err != nil {
		return nil, errors.Join(err, conn.Close(), input.Close())
	}
	w := &process{conn: conn, input: input, output: output, said: &tail{log: n.log}, gone: make(chan struct{})}
	err = w.fork(n, [3]*os.File{theirs, reader, output}, timeout)
	if errors.Is(err, errNoZygote) {
		err = w.exec(n, theirs, reader, output)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start worker: %w", err), conn.Close(), input.Close(), output.Close())
	}
	killFirst(w.pid())
	return w, nil
}

// fork has a zygote fork the worker, with files as socketFD, inputFD and outputFD.
func (w *process) fork(n *nursery, files [3]*os.File, timeout time.Duration) error {
	says, theirs, err := os.Pipe()
	if err != nil {
		return err
	}
	defer theirs.Close()
	if w.proc, err = n.fork([4]*os.File{files[0], files[1], files[2], theirs}, timeout); err != nil {
		return errors.Join(err, says.Close())
	}
	heard := make(chan struct{})
	go func() {
		_, _ = io.Copy(w.said, says)
		close(heard)
	}()
	go func() {
		w.ended, _ = w.proc.Wait()
		_ = says.SetReadDeadline(time.Now().Add(time.Second))
		<-heard
		_ = says.Close()
		close(w.gone)
	}()
	return nil
}

// exec starts this program again as a worker, with files as socketFD, inputFD and outputFD.
func (w *process) exec(n *nursery, files ...*os.File) error {
	path, err := program()
	if err != nil {
		return err
	}
	cmd := &exec.Cmd{
		Path: path, Args: n.command, Env: environment(os.Environ(), n.fontCache),
		ExtraFiles: files,
		Stderr:     w.said,
		WaitDelay:  time.Second,
	}
	tie(cmd)
	if err := n.launch(cmd.Start); err != nil {
		return err
	}
	w.proc = cmd.Process
	go func() {
		_ = cmd.Wait() // ProcessState has the result
		w.ended = cmd.ProcessState
		close(w.gone)
	}()
	return nil
}

// environment returns the variables that a worker gets: those by which libraries are found
// and configured. It passes no secrets, and not the user's own folders.
func environment(all []string, fontCache string) []string {
	// With GOMAXPROCS above 1, Go's scheduler would compete with the decoder for the core.
	env := []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
	if fontCache != "" {
		env = append(env, "XDG_CACHE_HOME="+fontCache)
	}
	for _, v := range all {
		name, _, _ := strings.Cut(v, "=")
		switch name {
		case "PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH",
			"FONTCONFIG_FILE", "FONTCONFIG_PATH", "GOTRACEBACK", "GODEBUG", "GOCOVERDIR":
			env = append(env, v)
		default:
			if strings.HasPrefix(name, "LC_") || strings.HasPrefix(name, "MALLOC_") {
				env = append(env, v)
			}
		}
	}
	return env
}

// setUp sends the setup to the worker and waits until it is ready.
func (w *process) setUp(s setup, timeout time.Duration) error {
	limit := time.Now().Add(timeout)
	var err error
	if w.tasks, s.Tasks, err = newTaskWriter(); err != nil {
		return err
	}
	err = w.conn.send(kindSetup, s, sendTimeout)
	var k kind
	var payload []byte
	if err == nil {
		k, payload, err = w.conn.receive(maxFromWorker, limit)
	}
	for errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(limit) {
		k, payload, err = w.conn.receive(maxFromWorker, limit)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fmt.Errorf("the worker process was not ready within %s%s", timeout, w.lastWords())
	case err != nil && !errors.Is(err, errFrame):
		w.kill()
		<-w.gone
		ended := errEnded
		if howItEnded(w.ended) == lostKilled {
			ended = errStruck
		}
		return fmt.Errorf("%w (%s)%s", ended, w.ended, w.lastWords())
	}
	state, err := parse[ready](payload)
	if k != kindReady || err != nil {
		return fmt.Errorf("%w: no worker answers", errFrame)
	}
	if state.Failed != "" {
		return errors.New(plain(state.Failed))
	}
	w.state = state
	return nil
}

// Errors of setUp for a process that ends before it is ready.
var (
	errEnded  = errors.New("the worker process ended before it was ready")
	errStruck = errors.New("the worker process was killed before it was ready")
)

func (w *process) lastWords() string {
	if last := w.said.last(); last != "" {
		return ": " + last
	}
	return ""
}

// times are the time limits of jobs.
type times struct {
	job     time.Duration // from the start of a job to its deadline
	grace   time.Duration // in which a canceled job must stop
	beat    time.Duration // between two pings
	silence time.Duration // of pings without an answer, after which a process may count as unresponsive
	clock   *awake.Clock  // of deadlines
}

// keptInput is the longest input file that is kept after a job, in bytes. The next job
// reuses its pages.
const keptInput = 2 << 20

// inputGap is the least gap between two originals in the input file, in bytes. A decoder
// that reads beyond its original finds zeros instead of another original. Gaps take no
// memory.
const inputGap = 4096

// startOf returns the offset of original i in the input file, where the one before it ends
// at end. Each original begins at a page.
func startOf(i, end int) int {
	if i == 0 {
		return 0
	}
	return (end+inputGap-1)/inputGap*inputGap + inputGap
}

// put writes originals into the input file. It leaves nothing of the job before.
func (w *process) put(originals []transform.Original) error {
	if len(originals) > 1 && w.held > 0 { // the gaps could hold old data
		if err := w.input.Truncate(0); err != nil {
			return err
		}
		w.held = 0
	}
	end := 0
	for i := range originals {
		start := startOf(i, end)
		end = start + len(originals[i].Body)
		if _, err := w.input.WriteAt(originals[i].Body, int64(start)); err != nil {
			w.held = max(w.held, end) // the write may be incomplete
			return err
		}
	}
	if end < w.held {
		if err := w.input.Truncate(int64(end)); err != nil {
			return err
		}
	}
	w.held = end
	return nil
}

// run runs a job in the process. marks has the files of the job's marks. The end of ctx
// cancels the job.
func (w *process) run(ctx context.Context, t times, job *transform.Job, marks marks) outcome {
	w.jobs++
	w.ticket++
	id := w.ticket
	if o, ok := w.hand(id, t, job, marks); !ok {
		return o
	}
	defer context.AfterFunc(ctx, w.conn.nudge)()
	now := t.clock.Now()
	r := run{process: w, id: id, times: t, beat: now.Add(t.beat), deadline: now.Add(t.job)}
	o := r.await(ctx, job)
	o.at = r.at
	return o
}

// hand sends a job to the process. On failure it returns false, and the outcome has the
// error.
func (w *process) hand(id uint64, t times, job *transform.Job, marks marks) (failed outcome, ok bool) {
	w.begun.Store(false)
	message, err := w.tasks.payload(id, job)
	if err != nil || len(message) > maxToWorker {
		return outcome{err: fmt.Errorf("worker: this job can't be sent: %w", errors.Join(err, errFrame))}, false
	}
	// This process enforces the deadline. The limit helps where this process doesn't get
	// enough processor time itself.
	if !w.over() {
		_ = limitCPU(w.pid(), 2*t.job+time.Second)
	}
	if err := w.put(job.Originals); err != nil {
		return outcome{err: fmt.Errorf("worker: memory file: %w", err)}, false
	}
	if err := w.conn.write(framed(kindJob, message), sendTimeout, marks.files...); err != nil {
		return w.silent(false), false
	}
	w.begun.Store(true)
	return outcome{}, true
}

// A run is a job that a process works on.
type run struct {
	*process
	id       uint64
	times    times
	beat     time.Time     // time of the next ping
	pings    int           // sent since the last message from the process
	used     time.Duration // processor time of the process at the first of these pings
	deadline time.Time
	late     bool      // the deadline has passed
	grace    time.Time // when a canceled job must have stopped; zero where it isn't canceled
	at       transform.Place
}

// await handles messages and time limits until the job has ended.
func (r *run) await(ctx context.Context, job *transform.Job) outcome {
	for {
		k, payload, err := r.conn.receive(maxFromWorker, r.next())
		switch {
		case err == nil:
			if o, ended := r.hear(ctx, job, k, payload); ended {
				return o
			}
		case errors.Is(err, errFrame):
			return r.end(err, lostProtocol)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return r.silent(true)
		}
		if o, ended := r.keepTime(ctx); ended {
			return o
		}
	}
}

// next returns the time of the next ping or time limit, by the system's clock.
func (r *run) next() time.Time {
	next := r.beat
	if !r.late && r.deadline.Before(next) {
		next = r.deadline
	}
	if !r.grace.IsZero() && r.grace.Before(next) {
		next = r.grace
	}
	return r.times.clock.Real(next)
}

// hear handles a message of the process. ended is true where the job has ended.
func (r *run) hear(ctx context.Context, job *transform.Job, k kind, payload []byte) (o outcome, ended bool) {
	result, at, err := understand(k, payload, r.id, job)
	switch {
	case err != nil:
		return r.end(err, lostProtocol), true
	case result != nil:
		return r.finish(ctx, result, r.late), true
	case k == kindAt:
		r.at = at
	}
	r.pings = 0
	return outcome{}, false
}

// keepTime enforces the time limits: it cancels the job, sends a ping, or kills the
// process.
func (r *run) keepTime(ctx context.Context) (o outcome, ended bool) {
	now := r.times.clock.Now()
	if !r.late && !now.Before(r.deadline) {
		r.late = true
		r.giveUp()
	}
	if r.grace.IsZero() && ctx.Err() != nil {
		r.giveUp()
	}
	switch {
	case !r.grace.IsZero() && !now.Before(r.grace):
		if r.late {
			o = r.end(errLate, lostTimeout)
			o.blame = true
			return o, true
		}
		return r.end(ctx.Err(), lostCanceled), true
	case !now.Before(r.beat):
		if r.stuck() {
			return r.end(errUnresponsive, lostUnresponsive), true
		}
		if r.pings == 0 {
			r.used, _ = cpuTime(r.pid()) // after an error it is 0
		}
		r.pings++
		_ = r.conn.send(kindPing, ticket{r.id}, 0) // after an error, silence ends the run
		r.beat = now.Add(r.times.beat)
	}
	return outcome{}, false
}

// stuck reports whether the process doesn't answer although it could. It counts pings and
// not time, so that a pause of this process isn't the worker's silence: this process reads
// what came before it sends another ping. A worker that waits for a processor isn't stuck
// before it has run for silence, and its deadline counts anyway.
func (r *run) stuck() bool {
	if r.pings == 0 || time.Duration(r.pings)*r.times.beat < r.times.silence {
		return false
	}
	used, err := cpuTime(r.pid())
	return err != nil || used-r.used >= r.times.silence || !runnable(r.pid())
}

// giveUp tells the process to stop the job.
func (r *run) giveUp() {
	_ = r.conn.send(kindCancel, ticket{r.id}, 0) // after an error, grace ends the run
	if r.grace.IsZero() {
		r.grace = r.times.clock.Now().Add(r.times.grace)
	}
}

// end kills the process because of the job.
func (r *run) end(err error, reason string) outcome {
	r.kill()
	return outcome{err: err, begun: true, lost: reason}
}

var (
	errLate          = fmt.Errorf("%w: ask for a smaller variant, or use a smaller original", transform.ErrTimeout)
	errVariantBroke  = fmt.Errorf("%w: making this variant breaks the engine; ask for other options, or use another original", transform.ErrFailed)
	errOriginalLate  = fmt.Errorf("%w: even a small variant of this original takes too long; use a smaller or simpler one", transform.ErrTimeout)
	errTogetherBroke = fmt.Errorf("%w: making any variant of these originals together breaks the engine; use others", transform.ErrFailed)
	errTogetherLate  = fmt.Errorf("%w: even a small variant of these originals takes too long; use fewer or smaller ones", transform.ErrTimeout)
	errBrokeDown     = fmt.Errorf("%w: decoding it breaks the decoder, or takes more memory than one image may; use another original", transform.ErrFailed)
	errMarkBroke     = fmt.Errorf("%w: %w: decoding its image breaks the decoder, or takes more memory than one image may; use another image for it", transform.ErrMark, transform.ErrFailed)
	errLost          = fmt.Errorf("%w: its process was lost", transform.ErrFailed)
	errUnresponsive  = errors.New("worker: the process does not answer")
)

// understand parses a message that a worker sends during a job. r is nil until the job has
// ended. at is the image that the worker works on, for a message of kindAt.
func understand(k kind, payload []byte, id uint64, job *transform.Job) (r *result, at transform.Place, err error) {
	switch k {
	case kindPong:
		t, err := parse[ticket](payload)
		if err == nil && t.ID > id {
			err = fmt.Errorf("%w: of another job", errFrame)
		}
		return nil, at, err
	case kindAt:
		p, err := parse[place](payload)
		switch {
		case err != nil:
		case p.ID != id || p.Mark < 0 || p.Mark > len(job.Marks) || p.Mark > 0 && p.Original > 0:
			err = fmt.Errorf("%w: at no mark of the job", errFrame)
		default:
			err = checkOriginal(p.Original, job)
		}
		return nil, transform.Place{Original: p.Original, Mark: p.Mark}, err
	case kindDone:
		r, err := parse[result](payload)
		if err != nil {
			return nil, at, err
		}
		if r.ID != id {
			return nil, at, fmt.Errorf("%w: of another job", errFrame)
		}
		return &r, at, r.check(job, maxOutput)
	}
	return nil, at, fmt.Errorf("%w: of kind %d", errFrame, k)
}

// keptOutput is the longest output file that is kept after a job, in bytes.
const keptOutput = 1 << 20

// finish returns the outcome of a job from its result.
func (w *process) finish(ctx context.Context, r *result, late bool) outcome {
	defer func() {
		if r.Size > keptOutput {
			_ = w.output.Truncate(0) // after an error it only keeps its memory
		}
		if w.held > keptInput && w.input.Truncate(0) == nil {
			w.held = 0
		}
	}()
	if r.Error != nil {
		err := r.Error.asError()
		switch {
		case !errors.Is(err, errCanceled):
			return outcome{err: err, begun: true, blame: errors.Is(err, transform.ErrFailed)}
		case late:
			return outcome{err: errLate, begun: true, blame: true}
		case ctx.Err() != nil:
			return outcome{err: ctx.Err(), begun: true}
		}
		w.kill()
		return outcome{err: err, begun: true, lost: lostProtocol}
	}
	data := make([]byte, r.Size)
	if _, err := w.output.ReadAt(data, 0); err != nil || !beginsLike(data, r.Format) {
		w.kill()
		return outcome{err: fmt.Errorf("%w: no variant", errFrame), begun: true, lost: lostProtocol}
	}
	return outcome{begun: true, image: transform.Image{
		Data: data, Format: r.Format, Width: r.Width, Height: r.Height, Frames: r.Frames, Quality: r.Quality,
	}}
}

// silent returns the outcome for a process whose connection failed. It kills a process that
// doesn't end by itself. One that is ending has closed its files already, and on a busy machine
// the rest takes a while.
func (w *process) silent(begun bool) outcome {
	if !w.ends(250*time.Millisecond) && !(ending(w.pid()) && w.ends(10*time.Second)) {
		w.kill()
		<-w.gone
		return outcome{err: errLost, begun: begun, lost: lostProtocol}
	}
	reason := howItEnded(w.ended)
	o := outcome{err: errLost, begun: begun, lost: reason}
	if reason == lostCrash && begun {
		o.err, o.blame = errVariantBroke, true
	}
	return o
}

// howItEnded returns the reason for the end of a process that the pool didn't kill. Go's
// runtime exits with code 2 on a fatal error, such as a fault in C code or a failed
// allocation.
func howItEnded(s *os.ProcessState) string {
	status, ok := s.Sys().(syscall.WaitStatus)
	switch {
	case ok && status.Signaled() && status.Signal() == syscall.SIGKILL:
		return lostKilled
	case ok && status.Signaled(), s.ExitCode() == 2:
		return lostCrash
	}
	return lostExit
}

// ping reports whether an idle process answers.
func (w *process) ping(timeout time.Duration) bool {
	w.ticket++
	if err := w.conn.send(kindPing, ticket{w.ticket}, timeout); err != nil {
		return false
	}
	limit := time.Now().Add(timeout)
	for {
		k, payload, err := w.conn.receive(maxFromWorker, limit)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(limit):
			continue
		case err != nil || k != kindPong:
			return false
		}
		if t, err := parse[ticket](payload); err != nil || t.ID >= w.ticket {
			return err == nil && t.ID == w.ticket
		}
	}
}

func (w *process) kill() { _ = w.proc.Kill() }

// over reports whether the process has ended.
func (w *process) over() bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}

// ends waits for the end of the process, and reports whether it has come in time.
func (w *process) ends(within time.Duration) bool {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-w.gone:
		return true
	case <-limit.C:
		return false
	}
}

// close closes the connection, at which a process ends. It kills a process that hasn't
// ended after the timeout.
func (w *process) close(timeout time.Duration) {
	_ = w.conn.Close()
	if !w.ends(timeout) {
		w.kill()
		<-w.gone
	}
	_ = w.input.Close()
	_ = w.output.Close()
}

// A tail receives the error output of a worker. It logs each line, up to linesASecond, and
// keeps the last lines for the report of a loss.
type tail struct {
	log *slog.Logger

	mu    sync.Mutex // guards all below
	part  []byte     // an incomplete line
	lines []string
	from  time.Time // start of the current second
	count int       // lines of the current second
}

const (
	tailLines     = 3
	linesASecond  = 20
	longestOutput = 1000 // bytes of a line; the rest is dropped
)

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(b)
	for {
		line, rest, whole := bytes.Cut(b, []byte("\n"))
		t.part = append(t.part, line[:min(len(line), longestOutput-min(len(t.part), longestOutput))]...)
		if !whole {
			return n, nil
		}
		t.add(strings.TrimSpace(plain(string(t.part))))
		t.part, b = t.part[:0], rest
	}
}

func (t *tail) add(line string) {
	if line == "" {
		return
	}
	t.lines = append(t.lines, line)
	t.lines = t.lines[max(len(t.lines)-tailLines, 0):]
	if now := time.Now(); now.Sub(t.from) > time.Second {
		t.from, t.count = now, 0
	}
	if t.count++; t.count <= linesASecond {
		t.log.Warn("a worker says", "line", line)
	}
}

// last returns the last lines as one string.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "; ")
}
