package signing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/internal/golden"
)

const vectorsFile = "../docs/signing-vectors.json"

// A vector is one case of docs/signing-vectors.json.
type vector struct {
	Name    string   `json:"name"`
	Secrets []string `json:"secrets"` // hex, of the active keys
	Now     int64    `json:"now"`     // Unix seconds
	Target  string   `json:"target"`  // as it stands on the wire, in path form
	Result  string   `json:"result"`  // valid, SIGNATURE_REQUIRED, SIGNATURE_INVALID or SIGNATURE_EXPIRED
}

func fixed(b byte) (s Secret) {
	for i := range s {
		s[i] = b + byte(i)
	}
	return s
}

// vectors are made here, and checked in for other implementations.
func vectors(t *testing.T) (all []vector) {
	a, b := fixed(0), fixed(100)
	const now, exp = 1704067200, 1704070800
	sign := func(s Secret, target string) string {
		t.Helper()
		mac := hmac.New(sha256.New, s[:]) // by hand, since Sign refuses what is invalid
		mac.Write([]byte(target))
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		return target + separator + "sig=" + hex.EncodeToString(mac.Sum(nil))
	}
	add := func(name, target, result string, secrets ...Secret) {
		if secrets == nil {
			secrets = []Secret{a}
		}
		v := vector{Name: name, Now: now, Target: target, Result: result}
		for _, s := range secrets {
			v.Secrets = append(v.Secrets, s.Reveal())
		}
		all = append(all, v)
	}
	const (
		valid, required = "valid", "SIGNATURE_REQUIRED"
		invalid         = "SIGNATURE_INVALID"
		expired         = "SIGNATURE_EXPIRED"
	)
	plain := "/acme/photos/cat.jpg"
	timed := fmt.Sprintf("/acme/photos/cat.jpg?w=400&exp=%d", exp)
	good := sign(a, timed)
	for name, target := range map[string]string{
		"no other parameter":                  plain,
		"one option":                          plain + "?w=400",
		"with an expiry":                      timed,
		"expiry first":                        fmt.Sprintf("%s?exp=%d&w=400", plain, exp),
		"escapes are signed as they stand":    "/acme/photos/caf%C3%A9%20noir.jpg?w=400",
		"lower-case escapes are another URL":  "/acme/photos/caf%c3%a9.jpg",
		"plus in the query":                   plain + "?dl=my+cat.jpg",
		"raw UTF-8":                           "/acme/photos/é.jpg",
		"unknown parameters count":            plain + "?w=400&utm_source=mail",
		"an empty query":                      plain + "?",
		"empty pieces":                        plain + "?w=400&&h=300&",
		"a full URL as src":                   "/acme?src=https%3A%2F%2Fexample.com%2Fa.jpg&w=400",
		"the long form":                       "/acme/transform/photos/cat.jpg?w=400",
		"info":                                "/acme/info/photos/cat.jpg?select=colors",
		"a parameter that merely ends in sig": plain + "?mysig=1",
		"an escaped name is no sig":           plain + "?%73ig=1",
		"an escaped name is no exp":           plain + "?%65xp=1",
		"a question mark in a value":          plain + "?v=a?b",
		"an expiry far ahead":                 plain + "?exp=999999999999",
		"a preset":                            plain + "?preset=thumb",
	} {
		add("valid: "+name, sign(a, target), valid)
	}
	add("valid: the second of two keys", sign(b, timed), valid, a, b)
	add("valid: the first of two keys", sign(a, timed), valid, a, b)
	add("valid: expired within the skew", sign(a, fmt.Sprintf("%s?exp=%d", plain, now-60)), valid)
	add("valid: an expiry of this second", sign(a, fmt.Sprintf("%s?exp=%d", plain, now)), valid)

	add("required: no signature", plain, required)
	add("required: no signature, with options", timed, required)
	add("required: an escaped name", strings.Replace(good, "sig=", "%73ig=", 1), required)
	add("required: upper-case name", strings.Replace(good, "sig=", "SIG=", 1), required)

	add("expired: past the skew", sign(a, fmt.Sprintf("%s?exp=%d", plain, now-61)), expired)
	add("expired: long ago", sign(a, plain+"?exp=1"), expired)
	add("expired: zero", sign(a, plain+"?exp=0"), expired)

	add("invalid: another key", sign(b, timed), invalid)
	add("invalid: no key is active", good, invalid, []Secret{}...)
	all[len(all)-1].Secrets = []string{}
	add("invalid: another workspace", strings.Replace(good, "/acme/", "/other/", 1), invalid)
	add("invalid: another option", strings.Replace(good, "w=400", "w=401", 1), invalid)
	add("invalid: another expiry", strings.Replace(good, "exp=1704070800", "exp=1704070801", 1), invalid)
	add("invalid: the expiry is gone", strings.Replace(good, "&exp=1704070800", "", 1), invalid)
	add("invalid: an option more", strings.Replace(good, "?w", "?h=1&w", 1), invalid)
	add("invalid: options in another order", strings.Replace(good, "w=400&exp=1704070800", "exp=1704070800&w=400", 1), invalid)
	add("invalid: another spelling of the path", strings.Replace(good, "cat", "c%61t", 1), invalid)
	add("invalid: a slash more", strings.Replace(good, "/photos", "//photos", 1), invalid)
	add("invalid: upper-case digits", good[:len(good)-64]+strings.ToUpper(good[len(good)-64:]), invalid)
	add("invalid: a digit less", good[:len(good)-1], invalid)
	add("invalid: a digit more", good+"0", invalid)
	add("invalid: no digits", good[:len(good)-64], invalid)
	add("invalid: not hex", good[:len(good)-1]+"g", invalid)
	add("invalid: another digit", good[:len(good)-1]+string("0123456789abcdef"[(strings.IndexByte("0123456789abcdef", good[len(good)-1])+1)%16]), invalid)
	add("invalid: sig twice", good+good[len(good)-69:], invalid)
	add("invalid: sig is not last", good+"&h=1", invalid)
	add("invalid: sig first", plain+"?sig="+good[len(good)-64:]+"&w=400&exp=1704070800", invalid)
	add("invalid: a fragment of a signature", plain+"?sig=", invalid)
	add("invalid: ?sig= behind other parameters", strings.Replace(good, "&sig=", "?sig=", 1), required)
	add("invalid: &sig= without other parameters", strings.Replace(sign(a, plain), "?sig=", "&sig=", 1), required)
	add("invalid: expiry is no number", sign(a, plain+"?exp=soon"), invalid)
	add("invalid: expiry is negative", sign(a, plain+"?exp=-1"), invalid)
	add("invalid: expiry is empty", sign(a, plain+"?exp="), invalid)
	add("invalid: expiry overflows", sign(a, plain+"?exp=99999999999999999999"), invalid)
	add("invalid: expiry twice", sign(a, fmt.Sprintf("%s?exp=%d&exp=%d", plain, exp, exp)), invalid)
	return all
}

