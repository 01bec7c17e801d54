package server

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// generation is part of every variant key. It goes up when the engine's output for
// the same options changes.
const generation = "2"

const allowedMethods = "GET, HEAD, OPTIONS"

// How long outputs are kept where the source says nothing.
const (
	variantTTL = 365 * 24 * time.Hour
	errorTTL   = 60 * time.Second
)

// deliver is the life of a request for an image.
func (s *Server) deliver(w *response, r *http.Request, namespace, rest, query string) error {
	site, err := s.site(r.Context(), namespace)
	if err != nil {
		return err
	}
	w.log.site = site
	if r.Method == http.MethodPost {
		return s.transformBody(w, r, site, rest, query)
	}
	if err := site.admitOrigin(w, r); err != nil {
		return err
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodOptions:
		site.preflight(w, r)
		return nil
	default:
		w.Header().Set("Allow", allowedMethods)
		return fail("METHOD_NOT_ALLOWED", "images are read with GET or HEAD")
	}
	if err := s.admit(r.Context(), site); err != nil {
		return err
	}
	ask, err := site.read(rest, strings.TrimPrefix(query, "?"))
	if ask.auto() {
		w.Header().Add("Vary", "Accept")
	}
	if err != nil {
		return err
	}
	if ask.who, err = s.sender(w, r, site); err != nil {
		w.Header().Set("Cache-Control", "no-store")
		return err
	}
	r = ask.who.sign(r)
	ask.accept = transform.ParseAccept(strings.Join(r.Header["Accept"], ",")).And(s.formats)
	if err := s.authorize(&ask, "/"+namespace+rest+query); err != nil {
		w.Header().Set("Cache-Control", "no-store")
		return err
	}
	w.noteAsk(&ask)
	w.Header()["Cache-Tag"] = []string{ask.cacheTags()}

	entry, err := s.load(r.Context(), w, ask)
	if err != nil {
		return s.standIn(w, r, ask, err)
	}
	s.respond(w, r, ask, entry)
	return nil
}

// load gets the variant from the cache, or makes it, and says in the answer's
// headers which. An error that the cache remembers is an error here.
func (s *Server) load(ctx context.Context, w *response, a ask) (*cache.Entry, error) {
	var t timings
	e, outcome, err := s.loadMarked(ctx, a, &t)
	t.header(w.Header())
	if err != nil {
		return nil, err
	}
	w.noteOutcome(outcome)
	w.Header()["Cache-Status"] = []string{cacheStatus(outcome, e, s.now())}
	if e.Code != "" {
		known := &Error{Code: Code(e.Code), Message: e.Message}
		if a.access == (access{}) {
			known.MaxAge = max(int(e.ExpiresAt.Sub(s.now()).Seconds()), 0)
		}
		return nil, known
	}
	return e, nil
}

// loadMarked is load with the marks as they are now. Should the image of one change
// while the variant is made, it is another variant.
func (s *Server) loadMarked(ctx context.Context, a ask, t *timings) (e *cache.Entry, outcome cache.Outcome, err error) {
	for range 3 {
		if err := s.findMarks(ctx, &a); err != nil {
			return nil, outcome, err
		}
		e, outcome, err = s.loader.Load(ctx, a.key(), func(ctx context.Context, old *cache.Entry) (*cache.Entry, error) {
			return s.make(ctx, a, old, t)
		})
		if !errors.Is(err, errMarkChanged) {
			break
		}
	}
	return e, outcome, err
}

// An ask is what a request wants, once it has been read and resolved.
type ask struct {
	site      *site
	ref       ref
	fallback  *ref // what default= names; nil is none
	who       sender
	access    access
	options   transform.Options
	stamps    stamps
	canonical string // of options, but for the mark and what changes no byte of the output
	accept    transform.Accept
}

// read takes the path and query apart, applies the preset, and finds the original
// they name. Where an error is returned, the options are those read by then.
func (c *site) read(rest, rawQuery string) (ask, error) {
	a := ask{site: c, options: transform.Defaults()}
	t, err := parseTarget(rest)
	if err != nil {
		return a, err
	}
	q, err := parseQuery(rawQuery)
	if err != nil {
		return a, err
	}
	src, hasSrc, err := q.Value("src")
	if err != nil {
		return a, err
	}
	if err := c.readOptions(&a, q); err != nil {
		return a, err
	}
	if a.ref, err = c.resolve(t, src, hasSrc); err != nil {
		return a, err
	}
	if a.stamps, err = c.decideMarks(a.options.Mark, a.ref); err != nil {
		return a, err
	}
	if name := a.options.Default; name != "" {
		r, err := c.resolveName(name)
		if err != nil {
			return a, fail("INVALID_OPTION", "default: "+asError(err).Message)
		}
		a.fallback = &r
	}
	return a, nil
}

