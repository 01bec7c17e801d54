package dashboard

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// TestWords: every field of a workspace that can change has words, and they are those of the
// form that changes it.
func TestWords(t *testing.T) {
	known := map[string]bool{}
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if prefix == "" && slices.Contains([]string{"namespace", "id", "revision", "created_at", "updated_at", "warnings"}, name) || name == "-" {
				continue
			}
			path, kind := prefix+name, of.Field(i).Type
			if kind.Kind() == reflect.Slice {
				kind = kind.Elem()
			}
			if kind.Kind() == reflect.Struct {
				walk(path+".", kind)
				continue
			}
			known[path] = true
			if words[path] == "" {
				t.Errorf("%s has no words", path)
			}
			if yesOrNo[path] != (kind.Kind() == reflect.Bool) || textLists[path] != (of.Field(i).Type == reflect.TypeFor[[]string]()) {
				t.Errorf("%s is of another kind than words.go says", path)
			}
		}
	}
	walk("", reflect.TypeFor[workspace.Workspace]())
	for path := range words {
		if !known[path] {
			t.Errorf("there is no field %s", path)
		}
	}
	labels := 0
	for file, prefix := range map[string]string{"source": "sources.", "mark": "marks.", "preset": "presets.", "access": "", "settings": ""} {
		page, err := os.ReadFile(filepath.Join("templates", file+".html"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`field \$f "(\w+)" "([^"]+)"`).FindAllStringSubmatch(string(page), -1) {
			if label, ok := words[prefix+m[1]]; ok {
				if labels++; label != m[2] {
					t.Errorf("%s%s: the form says %q, and the review %q", prefix, m[1], m[2], label)
				}
			}
		}
	}
	for _, f := range limitFields {
		if labels++; words["limits."+f.Name] != f.Label {
			t.Errorf("limits.%s: the form says %q", f.Name, f.Label)
		}
	}
	if labels < 30 {
		t.Errorf("%d labels were found", labels)
	}
}

// TestWithoutCodes: reviews say codes of errors in words.
func TestWithoutCodes(t *testing.T) {
	for text, want := range map[string]string{
		"3 of 4 URLs would be refused (SIGNATURE_REQUIRED): /a.jpg": "3 of 4 URLs would be refused (this image needs a signed URL): /a.jpg",
		"all images of source b are refused (INVALID_SOURCE)":       "all images of source b are refused",
		"it has marks (LOGO) and is refused (NO_SUCH_CODE)":         "it has marks (LOGO) and is refused (NO_SUCH_CODE)",
	} {
		if got := withoutCodes(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestPlainly: texts of other packages name fields as forms do.
func TestPlainly(t *testing.T) {
	for text, want := range map[string]string{
		"allowed_sources: * allows the images":      "“External originals”: * allows the images",
		"check access_key_id and secret_access_key": "check “Access key ID” and “Secret access key”",
		"images of source my_photos":                "images of source my_photos",
		"region is eu-west-1":                       "region is eu-west-1",
	} {
		if have := plainly(text); have != want {
			t.Errorf("%s: %s", text, have)
		}
	}
}
