package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

const (
	mostChanges  = 100 // lines of one entry
	longestValue = 300 // characters of one value
)

// A changeLine is one thing that differs between Before and After of an entry of the audit
// log. Had and Has tell an empty text from a missing one.
type changeLine struct {
	Path     string
	Was, Is  string
	Had, Has bool
}

// changeLines returns what differs between two states, one line for each value, and how many
// lines it left out. Elements of lists are told apart by their key or name.
func changeLines(before, after json.RawMessage) (lines []changeLine, more int) {
	c := changes{}
	c.compare("", parsed(before), parsed(after))
	if more = len(c.lines) - mostChanges; more > 0 {
		return c.lines[:mostChanges], more
	}
	return c.lines, 0
}

// parsed returns the value of a JSON text: nil for null, for no text, and for one that is cut.
func parsed(text json.RawMessage) (v any) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return nil
	}
	return v
}

type changes struct{ lines []changeLine }

func (c *changes) compare(path string, was, is any) {
	a, aIsMap := asMap(was)
	b, bIsMap := asMap(is)
	switch {
	case aIsMap && bIsMap, aIsMap && isEmpty(is), bIsMap && isEmpty(was):
		names := maps.Clone(a)
		if names == nil {
			names = map[string]any{}
		}
		maps.Copy(names, b)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			c.compare(joined(path, name), a[name], b[name])
		}
	case was == nil && isZero(is), is == nil && isZero(was): // settings that a new part hasn't set
	case shownValue(was) != shownValue(is):
		c.lines = append(c.lines, changeLine{Path: path, Was: shownValue(was), Is: shownValue(is), Had: was != nil, Has: is != nil})
	}
}

// isEmpty reports whether a value is null, or a list or an object without elements.
func isEmpty(v any) bool {
	switch v := v.(type) {
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return v == nil
}

// isZero reports whether a value says nothing: null, false, 0, or empty.
func isZero(v any) bool {
	switch v := v.(type) {
	case bool:
		return !v
	case json.Number:
		return v == "0"
	case string:
		return v == ""
	}
	return isEmpty(v)
}

// asMap returns an object, or a list of objects with names, as a map. The second result is
// whether it was one; an empty one has no lines of its own.
func asMap(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, len(v) > 0
	case []any:
		m := map[string]any{}
		for _, e := range v {
			o, ok := e.(map[string]any)
			if !ok {
				return nil, false
			}
			name, ok := o["key"].(string)
			if !ok {
				name, ok = o["name"].(string)
			}
			if !ok || m["["+name+"]"] != nil {
				return nil, false
			}
			m["["+name+"]"] = o
		}
		return m, len(m) > 0
	}
	return nil, false
}

func joined(path, name string) string {
	if path == "" || strings.HasPrefix(name, "[") {
		return path + name
	}
	return path + "." + name
}

// shownValue returns a value as a person reads it: lists with commas, texts as they are.
func shownValue(v any) string {
	var text string
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		if text = v; text == "" {
			text = `""`
		}
	case []any:
		if len(v) == 0 {
			return "none"
		}
		parts := make([]string, len(v))
		for i, e := range v {
			parts[i] = shownValue(e)
		}
		text = strings.Join(parts, ", ")
	case map[string]any:
		if len(v) == 0 {
			return "none"
		}
		data, _ := json.Marshal(v) // values of JSON always encode
		text = string(data)
	default:
		text = fmt.Sprint(v)
	}
	if r := []rune(text); len(r) > longestValue {
		return string(r[:longestValue-1]) + "…"
	}
	return text
}
