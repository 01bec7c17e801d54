package workspace

import (
	"encoding/json"
	"reflect"

	jsonpatch "github.com/evanphx/json-patch/v5"
)

// MergePatch returns a copy of w changed by a JSON merge patch (RFC 7396). The
// patch applies to the JSON that clients see, so [Mask] in it keeps a secret, and
// a null puts a field back to its default. The result keeps ID and times of w,
// and its revision too where the patch names none. A patch that isn't strict JSON
// of a workspace's fields, or that changes the namespace, is a
// *[ValidationError]. The result is not validated.
func MergePatch(w *Workspace, patch []byte) (*Workspace, error) {
	t, err := parseJSON(patch)
	if err != nil {
		return nil, err
	}
	// A null removes a member that may be unknown, so the merged document alone
	// wouldn't show every mistake of the patch.
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
