package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tintype/tintype/workspace"
)

// accessLines returns the lines of the access logs with these IDs: status, method and
// route, and the actor.
func accessLines(t *testing.T, s *server, ids ...string) (lines []string) {
	t.Helper()
	if err := s.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		entries, err := s.records.Audit(t.Context(), id, workspace.TrailAccess, "", 100)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			lines = append(lines, fmt.Sprintf("%d %s by %s", e.Status, e.Action, e.Actor))
		}
	}
	return lines
}

// idOf returns the ID of the workspace of this namespace.
func idOf(t *testing.T, s *server, namespace string) string {
	t.Helper()
	w, err := s.records.Get(t.Context(), namespace)
	if err != nil {
		t.Fatal(err)
	}
	return w.ID
}

// TestEveryRouteIsLogged sends a request to every operation. Each request with a known key
// must be in exactly one access log, whatever the answer is. Requests to operations without
// a key are in none.
func TestEveryRouteIsLogged(t *testing.T) {
	first, _ := cell(t)
	requests := described(t, first)
	for _, u := range unrouted {
		method, path, _ := strings.Cut(u.request, " ")
		requests = append(requests, matrixRequest{method, method, strings.ReplaceAll(path, "{ns}", "acme"), "unrouted", "", u.status, u.code})
	}
	refused := func(r matrixRequest) matrixRequest { // to an operation that doesn't exist
		r.body, r.path = "{", strings.ReplaceAll(r.path, "acme", "nobody")
		r.status = 0
		return r
	}
	checked := 0
	for _, r := range requests {
		var s *server
		var keys map[string]string
		var ids, logged []string
		fresh := func() {
			s, keys = cell(t)
			logged, ids = nil, []string{idOf(t, s, "acme"), idOf(t, s, "other"), workspace.OperatorLog}
			for _, namespace := range []string{"acme", "gone"} {
				gone, err := s.records.Deletions(t.Context(), namespace)
				if err != nil || len(gone) != 1 {
					t.Fatal(gone, err)
				}
				ids = append(ids, gone[0].WorkspaceID)
			}
		}
		fresh()
		for _, from := range []string{"root", "root, refused", "both", "read", "other", "revoked", "expired", "replaced", "deleted"} {
			key, actor := keys[from], "key:"+from
			if strings.HasPrefix(from, "root") {
				key, actor = rootKey, "root"
			}
			sent := r
			if from == "root, refused" {
				sent = refused(r)
			}
			content := "application/json"
			if sent.body == "image" {
				content = "image/jpeg"
			}
			a := s.do(t, sent.method, s.ids.Replace(sent.path), sent.body, "Authorization", "Bearer "+key, "Content-Type", content)
			if from == "root" && a.status != r.status {
				t.Errorf("%s: status %d, want %d", r.route, a.status, r.status)
			}
			if w, err := s.records.Get(t.Context(), "new-one"); err == nil {
				ids = append(ids, w.ID)
			}
			want := slices.Clone(logged) // the lines of the requests before, and one more
			switch r.need {
			case "none":
			case "unrouted":
				want = append(want, fmt.Sprintf("%d %s by %s", a.status, sent.method, actor))
			default:
				want = append(want, fmt.Sprintf("%d %s by %s", a.status, strings.Replace(r.route, http.MethodGet, sent.method, 1), actor))
			}
			slices.Sort(want)
			logged = slices.Sorted(slices.Values(accessLines(t, s, ids...)))
			if diff := cmp.Diff(want, logged, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s %s with %s (-want +got):\n%s", sent.method, sent.path, from, diff)
			}
			if a.status < 300 && sent.method != http.MethodGet && sent.method != http.MethodHead {
				fresh() // the request changed the cell
			}
			checked++
		}
	}
	t.Logf("%d requests, each in one log", checked)
}

