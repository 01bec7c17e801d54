package alert

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
)

const (
	historyKept = 90 * 24 * time.Hour
	mailEvery   = time.Hour // of one rule of a workspace
	mostActive  = 300       // alerts of a workspace
)

// state is what has been fired in a workspace and isn't over.
type state struct {
	Namespace string             `json:"n"`
	Active    map[string]*active `json:"a,omitempty"` // by rule and subject
	Mailed    map[Rule]time.Time `json:"m,omitempty"` // when the last mail of a rule was due
}

type active struct {
	ID      string    `json:"i"`
	Rule    Rule      `json:"r"`
	Subject string    `json:"s,omitempty"`
	Text    string    `json:"t"`
	Since   time.Time `json:"f"`
	Seen    time.Time `json:"l"` // when its condition held last
	Hold    time.Time `json:"h,omitzero"`
}

func nameOf(rule Rule, subject string) string { return string(rule) + "/" + subject }

// An Entry is an alert that was fired.
type Entry struct {
	ID      string     `json:"id"`
	Rule    Rule       `json:"rule"`
	Subject string     `json:"subject,omitempty"`
	Text    string     `json:"text"`
	FiredAt time.Time  `json:"fired_at"`
	OverAt  *time.Time `json:"over_at,omitempty"`
}

func (a *active) entry() Entry {
	return Entry{ID: a.ID, Rule: a.Rule, Subject: a.Subject, Text: a.Text, FiredAt: a.Since}
}

// historyName sorts the newest first.
func historyName(a *active) string {
	return fmt.Sprintf("%016x-%s", math.MaxInt64-a.Since.UnixMicro(), a.ID)
}

// A verdict is what is known of a workspace now.
type verdict struct {
	Place
	conditions []condition
	ended      map[string]bool // names of alerts that are over, whatever else is known
}

// settle fires what is broken and was not, and ends what is over. group is that of the state.
// Each alert is one write, so that of two servers one fires it.
func (e *Engine) settle(ctx context.Context, group string, v verdict, set *settings) error {
	return again(func() error {
		var s state
		r, err := read(ctx, e.cfg.Store, group, v.WorkspaceID, &s)
		if err != nil {
			return err
		}
		now := e.now()
		s.Namespace = v.Namespace
		if s.Active == nil {
			s.Active = map[string]*active{}
		}
		if s.Mailed == nil {
			s.Mailed = map[Rule]time.Time{}
		}
		t := &turn{Engine: e, group: group, record: r, state: &s, place: v.Place, settings: set, now: now}
		held := map[string]bool{}
		for _, c := range v.conditions {
			name := nameOf(c.rule, c.subject)
			if held[name] {
				continue
			}
			held[name] = true
			a := s.Active[name]
			if a == nil {
				if len(s.Active) >= mostActive {
					continue
				}
				a = &active{ID: "alert_" + strings.ToLower(rand.Text()), Rule: c.rule, Subject: c.subject, Text: c.text, Since: now, Seen: now, Hold: c.hold}
				s.Active[name] = a
				if err := t.commit(ctx, a, false); err != nil {
					return err
				}
				continue
			}
			if now.Sub(a.Seen) >= quietLevel/3 || a.Hold != c.hold || now.Before(a.Seen) {
				a.Seen, a.Hold, t.changed = now, c.hold, true
			}
			a.Text = c.text
		}
		for _, name := range slices.Sorted(maps.Keys(s.Active)) {
			if a := s.Active[name]; !held[name] && (v.ended[name] || a.over(now, set.Rules)) {
				delete(s.Active, name)
				if err := t.commit(ctx, a, true); err != nil {
					return err
				}
			}
		}
		return t.close(ctx)
	})
}

// over reports whether an alert is over whose condition doesn't hold.
func (a *active) over(now time.Time, set rules) bool {
	k, known := a.Rule.Kind()
	if !known || k.daily && a.Hold.IsZero() {
		return true
	}
	if _, on := set.on(a.Rule); !on {
		return true
	}
	return !now.Before(a.Hold) && now.Sub(a.Seen) >= k.quiet
}

// A turn writes the state of a workspace, as often as there are alerts.
type turn struct {
	*Engine
	group    string
	record   account.Record
	state    *state
	place    Place
	settings *settings
	now      time.Time
	changed  bool // since the last write
}

