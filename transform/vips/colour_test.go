//go:build cgo

package vips_test

import (
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math"
	"testing"

	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/header"
)

// disc is a disc with a soft edge on transparent black.
func disc(size int, c color.NRGBA) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, size, size))
	middle, radius := float64(size)/2, float64(size)*0.45
	for y := range size {
		for x := range size {
			d := math.Hypot(float64(x)+.5-middle, float64(y)+.5-middle)
			if a := min(max(radius-d+.5, 0), 1); a > 0 {
				m.SetNRGBA(x, y, color.NRGBA{c.R, c.G, c.B, uint8(255*a + .5)})
			}
		}
	}
	return m
}

// A white disc on white paper can't be seen, however it is resized: a dark fringe
// would show that transparent black was mixed into its edge.
func TestAlphaEdges(t *testing.T) {
	source := pngBytes(t, disc(200, white))
	for _, format := range []transform.Format{transform.PNG, transform.WebP, transform.AVIF, transform.JPEG} {
		for _, width := range []int{17, 50, 199, 333} {
			t.Run(fmt.Sprintf("%s %d", format, width), func(t *testing.T) {
				got := decode(t, run(t, source, fmt.Sprintf("w=%d&fit=contain&q=95&lossless", width), format).Data)
				darkest, partly := 255.0, 0
				for i := 0; i < len(got.Pix); i += 4 {
					darkest = min(darkest, onWhite(got.Pix[i], got.Pix[i+3]), onWhite(got.Pix[i+2], got.Pix[i+3]))
					if a := got.Pix[i+3]; a > 0 && a < 255 {
						partly++
					}
				}
				if least := 254.0; darkest < least {
					t.Errorf("a pixel on white is %.1f, want at least %v", darkest, least)
				}
				if format.Alpha() && partly == 0 {
					t.Error("the soft edge has gone")
				}
			})
		}
	}
}

// Half-transparent colours keep their level when the picture shrinks.
func TestAlphaKeepsColours(t *testing.T) {
	for alpha := 5; alpha <= 255; alpha += 50 {
		want := color.NRGBA{200, 100, 50, uint8(alpha)}
		m := image.NewNRGBA(image.Rect(0, 0, 64, 64))
		draw.Draw(m, m.Rect, image.NewUniform(want), image.Point{}, draw.Src)
		got := picture(t, pngBytes(t, m), "w=20").NRGBAAt(10, 10)
		if got.A != want.A {
			t.Errorf("alpha %d became %d", want.A, got.A)
		}
		for _, c := range [][2]uint8{{got.R, want.R}, {got.G, want.G}, {got.B, want.B}} {
			if d := math.Abs(onWhite(c[0], got.A) - onWhite(c[1], want.A)); d > 1 {
				t.Errorf("alpha %d: %v became %v, %.1f levels off on white", alpha, want, got, d)
			}
		}
	}
}

