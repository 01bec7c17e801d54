package facts

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"image"
	"image/color"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/cputime"
	"github.com/tintype/tintype/transform"
)

// pictures are drawn by formulas, so that the references could hash the same.
var pictures = map[string]*image.NRGBA{
	"slope": painted(32, 24, func(x, y int) [4]int { return [4]int{x * x * 255 / 961, y * 255 / 23, x * y % 256, 255} }),
	"tall":  painted(18, 60, func(x, y int) [4]int { return [4]int{(x*x + y*7) % 256, y * 4 % 256, x * 14 % 256, 255} }),
	"glass": painted(40, 40, func(x, y int) [4]int {
		return [4]int{x * 6 % 256, (x*x + 255 - y*6) % 256, x * y % 256, min(255, x*7+y*y)}
	}),
	"wide": painted(96, 8, func(x, y int) [4]int {
		if x < 37 {
			return [4]int{230, (y*y*5 + x) % 256, x * 2, 255}
		}
		return [4]int{20, (y*y*5 + x) % 256, x * 2, 255}
	}),
}

func painted(w, h int, f func(x, y int) [4]int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := f(x, y)
			m.SetNRGBA(x, y, color.NRGBA{uint8(c[0]), uint8(c[1]), uint8(c[2]), uint8(c[3])})
		}
	}
	return m
}

func plain(w, h int, c color.NRGBA) *image.NRGBA {
	return painted(w, h, func(int, int) [4]int { return [4]int{int(c.R), int(c.G), int(c.B), int(c.A)} })
}

// TestBlurHashes: the hashes are those of woltapp/blurhash's encoder in C.
func TestBlurHashes(t *testing.T) {
	for _, c := range []struct {
		picture string
		nx, ny  int
		want    string
	}{
		{"slope", 4, 3, "L$E4Pa6],UOTl@WBjwajgFfmfTfi"},
		{"slope", 1, 1, "00E4Pa"},
		{"slope", 9, 9, "|$E4Pa6],UOTn~bba~oeWnl@WBjwajfTe:fOe=fRgFfmfTfifNfifTfjfPn$Wsjsa^fTfTfOfPfQe-fTfNfSfSfNfSfRfRofWojrb0fNfSfSfPfPesfOfTfOfSfSfOfRfPoxWpjua{fRfOfQfRfSeofRfPfQfRfPfPfRfO"},
		{"slope", 1, 5, "a$E4Pal@gFn$e-"},
		{"tall", 4, 3, "LsG+Byf@N|xYY]WCa|jHP5OCN]sn"},
		{"tall", 1, 1, "00G+By"},
		{"tall", 9, 9, "|sG+Byf@N|xYjrozfNozjqY]WCa|jHWpjHjtagjtP5OCN]snjtW:jtW:jtNKNusUweN]sBjtWWo1xEsUwxSMWpsUWpo1fQn+fPWpSMfQjtjtWpfQS3WpWpWpo1sUSMjto1oLjso1o1o1WpWpsUWpn*o1o1a|Wpa|o1jta|"},
		{"tall", 1, 5, "arG+ByY^P5NLxE"},
		{"wide", 4, 3, "L^HUC4{^,IS^vorsoLaMeXg0f%f%"},
		{"wide", 1, 1, "00HUC4"},
		{"wide", 9, 9, "|^HUC4{^,IS^ODW.xEsBfivorsoLaMWWagjHjtf7eXg0f%f%f%fjfjfjfjx@s9nSbFWDazj@jafjeXe;g0e;fjfjf7fjf7xHs+nlbYWpbGj@jafjf%e;e;e;e;f7f7f7f7wOs9oxbFX6bZj@kAf7g0fjeqfje;e;f7e;fj"},
		{"wide", 1, 5, "aQHUC4*rdx.idx"},
	} {
		if got := EncodeBlurHash(pictures[c.picture], c.nx, c.ny); got != c.want {
			t.Errorf("%s, %d × %d: %s, want %s", c.picture, c.nx, c.ny, got, c.want)
		}
	}
}

