package api

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
)

// AlertRule is a rule of alerts with its settings.
type AlertRule struct {
	Rule        alert.Rule `json:"rule" doc:"Name of the rule."`
	Title       string     `json:"title" doc:"The rule in a few words."`
	Description string     `json:"description" doc:"When the rule fires, with the threshold that is set."`
	On          bool       `json:"on" doc:"false fires nothing."`
	Threshold   *int       `json:"threshold" doc:"Null for rules without one."`
	Unit        string     `json:"unit" doc:"What the threshold counts, such as percent. Empty for rules without one."`
	From        string     `json:"from,omitempty" doc:"Time of the day from which keys may be used, such as 08:00; of the rule key_hours."`
	To          string     `json:"to,omitempty" doc:"Time of the day until which keys may be used. Where from is later, the hours go over midnight."`
	Days        []int      `json:"days,omitempty" nullable:"false" doc:"Days of the week on which keys may be used, 1 is Monday. Left out, every day."`
	Zone        string     `json:"zone,omitempty" doc:"Time zone of the hours, such as Europe/Berlin. Left out, UTC."`
	Firing      bool       `json:"firing" doc:"An alert of the rule isn't over."`
}

// AlertRuleSettings are the settings of a rule.
type AlertRuleSettings struct {
	On        *bool  `json:"on,omitempty" doc:"Left out, as by default: on, but for key_hours."`
	Threshold int    `json:"threshold,omitempty" doc:"Left out, the rule's default."`
	From      string `json:"from,omitempty" doc:"Time of the day from which keys may be used, such as 08:00; of the rule key_hours."`
	To        string `json:"to,omitempty" doc:"Time of the day until which keys may be used. Where from is later, the hours go over midnight."`
	Days      []int  `json:"days,omitempty" nullable:"false" doc:"Days of the week on which keys may be used, 1 is Monday. Left out, every day."`
	Zone      string `json:"zone,omitempty" doc:"Time zone of the hours, such as Europe/Berlin. Left out, UTC."`
}

// AlertChannel is where messages of alerts go.
type AlertChannel struct {
	ID           string            `json:"id"`
	Kind         alert.ChannelKind `json:"kind" enum:"email,webhook,slack"`
	Address      string            `json:"address" doc:"The e-mail address, or the host of the URL. The URL itself is not shown again, since it may be a secret."`
	CreatedAt    time.Time         `json:"created_at"`
	Confirmed    bool              `json:"confirmed" doc:"false: the address has not agreed yet, and gets no alerts."`
	On           bool              `json:"on" doc:"false: it gets no messages; off says why."`
	Off          string            `json:"off" doc:"Why it gets no messages. Empty if it does."`
	FailingSince *time.Time        `json:"failing_since" doc:"Since when it takes no messages. Null if it does."`
	Error        string            `json:"error" doc:"Why it takes none. Empty if it does."`
}

// NewAlertChannel is the request for a channel.
type NewAlertChannel struct {
	Kind   alert.ChannelKind `json:"kind" enum:"email,webhook,slack" doc:"email: an address, which must agree first. webhook: signed JSON, as Standard Webhooks describes it. slack: {\"text\": …}, as Slack, Mattermost and others take it."`
	Email  string            `json:"email,omitempty" doc:"Address, of the kind email."`
	URL    string            `json:"url,omitempty" doc:"https:// URL, of the other kinds. It must lead to a public address."`
	Secret string            `json:"secret,omitempty" doc:"Secret of a webhook: whsec_ and the base64 of 24 to 64 bytes. Left out, one is made."`
}

// MadeAlertChannel is a new channel.
type MadeAlertChannel struct {
	AlertChannel
	Secret string `json:"secret" doc:"Secret of a webhook, by which its receiver verifies messages. It is shown once. Empty for other kinds."`
}

// AlertChannelSwitch switches a channel on or off.
type AlertChannelSwitch struct {
	On bool `json:"on"`
}

// AlertCode is the code of the mail that asks an address to agree.
type AlertCode struct {
	Code string `json:"code" doc:"The code in the mail."`
}

// AlertTest says what became of a test message.
type AlertTest struct {
	Delivered bool   `json:"delivered"`
	Error     string `json:"error" doc:"Why it didn't arrive. Empty if it did."`
}

// Alert is an alert that was fired.
type Alert struct {
	ID      string     `json:"id"`
	Rule    alert.Rule `json:"rule"`
	Subject string     `json:"subject" doc:"What it concerns, such as key:ID or source:KEY. Empty: the workspace."`
	Message string     `json:"message" doc:"What happened, in one or two sentences."`
	FiredAt time.Time  `json:"fired_at"`
	OverAt  *time.Time `json:"over_at" doc:"Null if it isn't over."`
}

