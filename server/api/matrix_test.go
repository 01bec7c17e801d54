package api_test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/manage/managetest"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// matrix has a row for every operation: the right that it needs, and its answer to an
// allowed caller. A new operation fails the test until it has a row. {id} in a path is
// replaced by id.
var matrix = map[string]struct {
	need     string // root, admin, read, write, key (any) or none
	id, body string
	query    string
	status   int
	code     string // of an error
}{
	"POST /v1/workspaces":        {need: "root", body: `{"namespace":"new-one"}`, status: 201},
	"GET /v1/workspaces":         {need: "root", status: 200},
	"GET /v1/workspaces/{ns}":    {need: "read", status: 200},
	"PUT /v1/workspaces/{ns}":    {need: "write", body: `{"namespace":"acme","revision":1}`, status: 200},
	"PATCH /v1/workspaces/{ns}":  {need: "write", body: `{"name":"Acme"}`, status: 200},
	"DELETE /v1/workspaces/{ns}": {need: "root", status: 204},

	"PUT /v1/workspaces/{ns}/sources/{id}":    {need: "write", id: "new", body: `{"kind":"http","url":"https://new.test/"}`, status: 200},
	"DELETE /v1/workspaces/{ns}/sources/{id}": {need: "write", id: "photos", status: 204},
	"PUT /v1/workspaces/{ns}/marks/{id}":      {need: "write", id: "new", body: `{"image":"photos/logo.png"}`, status: 200},
	"DELETE /v1/workspaces/{ns}/marks/{id}":   {need: "write", id: "brand", status: 204},
	"PUT /v1/workspaces/{ns}/presets/{id}":    {need: "write", id: "new", body: `{"options":"w=1"}`, status: 200},
	"DELETE /v1/workspaces/{ns}/presets/{id}": {need: "write", id: "thumb", status: 204},

	"POST /v1/workspaces/{ns}/review":        {need: "write", body: `{"name":"Acme"}`, status: 200},
	"GET /v1/workspaces/{ns}/sources":        {need: "read", status: 200},
	"POST /v1/workspaces/{ns}/sources/test":  {need: "write", body: `{"source":{"key":"photos"},"path":"a.jpg"}`, status: 200},
	"POST /v1/workspaces/{ns}/marks/preview": {need: "write", body: `{"mark":{"name":"brand","image":"logos/logo.png"},"picture":"photos/a.jpg"}`, status: 200},

	"POST /v1/workspaces/{ns}/signing-keys":        {need: "write", status: 201},
	"GET /v1/workspaces/{ns}/signing-keys":         {need: "read", status: 200},
	"DELETE /v1/workspaces/{ns}/signing-keys/{id}": {need: "write", id: "signing", status: 204},
	"POST /v1/workspaces/{ns}/sign":                {need: "write", body: `{"url":"/acme/photos/a.jpg"}`, status: 200},

	"POST /v1/workspaces/{ns}/api-keys":        {need: "admin", body: `{"name":"new","scopes":["read"]}`, status: 201},
	"GET /v1/workspaces/{ns}/api-keys":         {need: "read", status: 200},
	"DELETE /v1/workspaces/{ns}/api-keys":      {need: "admin", status: 200},
	"DELETE /v1/workspaces/{ns}/api-keys/{id}": {need: "admin", id: "read", status: 204},

	"GET /v1/workspaces/{ns}/alerts":                        {need: "read", status: 200},
	"PUT /v1/workspaces/{ns}/alerts/rules/{id}":             {need: "admin", id: "key_rate", body: `{"threshold":500}`, status: 200},
	"POST /v1/workspaces/{ns}/alerts/channels":              {need: "admin", body: `{"kind":"slack","url":"https://hooks.test/x"}`, status: 201},
	"PUT /v1/workspaces/{ns}/alerts/channels/{id}":          {need: "admin", id: "none", body: `{"on":true}`, status: 404, code: "NOT_FOUND"},
	"DELETE /v1/workspaces/{ns}/alerts/channels/{id}":       {need: "admin", id: "none", status: 404, code: "NOT_FOUND"},
	"POST /v1/workspaces/{ns}/alerts/channels/{id}/test":    {need: "admin", id: "none", status: 404, code: "NOT_FOUND"},
	"POST /v1/workspaces/{ns}/alerts/channels/{id}/confirm": {need: "admin", id: "none", body: `{"code":"x"}`, status: 400, code: "VALIDATION_ERROR"},
	"POST /v1/workspaces/{ns}/alerts/channels/{id}/resend":  {need: "admin", id: "none", status: 404, code: "NOT_FOUND"},

	"GET /v1/workspaces/{ns}/usage":                {need: "read", status: 200},
	"GET /v1/workspaces/{ns}/errors":               {need: "read", status: 200},
	"GET /v1/workspaces/{ns}/limits":               {need: "read", status: 200},
	"GET /v1/workspaces/{ns}/domains":              {need: "read", status: 200},
	"POST /v1/workspaces/{ns}/domains/{id}/verify": {need: "write", id: "img.nobody.example", status: 404, code: "NOT_FOUND"},

	"POST /v1/workspaces/{ns}/purge": {need: "write", body: `{"source":"photos"}`, status: 202},

	"GET /v1/workspaces/{ns}/audit":   {need: "read", status: 200},
	"GET /v1/audit":                   {need: "root", status: 200},
	"GET /v1/workspaces/{ns}/explain": {need: "read", query: "?url=/acme/photos/a.jpg", status: 200},

	"POST /v1/workspaces/{ns}/images":                            {need: "write", query: "?source=photos&path=new.jpg", body: "image", status: 201},
	"GET /v1/workspaces/{ns}/images":                             {need: "read", query: "?source=photos&delimiter=/", status: 200},
	"GET /v1/workspaces/{ns}/images/{source}/{path}":             {need: "read", status: 200},
	"DELETE /v1/workspaces/{ns}/images/{source}/{path}":          {need: "write", status: 204},
	"POST /v1/workspaces/{ns}/images/{source}/{path}/signed-url": {need: "write", body: `{"expires_in":60,"options":"w=9"}`, status: 200},

	"POST /v1/workspaces/{ns}/images/upload-url":   {need: "write", body: `{"source":"photos","path":"a.jpg","content_type":"image/jpeg","bytes":9}`, status: 400, code: "VALIDATION_ERROR"}, // a folder has none
	"POST /v1/workspaces/{ns}/images/upload-parts": {need: "write", body: `{"source":"photos","path":"a.jpg","content_type":"image/jpeg","bytes":9}`, status: 400, code: "VALIDATION_ERROR"},
	"POST /v1/workspaces/{ns}/images/resume":       {need: "write", body: `{"source":"photos","upload_id":"x"}`, status: 400, code: "VALIDATION_ERROR"},
	"POST /v1/workspaces/{ns}/images/abort":        {need: "write", body: `{"source":"photos","upload_id":"x"}`, status: 400, code: "VALIDATION_ERROR"},
	"POST /v1/workspaces/{ns}/images/complete":     {need: "write", body: `{"source":"photos","path":"a.jpg","upload_id":"x"}`, status: 400, code: "VALIDATION_ERROR"},

	"POST /v1/workspaces/{ns}/blocks":        {need: "write", body: `{"path":"photos/a.jpg","reason":"a request"}`, status: 201},
	"GET /v1/workspaces/{ns}/blocks":         {need: "read", status: 200},
	"DELETE /v1/workspaces/{ns}/blocks/{id}": {need: "write", id: "block", status: 204},

	"GET /v1/workspaces/{ns}/members":             {need: "root", status: 200},
	"PATCH /v1/workspaces/{ns}/members/{id}":      {need: "root", id: "ANN", body: `{"role":"viewer"}`, status: 200},
	"DELETE /v1/workspaces/{ns}/members/{id}":     {need: "root", id: "ANN", status: 200},
	"GET /v1/workspaces/{ns}/invitations":         {need: "root", status: 200},
	"POST /v1/workspaces/{ns}/invitations":        {need: "root", body: `{"email":"new@x.example","role":"viewer"}`, status: 201},
	"DELETE /v1/workspaces/{ns}/invitations/{id}": {need: "root", id: "INVITATION", status: 204},

	"GET /v1/accounts":                            {need: "root", status: 200},
	"POST /v1/accounts":                           {need: "root", body: `{"email":"new@x.example"}`, status: 201},
	"GET /v1/accounts/{id}/sessions":              {need: "root", id: "ANN", status: 200},
	"DELETE /v1/accounts/{id}/sessions":           {need: "root", id: "ANN", status: 200},
	"DELETE /v1/accounts/{id}/passkeys":           {need: "root", id: "ANN", status: 200},
	"DELETE /v1/accounts/{id}/sessions/{session}": {need: "root", id: "ANN", status: 204},

	"GET /v1/plans":           {need: "key", status: 200},
	"GET /v1/plans/{name}":    {need: "key", status: 200},
	"PUT /v1/plans/{name}":    {need: "root", body: `{"limits":{"transforms_per_day":9}}`, status: 200},
	"DELETE /v1/plans/{name}": {need: "root", status: 204},

	// The server sells nothing: see TestBilling.
	"GET /v1/workspaces/{ns}/billing":           {need: "read", status: 200},
	"POST /v1/workspaces/{ns}/billing/checkout": {need: "admin", body: `{"plan":"pro"}`, status: 409, code: "CONFLICT"},
	"POST /v1/workspaces/{ns}/billing/portal":   {need: "admin", status: 409, code: "CONFLICT"},
	"POST /v1/billing/stripe":                   {need: "none", body: `{}`, status: 404, code: "NOT_FOUND"},

	"GET /v1/openapi.json": {need: "none", status: 200},
	"GET /v1/docs":         {need: "none", status: 200},
}

