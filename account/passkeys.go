package account

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/mail"
)

// Errors of passkeys.
var (
	ErrNoPasskeys = errors.New("this server takes no passkeys")
	ErrPasskey    = errors.New("the passkey is not known here, or the sign-in took too long")
	ErrNewPasskey = errors.New("the passkey can't be added: try again")
	ErrPasskeys   = fmt.Errorf("an account has at most %d passkeys", maxPasskeys)
)

const (
	ceremonyLives = 5 * time.Minute
	maxPasskeys   = 10
	maxResponse   = 16 << 10 // bytes of an authenticator's answer
	maxName       = 60       // characters of a passkey's name
)

// A Passkey signs a person in by an authenticator, such as a phone or a security key, which
// has checked who holds it (WebAuthn).
type Passkey struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero"` // zero before the first use

	Credential webauthn.Credential `json:"credential"` // public key, and the state of the authenticator
}

// A ceremony is a challenge that an authenticator is to sign. It is for one browser, once.
type ceremony struct {
	AccountID string               `json:"account_id,omitempty"` // whose passkey is added; empty for a sign-in
	Session   webauthn.SessionData `json:"session"`
}

// passkeyUser is an account for package webauthn.
type passkeyUser struct {
	Account
	keys []Passkey
}

func (u passkeyUser) WebAuthnID() []byte          { return []byte(u.ID) }
func (u passkeyUser) WebAuthnName() string        { return u.Email }
func (u passkeyUser) WebAuthnDisplayName() string { return u.Email }
func (u passkeyUser) WebAuthnCredentials() (all []webauthn.Credential) {
	for _, k := range u.keys {
		all = append(all, k.Credential)
	}
	return all
}

// HasPasskeys reports whether the server takes passkeys. They are bound to the host of
// Config.PublicURL, which must be a name.
func (p *People) HasPasskeys() bool {
	u, err := url.Parse(p.PublicURL)
	return err == nil && u.Hostname() != "" && net.ParseIP(u.Hostname()) == nil
}

func (p *People) webauthn() (*webauthn.WebAuthn, error) {
	if !p.HasPasskeys() {
		return nil, ErrNoPasskeys
	}
	u, err := url.Parse(p.PublicURL)
	if err != nil {
		return nil, err
	}
	return webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Tintype", RPOrigins: []string{u.Scheme + "://" + u.Host}, AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired},
	})
}