type (
	alertsInput struct {
		Namespace string   `path:"ns" doc:"Namespace of the workspace."`
		Limit     pageSize `query:"limit" doc:"Maximum number of alerts of the history."`
		Before    cursor   `query:"before" doc:"The next of the previous page of the history. Left out, the newest alerts."`
	}
	alertsOutput struct {
		Body struct {
			Rules    []AlertRule    `json:"rules" nullable:"false"`
			Channels []AlertChannel `json:"channels" nullable:"false"`
			Active   []Alert        `json:"active" nullable:"false" doc:"Alerts that aren't over, the newest first."`
			History  []Alert        `json:"history" nullable:"false" doc:"Alerts of the last 90 days, the newest first."`
			Next     string         `json:"next" doc:"The before of the next page of the history; empty on the last one."`
		}
	}
	alertRuleInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"Name of the rule."`
		Settings  body
	}
	alertRuleOutput      struct{ Body AlertRule }
	newAlertChannelInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Channel   body
	}
	madeAlertChannelOutput struct{ Body MadeAlertChannel }
	alertChannelInput      struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The channel's id."`
	}
	alertChannelBodyInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The channel's id."`
		What      body
	}
	alertChannelOutput struct{ Body AlertChannel }
	alertTestOutput    struct{ Body AlertTest }
)

func (a *api) alertRoutes() {
	tags := []string{"Alerts"}
	handle(a, account.ReadAlerts, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/alerts", OperationID: "listAlerts", Tags: tags,
		Summary: "List the alerts of a workspace, its rules and its channels",
	}, a.listAlerts)
	handle(a, account.WriteAlerts, huma.Operation{
		Method: http.MethodPut, Path: "/v1/workspaces/{ns}/alerts/rules/{id}", OperationID: "setAlertRule", Tags: tags,
		Summary: "Set a rule", Description: "Replaces the settings of the rule. `{}` sets them to their defaults. It holds within 5 minutes on all servers.",
		RequestBody: jsonBody("AlertRuleSettings", "The settings.", "application/json"),
	}, a.setAlertRule)
	handle(a, account.WriteAlerts, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/alerts/channels", OperationID: "addAlertChannel", Tags: tags,
		Summary: "Add a channel", Description: "An address gets a mail with a link and a code, and agrees by one of them within 7 days. A workspace has at most 10 channels.",
		RequestBody: jsonBody("NewAlertChannel", "The channel.", "application/json"), DefaultStatus: http.StatusCreated,
	}, a.addAlertChannel)
	handle(a, account.WriteAlerts, huma.Operation{
		Method: http.MethodPut, Path: "/v1/workspaces/{ns}/alerts/channels/{id}", OperationID: "switchAlertChannel", Tags: tags,
		Summary: "Switch a channel on or off", Description: "An address that ended its mails by itself must agree again: see `resendAlertConfirmation`. Until then the answer is 409 `CONFLICT`.",
		RequestBody: jsonBody("AlertChannelSwitch", "On or off.", "application/json"),
	}, a.switchAlertChannel)
	handle(a, account.WriteAlerts, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/alerts/channels/{id}", OperationID: "removeAlertChannel", Tags: tags,
		Summary: "Remove a channel", DefaultStatus: http.StatusNoContent,
	}, a.removeAlertChannel)
	handle(a, account.WriteAlerts, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/alerts/channels/{id}/test", OperationID: "testAlertChannel", Tags: tags,
		Summary: "Send a test message to a channel", Description: "20 an hour for a workspace. The answer says whether it arrived.",
	}, a.testAlertChannel)
	handle(a, account.WriteAlerts, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/alerts/channels/{id}/confirm", OperationID: "confirmAlertChannel", Tags: tags,
		Summary: "Confirm an address by the code in its mail", RequestBody: jsonBody("AlertCode", "The code.", "application/json"), DefaultStatus: http.StatusNoContent,
	}, a.confirmAlertChannel)
	handle(a, account.WriteAlerts, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/alerts/channels/{id}/resend", OperationID: "resendAlertConfirmation", Tags: tags,
		Summary: "Send the mail again by which an address agrees", Description: "3 a day for an address.", DefaultStatus: http.StatusNoContent,
	}, a.resendAlertConfirmation)
}

