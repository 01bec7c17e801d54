package worker

import (
	"bytes"
	"encoding/gob"
	"errors"
	"fmt"

	"github.com/tintype/tintype/transform"
)

// A task is a job as it is sent to a worker, without its images.
type task struct {
	ID      uint64
	Job     transform.Job
	Lengths []int // bytes of each image: originals in the order of the input file, then marks in the order of their files
}

// originals returns the lengths of the originals.
func (t *task) originals() []int { return t.Lengths[:len(t.Job.Originals)] }

// marks returns the lengths of the images of marks.
func (t *task) marks() []int { return t.Lengths[len(t.Job.Originals):] }

// strip makes t the task of a job. It doesn't change the job, and reuses the memory of t.
func (t *task) strip(id uint64, job *transform.Job) {
	originals, marks := t.Job.Originals[:0], t.Job.Marks[:0]
	t.ID, t.Job, t.Lengths = id, *job, t.Lengths[:0]
	for _, o := range job.Originals {
		t.Lengths = append(t.Lengths, len(o.Body))
		originals = append(originals, transform.Original{Header: o.Header})
	}
	for _, m := range job.Marks {
		t.Lengths = append(t.Lengths, len(m.Image))
		m.Image = nil
		marks = append(marks, m)
	}
	t.Job.Originals, t.Job.Marks = originals, marks
	t.Job.Owner, t.Job.Retain = transform.Owner{}, nil // workers don't need them
}

// A taskWriter encodes tasks for one worker. It uses gob, which takes a seventh of the time
// of JSON, since the setup sends the types once. Only the pool, which is trusted, sends
// gob.
type taskWriter struct {
	buffer bytes.Buffer
	gob    *gob.Encoder
	last   task
}

// newTaskWriter also returns the types, which the reader needs first.
func newTaskWriter() (*taskWriter, []byte, error) {
	w := &taskWriter{}
	w.gob = gob.NewEncoder(&w.buffer)
	types, err := w.payload(0, &transform.Job{Originals: make([]transform.Original, 1), Marks: make([]transform.MarkImage, 1)})
	return w, bytes.Clone(types), err
}

// payload encodes the task of a job. The bytes are valid until the next call.
func (w *taskWriter) payload(id uint64, job *transform.Job) ([]byte, error) {
	w.last.strip(id, job)
	w.buffer.Reset()
	err := w.gob.Encode(&w.last)
	return w.buffer.Bytes(), err
}

// A taskReader decodes the payloads of a taskWriter.
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

// task decodes a task, and checks that it has a length for each image.
func (r *taskReader) task(payload []byte) (t task, err error) {
	r.in.Reset(payload)
	err = r.gob.Decode(&t)
	switch images := len(t.Job.Originals) + len(t.Job.Marks); {
	case err != nil:
	case r.in.Len() > 0:
		err = errors.New("data after the task")
	case len(t.Lengths) != images:
		err = fmt.Errorf("%d lengths for %d images", len(t.Lengths), images)
	}
	if err != nil {
		return t, fmt.Errorf("%w: %v", errFrame, err)
	}
	return t, nil
}
