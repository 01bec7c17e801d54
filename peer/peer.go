// Package peer lets the servers of a fleet make each variant once. One of them owns the variants of
// an original, and makes them; the others ask it.
//
// For most uses, call [New] with the secret that all servers share, serve [Fleet.Handler] on a
// listener of its own with [Fleet.TLS], find the owner with [Fleet.Owner], and ask it with
// [Fleet.Ask]. Whatever Ask fails with, the caller makes the variant itself.
//
// Servers speak TLS 1.3, and both sides prove that they know the secret: the key of their
// certificate is derived from it. So nobody else reads, changes, or sends once more what they say,
// and no clock counts. They connect only to addresses that the members tell by the store.
//
// The package knows no image: what is asked is bytes of the caller.
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/lease"
)

// Why the caller has to make a variant itself.
var (
	ErrBusy     = errors.New("the owner is busy")
	ErrGone     = errors.New("the owner can't be reached")
	ErrSilent   = errors.New("the owner doesn't answer")
	ErrDeclined = errors.New("the owner doesn't make it") // by other settings, or after an error

	errLong = fmt.Errorf("%w: it takes too long", ErrBusy)
)

// A Config is how a Fleet is set up. Fields without a comment on their zero value are required.
type Config struct {
	Secret string // that all servers share
	Self   string // name of this server
	// Members returns the servers, this one included, from memory. It is asked on every miss.
	Members func() []lease.Member
	// Reserve is asked before a variant of 64 KiB or more is read. Nil reads every one.
	Reserve cache.Reserve
	Metrics prometheus.Registerer // nil registers nothing
	Log     *slog.Logger          // nil logs nothing
	// Patience is how long the next sign of an owner is waited for; 0 is 2 s. All servers have the
	// same.
	Patience time.Duration
	// Longest bounds a question, however often the owner says that it is at work: two servers that
	// see other members may wait for each other. 0 is a minute.
	Longest time.Duration
}

// Bounds.
const (
	patience      = 2 * time.Second // for the next sign of an owner
	longest       = time.Minute     // for its answer
	beats         = 8               // how often in that time an owner says that it is at work
	cooldown      = 5 * time.Second // in which an owner isn't asked that was gone or silent
	dialTimeout   = time.Second
	mostAsked     = 64       // questions to one owner at a time
	mostAnswered  = 256      // questions of others at a time
	mostQuestion  = 64 << 10 // bytes
	mostEntry     = 64 << 20 // bytes of a variant
	mostStates    = 4096     // owners that this server remembers something of
	reserveFrom   = 64 << 10 // bytes
	secretMinimum = 32       // characters
	path          = "/v1/fill"
)

// A Fleet is the other servers, as this one sees them. It is safe for concurrent use.
type Fleet struct {
	self     string
	members  func() []lease.Member
	reserve  cache.Reserve
	log      *slog.Logger
	identity identity
	client   *http.Client
	answers  chan struct{} // has a place for each question of others that runs
	metrics  *metrics
	patience time.Duration
	longest  time.Duration

	mu     sync.Mutex // guards states, and the fields of each
	states map[string]*state
}

// A state is what this server knows of an owner.
type state struct {
	asked  int       // questions that run
	heard  time.Time // when it last gave a sign
	paused time.Time // until then it isn't asked
}

// New returns a fleet. The error says what is wrong with the secret.
func New(c Config) (*Fleet, error) {
	id, err := newIdentity(c.Secret)
	if err != nil {
		return nil, err
	}
	f := &Fleet{
		self: c.Self, members: c.Members, reserve: c.Reserve, log: c.Log, identity: id,
		answers: make(chan struct{}, mostAnswered), states: map[string]*state{}, patience: c.Patience, longest: c.Longest,
	}
	if f.patience <= 0 {
		f.patience = patience
	}
	if f.longest <= 0 {
		f.longest = longest
	}
	if f.log == nil {
		f.log = slog.New(slog.DiscardHandler)
	}
	f.metrics = newMetrics(c.Metrics, func() float64 { return float64(len(f.members())) })
	f.client = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: dialTimeout}).DialContext,
			TLSClientConfig:     f.identity.client(),
			TLSHandshakeTimeout: f.patience, IdleConnTimeout: time.Minute, DisableCompression: true,
			// One connection carries all questions to an owner. It is closed where the owner doesn't
			// answer pings, and the next question takes another one.
			ForceAttemptHTTP2: true, MaxConnsPerHost: 1,
			HTTP2: &http.HTTP2Config{SendPingTimeout: f.patience, PingTimeout: f.patience},
		},
	}
	return f, nil
}

