package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tintype/tintype/transform"
)

// Reasons for which a process is lost.
const (
	lostCrash        = "crash"        // a signal of its own making, or a fatal error of Go's runtime
	lostTimeout      = "timeout"      // it was killed for a job that did not end
	lostCanceled     = "canceled"     // it was killed for a job that nobody waits for, and that did not end
	lostKilled       = "killed"       // SIGKILL from outside, such as for want of memory on this machine
	lostUnresponsive = "unresponsive" // it didn't answer, and was killed
	lostProtocol     = "protocol"     // it said what makes no sense or closed the connection, and was killed
	lostExit         = "exit"         // it ended of its own accord
	lostStart        = "start"        // it didn't become ready
)

// A process is a worker as the pool sees it. One goroutine at a time has it.
type process struct {
	cmd    *exec.Cmd
	conn   *conn
	tasks  *taskWriter
	input  *os.File      // that originals are put into
	held   int           // its length in bytes
	output *os.File      // that variants come in
	gone   chan struct{} // closed once it has ended
	said   *tail
	state  ready
	ticket uint64
	jobs   int
	begun  atomic.Bool // the job that it has now
	idleAt time.Time   // since when nobody has it
}

// An outcome is how a job ended with one process.
type outcome struct {
	image transform.Image
	err   error
	begun bool            // the process had taken the job on
	lost  string          // why the process is lost; empty where it is well
	blame bool            // the job is at fault
	at    transform.Place // which of its images the process was at in the end
}

func (w *process) pid() int { return w.cmd.Process.Pid }

// startProcess starts a worker. launch runs what it is given on a thread that lives
// as long as workers may. The worker isn't ready yet.
func startProcess(command []string, launch func(func() error) error, log *slog.Logger) (*process, error) {
	path, err := program()
	if err != nil {
		return nil, err
	}
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
	w := &process{conn: conn, input: input, output: output, said: &tail{log: log}, gone: make(chan struct{})}
	w.cmd = &exec.Cmd{
		Path: path, Args: command, Env: environment(os.Environ()),
		ExtraFiles: []*os.File{theirs, reader, output}, // socketFD, inputFD, outputFD
		Stderr:     w.said,
		WaitDelay:  time.Second,
	}
	tie(w.cmd)
	if err := launch(w.cmd.Start); err != nil {
		return nil, errors.Join(fmt.Errorf("start worker: %w", err), conn.Close(), input.Close(), output.Close())
	}
	killFirst(w.pid())
	go func() {
		_ = w.cmd.Wait() // how it ended is in ProcessState
		close(w.gone)
	}()
	return w, nil
}

