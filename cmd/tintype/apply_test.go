//go:build cgo && linux

package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestApplyOnTop applies a file while somebody else changes, creates or deletes the
// workspace between the plan and what follows: the plan is made anew and shown before it
// is done.
func TestApplyOnTop(t *testing.T) {
	server := serveShared(t, t.TempDir(), "sqlite")
	origin, err := url.Parse(server.url)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "acme.yaml")
	if err := os.WriteFile(file, []byte("namespace: acme\npresets: [{name: mine, options: w=1}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const path = "/workspaces/acme"
	for _, test := range []struct {
		name   string
		before any // the workspace, or nil
		method string
		path   string
		body   any
		want   string
	}{
		{"changed", map[string]any{"namespace": "acme"}, "PUT", path + "/presets/theirs", map[string]any{"options": "w=2"},
			"acme: presets[mine]: added\nacme: presets[mine].options: \"w=1\"\n" +
				"acme: changed by somebody else just now; on top of that:\n" +
				"acme: presets[mine]: added\nacme: presets[mine].options: \"w=1\"\nacme: not in the file, kept (--prune removes it): presets[theirs]\n" +
				"acme: changed\n"},
		{"created", nil, "POST", "/workspaces", map[string]any{"namespace": "acme", "name": "Theirs"},
			"acme: workspace \"acme\": created\nacme: presets[mine]: added\nacme: presets[mine].options: \"w=1\"\n" +
				"acme: changed by somebody else just now; on top of that:\n" +
				"acme: presets[mine]: added\nacme: presets[mine].options: \"w=1\"\nacme: not in the file, kept (--prune removes it): name: \"Theirs\"\n" +
				"acme: changed\n"},
		{"deleted", map[string]any{"namespace": "acme"}, "DELETE", path, nil,
			"acme: presets[mine]: added\nacme: presets[mine].options: \"w=1\"\n" +
				"acme: changed by somebody else just now; on top of that:\n" +
				"acme: workspace \"acme\": created\nacme: presets[mine]: added\nacme: presets[mine].options: \"w=1\"\n" +
				"acme: created\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx := t.Context()
			if _, _, err := server.call(ctx, "DELETE", path, nil); err != nil {
				t.Fatal(err)
			}
			if test.before != nil {
				if status, answer, err := server.call(ctx, "POST", "/workspaces", test.before); err != nil || status != 201 {
					t.Fatalf("%d %s %v", status, answer, err)
				}
			}
			interrupted := false
			proxy := httputil.NewSingleHostReverseProxy(origin)
			between := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPatch && !interrupted {
					interrupted = true
					if status, answer, err := server.call(ctx, test.method, test.path, test.body); err != nil || status/100 != 2 {
						t.Errorf("%d %s %v", status, answer, err)
					}
				}
				proxy.ServeHTTP(w, r)
			}))
			defer between.Close()
			var out bytes.Buffer
			getenv := func(name string) string { return map[string]string{"TINTYPE_ROOT_KEY": testRootKey}[name] }
			if err := run(ctx, []string{"apply", "-f", file, "--server", between.URL}, getenv, &out, &out); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(test.want, out.String()); diff != "" {
				t.Errorf("printed (-want +got):\n%s", diff)
			}
		})
	}
}
