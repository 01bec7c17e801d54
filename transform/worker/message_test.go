package worker

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tintype/tintype/transform"
)

// TestJobTravels: every field of a job arrives, but the images, which travel as files.
func TestJobTravels(t *testing.T) {
	o := transform.Defaults()
	o.Width, o.FocalX, o.Rect = 400, 1.0/3, transform.Rect{X: transform.Length{Value: 0.1, Percent: true}}
	o.Pad, o.Background = [4]int{1, 2, 3, 4}, transform.Color{R: 9, A: 255, Set: true}
	header := transform.Header{Format: transform.PNG, Width: 3, Height: 2, Orientation: 1, Frames: 1, Alpha: true, Bits: 8}
	job := transform.Job{
		Task: transform.TaskDraw, Drawing: &transform.Drawing{Of: transform.DrawThumbHash, Hash: "\x00\xff", Punch: 0.5, Output: transform.Size{W: 3, H: 2}},
		Options: o, Format: transform.WebP, Limits: transform.DefaultLimits(), MayKeep: true, Owner: transform.Owner{Workspace: "acme"},
		Marks: []transform.MarkImage{{Image: []byte("mark"), Hash: [32]byte{1, 2, 255}, Mark: transform.Mark{Name: "m", Opacity: 0.3}}},
	}
	w, r := taskPair(t)
	for id, c := range []struct { // the later ones don't say again what the types are
		originals []transform.Original
		sent      []transform.Original
		lengths   []int
	}{
		{[]transform.Original{{Body: []byte("original"), Header: header, ID: "name"}}, []transform.Original{{Header: header}}, []int{8, 4}},
		{[]transform.Original{{Body: []byte("the original"), Header: header}, {Body: []byte("original"), Header: transform.Header{Width: 7}, ID: "name"}, {Body: []byte("an original")}},
			[]transform.Original{{Header: header}, {Header: transform.Header{Width: 7}}, {}}, []int{12, 8, 11, 4}},
		{nil, nil, []int{4}},
		{[]transform.Original{{Body: []byte("original"), Header: header}}, []transform.Original{{Header: header}}, []int{8, 4}},
	} {
		job.Originals = c.originals
		b, err := w.payload(uint64(id), &job)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"original", "name", "acme"} {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%q is in the message", secret)
			}
		}
		got, err := r.task(b)
		if err != nil {
			t.Fatal(err)
		}
		want := job
		want.Originals, want.Owner = c.sent, transform.Owner{}
		want.Marks = slices.Clone(job.Marks)
		want.Marks[0].Image = nil
		if diff := cmp.Diff(task{uint64(id), want, c.lengths}, got); diff != "" {
			t.Error(diff)
		}
		if job.Marks[0].Image == nil || len(job.Originals) > 0 && job.Originals[0].Body == nil {
			t.Error("the caller's job was changed")
		}
	}
	b, err := w.payload(1, &job)
	if err != nil {
		t.Fatal(err)
	}
	b = bytes.Clone(b)
	w.last.Lengths = w.last.Lengths[:1]
	w.buffer.Reset()
	if err := w.gob.Encode(&w.last); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"empty": nil, "cut": b[:len(b)-1], "more": append(bytes.Clone(b), b...), "lengths": w.buffer.Bytes()} {
		_, r := taskPair(t)
		if _, err := r.task(bad); !errors.Is(err, errFrame) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOriginalErrorTravels: which original an error is about arrives, but not where the
// job has none of this number.
func TestOriginalErrorTravels(t *testing.T) {
	job := transform.Job{Originals: make([]transform.Original, 3)}
	for _, c := range []struct {
		index int
		fine  bool
	}{{0, true}, {2, true}, {3, false}, {-2, false}} {
		b, err := frame(kindDone, result{ID: 1, Error: toFailure(&transform.OriginalError{Index: c.index, Err: fmt.Errorf("%w: cut", transform.ErrTruncated)})})
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := understand(kindDone, b[headLength:], 1, &job)
		if c.fine != (err == nil) {
			t.Errorf("original %d: %v", c.index, err)
		}
		if !c.fine {
			continue
		}
		got := r.Error.asError()
		e, ok := errors.AsType[*transform.OriginalError](got)
		if !ok || e.Index != c.index || e.Err.Error() != "image is truncated: cut" || !errors.Is(got, transform.ErrTruncated) {
			t.Errorf("original %d: %v", c.index, got)
		}
	}
}

// taskPair is the two ends of the way of tasks.
func taskPair(t testing.TB) (*taskWriter, *taskReader) {
	w, types, err := newTaskWriter()
	if err != nil {
		t.Fatal(err)
	}
	r, err := newTaskReader(types)
	if err != nil {
		t.Fatal(err)
	}
	return w, r
}

func TestFramesRefuse(t *testing.T) {
	for name, b := range map[string]string{
		"too long":        "\x01\xff\xff\xff\xff",
		"cut in the head": "\x01\x00",
		"cut":             "\x01\x05\x00\x00\x00ab",
		"of no kind":      "\x00\x00\x00\x00\x00",
	} {
		if _, _, err := new(frames).next(strings.NewReader(b), 100); err == nil {
			t.Errorf("%s: read", name)
		}
	}
}

// TestFramesComeInParts: an error between two parts of a frame loses nothing.
func TestFramesComeInParts(t *testing.T) {
	in := "\x01\x02\x00\x00\x00ab\x02\x00\x00\x00\x00\x03\x01\x00\x00\x00c"
	for size := 1; size <= len(in); size++ {
		var f frames
		var got []string
		for rest := in; ; {
			part := rest[:min(size, len(rest))]
			k, payload, err := f.next(io.MultiReader(strings.NewReader(part), iotest.ErrReader(os.ErrDeadlineExceeded)), 100)
			switch {
			case err == nil:
				got = append(got, fmt.Sprintf("%d%s", k, payload))
				rest = rest[min(size, len(rest)):]
				for {
					k, payload, err := f.taken(100)
					if err != nil {
						t.Fatal(err)
					}
					if k == 0 {
						break
					}
					got = append(got, fmt.Sprintf("%d%s", k, payload))
				}
			case errors.Is(err, os.ErrDeadlineExceeded):
				rest = rest[min(size, len(rest)):]
			default:
				t.Fatal(err)
			}
			if rest == "" && len(f.part) == 0 {
				break
			}
		}
		if want := []string{"1ab", "2", "3c"}; !slices.Equal(got, want) {
			t.Errorf("in parts of %d: %q", size, got)
		}
	}
}

// FuzzFromWorker: whatever a worker sends, the pool takes it for what a job can bring,
// or for nonsense.
func FuzzFromWorker(f *testing.F) {
	for _, r := range []result{
		{ID: 1, Size: 10, Format: transform.PNG, Width: 1, Height: 1, Frames: 1},
		{ID: 1, Error: toFailure(transform.ErrTruncated)},
		{ID: 1, Error: toFailure(&transform.OptionError{Name: "w", Reason: "\x1b[31m"})},
		{ID: 1, Error: toFailure(&transform.OriginalError{Index: 0, Err: transform.ErrCorrupt})},
		{ID: 1, Error: toFailure(&transform.OriginalError{Index: 1, Err: transform.ErrCorrupt})},
	} {
		b, err := frame(kindDone, r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, at := range []place{{ID: 1, Original: 1}, {ID: 1, Original: 2}, {ID: 1, Original: -1}} {
		b, err := frame(kindAt, at)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x42\x08\x00\x00\x00{\"ID\":1}"))
	f.Add([]byte("\x43\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, f := bytes.NewReader(data), new(frames)
		job := jobOf("x")
		for {
			k, payload, err := f.next(in, maxFromWorker)
			if err != nil {
				return
			}
			r, at, err := understand(k, payload, 1, &job)
			if err != nil || r == nil {
				if err == nil && (at.Mark != 0 || at.Original < 0 || at.Original > 1) {
					t.Errorf("accepted: %+v", at)
				}
				continue
			}
			if r.Error == nil {
				if r.Size <= 0 || r.Size > maxOutput || r.Width <= 0 || r.Height <= 0 || r.Frames <= 0 || r.Format != job.Format {
					t.Errorf("accepted: %+v", r)
				}
				continue
			}
			failure := r.Error.asError()
			if e, ok := errors.AsType[*transform.OriginalError](failure); ok && e.Index != 0 {
				t.Errorf("accepted: original %d", e.Index)
			}
			if text := failure.Error(); len(text) > maxText*2 || strings.ContainsAny(text, "\n\r\x00\x1b") {
				t.Errorf("text %q", text)
			}
			if e, ok := errors.AsType[*transform.OptionError](failure); ok && strings.ContainsAny(e.Error(), "\n\x1b") {
				t.Errorf("option %q", e)
			}
		}
	})
}

// FuzzToWorker: a worker reads what it is sent, or says that it makes no sense.
func FuzzToWorker(f *testing.F) {
	w, _ := taskPair(f)
	for _, originals := range [][]string{{"x"}, {}, {"x", "yy", "z"}} {
		job := gridOf(originals...)
		b, err := w.payload(1, &job)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Clone(b))
	}
	f.Add([]byte("\x02{}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		w, r := taskPair(t)
		got, err := r.task(data)
		if err != nil {
			return
		}
		w.buffer.Reset()
		if err := w.gob.Encode(&got); err != nil {
			t.Fatal(err)
		}
		again := w.buffer.Bytes()
		same, err := r.task(again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, same, cmpopts.EquateEmpty(), cmpopts.EquateNaNs()); diff != "" {
			t.Error(diff)
		}
	})
}

func TestSeconds(t *testing.T) {
	for d, want := range map[time.Duration]uint64{0: 0, 1: 1, time.Second: 1, time.Second + 1: 2} {
		if got := seconds(d); got != want {
			t.Errorf("%s: %d", d, got)
		}
	}
}

func BenchmarkJobMessage(b *testing.B) {
	job := jobOf("x")
	w, r := taskPair(b)
	for b.Loop() {
		m, err := w.payload(1, &job)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := r.task(m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	p := startPool(b)
	for name, size := range map[string]int{"64B": 64, "1MB": 1 << 20, "5MB": 5 << 20} {
		job := jobOf("none " + strings.Repeat("x", size))
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, _ = p.Transform(b.Context(), job)
			}
		})
	}
}
