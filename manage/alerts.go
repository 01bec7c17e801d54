package manage

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/workspace"
)

var errNoAlerts = fault.New(fault.NotFound, "This server has no alerts.")

// Alerts are the rules, channels and alerts of a workspace.
type Alerts struct {
	alert.Overview
	Mail bool // addresses can be channels
}

// Alerts returns the rules of a workspace, its channels, and the alerts that aren't over.
func (m *Manager) Alerts(ctx context.Context, who Caller, namespace string) (a Alerts, err error) {
	at, err := m.openAlerts(ctx, who, account.ReadAlerts, namespace)
	if err != nil {
		return a, err
	}
	a.Mail = m.alerts.SendsMail()
	a.Overview, err = m.alerts.Overview(ctx, at)
	return a, alertFault(err)
}

// ActiveAlerts returns the alerts of a workspace that aren't over, the newest first.
func (m *Manager) ActiveAlerts(ctx context.Context, who Caller, namespace string) ([]alert.Entry, error) {
	at, err := m.openAlerts(ctx, who, account.ReadAlerts, namespace)
	if err != nil {
		return nil, err
	}
	list, err := m.alerts.Active(ctx, at.WorkspaceID)
	return list, alertFault(err)
}

// AlertHistory returns up to limit alerts of the last 90 days, the newest first, and where the
// next page begins.
func (m *Manager) AlertHistory(ctx context.Context, who Caller, namespace, before string, limit int) (list []alert.Entry, next string, err error) {
	at, err := m.openAlerts(ctx, who, account.ReadAlerts, namespace)
	if err != nil {
		return nil, "", err
	}
	if err := checkCursor("before", before); err != nil {
		return nil, "", err
	}
	list, next, err = m.alerts.History(ctx, at.WorkspaceID, before, limit)
	return list, next, alertFault(err)
}

// SetAlertRule sets a rule of a workspace.
func (m *Manager) SetAlertRule(ctx context.Context, who Caller, namespace string, rule alert.Rule, s alert.Settings) error {
	at, err := m.openAlerts(ctx, who, account.WriteAlerts, namespace)
	if err != nil {
		return err
	}
	if err := m.alerts.SetRule(ctx, at, rule, s, who.changed("alert_rule.update", "", nil, s)); err != nil {
		return alertFault(err)
	}
	if err := m.alerts.JudgeKeys(ctx, at); err != nil { // a day later, it is judged anyway
		m.log.WarnContext(ctx, "alerts of keys are judged later, since the store fails", "workspace", namespace, "err", err)
	}
	return nil
}

// AddAlertChannel adds a channel. secret is that of a webhook, which is shown once. The address
// of the person who asks is confirmed already; others get a mail.
func (m *Manager) AddAlertChannel(ctx context.Context, who Caller, namespace string, n alert.NewChannel) (v alert.ChannelView, secret string, err error) {
	at, err := m.openAlerts(ctx, who, account.WriteAlerts, namespace)
	if err != nil {
		return v, "", err
	}
	n.Trusted = false
	if address, bad := account.ParseEmail(n.Address); bad == nil && who.Kind == apikey.Person {
		n.Trusted = address == who.Email
	}
	v, secret, err = m.alerts.AddChannel(ctx, at, n, who.changed("alert_channel.create", "", nil, map[string]alert.ChannelKind{"kind": n.Kind}))
	return v, secret, alertFault(err)
}

// SwitchAlertChannel switches a channel on or off.
func (m *Manager) SwitchAlertChannel(ctx context.Context, who Caller, namespace, id string, on bool) (alert.ChannelView, error) {
	at, err := m.openAlerts(ctx, who, account.WriteAlerts, namespace)
	if err != nil {
		return alert.ChannelView{}, err
	}
	v, err := m.alerts.SwitchChannel(ctx, at, id, on, who.changed("alert_channel.update", "", nil, map[string]bool{"on": on}))
	return v, alertFault(err)
}

// RemoveAlertChannel removes a channel.
func (m *Manager) RemoveAlertChannel(ctx context.Context, who Caller, namespace, id string) error {
	at, err := m.openAlerts(ctx, who, account.WriteAlerts, namespace)
	if err != nil {
		return err
	}
	return alertFault(m.alerts.RemoveChannel(ctx, at, id, who.entry("alert_channel.delete", "")))
}

