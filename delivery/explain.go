package delivery

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
)

// An Explanation says what a request for a URL would be answered with, and why. It holds
// no secret.
type Explanation struct {
	Status  int     `json:"status" doc:"Status of the answer, as far as it is known without fetching the original. 200 if all checks pass."`
	Code    string  `json:"code" doc:"The error code; empty without an error."`
	Message string  `json:"message" doc:"What is wrong and what to do; empty without an error."`
	Checks  []Check `json:"checks" nullable:"false" doc:"The checks in their order, up to the first that fails."`

	Source       string    `json:"source" doc:"Key of the source; empty for originals by full URL."`
	Original     string    `json:"original" doc:"The original: source/path, or host and path of a URL."`
	Options      string    `json:"options" doc:"The options in canonical form, with presets applied."`
	Format       string    `json:"format" doc:"The output's format. For format=auto without a cached variant, the formats to choose from."`
	Ignored      []Ignored `json:"ignored" nullable:"false" doc:"Parameters that have no effect."`
	Marks        []string  `json:"marks" nullable:"false" doc:"Marks that are stamped, the lowest first."`
	CacheControl string    `json:"cache_control" doc:"Cache-Control header of the answer."`

	VariantKey string     `json:"variant_key" doc:"Hash under which the variant is cached, 64 hex digits."`
	Cached     bool       `json:"cached" doc:"Whether this server has the variant."`
	Tier       string     `json:"tier" doc:"Cache tier that has it: memory, disk or bucket."`
	Stale      bool       `json:"stale" doc:"Whether the server would ask the origin again after answering."`
	ExpiresAt  *time.Time `json:"expires_at" doc:"When the cached variant expires. Null if none is cached."`
}

// A Check is one step that a request passes or fails.
type Check struct {
	Name   string `json:"name" doc:"workspace, origin, url, access, marks or original."`
	Passed bool   `json:"passed"`
	Detail string `json:"detail" doc:"Result of the check."`
}

// Explain says how a GET of the target would be answered. The target is in path form,
// as it stands on the wire. accept and origin are the headers of those names; an empty one
// isn't sent.
//
// Explain takes the same steps as a request and stops before the original is fetched. It
// fetches images of marks. It checks hosts that are addresses, and looks up no names. The
// error is that of the context.
func (s *Service) Explain(ctx context.Context, target, accept, origin string) (Explanation, error) {
	e := Explanation{Status: http.StatusOK, Checks: []Check{}, Ignored: []Ignored{}, Marks: []string{}}
	err := s.explain(ctx, &e, target, accept, origin)
	if ctx.Err() != nil {
		return Explanation{}, ctx.Err()
	}
	if err != nil {
		failed := fault.Of(err)
		e.Status, e.Code, e.Message = failed.Status(), string(failed.Code), failed.Message
		if n := len(e.Checks); n > 0 {
			last := &e.Checks[n-1]
			last.Passed = false
			if last.Name == "access" { // the rule, and how it is broken
				last.Detail += ": " + failed.Message
			} else {
				last.Detail = failed.Message
			}
		}
	}
	return e, nil
}

// check begins a step. It counts as passed unless it stays the last one and the request
// fails.
func (e *Explanation) check(name, detail string) {
	e.Checks = append(e.Checks, Check{name, true, detail})
}

// found says what the step that was begun last has found.
func (e *Explanation) found(detail string) { e.Checks[len(e.Checks)-1].Detail = detail }

