package workspace

import (
	"bytes"
	"encoding/json"
	"slices"
)

// elementName is the field that identifies an element of each list.
var elementName = map[string]string{"sources": "key", "marks": "name", "presets": "name"}

// AuditDetail returns Before and After of an [AuditEntry]: the fields that differ between
// two states of a workspace. Of sources, marks and presets it returns only the elements
// that differ. Nil means that the workspace doesn't exist, and becomes null. Secrets are
// masked. If only the secrets of an element differ, it has "secrets_changed".
func AuditDetail(before, after *Workspace) (b, a json.RawMessage) {
	if before == nil || after == nil {
		return whole(before), whole(after)
	}
	was, is := fields(before.Masked()), fields(after.Masked())
	x, y := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	elements := map[string]map[string]bool{} // the elements that differ, by list
	for _, d := range differences(before, after) {
		x[d.field], y[d.field] = was[d.field], is[d.field]
		if elementName[d.field] != "" {
			if elements[d.field] == nil {
				elements[d.field] = map[string]bool{}
			}
			elements[d.field][d.element] = true
		}
	}
	for field, differ := range elements {
		x[field], y[field] = onlyElements(field, x[field], y[field], differ)
	}
	return encode(x), encode(y)
}

// onlyElements removes the elements that don't differ from both states of a list. If an
// element looks the same in both, only its secrets differ.
func onlyElements(field string, before, after json.RawMessage, differ map[string]bool) (b, a json.RawMessage) {
	was, is := []map[string]json.RawMessage{}, []map[string]json.RawMessage{}
	decode(before, &was)
	decode(after, &is)
	name := func(e map[string]json.RawMessage) (id string) {
		decode(e[elementName[field]], &id)
		return id
	}
	same := func(e map[string]json.RawMessage) bool { return !differ[name(e)] }
	was, is = slices.DeleteFunc(was, same), slices.DeleteFunc(is, same)
	looked := map[string]json.RawMessage{}
	for _, e := range was {
		looked[name(e)] = encode(e)
	}
	for _, e := range is {
		if bytes.Equal(looked[name(e)], encode(e)) {
			e["secrets_changed"] = json.RawMessage("true")
		}
	}
	return encode(was), encode(is)
}

func whole(w *Workspace) json.RawMessage {
	if w == nil {
		return json.RawMessage("null")
	}
	return encode(fields(w.Masked()))
}

func fields(w *Workspace) (m map[string]json.RawMessage) {
	decode(encode(w), &m)
	return m
}

// encode and decode panic on errors. The values here always encode and decode.
func encode(v any) json.RawMessage {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return data
}

func decode(data json.RawMessage, into any) {
	if err := json.Unmarshal(data, into); err != nil {
		panic(err)
	}
}
