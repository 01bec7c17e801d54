package api_test

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/usage"
	"github.com/tintype/tintype/workspace"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// TestRateLimit: each API key may send 100 requests a minute. The root key has no limit.
func TestRateLimit(t *testing.T) {
	db := workspacetest.NewMemory()
	journal := usage.NewJournal(usage.JournalConfig{Entries: db})
	s := startOn(t, db, func(c *config) { c.Limiter, c.Journal = limit.New(limit.Config{}), journal })
	s.records, s.journal = db, journal
	w := workspace.New("acme")
	if err := db.Create(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	var bearers []string
	for _, id := range []string{"one", "two"} {
		secret := apikey.New(false)
		k := &workspace.APIKey{ID: id, WorkspaceID: w.ID, Namespace: "acme", Hash: secret.Hash(), Scopes: []string{"read"}}
		if err := db.CreateAPIKey(t.Context(), k); err != nil {
			t.Fatal(err)
		}
		bearers = append(bearers, "Bearer "+secret.Reveal())
	}
	for range 120 {
		if a := s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200); a.header.Get("X-RateLimit-Limit") != "" {
			t.Fatal("the root key is told of a limit")
		}
	}
	before := time.Now().Unix()
	first := s.do(t, "GET", "/v1/workspaces/acme", "", "Authorization", bearers[0]).want(t, 200)
	first.wantHeader(t, "X-RateLimit-Limit", "100")
	first.wantHeader(t, "X-RateLimit-Remaining", "99")
	// The reset is a time: the start of one of the next minutes.
	if at, err := strconv.ParseInt(first.header.Get("X-RateLimit-Reset"), 10, 64); err != nil || at%60 != 0 || at < before || at > time.Now().Unix()+60 {
		t.Errorf("%v, %v", first.header, err)
	}
	// A refused request counts, and its headers show the limit.
	s.do(t, "POST", "/v1/workspaces/acme/purge", `{"all":true}`, "Authorization", bearers[0]).want(t, 403).wantHeader(t, "X-RateLimit-Remaining", "98")
	refused := 0
	for range 120 {
		a := s.do(t, "GET", "/v1/workspaces/acme", "", "Authorization", bearers[0])
		if a.status == 200 {
			continue
		}
		refused++
		a.wantError(t, 429, "RATE_LIMITED")
		a.wantHeader(t, "X-RateLimit-Remaining", "0")
		if after, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
			t.Fatalf("Retry-After %q", a.header.Get("Retry-After"))
		}
	}
	if refused == 0 { // normally 22; fewer if a minute ends in between
		t.Error("nothing of 122 requests is refused")
	}
	lines := 0
	for _, line := range accessLines(t, s, idOf(t, s, "acme")) {
		if strings.HasPrefix(line, "429 ") {
			lines++
		}
	}
	if lines != 1 {
		t.Errorf("the access log has %d lines of %d refusals, want one until the hour is over", lines, refused)
	}
	s.do(t, "GET", "/v1/workspaces/acme", "", "Authorization", bearers[1]).want(t, 200)
}

// TestQuotaHeaders: answers about a workspace say what is left of its quotas, to those who may
// ask.
func TestQuotaHeaders(t *testing.T) {
	s := startOn(t, workspacetest.NewMemory(), func(c *config) {
		c.Quota = func(_ context.Context, namespace string) http.Header {
			return http.Header{"X-Quota-Remaining": {"day=" + namespace}}
		}
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201).wantHeader(t, "X-Quota-Remaining", "")
	s.do(t, "GET", "/v1/workspaces/acme", "").want(t, 200).wantHeader(t, "X-Quota-Remaining", "day=acme")
	s.do(t, "PATCH", "/v1/workspaces/acme", `{"plan":"none"}`).want(t, 400).wantHeader(t, "X-Quota-Remaining", "day=acme")
	s.do(t, "GET", "/v1/workspaces/acme", "", "Authorization", "-").want(t, 401).wantHeader(t, "X-Quota-Remaining", "")
	s.do(t, "GET", "/v1/plans", "").want(t, 200).wantHeader(t, "X-Quota-Remaining", "")
}