func resultOf(err error) string {
	switch {
	case err == nil:
		return "valid"
	case errors.Is(err, ErrRequired):
		return "SIGNATURE_REQUIRED"
	case errors.Is(err, ErrExpired):
		return "SIGNATURE_EXPIRED"
	case errors.Is(err, ErrInvalid):
		return "SIGNATURE_INVALID"
	}
	return err.Error()
}

func TestVectors(t *testing.T) {
	all := vectors(t)
	for i := range all {
		for j := range i {
			if all[j].Name > all[i].Name { // maps come in no order
				all[i], all[j] = all[j], all[i]
			}
		}
	}
	want, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	golden.File(t, vectorsFile, string(want))
	var read []vector
	if err := json.Unmarshal(want, &read); err != nil {
		t.Fatal(err)
	}
	if len(read) < 40 {
		t.Errorf("%d vectors", len(read))
	}
	for _, v := range read {
		var keys []Key
		for i, s := range v.Secrets {
			secret, err := ParseSecret(s)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, Key{ID: fmt.Sprint(i), Secret: secret})
		}
		_, err := NewKeyring(keys).Verify(v.Target, time.Unix(v.Now, 0))
		if got := resultOf(err); got != v.Result {
			t.Errorf("%s: %s, want %s", v.Name, got, v.Result)
		}
	}
}

// TestTampering: every single-bit flip, truncation, upper-casing of a letter and
// exchange of two parameters of a signed URL is refused.
func TestTampering(t *testing.T) {
	ring := NewKeyring([]Key{{ID: "k", Secret: fixed(7)}})
	now := time.Unix(1704067200, 0)
	good, err := fixed(7).Sign("/acme/photos/cat.jpg?w=400&fit=cover&exp=1704070800")
	if err != nil {
		t.Fatal(err)
	}
	if g, err := ring.Verify(good, now); err != nil || g.KeyID != "k" || g.Expires.Unix() != 1704070800 {
		t.Fatal(g, err)
	}
	refused := func(kind, target string) {
		t.Helper()
		if target == good {
			return
		}
		if _, err := ring.Verify(target, now); err == nil {
			t.Errorf("%s: %q was accepted", kind, target)
		}
	}
	n := 0
	for i := range len(good) {
		for bit := range 8 {
			b := []byte(good)
			b[i] ^= 1 << bit
			refused("bit flip", string(b))
			n++
		}
		refused("truncation", good[:i])
		refused("upper case", good[:i]+strings.ToUpper(good[i:i+1])+good[i+1:])
		refused("doubled byte", good[:i]+good[i:i+1]+good[i:])
		refused("removed byte", good[:i]+good[i+1:])
	}
	path, query, _ := strings.Cut(good, "?")
	pieces := strings.Split(query, "&")
	for i := range pieces {
		for j := range pieces {
			p := append([]string(nil), pieces...)
			p[i], p[j] = p[j], p[i]
			refused("order", path+"?"+strings.Join(p, "&"))
		}
		refused("duplicate", good+"&"+pieces[i])
		refused("duplicate in front", path+"?"+pieces[i]+"&"+query)
	}
	t.Logf("%d bit flips", n)
}

