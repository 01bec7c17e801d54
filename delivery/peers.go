package delivery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

// A variant is made once in a fleet: the server that owns its original makes it, and others ask
// that one. The server that was asked by a client decides all: rights, marks, limits, purges. It
// counts what is made, too. The owner reads the same URL by its own settings, and makes the variant
// only where it comes to the same variant key, and where its settings and its log of purges are not
// older than those that the other has decided by. Where the two differ, as for a few seconds after
// a change, each makes its own, as servers that don't know each other do.

// Peers are the other servers of a fleet.
type Peers interface {
	// Owner returns the server that makes the variants of what is named, and whether it is
	// another one. It is asked on every miss, and answers from memory.
	Owner(what string) (owner string, other bool)
	// Ask asks an owner for the entry of a key. made is whether it was made for this question.
	// After an error, the caller makes the entry itself.
	Ask(ctx context.Context, owner string, key cache.Key, question []byte) (e *cache.Entry, made bool, err error)
}

// asking is how a client has asked.
type asking struct {
	target Target
	accept string
	slow   bool // of hints
}

// A question is what the owner is asked: what the client asked for, and what the server that asks
// has found out about it, and by which settings. It holds no credential but the signature of the
// URL.
type question struct {
	Workspace string `json:"workspace"` // ID
	Revision  int64  `json:"revision"`
	Purge     int64  `json:"purge"` // the last one

	Namespace string `json:"namespace"`
	Rest      string `json:"rest"`
	Query     string `json:"query,omitempty"`
	Accept    string `json:"accept,omitempty"`
	Slow      bool   `json:"slow,omitempty"`

	Layer      string `json:"layer,omitempty"`       // of info
	Refused    bool   `json:"refused,omitempty"`     // see again
	AfterPurge int64  `json:"after_purge,omitempty"` // see again

	By         string `json:"by,omitempty"` // the kind of principal whose key gives the right; empty is none
	Key        string `json:"key,omitempty"`
	Test       bool   `json:"test,omitempty"`
	Client     string `json:"client,omitempty"` // whose turn it is in queues
	Background bool   `json:"background,omitempty"`
	Known      bool   `json:"known,omitempty"` // only what there is: nothing may be made
}

// parseQuestion reads a question as strictly as it is written: a server of another version may mean
// more by it.
func parseQuestion(b []byte) (q question, err error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&q); err != nil || d.More() {
		return question{}, errNotUnderstood
	}
	if q.Workspace == "" || q.Namespace == "" || q.Revision < 0 || q.Purge < 0 || q.AfterPurge < 0 ||
		q.Rest != "" && q.Rest[0] != '/' || !slices.Contains([]string{"", string(apikey.Root), string(apikey.Key), string(apikey.Person)}, q.By) {
		return question{}, errNotUnderstood
	}
	return q, nil
}

// Why an owner leaves a variant to the server that asks.
var (
	errNotUnderstood = errors.New("the question can't be read")
	errOlder         = errors.New("this server has older settings of the workspace, or another workspace under its name")
	errOtherVariant  = errors.New("by the settings of this server, the URL means another variant, or nothing that may be shown")
	errNotKnown      = errors.New("there is no such entry")
	errNotTold       = errors.New("it failed, and the other may have more luck")
	errAsksItself    = errors.New("this server asks another one for it")
)

// askedBy returns how a client has asked, or nil where there is nobody else to ask.
func (s *Service) askedBy(t Target, r *http.Request) *asking {
	if s.peers == nil {
		return nil
	}
	return &asking{t, strings.Join(r.Header["Accept"], ","), slow(r.Header)}
}

// tierPeer stands for the cache of another server, among the tiers of this one.
const tierPeer = "peer"