// TestWhoseLog: a request with the root key is in the log of the workspace that it
// concerns, or in the operator's.
func TestWhoseLog(t *testing.T) {
	s, _ := cell(t)
	acme := idOf(t, s, "acme")
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"new-one"}`).want(t, 201)
	made := idOf(t, s, "new-one")
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 409)
	s.do(t, "GET", "/v1/workspaces", "").want(t, 200)
	s.do(t, "GET", "/v1/workspaces/nobody", "").want(t, 404)
	s.do(t, "PATCH", "/v1/workspaces/acme", `{`).want(t, 400)
	s.do(t, "DELETE", "/v1/workspaces/acme", "").want(t, 204)
	s.do(t, "GET", "/v1/workspaces/acme/audit", "").want(t, 200)
	for id, want := range map[string][]string{
		acme:                  {"200 GET /v1/workspaces/{ns}/audit by root", "204 DELETE /v1/workspaces/{ns} by root", "400 PATCH /v1/workspaces/{ns} by root"},
		made:                  {"201 POST /v1/workspaces by root"},
		workspace.OperatorLog: {"404 GET /v1/workspaces/{ns} by root", "200 GET /v1/workspaces by root", "409 POST /v1/workspaces by root"},
	} {
		if diff := cmp.Diff(want, accessLines(t, s, id)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", id, diff)
		}
	}
	var actions []string
	for _, e := range decodeInto[auditPage](t, s.do(t, "GET", "/v1/audit?limit=2", "").want(t, 200)).Entries {
		actions = append(actions, e.Action)
	}
	if !slices.Equal(actions, []string{"GET /v1/workspaces/{ns}", "GET /v1/workspaces"}) {
		t.Errorf("the operator's log: %v", actions)
	}
}

// TestAuditOfDeleted: after a workspace was deleted, only the root key can read its log.
// The workspace that has the namespace now has a log of its own.
func TestAuditOfDeleted(t *testing.T) {
	s, _ := cell(t)
	const path = "/v1/workspaces/shop/audit"
	type page struct {
		auditPage
		Deleted []struct{ ID string }
	}
	read := func(query string) page {
		t.Helper()
		return decodeInto[page](t, s.do(t, "GET", path+query, "").want(t, 200))
	}
	actions := func(p page) (list []string) {
		for _, e := range p.Entries {
			list = append(list, e.Action)
		}
		return list
	}
	s.do(t, "GET", path, "").wantError(t, 404, "WORKSPACE_NOT_FOUND")
	var ids []string
	for _, name := range []string{"First", "Second"} {
		s.do(t, "POST", "/v1/workspaces", `{"namespace":"shop"}`).want(t, 201)
		ids = append(ids, idOf(t, s, "shop"))
		s.do(t, "PATCH", "/v1/workspaces/shop", `{"name":"`+name+`"}`).want(t, 200)
		s.do(t, "DELETE", "/v1/workspaces/shop", "").want(t, 204)
	}
	whole := []string{"workspace.delete", "workspace.update", "workspace.create"}
	last := read("")
	if diff := cmp.Diff(whole, actions(last)); diff != "" || !strings.Contains(string(last.Entries[1].After), "Second") {
		t.Errorf("the last one's log: %s\n%s", diff, last.Entries[1].After)
	}
	if len(last.Deleted) != 2 || last.Deleted[0].ID != ids[1] || last.Deleted[1].ID != ids[0] {
		t.Errorf("deleted: %+v, want %v from the last on", last.Deleted, ids)
	}
	if first := read("?workspace=" + ids[0]); !strings.Contains(string(first.Entries[1].After), "First") {
		t.Errorf("the first one's log: %s", first.Entries[1].After)
	}
	if err := s.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if access := read("?trail=access&limit=1&workspace=" + ids[0]); len(access.Entries) != 1 || access.Next == "" {
		t.Errorf("its access log: %+v", access)
	}

	// A new workspace of the namespace, and its keys, have logs of their own.
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"shop"}`).want(t, 201)
	if got := read(""); !slices.Equal(actions(got), []string{"workspace.create"}) || len(got.Deleted) != 2 {
		t.Errorf("the present one's log: %v, deleted %v", actions(got), got.Deleted)
	}
	key := decodeInto[struct{ Key string }](t, s.do(t, "POST", "/v1/workspaces/shop/api-keys", `{"name":"n","scopes":["read"]}`).want(t, 201)).Key
	bearer := []string{"Authorization", "Bearer " + key}
	if a := s.do(t, "GET", path, "", bearer...).want(t, 200); strings.Contains(a.body, "deleted") {
		t.Errorf("a key is told of others' workspaces: %s", a.body)
	}
	s.do(t, "GET", path+"?workspace="+ids[0], "", bearer...).wantError(t, 403, "FORBIDDEN")
	s.do(t, "GET", path+"?workspace="+idOf(t, s, "shop"), "", bearer...).want(t, 200)
	s.do(t, "GET", path+"?workspace="+idOf(t, s, "acme"), "").wantError(t, 404, "NOT_FOUND")
	s.do(t, "GET", "/v1/workspaces/-/audit", "").wantError(t, 404, "WORKSPACE_NOT_FOUND")
}

// TestAuditFilters: a log can be searched by action, actor, days and failures.
func TestAuditFilters(t *testing.T) {
	s, _ := cell(t)
	id := idOf(t, s, "acme")
	for i, day := range []int{28, 29, 30} {
		at := time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC)
		for j, e := range []workspace.AuditEntry{{Action: "GET /v1/x", Actor: "root", Status: 200}, {Action: "PUT /v1/x", Actor: "key:" + strconv.Itoa(i), Status: 404}} {
			e.WorkspaceID, e.Trail, e.Time = id, workspace.TrailAccess, at.Add(time.Duration(j)*time.Minute)
			if err := s.records.AppendAudit(t.Context(), e); err != nil {
				t.Fatal(err)
			}
		}
	}
	for query, want := range map[string]string{
		"&from=2026-01-29&to=2026-01-29":         "PUT key:1, GET root",
		"&from=2026-01-29&failed=true":           "PUT key:2, PUT key:1",
		"&to=2026-01-28":                         "PUT key:0, GET root",
		"&action=get":                            "GET root, GET root, GET root",
		"&actor=KEY:1":                           "PUT key:1",
		"&actor=nobody":                          "",
		"&failed=true&limit=1":                   "PUT key:2 and more",
		"&actor=key&workspace=" + id:             "PUT key:2, PUT key:1, PUT key:0",
		"&from=2026-01-30&to=2026-01-30&limit=2": "PUT key:2, GET root",
	} {
		a := decodeInto[auditPage](t, s.do(t, "GET", "/v1/workspaces/acme/audit?trail=access"+query, "").want(t, 200))
		var got []string
		for _, e := range a.Entries {
			method, _, _ := strings.Cut(e.Action, " ")
			got = append(got, method+" "+e.Actor)
		}
		text := strings.Join(got, ", ")
		if a.Next != "" {
			text += " and more"
		}
		if text != want {
			t.Errorf("%s: %s, want %s", query, text, want)
		}
	}
	for _, query := range []string{"from=x", "to=2026-02-30", "failed=maybe", "from=2026-01-30&to=2026-01-29"} {
		s.do(t, "GET", "/v1/workspaces/acme/audit?"+query, "").wantError(t, 400, "VALIDATION_ERROR")
	}
}