// environment is what of this process's variables a worker gets: what libraries are
// found and set up by, and no secrets.
func environment(all []string) []string {
	// More than one, and Go's scheduler would look for work beside the decoder.
	env := []string{"GOMAXPROCS=1", "GOTRACEBACK=none"}
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

// setUp waits until the worker is ready.
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
		if howItEnded(w.cmd.ProcessState) == lostKilled {
			ended = errStruck
		}
		return fmt.Errorf("%w (%s)%s", ended, w.cmd.ProcessState, w.lastWords())
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

// What setUp says of a process that doesn't live to be ready.
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

// Times that a job goes by.
type times struct {
	job     time.Duration // from its start to its deadline
	grace   time.Duration // to give up when told so
	beat    time.Duration // between questions whether the process lives
	silence time.Duration // after which it doesn't
}

// keptInput is how much of an original stays in the input file, in bytes: the next one
// then finds its pages there.
const keptInput = 2 << 20

// inputGap is the room between two originals in the input file, in bytes: a decoder
// that reads past the end of one finds zeros and not the next. It takes no memory.
const inputGap = 4096

// startOf is where original i of a job begins in the input file when the one before it
// ends at end: the first at 0, the others at a page of their own.
func startOf(i, end int) int {
	if i == 0 {
		return 0
	}
	return (end+inputGap-1)/inputGap*inputGap + inputGap
}

// put puts originals where the worker reads them. Nothing of a job before is left.
func (w *process) put(originals []transform.Original) error {
	if len(originals) > 1 && w.held > 0 { // the gaps hold something
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
			w.held = max(w.held, end) // how much of it is there isn't known
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

// run has the process do a job; marks are the files of its marks' images. The end of
// ctx has it give the job up.
func (w *process) run(ctx context.Context, t times, job *transform.Job, marks marks) outcome {
	w.jobs++
	w.ticket++
	id := w.ticket
	if o, ok := w.hand(id, t, job, marks); !ok {
		return o
	}
	defer context.AfterFunc(ctx, w.conn.nudge)()
	now := time.Now()
	r := run{process: w, id: id, times: t, heard: now, beat: now.Add(t.beat), deadline: now.Add(t.job)}
	o := r.await(ctx, job)
	o.at = r.at
	return o
}

// hand gives the process a job. Where that fails the outcome says why.
func (w *process) hand(id uint64, t times, job *transform.Job, marks marks) (failed outcome, ok bool) {
	w.begun.Store(false)
	message, err := w.tasks.payload(id, job)
	if err != nil || len(message) > maxToWorker {
		return outcome{err: fmt.Errorf("worker: this job can't be sent: %w", errors.Join(err, errFrame))}, false
	}
	// The deadline is kept by this process; that is for when it can't.
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

// A run is a job that a process has taken on.
type run struct {
	*process
	id       uint64
	times    times
	heard    time.Time // when the process last said something
	beat     time.Time // when it is asked whether it lives
	deadline time.Time
	late     bool      // the deadline is over
	grace    time.Time // when it must have given up; zero is that it may go on
	at       transform.Place
}

// await listens to the process until the job has ended, one way or another.
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

// next is the time at which something is to be done if the process says nothing.
func (r *run) next() time.Time {
	next := r.beat
	if !r.late && r.deadline.Before(next) {
		next = r.deadline
	}
	if !r.grace.IsZero() && r.grace.Before(next) {
		next = r.grace
	}
	return next
}

// hear takes in a message of the process. The job may have ended with it.
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
	r.heard = time.Now()
	return outcome{}, false
}

// keepTime does what is due: it tells the process to give the job up, asks whether it
// lives, or ends it.
func (r *run) keepTime(ctx context.Context) (o outcome, ended bool) {
	now := time.Now()
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
	case now.Sub(r.heard) > r.times.silence:
		return r.end(errUnresponsive, lostUnresponsive), true
	case !now.Before(r.beat):
		_ = r.conn.send(kindPing, ticket{r.id}, 0) // silence ends it
		r.beat = now.Add(r.times.beat)
	}
	return outcome{}, false
}

// giveUp tells the process to give the job up.
func (r *run) giveUp() {
	_ = r.conn.send(kindCancel, ticket{r.id}, 0) // grace ends it
	if r.grace.IsZero() {
		r.grace = time.Now().Add(r.times.grace)
	}
}

// end kills the process over the job.
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

// understand reads what the worker says during a job. A result is nil until it has
// ended; at is where in the job the worker is, if it says that.
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

// keptOutput is the length of the longest variant that stays in the output file, in
// bytes.
const keptOutput = 1 << 20

// finish takes over what a job brought.
func (w *process) finish(ctx context.Context, r *result, late bool) outcome {
	defer func() {
		if r.Size > keptOutput {
			_ = w.output.Truncate(0) // at worst it stays as long as it is
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
		Data: data, Format: r.Format, Width: r.Width, Height: r.Height, Frames: r.Frames,
	}}
}

// silent finds out why a process says nothing any more, and ends it where it hasn't.
func (w *process) silent(begun bool) outcome {
	ended := true
	limit := time.NewTimer(250 * time.Millisecond)
	defer limit.Stop()
	select {
	case <-w.gone:
	case <-limit.C:
		ended = false
		w.kill()
		<-w.gone
	}
	if !ended {
		return outcome{err: errLost, begun: begun, lost: lostProtocol}
	}
	reason := howItEnded(w.cmd.ProcessState)
	o := outcome{err: errLost, begun: begun, lost: reason}
	if reason == lostCrash && begun {
		o.err, o.blame = errVariantBroke, true
	}
	return o
}

// howItEnded is the reason for which a process is lost that nobody here has ended.
// Go's runtime ends it with code 2 on what is fatal: a fault in C code, a failed
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

// ping asks an idle process whether it lives.
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

func (w *process) kill() { _ = w.cmd.Process.Kill() }

// over reports whether the process has ended.
func (w *process) over() bool {
	select {
	case <-w.gone:
		return true
	default:
		return false
	}
}

// close lets go of the process. One that is well ends, since its connection does;
// one that doesn't within the time is killed.
func (w *process) close(timeout time.Duration) {
	_ = w.conn.Close()
	limit := time.NewTimer(timeout)
	defer limit.Stop()
	select {
	case <-w.gone:
	case <-limit.C:
		w.kill()
		<-w.gone
	}
	_ = w.input.Close()
	_ = w.output.Close()
}

// A tail is where a worker's error output goes: into the log line by line, so many a
// second, and its last lines are kept for when it dies.
type tail struct {
	log *slog.Logger

	mu    sync.Mutex // guards all below
	part  []byte     // of a line
	lines []string
	from  time.Time // start of the second that count is about
	count int       // lines that were logged in this second
}

const (
	tailLines     = 3
	linesASecond  = 20
	longestOutput = 1000 // bytes of a line
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

// last is the last lines, as one.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(t.lines, "; ")
}
