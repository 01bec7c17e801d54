package dialect

import (
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestCloudinaryImage(t *testing.T) {
	for _, tt := range []struct{ path, source, url, key string }{
		{"/image/upload/sample.jpg", "photos", "", "photos/sample.jpg"},
		{"/demo/image/upload/w_400/v1234/a%20b/sample.jpg", "photos", "", "photos/a b/sample.jpg"},
		{"/demo/image/upload/v1234", "photos", "", "photos/v1234"},
		{"/demo/image/upload/my_photo/w_1.jpg", "photos", "", "photos/my_photo/w_1.jpg"},
		{"/image/upload/c_fill,w_40/f_auto/q_auto/photos/a.jpg", "", "", "photos/a.jpg"},
		{"/image/fetch/w_400/https://a.test/b.jpg", "", "https://a.test/b.jpg", ""},
		{"/demo/image/fetch/s--hH_YcbiS--/v1234/http://google.com/path/to/image.png", "", "http://google.com/path/to/image.png", ""},
		{"/image/fetch/https%3A%2F%2Fa.test%2Fb.jpg%3Fx%3D1", "photos", "https://a.test/b.jpg?x=1", ""},
	} {
		r, err := cloudinary.Parse(URL{Path: tt.path, DefaultSource: tt.source})
		if err != nil || r.Image.URL != tt.url || r.Image.Path != tt.key {
			t.Errorf("%s in %q: %+v, %v; want %q or %q", tt.path, tt.source, r.Image, err, tt.url, tt.key)
		}
	}
}

// The signatures are from the tests of Cloudinary's Node package.
func TestCloudinarySignature(t *testing.T) {
	short := Key{Secret: []byte("b")}
	long := Key{Secret: []byte("b"), Algorithm: "sha256"}
	for _, tt := range []struct {
		key  Key
		path string
		want bool
	}{
		{short, "/test123/image/upload/s--Ai4Znfl3--/c_crop,h_20,w_10/v1234/image.jpg", true},
		{short, "/image/upload/s--Ai4Znfl3--/c_crop,h_20,w_10/image.jpg", true},
		{short, "/image/upload/s----SjmNDA--/v1234/image.jpg", true},
		{short, "/image/fetch/s--hH_YcbiS--/v1234/http://google.com/path/to/image.png", true},
		{short, "/image/upload/s--v2fTPYTu--/sample.jpg", true},
		{long, "/image/upload/s--2hbrSMPOjj5BJ4xV7SgFbRDevFaQNUFf--/sample.jpg", true},
		{Key{Secret: []byte("b"), Algorithm: "sha256", Size: 8}, "/image/upload/s--2hbrSMPO--/sample.jpg", true},
		{long, "/image/upload/s--2hbrSMPO--/sample.jpg", false},
		{short, "/image/upload/s--2hbrSMPO--/sample.jpg", false},
		{short, "/image/upload/s--Ai4Znfl3--/c_crop,h_20,w_11/image.jpg", false},
		{short, "/image/upload/s--Ai4Znfl--/c_crop,h_20,w_10/image.jpg", false},
		{Key{Secret: []byte("b"), Size: 7}, "/image/upload/s--Ai4Znfl--/c_crop,h_20,w_10/image.jpg", false},
		{Key{Secret: []byte("c")}, "/image/upload/s--Ai4Znfl3--/c_crop,h_20,w_10/image.jpg", false},
		{short, "/image/upload/image.jpg", false},
	} {
		r, err := cloudinary.Parse(URL{Path: tt.path, DefaultSource: "photos"})
		if err != nil || cloudinary.Verify(tt.key, r.Claim) != tt.want {
			t.Errorf("%s: claim %+v, %v; want %v", tt.path, r.Claim, err, tt.want)
		}
	}
}

func TestCloudinaryMeans(t *testing.T) {
	const tail = "format=original"
	for _, tt := range []struct {
		path, want string
		ignored    []string
	}{
		{"", tail, nil},
		{"w_0400,h_300.4,c_limit/", "w=400&h=300&" + tail, nil},
		{"w_400,h_300/", "w=400&h=300&fit=squeeze&" + tail, nil},
		{"c_limit,w_400/f_auto/q_auto/", "w=400&q=auto", nil},
		{"f_auto,q_auto,w_400,c_lfill/", "w=400&fit=crop&q=auto", nil},
		{"w_400,f_auto,q_auto:good/", "w=400&fit=contain&q=auto", nil},
		{"w_400,f_auto,q_auto:best/", "w=400&fit=contain&q=auto&q-target=85", nil},
		{"w_400,f_auto,q_auto:eco/", "w=400&fit=contain&q=auto&q-target=66", nil},
		{"q_auto:best/w_400,f_auto,q_auto/", "w=400&fit=contain&q=auto", nil},
		{"w_400,f_auto,q_auto:low:sensitive/", "w=400&fit=contain&q=auto&q-target=55", nil},
		{"c_thumb,g_face,w_100,h_100,r_max/", "w=100&h=100&fit=cover&gravity=face&radius=50%25&" + tail, nil},
		{"c_fill,w_100,h_100,g_auto:subject/", "w=100&h=100&fit=cover&gravity=attention&" + tail, nil},
		{"c_auto,w_100,h_100/", "w=100&h=100&fit=cover&gravity=attention&" + tail, nil},
		{"c_lpad,w_100,h_100,b_white/", "w=100&h=100&fit=pad&enlarge=0&bg=ffffff&" + tail, nil},
		{"c_crop,g_south,w_100,h_50/c_scale,w_50/", "w=50&fit=contain&rect=center,bottom,100,50&" + tail, nil},
		{"c_crop,g_face,w_100,h_50/", "rect=center,center,100,50&" + tail, []string{"g"}},
		{"c_fill,w_100,h_100/c_scale,w_50/", "w=100&h=100&fit=cover&" + tail, []string{"c"}},
		{"c_crop,g_south,w_100,h_50,x_0,y_3/", "rect=center,bottom,100,50&" + tail, []string{"y"}},
		{"c_fill,w_100,h_100,x_5,y_0/", "w=100&h=100&fit=cover&" + tail, []string{"x"}},
		{"x_5,q_70/", tail + "&q=70", []string{"x"}},
		{"w_0.5/", "w=50%25&fit=contain&" + tail, nil},
		{"c_scale,h_0.5/a_90/", "w=50%25&fit=contain&rotate=90&" + tail, nil},
		{"dpr_auto,w_auto/", tail, []string{"dpr", "w"}},
		{"l_text:Arial_20:hi,g_south/w_100/", "w=100&fit=contain&" + tail, []string{"l"}},
		{"a_90/a_vflip/e_grayscale/e_cartoonify/", "rotate=90&flip=v&grayscale=1&" + tail, []string{"e"}},
		{"c_scale,w_300/a_90/", "h=300&fit=contain&rotate=90&" + tail, nil},
		{"a_90/c_scale,w_300/", "w=300&fit=contain&rotate=90&" + tail, nil},
		{"c_scale,w_300,a_90/", "w=300&fit=contain&rotate=90&" + tail, nil},
		{"c_fill,w_300,h_200,g_north_west/a_-90/", "w=200&h=300&fit=cover&gravity=southwest&rotate=270&" + tail, nil},
		{"c_fill,w_300,ar_3:2,g_north/a_180/", "w=300&fit=cover&ar=3:2&gravity=south&rotate=180&" + tail, nil},
		{"c_fill,w_300,ar_3:2,g_west/a_hflip/a_90/", "h=300&fit=cover&ar=2:3&gravity=south&rotate=270&flip=h&" + tail, nil},
		{"c_fill,w_300,h_200,g_face/a_90/", "w=200&h=300&fit=cover&gravity=face&rotate=90&" + tail, []string{"g"}},
		{"c_scale,w_300/a_20/", "w=300&fit=contain&rotate=20&" + tail, []string{"a"}},
		{"a_20/c_scale,w_300/", "w=300&fit=contain&rotate=20&" + tail, nil},
		{"a_hflip.90/", "rotate=270&flip=h&" + tail, nil},
		{"a_90/a_90/", "rotate=180&" + tail, nil},
		{"a_90/c_crop,g_north_east,w_100,h_50/", "rect=0,0,50,100&rotate=90&" + tail, nil},
		{"a_90/c_crop,w_100,h_50,x_10,y_20/", "rotate=90&" + tail, []string{"c"}},
		{"a_90/c_crop,w_100,h_50,y_20/", "rect=20,bottom,50,100&rotate=90&" + tail, nil},
		{"q_auto:good/f_jpg/fl_progressive.lossy/", "format=jpeg&q=auto&progressive=1", nil},
		{"q_70:420/f_heic/", tail + "&q=70", []string{"f"}},
		{"e_blur/e_sepia/e_trim:20/", "trim=20&blur=10&sepia=1&" + tail, nil},
		{"w_100%2Ch_50/", "w=100&h=50&fit=squeeze&" + tail, nil}, // some clients escape commas
	} {
		r, err := cloudinary.Parse(URL{Path: "/image/upload/" + tt.path + "v1/a/b.jpg", DefaultSource: "photos"})
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), withoutPreset(r.Options.Query))
		if err != nil || o.String() != tt.want || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %q, ignored %q, %v; want %q, %q", tt.path, o.String(), r.Ignored, err, tt.want, tt.ignored)
		}
	}
}

