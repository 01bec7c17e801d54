package transform_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/transform"
)

// parse parses one query string over the defaults.
func parse(raw string) (transform.Options, error) {
	q, err := transform.ParseQuery(raw)
	if err != nil {
		return transform.Options{}, err
	}
	return transform.Parse(transform.Defaults(), q)
}

func mustParse(t testing.TB, raw string) transform.Options {
	t.Helper()
	o, err := parse(raw)
	if err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	return o
}

func TestParseCanonical(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"", ""},
		{"utm_source=a&utm_source=b&sig=00&exp=1&src=x&preset=y&p:z&W=1", ""},
		{"w=400", "w=400"},
		{"width=400&height=0300", "w=400&h=300"},
		{"h=300&w=400", "w=400&h=300"},
		{"%77=400", "w=400"},
		{"size=100", "w=100&h=100"},
		{"size=100&w=50", "w=50&h=100"},
		{"h=50&size=100", "w=100&h=50"},
		{"w=8192&h=1", "w=8192&h=1"},
		{"w=50%25&height=33.33333%25", "w=50%25&h=33.3333%25"},
		{"size=50%25", "w=50%25&h=50%25"},
		{"size=50%25&h=100", "w=50%25&h=100"},
		{"size=100&h=50%25", "w=100&h=50%25"},
		{"w=100%25", "w=100%25"},
		{"inset=0", ""},
		{"inset=10", "inset=10"},
		{"inset=10,20,10,20", "inset=10,20"},
		{"inset=1+2+3+1000000&rect=0,0,5,5", "rect=0,0,5,5&inset=1,2,3,1000000"},
		{"dpr=1", ""},
		{"dpr=2", "dpr=2"},
		{"dpr=.5", "dpr=0.5"},
		{"dpr=1.50000", "dpr=1.5"},
		{"dpr=1.33333333333333333333", "dpr=1.3333"},
		{"dpr=1.00001", ""},
		{"dpr=2&w=4096", "w=4096&dpr=2"},
		{"fit=scale-down", ""},
		{"fit=contain", "fit=contain"},
		{"fit=cover", "fit=cover"},
		{"fit=crop", "fit=crop"},
		{"fit=outside&enlarge", "fit=outside"},
		{"fit=auto&enlarge", "fit=auto"},
		{"fit=auto&enlarge=0", "fit=auto&enlarge=0"},
		{"fit=outside&enlarge=0", "fit=outside&enlarge=0"},
		{"fit=pad", "fit=pad"},
		{"fit=fill", "fit=squeeze"},
		{"fit=squeeze", "fit=squeeze"},
		{"enlarge=1", "fit=contain"},
		{"enlarge", "fit=contain"},
		{"enlarge=true&fit=crop", "fit=cover"},
		{"enlarge=1&fit=contain", "fit=contain"},
		{"enlarge=1&fit=cover", "fit=cover"},
		{"enlarge=1&fit=pad", "fit=pad"},
		{"enlarge=1&fit=squeeze", "fit=squeeze"},
		{"enlarge=0", ""},
		{"enlarge=0&fit=contain", ""},
		{"enlarge=0&fit=crop", "fit=crop"},
		{"enlarge=false&fit=cover", "fit=cover&enlarge=0"},
		{"enlarge=0&fit=pad", "fit=pad&enlarge=0"},
		{"enlarge=0&fit=fill", "fit=squeeze&enlarge=0"},
		{"ar=16:9", "ar=16:9"},
		{"aspect=32:18", "ar=16:9"},
		{"aspect_ratio=1.5:1", "ar=3:2"},
		{"ar=1.91:1", "ar=191:100"},
		{"ar=0.3333:1", "ar=3333:10000"},
		{"ar=1.0001:1", "ar=1000.1:1000"},
		{"ar=1000.1:1000", "ar=1000.1:1000"},
		{"ar=9999.9999:0.0003", "ar=3333.3333:0.0001"},
		{"ar=10000:0.0001", "ar=10000:0.0001"},
		{"gravity=center", ""},
		{"g=north", "gravity=north"},
		{"crop=attention", "gravity=attention"},
		{"gravity=face", "gravity=face"},
		{"g=top", "gravity=north"},
		{"g=bottom", "gravity=south"},
		{"g=left", "gravity=west"},
		{"g=right", "gravity=east"},
		{"gravity=face&fp-x=0.2", "gravity=face"},
		{"gravity=northeast", "gravity=northeast"},
		{"gravity=focal", ""},
		{"fp-x=0.5&fp-y=0.5&fp-z=1", ""},
		{"fp-x=0.2", "fp-x=0.2&gravity=focal"},
		{"fp-y=0", "fp-y=0&gravity=focal"},
		{"fp-z=2", "fp-z=2&gravity=focal"},
		{"gravity=focal&fp-x=0.2&fp-y=1.0", "fp-x=0.2&fp-y=1&gravity=focal"},
		{"gravity=north&fp-x=0.2&fp-z=3", "gravity=north"},
		{"fp-x=0.2&g=center", ""},
		{"rect=0,0,100,50", "rect=0,0,100,50"},
		{"rect=10%25,10%25,80.5%25,80%25", "rect=10%25,10%25,80.5%25,80%25"},
		{"rect=0%25,0,100%25,50", "rect=0,0,100%25,50"},
		{"rect=0,0,100%25,100%25", ""},
		{"rect=left,top,100,50", "rect=0,0,100,50"},
		{"rect=center,bottom,100,50", "rect=center,bottom,100,50"},
		{"rect=right,center,100,50", "rect=right,center,100,50"},
		{"rect=10,center,100,50%25", "rect=10,25%25,100,50%25"},
		{"rect=right,bottom,33.3333%25,100%25", "rect=66.6667%25,0,33.3333%25,100%25"},
		{"rect=center,center,33.3333%25,10", "rect=33.3333%25,center,33.3333%25,10"},
		{"rect=center,bottom,100%25,100%25", ""},
		{"trim=0", "trim=0"},
		{"trim=255", "trim=255"},
		{"rotate=0", ""},
		{"rotate=360", ""},
		{"rotate=-360", ""},
		{"rotate=-0", ""},
		{"rotate=-90", "rotate=270"},
		{"rotate=045", "rotate=45"},
		{"rotate=-1", "rotate=359"},
		{"rotate=359", "rotate=359"},
		{"rotate=90&flip=hv", "rotate=90&flip=hv"},
		{"rotate=270&flip=v", "rotate=270&flip=v"},
		{"bg=f00", "bg=ff0000"},
		{"background=F00F", "bg=ff0000"},
		{"bg=ff000080", "bg=ff000080"},
		{"bg=f008", "bg=ff000088"},
		{"bg=red", "bg=ff0000"},
		{"bg=RebeccaPurple", "bg=663399"},
		{"bg=LightGoldenrodYellow", "bg=fafad2"},
		{"bg=transparent", ""},
		{"bg=f000", ""},
		{"bg=12345600", ""},
		{"pad=0", ""},
		{"pad=10", "pad=10"},
		{"pad=10,20", "pad=10,20"},
		{"pad=10+20+30", "pad=10,20,30"},
		{"pad=10%2020,30+40", "pad=10,20,30,40"},
		{"pad=10,10,10,10", "pad=10"},
		{"pad=10,20,10,20", "pad=10,20"},
		{"pad=10,20,30,20", "pad=10,20,30"},
		{"pad=0,0,0,5", "pad=0,0,0,5"},
		{"radius=0", ""},
		{"radius=0%25", ""},
		{"radius=12", "radius=12"},
		{"radius=10.5%25", "radius=10.5%25"},
		{"radius=50%25", "radius=50%25"},
		{"radius=max", "radius=50%25"},
		{"radius=100%25", "radius=50%25"},

		{"blur=0&sharpen=0", ""},
		{"blur=12.5&sharpen=100", "blur=12.5&sharpen=100"},
		{"brightness=1&contrast=1&saturation=1&gamma=1", ""},
		{"brightness=0&contrast=3&saturation=0.5&gamma=0.1", "brightness=0&contrast=3&saturation=0.5&gamma=0.1"},
		{"grayscale&sepia=true&invert=1", "grayscale=1&sepia=1&invert=1"},
		{"grayscale=0&sepia=false", ""},
		{"pixelate=0", ""},
		{"pixelate=1", ""},
		{"pixelate=1024", "pixelate=1024"},

		{"format=auto", ""},
		{"fm=jpg", "format=jpeg"},
		{"f=jpeg", "format=jpeg"},
		{"output=webp", "format=webp"},
		{"format=avif", "format=avif"},
		{"format=png", "format=png"},
		{"format=nocompress", "format=png"},
		{"format=gif", "format=gif"},
		{"format=tiff", "format=tiff"},
		{"format=jxl", "format=jxl"},
		{"format=original", "format=original"},
		{"q=80", ""},
		{"quality=1", "q=1"},
		{"q=100", "q=100"},
		{"q=auto", "q=auto"},
		{"q=50&q-avif=auto", "q=50&q-avif=auto"},
		{"q=auto&q-avif=auto", "q=auto"},
		{"q=auto&q-avif=50&format=avif", "format=avif&q=50"},
		{"q=auto&q-target=74", "q=auto"},
		{"q=auto&q-target=90", "q=auto&q-target=90"},
		{"q-avif=auto&q-target=50", "q-avif=auto&q-target=50"},
		{"q-avif=auto&q-target=50&format=jpeg", "format=jpeg"},
		{"q=70&q-target=90", "q=70"},
		{"q-target=90", ""},
		{"q-avif=60&q-webp=70", "q-avif=60&q-webp=70"},
		{"q-avif=60&q=60", "q=60"},
		{"q-avif=60&q-webp=60&q=60", "q=60"},
		{"q-jxl=60", ""}, // auto never chooses it
		{"format=avif&q=9&q-avif=60&q-webp=70&q-jxl=50", "format=avif&q=60"},
		{"format=webp&q-avif=60&q-webp=70", "format=webp&q=70"},
		{"format=jxl&q-jxl=80", "format=jxl"},
		{"format=jpeg&q-avif=60&q-webp=70&q-jxl=50", "format=jpeg"},
		{"format=original&q-avif=60&q-webp=70&q-jxl=50", "format=original&q-avif=60&q-webp=70&q-jxl=50"},
		{"lossless&progressive", "lossless=1&progressive=1"},
		{"anim", ""},
		{"anim=true", ""},
		{"anim=false", "anim=0"},
		{"metadata=none", ""},
		{"metadata=copyright", "metadata=copyright"},
		{"metadata=keep", "metadata=keep"},

		{"mark-w=10&mark-opacity=0.5&mark-repeat", ""},
		{"mark=brand", "mark=brand"},
		{"mark=https://example.com/a.png?x=1%26y=2", "mark=https://example.com/a.png?x=1%26y=2"},
		{"mark=brand&mark-w=15%25&mark-h=20", "mark=brand&mark-w=15%25&mark-h=20"},
		{"mark=brand&mark-w=15%25", "mark=brand"},
		{"mark=brand&mark-w=20%25", "mark=brand&mark-w=20%25"},
		{"mark=brand&mark-size=5%25", "mark=brand&mark-w=5%25&mark-h=5%25"},
		{"mark=brand&mark-size=5%25&mark-h=9", "mark=brand&mark-w=5%25&mark-h=9"},
		{"mark=brand&mark-fit=fill", "mark=brand&mark-fit=squeeze"},
		{"mark=brand&mark-fit=contain&mark-opacity=1&mark-repeat=0", "mark=brand"},
		{"mark=brand&mark-align=top,left", "mark=brand&mark-align=top,left"},
		{"mark=brand&mark-align=left,top", "mark=brand&mark-align=top,left"},
		{"mark=brand&mark-align=left", "mark=brand&mark-align=center,left"},
		{"mark=brand&mark-align=center,left", "mark=brand&mark-align=center,left"},
		{"mark=brand&mark-align=left,center", "mark=brand&mark-align=center,left"},
		{"mark=brand&mark-align=bottom", "mark=brand&mark-align=bottom,center"},
		{"mark=brand&mark-align=center,top", "mark=brand&mark-align=top,center"},
		{"mark=brand&mark-align=center", "mark=brand&mark-align=center"},
		{"mark=brand&mark-align=center,center", "mark=brand&mark-align=center"},
		{"mark=brand&mark-align=right,bottom", "mark=brand"},
		{"mark=brand&mark-pad=2%25", "mark=brand"},
		{"mark=brand&mark-pad=0%25", "mark=brand&mark-pad=0"},
		{"mark=brand&mark-pad=12", "mark=brand&mark-pad=12"},
		{"mark=brand&mark-opacity=0", "mark=brand&mark-opacity=0"},
		{"mark=brand&mark-repeat", "mark=brand&mark-repeat=1"},

		{"default=photos/none.jpg", "default=photos/none.jpg"},
		{"dl=my+cat.jpg", "dl=my%20cat.jpg"},
		{"dl=✓%26.jpg", "dl=%E2%9C%93%26.jpg"},
		{"v=", ""},
		{"v=2026-01-01T00:00%3b%25", "v=2026-01-01T00:00%3B%25"},
	} {
		o, err := parse(tt.query)
		if err != nil {
			t.Errorf("%q: %v", tt.query, err)
			continue
		}
		if got := o.String(); got != tt.want {
			t.Errorf("%q is %q, want %q", tt.query, got, tt.want)
		}
		checkRoundTrip(t, o)
	}
}

