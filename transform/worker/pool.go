package worker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/transform"
)

// Config is how a pool runs. Fields that are zero have the value that their comment
// names.
type Config struct {
	// Command is the arguments that make this program call [Serve], the program's name
	// first. Required.
	Command []string

	Workers int // jobs at a time; 0 is one for every core that this process or its container may use
	// Queue is how many jobs may wait; of one workspace, as many as places are left for
	// others. 0 is none.
	Queue   int
	MaxWait time.Duration // in the queue; 0 is Timeout
	Timeout time.Duration // of a job once it has begun; 0 is 10 s

	Budget int64 // bytes of estimated memory of the jobs at a time; 0 is half of the machine's, or of the container's
	Memory int64 // bytes of private memory of one process, past which it fails; 0 is 2 GiB, negative is no bound; at most three quarters of the machine's

	Sandbox Sandbox // empty is Auto

	RecycleJobs   int   // jobs after which a process is replaced; 0 is 10,000
	RecycleMemory int64 // bytes that an idle process may hold for itself; 0 is 192 MiB

	Log *slog.Logger // nil is silence

	// For tests; 0 is what withDefaults says.
	grace, beat, silence, pingEvery, blockFor, startTimeout time.Duration
}

// maxOutput bounds a variant, in bytes: 64 megapixels of four bytes each, and some.
const maxOutput = 320 << 20

// A Pool is a [transform.Engine] whose jobs are done by processes. It is safe for
// concurrent use.
type Pool struct {
	config Config
	times  times
	queue  *queue
	blocks *blocklist
	marks  *markFiles
	log    *slog.Logger
	launch chan launch   // to the thread that starts processes
	stop   chan struct{} // closed when the pool is
	jobs   sync.WaitGroup
	tasks  sync.WaitGroup // all other goroutines

	mu       sync.Mutex // guards all below
	all      map[*process]struct{}
	idle     []*process // the one that was used last, last
	takers   []chan *process
	starting int
	failures int         // starts that failed in a row
	draining bool        // no more jobs
	closed   bool        // no more processes
	losses   []time.Time // that no process has taken the place of yet
	started  int64
	retired  int64
	retried  int64
	deaths   map[Death]int64
	replaced histogram

	own atomic.Int64 // bytes that a process takes of its bound before its first job, at most
}

var _ transform.Engine = (*Pool)(nil)

type launch struct {
	start func() error
	done  chan error
}

// Start starts the processes and returns when there is one for every job at a time.
// One more, which takes the place of the first that is lost, may still be starting.
// The end of ctx ends the wait. The pool must be closed.
func Start(ctx context.Context, c Config) (*Pool, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	inherit()
	p := &Pool{
		config: c, log: c.Log,
		times:  times{job: c.Timeout, grace: c.grace, beat: c.beat, silence: c.silence},
		queue:  newQueue(c.Workers, c.Queue, c.Budget, c.MaxWait),
		blocks: newBlocklist(c.blockFor, 10_000),
		marks:  newMarkFiles(min(64<<20, c.Budget/8)),
		launch: make(chan launch), stop: make(chan struct{}),
		all: map[*process]struct{}{}, deaths: map[Death]int64{},
		replaced: newHistogram(.001, .01, .1, .25, .5, 1, 5),
	}
	go p.launchAll()
	p.tasks.Go(p.watch)

	results := make(chan error, c.Workers)
	for range c.Workers {
		p.mu.Lock()
		p.starting++
		p.mu.Unlock()
		p.tasks.Go(func() { results <- p.begin() })
	}
	for range c.Workers {
		select {
		case err = <-results:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			_ = p.Close(context.Background()) // nothing runs yet
			return nil, err
		}
	}
	p.announce()
	p.fill()
	return p, nil
}

