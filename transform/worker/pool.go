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

	"github.com/tintype/tintype/awake"
	"github.com/tintype/tintype/tracing"
	"github.com/tintype/tintype/transform"
)

// Config configures a pool. The comments name the defaults of zero fields.
type Config struct {
	// Command is the program's name and the arguments that make this program call [Serve].
	// Required.
	Command []string
	// Zygote means that the only argument is "worker", and that the program is a zygote with
	// "zygote" in its place: see zygote.c of package vips. Where it isn't one after all, the
	// pool does without.
	Zygote bool

	Workers int // jobs at the same time; 0 is one for every core that this process or its container may use
	// Queue is the number of jobs that may wait. One workspace takes at most as many places
	// as it leaves free for others. With 0 no job waits.
	Queue   int
	MaxWait time.Duration // longest wait in the queue; 0 is Timeout
	Timeout time.Duration // of a running job; 0 is 10 s

	Budget int64 // bound of the estimated bytes of all running jobs; 0 is half of the memory of the machine or container
	Memory int64 // bound of the private bytes of one process; 0 is 2 GiB, negative is no bound; at most three quarters of the machine's memory

	Sandbox Sandbox // empty is Auto

	// FontCache is the folder in which Fontconfig keeps its cache where the system has no good
	// one that it may write to. It is made when it is needed. Empty is none: then such a system
	// reads all fonts at each start of a worker, and warns.
	FontCache string

	RecycleJobs   int   // jobs after which a process is replaced; 0 is 10,000
	RecycleMemory int64 // private bytes of an idle process beyond which it is replaced; 0 is 192 MiB

	Log *slog.Logger // nil logs nothing

	// For tests. withDefaults has the defaults.
	grace, beat, silence, pingEvery, blockFor, startTimeout time.Duration
}

// maxOutput is the largest variant, in bytes: 64 megapixels of four bytes and a reserve.
const maxOutput = 320 << 20

// A Pool is a [transform.Engine] that runs jobs in worker processes. It is safe for
// concurrent use.
type Pool struct {
	config Config
	times  times
	queue  *queue
	blocks *blocklist
	marks  *markFiles
	young  *nursery
	log    *slog.Logger
	launch chan launch   // received by the thread that starts processes
	stop   chan struct{} // closed when the pool is closed
	begun  chan error    // of each process that Begin starts
	jobs   sync.WaitGroup
	tasks  sync.WaitGroup // all other goroutines

	mu       sync.Mutex // guards all below
	all      map[*process]struct{}
	idle     []*process // the most recently used process is last
	takers   []chan *process
	starting int
	spare    bool        // a spare process is due
	failures int         // failed starts in a row
	draining bool        // no new jobs
	closed   bool        // no new processes
	losses   []time.Time // of processes that are not yet replaced
	started  int64
	retired  int64
	retried  int64
	deaths   map[Death]int64
	replaced histogram

	own atomic.Int64 // largest memory of a new process before its first job, in bytes
}

var _ transform.Engine = (*Pool)(nil)

type launch struct {
	start func() error
	done  chan error
}