// readOptions reads the options, over those of the preset that the query names.
func (c *site) readOptions(a *ask, q transform.Query) error {
	preset, hasPreset, err := q.Preset()
	if err != nil {
		return err
	}
	var base transform.Query
	if hasPreset {
		if base, hasPreset = c.presets[preset]; !hasPreset {
			return fail("INVALID_OPTION", fmt.Sprintf("preset: workspace %s has no preset %q", c.Namespace, preset))
		}
	}
	if c.PresetsOnly {
		if err := onlyPreset(q, preset); err != nil {
			return err
		}
	}
	o, err := c.marks.Parse(base, q)
	if err != nil {
		return err
	}
	a.options = o
	o.Download, o.Default = "", ""     // no byte of the output depends on them
	o.Mark = transform.Defaults().Mark // what counts is what is decided
	a.canonical = o.String()
	return nil
}

// reads are all originals that the request may read by what its URL says.
func (a *ask) reads() []ref {
	refs := append([]ref{a.ref}, a.stamps.asked()...)
	if a.fallback != nil {
		refs = append(refs, *a.fallback)
	}
	return refs
}

// onlyPreset holds a URL of a presets_only workspace to a preset and what changes
// no pixel.
func onlyPreset(q transform.Query, preset string) error {
	if preset == "" {
		return fail("PRESET_REQUIRED", "this workspace serves presets only: add preset=NAME")
	}
	for _, p := range q {
		switch p.Name {
		case "preset", "p:" + preset, "v", "dl", "sig", "exp", "src":
		default:
			return fail("PRESET_REQUIRED", "this workspace serves presets only: leave out "+p.Name)
		}
	}
	return nil
}

// auto reports whether the answer depends on the Accept header.
func (a *ask) auto() bool { return a.options.Format == transform.Auto }

// key is the hash of everything that decides the variant's bytes.
func (a *ask) key() cache.Key {
	b := a.appendWhat(make([]byte, 0, 512))
	add := func(field string) { b = appendField(b, field) }
	if a.auto() {
		add(a.accept.String())
	}
	if a.site.AllowSVG {
		add("svg")
	}
	if a.site.AllowTIFF {
		add("tiff")
	}
	if a.access.test != "" {
		add("test")
	}
	for _, m := range a.stamps.list {
		add("mark")
		add(m.Fields())
		add(string(m.image.Hash[:]))
	}
	return sha256.Sum256(a.appendPurged(b))
}

// appendWhat appends the part of the key that the URL alone decides.
func (a *ask) appendWhat(b []byte) []byte {
	at := a.ref.at()
	for _, field := range [...]string{generation, a.site.ID, at.place(), at.key.Path, at.key.Query, a.canonical} {
		b = appendField(b, field)
	}
	return b
}

