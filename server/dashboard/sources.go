package dashboard

import (
	"cmp"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A kind is a kind of sources.
type kind struct{ Kind, Name, Meaning string }

// kinds are the kinds of sources that owners can add.
var kinds = []kind{
	{"http", "Web server", "Any server that answers with images below one URL."},
	{"s3", "S3 bucket", "A bucket of AWS, or of another store that speaks S3."},
	{"r2", "R2 bucket", "A bucket of Cloudflare R2."},
}

type sourcesPage struct {
	Sources   []workspace.Source
	Folders   []string
	MayChange bool
}

// sources lists the sources of the workspace and the operator's folders.
func (v *visit) sources() error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	return v.show(200, "sources", sourcesPage{w.Sources, v.d.Manage.Folders(v.ns), v.may(account.WriteSource)})
}

// A sourceForm is what the page of one source shows besides its form.
type sourceForm struct {
	Key, Kind string // Key is empty for a new source
	Test      *manage.SourceTest
}

// SecretHelp says what the mask in the field of the secret stands for.
func (s sourceForm) SecretHelp(f form) string {
	switch {
	case s.Key != "":
		return "It is never shown. *** keeps the stored one."
	case f.get("secret_access_key") == workspace.Mask:
		return "It is never shown. *** stands for what you typed."
	}
	return "It is never shown again."
}

// HeadersHelp says how to write headers.
func (s sourceForm) HeadersHelp() string {
	help := "One a line, such as Authorization: Bearer SECRET. Values are secret."
	if s.Key != "" {
		help += " *** keeps the stored one."
	}
	return help
}

// PrivateHelp says what private means, and of a new source why it starts as it does.
func (s sourceForm) PrivateHelp() string {
	const help = "Images need a signed URL or an API key."
	switch {
	case s.Key != "":
		return help
	case s.Kind == "http":
		return help + " A web server starts as public, since whoever knows its URLs can load the originals already."
	}
	return help + " A bucket starts as private, since it may hold anything."
}

var sourceList = partList[workspace.Source]{
	noun: "source", path: "sources", field: "key", needs: account.WriteSource,
	of: func(w *workspace.Workspace) *[]workspace.Source { return &w.Sources }, name: func(s *workspace.Source) string { return s.Key },
}

// sourceFields has the field for each path of a problem.
var sourceFields = func() map[string]string {
	fields := map[string]string{"path": "test_path"}
	for _, name := range []string{
		"key", "kind", "url", "headers", "public_urls", "bucket", "region", "prefix", "endpoint", "account_id", "access_key_id",
		"secret_access_key", "ttl", "revalidate", "cache_control",
	} {
		fields["sources."+name] = name
	}
	return fields
}()

// newSource first asks for the kind, and then for the fields of that kind.
func (v *visit) newSource() error {
	chosen := v.r.URL.Query().Get("kind")
	if v.r.Method == http.MethodPost {
		f, err := v.form()
		if err != nil {
			return err
		}
		chosen = f.get("kind")
	}
	if !slices.ContainsFunc(kinds, func(k kind) bool { return k.Kind == chosen }) {
		return v.show(200, "sourcekind", kinds)
	}
	return v.sourceSettings("", chosen)
}

// source is the page of one source.
func (v *visit) source() error {
	key := v.r.PathValue("key")
	w, err := v.workspace()
	if err != nil {
		return err
	}
	s := sourceList.find(w, key)
	if s == nil {
		return gone(sourceList.noun)
	}
	return v.sourceSettings(key, s.Kind)
}

