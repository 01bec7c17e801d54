package manage_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// TestBatches signs and purges many at once. Where one can't be, none is.
func TestBatches(t *testing.T) {
	m, db := start(t, nil)
	w, err := db.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	many := func(n int, form string) (all []string) {
		for i := range n {
			all = append(all, fmt.Sprintf(form, i))
		}
		return all
	}
	signed, expires, err := m.SignURLs(t.Context(), manage.Operator, "acme", many(1000, "/acme/photos/%d.jpg?w=9"), 60)
	if err != nil || len(signed) != 1000 || !strings.HasPrefix(signed[999], "/acme/photos/999.jpg?w=9&exp=") || expires.IsZero() {
		t.Fatalf("%d, %v, %v", len(signed), expires, err)
	}
	purged := func() int64 {
		t.Helper()
		log, err := db.PurgeLog(t.Context(), w.ID, workspace.PurgeLog{})
		if err != nil {
			t.Fatal(err)
		}
		return log.Sequence
	}
	if _, err := m.Purge(t.Context(), manage.Operator, "acme", manage.PurgeRequest{Paths: append(many(999, "photos/%d.jpg"), "photos/1.jpg")}); err != nil {
		t.Fatal(err)
	}
	if n := purged(); n != 999 {
		t.Errorf("%d purges", n)
	}
	log, err := db.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 9)
	if err != nil || len(log) != 1 || log[0].Target != "999 paths" {
		t.Errorf("%+v, %v", log, err)
	}
	for _, tt := range []struct {
		what string
		err  error
		want string
	}{
		{"too many URLs", discard(first(m.SignURLs(t.Context(), manage.Operator, "acme", many(1001, "/acme/photos/%d.jpg"), 60))), "urls: must have 1 to 1000"},
		{"a bad URL", discard(first(m.SignURLs(t.Context(), manage.Operator, "acme", []string{"/acme/photos/a.jpg", "/other/photos/a.jpg"}, 60))), "urls[1]: must be a URL of this workspace"},
		{"too many paths", discard(m.Purge(t.Context(), manage.Operator, "acme", manage.PurgeRequest{Paths: many(1001, "photos/%d.jpg")})), "paths: may have at most 1000"},
		{"a bad path", discard(m.Purge(t.Context(), manage.Operator, "acme", manage.PurgeRequest{Paths: []string{"photos/a.jpg", "photos/../a.jpg"}})), "paths[1]: "},
		{"an unknown source", discard(m.Purge(t.Context(), manage.Operator, "acme", manage.PurgeRequest{Paths: []string{"nobody/a.jpg"}})), "paths[0]: the workspace has no source"},
		{"two kinds", discard(m.Purge(t.Context(), manage.Operator, "acme", manage.PurgeRequest{Paths: []string{"photos/a.jpg"}, All: true})), "Exactly one of"},
	} {
		if tt.err == nil || fault.OfManaging(tt.err).Code != fault.Validation || !strings.Contains(fault.OfManaging(tt.err).Message, tt.want) {
			t.Errorf("%s: %v", tt.what, tt.err)
		}
	}
	if n := purged(); n != 999 {
		t.Errorf("%d purges after what was refused", n)
	}
}

func first[T, U any](v T, _ U, err error) (T, error) { return v, err }
