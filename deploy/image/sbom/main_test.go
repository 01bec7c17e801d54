package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// TestDocument: the modules of a program, the records of packages and what is built out of source are
// in the document, each with an id of its own and related to the image.
func TestDocument(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	image := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(image, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(image, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	write("usr/local/bin/.keep", "")
	if err := os.Symlink(self, filepath.Join(image, "usr/local/bin/tintype")); err != nil {
		t.Fatal(err)
	}
	write("var/lib/dpkg/status.d/libstdc++6", "Package: libstdc++6\nStatus: install ok installed\nArchitecture: amd64\nVersion: 14.2.0-19\nDescription: a library\n Version: of C++\n")
	if err := run(image, "v1.2.3", []string{"libvips@8.18.6-1", "jpegli@0.11.2-0.1~deb13u2"}); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(image, "usr/share/sbom/tintype.spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	if d.Version != "SPDX-2.3" || d.Creation.Created != "2023-11-14T22:13:20Z" {
		t.Errorf("%+v", d)
	}
	ids, found := map[string]bool{}, map[string]bool{}
	for _, p := range d.Packages {
		if ids[p.ID] || !regexp.MustCompile(`^SPDXRef-[0-9a-f]{16}$`).MatchString(p.ID) {
			t.Errorf("the id of %s is %s", p.Name, p.ID)
		}
		ids[p.ID] = true
		found[p.References[0].Locator] = true
	}
	for _, want := range []string{"pkg:oci/tintype@v1.2.3", "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=amd64", "pkg:generic/libvips@8.18.6-1", "pkg:generic/jpegli@0.11.2-0.1~deb13u2"} {
		if !found[want] {
			t.Errorf("%s isn't in %v", want, found)
		}
	}
	if len(d.Packages) < 5 || len(d.Relationships) != len(d.Packages) { // Go's library is one
		t.Errorf("%d packages, %d relationships", len(d.Packages), len(d.Relationships))
	}
	for _, r := range d.Relationships {
		if !ids[r.To] {
			t.Errorf("%+v", r)
		}
	}
}

// TestNoRecords: an image without packages of Debian is a mistake, not an empty list.
func TestNoRecords(t *testing.T) {
	if _, err := debianPackages(t.TempDir()); err == nil {
		t.Error("no error")
	}
}
