package workspace_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

var (
	namespacePattern = regexp.MustCompile(workspace.NamespacePattern)
	sourceKeyPattern = regexp.MustCompile(workspace.SourceKeyPattern)
)

func FuzzNames(f *testing.F) {
	for _, s := range []string{
		"", "a", "ab", "abc", "transform", "v1", "a-b", "-ab", "ab-", "a_b", "_ab", "Acme", "acme\n", "açme", "_next", "_vercel", "0", "a--b",
		strings.Repeat("a", 63), strings.Repeat("a", 64), strings.Repeat("a", 62) + "-", "a\x00b",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := workspace.ValidNamespace(s), namespacePattern.MatchString(s); got != want {
			t.Errorf("ValidNamespace(%q) = %v", s, got)
		}
		if got, want := workspace.UsableNamespace(s), workspace.ValidNamespace(s) && !workspace.Reserved(s); got != want {
			t.Errorf("UsableNamespace(%q) = %v", s, got)
		}
		if got, want := workspace.ValidSourceKey(s), sourceKeyPattern.MatchString(s); got != want {
			t.Errorf("ValidSourceKey(%q) = %v", s, got)
		}
	})
}

func TestReserved(t *testing.T) {
	for name := range strings.FieldsSeq("v1 app api healthz readyz metrics static docs www admin assets login playground transform info placeholder grid cdn-cgi") {
		if !workspace.Reserved(name) {
			t.Errorf("namespace %q is not reserved", name)
		}
	}
	for name := range strings.FieldsSeq("transform info placeholder grid cdn-cgi metadata colors palette blurhash thumbhash v1") {
		if !workspace.ReservedSourceKey(name) {
			t.Errorf("source key %q is not reserved", name)
		}
	}
	if workspace.Reserved("acme") || workspace.ReservedSourceKey("photos") || workspace.ReservedSourceKey("docs") {
		t.Error("a common name is reserved")
	}
}

func TestNamesAllocateNothing(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		_ = workspace.ValidNamespace("acme-images") && workspace.ValidSourceKey("photos_2026") &&
			workspace.Reserved("acme-images") && workspace.ReservedSourceKey("photos_2026")
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
