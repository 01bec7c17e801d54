package main

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tintype/tintype/internal/freeport"
)

// TestPasskeyInBrowser: the operator adds a passkey of a virtual authenticator to the account,
// and signs in with it. A code signs nobody in then.
func TestPasskeyInBrowser(t *testing.T) {
	t.Parallel() // it waits for the browser
	address := freeport.Address(t)
	_, port, _ := strings.Cut(address, ":")
	url := "http://localhost:" + port
	sent := make(codes, 10)
	startSaying(t, sent, nil, "--operators", operatorOfTests, "--mail", "log", "--listen", address, "--public-url", url)
	p := open(t, startBrowser(t), url+"/app/me/sign-in?next=/app/me", 1400, 900)
	p.signIn(sent, "/app/me")

	if _, err := chromedp.Call(p.ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(p.ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal,
		HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}}); err != nil {
		t.Fatal(err)
	}
	p.fill("#name", "Phone")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.arrive(`document.querySelector('[role=status]')?.textContent.includes('The passkey is added') && document.body.textContent.includes('Phone')`)
	p.shoot("passkey-added")

	// The device has one for this account already, and says so in words.
	p.fill("#name", "Again")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.until(`document.querySelector('form[data-passkey] .fault').textContent.includes('has a passkey for your account already')`)

	p.click(`.me button`)
	p.arrive(`location.pathname === '/app/me/sign-in' && document.readyState === 'complete'`)
	p.do(chromedp.Navigate(url + "/app/me/sign-in?next=/app/me"))
	p.shoot("passkey-sign-in")
	p.click(`form[data-passkey] button`)
	p.arrive(`location.pathname === '/app/me' && document.readyState === 'complete'`)
	if got := p.text("main"); !strings.Contains(got, operatorOfTests) {
		t.Errorf("signed in as %s", got)
	}

	// A code would sign a thief of the mailbox in.
	p.click(`.me button`)
	p.arrive(`location.pathname === '/app/me/sign-in' && document.readyState === 'complete'`)
	p.fill("#email", operatorOfTests)
	p.do(chromedp.KeyEvent(kb.Enter))
	p.arrive(`document.querySelector('#code')`)
	p.fill("#code", "1234 5678")
	p.do(chromedp.KeyEvent(kb.Enter))
	p.arrive(`document.querySelector('#code-fault')`)
	select {
	case code := <-sent:
		t.Errorf("a code was sent: %s", code)
	default:
	}
}
