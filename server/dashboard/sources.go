package dashboard

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
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

// sourceNames has the field for each path of a problem.
var sourceNames = func() map[string]string {
	names := map[string]string{}
	for _, name := range []string{
		"key", "kind", "url", "headers", "public_urls", "bucket", "region", "prefix", "endpoint", "account_id", "access_key_id",
		"secret_access_key", "ttl", "revalidate", "cache_control",
	} {
		names["sources."+name] = name
	}
	return names
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
	i := slices.IndexFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key })
	if i < 0 {
		return gone("source")
	}
	return v.sourceSettings(key, w.Sources[i].Kind)
}

func (v *visit) sourceSettings(key, kind string) error {
	data := sourceForm{Key: key, Kind: kind}
	s := settingsForm{
		template: "source", after: "/sources", needs: account.WriteSource, names: sourceNames,
		fill: func(w *workspace.Workspace) url.Values {
			i := slices.IndexFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key })
			if i < 0 {
				return url.Values{"kind": {kind}, "private": {"on"}}
			}
			return sourceValues(w.Sources[i])
		},
		edit: func(w *workspace.Workspace, f form) error {
			s, err := sourceOf(f, key, kind)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(w.Sources, func(o workspace.Source) bool { return o.Key == s.Key })
			switch {
			case key == "" && i >= 0:
				return taken("source", s.Key)
			case key == "":
				w.Sources = append(w.Sources, s)
			case i < 0:
				return gone("source")
			default:
				w.Sources[i] = s
			}
			return nil
		},
		data: func(*visit, *workspace.Workspace) (any, error) { return data, nil },
	}
	if v.r.Method == http.MethodPost {
		f, err := v.form()
		if err != nil {
			return err
		}
		if f.get("step") == "test" {
			return v.testSource(s, f, &data)
		}
	}
	return v.settings(s)
}

// testSource shows the form again, with what a fetch from the source as typed came to.
func (v *visit) testSource(s settingsForm, f form, data *sourceForm) error {
	w, err := v.workspace()
	if err != nil {
		return err
	}
	typed, err := sourceOf(f, data.Key, data.Kind)
	if err == nil {
		var t manage.SourceTest
		if t, err = v.d.Manage.TestSource(v.r.Context(), v.caller(), v.ns, typed, f.get("test_path")); err == nil {
			data.Test = &t
			return v.showSettings(s, w, f, http.StatusOK)
		}
	}
	if !f.fails(err, s.names) {
		return err
	}
	return v.showSettings(s, w, f, http.StatusUnprocessableEntity)
}

func sourceValues(s workspace.Source) url.Values {
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
	if s.TTL, err = seconds(f, "ttl"); err != nil {
		return s, err
	}
	if s.Revalidate, err = seconds(f, "revalidate"); err != nil {
		return s, err
	}
	if kind == "http" {
		s.URL = f.get("url")
		for _, line := range f.list("headers") {
			name, value, ok := strings.Cut(line, ":")
			if !ok {
				return s, fault.New(fault.Validation, "write each header as Name: value")
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

// seconds returns the whole number in a field; an empty field is 0.
func seconds(f form, name string) (int, error) {
	n, err := strconv.Atoi(cmp.Or(f.get(name), "0"))
	if err != nil {
		return 0, fault.New(fault.Validation, fmt.Sprintf("%s must be a whole number of seconds", name))
	}
	return n, nil
}

func (v *visit) removeSource() error {
	key := v.r.PathValue("key")
	return v.remove(removal{
		Noun: "source", Name: key, list: "/sources", needs: account.WriteSource,
		Breaks: "All images of this source are answered with an error from then on. The originals stay where they are. Marks that are bound to it must be unbound first.",
		remove: func(w *workspace.Workspace) bool {
			return without(&w.Sources, func(s workspace.Source) bool { return s.Key == key })
		},
	})
}
