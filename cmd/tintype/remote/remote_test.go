package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/client"
)

func TestSettings(t *testing.T) {
	for _, test := range []struct {
		args []string
		want string // JSON, or a part of the error
	}{
		{[]string{"https_only=true", "name=Acme"}, `{"https_only":true,"name":"Acme"}`},
		{[]string{"name=", `allowed_origins=["https://a.example"]`}, `{"allowed_origins":["https://a.example"],"name":null}`},
		{[]string{"limits.requests_per_minute=60", "limits.transforms_per_day=0"}, `{"limits":{"requests_per_minute":60,"transforms_per_day":0}}`},
		{[]string{"name=a=b", "plan=null"}, `{"name":"a=b","plan":null}`},
		{[]string{"name"}, "is no SETTING=VALUE"},
		{[]string{"=x"}, "is no SETTING=VALUE"},
		{[]string{"name=a", "name=b"}, "name is given twice"},
		{[]string{"limits.a=1", "limits.a=2"}, "limits.a is given twice"},
		{[]string{"limits=1", "limits.a=2"}, "limits is given twice"},
	} {
		patch, err := settings(test.args)
		if err != nil {
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q: %v, want %s", test.args, err, test.want)
			}
			continue
		}
		if got, err := json.Marshal(patch); err != nil || string(got) != test.want {
			t.Errorf("%q: %s %v, want %s", test.args, got, err, test.want)
		}
	}
}

// TestShow: a terminal obeys nothing of what others wrote.
func TestShow(t *testing.T) {
	for _, test := range []struct {
		cell any
		want string
	}{
		{"", "-"}, {[]string{}, "-"}, {[]string{"a", "b"}, "a,b"}, {true, "yes"}, {12, "12"}, {1.5, "1.5"},
		{time.Time{}, "-"}, {(*time.Time)(nil), "-"}, {time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "2026-01-02 03:04:05"},
		{"a\x1b[31mb\r\nc\td\u202ee", "a?[31mb??c?d?e"}, {[]string{"\x07"}, "?"}, {"Ümlaut 日本", "Ümlaut 日本"},
	} {
		if got := show(test.cell); got != test.want {
			t.Errorf("%q: %q, want %q", test.cell, got, test.want)
		}
	}
}

func TestLength(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_949: "999.9 kB", 999_960: "1.0 MB", 1 << 40: "1.1 TB", 9e18: "9.0 EB"} {
		if got := length(n); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}

// TestFind: which files of a folder are sent, and where to.
func TestFind(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.jpg", "sub/b.PNG", "sub/.hidden.png", ".git/c.png", "node_modules/x/d.png", "notes.txt"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := imagesUploadCmd{Files: []string{root, filepath.Join(root, "notes.txt")}}
	files, err := c.find("2026")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		got = append(got, f.path)
	}
	slices.Sort(got)
	if diff := cmp.Diff([]string{"2026/a.jpg", "2026/notes.txt", "2026/sub/b.PNG"}, got); diff != "" {
		t.Error(diff)
	}
	c.Files = append(c.Files, filepath.Join(root, "a.jpg"))
	if _, err := c.find("2026"); err == nil || !strings.Contains(err.Error(), "the same path 2026/a.jpg") {
		t.Error(err)
	}
}

// TestWatch: each line has what was added since the one before.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		answer := roundTripper(func(r *http.Request) (*http.Response, error) {
			w := httptest.NewRecorder()
			k := n.Add(1)
			err := json.NewEncoder(w).Encode(client.UsageAnswer{Usage: []client.Usage{{Requests: 10 * k, Hits: 4 * k, BytesOut: 2000 * k}, {Requests: 1, Errors: 1}}})
			return w.Result(), err
		})
		api, err := client.New("http://img.example", "key", client.WithHTTPClient(&http.Client{Transport: answer}))
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		ctx, cancel := context.WithTimeout(t.Context(), 35*time.Second)
		defer cancel()
		c := usageCmd{Every: 10 * time.Second}
		if err := c.watch(ctx, Env{Stdout: &out}, api); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 4 {
			t.Fatalf("%d lines:\n%s", len(lines), &out)
		}
		for _, line := range lines[1:] {
			if got := strings.Fields(line)[1:]; !slices.Equal(got, []string{"10", "4", "0", "0", "0", "B", "2.0", "kB"}) {
				t.Errorf("%q", got)
			}
		}
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