// TestAlertChannel sends a test message to a channel. failure says why it didn't arrive.
func (m *Manager) TestAlertChannel(ctx context.Context, who Caller, namespace, id string) (failure string, err error) {
	at, err := m.openAlerts(ctx, who, account.WriteAlerts, namespace)
	if err != nil {
		return "", err
	}
	err = m.alerts.Test(ctx, at, id)
	if failed, ok := errors.AsType[*alert.DeliveryError](err); ok {
		return failed.Why, nil
	}
	return "", alertFault(err)
}

// ResendAlertConfirmation sends the mail again by which the address of a channel confirms.
func (m *Manager) ResendAlertConfirmation(ctx context.Context, who Caller, namespace, id string) error {
	at, err := m.openAlerts(ctx, who, account.WriteAlerts, namespace)
	if err != nil {
		return err
	}
	return alertFault(m.alerts.ResendConfirmation(ctx, at, id))
}

// ConfirmAlertChannel confirms an address of the workspace with the code of the mail that it got.
func (m *Manager) ConfirmAlertChannel(ctx context.Context, who Caller, namespace, id, code string) error {
	at, err := m.openAlerts(ctx, who, account.WriteAlerts, namespace)
	if err != nil {
		return err
	}
	is, err := m.alerts.Confirmation(ctx, code)
	if err == nil && (is.WorkspaceID != at.WorkspaceID || is.Channel != id || is.Stop) {
		err = alert.ErrConfirm
	}
	if err == nil {
		_, err = m.alerts.Confirm(ctx, code)
	}
	return alertFault(err)
}

// AlertConfirmation returns what the token of a mail is for. Who has it got the mail, so that
// nobody else is asked.
func (m *Manager) AlertConfirmation(ctx context.Context, token string) (c alert.Confirmation, err error) {
	if m.alerts == nil {
		return c, errNoAlerts
	}
	c, err = m.alerts.Confirmation(ctx, token)
	return c, alertFault(err)
}

// ConfirmAlerts does what the token of a mail is for: it confirms an address, or ends its mails.
func (m *Manager) ConfirmAlerts(ctx context.Context, token string) (c alert.Confirmation, err error) {
	if m.alerts == nil {
		return c, errNoAlerts
	}
	c, err = m.alerts.Confirm(ctx, token)
	return c, alertFault(err)
}

// openAlerts returns the workspace of a caller who must be allowed the action there.
func (m *Manager) openAlerts(ctx context.Context, who Caller, action account.Action, namespace string) (alert.Place, error) {
	w, err := m.open(ctx, who, action, namespace)
	if err != nil {
		return alert.Place{}, err
	}
	if m.alerts == nil {
		return alert.Place{}, errNoAlerts
	}
	return alert.Place{WorkspaceID: w.ID, Namespace: w.Namespace}, nil
}

// keysChanged judges the alerts of a workspace's keys anew.
func (m *Manager) keysChanged(ctx context.Context, w *workspace.Workspace) {
	if m.alerts == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := m.alerts.JudgeKeys(ctx, alert.Place{WorkspaceID: w.ID, Namespace: w.Namespace}); err != nil {
		m.log.WarnContext(ctx, "alerts of keys are judged later, since the store fails", "workspace", w.Namespace, "err", err)
	}
}

// alertFault returns the error for the client.
func alertFault(err error) error {
	if wrong, ok := errors.AsType[*alert.SettingError](err); ok {
		return &workspace.ValidationError{Problems: []workspace.Problem{{Path: wrong.Field, Message: wrong.Message}}}
	}
	say := func(code fault.Code, is error) error { return fault.New(code, sentence(is.Error())) }
	switch {
	case err == nil:
		return nil
	case errors.Is(err, alert.ErrNoChannel), errors.Is(err, alert.ErrNoRule):
		return say(fault.NotFound, err)
	case errors.Is(err, alert.ErrChannels), errors.Is(err, alert.ErrUnconfirmed), errors.Is(err, alert.ErrNoMail):
		return say(fault.Conflict, err)
	case errors.Is(err, alert.ErrConfirm):
		return say(fault.Validation, err)
	case errors.Is(err, alert.ErrTooMany):
		e := fault.New(fault.RateLimited, sentence(err.Error()))
		return e
	}
	return fmt.Errorf("alerts: %w", err)
}

// sentence gives a text a capital and a full stop.
func sentence(s string) string {
	return string(s[0]&^0x20) + s[1:] + "."
}
