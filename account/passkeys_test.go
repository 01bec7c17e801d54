package account_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/tintype/tintype/account"
)

// A device is an authenticator with passkeys for the server.
type device struct {
	virtualwebauthn.Authenticator
	rp virtualwebauthn.RelyingParty
}

func newDevice(who account.Account) *device {
	return &device{virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: []byte(who.ID)}),
		virtualwebauthn.RelyingParty{ID: "img.example", Name: "Tintype", Origin: "https://img.example"}}
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

// make answers the options of a new passkey.
func (d *device) make(t *testing.T, options []byte) (virtualwebauthn.Credential, []byte) {
	t.Helper()
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	c := newKey()
	return c, []byte(virtualwebauthn.CreateAttestationResponse(d.rp, d.Authenticator, c, *o))
}

// sign answers the options of a sign-in.
func (d *device) sign(t *testing.T, options []byte, c virtualwebauthn.Credential) []byte {
	t.Helper()
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		t.Fatal(err)
	}
	return []byte(virtualwebauthn.CreateAssertionResponse(d.rp, d.Authenticator, c, *o))
}

// addPasskey makes a passkey and adds it to an account.
func (w *town) addPasskey(t *testing.T, who account.Account) (*device, virtualwebauthn.Credential) {
	t.Helper()
	d := newDevice(who)
	options, browser, err := w.BeginPasskey(t.Context(), who)
	if err != nil {
		t.Fatal(err)
	}
	c, response := d.make(t, options)
	if _, err := w.AddPasskey(t.Context(), who, browser, "Phone", response); err != nil {
		t.Fatal(err)
	}
	return d, c
}

// byPasskey signs in from a new browser.
func (w *town) byPasskey(t *testing.T, d *device, key virtualwebauthn.Credential, c account.Client) (session, device string, err error) {
	t.Helper()
	options, browser, err := w.AskPasskey(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	c.Browser = browser
	return w.SignInByPasskey(t.Context(), d.sign(t, options, key), c)
}

// TestPasskeys: a passkey signs its account in, once for each challenge, and no more when it
// is removed.
func TestPasskeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open()
		ann, err := w.MakeAccount(t.Context(), "ann@x.example")
		if err != nil {
			t.Fatal(err)
		}
		d, key := w.addPasskey(t, ann)
		synctest.Wait()
		if m := w.mail[0]; m.To != "ann@x.example" || !strings.Contains(m.Text, "“Phone”") {
			t.Errorf("%+v", m)
		}
		session, known, err := w.byPasskey(t, d, key, account.Client{IP: "192.0.2.1", UserAgent: "Browser"})
		if err != nil {
			t.Fatal(err)
		}
		v, err := w.Visitor(t.Context(), session)
		if err != nil || v.Email != "ann@x.example" || v.Session.Device != "Browser" || known == "" {
			t.Errorf("%+v, %v", v, err)
		}
		keys, err := w.Passkeys(t.Context(), ann.ID)
		if err != nil || len(keys) != 1 || keys[0].Name != "Phone" || keys[0].UsedAt.IsZero() || keys[0].CreatedAt.IsZero() {
			t.Fatalf("%+v, %v", keys, err)
		}
		w.signIn(t, "ann@x.example", account.Client{}) // who isn't an operator may use codes too

		if n, err := w.RemovePasskey(t.Context(), ann, "another"); n != 0 || err != nil {
			t.Error(n, err)
		}
		if n, err := w.RemovePasskey(t.Context(), ann, keys[0].ID); n != 1 || err != nil {
			t.Error(n, err)
		}
		if _, _, err := w.byPasskey(t, d, key, account.Client{}); !errors.Is(err, account.ErrPasskey) {
			t.Errorf("a removed passkey: %v", err)
		}
	})
}

