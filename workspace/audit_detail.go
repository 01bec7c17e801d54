package workspace

import (
	"bytes"
	"encoding/json"
	"slices"
)

// elementName is what an element of a list in a workspace is told apart by.
var elementName = map[string]string{"sources": "key", "marks": "name", "presets": "name"}

// AuditDetail returns what differs between two states of a workspace, as Before and
// After of an [AuditEntry] have it: the fields that differ, and of sources, marks and
// presets only the elements that do. Nil is a state without the workspace, which is
// null. Secrets are masked: where only they differ, the element says so in
// "secrets_changed".
func AuditDetail(before, after *Workspace) (b, a json.RawMessage) {
	if before == nil || after == nil {
		return whole(before), whole(after)
	}
	was, is := fields(before.Masked()), fields(after.Masked())
	x, y := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	elements := map[string]map[string]bool{} // that differ, by list
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

// onlyElements leaves the elements of a list in two states that differ. Where an element
// looks the same in both, only its secrets differ.
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

// encode and decode are for what is made here of plain values, which always works.
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
