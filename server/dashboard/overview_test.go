package dashboard_test

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
)

// now is the time of the tests with usage: a Sunday at noon.
var now = time.Date(2037, 11, 29, 12, 0, 0, 0, time.UTC)

// used adds counts of a workspace on a day, which is as many days ago.
func (s *site) used(t *testing.T, namespace string, ago int, source string, u workspace.Usage) {
	t.Helper()
	w, err := s.store.Get(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	u.WorkspaceID, u.Day, u.Operation, u.Source = w.ID, now.AddDate(0, 0, -ago).Format(time.DateOnly), "transform", source
	if err := s.store.AddTally(t.Context(), workspace.Tally{ID: fmt.Sprint(t.Name(), ago, source, u.Requests), Usage: []workspace.Usage{u}}); err != nil {
		t.Fatal(err)
	}
}

// text returns a page without its tags, but with their labels, each run of spaces as one.
func text(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(regexp.MustCompile(`<[^>]*?(?: aria-label="([^"]*)"[^>]*)?>`).ReplaceAllString(page, " $1 "))), " ")
}

// TestOverview: totals are of the days asked for, changes are of full days, and plots name
// the sources with the most.
func TestOverview(t *testing.T) {
	s := open(t)
	for i := range 8 {
		s.used(t, "acme", 1, fmt.Sprintf("source%d", i), workspace.Usage{Requests: int64(1000 * (8 - i)), Hits: 500, Transforms: 10, Units: 10_500, BytesOut: 1 << 30})
	}
	s.used(t, "acme", 0, "", workspace.Usage{Requests: 4, Hits: 1, Errors: 3, BytesOut: 5})
	s.used(t, "acme", 8, "source0", workspace.Usage{Requests: 30000})
	s.used(t, "acme", 50, "source0", workspace.Usage{Requests: 7})
	for _, tt := range []struct {
		query string
		want  []string
	}{
		{"?days=7", []string{"Requests 36,004 ▲ 20 % more", "Hit ratio 11.1 %", "Bytes sent 8.59 GB none before", "Units 84 none before", "Name Requests Hit ratio Transforms Units Bytes sent", "source0 8,000 6.3 % 10 10.5", "6 full days with the 6 days", "3 others", "Sat 28 Nov: 36,000 requests", "29 Nov, so far", "full URLs 4 25 %"}},
		{"", []string{"Requests 66,004 9,429 times as much", "31 October to 29 November 2037"}},
		{"?days=92", []string{"Requests 66,011", "30 August to 29 November 2037"}},
		{"?days=1000", []string{"Requests 66,004"}},
	} {
		w := s.ask("viewer", "GET", "/app/acme"+tt.query, nil)
		have := text(w.Body.String())
		for _, want := range tt.want {
			if w.Code != 200 || !strings.Contains(have, want) {
				t.Errorf("%s: %d, without %q in\n%s", tt.query, w.Code, want, have)
			}
		}
		if strings.Contains(have, "First steps") {
			t.Errorf("%s: a workspace with images gets first steps", tt.query)
		}
	}
	// Sources of deleted workspaces and of others aren't counted.
	s.used(t, "other", 1, "secret", workspace.Usage{Requests: 99})
	if have := s.ask("owner", "GET", "/app/acme", nil).Body.String(); strings.Contains(have, "secret") {
		t.Error("the overview has a source of another workspace")
	}
}

// TestOverviewWeight: the page of a workspace with many sources and long names is far below 150 kB,
// which is what it may weigh with its style sheets and scripts.
func TestOverviewWeight(t *testing.T) {
	s := open(t)
	for ago := range 200 {
		for i := range 12 {
			s.used(t, "acme", ago, fmt.Sprintf("%s-%02d", strings.Repeat("long-name", 6), i), workspace.Usage{Requests: 12_345_678, Hits: 11_000_000, Transforms: 1_234_567, Errors: 123_456, BytesOut: 123_456_789_012})
		}
	}
	for _, days := range []int{7, 30, 92} {
		if n := s.ask("owner", "GET", fmt.Sprintf("/app/acme?days=%d", days), nil).Body.Len(); n > 115_000 {
			t.Errorf("%d days: the page has %d bytes", days, n)
		} else {
			t.Logf("%d days: %d bytes", days, n)
		}
	}
}

