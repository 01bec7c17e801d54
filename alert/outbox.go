package alert

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/webhook"
	"github.com/tintype/tintype/workspace"
)

// The types of messages, as webhooks have them.
const (
	typeFired = "alert.fired"
	typeOver  = "alert.over"
	typeTest  = "alert.test"
)

// A message tells of one alert.
type message struct {
	ID      string     `json:"i"`
	Type    string     `json:"t"`
	Rule    Rule       `json:"r,omitempty"`
	Subject string     `json:"s,omitempty"`
	Text    string     `json:"x"`
	At      time.Time  `json:"a"` // when the alert was fired
	OverAt  *time.Time `json:"o,omitempty"`
}

// outgoing is what waits to be sent to a channel.
type outgoing struct {
	WorkspaceID string      `json:"w"`
	Namespace   string      `json:"n"`
	Channel     string      `json:"c"`
	Kind        ChannelKind `json:"q"`
	Messages    []message   `json:"m"`
	Left        int         `json:"l,omitempty"` // messages that found no room
	Made        time.Time   `json:"a"`
	Due         time.Time   `json:"d"`
	Tries       int         `json:"k,omitempty"`
}

const (
	mostInMail  = 20
	outboxKept  = 3 * 24 * time.Hour // for the case that nobody sends
	sendTimeout = 10 * time.Second
	sendAtOnce  = 16
	roundFor    = 45 * time.Second // of sending
	tellAfter   = 3                // failures of a channel, before other channels are told
)

// backoff is the time until the next try, after each failure. Then the message is given up.
var backoff = []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}

// A queued message is in the outbox.
type queued struct {
	account.Record
	outgoing
}

// send sends what is due. A webhook gets its messages in order: one that it doesn't take holds up
// those behind it.
func (e *Engine) send(ctx context.Context) error {
	queues, waiting := map[string][]queued{}, 0
	if err := each(ctx, e.cfg.Store, outboxGroup, "", func(r account.Record, o outgoing) bool {
		name := o.WorkspaceID + "/" + o.Channel
		if o.Kind == Email { // these are on their own
			name = r.Name
		}
		queues[name] = append(queues[name], queued{r, o})
		if o.Tries > 0 {
			waiting++
		}
		return true
	}); err != nil {
		return err
	}
	e.metrics.waits.Set(float64(waiting))
	list := slices.Collect(maps.Values(queues))
	for _, q := range list {
		slices.SortStableFunc(q, func(a, b queued) int { return a.Made.Compare(b.Made) })
	}
	slices.SortFunc(list, func(a, b []queued) int { return a[0].Due.Compare(b[0].Due) })
	round, cancel := context.WithTimeout(ctx, roundFor)
	defer cancel()
	slots := make(chan struct{}, sendAtOnce)
	var sending sync.WaitGroup
	for _, q := range list {
		if !q[0].due(e.now()) {
			continue
		}
		select {
		case slots <- struct{}{}:
		case <-round.Done():
		}
		if round.Err() != nil {
			break
		}
		sending.Go(func() {
			defer func() { <-slots }()
			if err := e.sendQueue(round, q); err != nil && ctx.Err() == nil {
				e.cfg.Log.Warn("a message of an alert stays in the outbox, since the store fails", "workspace", q[0].Namespace, "err", err)
			}
		})
	}
	sending.Wait()
	return ctx.Err()
}

// due reports whether it is time to send. A due time that is far away was written by a server
// with a wrong clock.
func (o *outgoing) due(now time.Time) bool {
	wait := o.Due.Sub(now)
	return wait <= 0 || wait > 2*backoff[len(backoff)-1]
}

// sendQueue sends messages until one isn't taken. The error is that of the store.
func (e *Engine) sendQueue(ctx context.Context, q []queued) error {
	for _, m := range q {
		if !m.due(e.now()) || ctx.Err() != nil {
			return nil
		}
		if taken, err := e.sendOne(ctx, m.Record, m.outgoing); err != nil || !taken {
			return err
		}
	}
	return nil
}