func appendField(b []byte, field string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

// place is the part of a key that says where the original is fetched from.
func (r ref) place() string {
	if r = r.at(); r.source == nil {
		return "url"
	}
	return r.source.id
}

// An original that several variants may share while they are made.
type original struct {
	*origin.Object
	header transform.Header
}

type originalKey struct {
	workspace, place string
	key              origin.Key
	have             origin.Validators
	purged           int64 // purges there had been when it was asked for
}

// make fetches the original and transforms it. old is the stale entry that is to
// be renewed, or nil. Errors that are worth remembering come as entries.
func (s *Server) make(ctx context.Context, a ask, old *cache.Entry, t *timings) (*cache.Entry, error) {
	if err := s.admits(ctx, a, old != nil); err != nil {
		return nil, err
	}
	undo, err := s.spend(ctx, a.site) // before the origin is asked for nothing
	if err != nil {
		return nil, err
	}
	made := false
	defer func() {
		if !made {
			undo()
		}
	}()
	start := time.Now()
	var have origin.Validators
	if old != nil && old.Code == "" {
		have = origin.Validators{ETag: old.OriginETag, LastModified: old.OriginLastModified}
	}
	hold, err := s.originals.Do(ctx, originalKey{a.site.ID, a.ref.place(), a.ref.at().key, have, a.site.purges.Last()},
		func(ctx context.Context) (*original, error) { return s.readOriginal(ctx, a.site, a.ref, have) })
	t.fetch.Store(int64(time.Since(start)))
	if err != nil {
		if old != nil && errors.Is(err, origin.ErrNotModified) {
			renewed := *old
			s.date(&renewed, a)
			return &renewed, nil
		}
		return s.remember(err)
	}
	defer hold.Release()

	orig := hold.Value
	start = time.Now()
	image, err := s.transform(ctx, a, orig, old != nil)
	t.transform.Store(int64(time.Since(start)))
	if err != nil {
		return s.remember(err)
	}
	made = true
	s.count(ctx, a.site, a.ref.sourceName(), workspace.Usage{Transforms: 1})
	sum := sha256.Sum256(image.Data)
	e := &cache.Entry{
		Body:        image.Data,
		ContentType: image.Format.MediaType(),
		ETag:        `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`,
		Width:       image.Width, Height: image.Height, Frames: image.Frames,
		OriginETag: orig.ETag, OriginLastModified: orig.LastModified,
	}
	s.date(e, a)
	return e, nil
}

// date sets how long an entry counts.
func (s *Server) date(e *cache.Entry, a ask) {
	now := s.now()
	e.StoredAt = now
	e.ExpiresAt = now.Add(variantTTL)
	e.RevalidateAt = time.Time{}
	if src := a.ref.at().source; src != nil {
		if src.TTL > 0 {
			e.ExpiresAt = now.Add(time.Duration(src.TTL) * time.Second)
		}
		if src.Revalidate > 0 {
			e.RevalidateAt = now.Add(time.Duration(src.Revalidate) * time.Second)
		}
	}
}

// remember makes an entry of an error that the next request would meet again: a
// missing original or a picture that can't be read. Anything else may pass.
func (s *Server) remember(err error) (*cache.Entry, error) {
	if errors.Is(err, transform.ErrTruncated) {
		return nil, err
	}
	e := asError(err)
	if !e.Code.Kind().Remembered {
		return nil, err
	}
	now := s.now()
	return &cache.Entry{Code: string(e.Code), Message: e.Message, StoredAt: now, ExpiresAt: now.Add(errorTTL)}, nil
}

// readOriginal fetches an original and judges its header before any decoder sees it.
// The original must be released.
func (s *Server) readOriginal(ctx context.Context, c *site, r ref, have origin.Validators) (*original, error) {
	ctx = origin.WithOwner(ctx, origin.Owner{Workspace: c.ID, Host: r.host()})
	if err := s.bodies.Admit(ctx); err != nil {
		return nil, err
	}
	if host := r.host(); host != "" {
		done, err := s.fetches.enter(ctx, c.ID, host, s.fetchTimeout)
		if err != nil {
			return nil, err
		}
		defer done()
		if err := s.bodies.Admit(ctx); err != nil { // it may have waited
			return nil, err
		}
	}
	obj, err := s.fetch(ctx, c, r, have)
	if err != nil {
		return nil, err
	}
	s.count(ctx, c, r.sourceName(), workspace.Usage{BytesIn: int64(len(obj.Body))})
	h, err := s.judge(c, obj)
	if err != nil {
		obj.Release()
		return nil, err
	}
	return &original{obj, h}, nil
}

// takes refuses formats that the workspace has not opted into.
func (c *site) takes(h transform.Header) error {
	if h.Format == transform.TIFF && !c.AllowTIFF || h.Format == transform.SVG && !c.AllowSVG {
		return fmt.Errorf("%w: %s originals are off in this workspace", transform.ErrUnsupported, h.Format)
	}
	return nil
}

// transform turns an original into the variant asked for. In the background nobody
// waits for it.
func (s *Server) transform(ctx context.Context, a ask, orig *original, background bool) (transform.Image, error) {
	o := a.options
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
		stamped = append(stamped, s.testStamp)
	}
	if s.transformTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.transformTimeout)
		defer cancel()
	}
	retain := func() func() {
		releaseMarks := retainMarks()
		orig.Retain()
		return func() {
			orig.Release()
			releaseMarks()
		}
	}
	owner := a.owner(background)
	owner.Original = a.fingerprint(orig)
	return s.engine.Transform(ctx, transform.Job{
		Original: orig.Body, Header: orig.header, Options: o, Format: format, Limits: s.limits, Marks: stamped,
		MayKeep: a.auto() && a.accept.Takes(orig.header.Format), Owner: owner, Retain: retain,
	})
}

// admits refuses early what the engine would: before anything is fetched for it.
func (s *Server) admits(ctx context.Context, a ask, background bool) error {
	if e, ok := s.engine.(admitter); ok {
		return e.Admits(ctx, a.owner(background))
	}
	return nil
}

// An admitter is an engine with a queue, which may be full.
type admitter interface {
	Admits(context.Context, transform.Owner) error
}

// owner is whom the engine works for.
func (a *ask) owner(background bool) transform.Owner {
	o := transform.Owner{Workspace: a.site.Namespace, Background: background}
	if a.ref.source != nil {
		o.Source = a.ref.source.Key
	}
	return o
}

// fingerprint is the same for the same bytes only, as far as the origin says.
func (a *ask) fingerprint(o *original) string {
	at := a.ref.at()
	return strings.Join([]string{a.site.ID, at.place(), at.key.Path, at.key.Query, o.ETag, o.LastModified}, "\x00")
}

// timings are how long the steps of a miss took, in nanoseconds. They are atomic
// since a run that outlives its first caller still sets them.
type timings struct{ fetch, transform atomic.Int64 }

// header writes Server-Timing (W3C Server Timing), in milliseconds.
func (t *timings) header(h http.Header) {
	fetch, transform := t.fetch.Load(), t.transform.Load()
	if fetch == 0 && transform == 0 {
		return
	}
	h.Set("Server-Timing", fmt.Sprintf("fetch;dur=%.1f, transform;dur=%.1f", float64(fetch)/1e6, float64(transform)/1e6))
}