// TestFirstSteps: a workspace without an image is led to it, and steps that are done say so.
func TestFirstSteps(t *testing.T) {
	s := open(t)
	see := func(query string) string {
		t.Helper()
		w := s.ask("editor", "GET", "/app/acme"+query, nil)
		if w.Code != 200 {
			t.Fatal(w.Code, w.Body)
		}
		return w.Body.String()
	}
	if have := see(""); !strings.Contains(text(have), "First steps 0 of 4 done") || strings.Contains(have, "<svg class=\"plot") {
		t.Error(have)
	}
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: "https://o.example/"}, {Key: "vault", Kind: "http", URL: "https://v.example/", Private: true}}
	if err := s.store.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	have := see("?source=photos&path=/a%20b/%22%3E%3Cscript%3E100%25.jpg")
	for _, want := range []string{"1 of 4 done", `src="/acme/photos/a%20b/%22%3E%3Cscript%3E100%25.jpg?w=400"`, "/app/acme/access?url=", "https://img.example/acme/photos/a%20b"} {
		if !strings.Contains(have, want) {
			t.Errorf("without %q:\n%s", want, have)
		}
	}
	if strings.Contains(have, "<script>100") {
		t.Error("the path is markup")
	}
	if have := see("?source=vault&path=x.jpg"); !strings.Contains(have, "no signing key yet") || strings.Contains(have, "<img src=\"/acme/") {
		t.Error(have)
	}
	s.edit(t, func(w *workspace.Workspace) {
		w.SigningKeys = []signing.Key{{ID: "KEY", Secret: signing.NewSecret(), CreatedAt: now.Add(-time.Hour)}}
	})
	if have := see("?source=vault&path=x.jpg"); !strings.Contains(have, `<img src="/acme/vault/x.jpg?w=400&amp;exp=`) || !strings.Contains(have, "Your server signs each URL") {
		t.Error(have)
	}
	if have := text(s.ask("viewer", "GET", "/app/acme?source=vault&path=x.jpg", nil).Body.String()); !strings.Contains(have, "the role viewer can") || !strings.Contains(have, "owner@acme.example (owner)") {
		t.Error(have)
	}
	if have := see("?source=nowhere&path=x.jpg"); strings.Contains(have, "nowhere") {
		t.Error("a source that isn't there is shown")
	}
	s.used(t, "acme", 0, "photos", workspace.Usage{Requests: 2, Errors: 2, BytesIn: 10})
	if have := text(see("")); !strings.Contains(have, "2 of 4 done") {
		t.Error(have)
	}
	// What pages of the dashboard show is no image in use.
	s.used(t, "acme", 0, "photos", workspace.Usage{Requests: 5, Errors: 1, Previews: 4})
	if have := text(see("")); !strings.Contains(have, "First steps 3 of 4 done") {
		t.Error(have)
	}
	for path, want := range map[string]bool{"/sources": true, "/sources/_new": true, "/sources/photos": true, "/signing-keys": true, "/playground": true, "/access": true, "/presets": false} {
		a := s.ask("owner", "GET", "/app/acme"+path, nil)
		if got := strings.Contains(text(a.Body.String()), "Back to first steps : 3 of 4 done"); a.Code != 200 || got != want {
			t.Errorf("%s: %d, leads back: %v", path, a.Code, got)
		}
	}
	s.used(t, "acme", 0, "photos", workspace.Usage{Requests: 1})
	if have := text(see("")); strings.Contains(have, "First steps") {
		t.Error(have)
	}
	if have := text(s.ask("owner", "GET", "/app/acme/sources", nil).Body.String()); strings.Contains(have, "Back to first steps") {
		t.Error(have)
	}
	if have := text(see("?source=photos&path=x.jpg")); !strings.Contains(have, "4 of 4 done") || !strings.Contains(have, `srcset="https://img.example/acme/photos/x.jpg?w=400 400w`) {
		t.Error(have)
	}
	// A workspace that was quiet for a while isn't new.
	s.used(t, "other", 150, "photos", workspace.Usage{Requests: 1})
	if have := text(s.ask("stranger", "GET", "/app/other", nil).Body.String()); strings.Contains(have, "First steps") {
		t.Error(have)
	}
}