// withOwner returns what makes an entry in a fleet: its owner does, where that is another server. In
// the context, tiers that servers share are left to the owner. Hits look for no owner.
func (s *Service) withOwner(ctx context.Context, a *ask, key cache.Key) (context.Context, func(context.Context, *ask, *cache.Entry, *timings) (*cache.Entry, error)) {
	owner := sync.OnceValues(func() (string, bool) { return s.ownerOf(a) })
	ctx = cache.WithLocalOnly(ctx, func() bool { _, other := owner(); return other })
	return ctx, func(ctx context.Context, a *ask, old *cache.Entry, t *timings) (*cache.Entry, error) {
		if to, other := owner(); other {
			return s.fillFrom(cache.WithLocalOnly(ctx, nil), to, a, key, old, t)
		}
		return s.make(ctx, a, old, t)
	}
}

// ownerOf returns the server that owns what is asked for, and whether it is another one. Nobody
// owns what only this server can read, such as its folders, or what takes no original.
func (s *Service) ownerOf(a *ask) (owner string, other bool) {
	if len(a.refs) == 0 {
		return "", false
	}
	for _, r := range a.reads() {
		if src := r.at().source; src != nil && src.Kind == "dir" {
			return "", false
		}
	}
	at := a.original().at()
	return s.peers.Owner(a.site.ID + "\x00" + at.place() + "\x00" + at.key.Path)
}

// question returns what the owner of an ask is asked.
func (a *ask) question(known bool) ([]byte, error) {
	return json.Marshal(question{
		Workspace: a.site.ID, Revision: a.site.Revision, Purge: a.site.purges.Last(),
		Namespace: a.asked.target.Namespace, Rest: a.asked.target.Rest, Query: a.asked.target.RawQuery, Accept: a.asked.accept, Slow: a.asked.slow,
		Layer: a.layer, Refused: a.again.refused, AfterPurge: a.again.purge,
		By: string(a.who.Kind), Key: a.who.KeyID, Test: a.who.Test, Client: a.client, Background: a.background, Known: known,
	})
}

// fillFrom gets an entry from its owner, and makes it where that is impossible. It counts in the
// limits and in usage what the owner makes for it. What the owner has already is free, also for a
// workspace whose limit is used up.
func (s *Service) fillFrom(ctx context.Context, owner string, a *ask, key cache.Key, old *cache.Entry, t *timings) (*cache.Entry, error) {
	undo, refused := s.spend(ctx, a.site)
	if refused != nil {
		undo = func() {}
	}
	e, made, err := s.askOwner(ctx, owner, a, key, refused != nil)
	switch {
	case err == nil && made && e.Code == "":
		s.countMade(ctx, a.site, a.endpoint.name, a.original().sourceName(), workspace.Usage{})
		return e, nil
	case err == nil:
		undo()
		if e.Code == "" {
			t.foundBy.Store(e)
		}
		return e, nil
	}
	undo()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if old == nil {
		e, _ := s.cache.Get(ctx, key)
		if e == cache.NoRoom {
			return nil, cache.ErrNoRoom
		}
		if now := s.now(); e != nil && !e.Stale(now) && !e.Expired(now) {
			t.foundBy.Store(e)
			return e, nil
		}
	}
	return s.make(ctx, a, old, t)
}

func (s *Service) askOwner(ctx context.Context, owner string, a *ask, key cache.Key, known bool) (*cache.Entry, bool, error) {
	q, err := a.question(known)
	if err != nil {
		return nil, false, err
	}
	defer s.asks.begin(key)()
	return s.peers.Ask(ctx, owner, key, q)
}

// asks are the keys that this server asks others for. Another server that sees other members may ask
// it for one of them meanwhile. It doesn't wait for its own question then, which may end at that server.
type asks struct {
	mu   sync.Mutex
	keys map[cache.Key]int // questions
}

func (a *asks) begin(key cache.Key) (end func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.keys == nil {
		a.keys = map[cache.Key]int{}
	}
	a.keys[key]++
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.keys[key]--; a.keys[key] == 0 {
			delete(a.keys, key)
		}
	}
}

func (a *asks) has(key cache.Key) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.keys[key] > 0
}

