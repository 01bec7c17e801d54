package delivery

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

const allowedMethods = "GET, HEAD, OPTIONS"

// Deliver answers a request for what is in a workspace, and counts it.
func (s *Service) Deliver(w *Response, r *http.Request, t Target) {
	w.Log.Workspace = t.Namespace
	w.beginHead()
	defer w.lent.Return()
	defer w.dropHead() // also where somebody panics: what answers then has a header of its own
	if err := s.deliver(w, r, t); err != nil {
		s.tellQuota(w.Header(), w.Log.site)
		w.Fail(err)
		w.noteNamed(t)
	}
	s.noteRecent(w, r, t)
	s.accountKey(w, r)
	ctx := r.Context()
	if w.Log.Who.Kind != "" {
		ctx = apikey.WithPrincipal(ctx, w.Log.Who)
	}
	s.countRequest(ctx, w, r)
	s.countError(ctx, w, r, t)
	s.watchRequest(w, r)
}

// deliver answers a request. One that took so long that other settings may hold by now, such as
// since the process was stopped meanwhile, begins anew before anything is sent.
func (s *Service) deliver(w *Response, r *http.Request, t Target) error {
	for round := 0; ; round++ {
		if err := s.answer(w, r, t, round); !errors.Is(err, errOutdated) {
			return err
		}
		maps.DeleteFunc(w.Header(), func(name string, _ []string) bool { return !slices.Contains(ofServer, name) })
	}
}

const (
	tookLong   = 3 * time.Second // after which a request is judged anew
	mostRounds = 3               // of one request
)

// ofServer are the headers that an answer has before Deliver.
var ofServer = []string{"X-Request-Id", "X-Content-Type-Options", "Strict-Transport-Security", "Alt-Svc"}

var errOutdated = errors.New("delivery: other settings hold by now")

// outdated reports whether a request has taken long, and may be answered otherwise now than when
// it was judged: its workspace has other settings, its key may have been revoked, or what it asks
// for was purged.
func (s *Service) outdated(r *http.Request, t Target, a *ask, began time.Time, round int) bool {
	if workspace.Age(s.now(), began) < tookLong || round+1 == mostRounds {
		return false
	}
	now, err := s.site(r.Context(), t.Namespace)
	switch {
	case err != nil || now.ID != a.site.ID || now.Revision != a.site.Revision:
		return true
	case round > 0:
		return false
	case a.who.known() || now == a.site:
		return a.who.known()
	}
	b, _, err := s.decide(now, t, false, clientOf(r), func() (sender, error) { return a.who, nil })
	return err != nil || b.key() != a.key()
}

// answer is the life of a request, in one of the rounds that it may take.
func (s *Service) answer(w *Response, r *http.Request, t Target, round int) error {
	began := s.now()
	site, err := s.site(r.Context(), t.Namespace)
	if err != nil {
		return err
	}
	if site, err = s.confirmed(r.Context(), site, t); err != nil {
		return err
	}
	w.Log.site = site
	if r.Method == http.MethodPost {
		return s.deliverBody(w, r, site, t)
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
		return fault.New(fault.MethodNotAllowed, "images are read with GET or HEAD")
	}
	if round == 0 {
		if err := s.admit(r.Context(), site); err != nil {
			return err
		}
	}
	ask, _, err := s.decide(site, t, false, clientOf(r), func() (sender, error) { return s.sender(w, r, site) })
	if ask.auto() {
		varyAccept(w.Header())
	}
	ask.nameIgnored(w.Header())
	ask.foreign.vary(w.Header())
	if err != nil {
		if ask.endpoint != nil {
			w.Log.operation = ask.endpoint.name
		}
		return err
	}
	r = ask.who.withPrincipal(r)
	ask.client, ask.span = limit.ClientIn(r.Context()), w.Span
	ask.asked = s.askedBy(t, r)
	if ask.part = nil; ask.endpoint == transformEndpoint && ask.foreign == nil {
		ask.part = askedPart(r)
		if k, ok := w.Conn.(Gatherer); ok && w.Plain && k.SendsFiles() {
			ask.lent = &w.lent
		}
	}
	w.noteAsk(ask)
	ask.tag(w.Header())
	if s.profiled != nil && s.profiled() {
		_, unlabel := label(r.Context(), t.Namespace, ask.endpoint.name)
		defer unlabel()
	}

	load := (*Service).load
	if ask.endpoint.load != nil {
		load = ask.endpoint.load
	}
	entry, err := load(s, r.Context(), w, ask)
	if err != nil {
		if to := ask.redirectOn(err); to != "" {
			w.redirect(to, err)
			return nil
		}
		return s.standIn(w, r, ask, ask.foreign.renamed(err))
	}
	if s.outdated(r, t, ask, began, round) {
		return errOutdated
	}
	s.known.hit(t, ask, w.Log.Cache)
	return s.respond(w, r, ask, entry)
}

