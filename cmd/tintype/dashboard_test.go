//go:build cgo

package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/alert"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/mail"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/sqlite"
)

// heaviestPage bounds what a page loads besides images, in bytes.
const heaviestPage = 150_000

// TestDashboard signs in as people of each role, opens every page that the role sees, wide
// and narrow, light and dark, and has axe-core look for barriers. No page may complain, be
// wider than the window, or be heavy. The owner's pages are looked at twice, and those of others
// once. The colours of light are judged where others see them. SHOTS is a folder for screenshots.
func TestDashboard(t *testing.T) {
	t.Parallel() // it waits for the browser
	axe, err := os.ReadFile("../../.tools/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("%v: run make test, or scripts/install-axe, which fetches it", err)
	}
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	data := t.TempDir()
	key := strings.Repeat("ab", 32)
	team := furnish(t, data, key)
	sent := make(codes, 10)
	url := startSaying(t, sent, map[string]string{"TINTYPE_SECRET_KEY": key}, "--data", data, "--mail", "log", "--operators", team["operator"], "--plans", plansOfTests, "--dir", "acme/samples="+pictures)
	d := &dashboardTab{server: url, sent: sent, variations: []variation{wideLight.by(structure), narrowDark.by(looks)}}
	d.tab = open(t, startBrowser(t), url+"/app", 1400, 900)

	if _, err := chromedp.Call(d.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: string(axe)}); err != nil {
		t.Fatal(err)
	}
	d.visit("/app/me/sign-in")
	d.looks("sign-in")
	d.signInAs(team["owner"])
	menu := d.menu("acme")
	for _, path := range slices.Concat([]string{"/app", "/app/me", "/app/me/new"}, menu, []string{
		"/app/acme?days=92", "/app/acme/access?url=%2Facme%2Fsamples%2Fcat.jpg%3Fw%3D400%26widht%3D3", "/app/acme/log?trail=access", "/app/acme/errors?code=BLOCKED", "/app/acme/errors?from=2026-02-02&to=2026-02-01",
		"/app/acme/sources/_new", "/app/acme/sources/_new?kind=http", "/app/acme/sources/_new?kind=s3", "/app/acme/sources/photos", "/app/acme/sources/photos/delete",
		"/app/acme/presets/_new", "/app/acme/presets/thumb", "/app/acme/presets/thumb/delete", "/app/acme/marks/_new", "/app/acme/marks/logo", "/app/acme/marks/logo/delete",
		"/app/acme/images?source=samples", "/app/acme/images/image?source=samples&path=dusk.jpg", "/app/acme/images/blocked",
		"/app/acme/settings/import", "/app/acme/delete", "/app/acme/domains/img.acme.example/delete",
	}) {
		d.visit(path)
		d.looks("owner " + path)
	}
	d.flows()
	d.signOut()

	// The pages are the same for others, but for what these may not do.
	for role, v := range map[string]variation{"editor": narrowLight.by(looks), "viewer": wideDark.by(structure)} {
		d.variations = []variation{v}
		d.signInAs(team[role])
		for _, path := range append(d.menu("acme"), "/app/acme/sources/photos", "/app/acme/presets/thumb") {
			d.visit(path)
			d.looks(role + " " + path)
		}
		d.signOut()
	}

	d.variations = []variation{wideLight}
	d.signInAs(team["operator"])
	for _, path := range append(d.menu("blank"), "/app", "/app?search=zzz") { // a workspace without anything
		d.visit(path)
		d.looks("operator " + path)
	}
	// Nobody answers for the bucket, whose images the page shows first.
	d.calm("status of 403", "status of 404", "status of 409", "status of 422")
}

// plansOfTests is the example of the docs.
const plansOfTests = "../../deploy/plans.yaml"