// checkRoundTrip checks that the canonical form of o parses to o, and is its own canonical
// form.
func checkRoundTrip(t *testing.T, o transform.Options) {
	t.Helper()
	canonical := o.String()
	again, err := parse(canonical)
	if err != nil {
		t.Errorf("canonical %q: %v", canonical, err)
		return
	}
	if again != o {
		t.Errorf("canonical %q is read back as something else:\n%s", canonical, cmp.Diff(o, again))
	}
	if s := again.String(); s != canonical {
		t.Errorf("the canonical form of %q is %q", canonical, s)
	}
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("a", 2049)
	for name, values := range map[string][]string{
		"w":            {"", "0", "8193", "0%25", "0.00001%25", "100.1%25", "50.5", "-1%25", "50%25%25", "-1", "+1", "%2B1", "1.5", "1e3", "0x10", "1_000", "abc", "%201", "1%20", "4294967297", "99999999999999999999", "%D9%A1", "NaN"},
		"width":        {"0"},
		"h":            {"0", "8193"},
		"height":       {"x"},
		"size":         {"", "0", "8193", "10x10"},
		"dpr":          {"", "0", "0.09", "0.09999999", "5.01", "5.0000001", "-1", "+1", "1.", ".", "1.2.3", "1,5", "1e0", "0x1p0", "Inf", "inf", "NaN", "nan", "1_0", "2x", "%202", "1.0000000000000000000000000000000000000"},
		"fit":          {"", "Cover", "stretch", "cover%20"},
		"ar":           {"", "16", "1.5", "16:", ":9", "16:9:1", "0:1", "1:0", "0.00001:1", "1:10001", "-1:1", "1e1:1", "a:b", "16x9", "16/9", "16:%209"},
		"aspect":       {"1"},
		"aspect_ratio": {"1"},
		"gravity":      {"", "middle", "North", "north-east"},
		"g":            {"up"},
		"crop":         {"faces"},
		"fp-x":         {"", "-0.1", "1.1", "1.00001", "NaN", "50%25"},
		"fp-y":         {"2"},
		"fp-z":         {"0.9", "11"},
		"rect": {"", "1,2,3", "1,2,3,4,5", "0,0,0,10", "0,0,10,0", "0,0,10%25,0%25", "0,0,0.00001%25,1", "-1,0,1,1", "1.5,0,1,1", "0,0,101%25,1", "0,0,1,1000001", "1%202%203%204", "%25,0,1,1", "0,0,1,1px", "0,0,1,1%25%25",
			"top,left,1,1", "bottom,0,1,1", "0,right,1,1", "0,0,center,1", "0,0,1,right", "middle,0,1,1", "Left,0,1,1", "center,center,0,1", "left%20,0,1,1"},
		"trim":         {"", "-1", "256", "1.5"},
		"rotate":       {"", "361", "-361", "-", "--90", "+90", "%2B90", "90.0", "4.5", "1e2", "90deg"},
		"flip":         {"", "vh", "H", "both"},
		"bg":           {"", "ff", "fffff", "fffffff", "fffffffff", "ggg", "%23fff", "reddish", "rgb(1,2,3)", "none", strings.Repeat("red", 50)},
		"background":   {"?"},
		"inset":        {"", "1,,2", "1,2,3,4,5", "1000001", "-1", "1.5", "5%25"},
		"pad":          {"", "1,,2", "1,2,3,4,5", ",1", "1,", "8193", "-1", "1.5", "5%25", "1,%202"},
		"radius":       {"", "-1", "8193", "1.5", "101%25", "Max", "10px", "full"},
		"enlarge":      {"2", "yes", "True"},
		"q-avif":       {"", "0", "101", "Auto"},
		"q-webp":       {"1.5"},
		"q-jxl":        {"best"},
		"blur":         {"-1", "100.1"},
		"sharpen":      {"101"},
		"brightness":   {"3.1"},
		"contrast":     {"4"},
		"saturation":   {"-0"},
		"gamma":        {"0", "0.09", "3.01"},
		"grayscale":    {"2", "True", "yes", "on"},
		"sepia":        {"-"},
		"invert":       {"00"},
		"pixelate":     {"", "1025", "2.5"},
		"format":       {"", "heic", "svg", "bmp", "JPEG", "jpeg%20"},
		"fm":           {"x"},
		"f":            {"x"},
		"output":       {"x"},
		"q":            {"", "0", "101", "80%25", "automatic"},
		"quality":      {"x"},
		"lossless":     {"2"},
		"progressive":  {"no"},
		"anim":         {"maybe"},
		"metadata":     {"", "all"},
		"mark":         {"", long},
		"mark-w":       {"", "0", "0%25", "8193", "101%25", "1.5", "10px"},
		"mark-h":       {"0"},
		"mark-size":    {"0"},
		"mark-fit":     {"stretch", "outside", "auto"},
		"mark-align":   {"", "top,bottom", "left,right", "top,left,right", "middle", "top%20left", "top,", ",", ",left", "Top"},
		"mark-pad":     {"", "-1", "101%25", "8193"},
		"mark-opacity": {"", "1.1", "-1", "50%25"},
		"mark-repeat":  {"x"},
		"default":      {"", long},
		"dl":           {"", "a/b.jpg", "a%2Fb.jpg", `a\b.jpg`, "%5C", strings.Repeat("a", 256)},
		"v":            {strings.Repeat("a", 65)},
	} {
		for _, value := range values {
			query := name + "=" + value
			_, err := parse(query)
			checkNames(t, query, err, name)
			if err != nil && len(err.Error()) > 400 {
				t.Errorf("%.40q…: the message has %d bytes", query, len(err.Error()))
			}
		}
	}
}

