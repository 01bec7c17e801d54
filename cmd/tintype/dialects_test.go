package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	_ "golang.org/x/image/webp"

	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/transform/header"
)

// emitters is the folder of the npm packages that build URLs.
const emitters = "../../dialect/emitters"

// conformanceFile is the page that TestDialects writes.
const conformanceFile = "../../docs/dialects-conformance.md"

// baseDomain is the domain of the workspaces. It is not localhost, because Chromium resolves
// names below localhost itself.
const baseDomain = "tintype.test"

const dialectsRootKey = "root-key-of-the-test-of-dialects"

// An emitted line is a URL that another project's package built, and the product's answer.
type emitted struct {
	Suite, Case string
	Dialect     string // of the workspace; empty is native
	Signed      bool
	URL         string // after the namespace
	Accept      string
	Want        struct {
		W, H   int    // 0 is any
		Format string // empty is any
		Status int    // of an error; 0 is 200
		// Headers are headers of an image, by name. "*" is any value. Parameters may have quotes
		// or not.
		Headers map[string]string
	}
	File   string // in the folder suites: an image with the wanted size and format
	NotRun string // the reason why the suite has no cases
}

// A result is the outcome of an emitted URL.
type result struct {
	emitted
	problem string // empty if the answer is as wanted
}

// A deviation is a known difference from other products. Each deviation must match a case.
// Each case that isn't as wanted must match a deviation.
type deviation struct {
	suite, name string // regular expressions of suites and of cases
	problem     string // regular expression of the problem
	why         string
}

// dialectsOrigin serves the demo's pictures under any path that ends in their names, with
// or without an extension. Every other path is dusk.jpg, so that URLs of others' tests work
// as they are. The originals of imagor's tests are served from the folder suites, if there is
// one.
func dialectsOrigin(t *testing.T, suites string) *httptest.Server {
	pictures, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(pictures)
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]string{}
	for _, f := range files {
		byName[f.Name()] = f.Name()
		byName[strings.TrimSuffix(f.Name(), filepath.Ext(f.Name()))] = f.Name()
	}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		base := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		if name := filepath.Join(suites, "imagor/testdata", base); suites != "" && base != "" && filepath.IsLocal(base) && isFile(name) {
			http.ServeFile(w, r, name)
			return
		}
		http.ServeFile(w, r, filepath.Join(pictures, cmp.Or(byName[base], "dusk.jpg")))
	}))
	t.Cleanup(origin.Close)
	return origin
}

// startDialects starts a server with a workspace for each dialect, named after it, and one
// whose name ends in -signed that requires signatures. web is native. It returns the URL.
func startDialects(t *testing.T, origin string) string {
	t.Helper()
	var config strings.Builder
	for _, name := range append([]string{"web"}, dialect.Names()...) {
		kind := name
		if name == "web" {
			kind = "native"
		}
		for _, signed := range []bool{false, true} {
			ns := name
			if signed {
				ns += "-signed"
			}
			fmt.Fprintf(&config, "---\nnamespace: %s\ndialect: %s\ndefault_source: pictures\nrequire_signature: %t\nallow_svg: true\nallow_tiff: true\nsources:\n  - {key: pictures, kind: http, url: %q}\n", ns, kind, signed, origin+"/")
		}
	}
	file := filepath.Join(t.TempDir(), "workspaces.yaml")
	if err := os.WriteFile(file, []byte(config.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	server := startServing(t, map[string]string{"TINTYPE_ROOT_KEY": dialectsRootKey},
		"--apply", file, "--allow-cidr", "127.0.0.0/8", "--base-domain", baseDomain)

	// The keys that the emitters sign with.
	var keys []json.RawMessage
	data, err := os.ReadFile(filepath.Join(emitters, "keys.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		var of struct{ Dialect string }
		if err := json.Unmarshal(key, &of); err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), "POST", server+"/v1/workspaces/"+of.Dialect+"-signed/signing-keys", bytes.NewReader(key))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+dialectsRootKey)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			t.Fatalf("the key of %s: %s\n%s", of.Dialect, res.Status, body)
		}
	}
	return server
}

