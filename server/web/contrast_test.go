package web

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// TestContrast: each colour of text stands out against each ground, in light as in dark, as WCAG
// 2.2 §1.4.3 asks. So what axe sees of a page in one scheme holds in the other, as long as style
// sheets name no colour besides those of :root.
func TestContrast(t *testing.T) {
	base, err := os.ReadFile("static/base.css")
	if err != nil {
		t.Fatal(err)
	}
	root, rest, _ := strings.Cut(string(base), "}")
	colours := map[string][2]float64{} // luminance in light and dark
	for _, c := range regexp.MustCompile(`--([a-z-]+): light-dark\(#([0-9a-f]{3}|[0-9a-f]{6}), #([0-9a-f]{3}|[0-9a-f]{6})\);`).FindAllStringSubmatch(root, -1) {
		colours[c[1]] = [2]float64{luminance(c[2]), luminance(c[3])}
	}
	for _, ground := range []string{"ground", "sheet", "sunk", "wash", "bad-wash"} {
		for _, ink := range []string{"ink", "dim", "accent", "good", "bad"} {
			for i, scheme := range []string{"light", "dark"} {
				if ratio := contrast(colours[ink][i], colours[ground][i]); ratio < 4.5 {
					t.Errorf("--%s on --%s, %s: %.2f", ink, ground, scheme, ratio)
				}
			}
		}
	}
	for i, scheme := range []string{"light", "dark"} {
		if ratio := contrast(colours["on-accent"][i], colours["accent"][i]); ratio < 4.5 {
			t.Errorf("--on-accent on --accent, %s: %.2f", scheme, ratio)
		}
	}
	text := regexp.MustCompile(`(?:^|[ ;{])color: (?:#|rgb|hsl|white|black|light-dark)[^;}]*`)
	for name, a := range assets().files {
		body := string(a.body)
		if name == "base.css" {
			body = rest
		}
		if !strings.HasSuffix(name, ".css") {
			continue
		}
		for _, literal := range text.FindAllString(body, -1) {
			t.Errorf("%s: a colour of text that is none of :root: %s", name, literal)
		}
	}
}

// luminance is the relative luminance of a colour of three or six hex digits.
func luminance(hex string) float64 {
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	l := 0.0
	for i, weight := range []float64{.2126, .7152, .0722} {
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8) // digits, by the expression that found them
		v := float64(n) / 255
		if v <= .04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}

func contrast(a, b float64) float64 { return (max(a, b) + .05) / (min(a, b) + .05) }