// unrouted are requests that match no operation.
var unrouted = []struct {
	request string
	status  int
	code    string
}{
	{"GET /v1/", 404, "NOT_FOUND"},
	{"GET /v1/nothing", 404, "NOT_FOUND"},
	{"GET /v1/workspaces/{ns}/nothing", 404, "NOT_FOUND"},
	{"POST /v1/workspaces/{ns}", 405, "METHOD_NOT_ALLOWED"},
	{"PUT /v1/workspaces/{ns}/audit", 405, "METHOD_NOT_ALLOWED"},
}

// senders are the ways to send a key. may lists the rights that a sender has. For other
// rights the answer is the status and the code.
var senders = []struct {
	name   string
	may    string
	status int
	code   string
	header []string // headers to send instead of the key's
	query  bool     // the key is in the query
}{
	{"root", "key root admin read write none unrouted", 0, "", []string{"Authorization", "Bearer " + rootKey}, false},
	{"root, the other one", "key root admin read write none unrouted", 0, "", []string{"Authorization", "Bearer " + otherRootKey}, false},
	{"root, lower-case scheme", "key root admin read write none unrouted", 0, "", []string{"Authorization", "bearer " + rootKey}, false},
	{"read", "key read none unrouted", 403, "FORBIDDEN", nil, false},
	{"write", "key write none unrouted", 403, "FORBIDDEN", nil, false},
	{"both", "key read write none unrouted", 403, "FORBIDDEN", nil, false},
	{"admin", "key admin read write none unrouted", 403, "FORBIDDEN", nil, false},
	{"test", "key read write none unrouted", 403, "FORBIDDEN", nil, false},
	{"lasting", "key read write none unrouted", 403, "FORBIDDEN", nil, false},
	{"other", "key none unrouted", 403, "FORBIDDEN", nil, false},
	{"expired", "none", 401, "UNAUTHORIZED", nil, false},
	{"revoked", "none", 401, "UNAUTHORIZED", nil, false},
	{"deleted", "none", 401, "UNAUTHORIZED", nil, false},
	{"replaced", "none", 401, "UNAUTHORIZED", nil, false},
	{"unknown", "none", 401, "UNAUTHORIZED", nil, false},
	{"bad checksum", "none", 401, "UNAUTHORIZED", nil, false},
	{"malformed", "none", 401, "UNAUTHORIZED", []string{"Authorization", "Bearer tt_live_"}, false},
	{"no key", "none", 401, "UNAUTHORIZED", []string{"Authorization", "-"}, false},
	{"empty", "none", 401, "UNAUTHORIZED", []string{"Authorization", "Bearer "}, false},
	{"basic", "none", 401, "UNAUTHORIZED", []string{"Authorization", "Basic " + rootKey}, false},
	{"session", "none", 401, "UNAUTHORIZED", nil, false}, // of an owner who signed in: keys open the API, and cookies don't
	{"session in a cookie", "none", 401, "UNAUTHORIZED", nil, false},
	{"both in the query", "", 401, "UNAUTHORIZED", nil, true},
}

