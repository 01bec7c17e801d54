package delivery

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/tracing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// errorTTL is how long an error about an original is kept.
const errorTTL = 60 * time.Second

// An original is shared by the variants that are made of it at the same time.
type original struct {
	*origin.Object
	header transform.Header
	sum    [sha256.Size]byte // zero where the workspace blocks no hashes
}

type originalKey struct {
	workspace, place string
	key              origin.Key
	have             origin.Validators
	purged           int64 // sequence of the last purge at the time of the request
	hashed           bool  // the original's hash is wanted
}

// make fetches the originals and calls the endpoint to make the entry. old is the stale
// entry to renew, or nil. An error that the next request would get too is returned as an
// entry, so that it is cached.
func (s *Service) make(ctx context.Context, a *ask, old *cache.Entry, t *timings) (*cache.Entry, error) {
	ctx, unlabel := label(ctx, a.site.Namespace, a.endpoint.name)
	defer unlabel()
	background, client := a.background || old != nil, a.client
	if background {
		client = "" // no client waits for it
	}
	ctx = limit.WithClient(ctx, client)
	if err := s.admits(ctx, a, background); err != nil {
		return nil, err
	}
	undo := func() {}
	counts := !a.forMembers && (!a.forPeer || old != nil) // who asks counts what it waits for
	if counts {
		var err error
		if undo, err = s.spend(ctx, a.site); err != nil { // before the fetch: without a transform, nobody needs the original
			return nil, err
		}
	}
	made := false
	defer func() {
		if !made {
			undo()
		}
	}()
	start := time.Now()
	from, release, err := s.fetchAll(ctx, a, old)
	t.fetch.Store(int64(time.Since(start)))
	if err != nil {
		if old != nil && errors.Is(err, origin.ErrNotModified) {
			renewed := *old
			// LastPurge stays, since the original's bytes are those of the earlier fetch.
			renewed.Redirects, renewed.Unaware = redirectsOf(0, origin.RedirectsOf(err)), false
			s.date(&renewed, a)
			return &renewed, nil
		}
		return s.remember(err)
	}
	defer release()

	start = time.Now()
	e, err := a.endpoint.make(s, ctx, a, from, background)
	t.transform.Store(int64(time.Since(start)))
	if err != nil {
		return s.remember(err)
	}
	made = true
	if counts {
		s.countMade(ctx, a.site, a.endpoint.name, a.original().sourceName(), workspace.Usage{})
	}
	e.ETag, e.OriginHashes = etagOf(e.Body), hashesOf(a.site, from)
	e.Redirects, e.LastPurge = redirects(from), a.site.purges.Last()
	if len(from) == 1 {
		e.OriginETag, e.OriginLastModified = from[0].ETag, from[0].LastModified
	}
	s.date(e, a)
	return e, nil
}

// etagOf is the ETag of a body.
func etagOf(body []byte) string {
	sum := sha256.Sum256(body)
	b := append(make([]byte, 0, 24), '"')
	b = base64.RawURLEncoding.AppendEncode(b, sum[:16])
	return string(append(b, '"'))
}

// fetchAll fetches the originals. They are kept until release is called. Where there is one
// original, and it hasn't changed since old was made, the error is origin.ErrNotModified.
func (s *Service) fetchAll(ctx context.Context, a *ask, old *cache.Entry) (all []*original, release func(), err error) {
	var have origin.Validators
	if old != nil && old.Code == "" && len(a.refs) == 1 {
		have = origin.Validators{ETag: old.OriginETag, LastModified: old.OriginLastModified}
	}
	if a.grid != nil {
		return s.fetchCells(ctx, a)
	}
	var held []*cache.Hold[*original]
	release = func() {
		for _, h := range held {
			h.Release()
		}
	}
	for _, r := range a.refs {
		hold, err := s.shareOriginal(ctx, a.site, a.endpoint.name, r, have)
		if err != nil {
			release()
			return nil, nil, err
		}
		held, all = append(held, hold), append(all, hold.Value)
	}
	return all, release, nil
}

// shareOriginal fetches an original once for all requests that want it at the moment. The
// caller must release it.
func (s *Service) shareOriginal(ctx context.Context, c *site, operation string, r ref, have origin.Validators) (*cache.Hold[*original], error) {
	key := originalKey{c.ID, r.place(), r.at().key, have, c.purges.Last(), c.blocked.byHash()}
	return s.originals.Do(ctx, key, func(ctx context.Context) (*original, error) { return s.readOriginal(ctx, c, operation, r, have) })
}

