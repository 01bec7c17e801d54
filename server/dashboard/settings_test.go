package dashboard_test

import (
	"bytes"
	"context"
	"html"
	"net"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

const nasty = `<script>alert("x")</script>`

// edit changes the stored workspace acme.
func (s *site) edit(t *testing.T, change func(*workspace.Workspace)) {
	t.Helper()
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	w = w.Clone()
	change(w)
	if err := s.store.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
}

// TestSigningKeys: owners make, import and revoke signing keys. A secret is shown once.
func TestSigningKeys(t *testing.T) {
	s := open(t)
	const at = "/app/acme/signing-keys"
	s.edit(t, func(w *workspace.Workspace) {
		w.Sources = []workspace.Source{{Key: "open", Kind: "http", URL: "https://a.test/"}, {Key: "vault", Kind: "http", URL: "https://b.test/", Private: true}}
	})
	if page := s.ask("viewer", "GET", at, nil); page.Code != 200 || !strings.Contains(page.Body.String(), "An owner can make one") || strings.Contains(page.Body.String(), `name="do"`) {
		t.Error(page.Code, page.Body)
	}
	for _, as := range []string{"viewer", "editor", "stranger"} {
		if w := s.ask(as, "POST", at, url.Values{"do": {"make"}}); w.Code != 403 {
			t.Errorf("%s makes a key: %d", as, w.Code)
		}
	}
	made := s.ask("owner", "POST", at, url.Values{"do": {"make"}})
	secret := regexp.MustCompile(`<textarea id="made"[^>]*>([0-9a-f]{64})</textarea>`).FindStringSubmatch(made.Body.String())
	if made.Code != 200 || secret == nil || made.Header().Get("Cache-Control") != "no-store" {
		t.Fatal(made.Code, made.Header(), made.Body)
	}
	brought := url.Values{"do": {"import"}, "dialect": {"imgproxy"}, "secret": {"943b421c9eb07c83"}, "salt": {"520f986b998545b4"}, "signature_size": {"8"}}
	kept := s.ask("owner", "POST", at, brought)
	for _, want := range []string{"The imgproxy key is added", "shorter than 16 bytes", "verifies imgproxy URLs", "sha256, cut to 8"} {
		if kept.Code != 200 || !strings.Contains(kept.Body.String(), want) {
			t.Errorf("%d, without %s: %s", kept.Code, want, kept.Body)
		}
	}
	page := s.ask("owner", "GET", at, nil).Body.String()
	for _, never := range []string{secret[1], "943b421c9eb07c83", "520f986b998545b4"} {
		if strings.Contains(page, never) {
			t.Errorf("the page shows the secret %s again", never)
		}
	}
	for _, want := range []string{"signs and verifies", "<code>vault</code> need one", "/acme/vault/cat.jpg", "https://img.example/v1/workspaces/acme/sign", "hmac.New(sha256.New, key)", "createHmac"} {
		if !strings.Contains(page, want) {
			t.Errorf("without %s: %s", want, page)
		}
	}
	for field, wrong := range map[string]url.Values{
		"secret": {"secret": {"xyz"}}, "salt": {"salt": {"xyz"}}, "signature_size": {"signature_size": {"many"}}, "dialect": {"dialect": {nasty}},
	} {
		fields := url.Values{}
		for name, values := range brought {
			fields[name] = values
		}
		for name, values := range wrong {
			fields[name] = values
		}
		w := s.ask("owner", "POST", at, fields)
		if w.Code != 422 || !strings.Contains(w.Body.String(), `id="`+field+`-fault"`) || strings.Contains(w.Body.String(), nasty) || strings.Contains(w.Body.String(), "943b421c9eb07c83") {
			t.Errorf("%s: %d\n%s", field, w.Code, w.Body)
		}
	}
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(page)[1]
	for _, c := range []struct {
		as, id, confirm string
		status          int
	}{
		{"editor", id, id[:6], 403}, {"stranger", id, id[:6], 403}, {"owner", id, "another", 422}, {"owner", id, "", 422}, {"owner", "", "", 422},
		{"owner", "NOSUCHKEY", "NOSUCH", 404}, {"owner", id, strings.ToLower(id[:6]), 303}, {"owner", id, id[:6], 404},
	} {
		if w := s.ask(c.as, "POST", at, url.Values{"do": {"revoke"}, "id": {c.id}, "confirm": {c.confirm}}); w.Code != c.status {
			t.Errorf("%s revokes %q by typing %q: %d", c.as, c.id, c.confirm, w.Code)
		}
	}
	if w, _ := s.store.Get(t.Context(), "acme"); len(w.SigningKeys) != 0 || len(w.DialectKeys) != 1 {
		t.Errorf("%d keys and %d of other products are left", len(w.SigningKeys), len(w.DialectKeys))
	}
}

// TestSigningSnippets: the page shows the programs of docs/signing.md, which a test runs.
func TestSigningSnippets(t *testing.T) {
	docs, err := os.ReadFile("../../docs/signing.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go", "js", "py", "sh"} {
		code, err := os.ReadFile("snippets/sign." + name + ".txt")
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(docs, append(append([]byte("\n"), code...), "```\n"...)) {
			t.Errorf("docs/signing.md has no such program as snippets/sign.%s.txt", name)
		}
	}
}

// TestSettings: an editor changes the settings that have no page of their own.
func TestSettings(t *testing.T) {
	s := open(t)
	const at = "/app/acme/settings"
	fields := url.Values{"name": {nasty}, "dialect": {"imgix"}, "fallback_format": {"jpeg"}, "allow_svg": {"on"}, "step": {"save"}, "revision": {"1"}}
	if w := s.ask("viewer", "POST", at, fields); w.Code != 403 {
		t.Error(w.Code)
	}
	if w := s.ask("editor", "POST", at, fields); w.Code != 303 || w.Header().Get("Location") != at+"?done=saved" {
		t.Fatal(w.Code, w.Body)
	}
	w, _ := s.store.Get(t.Context(), "acme")
	if w.Name != nasty || w.Dialect != "imgix" || w.FallbackFormat != "jpeg" || !w.AllowSVG || w.AllowTIFF {
		t.Errorf("%+v", w)
	}
	for as, deletes := range map[string]bool{"viewer": false, "editor": false, "owner": true} {
		page := s.ask(as, "GET", at, nil).Body.String()
		if strings.Contains(page, nasty) || !strings.Contains(page, "<option selected>imgix</option>") {
			t.Error(page)
		}
		if strings.Contains(page, "/app/acme/delete") != deletes {
			t.Errorf("%s may delete: %t", as, !deletes)
		}
	}
	for field, value := range map[string]string{"dialect": nasty, "fallback_format": "gif", "default_source": "nowhere", "cdn_cache_control": "x\r\ny"} {
		wrong := url.Values{"dialect": {"imgix"}, "fallback_format": {"jpeg"}}
		wrong.Set(field, value)
		w := s.ask("editor", "POST", at, wrong)
		if w.Code != 422 || !strings.Contains(w.Body.String(), `id="`+field+`-fault"`) || strings.Contains(w.Body.String(), nasty) {
			t.Errorf("%s: %d\n%s", field, w.Code, w.Body)
		}
	}
}

// TestExportImport: an export holds no secret and changes nothing when it is imported. A text
// is reviewed first.
func TestExportImport(t *testing.T) {
	s := open(t)
	s.edit(t, func(w *workspace.Workspace) {
		w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: "https://a.test/", Headers: map[string]string{"X-Token": "hunter2"}}}
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=1"}}
		w.Name = "yes"
	})
	file := s.ask("viewer", "GET", "/app/acme/settings.yaml", nil)
	text := file.Body.String()
	if file.Code != 200 || file.Header().Get("Content-Disposition") != `attachment; filename="acme.yaml"` || file.Header().Get("Content-Type") != "application/yaml" {
		t.Error(file.Code, file.Header())
	}
	if strings.Contains(text, "hunter2") || !strings.Contains(text, "namespace: acme\nname: \"yes\"\n") || !strings.Contains(text, "X-Token: '***'") || strings.Contains(text, "revision:") {
		t.Error(text)
	}
	const at = "/app/acme/settings/import"
	for _, as := range []string{"viewer", "stranger"} {
		if w := s.ask(as, "GET", at, nil); w.Code != 403 {
			t.Errorf("%s: %d", as, w.Code)
		}
	}
	for _, prune := range []url.Values{nil, {"prune": {"on"}}} {
		fields := url.Values{"text": {text}}
		for name := range prune {
			fields.Set(name, "on")
		}
		if w := s.ask("editor", "POST", at, fields); w.Code != 303 || w.Header().Get("Location") != "/app/acme/settings?done=unchanged" {
			t.Errorf("the export itself, prune %v: %d\n%s", prune, w.Code, w.Body)
		}
	}
	short := "namespace: acme\npresets:\n- {name: hero, options: w=1600}\n"
	shown := s.ask("editor", "POST", at, url.Values{"text": {short}}).Body.String()
	if !strings.Contains(shown, `Preset <code>hero</code> <span class="tag">added`) || strings.Contains(shown, "removed") {
		t.Error(shown)
	}
	shown = s.ask("editor", "POST", at, url.Values{"text": {short}, "prune": {"on"}}).Body.String()
	if !strings.Contains(shown, `Preset <code>thumb</code> <span class="tag">removed`) || !strings.Contains(shown, `Source <code>photos</code> <span class="tag">removed`) {
		t.Error(shown)
	}
	if w := s.ask("editor", "POST", at, url.Values{"text": {short}, "step": {"save"}, "revision": {"1"}}); w.Code != 409 || !strings.Contains(w.Body.String(), `Preset <code>hero</code> <span class="tag">added`) {
		t.Error("a change of somebody else is lost:", w.Code, w.Body)
	}
	if w := s.ask("editor", "POST", at, url.Values{"text": {short}, "step": {"save"}, "revision": {"2"}}); w.Code != 303 {
		t.Error(w.Code, w.Body)
	}
	w, _ := s.store.Get(t.Context(), "acme")
	if len(w.Presets) != 2 || w.Sources[0].Headers["X-Token"] != "hunter2" || w.Revision != 3 || w.ID == "" {
		t.Errorf("%+v", w)
	}
	for name, c := range map[string]struct{ text, says string }{
		"empty":                {"", "namespace: acme"},
		"another workspace":    {"namespace: other\n", "namespace: acme"},
		"two":                  {"namespace: acme\n---\nnamespace: other\n", "namespace: acme"},
		"no namespace":         {"name: x\n", "Namespace"},
		"no YAML":              {"a: [" + nasty, "YAML"},
		"an unknown field":     {"namespace: acme\n" + `"` + strings.ReplaceAll(nasty, `"`, `\"`) + `": 1` + "\n", "unknown"},
		"a wrong value":        {"namespace: acme\nsources: [{key: x, kind: ftp}]\n", "kind"},
		"a secret without one": {"namespace: acme\nsources: [{key: x, kind: http, url: https://x.test/, headers: {A: '***'}}]\n", "keeps the stored secret"},
		"a secret elsewhere":   {"namespace: acme\nsources: [{key: photos, kind: http, url: https://evil.test/, headers: {X-Token: '***'}}]\n", "given again"},
		"many aliases":         {"namespace: acme\na: &a [" + strings.Repeat("x,", 999) + "]\nb: &b [" + strings.Repeat("*a,", 999) + "]\nc: [" + strings.Repeat("*b,", 999) + "]\n", "aliases"},
	} {
		w := s.ask("owner", "POST", at, url.Values{"text": {c.text}})
		body := w.Body.String()
		if w.Code != 422 || !strings.Contains(strings.ToLower(body), strings.ToLower(c.says)) || strings.Contains(body, nasty) || strings.Contains(body, "hunter2") {
			t.Errorf("%s: %d\n%.3000s", name, w.Code, body)
		}
	}
	// An editor raises no limits and claims no domains in this way either.
	for _, more := range []string{"limits: {requests_per_minute: 9}", "domains: [img.acme.example]"} {
		if w := s.ask("editor", "POST", at, url.Values{"text": {"namespace: acme\n" + more}, "step": {"save"}, "revision": {"3"}}); w.Code != 403 {
			t.Errorf("%s: %d", more, w.Code)
		}
	}
}