func clientOf(r *http.Request) client { return client{strings.Join(r.Header["Accept"], ","), r.Header} }

// load gets the variant from the cache, or makes it, and says in the answer's
// headers which. An error that the cache remembers is an error here.
func (s *Service) load(ctx context.Context, w *Response, a *ask) (*cache.Entry, error) {
	var t timings
	found, err := s.loadMarked(ctx, a, &t)
	t.header(w.Header())
	if err != nil {
		return nil, err
	}
	e, outcome := found.entry, found.outcome
	w.noteOutcome(outcome)
	if told := hitStatus[outcome.Tier]; told != nil && !outcome.Stale {
		w.Header()["Cache-Status"] = told
	} else {
		w.Header()["Cache-Status"] = []string{cacheStatus(outcome, e, s.now())}
	}
	if e.Code != "" {
		known := &fault.Error{Code: fault.Code(e.Code), Message: e.Message}
		if a.access == (access{signed: a.access.signed}) {
			known.MaxAge = max(int(e.ExpiresAt.Sub(s.now()).Seconds()), 0)
		}
		return nil, known
	}
	if found.refused != nil { // it was made before the image was blocked
		return nil, found.refused
	}
	a.tagMore(w.Header(), found.tags)
	return e, nil
}

// loadMarked is load with the marks as they are now. Should the image of one change
// while the variant is made, it is another variant.
func (s *Service) loadMarked(ctx context.Context, a *ask, t *timings) (found, error) {
	for range 3 {
		marked, err := s.findMarks(ctx, a)
		if err != nil {
			return found{}, err
		}
		f, err := marked.find(func(a *ask) (*cache.Entry, cache.Outcome, error) { return s.loadOne(ctx, a, t) })
		if !errors.Is(err, errMarkChanged) {
			return f, err
		}
	}
	return found{}, errMarkChanged
}

func (s *Service) loadOne(ctx context.Context, a *ask, t *timings) (*cache.Entry, cache.Outcome, error) {
	look := a.span.Start("cache")
	key, make := a.key(), s.make
	if s.peers != nil && a.asked != nil {
		ctx, make = s.withOwner(ctx, a, key)
	}
	if a.part != nil {
		ctx = cache.WithPart(ctx, a.part)
	}
	if a.lent != nil {
		ctx = cache.WithLend(ctx, a.lent)
	}
	e, o, err := s.loader.Load(ctx, key, func(ctx context.Context, old *cache.Entry) (*cache.Entry, error) {
		look.String("tintype.cache", "miss")
		look.End()
		return make(ctx, a, old, t)
	})
	if e != nil && o.Tier == "" && t.foundBy.Load() == e {
		o = cache.Outcome{Tier: tierPeer, Stale: e.Stale(s.now())}
	}
	if look != nil {
		look.String("tintype.cache", cmp.Or(o.Tier, "joined")) // which says nothing where it has ended
		look.End()
	}
	return e, o, err
}

// noteAsk notes what a request asks for.
func (w *Response) noteAsk(a *ask) {
	r := a.original()
	w.Log.operation = a.endpoint.name
	w.Log.Options, w.Log.Source = a.canonical, r.sourceName()
	if a.told != nil {
		w.Log.Original = a.told.original
	} else {
		w.Log.Original = r.String()
	}
}

// noteNamed notes the source that a refused request names, unless more is known of it.
func (w *Response) noteNamed(t Target) {
	if c := w.Log.site; c != nil && w.Log.Source == "" {
		w.Log.Source = c.named(t)
	}
}

func (w *Response) noteOutcome(o cache.Outcome) {
	switch {
	case o.Tier != "" && o.Stale:
		w.Log.Cache = "stale"
	case o.Tier != "":
		w.Log.Cache = o.Tier
	default:
		w.Log.Cache = "miss"
	}
}
