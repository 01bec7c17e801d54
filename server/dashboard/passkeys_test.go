package dashboard_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/descope/virtualwebauthn"
)

// TestPasskeyPages: a member adds a passkey on the page You, signs in with it, and removes it.
func TestPasskeyPages(t *testing.T) {
	s := open(t)
	rp := virtualwebauthn.RelyingParty{ID: "img.example", Name: "Tintype", Origin: "https://img.example"}
	b := &browser{s, map[string]string{"__Host-tt": s.tokens["viewer"]}}
	if page := b.send("GET", "/app/me", nil).Body.String(); !strings.Contains(page, `data-passkey="create"`) || !strings.Contains(page, "app-passkey.js") {
		t.Error(page)
	}
	begin := b.send("POST", "/app/me/passkeys/begin", nil)
	options, err := virtualwebauthn.ParseAttestationOptions(begin.Body.String())
	if begin.Code != 200 || begin.Header().Get("Content-Type") != "application/json" || err != nil || options.RelyingPartyID != "img.example" {
		t.Fatal(begin.Code, begin.Body, err)
	}
	device := virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(options.UserID)})
	key := newKey()
	fields := url.Values{"do": {"add"}, "name": {nasty}, "response": {virtualwebauthn.CreateAttestationResponse(rp, device, key, *options)}}
	if w := b.send("POST", "/app/me/passkeys", fields); w.Code != 303 || w.Header().Get("Location") != "/app/me?done=passkey" {
		t.Fatal(w.Code, w.Header(), w.Body)
	}
	if m := <-s.mail; m.To != "viewer@acme.example" || strings.ContainsAny(m.Subject, "<>") {
		t.Errorf("%+v", m)
	}
	if w := b.send("POST", "/app/me/passkeys", fields); w.Code != 422 || !strings.Contains(w.Body.String(), "The passkey can&#39;t be added") && !strings.Contains(w.Body.String(), "is not known here") || strings.Contains(w.Body.String(), nasty) {
		t.Error("the answer a second time:", w.Code, w.Body)
	}
	page := b.send("GET", "/app/me", nil).Body.String()
	id := regexp.MustCompile(`name="id" value="([A-Za-z0-9_-]{20,})"`).FindStringSubmatch(page)
	if strings.Contains(page, nasty) || id == nil || !strings.Contains(page, ">never</td>") {
		t.Fatal(page)
	}

	other := &browser{s, map[string]string{}}
	if page := other.send("GET", "/app/me/sign-in", nil).Body.String(); !strings.Contains(page, `data-passkey="get"`) {
		t.Error(page)
	}
	signIn := func() (w int, location, body string) {
		asked := other.send("POST", "/app/me/passkey", nil)
		o, err := virtualwebauthn.ParseAssertionOptions(asked.Body.String())
		if err != nil || strings.Contains(asked.Body.String(), "allowCredentials") {
			t.Fatal(asked.Code, asked.Body, err)
		}
		in := other.send("POST", "/app/me/sign-in", url.Values{"next": {"/app/acme/log"}, "passkey": {virtualwebauthn.CreateAssertionResponse(rp, device, key, *o)}})
		return in.Code, in.Header().Get("Location"), in.Body.String()
	}
	if status, location, body := signIn(); status != 303 || location != "/app/acme/log" {
		t.Fatal(status, location, body)
	}
	if page := other.send("GET", "/app/me", nil); page.Code != 200 || !strings.Contains(page.Body.String(), "viewer@acme.example") || other.cookies["__Host-tt-passkey"] != "" {
		t.Error(page.Code, other.cookies)
	}
	if w := s.ask("owner", "POST", "/app/me/passkeys", url.Values{"do": {"remove"}, "id": {id[1]}}); w.Code != 303 {
		t.Error(w.Code)
	}
	delete(other.cookies, "__Host-tt")
	if status, _, _ := signIn(); status != 303 {
		t.Error("somebody else removed it")
	}
	if w := b.send("POST", "/app/me/passkeys", url.Values{"do": {"remove"}, "id": {id[1]}}); w.Code != 303 {
		t.Error(w.Code)
	}
	delete(other.cookies, "__Host-tt")
	if status, _, body := signIn(); status != 422 || !strings.Contains(body, "The passkey is not known here") || other.cookies["__Host-tt"] != "" {
		t.Error("a removed passkey:", status, body)
	}
}

// TestPasskeysElsewhere: a server without a name shows no passkeys.
func TestPasskeysElsewhere(t *testing.T) {
	s := open(t)
	s.people.PublicURL = ""
	for target, as := range map[string]string{"/app/me": "viewer", "/app/me/sign-in": ""} {
		if page := s.ask(as, "GET", target, nil).Body.String(); strings.Contains(page, "passkey") {
			t.Errorf("%s: %s", target, page)
		}
	}
	if w := s.ask("viewer", "POST", "/app/me/passkeys/begin", nil); w.Code != 404 {
		t.Error(w.Code)
	}
}

// newKey makes a key pair. The authenticator of these tests leaves out the leading zeros of
// a coordinate, which no real one does: newKey makes another pair then.
func newKey() virtualwebauthn.Credential {
	const whole = 77 // bytes of a COSE key with two coordinates of 32 bytes
	for {
		if c := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(c.Key.AttestationData()) == whole {
			return c
		}
	}
}
