package delivery

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// TestCloses: whenever a change makes a URL fail, or need a signature, a warning says so; and
// where a warning says so, some URL does. Each field of a workspace either has changes here, or
// a reason why it closes nothing.
func TestCloses(t *testing.T) {
	b := newBench(t)
	const host = "https://o.example.com/"
	paths := []string{"", "photos/", "photos/vault/", "vault/", "new/"}
	keys := []string{"a", "b", "c"}
	patterns := []string{"*", "https://*", "http://*", "o.example.com", "o.example.com/Vault/", "*.example.com", "o.example.com/vault/", "http://o.example.com/photos/", "p.example.net"}
	origins := []string{"*", "https://shop.example", "*.shop.example", "null"}
	r := rand.New(rand.NewPCG(1, 7))
	one := func(list []string) string { return list[r.IntN(len(list))] }
	flip := func(b *bool) { *b = !*b }
	toggle := func(list *[]string, e string) {
		if i := slices.Index(*list, e); i >= 0 {
			*list = slices.Delete(slices.Clone(*list), i, i+1)
		} else {
			*list = append(slices.Clone(*list), e)
		}
	}
	some := func(w *workspace.Workspace) *workspace.Source {
		if len(w.Sources) == 0 {
			w.Sources = append(w.Sources, workspace.Source{Key: one(keys), Kind: "http", URL: host + one(paths)})
		}
		return &w.Sources[r.IntN(len(w.Sources))]
	}
	changes := map[string]func(*workspace.Workspace){
		"AllowedOrigins": func(w *workspace.Workspace) { toggle(&w.AllowedOrigins, one(origins)) },
		"AllowedSources": func(w *workspace.Workspace) {
			toggle(&w.AllowedSources, one(patterns))
			if r.IntN(3) == 0 {
				w.AllowedSources = []string{one(patterns)}
			}
		},
		"HTTPSOnly":        func(w *workspace.Workspace) { flip(&w.HTTPSOnly) },
		"RequireSignature": func(w *workspace.Workspace) { flip(&w.RequireSignature) },
		"PresetsOnly":      func(w *workspace.Workspace) { flip(&w.PresetsOnly) },
		"StrictOptions":    func(w *workspace.Workspace) { flip(&w.StrictOptions) },
		"Presets": func(w *workspace.Workspace) {
			if w.Presets = append([]workspace.Preset{}, w.Presets...); len(w.Presets) > 0 {
				w.Presets = nil
			} else {
				w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=10"}}
			}
		},
		"Marks": func(w *workspace.Workspace) {
			if len(w.Marks) > 0 {
				w.Marks = nil
			} else {
				w.Marks = []workspace.Mark{{Name: "logo", Image: "https://mark.example.org/logo.png"}}
			}
		},
		"Sources": func(w *workspace.Workspace) {
			key := one(keys)
			if i := slices.IndexFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key }); i >= 0 {
				w.Sources = slices.Delete(w.Sources, i, i+1)
			} else {
				w.Sources = append(w.Sources, workspace.Source{Key: key, Kind: "http", URL: host + one(paths), Private: r.IntN(2) == 0})
			}
		},
		"Sources.Key": func(w *workspace.Workspace) {
			key := one(keys)
			if !slices.ContainsFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key }) {
				some(w).Key = key
			}
		},
		"Sources.Private":    func(w *workspace.Workspace) { flip(&some(w).Private) },
		"Sources.URL":        func(w *workspace.Workspace) { some(w).URL = host + one(paths) },
		"Sources.PublicURLs": func(w *workspace.Workspace) { toggle(&some(w).PublicURLs, host+one(paths)) },
	}
	const (
		named   = "a setting of delivery's answers, not of what is answered"
		secret  = "how the origin is asked"
		place   = "part of the place, as url is"
		checked = "TestCloses of package workspace has it: only the original, or a dialect, shows the difference"
	)
	reasons := map[string]string{
		"Namespace": "no write changes it", "Name": named, "FallbackFormat": named, "CDNCacheControl": named, "SurrogateKey": named, "QuotaHeaders": named,
		"AllowSVG": checked, "AllowTIFF": checked, "Dialect": checked, "DefaultSource": checked, "Domains": checked + ", or another host",
		"Plan": "the operator's", "Limits": "a limit refuses for a time, by count, and the lines of a review name it",
		"ID": named, "Revision": named, "CreatedAt": named, "UpdatedAt": named, "Warnings": named,
		"SigningKeys": "no write of a workspace changes them", "DialectKeys": "no write of a workspace changes them", "Blocks": "no write of a workspace changes them", "Purges": named,
		"Sources.Kind": place, "Sources.Bucket": place, "Sources.Region": place, "Sources.Prefix": place, "Sources.Endpoint": place, "Sources.AccountID": place,
		"Sources.Headers": secret, "Sources.AccessKeyID": secret, "Sources.SecretAccessKey": secret,
		"Sources.Uploads": "the API's", "Sources.TTL": named, "Sources.Revalidate": named, "Sources.CacheControl": named,
	}
	for prefix, typ := range map[string]reflect.Type{"": reflect.TypeFor[workspace.Workspace](), "Sources.": reflect.TypeFor[workspace.Source]()} {
		for i := range typ.NumField() {
			if name := prefix + typ.Field(i).Name; changes[name] == nil && reasons[name] == "" {
				t.Errorf("what does %s close? Say it in workspace/closes.go, and change it here", name)
			}
		}
	}
	var probes []*recentURL
	add := func(origin, rest, query string) {
		probes = append(probes, &recentURL{target: Target{Namespace: "acme", Rest: rest, RawQuery: query}, origin: origin})
	}
	for _, path := range append(paths, "other/", "Vault/", "photos/new/", "photos/photos/") {
		for _, key := range keys {
			add("", "/"+key+"/"+path+"x.jpg", "")
		}
		for _, scheme := range []string{"https", "http"} {
			add("", "", "src="+scheme+"://o.example.com/"+path+"x.jpg")
		}
	}
	for _, u := range []string{"q.example.com", "p.example.net", "elsewhere.example.org"} {
		add("", "", "src=https://"+u+"/x.jpg")
		add("", "", "src=http://"+u+"/x.jpg")
	}
	open := "src=https://p.example.net/x.jpg"
	for _, query := range []string{"&preset=thumb", "&mark=logo", "&nonsense=1", "&w=10"} {
		add("", "", open+query)
	}
	for _, o := range []string{"https://shop.example", "https://x.shop.example", "null", "https://elsewhere.example"} {
		add(o, "", open)
	}
	// admitted says which probes get an answer: each without a key, and each with one.
	admitted := func(w *workspace.Workspace) (ok []bool) {
		c, err := b.compile(w)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range probes {
			_, _, err := b.decide(c, p.target, false, client{}, func() (sender, error) { return sender{Principal: apikey.Principal{Kind: "root"}}, nil })
			ok = append(ok, b.admitsRecent(c, p) == nil, c.admitsOrigin(p.origin) == nil && err == nil)
		}
		return ok
	}
	names := slices.Sorted(func(yield func(string) bool) {
		for name := range changes {
			if !yield(name) {
				return
			}
		}
	})
	closed, opened := map[string]int{}, map[string]int{}
	for i := range 1900 {
		w := b.acme()
		w.Sources, w.AllowedSources, w.AllowedOrigins = nil, []string{"p.example.net"}, []string{"*"}
		name := names[i%len(names)]
		if i%5 == 0 { // a source with a place inside another one of its own, and patterns for the same URLs
			w.Sources = []workspace.Source{{Key: "a", Kind: "http", URL: host + "photos/", PublicURLs: []string{host}}}
			w.AllowedSources = []string{"*", "http://*"}
			name = one([]string{"AllowedSources", "Sources", "Sources.URL"})
		} else if i%5 == 1 { // a private one at another place of a public one
			w.Sources = []workspace.Source{{Key: "a", Kind: "http", URL: host + "vault/", PublicURLs: []string{host + "new/"}}, {Key: "b", Kind: "http", URL: host + "new/", Private: true}}
			w.AllowedSources = [][]string{nil, {"*"}}[r.IntN(2)]
			name = one([]string{"Sources.PublicURLs", "Sources.Private", "Sources"})
		} else if i%10 == 2 { // a public one that also has the place of a private one around it, or may get it
			w.Sources = []workspace.Source{{Key: "a", Kind: "http", URL: host + "photos/", PublicURLs: [][]string{nil, {host}}[r.IntN(2)]}, {Key: "b", Kind: "http", URL: host, Private: r.IntN(2) == 0}}
			if r.IntN(2) == 0 { // and a public one inside that
				w.Sources = append(w.Sources, workspace.Source{Key: "c", Kind: "http", URL: host + one(paths[1:])})
			}
			w.AllowedSources = [][]string{nil, {"*"}}[r.IntN(2)]
			name = one([]string{"Sources.PublicURLs", "Sources.Private", "Sources", "Sources.URL"})
		} else {
			for range r.IntN(7) {
				changes[one(names)](w)
			}
		}
		old := w.Clone()
		changes[name](w)
		was, is := admitted(old), admitted(w)
		var lost []string
		for i := range was {
			p := probes[i/2]
			// A look-alike under an entry of allowed_sources without a path isn't named.
			if alike := strings.Contains(p.target.RawQuery, "Vault") && !slices.Contains(old.AllowedSources, "o.example.com/Vault/"); was[i] && !is[i] && !alike {
				lost = append(lost, fmt.Sprint(p.target.Rest, "?", p.target.RawQuery, " ", p.origin))
			}
		}
		had := old.Warn()
		said := append(w.Closes(old), slices.DeleteFunc(w.Warn(), func(text string) bool {
			// Those about marks close nothing.
			return slices.Contains(had, text) || !strings.Contains(text, "API key") && !strings.Contains(text, "refused")
		})...)
		for i := range was {
			if p := probes[i/2]; was[i] && !is[i] && !strings.Contains(p.target.Rest+p.target.RawQuery, "Vault") && !namedBy(said, old, w, p) {
				t.Errorf("%s: nothing names %s?%s %s\n%s\nold %+v %q\nnew %+v %q", name, p.target.Rest, p.target.RawQuery, p.origin, strings.Join(said, "\n"), places(old), old.AllowedSources, places(w), w.AllowedSources)
			}
		}
		opens := w.Opens(old)
		for i := range was {
			if why := mustTell(old, w, probes[i/2]); !was[i] && is[i] && why != "" {
				opened[why]++
				if !slices.ContainsFunc(opens, func(text string) bool { return tells(text, why) }) {
					t.Errorf("%s: nothing says that %s?%s opens (%s)\n%s\nold %+v %q %v\nnew %+v %q %v", name, probes[i/2].target.Rest, probes[i/2].target.RawQuery, why, strings.Join(opens, "\n"),
						places(old), old.AllowedSources, old.HTTPSOnly, places(w), w.AllowedSources, w.HTTPSOnly)
				}
			}
		}
		for _, text := range opens {
			if !isTrue(text, old, w) {
				t.Errorf("%s: not true: %s\nold %+v %q\nnew %+v %q", name, text, places(old), old.AllowedSources, places(w), w.AllowedSources)
			}
		}
		if len(lost) > 0 && said == nil {
			t.Errorf("%s: nothing says that these fail from now on: %s\nold %+v %q\nnew %+v %q", name, strings.Join(lost, ", "), old.Sources, old.AllowedSources, w.Sources, w.AllowedSources)
		}
		if len(lost) > 0 {
			closed[name]++
		}
		if len(lost) == 0 && len(w.Closes(old)) > 0 && strings.HasPrefix(name, "Sources") && !old.PresetsOnly {
			t.Errorf("%s: nothing fails, though it says %q\nold %+v %q %v\nnew %+v %q", name, said, old.Sources, old.AllowedSources, old.RequireSignature, w.Sources, w.AllowedSources)
		}
	}
	if opened["http"] == 0 || opened["private"] == 0 || opened["named"] == 0 {
		t.Errorf("no change has opened some: %v", opened)
	}
	for _, name := range names {
		if closed[name] == 0 {
			t.Errorf("no change of %s has closed anything", name)
		}
	}
}

