package delivery

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// A signature is a state that the signature of a URL can be in.
type signature struct {
	name  string
	claim claim
	// sign signs a path and query after the namespace. ok is false where the route can't be
	// signed so.
	sign func(ns string, r route, image string) (target string, ok bool)
}

// A claim is what a signature says, as far as the rules need it.
type claim struct {
	none, expired, wrong bool
	ends                 bool // it says when the right ends
	weak                 bool // its key is short
}

// expected is the answer that the rules of docs/signing.md give: the code of an error, or
// empty for the image.
func expected(c claim, need, private bool, sender string) string {
	switch {
	case sender == "stranger":
		return "FORBIDDEN" // the key is another workspace's, which is always said
	case sender == "read", !need:
		return ""
	case c.none:
		return "SIGNATURE_REQUIRED"
	case c.wrong:
		return "SIGNATURE_INVALID"
	case c.expired:
		return "SIGNATURE_EXPIRED"
	case private && !c.ends, private && c.weak:
		return "SIGNATURE_INVALID"
	}
	return ""
}

// TestSignatureMatrix asks for an image of every kind of source, by every route, with a
// signature in every state, as every sender. Few rules say what the answer is.
func TestSignatureMatrix(t *testing.T) {
	k := newKeyBench(t)
	soon, past := time.Now().Add(10*time.Minute), time.Now().Add(-10*time.Minute)
	strong := []byte("0123456789abcdef")
	own, others := signing.NewSecret(), signing.NewSecret()
	foreign := deliverytest.NewUpstream(t)
	foreign.Serve("/a.jpg", deliverytest.Body(deliverytest.Photo(t, 30, 20)))
	keys := func(secret []byte) (all []workspace.DialectKey) {
		for name := range deliverytest.SignAs {
			// The key of each dialect is another one.
			all = append(all, workspace.DialectKey{ID: name, Dialect: name, Key: dialectKey(name, []byte(string(secret)+name))})
		}
		return all
	}
	const tooShort = "short"
	for _, ns := range []string{"easy", "strict", "elsewhere"} {
		k.registry.Set(t, k.acme(func(w *workspace.Workspace) {
			w.Namespace, w.RequireSignature = ns, ns == "strict"
			w.Sources = append(w.Sources, workspace.Source{Key: "vault", Kind: "http", URL: k.upstream.URL + "/vault/", Private: true})
			w.SigningKeys = []signing.Key{{ID: "k", Secret: own}}
			w.DialectKeys = keys(strong)
			for name := range deliverytest.SignAs {
				w.DialectKeys = append(w.DialectKeys, workspace.DialectKey{ID: "weak-" + name, Dialect: name, Key: dialectKey(name, []byte(tooShort))})
			}
			if ns == "elsewhere" {
				w.SigningKeys, w.DialectKeys = []signing.Key{{ID: "k", Secret: others}}, keys([]byte("fedcba9876543210"))
			}
		}))
		secret := apikey.New(false)
		key := workspace.APIKey{ID: "in-" + ns, Scopes: []string{"read"}, Namespace: ns, WorkspaceID: "id-of-" + ns, Hash: secret.Hash(), CreatedAt: time.Now()}
		if err := k.store.CreateAPIKey(t.Context(), &key); err != nil {
			t.Fatal(err)
		}
		k.keys[key.ID] = secret.Reveal()
	}

	native := func(secret signing.Secret, in string, exp time.Time) func(string, route, string) (string, bool) {
		return func(ns string, r route, image string) (string, bool) {
			if in != "" {
				ns = in
			}
			target := "/" + ns + r.write(image)
			signed, err := secret.Sign(target)
			if !exp.IsZero() {
				signed, err = secret.SignUntil(target, exp)
			}
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimPrefix(signed, "/"+ns), true
		}
	}
	theirs := func(secret func(name string) []byte, exp time.Time) func(string, route, string) (string, bool) {
		return func(_ string, r route, image string) (string, bool) {
			if r.dialect == nil || deliverytest.SignAs[r.dialect.Name] == nil || !r.variant || endOf[r.dialect.Name] == nil && !exp.IsZero() {
				return "", false
			}
			options := ""
			if !exp.IsZero() {
				options = endOf[r.dialect.Name](exp)
			}
			if strings.Contains(image, "://") && r.dialect.Name != "cloudinary" {
				image = url.QueryEscape(image)
			}
			return "/" + r.dialect.Prefixes[0] + deliverytest.SignAs[r.dialect.Name](secret(r.dialect.Name), image, options), true
		}
	}
	ours := func(name string) []byte { return []byte(string(strong) + name) }
	neighbour := map[string]string{"imgix": "imgproxy", "imgproxy": "thumbor", "thumbor": "cloudinary", "cloudinary": "imgix"}
	word := func(word string) func(string, route, string) (string, bool) {
		return func(_ string, r route, image string) (string, bool) {
			target := r.write(image)
			return strings.Replace(target, "/unsafe/", "/"+word+"/", 1), strings.Contains(target, "/unsafe/") && r.dialect.Name == "imgproxy"
		}
	}
	states := []signature{
		{"none", claim{none: true}, func(_ string, r route, image string) (string, bool) { return r.write(image), true }},
		{"unsafe as _", claim{none: true}, word("_")},
		{"unsafe as insecure", claim{none: true}, word("insecure")},
		{"a word", claim{wrong: true}, word("trusted")},
		{"valid until then", claim{ends: true}, native(own, "", soon)},
		{"valid for ever", claim{}, native(own, "", time.Time{})},
		{"expired", claim{ends: true, expired: true}, native(own, "", past)},
		{"other key", claim{wrong: true, ends: true}, native(signing.NewSecret(), "", soon)},
		{"the other workspace's key", claim{wrong: true, ends: true}, native(others, "", soon)},
		{"for the other workspace", claim{wrong: true, ends: true}, native(own, "elsewhere", soon)},
		{"altered", claim{wrong: true, ends: true}, func(ns string, r route, image string) (string, bool) {
			target, _ := native(own, "", soon)(ns, r, image)
			return strings.Replace(target, "&exp=", "&v=2&exp=", 1), strings.Contains(target, "&exp=")
		}},
		{"no signature", claim{wrong: true}, func(_ string, r route, image string) (string, bool) {
			target := r.write(image)
			separator := "?"
			if strings.Contains(target, "?") {
				separator = "&"
			}
			return target + separator + "sig=" + strings.Repeat("0", 64), true
		}},
		{"theirs, for ever", claim{}, theirs(ours, time.Time{})},
		{"theirs, until then", claim{ends: true}, theirs(ours, soon)},
		{"theirs, expired", claim{ends: true, expired: true}, theirs(ours, past)},
		{"theirs, other key", claim{wrong: true}, theirs(func(string) []byte { return []byte("0000000000000000") }, time.Time{})},
		{"theirs, other dialect's key", claim{wrong: true}, theirs(func(name string) []byte { return ours(neighbour[name]) }, time.Time{})},
		{"theirs, other dialect's key, until then", claim{wrong: true, ends: true}, theirs(func(name string) []byte { return ours(neighbour[name]) }, soon)},
		{"theirs, other workspace's key", claim{wrong: true}, theirs(func(name string) []byte { return []byte("fedcba9876543210" + name) }, time.Time{})},
		{"theirs, short key, for ever", claim{weak: true}, theirs(func(string) []byte { return []byte(tooShort) }, time.Time{})},
		{"theirs, short key, until then", claim{weak: true, ends: true}, theirs(func(string) []byte { return []byte(tooShort) }, soon)},
		{"theirs, altered", claim{wrong: true}, func(ns string, r route, image string) (string, bool) {
			target, ok := theirs(ours, time.Time{})(ns, r, image)
			return strings.Replace(target, ".jpg", ".jpeg", 1), ok
		}},
	}
	senders := map[string]func(ns string) []string{
		"nobody":   func(string) []string { return nil },
		"read":     func(ns string) []string { return k.as("in-" + ns) },
		"stranger": func(string) []string { return k.as("in-elsewhere") },
	}
	checked, seen := 0, map[string]int{}
	for _, ns := range []string{"easy", "strict"} {
		for _, image := range []struct {
			name    string
			private bool
		}{
			{"photos/cat.jpg", false}, {k.upstream.URL + "/photos/cat.jpg", false}, {foreign.URL + "/a.jpg", false},
			{"vault/a.jpg", true}, {k.upstream.URL + "/vault/a.jpg", true},
		} {
			for _, r := range routes(t) {
				if !r.takes(image.name) {
					continue
				}
				private := image.private && r.reads
				need := private || r.secret || ns == "strict"
				for _, state := range states {
					target, ok := state.sign(ns, r, image.name)
					if !ok {
						continue
					}
					for sender, headers := range senders {
						want := expected(state.claim, need, private, sender)
						if want == "" && strings.Contains(target, ".jpeg") {
							want = "NOT_FOUND"
						}
						w := k.get("/"+ns+target, headers(ns)...)
						got := code(t, w)
						if got != want {
							t.Errorf("%s by %s, %s, %s: /%s%s: %d %q, want %q", image.name, r.name, state.name, sender, ns, target, w.Code, got, want)
						}
						if cc := w.Header().Get("Cache-Control"); want == "" && (private || r.secret || sender == "read") != strings.HasPrefix(cc, "private, max-age=") || want != "" && cc != "no-store" && want != "NOT_FOUND" {
							t.Errorf("%s by %s, %s, %s: /%s%s: Cache-Control %q", image.name, r.name, state.name, sender, ns, target, cc)
						}
						checked++
						seen[want]++
					}
				}
			}
		}
	}
	t.Logf("%d answers: %v", checked, seen)
}

// endOf are the options that say when a URL ends.
var endOf = map[string]func(time.Time) string{
	"imgix":    func(at time.Time) string { return fmt.Sprintf("expires=%d", at.Unix()) },
	"imgproxy": func(at time.Time) string { return fmt.Sprintf("exp:%d", at.Unix()) },
	"thumbor":  func(at time.Time) string { return fmt.Sprintf("filters:expire(%d)", at.UnixMilli()) },
}

// dialectKey is a key of a dialect as its owner has it.
func dialectKey(name string, secret []byte) dialect.Key {
	k := dialect.Key{Secret: secret, Algorithm: map[string]string{"imgix": "md5", "imgproxy": "sha256"}[name]}
	if name == "imgproxy" {
		k.Salt = []byte("salt")
	}
	return k
}
