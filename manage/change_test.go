package manage_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/manage"
)

// TestReviewTellsWhomItHits: a review begins with the URLs that would be refused.
func TestReviewTellsWhomItHits(t *testing.T) {
	m, _ := start(t, func(c *manage.Config) { c.Delivery = stub{} })
	c, err := m.ReviewPatch(t.Context(), manage.Operator, "acme", []byte(`{"require_signature":true}`))
	const want = "7 of 9 URLs that this server answered in the last hour would be refused (SOURCE_NOT_ALLOWED): /photos/a.jpg, /photos/b.jpg, …"
	if err != nil || len(c.Closes) == 0 || c.Closes[0] != want {
		t.Errorf("%v %v", strings.Join(c.Closes, "\n"), err)
	}
	if c, err := m.ReviewPatch(t.Context(), manage.Operator, "acme", []byte(`{}`)); err != nil || len(c.Closes) > 0 {
		t.Errorf("without a change: %v %v", c.Closes, err)
	}
}