func TestUnusualPNGs(t *testing.T) {
	drawn := scene(120, 80, false)
	deep := image.NewNRGBA64(image.Rect(0, 0, 120, 80))
	deepGrey := image.NewGray16(deep.Rect)
	grey := image.NewGray(deep.Rect)
	faded := image.NewNRGBA64(deep.Rect)
	for y := range 80 {
		for x := range 120 {
			c := drawn.NRGBAAt(x, y)
			deep.Set(x, y, c)
			faded.SetNRGBA64(x, y, color.NRGBA64{uint16(c.R) * 257, uint16(c.G) * 257, uint16(c.B) * 257, uint16(x * 65535 / 119)})
			deepGrey.SetGray16(x, y, color.Gray16{uint16(x * 65535 / 119)})
			grey.SetGray(x, y, color.Gray{uint8(x * 255 / 119)})
		}
	}
	palette := image.NewPaletted(deep.Rect, color.Palette{clear, red, green, blue})
	for i := range palette.Pix {
		palette.Pix[i] = uint8(i % 120 / 30)
	}
	twoColours := image.NewPaletted(deep.Rect, color.Palette{black, white})
	for i := range twoColours.Pix {
		twoColours.Pix[i] = uint8(i % 120 / 60)
	}
	for name, m := range map[string]image.Image{
		"16 bits": deep, "16 bits with alpha": faded, "16 bits of grey": deepGrey, "grey": grey,
		"palette with transparency": palette, "one bit": twoColours,
	} {
		for _, size := range []image.Point{{120, 80}, {60, 40}, {240, 160}} {
			for _, format := range []transform.Format{transform.PNG, transform.JPEG, transform.WebP} {
				query := fmt.Sprintf("w=%d&fit=contain&q=95", size.X)
				got := decode(t, run(t, pngBytes(t, m), query, format).Data)
				if d := difference(t, got, average(toNRGBA(m), size.X, size.Y)); d > 5 {
					t.Errorf("%s to %s, %d wide: differs by %.2f levels", name, format, size.X, d)
				}
			}
		}
	}
	t.Run("stays grey", func(t *testing.T) {
		for _, format := range []transform.Format{transform.PNG, transform.JPEG} {
			h, err := header.Read(run(t, pngBytes(t, deepGrey), "w=60", format).Data)
			if err != nil || h.Bands != 1 {
				t.Errorf("%s: %+v, %v", format, h, err)
			}
		}
	})
	t.Run("interlaced", func(t *testing.T) {
		data := export(t, drawn, func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			return m.ExportPng(&govips.PngExportParams{Interlace: true, Compression: 6})
		})
		if !job(t, data, "", transform.PNG).Originals[0].Header.Interlaced {
			t.Fatal("not interlaced")
		}
		if d := difference(t, picture(t, data, "w=60&rotate=180"), average(stored(drawn, 3), 60, 40)); d > 1 {
			t.Errorf("differs by %.2f levels", d)
		}
	})
}

