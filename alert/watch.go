package alert

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
)

// Bounds of what a Watch remembers.
const (
	mostWatched = 65_536 // workspaces
	mostSources = 16     // of a workspace
	mostActors  = 32     // of a workspace
	mostSeen    = 65_536 // events that aren't told again, and countries of keys
	mostEvents  = 256    // that wait to be written
	idleFor     = time.Hour

	minutes = 6  // of counts by the minute: five whole ones, and the one that runs
	spans   = 12 // of counts by five minutes: an hour
)

// An Image is a request for an image that was answered.
type Image struct {
	WorkspaceID, Namespace string
	Source                 string // key of a configured source, or empty
	Actor                  string // who sent it, as in the audit log: key:ID; empty for anybody
	Status                 int
	Made                   bool // an original was fetched for it

	OriginFailed, WorkerLost bool // why it failed
}

// A Watch counts in memory. It is safe for concurrent use, and asks no store.
type Watch struct {
	now     func() time.Time
	country func(ip string) string // nil knows none

	mu     sync.Mutex // guards the fields below
	spaces map[string]*watched
	over   []hour // that are over, and not written
	events []Event
	fails  map[string]Event // sign-ins that failed, by address
	told   *lru.Cache[string, time.Time]
	places *lru.Cache[string, struct{}] // countries of keys that were told
}

// An Event is something rare that a rule is about.
type Event struct {
	WorkspaceID string    `json:"w"`
	Namespace   string    `json:"n"`
	Rule        Rule      `json:"r"`
	Subject     string    `json:"s"`           // what it concerns, such as key:ID
	Text        string    `json:"t"`           // a sentence
	Place       string    `json:"p,omitempty"` // country of KeyPlace
	At          time.Time `json:"a"`
}

// watched is what is counted of a workspace.
type watched struct {
	namespace string
	last      time.Time
	minutes   [minutes]minute
	sources   map[string]*watchedSource
	actors    map[string]*actor
	hour      hour
}

type minute struct {
	at                       int64 // since 1970
	requests, errors, denied int64
}

type watchedSource struct {
	minutes [minutes]struct{ at, made, failed int64 }
	lost    [spans]span
}

type actor struct {
	last  time.Time
	spans [spans]span
}

// A span is a count of five minutes.
type span struct{ at, count int64 }

// An hour has the requests of a workspace in an hour.
type hour struct {
	workspaceID string
	at          int64 // hours since 1970
	requests    int64
}

// NewWatch returns a Watch. now is nil for time.Now. country returns the country of an address as
// two letters, or ""; nil knows none.
func NewWatch(now func() time.Time, country func(ip string) string) *Watch {
	if now == nil {
		now = time.Now
	}
	told, err := lru.New[string, time.Time](mostSeen)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	places, err := lru.New[string, struct{}](mostSeen)
	if err != nil {
		panic(err)
	}
	return &Watch{now: now, country: country, spaces: map[string]*watched{}, fails: map[string]Event{}, told: told, places: places}
}

// Image counts a request for an image.
func (w *Watch) Image(i Image) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	s := w.space(i.WorkspaceID, i.Namespace, now)
	if s == nil {
		return
	}
	at := now.Unix() / 60
	m := &s.minutes[at%minutes]
	if m.at != at {
		*m = minute{at: at}
	}
	m.requests++
	if i.Status >= 400 {
		m.errors++
	}
	if i.Status == 401 || i.Status == 403 {
		m.denied++
	}
	w.countHour(i.WorkspaceID, s, at/60)
	if i.Actor != "" {
		s.act(i.Actor, now)
	}
	if !i.Made && !i.OriginFailed && !i.WorkerLost {
		return
	}
	if src := s.source(i.Source); src != nil {
		src.count(i, at)
	}
}

// space returns the counts of a workspace, or nil where there is no room. The caller holds mu.
func (w *Watch) space(id, namespace string, now time.Time) *watched {
	s := w.spaces[id]
	if s == nil {
		if len(w.spaces) >= mostWatched {
			return nil
		}
		s = &watched{namespace: namespace}
		w.spaces[id] = s
	}
	s.last = now
	return s
}

// countHour counts a request in its hour. The caller holds mu.
func (w *Watch) countHour(id string, s *watched, at int64) {
	if s.hour.at != at {
		w.endHour(s)
		s.hour = hour{workspaceID: id, at: at}
	}
	s.hour.requests++
}

// endHour keeps the count of an hour that is over, where it is worth it. The caller holds mu.
func (w *Watch) endHour(s *watched) {
	if s.hour.requests >= keptHour {
		w.over = append(w.over, s.hour)
	}
	s.hour = hour{}
}

func (s *watched) source(key string) *watchedSource {
	src := s.sources[key]
	if src == nil {
		if len(s.sources) >= mostSources {
			return nil
		}
		if s.sources == nil {
			s.sources = map[string]*watchedSource{}
		}
		src = &watchedSource{}
		s.sources[strings.Clone(key)] = src
	}
	return src
}

func (src *watchedSource) count(i Image, at int64) {
	m := &src.minutes[at%minutes]
	if m.at != at {
		m.at, m.made, m.failed = at, 0, 0
	}
	switch {
	case i.OriginFailed:
		m.failed++
	case i.WorkerLost:
		add(&src.lost, at/5)
	default:
		m.made++
	}
}