// TLS is how the listener speaks TLS.
func (f *Fleet) TLS() *tls.Config { return f.identity.server() }

// Close closes connections that aren't in use.
func (f *Fleet) Close() { f.client.CloseIdleConnections() }

// Owner returns the server that makes the variants of what is named, and whether that is another
// one. All servers that see the same members name the same owner (rendezvous hashing). One that
// was gone a moment ago has its place taken by the next.
func (f *Fleet) Owner(what string) (owner string, other bool) {
	now := time.Now()
	h := fnv.New64a()
	_, _ = h.Write([]byte(what))
	place := h.Sum64()
	var best uint64
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, of := range f.members() {
		if s := f.states[of.Name]; s != nil && now.Before(s.paused) {
			continue
		}
		if score := mix(place ^ hash(of.Name)); owner == "" || score > best {
			owner, best = of.Name, score
		}
	}
	return owner, owner != "" && owner != f.self
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return mix(h.Sum64())
}

// mix spreads the bits of a hash (the finalizer of SplitMix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// enter counts a question to an owner, unless too many run.
func (f *Fleet) enter(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.states[name]
	if s == nil {
		if len(f.states) >= mostStates {
			f.forget()
		}
		s = &state{}
		f.states[name] = s
	}
	if s.asked >= mostAsked {
		return false
	}
	s.asked++
	return true
}

// forget drops owners of whom nothing is known. The caller holds mu.
func (f *Fleet) forget() {
	now := time.Now()
	for name, s := range f.states {
		if s.asked == 0 && now.After(s.paused) {
			delete(f.states, name)
		}
	}
}

// heard records a sign of an owner.
func (f *Fleet) heard(owner string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.states[owner].heard = time.Now()
}

// leave ends a question. An owner that was gone or silent, and has given no sign to any question
// for as long as that is waited for, isn't asked for a while.
func (f *Fleet) leave(owner string, err error) {
	now := time.Now()
	f.mu.Lock()
	s := f.states[owner]
	s.asked--
	lost := (errors.Is(err, ErrGone) || errors.Is(err, ErrSilent)) && now.Sub(s.heard) >= f.patience
	first := lost && now.After(s.paused)
	if lost {
		s.paused = now.Add(cooldown)
	}
	f.mu.Unlock()
	if first {
		f.log.Warn("another server of the fleet is asked for nothing for a while", "address", f.addressOf(owner), "err", err)
	}
}

// addressOf returns the address that an owner tells by the store, or nothing where it has left.
func (f *Fleet) addressOf(owner string) string {
	for _, m := range f.members() {
		if m.Name == owner {
			return m.Address
		}
	}
	return ""
}

// Ask asks an owner for the entry of a key. made says that it made the entry for this question, so
// that nobody else counts it. The entry has a Code where the owner met an error that this server
// would meet too. After any error, the caller makes the entry itself.
func (f *Fleet) Ask(ctx context.Context, owner string, key cache.Key, question []byte) (e *cache.Entry, made bool, err error) {
	begin := time.Now()
	defer func() { f.metrics.asked(e, err, time.Since(begin)) }()
	if len(question) > mostQuestion {
		return nil, false, fmt.Errorf("%w: the question is too long", ErrDeclined)
	}
	address := f.addressOf(owner)
	if address == "" {
		return nil, false, ErrGone
	}
	if !f.enter(owner) {
		return nil, false, ErrBusy
	}
	asking, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(f.patience, func() { cancel(ErrSilent) })
	defer silence.Stop()
	end := time.AfterFunc(f.longest, func() { cancel(errLong) })
	defer end.Stop()
	e, made, err = f.ask(asking, owner, address, key, question, func() { silence.Reset(f.patience); f.heard(owner) })
	switch {
	case err == nil:
	case ctx.Err() != nil: // nobody waits
		err = ctx.Err()
	case errors.Is(context.Cause(asking), ErrSilent):
		err = ErrSilent
	case errors.Is(context.Cause(asking), errLong):
		err = errLong
	}
	f.leave(owner, err)
	return e, made, err
}
