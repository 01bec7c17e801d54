package dashboard

import (
	"strconv"
	"time"

	"github.com/tintype/tintype/fault"
)

// passkeyCookie is the cookie of a browser that has a challenge for an authenticator.
const passkeyCookie cookie = "tt-passkey"

// challenge answers the JSON that a script gives the browser's authenticators, and sets the
// cookie of the browser that may use it.
func (v *visit) challenge(options []byte, browser string, err error) error {
	if err != nil {
		return err
	}
	v.setCookie(passkeyCookie, browser, 5*time.Minute)
	h := v.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(options)))
	_, err = v.w.Write(options)
	return err
}

// beginPasskey begins to add a passkey to the visitor's account.
func (v *visit) beginPasskey() error {
	return v.challenge(v.d.People.BeginPasskey(v.r.Context(), v.who.Account))
}

// askPasskey begins to sign in by a passkey.
func (v *visit) askPasskey() error {
	return v.challenge(v.d.People.AskPasskey(v.r.Context(), v.client()))
}

// passkeys adds and removes passkeys of the visitor.
func (v *visit) passkeys() error {
	f, err := v.form()
	if err != nil {
		return err
	}
	switch f.get("do") {
	case "add":
		_, err = v.d.People.AddPasskey(v.r.Context(), v.who.Account, v.cookie(passkeyCookie), f.get("name"), []byte(f.get("response")))
		v.setCookie(passkeyCookie, "", 0)
		if err != nil {
			if status, ok := v.refused(err, &f, map[string]string{"": "passkey"}); ok {
				return v.showMe(f, status)
			}
			return err
		}
		return v.redirect("/app/me", "passkey")
	case "remove":
		if f.get("id") == "" {
			return fault.New(fault.Validation, "Name the passkey to remove.")
		}
		if _, err := v.d.People.RemovePasskey(v.r.Context(), v.who.Account, f.get("id")); err != nil {
			return err
		}
		return v.redirect("/app/me", "nopasskey")
	}
	return fault.New(fault.Validation, "The form says nothing to do.")
}

// signInByPasskey signs in with an authenticator's answer.
func (v *visit) signInByPasskey(d signingIn) error {
	c := v.client()
	c.Browser = v.cookie(passkeyCookie)
	session, device, err := v.d.People.SignInByPasskey(v.r.Context(), []byte(d.Form.get("passkey")), c)
	v.setCookie(passkeyCookie, "", 0)
	d.Form.Values.Del("passkey")
	if err != nil {
		return v.signInFails(d, "passkey", err)
	}
	return v.signedIn(session, device, d.Next)
}

// signedIn sets the cookies of a session, and goes to the page that the visitor wanted.
func (v *visit) signedIn(session, device, next string) error {
	v.setCookie(browserCookie, "", 0)
	v.setCookie(deviceCookie, device, 400*24*time.Hour)
	v.setCookie(sessionCookie, session, 30*24*time.Hour)
	return v.redirect(next, "")
}

// showMe shows where the visitor is signed in, and their passkeys.
func (v *visit) showMe(f form, status int) error {
	m := mine{Current: v.who.Session.ID, TakesPasskeys: v.d.People.HasPasskeys(), Form: f}
	var err error
	if m.Sessions, err = v.d.People.Sessions(v.r.Context(), v.who.ID); err != nil {
		return err
	}
	if m.Passkeys, err = v.d.People.Passkeys(v.r.Context(), v.who.ID); err != nil {
		return err
	}
	return v.show(status, "me", m)
}