func (a *api) listAlerts(ctx context.Context, in *alertsInput) (out *alertsOutput, err error) {
	limit, err := in.Limit.count()
	if err != nil {
		return nil, err
	}
	all, err := a.manage.Alerts(ctx, caller(ctx), in.Namespace)
	if err != nil {
		return nil, err
	}
	out = &alertsOutput{}
	b := &out.Body
	b.Rules, b.Channels, b.Active, b.History = []AlertRule{}, []AlertChannel{}, []Alert{}, []Alert{}
	for _, r := range all.Rules {
		b.Rules = append(b.Rules, alertRuleOf(r))
	}
	for _, c := range all.Channels {
		b.Channels = append(b.Channels, alertChannelOf(c))
	}
	for _, e := range all.Active {
		b.Active = append(b.Active, alertOf(e))
	}
	history, next, err := a.manage.AlertHistory(ctx, caller(ctx), in.Namespace, string(in.Before), limit)
	for _, e := range history {
		b.History = append(b.History, alertOf(e))
	}
	b.Next = next
	return out, err
}

func (a *api) setAlertRule(ctx context.Context, in *alertRuleInput) (*alertRuleOutput, error) {
	var req AlertRuleSettings
	if err := in.Settings.decode(&req); err != nil {
		return nil, err
	}
	s := alert.Settings{On: req.On, Threshold: req.Threshold, From: req.From, To: req.To, Days: req.Days, Zone: req.Zone}
	if err := a.manage.SetAlertRule(ctx, caller(ctx), in.Namespace, alert.Rule(in.ID), s); err != nil {
		return nil, err
	}
	all, err := a.manage.Alerts(ctx, caller(ctx), in.Namespace)
	for _, r := range all.Rules {
		if r.Rule == alert.Rule(in.ID) {
			return &alertRuleOutput{alertRuleOf(r)}, err
		}
	}
	return nil, err
}

func (a *api) addAlertChannel(ctx context.Context, in *newAlertChannelInput) (*madeAlertChannelOutput, error) {
	var req NewAlertChannel
	if err := in.Channel.decode(&req); err != nil {
		return nil, err
	}
	c, secret, err := a.manage.AddAlertChannel(ctx, caller(ctx), in.Namespace, alert.NewChannel{Kind: req.Kind, Address: req.Email, URL: req.URL, Secret: req.Secret})
	return &madeAlertChannelOutput{MadeAlertChannel{alertChannelOf(c), secret}}, err
}

func (a *api) switchAlertChannel(ctx context.Context, in *alertChannelBodyInput) (*alertChannelOutput, error) {
	var req AlertChannelSwitch
	if err := in.What.decode(&req); err != nil {
		return nil, err
	}
	c, err := a.manage.SwitchAlertChannel(ctx, caller(ctx), in.Namespace, in.ID, req.On)
	return &alertChannelOutput{alertChannelOf(c)}, err
}

func (a *api) removeAlertChannel(ctx context.Context, in *alertChannelInput) (*struct{}, error) {
	return nil, a.manage.RemoveAlertChannel(ctx, caller(ctx), in.Namespace, in.ID)
}

func (a *api) testAlertChannel(ctx context.Context, in *alertChannelInput) (*alertTestOutput, error) {
	failure, err := a.manage.TestAlertChannel(ctx, caller(ctx), in.Namespace, in.ID)
	return &alertTestOutput{AlertTest{failure == "", failure}}, err
}

func (a *api) confirmAlertChannel(ctx context.Context, in *alertChannelBodyInput) (*struct{}, error) {
	var req AlertCode
	if err := in.What.decode(&req); err != nil {
		return nil, err
	}
	return nil, a.manage.ConfirmAlertChannel(ctx, caller(ctx), in.Namespace, in.ID, req.Code)
}

func (a *api) resendAlertConfirmation(ctx context.Context, in *alertChannelInput) (*struct{}, error) {
	return nil, a.manage.ResendAlertConfirmation(ctx, caller(ctx), in.Namespace, in.ID)
}

func alertRuleOf(r alert.RuleView) AlertRule {
	out := AlertRule{
		Rule: r.Rule, Title: r.Title, Description: r.Text(r.Threshold), On: r.On, Unit: r.Unit, Firing: r.Firing,
		From: r.Settings.From, To: r.Settings.To, Days: r.Settings.Days, Zone: r.Settings.Zone,
	}
	if r.Default != 0 {
		out.Threshold = &r.Threshold
	}
	return out
}

func alertChannelOf(c alert.ChannelView) AlertChannel {
	return AlertChannel{
		ID: c.ID, Kind: c.Kind, Address: c.Address, CreatedAt: c.CreatedAt, Confirmed: c.Confirmed, On: c.Off == "", Off: c.Off, FailingSince: c.Failing, Error: c.Error,
	}
}

func alertOf(e alert.Entry) Alert {
	return Alert{ID: e.ID, Rule: e.Rule, Subject: e.Subject, Message: e.Text, FiredAt: e.FiredAt, OverAt: e.OverAt}
}
