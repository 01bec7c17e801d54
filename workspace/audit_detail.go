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
	x, y := detail(before), detail(after)
	if x != nil && y != nil {
		for field := range x.shown {
			if bytes.Equal(x.full[field], y.full[field]) || field == "revision" || field == "updated_at" {
				delete(x.shown, field)
				delete(y.shown, field)
				continue
			}
			if name := elementName[field]; name != "" {
				x.shown[field], y.shown[field] = changedElements(name, x, y, field)
			}
		}
	}
	return x.encode(), y.encode()
}

// A workspaceDetail is a workspace by its JSON fields.
type workspaceDetail struct{ full, shown map[string]json.RawMessage }

func detail(w *Workspace) *workspaceDetail {
	if w == nil {
		return nil
	}
	return &workspaceDetail{fields(w), fields(w.Masked())}
}

func (d *workspaceDetail) encode() json.RawMessage {
	if d == nil {
		return json.RawMessage("null")
	}
	return encode(d.shown)
}

// changedElements are the elements of a list that are not the same in both, as shown.
func changedElements(name string, x, y *workspaceDetail, field string) (before, after json.RawMessage) {
	type element = map[string]json.RawMessage
	list := func(data json.RawMessage) (all []element) {
		decode(data, &all)
		return all
	}
	find := func(all []element, id json.RawMessage) int {
		return slices.IndexFunc(all, func(e element) bool { return bytes.Equal(e[name], id) })
	}
	oldFull, newFull := list(x.full[field]), list(y.full[field])
	oldShown, newShown := list(x.shown[field]), list(y.shown[field])
	b, a := []element{}, []element{}
	for i, e := range oldFull {
		if j := find(newFull, e[name]); j < 0 || !bytes.Equal(encode(e), encode(newFull[j])) {
			b = append(b, oldShown[i])
		}
	}
	for i, e := range newFull {
		j := find(oldFull, e[name])
		if j >= 0 && bytes.Equal(encode(e), encode(oldFull[j])) {
			continue
		}
		if j >= 0 && bytes.Equal(encode(newShown[i]), encode(oldShown[j])) {
			newShown[i]["secrets_changed"] = json.RawMessage("true")
		}
		a = append(a, newShown[i])
	}
	return encode(b), encode(a)
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
