package tintype_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/internal/golden"
)

// TestPicture holds docs/packages.svg to the imports that there are.
func TestPicture(t *testing.T) {
	const name = "docs/packages.svg"
	svg := drawPackages(imports(t))
	golden.File(t, name, string(svg))
}

// imports are the packages that each package imports, of this module. Packages for tests
// are left out.
func imports(t *testing.T) map[string][]string {
	all := map[string][]string{}
	for _, f := range sourceFiles(t) {
		if f.pkg == "." || f.pkg == "bench" || strings.HasPrefix(f.pkg, "internal/") || strings.HasSuffix(f.pkg, "test") {
			continue
		}
		all[f.pkg] = append(all[f.pkg], []string{}...)
		for _, imp := range f.imports {
			if own, ok := strings.CutPrefix(imp, module+"/"); ok && !strings.HasPrefix(own, "internal/") && !slices.Contains(all[f.pkg], own) {
				all[f.pkg] = append(all[f.pkg], own)
			}
		}
	}
	return all
}

// reaches reports whether one package imports another through a third.
func reaches(all map[string][]string, from, to string) bool {
	for _, via := range all[from] {
		if via != to && (slices.Contains(all[via], to) || reaches(all, via, to)) {
			return true
		}
	}
	return false
}

// drawPackages draws a box for each package, above those that it imports. An arrow is left
// out where a longer way leads to the same package.
func drawPackages(all map[string][]string) []byte {
	const boxW, boxH, gapX, gapY, margin = 150, 30, 18, 46, 16
	level := map[string]int{}
	var levelOf func(string) int
	levelOf = func(pkg string) int {
		if n, ok := level[pkg]; ok {
			return n
		}
		n := 0
		for _, imp := range all[pkg] {
			n = max(n, levelOf(imp)+1)
		}
		level[pkg] = n
		return n
	}
	var rows [][]string
	for _, pkg := range slices.Sorted(maps.Keys(all)) {
		n := levelOf(pkg)
		for len(rows) <= n {
			rows = append(rows, nil)
		}
		rows[n] = append(rows[n], pkg)
	}
	widest := 0
	for _, row := range rows {
		widest = max(widest, len(row))
	}
	width := margin*2 + widest*(boxW+gapX) - gapX
	height := margin*2 + len(rows)*(boxH+gapY) - gapY
	type point struct{ x, y int }
	at := map[string]point{} // the middle of the upper edge
	for n, row := range rows {
		// Packages stand near the middle of those that they import.
		middle := func(pkg string) float64 {
			sum := 0.0
			for _, imp := range all[pkg] {
				sum += float64(at[imp].x)
			}
			return sum / float64(max(len(all[pkg]), 1))
		}
		slices.SortStableFunc(row, func(a, b string) int {
			switch m, o := middle(a), middle(b); {
			case m < o:
				return -1
			case m > o:
				return 1
			}
			return 0
		})
		left := (width - len(row)*(boxW+gapX) + gapX) / 2
		for i, pkg := range row {
			at[pkg] = point{left + i*(boxW+gapX) + boxW/2, margin + (len(rows)-1-n)*(boxH+gapY)}
		}
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">
<title>Packages: each imports those below it that a line leads to, and through them others</title>
<style>rect{fill:#f3f6fa;stroke:#4a6785}path{fill:none;stroke:#8aa1b8}text{fill:#1c2b3a;text-anchor:middle}
@media (prefers-color-scheme:dark){rect{fill:#1c2b3a;stroke:#8aa1b8}text{fill:#f3f6fa}path{stroke:#5b7590}}</style>
`, width, height)
	for _, pkg := range slices.Sorted(maps.Keys(all)) {
		slices.Sort(all[pkg])
		for _, imp := range all[pkg] {
			if reaches(all, pkg, imp) {
				continue
			}
			from, to := at[pkg], at[imp]
			y := from.y + boxH
			fmt.Fprintf(&b, "<path d=\"M%d %dC%d %d %d %d %d %d\"/>\n", from.x, y, from.x, y+gapY, to.x, to.y-gapY, to.x, to.y)
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(at)) {
		p := at[pkg]
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"5\"/><text x=\"%d\" y=\"%d\">%s</text>\n", p.x-boxW/2, p.y, boxW, boxH, p.x, p.y+boxH/2+4, pkg)
	}
	b.WriteString("</svg>\n")
	return b.Bytes()
}
