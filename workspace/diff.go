package workspace

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
)

// Diff says in lines for people what changed from old to new, with secrets
// masked, such as
//
//	allowed_origins: removed "*", added "https://app.example.com"
//	sources[photos].url: "https://a.example.com/" → "https://b.example.com/"
//
// It is empty where nothing changed. What the server makes (id, revision, times)
// and the order of lists are no difference, since neither changes what a request
// gets. A nil old is a workspace that is created, and a nil new one that is
// deleted. A [Mask] in new is the secret of old; where only old is masked nobody
// can tell, so that counts as a change.
func Diff(old, new *Workspace) (lines []string) {
	for _, c := range differences(old, new) {
		if !c.silent() {
			lines = append(lines, c.path+": "+c.what)
		}
	}
	return lines
}

// Same reports whether two states of a workspace are stored alike, but for what the server
// makes. The order of lists counts.
func Same(a, b *Workspace) bool { return len(differences(a, b)) == 0 }

// A difference is one thing that differs between two states of a workspace. [Diff] words it
// for people, [AuditDetail] shows the field or the element that it is in, and [Same] says
// whether there is any.
type difference struct {
	path string
	what string // became of it; empty for another order or spelling, which people aren't told
	was  string // the old value, or what of a list there is no more; empty where the path says it all

	field   string // of the workspace that it is in
	element string // of a list, by its name; empty for the list itself, and in other fields
}

func (d difference) silent() bool { return d.what == "" }

// kept says what there would still be without the difference.
func (d difference) kept() string {
	if d.was == "" {
		return d.path
	}
	return d.path + ": " + d.was
}

func differences(old, new *Workspace) []difference {
	var d differ
	switch {
	case old == nil && new == nil:
		return nil
	case new == nil:
		d.add(fmt.Sprintf("workspace %q", old.Namespace), "", "deleted")
		return d.found
	case old == nil:
		d.add(fmt.Sprintf("workspace %q", new.Namespace), "", "created")
		d.fresh = true
		old = New(new.Namespace)
	}
	d.structs("", reflect.ValueOf(*old), reflect.ValueOf(*new))
	return d.found
}

type differ struct {
	found          []difference
	fresh          bool   // within something added: there are no old values to show
	field, element string // that it is in
}

func (d *differ) add(path, was, what string) {
	d.found = append(d.found, difference{path, what, was, d.field, d.element})
}

// orOrder adds a silent difference where compare finds none of a list or map and the two
// are stored in another way all the same.
func (d *differ) orOrder(path string, old, new reflect.Value, compare func()) {
	n := len(d.found)
	compare()
	if len(d.found) == n && !sameValue(old, new) {
		d.add(path, "", "")
	}
}

// sameValue compares values that a workspace is made of. Nil and empty lists and maps are
// the same.
func sameValue(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice:
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !sameValue(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Map:
		return maps.Equal(a.Interface().(map[string]string), b.Interface().(map[string]string))
	case reflect.Struct:
		for i := range a.NumField() {
			if !sameValue(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	case reflect.Pointer:
		return a.IsNil() == b.IsNil() && (a.IsNil() || sameValue(a.Elem(), b.Elem()))
	}
	return a.Equal(b)
}

func (d *differ) structs(path string, old, new reflect.Value) {
	for i, name := range jsonNames(old.Type()) {
		at := member(path, name)
		if path == "" {
			if serverMade(name) {
				continue
			}
			d.field = name
		}
		a, b := old.Field(i), new.Field(i)
		switch was := a.Interface().(type) {
		case []string:
			d.orOrder(at, a, b, func() { d.sets(at, was, b.Interface().([]string)) })
			continue
		case map[string]string:
			d.orOrder(at, a, b, func() { d.headers(at, was, b.Interface().(map[string]string)) })
			continue
		}
		switch {
		case name == "secret_access_key":
			d.secret(at, a.String(), b.String())
		case a.Kind() == reflect.Slice:
			d.orOrder(at, a, b, func() { d.lists(at, a, b) })
		case a.Kind() == reflect.Struct:
			d.structs(at, a, b)
		default:
			was, is := shown(a), shown(b)
			switch {
			case was == is:
			case d.fresh:
				d.add(at, was, is)
			default:
				d.add(at, was, was+" → "+is)
			}
		}
	}
}

// serverMade reports whether a field of a workspace is the server's to set.
func serverMade(name string) bool {
	return name == "id" || name == "revision" || name == "created_at" || name == "updated_at" || name == "warnings"
}

// lists compares lists whose elements have a key or name of their own.
func (d *differ) lists(path string, old, new reflect.Value) {
	was, is := byName(old), byName(new)
	defer func() { d.element = "" }()
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if _, stays := is[name]; !stays {
			d.element = name
			d.add(fmt.Sprintf("%s[%s]", path, name), "", "removed")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		d.element = name
		at := fmt.Sprintf("%s[%s]", path, name)
		if before, ok := was[name]; ok {
			d.structs(at, before, is[name])
		} else {
			d.add(at, "", "added")
			outer := d.fresh
			d.fresh = true
			d.structs(at, withName(is[name], name), is[name])
			d.fresh = outer
		}
	}
}

// byName is the elements of a list under their first field, which is their name.
func byName(list reflect.Value) map[string]reflect.Value {
	m := make(map[string]reflect.Value, list.Len())
	for i := range list.Len() {
		e := list.Index(i)
		m[e.Field(0).String()] = e
	}
	return m
}

// withName is an element that has a name and nothing else.
func withName(like reflect.Value, name string) reflect.Value {
	e := reflect.New(like.Type()).Elem()
	e.Field(0).SetString(name)
	return e
}

func (d *differ) sets(path string, old, new []string) {
	var was, parts []string
	for _, s := range old {
		if !slices.Contains(new, s) {
			was = append(was, quoted(s))
			parts = append(parts, "removed "+quoted(s))
		}
	}
	for _, s := range new {
		if !slices.Contains(old, s) {
			parts = append(parts, "added "+quoted(s))
		}
	}
	if len(parts) > 0 {
		d.add(path, strings.Join(was, ", "), strings.Join(parts, ", "))
	}
}

func (d *differ) headers(path string, old, new map[string]string) {
	was, is := canonicalHeaders(old), canonicalHeaders(new)
	names := canonicalHeaders(old)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, had := was[name]
		after, has := is[name]
		at := member(path, name)
		switch {
		case !had:
			d.add(at, "", "added")
		case !has:
			d.add(at, "", "removed")
		default:
			d.secret(at, before, after)
		}
	}
}

func canonicalHeaders(headers map[string]string) map[string]string {
	c := make(map[string]string, len(headers))
	for name, value := range headers {
		c[http.CanonicalHeaderKey(name)] = value
	}
	return c
}

func (d *differ) secret(path, old, new string) {
	switch {
	case old == new, new == Mask && old != "":
	case old == "":
		d.add(path, "", "set")
	case new == "":
		d.add(path, "", "removed")
	case old == Mask:
		d.add(path, "", "may change: the present one is not shown")
	default:
		d.add(path, "", "changed")
	}
}

// shown is a plain value as JSON writes it; "none" for one that isn't set.
func shown(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "none"
		}
		return shown(v.Elem())
	case reflect.String:
		return quoted(v.String())
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return fmt.Sprint(v.Interface())
	}
	return string(text)
}

// quoted is a string as JSON writes it, but for the escapes of HTML.
func quoted(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
