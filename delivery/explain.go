package delivery

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/tintype/tintype/fault"
)

// An Explanation is what would happen to a URL, and why. It holds no secret.
type Explanation struct {
	Status  int     `json:"status" doc:"What the request would be answered with, as far as it is known without fetching the original: 200 where nothing is against it."`
	Code    string  `json:"code" doc:"The error code; empty without an error."`
	Message string  `json:"message" doc:"What is wrong and what to do; empty without an error."`
	Checks  []Check `json:"checks" nullable:"false" doc:"What was looked at, in this order, up to the first that fails."`

	Source       string   `json:"source" doc:"Key of the source; empty for originals by full URL."`
	Original     string   `json:"original" doc:"The original: source/path, or host and path of a URL."`
	Options      string   `json:"options" doc:"The options, canonical, presets applied."`
	Format       string   `json:"format" doc:"The output's format. For format=auto, and no variant yet, what it is chosen from."`
	Marks        []string `json:"marks" nullable:"false" doc:"Marks that are stamped, the lowest first."`
	CacheControl string   `json:"cache_control" doc:"What browsers and CDNs would be told."`

	VariantKey string     `json:"variant_key" doc:"What the variant is cached under, 64 hex digits."`
	Cached     bool       `json:"cached" doc:"Whether this server has the variant."`
	Tier       string     `json:"tier" doc:"Where: memory, disk or bucket."`
	Stale      bool       `json:"stale" doc:"Whether the origin would be asked again behind the request."`
	ExpiresAt  *time.Time `json:"expires_at" doc:"When what is cached is no more; null where nothing is."`
}

// A Check is one question that a request is put to.
type Check struct {
	Name   string `json:"name" doc:"workspace, origin, url, access, marks or original."`
	Passed bool   `json:"passed"`
	Detail string `json:"detail" doc:"What was found."`
}

// Explain says what a GET of the target would be answered with: a request target in path
// form, as it stands on the wire. accept and origin are the headers of that name; empty
// is none. It goes the way of a request (deliver) and stops where the original would be
// fetched: of a host that is an address it says whether that may be reached, and names
// aren't looked up. Images of marks are fetched. Errors are those of the context.
func (s *Service) Explain(ctx context.Context, target, accept, origin string) (Explanation, error) {
	e := Explanation{Status: http.StatusOK, Checks: []Check{}, Marks: []string{}}
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

// explain fills e in as far as the request gets.
func (s *Service) explain(ctx context.Context, e *Explanation, target, accept, origin string) error {
	// A check starts as passed. Explain changes the last one where the request fails.
	check := func(name, detail string) { e.Checks = append(e.Checks, Check{name, true, detail}) }
	found := func(detail string) { e.Checks[len(e.Checks)-1].Detail = detail }

	check("workspace", "")
	path, query, err := SplitTarget(target)
	if err != nil {
		return err
	}
	t, ok := s.Target(ctx, "", path, query)
	if !ok {
		return fault.New(fault.WorkspaceNotFound, "the first segment of the path names no workspace")
	}
	site, err := s.site(ctx, t.Namespace)
	if err != nil {
		return err
	}
	found(t.Namespace)

	check("origin", "there is no Origin header")
	r := &http.Request{Method: http.MethodGet, Header: http.Header{}}
	if origin != "" {
		r.Header.Set("Origin", origin)
		found(origin + " is allowed")
	}
	if err := site.admitOrigin(headerOnly{}, r); err != nil {
		return err
	}

	check("url", "")
	a, failed, err := s.decide(site, t, false, accept, func() (sender, error) { return sender{}, nil })
	e.Options = a.options.String()
	if err != nil && failed == stepURL {
		return err
	}
	original := a.original()
	e.Original, e.Source = original.String(), original.sourceName()
	if e.Source != "" {
		found("an original of source " + e.Source)
	} else {
		found("an original by full URL, which allowed_sources allows")
	}
	e.Format = string(a.options.Format)
	if a.auto() {
		e.Format = "auto: " + strings.Join(strings.FieldsFunc(a.accept.String()+",jpeg,png", func(r rune) bool { return r == ',' }), " ")
	}

	check("access", a.rule())
	if err != nil {
		return err
	}
	if a.access.private || site.RequireSignature {
		found(a.rule() + "; the signature is good")
	}
	e.CacheControl = a.cacheControl()

	check("marks", "none is stamped")
	marked, err := s.findMarks(ctx, &a)
	if err != nil {
		return err
	}
	for _, m := range marked.marks.list {
		e.Marks = append(e.Marks, m.Name())
	}
	if len(e.Marks) > 0 {
		found("their images could be had")
	}

	check("original", "it would be fetched; whether it can be is not known")
	key := marked.key()
	e.VariantKey = key.String()
	entry, outcome := s.loader.Peek(ctx, key)
	if entry == nil {
		return s.http.CheckHost(original.host())
	}
	found("the variant is cached")
	e.Cached, e.Tier, e.Stale = true, outcome.Tier, outcome.Stale
	if !entry.ExpiresAt.IsZero() {
		at := entry.ExpiresAt.UTC()
		e.ExpiresAt = &at
	}
	if entry.Code != "" {
		return fault.New(fault.Code(entry.Code), entry.Message)
	}
	e.Format = strings.TrimPrefix(entry.ContentType, "image/")
	return nil
}

// headerOnly is a ResponseWriter of what answers with headers alone.
type headerOnly http.Header

func (h headerOnly) Header() http.Header         { return http.Header(h) }
func (h headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h headerOnly) WriteHeader(int)             {}