// date sets when an entry expires, and when it is to be renewed.
func (s *Service) date(e *cache.Entry, a *ask) {
	now := s.now()
	e.StoredAt = now
	e.ExpiresAt = now.Add(a.lifetime())
	e.RevalidateAt = time.Time{}
	if d := a.shortest(func(src *source) int { return src.Revalidate }); d > 0 {
		e.RevalidateAt = now.Add(d)
	}
}

// shortest is the shortest of a setting in seconds over the sources of all originals. 0 is
// none.
func (a *ask) shortest(of func(*source) int) (d time.Duration) {
	for _, r := range a.refs {
		src := r.at().source
		if src == nil || of(src) == 0 {
			continue
		}
		if v := time.Duration(of(src)) * time.Second; d == 0 || v < d {
			d = v
		}
	}
	return d
}

// lifetime is how long what is made is kept.
func (a *ask) lifetime() time.Duration {
	lifetime := a.endpoint.lifetime
	if ttl := a.shortest(func(src *source) int { return src.TTL }); ttl > 0 && (!a.endpoint.atMost || ttl < lifetime) {
		lifetime = ttl
	}
	if a.grid != nil && a.grid.partial {
		return min(lifetime, errorTTL) // what is missing may come back
	}
	return lifetime
}

// remember makes an entry of an error that the next request would get too, such as a missing
// original. It returns other errors, which may be gone by then.
func (s *Service) remember(err error) (*cache.Entry, error) {
	if errors.Is(err, transform.ErrTruncated) {
		return nil, err
	}
	e := fault.Of(err)
	if !e.Code.Kind().Remembered {
		return nil, err
	}
	now := s.now()
	return &cache.Entry{Code: string(e.Code), Message: e.Message, StoredAt: now, ExpiresAt: now.Add(errorTTL)}, nil
}

