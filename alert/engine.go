package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/lease"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/workspace"
)

// Config configures an [Engine]. Fields without a comment on their zero value are required.
type Config struct {
	Watch *Watch // what counts, of the same clock; nil makes one
	Store Store
	Codec *workspace.Codec // encrypts the secrets of channels
	Keys  workspace.APIKeys
	// Get returns a workspace, from memory where it can. List returns up to limit of them after
	// a namespace.
	Get  func(ctx context.Context, namespace string) (*workspace.Workspace, error)
	List func(ctx context.Context, after string, limit int) ([]*workspace.Workspace, error)

	// Transport sends webhooks. It must check addresses, and have no secrets of its own.
	Transport http.RoundTripper
	Mail      mail.Sender // nil sends none
	PublicURL string      // of links in mails, without a slash at its end; empty leaves them out

	// Quota returns how much of its quotas a workspace has used, from memory. Nil knows none.
	Quota func(namespace string) []UsedQuota
	// Memberships returns the workspaces of a person, by address. Nil knows none.
	Memberships func(ctx context.Context, email string) ([]Place, error)

	Every   time.Duration         // between two judgements; 0 is a minute
	Alone   bool                  // no other server has the store, so none are waited for
	Metrics prometheus.Registerer // nil registers nothing
	Now     func() time.Time      // nil is time.Now
	Log     *slog.Logger
}

const (
	tickEvery   = time.Minute
	leaseFor    = 3 * time.Minute // without a sign of who has the lease
	countsKept  = 2 * time.Hour   // in the store, of a server that is gone
	countsStale = 12 * time.Minute
	eventsKept  = 24 * time.Hour
	knownFor    = 5 * time.Minute // settings, in memory
	mostKnown   = 65_536
	putBatch    = 25
)

// An Engine watches, judges and tells. It is safe for concurrent use.
type Engine struct {
	cfg     Config
	watch   *Watch
	node    string // of letters and digits
	metrics *metrics
	known   *lru.Cache[string, knownSettings]
	lease   *lease.Lease // of judging

	mu       sync.Mutex       // held by a tick; guards the fields below
	noticed  map[string]int64 // by workspace: the tick in which others were told of it
	ticks    int64
	wrote    map[string]report  // by workspace
	others   map[string]foreign // by name of the record
	usual    map[string]usualHour
	reported time.Time

	failing atomic.Bool // the last Tick failed
}

// foreign is what another server counted.
type foreign struct {
	report
	seen time.Time // when it was seen first
}

type knownSettings struct {
	*settings
	at time.Time
}

type usualHour struct {
	hour, most int64
	ok         bool
}

// New returns an Engine.
func New(c Config) *Engine {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	known, err := lru.New[string, knownSettings](mostKnown)
	if err != nil {
		panic(err) // only a size that isn't positive
	}
	if c.Watch == nil {
		c.Watch = NewWatch(c.Now, nil)
	}
	return &Engine{
		cfg: c, watch: c.Watch, node: strings.ToLower(rand.Text()[:13]), metrics: newMetrics(c.Metrics), known: known,
		lease:   lease.New(c.Store, "alerts", leaseFor, c.Now),
		noticed: map[string]int64{}, wrote: map[string]report{}, others: map[string]foreign{}, usual: map[string]usualHour{},
	}
}

// Watch returns what counts.
func (e *Engine) Watch() *Watch { return e.watch }

// SendsMail reports whether addresses can be channels.
func (e *Engine) SendsMail() bool { return e.cfg.Mail != nil }

func (e *Engine) now() time.Time { return e.cfg.Now().UTC() }

// Run judges once in each Config.Every, until the context ends. It logs failures and tries again. Call it
// once.
func (e *Engine) Run(ctx context.Context) {
	tick := time.NewTicker(cmp.Or(e.cfg.Every, tickEvery))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := e.Tick(ctx)
		if ctx.Err() != nil {
			return
		}
		e.failing.Store(err != nil)
		if err != nil {
			e.complain(err)
		}
	}
}

// Problem is for a [Check]: it says that the store fails, or nothing.
func (e *Engine) Problem() string {
	if !e.failing.Load() {
		return ""
	}
	return "The store fails, so that settings can't be changed, usage isn't written and no alert is judged. Images are served from what is known."
}

// complain logs that the store fails, at most once in five minutes.
func (e *Engine) complain(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := e.now(); e.reported.IsZero() || now.Sub(e.reported) >= 5*time.Minute {
		e.reported = now
		e.cfg.Log.Error("alerts are not judged, since the store fails; trying again", "err", err)
	}
}