// Start is [Begin] and [Pool.Wait].
func Start(ctx context.Context, c Config) (*Pool, error) {
	p, err := Begin(c)
	if err == nil {
		err = p.Wait(ctx)
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// Begin begins to start the processes, and returns at once. Call Wait, and close the pool at the
// end. Jobs wait until there is a process.
func Begin(c Config) (*Pool, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	inherit()
	p := &Pool{
		config: c, log: c.Log,
		queue:  newQueue(c.Workers, c.Queue, c.Budget, c.MaxWait),
		blocks: newBlocklist(c.blockFor, 10_000),
		marks:  newMarkFiles(min(64<<20, c.Budget/8)),
		launch: make(chan launch), stop: make(chan struct{}),
		all: map[*process]struct{}{}, deaths: map[Death]int64{},
		replaced: newHistogram(.001, .01, .1, .25, .5, 1, 5),
		begun:    make(chan error, c.Workers),
	}
	p.times = times{job: c.Timeout, grace: c.grace, beat: c.beat, silence: c.silence, clock: &p.queue.clock}
	p.young = &nursery{command: c.Command, fontCache: c.FontCache, launch: p.onThread, log: c.Log, off: !c.Zygote}
	go p.launchAll()
	p.tasks.Go(p.watch)
	p.tasks.Go(p.beat)
	for range c.Workers {
		p.mu.Lock()
		p.starting++
		p.mu.Unlock()
		p.tasks.Go(func() { p.begun <- p.begin() })
	}
	return p, nil
}

// Wait waits until Workers processes are ready. A spare process, which replaces the first lost
// one, may still be starting, or starts when the first job needs it or a process is lost. Wait
// gives up at the end of ctx. After an error the pool is closed. Call it once.
func (p *Pool) Wait(ctx context.Context) (err error) {
	for range p.config.Workers {
		select {
		case err = <-p.begun:
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			_ = p.Close(context.Background()) // nothing runs yet
			return err
		}
	}
	p.announce()
	forks := p.young.works()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spare = p.spare || !forks // to fork one takes little time, so that can wait until it is needed
	p.fillLocked()
	return nil
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
	or(&c.Workers, Cores())
	or(&c.Timeout, 10*time.Second)
	or(&c.MaxWait, c.Timeout)
	or(&c.Budget, 2<<30) // where MachineMemory is unknown
	or(&c.Memory, 2<<30)
	if most := MachineMemory() / 4 * 3; most > 0 && c.Memory > most {
		c.Memory = most // with more, the kernel could kill the worker
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

// or sets *v to a default where it is zero.
func or[T int | int64 | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// MissingLayers returns the layers of the sandbox that this system lacks, with the reason.
func (p *Pool) MissingLayers() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.all {
		return slices.Clone(w.state.Missing) // all processes have the same layers
	}
	return nil
}

// announce logs the active layers of the sandbox. All processes have the same layers.
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

// Admits returns the error with which a job of this owner would be refused now. Call it
// before the original is fetched.
func (p *Pool) Admits(ctx context.Context, o transform.Owner) error {
	return p.queue.check(ctx, &claim{workspace: o.Workspace, client: o.Client, background: o.Background})
}

// Transform implements [transform.Engine]. Besides the errors of the engine in the worker
// it returns:
//
//   - [transform.ErrOverloaded] for a job that could not be tried,
//   - [transform.ErrTimeout] for a job that was stopped at its deadline,
//   - [transform.ErrFailed] for a job over which one or two workers crashed, and
//     [transform.ErrMark] with it where the worker was at the image of a mark,
//   - [transform.ErrTooLarge] where an original needs more memory than a worker has, and
//     [transform.ErrOutputTooLarge] where the output does.
//
// After a timeout or a crash the pool refuses the same variant for a minute. It refuses all
// variants of the image where the probe, the simplest variant of it, fails too.
func (p *Pool) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	if err := p.fits(&job); err != nil {
		return transform.Image{}, err
	}
	for {
		if err := p.clear(ctx, &job); err != nil {
			return transform.Image{}, err
		}
		_, wait := tracing.Start(ctx, "queue")
		leave, err := p.queue.enter(ctx, claimOf(&job))
		wait.End()
		if err != nil {
			return transform.Image{}, err
		}
		// While this job waited, another job may have crashed a worker.
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
		kind:      jobKind(job),
		workspace: job.Owner.Workspace, client: job.Owner.Client, background: job.Owner.Background,
		expected: expectedTime(job), slow: maySurprise(job), bytes: Estimate(job), held: int64(held),
	}
}

// do runs an admitted job in a process.
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

// fits refuses a job that needs more memory than a worker has. With trim the size of the
// output is known only after decoding, so fits lowers OutputPixels to the size that fits.
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
	way := "a smaller w, h or dpr, or for another format"
	if job.Options.FindsQuality(job.Format, framesOf(job)) {
		way = "a smaller w, h or dpr, for another format, or for a q that is a number"
	}
	return fmt.Errorf("%w: making it takes about %s of memory, and a worker of this server has %s for one image (--worker-memory); ask for %s",
		transform.ErrOutputTooLarge, megabytes(takes), megabytes(has), way)
}

func megabytes(n int64) string { return fmt.Sprintf("%d MB", max(n, 0)/1e6) }

// room returns the memory of a worker for one job, in bytes: its bound less the memory of
// an idle worker.
func (p *Pool) room() int64 {
	if p.config.Memory < 0 {
		return math.MaxInt64
	}
	return p.config.Memory - p.own.Load()
}

// clear returns the error of a blocked job. Before that, it probes those images of the job
// that are suspects, or waits until they are probed.
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

// probe probes a suspect, or waits for the end of a running probe. It returns an error
// where the probe couldn't run.
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
			// The probe outlives this request, since other requests wait for its result.
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

// doInTurn waits in the queue, and then runs a job in a process.
func (p *Pool) doInTurn(ctx context.Context, job *transform.Job) outcome {
	leave, err := p.queue.enter(ctx, claimOf(job))
	if err != nil {
		return outcome{err: err}
	}
	defer leave()
	return p.do(ctx, job)
}

// learned returns the error for all variants of a suspect after its probe, or nil where the
// suspect is not at fault.
func (p *Pool) learned(s subject, job *transform.Job, o outcome) error {
	late := errors.Is(o.err, transform.ErrTimeout)
	switch {
	case !o.blame: // the probe may have failed, but not because of this image
		return nil
	case s.combination != "":
		one := o.at.Original > 0
		if one {
			_ = p.block(job, o) // this original is a suspect now, and gets its own probe
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

// block remembers the failure of a job, and returns the error for its client.
func (p *Pool) block(job *transform.Job, o outcome) error {
	crashed := o.lost == lostCrash || o.lost == lostProtocol || o.lost == lostExit
	err, at := o.err, o.at
	if e, ok := errors.AsType[*transform.OriginalError](err); ok { // its index is of this job only
		err, at = e.Err, transform.Place{Original: e.Index + 1}
	}
	of, i := subjects(job), subjectAt(job, at)
	switch {
	case i == 0:
		p.blocks.failed(of[0], err, crashed)
	case errors.Is(err, transform.ErrTimeout):
		// The images before this one may have taken most of the time. So this blocks the
		// variant, and makes both the job's first subject and this image suspects.
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

// enter counts a job, unless the pool is closed or closing.
func (p *Pool) enter() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.draining {
		return false
	}
	p.jobs.Add(1)
	return true
}

// maxHandings is the number of processes that one job is offered to. maxLosses is the
// number of processes that may be lost while they run it.
const (
	maxHandings = 5
	maxLosses   = 2
)

// try gives the job to one process after another, until it ends or is to blame.
func (p *Pool) try(ctx context.Context, job *transform.Job, marks marks) outcome {
	losses, takes := 0, Estimate(job)
	for handed := 0; handed < maxHandings; handed++ {
		w, err := p.take(ctx)
		if err != nil {
			return outcome{err: err}
		}
		if p.worn(w, takes) {
			p.retire(w)
			handed-- // the next one may be worn too, but a new one isn't
			continue
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

// worn reports whether a process keeps so much memory of earlier jobs that a job doesn't fit
// beside it. It fits into a new process, as fits has seen to.
func (p *Pool) worn(w *process, takes int64) bool {
	return p.config.Memory > 0 && w.jobs > 0 && boundedMemory(w.pid())+takes > p.config.Memory
}

// retire ends a process that was taken, and starts another.
func (p *Pool) retire(w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retireLocked(w)
}

func (p *Pool) retireLocked(w *process) {
	p.retired++
	p.endLocked(w)
}

func (p *Pool) endLocked(w *process) {
	delete(p.all, w)
	p.tasks.Go(func() { w.close(5 * time.Second) })
	p.fillLocked()
}

// take returns an idle process, or waits for one.
func (p *Pool) take(ctx context.Context) (*process, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		w := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if !w.over() {
			p.mu.Unlock()
			return w, nil
		}
		p.loseLocked(w, Death{Reason: howItEnded(w.ended)}, nil)
	}
	if p.closed {
		p.mu.Unlock()
		return nil, errClosed
	}
	taker := make(chan *process, 1)
	p.takers = append(p.takers, taker)
	p.spare = true
	p.fillLocked()
	p.mu.Unlock()

	limit := awake.NewTimer(p.config.MaxWait)
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
	case w := <-taker: // offered at the same moment
		p.giveBack(w)
	default:
	}
	return nil, err
}

// giveBack makes a process idle, or replaces it after RecycleJobs jobs or beyond
// RecycleMemory.
func (p *Pool) giveBack(w *process) {
	const every = 8 // jobs between two checks of the memory, which take time
	retire := w.jobs >= p.config.RecycleJobs
	if !retire && w.jobs%every == 0 && w.jobs > 0 {
		retire = privateMemory(w.pid()) > p.config.RecycleMemory
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case retire:
		p.retireLocked(w)
	case p.closed:
		p.endLocked(w)
	default:
		p.offer(w)
	}
}

// offer gives a process to the first taker, or makes it idle. The caller holds mu.
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

// lose counts a lost process and starts another. over is the header of the original that
// the process worked on, or nil.
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
	p.spare = true
	if d.Reason == lostCrash {
		p.young.renew()
	}
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

// fill starts processes until there are Workers, and a spare one where it is due.
func (p *Pool) fill() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fillLocked()
}

func (p *Pool) fillLocked() {
	most := p.config.Workers
	if p.spare {
		most++
	}
	for !p.closed && len(p.all)+p.starting < most {
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

// retryStart waits before the next start. The pause grows with each failure.
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

// startPause returns the pause after the given number of failed starts in a row. It stays
// short where a process was killed from outside, since that process would have started.
// Otherwise a few kills in a row would leave the pool without a process for seconds.
func startPause(failures int, err error) time.Duration {
	longest := 5 * time.Second
	if errors.Is(err, errStruck) {
		longest = 250 * time.Millisecond
	}
	return min(100*time.Millisecond<<min(failures, 6), longest)
}

// begin starts a process and offers it to jobs.
func (p *Pool) begin() error {
	w, err := startProcess(p.young, p.config.startTimeout)
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

// dropIdle counts a process that ended while it was idle as lost. Where a job has the
// process, the job notices its end.
func (p *Pool) dropIdle(w *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.idle, w); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		p.loseLocked(w, Death{Reason: howItEnded(w.ended)}, nil)
	}
}

// launchAll starts all processes on one thread. The kernel kills a worker when the thread
// that started it ends, and Go ends threads that it doesn't need.
func (p *Pool) launchAll() {
	runtime.LockOSThread() // never unlocked, so that the thread ends with this function
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

// watch pings processes that have been idle for a while.
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
			// On a busy machine, a process that waits for a processor gets more time.
			if !w.ping(2*time.Second) && !(runnable(w.pid()) && w.ping(5*time.Second)) {
				reason := w.silent(false).lost
				if reason == lostProtocol { // it didn't end by itself
					reason = lostUnresponsive
				}
				p.lose(w, Death{Reason: reason}, nil)
				continue
			}
			p.giveBack(w)
		}
	}
}

// beat tells the clock that this process runs.
func (p *Pool) beat() {
	t := time.NewTicker(awake.BeatEvery)
	defer t.Stop()
	for {
		p.queue.clock.Beat()
		select {
		case <-p.stop:
			return
		case <-t.C:
		}
	}
}

// unused takes a process that has been idle for pingEvery, or returns nil.
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

// Close refuses new and waiting jobs, waits for running ones, and stops the processes. At
// the end of ctx it kills them and returns the error of ctx.
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
	p.jobs.Wait() // where processes were killed, their jobs still end
	p.tasks.Wait()
	p.young.close()
	close(p.launch)
	p.marks.close()
	return err
}

// wait waits for the group. At the end of ctx it returns the error of ctx.
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