const otherRootKey = "another-root-key-of-the-tests"

// cell makes a workspace with a key of each kind, for one request.
func cell(t *testing.T) (s *server, keys map[string]string) {
	t.Helper()
	db := workspacetest.NewMemory()
	people := newPeople(db)
	var journal *usage.Journal
	s = startOn(t, db, func(c *config) {
		c.Auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{otherRootKey, rootKey}, Keys: db, Log: c.Log})
		journal = usage.NewJournal(usage.JournalConfig{Entries: db})
		c.Journal = journal
		c.Images = managetest.NewImages(t)
		c.People = people
		c.Plans = newPlans(t, db, plan.Plan{Name: "free"})
	})
	s.journal, s.records = journal, db
	make := func(namespace string) *workspace.Workspace {
		w := workspace.New(namespace)
		w.Sources = []workspace.Source{{Key: "photos", Kind: "http", URL: "https://photos.test/"}, {Key: "logos", Kind: "http", URL: "https://logos.test/"}}
		w.Marks = []workspace.Mark{{Name: "brand", Image: "logos/logo.png"}}
		w.Presets = []workspace.Preset{{Name: "thumb", Options: "w=32"}}
		w.Blocks = []workspace.Block{{ID: "block", Path: "photos/blocked.jpg", CreatedAt: time.Now()}}
		w.SigningKeys = []signing.Key{{ID: "signing", Secret: signing.NewSecret(), CreatedAt: time.Now()}}
		if err := db.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		return w
	}
	keys = map[string]string{"unknown": apikey.New(false).Reveal()}
	add := func(w *workspace.Workspace, k workspace.APIKey) {
		secret := apikey.New(k.Test)
		k.WorkspaceID, k.Namespace, k.Hash, k.CreatedAt = w.ID, w.Namespace, secret.Hash(), time.Now()
		if err := db.CreateAPIKey(t.Context(), &k); err != nil {
			t.Fatal(err)
		}
		keys[k.ID] = secret.Reveal()
	}
	before := make("acme")
	both := []string{"read", "write"}
	add(before, workspace.APIKey{ID: "replaced", Scopes: both})
	if err := db.Delete(t.Context(), "acme", 0); err != nil {
		t.Fatal(err)
	}
	acme, other, gone := make("acme"), make("other"), make("gone")
	ann := member(t, people, acme, "ann@x.example", account.Owner)
	member(t, people, acme, "zoe@x.example", account.Owner)
	session, token := enter(t, people, "ann@x.example")
	keys["session"] = token
	invitation, err := people.Invite(t.Context(), acme, "bob@x.example", account.Viewer, workspace.AuditEntry{Actor: "root", Action: "member.invite"})
	if err != nil {
		t.Fatal(err)
	}
	s.ids = strings.NewReplacer("ANN", ann.ID, "INVITATION", invitation.ID, "SESSION", session)
	add(acme, workspace.APIKey{ID: "read", Scopes: []string{"read"}})
	add(acme, workspace.APIKey{ID: "write", Scopes: []string{"write"}})
	add(acme, workspace.APIKey{ID: "both", Scopes: both})
	add(acme, workspace.APIKey{ID: "admin", Scopes: []string{"admin"}})
	add(acme, workspace.APIKey{ID: "test", Scopes: both, Test: true})
	add(acme, workspace.APIKey{ID: "lasting", Scopes: both, ExpiresAt: time.Now().Add(time.Hour)})
	add(acme, workspace.APIKey{ID: "expired", Scopes: both, ExpiresAt: time.Now().Add(-time.Second)})
	add(acme, workspace.APIKey{ID: "revoked", Scopes: both, RevokedAt: time.Now()})
	add(other, workspace.APIKey{ID: "other", Scopes: both})
	add(gone, workspace.APIKey{ID: "deleted", Scopes: both})
	if err := db.Delete(t.Context(), "gone", 0); err != nil {
		t.Fatal(err)
	}
	last := keys["both"][apikey.Len-1]
	keys["bad checksum"] = keys["both"][:apikey.Len-1] + string('0'+(last-'0'+1)%2)
	return s, keys
}