// Every option except v, which is free text, refuses some value.
func TestParseRefusesCoversTheVocabulary(t *testing.T) {
	for _, doc := range transform.Vocabulary() {
		for _, name := range append(doc.Aliases, doc.Name) {
			query := name + "=" + strings.Repeat("☠", 1000)
			_, err := parse(query)
			checkNames(t, name, err, name)
		}
	}
}

// Values that no query string can contain are refused in a handmade Query.
func TestParseRefusesControlCharacters(t *testing.T) {
	for _, name := range []string{"mark", "default", "dl", "v"} {
		for _, value := range []string{"a\x00", "a\n", "\x7f", "\xff", "é\u0085"} {
			_, err := transform.Parse(transform.Defaults(), transform.Query{{Name: name, Value: value, Literal: true}})
			checkNames(t, name, err, name)
		}
	}
}

func TestParseErrorsSayWhatIsAllowed(t *testing.T) {
	for _, tt := range []struct{ query, want string }{
		{"w=0", `w: "0" is not allowed; allowed: 1–8192 pixels, or above 0 and up to 100% of the image`},
		{"width=9000", `width: "9000" is not allowed; allowed: 1–8192 pixels, or above 0 and up to 100% of the image`},
		{"fit=stretch", `fit: "stretch" is not allowed; allowed: scale-down, contain, cover, crop, outside, pad, squeeze (fill), auto`},
		{"dpr=9", `dpr: "9" is not allowed; allowed: 0.1–5`},
		{"q-target=74.5", `q-target: "74.5" is not allowed; allowed: a whole number from 50 to 95`},
		{"q=80.5", `q: "80.5" is not allowed; allowed: a whole number from 1 to 100, or auto`},
		{"w=1&w=1", "w: is given more than once; give it once"},
		{"w=1&width=1", "width: is given already, as w; give one of them"},
		{"w=5000&dpr=2", "dpr: w × dpr is 10000 pixels; at most 8192 is allowed"},
		{"dl=" + strings.Repeat("é", 500), `dl: "` + strings.Repeat("é", 20) + `…" is not allowed; allowed: a file name of 1–255 bytes without /, \ and control characters`},
	} {
		_, err := parse(tt.query)
		if err == nil || err.Error() != tt.want {
			t.Errorf("%.40q:\n got %v\nwant %s", tt.query, err, tt.want)
		}
	}
}

