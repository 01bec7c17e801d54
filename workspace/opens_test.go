package workspace

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestOpens: Opens warns of exactly the images that a change makes public, or shows without
// a mark.
func TestOpens(t *testing.T) {
	at := func(key, path string) Source {
		return Source{Key: key, Kind: "http", URL: "https://o.example.com/" + path}
	}
	private := func(s Source) Source { s.Private = true; return s }
	also := func(s Source, urls ...string) Source { s.PublicURLs = urls; return s }
	bucket := func(key, prefix string) Source {
		return Source{Key: key, Kind: "s3", Bucket: "media", Region: "eu-west-1", Prefix: prefix}
	}
	mark := func(name string, sources ...string) Mark {
		return Mark{Name: name, Image: "photos/" + name + ".png", AutoApplySources: sources}
	}
	hidden := func(m Mark) Mark { m.Opacity = new(float64); return m }
	faint := func(m Mark) Mark { low := 0.001; m.Opacity = &low; return m }
	sized := func(m Mark, width, height string) Mark { m.Width, m.Height = width, height; return m }
	type edit func(*Workspace)
	sources := func(list ...Source) edit { return func(w *Workspace) { w.Sources = list } }
	marks := func(list ...Mark) edit { return func(w *Workspace) { w.Marks = list } }
	allowed := func(list ...string) edit { return func(w *Workspace) { w.AllowedSources = list } }
	signed := func(w *Workspace) { w.RequireSignature = true }
	httpsOnly := func(w *Workspace) { w.HTTPSOnly = true }
	photos, vault := at("photos", "photos/"), private(at("vault", "photos/vault/"))
	priv1 := Source{Key: "aa", Kind: "http", URL: "https://b1.example.com/s/", Private: true}
	mark1 := Source{Key: "aa", Kind: "http", URL: "https://b1.example.com/s/"}
	const (
		inPhotos = "images of source photos whose paths begin with vault/"
		byURL    = " are public from now on by their full URLs, which allowed_sources allow (%s), where their server gives them to anybody"
	)
	for name, test := range map[string]struct {
		old, new []edit
		want     []string
	}{
		"nothing":       {[]edit{sources(photos, vault)}, []edit{sources(photos, vault)}, nil},
		"another name":  {[]edit{sources(photos, vault)}, []edit{sources(photos, private(at("safe", "photos/vault/")))}, nil},
		"another order": {[]edit{sources(photos, vault)}, []edit{sources(vault, photos)}, nil},
		"gone, beside a look-alike": {[]edit{sources(vault), allowed("o.example.com/photos/Vault/")}, []edit{allowed("o.example.com/photos/Vault/")}, []string{
			"source vault, which was private, is gone: full URLs that some servers take for those of its images, and which allowed_sources allow (o.example.com/photos/Vault/), were refused and are shown from now on"}},
		"moved, beside a look-alike": {[]edit{sources(vault), allowed("o.example.com/photos/Vault/")}, []edit{sources(private(at("vault", "new/"))), allowed("o.example.com/photos/Vault/")}, []string{
			"source vault, which was private, has another place now: full URLs that some servers take for those of its images, and which allowed_sources allow (o.example.com/photos/Vault/), were refused and are shown from now on"}},
		"public, beside a look-alike": {[]edit{sources(vault), allowed("o.example.com/photos/Vault/")}, []edit{sources(at("vault", "photos/vault/")), allowed("o.example.com/photos/Vault/")}, []string{
			"source vault is not private any more: its images are public from now on",
			"source vault is not private any more: full URLs that some servers take for those of its images, and which allowed_sources allow (o.example.com/photos/Vault/), were refused and are shown from now on"}},
		"gone, beside a look-alike, signed":             {[]edit{signed, sources(vault), allowed("o.example.com/photos/Vault/")}, []edit{signed, allowed("o.example.com/photos/Vault/")}, nil},
		"gone, beside a look-alike that is not allowed": {[]edit{sources(vault)}, nil, nil},
		"a public source":                               {[]edit{sources(photos)}, []edit{sources(photos, at("web", "web/"))}, nil},
		"deleted, in a public place": {[]edit{sources(photos, vault)}, []edit{sources(photos)}, []string{
			"source vault, which was private, is gone: " + inPhotos + " are public from now on"}},
		"deleted, at a public place": {[]edit{sources(photos, private(at("vault", "photos/")))}, []edit{sources(photos)}, []string{
			"source vault, which was private, is gone: all images of source photos are public from now on"}},
		"deleted, in a private place": {[]edit{sources(private(photos), vault)}, []edit{sources(private(photos))}, nil},
		"deleted, nobody's":           {[]edit{sources(vault)}, []edit{sources()}, nil},
		"deleted, and allowed": {[]edit{sources(vault), allowed("*.example.net", "o.example.com/photos/")}, []edit{sources(), allowed("*.example.net", "o.example.com/photos/")}, []string{
			"source vault, which was private, is gone: its images" + fmt.Sprintf(byURL, "o.example.com/photos/")}},
		"a bucket, deleted, and allowed": {[]edit{sources(private(bucket("media", ""))), allowed("*")}, []edit{sources(), allowed("*")}, []string{
			"source media, which was private, is gone: its images" + fmt.Sprintf(byURL, "*")}},
		"deleted, with signatures required": {[]edit{sources(photos, vault), signed, allowed("*")}, []edit{sources(photos), signed, allowed("*")}, nil},
		"moved": {[]edit{sources(photos, vault)}, []edit{sources(photos, private(at("vault", "vault/")))}, []string{
			"source vault, which was private, has another place now: " + inPhotos + " are public from now on"}},
		"moved, and allowed": {[]edit{sources(vault), allowed("*")}, []edit{sources(private(at("vault", "vault/"))), allowed("*")}, []string{
			"source vault, which was private, has another place now: images at its former place" + fmt.Sprintf(byURL, "*")}},
		"a public URL of a private one is gone": {[]edit{sources(also(vault, "https://cdn.example.com/v/")), allowed("*")}, []edit{sources(vault), allowed("*")}, []string{
			"source vault, which was private, has another place now: images at its former place" + fmt.Sprintf(byURL, "*")}},
		"not private": {[]edit{sources(photos, vault)}, []edit{sources(photos, at("vault", "photos/vault/"))}, []string{
			"source vault is not private any more: its images are public from now on"}},
		"a bucket, not private": {[]edit{sources(private(bucket("media", "")))}, []edit{sources(bucket("media", ""))}, []string{
			"source media is not private any more: its images are public from now on"}},
		"not private, but another on the place is": {[]edit{sources(vault, private(at("safe", "photos/vault/")))}, []edit{sources(at("vault", "photos/vault/"), private(at("safe", "photos/vault/")))}, nil},
		"a public source in a private one": {[]edit{sources(private(photos))}, []edit{sources(private(photos), at("lobby", "photos/lobby/"))}, []string{
			"source lobby is public and lies in source photos, which is private: all images of source lobby are public from now on"}},
		"private by its public URL": {[]edit{sources(also(photos, "https://cdn.example.com/"), private(Source{Key: "vault", Kind: "http", URL: "https://cdn.example.com/"}))},
			[]edit{sources(also(photos, "https://cdn.example.com/"))}, []string{
				"source vault, which was private, is gone: all images of source photos are public from now on"}},

		"an unmarked source leaves a marked one": {[]edit{sources(photos, at("x", "photos/x/")), marks(mark("m", "photos"))}, []edit{sources(photos), marks(mark("m", "photos"))}, []string{
			"source x, which had no such marks, is gone: full URLs of its images lie in source photos, and carry its marks from now on (m)"}},
		"a marked source leaves one with the same marks": {[]edit{sources(photos, at("x", "photos/x/")), marks(mark("m", "photos", "x"))}, []edit{sources(photos), marks(mark("m", "photos"))}, nil},
		"a mark is hidden": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos), marks(hidden(mark("m", "photos")))}, []string{
			"mark m has opacity 0: images of source photos don't show it from now on"}},
		"a mark gets faint": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos), marks(faint(mark("m", "photos")))}, []string{
			"mark m has an opacity below 0.01: images of source photos don't show it from now on"}},
		"a mark gets narrow": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos), marks(sized(mark("m", "photos"), "1", ""))}, []string{
			"mark m has a width of 1 pixel: images of source photos don't show it from now on"}},
		"a mark gets flat": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos), marks(sized(mark("m", "photos"), "", "1"))}, []string{
			"mark m has a height of 1 pixel: images of source photos don't show it from now on"}},
		"a mark gets smaller":      {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos), marks(sized(mark("m", "photos"), "20", "10"))}, nil},
		"a hidden mark is unbound": {[]edit{sources(photos), marks(hidden(mark("m", "photos")))}, []edit{sources(photos), marks(mark("m"))}, nil},
		"a hidden mark is shown":   {[]edit{sources(photos), marks(hidden(mark("m", "photos")))}, []edit{sources(photos), marks(mark("m", "photos"))}, nil},
		"the operator's, hidden": {[]edit{marks(mark("m", "samples"))}, []edit{marks(hidden(mark("m", "samples")))}, []string{
			"mark m has opacity 0: images of source samples don't show it from now on"}},

		"signatures": {[]edit{sources(photos), signed, allowed("example.com")}, []edit{sources(photos), allowed("example.com")}, []string{
			"require_signature is off: images of all sources that aren't private, and all that allowed_sources allow (example.com), are public from now on"}},
		"signatures, and nothing allowed": {[]edit{sources(photos), signed}, []edit{sources(photos)}, []string{
			"require_signature is off: images of all sources that aren't private are public from now on"}},
		"signatures and a source": {[]edit{sources(photos, vault), signed}, []edit{sources(photos)}, []string{
			"require_signature is off: images of all sources that aren't private are public from now on",
			"source vault, which was private, is gone: " + inPhotos + " are public from now on"}},
		"signatures required": {[]edit{sources(photos)}, []edit{sources(photos), signed}, nil},

		"everything": {[]edit{allowed("example.com")}, []edit{allowed("example.com", "*")}, []string{
			"allowed_sources: * allows the images of every host over https and http: they are public from now on by their full URLs"}},
		"everything over https": {[]edit{allowed()}, []edit{allowed("https://*")}, []string{
			"allowed_sources: https://* allows the images of every host over https: they are public from now on by their full URLs"}},
		"over http too": {[]edit{allowed("https://*")}, []edit{allowed("*")}, []string{
			"allowed_sources: * allows the images of every host over http: they are public from now on by their full URLs"}},
		"https_only off": {[]edit{allowed("*"), httpsOnly}, []edit{allowed("*")}, []string{
			"allowed_sources: * allows the images of every host over http: they are public from now on by their full URLs"}},
		"the same over https only":    {[]edit{allowed("https://*"), httpsOnly}, []edit{allowed("*"), httpsOnly}, nil},
		"everything, but for a right": {[]edit{signed, allowed()}, []edit{signed, allowed("*")}, nil},
		"everything, still":           {[]edit{allowed("*")}, []edit{allowed("*", "example.com")}, nil},
		"less":                        {[]edit{allowed("*")}, []edit{allowed("example.com")}, nil},
		"one host":                    {[]edit{allowed()}, []edit{allowed("example.com", "*.example.net")}, nil},

		"unbound": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos), marks(mark("m"))}, []string{
			"source photos has lost marks: its images don't carry them from now on (m)"}},
		"marks gone": {[]edit{sources(photos), marks(mark("b", "photos"), mark("a", "photos"), mark("c", "photos"))}, []edit{sources(photos), marks(mark("c", "photos"))}, []string{
			"source photos has lost marks: its images don't carry them from now on (a, b)"}},
		"a mark of another name": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos), marks(Mark{Name: "n", Image: "photos/m.png", AutoApplySources: []string{"photos"}})}, nil},
		"a mark more":            {[]edit{sources(photos)}, []edit{sources(photos), marks(mark("m", "photos"))}, nil},
		"bound to the other one on a place": {[]edit{sources(photos, at("brand", "photos/")), marks(mark("m", "photos"))},
			[]edit{sources(photos, at("brand", "photos/")), marks(mark("m", "brand"))}, nil},
		"a marked source deleted": {[]edit{sources(at("all", ""), photos), marks(mark("m", "photos"))}, []edit{sources(at("all", "")), marks(mark("m"))}, []string{
			"source photos, which had marks, is gone: images of source all whose paths begin with photos/ don't carry them from now on (m)"}},
		"a marked source deleted, and allowed": {[]edit{sources(photos), marks(mark("m", "photos")), allowed("*")}, []edit{sources(), allowed("*")}, []string{
			"source photos, which had marks, is gone: its images don't carry them from now on (m) by their full URLs, which allowed_sources allow (*)"}},
		"a marked source deleted, and nobody's": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources()}, nil},
		"a source in a marked one": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(photos, at("x", "photos/x/")), marks(mark("m", "photos"))}, []string{
			"source x has no such marks and lies in source photos: all images of source x don't carry them from now on (m)"}},
		"a source with one of two marks in a marked one": {[]edit{sources(photos), marks(mark("m", "photos"), mark("n", "photos"))},
			[]edit{sources(photos, at("x", "photos/x/")), marks(mark("m", "photos", "x"), mark("n", "photos"))}, []string{
				"source x has no such marks and lies in source photos: all images of source x don't carry them from now on (n)"}},
		"a source with the mark in a marked one": {[]edit{sources(photos), marks(mark("m", "photos"))},
			[]edit{sources(photos, at("x", "photos/x/")), marks(mark("m", "photos", "x"))}, nil},
		"a public bucket in a private one": {[]edit{sources(private(bucket("media", "")))}, []edit{sources(private(bucket("media", "")), bucket("open", "open/"))}, []string{
			"source open is public and lies in source media, which is private: all images of source open are public from now on"}},
		"public by its public URL in a private one": {[]edit{sources(private(photos))}, []edit{sources(private(photos), also(at("web", "web/"), "https://o.example.com/photos/web/"))}, []string{
			"source web is public and lies in source photos, which is private: all images of source web are public from now on"}},
		"a public source moved into a private one": {[]edit{sources(private(photos), at("web", "web/"))}, []edit{sources(private(photos), at("web", "photos/web/"))}, []string{
			"source web is public and lies in source photos, which is private: all images of source web are public from now on"}},
		"a public source moved from a private one inside it": {[]edit{sources(photos, vault)}, []edit{sources(at("photos", "web/"), vault)}, []string{
			"source photos has another place now: its images whose paths begin with vault/ were as private as source vault, and are public from now on"}},
		"a public source moved from two in it": {[]edit{sources(photos, vault, private(at("safe", "photos/a/safe/"))), marks(mark("m", "safe"))},
			[]edit{sources(at("photos", "web/"), vault, private(at("safe", "photos/a/safe/"))), marks(mark("m", "safe"))}, []string{
				"source photos has another place now: its images whose paths begin with vault/ were as private as source vault, and are public from now on",
				"source photos has another place now: its images whose paths begin with a/safe/ were as private as source safe, and are public from now on",
				"source photos has another place now: its images whose paths begin with a/safe/ don't carry marks of its former place from now on (m)"}},
		"a public source moved from a private one at its place": {[]edit{sources(photos, private(at("vault", "photos/")))}, []edit{sources(at("photos", "web/"), private(at("vault", "photos/")))}, []string{
			"source photos has another place now: its images were as private as source vault, and are public from now on"}},
		"a private source is public elsewhere": {[]edit{sources(private(photos))}, []edit{sources(at("photos", "web/"))}, []string{
			"source photos has another place now: its images were as private as source photos, and are public from now on"}},
		"a public source moved with the private one inside it": {[]edit{sources(photos, vault)}, []edit{sources(at("photos", "web/"), private(at("vault", "web/vault/")))}, nil},
		"a public source moved, signed":                        {[]edit{sources(photos, vault), signed}, []edit{sources(at("photos", "web/"), vault), signed}, nil},
		"a public source moved within the one that has both": {[]edit{sources(photos, vault)}, []edit{sources(at("photos", ""), vault), allowed("*.example.net")}, []string{
			"source photos has another place now: its images whose paths begin with vault/ were as private as source vault, and are public from now on"}},
		"a private source moved":                          {[]edit{sources(private(photos), vault)}, []edit{sources(private(at("photos", "web/")), vault)}, nil},
		"a public source moved from beside a private one": {[]edit{sources(at("photos", "photos/vaulted/"), vault)}, []edit{sources(at("photos", "web/"), vault)}, nil},
		"a source moved from a marked one inside it": {[]edit{sources(photos, at("x", "photos/x/")), marks(mark("m", "x"))}, []edit{sources(at("photos", "web/"), at("x", "photos/x/")), marks(mark("m", "x"))}, []string{
			"source photos has another place now: its images whose paths begin with x/ don't carry marks of its former place from now on (m)"}},
		"a marked source moved": {[]edit{sources(photos), marks(mark("m", "photos"))}, []edit{sources(at("photos", "web/")), marks(mark("m", "photos"))}, nil},
		"the operator's, unbound": {[]edit{marks(mark("m", "samples"))}, []edit{marks(mark("m"))}, []string{
			"source samples has lost marks: its images don't carry them from now on (m)"}},
		"private and marked": {[]edit{sources(photos, vault), marks(mark("m", "vault"))}, []edit{sources(photos), marks(mark("m"))}, []string{
			"source vault, which was private, is gone: " + inPhotos + " are public from now on",
			"source vault, which had marks, is gone: " + inPhotos + " don't carry them from now on (m)"}},

		"https_only off, and a host": {[]edit{allowed("h.example.com", "https://s.example.com", "http://p.example.com", "q.example.com:8443"), httpsOnly}, []edit{allowed("h.example.com", "https://s.example.com", "http://p.example.com", "q.example.com:8443")}, []string{
			"https_only is off: full URLs over http, which allowed_sources allow (h.example.com, http://p.example.com, q.example.com:8443), are public from now on"}},
		"https_only off, over https":          {[]edit{allowed("https://h.example.com"), httpsOnly}, []edit{allowed("https://h.example.com")}, nil},
		"https_only off, and nothing allowed": {[]edit{sources(photos), httpsOnly}, []edit{sources(photos)}, nil},
		"https_only off, in a source":         {[]edit{sources(photos), allowed("o.example.com/photos/"), httpsOnly}, []edit{sources(photos), allowed("o.example.com/photos/")}, nil},
		"https_only off, signed":              {[]edit{signed, allowed("h.example.com"), httpsOnly}, []edit{signed, allowed("h.example.com")}, nil},

		"a public URL in a private place is gone": {[]edit{sources(also(photos, "https://b1.example.com/s/"), priv1)}, []edit{sources(photos, priv1)}, []string{
			"source photos has lost the place https://b1.example.com/s/, by which it was as private as source aa: all images of source photos are public from now on"}},
		"a public URL in a marked place is gone": {[]edit{sources(also(photos, "https://b1.example.com/s/"), mark1), marks(mark("m", "aa"))}, []edit{sources(photos, mark1), marks(mark("m", "aa"))}, []string{
			"source photos has lost the place https://b1.example.com/s/, by which it had the marks of source aa: all images of source photos don't carry them from now on (m)"}},
		"a place in a private one is gone, a public URL stays": {[]edit{sources(also(Source{Key: "dd", Kind: "http", URL: "https://b1.example.com/s/"}, "https://o.example.com/v/"), priv1)}, []edit{sources(at("dd", "v/"), priv1)}, []string{
			"source dd has lost the place https://b1.example.com/s/, by which it was as private as source aa: all images of source dd are public from now on",
			"source dd has another place now: its images were as private as source aa, and are public from now on"}},
		"a source with a public URL in a private place is gone, and allowed": {[]edit{sources(also(photos, "https://b1.example.com/s/"), priv1), allowed("o.example.com")}, []edit{sources(priv1), allowed("o.example.com")}, []string{
			"source photos, which was as private as source aa, is gone: its images" + fmt.Sprintf(byURL, "o.example.com")}},
		"a source with a public URL in a private place moves, and allowed": {[]edit{sources(also(photos, "https://b1.example.com/s/"), priv1), allowed("o.example.com")}, []edit{sources(also(at("photos", "new/"), "https://b1.example.com/s/"), priv1), allowed("o.example.com")}, []string{
			"source photos, which was as private as source aa, has another place now: images at its former place" + fmt.Sprintf(byURL, "o.example.com")}},
		"a source with a private place in common is not private": {[]edit{sources(also(photos, "https://b1.example.com/s/"), priv1)}, []edit{sources(also(photos, "https://b1.example.com/s/"), mark1)}, []string{
			"source aa is not private any more: all images of source photos are public from now on",
			"source aa is not private any more: its images are public from now on"}},
		"a source with marks in common has lost them": {[]edit{sources(also(photos, "https://b1.example.com/s/"), mark1), marks(mark("m", "aa"))}, []edit{sources(also(photos, "https://b1.example.com/s/"), mark1), marks(mark("m"))}, []string{
			"source aa has lost marks: all images of source photos don't carry them from now on (m)",
			"source aa has lost marks: its images don't carry them from now on (m)"}},
		"the one between is gone": {[]edit{sources(also(photos, "https://b2.example.com/t/"), also(Source{Key: "ee", Kind: "http", URL: "https://b2.example.com/t/"}, "https://b1.example.com/s/"), priv1)},
			[]edit{sources(also(photos, "https://b2.example.com/t/"), priv1)}, []string{
				"source ee, which was as private as source aa, is gone: all images of source photos are public from now on"}},
		"the one between has lost its place": {[]edit{sources(also(photos, "https://b2.example.com/t/"), also(Source{Key: "ee", Kind: "http", URL: "https://b2.example.com/t/"}, "https://b1.example.com/s/"), priv1)},
			[]edit{sources(also(photos, "https://b2.example.com/t/"), Source{Key: "ee", Kind: "http", URL: "https://b2.example.com/t/"}, priv1)}, []string{
				"source ee has lost the place https://b1.example.com/s/, by which it was as private as source aa: all images of source photos are public from now on"}},
		"a public source in one that another makes private": {[]edit{sources(also(photos, "https://b1.example.com/s/"), priv1)}, []edit{sources(also(photos, "https://b1.example.com/s/"), priv1, at("xx", "photos/in/"))}, []string{
			"source xx lies in source photos, which was as private as source aa: all images of source xx are public from now on"}},
		"gone, part of it allowed": {[]edit{sources(private(at("vault", ""))), allowed("o.example.com/photos/")}, []edit{allowed("o.example.com/photos/")}, []string{
			"source vault, which was private, is gone: its images" + fmt.Sprintf(byURL, "o.example.com/photos/")}},
		"moved, part of it allowed": {[]edit{sources(private(at("vault", ""))), allowed("o.example.com/photos/")}, []edit{sources(private(at("vault", "vault/"))), allowed("o.example.com/photos/")}, []string{
			"source vault, which was private, has another place now: images at its former place" + fmt.Sprintf(byURL, "o.example.com/photos/")}},
		"marked, part of it allowed": {[]edit{sources(at("vault", "")), marks(mark("logo", "vault")), allowed("o.example.com/photos/")}, []edit{sources(at("vault", "vault/")), marks(mark("logo", "vault")), allowed("o.example.com/photos/")}, []string{
			"source vault, which had marks, has another place now: images at its former place don't carry them from now on (logo) by their full URLs, which allowed_sources allow (o.example.com/photos/)"}},
		"what joined two places is gone": {[]edit{sources(private(at("vault", "vault/")), photos, also(at("all", ""), "https://o.example.com/photos/"))}, []edit{sources(private(at("vault", "vault/")), photos)}, []string{
			"places have changed: " + inPhotos + " or photos/vault/ were as private as source vault, and are public from now on"}},
		"what joined two places loses one": {[]edit{sources(private(at("vault", "vault/")), photos, also(at("all", ""), "https://o.example.com/photos/"))}, []edit{sources(private(at("vault", "vault/")), photos, at("all", ""))}, []string{
			"places have changed: " + inPhotos + " or photos/vault/ were as private as source vault, and are public from now on",
			"places have changed: images of source all whose paths begin with photos/vault/ were as private as source vault, and are public from now on"}},
	} {
		t.Run(name, func(t *testing.T) {
			old, w := New("acme"), New("acme")
			old.AllowedSources, w.AllowedSources = nil, nil
			for _, e := range test.old {
				e(old)
			}
			for _, e := range test.new {
				e(w)
			}
			if got := w.Opens(old); !slices.Equal(got, test.want) {
				t.Errorf("%s\nwant %s", strings.Join(got, "\n"), strings.Join(test.want, "\n"))
			}
			if got := w.Opens(w); got != nil {
				t.Errorf("no change: %q", got)
			}
			if got := w.Opens(nil); got != nil {
				t.Errorf("created: %q", got)
			}
		})
	}
}