// TestPasskeyAttacks: what isn't the passkey's own answer to this browser's challenge signs
// nobody in and adds no passkey.
func TestPasskeyAttacks(t *testing.T) {
	type crime struct {
		w       *town
		ann     account.Account
		d       *device
		key     virtualwebauthn.Credential
		options []byte
		browser string
	}
	for name, commit := range map[string]func(t *testing.T, c *crime) (response []byte, browser string){
		"another site": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.rp.Origin = "https://evil.example"
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"another subdomain": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.rp.Origin = "https://x.img.example"
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"without https": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.rp.Origin = "http://img.example"
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"another server's": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.rp.ID = "evil.example"
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"nobody checked": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.Options.UserNotVerified = true
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"nobody there": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.Options.UserNotPresent = true
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"another key": func(t *testing.T, c *crime) ([]byte, string) {
			return c.d.sign(t, c.options, newKey()), c.browser
		},
		"another key, its ID": func(t *testing.T, c *crime) ([]byte, string) {
			k := newKey()
			k.ID = c.key.ID
			return c.d.sign(t, c.options, k), c.browser
		},
		"another account": func(t *testing.T, c *crime) ([]byte, string) {
			bob, err := c.w.MakeAccount(t.Context(), "bob@x.example")
			if err != nil {
				t.Fatal(err)
			}
			c.d.Options.UserHandle = []byte(bob.ID)
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"an account that isn't there": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.Options.UserHandle = []byte("acc_NOBODY")
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"an address as the account": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.Options.UserHandle = []byte("ann@x.example")
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"no account": func(t *testing.T, c *crime) ([]byte, string) {
			c.d.Options.UserHandle = nil
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"another browser": func(t *testing.T, c *crime) ([]byte, string) {
			_, other, err := c.w.AskPasskey(t.Context(), account.Client{})
			if err != nil {
				t.Fatal(err)
			}
			return c.d.sign(t, c.options, c.key), other
		},
		"no browser": func(t *testing.T, c *crime) ([]byte, string) { return c.d.sign(t, c.options, c.key), "" },
		"again": func(t *testing.T, c *crime) ([]byte, string) {
			response := c.d.sign(t, c.options, c.key)
			if _, _, err := c.w.SignInByPasskey(t.Context(), response, account.Client{Browser: c.browser}); err != nil {
				t.Error(err)
			}
			return response, c.browser
		},
		"too late": func(t *testing.T, c *crime) ([]byte, string) {
			time.Sleep(5*time.Minute + time.Second)
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"an answer to a new passkey": func(t *testing.T, c *crime) ([]byte, string) {
			options, browser, err := c.w.BeginPasskey(t.Context(), c.ann)
			if err != nil {
				t.Fatal(err)
			}
			_, response := c.d.make(t, options)
			return response, browser
		},
		"a counter that went back": func(t *testing.T, c *crime) ([]byte, string) {
			c.key.Counter = 9
			if _, _, err := c.w.byPasskey(t, c.d, c.key, account.Client{}); err != nil {
				t.Error(err)
			}
			c.key.Counter = 8
			return c.d.sign(t, c.options, c.key), c.browser
		},
		"nothing":    func(_ *testing.T, c *crime) ([]byte, string) { return nil, c.browser },
		"no JSON":    func(_ *testing.T, c *crime) ([]byte, string) { return []byte("{"), c.browser },
		"empty JSON": func(_ *testing.T, c *crime) ([]byte, string) { return []byte("{}"), c.browser },
		"a lot of it": func(_ *testing.T, c *crime) ([]byte, string) {
			return []byte(strings.Repeat(" ", 1<<20) + "{}"), c.browser
		},
		"deep nesting": func(_ *testing.T, c *crime) ([]byte, string) { return []byte(strings.Repeat("[", 9000)), c.browser },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open()
				ann, err := w.MakeAccount(t.Context(), "ann@x.example")
				if err != nil {
					t.Fatal(err)
				}
				c := &crime{w: w, ann: ann}
				c.d, c.key = w.addPasskey(t, ann)
				if c.options, c.browser, err = w.AskPasskey(t.Context(), account.Client{}); err != nil {
					t.Fatal(err)
				}
				response, browser := commit(t, c)
				if session, device, err := w.SignInByPasskey(t.Context(), response, account.Client{Browser: browser}); !errors.Is(err, account.ErrPasskey) || session != "" || device != "" {
					t.Errorf("it signs in: %v", err)
				}
			})
		})
	}
}

