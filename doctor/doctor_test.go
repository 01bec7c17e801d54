package doctor_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/doctor"
	"github.com/tintype/tintype/internal/golden"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// good are the facts of a server with which every check is content.
func good() *doctor.Facts {
	used, ends := now.Add(-time.Hour), now.Add(30*24*time.Hour)
	w := doctor.Workspace{Namespace: "acme", AllowedSources: []string{"*.acme.example"}, AllowedOrigins: []string{"https://acme.example"}, SigningKeys: 1, Channels: []doctor.Channel{{ID: "ch_1", Confirmed: true, On: true}}}
	w.APIKeys = []doctor.APIKey{{ID: "k1", Scopes: []string{"read"}, CreatedAt: now.Add(-10 * 24 * time.Hour), LastUsedAt: &used, ExpiresAt: &ends}}
	_ = json.Unmarshal([]byte(`[{"key":"photos","private":true}]`), &w.Sources)
	return &doctor.Facts{
		URL: "https://img.example.com", Now: now, HTTPS: true, CertEnds: now.Add(60 * 24 * time.Hour), Redirects: true, HSTS: "max-age=31536000",
		Date: now, Ready: 200, Contact: 200, Version: "v2", Front: "Cloudflare", Workspaces: []doctor.Workspace{w},
		Server: &doctor.Server{
			Version: "v2", PublicURL: "https://img.example.com", OpsListen: "127.0.0.1:9090", TrustedProxies: 3, Store: "sqlite", StoreAnswered: true,
			RootKeys: 1, ShortestRootKey: 64, Mail: "smtp", Operators: 1, Plans: 2, Sandbox: "auto", DiskFree: 20 << 30, BackupAt: now.Add(-24 * time.Hour),
		},
	}
}