// BenchmarkOpens: the maximum number of places, on one host.
func BenchmarkOpens(b *testing.B) {
	w := New("acme")
	for i := range 100 {
		s := Source{Key: fmt.Sprintf("s%d", i), Kind: "http", URL: fmt.Sprintf("https://o.example.com/%d/", i), Private: i%2 == 0}
		for j := range 20 {
			s.PublicURLs = append(s.PublicURLs, fmt.Sprintf("https://o.example.com/%d/%d/", i, j))
		}
		w.Sources = append(w.Sources, s)
	}
	old := w.Clone()
	w.Sources = w.Sources[:99]
	b.ReportAllocs()
	for b.Loop() {
		w.Opens(old)
	}
}

// TestOpensLookAlikes: where a server may take two places for one, a change that shows what
// was refused, or what looks like an image of a private source, says so.
func TestOpensLookAlikes(t *testing.T) {
	at := func(key, path string, private bool) Source {
		return Source{Key: key, Kind: "http", URL: "https://o.example.com/" + path, Private: private}
	}
	vault, twin, inner, other := at("vault", "vault/", true), at("pub", "Vault/", false), at("pub", "VAULT/b/", false), at("pub", "open/", false)
	const shown = "source pub: some servers take its place for that of source vault, which was private: images of pub that were refused are shown from now on"
	const inside = "source pub: some servers take its place for one inside source vault, which is private: its images are shown by its own rules"
	for name, tt := range map[string]struct {
		old, new []Source
		want     string
	}{
		"the same":             {[]Source{vault, twin}, []Source{vault, twin}, ""},
		"deleted":              {[]Source{vault, twin}, []Source{twin}, shown},
		"not private":          {[]Source{vault, twin}, []Source{at("vault", "vault/", false), twin}, shown},
		"moved":                {[]Source{vault, twin}, []Source{at("vault", "safe/", true), twin}, shown},
		"both deleted":         {[]Source{vault, twin}, nil, ""},
		"the other is private": {[]Source{vault, twin}, []Source{at("pub", "Vault/", true)}, ""},
		"added inside":         {[]Source{vault}, []Source{vault, inner}, inside},
		"moved inside":         {[]Source{vault, other}, []Source{vault, inner}, inside},
		"inside already":       {[]Source{vault, inner}, []Source{vault, inner}, ""},
		"inside by a space":    {[]Source{vault}, []Source{vault, at("pub", "vault%20/b/", false)}, inside},
		"a private one inside": {[]Source{vault}, []Source{vault, at("pub", "VAULT/b/", true)}, ""},
		"beside":               {[]Source{vault}, []Source{vault, other}, ""},
	} {
		old, changed := New("acme"), New("acme")
		old.Sources, changed.Sources = tt.old, tt.new
		var got []string
		for _, warning := range changed.Opens(old) {
			if strings.Contains(warning, "some servers") {
				got = append(got, warning)
			}
		}
		if strings.Join(got, "; ") != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestAllowsTheWeb: what lets URLs name originals of every host is found, and taken out alone.
func TestAllowsTheWeb(t *testing.T) {
	for _, tt := range []struct {
		list      []string
		httpsOnly bool
		open      bool
		left      []string
	}{
		{nil, false, false, nil},
		{[]string{"*"}, false, true, nil},
		{[]string{"cdn.example", "HTTPS://*", "*.acme.example"}, false, true, []string{"cdn.example", "*.acme.example"}},
		{[]string{"http://*"}, false, true, nil},
		{[]string{"http://*"}, true, false, nil}, // https_only leaves nothing of it, and it goes all the same
		{[]string{"*"}, true, true, nil},
		{[]string{"*.acme.example"}, false, false, []string{"*.acme.example"}},
	} {
		w := &Workspace{AllowedSources: tt.list, HTTPSOnly: tt.httpsOnly}
		if got := w.AllowsTheWeb(); got != tt.open {
			t.Errorf("%q: %t", tt.list, got)
		}
		if w.OwnSourcesOnly(); !slices.Equal(w.AllowedSources, tt.left) || w.AllowedSources == nil {
			t.Errorf("%q: %q is left", tt.list, w.AllowedSources)
		}
	}
}
