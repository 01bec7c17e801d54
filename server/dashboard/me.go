package dashboard

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
)

// A cookie is the name of a cookie, without its prefix.
type cookie string

// The cookies.
const (
	sessionCookie cookie = "tt"        // token of the session
	browserCookie cookie = "tt-code"   // token of the browser that asked for a code
	deviceCookie  cookie = "tt-device" // token of a browser in which somebody signed in
)

// secure reports whether browsers reach the server by HTTPS.
func (d *Dashboard) secure() bool { return d.PublicURL != nil && d.PublicURL.Scheme == "https" }

// name returns the cookie's name in requests. Browsers take __Host- only over HTTPS, from
// this very host.
func (v *visit) name(c cookie) string {
	if v.d.secure() {
		return "__Host-" + string(c)
	}
	return string(c)
}

func (v *visit) cookie(c cookie) string {
	if is, err := v.r.Cookie(v.name(c)); err == nil {
		return is.Value
	}
	return ""
}

// setCookie sets a cookie for some time, or removes it where that is not positive.
func (v *visit) setCookie(c cookie, value string, lives time.Duration) {
	seconds := int(lives.Seconds())
	if seconds <= 0 {
		seconds = -1
	}
	http.SetCookie(v.w, &http.Cookie{
		Name: v.name(c), Value: value, Path: "/", MaxAge: seconds, Secure: v.d.secure(), HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// client returns the browser for calls of package account.
func (v *visit) client() account.Client {
	c := account.Client{UserAgent: v.r.UserAgent(), Browser: v.cookie(browserCookie), Device: v.cookie(deviceCookie)}
	if log, ok := v.w.(*delivery.Response); ok {
		c.IP = log.Log.Client
	}
	return c
}

// A signingIn is the data of sign-in.html.
type signingIn struct {
	Form     form
	Email    string // that a code was sent to; empty asks for the address first
	Next     string // page that the visitor wanted
	Passkeys bool   // whether the server takes them
	Open     bool   // everybody may sign in
}

// signIn asks for an address, then for the code that it got.
func (v *visit) signIn() error {
	d := signingIn{Next: back(v.r.URL.Query().Get("next")), Passkeys: v.d.People.HasPasskeys(), Open: v.d.People.Signup == account.SignupOpen}
	if v.r.Method != http.MethodPost {
		if v.who.ID != "" {
			return v.redirect(d.Next, "")
		}
		return v.show(http.StatusOK, "sign-in", d)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	d.Form, d.Next = f, back(f.get("next"))
	if f.on("passkey") {
		return v.signInByPasskey(d)
	}
	if !f.on("code") {
		return v.askCode(d)
	}
	session, device, err := v.d.People.SignIn(v.r.Context(), f.get("email"), f.get("code"), v.client())
	if err != nil {
		v.watchSignIn(f.get("email"), err)
		d.Email = f.get("email")
		return v.signInFails(d, "code", err)
	}
	return v.signedIn(session, device, d.Next)
}

func (v *visit) askCode(d signingIn) error {
	browser, err := v.d.People.AskCode(v.r.Context(), d.Form.get("email"), v.client())
	if err != nil {
		return v.signInFails(d, "email", err)
	}
	v.setCookie(browserCookie, browser, 15*time.Minute)
	d.Email = d.Form.get("email")
	return v.show(http.StatusOK, "sign-in", d)
}

func (v *visit) signInFails(d signingIn, name string, err error) error {
	if status, ok := v.refused(err, &d.Form, map[string]string{"": name}); ok {
		return v.show(status, "sign-in", d)
	}
	return err
}

// signOut ends the visitor's session.
func (v *visit) signOut() error {
	if err := v.d.People.SignOut(v.r.Context(), v.cookie(sessionCookie)); err != nil {
		return err
	}
	v.setCookie(sessionCookie, "", 0)
	return v.redirect("/app/me/sign-in", "out")
}

// A mine is the data of me.html.
type mine struct {
	Sessions      []account.Session
	Current       string // ID of this session
	TakesPasskeys bool   // whether the server takes passkeys
	Passkeys      []account.Passkey
	Form          form // that adds a passkey
}

// me shows where the visitor is signed in.
func (v *visit) me() error { return v.showMe(form{}, http.StatusOK) }

// endSession ends one session of the visitor, or all.
func (v *visit) endSession() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	id := f.get("id")
	if id == "" && !f.on("all") {
		return fault.New(fault.Validation, "Name the session to end.")
	}
	if _, err := v.d.People.EndSessions(v.r.Context(), v.who.ID, id); err != nil {
		return err
	}
	if id == "" || id == v.who.Session.ID {
		v.setCookie(sessionCookie, "", 0)
		return v.redirect("/app/me/sign-in", "out")
	}
	return v.redirect("/app/me", "ended")
}

// accept takes an invitation.
func (v *visit) accept() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	m, err := v.d.Manage.AcceptInvitation(v.r.Context(), v.callerIn(""), v.who.Account, f.get("id"))
	if err != nil {
		return err
	}
	return v.redirect("/app/"+m.Namespace, "joined")
}

// back returns the page of the dashboard that a visitor goes to after signing in. It never
// leads to another site.
func back(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || strings.ContainsAny(next, "\\\r\n\t") ||
		u.Path != path.Clean(u.Path) || u.Path != "/app" && !strings.HasPrefix(u.Path, "/app/") {
		return "/app"
	}
	return u.String()
}