// mustTell returns what opens a URL besides what a longer allowed_sources says itself, or "".
func mustTell(old, w *workspace.Workspace, p *recentURL) string {
	src, full := strings.CutPrefix(p.target.RawQuery, "src=")
	src, query, _ := strings.Cut(src, "&")
	key, _, _ := strings.Cut(strings.TrimPrefix(p.target.Rest, "/"), "/")
	find := func(w *workspace.Workspace, key string) *workspace.Source {
		if i := slices.IndexFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key }); i >= 0 {
			return &w.Sources[i]
		}
		return nil
	}
	switch was, is := find(old, key), find(w, key); {
	case query != "" || p.origin != "" || old.RequireSignature || old.PresetsOnly:
		return ""
	case full && old.HTTPSOnly && !w.HTTPSOnly && strings.HasPrefix(src, "http:") && len(inSources(old, src)) == 0 && len(inSources(w, src)) == 0 && slices.Equal(old.AllowedSources, w.AllowedSources):
		return "http"
	case full && slices.ContainsFunc(old.Sources, func(s workspace.Source) bool { _, in := inSources(old, src)[s.Key]; return in && s.Private }):
		return "private"
	case !full && was != nil && is != nil && was.URL == is.URL && !is.Private: // a private one needs a key
		return "named"
	}
	return ""
}