// Close writes what was counted, for the servers that go on.
func (e *Engine) Close(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.writeEvents(ctx); err != nil {
		return fmt.Errorf("the last events of alerts could not be written: %w", err)
	}
	return e.lease.Release(ctx)
}

// Tick does what is due: Run calls it every minute.
func (e *Engine) Tick(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ticks++
	eventsErr := e.writeEvents(ctx)
	if err := e.readCounts(ctx); err != nil {
		return err
	}
	own, err := e.writeCounts(ctx)
	if err != nil {
		return err
	}
	if eventsErr != nil {
		return eventsErr
	}
	if !e.cfg.Alone {
		if mine, err := e.lease.Take(ctx); err != nil || !mine {
			e.metrics.waits.Set(0)
			return err
		}
	}
	// One that fails doesn't keep the others from their work.
	return errors.Join(e.judgeAll(ctx, own), e.judgeEvents(ctx), e.judgeHours(ctx), e.sweep(ctx), e.send(ctx))
}

// writeEvents writes events, and hours that are over. The caller holds mu.
func (e *Engine) writeEvents(ctx context.Context) error {
	events, fails, over := e.watch.take()
	var writes []account.Write
	put := func(ev Event) {
		name := fmt.Sprintf("%016x-%s", ev.At.UnixMicro(), rand.Text())
		writes = append(writes, write(eventsGroup, name, 0, e.now().Add(eventsKept), ev))
	}
	failed := func(err error) error {
		e.watch.giveBack(events, fails, over)
		return err
	}
	for email, ev := range fails {
		if e.cfg.Memberships == nil {
			break
		}
		places, err := e.cfg.Memberships(ctx, email)
		if err != nil {
			return failed(err)
		}
		for _, at := range places {
			ev.WorkspaceID, ev.Namespace = at.WorkspaceID, at.Namespace
			put(ev)
		}
	}
	for _, ev := range events {
		put(ev)
	}
	for _, h := range over {
		name := fmt.Sprintf("%02d#%06d#%s", h.at%24, h.at/24, e.node)
		writes = append(writes, write(weekGroup+h.workspaceID, name, 0, e.now().Add(keptHours), h.requests))
	}
	if err := e.put(ctx, writes); err != nil {
		return failed(err)
	}
	return nil
}

// put writes records, whatever is there.
func (e *Engine) put(ctx context.Context, writes []account.Write) error {
	for len(writes) > 0 {
		n := min(len(writes), putBatch)
		if err := e.cfg.Store.PutRecords(ctx, writes[:n]...); err != nil {
			return err
		}
		writes = writes[n:]
	}
	return nil
}

// readCounts reads what other servers have counted. The caller holds mu.
func (e *Engine) readCounts(ctx context.Context) error {
	now, seen := e.now(), map[string]bool{}
	err := each(ctx, e.cfg.Store, countsGroup, "", func(r account.Record, is report) bool {
		if _, node, _ := strings.Cut(r.Name, "/"); node == e.node {
			return true
		}
		have, ok := e.others[r.Name]
		if !ok || have.Seq != is.Seq {
			have = foreign{is, now}
			e.others[r.Name] = have
		}
		// No clock of another server counts: only how long this one has seen no change.
		if age := now.Sub(have.seen); age < countsStale && age > -countsStale {
			seen[r.Name] = true
		}
		return true
	})
	if err != nil {
		return err
	}
	for name := range e.others {
		if !seen[name] {
			delete(e.others, name)
		}
	}
	return nil
}

// writeCounts writes what this server has counted where it may matter, and returns it. The
// caller holds mu.
func (e *Engine) writeCounts(ctx context.Context) (map[string]report, error) {
	now, noted := e.now(), map[string]bool{}
	for name := range e.others {
		id, _, _ := strings.Cut(name, "/")
		noted[id] = true
	}
	own := e.watch.reports(noted, e.cfg.Quota)
	var writes []account.Write
	if !e.cfg.Alone {
		for id, r := range own {
			old := e.wrote[id]
			if !r.differs(&old, now) {
				continue
			}
			r.Seq, r.at = now.UnixMicro(), now
			if r.Seq <= old.Seq {
				r.Seq = old.Seq + 1
			}
			writes = append(writes, write(countsGroup, id+"/"+e.node, 0, now.Add(countsKept), r))
			e.wrote[id] = r
		}
		for id := range e.wrote {
			if _, ok := own[id]; !ok {
				writes = append(writes, account.Write{Record: account.Record{Group: countsGroup, Name: id + "/" + e.node}, Delete: true})
				delete(e.wrote, id)
			}
		}
	}
	if err := e.put(ctx, writes); err != nil {
		clear(e.wrote) // so that all is written again
		return nil, err
	}
	for id := range own {
		if !noted[id] {
			noted[id] = true
		}
	}
	for id := range noted {
		if _, ok := e.noticed[id]; !ok {
			e.noticed[id] = e.ticks
		}
	}
	for id := range e.noticed {
		if !noted[id] {
			delete(e.noticed, id)
		}
	}
	return own, nil
}