// TestImportSecrets: secrets in a text are on no page, neither in the review nor in the form
// that is shown again, and are saved as typed.
func TestImportSecrets(t *testing.T) {
	const at = "/app/acme/settings/import"
	for name, header := range map[string]string{
		"plain": "hunter2hunter2", "quoted": `"hunter2hunter2"`, "escaped": `"hunter2\u0068unter2"`, "with a comment": "hunter2hunter2 # mine", "short": "h", "in single quotes": "'hunter2hunter2'",
	} {
		s := open(t)
		secret := "hunter2hunter2"
		if name == "short" {
			secret = "h"
		}
		text := "namespace: acme\nsources:\n- {key: more, kind: s3, bucket: originals, region: auto, access_key_id: AKIA, secret_access_key: typed-1}\n" +
			"- key: photos\n  kind: http\n  url: https://a.test/\n  headers:\n    X-Token: " + header + "\n"
		hidden := func(page string) url.Values {
			fields := url.Values{}
			for _, f := range regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`).FindAllStringSubmatch(page, -1) {
				fields.Set(f[1], html.UnescapeString(f[2]))
			}
			return fields
		}
		shown := s.ask("editor", "POST", at, url.Values{"text": {text}})
		if shown.Code != 200 || !strings.Contains(shown.Body.String(), `Source <code>photos</code> <span class="tag">added`) {
			t.Fatal(name, shown.Code, shown.Body)
		}
		fields := hidden(shown.Body.String())
		if name != "short" && (strings.Contains(shown.Body.String(), "unter2") || strings.Contains(shown.Body.String(), "typed-1}")) {
			t.Errorf("%s: the review shows a secret:\n%s", name, shown.Body)
		}
		fields.Set("step", "edit")
		again := s.ask("editor", "POST", at, fields).Body.String()
		if name != "short" && strings.Contains(again, "unter2") {
			t.Errorf("%s: the form shows a secret:\n%s", name, again)
		}
		fields.Set("text", html.UnescapeString(regexp.MustCompile(`(?s)<textarea[^>]*>(.*)</textarea>`).FindStringSubmatch(again)[1]))
		fields.Set("sealed", hidden(again).Get("sealed"))
		fields.Set("step", "save")
		fields.Set("revision", "1")
		if w := s.ask("owner", "POST", at, fields); w.Code != 422 {
			t.Errorf("%s: somebody else can use it: %d", name, w.Code)
		}
		if w := s.ask("editor", "POST", at, fields); w.Code != 303 {
			t.Errorf("%s: %d\n%s", name, w.Code, w.Body)
		}
		w, _ := s.store.Get(t.Context(), "acme")
		if len(w.Sources) != 2 || w.Sources[1].Headers["X-Token"] != secret || w.Sources[0].SecretAccessKey != "typed-1" {
			t.Errorf("%s: %+v", name, w.Sources)
		}
	}
}

// TestDeleteWorkspace: an owner deletes a workspace by typing its namespace, if it is as the
// page showed it.
func TestDeleteWorkspace(t *testing.T) {
	s := open(t)
	const at = "/app/acme/delete"
	s.edit(t, func(w *workspace.Workspace) { w.Name = "Acme" })
	for _, as := range []string{"viewer", "editor", "stranger"} {
		for _, method := range []string{"GET", "POST"} {
			if w := s.ask(as, method, at, url.Values{"typed": {"acme"}, "revision": {"1"}}); w.Code != 403 {
				t.Errorf("%s %s: %d", method, as, w.Code)
			}
		}
	}
	if page := s.ask("owner", "GET", at, nil); page.Code != 200 || !strings.Contains(page.Body.String(), "3 members lose") || !strings.Contains(page.Body.String(), `name="revision" value="2"`) {
		t.Error(page.Code, page.Body)
	}
	for _, c := range []struct {
		typed, revision string
		status          int
	}{{"", "1", 422}, {"other", "1", 422}, {"ACME", "1", 422}, {"acme", "7", 409}, {"acme", "", 409}, {"acme", "2", 303}} {
		if w := s.ask("owner", "POST", at, url.Values{"typed": {c.typed}, "revision": {c.revision}}); w.Code != c.status {
			t.Errorf("%q of revision %q: %d\n%s", c.typed, c.revision, w.Code, w.Body)
		}
	}
	for as, status := range map[string]int{"owner": 403, "viewer": 403, "operator": 404} {
		if w := s.ask(as, "GET", "/app/acme/settings", nil); w.Code != status {
			t.Errorf("%s: %d", as, w.Code)
		}
	}
	if page := s.ask("owner", "GET", "/app", nil).Body.String(); strings.Contains(page, "/app/acme") {
		t.Error(page)
	}
	// Who was a member of the old workspace is none of the next one with its namespace.
	if err := s.store.Create(t.Context(), workspace.New("acme")); err != nil {
		t.Fatal(err)
	}
	if w := s.ask("owner", "GET", "/app/acme/settings", nil); w.Code != 403 {
		t.Error(w.Code)
	}
}

// zone is a manage.Resolver with the records of one name.
type zone struct {
	name  string
	texts []string
	err   error
}

func (z *zone) LookupTXT(_ context.Context, name string) ([]string, error) {
	if z.err != nil {
		return nil, z.err
	}
	if name != z.name+"." {
		return nil, &net.DNSError{IsNotFound: true}
	}
	return z.texts, nil
}

// TestDomains: an owner claims a domain, publishes its record, verifies it and gives it up.
func TestDomains(t *testing.T) {
	s := open(t)
	const at = "/app/acme/domains"
	for as, claims := range map[string]bool{"viewer": false, "editor": false, "owner": true} {
		page := s.ask(as, "GET", at, nil)
		if page.Code != 200 || strings.Contains(page.Body.String(), `name="domain"`) != claims {
			t.Errorf("%s: %d\n%s", as, page.Code, page.Body)
		}
		if w := s.ask(as, "POST", at, url.Values{"domain": {"img.acme.example"}}); (w.Code == 200) != claims {
			t.Errorf("%s: %d", as, w.Code)
		}
	}
	for _, wrong := range []string{"", "acme", "https://img.acme.example/", nasty, "com"} {
		w := s.ask("owner", "POST", at, url.Values{"domain": {wrong}})
		if w.Code != 422 || !strings.Contains(w.Body.String(), `id="domain-fault"`) || strings.Contains(w.Body.String(), nasty) {
			t.Errorf("%q: %d\n%s", wrong, w.Code, w.Body)
		}
	}
	if w := s.ask("owner", "POST", at, url.Values{"domain": {"Img.Acme.example"}, "step": {"save"}, "revision": {"1"}}); w.Code != 303 {
		t.Fatal(w.Code, w.Body)
	}
	page := s.ask("viewer", "GET", at, nil).Body.String()
	value := regexp.MustCompile(`id="txt-value-0"[^>]*>(tintype-verify=[^<]+)<`).FindStringSubmatch(page)
	if value == nil || !strings.Contains(page, `>_tintype.img.acme.example</textarea>`) || !strings.Contains(page, "pending") || strings.Contains(page, `name="verify"`) {
		t.Fatal(page)
	}
	verify := url.Values{"verify": {"img.acme.example"}}
	for _, as := range []string{"viewer", "editor", "stranger"} {
		if w := s.ask(as, "POST", at, verify); w.Code != 403 {
			t.Errorf("%s verifies: %d", as, w.Code)
		}
	}
	if w := s.ask("owner", "POST", at, url.Values{"verify": {"img.other.example"}}); w.Code != 404 {
		t.Error(w.Code)
	}
	if w := s.ask("owner", "POST", at, verify); w.Code != 409 || !strings.Contains(w.Body.String(), "there is none yet") {
		t.Error(w.Code, w.Body)
	}
	s.dns.err = &net.DNSError{IsTimeout: true}
	if w := s.ask("owner", "POST", at, verify); w.Code != 503 || !strings.Contains(w.Body.String(), "The DNS lookup failed") {
		t.Error(w.Code, w.Body)
	}
	*s.dns = zone{name: "_tintype.img.acme.example", texts: []string{nasty, value[1]}}
	if w := s.ask("owner", "POST", at, verify); w.Code != 303 {
		t.Error(w.Code, w.Body)
	}
	if page := s.ask("viewer", "GET", at, nil).Body.String(); !strings.Contains(page, "verified") || strings.Contains(page, "txt-value") {
		t.Error(page)
	}
	// Another workspace can claim it and not verify it.
	if w := s.ask("stranger", "POST", "/app/other/domains", url.Values{"domain": {"img.acme.example"}, "step": {"save"}, "revision": {"1"}}); w.Code != 409 {
		t.Error(w.Code, w.Body)
	}
	gone := at + "/img.acme.example/delete"
	if w := s.ask("editor", "GET", gone, nil); w.Code != 403 {
		t.Error(w.Code)
	}
	if w := s.ask("owner", "POST", gone, url.Values{"typed": {"img.acme.example"}, "step": {"save"}, "revision": {"2"}}); w.Code != 303 {
		t.Error(w.Code, w.Body)
	}
	if w, _ := s.store.Get(t.Context(), "acme"); len(w.Domains) > 0 {
		t.Error(w.Domains)
	}
}

// aliases is a manage.CNAMEResolver that knows where every name leads.
type aliases struct{ to []string }

func (a *aliases) LookupCNAMEs(context.Context, string) ([]string, error) { return a.to, nil }

// ordered has the certificate of every host.
type ordered struct{ c manage.Certificate }

func (o *ordered) Certificate(context.Context, string) (manage.Certificate, error) {
	return o.c, nil
}

func (o *ordered) Order(context.Context, string) error { return nil }

// TestDomainSteps: the page of domains has the CNAME record that proves a domain and leads
// here, and says how far the certificate is, with the authority's words.
func TestDomainSteps(t *testing.T) {
	leads, certificate := &aliases{}, &ordered{manage.Certificate{State: manage.CertificateNone}}
	s := open(t, func(c *manage.Config) { c.CNAMEs, c.Certificates, c.BaseDomain = leads, certificate, "img.example" })
	const at = "/app/acme/domains"
	if w := s.ask("owner", "POST", at, url.Values{"domain": {"img.acme.example"}, "step": {"save"}, "revision": {"1"}}); w.Code != 303 {
		t.Fatal(w.Code, w.Body)
	}
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	target := workspace.CNAMETarget(w.ID, "img.example")
	if page := s.ask("viewer", "GET", at, nil).Body.String(); !strings.Contains(page, `id="cname-value-0" rows="1" readonly autocomplete="off" spellcheck="false">`+target+`<`) || !strings.Contains(page, `id="txt-value-0"`) {
		t.Fatal(page)
	}
	verify := url.Values{"verify": {"img.acme.example"}}
	if w := s.ask("owner", "POST", at, verify); w.Code != 409 || !strings.Contains(w.Body.String(), "lead to "+target) {
		t.Error(w.Code, w.Body)
	}
	leads.to = []string{target}
	if w := s.ask("owner", "POST", at, verify); w.Code != 303 {
		t.Error(w.Code, w.Body)
	}
	later := now.Add(time.Hour)
	for want, c := range map[string]manage.Certificate{
		"is ordered when a client first asks":                     {State: manage.CertificateNone},
		"so it is served by https":                                {State: manage.CertificateIssued},
		"Its renewal failed and is tried again: the words":        {State: manage.CertificateIssued, Error: "the words", RetryAt: &later},
		"could not be ordered: the words. The next order is made": {State: manage.CertificateFailed, Error: "the words", RetryAt: &later},
		"could not be ordered: &lt;script&gt;x":                   {State: manage.CertificateFailed, Error: "<script>x", RetryAt: &later},
	} {
		certificate.c = c
		if page := s.ask("viewer", "GET", at, nil).Body.String(); !strings.Contains(page, want) {
			t.Errorf("%+v: %q is not on the page\n%s", c, want, page)
		}
	}
}

// TestReviewInWords: a review names fields as forms do, has the old and the new value, and shows
// no secret.
func TestReviewInWords(t *testing.T) {
	s := open(t)
	source := url.Values{"kind": {"http"}, "key": {"photos"}, "url": {"https://o.example/"}, "headers": {"X-Token: hidden"}}
	review := func(path string, fields url.Values) string {
		t.Helper()
		w := s.ask("editor", "POST", path, fields)
		if w.Code != 200 || strings.Contains(w.Body.String(), "<script>x") || strings.Contains(w.Body.String(), ">hidden") {
			t.Fatal(w.Code, w.Body)
		}
		main := text(w.Body.String())
		return main[strings.Index(main, "This is what changes"):]
	}
	for _, want := range []string{"Source photos added", "URL https://o.example/", "Headers for this server: X-Token added"} {
		if have := review("/app/acme/sources/_new", source); !strings.Contains(have, want) {
			t.Errorf("without %q: %s", want, have)
		}
	}
	s.change(t, "editor", "/app/acme/sources/_new", source)
	source.Set("url", "https://p.example/")
	source.Set("private", "on")
	source.Set("headers", "X-Token: other")
	source.Set("cache_control", `max-age=60, x="<script>x"`)
	source.Del("step")
	have := review("/app/acme/sources/photos", source)
	for _, want := range []string{"Source photos Private no → becomes yes", "URL https://o.example/ → becomes https://p.example/", "Headers for this server: X-Token changed", "Cache-Control for browsers not set → becomes max-age=60"} {
		if !strings.Contains(have, want) {
			t.Errorf("without %q: %s", want, have)
		}
	}
	if have := review("/app/acme/sources/photos/delete", url.Values{"typed": {"photos"}}); !strings.Contains(have, "Source photos removed") {
		t.Error(have)
	}
	s.change(t, "editor", "/app/acme/access", url.Values{"allowed_sources": {"https://cdn.example/"}, "allowed_origins": {"*"}})
	if have := review("/app/acme/access", url.Values{"allowed_sources": {"*"}, "allowed_origins": {"*"}}); !strings.Contains(have, "“External originals”: * allows the images of every host") {
		t.Error(have)
	}
	if have := review("/app/acme/settings", url.Values{"dialect": {"native"}, "fallback_format": {"original"}, "name": {"true"}}); !strings.Contains(have, "Name acme → becomes true") && !strings.Contains(have, "Name not set → becomes true") {
		t.Error(have)
	}
}