// tells reports whether a warning is about what opens a URL.
func tells(text, why string) bool {
	if why == "http" {
		return strings.HasPrefix(text, "https_only is off: ") || strings.Contains(text, "every host over http")
	}
	return strings.Contains(text, " public from now on") || strings.Contains(text, " shown ")
}

// isTrue reports whether the source that a warning names first is as it says.
func isTrue(text string, old, w *workspace.Workspace) bool {
	why, _, _ := strings.Cut(text, ": ")
	rest, ok := strings.CutPrefix(text, "source ")
	if !ok {
		return true
	}
	key, _, _ := strings.Cut(rest, " ")
	key = strings.TrimSuffix(key, ",")
	find := func(w *workspace.Workspace) (found workspace.Source, ok bool) {
		for _, s := range w.Sources {
			if s.Key == key {
				return s, true
			}
		}
		return found, false
	}
	was, had := find(old)
	is, has := find(w)
	_, place, lost := strings.Cut(text, "has lost the place ")
	place, _, _ = strings.Cut(place, ",")
	at := func(s workspace.Source) []string { return append([]string{s.URL}, s.PublicURLs...) }
	switch {
	case lost:
		return had && has && slices.Contains(at(was), place) && !slices.Contains(at(is), place)
	case strings.HasSuffix(why, "is gone"):
		return had && !has
	case strings.HasSuffix(why, "has another place now"):
		return had && has && !slices.Equal(at(was), at(is))
	case strings.HasSuffix(why, "is not private any more"):
		return had && has && was.Private && !is.Private
	}
	return true
}

