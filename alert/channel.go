package alert

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/webhook"
	"github.com/tintype/tintype/workspace"
)

// A ChannelKind is how a channel takes messages.
type ChannelKind string

// The kinds of channels.
const (
	Email   ChannelKind = "email"
	Webhook ChannelKind = "webhook" // signed, as Standard Webhooks describes it
	Slack   ChannelKind = "slack"   // {"text": …}, as Slack, Mattermost and others take it
)

// Bounds of channels.
const (
	MaxChannels  = 10 // of a workspace
	confirmFor   = 7 * 24 * time.Hour
	confirmsDay  = 20 // mails that ask to confirm, a day, of a workspace
	confirmsMail = 3  // the same, to an address
	testsHour    = 20 // test messages of a workspace
	maxURL       = 2000
)

// Errors of channels.
var (
	ErrNoChannel   = errors.New("there is no such channel")
	ErrChannels    = fmt.Errorf("a workspace has at most %d channels: delete one first", MaxChannels)
	ErrConfirm     = errors.New("the link or code is wrong, or it has ended: ask for another mail on the page of alerts")
	ErrTooMany     = errors.New("too many messages of this kind were asked for: try again later")
	ErrUnconfirmed = errors.New("the address isn't confirmed yet: open the link in the mail that it got")
	ErrNoMail      = errors.New("this server sends no mail: use a webhook, or ask the operator to set --mail")
)

// A ChannelView is a channel as owners see it, without secrets.
type ChannelView struct {
	ID        string
	Kind      ChannelKind
	Address   string // of an e-mail; of others the host and no more, since their URLs hold secrets
	CreatedAt time.Time
	Confirmed bool       // always, but for an address that didn't agree yet
	Off       string     // why it gets no messages; empty: it does
	Failing   *time.Time // since when it takes none
	Error     string     // why
}

// settings are what the owner of a workspace has set, as the store keeps it.
type settings struct {
	Namespace string    `json:"namespace"`
	Rules     rules     `json:"rules,omitempty"`
	Channels  []channel `json:"channels,omitempty"`
}

type channel struct {
	ID          string      `json:"id"`
	Kind        ChannelKind `json:"kind"`
	Address     string      `json:"address"`          // what is shown
	URL         string      `json:"url,omitempty"`    // encrypted
	Secret      string      `json:"secret,omitempty"` // encrypted
	Stop        string      `json:"stop,omitempty"`   // encrypted; token of the link that ends mails
	CreatedAt   time.Time   `json:"created_at"`
	ConfirmedAt time.Time   `json:"confirmed_at,omitzero"`
	Off         string      `json:"off,omitempty"`
	FailingAt   time.Time   `json:"failing_at,omitzero"`
	Error       string      `json:"error,omitempty"`
}

// takes reports whether messages are sent to the channel.
func (c *channel) takes() bool { return c.Off == "" && !c.ConfirmedAt.IsZero() }

func (c *channel) view() ChannelView {
	v := ChannelView{ID: c.ID, Kind: c.Kind, Address: c.Address, CreatedAt: c.CreatedAt, Confirmed: !c.ConfirmedAt.IsZero(), Off: c.Off, Error: c.Error}
	if !c.FailingAt.IsZero() {
		v.Failing = &c.FailingAt
	}
	return v
}