func (c Config) withDefaults() (Config, error) {
	if len(c.Command) == 0 {
		return c, errors.New("worker: no command")
	}
	switch c.Sandbox {
	case "":
		c.Sandbox = Auto
	case Auto, Require, Off:
	default:
		return c, fmt.Errorf("worker: %q is no sandbox; it is %s, %s or %s", c.Sandbox, Auto, Require, Off)
	}
	if c.Budget == 0 {
		c.Budget = MachineMemory() / 2
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	or(&c.Workers, runtime.GOMAXPROCS(0)) // which knows of a container's share
	or(&c.Timeout, 10*time.Second)
	or(&c.MaxWait, c.Timeout)
	or(&c.Budget, 2<<30) // where the machine doesn't say
	or(&c.Memory, 2<<30)
	if most := MachineMemory() / 4 * 3; most > 0 && c.Memory > most {
		c.Memory = most // rather than that the kernel kills it
	}
	or(&c.RecycleJobs, 10_000)
	or(&c.RecycleMemory, 192<<20)
	or(&c.grace, 250*time.Millisecond)
	or(&c.beat, 500*time.Millisecond)
	or(&c.silence, 2*time.Second)
	or(&c.pingEvery, 10*time.Second)
	or(&c.blockFor, time.Minute)
	or(&c.startTimeout, 30*time.Second)
	return c, nil
}

// or sets a value that is zero.
func or[T int | int64 | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// announce says which layers of the sandbox are active: those of one process are
// those of all.
func (p *Pool) announce() {
	p.mu.Lock()
	var state ready
	for w := range p.all {
		state = w.state
	}
	p.mu.Unlock()
	level := slog.LevelInfo
	if len(state.Missing) > 0 || p.config.Sandbox == Off {
		level = slog.LevelWarn
	}
	missing := strings.Join(state.Missing, ", ")
	if missing == "" {
		missing = "none"
	}
	p.log.Log(context.Background(), level, "workers are ready", "workers", p.config.Workers, "sandbox", string(p.config.Sandbox),
		"layers", strings.Join(state.Layers, ", "), "missing", missing, "budget_bytes", p.config.Budget, "queue", p.config.Queue)
}

// Admits says whether a job of this owner would be refused if it came now, before its
// original is fetched.
func (p *Pool) Admits(ctx context.Context, o transform.Owner) error {
	return p.queue.check(ctx, &claim{workspace: o.Workspace, background: o.Background})
}

// Transform implements [transform.Engine]. Besides the errors of the engine in the
// worker it returns [transform.ErrOverloaded] for a job that is not tried,
// [transform.ErrTimeout] for one that was stopped at its deadline, and
// [transform.ErrFailed] for one that brought its worker down, or two of them, with
// [transform.ErrMark] where it was at the image of a mark. The last two are remembered
// for a minute: the same variant is refused, or the whole image where its plainest
// variant fails too. A job that would take more memory than a worker has is not tried:
// [transform.ErrTooLarge] where the original does, else [transform.ErrOutputTooLarge].
func (p *Pool) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	if err := p.fits(&job); err != nil {
		return transform.Image{}, err
	}
	for {
		if err := p.clear(ctx, &job); err != nil {
			return transform.Image{}, err
		}
		leave, err := p.queue.enter(ctx, claimOf(&job))
		if err != nil {
			return transform.Image{}, err
		}
		// While this job waited, another may have brought a worker down.
		toProbe, err := p.blocks.check(&job)
		if err == nil && len(toProbe) > 0 {
			leave()
			continue
		}
		defer leave()
		if err != nil {
			return transform.Image{}, err
		}
		o := p.do(ctx, &job)
		if o.blame {
			o.err = p.block(&job, o)
		}
		return o.image, o.err
	}
}

func claimOf(job *transform.Job) *claim {
	held := 0
	for i := range job.Originals {
		held += len(job.Originals[i].Body)
	}
	return &claim{
		workspace: job.Owner.Workspace, background: job.Owner.Background,
		slow: expectedTime(job) >= slowAfter, bytes: Estimate(job), held: int64(held),
	}
}

// do has a process do a job that the queue has let in.
func (p *Pool) do(ctx context.Context, job *transform.Job) outcome {
	if !p.enter() {
		return outcome{err: errClosed}
	}
	defer p.jobs.Done()
	marks, err := p.marks.of(job)
	if err != nil {
		return outcome{err: fmt.Errorf("worker: %w", err)}
	}
	defer marks.release()
	return p.try(ctx, job, marks)
}

// fits refuses a job that would take more memory than a worker has. How large an output
// is whose border is trimmed shows only then: its limit is what fits.
func (p *Pool) fits(job *transform.Job) error {
	has, needs := p.room(), needOf(job)
	takes := Estimate(job)
	if takes <= has {
		if most := max(int(min(float64(has-needs.fixed)/max(needs.each, 1), math.MaxInt32)), 1); job.Options.Trim >= 0 && (job.Limits.OutputPixels <= 0 || most < job.Limits.OutputPixels) {
			job.Limits.OutputPixels = most
		}
		return nil
	}
	for i := range job.Marks {
		drawn := markJob(job, i)
		least := probe(&drawn)
		if takes := Estimate(&least); takes > has {
			return fmt.Errorf("%w: %w: decoding its image takes about %s of memory, and a worker of this server has %s for one image (--worker-memory); use a smaller image for it",
				transform.ErrMark, transform.ErrTooLarge, megabytes(takes), megabytes(has))
		}
	}
	for i := range job.Originals {
		at := transform.Place{Original: i + 1}
		alone := partOf(job, at)
		least := probe(&alone)
		if takes := Estimate(&least); takes > has {
			return about(job, at, fmt.Errorf("%w: decoding it takes about %s of memory, and a worker of this server has %s for one image (--worker-memory); use a smaller original",
				transform.ErrTooLarge, megabytes(takes), megabytes(has)))
		}
	}
	least := probe(job)
	if takes := Estimate(&least); takes > has {
		return fmt.Errorf("%w: decoding %d originals takes about %s of memory, and a worker of this server has %s for one job (--worker-memory); use fewer or smaller originals",
			transform.ErrTooLarge, len(job.Originals), megabytes(takes), megabytes(has))
	}
	return fmt.Errorf("%w: making it takes about %s of memory, and a worker of this server has %s for one image (--worker-memory); ask for a smaller w, h or dpr, or for another format",
		transform.ErrOutputTooLarge, megabytes(takes), megabytes(has))
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", max(n, 0)/1e6) }

// room is the memory that a worker has for a job, in bytes: what it may have without
// what it takes itself.
func (p *Pool) room() int64 {
	if p.config.Memory < 0 {
		return math.MaxInt64
	}
	return p.config.Memory - p.own.Load()
}

// clear returns the error of a job that is blocked. It first has the job's images
// probed that are suspects, or waits until they are.
func (p *Pool) clear(ctx context.Context, job *transform.Job) error {
	for {
		toProbe, err := p.blocks.check(job)
		if err != nil || len(toProbe) == 0 {
			return err
		}
		i := toProbe[0]
		part := partOf(job, placeOf(job, i))
		least := probe(&part)
		if err := p.probe(ctx, subjects(job)[i].subject, &least); err != nil {
			return err
		}
	}
}

// probe probes a suspect, or waits until the probe that runs has ended. An error says
// that there was none.
func (p *Pool) probe(ctx context.Context, s subject, job *transform.Job) error {
	done, end := p.blocks.beginProbe(s)
	failed := make(chan error, 1)
	if end != nil {
		if !p.enter() {
			end(false, nil)
			return errClosed
		}
		release := func() {}
		if job.Retain != nil {
			release = job.Retain()
		}
		go func() {
			defer p.jobs.Done()
			defer release()
			// It doesn't end with this request: others wait for its result too.
			o := p.doInTurn(context.WithoutCancel(ctx), job)
			if !o.begun {
				failed <- o.err
				end(false, nil)
				return
			}
			end(true, p.learned(s, job, o))
		}()
	}
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// doInTurn has a process do a job once the queue has let it in.
func (p *Pool) doInTurn(ctx context.Context, job *transform.Job) outcome {
	leave, err := p.queue.enter(ctx, claimOf(job))
	if err != nil {
		return outcome{err: err}
	}
	defer leave()
	return p.do(ctx, job)
}

// learned is what a probe has shown: the error that all variants of the suspect are to
// get from now on, or nil where the suspect is not at fault.
func (p *Pool) learned(s subject, job *transform.Job, o outcome) error {
	late := errors.Is(o.err, transform.ErrTimeout)
	switch {
	case !o.blame: // whatever the error: no worker was lost over it
		return nil
	case s.combination != "":
		one := o.at.Original > 0
		if one {
			_ = p.block(job, o) // this one is a suspect now, and has a probe of its own
		}
		switch {
		case late:
			return errTogetherLate
		case one:
			return nil
		}
		return errTogetherBroke
	case s.original != "" && late:
		return errOriginalLate
	case s.original != "":
		return errBrokeDown
	}
	p.log.Warn("a mark's image breaks workers", "workspace", s.workspace, "sha256", fmt.Sprintf("%x", s.image))
	return errMarkBroke
}

// block remembers what a job failed of, and returns the error that it is answered
// with.
func (p *Pool) block(job *transform.Job, o outcome) error {
	crashed := o.lost == lostCrash || o.lost == lostProtocol || o.lost == lostExit
	err, at := o.err, o.at
	if e, ok := errors.AsType[*transform.OriginalError](err); ok { // in another job it has another index
		err, at = e.Err, transform.Place{Original: e.Index + 1}
	}
	of, i := subjects(job), subjectAt(job, at)
	switch {
	case i == 0:
		p.blocks.failed(of[0], err, crashed)
	case errors.Is(err, transform.ErrTimeout):
		// What came before this image may have taken most of the time: the variant is
		// blocked, and either may be why.
		p.blocks.failed(of[0], err, false)
		p.blocks.suspectToo(of[i].subject)
		return err
	case at.Mark > 0:
		err = errMarkBroke
		p.blocks.failed(of[i], err, crashed)
	default:
		p.blocks.failed(of[i], err, crashed)
	}
	return about(job, at, err)
}

// enter counts a job in, unless the pool is closed or about to be.
func (p *Pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return false
	}
	p.jobs.Add(1)
	return true
}

// A job that no process has taken on goes to another, so many times. One that was
// lost with its process goes to one other.
const (
	maxHandings = 5
	maxLosses   = 2
)

// try gives the job to one process after another, until it is done or at fault.
func (p *Pool) try(ctx context.Context, job *transform.Job, marks marks) outcome {
	losses := 0
	for range maxHandings {
		w, err := p.take(ctx)
		if err != nil {
			return outcome{err: err}
		}
		o := w.run(ctx, p.times, job, marks)
		if o.begun && o.lost != "" {
			losses++
		}
		switch {
		case o.lost == "":
			p.giveBack(w)
		default:
			h := job.Header()
			if o.at.Original > 0 {
				h = job.Originals[o.at.Original-1].Header
			}
			p.lose(w, Death{o.lost, job.Owner.Workspace, job.Owner.Source, string(h.Format)}, &h)
		}
		if o.lost != "" && !o.blame && ctx.Err() == nil && losses < maxLosses {
			p.mu.Lock()
			p.retried++
			p.mu.Unlock()
			continue
		}
		if losses >= maxLosses && !o.blame && ctx.Err() == nil {
			o.err, o.blame = errVariantBroke, true
		}
		return o
	}
	return outcome{err: fmt.Errorf("%w: no worker takes the job; try again in a moment", transform.ErrOverloaded)}
}

// take gets an idle process, or waits for one.
func (p *Pool) take(ctx context.Context) (*process, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if !w.over() {
			p.mu.Unlock()
			return w, nil
		}
		p.loseLocked(w, Death{Reason: howItEnded(w.cmd.ProcessState)}, nil)
	}
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	taker := make(chan *process, 1)
	p.takers = append(p.takers, taker)
	p.mu.Unlock()

	limit := time.NewTimer(p.config.MaxWait)
	defer limit.Stop()
	var err error
	select {
	case w := <-taker:
		return w, nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = fmt.Errorf("%w: no worker is ready; try again in a moment", transform.ErrOverloaded)
	}
	p.mu.Lock()
	p.takers = slices.DeleteFunc(p.takers, func(t chan *process) bool { return t == taker })
	p.mu.Unlock()
	select {
	case w := <-taker: // at the same moment
		p.giveBack(w)
	default:
	}
	return nil, err
}

// giveBack makes a process free, or replaces it when it has had its time.
func (p *Pool) giveBack(w *process) {
	const every = 8 // jobs: asking takes some time
	retire := w.jobs >= p.config.RecycleJobs
	if !retire && w.jobs%every == 0 && w.jobs > 0 {
		retire = privateMemory(w.pid()) > p.config.RecycleMemory
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || retire {
		if retire {
			p.retired++
		}
		delete(p.all, w)
		p.tasks.Go(func() { w.close(5 * time.Second) })
		p.fillLocked()
		return
	}
	p.offer(w)
}

// offer hands a process to who waits for one, or keeps it. The caller holds mu.
func (p *Pool) offer(w *process) {
	w.idleAt = time.Now()
	if len(p.takers) > 0 {
		taker := p.takers[0]
		p.takers = p.takers[1:]
		taker <- w
		return
	}
	p.idle = append(p.idle, w)
}

// lose counts a process as lost, and sees to it that another takes its place. over is
// the header of the original that it was lost over, or nil.
func (p *Pool) lose(w *process, d Death, over *transform.Header) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.loseLocked(w, d, over)
}

func (p *Pool) loseLocked(w *process, d Death, over *transform.Header) {
	delete(p.all, w)
	w.kill()
	p.tasks.Go(func() { w.close(0) })
	p.countDeath(d)
	attrs := []any{"reason", d.Reason, "pid", w.pid(), "jobs", w.jobs}
	if over != nil {
		attrs = append(attrs, "workspace", d.Workspace, "source", d.Source, "format", d.Format,
			"width", over.Width, "height", over.Height, "frames", over.Frames)
	}
	if last := w.said.last(); last != "" {
		attrs = append(attrs, "said", last)
	}
	p.log.Warn("a worker is lost", attrs...)
	if len(p.all) >= p.config.Workers {
		p.replaced.add(0)
	} else {
		p.losses = append(p.losses, time.Now())
	}
	p.fillLocked()
}

// fill starts as many processes as are wanted: one for every job at a time, and one
// to spare.
func (p *Pool) fill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fillLocked()
}

