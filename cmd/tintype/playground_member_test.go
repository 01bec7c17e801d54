//go:build cgo

package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/sqlite"
)

// startPlayground runs a server whose workspace acme is as furnish makes it, with the folder
// samples, in which night.jpg is blocked, and the private folder vault, to which the mark logo
// is bound. It returns its URL, and the addresses of people by role.
func startPlayground(t *testing.T, sent codes) (url string, team map[string]string) {
	t.Helper()
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	vault := t.TempDir()
	for _, name := range []string{"noon.jpg", "2026/dusk.jpg"} {
		if err := copyOnce(filepath.Join(pictures, filepath.Base(name)), filepath.Join(vault, filepath.Dir(name)), filepath.Base(name)); err != nil {
			t.Fatal(err)
		}
	}
	data, key := t.TempDir(), strings.Repeat("ab", 32)
	team = furnish(t, data, key)
	codec, err := workspace.NewCodec(key)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(filepath.Join(data, "tintype.db"), codec)
	if err != nil {
		t.Fatal(err)
	}
	m := manage.New(manage.Config{
		Store: store, Records: store, People: account.NewPeople(account.Config{Records: store, Now: time.Now, Log: slog.New(slog.DiscardHandler)}),
		Process: func(string) workspace.Process { return workspace.Process{Dirs: []string{"samples", "vault"}} },
	})
	_, err = m.PutMark(t.Context(), manage.Operator, "acme", workspace.Mark{Name: "logo", Image: "samples/logo.png", Width: "20%", AutoApplySources: []string{"vault"}})
	if err == nil {
		_, err = m.BlockImage(t.Context(), manage.Operator, "acme", manage.NewBlock{Path: "samples/night.jpg"})
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	return startSaying(t, sent, map[string]string{"TINTYPE_SECRET_KEY": key}, "--data", data, "--mail", "log", "--operators", team["operator"],
		"--dir", "acme/samples="+pictures, "--dir", "acme/vault="+vault, "--dir-private", "acme/vault"), team
}

// TestPlaygroundOfMembers: an owner chooses a picture of a private source and gets it by a
// signed URL. A viewer, who may not sign, reads who may. Answers without a picture say what to
// do, to members and to strangers, who get from there to the page for members.
func TestPlaygroundOfMembers(t *testing.T) {
	t.Parallel() // it waits for the browser
	sent := make(codes, 10)
	url, team := startPlayground(t, sent)
	d := &dashboardTab{server: url, sent: sent, shot: 2, variations: []variation{wideLight.by(structure), narrowDark.by(looks)}}
	d.tab = open(t, startBrowser(t), url+"/app/me/sign-in", 1400, 900)
	axe, err := os.ReadFile("../../.tools/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v: run make test, or scripts/install-axe, which fetches it", err)
	}
	if _, err := chromedp.Call(d.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: string(axe)}); err != nil {
		t.Fatal(err)
	}
	chosen := func(what string) { d.until(fmt.Sprintf(`document.querySelector('#src').value === %q`, what)) }
	says := func(pane, words, link string) {
		t.Helper()
		d.until(fmt.Sprintf(`(() => { const m = document.querySelector('%s .message'); return !m.hidden && m.textContent.includes(%q) })()`, pane, words))
		if got := eval[string](d.tab, fmt.Sprintf(`document.querySelector('%s .message a')?.getAttribute('href') ?? ''`, pane)); got != link {
			t.Errorf("%s leads to %q, want %q", words, got, link)
		}
	}

	// A stranger, on the page for everybody.
	d.visit("/playground/acme#src=vault/noon.jpg&w=300")
	const forMembers = "/app/acme/playground?src=vault/noon.jpg&options=w%3D300"
	says("#variant", "Members of the workspace sign in, and get the URL signed.", forMembers)
	says("#original", "This image needs a signed URL.", forMembers)
	d.looks("stranger")
	d.fill("#src", "https://elsewhere.example/a.jpg")
	says("#variant", "The workspace takes no originals from there.", "/app/acme/access")
	d.fill("#src", "samples/night.jpg")
	says("#variant", "This image is blocked.", "/app/acme/images/blocked")
	d.until(`[...document.querySelectorAll('.picture')].some((p) => p.querySelector('.none')?.textContent === 'not shown' && p.title === 'samples/night.jpg')`)
	d.fill("#src", "samples/none.jpg")
	says("#variant", "There is no image under this path.", "/app/acme/images")
	if eval[bool](d.tab, `document.documentElement.outerHTML.includes('archive')`) {
		t.Error("a stranger sees the name of a source")
	}

	// By the link to the same picture as an owner.
	d.fill("#src", "vault/noon.jpg")
	says("#variant", "This image needs a signed URL.", forMembers)
	d.vary(wideLight)
	d.click("#variant .message a")
	d.arrive(`document.querySelector('#email')`)
	d.fill("#email", team["owner"])
	d.submit("main button", nil)
	d.submit("main button", map[string]string{"code": <-sent})
	signed := `!document.querySelector('#variant.busy') && document.querySelector('#variant img').naturalWidth === 300 && document.querySelector('#snippet-absolute').textContent.includes('&sig=')`
	d.until(signed)
	d.until(`document.querySelector('#original img').naturalWidth > 0 && /JPEG/.test(document.querySelector('#original .facts').textContent)`)
	if text := d.text("#rules"); !strings.Contains(text, "Each URL of vault is signed") || !strings.Contains(text, "It ends ") || !strings.Contains(text, "Whatever the URL says, logo is on every image of vault.") {
		t.Errorf("the rules are %q", text)
	}
	get := func(url string) int {
		t.Helper()
		answer, err := http.Get(url) // without the session
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		return answer.StatusCode
	}
	absolute := d.text("#snippet-absolute")
	plain, _, _ := strings.Cut(absolute, "&exp=")
	if got, without := get(absolute), get(plain); got != 200 || without != 401 {
		t.Errorf("%s is answered with %d, without its signature with %d", absolute, got, without)
	}
	if n := eval[int](d.tab, `(document.querySelector('#snippet-img').textContent.match(/sig=/g) ?? []).length`); n != 3 {
		t.Errorf("%d URLs of the <img> are signed, want 3", n)
	}
	if text := d.text("#snippet-framework"); !strings.Contains(text, url+"/v1/workspaces/acme/sign") || !strings.Contains(text, `url: "`+url+`/acme/`) || strings.Contains(text, "sig=") {
		t.Errorf("for a framework: %s", text)
	}
	if columns := eval[string](d.tab, `getComputedStyle(document.querySelector('.use')).gridTemplateColumns`); strings.Contains(columns, " ") {
		t.Errorf("the texts to copy are in columns of %s", columns)
	}
	d.looks("a signed picture")
	d.vary(wideLight)

	// A week is another signature.
	d.do(chromedp.SetValue("#seconds", "604800"))
	eval[bool](d.tab, `document.querySelector('#seconds').dispatchEvent(new Event('change'))`)
	d.until(fmt.Sprintf(`/It ends on /.test(document.querySelector('#ends').textContent) && document.querySelector('#snippet-absolute').textContent !== %q && `, absolute) + signed)

	// Two changes, the second as the page is about to ask for signatures: it shows what comes.
	eval[bool](d.tab, `(() => {
		const real = window.setTimeout, seconds = document.querySelector('#seconds');
		window.setTimeout = (task, after) => {
			if (after === undefined) {
				window.setTimeout = real;
				queueMicrotask(() => seconds.dispatchEvent(new Event('change')));
			}
			return real(task, after);
		};
		seconds.value = '86400';
		seconds.dispatchEvent(new Event('change'));
		return true;
	})()`)
	d.until(`document.querySelector('#ends').textContent.startsWith('It ends ') && document.querySelector('#url').textContent.includes('sig=') && ` + signed)

	// Folders, names and sources.
	d.click(`#browse .folders a`)
	chosen("vault/2026/dusk.jpg")
	d.do(chromedp.SetValue("#preset-name", "thumb"))
	eval[bool](d.tab, `document.querySelector('#preset-name').dispatchEvent(new Event('change'))`)
	d.until(`document.querySelector('#variant img').naturalWidth === 300 && document.querySelector('#chips').textContent.includes('preset=thumb')`)
	source := func(key string) {
		t.Helper()
		d.do(chromedp.SetValue("#source", key))
		eval[bool](d.tab, `document.querySelector('#source').dispatchEvent(new Event('change'))`)
	}
	source("samples")
	d.until(`document.querySelector('#src').value.startsWith('samples/') && document.querySelectorAll('#browse .picture').length === 7`)
	d.until(`document.querySelector('#rule-access').textContent.startsWith('Public.') && document.querySelector('#signing').hidden`)
	d.until(`[...document.querySelectorAll('#browse .none')].map((n) => n.textContent).join() === 'blocked'`)
	d.fill("#src", "samples/night.jpg")
	says("#variant", "This image is blocked.", "/app/acme/images/blocked")
	source("photos")
	d.until(`document.activeElement === document.querySelector('#src') && document.activeElement.value === 'photos/' && document.querySelector('#browse').textContent.includes('A web server tells nobody')`)
	d.fill("#src", "photos/none.jpg")
	says("#variant", "The server of the original failed.", "/app/acme/sources")
	d.looks("an origin that fails")

	// A signing key that is missing is made in place, and the same picture is shown again.
	d.visit("/app/acme/signing-keys")
	eval[bool](d.tab, `Promise.all([...document.querySelectorAll('main [name=id]')].map(({ value: id }) => fetch('', { method: 'POST', body: new URLSearchParams({ do: 'revoke', id, confirm: id.slice(0, 6) }) }))).then(() => true)`)
	d.visit("/app/acme/playground?src=vault/noon.jpg&options=w%3D640")
	d.until(`document.querySelector('#variant .message form') && !document.querySelector('#original .message form')`)
	d.do(chromedp.SetValue("#preset-name", "thumb"))
	eval[bool](d.tab, `document.querySelector('#preset-name').dispatchEvent(new Event('change'))`)
	d.until(`document.querySelector('#chips').textContent.includes('preset=thumb')`)
	d.looks("no signing key")
	d.submit("#variant .message form button", nil)
	d.until(`document.querySelector('.notice.good').textContent.includes('A signing key is made') && document.querySelector('#variant img').naturalWidth > 0 && document.querySelector('#snippet-absolute').textContent.includes('preset=thumb')`)
	d.signOut()

	d.signInAs(team["viewer"])
	d.visit("/app/acme/playground")
	d.until(`document.querySelector('#variant img').naturalWidth > 0`)
	source("vault")
	chosen("vault/noon.jpg")
	for _, pane := range []string{"#variant", "#original"} {
		says(pane, "Private images need a signed URL, and the role viewer can't sign.", "/app/acme/members")
		says(pane, "owner@acme.example (owner)", "/app/acme/members")
	}
	d.looks("a viewer")
	// Nothing was asked for that this page knows to be refused.
	d.calm("status of 401 (Unauthorized) "+url+"/acme/vault/noon.jpg?w=300", "status of 40", "status of 451", "status of 502")
}