func (s *settings) channel(id string) *channel {
	i := slices.IndexFunc(s.Channels, func(c channel) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return &s.Channels[i]
}

// A NewChannel is what a channel is made of.
type NewChannel struct {
	Kind    ChannelKind
	Address string // of an e-mail
	URL     string // of the others
	Secret  string // of a webhook; empty makes one
	Trusted bool   // the address has been confirmed elsewhere, as that of the person who asks
}

// A Place is a workspace that alerts are of.
type Place struct{ WorkspaceID, Namespace string }

// change changes the settings of a workspace. The audit entry is written with them.
func (e *Engine) change(ctx context.Context, at Place, audit workspace.AuditEntry, edit func(*settings) ([]account.Write, error)) error {
	audit.WorkspaceID = at.WorkspaceID
	return again(func() error {
		var s settings
		r, err := read(ctx, e.cfg.Store, settingsGroup, at.WorkspaceID, &s)
		if err != nil {
			return err
		}
		s.Namespace = at.Namespace
		more, err := edit(&s)
		if err != nil {
			return err
		}
		var entries []workspace.AuditEntry
		if audit.Action != "" {
			entries = append(entries, audit)
		}
		err = e.cfg.Store.WriteRecords(ctx, append([]account.Write{write(settingsGroup, at.WorkspaceID, r.Version, time.Time{}, s)}, more...), entries...)
		e.forget(at.WorkspaceID)
		return err
	})
}

// AddChannel adds a channel. An address gets a mail and must confirm first. secret is that of a
// webhook, which is shown once.
func (e *Engine) AddChannel(ctx context.Context, at Place, n NewChannel, audit workspace.AuditEntry) (v ChannelView, secret string, err error) {
	c := channel{ID: "ch_" + strings.ToLower(rand.Text()[:16]), Kind: n.Kind, CreatedAt: e.now().Truncate(time.Second)}
	place := "alerts/" + c.ID
	switch n.Kind {
	case Email:
		if c.Address, err = account.ParseEmail(n.Address); err != nil {
			return v, "", &SettingError{"address", err.Error()}
		}
		if e.cfg.Mail == nil {
			return v, "", ErrNoMail
		}
	case Webhook, Slack:
		u, err := checkURL(n.URL)
		if err != nil {
			return v, "", err
		}
		c.Address, c.URL, c.ConfirmedAt = u.Host, e.cfg.Codec.Seal(at.WorkspaceID, place+"/url", n.URL), c.CreatedAt
		if n.Kind == Slack {
			break
		}
		if secret = n.Secret; secret == "" {
			secret = webhook.NewSecret()
		} else if _, err := webhook.ParseSecret(secret); err != nil {
			return v, "", &SettingError{"secret", err.Error() + "; leave it out, and one is made"}
		}
		c.Secret = e.cfg.Codec.Seal(at.WorkspaceID, place+"/secret", secret)
	default:
		return v, "", &SettingError{"kind", "must be email, webhook or slack"}
	}
	if n.Kind != Slack && n.Kind != Webhook && n.Trusted {
		c.ConfirmedAt = c.CreatedAt
	}
	audit.Target = c.ID
	err = e.change(ctx, at, audit, func(s *settings) ([]account.Write, error) {
		if len(s.Channels) >= MaxChannels {
			return nil, ErrChannels
		}
		if slices.ContainsFunc(s.Channels, func(o channel) bool { return c.Kind == Email && o.Kind == Email && o.Address == c.Address }) {
			return nil, &SettingError{"address", "is a channel already"}
		}
		more := e.stoppable(at, &c)
		s.Channels = append(s.Channels, c)
		return more, nil
	})
	if err == nil && !c.takes() {
		err = e.askToConfirm(ctx, at, c)
	}
	return c.view(), secret, err
}

// checkURL reads the URL of a webhook. Its address is checked when it is called.
func checkURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	bad := func(why string) (*url.URL, error) { return nil, &SettingError{"url", why} }
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || len(text) > maxURL:
		return bad("must be a URL such as https://example.com/hook")
	case u.User != nil:
		return bad("must have no user and password: the signature says who sends")
	case u.Fragment != "":
		return bad("must have no fragment")
	case u.Scheme == "https":
		return u, nil
	case u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return bad("must begin with https://")
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// A confirmation is what a token of a mail is for.
type confirmation struct {
	WorkspaceID string `json:"w"`
	Namespace   string `json:"n"`
	Channel     string `json:"c"`
	Address     string `json:"a"`
	Stop        bool   `json:"s,omitempty"` // it ends mails
}

func hashOf(token string) string {
	sum := sha256.Sum256([]byte(strings.TrimSpace(token)))
	return hex.EncodeToString(sum[:])
}

// stoppable gives a channel of an address the token that ends its mails, once it is confirmed.
func (e *Engine) stoppable(at Place, c *channel) []account.Write {
	if c.Kind != Email || c.ConfirmedAt.IsZero() || c.Stop != "" {
		return nil
	}
	token := rand.Text()
	c.Stop = e.cfg.Codec.Seal(at.WorkspaceID, "alerts/"+c.ID+"/stop", token)
	return []account.Write{write(confirmGroup, hashOf(token), 0, time.Time{}, confirmation{at.WorkspaceID, at.Namespace, c.ID, c.Address, true})}
}

// askToConfirm sends a mail to an address that must confirm.
func (e *Engine) askToConfirm(ctx context.Context, at Place, c channel) error {
	for name, most := range map[string]int{"confirm#" + at.WorkspaceID: confirmsDay, "confirm#" + c.Address: confirmsMail} {
		if ok, err := e.count(ctx, name, 24*time.Hour, most); err != nil || !ok {
			return cmp.Or(err, ErrTooMany)
		}
	}
	token := rand.Text()
	err := e.cfg.Store.WriteRecords(ctx, []account.Write{
		write(confirmGroup, hashOf(token), 0, e.now().Add(confirmFor), confirmation{WorkspaceID: at.WorkspaceID, Namespace: at.Namespace, Channel: c.ID, Address: c.Address}),
	})
	if err != nil {
		return err
	}
	text := "Somebody who manages the workspace " + at.Namespace + " wants its alerts to go to this address.\n\n"
	if e.cfg.PublicURL != "" {
		text += "To agree, open this page and press the button:\n" + e.cfg.PublicURL + ConfirmPath + "?token=" + token + "\n\n"
	}
	text += "The code for the page of alerts is " + token + "\n\nIt works for 7 days. If you don't want alerts, do nothing: none are sent.\n"
	if err := e.mail(ctx, c.Address, "Confirm that you want alerts of Tintype", text); err != nil {
		return fmt.Errorf("the mail could not be sent; ask for another later: %w", err)
	}
	return nil
}

// ConfirmPath is the path of the page on which addresses confirm that they want alerts, or end
// them, with ?token=.
const ConfirmPath = "/app/me/alerts"

// A Confirmation is what the token of a mail is for.
type Confirmation struct {
	Place
	Channel, Address string
	Stop             bool // it ends mails
}

// Confirmation returns what a token is for, or ErrConfirm.
func (e *Engine) Confirmation(ctx context.Context, token string) (Confirmation, error) {
	_, c, err := e.confirmation(ctx, token)
	return Confirmation{Place{c.WorkspaceID, c.Namespace}, c.Channel, c.Address, c.Stop}, err
}

func (e *Engine) confirmation(ctx context.Context, token string) (r account.Record, c confirmation, err error) {
	r, err = read(ctx, e.cfg.Store, confirmGroup, hashOf(token), &c)
	if err == nil && r.Version == 0 {
		err = ErrConfirm
	}
	return r, c, err
}

// Confirm does what a token is for: it confirms an address, or ends its mails.
func (e *Engine) Confirm(ctx context.Context, token string) (Confirmation, error) {
	r, c, err := e.confirmation(ctx, token)
	if err != nil {
		return Confirmation{}, err
	}
	at := Place{c.WorkspaceID, c.Namespace}
	audit := workspace.AuditEntry{Actor: "mail:" + c.Address, Action: "alert_channel.confirm", Target: c.Channel}
	if c.Stop {
		audit.Action = "alert_channel.stop"
	}
	err = e.change(ctx, at, audit, func(s *settings) ([]account.Write, error) {
		is := s.channel(c.Channel)
		if is == nil || is.Address != c.Address {
			return nil, ErrConfirm
		}
		if c.Stop {
			is.Off = stopped
			return nil, nil
		}
		is.Off, is.ConfirmedAt = "", e.now().Truncate(time.Second)
		return append(e.stoppable(at, is), remove(r)), nil
	})
	return Confirmation{at, c.Channel, c.Address, c.Stop}, err
}

// ResendConfirmation sends the mail again by which an address confirms.
func (e *Engine) ResendConfirmation(ctx context.Context, at Place, id string) error {
	var s settings
	if _, err := read(ctx, e.cfg.Store, settingsGroup, at.WorkspaceID, &s); err != nil {
		return err
	}
	c := s.channel(id)
	switch {
	case c == nil:
		return ErrNoChannel
	case c.Kind != Email || !c.ConfirmedAt.IsZero() && c.Off == "":
		return &SettingError{"channel", "needs no confirmation"}
	}
	return e.askToConfirm(ctx, at, *c)
}

// SwitchChannel switches a channel on or off. An address that asked to get no more mails must
// confirm again.
func (e *Engine) SwitchChannel(ctx context.Context, at Place, id string, on bool, audit workspace.AuditEntry) (v ChannelView, err error) {
	audit.Target = id
	err = e.change(ctx, at, audit, func(s *settings) ([]account.Write, error) {
		c := s.channel(id)
		switch {
		case c == nil:
			return nil, ErrNoChannel
		case !on:
			c.Off = cmp.Or(c.Off, "It was switched off.")
		case c.Kind == Email && c.Off == stopped:
			return nil, ErrUnconfirmed
		default:
			c.Off = "" // the first message that arrives ends that it fails
		}
		v = c.view()
		return nil, nil
	})
	return v, err
}

// stopped is why a channel is off whose address asked for it.
const stopped = "The address asked to get no more mails."

// RemoveChannel removes a channel.
func (e *Engine) RemoveChannel(ctx context.Context, at Place, id string, audit workspace.AuditEntry) error {
	audit.Target = id
	return e.change(ctx, at, audit, func(s *settings) ([]account.Write, error) {
		if s.channel(id) == nil {
			return nil, ErrNoChannel
		}
		s.Channels = slices.DeleteFunc(s.Channels, func(c channel) bool { return c.ID == id })
		return nil, nil
	})
}

// SetRule sets a rule.
func (e *Engine) SetRule(ctx context.Context, at Place, rule Rule, is Settings, audit workspace.AuditEntry) error {
	k, known := rule.Kind()
	if !known {
		return ErrNoRule
	}
	if err := k.check(is); err != nil {
		return err
	}
	audit.Target = string(rule)
	return e.change(ctx, at, audit, func(s *settings) ([]account.Write, error) {
		if s.Rules == nil {
			s.Rules = rules{}
		}
		s.Rules[rule] = is
		if rule != KeyHours {
			return nil, nil
		}
		stored, err := read(ctx, e.cfg.Store, hoursGroup, at.WorkspaceID, new(Settings))
		switch {
		case err != nil:
			return nil, err
		case k.on(is):
			return []account.Write{write(hoursGroup, at.WorkspaceID, stored.Version, time.Time{}, is)}, nil
		case stored.Version > 0:
			return []account.Write{remove(stored)}, nil
		}
		return nil, nil
	})
}

// Test sends a test message to a channel. The error says why it didn't arrive.
func (e *Engine) Test(ctx context.Context, at Place, id string) error {
	var s settings
	if _, err := read(ctx, e.cfg.Store, settingsGroup, at.WorkspaceID, &s); err != nil {
		return err
	}
	c := s.channel(id)
	if c == nil {
		return ErrNoChannel
	}
	if c.ConfirmedAt.IsZero() || c.Off == stopped {
		return ErrUnconfirmed
	}
	if ok, err := e.count(ctx, "test#"+at.WorkspaceID, time.Hour, testsHour); err != nil || !ok {
		return cmp.Or(err, ErrTooMany)
	}
	now := e.now()
	m := message{ID: "test_" + rand.Text(), Type: typeTest, Text: "This is a test: alerts of this workspace arrive here.", At: now}
	err := e.deliver(ctx, outgoing{WorkspaceID: at.WorkspaceID, Namespace: at.Namespace, Channel: id, Kind: c.Kind, Messages: []message{m}}, c)
	if err != nil {
		return &DeliveryError{reason(err)}
	}
	return nil
}

// A DeliveryError says why a message didn't arrive.
type DeliveryError struct{ Why string }

// Error implements error.
func (e *DeliveryError) Error() string { return e.Why }

// count adds one to the times of a record, and returns false if there are as many as most
// within the span already.
func (e *Engine) count(ctx context.Context, name string, span time.Duration, most int) (ok bool, err error) {
	err = again(func() error {
		var times []time.Time
		r, err := read(ctx, e.cfg.Store, limitGroup, name, &times)
		if err != nil {
			return err
		}
		now := e.now()
		times = slices.DeleteFunc(times, func(t time.Time) bool { return now.Sub(t) >= span })
		if ok = len(times) < most; !ok {
			return nil
		}
		return e.cfg.Store.WriteRecords(ctx, []account.Write{write(limitGroup, name, r.Version, now.Add(span), append(times, now))})
	})
	return ok, err
}

// RemoveWorkspace deletes what is kept of a workspace that was deleted. Its history ends by
// itself.
func (e *Engine) RemoveWorkspace(ctx context.Context, id string) error {
	e.forget(id)
	var writes []account.Write
	for _, group := range ownGroups {
		writes = append(writes, account.Write{Record: account.Record{Group: group, Name: id}, Delete: true})
	}
	return e.cfg.Store.PutRecords(ctx, writes...)
}

// Reseal encrypts with the newest key what isn't, and returns how many workspaces it wrote.
func Reseal(ctx context.Context, store Store, codec *workspace.Codec) (written int, err error) {
	var old []string
	if err := each(ctx, store, settingsGroup, "", func(r account.Record, s settings) bool {
		if slices.ContainsFunc(s.Channels, func(c channel) bool {
			return slices.ContainsFunc([]string{c.URL, c.Secret, c.Stop}, func(t string) bool { return t != "" && !codec.Newest(t) })
		}) {
			old = append(old, r.Name)
		}
		return true
	}); err != nil {
		return 0, err
	}
	for _, id := range old {
		err := again(func() error {
			var s settings
			r, err := read(ctx, store, settingsGroup, id, &s)
			if err != nil || r.Version == 0 {
				return err
			}
			for i := range s.Channels {
				c := &s.Channels[i]
				for place, text := range map[string]*string{"/url": &c.URL, "/secret": &c.Secret, "/stop": &c.Stop} {
					if *text == "" {
						continue
					}
					plain, err := codec.Open(id, "alerts/"+c.ID+place, *text)
					if err != nil {
						return err
					}
					*text = codec.Seal(id, "alerts/"+c.ID+place, plain)
				}
			}
			return store.WriteRecords(ctx, []account.Write{write(settingsGroup, id, r.Version, time.Time{}, s)})
		})
		if err != nil {
			return written, fmt.Errorf("the alert channels of a workspace: %w", err)
		}
		written++
	}
	return written, nil
}