func TestCloudinaryRefuses(t *testing.T) {
	for component, param := range map[string]string{
		"w_x": "w", "h_-1": "h", "c_nope,w_1": "c", "dpr_x": "dpr", "q_0": "q", "q_best": "q", "f_;": "f", "b_12": "b", "b_rgb:xyz": "b", "r_x": "r", "a_x": "a",
		"e_blur:x": "e", "e_trim:300": "e", "t_a,t_b": "t", "if_w_gt_300": "if", "$w_100": "$w", "c_crop,w_1,h_1,x_z": "x", "a_%zz": "",
	} {
		_, err := cloudinary.Parse(URL{Path: "/image/upload/" + component + "/a.jpg", DefaultSource: "photos"})
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %q", component, err, param)
		}
	}
	for _, bad := range []string{"", "/", "/image", "/image/", "/image/upload", "/image/upload/", "/image/private/a.jpg", "/video/upload/a.mp4", "/a/b/image/upload/c.jpg", "/image/upload/w_1/", "/image/upload/a%00", "/image/fetch/http://a\x01",
		"/image/fetch/http://", "/image/fetch/https:///a.jpg", "/image/fetch/https%3A%2F%2F", "/image/fetch/w_1/https%3A%2F%2F%3Fa", "/image/fetch/https://:443/a.jpg", "/image/fetch/w_1//"} {
		if r, err := cloudinary.Parse(URL{Path: bad, DefaultSource: "photos"}); err == nil {
			t.Errorf("%q is read as %+v", bad, r.Image)
		}
	}
}

func FuzzCloudinary(f *testing.F) {
	for _, p := range cloudinaryParams {
		f.Add(p.Example)
	}
	f.Add("/test123/image/upload/s--Ai4Znfl3--/c_crop,h_20,w_10/v1234/image.jpg")
	f.Add("/image/fetch/s--hH_YcbiS--/v1234/http://google.com/path/to/image.png")
	f.Fuzz(func(t *testing.T, s string) {
		fuzzOne(t, cloudinary, s)
		path, _, _ := strings.Cut(s, "?")
		r, err := cloudinary.Parse(URL{Path: path})
		if err == nil && r.Claim.Signature != "" && len(r.Claim.Message) > len(path) {
			t.Fatalf("%q: the claim %+v is longer", s, r.Claim)
		}
	})
}