func (p *Pool) fillLocked() {
	for !p.closed && len(p.all)+p.starting < p.config.Workers+1 {
		p.starting++
		p.tasks.Go(func() {
			err := p.begin()
			if err == nil {
				return
			}
			p.log.Error("a worker did not start", "error", err.Error())
			p.retryStart(err)
		})
	}
}

// retryStart waits a while, longer from failure to failure, before the next start.
func (p *Pool) retryStart(err error) {
	p.mu.Lock()
	p.failures++
	wait := startPause(p.failures, err)
	p.countDeath(Death{Reason: lostStart})
	p.mu.Unlock()
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		p.fill()
	case <-p.stop:
	}
}

// startPause is the time between a failed start, the last of so many in a row, and the
// next. What was killed from outside would have started: after that it stays short,
// lest a few blows in a row leave no process for seconds.
func startPause(failures int, err error) time.Duration {
	longest := 5 * time.Second
	if errors.Is(err, errStruck) {
		longest = 250 * time.Millisecond
	}
	return min(100*time.Millisecond<<min(failures, 6), longest)
}

// begin starts one process and puts it to use.
func (p *Pool) begin() error {
	w, err := startProcess(p.config.Command, p.onThread, p.log)
	if err == nil {
		err = w.setUp(setup{
			Sandbox: p.config.Sandbox, Memory: p.config.Memory, Output: maxOutput, OpenFiles: 256, Parent: os.Getpid(),
		}, p.config.startTimeout)
		if err == nil && p.config.Sandbox == Require && len(w.state.Missing) > 0 {
			err = fmt.Errorf("--sandbox=require: this system lacks %s", strings.Join(w.state.Missing, ", "))
		}
		if err != nil {
			w.kill()
			w.close(0)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	if err != nil {
		return err
	}
	if p.closed {
		p.tasks.Go(func() { w.close(time.Second) })
		return nil
	}
	p.failures = 0
	p.started++
	p.own.Store(max(p.own.Load(), boundedMemory(w.pid())))
	p.all[w] = struct{}{}
	p.tasks.Go(func() {
		<-w.gone
		p.dropIdle(w)
	})
	if len(p.losses) > 0 {
		p.replaced.add(since(p.losses[0]))
		p.losses = p.losses[1:]
	}
	p.offer(w)
	return nil
}

// dropIdle counts a process that has ended as lost where nobody has it; whoever has it
// notices.
func (p *Pool) dropIdle(w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, w); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		p.loseLocked(w, Death{Reason: howItEnded(w.cmd.ProcessState)}, nil)
	}
}

