package worker

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"

	"github.com/tintype/tintype/transform"
)

// A task is a job on its way, without its images.
type task struct {
	ID       uint64
	Job      transform.Job
	Original int   // bytes of it in the input file
	Marks    []int // bytes of each mark's image, as the files come
}

// A taskWriter makes the payloads of tasks, for one worker. They are gob, a seventh of
// JSON's work at every job: what the types are is told once, in the setup. Workers,
// which aren't trusted, write none.
type taskWriter struct {
	buffer bytes.Buffer
	gob    *gob.Encoder
}

// newTaskWriter also returns what the reader must know first.
func newTaskWriter() (*taskWriter, []byte, error) {
	w := &taskWriter{}
	w.gob = gob.NewEncoder(&w.buffer)
	types, err := w.payload(task{Job: transform.Job{Marks: make([]transform.MarkImage, 1)}, Marks: make([]int, 1)})
	return w, bytes.Clone(types), err
}

// payload is that of a task, until the next call.
func (w *taskWriter) payload(t task) ([]byte, error) {
	w.buffer.Reset()
	err := w.gob.Encode(t)
	return w.buffer.Bytes(), err
}

// A taskReader reads what a taskWriter makes.
type taskReader struct {
	in  bytes.Reader
	gob *gob.Decoder
}

func newTaskReader(types []byte) (*taskReader, error) {
	r := &taskReader{}
	r.gob = gob.NewDecoder(&r.in)
	_, err := r.task(types)
	return r, err
}

func (r *taskReader) task(payload []byte) (t task, err error) {
	r.in.Reset(payload)
	if err = r.gob.Decode(&t); err == nil && r.in.Len() > 0 {
		err = errors.New("there is more of it")
	}
	if err != nil {
		return t, fmt.Errorf("%w: %v", errFrame, err)
	}
	return t, nil
}