// A matrixRequest is a request for an operation, from its row in the matrix.
type matrixRequest struct {
	route, method, path, need, body string
	status                          int
	code                            string
}

// described returns a request for each operation of the OpenAPI document. Each must have a
// row in the matrix.
func described(t *testing.T, s *server) (requests []matrixRequest) {
	t.Helper()
	var doc document
	if err := json.Unmarshal([]byte(s.do(t, "GET", "/v1/openapi.json", "").want(t, 200).body), &doc); err != nil {
		t.Fatal(err)
	}
	routes := map[string]bool{}
	for path, operations := range doc.Paths {
		for method, op := range operations {
			route := strings.ToUpper(method) + " " + path
			routes[route] = true
			row, ok := matrix[route]
			if !ok {
				t.Errorf("%s has no row in the matrix", route)
				continue
			}
			said := "none"
			if op.Security == nil {
				said = "nothing at all"
			} else if len(*op.Security) > 0 {
				said = cmp.Or(strings.Join((*op.Security)[0]["bearer"], " "), "key") // any key
			}
			if said != row.need {
				t.Errorf("%s: the document says that it needs %s, the matrix %s", route, said, row.need)
			}
			path := strings.NewReplacer("{ns}", "acme", "{id}", row.id, "{source}", "photos", "{path}", "a.jpg", "{session}", "SESSION", "{name}", "free").Replace(path) + row.query
			r := matrixRequest{route, strings.ToUpper(method), path, row.need, row.body, row.status, row.code}
			requests = append(requests, r)
			if r.method == http.MethodGet {
				r.method = http.MethodHead
				requests = append(requests, r)
			}
		}
	}
	for route := range matrix {
		if !routes[route] {
			t.Errorf("the matrix has a row for %s, which doesn't exist", route)
		}
	}
	return requests
}