func TestSignRefuses(t *testing.T) {
	for _, target := range []string{"", "acme/photos/cat.jpg", "https://img.example.com/acme/a.jpg", "/acme/a b.jpg", "/acme/a.jpg#x", "/acme/a.jpg\n", "/acme/a.jpg?sig=1", "/acme/a.jpg?w=1&sig=", "/acme/a.jpg?exp", "/acme/a.jpg?exp=1&exp=2", "/acme/a.jpg?exp=soon"} {
		if signed, err := fixed(1).Sign(target); err == nil {
			t.Errorf("%q was signed: %s", target, signed)
		}
	}
	if _, err := fixed(1).SignUntil("/acme/a.jpg?exp=1", time.Unix(2, 0)); err == nil {
		t.Error("a second exp was added")
	}
}

func TestSecretsAreMasked(t *testing.T) {
	s := fixed(3)
	b, err := json.Marshal(Key{ID: "k", Secret: s})
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", Key{Secret: s}, s, s, s), string(b)} {
		if strings.Contains(shown, s.Reveal()[:8]) || strings.Contains(shown, "3, 4") || strings.Contains(shown, "3 4") {
			t.Errorf("a secret shows: %s", shown)
		}
	}
}

func FuzzSignVerify(f *testing.F) {
	f.Add("/acme/photos/cat.jpg?w=400")
	f.Add("/acme/a?exp=99999999999")
	f.Add("/acme?a=b?c&&")
	f.Add("/acme/a?exp")
	ring := NewKeyring([]Key{{ID: "k", Secret: fixed(9)}})
	f.Fuzz(func(t *testing.T, target string) {
		if _, err := ring.Verify(target, time.Unix(0, 0)); err == nil {
			t.Errorf("%q is good without the key", target)
		}
		signed, err := fixed(9).Sign(target)
		if err != nil {
			return
		}
		if _, err := ring.Verify(signed, time.Unix(0, 0)); err != nil && !errors.Is(err, ErrExpired) {
			t.Errorf("%q: %v", signed, err)
		}
		if _, err := NewKeyring([]Key{{ID: "x", Secret: fixed(8)}}).Verify(signed, time.Unix(0, 0)); err == nil {
			t.Errorf("%q is good under another key", signed)
		}
	})
}

// snippets runs the code of docs/signing.md: each program takes a secret and a
// target, and prints the signed target.
func TestSnippets(t *testing.T) {
	doc, err := os.ReadFile("../docs/signing.md")
	if err != nil {
		t.Fatal(err)
	}
	runtimes := map[string]struct {
		file string
		argv []string
	}{
		"go":         {"main.go", []string{"go"}},
		"javascript": {"sign.mjs", []string{"node"}},
		"python":     {"sign.py", []string{"python3"}},
		"php":        {"sign.php", []string{"php"}},
		"ruby":       {"sign.rb", []string{"ruby"}},
		"sh":         {"sign.sh", []string{"sh"}},
	}
	found := map[string]bool{}
	for _, block := range strings.Split(string(doc), "\n```")[1:] {
		lang, code, ok := strings.Cut(block, "\n")
		rt, known := runtimes[lang]
		if !ok || !known || found[lang] {
			continue
		}
		found[lang] = true
		t.Run(lang, func(t *testing.T) {
			if _, err := exec.LookPath(rt.argv[0]); err != nil {
				t.Skipf("%s is not on this machine", rt.argv[0])
			}
			file := filepath.Join(t.TempDir(), rt.file)
			if err := os.WriteFile(file, []byte(code), 0o600); err != nil {
				t.Fatal(err)
			}
			argv := append(rt.argv, file)
			if lang == "go" { // built once, as go run would link it for each target
				argv = []string{filepath.Join(t.TempDir(), "sign")}
				if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", argv[0], file).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
			}
			for _, target := range []string{"/acme/photos/cat.jpg", "/acme/photos/caf%C3%A9.jpg?w=400&exp=1704070800"} {
				want, err := fixed(0).Sign(target)
				if err != nil {
					t.Fatal(err)
				}
				out, err := exec.CommandContext(t.Context(), argv[0], append(argv[1:], fixed(0).Reveal(), target)...).CombinedOutput()
				if err != nil || strings.TrimSpace(string(out)) != want {
					t.Errorf("%v: %s, want %s", err, out, want)
				}
			}
		})
	}
	for lang := range runtimes {
		if !found[lang] {
			t.Errorf("docs/signing.md has no %s", lang)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ring := NewKeyring([]Key{{ID: "k", Secret: fixed(1)}})
	signed, err := fixed(1).Sign("/acme/photos/2026/11/cat.jpg?w=400&h=300&fit=cover&format=auto&exp=1704070800")
	if err != nil {
		b.Fatal(err)
	}
	now := time.Unix(1704067200, 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ring.Verify(signed, now); err != nil {
			b.Fatal(err)
		}
	}
}