func add(spans *[spans]span, at int64) {
	s := &spans[at%int64(len(spans))]
	if s.at != at {
		*s = span{at: at}
	}
	s.count++
}

// sum returns the counts of the last hour.
func sum(list *[spans]span, now int64) (n int64) {
	for _, s := range list {
		if s.at > now-spans {
			n += s.count
		}
	}
	return n
}

// act counts a request of a key or a person.
func (s *watched) act(name string, now time.Time) {
	a := s.actors[name]
	if a == nil {
		if s.actors == nil {
			s.actors = map[string]*actor{}
		}
		if len(s.actors) >= mostActors { // the one that has been quiet for the longest time gives way
			oldest := ""
			for n, other := range s.actors {
				if oldest == "" || other.last.Before(s.actors[oldest].last) {
					oldest = n
				}
			}
			delete(s.actors, oldest)
		}
		a = &actor{}
		s.actors[name] = a
	}
	a.last = now
	add(&a.spans, now.Unix()/300)
}

// Act counts a request for something else than an image, of a key or a person, named as in the
// audit log.
func (w *Watch) Act(workspaceID, namespace, who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.now()
	if s := w.space(workspaceID, namespace, now); s != nil {
		s.act(who, now)
	}
}

// Deny notes that somebody was refused: what they asked for, and from where.
func (w *Watch) Deny(workspaceID, namespace, who string, status int, what, ip string) {
	text := describe(who) + " was refused (" + cmp.Or(map[int]string{401: "401", 403: "403"}[status], "refused") + "): " + clean(what, 120)
	if ip != "" {
		text += ", from " + clean(ip, 60)
	}
	w.note(Event{WorkspaceID: workspaceID, Namespace: namespace, Rule: Denied, Subject: clean(who, maxSubject), Text: text + "."})
}

// SignInFailed notes that a sign-in to an address failed. It concerns the workspaces of which
// its account is a member.
func (w *Watch) SignInFailed(email, ip string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.fails[email]; !ok && len(w.fails) >= mostEvents {
		return
	}
	text := "Somebody tried to sign in as " + clean(email, 100) + " and had no valid code"
	if ip != "" {
		text += ", from " + clean(ip, 60)
	}
	w.fails[email] = Event{Rule: Denied, Subject: clean("account:"+email, maxSubject), Text: text + ".", At: w.now()}
}

// UseKey notes from where a key is used.
func (w *Watch) UseKey(workspaceID, namespace, keyID, ip string) {
	if w.country == nil {
		return
	}
	place := w.country(ip)
	if place == "" {
		return
	}
	name := workspaceID + "/" + keyID + "/" + place
	if _, known := w.places.Get(name); known {
		return
	}
	if w.note(Event{
		WorkspaceID: workspaceID, Namespace: namespace, Rule: KeyPlace, Subject: "key:" + keyID, Place: place,
		Text: "The API key " + clean(keyID, 60) + " was used from " + clean(place, 20) + ", where it was not seen before.",
	}) {
		w.places.Add(name, struct{}{})
	}
}

// Renewal notes that the certificate of a host of a workspace could not be renewed.
func (w *Watch) Renewal(workspaceID, namespace, host, why string) {
	w.note(Event{
		WorkspaceID: workspaceID, Namespace: namespace, Rule: Expiry, Subject: clean("certificate:"+host, maxSubject),
		Text: "The certificate of " + clean(host, 100) + " could not be renewed: " + clean(why, 200) + ". The old one is served until it ends.",
	})
}

// tellAgain is how long the same event isn't told again by one server.
const tellAgain = 10 * time.Minute

// note keeps an event until it is written. It reports whether there was room, or nothing to keep.
func (w *Watch) note(e Event) bool {
	e.At = w.now()
	name := e.WorkspaceID + "/" + string(e.Rule) + "/" + e.Subject + "/" + e.Place
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, ok := w.told.Get(name); ok && e.At.Sub(last) < tellAgain && !e.At.Before(last) {
		return true
	}
	if len(w.events) >= mostEvents {
		return false
	}
	w.told.Add(name, e.At)
	w.events = append(w.events, e)
	return true
}

// take returns the events and hours so far.
func (w *Watch) take() (events []Event, fails map[string]Event, over []hour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	events, w.events = w.events, nil
	fails, w.fails = w.fails, map[string]Event{}
	over, w.over = w.over, nil
	return events, fails, over
}

// giveBack keeps for the next time what could not be written.
func (w *Watch) giveBack(events []Event, fails map[string]Event, over []hour) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = slices.Concat(events, w.events)
	w.events = w.events[:min(len(w.events), mostEvents)]
	maps.Copy(fails, w.fails)
	w.fails = fails
	w.over = append(over, w.over...)
	w.over = w.over[:min(len(w.over), mostWatched)]
}

// maxSubject bounds the name of what an alert concerns, in bytes.
const maxSubject = 120

// describe says in words who an actor of the audit log is.
func describe(who string) string {
	kind, name, _ := strings.Cut(who, ":")
	switch kind {
	case "key":
		return "The API key " + clean(name, 60)
	case "account":
		return clean(name, 100)
	}
	return "An unknown API key"
}

// clean returns a text in one line without control characters, cut to so many bytes.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most-len("…")], "") + "…"
	}
	return s
}
