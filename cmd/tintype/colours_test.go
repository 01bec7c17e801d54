package main

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// TestColoursAreChromiums draws originals and their variants in Chromium. The browser must
// show the same colours. They may differ by the given number of levels.
func TestColoursAreChromiums(t *testing.T) {
	const side, across = 8, 8
	// The corners and some of the inside of the cube of colours.
	patches := func(depth16 bool) image.Image {
		m := image.NewNRGBA(image.Rect(0, 0, side*across, side*across))
		deep := image.NewNRGBA64(m.Rect)
		levels := []uint8{0, 80, 170, 255}
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				i := y/side*across + x/side
				c := color.NRGBA{levels[i%4], levels[i/4%4], levels[i/16], 255}
				m.SetNRGBA(x, y, c)
				deep.SetNRGBA64(x, y, color.NRGBA64{uint16(c.R) * 257, uint16(c.G) * 257, uint16(c.B) * 257, 65535})
			}
		}
		if depth16 {
			return deep
		}
		return m
	}
	grey := image.NewGray(image.Rect(0, 0, side*across, side*across))
	for i := range grey.Pix {
		grey.Pix[i] = uint8(i % grey.Stride / side * 36)
	}
	var inks, bright [][4]uint8
	for i := range across * across {
		c := [4]uint8{uint8(i % 4 * 85), uint8(i / 4 % 4 * 85), uint8(i / 16 * 85)}
		bright = append(bright, c)
		c[3] = uint8(i % 3 * 64)
		inks = append(inks, c)
	}
	p3 := [3][3]float64{{.51512, .24120, -.00105}, {.29198, .69225, .04189}, {.15710, .06657, .78407}}
	adobe := [3][3]float64{{.60974, .31111, .01947}, {.20528, .62567, .06087}, {.14919, .06322, .74457}}

	screen := iccProfile("mntr", "RGB ", "Lab ", [2]string{"A2B0", labTable(3, dullScreen)})

	folder := t.TempDir()
	cases := []struct {
		file      string
		data      []byte
		tolerance int
	}{
		{"plain.png", pngOf(patches(false), nil), 0},
		{"deep.png", pngOf(patches(true), nil), 0},
		{"p3.png", pngOf(patches(false), rgbProfile(p3, 2.2)), 3},
		{"p3-deep.png", pngOf(patches(true), rgbProfile(p3, 2.2)), 3},
		{"adobe.png", pngOf(patches(false), rgbProfile(adobe, 2.19921875)), 3},
		{"grey.png", pngOf(grey, nil), 0},
		{"grey-gamma.png", pngOf(grey, greyProfile(1.4)), 3},
		{"cmyk.jpg", cmykJPEG(across, inks, nil), 2},
		// Without black ink, which Chromium turns into the other three before it applies the
		// profile; TestInkProfiles has it.
		{"cmyk-profile.jpg", cmykJPEG(across, bright, cmykProfile()), 3},
		{"cmyk-profile-4.jpg", cmykJPEG(across, bright, version4(cmykProfile())), 3},
		{"cmyk-intents.jpg", cmykJPEG(across, bright, iccProfile("prtr", "CMYK", "Lab ",
			[2]string{"A2B0", labTable(4, dullInks)}, [2]string{"A2B1", labTable(4, inverse(dullInks))})), 3},
		{"cmyk-relative.jpg", cmykJPEG(across, bright, iccProfile("prtr", "CMYK", "Lab ", [2]string{"A2B1", labTable(4, dullInks)})), 3},
		{"table.png", pngOf(patches(false), screen), 3},
		{"table-4.png", pngOf(patches(false), version4(screen)), 3},
	}
	for _, c := range cases {
		if err := os.WriteFile(filepath.Join(folder, c.file), c.data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	variant := func(file string) []byte {
		out := filepath.Join(t.TempDir(), "variant.png")
		err := run(t.Context(), []string{"transform", filepath.Join(folder, file), "format=png", "-o", out}, func(string) string { return "" }, io.Discard, io.Discard)
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		data, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	site := http.NewServeMux()
	site.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!doctype html><title>colours</title><link rel=icon href=data:>")
	})
	site.Handle("/original/", http.StripPrefix("/original/", http.FileServer(http.Dir(folder))))
	for _, c := range cases {
		data := variant(c.file)
		site.HandleFunc("/variant/"+c.file, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) })
	}
	server := httptest.NewServer(site)
	t.Cleanup(server.Close)

	page := open(t, startBrowser(t), server.URL, 400, 300)
	for _, c := range cases {
		shown := func(kind string) []int {
			return eval[[]int](page, fmt.Sprintf(`(async () => {
				const image = new Image();
				image.src = %q;
				await image.decode();
				const canvas = document.createElement("canvas");
				canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
				const drawing = canvas.getContext("2d", {colorSpace: "srgb", willReadFrequently: true});
				drawing.drawImage(image, 0, 0);
				const levels = [];
				for (let y = 4; y < canvas.height; y += 8) for (let x = 4; x < canvas.width; x += 8)
					levels.push(...drawing.getImageData(x, y, 1, 1).data.slice(0, 3));
				return levels;
			})()`, "/"+kind+"/"+c.file))
		}
		want, got := shown("original"), shown("variant")
		if len(want) != 3*across*across || len(got) != len(want) {
			t.Fatalf("%s: %d levels of the original, %d of the variant", c.file, len(want), len(got))
		}
		worst, at := 0, 0
		for i := range want {
			if d := max(want[i]-got[i], got[i]-want[i]); d > worst {
				worst, at = d, i/3
			}
		}
		if worst > c.tolerance {
			t.Errorf("%s: patch %d is %v in Chromium, %v as a variant", c.file, at, want[3*at:3*at+3], got[3*at:3*at+3])
		}
		t.Logf("%s: within %d levels", c.file, worst)
	}
	page.calm()
}