// launchAll starts processes from one thread, since they are to die with the thread
// that started them: Go ends threads that it has no use for.
func (p *Pool) launchAll() {
	runtime.LockOSThread() // and never unlock: the thread ends with this function
	for l := range p.launch {
		l.done <- l.start()
	}
}

func (p *Pool) onThread(start func() error) error {
	l := launch{start, make(chan error, 1)}
	select {
	case p.launch <- l:
		return <-l.done
	case <-p.stop:
		return errClosed
	}
}

// watch asks processes that have been idle for a while whether they live.
func (p *Pool) watch() {
	t := time.NewTicker(p.config.pingEvery)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
		}
		for w := p.unused(); w != nil; w = p.unused() {
			if !w.ping(2 * time.Second) {
				reason := w.silent(false).lost
				if reason == lostProtocol { // it had to be ended
					reason = lostUnresponsive
				}
				p.lose(w, Death{Reason: reason}, nil)
				continue
			}
			p.giveBack(w)
		}
	}
}

// unused takes out a process that has been idle for long; nil is none.
func (p *Pool) unused() *process {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.idle {
		if time.Since(w.idleAt) >= p.config.pingEvery {
			p.idle = slices.Delete(p.idle, i, i+1)
			return w
		}
	}
	return nil
}

// Close takes no more jobs, turns away those that wait, lets those that run end, and
// stops the processes. When ctx ends first, they are killed, and the error is ctx's.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.draining {
		p.mu.Unlock()
		return nil
	}
	p.draining = true
	p.mu.Unlock()
	p.queue.close()
	err := wait(ctx, &p.jobs)

	p.mu.Lock()
	p.closed = true
	for w := range p.all {
		if err != nil {
			w.kill()
		}
	}
	for _, w := range p.idle {
		delete(p.all, w)
		p.tasks.Go(func() { w.close(5 * time.Second) })
	}
	p.idle = nil
	p.mu.Unlock()
	close(p.stop)
	p.jobs.Wait() // whose processes were killed
	p.tasks.Wait()
	close(p.launch)
	p.marks.close()
	return err
}

// wait waits for the group, or for the end of ctx, whose error it returns then.
func wait(ctx context.Context, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
