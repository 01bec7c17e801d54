package api_test

import (
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func decodeInto[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return v
}

type keyList struct {
	APIKeys []manage.APIKey `json:"api_keys"`
}

func TestAPIKeys(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	const keys = "/v1/workspaces/acme/api-keys"

	begin := time.Now().Add(-time.Second)
	made := decodeInto[manage.MadeAPIKey](t, s.do(t, "POST", keys, `{"name":"CI","scopes":["read","write"],"expires_in_days":365}`).want(t, 201))
	secret, err := apikey.Parse(made.Key)
	if err != nil || secret.Test() {
		t.Errorf("the key %q: %v", made.Key, err)
	}
	if made.ExpiresAt == nil || made.ExpiresAt.Sub(made.CreatedAt) != 365*24*time.Hour || made.CreatedAt.Before(begin) {
		t.Errorf("created at %v, expires at %v", made.CreatedAt, made.ExpiresAt)
	}
	bearer := []string{"Authorization", "Bearer " + made.Key}
	s.do(t, "GET", "/v1/workspaces/acme", "", bearer...).want(t, 200)

	// Rotation: for a while both keys work, then the old one is revoked.
	a := s.do(t, "POST", keys, `{"name":"CI, the new one","scopes":["read"],"test":true}`).want(t, 201)
	if !strings.Contains(a.body, `"expires_at":null`) {
		t.Errorf("a key that doesn't end: %s", a.body)
	}
	next := decodeInto[manage.MadeAPIKey](t, a)
	if secret, err := apikey.Parse(next.Key); err != nil || !secret.Test() || !next.Test {
		t.Errorf("the test key %q: %v", next.Key, err)
	}
	newBearer := []string{"Authorization", "Bearer " + next.Key}
	s.do(t, "GET", "/v1/workspaces/acme", "", newBearer...).want(t, 200)
	s.do(t, "GET", "/v1/workspaces/acme", "", bearer...).want(t, 200)
	s.do(t, "DELETE", keys+"/"+made.ID, "").want(t, 204)
	s.do(t, "DELETE", keys+"/"+made.ID, "").want(t, 204)
	s.do(t, "GET", "/v1/workspaces/acme", "", newBearer...).want(t, 200)
	if message := s.do(t, "GET", "/v1/workspaces/acme", "", bearer...).wantError(t, 401, "UNAUTHORIZED"); !strings.Contains(message, "revoked") {
		t.Errorf("message %q", message)
	}

	a = s.do(t, "GET", keys, "").want(t, 200)
	for _, secret := range []string{made.Key, next.Key, made.Key[8:20]} {
		if strings.Contains(a.body, secret) {
			t.Errorf("the list shows a key: %s", a.body)
		}
	}
	list := decodeInto[keyList](t, a).APIKeys
	if len(list) != 2 || list[0].RevokedAt == nil || list[1].RevokedAt != nil || list[0].Name != "CI" || !list[1].Test {
		t.Errorf("the list: %s", a.body)
	}

	// Revoke all keys at once.
	s.do(t, "POST", keys, `{"name":"a","scopes":["write"]}`).want(t, 201)
	if a := s.do(t, "DELETE", keys, "").want(t, 200); a.body != "{\"revoked\":2}\n" {
		t.Errorf("revoking all: %s", a.body)
	}
	s.do(t, "GET", "/v1/workspaces/acme", "", newBearer...).wantError(t, 401, "UNAUTHORIZED")
	if a := s.do(t, "DELETE", keys, "").want(t, 200); a.body != "{\"revoked\":0}\n" {
		t.Errorf("revoking all again: %s", a.body)
	}
}

func TestAPIKeyRefusals(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	for _, c := range []struct{ body, message string }{
		{`{"scopes":["read"]}`, "name"},
		{`{"name":"","scopes":["read"]}`, "name"},
		{`{"name":"` + strings.Repeat("x", 101) + `","scopes":["read"]}`, "name"},
		{`{"name":"a\u0000b","scopes":["read"]}`, "name"},
		{`{"name":"a"}`, "scopes"},
		{`{"name":"a","scopes":[]}`, "scopes"},
		{`{"name":"a","scopes":["root"]}`, "scopes"},
		{`{"name":"a","scopes":["read","read"]}`, "scopes"},
		{`{"name":"a","scopes":["read"],"expires_in_days":0}`, "expires_in_days"},
		{`{"name":"a","scopes":["read"],"expires_in_days":366}`, "expires_in_days"},
		{`{"name":"a","scopes":["read"],"expires_in_days":-1}`, "expires_in_days"},
		{`{"name":"a","scopes":["read"],"key":"tt_live_x"}`, "key"},
		{`{"name":"a","scopes":["read"]}{}`, "after top-level value"},
		{`[]`, "must be an object"},
	} {
		if message := s.do(t, "POST", "/v1/workspaces/acme/api-keys", c.body).wantError(t, 400, "VALIDATION_ERROR"); !strings.Contains(message, c.message) {
			t.Errorf("%s: %q, want it to name %s", c.body, message, c.message)
		}
	}
	s.do(t, "POST", "/v1/workspaces/nobody/api-keys", `{"name":"a","scopes":["read"]}`).wantError(t, 404, "WORKSPACE_NOT_FOUND")
	s.do(t, "DELETE", "/v1/workspaces/acme/api-keys/nothing", "").wantError(t, 404, "NOT_FOUND")
	for range 97 {
		s.do(t, "POST", "/v1/workspaces/acme/api-keys", `{"name":"a","scopes":["read"]}`).want(t, 201)
	}
	// Among any number of concurrent requests, only three can make a key.
	statuses := make(chan int, 20)
	for range cap(statuses) {
		go func() {
			statuses <- s.do(t, "POST", "/v1/workspaces/acme/api-keys", `{"name":"a","scopes":["read"]}`).status
		}()
	}
	counts := map[int]int{}
	for range cap(statuses) {
		counts[<-statuses]++
	}
	if counts[201] != 3 || counts[409] != cap(statuses)-3 {
		t.Errorf("with room for 3 keys: %v", counts)
	}
	s.do(t, "POST", "/v1/workspaces/acme/api-keys", `{"name":"a","scopes":["read"]}`).wantError(t, 409, "CONFLICT")
}

type auditPage struct {
	Entries []workspace.AuditEntry
	Next    string
}

// TestAudit makes changes and reads them page by page in the log.
func TestAudit(t *testing.T) {
	s := start(t, func(c *config) {
		c.Client = visitor
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[{"key":"photos","kind":"http","url":"https://a.test/","headers":{"X-Token":"hunter2"}}]}`).want(t, 201)
	key := decodeInto[manage.MadeAPIKey](t, s.do(t, "POST", "/v1/workspaces/acme/api-keys", `{"name":"CI","scopes":["read","write"]}`).want(t, 201))
	bearer := []string{"Authorization", "Bearer " + key.Key, "User-Agent", "test/1"}
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"Acme"}`, bearer...).want(t, 200)
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":"Acme"}`, bearer...).want(t, 200) // changes nothing
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"name":7}`, bearer...).want(t, 400)
	s.do(t, "PUT", "/v1/workspaces/acme/presets/thumb", `{"options":"w=32"}`, bearer...).want(t, 200)
	signing := decodeInto[struct{ ID string }](t, s.do(t, "POST", "/v1/workspaces/acme/signing-keys", "", bearer...).want(t, 201))
	s.do(t, "DELETE", "/v1/workspaces/acme/signing-keys/"+signing.ID, "", bearer...).want(t, 204)
	s.do(t, "DELETE", "/v1/workspaces/acme/api-keys/"+key.ID, "").want(t, 204)

	by := "key:" + key.ID
	want := []struct{ actor, action, target, after string }{
		{"root", "api_key.revoke", key.ID, `"revoked_at":"`},
		{by, "signing_key.delete", signing.ID, ""},
		{by, "signing_key.create", signing.ID, `"id":"` + signing.ID},
		{by, "workspace.update", "acme", `{"presets":[{"name":"thumb","options":"w=32"}]}`},
		{by, "workspace.update", "acme", `{"name":"Acme"}`},
		{"root", "api_key.create", key.ID, `"name":"CI"`},
		{"root", "workspace.create", "acme", `"X-Token":"***"`},
	}
	var got []workspace.AuditEntry
	before := ""
	for {
		a := s.do(t, "GET", "/v1/workspaces/acme/audit?limit=3&before="+before, "").want(t, 200)
		for _, secret := range []string{"hunter2", key.Key, rootKey} {
			if strings.Contains(a.body, secret) {
				t.Errorf("the log shows a secret: %s", a.body)
			}
		}
		page := decodeInto[auditPage](t, a)
		got = append(got, page.Entries...)
		if before = page.Next; before == "" {
			break
		}
	}
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		e := got[i]
		if e.Actor != w.actor || e.Action != w.action || e.Target != w.target || !strings.Contains(string(e.After), w.after) {
			t.Errorf("entry %d: %s %s %s %s, want %+v", i, e.Actor, e.Action, e.Target, e.After, w)
		}
		if e.IP != "203.0.113.9" || e.Time.IsZero() {
			t.Errorf("entry %d: from %q at %v", i, e.IP, e.Time)
		}
	}
	if got[4].UserAgent != "test/1" || string(got[4].Before) != `{"name":""}` {
		t.Errorf("the first change: %+v", got[4])
	}
	for _, query := range []string{"trail=all", "limit=0", "limit=201"} {
		s.do(t, "GET", "/v1/workspaces/acme/audit?"+query, "").wantError(t, 400, "VALIDATION_ERROR")
	}
}

