package dialect

import (
	"slices"
	"testing"

	"github.com/tintype/tintype/transform"
)

const cloudflareDefaults = "format=original&q=85&metadata=copyright"

func TestCloudflareImage(t *testing.T) {
	for _, tt := range []struct{ path, query, defaultSource, key, url string }{
		{"/w=80,quality=75/uploads/avatar1.jpg", "", "", "uploads/avatar1.jpg", ""},
		{"/w=80/uploads/avatar1.jpg", "", "photos", "photos/uploads/avatar1.jpg", ""},
		{"/w=80//uploads/avatar1.jpg", "", "photos", "photos/uploads/avatar1.jpg", ""},
		{"/w=80/a%20b%2Bc.jpg", "utm_source=x", "", "a b+c.jpg", ""},
		{"/w=80/https://s3.example.com/bucket/image.png", "", "photos", "", "https://s3.example.com/bucket/image.png"},
		{"/w=80/https://s3.example.com/a%2Fb%20c.png", "X-Amz-Date=1&X-Amz-Signature=a%2Fb", "", "", "https://s3.example.com/a%2Fb%20c.png?X-Amz-Date=1&X-Amz-Signature=a%2Fb"},
		{"/w=80/HTTP://a.test/x.png", "", "", "", "HTTP://a.test/x.png"},
		{"/w=80/https:/a.test/x.png", "", "", "", "https://a.test/x.png"},
		{"/w=80/https%3A%2F%2Fa.test%2Fb%2520c.png%3Fx%3D1%26y%3D2", "", "", "", "https://a.test/b%20c.png?x=1&y=2"},
	} {
		r, err := cloudflare.Parse(URL{Path: tt.path, RawQuery: tt.query, DefaultSource: tt.defaultSource})
		if want := (Image{URL: tt.url, Path: tt.key}); err != nil || r.Image != want || len(r.Ignored) > 0 {
			t.Errorf("%s?%s: %+v, %v; want %+v", tt.path, tt.query, r, err, want)
		}
	}
	// A path's query can't be handed to a source.
	r, err := cloudflare.Parse(URL{Path: "/w=80/a.jpg", RawQuery: "v=2&cb=1"})
	if err != nil || !slices.Equal(r.Ignored, []string{"v"}) {
		t.Errorf("ignored are %q, %v; want v", r.Ignored, err)
	}
}

