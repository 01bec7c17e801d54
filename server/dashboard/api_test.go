package dashboard_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/server/api"
	"github.com/tintype/tintype/server/dashboard"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// inAPI says for each page which operations of the API do what it does, or, after a dash, why
// there is none. A new page fails the test until it has a row here.
var inAPI = map[string][]string{
	"GET /app":                     {"GET /v1/workspaces"},
	"POST /app":                    {"POST /v1/workspaces", "POST /v1/workspaces/{ns}/invitations"},
	"GET /app/me/new":              {"GET /v1/plans"},
	"POST /app/me/new":             {"POST /v1/workspaces", "POST /v1/workspaces/{ns}/invitations"},
	"GET /app/me/sign-in":          {"- keys open the API, and people sign in by a mail"},
	"POST /app/me/sign-in":         {"- as above"},
	"POST /app/me/sign-out":        {"- as above"},
	"GET /app/me":                  {"GET /v1/accounts/{id}/sessions"},
	"POST /app/me/sessions":        {"DELETE /v1/accounts/{id}/sessions/{session}", "DELETE /v1/accounts/{id}/sessions"},
	"POST /app/me/passkey":         {"- a browser has the passkey"},
	"POST /app/me/passkeys":        {"DELETE /v1/accounts/{id}/passkeys"}, // a browser adds them
	"POST /app/me/passkeys/begin":  {"- a browser has the passkey"},
	"POST /app/me/invitations":     {"- only who signed in with the address can accept"},
	"GET /app/me/alerts":           {"POST /v1/workspaces/{ns}/alerts/channels/{id}/confirm"},
	"POST /app/me/alerts":          {"POST /v1/workspaces/{ns}/alerts/channels/{id}/confirm"},
	"GET /app/{ns}/alerts":         {"GET /v1/workspaces/{ns}/alerts"},
	"POST /app/{ns}/alerts":        {"PUT /v1/workspaces/{ns}/alerts/rules/{id}", "POST /v1/workspaces/{ns}/alerts/channels", "POST /v1/workspaces/{ns}/alerts/channels/{id}/test"},
	"GET /app/{ns}/members":        {"GET /v1/workspaces/{ns}/members", "GET /v1/workspaces/{ns}/invitations"},
	"POST /app/{ns}/members":       {"POST /v1/workspaces/{ns}/invitations", "DELETE /v1/workspaces/{ns}/invitations/{id}", "PATCH /v1/workspaces/{ns}/members/{id}", "DELETE /v1/workspaces/{ns}/members/{id}"},
	"GET /app/{ns}":                {"GET /v1/workspaces/{ns}/usage", "GET /v1/workspaces/{ns}/limits"},
	"POST /app/{ns}/first-steps":   {"- it hides a part of the overview"},
	"GET /app/{ns}/access":         {"GET /v1/workspaces/{ns}", "GET /v1/workspaces/{ns}/explain"},
	"POST /app/{ns}/access":        {"POST /v1/workspaces/{ns}/review", "PATCH /v1/workspaces/{ns}"},
	"GET /app/{ns}/log":            {"GET /v1/workspaces/{ns}/audit"},
	"GET /app/{ns}/log.csv":        {"GET /v1/workspaces/{ns}/audit"},
	"GET /app/{ns}/errors":         {"GET /v1/workspaces/{ns}/errors"},
	"GET /app/{ns}/errors.csv":     {"GET /v1/workspaces/{ns}/errors"},
	"GET /app/{ns}/limits":         {"GET /v1/workspaces/{ns}/limits", "GET /v1/workspaces/{ns}/billing"},
	"POST /app/{ns}/billing":       {"POST /v1/workspaces/{ns}/billing/checkout", "POST /v1/workspaces/{ns}/billing/portal"},
	"POST /app/{ns}/limits":        {"POST /v1/workspaces/{ns}/review", "PATCH /v1/workspaces/{ns}"},
	"GET /app/{ns}/keys":           {"GET /v1/workspaces/{ns}/api-keys"},
	"POST /app/{ns}/keys":          {"POST /v1/workspaces/{ns}/api-keys", "DELETE /v1/workspaces/{ns}/api-keys/{id}"},
	"GET /app/{ns}/signing-keys":   {"GET /v1/workspaces/{ns}/signing-keys"},
	"POST /app/{ns}/signing-keys":  {"POST /v1/workspaces/{ns}/signing-keys", "DELETE /v1/workspaces/{ns}/signing-keys/{id}"},
	"GET /app/{ns}/domains":        {"GET /v1/workspaces/{ns}/domains"},
	"POST /app/{ns}/domains":       {"PATCH /v1/workspaces/{ns}", "POST /v1/workspaces/{ns}/domains/{id}/verify"},
	"GET /app/{ns}/settings":       {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/settings":      {"POST /v1/workspaces/{ns}/review", "PATCH /v1/workspaces/{ns}"},
	"GET /app/{ns}/settings.yaml":  {"GET /v1/workspaces/{ns}"},
	"GET /app/{ns}/delete":         {"GET /v1/workspaces/{ns}", "GET /v1/workspaces/{ns}/usage", "GET /v1/workspaces/{ns}/api-keys", "GET /v1/workspaces/{ns}/members"},
	"POST /app/{ns}/delete":        {"DELETE /v1/workspaces/{ns}"},
	"GET /app/{ns}/sources":        {"GET /v1/workspaces/{ns}/sources"},
	"GET /app/{ns}/sources/_new":   {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/sources/_new":  {"PUT /v1/workspaces/{ns}/sources/{id}", "POST /v1/workspaces/{ns}/sources/test"},
	"GET /app/{ns}/sources/{key}":  {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/sources/{key}": {"PUT /v1/workspaces/{ns}/sources/{id}", "POST /v1/workspaces/{ns}/sources/test"},
	"GET /app/{ns}/presets":        {"GET /v1/workspaces/{ns}"},
	"GET /app/{ns}/presets/_new":   {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/presets/_new":  {"PUT /v1/workspaces/{ns}/presets/{id}"},

	"GET /app/{ns}/settings/import":        {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/settings/import":       {"POST /v1/workspaces/{ns}/review", "PUT /v1/workspaces/{ns}"},
	"GET /app/{ns}/domains/{name}/delete":  {"GET /v1/workspaces/{ns}/domains"},
	"POST /app/{ns}/domains/{name}/delete": {"POST /v1/workspaces/{ns}/review", "PATCH /v1/workspaces/{ns}"},
	"GET /app/{ns}/sources/{key}/delete":   {"POST /v1/workspaces/{ns}/review"},
	"POST /app/{ns}/sources/{key}/delete":  {"DELETE /v1/workspaces/{ns}/sources/{id}"},
	"GET /app/{ns}/presets/{name}":         {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/presets/{name}":        {"PUT /v1/workspaces/{ns}/presets/{id}"},
	"GET /app/{ns}/presets/{name}/delete":  {"POST /v1/workspaces/{ns}/review"},
	"POST /app/{ns}/presets/{name}/delete": {"DELETE /v1/workspaces/{ns}/presets/{id}"},
	"GET /app/{ns}/images":                 {"GET /v1/workspaces/{ns}/sources", "GET /v1/workspaces/{ns}/images"},
	"POST /app/{ns}/images":                {"POST /v1/workspaces/{ns}/images"},
	"POST /app/{ns}/images/parts": {
		"POST /v1/workspaces/{ns}/images/upload-parts", "POST /v1/workspaces/{ns}/images/resume", "POST /v1/workspaces/{ns}/images/complete", "POST /v1/workspaces/{ns}/images/abort",
	},
	"GET /app/{ns}/images/image": {"GET /v1/workspaces/{ns}/images/{source}/{path}", "GET /v1/workspaces/{ns}/blocks"},
	"POST /app/{ns}/images/image": {
		"POST /v1/workspaces/{ns}/images/{source}/{path}/signed-url", "DELETE /v1/workspaces/{ns}/images/{source}/{path}", "POST /v1/workspaces/{ns}/blocks",
		"DELETE /v1/workspaces/{ns}/blocks/{id}",
	},
	"GET /app/{ns}/images/thumbnail":      {"- a key with the scope read opens every image"},
	"GET /app/{ns}/images/blocked":        {"GET /v1/workspaces/{ns}/blocks"},
	"POST /app/{ns}/images/blocked":       {"POST /v1/workspaces/{ns}/blocks", "DELETE /v1/workspaces/{ns}/blocks/{id}"},
	"GET /app/{ns}/playground":            {"GET /v1/workspaces/{ns}", "GET /v1/workspaces/{ns}/sources", "GET /v1/workspaces/{ns}/images"},
	"POST /app/{ns}/playground":           {"POST /v1/workspaces/{ns}/sign"},
	"GET /app/{ns}/marks":                 {"GET /v1/workspaces/{ns}"},
	"GET /app/{ns}/marks/_new":            {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/marks/_new":           {"PUT /v1/workspaces/{ns}/marks/{id}"},
	"GET /app/{ns}/marks/{name}":          {"GET /v1/workspaces/{ns}"},
	"POST /app/{ns}/marks/{name}":         {"PUT /v1/workspaces/{ns}/marks/{id}"},
	"POST /app/{ns}/marks/_new/preview":   {"POST /v1/workspaces/{ns}/marks/preview"},
	"POST /app/{ns}/marks/{name}/preview": {"POST /v1/workspaces/{ns}/marks/preview"},
	"GET /app/{ns}/marks/{name}/delete":   {"POST /v1/workspaces/{ns}/review"},
	"POST /app/{ns}/marks/{name}/delete":  {"DELETE /v1/workspaces/{ns}/marks/{id}"},
}

// byOthers says which use case of package manage the API has in the place of one that a page
// calls.
var byOthers = map[string]string{
	"Review":            "ReviewPatch",
	"ChangeWorkspace":   "PatchWorkspace",
	"CreateOwned":       "CreateWorkspace", // and then Invite
	"CompareUsage":      "Usage",
	"TotalUsage":        "Usage",
	"ImageSources":      "Sources",
	"Folders":           "Sources",
	"FolderIsPrivate":   "Sources",
	"AcceptInvitation":  "", // only who signed in with the address can accept
	"BoundsOf":          "Quotas",
	"Making":            "Plans",
	"FreeName":          "", // the root key lists all namespaces
	"UploadOrigin":      "", // for the policy of the page
	"FirstSteps":        "", // for a part of the overview
	"HideFirstSteps":    "",
	"LookAtFirst":       "TestSource",
	"Thumbnail":         "",                    // a key with the scope read opens every image
	"ConfirmAlerts":     "ConfirmAlertChannel", // without signing in
	"AlertConfirmation": "",
	"ActiveAlerts":      "Alerts",
}

// TestAPIHasAll: what a page does, the API does too.
func TestAPIHasAll(t *testing.T) {
	w := httptest.NewRecorder()
	api.New(api.Config{Manage: manage.New(manage.Config{Store: workspacetest.NewMemory()})}).ServeHTTP(w, httptest.NewRequest("GET", "/v1/openapi.json", nil))
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	pages := map[string]bool{}
	for _, pattern := range dashboard.Patterns() {
		pages[pattern] = true
		if len(inAPI[pattern]) == 0 {
			t.Errorf("%s: say in inAPI which operations of the API do the same", pattern)
		}
	}
	for pattern, operations := range inAPI {
		if !pages[pattern] {
			t.Errorf("%s: there is no such page", pattern)
		}
		for _, o := range operations {
			method, path, _ := strings.Cut(o, " ")
			if method != "-" && doc.Paths[path][strings.ToLower(method)] == nil {
				t.Errorf("%s: the API has no operation %s", pattern, o)
			}
		}
	}
	inPages, there := useCasesOf(t, "."), useCasesOf(t, "../api")
	for name := range inPages {
		other, listed := byOthers[name]
		switch {
		case there[name] && listed:
			t.Errorf("the API calls manage.%s by now: take it out of byOthers", name)
		case !there[name] && !listed:
			t.Errorf("a page calls manage.%s, and the API doesn't", name)
		case listed && other != "" && !there[other]:
			t.Errorf("the API doesn't call manage.%s, which stands for %s", other, name)
		}
	}
	if len(inPages) < 30 || len(there) < 40 {
		t.Errorf("%d and %d use cases were found", len(inPages), len(there))
	}
}

// useCasesOf returns the methods of a manage.Manager that a package names.
func useCasesOf(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	manager, found := reflect.TypeFor[*manage.Manager](), map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			s, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if _, is := manager.MethodByName(s.Sel.Name); is && isManager(s.X) {
				found[s.Sel.Name] = true
			}
			return true
		})
	}
	return found
}

// isManager reports whether an expression is what both packages call their manage.Manager.
func isManager(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "m"
	case *ast.SelectorExpr:
		return e.Sel.Name == "Manage" || e.Sel.Name == "manage"
	}
	return false
}
