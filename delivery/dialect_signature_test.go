package delivery

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// TestDialectSignatures is the policy for signatures of other products.
func TestDialectSignatures(t *testing.T) {
	b := newBench(t)
	b.upstream.Serve("/vault/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	long, short := []byte("0123456789abcdef"), []byte("0123456789abcde")
	keys := func(secret []byte) (all []workspace.DialectKey) {
		for name := range deliverytest.SignAs {
			all = append(all, workspace.DialectKey{ID: name, Dialect: name, Key: dialectKey(name, secret)})
		}
		return all
	}
	native := signing.NewSecret()
	for ns, secret := range map[string][]byte{"acme": long, "weak": short} {
		w := b.acme(func(w *workspace.Workspace) {
			w.Namespace, w.ID, w.RequireSignature = ns, "", true
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: b.upstream.URL + "/vault/", Private: true})
			w.DialectKeys = keys(secret)
			w.SigningKeys = []signing.Key{{ID: "native", Secret: native}}
		})
		b.registry.Set(t, w)
	}
	soon, past := time.Now().Add(10*time.Minute), time.Now().Add(-10*time.Minute)
	for name, sign := range deliverytest.SignAs {
		want := func(what, target, code_ string) {
			t.Helper()
			if got := code(t, b.get(target)); got != code_ {
				t.Errorf("%s, %s: %s: %q, want %q", name, what, target, got, code_)
			}
		}
		photo, vault := "photos/cat.jpg", "vault/a.jpg"
		if name == "thumbor" { // without a default source, its paths begin with a host
			photo, vault = url.PathEscape(b.upstream.URL+"/photos/cat.jpg"), url.PathEscape(b.upstream.URL+"/vault/a.jpg")
		}
		good := "/acme/" + name + sign(long, photo, "")
		want("signed", good, "")
		want("twice, from the cache", good, "")
		want("another key", "/acme/"+name+sign([]byte("fedcba9876543210"), photo, ""), "SIGNATURE_INVALID")
		want("another image", strings.Replace(good, "cat.jpg", "dog.jpg", 1), "SIGNATURE_INVALID")
		want("private, without an end", "/acme/"+name+sign(long, vault, ""), "SIGNATURE_INVALID")
		want("a short secret, public", "/weak/"+name+sign(short, photo, ""), "")
		if end := endOf[name]; end != nil {
			want("private, with an end", "/acme/"+name+sign(long, vault, end(soon)), "")
			want("ended", "/acme/"+name+sign(long, photo, end(past)), "SIGNATURE_EXPIRED")
			want("a short secret, private", "/weak/"+name+sign(short, vault, end(soon)), "SIGNATURE_INVALID")
			if cc := b.get("/acme/" + name + sign(long, vault, end(soon))).Header().Get("Cache-Control"); !strings.HasPrefix(cc, "private, max-age=") {
				t.Errorf("%s: Cache-Control of a private image is %q", name, cc)
			}
		}
		// A key verifies signatures of its own dialect only.
		for other := range deliverytest.SignAs {
			if other == name {
				continue
			}
			w := b.acme(func(w *workspace.Workspace) {
				w.Namespace, w.ID, w.RequireSignature = "other", "", true
				for _, k := range keys(long) {
					if k.Dialect == other {
						w.DialectKeys = append(w.DialectKeys, k)
					}
				}
			})
			b.registry.Set(t, w)
			want("a key of "+other, "/other/"+name+sign(long, photo, ""), "SIGNATURE_INVALID")
		}
	}
	for _, tt := range []struct{ target, code string }{
		{"/acme/imgix/photos/cat.jpg", "SIGNATURE_REQUIRED"},
		{"/acme/imgproxy/unsafe/plain/photos/cat.jpg", "SIGNATURE_REQUIRED"},
		{"/acme/imgproxy/_/plain/photos/cat.jpg", "SIGNATURE_REQUIRED"},
		{"/acme/imgproxy/insecure/plain/photos/cat.jpg", "SIGNATURE_REQUIRED"},
		{"/acme/weserv/?url=" + b.upstream.URL + "/photos/cat.jpg", "SIGNATURE_REQUIRED"},
		{"/acme/imgproxy/%C3%BC/plain/photos/cat.jpg", "SIGNATURE_INVALID"},
		{"/acme/imgproxy/zz/plain/photos/c\xc3\xbct.jpg", "SIGNATURE_INVALID"},
	} {
		if got := code(t, b.get(tt.target)); got != tt.code {
			t.Errorf("%s: %q, want %q", tt.target, got, tt.code)
		}
	}
	// A native signature works for a URL of a dialect. Then the dialect's signature is not checked.
	for _, target := range []string{"/acme/imgproxy/unsafe/w:9/plain/vault/a.jpg", "/acme/imgix/vault/a.jpg?w=9", "/acme/imgproxy/AAAA/w:9/plain/vault/a.jpg"} {
		signed, err := native.SignUntil(target, soon)
		if err != nil {
			t.Fatal(err)
		}
		if got := code(t, b.get(signed)); got != "" {
			t.Errorf("%s: %q", signed, got)
		}
	}
	if got := code(t, b.get("/acme/imgix"+deliverytest.SignAs["imgix"](long, "photos/cat.jpg", "")+"&sig=00")); got != "SIGNATURE_INVALID" {
		t.Errorf("a wrong native signature beside a right one of the dialect: %q", got)
	}
	// Without require_signature, no signature is checked.
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) { w.Namespace, w.ID = "open", "" }))
	if got := code(t, b.get("/open/imgproxy/AAAA/plain/photos/cat.jpg")); got != "" {
		t.Errorf("a wrong signature in a workspace without require_signature: %q", got)
	}
}
