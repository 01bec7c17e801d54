package workspace

import (
	"encoding/json"
	"reflect"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// MergePatch returns a copy of w, changed by a JSON merge patch (RFC 7396). The patch
// applies to the JSON that clients see. [Mask] in it keeps a secret, and null restores a
// field's default. The result has the ID and the times of w, and its revision if the patch
// names none. The error is a *[ValidationError] if the patch isn't strict JSON of a
// workspace's fields, or changes the namespace. MergePatch doesn't validate the result.
func MergePatch(w *Workspace, patch []byte) (*Workspace, error) {
	t, err := parseJSON(patch)
	if err != nil {
		return nil, err
	}
	// The patch is checked by itself too: a null for an unknown field leaves no trace in the
	// merged document.
	f := filler{nulls: true}
	f.fill(reflect.ValueOf(new(Workspace)).Elem(), t, "")
	if err := f.err(); err != nil {
		return nil, err
	}
	document, err := json.Marshal(w.Masked())
	if err != nil {
		return nil, err
	}
	merged, err := jsonpatch.MergePatch(document, patch)
	if err != nil {
		return nil, invalid("", "not a merge patch: %v", err)
	}
	n, err := Decode(merged)
	if err != nil {
		return nil, err
	}
	if n.Namespace != w.Namespace {
		return nil, invalid("namespace", "must stay %q: create another workspace instead", w.Namespace)
	}
	n.ID, n.CreatedAt, n.UpdatedAt = w.ID, w.CreatedAt, w.UpdatedAt
	if n.Revision == 0 {
		n.Revision = w.Revision
	}
	if err := n.Unmask(w); err != nil {
		return nil, err
	}
	return n, nil
}