// sendOne sends a message and writes what became of it. taken says that it is gone from the
// outbox. The error is that of the store.
func (e *Engine) sendOne(ctx context.Context, r account.Record, o outgoing) (taken bool, err error) {
	var s settings
	if _, err := read(ctx, e.cfg.Store, settingsGroup, o.WorkspaceID, &s); err != nil {
		return false, err
	}
	c := s.channel(o.Channel)
	if c == nil || !c.takes() {
		return true, ignoreConflict(e.cfg.Store.WriteRecords(ctx, []account.Write{remove(r)}))
	}
	sendErr := e.deliver(ctx, o, c)
	if ctx.Err() != nil {
		return false, nil // the round is over: it is sent again
	}
	e.metrics.sent(c.Kind, sendErr)
	if sendErr == nil {
		if err := e.works(ctx, o, c); err != nil {
			return false, err
		}
		return true, ignoreConflict(e.cfg.Store.WriteRecords(ctx, []account.Write{remove(r)}))
	}
	o.Tries++
	e.cfg.Log.Warn("an alert could not be sent", "workspace", o.Namespace, "channel", c.ID, "kind", string(c.Kind), "try", o.Tries, "err", sendErr)
	gone := errors.Is(sendErr, webhook.ErrGone)
	if gone || o.Tries >= tellAfter {
		if err := e.fails(ctx, o, c, reason(sendErr), gone); err != nil {
			return false, err
		}
	}
	if gone || o.Tries > len(backoff) {
		return true, ignoreConflict(e.cfg.Store.WriteRecords(ctx, []account.Write{remove(r)}))
	}
	o.Due = e.now().Add(backoff[o.Tries-1])
	return false, ignoreConflict(e.cfg.Store.WriteRecords(ctx, []account.Write{write(r.Group, r.Name, r.Version, r.Expires, o)}))
}

// ignoreConflict: a message that was added meanwhile is sent the next time.
func ignoreConflict(err error) error {
	if errors.Is(err, workspace.ErrConflict) {
		return nil
	}
	return err
}

// deliver sends messages to a channel.
func (e *Engine) deliver(ctx context.Context, o outgoing, c *channel) error {
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	open := func(place, text string) (string, error) {
		if text == "" {
			return "", nil
		}
		return e.cfg.Codec.Open(o.WorkspaceID, "alerts/"+c.ID+place, text)
	}
	if c.Kind == Email {
		stop, err := open("/stop", c.Stop)
		if err != nil {
			return err
		}
		return e.mail(ctx, c.Address, subjectOf(o), e.mailText(o, stop))
	}
	to, err := open("/url", c.URL)
	if err != nil {
		return err
	}
	s := &webhook.Sender{URL: to, Transport: e.cfg.Transport}
	if c.Kind == Slack {
		text, err := json.Marshal(map[string]string{"text": e.slackText(o)})
		if err != nil {
			return err
		}
		return s.Send(ctx, "", e.now(), text)
	}
	secret, err := open("/secret", c.Secret)
	if err != nil {
		return err
	}
	if s.Key, err = webhook.ParseSecret(secret); err != nil {
		return err
	}
	for _, m := range o.Messages { // one, but for mails
		body, err := json.Marshal(payload(o, m))
		if err != nil {
			return err
		}
		if err := s.Send(ctx, m.ID, e.now(), body); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) mail(ctx context.Context, to, subject, text string) error {
	if e.cfg.Mail == nil {
		return ErrNoMail
	}
	return e.cfg.Mail.Send(ctx, mail.Message{To: to, Subject: subject, Text: text})
}

// A body is what a webhook gets.
type body struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // of what happened
	Data      bodyData  `json:"data"`
}

type bodyData struct {
	Workspace string     `json:"workspace"`
	Alert     string     `json:"alert,omitempty"` // the same when it is fired and when it is over
	Rule      Rule       `json:"rule,omitempty"`
	Title     string     `json:"title"`
	Subject   string     `json:"subject,omitempty"`
	Message   string     `json:"message"`
	FiredAt   time.Time  `json:"fired_at"`
	OverAt    *time.Time `json:"over_at,omitempty"`
}

func payload(o outgoing, m message) body {
	b := body{m.Type, m.At, bodyData{
		Workspace: o.Namespace, Rule: m.Rule, Title: titleOf(m), Subject: m.Subject, Message: m.Text, FiredAt: m.At, OverAt: m.OverAt,
	}}
	if m.OverAt != nil {
		b.Timestamp = *m.OverAt
	}
	if m.Type != typeTest {
		b.Data.Alert = strings.TrimSuffix(strings.TrimSuffix(m.ID, "_fired"), "_over")
	}
	return b
}

func titleOf(m message) string {
	if m.Type == typeTest {
		return "Test"
	}
	return m.Rule.title()
}

// subjectOf returns the subject of a mail. It holds no text of a workspace.
func subjectOf(o outgoing) string {
	m := o.Messages[len(o.Messages)-1]
	switch {
	case m.Type == typeTest:
		return "Tintype: a test of your alerts"
	case len(o.Messages) > 1:
		return "Tintype alerts: " + titleOf(m)
	case m.Type == typeOver:
		return "Tintype alert is over: " + titleOf(m)
	}
	return "Tintype alert: " + titleOf(m)
}

const timeForm = "2006-01-02 15:04 UTC"

