package dashboard

import (
	"embed"
	"net/http"
	"slices"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A signingKeyPage is the data of signingkeys.html.
type signingKeyPage struct {
	Keys     []manage.SigningKey
	Made     *madeSigningKey // by this request; nil for none
	Private  []string        // keys of the private sources, whose URLs must be signed
	All      bool            // all URLs must be signed
	Example  string          // path of an image
	Base     string          // of URLs
	Dialects []string        // that keys can be brought along from
	Snippets []snippet
	Form     form
	May      bool // make and revoke keys
}

// A madeSigningKey is a new key. Secret is empty for a key that was brought along.
type madeSigningKey struct {
	manage.SigningKey
	Secret   string
	Warnings []string
}

// A snippet is a program that signs.
type snippet struct{ Language, Code string }

//go:embed snippets
var snippetFiles embed.FS

// signers are the programs that sign. docs/signing.md has the same.
var signers = func() (all []snippet) {
	for _, s := range []struct{ language, file string }{{"Go", "sign.go.txt"}, {"JavaScript", "sign.js.txt"}, {"Python", "sign.py.txt"}, {"Shell", "sign.sh.txt"}} {
		code, err := snippetFiles.ReadFile("snippets/" + s.file)
		if err != nil {
			panic(err)
		}
		all = append(all, snippet{s.language, strings.TrimSpace(string(code))})
	}
	return all
}()

// confirmed is how many characters of a signing key's ID are typed to revoke it.
const confirmed = 6

// signingKeys lists the signing keys of a workspace, and makes, imports and revokes them.
// Only the answer to the form that makes a key shows its secret. It doesn't redirect, so that
// the secret gets into no URL.
func (v *visit) signingKeys() error {
	if v.r.Method != http.MethodPost {
		return v.showSigningKeys(signingKeyPage{}, http.StatusOK)
	}
	f, err := v.form()
	if err != nil {
		return err
	}
	ctx, who, m := v.r.Context(), v.caller(), v.d.Manage
	switch f.get("do") {
	case "make":
		made, err := m.CreateSigningKey(ctx, who, v.ns)
		if err != nil {
			return v.signingKeyFails(f, err)
		}
		key := manage.SigningKey{ID: made.ID, CreatedAt: made.CreatedAt}
		return v.showSigningKeys(signingKeyPage{Made: &madeSigningKey{key, made.Secret.Reveal(), nil}}, http.StatusOK)
	case "first": // the form of a page that lacks it
		if err := v.firstKey(); err != nil {
			return v.signingKeyFails(f, err)
		}
		return v.redirect(v.ownPage(f.get("back")), "")
	case "import":
		size, ok := f.number("signature_size")
		if !ok {
			size = -1 // which is refused
		}
		made, warnings, err := m.CreateDialectKey(ctx, who, v.ns, manage.NewDialectKey{
			Dialect: f.get("dialect"), Secret: f.get("secret"), Salt: f.get("salt"), Algorithm: f.get("algorithm"), SignatureSize: size,
		})
		if err != nil {
			return v.signingKeyFails(f, err)
		}
		return v.showSigningKeys(signingKeyPage{Made: &madeSigningKey{made, "", warnings}}, http.StatusOK)
	case "revoke":
		id := f.get("id")
		if len(id) < confirmed || !strings.EqualFold(f.get("confirm"), id[:confirmed]) {
			return v.signingKeyFails(f, fault.New(fault.Validation, "Type the first six characters of the key's ID to revoke it."))
		}
		if err := m.DeleteSigningKey(ctx, who, v.ns, id); err != nil {
			return v.signingKeyFails(f, err)
		}
		return v.redirect("/app/"+v.ns+"/signing-keys", "revoked")
	}
	return fault.New(fault.Validation, "The form says nothing to do.")
}

// signingKeyFails shows the form again with what is wrong. What was typed as a secret or a
// salt isn't shown again.
func (v *visit) signingKeyFails(f form, err error) error {
	status, ok := v.refused(err, &f, map[string]string{"dialect": "dialect", "secret": "secret", "salt": "salt", "algorithm": "algorithm", "signature_size": "signature_size"})
	if !ok {
		return err
	}
	f.Values.Del("secret")
	f.Values.Del("salt")
	return v.showSigningKeys(signingKeyPage{Form: f}, status)
}

func (v *visit) showSigningKeys(p signingKeyPage, status int) error {
	var err error
	if p.Keys, err = v.d.Manage.SigningKeys(v.r.Context(), v.caller(), v.ns); err != nil {
		return err
	}
	w, err := v.workspace()
	if err != nil {
		return err
	}
	source := "SOURCE"
	for _, s := range w.Sources {
		if s.Private {
			p.Private = append(p.Private, s.Key)
		}
	}
	if all := slices.Concat(p.Private, keysOf(w.Sources)); len(all) > 0 {
		source = all[0]
	}
	p.Example = "/" + v.ns + "/" + source + "/cat.jpg?w=400"
	p.All, p.Base, p.Dialects, p.Snippets, p.May = w.RequireSignature, v.base(), workspace.SignedDialects(), signers, v.may(account.WriteSigningKeys)
	return v.show(status, "signingkeys", p)
}

func keysOf(sources []workspace.Source) (keys []string) {
	for _, s := range sources {
		keys = append(keys, s.Key)
	}
	return keys
}

// Short returns what is typed to revoke a key.
func (p signingKeyPage) Short(k manage.SigningKey) string { return k.ID[:min(confirmed, len(k.ID))] }

// Use returns what a key does now.
func (p signingKeyPage) Use(k manage.SigningKey) string {
	switch {
	case k.Dialect != "":
		return "verifies " + k.Dialect + " URLs"
	case k.Signs:
		return "signs and verifies"
	}
	return "verifies"
}