// emit runs the emitters.
func emit(t *testing.T, args ...string) []emitted {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", append([]string{"emit.mjs"}, args...)...)
	cmd.Dir = emitters
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node emit.mjs: %v (make dialects installs what it needs)\n%s", err, stderr.Bytes())
	}
	var all []emitted
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e emitted
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("%v: %s", err, lines.Bytes())
		}
		all = append(all, e)
	}
	return all
}

// TestDialects requests the URLs that other projects' packages and tests build, and measures
// the answers. make dialects runs it.
func TestDialects(t *testing.T) {
	if os.Getenv("DIALECTS") == "" {
		t.Skip("not run: make dialects")
	}
	suites := os.Getenv("SUITES")
	origin := dialectsOrigin(t, suites)
	server := startDialects(t, origin.URL)
	args := []string{"--path=/dusk.jpg", "--url=" + origin.URL + "/dusk.jpg", "--width=2400", "--height=1600"}
	if suites != "" {
		args = append(args, "--suites="+suites)
	}
	cases := emit(t, args...)

	results := make([]result, len(cases))
	var wg sync.WaitGroup
	next := make(chan int)
	for range 2 {
		wg.Go(func() {
			for i := range next {
				results[i] = result{cases[i], measure(t.Context(), server, cases[i])}
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	wg.Wait()

	table, failed := conformance(results)
	t.Log("\n" + table)
	for _, r := range failed {
		t.Errorf("%s: %s\n\t%s\n\t%s", r.Suite, r.Case, r.URL, r.problem)
	}
	for _, d := range unmet(results, suites != "") {
		t.Errorf("no case meets the difference %q of %s: remove it from the table", d.why, d.suite)
	}
	if suites != "" && len(failed) == 0 && !t.Failed() {
		golden.File(t, conformanceFile, conformanceText+table)
	}
}

// measure requests a URL and compares the answer with the wanted one.
func measure(ctx context.Context, server string, c emitted) string {
	if c.NotRun != "" {
		return ""
	}
	ns := cmp.Or(c.Dialect, "web")
	if c.Signed {
		ns += "-signed"
	}
	res, body, err := ask(ctx, server, ns+"."+baseDomain, asSent(c.URL), c.Accept)
	if err != nil {
		return err.Error()
	}
	if want := cmp.Or(c.Want.Status, http.StatusOK); res.StatusCode != want {
		return fmt.Sprintf("%d, not %d: %s", res.StatusCode, want, message(body))
	}
	if res.StatusCode != http.StatusOK {
		return ""
	}
	if problem := compare(c, res.Header.Get("Content-Type"), body); problem != "" {
		return problem
	}
	for name, want := range c.Want.Headers {
		if got := res.Header.Get(name); got == "" || want != "*" && strings.ReplaceAll(got, `"`, "") != strings.ReplaceAll(want, `"`, "") {
			return fmt.Sprintf("%s: %q, not %q", name, got, want)
		}
	}
	// The same URL under its prefix, in path form, must give the same variant.
	if d := dialect.Named(c.Dialect); d != nil {
		again, _, err := ask(ctx, server, "", "/"+ns+"/"+d.Prefixes[0]+asSent(c.URL), c.Accept)
		if err != nil {
			return err.Error()
		}
		if a, b := res.Header.Get("ETag"), again.Header.Get("ETag"); a != b {
			return fmt.Sprintf("under its prefix: %s, ETag %s, not %s", again.Status, b, a)
		}
	}
	if ignored := res.Header.Get("Tintype-Ignored"); ignored != "" {
		return "ignored: " + ignored
	}
	return ""
}

// decodeConfig returns the size and the format of an image. It prefers decoders of other
// projects to Tintype's.
func decodeConfig(b []byte) (image.Config, string, error) {
	config, format, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil {
		h, err := header.Read(b)
		if err != nil {
			return config, "", err
		}
		config.Width, config.Height, format = h.Width, h.Height, string(h.Format)
	}
	return config, format, nil
}

// compare compares an image with the wanted one. Products round differently, so a side may be
// one pixel longer or shorter.
func compare(c emitted, contentType string, body []byte) string {
	if c.File != "" {
		data, err := os.ReadFile(filepath.Join(os.Getenv("SUITES"), c.File))
		if err != nil {
			return err.Error()
		}
		config, format, err := decodeConfig(data)
		if err != nil {
			return fmt.Sprintf("%s: %v", c.File, err)
		}
		c.Want.W, c.Want.H, c.Want.Format = config.Width, config.Height, format
	}
	if c.Want.W == 0 && c.Want.Format == "" {
		return ""
	}
	config, format, err := decodeConfig(body)
	if err != nil {
		return fmt.Sprintf("%s: %v", contentType, err)
	}
	if want := "image/" + format; contentType != want {
		return fmt.Sprintf("Content-Type %s of a %s", contentType, format)
	}
	if w := c.Want; w.W != 0 && (abs(config.Width-w.W) > 1 || w.H != 0 && abs(config.Height-w.H) > 1) {
		return fmt.Sprintf("%d×%d, not %d×%d", config.Width, config.Height, w.W, w.H)
	}
	if c.Want.Format != "" && format != c.Want.Format {
		return fmt.Sprintf("%s, not %s", format, c.Want.Format)
	}
	return ""
}

func isFile(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.Mode().IsRegular()
}

func abs(n int) int { return max(n, -n) }

// message returns the message of an API error.
func message(body []byte) string {
	if !json.Valid(body) {
		return ""
	}
	var e struct {
		Error struct{ Message string }
	}
	if json.Unmarshal(body, &e) != nil || e.Error.Message == "" {
		return string(body[:min(len(body), 200)])
	}
	return e.Error.Message
}

// asSent returns a URL as browsers send it.
func asSent(target string) string {
	var b strings.Builder
	for i := range len(target) {
		if c := target[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// ask sends a GET request and doesn't change the target. An empty host means the server's
// host.
func ask(ctx context.Context, server, host, target, accept string) (*http.Response, []byte, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, nil, err
	}
	u.Opaque, u.RawQuery, _ = strings.Cut(target, "?")
	u.ForceQuery = strings.HasSuffix(target, "?")
	if strings.HasPrefix(u.Opaque, "//") {
		// Without the host, the client would read the path as a host.
		u.Opaque = "//" + u.Host + u.Opaque
	}
	req, err := http.NewRequestWithContext(ctx, "GET", "/", nil)
	if err != nil {
		return nil, nil, err
	}
	req.URL, req.Host = u, cmp.Or(host, u.Host)
	if accept != "" {
		req.Header.Set("Accept", accept)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res, body, err
}

// deviationOf returns the first deviation that matches a result, or nil.
func deviationOf(r result) *deviation {
	for i, d := range deviations {
		if regexp.MustCompile(d.suite).MatchString(r.Suite) && regexp.MustCompile(d.name).MatchString(r.Case) && regexp.MustCompile(d.problem).MatchString(r.problem) {
			return &deviations[i]
		}
	}
	return nil
}

// unmet returns the deviations that no result matches. all says that the suites of
// repositories were run.
func unmet(results []result, all bool) (unmet []deviation) {
	for i := range deviations {
		d := &deviations[i]
		if !all && strings.HasPrefix(d.suite, "^repositories") {
			continue
		}
		if !slices.ContainsFunc(results, func(r result) bool { return r.problem != "" && deviationOf(r) == d }) {
			unmet = append(unmet, *d)
		}
	}
	return unmet
}

// conformance returns the table, and the results that differ without a known reason.
func conformance(results []result) (table string, failed []result) {
	type row struct {
		cases, pass, differ int
		named               int            // cases with ignored parameters
		why, ignored        map[string]int // cases for each reason, and for each ignored parameter
		notRun              string
	}
	rows := map[string]*row{}
	var total row
	for _, r := range results {
		w := rows[r.Suite]
		if w == nil {
			w = &row{why: map[string]int{}, ignored: map[string]int{}}
			rows[r.Suite] = w
		}
		if r.NotRun != "" {
			w.notRun = r.NotRun
			continue
		}
		w.cases++
		total.cases++
		if r.problem == "" {
			w.pass++
			total.pass++
			continue
		}
		names, isIgnored := strings.CutPrefix(r.problem, "ignored: ")
		isIgnored = isIgnored && holdsAll(r.URL, names)
		d := deviationOf(r)
		switch {
		case d != nil:
			w.why[d.why]++
		case isIgnored:
			for name := range strings.SplitSeq(names, ", ") {
				w.ignored[name]++
			}
			w.named++
		default:
			failed = append(failed, r)
			continue
		}
		w.differ++
		total.differ++
	}
	var b strings.Builder
	b.WriteString("| suite | cases | pass | differ | why |\n| --- | ---: | ---: | ---: | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(rows)) {
		w := rows[name]
		if w.notRun != "" {
			fmt.Fprintf(&b, "| %s | | | | not run: %s |\n", name, w.notRun)
			continue
		}
		var why []string
		for _, reason := range slices.Sorted(maps.Keys(w.why)) {
			why = append(why, fmt.Sprintf("%d: %s", w.why[reason], reason))
		}
		if w.named > 0 {
			names := slices.Sorted(maps.Keys(w.ignored))
			what := fmt.Sprintf("%d parameters", len(names))
			if len(names) <= 24 {
				for i, name := range names {
					names[i] = fmt.Sprintf("`%s`", name)
					if len(names) > 4 {
						names[i] += fmt.Sprintf(" %d", w.ignored[name])
					}
				}
				what = strings.Join(names, ", ")
			}
			why = append(why, fmt.Sprintf("%d: ignored, and named as such: %s", w.named, what))
		}
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %s |\n", name, w.cases, w.pass, w.differ, strings.Join(why, "; "))
	}
	fmt.Fprintf(&b, "| **all** | %d | %d | %d | |\n", total.cases, total.pass, total.differ)
	return b.String(), failed
}

// holdsAll reports whether a URL contains all of the names. Tintype-Ignored must name only
// parameters of the URL.
func holdsAll(target, names string) bool {
	if decoded, err := url.PathUnescape(target); err == nil {
		target += decoded
	}
	for name := range strings.SplitSeq(names, ", ") {
		if decoded, err := url.PathUnescape(name); err == nil {
			name = decoded
		}
		if !strings.Contains(target, name) {
			return false
		}
	}
	return true
}

// conformanceText is the text above the table in docs/dialects-conformance.md.
const conformanceText = `# Tests with other projects' packages

` + "`make dialects`" + ` runs the URL builders that front ends use. It requests every URL from a Tintype server and measures the answers. Width, height and format must be as the
product documents them, for an original of 2400 × 1600 pixels. A side may differ by one pixel, since products round differently. URLs of imgix, imgproxy, thumbor, Cloudinary and
weserv are requested twice: without and with their prefix. Both must give the same variant. Signed URLs are verified with the packages' signing keys.

` + "`make dialects SUITES=dir`" + ` also runs the tests in other projects' repositories. The folder has a checkout of each, under the name in the table.

- **pass**: the answer is as the product documents it.
- **differ**: the difference is known. *why* has the number of cases for each reason. The header ` + "`Tintype-Ignored`" + ` names ignored parameters.

`
