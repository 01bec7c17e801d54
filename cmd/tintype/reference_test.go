//go:build cgo

package main

import (
	"testing"
)

// TestReferencePage opens /v1/docs in Chromium: its policy holds and lets its styles
// through, nothing is loaded but the page, its links lead somewhere, and on a phone
// only tables scroll sideways.
func TestReferencePage(t *testing.T) {
	server, chromium := startServer(t), startBrowser(t)
	for _, width := range []int64{1200, 390} {
		p := open(t, chromium, server+"/v1/docs", width, 900)
		if got := eval[string](p, `getComputedStyle(document.querySelector('table')).borderCollapse`); got != "collapse" {
			t.Errorf("%d pixels wide: its styles don't apply: %q", width, got)
		}
		if got := eval[[]string](p, `performance.getEntriesByType('resource').map((e) => e.name)`); len(got) != 0 {
			t.Errorf("%d pixels wide: it loads %v", width, got)
		}
		if got := eval[int](p, `document.scripts.length`); got != 0 {
			t.Errorf("%d pixels wide: it has %d scripts", width, got)
		}
		if got := eval[[]string](p, `[...document.querySelectorAll('a[href^="#"]')].map((a) => a.getAttribute('href')).filter((h) => !document.getElementById(h.slice(1)))`); len(got) != 0 {
			t.Errorf("links that lead nowhere: %v", got)
		}
		if got := eval[int](p, `document.documentElement.scrollWidth - innerWidth`); got > 0 {
			t.Errorf("%d pixels wide: the page is %d wider than the window", width, got)
		}
		p.calm("favicon.ico")
	}
}