func TestCloudflareMeans(t *testing.T) {
	for _, tt := range []struct {
		options, want string
		ignored       []string
	}{
		{"fit=scale-down,width=1920", "w=1920&" + cloudflareDefaults, nil},
		{"fit=contain,w=1", "w=1&fit=contain&" + cloudflareDefaults, nil},
		{"fit=cover,w=1,h=2,g=auto", "w=1&h=2&fit=cover&gravity=attention&" + cloudflareDefaults, nil},
		{"fit=crop,w=1,h=2,g=left", "w=1&h=2&fit=cover&enlarge=0&gravity=west&" + cloudflareDefaults, nil},
		{"fit=aspect-crop,w=1,h=2,g=right", "w=1&h=2&fit=crop&gravity=east&" + cloudflareDefaults, nil},
		{"fit=pad,w=1,h=2,g=top", "w=1&h=2&fit=pad&bg=ffffff&" + cloudflareDefaults, nil},
		{"fit=pad,w=1,h=2,background=transparent", "w=1&h=2&fit=pad&" + cloudflareDefaults, nil},
		{"fit=squeeze,w=1,h=2", "w=1&h=2&fit=squeeze&" + cloudflareDefaults, nil},
		{"fit=cover,w=1,h=2,g=0x1", "w=1&h=2&fit=cover&fp-x=0&fp-y=1&gravity=focal&" + cloudflareDefaults, nil},
		{"fit=cover,w=1,h=2,g=0.5x0.5", "w=1&h=2&fit=cover&" + cloudflareDefaults, nil},
		{"fit=cover,w=1,h=2,g=face,zoom=0", "w=1&h=2&fit=cover&gravity=face&" + cloudflareDefaults, nil},
		{"w=1,g=face,zoom=0.5", "w=1&" + cloudflareDefaults, nil}, // nothing is cropped
		{"background=rgb(240,40,145),w=1", "w=1&bg=f02891&" + cloudflareDefaults, nil},
		{"background=%23f00", "bg=ff0000&" + cloudflareDefaults, nil},
		{"background=hsl%28120%20100%25%2050%25%29", "bg=00ff00&" + cloudflareDefaults, nil},
		{"f=auto", "q=85&metadata=copyright", nil},
		{"f=avif,q=high", "format=avif&q=90&metadata=copyright", nil},
		{"f=jpeg,q=medium-high", "format=jpeg&progressive=1&metadata=copyright", nil},
		{"f=baseline-jpeg,q=medium-low", "format=jpeg&q=65&metadata=copyright", nil},
		{"f=jpeg,f=png", "format=png&q=85&metadata=copyright", nil},
		{"f=jpeg,compression=fast", "format=jpeg&q=85&progressive=1&metadata=copyright", nil},
		{"metadata=none,anim=true", "format=original&q=85", nil},
		{"brightness=0,contrast=0,gamma=0", cloudflareDefaults, nil},
		{"brightness=9,contrast=2,saturation=1.5,gamma=2", "brightness=3&contrast=2&saturation=1.5&gamma=0.5&" + cloudflareDefaults, nil},
		{"gamma=0.01", "gamma=3&" + cloudflareDefaults, nil},
		{"gamma=999", "gamma=0.1&" + cloudflareDefaults, nil},
		{"blur=250,sharpen=10", "blur=100&sharpen=100&" + cloudflareDefaults, nil},
		{"blur=0,sharpen=0.5", "sharpen=5&" + cloudflareDefaults, nil},
		{"rotate=0", cloudflareDefaults, nil},
		{"rotate=360,flip=v", "flip=v&" + cloudflareDefaults, nil},
		{"rotate=90,flip=v", "rotate=270&flip=v&" + cloudflareDefaults, nil},
		{"rotate=180,flip=h", "rotate=180&flip=h&" + cloudflareDefaults, nil},
		{"rotate=90,flip=hv", "rotate=90&flip=hv&" + cloudflareDefaults, nil},
		{"dpr=3,w=100", "w=100&dpr=3&" + cloudflareDefaults, nil},
		{"dpr=9,w=100", "w=100&dpr=5&" + cloudflareDefaults, nil},
		{"dpr=2,trim.left=10,trim.height=20,w=5", "w=5&dpr=2&rect=0,0,100%25,40&inset=0,0,0,20&" + cloudflareDefaults, nil},
		{"trim=0;0;0;0", cloudflareDefaults, nil},
		{"trim=1;0;2;0", "inset=1,0,2&" + cloudflareDefaults, nil},
		{"dpr=2,trim=1;2;3;4,w=5", "w=5&dpr=2&inset=2,4,6,8&" + cloudflareDefaults, nil},
		{"trim.left=5,trim.right=7,trim.width=100", "rect=5,0,100,100%25&" + cloudflareDefaults, nil},
		{"trim.top=5,trim.bottom=999999999", "inset=5,0,1000000&" + cloudflareDefaults, nil},
		{"trim.bottom=0", cloudflareDefaults, nil},
		{"width=auto,upscale=interpolate", cloudflareDefaults, []string{"width"}},
		{"widht=3,border.color=red,segment=foreground,draw=x,widht=4", cloudflareDefaults, []string{"widht", "border.color", "segment", "draw"}},
		// As nuxt, unpic and Astro's adapter write them.
		{"w=200,h=200,fit=contain,f=jpeg", "w=200&h=200&fit=contain&format=jpeg&q=85&progressive=1&metadata=copyright", nil},
		{"background=red,width=128,height=128,f=auto", "w=128&h=128&bg=ff0000&q=85&metadata=copyright", nil},
		{"onerror=redirect,width=640,height=480,quality=50,fit=cover,format=auto", "w=640&h=480&fit=cover&q=50&metadata=copyright", nil},
	} {
		r, err := cloudflare.Parse(URL{Path: "/" + tt.options + "/photos/cat.jpg"})
		if err != nil {
			t.Errorf("%s: %v", tt.options, err)
			continue
		}
		o, err := transform.Parse(transform.Defaults(), r.Options.Query)
		if err != nil || o.String() != tt.want || !slices.Equal(r.Ignored, tt.ignored) {
			t.Errorf("%s: %q, ignored %q, %v; want %q, %q", tt.options, o.String(), r.Ignored, err, tt.want, tt.ignored)
		}
	}
}