func TestParseTwice(t *testing.T) {
	for _, tt := range []struct{ query, name string }{
		{"w=1&w=1", "w"},
		{"w=1&h=2&w=3", "w"},
		{"w=1&width=1", "width"},
		{"w=1&%77=1", "w"},
		{"fm=webp&f=webp", "f"},
		{"crop=north&gravity=north", "gravity"},
		{"g=north&crop=south", "crop"},
		{"bg=red&background=red", "background"},
		{"q=1&quality=1", "quality"},
		{"ar=1:1&aspect_ratio=1:1", "aspect_ratio"},
		{"v=&v=", "v"},
		{"lossless&lossless=0", "lossless"},
		{"mark-w=1&mark-w=1", "mark-w"},

		{"size=1&w=1&h=1", ""},
		{"mark-size=1&mark-w=1", ""},
		{"utm=1&utm=1", ""},
		{"sig=1&sig=1", ""}, // the server checks this
	} {
		_, err := parse(tt.query)
		checkNames(t, tt.query, err, tt.name)
	}
}

func TestParseProducts(t *testing.T) {
	for _, tt := range []struct {
		query string
		ok    bool
	}{
		{"w=8192&dpr=1", true},
		{"w=8192&dpr=0.1", true},
		{"w=4096&dpr=2", true},
		{"w=4097&dpr=2", false},
		{"h=4097&dpr=2", false},
		{"size=4097&dpr=2", false},
		{"w=5120&dpr=1.6", true},
		{"w=8192&dpr=1.0001", false},
		{"pad=4097&dpr=2", false},
		{"pad=0,0,4097,0&dpr=2", false},
		{"radius=4097&dpr=2", false},
		{"radius=4096&dpr=2", true},
		{"radius=50%25&dpr=5", true},
		{"mark=m&mark-w=4097&dpr=2", false},
		{"mark=m&mark-h=4097&dpr=2", false},
		{"mark=m&mark-pad=4097&dpr=2", false},
		{"mark=m&mark-w=100%25&dpr=5", true},
		{"dpr=5", true},
		{"w=100%25&h=90%25&dpr=5", true},
	} {
		_, err := parse(tt.query)
		name := "dpr"
		if tt.ok {
			name = ""
		}
		checkNames(t, tt.query, err, name)
	}
}

