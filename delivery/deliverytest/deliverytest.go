// Package deliverytest has what tests of image delivery run against: an engine in pure Go,
// workspaces in memory, and an origin on loopback.
package deliverytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/facts"
	"github.com/tintype/tintype/workspace"
)

// An Engine is a small engine in pure Go, so that these tests need no libvips: it
// scales by the nearest pixel and writes JPEG and PNG, whatever it is called. Each of
// the job's marks colours an equal part of the output from left to right with its
// first pixel. The quality that it finds is always 71.
type Engine struct {
	Runs  atomic.Int64
	Block chan struct{} // not nil: Transform waits for it to be closed
	Fails error         // not nil: Transform returns it
	Full  error         // not nil: Admits returns it

	mu        sync.Mutex
	owners    []transform.Owner // of the jobs that came
	originals []string          // the IDs of their first originals
}

// Admits refuses with Full.
func (e *Engine) Admits(context.Context, transform.Owner) error { return e.Full }

// Owners are those of the jobs that came, in their order.
func (e *Engine) Owners() []transform.Owner {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.owners)
}

// Originals are the IDs of the first originals of the jobs that came, in their order.
func (e *Engine) Originals() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.originals)
}

// Transform implements transform.Engine.
func (e *Engine) Transform(ctx context.Context, job transform.Job) (transform.Image, error) {
	e.Runs.Add(1)
	e.mu.Lock()
	e.owners = append(e.owners, job.Owner)
	id := ""
	if len(job.Originals) > 0 {
		id = job.Originals[0].ID
	}
	e.originals = append(e.originals, id)
	e.mu.Unlock()
	if e.Fails != nil {
		return transform.Image{}, e.Fails
	}
	if e.Block != nil {
		select {
		case <-e.Block:
		case <-ctx.Done():
			return transform.Image{}, ctx.Err()
		}
	}
	if job.Task == transform.TaskMetadata {
		return asJSON(facts.ReadMetadata(job.Originals[0].Body, job.Originals[0].Header.Format))
	}
	if job.Task == transform.TaskDraw && len(job.Originals) == 0 {
		drawn, err := facts.Draw(*job.Drawing)
		if err != nil {
			return transform.Image{}, err
		}
		return encoded(drawn, job.Format)
	}
	if job.Task == transform.TaskGrid {
		return e.grid(job)
	}
	out, err := variant(job)
	if err != nil {
		return transform.Image{}, err
	}
	switch job.Task {
	case transform.TaskFacts:
		return asJSON(facts.Look(out), nil)
	case transform.TaskDraw:
		drawn, err := facts.Draw(facts.Drawn(*job.Drawing, out))
		if err != nil {
			return transform.Image{}, err
		}
		return encoded(drawn, job.Format)
	}
	made, err := encoded(out, job.Format)
	if job.Options.FindsQuality(job.Format, 1) {
		made.Quality = 71
	}
	return made, err
}

// grid draws the cells of a grid as variants, and its own marks beside each other on all.
func (e *Engine) grid(job transform.Job) (transform.Image, error) {
	size := job.Grid.Size
	out := image.NewNRGBA(image.Rect(0, 0, size.W, size.H))
	jobs, cells := job.Cells()
	for i, cell := range jobs {
		m, err := variant(cell)
		if err != nil && !errors.Is(err, transform.ErrMark) {
			err = &transform.OriginalError{Index: i, Err: err}
		}
		if err != nil {
			return transform.Image{}, err
		}
		draw.Draw(out, cells[i], m, image.Point{}, draw.Src)
	}
	from, to := job.MarksOf(0)
	if err := stampAll(out, job.Marks[from:to]); err != nil {
		return transform.Image{}, err
	}
	return encoded(out, job.Format)
}

// variant draws a variant.
func variant(job transform.Job) (*image.NRGBA, error) {
	src, _, err := image.Decode(bytes.NewReader(job.Originals[0].Body))
	if err != nil {
		return nil, fmt.Errorf("%w: %v", transform.ErrCorrupt, err)
	}
	plan, err := job.Options.Plan(job.Originals[0].Header.Upright())
	if err != nil {
		return nil, err
	}
	out := image.NewNRGBA(image.Rect(0, 0, plan.Output.W, plan.Output.H))
	for y := range plan.Output.H {
		for x := range plan.Output.W {
			out.Set(x, y, src.At(x*src.Bounds().Dx()/plan.Output.W, y*src.Bounds().Dy()/plan.Output.H))
		}
	}
	return out, stampAll(out, job.Marks)
}

// stampAll draws each mark as a stripe of its colour.
func stampAll(out *image.NRGBA, marks []transform.MarkImage) error {
	for i, m := range marks {
		logo, _, err := image.Decode(bytes.NewReader(m.Image))
		if err != nil {
			return fmt.Errorf("%w: %w: %v", transform.ErrMark, transform.ErrCorrupt, err)
		}
		n, w := len(marks), out.Rect.Dx()
		part := image.Rect(i*w/n, 0, (i+1)*w/n, out.Rect.Dy())
		draw.Draw(out, part, image.NewUniform(logo.At(logo.Bounds().Min.X, logo.Bounds().Min.Y)), image.Point{}, draw.Src)
	}
	return nil
}