// commit writes the state with an alert that is fired or over, and its messages.
func (t *turn) commit(ctx context.Context, a *active, over bool) error {
	m := message{ID: a.ID + "_fired", Type: typeFired, Rule: a.Rule, Subject: a.Subject, Text: a.Text, At: a.Since}
	entry := a.entry()
	if over {
		m.ID, m.Type, m.OverAt, entry.OverAt = a.ID+"_over", typeOver, &t.now, &t.now
	}
	var old Entry
	history, err := read(ctx, t.cfg.Store, historyGroup+t.place.WorkspaceID, historyName(a), &old)
	if err != nil {
		return err
	}
	writes := []account.Write{write(history.Group, history.Name, history.Version, t.now.Add(historyKept), entry)}
	more, err := t.messages(ctx, m)
	if err != nil {
		return err
	}
	writes = append(append(writes, t.write()), more...)
	if err := t.cfg.Store.WriteRecords(ctx, writes); err != nil {
		return err
	}
	t.record.Version++
	t.changed = false
	t.metrics.fired(a.Rule, over)
	t.cfg.Log.Info("an alert", "rule", string(a.Rule), "over", over, "workspace", t.place.Namespace, "subject", masked(a.Subject), "alert", a.ID)
	return nil
}

// masked leaves whole addresses out of the log.
func masked(subject string) string {
	if email, ok := strings.CutPrefix(subject, "account:"); ok {
		return "account:" + account.MaskEmail(email)
	}
	return subject
}

func (t *turn) write() account.Write {
	return write(t.group, t.place.WorkspaceID, t.record.Version, time.Time{}, t.state)
}

// close writes what is left to write, and deletes a state of which nothing is left.
func (t *turn) close(ctx context.Context) error {
	before := len(t.state.Mailed)
	maps.DeleteFunc(t.state.Mailed, func(_ Rule, at time.Time) bool { return t.now.Sub(at) >= mailEvery })
	gone := len(t.state.Active) == 0 && len(t.state.Mailed) == 0
	switch {
	case t.record.Version == 0 || !gone && !t.changed && before == len(t.state.Mailed):
		return nil
	case gone:
		t.record.Group, t.record.Name = t.group, t.place.WorkspaceID
		return t.cfg.Store.WriteRecords(ctx, []account.Write{remove(t.record)})
	}
	return t.cfg.Store.WriteRecords(ctx, []account.Write{t.write()})
}

// messages returns the writes that put a message into the outbox of each channel.
func (t *turn) messages(ctx context.Context, m message) (writes []account.Write, err error) {
	due, mails := t.nextMail(m.Rule), false
	for _, c := range t.settings.Channels {
		if !c.takes() || m.Rule == Channel && m.Subject == "channel:"+c.ID {
			continue
		}
		out := outgoing{WorkspaceID: t.place.WorkspaceID, Namespace: t.place.Namespace, Channel: c.ID, Kind: c.Kind, Messages: []message{m}, Made: t.now, Due: t.now}
		name, version := c.ID+"#"+m.ID, int64(0)
		if c.Kind == Email {
			// One mail of a rule an hour: what happens until then is put into the next one.
			name, out.Due, mails = c.ID+"#"+string(m.Rule), due, true
			var waiting outgoing
			r, err := read(ctx, t.cfg.Store, outboxGroup, name, &waiting)
			if err != nil {
				return nil, err
			}
			if version = r.Version; version > 0 {
				waiting.Messages = append(waiting.Messages, m)
				if out = waiting; len(out.Messages) > mostInMail {
					out.Left++
					out.Messages = slices.Delete(out.Messages, 0, 1)
				}
			}
		}
		writes = append(writes, write(outboxGroup, name, version, t.now.Add(outboxKept), out))
	}
	if mails {
		t.state.Mailed[m.Rule] = due
	}
	return writes, nil
}

// nextMail returns when the next mail of a rule may be sent.
func (t *turn) nextMail(rule Rule) time.Time {
	last, ok := t.state.Mailed[rule]
	switch wait := last.Sub(t.now); {
	case !ok || wait > mailEvery || wait <= -mailEvery: // none lately, or the clock was set back
		return t.now
	case wait > 0: // one waits
		return last
	}
	return last.Add(mailEvery)
}