func TestParseOverPreset(t *testing.T) {
	for _, tt := range []struct{ preset, url, want string }{
		{"w=320&h=320&fit=cover", "", "w=320&h=320&fit=cover"},
		{"w=320&h=320&fit=cover", "w=100", "w=100&h=320&fit=cover"},
		{"w=320&h=320&fit=cover", "size=100", "w=100&h=100&fit=cover"},
		{"size=320", "h=100", "w=320&h=100"},
		{"w=50%25", "w=320", "w=320"},
		{"size=320", "w=50%25", "w=50%25&h=320"},
		{"lossless&grayscale", "lossless=0&grayscale=false", ""},
		{"anim=0", "anim", ""},
		{"q=40&fit=pad&bg=red", "q=80&fit=scale-down&bg=transparent", ""},
		{"fp-x=0.2", "fp-y=0.3", "fp-x=0.2&fp-y=0.3&gravity=focal"},
		{"fp-x=0.2", "gravity=north", "gravity=north"},
		{"gravity=north", "fp-x=0.2", "fp-x=0.2&gravity=focal"},
		{"gravity=north&fp-x=0.2", "gravity=focal", "fp-x=0.2&gravity=focal"},
		{"mark-w=10", "mark=brand", "mark=brand&mark-w=10"},
		{"dpr=2", "w=100", "w=100&dpr=2"},
		{"enlarge=0", "fit=cover", "fit=cover&enlarge=0"},
		{"enlarge=0&fit=cover", "fit=contain", ""},
		{"enlarge=0&fit=cover", "enlarge", "fit=cover"},
		{"q-avif=40", "format=avif", "format=avif&q=40"},
		{"q-avif=40&format=jpeg", "format=auto", "q-avif=40"},
		{"q=60", "q-avif=60", "q=60"},
		{"w=320", "width=100", "w=100"},
	} {
		preset, err := transform.ParseQuery(tt.preset)
		if err != nil {
			t.Fatal(err)
		}
		query, err := transform.ParseQuery(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		o, err := transform.Parse(transform.Defaults(), preset, query)
		if err != nil {
			t.Errorf("%q over %q: %v", tt.url, tt.preset, err)
			continue
		}
		if got := o.String(); got != tt.want {
			t.Errorf("%q over %q is %q, want %q", tt.url, tt.preset, got, tt.want)
		}
		checkRoundTrip(t, o)
	}
}

func TestParseProductsOverPreset(t *testing.T) {
	preset := mustParse(t, "w=5000")
	_, err := transform.Parse(preset, transform.Query{{Name: "dpr", Value: "2"}})
	checkNames(t, "dpr=2 over w=5000", err, "dpr")
}

func TestParseOrderNeverMatters(t *testing.T) {
	params := strings.Split("size=100&w=50&dpr=2&fit=cover&ar=3:2&fp-x=0.1&fp-y=0.9&fp-z=2&gravity=focal&pad=1,2&"+
		"mark=m&mark-size=5&mark-h=7&mark-align=top&q=50&utm=1&utm=2&format=png", "&")
	want := mustParse(t, strings.Join(params, "&"))
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		random.Shuffle(len(params), func(i, j int) { params[i], params[j] = params[j], params[i] })
		query := strings.Join(params, "&")
		if got := mustParse(t, query); got != want {
			t.Fatalf("%q (-want +got):\n%s", query, cmp.Diff(want, got))
		}
	}
}