// TestAccessLog sends requests and reads the access log and the counts of a key. It
// includes refused requests, and requests with a revoked key.
func TestAccessLog(t *testing.T) {
	var recorder *usage.Recorder
	var journal *usage.Journal
	s := start(t, func(c *config) {
		c.Client = visitor
		db := c.Uncached.(workspacetest.Store)
		recorder = usage.New(usage.Config{Counters: db, Log: slog.New(slog.DiscardHandler)})
		journal = usage.NewJournal(usage.JournalConfig{Entries: db})
		c.Usage, c.Journal = recorder, journal
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"other"}`).want(t, 201)
	key := decodeInto[manage.MadeAPIKey](t, s.do(t, "POST", "/v1/workspaces/acme/api-keys", `{"name":"CI","scopes":["read"]}`).want(t, 201))
	bearer := []string{"Authorization", "Bearer " + key.Key, "User-Agent", "test/1"}
	s.do(t, "GET", "/v1/workspaces/acme", "", bearer...).want(t, 200)
	s.do(t, "GET", "/v1/workspaces/other", "", bearer...).want(t, 403)
	s.do(t, "GET", "/v1/nothing?secret=hunter2", "", bearer...).want(t, 404)
	s.do(t, "GET", "/v1/workspaces/acme", "", "Authorization", "-").want(t, 401)
	s.do(t, "DELETE", "/v1/workspaces/acme/api-keys/"+key.ID, "").want(t, 204)
	s.do(t, "GET", "/v1/workspaces/acme", "", bearer...).want(t, 401)
	if err := journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := recorder.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}

	a := s.do(t, "GET", "/v1/workspaces/acme/audit?trail=access", "").want(t, 200)
	if strings.Contains(a.body, "hunter2") {
		t.Errorf("the log has a query: %s", a.body)
	}
	type line struct {
		Actor, Action, Target string
		Status                int
	}
	var got []line
	for _, e := range decodeInto[auditPage](t, a).Entries {
		got = append(got, line{e.Actor, e.Action, e.Target, e.Status})
		if e.IP != "203.0.113.9" {
			t.Errorf("from %q", e.IP)
		}
	}
	by, one := "key:"+key.ID, "GET /v1/workspaces/{ns}"
	want := []line{
		{by, one, "/v1/workspaces/acme", 401},
		{"root", "DELETE /v1/workspaces/{ns}/api-keys/{id}", "/v1/workspaces/acme/api-keys/" + key.ID, 204},
		{by, "GET", "/v1/nothing", 404},
		{by, one, "/v1/workspaces/other", 403},
		{by, one, "/v1/workspaces/acme", 200},
		{"root", "POST /v1/workspaces/{ns}/api-keys", "/v1/workspaces/acme/api-keys", 201},
		{"root", "POST /v1/workspaces", "/v1/workspaces", 201},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the access log (-want +got):\n%s", diff)
	}
	k := decodeInto[keyList](t, s.do(t, "GET", "/v1/workspaces/acme/api-keys", "").want(t, 200)).APIKeys[0]
	if k.TotalRequests != 4 || k.TotalErrors != 3 || k.LastUsedAt == nil {
		t.Errorf("the key's counts: %+v", k)
	}
}

// TestFormerOwnersKey uses a key of a deleted workspace whose namespace another workspace
// has. The server hasn't heard of the deletion yet.
func TestFormerOwnersKey(t *testing.T) {
	db := workspacetest.NewMemory()
	told, untold := startOn(t, db, nil), startOn(t, db, nil)
	told.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","name":"the first"}`).want(t, 201)
	key := decodeInto[manage.MadeAPIKey](t, told.do(t, "POST", "/v1/workspaces/acme/api-keys", `{"name":"CI","scopes":["read","write"]}`).want(t, 201))
	bearer := []string{"Authorization", "Bearer " + key.Key}
	untold.do(t, "GET", "/v1/workspaces/acme", "", bearer...).want(t, 200)
	told.do(t, "DELETE", "/v1/workspaces/acme", "").want(t, 204)
	told.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","name":"the second"}`).want(t, 201)

	for request, body := range map[string]string{
		"GET /v1/workspaces/acme":                     "",
		"PATCH /v1/workspaces/acme":                   `{"name":"taken over"}`,
		"PUT /v1/workspaces/acme/presets/thumb":       `{"options":"w=1"}`,
		"POST /v1/workspaces/acme/signing-keys":       "",
		"POST /v1/workspaces/acme/purge":              `{"all":true}`,
		"GET /v1/workspaces/acme/usage":               "",
		"GET /v1/workspaces/acme/errors":              "",
		"GET /v1/workspaces/acme/audit":               "",
		"GET /v1/workspaces/acme/audit?trail=access":  "",
		"GET /v1/workspaces/acme/api-keys":            "",
		"GET /v1/workspaces/acme/explain?url=/acme/a": "",
	} {
		method, path, _ := strings.Cut(request, " ")
		untold.do(t, method, path, body, bearer...).wantError(t, 401, "UNAUTHORIZED")
	}
	a := told.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200)
	if !strings.Contains(a.body, `"name":"the second"`) || !strings.Contains(a.body, `"revision":1,`) {
		t.Errorf("the second workspace is %s", a.body)
	}
}