func (v *visit) sourceSettings(key, kind string) error {
	data := sourceForm{Key: key, Kind: kind}
	s := settingsForm{
		template: "source", after: "/sources", needs: sourceList.needs, fields: sourceFields,
		fill: func(w *workspace.Workspace) url.Values {
			if s := sourceList.find(w, key); s != nil {
				return sourceValues(s)
			}
			return url.Values{"kind": {kind}, "private": on(kind != "http")}
		},
		edit:    sourceList.edit(key, func(_ *workspace.Workspace, f form) (workspace.Source, error) { return sourceOf(f, key, kind) }),
		secrets: []secretField{{name: "secret_access_key"}, {name: "headers", lines: true}, {name: "url", urls: true}, {name: "endpoint", urls: true}, {name: "public_urls", urls: true}},
		data:    func(*visit, *workspace.Workspace) (any, error) { return data, nil },
		leads: func(w *workspace.Workspace, f form) string {
			if key != "" || len(w.Sources) > 0 {
				return "/sources"
			}
			// The first source leads on to its first image.
			return "?" + url.Values{"source": {f.get("key")}, "path": {strings.TrimLeft(f.get("test_path"), "/")}}.Encode()
		},
	}
	if v.r.Method == http.MethodPost {
		f, err := v.form()
		if err != nil {
			return err
		}
		if f.get("step") == "test" {
			return v.testSource(s, &data)
		}
	}
	return v.settings(s)
}

// testSource shows the form again, with what a fetch from the source as typed came to.
func (v *visit) testSource(s settingsForm, data *sourceForm) error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	f, err := v.typed(s, w)
	if err != nil {
		return v.settingsFail(s, w, f, err)
	}
	typed, err := sourceOf(f, data.Key, data.Kind)
	if err == nil {
		var t manage.SourceTest
		if t, err = v.d.Manage.TestSource(v.r.Context(), v.caller(), v.ns, typed, f.get("test_path")); err == nil {
			data.Test = &t
			return v.showSettings(s, w, f, http.StatusOK)
		}
	}
	return v.settingsFail(s, w, f, err)
}

func sourceValues(s *workspace.Source) url.Values {
	var headers []string
	for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
		headers = append(headers, name+": "+s.Headers[name])
	}
	return url.Values{
		"key": {s.Key}, "kind": {s.Kind}, "private": on(s.Private), "url": {s.URL}, "headers": {strings.Join(headers, "\n")},
		"public_urls": {strings.Join(s.PublicURLs, "\n")}, "bucket": {s.Bucket}, "region": {s.Region}, "prefix": {s.Prefix},
		"endpoint": {s.Endpoint}, "account_id": {s.AccountID}, "access_key_id": {s.AccessKeyID}, "secret_access_key": {s.SecretAccessKey},
		"uploads": on(s.Uploads), "ttl": {strconv.Itoa(s.TTL)}, "revalidate": {strconv.Itoa(s.Revalidate)}, "cache_control": {s.CacheControl},
	}
}

// sourceOf returns the source in a form. Fields of other kinds are not read.
func sourceOf(f form, key, kind string) (s workspace.Source, err error) {
	s = workspace.Source{Key: cmp.Or(key, f.get("key")), Kind: kind, Private: f.on("private"), CacheControl: f.get("cache_control"), PublicURLs: f.list("public_urls")}
	if len(s.PublicURLs) == 0 {
		s.PublicURLs = nil
	}
	for _, field := range []struct {
		name string
		n    *int
	}{{"ttl", &s.TTL}, {"revalidate", &s.Revalidate}} {
		var ok bool
		if *field.n, ok = f.number(field.name); !ok {
			return s, wrong("sources."+field.name, "must be a whole number of seconds, such as 3600")
		}
	}
	if kind == "http" {
		s.URL = f.get("url")
		for _, line := range f.list("headers") {
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return s, wrong("sources.headers", "must have a name and a value in each line, such as Authorization: Bearer SECRET")
			}
			if s.Headers == nil {
				s.Headers = map[string]string{}
			}
			s.Headers[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		return s, nil
	}
	s.Bucket, s.Prefix, s.AccessKeyID, s.SecretAccessKey, s.Uploads = f.get("bucket"), f.get("prefix"), f.get("access_key_id"), f.get("secret_access_key"), f.on("uploads")
	if kind == "r2" {
		s.AccountID = f.get("account_id")
	} else {
		s.Region, s.Endpoint = f.get("region"), f.get("endpoint")
	}
	return s, nil
}

func (v *visit) removeSource() error {
	return sourceList.remove(v, v.r.PathValue("key"),
		"All images of this source are answered with an error from then on. The originals stay where they are. Marks that are bound to it must be unbound first.")
}