// TestMatrix sends a request to every operation with every kind of key.
func TestMatrix(t *testing.T) {
	s, keys := cell(t)
	requests := described(t, s)
	for _, u := range unrouted {
		method, path, _ := strings.Cut(u.request, " ")
		requests = append(requests, matrixRequest{"", method, strings.ReplaceAll(path, "{ns}", "acme"), "unrouted", "", u.status, u.code})
	}
	if t.Failed() {
		return
	}

	checked := 0
	for _, r := range requests {
		for _, from := range senders {
			header, target := from.header, s.ids.Replace(r.path)
			key := keys[strings.TrimSuffix(from.name, " in the query")]
			if from.query {
				target += "?v="
				if strings.Contains(r.path, "?") {
					target = s.ids.Replace(r.path) + "&v="
				}
				target += key
			}
			if header == nil {
				header = []string{"Authorization", "Bearer " + key}
			}
			if from.name == "session in a cookie" {
				key = keys["session"]
				header = []string{"Authorization", "-", "Cookie", "__Host-tt=" + key + "; tt=" + key}
			}
			status, code := from.status, from.code
			if strings.Contains(" "+from.may+" ", " "+r.need+" ") {
				status, code = r.status, r.code
			}
			if r.body == "image" {
				header = append(header, "Content-Type", "image/jpeg")
			}
			a := s.do(t, r.method, target, r.body, header...)
			if r.method == http.MethodHead && a.body == "" {
				code = "" // answers to HEAD have no body
			}
			if got := codeOf(a); a.status != status || got != code {
				t.Errorf("%s %s with %s: %d %s, want %d %s", r.method, r.path, from.name, a.status, got, status, code)
			}
			if key != "" && (strings.Contains(a.body, key) || strings.Contains(s.log.String(), key)) {
				t.Errorf("%s %s with %s: the answer or the log shows the key", r.method, r.path, from.name)
			}
			if challenge := a.header.Get("WWW-Authenticate"); (status == 401) != (challenge == "Bearer") {
				t.Errorf("%s %s with %s: WWW-Authenticate %q", r.method, r.path, from.name, challenge)
			}
			checked++
			if a.status < 300 && r.method != http.MethodGet && r.method != http.MethodHead {
				s, keys = cell(t) // the request changed the cell
			}
		}
	}
	t.Logf("%d requests × %d senders: %d answers", len(requests), len(senders), checked)
}

