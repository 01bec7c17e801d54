package playground

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/fault"
)

// neverOfImages are the codes that no request of a playground is answered with.
var neverOfImages = map[fault.Code]string{
	fault.Validation:          "of the API",
	fault.Conflict:            "of the API",
	fault.MethodNotAllowed:    "the page only sends GET",
	fault.RangeNotSatisfiable: "the page asks for whole images",
}

// TestAdvice: every code has words, for strangers and members. Links lead to pages of the
// dashboard, where there is one.
func TestAdvice(t *testing.T) {
	for _, k := range fault.All() {
		for _, c := range []struct{ dashboard, member bool }{{false, false}, {true, false}, {true, true}} {
			a, ok := advise("acme", c.dashboard, c.member)[k.Code]
			if _, never := neverOfImages[k.Code]; never {
				if ok {
					t.Errorf("%s has advice that nobody reads", k.Code)
				}
				continue
			}
			for _, text := range []string{a.Means, a.Do} {
				if !strings.HasSuffix(text, ".") || text[:1] != strings.ToUpper(text[:1]) {
					t.Errorf("%s: %q", k.Code, text)
				}
			}
			if (a.Path == "") != (a.Title == "") || a.Path != "" && (!c.dashboard || !strings.HasPrefix(a.Path, "/app/acme/")) {
				t.Errorf("%s with %v links to %q %q", k.Code, c, a.Path, a.Title)
			}
			if needs := k.Status == 401 || k.Status == 403 && k.Code != fault.AddressNotAllowed; needs && c.dashboard && !c.member && a.Path == "" {
				t.Errorf("%s, %d, leads nowhere", k.Code, k.Status)
			}
		}
	}
	if a := advise("acme", true, true)[fault.SignatureRequired]; a.Path != "" {
		t.Errorf("a member is sent to the page that is open: %v", a)
	}
}