// TestDrawnBlurHashes: pixels are those of woltapp/blurhash's decoder in C, at eight places
// from the first to the last.
func TestDrawnBlurHashes(t *testing.T) {
	for _, c := range []struct {
		hash  string
		punch float64
		want  string
	}{
		{"LEHV6nWB2yk8pyo0adR*.7kCMdnj", 1, "87a4b1 a5acab a89e99 7e95a2 898f95 a38268 92908c 858e93"},
		{"LEHV6nWB2yk8pyo0adR*.7kCMdnj", 3, "5bbbdd bdd0ce c4aca0 0e92b9 667f95 b94600 868276 537c8f"},
		{"LlMF%n00%#MwS|WCWEM{R*bbWBbH", 1, "5b4300 c09c78 b0826f 98683d e9cdc1 b56350 a06856 f4dfdd"},
		{"LlMF%n00%#MwS|WCWEM{R*bbWBbH", 3, "000000 bda041 842f00 000000 ffffff 990000 000000 ffffff"},
		{"00OZZy", 1, "d51e78 d51e78 d51e78 d51e78 d51e78 d51e78 d51e78 d51e78"},
		{"LNAdApj[00aymkj[TKay9}ay-Sj[", 1, "000000 483c46 86716a 250000 634f43 989b99 2a5966 000e2d"},
		{"LNAdApj[00aymkj[TKay9}ay-Sj[", 3, "000000 000000 bd917f 000000 702700 dee3df 005275 000000"},
	} {
		size := transform.Size{W: 20, H: 12}
		m, err := Draw(transform.Drawing{Of: transform.DrawBlurHash, Hash: c.hash, Punch: c.punch, Whole: size, Output: size})
		if err != nil {
			t.Errorf("%s: %v", c.hash, err)
			continue
		}
		comparePixels(t, c.hash, m, c.want)
	}
}

// comparePixels compares eight pixels of a picture, which may differ by one level: the order
// in which floats are added up isn't that of the references.
func comparePixels(t *testing.T, name string, m *image.NRGBA, want string) {
	t.Helper()
	n := m.Rect.Dx() * m.Rect.Dy()
	for i, text := range strings.Fields(want) {
		px, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		got := m.Pix[4*(i*(n-1)/7):][:len(px)]
		for k := range px {
			if d := int(px[k]) - int(got[k]); d < -1 || d > 1 {
				t.Errorf("%s: pixel %d is %x, want %s", name, i*(n-1)/7, got, text)
				break
			}
		}
	}
}

// TestThumbHashes: hashes, sizes and pixels are those of evanw/thumbhash's JavaScript.
func TestThumbHashes(t *testing.T) {
	for _, c := range []struct {
		picture, hash string
		w, h          int
		pixels        string
	}{
		{"", "WagNLZqAdodwiIiGiGeIh/SVDPl4", 32, 23, "071a00ff 111f21ff 643479ff e15d7eff 009d45ff 0bc189ff 8ae586ff eeff68ff"},
		{"tall", "HggKYhZwcHdnZYh3f3R39mc=", 9, 32, "410700ff 8919a6ff 864e24ff 8e51beff 8a8d22ff 69a9d2ff 83e14eff 50e6edff"},
		{"glass", "XviJJRQdcGaYiYd4eMCcCYiYc3cwd1JYdw==", 32, 32, "46874255 8d6d63b5 39925ec0 ac877ff9 349182f1 cd7e78f6 547b8feb ec716af8"},
		{"wide", "GAgGgaTsNLZQaDeJn3b3qpg=", 32, 5, "ff0000ff 032c9fff 55404dff ff5b00ff 0091aeff 098866ff db8727ff 0288b7ff"},
		{"", "3OcRJYB4d3h/iIeHeEh3eIhw+j2w", 32, 23, "7c889fff 98a4bfff 929ebbff 96a2b6ff 404c46ff 39462eff 273309ff 56632eff"},
		{"", "1QcSHQRnh493V4dIh4eXh1h4kJUI", 23, 32, "404d71ff 727380ff a09499ff a18c7eff 4f3629ff 25242aff 131926ff 000427ff"},
	} {
		if c.picture != "" {
			if got := base64.StdEncoding.EncodeToString(EncodeThumbHash(pictures[c.picture])); got != c.hash {
				t.Errorf("%s: %s, want %s", c.picture, got, c.hash)
			}
		}
		hash, err := DecodeThumbHash(c.hash)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ParseThumbHash(hash)
		if err != nil || h.Natural() != (transform.Size{W: c.w, H: c.h}) || h.Alpha() != (c.picture == "glass") {
			t.Errorf("%s: %v, %v, alpha %v", c.hash, h.Natural(), err, h.Alpha())
			continue
		}
		m, err := Draw(transform.Drawing{Of: transform.DrawThumbHash, Hash: string(hash), Punch: 1, Whole: h.Natural(), Output: h.Natural()})
		if err != nil {
			t.Fatal(err)
		}
		comparePixels(t, c.hash, m, c.pixels)
	}
}

