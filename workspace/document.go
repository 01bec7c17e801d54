package workspace

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
)

// A Document is what a file says about one workspace. [DecodeAll] reads documents.
type Document struct {
	*Workspace        // with the defaults of [New] for what the document leaves out
	given      object // what it has
}

// NewDocument returns the document that has every field of w, but for fields that are
// empty and without a default.
func NewDocument(w *Workspace) *Document {
	return &Document{w, asObject(w)}
}

// A Plan is what applying a document comes to.
type Plan struct {
	// Workspace is the workspace as it will be. [Mask] stands for each secret that the
	// document leaves as it is.
	Workspace *Workspace
	// Changes are what it changes, as [Diff] words them.
	Changes []string
	// Kept is what the document leaves out and stays all the same, such as
	//
	//	presets[thumb]
	//	name: "Acme"
	Kept []string
	// Warnings are those of [Workspace.Warn] and [Workspace.Opens].
	Warnings []string
}

// Plan says what applying the document to old comes to, which is nil where there is no
// such workspace, and whose secrets may be masked.
//
// With prune the workspace becomes what the document says, and fields that it leaves out
// get their defaults. Otherwise what it leaves out stays: fields of the workspace and
// of objects in it; sources, marks and presets of other names; domains and headers.
// Every other list is a value, which becomes the one of the document. Of a source that
// becomes one of another kind, the fields that this kind doesn't have don't stay.
//
// The error is a *[ValidationError] where both together have too many elements. Nothing
// else is judged.
func (d *Document) Plan(old *Workspace, prune bool) (*Plan, error) {
	whole := d.Workspace.Clone()
	if old == nil || prune {
		return &Plan{Workspace: whole, Changes: Diff(old, whole), Warnings: append(whole.Warn(), whole.Opens(old)...)}, nil
	}
	w, err := decodeTree(overlay("", asObject(old.Masked()), d.given), "")
	if err != nil {
		return nil, err
	}
	p := &Plan{Workspace: w, Changes: Diff(old, w), Warnings: append(w.Warn(), w.Opens(old)...)}
	for _, c := range differences(w, whole) {
		if !c.silent() {
			p.Kept = append(p.Kept, c.kept())
		}
	}
	return p, nil
}

// overlay is the value of a field called name, with what was given laid over the old
// one.
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

// overlayElements keeps the order of the old list, with what is new behind it.
func overlayElements(key string, old, given []tree) []tree {
	laid := slices.Clone(old)
	done := map[int]bool{}
	for _, g := range given {
		g := g.(object) // both lists have been read as elements
		i := slices.IndexFunc(old, func(e tree) bool { return e.(object).get(key) == g.get(key) })
		if i < 0 || done[i] { // given twice, which validation refuses
			laid = append(laid, g)
			continue
		}
		done[i] = true
		laid[i] = overlayObject("", staying(old[i].(object), g), g)
	}
	return laid
}

// staying is what of an old element can stay beside what is given for it: no field that a
// source of the given kind doesn't have, and no secret of another access key.
func staying(old, given object) object {
	kind, _ := given.get("kind").(string)
	now, known := kindFields[kind]
	other := given.get("access_key_id") != nil && given.get("access_key_id") != old.get("access_key_id")
	return slices.DeleteFunc(slices.Clone(old), func(f field) bool {
		fits := slices.Contains(now.required, f.name) || slices.Contains(now.optional, f.name)
		return known && !fits && ofSomeKind(f.name) || other && f.name == "secret_access_key"
	})
}

// ofSomeKind reports whether sources of some kinds have the field and others don't.
func ofSomeKind(name string) bool {
	for _, k := range kindFields {
		if slices.Contains(k.required, name) || slices.Contains(k.optional, name) {
			return true
		}
	}
	return false
}

// union is both lists of names, each name once.
func union(old, given []tree) []tree {
	all := slices.Clone(old)
	for _, g := range given {
		if name, ok := g.(string); !ok || !slices.Contains(all, tree(DomainName(name))) {
			all = append(all, g)
		}
	}
	return all
}

// asObject is a workspace as the JSON of a client, as far as that says anything.
func asObject(w *Workspace) object {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(w); err != nil {
		panic(err) // it is made of plain values
	}
	t, err := parseJSON(b.Bytes())
	if err != nil {
		panic(err)
	}
	o := t.(object)
	return slices.DeleteFunc(o, func(f field) bool { return serverMade(f.name) })
}