// furnish makes a database in which the workspace acme has something of everything and blank
// has nothing. It returns the addresses of people by role.
func furnish(t *testing.T, data, key string) map[string]string {
	t.Helper()
	codec, err := workspace.NewCodec(key)
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(filepath.Join(data, "tintype.db"), codec)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	people := account.NewPeople(account.Config{Records: store, Mail: nil, Signup: account.SignupInvite, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	plans, err := plan.New(plan.Config{File: plansOfTests})
	if err != nil {
		t.Fatal(err)
	}
	m := manage.New(manage.Config{
		Store: store, Records: store, People: people, Plans: plans, Process: func(string) workspace.Process { return workspace.Process{Dirs: []string{"samples"}} },
	})
	ctx, who := t.Context(), manage.Operator
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	acme, blank := workspace.New("acme"), workspace.New("blank")
	acme.AllowedOrigins, acme.AllowedSources = []string{"https://shop.example", "*.acme.example"}, []string{"https://cdn.example/"}
	acme.Sources = []workspace.Source{
		{Key: "photos", Kind: "http", URL: "https://origin.example/photos/", Headers: map[string]string{"Authorization": "Bearer secret"}},
		{Key: "archive", Kind: "r2", Bucket: "acme-archive", AccountID: strings.Repeat("0a", 16), AccessKeyID: "id", SecretAccessKey: "secret", Private: true},
	}
	acme.Domains = []string{"img.acme.example"}
	acme.Presets = []workspace.Preset{{Name: "thumb", Options: "w=200&h=200&fit=cover"}, {Name: "hero", Options: "w=1600&h=600&fit=cover&q=80"}}
	half := 0.5
	acme.Marks = []workspace.Mark{{Name: "logo", Image: "samples/logo.png", Width: "20%", Opacity: &half, AutoApplySources: []string{"photos"}}}
	acme.Plan = "pro"
	acme.Limits.TransformsPerDay, acme.Limits.TransformsPerMonth = 5_000, 40_000
	for _, w := range []*workspace.Workspace{acme, blank} {
		_, err := m.CreateWorkspace(ctx, who, w)
		must(err)
	}
	for i := range 4 {
		_, err := m.CreateWorkspace(ctx, who, workspace.New(fmt.Sprintf("shop-%d", i)))
		must(err)
	}
	for _, p := range []workspace.Preset{{Name: "card", Options: "w=480"}, {Name: "hero", Options: "w=1920&h=600&fit=cover&q=80"}} {
		_, err := m.PutPreset(ctx, who, "acme", p)
		must(err)
	}
	days := 90
	_, err = m.CreateAPIKey(ctx, who, "acme", manage.NewAPIKey{Name: "web shop", Scopes: []string{"read"}})
	must(err)
	_, err = m.CreateAPIKey(ctx, who, "acme", manage.NewAPIKey{Name: "continuous integration", Scopes: []string{"read", "write"}, ExpiresInDays: &days, Test: true})
	must(err)
	_, err = m.CreateSigningKey(ctx, who, "acme")
	must(err)
	_, _, err = m.CreateDialectKey(ctx, who, "acme", manage.NewDialectKey{Dialect: "imgproxy", Secret: strings.Repeat("0b", 16), Salt: "0c"})
	must(err)
	team := map[string]string{"operator": "root@tintype.example"}
	for _, role := range account.Roles() {
		team[string(role)] = string(role) + "@acme.example"
		a, err := people.MakeAccount(ctx, team[string(role)])
		must(err)
		must(people.Join(ctx, a, acme, role, workspace.AuditEntry{Actor: "root", Action: "member.join"}))
	}
	var tally workspace.Tally
	today := time.Now().UTC()
	for day := range 92 {
		for i, source := range []string{"photos", "archive", "samples", ""} {
			n := int64(1000*(4-i) + 137*(day%7)*(i+1) - 9*day)
			tally.Usage = append(tally.Usage, workspace.Usage{
				WorkspaceID: acme.ID, Day: today.AddDate(0, 0, -day).Format(time.DateOnly), Operation: "transform", Source: source,
				Requests: n, Hits: n * 9 / 10, Transforms: n / 20, Errors: n / int64(100+50*i), BytesIn: n * 90_000, BytesOut: n * 21_000,
			})
		}
	}
	tally.ID = "92 days"
	must(store.AddTally(ctx, tally))
	for ago, rows := range [][]workspace.ErrorCount{
		{
			{Source: "photos", Status: 404, Code: "NOT_FOUND", Count: 1873, Samples: []workspace.ErrorSample{{Path: "/photos/summer/beach.jpg?w=400&fit=cover"}, {Path: "/photos/winter/a-very-long-name-of-a-picture-that-somebody-has-deleted-long-ago-0123456789.jpg?preset=thumb"}}},
			{Status: 403, Code: "ORIGIN_NOT_ALLOWED", Count: 12, Samples: []workspace.ErrorSample{{Path: "/photos/cat.jpg", Origin: "https://copycat.example"}}},
			{Source: "samples", Status: 400, Code: "INVALID_OPTION", Count: 1, Samples: []workspace.ErrorSample{{Path: "/samples/dusk.jpg?w=wide"}}},
		},
		{
			{Source: "archive", Status: 401, Code: "SIGNATURE_REQUIRED", Count: 61, Samples: []workspace.ErrorSample{{Path: "/archive/1998/scan.tiff?w=900"}}},
			{Source: "photos", Status: 502, Code: "ORIGIN_ERROR", Count: 7, Samples: []workspace.ErrorSample{{Path: "/imgproxy/…/cat.jpg"}, {Path: "POST /transform?w=900"}}},
			{Status: 499, Code: workspace.ClientGone, Count: 2},
		},
	} {
		day := today.AddDate(0, 0, -ago)
		for i := range rows {
			rows[i].FirstSeen, rows[i].LastSeen = day.Add(-2*time.Hour), day
		}
		must(store.PutErrors(ctx, workspace.ErrorReport{WorkspaceID: acme.ID, Day: day.Format(time.DateOnly), Part: "a", Rows: rows}))
	}
	for i := range 6 {
		must(store.AppendAudit(ctx, workspace.AuditEntry{
			WorkspaceID: acme.ID, Trail: workspace.TrailAccess, Time: today.Add(-time.Duration(i) * time.Hour), Actor: "key:abc", Action: "PUT /v1/workspaces/{ns}/sources/{key}",
			Target: "/v1/workspaces/acme/sources/photos", Status: []int{200, 422, 200, 403, 200, 404}[i], IP: "203.0.113.7", UserAgent: "curl/8.5.0",
		}))
	}
	at := alert.Place{WorkspaceID: acme.ID, Namespace: "acme"}
	alerts := alert.New(alert.Config{
		Store: store, Codec: codec, Keys: store, Get: store.Get, List: store.List, Alone: true, Transport: http.DefaultTransport,
		Mail: mail.Log{Out: io.Discard}, Log: slog.New(slog.DiscardHandler),
	})
	alerts.Watch().Deny(acme.ID, "acme", "key:abc", 403, "DELETE /v1/workspaces/acme/sources/photos", "203.0.113.7")
	for range 30 {
		alerts.Watch().Image(alert.Image{WorkspaceID: acme.ID, Namespace: "acme", Source: "photos", Status: 502, OriginFailed: true})
	}
	must(alerts.Tick(ctx))
	for _, n := range []alert.NewChannel{
		{Kind: alert.Email, Address: "a-rather-long-address-of-the-people-on-call@operations.acme.example"}, {Kind: alert.Email, Address: team["owner"], Trusted: true},
		{Kind: alert.Slack, URL: "https://hooks.example/services/x"}, {Kind: alert.Webhook, URL: "https://hooks.example/tintype"},
	} {
		c, _, err := alerts.AddChannel(ctx, at, n, workspace.AuditEntry{Actor: "root", Action: "alert_channel.create"})
		must(err)
		if n.Kind == alert.Slack || n.Kind == alert.Webhook { // nothing is sent from the tests
			_, err = alerts.SwitchChannel(ctx, at, c.ID, false, workspace.AuditEntry{Actor: "root", Action: "alert_channel.update"})
			must(err)
		}
	}
	return team
}

// A dashboardTab is a tab with a page of the dashboard.
type dashboardTab struct {
	*tab
	server string
	sent   codes
	shot   int
	is     variation // of the window
	loaded float64   // when the page was loaded that was weighed last

	variations []variation // in which pages are looked at
}

func (d *dashboardTab) visit(path string) {
	d.Helper()
	d.do(chromedp.Navigate(d.server + path))
}

// submit fills the fields of a form and clicks a button, and waits for the page after it.
func (d *dashboardTab) submit(button string, fields map[string]string) {
	d.Helper()
	for name, value := range fields {
		d.do(chromedp.SetValue(fmt.Sprintf("main [name=%q]", name), value))
	}
	ctx, cancel := context.WithTimeout(d.ctx, browserDeadline)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(button)); err != nil {
		d.Fatalf("clicking %s: %v", button, err)
	}
}

func (d *dashboardTab) signInAs(email string) {
	d.Helper()
	d.visit("/app/me/sign-in")
	d.submit("main button", map[string]string{"email": email})
	if d.shot == 1 {
		d.looks("sign-in code") // the same for everybody
	}
	d.submit("main button", map[string]string{"code": <-d.sent})
	if at := eval[string](d.tab, `location.pathname`); at != "/app" {
		d.Fatalf("%s is not signed in, but at %s", email, at)
	}
}

func (d *dashboardTab) signOut() {
	d.Helper()
	d.submit(".me button", nil)
}

// menu returns the pages of the navigation of a workspace.
func (d *dashboardTab) menu(namespace string) []string {
	d.Helper()
	d.visit("/app/" + namespace)
	paths := eval[[]string](d.tab, `[...document.querySelectorAll('.menu a')].map((a) => a.getAttribute('href'))`)
	if len(paths) < 5 {
		d.Fatalf("the menu of %s has %q only", namespace, paths)
	}
	return paths
}

// narrowMenu opens and closes the menu in a narrow window by the keyboard, and follows a link of it.
func (d *dashboardTab) narrowMenu() {
	d.Helper()
	d.vary(narrowDark)
	d.visit("/app/acme/access")
	const isOpen = `document.querySelector('#menu').checkVisibility()`
	if eval[bool](d.tab, isOpen) || !eval[bool](d.tab, `document.querySelector('.to-menu').checkVisibility() && document.querySelector('main h1').getBoundingClientRect().top < 140`) {
		d.Error("the menu is open, or takes the place of the page")
	}
	eval[bool](d.tab, `(document.querySelector('.to-menu').focus(), true)`)
	d.do(chromedp.KeyEvent(kb.Enter))
	d.until(isOpen)
	all := d.variations
	d.variations = []variation{narrowDark}
	d.looks("menu")
	d.variations = all
	d.vary(narrowDark) // with SHOTS it is another now
	d.do(chromedp.KeyEvent(kb.Escape))
	d.until(`!` + isOpen)
	eval[bool](d.tab, `(document.querySelector('.to-menu').focus(), true)`)
	d.do(chromedp.KeyEvent(kb.Enter))
	d.until(isOpen)
	d.do(chromedp.KeyEvent(kb.Tab))
	if at := eval[string](d.tab, `document.activeElement.textContent`); at != "Overview" {
		d.Errorf("the tab key leads from the button to %q", at)
	}
	d.do(chromedp.KeyEvent(kb.Enter))
	d.arrive(`location.pathname === '/app/acme'`)
}

// flows sends forms, and looks at what they lead to.
func (d *dashboardTab) flows() {
	d.Helper()
	d.narrowMenu()
	d.visit("/app/acme/presets/_new")
	d.submit("main button", map[string]string{"name": "<Big>", "options": "w=wide"})
	d.looks("a preset with errors")
	d.submit("main button", map[string]string{"name": "big", "options": "w=1200"})
	d.looks("review")
	d.submit("main button", nil)
	d.looks("presets after saving")
	d.visit("/app/acme/access")
	d.submit("main button.primary", map[string]string{"allowed_sources": "*"})
	d.looks("review with warnings")
	eval[bool](d.tab, `(document.querySelector('[name=revision]').value = '1', true)`)
	d.submit("main button.primary", nil)
	d.looks("conflict")
	d.visit("/app/acme/sources/photos")
	d.submit("button[value=test]", map[string]string{"test_path": "a.jpg"})
	d.looks("test of a source")
	d.visit("/app/acme/keys")
	eval[bool](d.tab, `(document.querySelector('[name=scopes]').checked = true)`)
	d.submit("main .primary", map[string]string{"name": "made now"})
	d.looks("a key just made")
	d.visit("/app/acme/members")
	d.submit("main .primary", map[string]string{"email": "anna@acme.example"})
	d.looks("members after an invitation")
	d.visit("/app/nobody")
	d.looks("no right")
	d.visit("/app/acme/nothing")
	d.looks("no page")
}

// A variation is a window in which pages are looked at.
type variation struct {
	width  int64
	scheme string
	rules  rules
}

// Rules are those of axe that a page is held to, as an option of axe. Contrast takes as long as all
// others together.
type rules string

const (
	looks     rules = `runOnly: ['color-contrast', 'target-size', 'scrollable-region-focusable', 'link-in-text-block']` // differ with colours and sizes
	structure rules = `rules: { 'color-contrast': { enabled: false } }`
)

var wideLight, narrowDark, wideDark, narrowLight = variation{1400, "light", "rules: {}"}, variation{390, "dark", "rules: {}"}, variation{1400, "dark", "rules: {}"}, variation{390, "light", "rules: {}"}

func (v variation) by(r rules) variation { return variation{v.width, v.scheme, r} }

// looks holds the page to what all pages must be, in each variation.
func (d *dashboardTab) looks(what string) {
	d.Helper()
	variations := d.variations
	if os.Getenv("SHOTS") != "" {
		variations = []variation{wideLight, wideDark, narrowLight, narrowDark}
	}
	for _, v := range variations {
		d.vary(v)
		d.photograph(fmt.Sprintf("%03d %s %d %s", d.shot, what, v.width, v.scheme))
		if wide := eval[int](d.tab, `document.documentElement.scrollWidth`); int64(wide) > v.width {
			d.Errorf("%s: %d pixels wide in a window of %d", what, wide, v.width)
		}
		for _, barrier := range eval[[]string](d.tab, `axe.run(document, { resultTypes: ['violations'], preload: false, iframes: false, elementRef: false, `+string(v.rules)+` }).then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ': ' + n.target + ': ' + n.failureSummary)))`) {
			d.Errorf("%s, %d %s: %s", what, v.width, v.scheme, barrier)
		}
	}
	d.shot++
	loaded := eval[float64](d.tab, `performance.timeOrigin`)
	if loaded == d.loaded {
		return // what a page asks for while it is used isn't its weight
	}
	d.loaded = loaded
	// What was fetched and given up has no type. It may be an image, which the page shows anew at another size.
	weight := eval[int](d.tab, `performance.getEntries().filter((e) => e.entryType === 'navigation' || e.entryType === 'resource' && e.initiatorType !== 'img' && !e.contentType?.startsWith('image/') && (e.contentType || e.initiatorType !== 'fetch')).reduce((n, e) => n + e.decodedBodySize, 0)`)
	if weight > heaviestPage {
		d.Errorf("%s weighs %d bytes", what, weight)
	}
}

// vary changes the window, if it is another.
func (d *dashboardTab) vary(v variation) {
	d.Helper()
	if v.width == d.is.width && v.scheme == d.is.scheme {
		return
	}
	d.is = v
	d.do(chromedp.EmulateViewport(v.width, 900))
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: v.scheme}}}
	if _, err := chromedp.Call(d.ctx, emulation.SetEmulatedMedia, media); err != nil {
		d.Fatal(err)
	}
}

// photograph keeps a picture of the whole page in the folder SHOTS, or of what the window shows
// of a page that is longer than a picture can be.
func (d *dashboardTab) photograph(name string) {
	dir := os.Getenv("SHOTS")
	if dir == "" {
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, browserDeadline)
	defer cancel()
	eval[bool](d.tab, `Promise.all([...document.images].map((i) => (i.loading = 'eager', i.decode().catch(() => 0)))).then(() => true)`)
	shot := chromedp.FullScreenshot(100)
	if eval[int](d.tab, `document.documentElement.scrollHeight`) > 16_000 {
		shot = chromedp.CaptureScreenshot()
	}
	png, err := chromedp.Run(ctx, shot)
	if err != nil {
		d.Fatal(err)
	}
	name = regexp.MustCompile(`[^a-z0-9-]+`).ReplaceAllString(name, "_")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		d.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		d.Fatal(err)
	}
}
