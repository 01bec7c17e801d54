package dashboard_test

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// An outage is a store that fails while its fields say so.
type outage struct {
	*workspacetest.Memory
	reads, writes bool
}

func (o *outage) fails(away bool) error {
	if away {
		return fmt.Errorf("%w: it is away", workspace.ErrUnavailable)
	}
	return nil
}

func (o *outage) Get(ctx context.Context, namespace string) (*workspace.Workspace, error) {
	if err := o.fails(o.reads); err != nil {
		return nil, err
	}
	return o.Memory.Get(ctx, namespace)
}

func (o *outage) Create(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := o.fails(o.writes); err != nil {
		return err
	}
	return o.Memory.Create(ctx, w, audit...)
}

func (o *outage) Update(ctx context.Context, w *workspace.Workspace, audit ...workspace.AuditEntry) error {
	if err := o.fails(o.writes); err != nil {
		return err
	}
	return o.Memory.Update(ctx, w, audit...)
}

func (o *outage) Delete(ctx context.Context, namespace string, revision int64, audit ...workspace.AuditEntry) error {
	if err := o.fails(o.writes); err != nil {
		return err
	}
	return o.Memory.Delete(ctx, namespace, revision, audit...)
}

func (o *outage) CreateAPIKey(ctx context.Context, k *workspace.APIKey, audit ...workspace.AuditEntry) error {
	if err := o.fails(o.writes); err != nil {
		return err
	}
	return o.Memory.CreateAPIKey(ctx, k, audit...)
}

func (o *outage) RevokeAPIKey(ctx context.Context, workspaceID, id string, at time.Time, audit ...workspace.AuditEntry) error {
	if err := o.fails(o.writes); err != nil {
		return err
	}
	return o.Memory.RevokeAPIKey(ctx, workspaceID, id, at, audit...)
}

func (o *outage) Record(ctx context.Context, group, name string) (account.Record, error) {
	if err := o.fails(o.reads); err != nil {
		return account.Record{}, err
	}
	return o.Memory.Record(ctx, group, name)
}

func (o *outage) WriteRecords(ctx context.Context, writes []account.Write, audit ...workspace.AuditEntry) error {
	if err := o.fails(o.writes); err != nil {
		return err
	}
	return o.Memory.WriteRecords(ctx, writes, audit...)
}

// TestSaveFails: where the store fails while a form is saved, a form of settings comes back
// with all that was typed, and the page of another form keeps it. Where nothing can be read
// either, the page that says so has the whole form. Once the store is back, the same form is
// saved.
func TestSaveFails(t *testing.T) {
	kept := regexp.MustCompile(`name="kept" value="([^"]+)"`)
	settings, others := 0, 0
	for _, r := range pageRows {
		method, target := pageOf(r.pattern)
		if method != http.MethodPost || r.status >= 400 || r.fields.Get("step") != "save" && (r.status == 200 || !strings.HasPrefix(r.pattern, "POST /app/{ns}")) ||
			r.fields.Get("verify") != "" {
			continue
		}
		s, ids := inhabited(t)
		fields := url.Values{}
		for name, values := range r.fields {
			fields.Set(name, ids.Replace(values[0]))
		}
		if strings.HasSuffix(r.pattern, "sources/_new") || strings.HasSuffix(r.pattern, "sources/{key}") {
			fields.Set("headers", "Authorization: s3cr3t")
		}
		before := stateOf(t, s)
		s.away.writes = true
		a := s.ask("owner", method, target, fields)
		page := html.UnescapeString(a.Body.String())
		if a.Code != http.StatusServiceUnavailable || a.Header().Get("Retry-After") == "" || strings.Contains(page, "s3cr3t") {
			t.Errorf("%s %v, no writes: %d\n%s", r.pattern, fields, a.Code, page)
		}
		if fields.Get("step") == "save" {
			settings++
			if !strings.Contains(page, "What you typed is still here.") || !strings.Contains(page, "The workspace store can't be reached right now") {
				t.Errorf("%s %v: the page doesn't say what is wrong\n%s", r.pattern, fields, page)
			}
			for name, values := range fields {
				switch {
				case name == "step", name == "revision", name == "headers", name == "kind", strings.HasSuffix(target, "/"+values[0]):
					continue
				}
				value := regexp.QuoteMeta(values[0])
				shown := regexp.MustCompile(`name="` + name + `"([^>]* checked|[^>]* value="` + value + `"|[^>]*>` + value + `<)|<option selected>` + value + `<`)
				if !shown.MatchString(page) {
					t.Errorf("%s: %s = %q is lost\n%s", r.pattern, name, values[0], page)
				}
			}
		} else if others++; kept.FindString(page) == "" {
			t.Errorf("%s %v: the page doesn't keep the form\n%s", r.pattern, fields, page)
		}

		s.away.reads = true
		a = s.ask("owner", method, target, fields)
		sealed := kept.FindStringSubmatch(html.UnescapeString(a.Body.String()))
		if a.Code != http.StatusServiceUnavailable || sealed == nil || strings.Contains(a.Body.String(), "s3cr3t") {
			t.Fatalf("%s %v, no store: %d\n%s", r.pattern, fields, a.Code, a.Body)
		}
		again := url.Values{"kept": {sealed[1]}}
		a = s.ask("owner", method, target, again) // it is still away
		if sealed = kept.FindStringSubmatch(html.UnescapeString(a.Body.String())); a.Code != http.StatusServiceUnavailable || sealed == nil {
			t.Fatalf("%s %v, no store again: %d\n%s", r.pattern, fields, a.Code, a.Body)
		}
		s.away.reads, s.away.writes = false, false
		if now := stateOf(t, s); len(now) != len(before) {
			t.Errorf("%s changed something", r.pattern)
		}
		again.Set("kept", sealed[1])
		if w := s.ask("operator", method, target, again); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s: another session sends what this one typed: %d", r.pattern, w.Code)
		}
		if w := s.ask("owner", method, target, again); w.Code != http.StatusSeeOther {
			t.Errorf("%s %v, sent again: %d\n%s", r.pattern, fields, w.Code, w.Body)
		}
		if strings.Contains(target, "/sources/") && fields.Get("headers") != "" {
			w, err := s.store.Get(t.Context(), "acme")
			if err != nil || w.Sources[len(w.Sources)-1].Headers["Authorization"] != "s3cr3t" {
				t.Errorf("%s: the secret is lost: %+v %v", r.pattern, w, err)
			}
		}
	}
	if settings < 15 || others < 6 {
		t.Errorf("%d forms of settings and %d others were tried", settings, others)
	}
}