func TestHashesThatAreNone(t *testing.T) {
	for hash, want := range map[string]string{
		"":                                "too short",
		"L":                               "too short",
		"LEHV6nWB2yk8pyo0adR*.7kCMdn":     "has 27 characters, and a BlurHash that begins with L has 28",
		"LEHV6nWB2yk8pyo0adR*.7kCMdnjj":   "has 29",
		"LEHV6nWB2yk8pyo0adR*.7kCMd\"j":   "a character that no BlurHash has",
		"LEHV6nWB2yk8pyo0adR*.7kCMd\x80j": "a character that no BlurHash has",
		"~0HewF":                          "more than 9",
		"00~~~~":                          "mean colour",
	} {
		if _, err := ParseBlurHash(hash); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", hash, err, want)
		}
	}
	for hash, want := range map[string]string{
		"3OcRJYA=":                         "has 5 bytes, and a ThumbHash that begins like this has 21",
		"3OcRJYB4d3h/iIeHeEh3eIhw+j2wAA==": "has 22",
		"3OcR":                             "has 3",
		"3OcRIIB4d3h/iIeHeEh3eIhw+j2w":     "ratio",
		"!":                                "base64",
		"3OcRJYB4d3h/iIeHeEh3eIhw+j2":      "base64",
	} {
		b, err := DecodeThumbHash(hash)
		if err == nil {
			_, err = ParseThumbHash(b)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", hash, err, want)
		}
	}
	a, _ := DecodeThumbHash("3OcRJYB4d3h_iIeHeEh3eIhw-j2w")
	b, _ := DecodeThumbHash("3OcRJYB4d3h/iIeHeEh3eIhw j2w")
	if len(a) == 0 || string(a) != string(b) {
		t.Errorf("spellings differ: %x, %x", a, b)
	}
}

