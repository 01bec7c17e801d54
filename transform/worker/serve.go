package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/tintype/tintype/transform"
)

// Files that a worker is born with, besides the standard ones.
const (
	socketFD = 3
	inputFD  = 4
	outputFD = 5
)

// sendTimeout is how long either side may leave a message unread.
const sendTimeout = 5 * time.Second

// Serve is what a worker process does: it makes the engine, locks the process in,
// and carries out the jobs of the pool that started it until that goes away or
// says so by closing the connection, which is no error.
//
// start must load all that the engine will ever need: afterwards there is no
// network, no new process, and no file but fonts and colour profiles.
func Serve(start func() (transform.Engine, error)) error {
	// A signal meant for the whole group or service is the pool's to act on.
	signal.Ignore(os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	conn, err := newConn(os.NewFile(socketFD, "socket"), true)
	if err != nil {
		return fmt.Errorf("this command is for tintype itself: %w", err)
	}
	defer conn.Close()
	input, output := os.NewFile(inputFD, "original"), os.NewFile(outputFD, "variant")
	if input == nil || output == nil {
		return errors.New("this command is for tintype itself")
	}
	k, payload, err := conn.receive(maxToWorker, time.Time{})
	if err != nil {
		return err
	}
	s, err := parse[setup](payload)
	if k != kindSetup || err != nil {
		return fmt.Errorf("%w: no setup", errFrame)
	}
	tasks, err := newTaskReader(s.Tasks)
	if err != nil {
		return err
	}
	engine, state := prepare(s, start)
	if err := conn.send(kindReady, state, sendTimeout); err != nil || engine == nil {
		return err
	}
	w := &servant{conn: conn, tasks: tasks, engine: engine, input: input, output: output, end: exit}
	return w.serve()
}

// exit ends the process without another word: nothing in it is worth saving, and
// code that loops for ever is not asked.
func exit() { os.Exit(0) }

// prepare brings the process into the state that jobs are done in.
func prepare(s setup, start func() (transform.Engine, error)) (transform.Engine, ready) {
	if err := limitSelf(s); err != nil {
		return nil, ready{Failed: plain(err.Error())}
	}
	engine, err := start()
	if err != nil {
		return nil, ready{Failed: plain(err.Error())}
	}
	state := lockIn(s.Sandbox)
	debug.FreeOSMemory() // what starting took
	return engine, state
}

// A servant is a worker at work. One goroutine reads what the pool says, and one
// does the jobs: so that the process can answer while an engine is busy.
type servant struct {
	conn   *conn
	tasks  *taskReader
	engine transform.Engine
	input  *os.File
	output *os.File
	end    func()

	// For the reading goroutine: of the input file, and of the job that came last.
	mapped mapping
	id     uint64
	cancel context.CancelFunc
}

// An order is a job that has come, with its images.
type order struct {
	ctx      context.Context
	task     task
	original []byte
	marks    []mapping
}

func (w *servant) serve() error {
	orders := make(chan order)
	go func() {
		for o := range orders {
			w.carryOut(o)
		}
	}()
	for {
		k, payload, err := w.conn.receive(maxToWorker, time.Time{})
		if err != nil {
			if errors.Is(err, io.EOF) {
				w.end()
				return nil
			}
			return err
		}
		switch k {
		case kindPing:
			t, err := parse[ticket](payload)
			if err != nil {
				return err
			}
			if err := w.conn.send(kindPong, t, sendTimeout); err != nil {
				return err
			}
		case kindCancel:
			t, err := parse[ticket](payload)
			if err != nil {
				return err
			}
			if t.ID == w.id && w.cancel != nil {
				w.cancel()
			}
		case kindJob:
			t, err := w.tasks.task(payload)
			if err != nil {
				return err
			}
			marks, err := mapAll(w.conn.takeFiles(), t.Marks)
			if err != nil {
				return err
			}
			original, err := w.original(t.Original)
			if err != nil {
				return err
			}
			orders <- order{w.begin(t.ID), t, original, marks}
		default:
			return fmt.Errorf("%w: of kind %d", errFrame, k)
		}
	}
}

// begin makes the context of a job. The one before it has ended.
func (w *servant) begin(id uint64) (ctx context.Context) {
	if w.cancel != nil {
		w.cancel()
	}
	w.id = id
	ctx, w.cancel = context.WithCancel(context.Background())
	return ctx
}

// original is the first so many bytes of the input file. The pool changes them once
// it has had the answer.
func (w *servant) original(length int) ([]byte, error) {
	if length > len(w.mapped) {
		w.mapped.close() // nobody reads: jobs come one at a time
		w.mapped = nil
		m, err := mapInput(w.input, length)
		if err != nil {
			return nil, err
		}
		w.mapped = m
	}
	return w.mapped[:length:length], checkLength(w.input, length)
}

// mapAll maps the files that came with a job.
func mapAll(files []*os.File, lengths []int) (held []mapping, err error) {
	if len(files) != len(lengths) {
		err = fmt.Errorf("%w: %d files for %d images", errFrame, len(files), len(lengths))
	}
	for i, f := range files {
		if err != nil {
			_ = f.Close()
			continue
		}
		var m mapping
		if m, err = mapFile(f, lengths[i]); err == nil {
			held = append(held, m)
		}
	}
	return held, err
}

// carryOut does a job and tells how it ended.
func (w *servant) carryOut(o order) {
	defer func() {
		for _, m := range o.marks {
			m.close()
		}
	}()
	job := o.task.Job
	job.Original = o.original
	for i := range min(len(job.Marks), len(o.marks)) {
		job.Marks[i].Image = o.marks[i]
	}
	r := result{ID: o.task.ID}
	ctx := transform.WithMarkNotice(o.ctx, func(n int) {
		_ = w.conn.send(kindAt, place{r.ID, n}, sendTimeout) // what follows will fail too
	})
	image, err := w.transform(ctx, job)
	if err == nil {
		err = w.keep(image.Data)
	}
	if err != nil {
		r.Error = toFailure(err)
	} else {
		r.Size, r.Format = int64(len(image.Data)), image.Format
		r.Width, r.Height, r.Frames = image.Width, image.Height, image.Frames
	}
	if err := w.conn.send(kindDone, r, sendTimeout); err != nil {
		w.end()
	}
	if e, ok := w.engine.(rester); ok && Estimate(&job) > largeJob {
		e.Rest()
	}
}

// A rester is an engine that holds memory for the next job, and may give it back.
type rester interface{ Rest() }

// largeJob is the memory, in bytes, beyond which a job leaves something behind that is
// worth giving back.
const largeJob = 32 << 20

// transform is the engine's, with what it leaves to be said about its errors.
func (w *servant) transform(ctx context.Context, job transform.Job) (image transform.Image, err error) {
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(os.Stderr, "panic: %v\n%s", p, debug.Stack())
			err = fmt.Errorf("%w: the engine broke down over it", transform.ErrFailed)
		}
	}()
	image, err = w.engine.Transform(ctx, job)
	if ctx.Err() != nil {
		return image, errCanceled
	}
	return image, err
}

// keep puts the variant where the pool reads it.
func (w *servant) keep(data []byte) error {
	_, err := w.output.WriteAt(data, 0)
	if err != nil {
		return fmt.Errorf("%w: its variant of %d bytes is larger than one may be", transform.ErrFailed, len(data))
	}
	return nil
}
