package delivery

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
	"github.com/tintype/tintype/workspace"
)

// How many bodies are read at the same time. Slow ones give way like fetches, see gate.
const (
	bodiesAtOnce       = 64
	bodiesPerWorkspace = 16
)

func newBodyGate(waiting int) *gate {
	return newGate(Fetches{All: bodiesAtOnce, PerWorkspace: bodiesPerWorkspace, Waiting: waiting}, func(bound) {})
}

// deliverBody answers a request whose body is the original. It is for backends, so it takes
// a key and knows no CORS. Nothing of it is cached.
func (s *Service) deliverBody(w *Response, r *http.Request, c *site, t Target) error {
	if e := endpoints[strings.TrimPrefix(t.Rest, "/")]; e == nil || !e.posts {
		w.Header().Set("Allow", allowedMethods)
		return fault.New(fault.MethodNotAllowed, "images are read with GET or HEAD; an image to transform is sent with POST to /transform")
	}
	if err := s.admit(r.Context(), c); err != nil {
		return err
	}
	who, err := s.knownSender(w, r, c)
	if err != nil {
		return err
	}
	r = who.withPrincipal(r)
	a, _, err := s.decide(c, t, true, clientOf(r), func() (sender, error) { return who, nil })
	if err != nil {
		return err
	}
	w.noteAsk(a)
	a.nameIgnored(w.Header())

	if err := s.admits(r.Context(), a, false); err != nil {
		return err
	}
	body, err := s.readBody(w, r, c)
	if err != nil {
		return err
	}
	defer body.Release()
	// The hash is the identity of a body: where one harms a worker, only that one is blocked.
	err = body.Look(func(b []byte) error {
		a.refs[0].key.Path = fmt.Sprintf("body:%x", sha256.Sum256(b))
		return nil
	})
	if err != nil {
		return err
	}
	e, err := s.makeOfBody(w, r, a, body)
	if err != nil {
		maps.Copy(w.Header(), s.quotaOf(c))
		return err
	}
	a.describe(w, e)
	h := w.Header()
	maps.Copy(h, s.quotaOf(c))
	h.Del("Cache-Tag")
	h["Cache-Control"] = []string{"no-store"}
	h["Cache-Status"] = []string{"tintype; fwd=method"}
	return s.send(w, r, http.StatusOK, e, e.Body)
}

// knownSender is sender for requests that need a key.
func (s *Service) knownSender(w *Response, r *http.Request, c *site) (sender, error) {
	who, err := s.sender(w, r, c)
	if err == nil {
		err = who.err
	}
	if err == nil && !who.known() {
		err = unauthorized("transforming a body needs an API key with the scope read: send the header Authorization: Bearer KEY")
	}
	return who, err
}

// makeOfBody makes what is asked for of an original that was sent.
func (s *Service) makeOfBody(w *Response, r *http.Request, a *ask, body *original) (*cache.Entry, error) {
	marked, err := s.findMarks(r.Context(), a)
	if err != nil {
		return nil, err
	}
	undo, err := s.spend(r.Context(), a.site)
	if err != nil {
		return nil, err
	}
	var took timings
	start := time.Now()
	e, err := a.endpoint.make(s, r.Context(), marked, []*original{body}, false)
	took.transform.Store(int64(time.Since(start)))
	took.header(w.Header())
	if err != nil {
		undo()
		return nil, err
	}
	s.countMade(r.Context(), a.site, a.endpoint.name, "", workspace.Usage{BytesIn: int64(len(body.Body))})
	return e, nil
}

// readBody reads an original from a request, and checks it like one that was fetched. The
// caller must release it.
func (s *Service) readBody(w http.ResponseWriter, r *http.Request, c *site) (*original, error) {
	obj, err := s.receive(r.Context(), c.ID, http.MaxBytesReader(w, r.Body, s.maxOriginal), r.ContentLength, StopReading(w))
	if err != nil {
		return nil, err
	}
	sum, err := c.hash(obj)
	if err != nil {
		obj.Release()
		return nil, err
	}
	h, err := s.judge(c, obj)
	if err != nil {
		obj.Release()
		return nil, err
	}
	return &original{obj, h, sum}, nil
}

// receive reads an original that a client sends, within the budget of all originals. The
// caller must release it.
func (s *Service) receive(ctx context.Context, workspaceID string, r io.Reader, length int64, stop func()) (*origin.Object, error) {
	ctx, leave, err := s.bodyGate.enter(ctx, workspaceID, "", s.fetchTimeout)
	if err != nil {
		return nil, err
	}
	defer leave()
	stopped := make(chan struct{})
	watch := context.AfterFunc(ctx, func() {
		defer close(stopped)
		if context.Cause(ctx) == errBusy {
			stop()
		}
	})
	o, err := s.bodies.Read(origin.WithOwner(ctx, origin.Owner{Workspace: workspaceID, Client: limit.ClientIn(ctx)}), r, length, s.maxOriginal, stop)
	if !watch() {
		<-stopped // stop uses the answer's headers
	}
	if err != nil && context.Cause(ctx) == errBusy { // it gave way
		return nil, errBusy
	}
	_, large := errors.AsType[*http.MaxBytesError](err)
	switch {
	case large, errors.Is(err, origin.ErrTooLarge):
		return nil, s.bodyTooLarge()
	case errors.Is(err, origin.ErrBusy):
		return nil, err
	case errors.Is(err, origin.ErrTimeout):
		return nil, &fault.Error{Code: fault.InvalidSource, Message: "the image came too slowly: less than 64 KiB a second; send it again", Cause: err}
	case err != nil:
		return nil, &fault.Error{Code: fault.InvalidSource, Message: "the image could not be read to its end; send the request again", Cause: err}
	}
	if len(o.Body) == 0 {
		o.Release()
		return nil, fault.New(fault.InvalidSource, "the image is empty: send the bytes of an image")
	}
	return o, nil
}

// StopReading returns a function that makes a read of the request's body return, and then
// ends the connection. It may be called while another goroutine reads.
func StopReading(w http.ResponseWriter) func() {
	return func() {
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0)) // only a recorder of tests has none
	}
}

func (s *Service) bodyTooLarge() error {
	return fmt.Errorf("%w: the body may have %s bytes", origin.ErrTooLarge, strconv.FormatInt(s.maxOriginal, 10))
}

// judge reads the header of an original, and checks it against the limits, before any
// decoder sees it.
func (s *Service) judge(c *site, o *origin.Object) (h transform.Header, err error) {
	err = o.Look(func(body []byte) error {
		h, err = header.Read(body)
		return err
	})
	if err != nil {
		return h, err
	}
	if err := c.takes(h); err != nil {
		return h, err
	}
	return h, s.limits.Check(h)
}
