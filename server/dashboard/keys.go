package dashboard

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A keyPage is the data of keys.html.
type keyPage struct {
	Keys []manage.APIKey
	Made *manage.MadeAPIKey // by this request; nil for none
	Try  string             // commands with that key, for a terminal
	Form form
	Now  time.Time
	May  bool // make and revoke keys
}

// keys lists the API keys of a workspace, and makes and revokes them. The answer to the form
// that makes a key is the only page that shows the key. It doesn't redirect, so that the key
// gets into no URL.
func (v *visit) keys() error {
	if v.r.Method != http.MethodPost {
		return v.showKeys(keyPage{}, http.StatusOK)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	switch f.get("do") {
	case "make":
		made, err := v.d.Manage.CreateAPIKey(v.r.Context(), v.caller(), v.ns, newKey(f))
		if err != nil {
			return v.keyFails(f, err)
		}
		w, err := v.workspace()
		if err != nil {
			return err
		}
		return v.showKeys(keyPage{Made: &made, Try: v.tryKey(w, &made)}, http.StatusOK)
	case "revoke":
		if err := v.revokeKey(f); err != nil {
			return v.keyFails(f, err)
		}
		return v.redirect("/app/"+v.ns+"/keys", "revoked")
	}
	return fault.New(fault.Validation, "The form says nothing to do.")
}

// tryKey returns commands for a terminal that do something with a new key, as far as its scopes
// go. The name of the variable is the one that Tintype's own programs read.
func (v *visit) tryKey(w *workspace.Workspace, made *manage.MadeAPIKey) string {
	api, may := v.base()+"/v1/workspaces/"+v.ns, func(s apikey.Scope) bool {
		return slices.ContainsFunc(made.Scopes, func(scope string) bool { return apikey.Scope(scope).Includes(s) })
	}
	lines := []string{"export TINTYPE_API_KEY='" + made.Key + "'"}
	if may(apikey.Read) {
		lines = append(lines, "# the settings", `curl -H "Authorization: Bearer $TINTYPE_API_KEY" `+api)
	}
	if may(apikey.Write) {
		what := `{"all":true}`
		if sources := append(keysOf(w.Sources), v.d.Manage.Folders(v.ns)...); len(sources) > 0 {
			what = `{"path":"` + sources[0] + `/cat.jpg"}`
		}
		lines = append(lines, "# purge, so that images are made anew",
			`curl -H "Authorization: Bearer $TINTYPE_API_KEY" -H 'Content-Type: application/json' -d '`+what+"' "+api+"/purge")
	}
	return strings.Join(lines, "\n")
}

// newKey returns the key that a form asks for.
func newKey(f form) manage.NewAPIKey {
	n := manage.NewAPIKey{Name: f.get("name"), Scopes: f.Values["scopes"], Test: f.on("test")}
	if f.get("expires_in_days") != "" {
		days, _ := f.number("expires_in_days") // 0 for a text, which is refused
		n.ExpiresInDays = &days
	}
	return n
}

// revokeKey revokes a key whose name was typed.
func (v *visit) revokeKey(f form) error {
	all, err := v.d.Manage.APIKeys(v.r.Context(), v.caller(), v.ns)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(k manage.APIKey) bool { return k.ID == f.get("id") })
	if i >= 0 && f.get("confirm") != strings.TrimSpace(all[i].Name) {
		return fault.New(fault.Validation, "Type the name of the key to revoke it.")
	}
	return v.d.Manage.RevokeAPIKey(v.r.Context(), v.caller(), v.ns, f.get("id"))
}

// keyFails shows the form again with what is wrong, next to the field that the error names.
func (v *visit) keyFails(f form, err error) error {
	if status, ok := v.refused(err, &f, map[string]string{"name": "name", "scopes": "scopes", "expires_in_days": "expires_in_days"}); ok {
		return v.showKeys(keyPage{Form: f}, status)
	}
	return err
}

func (v *visit) showKeys(p keyPage, status int) error {
	var err error
	if p.Keys, err = v.d.Manage.APIKeys(v.r.Context(), v.caller(), v.ns); err != nil {
		return err
	}
	p.Now, p.May = v.d.now(), v.may(account.WriteAPIKeys)
	return v.show(status, "keys", p)
}

// Has reports whether a form has a scope ticked.
func (p keyPage) Has(scope string) bool { return slices.Contains(p.Form.Values["scopes"], scope) }

// State returns what a key is now: live, revoked or expired.
func (p keyPage) State(k manage.APIKey) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked " + k.RevokedAt.Format("2006-01-02")
	case k.ExpiresAt == nil:
		return "never expires"
	case !p.Now.Before(*k.ExpiresAt):
		return "expired " + k.ExpiresAt.Format("2006-01-02")
	}
	return "expires " + k.ExpiresAt.Format("2006-01-02")
}