// Passkeys returns the passkeys of an account, the oldest first.
func (p *People) Passkeys(ctx context.Context, accountID string) ([]Passkey, error) {
	all, err := list[Passkey](ctx, p, "passkeys#"+accountID)
	slices.SortFunc(all, func(a, b Passkey) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	return all, err
}

// BeginPasskey returns what a browser needs to make a passkey (the JSON of
// CredentialCreationOptions), and the token of the browser that may add it, for a cookie.
func (p *People) BeginPasskey(ctx context.Context, who Account) (options []byte, browser string, err error) {
	rp, err := p.webauthn()
	if err != nil {
		return nil, "", err
	}
	keys, err := p.Passkeys(ctx, who.ID)
	if err != nil {
		return nil, "", err
	}
	if len(keys) >= maxPasskeys {
		return nil, "", ErrPasskeys
	}
	user := passkeyUser{who, keys}
	creation, session, err := rp.BeginRegistration(user, webauthn.WithExclusions(webauthn.Credentials(user.WebAuthnCredentials()).CredentialDescriptors()))
	if err != nil {
		return nil, "", err
	}
	return p.beginCeremony(ctx, creation, ceremony{who.ID, *session})
}

func (p *People) beginCeremony(ctx context.Context, options any, c ceremony) ([]byte, string, error) {
	text, err := json.Marshal(options)
	if err != nil {
		return nil, "", err
	}
	browser := token()
	return text, browser, p.Records.WriteRecords(ctx, []Write{put(ceremonies, hashOf(browser), 0, p.Now().Add(ceremonyLives), c)})
}

// endCeremony returns the ceremony of a browser, which has it once.
func (p *People) endCeremony(ctx context.Context, browser string) (c ceremony, err error) {
	stored, err := p.read(ctx, ceremonies, hashOf(browser), &c)
	if err != nil || stored.Version == 0 {
		return c, cmp.Or(err, ErrPasskey)
	}
	return c, p.Records.WriteRecords(ctx, []Write{remove(ceremonies, hashOf(browser), stored.Version)})
}

// AddPasskey adds the passkey that a browser made, by the JSON of its answer, and tells its
// owner so by mail.
func (p *People) AddPasskey(ctx context.Context, who Account, browser, name string, response []byte) (k Passkey, err error) {
	rp, err := p.webauthn()
	if err != nil {
		return k, err
	}
	c, err := p.endCeremony(ctx, browser)
	if err != nil {
		return k, err
	}
	keys, err := p.Passkeys(ctx, who.ID)
	if err != nil {
		return k, err
	}
	if len(keys) >= maxPasskeys {
		return k, ErrPasskeys
	}
	if c.AccountID != who.ID || len(response) > maxResponse {
		return k, ErrNewPasskey
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return k, p.noPasskey(ErrNewPasskey, err)
	}
	made, err := rp.CreateCredential(passkeyUser{who, keys}, c.Session, parsed)
	if err != nil {
		return k, p.noPasskey(ErrNewPasskey, err)
	}
	made.Attestation = webauthn.CredentialAttestation{} // nobody checks it again
	k = Passkey{ID: base64.RawURLEncoding.EncodeToString(made.ID), Name: passkeyName(name, len(keys)), CreatedAt: p.Now().UTC().Truncate(time.Second), Credential: *made}
	if len(k.ID) > 200 { // WebAuthn allows 1023 bytes, and authenticators send up to 64
		return Passkey{}, ErrNewPasskey
	}
	if err := p.Records.WriteRecords(ctx, []Write{put("passkeys#"+who.ID, k.ID, 0, time.Time{}, k)}); err != nil {
		return Passkey{}, err
	}
	p.tell(ctx, who.Email, "A passkey was added to your account", "The passkey “"+k.Name+"” can sign you in to Tintype now.\n\nIf you didn't add it, remove it on the page You, and end all sessions there.\n")
	return k, nil
}

// passkeyName returns a name that a person gave a passkey, as one line.
func passkeyName(name string, others int) string {
	name = strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, name))
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	return cmp.Or(name, fmt.Sprintf("Passkey %d", others+1))
}

// noPasskey returns the error that a client sees, and logs the other one, which can hold what
// the client sent.
func (p *People) noPasskey(seen, cause error) error {
	if e, ok := errors.AsType[*protocol.Error](cause); ok {
		cause = errors.New(e.Type + ": " + e.Details)
	}
	p.Log.Info("a passkey was refused", "error", clip(cause.Error(), 300))
	return seen
}

// tell sends a mail behind the answer. Where the mail server hangs, few mails are under way and
// others wait, for a minute at most.
func (p *People) tell(ctx context.Context, email, subject, text string) {
	if p.mails.Add(1) > maxMails {
		p.mails.Add(-1)
		p.Log.Error("a mail isn't sent, since too many wait", "address", MaskEmail(email))
		return
	}
	p.sending.Go(func() {
		defer p.mails.Add(-1)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		err := p.send(ctx, mail.Message{To: email, Subject: subject, Text: text})
		if err != nil {
			p.Log.Error("a mail can't be sent", "address", MaskEmail(email), "error", err)
		}
	})
}

// send sends a mail as soon as one of the places is free.
func (p *People) send(ctx context.Context, m mail.Message) error {
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.places }()
	return p.Mail.Send(ctx, m)
}