func asJSON(v any, err error) (transform.Image, error) {
	if err != nil {
		return transform.Image{}, err
	}
	data, err := json.Marshal(v)
	return transform.Image{Data: data, Format: transform.JSON, Width: 1, Height: 1, Frames: 1}, err
}

func encoded(m image.Image, f transform.Format) (transform.Image, error) {
	var b bytes.Buffer
	var err error
	if f == transform.JPEG {
		fast := image.NewRGBA(m.Bounds()) // jpeg reads any other kind pixel by pixel
		draw.Draw(fast, fast.Rect, m, fast.Rect.Min, draw.Src)
		err = jpeg.Encode(&b, fast, nil)
	} else {
		err = png.Encode(&b, m)
	}
	return transform.Image{Data: b.Bytes(), Format: f, Width: m.Bounds().Dx(), Height: m.Bounds().Dy(), Frames: 1}, err
}

// Workspaces are the workspaces of a test.
type Workspaces struct {
	// Ask answers Confirm. Nil is a store that has been heard of: all is confirmed.
	Ask func(namespace string) (*workspace.Workspace, error)

	mu sync.Mutex
	m  map[string]*workspace.Workspace // nil is empty
}

// Confirmed reports whether there is no Ask.
func (r *Workspaces) Confirmed(*workspace.Workspace) bool { return r.Ask == nil }

// Confirm returns what Ask does, or what Get does.
func (r *Workspaces) Confirm(ctx context.Context, ns string) (*workspace.Workspace, error) {
	if r.Ask != nil {
		return r.Ask(ns)
	}
	return r.Get(ctx, ns)
}

// Get returns the workspace under a namespace.
func (r *Workspaces) Get(_ context.Context, ns string) (*workspace.Workspace, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w := r.m[ns]; w != nil {
		return w, nil
	}
	return nil, fmt.Errorf("%w: %s", workspace.ErrNotFound, ns)
}

// Set keeps a workspace, which must be valid, and gives it an id. dirs are the keys of the
// operator's folders in it.
func (r *Workspaces) Set(t testing.TB, w *workspace.Workspace, dirs ...string) {
	t.Helper()
	if err := w.Validate(dirs...); err != nil {
		t.Fatal(err)
	}
	if w.ID == "" {
		w.ID = "id-of-" + w.Namespace
	}
	r.Put(w)
}

// Put keeps a workspace as it is, valid or not.
func (r *Workspaces) Put(w *workspace.Workspace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.m == nil {
		r.m = map[string]*workspace.Workspace{}
	}
	r.m[w.Namespace] = w
}

// An Upstream is an origin on loopback that counts what it is asked for.
type Upstream struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string]http.HandlerFunc
	hits  map[string]int
}

// NewUpstream starts an origin for the time of a test.
func NewUpstream(t testing.TB) *Upstream {
	u := &Upstream{files: map[string]http.HandlerFunc{}, hits: map[string]int{}}
	u.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u.mu.Lock()
		u.hits[r.URL.RequestURI()]++
		h := u.files[r.URL.Path]
		u.mu.Unlock()
		if h == nil {
			http.NotFound(w, r)
			return
		}
		h(w, r)
	}))
	t.Cleanup(u.Close)
	return u
}

// Serve has requests for a path answered.
func (u *Upstream) Serve(path string, h http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.files[path] = h
}

// Count is how often a path and query were asked for.
func (u *Upstream) Count(uri string) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hits[uri]
}

// Body answers with bytes and headers, and with 304 where the client has them by their ETag.
func Body(b []byte, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		if etag := w.Header().Get("ETag"); etag != "" && r.Header.Get("If-None-Match") == etag {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		_, _ = w.Write(b)
	}
}

// photos are what Photo has drawn, by size. Most tests ask for the same few.
var photos sync.Map

// Photo is a JPEG of w×h with a gradient.
func Photo(t testing.TB, w, h int) []byte {
	t.Helper()
	if drawn, ok := photos.Load(image.Pt(w, h)); ok {
		return slices.Clone(drawn.([]byte))
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, color.RGBA{uint8(x * 255 / w), uint8(y * 255 / h), 128, 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	photos.Store(image.Pt(w, h), slices.Clone(b.Bytes()))
	return b.Bytes()
}

// Send sends a request with the target as it is written, and headers in pairs.
func Send(h http.Handler, method, target string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "/", nil)
	r.RequestURI = target
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Add(headers[i], headers[i+1])
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// Code is the error code of an answer, or "" of an image.
func Code(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code < 400 {
		return ""
	}
	var e struct {
		Error struct {
			Code, Message string
			Status        int
			RequestID     string `json:"request_id"`
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("status %d with a body that is no envelope: %q", w.Code, w.Body)
	}
	if e.Error.Status != w.Code || e.Error.RequestID == "" || e.Error.RequestID != w.Header().Get("X-Request-Id") || e.Error.Message == "" {
		t.Errorf("envelope %+v does not fit status %d, X-Request-Id %q", e.Error, w.Code, w.Header().Get("X-Request-Id"))
	}
	return e.Error.Code
}