// codeOf returns the code of an error answer.
func codeOf(a answer) string {
	var e struct{ Error struct{ Code string } }
	if a.status < 400 || json.Unmarshal([]byte(a.body), &e) != nil {
		return ""
	}
	return e.Error.Code
}

// TestMatrixOfOthers uses a key for another workspace. The refusal is the same whether that
// workspace exists or not.
func TestMatrixOfOthers(t *testing.T) {
	s, keys := cell(t)
	said := ""
	for _, namespace := range []string{"other", "gone", "nobody", "-", "Acme"} {
		a := s.do(t, "GET", "/v1/workspaces/"+namespace, "", "Authorization", "Bearer "+keys["both"])
		message := a.wantError(t, 403, "FORBIDDEN")
		if said == "" {
			said = message
		}
		if message != said {
			t.Errorf("%s: %q, and for others %q", namespace, message, said)
		}
	}
	s.do(t, "GET", "/v1/workspaces/acme", "", "Authorization", "Bearer "+keys["both"]).want(t, 200)
}

// TestKeyHiddenInQuery puts a key into a query as a part of a value or of a name.
func TestKeyHiddenInQuery(t *testing.T) {
	s, keys := cell(t)
	key := keys["read"]
	for _, query := range []string{key, key + "=", "x=Bearer%20" + key, "x=Bearer+" + key, "auth=" + key + "%3A", "x=tt_live_" + key, "url=/acme/a?k=" + key} {
		a := s.do(t, "GET", "/v1/workspaces/acme?"+query, "", "Authorization", "Bearer "+key)
		a.wantError(t, 401, "UNAUTHORIZED")
	}
	for _, query := range []string{"x=tt_live_", "x=" + key[:len(key)-1], "x=tt_test"} {
		s.do(t, "GET", "/v1/workspaces/acme?"+query, "", "Authorization", "Bearer "+key).want(t, 200)
	}
}

// TestAnswersAreDescribed compares the fields of answers with the document's schemas.
func TestAnswersAreDescribed(t *testing.T) {
	s, _ := cell(t)
	doc := fetchDocument(t)
	for _, r := range described(t, s) {
		if r.method != "GET" || r.need == "none" {
			continue
		}
		_, path, _ := strings.Cut(r.route, " ")
		ref := doc.Paths[path]["get"].Responses["200"].Content["application/json"].Schema.Ref
		properties := doc.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")].Properties
		for name := range decodeInto[map[string]any](t, s.do(t, "GET", s.ids.Replace(r.path), "").want(t, 200)) {
			if properties[name] == nil {
				t.Errorf("%s answers %q, which %s doesn't have", r.route, name, ref)
			}
		}
	}
}