// judgeAll judges the counts of all servers, and the alerts that may be over. The caller holds
// mu.
func (e *Engine) judgeAll(ctx context.Context, own map[string]report) error {
	counted := map[string][]report{}
	for id, r := range own {
		counted[id] = append(counted[id], r)
	}
	for name, f := range e.others {
		id, _, _ := strings.Cut(name, "/")
		counted[id] = append(counted[id], f.aged(e.now().Sub(f.seen)))
	}
	verdicts := map[string]verdict{}
	if err := each(ctx, e.cfg.Store, nowGroup, "", func(r account.Record, s state) bool {
		verdicts[r.Name] = verdict{Place: Place{r.Name, s.Namespace}}
		return true
	}); err != nil {
		return err
	}
	for id, list := range counted {
		// Others learn in this minute that the workspace matters, and write what they counted.
		if !e.cfg.Alone && e.noticed[id] >= e.ticks {
			continue
		}
		v, ok := verdicts[id]
		if !ok {
			v = verdict{Place: Place{id, list[0].Namespace}}
		}
		set, err := e.settingsOf(ctx, id)
		if err != nil {
			return err
		}
		all := join(list)
		var failed error
		v.conditions = judge(all, set.Rules, func() (int64, bool) {
			u, err := e.usualOf(ctx, v.Place)
			failed = err
			return u.most, u.ok && err == nil
		})
		if failed != nil {
			return failed
		}
		if ok || len(v.conditions) > 0 {
			verdicts[id] = v
		}
	}
	var first error
	for id, v := range verdicts {
		set, err := e.settingsOf(ctx, id)
		if err == nil {
			err = e.settle(ctx, nowGroup, v, set)
		}
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// settingsOf returns the settings of a workspace, which another server may have changed in the
// last minutes.
func (e *Engine) settingsOf(ctx context.Context, id string) (*settings, error) {
	now := e.now()
	if k, ok := e.known.Get(id); ok && now.Sub(k.at) < knownFor && !now.Before(k.at) {
		return k.settings, nil
	}
	s := &settings{}
	if _, err := read(ctx, e.cfg.Store, settingsGroup, id, s); err != nil {
		return nil, err
	}
	e.known.Add(id, knownSettings{s, now})
	return s, nil
}

// forget has the settings of a workspace read anew.
func (e *Engine) forget(id string) { e.known.Remove(id) }

// usualOf returns the requests of the busiest same hour of the last 7 days. A workspace that is
// younger than a day has no usual hour. The caller holds mu.
func (e *Engine) usualOf(ctx context.Context, at Place) (usualHour, error) {
	hourNow := e.now().Unix() / 3600
	if u, ok := e.usual[at.WorkspaceID]; ok && u.hour == hourNow {
		return u, nil
	}
	u := usualHour{hour: hourNow}
	w, err := e.cfg.Get(ctx, at.Namespace)
	if err != nil {
		if errors.Is(err, workspace.ErrNotFound) {
			return u, nil
		}
		return u, err
	}
	u.ok = e.now().Sub(w.CreatedAt) >= 24*time.Hour
	prefix, days := fmt.Sprintf("%02d#", hourNow%24), map[string]int64{}
	if err := each(ctx, e.cfg.Store, weekGroup+at.WorkspaceID, prefix, func(r account.Record, n int64) bool {
		rest, ok := strings.CutPrefix(r.Name, prefix)
		if !ok {
			return false
		}
		day, _, _ := strings.Cut(rest, "#")
		if days[day] += n; day < fmt.Sprintf("%06d", hourNow/24) {
			u.most = max(u.most, days[day])
		}
		return true
	}); err != nil {
		return u, err
	}
	for id, other := range e.usual {
		if other.hour != hourNow {
			delete(e.usual, id)
		}
	}
	e.usual[at.WorkspaceID] = u
	return u, nil
}

// judgeEvents fires what events say. The caller holds mu.
func (e *Engine) judgeEvents(ctx context.Context) error {
	type found struct {
		account.Record
		Event
	}
	byPlace := map[Place][]found{}
	if err := each(ctx, e.cfg.Store, eventsGroup, "", func(r account.Record, ev Event) bool {
		at := Place{ev.WorkspaceID, ev.Namespace}
		byPlace[at] = append(byPlace[at], found{r, ev})
		return true
	}); err != nil {
		return err
	}
	var first error
	for at, list := range byPlace {
		err := func() error {
			set, err := e.settingsOf(ctx, at.WorkspaceID)
			if err != nil {
				return err
			}
			v := verdict{Place: at}
			var done []account.Write
			for _, f := range list {
				done = append(done, account.Write{Record: account.Record{Group: f.Group, Name: f.Name}, Delete: true})
				fresh := true
				if f.Rule == KeyPlace {
					if fresh, err = e.newPlace(ctx, f.Event); err != nil {
						return err
					}
				}
				if _, on := set.Rules.on(f.Rule); on && fresh {
					c := condition{rule: f.Rule, subject: f.Subject, text: f.Text}
					if f.Rule == KeyPlace {
						c.subject += ":" + f.Place
					}
					if k, _ := f.Rule.Kind(); k.daily { // such as a certificate, which is tried again after hours
						c.hold = e.now().Add(26 * time.Hour)
					}
					v.conditions = append(v.conditions, c)
				}
			}
			if len(v.conditions) > 0 {
				if err := e.settle(ctx, nowGroup, v, set); err != nil {
					return err
				}
			}
			return e.put(ctx, done)
		}()
		if err != nil && first == nil {
			first = err
		}
	}
	return first
}

// mostPlaces bounds the countries that are known of a key.
const mostPlaces = 64

// newPlace notes the country of a key, and reports whether the key was seen elsewhere only.
func (e *Engine) newPlace(ctx context.Context, ev Event) (fresh bool, err error) {
	err = again(func() error {
		var known []string
		r, err := read(ctx, e.cfg.Store, placesGroup, ev.WorkspaceID+"/"+ev.Subject, &known)
		if err != nil {
			return err
		}
		fresh = false
		for _, k := range known {
			if k == ev.Place {
				return nil
			}
		}
		fresh = len(known) > 0
		known = append(known, ev.Place)
		known = known[max(0, len(known)-mostPlaces):]
		return e.cfg.Store.WriteRecords(ctx, []account.Write{write(r.Group, r.Name, r.Version, e.now().Add(placesKept), known)})
	})
	return fresh, err
}

// placesKept is how long countries of a key are known after the last new one.
const placesKept = 400 * 24 * time.Hour

// An Overview is what owners see of the alerts of a workspace.
type Overview struct {
	Rules    []RuleView
	Channels []ChannelView
	Active   []Entry // that aren't over, the newest first
}

// A RuleView is a rule with its settings.
type RuleView struct {
	Kind
	Settings  Settings
	On        bool
	Threshold int
	Firing    bool
}

// Overview returns the rules, channels and active alerts of a workspace.
func (e *Engine) Overview(ctx context.Context, at Place) (o Overview, err error) {
	var s settings
	if _, err := read(ctx, e.cfg.Store, settingsGroup, at.WorkspaceID, &s); err != nil {
		return o, err
	}
	firing := map[Rule]bool{}
	if o.Active, err = e.Active(ctx, at.WorkspaceID); err != nil {
		return o, err
	}
	for _, a := range o.Active {
		firing[a.Rule] = true
	}
	for _, k := range kinds {
		is := s.Rules[k.Rule]
		o.Rules = append(o.Rules, RuleView{k, is, k.on(is), k.threshold(is), firing[k.Rule]})
	}
	for i := range s.Channels {
		o.Channels = append(o.Channels, s.Channels[i].view())
	}
	return o, nil
}

// Active returns the alerts of a workspace that aren't over, the newest first.
func (e *Engine) Active(ctx context.Context, id string) (list []Entry, err error) {
	for _, group := range []string{nowGroup, dailyGroup} {
		var s state
		if _, err := read(ctx, e.cfg.Store, group, id, &s); err != nil {
			return nil, err
		}
		for _, a := range s.Active {
			list = append(list, a.entry())
		}
	}
	sortEntries(list)
	return list, nil
}

// History returns up to limit alerts of the last 90 days, the newest first, and where the next
// page begins. An empty before is the first page.
func (e *Engine) History(ctx context.Context, id, before string, limit int) (list []Entry, next string, err error) {
	records, err := e.cfg.Store.Records(ctx, historyGroup+id, before, limit+1)
	if err != nil {
		return nil, "", err
	}
	for i, r := range records {
		if i == limit {
			next = records[i-1].Name
			break
		}
		var entry Entry
		if err := json.Unmarshal(r.Data, &entry); err != nil {
			return nil, "", err
		}
		list = append(list, entry)
	}
	return list, next, nil
}
