package dialect

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

// suite reads a file of a public repository. $SUITES is a folder with checkouts of
// repositories, each under its name.
func suite(t *testing.T, repository, file string) string {
	t.Helper()
	suites := os.Getenv("SUITES")
	if suites == "" {
		t.Skip("not run: set SUITES to a folder that holds " + repository)
	}
	data, err := os.ReadFile(filepath.Join(suites, repository, filepath.FromSlash(file)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestNuxtFixtures parses the URLs in nuxt's tests of its providers. Each must give the size and
// format that nuxt asked for.
func TestNuxtFixtures(t *testing.T) {
	original := transform.Size{W: 3000, H: 2000}
	// The sizes of the output, by modifiers and dialect. nuxt rounds widths for Vercel: 200 to
	// 640, and no width to 1536.
	wants := map[string]map[string]transform.Size{
		"{}":                          {"vercel": {W: 1536, H: 1024}, "": original},
		"{ width: 200 }":              {"vercel": {W: 640, H: 427}, "": {W: 200, H: 133}},
		"{ height: 200 }":             {"vercel": {W: 1536, H: 1024}, "": {W: 300, H: 200}},
		"{ width: 200, height: 200 }": {"vercel": {W: 640, H: 427}, "ipx": {W: 200, H: 200}, "": {W: 200, H: 133}},
		"{ width: 200, height: 200, fit: 'contain' }":                 {"vercel": {W: 640, H: 427}, "ipx": {W: 200, H: 200}, "": {W: 200, H: 133}},
		"{ width: 200, height: 200, fit: 'contain', format: 'jpeg' }": {"vercel": {W: 640, H: 427}, "ipx": {W: 200, H: 200}, "": {W: 200, H: 133}},
	}
	seen := map[string]int{}
	modifiers := ""
	for line := range strings.Lines(suite(t, "nuxt-image", "test/providers.ts")) {
		line = strings.TrimSpace(line)
		if args, ok := strings.CutPrefix(line, "args: ['/test.png', "); ok {
			modifiers = strings.TrimSuffix(args, "],")
			continue
		}
		provider, rest, _ := strings.Cut(line, ": { url: '")
		url, _, _ := strings.Cut(rest, "'")
		path, query, _ := strings.Cut(url, "?")
		d, tail := Find(path)
		if d == nil || d.Whole {
			continue
		}
		seen[provider]++
		r, err := d.Parse(URL{Path: tail, RawQuery: query, DefaultSource: "public"})
		if err != nil || r.Image.Path != "public/test.png" || len(r.Ignored) > 0 {
			t.Errorf("%s: %+v, %v", url, r, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil {
			t.Errorf("%s: %v", url, err)
			continue
		}
		want, ok := wants[modifiers][d.Name]
		if !ok {
			want, ok = wants[modifiers][""]
		}
		if p, err := o.Plan(original); !ok || err != nil || p.Output != want {
			t.Errorf("%s: %v, %v; want %v for %s", url, p.Output, err, want, modifiers)
		}
		if jpeg := strings.Contains(modifiers, "jpeg") && d != vercel; jpeg != (o.Format == transform.JPEG) {
			t.Errorf("%s: the format is %s", url, o.Format)
		}
	}
	for _, provider := range [...]string{"ipx", "cloudflare", "netlifyImageCdn", "vercel"} {
		if seen[provider] < 5 {
			t.Errorf("%d URLs of %s", seen[provider], provider)
		}
	}
	t.Log(seen)
}

// TestUnpicExpectations parses the URLs in the tests of unpic's providers. No parameter of
// theirs is ignored.
func TestUnpicExpectations(t *testing.T) {
	for _, provider := range [...]string{"cloudflare", "ipx", "netlify", "nextjs", "vercel"} {
		source := suite(t, "unpic", "src/providers/"+provider+".test.ts")
		source = strings.NewReplacer("${baseURL}", "/_ipx", "${remoteBaseUrl}", "/_ipx").Replace(source)
		cases := 0
		for _, text := range quoted(source) {
			if scheme := strings.Index(text, "://"); scheme >= 0 && scheme < len("https:") {
				_, text, _ = strings.Cut(text[scheme+3:], "/")
				text = "/" + text
			}
			path, query, _ := strings.Cut(text, "?")
			d, tail := Find(path)
			if d == nil || tail == "" && query == "" {
				continue
			}
			r, err := d.Parse(URL{Path: tail, RawQuery: query, DefaultSource: "public"})
			if e, ok := err.(*Error); ok && d == next && e.Param == "q" {
				continue // Next refuses this URL too
			}
			if err != nil || len(r.Ignored) > 0 {
				t.Errorf("%s: ignored are %q, %v", text, r.Ignored, err)
				continue
			}
			if _, err := transform.Parse(transform.Defaults(), r.Options.Query); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			cases++
		}
		if cases == 0 {
			t.Errorf("no URL of %s", provider)
		}
		t.Log(provider + ": " + strconv.Itoa(cases))
	}
}

// quoted returns the strings in a TypeScript file. It knows no escapes.
func quoted(source string) (list []string) {
	for line := range strings.Lines(source) {
		for _, quote := range [...]string{`"`, "`"} {
			for i, text := range strings.Split(line, quote) {
				if i%2 == 1 {
					list = append(list, text)
				}
			}
		}
	}
	return list
}
