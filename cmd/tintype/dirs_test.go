package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrivateDirs: a server doesn't start with a private folder that a public one holds.
func TestPrivateDirs(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"all/vault", "all2"} {
		if err := os.MkdirAll(filepath.Join(root, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	link := filepath.Join(root, "link")
	if err := os.Symlink(filepath.Join(root, "all", "vault"), link); err != nil {
		t.Fatal(err)
	}
	at := func(key, name string) dirSpec { return dirSpec{"demo", key, filepath.Join(root, name)} }
	for name, test := range map[string]struct {
		dirs    []dirSpec
		private []string
		refused bool
	}{
		"within":           {[]dirSpec{at("all", "all"), at("vault", "all/vault")}, []string{"demo/vault"}, true},
		"by a link":        {[]dirSpec{at("all", "all"), at("vault", "link")}, []string{"demo/vault"}, true},
		"the same":         {[]dirSpec{at("all", "all"), at("vault", "all/../all")}, []string{"demo/vault"}, true},
		"another space":    {[]dirSpec{at("vault", "all/vault"), {"other", "all", root}}, []string{"demo/vault"}, true},
		"both private":     {[]dirSpec{at("all", "all"), at("vault", "all/vault")}, []string{"demo/vault", "demo/all"}, false},
		"a public within":  {[]dirSpec{at("all", "all"), at("some", "all/vault")}, []string{"demo/all"}, false},
		"beside":           {[]dirSpec{at("all", "all"), at("vault", "all2")}, []string{"demo/vault"}, false},
		"no private":       {[]dirSpec{at("all", "all"), at("vault", "all/vault")}, nil, false},
		"isn't there":      {[]dirSpec{at("all", "none"), at("vault", "all2")}, []string{"demo/vault"}, false},
		"of many, the one": {[]dirSpec{at("b", "all2"), at("all", "all"), at("vault", "all/vault")}, []string{"demo/vault", "demo/b"}, true},
	} {
		c := &serveCmd{Dir: test.dirs, DirPrivate: test.private}
		err := c.checkPrivateDirs()
		if (err != nil) != test.refused || err != nil && !strings.Contains(err.Error(), "--dir-private demo/vault: everybody could read") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
