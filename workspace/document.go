package workspace

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
)

// A Document is the content of a file about one workspace. [DecodeAll] reads documents.
type Document struct {
	*Workspace        // fields that the document leaves out have the defaults of [New]
	given      object // the fields that the document has
}

// NewDocument returns a document with every field of w, except for empty fields without a
// default.
func NewDocument(w *Workspace) *Document {
	return &Document{w, asObject(w)}
}

// A Plan is the result of applying a document.
type Plan struct {
	// Workspace is the workspace after the change. It has [Mask] in the place of each secret
	// that the document doesn't change.
	Workspace *Workspace
	// Changes are the changes, as lines of [Diff].
	Changes []string
	// Kept is what stays although the document leaves it out, such as
	//
	//	presets[thumb]
	//	name: "Acme"
	Kept []string
	// Warnings are those of [Workspace.Warn], [Workspace.Closes] and [Workspace.Opens].
	Warnings []string
}

// Plan returns the result of applying the document to old. old is nil if the workspace
// doesn't exist. Its secrets may be masked.
//
// With prune, the workspace becomes equal to the document, and fields that it leaves out get
// their defaults. Without prune, these stay if the document leaves them out:
//   - fields of the workspace and of objects in it
//   - sources, marks and presets with other names
//   - domains and headers
//
// The document replaces every other list as a whole. If the kind of a source changes, the
// fields that the new kind doesn't have are removed.
//
// The error is a *[ValidationError] if the merged lists have too many elements. Plan
// validates nothing else.
func (d *Document) Plan(old *Workspace, prune bool) (*Plan, error) {
	whole := d.Workspace.Clone()
	if old == nil || prune {
		return &Plan{Workspace: whole, Changes: Diff(old, whole), Warnings: whole.warningsAfter(old)}, nil
	}
	w, err := decodeTree(overlay("", asObject(old.Masked()), d.given), "")
	if err != nil {
		return nil, err
	}
	p := &Plan{Workspace: w, Changes: Diff(old, w), Warnings: w.warningsAfter(old)}
	for _, c := range differences(w, whole) {
		if !c.silent() {
			p.Kept = append(p.Kept, c.kept())
		}
	}
	return p, nil
}

func (w *Workspace) warningsAfter(old *Workspace) []string {
	return slices.Concat(w.Warn(), w.Closes(old), w.Opens(old))
}

// overlay merges the given value of a field over the old one. name is the field's name.
func overlay(name string, old, given tree) tree {
	switch given := given.(type) {
	case object:
		if old, ok := old.(object); ok {
			return overlayObject(name, old, given)
		}
	case []tree:
		old, _ := old.([]tree)
		if key := elementName[name]; key != "" {
			return overlayElements(key, old, given)
		}
		if name == "domains" {
			return union(old, given)
		}
	}
	return given
}

func overlayObject(name string, old, given object) object {
	same := func(a, b string) bool { return a == b }
	if name == "headers" {
		same = func(a, b string) bool { return http.CanonicalHeaderKey(a) == http.CanonicalHeaderKey(b) }
	}
	var laid object
	for _, f := range old {
		if !slices.ContainsFunc(given, func(g field) bool { return same(f.name, g.name) }) {
			laid = append(laid, f)
		}
	}
	for _, g := range given {
		value := g.value
		if i := slices.IndexFunc(old, func(f field) bool { return same(f.name, g.name) }); i >= 0 {
			value = overlay(g.name, old[i].value, g.value)
		}
		laid = append(laid, field{g.name, value})
	}
	return laid
}

// overlayElements merges two lists. It keeps the order of the old list and appends new
// elements.
func overlayElements(key string, old, given []tree) []tree {
	laid := slices.Clone(old)
	done := map[int]bool{}
	for _, g := range given {
		g := g.(object) // both lists have been decoded
		i := slices.IndexFunc(old, func(e tree) bool { return e.(object).get(key) == g.get(key) })
		if i < 0 || done[i] { // i < 0: new; done: given twice, which Validate refuses
			laid = append(laid, g)
			continue
		}
		done[i] = true
		laid[i] = overlayObject("", staying(old[i].(object), g), g)
	}
	return laid
}

// staying returns the fields of an old element that can stay beside the given ones. It
// removes fields that sources of the given kind don't have, and the secret of another
// access key.
func staying(old, given object) object {
	kind, _ := given.get("kind").(string)
	now, known := kindFields[kind]
	other := given.get("access_key_id") != nil && given.get("access_key_id") != old.get("access_key_id")
	return slices.DeleteFunc(slices.Clone(old), func(f field) bool {
		fits := slices.Contains(now.required, f.name) || slices.Contains(now.optional, f.name)
		return known && !fits && ofSomeKind(f.name) || other && f.name == "secret_access_key"
	})
}

// ofSomeKind reports whether only some kinds of sources have the field.
func ofSomeKind(name string) bool {
	for _, k := range kindFields {
		if slices.Contains(k.required, name) || slices.Contains(k.optional, name) {
			return true
		}
	}
	return false
}

// union returns the names of both lists, each once.
func union(old, given []tree) []tree {
	all := slices.Clone(old)
	for _, g := range given {
		if name, ok := g.(string); !ok || !slices.Contains(all, tree(DomainName(name))) {
			all = append(all, g)
		}
	}
	return all
}

// asObject returns the workspace as the object that a client would send: without fields
// that are empty and left out of JSON, and without those that the server sets.
func asObject(w *Workspace) object {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		panic(err) // plain values always encode
	}
	t, err := parseJSON(b.Bytes())
	if err != nil {
		panic(err)
	}
	o := t.(object)
	return slices.DeleteFunc(o, func(f field) bool { return serverMade(f.name) })
}