// Parse, String and Parse again give the same options, over any preset.
func FuzzOptions(f *testing.F) {
	f.Add("", "")
	f.Add("w=320&h=320&fit=cover", "w=400&dpr=2&q=75")
	f.Add("", "size=100&ar=1.91:1&gravity=attention&rect=10%25,10%25,80%25,80%25&rotate=90&flip=hv&bg=f008&pad=1,2,3")
	f.Add("gravity=north", "fp-x=0.33333&fp-y=.2&fp-z=1.00001")
	f.Add("grayscale&anim=0", "grayscale=0&anim&sepia&invert=true&blur=1.5&sharpen=2&pixelate=1&trim=0")
	f.Add("", "brightness=.1&contrast=2.99999&saturation=0&gamma=0.1&format=jpg&lossless&progressive&metadata=keep")
	f.Add("mark-w=10", "mark=brand&mark-size=5%25&mark-align=left&mark-pad=0%25&mark-opacity=.5&mark-repeat&mark-fit=fill")
	f.Add("default=a/b%20c", "dl=%E2%9C%93%26+.jpg&v=%25%3B&utm=1&utm=2")
	f.Add("enlarge=0&q-avif=50", "fit=pad&radius=max&rotate=-33&gravity=top&q=auto")
	f.Add("rect=center,bottom,33.3333%25,7", "enlarge&fit=crop&format=nocompress&q-jxl=9&q-webp=auto&radius=12.5%25&g=face")
	f.Add("w=50%25&inset=1,2", "size=33.33333%25&h=7&fit=outside&inset=0,0,1000000&enlarge=0")
	f.Add("ar=9999.9999:0.0003", "ar=10000:0.0001&dpr=0.1")
	f.Fuzz(func(t *testing.T, preset, query string) {
		var queries []transform.Query
		for _, raw := range []string{preset, query} {
			q, err := transform.ParseQuery(raw)
			if err != nil {
				return
			}
			queries = append(queries, q)
		}
		o, err := transform.Parse(transform.Defaults(), queries...)
		if err != nil {
			var wrong *transform.OptionError
			if !errors.As(err, &wrong) || wrong.Name == "" || wrong.Reason == "" {
				t.Errorf("error %v is no whole OptionError", err)
			}
			return
		}
		checkRoundTrip(t, o)
	})
}

func BenchmarkParseString(b *testing.B) {
	const query = "w=400&h=300&fit=cover&gravity=attention&dpr=2&q=75&format=webp&v=3f9a&utm_source=news"
	b.ReportAllocs()
	for b.Loop() {
		q, err := transform.ParseQuery(query)
		if err != nil {
			b.Fatal(err)
		}
		o, err := transform.Parse(transform.Defaults(), q)
		if err != nil {
			b.Fatal(err)
		}
		if o.String() == "" {
			b.Fatal("no canonical form")
		}
	}
}