// namedBy reports whether a warning of a change names a URL that fails after it.
func namedBy(said []string, old, w *workspace.Workspace, p *recentURL) bool {
	src, full := strings.CutPrefix(p.target.RawQuery, "src=")
	src, query, _ := strings.Cut(src, "&")
	type name struct{ key, rest string }
	var names []name // of the image in the sources that it is in
	if full {
		for _, w := range []*workspace.Workspace{old, w} {
			for key, rest := range inSources(w, src) {
				names = append(names, name{key, rest})
			}
		}
	} else {
		key, rest, _ := strings.Cut(p.target.Rest[1:], "/")
		names = append(names, name{key, rest})
	}
	for _, text := range said {
		why, what, _ := strings.Cut(text, ": ")
		switch {
		case why == "require_signature is on", why == "presets_only is on", why == "strict_options is on" && query == "nonsense=1",
			why == "https_only is on" && strings.HasPrefix(src, "http:"),
			why == "allowed_origins" && p.origin != "", why == "preset thumb is gone" && query == "preset=thumb", why == "mark logo is gone" && query == "mark=logo":
			return true
		case full && why == "allowed_sources" && (query == "mark=logo" || namesPattern(what, old, src)):
			return true
		}
		for _, n := range names {
			key, rest := n.key, n.rest
			of := "images of source " + key
			_, prefixes, _ := strings.Cut(what, of+" whose paths begin with ")
			prefixes, _, _ = strings.Cut(prefixes, " need ")
			switch {
			case prefixes != "" && slices.ContainsFunc(strings.Split(prefixes, " or "), func(prefix string) bool { return strings.HasPrefix(rest, prefix) }),
				strings.Contains(what, "all "+of), strings.Contains(what, of+" that may lie there"),
				!full && why == "source "+key+" is gone" && strings.HasPrefix(what, "URLs that name it"), why == "source "+key+" is private" && strings.HasPrefix(what, "its images"),
				full && strings.HasPrefix(why, "source "+key) && strings.Contains(what, "full URLs of") && overOf(what, src):
				return true
			}
		}
		if _, place, ok := strings.Cut(why, "source "); ok && full {
			key, is, _ := strings.Cut(place, " ")
			if _, in := inSources(w, src)[key]; in && (is == "is private" || strings.HasPrefix(is, "is as private as ")) && strings.Contains(what, "full URLs of its place") || strings.Contains(what, "full URLs that some servers take for those of its images") {
				return true
			}
		}
	}
	return false
}