// explain fills e in, step by step, until the request fails.
func (s *Service) explain(ctx context.Context, e *Explanation, target, accept, origin string) error {
	e.check("workspace", "")
	t, site, err := s.explainSite(ctx, target)
	if err != nil {
		return err
	}
	e.found(t.Namespace)

	e.check("origin", "there is no Origin header")
	if origin != "" {
		e.found(origin + " is allowed")
	}
	if err := site.admitsOrigin(origin); err != nil {
		return err
	}

	e.check("url", "")
	a, failed, err := s.decide(site, t, false, client{accept: accept}, func() (sender, error) { return sender{}, nil })
	e.Options = a.options.String()
	if a.endpoint != nil && a.endpoint.read != nil {
		e.Options = a.canonical
	}
	for _, name := range a.ignored {
		e.Ignored = append(e.Ignored, Ignored{shortName(name), a.hintAt(name)})
	}
	if err != nil && failed == stepURL {
		return err
	}
	e.describe(a)

	e.check("access", a.rule())
	if err != nil {
		return err
	}
	if a.access.private || site.RequireSignature {
		e.found(a.rule() + "; the signature is good")
	}
	e.CacheControl = a.cacheControl()

	e.check("marks", "none is stamped")
	marked, err := s.findMarks(ctx, a)
	if err != nil {
		return err
	}
	for _, m := range marked.marks.list {
		e.Marks = append(e.Marks, m.Name())
	}
	if len(e.Marks) > 0 {
		e.found("their images could be had")
	}

	e.check("original", "it would be fetched; whether it can be is not known")
	if len(a.refs) == 0 {
		e.found("there is none to fetch")
	}
	return s.explainVariant(ctx, e, marked)
}

// admitsOrigin is admitOrigin for a GET with this header Origin, or without one where it is
// empty.
func (c *site) admitsOrigin(origin string) error {
	r := &http.Request{Method: http.MethodGet, Header: http.Header{}}
	if origin != "" {
		r.Header.Set("Origin", origin)
	}
	return c.admitOrigin(headerOnly{}, r)
}

// explainSite finds the workspace of a target in path form.
func (s *Service) explainSite(ctx context.Context, target string) (Target, *site, error) {
	path, query, err := SplitTarget(target)
	if err != nil {
		return Target{}, nil, err
	}
	t, ok := s.Target(ctx, "", path, query)
	if !ok {
		return Target{}, nil, fault.New(fault.WorkspaceNotFound, "the first segment of the path names no workspace")
	}
	site, err := s.site(ctx, t.Namespace)
	return t, site, err
}

// describe says what the request asks for.
func (e *Explanation) describe(a *ask) {
	original := a.original()
	e.Original, e.Source = original.String(), original.sourceName()
	for _, more := range a.refs[min(len(a.refs), 1):] {
		e.Original += ", " + more.String()
	}
	found := "an original by full URL, which allowed_sources allows"
	switch {
	case len(a.refs) == 0:
		e.Original, found = "", "made of the URL alone: no original is read"
	case e.Source != "":
		found = "an original of source " + e.Source
	}
	if a.foreign != nil {
		found += "; the URL is read as one of " + a.foreign.dialect.Name
	}
	e.found(found)
	e.Format = string(a.options.Format)
	if a.auto() {
		list := a.accept.String() + ",jpeg,png"
		if rest, kept := strings.CutPrefix(list, "kept"); kept { // the original's, where it is one of these
			list = rest + ",gif"
		}
		e.Format = "auto: " + strings.Join(strings.FieldsFunc(list, func(r rune) bool { return r == ',' }), " ")
	}
}

// explainVariant says whether the variant is cached, or else whether its original may be
// fetched.
func (s *Service) explainVariant(ctx context.Context, e *Explanation, a *ask) error {
	f, err := a.find(func(a *ask) (*cache.Entry, cache.Outcome, error) {
		key := a.key()
		e.VariantKey = key.String()
		return s.loader.Peek(ctx, key)
	})
	if err != nil {
		return err
	}
	entry, outcome := f.entry, f.outcome
	if entry == nil && len(a.refs) == 0 {
		return nil
	}
	if entry == nil {
		return s.http.CheckHost(a.original().host())
	}
	e.found("the variant is cached")
	e.Cached, e.Tier, e.Stale = true, outcome.Tier, outcome.Stale
	if !entry.ExpiresAt.IsZero() {
		at := entry.ExpiresAt.UTC()
		e.ExpiresAt = &at
	}
	if entry.Code != "" {
		return fault.New(fault.Code(entry.Code), entry.Message)
	}
	_, e.Format, _ = strings.Cut(entry.ContentType, "/")
	return f.refused
}

// headerOnly is a ResponseWriter that keeps headers only.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h headerOnly) WriteHeader(int)             {}