func (e *Engine) mailText(o outgoing, stop string) string {
	var b strings.Builder
	b.WriteString("Workspace: " + o.Namespace + "\n\n")
	for _, m := range o.Messages {
		switch m.Type {
		case typeOver:
			b.WriteString("Over since " + m.OverAt.UTC().Format(timeForm) + ": " + titleOf(m) + "\nIt was: " + m.Text + "\n\n")
		case typeTest:
			b.WriteString(m.Text + "\n\n")
		default:
			b.WriteString("Since " + m.At.UTC().Format(timeForm) + ": " + titleOf(m) + "\n" + m.Text + "\n\n")
		}
	}
	if o.Left > 0 {
		b.WriteString(grouped(int64(o.Left)) + " older messages of this rule are left out.\n\n")
	}
	b.WriteString("A rule sends at most one mail an hour. The page of alerts has all that happened.\n")
	if e.cfg.PublicURL != "" {
		b.WriteString(e.cfg.PublicURL + "/app/" + o.Namespace + "/alerts\n")
		if stop != "" {
			b.WriteString("\nTo get no more of these mails: " + e.cfg.PublicURL + ConfirmPath + "?token=" + stop + "\n")
		}
	}
	return b.String()
}

// slackText is a message in the form that Slack takes. Its signs have a meaning there, so they
// are escaped.
func (e *Engine) slackText(o outgoing) string {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
	m := o.Messages[0]
	text := "*" + titleOf(m) + "* (" + escape.Replace(o.Namespace) + ")\n"
	if m.Type == typeOver {
		text = "Over: " + text
	}
	text += escape.Replace(m.Text)
	if e.cfg.PublicURL != "" && m.Type != typeTest {
		text += "\n<" + e.cfg.PublicURL + "/app/" + o.Namespace + "/alerts>"
	}
	return text
}

// reason says in words why a message didn't arrive. It holds no URL and no address of a network.
func reason(err error) string {
	var status webhook.StatusError
	var dns *net.DNSError
	var wire net.Error
	switch {
	case errors.Is(err, webhook.ErrGone), errors.As(err, &status):
		return "Its server answered " + statusText(err) + "."
	case errors.Is(err, context.DeadlineExceeded):
		return "Its server took longer than 10 seconds."
	case errors.As(err, &dns):
		return "Its host name can't be found."
	case errors.Is(err, ErrNoMail):
		return "This server sends no mail."
	case errors.As(err, &wire) && wire.Timeout():
		return "Its server took longer than 10 seconds."
	case strings.Contains(err.Error(), "not allowed"):
		return "Its host is at a private or special address, which alerts don't go to."
	case strings.Contains(err.Error(), "sending a mail"):
		return "The mail server took no mail for this address."
	}
	return "Its server can't be reached."
}

func statusText(err error) string {
	if errors.Is(err, webhook.ErrGone) {
		return "410 Gone"
	}
	var status webhook.StatusError
	errors.As(err, &status)
	text := strings.TrimPrefix(status.Error(), "the webhook answered ")
	if text == "" {
		text = http.StatusText(int(status))
	}
	return text
}

// works notes that a channel takes messages again.
func (e *Engine) works(ctx context.Context, o outgoing, c *channel) error {
	if c.FailingAt.IsZero() {
		return nil
	}
	at := Place{o.WorkspaceID, o.Namespace}
	var set settings
	if err := e.change(ctx, at, workspace.AuditEntry{}, func(s *settings) ([]account.Write, error) {
		if is := s.channel(c.ID); is != nil {
			is.FailingAt, is.Error = time.Time{}, ""
		}
		set = *s
		return nil, nil
	}); err != nil {
		return err
	}
	return e.settle(ctx, nowGroup, verdict{Place: at, ended: map[string]bool{nameOf(Channel, "channel:"+c.ID): true}}, &set)
}

// fails notes that a channel takes no messages, and tells the others. Where it is gone, it is
// switched off.
func (e *Engine) fails(ctx context.Context, o outgoing, c *channel, why string, gone bool) error {
	at := Place{o.WorkspaceID, o.Namespace}
	var set settings
	if err := e.change(ctx, at, workspace.AuditEntry{}, func(s *settings) ([]account.Write, error) {
		if is := s.channel(c.ID); is != nil {
			if is.FailingAt.IsZero() {
				is.FailingAt = e.now().Truncate(time.Second)
			}
			if is.Error = why; gone {
				is.Off = "Its server answered 410 Gone, so that nothing more is sent to it. Switch it on again once it takes messages."
			}
		}
		set = *s
		return nil, nil
	}); err != nil {
		return err
	}
	if _, on := set.Rules.on(Channel); !on {
		return nil
	}
	text := "Alerts don't arrive at the " + string(c.Kind) + " channel of " + c.Address + ": " + why
	if gone {
		text += " The channel is switched off."
	}
	return e.settle(ctx, nowGroup, verdict{Place: at, conditions: []condition{{
		rule: Channel, subject: "channel:" + c.ID, text: text, hold: e.now().Add(2 * backoff[len(backoff)-1]),
	}}}, &set)
}