// TestChecks: every check is content with a good server, and with each of these it isn't, alone.
func TestChecks(t *testing.T) {
	for _, f := range good().Walk() {
		if f.State != doctor.OK || f.Fix != "" {
			t.Errorf("of a good server: %+v", f)
		}
	}
	old, never := now.Add(-100*24*time.Hour), time.Time{}
	key := func(f *doctor.Facts) *doctor.APIKey { return &f.Workspaces[0].APIKeys[0] }
	bad := map[string]struct {
		spoil func(*doctor.Facts)
		state doctor.State
		says  string
	}{
		"https":               {func(f *doctor.Facts) { f.HTTPS = false }, doctor.Fail, "is http"},
		"certificate":         {func(f *doctor.Facts) { f.CertEnds = now.Add(time.Hour) }, doctor.Fail, "it ends 2026-03-01"},
		"redirect":            {func(f *doctor.Facts) { f.Redirects = false }, doctor.Warn, "doesn't redirect"},
		"hsts":                {func(f *doctor.Facts) { f.HSTS = "max-age=60" }, doctor.Warn, `"max-age=60"`},
		"ready":               {func(f *doctor.Facts) { f.Ready, f.ReadySays = 503, "draining" }, doctor.Fail, "503: draining"},
		"clock":               {func(f *doctor.Facts) { f.Date = now.Add(time.Hour) }, doctor.Fail, "by 1h0m0s"},
		"ops-private":         {func(f *doctor.Facts) { f.OpenPaths = []string{"/metrics"} }, doctor.Fail, "public: /metrics"},
		"security-contact":    {func(f *doctor.Facts) { f.Contact = 404 }, doctor.Warn, "is 404"},
		"version":             {func(f *doctor.Facts) { f.Server.Version = "v1" }, doctor.Warn, "the server is v1, this is v2"},
		"demo":                {func(f *doctor.Facts) { f.Server.Demo = true }, doctor.Fail, "--demo is set"},
		"ops-listen":          {func(f *doctor.Facts) { f.Server.OpsListen = "0.0.0.0:9090" }, doctor.Fail, "from everywhere"},
		"public-url":          {func(f *doctor.Facts) { f.Server.PublicURL = "" }, doctor.Warn, "missing"},
		"trusted-proxies":     {func(f *doctor.Facts) { f.Server.TrustedProxies = 0 }, doctor.Fail, "Cloudflare is in front, and no proxy is named"},
		"private-ranges":      {func(f *doctor.Facts) { f.Server.AllowedRanges = []string{"10.0.0.0/8"} }, doctor.Warn, "10.0.0.0/8"},
		"ambient-credentials": {func(f *doctor.Facts) { f.Server.Ambient = true }, doctor.Warn, "all buckets"},
		"store":               {func(f *doctor.Facts) { f.Server.StoreAnswered = false }, doctor.Fail, "hasn't answered"},
		"backup":              {func(f *doctor.Facts) { f.Server.BackupAt = old }, doctor.Fail, "the last one was on 2025-11-21"},
		"disk":                {func(f *doctor.Facts) { f.Server.DiskFree = 5 << 20 }, doctor.Fail, "5 MiB free"},
		"memory":              {func(f *doctor.Facts) { f.Server.Memory = "too much" }, doctor.Fail, "too much"},
		"sandbox":             {func(f *doctor.Facts) { f.Server.MissingLayers = []string{"landlock"} }, doctor.Fail, "missing: landlock"},
		"mail":                {func(f *doctor.Facts) { f.Server.Mail = "off" }, doctor.Warn, "--mail is off"},
		"operators":           {func(f *doctor.Facts) { f.Server.Operators = 0 }, doctor.Warn, "the log"},
		"alerts":              {func(f *doctor.Facts) { f.Workspaces[0].Channels[0].Confirmed = false }, doctor.Warn, "without a channel: acme"},
		"alert-channels":      {func(f *doctor.Facts) { f.Workspaces[0].Channels[0].FailingSince = &old }, doctor.Fail, "acme/ch_1"},
		"short-keys":          {func(f *doctor.Facts) { f.Workspaces[0].ShortKeys = []string{"s1"} }, doctor.Warn, "short keys: acme/s1"},
		"limits":              {func(f *doctor.Facts) { f.Server.Plans = 0 }, doctor.Warn, "no plans"},
		"root-key":            {func(f *doctor.Facts) { f.Server.ShortestRootKey = 8 }, doctor.Fail, "8 characters"},
		"open-sources":        {func(f *doctor.Facts) { f.Workspaces[0].AllowedSources = []string{"*"} }, doctor.Fail, "workspaces with *: acme"},
		"origins":             {func(f *doctor.Facts) { f.Workspaces[0].AllowedOrigins = nil }, doctor.Warn, "acme"},
		"private-sources":     {func(f *doctor.Facts) { f.Workspaces[0].SigningKeys = 0 }, doctor.Warn, "acme"},
		"old-keys":            {func(f *doctor.Facts) { key(f).CreatedAt = old }, doctor.Fail, "old keys: acme/k1"},
		"unused-keys":         {func(f *doctor.Facts) { at := now.Add(-40 * 24 * time.Hour); key(f).LastUsedAt = &at }, doctor.Warn, "acme/k1"},
		"endless-keys":        {func(f *doctor.Facts) { key(f).ExpiresAt = nil }, doctor.Warn, "acme/k1"},
		"admin-keys":          {func(f *doctor.Facts) { key(f).Scopes = []string{"admin"} }, doctor.Warn, "acme/k1"},
	}
	for _, c := range doctor.Checks() {
		b, ok := bad[c.ID]
		if !ok {
			t.Errorf("%s: no test in which it fails", c.ID)
			continue
		}
		f := good()
		b.spoil(f)
		for _, found := range f.Walk() {
			switch {
			case found.Check == c.ID:
				if found.State != b.state || !strings.Contains(found.Found, b.says) || found.Fix == "" {
					t.Errorf("%+v; want %s, %s", found, b.state, b.says)
				}
			case found.State != doctor.OK && !(c.ID == "https" && found.Check == "certificate") && !(c.ID == "mail" && found.Check == "operators"):
				t.Errorf("with a bad %s: %+v", c.ID, found)
			}
		}
	}
	// More ways to fail.
	for id, spoil := range map[string]func(*doctor.Facts){
		"backup":      func(f *doctor.Facts) { f.Server.BackupAt = never },
		"recovery":    func(f *doctor.Facts) { f.Server.Store, f.Server.Recovery = "dynamodb", "off" },
		"channel off": func(f *doctor.Facts) { f.Workspaces[0].Channels[0].On = false },
		"sandbox":     func(f *doctor.Facts) { f.Server.Sandbox = "off" },
		"disk":        func(f *doctor.Facts) { f.Server.DiskFull = true },
		"ops-private": func(f *doctor.Facts) { f.OpsReached = "img.example.com:9090" },
	} {
		f := good()
		spoil(f)
		if !doctor.Failed(f.Walk()) {
			t.Errorf("%s doesn't fail", id)
		}
	}
	for recovery, want := range map[string]doctor.State{"on": doctor.OK, "AccessDenied": doctor.Warn} {
		f := good()
		f.Server.Store, f.Server.Recovery, f.Server.BackupAt = "dynamodb", recovery, never
		for _, found := range f.Walk() {
			if found.Check == "backup" && (found.State != want || want == doctor.Warn && !strings.Contains(found.Found, recovery)) {
				t.Errorf("recovery %s: %+v", recovery, found)
			}
		}
	}
	// Keys that don't work any more don't count.
	f := good()
	key(f).CreatedAt, key(f).ExpiresAt = old, &old
	if doctor.Failed(f.Walk()) {
		t.Error("an expired key counts")
	}
}