// TestQuota: the overview and the page of limits say how much is used.
func TestQuota(t *testing.T) {
	s := open(t)
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	w.Limits = workspace.Limits{TransformsPerDay: 1000, TransformsPerMonth: 5000}
	if err := s.store.Update(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	s.used(t, "acme", 0, "photos", workspace.Usage{Requests: 900, Transforms: 850, Units: 850_500})
	s.used(t, "acme", 28, "photos", workspace.Usage{Requests: 9000, Transforms: 4150, Units: 4_150_000}) // the first of the month
	s.used(t, "acme", 29, "photos", workspace.Usage{Requests: 9000, Transforms: 7777})
	for _, page := range []string{"/app/acme?days=7", "/app/acme/limits"} {
		have := text(s.ask("viewer", "GET", page, nil).Body.String())
		for _, want := range []string{"850 of 1,000 transforms today 85 %", "Most of it is used. It starts again on 30 November 00:00 UTC", "5,000 of 5,000 transforms this month 100 %", "New images are refused until 1 December 00:00 UTC"} {
			if !strings.Contains(have, want) {
				t.Errorf("%s: without %q in\n%s", page, want, have)
			}
		}
	}
}

// TestUnitsOfMonth: the page of the plan has the units of the month, and what costs how many.
func TestUnitsOfMonth(t *testing.T) {
	s := open(t)
	s.used(t, "acme", 0, "photos", workspace.Usage{Units: 850_500})
	s.used(t, "acme", 28, "photos", workspace.Usage{Units: 4_150_000}) // the first of the month
	s.used(t, "acme", 29, "photos", workspace.Usage{Units: 7_000_000})
	have := text(s.ask("viewer", "GET", "/app/acme/limits", nil).Body.String())
	for _, want := range []string{"5,000.5 units since 1 November, UTC", "An image in a new size or form 1", "Facts of an image, such as its colours 0.5", "A grid of images 2"} {
		if !strings.Contains(have, want) {
			t.Errorf("without %q in\n%s", want, have)
		}
	}
}

// TestLimits: owners change limits, editors look at them, and no typing error removes a limit.
func TestLimits(t *testing.T) {
	s := open(t)
	fields := url.Values{"transforms_per_day": {"10,000"}, "requests_per_minute": {"12O0"}, "transforms_per_month": {`"><script>`}, "transforms_per_minute": {"-3"}}
	for as, status := range map[string]int{"viewer": 403, "editor": 403, "stranger": 403, "owner": 422, "operator": 422} {
		if w := s.ask(as, "POST", "/app/acme/limits", fields); w.Code != status {
			t.Errorf("%s: %d", as, w.Code)
		}
	}
	if have := s.ask("editor", "GET", "/app/acme/limits", nil).Body.String(); !strings.Contains(have, "<fieldset disabled>") || strings.Contains(have, "Review and save") {
		t.Error("an editor is offered to change limits")
	}
	wrong := s.ask("owner", "POST", "/app/acme/limits", fields).Body.String()
	for _, want := range []string{`value="12O0"`, `id="requests_per_minute-fault"`, `id="transforms_per_month-fault"`, `id="transforms_per_minute-fault"`, "3 fields need"} {
		if !strings.Contains(wrong, want) || strings.Contains(wrong, "<script>") {
			t.Errorf("without %s:\n%s", want, wrong)
		}
	}
	fields = url.Values{"transforms_per_day": {"10,000"}, "requests_per_minute": {""}}
	if shown := s.ask("owner", "POST", "/app/acme/limits", fields); shown.Code != 200 || !strings.Contains(text(shown.Body.String()), "Transforms a day no limit → becomes 10000") {
		t.Error(shown.Code, shown.Body)
	}
	fields.Set("step", "save")
	fields.Set("revision", "1")
	if saved := s.ask("owner", "POST", "/app/acme/limits", fields); saved.Code != 303 {
		t.Error(saved.Code, saved.Body)
	}
	if w, _ := s.store.Get(t.Context(), "acme"); w.Limits != (workspace.Limits{TransformsPerDay: 10000}) {
		t.Errorf("%+v", w.Limits)
	}
	fields.Set("transforms_per_day", "5")
	if conflict := s.ask("owner", "POST", "/app/acme/limits", fields); conflict.Code != 409 || !strings.Contains(text(conflict.Body.String()), "10000 → becomes 5") {
		t.Error(conflict.Code, conflict.Body)
	}
}

// TestNames: no name of a source becomes markup in a plot or a table.
func TestNames(t *testing.T) {
	s := open(t)
	s.used(t, "acme", 0, `"><script>alert(1)</script>`, workspace.Usage{Requests: 5, Errors: 1})
	have := s.ask("owner", "GET", "/app/acme", nil).Body.String()
	if strings.Contains(have, "<script>alert") || !strings.Contains(have, "alert(1)") {
		t.Error(have)
	}
}

// TestFirstSource: the form of the first source leads on to its first image, and that of
// others to the list.
func TestFirstSource(t *testing.T) {
	s := open(t)
	add := func(key, kind, path string) string {
		t.Helper()
		w, err := s.store.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		fields := url.Values{"key": {key}, "kind": {kind}, "url": {"https://o.example/"}, "test_path": {path}, "step": {"save"}, "revision": {strconv.FormatInt(w.Revision, 10)}}
		a := s.ask("editor", "POST", "/app/acme/sources/_new", fields)
		if a.Code != 303 {
			t.Fatal(a.Code, a.Body)
		}
		return a.Header().Get("Location")
	}
	if to := add("photos", "http", "/a b.jpg"); to != "/app/acme?path=a+b.jpg&source=photos&done=saved" {
		t.Error(to)
	}
	if to := add("more", "http", "/a b.jpg"); to != "/app/acme/sources?done=saved" {
		t.Error(to)
	}
	// A web server is public unless somebody says otherwise, and a bucket is private.
	for kind, private := range map[string]bool{"http": false, "s3": true, "r2": true} {
		b := s.ask("editor", "GET", "/app/acme/sources/_new?kind="+kind, nil).Body.String()
		if got := strings.Contains(b, `name="private" type="checkbox" checked`); got != private {
			t.Errorf("%s: private is ticked: %v", kind, got)
		}
	}
}

// TestHideFirstSteps: an editor hides the first steps, and shows them again.
func TestHideFirstSteps(t *testing.T) {
	s := open(t)
	for _, c := range []struct {
		do             string
		shown, offered bool
	}{{"hide", false, true}, {"show", true, false}} {
		if w := s.ask("viewer", "POST", "/app/acme/first-steps", url.Values{"do": {c.do}}); w.Code != 403 {
			t.Error(w.Code)
		}
		if w := s.ask("editor", "POST", "/app/acme/first-steps", url.Values{"do": {c.do}}); w.Code != 303 {
			t.Error(w.Code, w.Body)
		}
		have := text(s.ask("owner", "GET", "/app/acme", nil).Body.String())
		if shown, offered := strings.Contains(have, "First steps 0 of 4 done"), strings.Contains(have, "Show the first steps"); shown != c.shown || offered != c.offered {
			t.Errorf("%s: shown %v, offered %v\n%s", c.do, shown, offered, have)
		}
	}
}

// TestFirstStepsTested: a test of a source that passes is a step that is done, and its image is
// the one to see first. A path that is wrong says so.
func TestFirstStepsTested(t *testing.T) {
	g := openGallery(t)
	see := func(query string) string { return text(g.ask("editor", "GET", "/app/acme"+query, nil).Body.String()) }
	w, err := g.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	photos := w.Sources[0]
	test := func(path string) string {
		return text(g.ask("editor", "POST", "/app/acme/sources/photos", url.Values{"kind": {"http"}, "url": {photos.URL}, "step": {"test"}, "test_path": {path}}).Body.String())
	}
	if have := test("missing.jpg"); !strings.Contains(have, "The test failed") || !strings.Contains(have, "Back to first steps : 1 of 4 done") {
		t.Error(have)
	}
	if have := see("?source=photos&path=missing.jpg"); !strings.Contains(have, "1 of 4 done") || !strings.Contains(have, "it has nothing at this path") {
		t.Error(have)
	}
	if have := test("a.jpg"); !strings.Contains(have, "The source works") || !strings.Contains(have, "Back to first steps : 2 of 4 done") {
		t.Error(have)
	}
	page := g.ask("viewer", "GET", "/app/acme", nil).Body.String()
	if have := text(page); !strings.Contains(have, "First steps 2 of 4 done") || !strings.Contains(page, `src="/acme/photos/a.jpg?w=400"`) {
		t.Error(page)
	}
	if have := see("?source=photos&path=a.jpg"); !strings.Contains(have, "3 of 4 done") {
		t.Error(have)
	}
	if have := see(""); !strings.Contains(have, "3 of 4 done") {
		t.Error(have)
	}
	// A private image is seen once there is a key that signs.
	if have := see("?source=vault&path=red.png"); !strings.Contains(have, "no signing key yet") {
		t.Error(have)
	}
	// An owner makes it in place. Editors may not, also not by the form.
	if have := g.ask("owner", "GET", "/app/acme?source=vault&path=red.png", nil).Body.String(); !strings.Contains(have, "Make a signing key") {
		t.Error(have)
	}
	here := url.Values{"do": {"first"}, "back": {"/app/acme?path=red.png&source=vault#first"}}
	if w := g.ask("editor", "POST", "/app/acme/signing-keys", here); w.Code != 403 {
		t.Errorf("an editor makes a signing key: %d", w.Code)
	}
	sent := g.ask("owner", "POST", "/app/acme/signing-keys", here)
	if at := sent.Header().Get("Location"); sent.Code != 303 || at != "/app/acme?done=key&path=red.png&source=vault#first" {
		t.Errorf("%d to %s", sent.Code, at)
	}
	if have := g.ask("owner", "GET", "/app/acme?source=vault&path=red.png", nil).Body.String(); !strings.Contains(have, `src="/acme/vault/red.png?`) {
		t.Error(have)
	}
	made := text(g.ask("owner", "POST", "/app/acme/signing-keys", url.Values{"do": {"make"}}).Body.String())
	if !strings.Contains(made, "The key is made.") || !strings.Contains(made, "Back to first steps : 3 of 4 done") {
		t.Error(made)
	}
	if have := g.ask("editor", "GET", "/app/acme", nil).Body.String(); !strings.Contains(have, `src="/acme/vault/red.png?`) {
		t.Error(have)
	}
}