// TestDrawMiddle: a drawing that is cut out of a whole has the pixels of the whole.
func TestDrawMiddle(t *testing.T) {
	for _, d := range []transform.Drawing{
		{Of: transform.DrawBlurHash, Hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj"},
		{Of: transform.DrawThumbHash, Hash: string(EncodeThumbHash(pictures["glass"]))},
	} {
		d.Whole, d.Output = transform.Size{W: 60, H: 40}, transform.Size{W: 60, H: 40}
		whole, err := Draw(d)
		if err != nil {
			t.Fatal(err)
		}
		d.Output = transform.Size{W: 20, H: 40}
		part, err := Draw(d)
		if err != nil {
			t.Fatal(err)
		}
		if want := at0(whole.SubImage(image.Rect(20, 0, 40, 40)).(*image.NRGBA)); !cmp.Equal(part.Pix, want.Pix) {
			t.Errorf("%s: the middle differs", d.Of)
		}
	}
	for _, d := range []transform.Drawing{{}, {Of: transform.DrawColor, Output: transform.Size{W: 2, H: 2}, Whole: transform.Size{W: 1, H: 2}},
		{Of: "sketch", Output: transform.Size{W: 1, H: 1}, Whole: transform.Size{W: 1, H: 1}}} {
		if _, err := Draw(d); err == nil {
			t.Errorf("%+v was drawn", d)
		}
	}
}

// TestToSRGB: the table gives what the formula does.
func TestToSRGB(t *testing.T) {
	for i := -100; i < 200_000; i++ {
		v := float64(i) / 180_000
		want := uint8(math.Floor(fromLinear(max(0, min(1, v)))*255 + 0.5))
		if got := toSRGB(v); got != want {
			t.Fatalf("%v: %d, want %d", v, got, want)
		}
	}
	if toSRGB(math.NaN()) != 0 || toSRGB(math.Inf(1)) != 255 {
		t.Error("what is no number is no level")
	}
}

// TestColors: pictures whose answer a person can name.
func TestColors(t *testing.T) {
	red, green, blue, white := color.NRGBA{255, 0, 0, 255}, color.NRGBA{0, 128, 0, 255}, color.NRGBA{0, 0, 255, 255}, color.NRGBA{255, 255, 255, 255}
	parts := func(w, h int, list ...color.NRGBA) *image.NRGBA {
		return painted(w, h, func(x, _ int) [4]int {
			c := list[x*len(list)/w]
			return [4]int{int(c.R), int(c.G), int(c.B), int(c.A)}
		})
	}
	ladybird := painted(100, 100, func(x, y int) [4]int { // 1% red on a leaf of many greens
		if x >= 45 && x < 55 && y >= 45 && y < 55 {
			return [4]int{200, 20, 20, 255}
		}
		return [4]int{30 + x/4, 110 + y/3, 40 + (x+y)/8, 255}
	})
	letter := painted(100, 100, func(x, y int) [4]int { // whose paper is a level off near the letters
		switch {
		case x < 10:
			return [4]int{32, 32, 32, 255}
		case x < 40:
			return [4]int{253 + y%2, 253, 254, 255}
		}
		return [4]int{255, 255, 255, 255}
	})
	for name, c := range map[string]struct {
		picture *image.NRGBA
		colors  []Share
		vibrant string
	}{
		"red":         {plain(10, 10, red), []Share{{"#ff0000", 1, 1}}, "#ff0000"},
		"grey":        {plain(3, 7, color.NRGBA{119, 119, 119, 255}), []Share{{"#777777", 1, 0}}, ""},
		"white":       {plain(1, 1, white), []Share{{"#ffffff", 1, 0}}, ""},
		"black":       {plain(1, 1, color.NRGBA{A: 255}), []Share{{"#000000", 1, 0}}, ""},
		"invisible":   {plain(8, 8, color.NRGBA{255, 0, 0, 0}), []Share{}, ""},
		"tricolour":   {parts(90, 60, blue, white, red), []Share{{"#ffffff", 0.3333, 0}, {"#ff0000", 0.3333, 1}, {"#0000ff", 0.3333, 1}}, "#ff0000"},
		"half a logo": {parts(40, 40, green, color.NRGBA{}), []Share{{"#008000", 0.5, 1}}, ""},
		"a letter":    {letter, []Share{{"#ffffff", 0.9, 0}, {"#202020", 0.1, 0}}, ""},
		"ladybird":    {ladybird, []Share{{"#2b7f34", 0.99, 0.827}, {"#c81414", 0.01, 0.96}}, "#2b7731"},
	} {
		f := Look(c.picture)
		if diff := cmp.Diff(c.colors, f.Colors); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		got := ""
		if f.Palette.Vibrant != nil {
			got = f.Palette.Vibrant.Hex
		}
		if got != c.vibrant {
			t.Errorf("%s: vibrant is %q, want %q", name, got, c.vibrant)
		}
	}
}

// TestPalette: one colour near each target is found, and none is invented.
func TestPalette(t *testing.T) {
	list := []string{"8ab4f8", "2060e0", "0a2a66", "b8c4cc", "6a7f8c", "2f3c44"}
	m := painted(60, 60, func(x, _ int) [4]int {
		b, err := hex.DecodeString(list[x/10])
		if err != nil {
			t.Fatal(err)
		}
		return [4]int{int(b[0]), int(b[1]), int(b[2]), 255}
	})
	want := Palette{LightVibrant: &Swatch{"#8ab4f8"}, Vibrant: &Swatch{"#2060e0"}, DarkVibrant: &Swatch{"#0a2a66"},
		LightMuted: &Swatch{"#b8c4cc"}, Muted: &Swatch{"#6a7f8c"}, DarkMuted: &Swatch{"#2f3c44"}}
	if diff := cmp.Diff(want, Look(m).Palette); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(Palette{}, Look(plain(9, 9, color.NRGBA{255, 255, 255, 255})).Palette); diff != "" {
		t.Errorf("of white: %s", diff)
	}
}

// TestFewPixels: of a picture with few pixels, no hash shows stripes.
func TestFewPixels(t *testing.T) {
	for _, m := range []*image.NRGBA{plain(1, 1, color.NRGBA{200, 100, 50, 255}), plain(128, 1, color.NRGBA{200, 100, 50, 255})} {
		f, size := Look(m), transform.Size{W: 32, H: 32}
		for _, d := range []transform.Drawing{{Of: transform.DrawBlurHash, Hash: f.BlurHash}, {Of: transform.DrawThumbHash, Hash: string(f.ThumbHash)}} {
			d.Whole, d.Output = size, size
			drawn, err := Draw(d)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(drawn.Pix); i += 4 {
				p := drawn.Pix[i:]
				if abs(int(p[0])-200) > 8 || abs(int(p[1])-100) > 8 || abs(int(p[2])-50) > 8 {
					t.Fatalf("%v %s: a pixel is %v", m.Rect, d.Of, p[:4])
				}
			}
		}
	}
}

func abs(n int) int { return max(n, -n) }

// TestParse: what Look says is read back, and what no Look says is refused.
func TestParse(t *testing.T) {
	want := Look(pictures["tall"])
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for name, change := range map[string]func(*Facts){
		"blurhash":  func(f *Facts) { f.BlurHash += "0" },
		"thumbhash": func(f *Facts) { f.ThumbHash = nil },
		"hex":       func(f *Facts) { f.Colors[0].Hex = "<b>fff" },
		"area":      func(f *Facts) { f.Colors[0].Area = 2 },
		"intensity": func(f *Facts) { f.Colors[0].Intensity = -1 },
		"count":     func(f *Facts) { f.Colors = make([]Share, 9) },
		"palette":   func(f *Facts) { f.Palette.DarkMuted = &Swatch{"#0000000"} },
	} {
		f := Look(pictures["tall"])
		change(&f)
		if b, err = json.Marshal(f); err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(b); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// TestDrawTime: a placeholder of 64×48 pixels takes less than 2 ms of processor time, and one
// of 2048² pixels less than encoding it does.
func TestDrawTime(t *testing.T) {
	for _, c := range []struct {
		size transform.Size
		ms   float64
	}{{transform.Size{W: 64, H: 48}, 2}, {transform.Size{W: 2048, H: 2048}, 400}} {
		d := transform.Drawing{Of: transform.DrawBlurHash, Hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj", Whole: c.size, Output: c.size}
		took := cputime.Best(time.Duration(c.ms*float64(time.Millisecond)), func() {
			if _, err := Draw(d); err != nil {
				t.Fatal(err)
			}
		})
		if took.Seconds()*1e3 > c.ms {
			t.Errorf("%v: %v", c.size, took)
		}
	}
}

func FuzzParseBlurHash(f *testing.F) {
	f.Add("LEHV6nWB2yk8pyo0adR*.7kCMdnj")
	f.Add("00OZZy")
	f.Add("|~~~~~")
	f.Fuzz(func(t *testing.T, text string) {
		h, err := ParseBlurHash(text)
		if err != nil {
			return
		}
		h.draw(image.NewNRGBA(image.Rect(0, 0, 5, 3)), 5, 3, 0, 0, 10)
	})
}

func FuzzParseThumbHash(f *testing.F) {
	for _, m := range pictures {
		f.Add(EncodeThumbHash(m))
	}
	f.Fuzz(func(t *testing.T, hash []byte) {
		h, err := ParseThumbHash(hash)
		if err != nil {
			return
		}
		if n := h.Natural(); n.W < 1 || n.H < 1 || max(n.W, n.H) != 32 {
			t.Errorf("natural size %v", n)
		}
		h.draw(image.NewNRGBA(image.Rect(0, 0, 5, 3)), 5, 3, 0, 0, 10)
	})
}

// FuzzLook: the facts of any picture can be read back.
func FuzzLook(f *testing.F) {
	f.Add(uint8(3), []byte("some pixels, four bytes each"))
	f.Fuzz(func(t *testing.T, w uint8, pixels []byte) {
		width := int(w)%64 + 1
		height := len(pixels) / 4 / width
		if height == 0 || height > 64 {
			return
		}
		m := image.NewNRGBA(image.Rect(0, 0, width, height))
		copy(m.Pix, pixels)
		b, err := json.Marshal(Look(m))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		sum, last := 0.0, 1.0
		for _, c := range got.Colors {
			if c.Area > last {
				t.Error("areas rise")
			}
			sum, last = sum+c.Area, c.Area
		}
		if sum > 1 {
			t.Errorf("areas sum up to %v", sum)
		}
	})
}

func BenchmarkLook(b *testing.B) {
	m := painted(100, 75, func(x, y int) [4]int { return [4]int{x * 2, y * 2, (x*x + y*y) / 80, 255} })
	for b.Loop() {
		Look(m)
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, size := range []transform.Size{{W: 64, H: 48}, {W: 2048, H: 2048}} {
		for _, d := range []transform.Drawing{{Of: transform.DrawBlurHash, Hash: "LEHV6nWB2yk8pyo0adR*.7kCMdnj"}, {Of: transform.DrawThumbHash, Hash: string(EncodeThumbHash(pictures["slope"]))}} {
			d.Whole, d.Output = size, size
			b.Run(string(d.Of)+"-"+map[bool]string{true: "small", false: "large"}[size.W == 64], func(b *testing.B) {
				for b.Loop() {
					if _, err := Draw(d); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