// TestSkipped: what can't be asked is skipped, and says what to do.
func TestSkipped(t *testing.T) {
	f := good()
	f.Server, f.WhyServer, f.Workspaces, f.WhyKey = nil, "no ops listener was named", nil, "there is no key"
	n := 0
	for _, found := range f.Walk() {
		if found.State == doctor.Skipped {
			n++
			if !strings.Contains(found.Fix, "--ops") && !strings.Contains(found.Fix, "TINTYPE_ROOT_KEY") {
				t.Errorf("%+v", found)
			}
		}
	}
	if n < 20 || doctor.Failed(f.Walk()) {
		t.Errorf("%d skipped", n)
	}
}

// TestLook asks a server over HTTP.
func TestLook(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Strict-Transport-Security", "max-age=31536000")
		w.Header().Set("Cf-Ray", "1")
		w.WriteHeader(503)
		_, _ = w.Write([]byte("draining\n"))
	})
	mux.HandleFunc("/metrics", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("/v1/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("Authorization") != "Bearer root":
			w.WriteHeader(401)
		case strings.HasSuffix(r.URL.Path, "/api-keys"):
			_, _ = w.Write([]byte(`{"api_keys":[{"id":"k1","scopes":["read"],"created_at":"2026-01-01T00:00:00Z"}]}`))
		case strings.HasSuffix(r.URL.Path, "/signing-keys"):
			_, _ = w.Write([]byte(`{"signing_keys":[{},{}]}`))
		case r.URL.Query().Get("after") == "":
			_, _ = w.Write([]byte(`{"workspaces":[{"namespace":"acme","allowed_sources":["*"]}],"next":"acme"}`))
		default:
			_, _ = w.Write([]byte(`{"workspaces":[{"namespace":"beta"}],"next":""}`))
		}
	})
	s := httptest.NewTLSServer(mux)
	defer s.Close()
	ops := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(doctor.Server{Version: "v1"})
	}))
	defer ops.Close()
	f, err := doctor.Look(t.Context(), doctor.Config{Server: s.URL + "/", Ops: ops.URL, Key: "root", Client: s.Client()})
	if err != nil {
		t.Fatal(err)
	}
	if !f.HTTPS || f.CertEnds.IsZero() || f.Ready != 503 || f.ReadySays != "draining" || f.Front != "Cloudflare" || f.Contact != 404 || f.Date.IsZero() ||
		!slices.Equal(f.OpenPaths, []string{"/metrics"}) || f.Server == nil || f.Server.Version != "v1" ||
		len(f.Workspaces) != 2 || f.Workspaces[0].SigningKeys != 2 || len(f.Workspaces[1].APIKeys) != 1 {
		t.Errorf("%+v", f)
	}
	f, err = doctor.Look(t.Context(), doctor.Config{Server: s.URL, Ops: s.URL, Key: "wrong", Client: s.Client()})
	if err != nil || f.Server != nil || !strings.Contains(f.WhyServer, "no ops listener") || f.Workspaces != nil || !strings.Contains(f.WhyKey, "must be the root key") {
		t.Errorf("%+v, %v", f, err)
	}
	for _, c := range []struct{ server, says string }{
		{"img.example.com", "is no URL such as https://img.example.com"},
		{"http://127.0.0.1:1", "the server can't be asked"},
	} {
		if _, err := doctor.Look(t.Context(), doctor.Config{Server: c.server}); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.server, err)
		}
	}
}

// TestChecklistDoc holds docs/checklist.md to the checks.
func TestChecklistDoc(t *testing.T) {
	var b strings.Builder
	b.WriteString(`# The production checklist

<!-- Made from doctor/checks.go by go test ./doctor -run TestChecklistDoc -update -->

This page is for the operator, before the first visitor and once a month after. ` + "`tintype doctor`" + ` walks the list against a running server and says what to change:

` + "```sh" + `
export TINTYPE_ROOT_KEY=…                                   # for the checks of keys and workspaces
tintype doctor --server https://img.example.com             # on the server's machine; elsewhere name its ops listener with --ops
tintype doctor --server https://img.example.com --json | jq # for programs
` + "```" + `

The exit status is 0 if no check fails, 1 if one does, or the server can't be asked. What can't be checked is skipped, and says what it needs. A warning may be right where you are: look at it once.

| check | what must hold | what it asks | what to do |
| --- | --- | --- | --- |
`)
	section := ""
	for _, c := range doctor.Checks() {
		if c.Section != section {
			section = c.Section
			fmt.Fprintf(&b, "| **%s** | | | |\n", section)
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", c.ID, c.Asks, c.Need, c.Fix)
	}
	b.WriteString(`
The ops listener answers ` + "`/doctor`" + ` with what the server says of itself, without secrets: keep it private. With DynamoDB it asks whether the table has point-in-time recovery, for which the server needs ` + "`dynamodb:DescribeContinuousBackups`" + `.
`)
	golden.File(t, "../docs/checklist.md", b.String())
}
