package origin

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestCheckUpload(t *testing.T) {
	for _, good := range []string{"cat.jpg", "2026/summer/cat 1.JPEG", "bücher/日本語.png", "😀.gif", "no-extension", "v1.2", "a..b.webp", "x.avif", "logo.svg", "100%.jpg", "50% off, a+b & c=d; e@f 'g' (h).jpg", "なぜ？.jpg"} {
		if err := CheckUpload(good); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	for _, bad := range []string{
		"", "/cat.jpg", "cat.jpg/", "a//b.jpg", "../cat.jpg", "a/../b.jpg", "a/..;x/b.jpg", `a\b.jpg`, "a\x00b.jpg", "a\nb.jpg", "a\x7fb.jpg", "a\u0085b.jpg", "\xff.jpg",
		"ca\u200bt.jpg", "cat\u202egpj.exe", "\ufeffcat.jpg", "cat\u00a0.jpg", "cat\u00ad.jpg", "cat\ue000.jpg", "cat\ufe0f.jpg", // invisible
		"e\u0301.jpg",                                                                                        // another form of é
		"a\u2215b.jpg", "a\uff0fb.jpg", "a\u2044b.jpg", "\uff0e\uff0e/b.jpg", "\u2025/b.jpg", "a\uff3cb.jpg", // look-alikes
		"a%2fb.jpg", "a%2Eb.jpg", "%00.jpg", "a?b.jpg", "a.jpg?w=400", "a#b.jpg", "<script>.jpg", "a>b.jpg", `a"b.jpg`, // URLs
		".htaccess", "a/.git/cat.jpg", " cat.jpg", "cat.jpg ", "a./cat.jpg", "a /cat.jpg",
		"page.html", "page.jpg.php", "script.js", "a.tar.gz", "cat.jpg.exe",
		".tintype-staging/AAAAAAAAAAAAAAAAAAAAAAAAAA", "a/.Tintype-X/b.jpg", strings.Repeat("x", 1025),
	} {
		if err := CheckUpload(bad); !errors.Is(err, ErrInvalidPath) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for bad, reason := range map[string]string{"a?b.jpg": "the character ? is not allowed", "a%2fb.jpg": `"%2f" looks like an escape`} {
		if err := CheckUpload(bad); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, raw := range []string{"https://a.test/x/.tintype-staging/ID", "https://a.test/%2etintype-staging/ID", "https://a.test/.TINTYPE-staging"} {
		u, err := ParseURL(raw)
		if err == nil && !u.HoldsReserved() {
			t.Errorf("%s isn't reserved", raw)
		}
	}
	if u, err := ParseURL("https://a.test/tintype-staging/x.jpg"); err != nil || u.HoldsReserved() {
		t.Errorf("%v, %v", u, err)
	}
}

func put(t *testing.T, d *Dir, path, body string, overwrite bool) (bool, error) {
	t.Helper()
	return d.Put(t.Context(), path, &Object{Body: []byte(body)}, "image/jpeg", overwrite)
}

func TestDirPut(t *testing.T) {
	root := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside.jpg")
	if err := os.WriteFile(outside, []byte("outside"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i, tt := range []struct {
		path      string
		overwrite bool
		isNew     bool
		err       error
	}{
		{"cat.jpg", false, true, nil},
		{"cat.jpg", false, false, ErrExists},
		{"cat.jpg", true, false, nil},
		{"a/b/dog.jpg", false, true, nil},
		{"new.jpg", true, true, nil},
		{"a/b", true, false, ErrExists},            // a folder
		{"cat.jpg/x.jpg", false, false, ErrExists}, // below a file
		{"../cat.jpg", true, false, ErrInvalidPath},
		{".tintype-staging/x", true, false, ErrInvalidPath},
	} {
		isNew, err := put(t, d, tt.path, "one", tt.overwrite)
		if isNew != tt.isNew || !errors.Is(err, tt.err) {
			t.Errorf("%d %s: %v, %v", i, tt.path, isNew, err)
		}
	}
	// Links out of the folder are neither followed nor written through.
	if err := os.Symlink(outside, filepath.Join(root, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Dir(outside), filepath.Join(root, "away")); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, d, "away/outside.jpg", "evil", true); err == nil {
		t.Error("wrote through a link to a folder")
	}
	if _, err := put(t, d, "link.jpg", "evil", true); err != nil {
		t.Errorf("a link is replaced as a name: %v", err)
	}
	if b, _ := os.ReadFile(outside); string(b) != "outside" {
		t.Errorf("wrote outside: %q", b)
	}
	if left, _ := os.ReadDir(filepath.Join(root, staging)); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}

	if err := d.Delete(t.Context(), "a"); !errors.Is(err, ErrNotFound) {
		t.Errorf("deleting a folder: %v", err)
	}
	if err := d.Delete(t.Context(), "cat.jpg"); err != nil {
		t.Error(err)
	}
	if err := d.Delete(t.Context(), "cat.jpg"); !errors.Is(err, ErrNotFound) {
		t.Errorf("again: %v", err)
	}
}

// TestDirPutTogether: of uploads of one path at the same time, one wins and the others fail.
func TestDirPutTogether(t *testing.T) {
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	var won, lost atomic.Int32
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			switch isNew, err := put(t, d, "deep/cat.jpg", "x", false); {
			case err == nil && isNew:
				won.Add(1)
			case errors.Is(err, ErrExists):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won.Load() != 1 || lost.Load() != 15 {
		t.Errorf("%d won, %d lost", won.Load(), lost.Load())
	}
}

// TestDirSweep: a file that a killed process left in the staging folder is neither served
// nor listed, and removed by a later upload.
func TestDirSweep(t *testing.T) {
	root := t.TempDir()
	d, err := OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	left := filepath.Join(root, staging, "LEFT")
	if err := os.MkdirAll(filepath.Dir(left), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(left, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Fetch(t.Context(), Key{Path: staging + "/LEFT"}, Validators{}); !errors.Is(err, ErrInvalidPath) {
		t.Errorf("served: %v", err)
	}
	if page, err := d.Browse(t.Context(), ListQuery{Flat: true, Limit: 9}); err != nil || len(page.Images)+len(page.Folders) != 0 {
		t.Errorf("listed: %+v, %v", page, err)
	}
	old := time.Now().Add(-2 * leftFor)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	if _, err := put(t, d, "cat.jpg", "x", false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestDirBrowse(t *testing.T) {
	d, err := OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, path := range []string{"a.jpg", "b/1.jpg", "b/2.jpg", "b/c/3.jpg", "bb.jpg", "c.jpg"} {
		if _, err := put(t, d, path, "x", false); err != nil {
			t.Fatal(err)
		}
	}
	list := func(q ListQuery) (all []string) {
		t.Helper()
		for range 20 {
			page, err := d.Browse(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, page.Folders...)
			for _, s := range page.Images {
				all = append(all, s.Path)
			}
			if q.Cursor = page.Next; q.Cursor == "" {
				return all
			}
		}
		t.Fatal("no end")
		return nil
	}
	for _, tt := range []struct {
		q    ListQuery
		want string
	}{
		{ListQuery{Limit: 100}, "b/ a.jpg bb.jpg c.jpg"},
		{ListQuery{Limit: 1}, "a.jpg b/ bb.jpg c.jpg"},
		{ListQuery{Prefix: "b", Limit: 100}, "b/ bb.jpg"},
		{ListQuery{Prefix: "b/", Limit: 2}, "b/1.jpg b/2.jpg b/c/"},
		{ListQuery{Flat: true, Limit: 2}, "a.jpg b/1.jpg b/2.jpg b/c/3.jpg bb.jpg c.jpg"},
		{ListQuery{Prefix: "b/", Flat: true, Limit: 9}, "b/1.jpg b/2.jpg b/c/3.jpg"},
		{ListQuery{Prefix: "none/", Limit: 9}, ""},
	} {
		if got := strings.Join(list(tt.q), " "); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.q, got, tt.want)
		}
	}
	for _, prefix := range []string{"../", "/", "a//", "\x00", ".tintype-staging/"} {
		if _, err := d.Browse(t.Context(), ListQuery{Prefix: prefix, Limit: 1}); !errors.Is(err, ErrInvalidPath) {
			t.Errorf("%q: %v", prefix, err)
		}
	}
}