// Fill finds or makes an entry for another server of the fleet, and reports whether it was made for
// this question. An entry with a Code is an error that the other would meet too. Release must be
// called once the entry is sent. After an error, the other server makes the entry itself.
func (s *Service) Fill(ctx context.Context, key cache.Key, raw []byte) (e *cache.Entry, made bool, release func(), err error) {
	q, err := parseQuestion(raw)
	if err != nil {
		return nil, false, nil, err
	}
	a, err := s.verifyQuestion(ctx, q)
	if err != nil {
		return nil, false, nil, err
	}
	ctx = a.who.context(ctx)
	if a, err = s.findMarks(ctx, a); err != nil {
		return nil, false, nil, err
	}
	if a.key() != key {
		return nil, false, nil, errOtherVariant
	}
	if e, made, err = s.fillFor(ctx, a, key, q.Known); err != nil {
		return nil, false, nil, err
	}
	if a.judge(e).refused != nil {
		return nil, false, nil, errOtherVariant
	}
	release, ok := s.answers.Reserve(q.Client, int64(len(e.Body)))
	if !ok {
		return nil, false, nil, cache.ErrNoRoom
	}
	return e, made, release, nil
}

// verifyQuestion reads what another server asks by the settings of this one.
func (s *Service) verifyQuestion(ctx context.Context, q question) (*ask, error) {
	c, err := s.site(ctx, q.Namespace)
	if err != nil {
		return nil, err
	}
	if c.ID != q.Workspace || c.Revision < q.Revision || c.purges.Last() < q.Purge {
		return nil, errOlder
	}
	t := Target{Namespace: q.Namespace, Rest: q.Rest, RawQuery: q.Query}
	var hints http.Header
	if q.Slow {
		hints = slowHints
	}
	a, err := c.read(t, false, hints)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errOtherVariant, err)
	}
	a.accept = s.accepted(&a, q.Accept)
	a.layer, a.again = q.Layer, again{refused: q.Refused, purge: q.AfterPurge}
	a.client, a.background, a.forPeer = q.Client, q.Background, true
	if q.By != "" {
		a.who = sender{Principal: apikey.Principal{Kind: apikey.Kind(q.By), KeyID: q.Key, WorkspaceID: c.ID, Namespace: c.Namespace, Test: q.Test}}
	}
	if !q.Background { // what is made in the background shows nobody anything
		if err := s.authorize(&a, t); err != nil {
			return nil, fmt.Errorf("%w: %w", errOtherVariant, err)
		}
	}
	if err := a.checkBlocked(); err != nil {
		return nil, fmt.Errorf("%w: %w", errOtherVariant, err)
	}
	return &a, nil
}

// fillFor loads an entry for another server.
func (s *Service) fillFor(ctx context.Context, a *ask, key cache.Key, known bool) (*cache.Entry, bool, error) {
	if known {
		e, _, err := s.loader.Peek(ctx, key)
		if err == nil && e == nil {
			err = errNotKnown
		}
		return e, false, err
	}
	if s.asks.has(key) {
		return nil, false, errAsksItself
	}
	var t timings
	e, o, err := s.loader.Load(ctx, key, func(ctx context.Context, old *cache.Entry) (*cache.Entry, error) {
		return s.make(ctx, a, old, &t)
	})
	if err != nil {
		if told := fault.Of(err); toldToPeers(told.Code) {
			now := s.now()
			return &cache.Entry{Code: string(told.Code), Message: told.Message, StoredAt: now, ExpiresAt: now}, false, nil
		}
		return nil, false, fmt.Errorf("%w: %w", errNotTold, err)
	}
	return e, o.Tier == "" && !o.Shared && e.Code == "", nil
}

// toldToPeers reports whether the server that asks would meet an error too, at a price: of a worker,
// or of a timeout. Errors that are remembered are entries.
func toldToPeers(code fault.Code) bool {
	switch code {
	case fault.WorkerFailed, fault.TransformTimeout, fault.OriginTimeout, fault.OriginalTooLarge:
		return true
	}
	return false
}
