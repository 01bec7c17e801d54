package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

func TestPurge(t *testing.T) {
	var told []string
	sequence := func() int64 { return 0 } // of the last stored purge
	s := start(t, func(c *config) {
		c.Delivery.findPurge = func(_ context.Context, namespace, url string) ([]workspace.Purge, []string, error) {
			if url == "/nothing" {
				return nil, nil, errors.New("is no URL of an image")
			}
			return []workspace.Purge{{Kind: workspace.PurgeURL, Source: "photos", Value: url}}, []string{namespace + "/x"}, nil
		}
		c.Front = front(func(namespace string, tags []string) func() {
			before := sequence()
			return func() {
				if sequence() != before+1 {
					t.Error("released before the purge was stored, or told of after it")
				}
				told = append(told, namespace+": "+strings.Join(tags, " "))
			}
		})
		c.Process = func(string) workspace.Process { return workspace.Process{Dirs: []string{"folder"}} }
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[{"key":"photos","kind":"http","url":"https://photos.test/"}],
		"marks":[{"name":"brand","image":"photos/logo.png"}]}`).want(t, 201)
	sequence = func() int64 {
		w, err := s.store.Get(context.Background(), "acme")
		if err != nil {
			t.Error(err)
			return 0
		}
		return w.Purges.Sequence
	}
	for _, tt := range []struct {
		body string
		want string // "kind source value", or the beginning of a message
		tag  string
	}{
		{`{"path":"photos/a/b.jpg"}`, "path photos a/b.jpg", "acme: acme/photos/a/b.jpg"},
		{`{"prefix":"photos/a/"}`, "prefix photos a/", "acme: acme/photos"},
		{`{"prefix":"photos/a/.."}`, "prefix photos a/..", "acme: acme/photos"}, // of a/..b.jpg
		{`{"prefix":"photos/"}`, "source photos ", "acme: acme/photos"},
		{`{"source":"folder"}`, "source folder ", "acme: acme/folder"},
		{`{"mark":"brand"}`, "mark  brand", "acme: acme/mark:brand"},
		{`{"url":"/acme/photos/a.jpg"}`, "url photos /acme/photos/a.jpg", "acme: acme/x"},
		{`{"all":true}`, "all  ", "acme: acme"},
		{`{}`, "Exactly one of", ""},
		{`{"all":false}`, "Exactly one of", ""},
		{`{"all":true,"path":"photos/a.jpg"}`, "Exactly one of", ""},
		{`{"path":"photos"}`, "path: must be written as source/path", ""},
		{`{"path":"photos/"}`, "path: must be written as source/path", ""},
		{`{"path":"/photos/a.jpg"}`, `path: leave out the first slash: write "photos/a.jpg".`, ""},
		{`{"path":"//photos/a.jpg"}`, `path: leave out the first slash: write "photos/a.jpg".`, ""},
		{`{"prefix":"/photos/"}`, `prefix: leave out the first slash: write "photos/".`, ""},
		{`{"source":"/photos"}`, `source: leave out the first slash: write "photos".`, ""},
		{`{"mark":"/brand"}`, `mark: leave out the first slash: write "brand".`, ""},
		{`{"path":"photos/../pub/x.jpg"}`, "path: invalid path: the segments . and .. are not allowed.", ""},
		{`{"path":"photos/a//b.jpg"}`, "path: invalid path: empty segments", ""},
		{`{"path":"photos/a\\b.jpg"}`, "path: invalid path: a backslash is not allowed.", ""},
		{`{"prefix":"photos/../pub/"}`, "prefix: invalid path: the segments . and .. are not allowed.", ""},
		{`{"prefix":"photos//"}`, "prefix: invalid path: empty segments", ""},
		{`{"prefix":"/"}`, "prefix: must be written as source/prefix.", ""},
		{`{"path":"//"}`, "path: must be written as source/path.", ""},
		{`{"source":"/"}`, "source: must be the name of a source. To purge everything, use all.", ""},
		{`{"mark":"/"}`, "mark: must be the name of a mark. To purge everything, use all.", ""},
		{`{"prefix":"photos"}`, "prefix: must be written as source/prefix", ""},
		{`{"path":"nobody/a.jpg"}`, `path: the workspace has no source "nobody"`, ""},
		{`{"path":"photos/` + strings.Repeat("x", 5000) + `"}`, "path: may have", ""},
		{`{"source":"nobody"}`, `source: the workspace has no source "nobody"`, ""},
		{`{"mark":"nobody"}`, `mark: the workspace has no mark "nobody"`, ""},
		{`{"url":"/nothing"}`, "url: is no URL of an image", ""},
		{`{"everything":true}`, "everything: unknown field", ""},
		{`{"ALL":true}`, "ALL: unknown field", ""},
		{`{"all":true,"all":true}`, "all: given twice", ""},
		{`{"all":true}}`, "invalid JSON in line 1", ""},
		{`{"all":"true"}`, "all: must be true or false, not a string", ""},
		{`null`, "must be an object, not null", ""},
	} {
		told = nil
		a := s.do(t, "POST", "/v1/workspaces/acme/purge", tt.body)
		if tt.tag == "" {
			if message := a.wantError(t, 400, "VALIDATION_ERROR"); !strings.HasPrefix(message, tt.want) || told != nil {
				t.Errorf("%s: %q, told %v", tt.body, message, told)
			}
			continue
		}
		var out struct {
			CompleteBy time.Time `json:"complete_by"`
		}
		if err := json.Unmarshal([]byte(a.want(t, 202).body), &out); err != nil {
			t.Fatal(err)
		}
		if in := time.Until(out.CompleteBy); in < 0 || in > cached.ChangeReach+time.Second {
			t.Errorf("complete in %v", in)
		}
		// This process's delivery has the purge.
		w, err := s.store.Get(t.Context(), "acme")
		if err != nil {
			t.Fatal(err)
		}
		last := w.Purges.Purges[len(w.Purges.Purges)-1]
		if got := string(last.Kind) + " " + last.Source + " " + last.Value; got != tt.want {
			t.Errorf("%s: %q", tt.body, got)
		}
		if diff := cmp.Diff([]string{tt.tag}, told); diff != "" {
			t.Errorf("%s: %s", tt.body, diff)
		}
	}
	log := s.do(t, "GET", "/v1/workspaces/acme/audit?limit=1", "").want(t, 200).body
	if !strings.Contains(log, `"action":"purge"`) || !strings.Contains(log, `"target":"all"`) {
		t.Error(log)
	}
	s.do(t, "POST", "/v1/workspaces/nobody/purge", `{"all":true}`).wantError(t, 404, "WORKSPACE_NOT_FOUND")
}

// TestPurgeTellsWhatItWidened: the answer, the audit log, the server's log and the metrics
// name widened purges.
func TestPurgeTellsWhatItWidened(t *testing.T) {
	var log strings.Builder
	figures := prometheus.NewRegistry()
	s := start(t, func(c *config) {
		c.Log = slog.New(slog.NewTextHandler(&log, nil))
		c.Metrics = figures
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme","sources":[{"key":"photos","kind":"http","url":"https://photos.test/"}]}`).want(t, 201)
	w, err := s.store.Get(t.Context(), "acme")
	if err != nil {
		t.Fatal(err)
	}
	counted := func(name, kind string) (n float64) {
		t.Helper()
		families, err := figures.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.GetMetric() {
				if f.GetName() == name && m.GetLabel()[0].GetValue() == kind {
					return m.GetCounter().GetValue()
				}
			}
		}
		t.Fatalf("there is no %s of %s", name, kind)
		return 0
	}
	if n := counted("tintype_purges_widened_total", "prefix"); n != 0 {
		t.Errorf("at first: %v", n)
	}
	// Almost enough text to reach the limit of single purges, and then more.
	purges := s.store.(workspace.Purges)
	long := strings.Repeat("x", 4010)
	for i := range 65 {
		p := workspace.Purge{Kind: workspace.PurgePrefix, Source: "photos", Value: fmt.Sprintf("2026/%02d/%s", i, long)}
		if _, _, err := purges.AddPurges(t.Context(), "acme", w.ID, workspace.PurgeLog{}, []workspace.Purge{p}); err != nil {
			t.Fatal(err)
		}
	}
	if answer := s.do(t, "POST", "/v1/workspaces/acme/purge", `{"prefix":"photos/2027/`+long[:1000]+`"}`).want(t, 202).body; !strings.Contains(answer, `"widened":[{"kind":"prefix","source":"photos","value":"2026/`) {
		t.Errorf("answer: %s", answer)
	}
	if answer := s.do(t, "POST", "/v1/workspaces/acme/purge", `{"path":"photos/1.jpg"}`).want(t, 202).body; strings.Contains(answer, "widened") {
		t.Errorf("answer to the next purge: %s", answer)
	}
	audit := s.do(t, "GET", "/v1/workspaces/acme/audit?limit=2", "").want(t, 200).body
	if !strings.Contains(audit, `xxx","widened":[{"kind":"prefix"`) || strings.Count(audit, "widened") != 1 {
		t.Errorf("audit log: %s", audit)
	}
	if !strings.Contains(log.String(), "replaced purges by wider ones") || !strings.Contains(log.String(), "workspace=acme") {
		t.Errorf("log: %s", &log)
	}
	if n := counted("tintype_purges_widened_total", "prefix"); n < 30 {
		t.Errorf("widened: %v", n)
	}
	if prefixes, paths := counted("tintype_purges_total", "prefix"), counted("tintype_purges_total", "path"); prefixes != 1 || paths != 1 {
		t.Errorf("purges: %v, %v", prefixes, paths)
	}
}

// A front is a manage.Front.
type front func(namespace string, tags []string) (release func())

func (f front) Tell(namespace string, tags []string) func() { return f(namespace, tags) }