// export makes an original that Go's encoders can't, with govips directly.
func export(t testing.TB, m *image.NRGBA, write func(*govips.ImageRef) ([]byte, *govips.ImageMetadata, error)) []byte {
	t.Helper()
	ref, err := govips.NewImageFromGoImage(m)
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	if err := ref.ExtractBand(0, 3); err != nil {
		t.Fatal(err)
	}
	data, _, err := write(ref)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// withoutInkProfile is what shows of a picture's inks where nothing says what they
// look like: each takes its share of the light.
func withoutInkProfile(t *testing.T, m *image.NRGBA) *image.NRGBA {
	t.Helper()
	inks, err := govips.NewImageFromGoImage(m)
	if err != nil {
		t.Fatal(err)
	}
	defer inks.Close()
	if err := inks.ExtractBand(0, 3); err != nil {
		t.Fatal(err)
	}
	if err := inks.TransformICCProfile("cmyk"); err != nil {
		t.Fatal(err)
	}
	levels, err := inks.ToBytes()
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewNRGBA(m.Rect)
	for i := 0; i < len(levels); i += 4 {
		for c := range 3 {
			out.Pix[i+c] = uint8((255 - int(levels[i+c])) * (255 - int(levels[i+3])) / 255)
		}
		out.Pix[i+3] = 255
	}
	return out
}

func TestCMYK(t *testing.T) {
	drawn := image.NewNRGBA(image.Rect(0, 0, 80, 60)) // muted: every colour can be printed
	for y := range 60 {
		for x := range 80 {
			drawn.SetNRGBA(x, y, color.NRGBA{uint8(90 + x), uint8(90 + y), uint8(190 - x), 255})
		}
	}
	for _, withProfile := range []bool{true, false} {
		want := drawn
		if !withProfile {
			want = withoutInkProfile(t, drawn)
		}
		data := export(t, drawn, func(m *govips.ImageRef) ([]byte, *govips.ImageMetadata, error) {
			if err := m.TransformICCProfile("cmyk"); err != nil {
				t.Fatal(err)
			}
			if !withProfile {
				if err := m.RemoveICCProfile(); err != nil {
					t.Fatal(err)
				}
			}
			return m.ExportJpeg(&govips.JpegExportParams{Quality: 98})
		})
		if h := job(t, data, "", transform.PNG).Originals[0].Header; h.Bands != 4 {
			t.Fatalf("the original has %d bands, not CMYK's", h.Bands)
		}
		for _, query := range []string{"", "w=40", "w=40&metadata=keep"} {
			for _, format := range []transform.Format{transform.JPEG, transform.PNG, transform.WebP} {
				out := run(t, data, query, format)
				if h, err := header.Read(out.Data); err != nil || h.Bands != 3 {
					t.Errorf("profile %v, %s: output is %+v, %v", withProfile, format, h, err)
				}
				got := decode(t, out.Data)
				if d := difference(t, got, average(want, got.Rect.Dx(), got.Rect.Dy())); d > 5 {
					t.Errorf("profile %v, %s, %q: differs by %.2f levels", withProfile, format, query, d)
				}
			}
		}
	}
}

// inkTable says what inks, 0–1 each, look like in L*a*b* (lut8Type, ICC.1:2022 §10.11),
// at multiples of a fifth.
func inkTable(look func(c, m, y, k float64) [3]float64) []byte {
	const grid = 6
	t := []byte("mft1\x00\x00\x00\x00\x04\x03\x06\x00")
	for i := range 9 { // the matrix, which Lab doesn't use: unity
		t = binary.BigEndian.AppendUint32(t, map[bool]uint32{true: 1 << 16}[i%4 == 0])
	}
	ramps := func(n int) {
		for range n {
			for v := range 256 {
				t = append(t, byte(v))
			}
		}
	}
	ramps(4)
	for i := range grid * grid * grid * grid {
		ink := func(place int) float64 { return float64(i/place%grid) / (grid - 1) }
		lab := look(ink(grid*grid*grid), ink(grid*grid), ink(grid), ink(1))
		t = append(t, byte(math.Round(lab[0]*2.55)), byte(math.Round(lab[1]+128)), byte(math.Round(lab[2]+128)))
	}
	ramps(3)
	return t
}

// fromLab is an L*a*b* colour under D50 in sRGB.
func fromLab(lab [3]float64) color.NRGBA {
	inverse := func(t float64) float64 {
		if t > 6./29 {
			return t * t * t
		}
		return 3 * 6. / 29 * 6 / 29 * (t - 4./29)
	}
	y := (lab[0] + 16) / 116
	x, z := .9642*inverse(y+lab[1]/500), .8249*inverse(y-lab[2]/200)
	y = inverse(y)
	level := func(v float64) uint8 { return uint8(math.Round(255 * srgbEncode(min(max(v, 0), 1)))) }
	return color.NRGBA{
		level(3.1338561*x - 1.6168667*y - .4906146*z),
		level(-.9787684*x + 1.9161415*y + .0334540*z),
		level(.0719453*x - .2289914*y + 1.4052427*z),
		255,
	}
}

// Inks look as their profile says, black too, whatever the profile's version. Of
// several tables it is the one that browsers take, for the perceptual intent. A
// press's black stays the dark grey that it is.
func TestInkProfiles(t *testing.T) {
	dull := func(c, m, y, k float64) [3]float64 {
		return [3]float64{100 * (1 - .4*c) * (1 - .5*m) * (1 - .08*y) * (1 - .85*k), (-25*c + 45*m - 4*y) * (1 - k), (-30*c - 5*m + 45*y) * (1 - k)}
	}
	other := func(c, m, y, k float64) [3]float64 { return dull(1-c, 1-m, 1-y, 1-k) }
	shares := func(c, m, y, k float64) color.NRGBA {
		level := func(ink float64) uint8 { return uint8(math.Round(255 * (1 - ink) * (1 - k))) }
		return color.NRGBA{level(c), level(m), level(y), 255}
	}
	profile := func(version byte, tags ...profileTag) []byte {
		p := iccProfile("prtr", "CMYK", "Lab ", tags...)
		p[8] = version
		return p
	}
	perceptual, relative := profileTag{"A2B0", inkTable(dull)}, profileTag{"A2B1", inkTable(other)}
	fromTable := func(c, m, y, k float64) color.NRGBA { return fromLab(dull(c, m, y, k)) }
	// Every ink at three levels of the table's, a pixel each.
	drawn := image.NewNRGBA(image.Rect(0, 0, 27, 3))
	for i := range 81 {
		for c := range 4 {
			drawn.Pix[4*i+c] = []uint8{0, 102, 255}[i/[]int{27, 9, 3, 1}[c]%3]
		}
	}
	for name, c := range map[string]struct {
		profile []byte
		want    func(c, m, y, k float64) color.NRGBA
	}{
		"version 2":             {profile(2, perceptual), fromTable},
		"version 4":             {profile(4, perceptual), fromTable},
		"two tables":            {profile(2, relative, perceptual), fromTable},
		"two tables, version 4": {profile(4, perceptual, relative), fromTable},
		"relative alone":        {profile(2, profileTag{"A2B1", perceptual.data}), fromTable},
		"no table":              {profile(2), shares},
		"a broken table":        {profile(2, profileTag{"A2B0", perceptual.data[:90]}), shares},
		"none":                  {nil, shares},
	} {
		t.Run(name, func(t *testing.T) {
			w := tiffWriter{order: binary.LittleEndian, photometric: 5, bits: []uint16{8, 8, 8, 8}, profile: c.profile}
			file := storedTIFF(drawn, w, func(c color.NRGBA) []byte { return []byte{c.R, c.G, c.B, c.A} })
			got := picture(t, file, "")
			for i := range 81 {
				ink := func(k int) float64 { return float64(drawn.Pix[4*i+k]) / 255 }
				wantColor(t, got, i%27, i/27, c.want(ink(0), ink(1), ink(2), ink(3)), 4)
				if t.Failed() {
					t.Fatalf("these are the inks %v", drawn.Pix[4*i:4*i+4])
				}
			}
		})
	}
}

// matrixProfile is an RGB profile with these primaries (adapted to D50) and a
// curve for all channels.
func matrixProfile(primaries [3][3]float64, curve []byte) []byte {
	var tags []profileTag
	for i, name := range []string{"rXYZ", "gXYZ", "bXYZ"} {
		data := []byte("XYZ \x00\x00\x00\x00")
		for _, v := range primaries[i] {
			data = binary.BigEndian.AppendUint32(data, uint32(int32(math.Round(v*65536))))
		}
		tags = append(tags, profileTag{name, data})
	}
	for _, name := range []string{"rTRC", "gTRC", "bTRC"} {
		tags = append(tags, profileTag{name, curve})
	}
	return iccProfile("mntr", "RGB ", "XYZ ", tags...)
}

type profileTag struct {
	name string
	data []byte
}

// iccProfile is a profile of version 2.4.
func iccProfile(class, space, pcs string, tags ...profileTag) []byte {
	tags = append(tags, profileTag{"wtpt", []byte("XYZ \x00\x00\x00\x00\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d")})
	p := make([]byte, 128, 1024)
	copy(p[8:], "\x02\x40\x00\x00"+class+space+pcs)
	copy(p[36:], "acsp")
	copy(p[68:], "\x00\x00\xf6\xd6\x00\x01\x00\x00\x00\x00\xd3\x2d")
	p = binary.BigEndian.AppendUint32(p, uint32(len(tags)))
	at := len(p) + 12*len(tags)
	var body []byte
	for _, tag := range tags {
		p = append(p, tag.name...)
		p = binary.BigEndian.AppendUint32(p, uint32(at+len(body)))
		p = binary.BigEndian.AppendUint32(p, uint32(len(tag.data)))
		body = append(body, tag.data...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	p = append(p, body...)
	binary.BigEndian.PutUint32(p, uint32(len(p)))
	return p
}

var (
	srgbRed, srgbGreen, srgbBlue = [3]float64{0.43607, 0.22249, 0.01392}, [3]float64{0.38515, 0.71687, 0.09708}, [3]float64{0.14307, 0.06061, 0.71410}

	srgbPrimaries    = [3][3]float64{srgbRed, srgbGreen, srgbBlue}
	swappedPrimaries = [3][3]float64{srgbGreen, srgbRed, srgbBlue}
)

// tableCurve samples a curve, as profiles of version 2 do.
func tableCurve(f func(float64) float64) []byte {
	const n = 1024
	b := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), n)
	for i := range n {
		b = binary.BigEndian.AppendUint16(b, uint16(math.Round(65535*f(float64(i)/(n-1)))))
	}
	return b
}

func srgbDecode(v float64) float64 {
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func srgbEncode(v float64) float64 {
	if v <= 0.0031308 {
		return v * 12.92
	}
	return 1.055*math.Pow(v, 1/2.4) - 0.055
}

func withProfile(jpeg, profile []byte) []byte {
	return withSegments(jpeg, segment(0xe2, append([]byte("ICC_PROFILE\x00\x01\x01"), profile...)))
}

func TestProfiles(t *testing.T) {
	drawn := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	draw.Draw(drawn, drawn.Rect, image.NewUniform(color.NRGBA{180, 90, 40, 255}), image.Point{}, draw.Src)
	plain := jpegBytes(t, drawn)
	gamma := func(g float64) func(float64) float64 {
		return func(v float64) float64 { return math.Pow(v, g) }
	}
	level := func(v uint8, f func(float64) float64) uint8 {
		return uint8(math.Round(255 * srgbEncode(f(float64(v)/255))))
	}
	lighter := gamma(1.5)
	for name, c := range map[string]struct {
		profile []byte
		want    color.NRGBA
	}{
		"none":             {nil, color.NRGBA{180, 90, 40, 255}},
		"sRGB":             {matrixProfile(srgbPrimaries, tableCurve(srgbDecode)), color.NRGBA{180, 90, 40, 255}},
		"swapped channels": {matrixProfile(swappedPrimaries, tableCurve(srgbDecode)), color.NRGBA{90, 180, 40, 255}},
		"another curve": {matrixProfile(srgbPrimaries, tableCurve(lighter)),
			color.NRGBA{level(180, lighter), level(90, lighter), level(40, lighter), 255}},
		"garbage":      {[]byte("this is no profile at all"), color.NRGBA{180, 90, 40, 255}},
		"empty header": {make([]byte, 200), color.NRGBA{180, 90, 40, 255}},
		"cut short":    {matrixProfile(swappedPrimaries, tableCurve(srgbDecode))[:300], color.NRGBA{180, 90, 40, 255}},
	} {
		t.Run(name, func(t *testing.T) {
			source := plain
			if c.profile != nil {
				source = withProfile(plain, c.profile)
			}
			for _, query := range []string{"", "w=20", "w=20&rotate=90"} {
				for _, format := range []transform.Format{transform.PNG, transform.WebP, transform.JPEG} {
					out := run(t, source, query+"&q=95", format)
					got := decode(t, out.Data)
					wantColor(t, got, got.Rect.Dx()/2, got.Rect.Dy()/2, c.want, 4)
					if has := profileOf(t, out.Data); has != nil {
						t.Errorf("%s %q: the output carries a profile of %d bytes", format, query, len(has))
					}
				}
			}
		})
	}
	t.Run("grey with an RGB profile", func(t *testing.T) {
		grey := image.NewGray(image.Rect(0, 0, 32, 32))
		draw.Draw(grey, grey.Rect, image.NewUniform(color.Gray{77}), image.Point{}, draw.Src)
		source := withProfile(jpegBytes(t, grey), matrixProfile(swappedPrimaries, tableCurve(srgbDecode)))
		wantColor(t, picture(t, source, "w=16"), 8, 8, color.NRGBA{77, 77, 77, 255}, 2)
	})
}

// profileOf is the colour profile that libvips finds in an image.
func profileOf(t testing.TB, data []byte) []byte {
	t.Helper()
	ref, err := govips.NewImageFromBuffer(data)
	if err != nil {
		t.Fatal(err)
	}
	defer ref.Close()
	if !ref.HasICCProfile() {
		return nil
	}
	return ref.GetICCProfile()
}