// overOf reports whether a list of full URLs of images has those with the scheme of src.
func overOf(what, src string) bool {
	scheme, _, _ := strings.Cut(src, ":")
	what, _, _ = strings.Cut(what, " are refused")
	what, _, _ = strings.Cut(what, " lie in")
	return slices.ContainsFunc(strings.FieldsFunc(strings.ReplaceAll(what, " and ", ", "), func(r rune) bool { return r == ',' }), func(part string) bool {
		_, over, ok := strings.Cut(part, " over ")
		return strings.Contains(part, "full URLs of") && (!ok || over == scheme)
	})
}

// namesPattern reports whether a warning about allowed_sources names each pattern that allowed
// src.
func namesPattern(what string, old *workspace.Workspace, src string) bool {
	list, _, _ := strings.Cut(strings.TrimPrefix(what, "full URLs that only "), " allowed are")
	named := strings.Split(strings.ReplaceAll(list, " and ", ", "), ", ")
	u, err := origin.ParseURL(src)
	if err != nil {
		return false
	}
	for _, pattern := range old.AllowedSources {
		p, err := origin.ParsePattern(pattern)
		if err != nil || !p.Match(u) {
			continue
		}
		if !slices.Contains(named, pattern) && !slices.Contains(named, pattern+" (over "+u.Scheme+")") {
			return false
		}
	}
	return true
}

// inSources returns the path of an image in each source whose place is the innermost one.
func inSources(w *workspace.Workspace, src string) map[string]string {
	_, src, _ = strings.Cut(src, "://")
	names, most := map[string]string{}, ""
	for _, s := range w.Sources {
		for _, place := range append([]string{s.URL}, s.PublicURLs...) {
			place = strings.TrimPrefix(place, "https://")
			rest, ok := strings.CutPrefix(src, place)
			if !ok || len(place) < len(most) {
				continue
			}
			if len(place) > len(most) {
				names, most = map[string]string{}, place
			}
			names[s.Key] = rest
		}
	}
	return names
}

func places(w *workspace.Workspace) (list []string) {
	for _, s := range w.Sources {
		list = append(list, fmt.Sprint(s.Key, " ", s.Private, " ", s.URL, " ", s.PublicURLs))
	}
	return list
}
