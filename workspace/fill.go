package workspace

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// filler decodes trees into Go values and collects all errors.
type filler struct {
	problems
	nulls  bool // a null member of an object is accepted and changes nothing, except inside lists
	stored bool // the data is from a store and may exceed today's bounds
}

var timeType = reflect.TypeFor[time.Time]()

// fill decodes t into v, whose type must occur in a Workspace.
func (f *filler) fill(v reflect.Value, t tree, path string) {
	if v.Type() == timeType {
		f.fillTime(v, t, path)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		f.fillStruct(v, t, path)
	case reflect.Map:
		f.fillMap(v, t, path)
	case reflect.Slice:
		f.fillSlice(v, t, path)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), t, path)
	case reflect.String:
		switch t := t.(type) {
		case string:
			v.SetString(t)
		case json.Number, bool:
			f.add(path, "must be a string, not %s: put it in quotes", kindOf(t))
		default:
			f.add(path, "must be a string, not %s", kindOf(t))
		}
	case reflect.Bool:
		if b, ok := t.(bool); ok {
			v.SetBool(b)
		} else {
			f.add(path, "must be true or false, not %s", kindOf(t))
		}
	case reflect.Int, reflect.Int64:
		n, ok := t.(json.Number)
		if !ok {
			f.add(path, "must be a whole number, not %s", kindOf(t))
		} else if i, err := strconv.ParseInt(string(n), 10, v.Type().Bits()); err != nil {
			f.add(path, "must be a whole number written in digits, and not too large")
		} else {
			v.SetInt(i)
		}
	case reflect.Float64:
		n, ok := t.(json.Number)
		if !ok {
			f.add(path, "must be a number, not %s", kindOf(t))
		} else if x, err := strconv.ParseFloat(string(n), 64); err != nil {
			f.add(path, "is too large a number")
		} else {
			v.SetFloat(x)
		}
	default:
		panic(fmt.Sprintf("workspace: no rule for %s at %s", v.Type(), path))
	}
}

func (f *filler) fillStruct(v reflect.Value, t tree, path string) {
	o, ok := t.(object)
	if !ok {
		f.add(path, "must be an object, not %s", kindOf(t))
		return
	}
	names := jsonNames(v.Type())
	for _, m := range o {
		at := member(path, m.name)
		i := slices.Index(names, m.name)
		if i >= 0 && !f.stored {
			if most, n := bound(v.Type().Field(i)), elements(m.value); n > most {
				f.tooMany(at, n, most)
				continue
			}
		}
		switch {
		case i < 0:
			f.add(at, "unknown field; known are %s", strings.Join(names, ", "))
		case v.Type() == workspaceType && ignored(m.name):
			f.fillIgnored(v.Field(i), m.value)
		case m.value == nil && f.nulls:
		case m.value == nil:
			f.add(at, "must not be null: leave it out for its default")
		default:
			f.fill(v.Field(i), m.value, at)
		}
	}
}

func (f *filler) fillMap(v reflect.Value, t tree, path string) {
	o, ok := t.(object)
	if !ok {
		what := "an object"
		if v.Type().Elem().Kind() == reflect.String {
			what = "an object of strings"
		}
		f.add(path, "must be %s, not %s", what, kindOf(t))
		return
	}
	filled := reflect.MakeMapWithSize(v.Type(), len(o))
	for _, m := range o {
		value := reflect.New(v.Type().Elem()).Elem()
		f.fill(value, m.value, member(path, m.name))
		filled.SetMapIndex(reflect.ValueOf(m.name), value)
	}
	v.Set(filled)
}

func (f *filler) fillSlice(v reflect.Value, t tree, path string) {
	list, ok := t.([]tree)
	if !ok {
		f.add(path, "must be a list, not %s", kindOf(t))
		return
	}
	nulls := f.nulls
	f.nulls = false // RFC 7396: a list replaces the old one as a whole, so nulls in it have no meaning
	defer func() { f.nulls = nulls }()
	filled := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, e := range list {
		f.fill(filled.Index(i), e, element(path, i))
	}
	v.Set(filled)
}

func (f *filler) fillTime(v reflect.Value, t tree, path string) {
	s, ok := t.(string)
	at, err := time.Parse(time.RFC3339Nano, s)
	at = at.UTC()
	if !ok || err != nil || at.Year() < 0 || at.Year() > 9999 {
		f.add(path, "must be a time such as \"2026-01-31T12:00:00Z\"")
		return
	}
	v.Set(reflect.ValueOf(at))
}

// fillIgnored decodes a field that the server sets. It ignores a wrong value, since no
// value that a client sends in such a field is stored.
func (f *filler) fillIgnored(v reflect.Value, t tree) {
	var own filler
	into := reflect.New(v.Type()).Elem()
	if own.fill(into, t, ""); own.err() == nil {
		v.Set(into)
	}
}

var workspaceType = reflect.TypeFor[Workspace]()

// ignored reports whether the server ignores this field of a workspace in requests.
func ignored(name string) bool { return serverMade(name) && name != "revision" }

// bound returns how many elements the tags of a list or map allow, or math.MaxInt if they
// don't say.
func bound(f reflect.StructField) int {
	for _, tag := range []string{"maxItems", "maxProperties"} {
		if most, err := strconv.Atoi(f.Tag.Get(tag)); err == nil {
			return most
		}
	}
	return math.MaxInt
}

// counts adds a problem for every list and map in the struct v that has too many elements.
func (p *problems) counts(v reflect.Value, path string) {
	for i, name := range jsonNames(v.Type()) {
		field, at := v.Field(i), member(path, name)
		if kind := field.Kind(); kind != reflect.Slice && kind != reflect.Map {
			continue
		}
		if most, n := bound(v.Type().Field(i)), field.Len(); n > most {
			p.tooMany(at, n, most)
		} else if field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct {
			for i := range n {
				p.counts(field.Index(i), element(at, i))
			}
		}
	}
}

// jsonNames returns the JSON names of a struct's fields, in order. Fields without JSON come
// last in the struct.
func jsonNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		if name == "-" {
			break
		}
		names = append(names, name)
	}
	return names
}
