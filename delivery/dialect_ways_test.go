package delivery

import (
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/workspace"
)

// A way is a URL of a dialect for an image. It has the image's key or its full URL.
type way struct{ dialect, target string }

// waysTo returns URLs of every dialect for an image: without options, with each option of the
// dialect, and with pairs of options.
func waysTo(t *testing.T, namespace, key, full string) (all []way) {
	t.Helper()
	for _, d := range dialect.All {
		w, ok := deliverytest.Writers[d.Name]
		if !ok {
			t.Fatalf("nothing writes URLs of %s: add it to deliverytest.Writers", d.Name)
		}
		for _, prefix := range d.Prefixes {
			for _, by := range [][2]string{{key, ""}, {"", full}} {
				if by[1] == "" && w.FullOnly {
					continue
				}
				sets := [][]string{nil}
				for i, o := range w.Options {
					sets = append(sets, []string{o}, []string{o, w.Options[(i+3)%len(w.Options)]})
				}
				for _, set := range sets {
					all = append(all, way{d.Name, "/" + namespace + "/" + prefix + w.Write(by[1], by[0], set)})
				}
			}
		}
	}
	return all
}

// Marks, privacy and the allowlist apply in every dialect, with all options.
func TestDialectsKeepTheRules(t *testing.T) {
	b := newBench(t)
	b.registry.Set(t, markedAcme(t, b))
	b.registry.Set(t, b.acme(func(w *workspace.Workspace) {
		w.Namespace, w.ID, w.AllowedSources = "closed", "", []string{"https://only.example.com"}
		w.Sources[0].Private = true
	}))
	b.upstream.Serve("/else/dog.jpg", deliverytest.Body(deliverytest.Photo(t, 20, 20)))
	own, other := b.upstream.URL+"/photos/cat.jpg", b.upstream.URL+"/else/dog.jpg"
	pictures := map[string]int{}
	for _, w := range waysTo(t, "acme", "photos/cat.jpg", own) {
		answer := b.get(w.target)
		if answer.Code != 200 {
			if got := code(t, answer); !slices.Contains([]string{"INVALID_OPTION", "INVALID_PATH", "INVALID_SOURCE"}, got) {
				t.Errorf("%s: %s: %s", w.dialect, w.target, got)
			}
			continue
		}
		pictures[w.dialect]++
		if got := shows(t, answer); !strings.Contains(got, "red") {
			t.Errorf("%s: %s shows %s, and not its mark", w.dialect, w.target, got)
		}
	}
	for _, d := range dialect.All {
		if pictures[d.Name] < 2 {
			t.Errorf("%s: only %d URLs led to a picture", d.Name, pictures[d.Name])
		}
	}
	t.Logf("pictures: %v", pictures)
	refused := func(ways []way, want string) {
		for _, w := range ways {
			answer := b.get(w.target)
			if got := code(t, answer); got != want && got != "INVALID_OPTION" && got != "INVALID_PATH" && got != "INVALID_SOURCE" {
				t.Errorf("%s: %s: %d %s, want %s", w.dialect, w.target, answer.Code, got, want)
			}
		}
	}
	refused(waysTo(t, "closed", "photos/cat.jpg", own), "SIGNATURE_REQUIRED")
	full := slices.DeleteFunc(waysTo(t, "closed", "photos/cat.jpg", other), func(w way) bool { return !strings.Contains(w.target, "dog.jpg") })
	refused(full, "SOURCE_NOT_ALLOWED")
}
