package dialect

import (
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestIPXImage(t *testing.T) {
	for _, tt := range []struct{ path, defaultSource, key, url string }{
		{"/_/nested/test.jpg", "", "nested/test.jpg", ""},
		{"/s_200x200,f_webp/test.jpg", "public", "public/test.jpg", ""},
		{"/w_200//test.jpg", "public", "public/test.jpg", ""},
		{"/w_200/a%2Fb%20c.jpg", "public", "public/a/b c.jpg", ""},
		{"/f_webp,w_450/https://images.unsplash.com/photo-1", "public", "", "https://images.unsplash.com/photo-1"},
		{"/w_450/https:/images.unsplash.com/photo-1", "", "", "https://images.unsplash.com/photo-1"},
		{"/w_450/https%3A%2F%2Fa.test%2Fb%2520c.jpg%3Fx%3D1", "", "", "https://a.test/b%20c.jpg?x=1"},
		{"/w_450/https://a.test/b%20c.jpg%3Fx=1", "", "", "https://a.test/b%20c.jpg?x=1"},
	} {
		r, err := ipx.Parse(URL{Path: tt.path, DefaultSource: tt.defaultSource})
		if want := (Image{URL: tt.url, Path: tt.key}); err != nil || r.Image != want {
			t.Errorf("%s: %+v, %v; want %+v", tt.path, r.Image, err, want)
		}
	}
	r, err := ipx.Parse(URL{Path: "/w_200/a.jpg", RawQuery: "v=1&utm_source=x"})
	if err != nil || !slices.Equal(r.Ignored, []string{"v"}) {
		t.Errorf("ignored are %q, %v; want v", r.Ignored, err)
	}
}

// Each output of ipx 3.1.1 (sharp 0.34.5) for an image of 400×300 pixels was measured.
func TestIPXSizes(t *testing.T) {
	for modifiers, want := range map[string]transform.Size{
		"_":                               {W: 400, H: 300},
		"w_200":                           {W: 200, H: 150},
		"h_150":                           {W: 200, H: 150},
		"w_200,h_200":                     {W: 200, H: 150},
		"h_200,w_200":                     {W: 200, H: 150},
		"w_800":                           {W: 400, H: 300},
		"enlarge,w_800":                   {W: 800, H: 600},
		"s_200":                           {W: 200, H: 200},
		"s_200x200":                       {W: 200, H: 200},
		"s_800x400":                       {W: 400, H: 200},
		"enlarge,s_800x400":               {W: 800, H: 400},
		"enlarge,s_800x800,fit_contain":   {W: 800, H: 800},
		"s_100x100,fit_contain":           {W: 100, H: 100},
		"s_100x100,fit_contain,b_00ff00":  {W: 100, H: 100},
		"flop,rotate_90":                  {W: 300, H: 400},
		"flop,rotate_90,w_100":            {W: 100, H: 133},
		"rotate_90,w_100":                 {W: 100, H: 133},
		"flop,rotate_90,s_100x50":         {W: 100, H: 50},
		"rotate_-90":                      {W: 300, H: 400},
		"rotate_450":                      {W: 300, H: 400},
		"extract_0_0_100_100":             {W: 100, H: 100},
		"crop_0_0_200_150,w_50":           {W: 50, H: 38},
		"crop_0_0_200_150,rotate_90":      {W: 150, H: 200},
		"extend_10_20_30_40":              {W: 460, H: 340},
		"s_100x100,position_left":         {W: 100, H: 100},
		"s_100x100,pos_right%20top":       {W: 100, H: 100},
		"width_100":                       {W: 100, H: 75},
		"enlarge,s_20000x200":             {W: 8192, H: 82},
		"s_100x50,extend_10_20_30_40":     {W: 160, H: 90},
		"w=200":                           {W: 200, H: 150},
		"w:200&q:50":                      {W: 200, H: 150},
		"crop:0:0=200_150,w_50":           {W: 50, H: 38},
		"crop_0%5F0%5F200%5F150,f_auto":   {W: 200, H: 150},
		"s_100x100,fit_fill,pos_nor%74h":  {W: 100, H: 100},
		"w_,h_,s_,fit_,b_,q_,f_,pos_":     {W: 400, H: 300},
		"w_undefined,h_undefined":         {W: 400, H: 300},
		"animated,a,flatten,autoorient,_": {W: 400, H: 300},
	} {
		r, err := ipx.Parse(URL{Path: "/" + modifiers + "/a/b.png"})
		if err != nil {
			t.Errorf("%s: %v", modifiers, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil {
			t.Errorf("%s: %v", modifiers, err)
			continue
		}
		if p, err := o.Plan(transform.Size{W: 400, H: 300}); err != nil || p.Output != want {
			t.Errorf("%s: %v, %v; want %v (%s)", modifiers, p.Output, err, want, o)
		}
	}
}

func TestIPXMeans(t *testing.T) {
	for _, tt := range []struct {
		modifiers, want string
		ignored         []string
	}{
		{"flip,flop,rotate_10", "rotate=10&flip=hv&bg=000000&format=original&q-avif=40", nil},
		{"flip,rotate_10.4", "rotate=350&flip=v&bg=000000&format=original&q-avif=40", nil},
		{"rotate,b_fff", "format=original&q-avif=40", nil},
		{"b_fff,f_jpg", "bg=000000&format=jpeg&progressive=1&anim=0", nil},
		{"b_hsl(120%20100%25%2050%25),flatten", "bg=00ff00&format=original&q-avif=40", nil},
		{"b_%23f00,flatten", "bg=ff0000&format=original&q-avif=40", nil},
		{"f_auto", "q-avif=40&anim=0", nil},
		{"f_auto,animated", "q-avif=40", nil},
		{"f_gif", "format=gif", nil},
		{"f_avif,q_60", "format=avif&q=60&anim=0", nil},
		{"f_svg", "format=original&q-avif=40", []string{"f"}},
		{"s_10x20,fit_cover,pos_17", "w=10&h=20&fit=crop&gravity=attention&format=original&q-avif=40", nil},
		{"s_10x20,fit_contain,pos_left-bottom", "w=10&h=20&fit=pad&enlarge=0&gravity=southwest&bg=000000&format=original&q-avif=40", nil},
		{"s_10x20,fit_inside,pos_left", "w=10&h=20&format=original&q-avif=40", nil},
		{"s_10x20,fit_inside,enlarge", "w=10&h=20&fit=contain&format=original&q-avif=40", nil},
		{"s_10x20,fit_fill,enlarge", "w=10&h=20&fit=squeeze&format=original&q-avif=40", nil},
		{"trim,blur,sharpen", "trim=10&blur=0.8&sharpen=10&format=original&q-avif=40", nil},
		{"trim_300,blur_500_approximate_0.5,sharpen_2_1_2", "trim=255&blur=100&sharpen=20&format=original&q-avif=40", nil},
		{"negate_false,grayscale", "grayscale=1&invert=1&format=original&q-avif=40", nil},
		{"modulate_2_1_90,saturation_9", "brightness=2&saturation=3&format=original&q-avif=40", []string{"modulate"}},
		{"modulate__0.5", "saturation=0.5&format=original&q-avif=40", nil},
		{"kernel_nearest,w_5,blure_1,kernel_cubic,sizes_1", "w=5&format=original&q-avif=40", []string{"kernel", "blure", "sizes"}},
	} {
		r, err := ipx.Parse(URL{Path: "/" + tt.modifiers + "/a/b.png"})
		if err != nil {
			t.Errorf("%s: %v", tt.modifiers, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil || o.String() != tt.want || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %q, ignored %q, %v; want %q, %q", tt.modifiers, o.String(), r.Ignored, err, tt.want, tt.ignored)
		}
	}
}

// What ipx's own tests hold to be invalid, of the modifiers that are read.
func TestIPXRefuses(t *testing.T) {
	for modifiers, param := range map[string]string{
		"quality_abc": "quality", "q_0": "q", "q_1.5": "q", "fit_foo": "fit", "position_foo": "position", "pos_9": "pos", "background_not-a-colour": "background",
		"width_abc": "width", "height_-1": "height", "w_0": "w", "h_1.5": "h", "resize_abc": "resize", "s_10x": "s", "s_0x5": "s", "s_1x2x3": "s", "trim_abc": "trim",
		"trim_-1": "trim", "extend_10_10_10_10_foo": "extend", "extend_-10": "extend", "extend_10001": "extend", "extract_0_0_10": "extract", "crop_0_0_0_1": "crop",
		"rotate_abc": "rotate", "rotate_3601": "rotate", "sharpen_abc": "sharpen", "sharpen_11": "sharpen", "blur_abc": "blur", "blur_0.1": "blur", "modulate_abc": "modulate",
		"negate_yes": "negate", "brightness_": "brightness", "brightness_-1": "brightness", "saturation_abc": "saturation", "w_%zz": "w", "w_%0a": "w",
	} {
		_, err := ipx.Parse(URL{Path: "/" + modifiers + "/a/b.jpg"})
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %s", modifiers, err, param)
		}
	}
	for _, path := range []string{"", "/", "/_", "/_/", "/_//", "/_/%2F", "//a.jpg", "/w_200", "/w_1/a%zz", "/w_1/a%09b.jpg",
		"/_/http:/", "/_/http://", "/_/https:///a.jpg", "/_/http://%3Fa", "/_/https%3A%2F%2F", "/_/http:/:80/a.jpg"} {
		if r, err := ipx.Parse(URL{Path: path}); err == nil {
			t.Errorf("%q is read: %+v", path, r.Image)
		}
	}
	// An unknown colour is the options' business.
	r, err := ipx.Parse(URL{Path: "/flatten,b_nosuchcolour/a/b.jpg"})
	if err != nil || r.Options.From("bg") != "background" {
		t.Errorf("b_nosuchcolour: %+v, %v", r, err)
	}
	if _, err := transform.Parse(transform.Defaults(), r.Options.Query); err == nil || !strings.Contains(err.Error(), "nosuchcolour") {
		t.Errorf("b_nosuchcolour: %v", err)
	}
}

func FuzzIPX(f *testing.F) {
	for _, p := range ipxParams {
		f.Add(p.Example)
	}
	f.Add("/w_450/https%3A%2F%2Fa.test%2Fb%2520c.jpg%3Fx%3D1?v=1")
	f.Add("/crop:0:0=200_150&s_1x2,extend_1_2_3_4_mirror/https:/a.test/b.jpg")
	f.Fuzz(func(t *testing.T, s string) { fuzzOne(t, ipx, s) })
}