// RemovePasskey removes a passkey of an account, or all of them where the ID is empty. It
// returns how many.
func (p *People) RemovePasskey(ctx context.Context, who Account, id string) (removed int, err error) {
	keys, err := p.Passkeys(ctx, who.ID)
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		if id != "" && k.ID != id {
			continue
		}
		if err := p.drop(ctx, "passkeys#"+who.ID, k.ID); err != nil {
			return removed, err
		}
		removed++
	}
	if removed > 0 {
		p.tell(ctx, who.Email, "A passkey was removed from your account", "It can't sign you in to Tintype any more.\n")
	}
	return removed, nil
}

// AskPasskey returns what a browser needs to sign in by a passkey (the JSON of
// CredentialRequestOptions), and the token of the browser that may, for a cookie. It names no
// account: the authenticator knows which accounts it has passkeys of.
func (p *People) AskPasskey(ctx context.Context, c Client) (options []byte, browser string, err error) {
	rp, err := p.webauthn()
	if err != nil {
		return nil, "", err
	}
	ok, err := p.count(ctx, asked, "passkey "+limit.Client(c.IP), time.Hour, passkeysClient)
	if err != nil {
		return nil, "", err
	}
	if !ok {
		return nil, "", ErrTooMany
	}
	assertion, session, err := rp.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", err
	}
	return p.beginCeremony(ctx, assertion, ceremony{Session: *session})
}

// SignInByPasskey makes a session for somebody whose authenticator has signed the challenge,
// by the JSON of its answer. It returns the tokens of the session and of the device, for
// cookies.
func (p *People) SignInByPasskey(ctx context.Context, response []byte, c Client) (session, device string, err error) {
	rp, err := p.webauthn()
	if err != nil {
		return "", "", err
	}
	asked, err := p.endCeremony(ctx, c.Browser)
	if err != nil {
		return "", "", err
	}
	if asked.AccountID != "" || len(response) > maxResponse {
		return "", "", ErrPasskey
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return "", "", p.noPasskey(ErrPasskey, err)
	}
	var failed error // of the store
	user, used, err := rp.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		u, err := p.passkeyUser(ctx, string(handle))
		if err != nil && !errors.Is(err, ErrNoAccount) {
			failed = err
		}
		return u, err
	}, asked.Session, parsed)
	if failed != nil {
		return "", "", failed
	}
	if err == nil && used.Authenticator.CloneWarning {
		err = errors.New("its counter went back: there may be a copy of it")
	}
	if err != nil {
		return "", "", p.noPasskey(ErrPasskey, err)
	}
	who := user.(passkeyUser)
	if err := p.usedPasskey(ctx, who.Account, *used); err != nil {
		return "", "", err
	}
	allowance, err := p.allowance(ctx, who.Email, c)
	if err != nil {
		return "", "", err
	}
	return p.begin(ctx, who.Account, c, allowance != who.Email)
}

func (p *People) passkeyUser(ctx context.Context, accountID string) (u passkeyUser, err error) {
	if u.Account, err = p.Account(ctx, accountID); err != nil {
		return u, err
	}
	u.keys, err = p.Passkeys(ctx, accountID)
	return u, err
}

// usedPasskey writes down the state of an authenticator after a sign-in. If the passkey was
// removed meanwhile, the error is ErrPasskey.
func (p *People) usedPasskey(ctx context.Context, who Account, used webauthn.Credential) error {
	group, name := "passkeys#"+who.ID, base64.RawURLEncoding.EncodeToString(used.ID)
	return again(func() error {
		var k Passkey
		stored, err := p.read(ctx, group, name, &k)
		if err != nil {
			return err
		}
		if stored.Version == 0 {
			return ErrPasskey
		}
		k.Credential, k.UsedAt = used, p.Now().UTC().Truncate(time.Second)
		return p.Records.WriteRecords(ctx, []Write{put(group, name, stored.Version, time.Time{}, k)})
	})
}

// byPasskey reports whether an account signs in by passkey only: that of an operator who has
// one. It reads the same for all accounts; an empty ID is none.
func (p *People) byPasskey(ctx context.Context, email, accountID string) (bool, error) {
	keys, err := p.Records.Records(ctx, "passkeys#"+accountID, "", 1)
	return len(keys) > 0 && p.IsOperator(email) && p.HasPasskeys(), err
}
