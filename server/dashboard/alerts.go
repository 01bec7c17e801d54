package dashboard

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
)

// An alertPage is the data of alerts.html.
type alertPage struct {
	manage.Alerts
	History []alert.Entry
	Older   string // path of the next page of the history; empty on the last one
	Form    form   // that failed, or has what the visitor may want, with the name of its form in "do" and "id"
	Secret  string // of a webhook that was just added
	Address string // of that webhook
	Test    *alertTest
	May     bool // set rules and channels
	Days    []weekday
}

// An alertTest is what became of a test message.
type alertTest struct{ ID, Failure string }

type weekday struct {
	Number int
	Name   string
}

var weekdays = []weekday{{1, "Monday"}, {2, "Tuesday"}, {3, "Wednesday"}, {4, "Thursday"}, {5, "Friday"}, {6, "Saturday"}, {7, "Sunday"}}

// historyPage is how many alerts a page shows.
const historyPage = 50

// alerts shows what needs a look in a workspace, and sets the rules and channels of alerts.
func (v *visit) alerts() error {
	if v.r.Method != http.MethodPost {
		return v.showAlerts(alertPage{}, http.StatusOK)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	ctx, who, m, id := v.r.Context(), v.caller(), v.d.Manage, f.get("id")
	what := "alerts"
	switch f.get("do") {
	case "rule":
		var s alert.Settings
		if s, err = alertSettings(f); err == nil {
			err = m.SetAlertRule(ctx, who, v.ns, alert.Rule(id), s)
		}
	case "add":
		var c alert.ChannelView
		var secret string
		c, secret, err = m.AddAlertChannel(ctx, who, v.ns, alert.NewChannel{Kind: alert.ChannelKind(f.get("kind")), Address: f.get("address"), URL: f.get("url")})
		if err == nil && secret != "" { // it is in this answer only, and in no URL
			return v.showAlerts(alertPage{Secret: secret, Address: c.Address}, http.StatusOK)
		}
		if what = "channel"; err == nil && !c.Confirmed {
			what = "asked"
		}
	case "on", "off":
		_, err = m.SwitchAlertChannel(ctx, who, v.ns, id, f.get("do") == "on")
	case "remove":
		what = "nochannel"
		err = m.RemoveAlertChannel(ctx, who, v.ns, id)
	case "confirm":
		err = m.ConfirmAlertChannel(ctx, who, v.ns, id, f.get("code"))
	case "resend":
		what = "asked"
		err = m.ResendAlertConfirmation(ctx, who, v.ns, id)
	case "test":
		var failure string
		if failure, err = m.TestAlertChannel(ctx, who, v.ns, id); err == nil {
			return v.showAlerts(alertPage{Test: &alertTest{id, failure}}, http.StatusOK)
		}
	default:
		err = fault.New(fault.Validation, "The form says nothing to do.")
	}
	if err == nil {
		return v.redirect("/app/"+v.ns+"/alerts", what)
	}
	fields := map[string]string{"address": "address", "url": "url", "kind": "kind"}
	if f.get("do") != "add" {
		fields = map[string]string{"threshold": "threshold", "from": "from", "to": "to", "zone": "zone"}
	}
	if status, ok := v.refused(err, &f, fields); ok {
		return v.showAlerts(alertPage{Form: f}, status)
	}
	return err
}

// alertSettings returns the settings that the form of a rule has. An empty threshold is the
// rule's default.
func alertSettings(f form) (s alert.Settings, err error) {
	on, ok := f.on("on"), true
	s = alert.Settings{On: &on, From: f.get("from"), To: f.get("to"), Zone: f.get("zone")}
	if s.Threshold, ok = f.number("threshold"); !ok {
		s.Threshold = -1 // which no rule takes
	}
	for _, text := range f.Values["days"] {
		day, err := strconv.Atoi(text)
		if err != nil {
			return s, fault.New(fault.Validation, "The form names a day that doesn't exist.")
		}
		s.Days = append(s.Days, day)
	}
	return s, nil
}

func (v *visit) showAlerts(p alertPage, status int) (err error) {
	ctx, who, before := v.r.Context(), v.caller(), v.r.URL.Query().Get("before")
	if p.Alerts, err = v.d.Manage.Alerts(ctx, who, v.ns); err != nil {
		return err
	}
	var next string
	if p.History, next, err = v.d.Manage.AlertHistory(ctx, who, v.ns, before, historyPage); err != nil {
		return err
	}
	if next != "" {
		p.Older = "/app/" + v.ns + "/alerts?" + url.Values{"before": {next}}.Encode() + "#history"
	}
	p.May, p.Days = v.may(account.WriteAlerts), weekdays
	if p.Form.Values == nil && p.May && !p.tells(v.who.Email) {
		p.Form = form{Values: url.Values{"do": {"add"}, "id": {""}, "address": {v.who.Email}}}
	}
	return v.show(status, "alerts", p)
}

// tells reports whether an address gets alerts already, or was asked.
func (p alertPage) tells(address string) bool {
	return slices.ContainsFunc(p.Channels, func(c alert.ChannelView) bool { return c.Kind == alert.Email && c.Address == address })
}

// Failed returns the form of a rule or channel if it is the one that failed, and else an empty
// one.
func (p alertPage) Failed(do string, id any) form {
	name := ""
	switch id := id.(type) {
	case string:
		name = id
	case alert.Rule:
		name = string(id)
	}
	if p.Form.get("do") == do && p.Form.get("id") == name {
		return p.Form
	}
	return form{}
}

// Has reports whether keys may be used on a day of the week.
func (p alertPage) Has(r alert.RuleView, day int) bool {
	if len(r.Settings.Days) == 0 {
		return true
	}
	for _, d := range r.Settings.Days {
		if d == day {
			return true
		}
	}
	return false
}

// Before returns what the sentence of a rule says before its threshold, and After what it says
// behind it.
func (p alertPage) Before(r alert.RuleView) string {
	before, _, _ := strings.Cut(r.Words, "{}")
	return before
}

// After is the rest of Before.
func (p alertPage) After(r alert.RuleView) string {
	_, after, _ := strings.Cut(r.Words, "{}")
	return after
}

// A confirmPage is the data of confirm.html.
type confirmPage struct {
	alert.Confirmation
	Token string
	Done  bool
}

// confirmAlerts is where the links of mails lead: an address agrees that it gets alerts, or ends
// them. A GET changes nothing, since programs that look for viruses open links too.
func (v *visit) confirmAlerts() error {
	token := v.r.URL.Query().Get("token")
	if v.r.Method == http.MethodPost {
		f, err := v.form()
		if err != nil {
			return err
		}
		c, err := v.d.Manage.ConfirmAlerts(v.r.Context(), f.get("token"))
		if err != nil {
			return err
		}
		return v.show(http.StatusOK, "confirm", confirmPage{c, "", true})
	}
	c, err := v.d.Manage.AlertConfirmation(v.r.Context(), token)
	if err != nil {
		return err
	}
	return v.show(http.StatusOK, "confirm", confirmPage{c, token, false})
}

// watch counts a request of a person for alerts, and whether it was refused.
func (v *visit) watch(err error) {
	if v.d.Watch == nil || v.who.ID == "" || v.ns == "" || v.who.Operator {
		return
	}
	id := v.d.Manage.WorkspaceID(v.r.Context(), v.ns)
	if id == "" {
		return
	}
	who := "account:" + v.who.Email
	if v.role != "" {
		v.d.Watch.Act(id, v.ns, who)
	}
	if e := fault.OfManaging(err); err != nil && e.Code == fault.Forbidden {
		v.d.Watch.Deny(id, v.ns, who, http.StatusForbidden, v.r.Method+" "+v.r.URL.Path, v.client().IP)
	}
}

// watchSignIn tells alerts of a sign-in that failed.
func (v *visit) watchSignIn(address string, err error) {
	if v.d.Watch == nil || !errors.Is(err, account.ErrCode) {
		return
	}
	if email, err := account.ParseEmail(address); err == nil {
		v.d.Watch.SignInFailed(email, v.client().IP)
	}
}