// readOriginal fetches an original, and checks its header before any decoder sees it. The
// caller must release it.
func (s *Service) readOriginal(ctx context.Context, c *site, operation string, r ref, have origin.Validators) (*original, error) {
	ctx = origin.WithOwner(ctx, origin.Owner{Workspace: c.ID, Host: r.host(), Client: limit.ClientIn(ctx)})
	if err := s.bodies.Admit(ctx); err != nil {
		return nil, err
	}
	if host := r.host(); host != "" {
		_, wait := tracing.Start(ctx, "fetch.queue")
		fetch, done, err := s.fetches.enter(ctx, c.ID, host, s.fetchTimeout)
		wait.End()
		if err != nil {
			return nil, err
		}
		defer done()
		ctx = fetch
		if err := s.bodies.Admit(ctx); err != nil { // it may have waited
			return nil, err
		}
	}
	start := time.Now()
	var obj *origin.Object
	var err error
	unlabelled(ctx, func() { obj, err = s.tracedFetch(ctx, c, r, have) })
	switch {
	case err != nil && context.Cause(ctx) == errBusy:
		return nil, errBusy
	case ctx.Err() == nil && !errors.Is(err, origin.ErrBusy):
		s.metrics.fetched(r, time.Since(start), err)
	}
	if err != nil {
		return nil, err
	}
	s.count(ctx, c, operation, r.sourceName(), workspace.Usage{BytesIn: int64(len(obj.Body))})
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

// tracedFetch is fetch within a span.
func (s *Service) tracedFetch(ctx context.Context, c *site, r ref, have origin.Validators) (*origin.Object, error) {
	ctx, span := tracing.StartClient(ctx, "fetch")
	defer span.End()
	obj, err := s.fetch(ctx, c, r, have)
	if span == nil {
		return obj, err
	}
	span.String("tintype.origin", kindOfOrigin(r))
	span.String("tintype.source", r.sourceName())
	host, _, _ := strings.Cut(r.host(), ":")
	span.String("server.address", host)
	switch {
	case err == nil:
		span.Int("http.response.body.size", int64(len(obj.Body)))
	case !errors.Is(err, origin.ErrNotModified):
		span.Fail(errorKind(err))
	}
	return obj, err
}

// takes refuses SVG and TIFF originals, unless the workspace has turned them on.
func (c *site) takes(h transform.Header) error {
	if h.Format == transform.TIFF && !c.AllowTIFF || h.Format == transform.SVG && !c.AllowSVG {
		return fmt.Errorf("%w: %s originals are off in this workspace", transform.ErrUnsupported, h.Format)
	}
	return nil
}

// makeVariant transforms the original.
func (s *Service) makeVariant(ctx context.Context, a *ask, from []*original, background bool) (*cache.Entry, error) {
	image, err := s.transform(ctx, a, from, background)
	if err != nil {
		return nil, err
	}
	return &cache.Entry{
		Body: image.Data, ContentType: image.Format.MediaType(),
		Width: image.Width, Height: image.Height, Frames: image.Frames, Quality: image.Quality,
	}, nil
}

// transform makes the variant from the originals, one for each reference of the ask. No
// client waits for a background job.
func (s *Service) transform(ctx context.Context, a *ask, from []*original, background bool) (transform.Image, error) {
	o, orig := a.options, from[0]
	plan, err := o.Plan(orig.header.Upright())
	if err != nil {
		return transform.Image{}, err
	}
	format := o.OutputFormat(orig.header, plan, a.accept, s.limits)
	o.Format = format
	frames := 1
	if o.Animated(orig.header, format) {
		frames = orig.header.Frames
	}
	if err := o.CheckOutput(plan, format, frames, s.limits); err != nil {
		return transform.Image{}, err
	}
	stamped, retainMarks, release, err := s.markImages(ctx, a)
	if err != nil {
		return transform.Image{}, err
	}
	defer release()
	if a.access.test != "" {
		stamped = append(stamped, s.testMark)
	}
	return s.work(ctx, a, from, background, retainMarks, transform.Job{
		Options: o, Format: format, Marks: stamped, MayKeep: a.auto() && a.accept.Takes(orig.header.Format),
		OrWebP: a.auto() && o.OrWebP(format, plan, a.accept, s.limits),
	})
}

// work gives the engine a job about the originals. retainMarks keeps the images of its
// marks; nil is for a job without marks.
func (s *Service) work(ctx context.Context, a *ask, from []*original, background bool, retainMarks func() func(), job transform.Job) (transform.Image, error) {
	if s.transformTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.transformTimeout)
		defer cancel()
	}
	job.Originals = make([]transform.Original, len(from))
	for i, o := range from {
		job.Originals[i] = transform.Original{Body: o.Body, Header: o.header, ID: a.fingerprint(a.refs[i], o)}
	}
	job.Limits, job.Best, job.Owner = s.limits, s.best, a.owner(ctx, background)
	job.Retain = func() func() {
		releaseMarks := func() {}
		if retainMarks != nil {
			releaseMarks = retainMarks()
		}
		for _, o := range from {
			o.Retain()
		}
		return func() {
			for _, o := range from {
				o.Release()
			}
			releaseMarks()
		}
	}
	ctx, span := tracing.Start(ctx, "transform")
	defer span.End()
	image, err := s.engine.Transform(ctx, job)
	if span != nil {
		span.String("tintype.format", string(image.Format))
		span.Int("tintype.originals", int64(len(from)))
		if err != nil {
			span.Fail(string(fault.Of(err).Code))
		}
	}
	return image, err
}

// admits refuses a job that the engine would refuse, before its originals are fetched.
func (s *Service) admits(ctx context.Context, a *ask, background bool) error {
	if e, ok := s.engine.(admitter); ok {
		return e.Admits(ctx, a.owner(ctx, background))
	}
	return nil
}

// An admitter is an engine with a queue that may be full.
type admitter interface {
	Admits(context.Context, transform.Owner) error
}

// owner says for whom the engine works.
func (a *ask) owner(ctx context.Context, background bool) transform.Owner {
	return transform.Owner{Workspace: a.site.Namespace, Source: a.original().sourceName(), Client: limit.ClientIn(ctx), Background: background}
}

// fingerprint identifies the bytes of an original, as far as the origin says when they
// change.
func (a *ask) fingerprint(r ref, o *original) string {
	at := r.at()
	return strings.Join([]string{a.site.ID, at.place(), at.key.Path, at.key.Query, o.ETag, o.LastModified}, "\x00")
}

// timings are how long the steps of a miss took, in nanoseconds. They are atomic, since a
// run may set them after its first caller has gone.
type timings struct {
	fetch, transform atomic.Int64
	foundBy          atomic.Pointer[cache.Entry] // that another server of the fleet had
}

// header writes Server-Timing (W3C Server Timing), in milliseconds.
func (t *timings) header(h http.Header) {
	fetch, transform := t.fetch.Load(), t.transform.Load()
	if fetch == 0 && transform == 0 {
		return
	}
	h.Set("Server-Timing", fmt.Sprintf("fetch;dur=%.1f, transform;dur=%.1f", float64(fetch)/1e6, float64(transform)/1e6))
}