// The quality of slow connections.
func TestCloudflareSlow(t *testing.T) {
	for _, tt := range []struct {
		options string
		slow    bool
		q       string
		hinted  bool
	}{
		{"scq=50", false, "85", true},
		{"scq=50", true, "50", true},
		{"q=90,slow-connection-quality=low", true, "50", true},
		{"q=90,scq=60", false, "90", true},
		{"q=90", true, "90", false},
	} {
		r, err := cloudflare.Parse(URL{Path: "/" + tt.options + "/a/b.jpg", Slow: tt.slow})
		if q, _ := r.Options.Get("q"); err != nil || q != tt.q || r.Hinted != tt.hinted {
			t.Errorf("%s, slow %v: q is %s, hinted %v, %v; want %s, %v", tt.options, tt.slow, q, r.Hinted, err, tt.q, tt.hinted)
		}
	}
}

func TestCloudflareAnswers(t *testing.T) {
	r, err := cloudflare.Parse(URL{Path: "/format=json,anim=false,w=100/a/b.jpg"})
	if err != nil || r.Answer != AnswerFacts {
		t.Errorf("format=json: %+v, %v", r, err)
	}
	r, err = cloudflare.Parse(URL{Path: "/onerror=redirect/https://a.test/b.jpg"})
	if err != nil || !r.RedirectOnError {
		t.Errorf("onerror=redirect: %+v, %v", r, err)
	}
}

func TestCloudflareRefuses(t *testing.T) {
	for options, param := range map[string]string{
		"w=0": "w", "width=-1": "width", "width=1.5": "width", "height=auto": "height", "h=": "h", "dpr=0": "dpr", "dpr=x": "dpr", "fit=fill": "fit", "g=middle": "g",
		"gravity=0.5": "gravity", "gravity=2x0": "gravity", "g=0.5x": "g", "zoom=2": "zoom", "face-zoom=x": "face-zoom", "q=0": "q", "quality=101": "quality",
		"quality=best": "quality", "scq=0": "scq", "f=gif": "f", "format=": "format", "compression=slow": "compression", "anim=1": "anim", "metadata=all": "metadata",
		"onerror=ignore": "onerror", "background=%23": "background", "rotate=45": "rotate", "flip=x": "flip", "blur=251": "blur", "sharpen=11": "sharpen",
		"brightness=-1": "brightness", "gamma=x": "gamma", "upscale=x": "upscale", "trim=1;2;3": "trim", "trim=1;2;3;4;5": "trim", "trim=a;0;0;0": "trim",
		"trim.left=x": "trim.left", "trim.right=-1": "trim.right", "w=%zz": "w", "w=%00": "w",
		"w": "", ",w=1": "", "=1": "", "w=1,,h=1": "",
	} {
		_, err := cloudflare.Parse(URL{Path: "/" + options + "/a/b.jpg"})
		if e, ok := err.(*Error); !ok || e.Param != param || e.Reason == "" {
			t.Errorf("%s: %v, want an error about %q", options, err, param)
		}
	}
	for _, path := range []string{"", "/", "/w=1", "/w=1/", "/w=1//", "/w=1///", "/w=1/%2F", "//a/b.jpg", "/w=1/a%zz", "/w=1/a%00", "/w=1/https%3A%2F%2Fa.test%zz", "/w=1/https://a.test/\x80",
		"/w=1/https:/", "/w=1/https://", "/w=1/http:///a.jpg", "/w=1/http%3A%2F%2F", "/w=1/https://?a", "/w=1/https://:443/a.jpg"} {
		if r, err := cloudflare.Parse(URL{Path: path}); err == nil {
			t.Errorf("%q is read: %+v", path, r.Image)
		}
	}
}

func FuzzCloudflare(f *testing.F) {
	for _, p := range cloudflareParams {
		f.Add(p.Example)
	}
	f.Add("/w=80/https://s3.example.com/a%2Fb.png?X-Amz-Signature=a%2Fb")
	f.Add("/w=80,background=rgb(1,2,3/https%3A%2F%2Fa.test%2Fb.png%3Fx")
	f.Fuzz(func(t *testing.T, s string) { fuzzOne(t, cloudflare, s) })
}
