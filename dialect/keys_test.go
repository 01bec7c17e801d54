package dialect

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"testing"
)

func TestReadKey(t *testing.T) {
	const hex16 = "000102030405060708090a0b0c0d0e0f"
	for _, tt := range []struct {
		dialect, secret, salt, algorithm string
		size                             int
		wrong                            string // the field; empty is none
	}{
		{"imgix", "secret", "", "", 0, ""},
		{"imgix", "", "", "", 0, "secret"},
		{"imgix", strings.Repeat("x", 513), "", "", 0, "secret"},
		{"imgix", "secret", "salt", "", 0, "salt"},
		{"imgix", "secret", "", "sha1", 0, "algorithm"},
		{"imgix", "secret", "", "", 8, "signature_size"},
		{"imgproxy", hex16, hex16, "", 0, ""},
		{"imgproxy", hex16, "", "sha256", 8, ""},
		{"imgproxy", "secret", "", "", 0, "secret"},
		{"imgproxy", hex16, "salt", "", 0, "salt"},
		{"imgproxy", hex16, "", "", 7, "signature_size"},
		{"imgproxy", hex16, "", "", 33, "signature_size"},
		{"imgproxy", hex16, "", "", -1, "signature_size"},
		{"thumbor", "secret", "", "sha512", 40, ""},
		{"thumbor", "secret", "", "", 40, "signature_size"},
		{"thumbor", "secret", "", "md5", 0, "algorithm"},
		{"cloudinary", "secret", "", "", 8, ""},
		{"cloudinary", "secret", "", "sha256", 32, ""},
		{"cloudinary", "secret", "", "", 32, "signature_size"},
		{"cloudinary", "secret", "", "sha256", 16, "signature_size"},
		{"weserv", "secret", "", "", 0, "dialect"},
		{"next", "secret", "", "", 0, "dialect"},
	} {
		for _, d := range All {
			if d.Name != tt.dialect {
				continue
			}
			k, err := d.ReadKey(tt.secret, tt.salt, tt.algorithm, tt.size)
			var e *Error
			if errors.As(err, &e); (e == nil) != (tt.wrong == "") || e != nil && e.Param != tt.wrong {
				t.Errorf("%+v: %v", tt, err)
			}
			if err != nil && tt.secret != "" && strings.Contains(err.Error(), tt.secret) && tt.secret != "secret" {
				t.Errorf("%+v: the error holds the secret", tt)
			}
			if text := fmt.Sprintf("%v %+v %#v", k, k, k); strings.Contains(text, "secret") {
				t.Errorf("a key is printed as %s", text)
			}
		}
	}
	for _, d := range All {
		if _, ok := keyRules[d.Name]; ok != (d.Verify != nil) {
			t.Errorf("%s has signatures or a rule of keys, and not both", d.Name)
		}
	}
}

// A signed URL may hold a full URL. Whatever is altered in it, it no longer verifies.
func TestSignedFullURLs(t *testing.T) {
	key := Key{Secret: []byte("a secret of 16 bytes"), Salt: []byte("and its salt")}
	const source = "https://a.test/b%20c.jpg"
	encoded := base64.RawURLEncoding.EncodeToString([]byte(source))
	mac := func(new func() hash.Hash, parts ...[]byte) []byte {
		m := hmac.New(new, key.Secret)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	imgproxySign := func(path string) string {
		return "/" + base64.RawURLEncoding.EncodeToString(mac(sha256.New, key.Salt, []byte(path))) + path
	}
	thumborSign := func(path string) string {
		return "/" + base64.URLEncoding.EncodeToString(mac(sha1.New, []byte(path))) + "/" + path
	}
	cloudinarySign := func(rest string) string {
		sum := sha1.Sum(append([]byte(rest), key.Secret...))
		return "/demo/image/fetch/s--" + base64.RawURLEncoding.EncodeToString(sum[:])[:8] + "--/" + rest
	}
	imgixSign := func(path, query string) string {
		sum := md5.Sum([]byte(string(key.Secret) + path + "?" + query))
		return path + "?" + query + "&s=" + hex.EncodeToString(sum[:])
	}
	for _, tt := range []struct {
		d   *Dialect
		url string
	}{
		{imgproxy, imgproxySign("/rs:fill:400:300/plain/" + source + "@png")},
		{imgproxy, imgproxySign("/rs:fill:400:300/plain/https%3A%2F%2Fa.test%2Fb%2520c.jpg")},
		{imgproxy, imgproxySign("/rs:fill:400:300/" + encoded + ".webp")},
		{imgproxy, imgproxySign("/w:400/" + encoded[:9] + "/" + encoded[9:])},
		{thumbor, thumborSign("400x300/smart/" + source)},
		{thumbor, thumborSign("400x300/https%3A%2F%2Fa.test%2Fb.jpg")},
		{cloudinary, cloudinarySign("c_fill,w_400/" + source)},
		{cloudinary, cloudinarySign("c_fill,w_400/https%3A%2F%2Fa.test%2Fb.jpg")},
		{imgix, imgixSign("/https%3A%2F%2Fa.test%2Fb.jpg", "w=400&h=300")},
	} {
		r, err := parseText(tt.d, tt.url)
		if err != nil || !isURL(r.Image.URL) || !tt.d.Verify(key, r.Claim) {
			t.Errorf("%s: %s: %+v, %v: doesn't verify", tt.d.Name, tt.url, r, err)
			continue
		}
		for i := range tt.url {
			altered := tt.url[:i] + string(tt.url[i]^1) + tt.url[i+1:]
			r, err := parseText(tt.d, altered)
			if err != nil || r.Claim.Signature == "" {
				continue // refused, or unsigned
			}
			// The cloud's name and the words before the signature aren't signed.
			if tt.d == cloudinary && i < len("/demo/") {
				continue
			}
			if tt.d.Verify(key, r.Claim) {
				t.Errorf("%s: %s verifies", tt.d.Name, altered)
			}
		}
	}
}
