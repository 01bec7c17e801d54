package dashboard

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/playground"
)

// A keyOffer says on a page why it shows no private image, and what to do about it. Where the
// visitor may make the signing key that is missing, it is a form.
type keyOffer struct {
	*playground.Advice
	Back string // path and query of the page that the form leads to
}

// cannotSign says why the visitor gets no signed URLs, and who does. It is nil if he does.
func (v *visit) cannotSign() (*playground.Advice, error) {
	ctx, who := v.r.Context(), v.caller()
	if !v.may(account.Sign) {
		a := playground.Advice{Means: "Private images need a signed URL, and the role " + string(v.role) + " can't sign.", Do: "An editor or an owner of the workspace can.", Path: "/app/" + v.ns + "/members", Title: "Members"}
		people, err := v.d.Manage.Members(ctx, who, v.ns)
		if names := whoSigns(people); len(names) > 0 {
			a.Do = "Ask " + listedOr(names) + "."
		}
		return &a, err
	}
	keys, err := v.d.Manage.SigningKeys(ctx, who, v.ns)
	if err != nil || slices.ContainsFunc(keys, func(k manage.SigningKey) bool { return k.Dialect == "" }) {
		return nil, err
	}
	a := playground.Advice{Means: "Private images need a signed URL, and the workspace has no signing key yet.", Do: "Ask an owner of the workspace to make one.", Path: "/app/" + v.ns + "/members", Title: "Members"}
	if v.may(account.WriteSigningKeys) {
		a.Do = "With one, the dashboard signs. Your server, which signs the URLs of your pages, gets a key of its own later."
		a.Path, a.Title = "/app/"+v.ns+"/signing-keys", "Make a signing key"
		a.Form = a.Path
	}
	return &a, nil
}

// offerFor is cannotSign for a page with examples, one of which isn't shown without a signature.
func (v *visit) offerFor(examples ...picture) (*keyOffer, error) {
	if !slices.ContainsFunc(examples, func(p picture) bool { return p.closed }) {
		return nil, nil
	}
	a, err := v.cannotSign()
	if a == nil {
		return nil, err
	}
	return &keyOffer{a, v.r.URL.RequestURI()}, err
}

// firstKey makes a signing key if the workspace has none. Nobody sees its secret: the dashboard
// signs with it, and a server that signs gets a key of its own.
func (v *visit) firstKey() error {
	missing, err := v.cannotSign()
	if err != nil || missing == nil {
		return err
	}
	_, err = v.d.Manage.CreateSigningKey(v.r.Context(), v.caller(), v.ns)
	return err
}

// ownPage returns the URL of a page of the workspace that a form leads back to. A form that
// leads elsewhere leads to the signing keys.
func (v *visit) ownPage(text string) string {
	here := "/app/" + v.ns
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Path != here && !strings.HasPrefix(u.Path, here+"/") {
		return here + "/signing-keys?done=key"
	}
	q := u.Query()
	q.Set("done", "key")
	u.RawQuery = q.Encode()
	return u.String()
}