// TestNewPasskeyAttacks: a passkey is added by the person and the browser that began it, once.
func TestNewPasskeyAttacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open()
		ann, _ := w.MakeAccount(t.Context(), "ann@x.example")
		bob, err := w.MakeAccount(t.Context(), "bob@x.example")
		if err != nil {
			t.Fatal(err)
		}
		for name, add := range map[string]func(d *device, options []byte, browser string) error{
			"by another person": func(d *device, options []byte, browser string) error {
				_, response := d.make(t, options)
				_, err := w.AddPasskey(t.Context(), bob, browser, "", response)
				return err
			},
			"of another site": func(d *device, options []byte, browser string) error {
				d.rp.Origin = "https://evil.example"
				_, response := d.make(t, options)
				_, err := w.AddPasskey(t.Context(), ann, browser, "", response)
				return err
			},
			"that nobody checked": func(d *device, options []byte, browser string) error {
				d.Options.UserNotVerified = true
				_, response := d.make(t, options)
				_, err := w.AddPasskey(t.Context(), ann, browser, "", response)
				return err
			},
			"by no browser": func(d *device, options []byte, _ string) error {
				_, response := d.make(t, options)
				_, err := w.AddPasskey(t.Context(), ann, "", "", response)
				return err
			},
			"too late": func(d *device, options []byte, browser string) error {
				time.Sleep(6 * time.Minute)
				_, response := d.make(t, options)
				_, err := w.AddPasskey(t.Context(), ann, browser, "", response)
				return err
			},
			"by a sign-in": func(d *device, _ []byte, _ string) error {
				options, browser, err := w.AskPasskey(t.Context(), account.Client{})
				if err != nil {
					t.Fatal(err)
				}
				_, err = w.AddPasskey(t.Context(), ann, browser, "", d.sign(t, options, newKey()))
				return err
			},
			"without an answer": func(_ *device, _ []byte, browser string) error {
				_, err := w.AddPasskey(t.Context(), ann, browser, "", nil)
				return err
			},
		} {
			options, browser, err := w.BeginPasskey(t.Context(), ann)
			if err != nil {
				t.Fatal(err)
			}
			if err := add(newDevice(ann), options, browser); !errors.Is(err, account.ErrNewPasskey) && !errors.Is(err, account.ErrPasskey) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, who := range []account.Account{ann, bob} {
			if keys, err := w.Passkeys(t.Context(), who.ID); err != nil || len(keys) > 0 {
				t.Errorf("%+v, %v", keys, err)
			}
		}
		for range 10 {
			w.addPasskey(t, ann)
		}
		if _, _, err := w.BeginPasskey(t.Context(), ann); !errors.Is(err, account.ErrPasskeys) {
			t.Errorf("the eleventh: %v", err)
		}
		for i := range 61 {
			if _, _, err := w.AskPasskey(t.Context(), account.Client{IP: "192.0.2.1"}); errors.Is(err, account.ErrTooMany) != (i == 60) {
				t.Errorf("challenge %d of an hour: %v", i+1, err)
			}
		}
	})
}

// TestOperatorByPasskey: an operator who has a passkey can't sign in by a code, and the page
// tells a stranger nothing of that.
func TestOperatorByPasskey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(owner)
		browser, err := w.AskCode(t.Context(), owner, account.Client{}) // before there is a passkey
		if err != nil {
			t.Fatal(err)
		}
		early := w.code(owner)
		boss, err := w.MakeAccount(t.Context(), owner)
		if err != nil {
			t.Fatal(err)
		}
		d, key := w.addPasskey(t, boss)
		if _, _, err := w.SignIn(t.Context(), owner, early, account.Client{Browser: browser}); !errors.Is(err, account.ErrCode) {
			t.Errorf("a code from before: %v", err)
		}
		synctest.Wait()
		if _, err := w.AskCode(t.Context(), owner, account.Client{}); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if m := w.mail[len(w.mail)-1]; eight.MatchString(m.Text) || !strings.Contains(m.Text, "Sign in with a passkey") {
			t.Errorf("%+v", m)
		}
		session, _, err := w.byPasskey(t, d, key, account.Client{})
		if v, err2 := w.Visitor(t.Context(), session); err != nil || err2 != nil || !v.Operator {
			t.Errorf("%+v, %v, %v", v, err, err2)
		}
		// Without its passkeys the operator can use codes again.
		if n, err := w.RemovePasskey(t.Context(), boss, ""); n != 1 || err != nil {
			t.Error(n, err)
		}
		synctest.Wait()
		w.signIn(t, owner, account.Client{})
	})
}

// TestNoPasskeys: passkeys are bound to the name of a host.
func TestNoPasskeys(t *testing.T) {
	for url, has := range map[string]bool{"": false, "http://127.0.0.1:8080": false, "https://[::1]": false, "http://localhost:8080": true, "https://img.example": true} {
		w := open()
		w.PublicURL = url
		_, _, err := w.AskPasskey(t.Context(), account.Client{})
		if w.HasPasskeys() != has || (err == nil) != has || err != nil && !errors.Is(err, account.ErrNoPasskeys) {
			t.Errorf("%q: %v, %v", url, w.HasPasskeys(), err)
		}
	}
}
