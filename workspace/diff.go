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

// Diff describes the changes from old to new in lines of text, with secrets masked, such
// as
//
//	allowed_origins: removed "*", added "https://app.example.com"
//	sources[photos].url: "https://a.example.com/" → "https://b.example.com/"
//
// It is empty if nothing changed. Fields that the server sets (id, revision, times) and the
// order of lists don't count, since they change no answer to a request. A nil old means
// that the workspace is created, and a nil new that it is deleted. A [Mask] in new stands
// for the secret of old. If only old is masked, the secrets can't be compared, and count as
// changed.
func Diff(old, new *Workspace) (lines []string) {
	for _, c := range differences(old, new) {
		if !c.silent() {
			lines = append(lines, c.path+": "+c.what)
		}
	}
	return lines
}

// Same reports whether two states of a workspace are equal, except for the fields that the
// server sets. The order of lists counts.
func Same(a, b *Workspace) bool { return len(differences(a, b)) == 0 }

// A Difference is one thing that differs between two states of a workspace, for pages that say
// it in their own words.
type Difference struct {
	Path string // of the value, such as sources[photos].url

	// What happened to an element of a list, a header or a secret, such as "added" or
	// "changed". It is empty for other values, which have Was and Is.
	What string

	// Was and Is are the values, as they are typed. Of a list of texts they are those that are
	// removed and added. None is a value that isn't set, and true or false one that is on or
	// off.
	Was, Is []string
}

// Differences returns the changes from old to new of which [Diff] makes lines.
func Differences(old, new *Workspace) (list []Difference) {
	for _, c := range differences(old, new) {
		if c.silent() {
			continue
		}
		d := Difference{Path: c.path, Was: c.values[0], Is: c.values[1]}
		if d.Was == nil && d.Is == nil {
			d.What = c.what
		}
		list = append(list, d)
	}
	return list
}

// A difference is one difference between two states of a workspace. [Diff] makes a line of
// text of it. [AuditDetail] shows the field or the element that has it. [Same] reports
// whether there is any.
type difference struct {
	path string
	what string // what happened; empty for another order or spelling, which Diff doesn't mention
	was  string // the old value, or the removed elements of a list; empty if the path says enough

	field   string // of the workspace
	element string // name of the element of a list; empty for the list itself and for other fields

	values [2][]string // Was and Is of a Difference
}

func (d difference) silent() bool { return d.what == "" }

// kept returns the text of what stays if the difference is not applied.
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
	fresh          bool   // inside an added element: there are no old values to show
	field, element string // where the comparison is
}

func (d *differ) add(path, was, what string) {
	d.found = append(d.found, difference{path: path, what: what, was: was, field: d.field, element: d.element})
}

// values notes the values of the difference that was added last.
func (d *differ) values(was, is []string) { d.found[len(d.found)-1].values = [2][]string{was, is} }

// orOrder adds a silent difference if compare finds none in a list or map, but the two are
// still stored differently.
func (d *differ) orOrder(path string, old, new reflect.Value, compare func()) {
	n := len(d.found)
	compare()
	if len(d.found) == n && !sameValue(old, new) {
		d.add(path, "", "")
	}
}

// sameValue compares values of a workspace. Nil and empty lists and maps are equal.
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
				d.values(nil, typed(b))
			default:
				d.add(at, was, was+" → "+is)
				d.values(typed(a), typed(b))
			}
		}
	}
}

// serverMade reports whether the server sets this field of a workspace.
func serverMade(name string) bool {
	return name == "id" || name == "revision" || name == "created_at" || name == "updated_at" || name == "warnings"
}

// lists compares lists whose elements have a key or a name.
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

// byName returns the elements of a list by their first field, which is the key or the name.
func byName(list reflect.Value) map[string]reflect.Value {
	m := make(map[string]reflect.Value, list.Len())
	for i := range list.Len() {
		e := list.Index(i)
		m[e.Field(0).String()] = e
	}
	return m
}

// withName returns an element that has only a name.
func withName(like reflect.Value, name string) reflect.Value {
	e := reflect.New(like.Type()).Elem()
	e.Field(0).SetString(name)
	return e
}

func (d *differ) sets(path string, old, new []string) {
	var was, parts, removed, added []string
	for _, s := range old {
		if !slices.Contains(new, s) {
			removed = append(removed, s)
			was = append(was, quoted(s))
			parts = append(parts, "removed "+quoted(s))
		}
	}
	for _, s := range new {
		if !slices.Contains(old, s) {
			added = append(added, s)
			parts = append(parts, "added "+quoted(s))
		}
	}
	if len(parts) > 0 {
		d.add(path, strings.Join(was, ", "), strings.Join(parts, ", "))
		d.values(removed, added)
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

// shown returns a plain value as JSON, or "none" if it isn't set.
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

// typed returns a plain value as it is typed, or nothing if it isn't set.
func typed(v reflect.Value) []string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return typed(v.Elem())
	case reflect.String:
		if v.String() == "" {
			return nil
		}
		return []string{v.String()}
	}
	return []string{shown(v)}
}

// quoted returns a string as JSON, without the escapes for HTML.
func quoted(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return fmt.Sprintf("%q", s)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
