package origin

import (
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/unicode/norm"
)

// TestReadingWithin: paths that some server resolves to a place below /shop/photos/.
func TestReadingWithin(t *testing.T) {
	place, err := ParsePlace("https://example.com/shop/photos/")
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{
		"/shop/photos/a.jpg":       true,
		"/Shop/PHOTOS/a.jpg":       true,
		"/shop;v=1/photos;x/a.jpg": true,
		"/shop/photos./a.jpg":      true,
		"/shop/photos%20/a.jpg":    true,
		"/shop/%20photos/a.jpg":    true,
		"/shop/Photos":             true,
		"/shop/%50hotos%3Bv=1/a":   true,
		"/shop/photos2/a.jpg":      false,
		"/shop/a.jpg":              false,
		"/x/shop/photos/a.jpg":     false,
		"/":                        false,
		"":                         false,

		// IIS leaves out sessions of ASP.NET.
		"/(S(lit3py55t21z5v55))/shop/photos/a.jpg": true,
		"/shop/(A(x)F(y))/photos/a.jpg":            true,
		"/shop/%28S%28x%29%29/photos/a.jpg":        true,
		"/shop/(S(x;y))/photos/a.jpg":              true,
		"/shop/(2024)/photos/a.jpg":                false,
		"/shop/()/photos/a.jpg":                    false,
		"/shop/(S(x)/photos/a.jpg":                 false,

		// nginx, where an alias ends with a slash and its location doesn't.
		"/pub../shop/photos/a.jpg":   true,
		"/pub.%2e/shop/photos/a.jpg": true,
		"/a%20b../x.jpg":             true,
		"/pub/a..b.jpg":              false,
		"/pub/wait...jpg":            false,
		"/pub/end./x.jpg":            false,

		// A zero byte ends a name, or is removed from it.
		"/shop/ph%2500otos/a.jpg":    true,
		"/shop/%252500photos/a.jpg":  true,
		"/pub/x/%2500../a.jpg":       true,
		"/pub/%252e%2500%252e/a.jpg": true,

		// Letters for which Windows has others.
		"/shop/phoŧos/a.jpg":          true,
		"/shop/pho%25C5%25A6os/a.jpg": true,
		"/shop/πhotoσ/a.jpg":          true,
		"/shop/phołos/a.jpg":          false,

		// Decoded again, to any depth.
		"/shop/%2570hotos/a.jpg":                        true,
		"/shop/%25252570hotos/a.jpg":                    true,
		"/shop%252fphotos/a.jpg":                        true,
		"/shop%255cphotos/a.jpg":                        true,
		"/shop/%25u0070hotos/a.jpg":                     true,
		"/shop/%2525%37%30hotos/a.jpg":                  true,
		"/shop/%EF%BC%8570hotos/a.jpg":                  true, // "％" is folded to a percent sign
		"/shop/%E0%81%B0hotos/a.jpg":                    true, // overlong "p"
		"/shop/%F0%80%81%B0hotos/a.jpg":                 true,
		"/shop/%FC%80%80%80%81%B0hotos/a.jpg":           true,
		"/shop/%C1%B0hotos/a.jpg":                       true,
		"/shop/100%25%20photos/a.jpg":                   false,
		"/shop/50%25off/a.jpg":                          false,
		"/shop%2f/photos/a.jpg":                         true,
		"/shop//photos/a.jpg":                           true,
		"/shop/%252e/photos/a.jpg":                      true,
		"/shop/%E2%80%8B/photos/a.jpg":                  true,
		"/pub/%252e%252e/shop/photos/a.jpg":             true,
		"/pub/..%252fshop/photos/a.jpg":                 true,
		"/pub/%25252e%25252e%25252fx.jpg":               true,
		"/pub/%C0%AE%C0%AE/x.jpg":                       true,
		"/pub/%25C0%25AE%25C0%25AE/x.jpg":               true,
		"/pub/%C1%1C/x.jpg":                             true, // no canonical path, but a reading
		"/pub/%E2%80%A5/x.jpg":                          true, // "‥"
		"/pub/%EF%BC%8E%EF%BC%8E/x.jpg":                 true, // "．．"
		"/pub/.%E2%80%8B./x.jpg":                        true,
		"/pub/.%FF./x.jpg":                              true,
		"/pub/..%20/x.jpg":                              true,
		"/pub/..%253Bx/x.jpg":                           true,
		"/pub/..%2500/x.jpg":                            true,
		"/pub/.../x.jpg":                                true,
		"/pub/x%253B%252fy/x.jpg":                       true, // what is dropped first, the parameter or what is behind the slash?
		"/pub/..%C2%A5shop/x.jpg":                       true, // "¥" is a backslash in Japanese code pages
		"/pub/100%C2%A5.jpg":                            false,
		"/pub/a%252fb.jpg":                              false,
		"/pub/a..b/..c/d..jpg":                          false,
		"/pub/100%25de.jpg":                             false,
		"/pub/%C2%BD.jpg":                               false,
		"/pub/12:30.jpg":                                false,
		"/pub/a;b/c.jpg":                                false,
		"/shop/%FF/a.jpg":                               true, // bytes that aren't UTF-8 may be read as anything
		"/shop/photo%E9/a.jpg":                          true,
		"/shop/photos%C2%A0/a.jpg":                      true,
		"/shop/photos%E2%80%8B/a.jpg":                   true,
		"/shop/ph%E2%80%8Botos/a.jpg":                   true,
		"/shop/ph%C2%ADotos/a.jpg":                      true,
		"/shop/photos%E3%80%80/a.jpg":                   true,
		"/shop/photos%EF%BB%BF/a.jpg":                   true,
		"/shop/photos%EF%B8%8F/a.jpg":                   true,
		"/shop/photos%252e/a.jpg":                       true,
		"/shop/photos+/a.jpg":                           true,
		"/shop/photos::$INDEX_ALLOCATION/a.jpg":         true,
		"/shop/photos%3A$I30%3A$INDEX_ALLOCATION/a.jpg": true,
		"/shop/photos%2500x/a.jpg":                      true,
		"/shop/photos%3Fx/a.jpg":                        true,
		"/shop/photos%23x/a.jpg":                        true,
		"/shop/%EF%BD%90hotos/a.jpg":                    true, // fullwidth
		"/shop/%F0%9D%93%B9hotos/a.jpg":                 true, // mathematical
		"/shop/photo%C5%BF/a.jpg":                       true, // long s
		"/shop/ph%C5%8Dtos/a.jpg":                       true, // best fit
		"/shop/pho%CC%81tos/a.jpg":                      true,
		"/shop/PHOTOS~1/a.jpg":                          true,
		"/SHOP~1/PHOTO~12/a.jpg":                        true,
		"/shop/PH3A7B~2/a.jpg":                          true,
		"/shop/photos~/a.jpg":                           false,
		"/shop/x~1/a.jpg":                               false,
		"/shop/photographs-of-2026~1/a.jpg":             false,
		"/shop/pho<</a.jpg":                             true,
		"/shop/%D1%80hotos/a.jpg":                       false, // Cyrillic: no server takes it for a p
	} {
		if got := (URL{Path: path}).Reading().Within(place.Reading()); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// TestReadingOfLookalikes: characters for which code pages and frameworks have ASCII ones.
func TestReadingOfLookalikes(t *testing.T) {
	for private, keys := range map[string]struct{ refused, accepted []string }{
		"my-photos": {
			[]string{"my\u2010photos", "my\u2011photos", "my\u2013photos", "my\u2014photos", "my\u2015photos", "my\u2212photos", "my\u2043photos", "my\u02d7photos", "my\u00afphotos",
				"my\u2500photos", "my\u30fcphotos", "my\uff70photos", "my\u058aphotos", "my\ufe63photos", "my\u00adphotos", "my%25C2%25ADphotos", "my\u00ad-photos", "my-photo\u00ads"},
			[]string{"my\u2013pictures", "my_photos", "my\u00b7photos", "myphotos", "my\u00adpictures"},
		},
		"фото":               {[]string{"фото\u0306", "фо\u0301то", "ФО\u0301ТО", "фото\u20dd", "%25D1%2584ото\u0306"}, []string{"фата", "фот", "фото2"}},
		"май":                {[]string{"маи", "маи\u0306", "МАИ"}, []string{"мак"}},
		"كتاب":               {[]string{"كِتاب"}, []string{"كتب"}},
		"my_photos":          {[]string{"my\u02cdphotos", "my\u0332photos", "my\u2017photos"}, []string{"my\u2013photos"}},
		"vault":              {[]string{"va\u00adult", "\u221aault", "vault\u00ad.", "vault.\u00ad", "%C2%AD/vault"}, []string{"va\u2013ult", "vaults\u00ad"}},
		"2034":               {[]string{"2\u0660\u0663\u0664", "\u0968\u0966\u0969\u096a", "2\uff1034", "\U0001d7d003\u096a"}, []string{"2\u0660\u0664\u0663", "203\u2777"}},
		"a:b":                {[]string{"a\u2236c", "a\u0589c", "a\u2236$DATA"}, []string{"ab"}},
		"a~b":                {[]string{"a\u223cb"}, []string{"ab"}},
		"photos-long":        {[]string{"PHOTOS\u223c1", "photos-long\u2236\u2236$INDEX_ALLOCATION", "pho\u2217", "pho\u3008\u2329", "%D9%AA70hotos-long"}, []string{"PHOTOS\u223c12"}},
		"it's":               {[]string{"it\u2019s", "it\u02bcs", "it\u2032s", "it\u2018s", "it\u02b9s", "it\u02c8s"}, []string{"it\u00b4s", "its"}},
		"a|b!^[c]=(d)`e":     {[]string{"a\u2223b\u01c3\u2303\u301ac\u301b\u2261\u2320d\u2321\u2035e", "a\u01c0b!\u02c4[c]\u2264(d)\u02cb\u2107"}, []string{"a\u2225b!^[c]=(d)`e"}},
		"a=b":                {[]string{"a\u2017b"}, nil},
		"a+b":                {[]string{"a\u253cb", "a\u2554b", "a\uff0bb"}, []string{"a\u2500b"}},
		"8n":                 {[]string{"\u221en", "8\u2229"}, []string{"8\u222a"}},
		"a b":                {[]string{"a%20%20b", "a+%20b", "a\u00a0\u3000b", "a%09%20b", "a%20\u200b%20b"}, []string{"a", "ab"}},
		"caf\u00e9":          {[]string{"caf%C3%83%C2%A9", "CAF\u00c3\u00a9", "caf%25C3%2583%25C2%25A9"}, []string{"caf\u00c3", "caf\u00c2\u00ae"}},
		"caf\u00c3\u00a9":    {[]string{"caf\u00e9", "cafe"}, []string{"caff"}},
		"photos-1999":        {[]string{"PHOTOS\u03031", "photos\u02dc1", "photos%25CC%25831", "photo\u2192"}, []string{"pho\u0303tos1", "photos\u03031234"}},
		"dock":               {[]string{"d\u00f8ck", "D\u00d8CK", "\u266aock", "do\u00a2k"}, []string{"d\u00f6k", "dck", "d\u00f8k"}},
		"l-t":                {[]string{"\u221f\u2588\u252c", "l\u2554t", "l\u2194t"}, []string{"l\u2260t"}},
		"\u30b1\u30fc\u30ad": {[]string{"\u30b1-\u30ad"}, []string{"\u30b1\u30ad"}},
	} {
		place, err := ParsePlace("https://example.com/shop/" + EscapePath(private) + "/")
		if err != nil {
			t.Fatal(err)
		}
		for want, names := range map[bool][]string{true: keys.refused, false: keys.accepted} {
			for _, name := range names {
				if got := (URL{Path: "/shop/" + name + "/a.jpg"}).Reading().Within(place.Reading()); got != want {
					t.Errorf("%q for %q: %v", name, private, got)
				}
			}
		}
	}
}

// TestReadingOfServers: what servers and frameworks are known to do with a path, one line each,
// for a private /vault/, /kelvin/, /strasse/ or /images/.
func TestReadingOfServers(t *testing.T) {
	for place, keys := range map[string]struct{ refused, accepted []string }{
		"vault": {
			[]string{
				// ASP.NET without cookies; the second pass joins words (CVE-2023-36899).
				"(S(x))/vault", "(A(x)S(y)F(z))/vault", "va/(S(x))ult", "(S(x))/va/(S(x))ult", "va(S(x))ult", "va(S(x))/ult", "va/(A(x))ult", "va/(F(x)S(y))ult",
				"va/%28S%28x%29%29ult", "va/(S(x)) ult", "va/%2528S(x))ult", "va/（S(x))ult", "(S(x))va/(S(x))ult", "va/(S(x;y))ult", "va(S(x;y))ult",
				"va(S(x))ult::$DATA", "vault(S(x))::$INDEX_ALLOCATION", "VAULT(S(x))::$DATA", "vau(S(x))lt.:", "va:(S(x))ult",
				// One character for any.
				"vaul%3F", "v%3Fult", "%3Fault", "vault%3F", "vaul%253F", "%3F%3F%3F%3F%3F", "vaul%3F;x", "%EF%BC%9Fault",
				// Parameters.
				"vault;jsessionid=1", "vault;a=1;b=2", ";jsessionid=1/vault", "vault%3Bx", "vault;", "vault;/",
				// Backslashes, zero bytes, dots and blanks.
				"x%5C..%5Cvault", `x\..\vault`, "%5Cvault", "x/..%5cvault", "vault%00", "vault%00.png", "va%00ult", "vault.", "vault...", "vault%20", "vault%20.%20.", "%20vault", "vault%09", "vault%0A", ".%5Cvault",
				// Short names, streams.
				"VAULT~1", "vault~2", "vault:$I30:$INDEX_ALLOCATION", "vault::$DATA",
				// Other encodings.
				"%u0076ault", "%25u0076ault", "%U0076ault", "%uff56ault", "%C1%B6ault", "%E0%81%B6ault", "%F0%80%81%B6ault", "%2576ault", "%252576ault", "%25%37%36ault",
				// Forms of Unicode.
				"v\u0301ault", "v\u00e1ult", "\uff56ault", "\u24e5ault", "\U0001d42fault", "va\u1d64lt", "va\u200bult", "vault\ufe0f", "vau\u0142t", "vaul\u0167", "vaul\u00fe", "vaul\u00de", "v\u00c6ult", "v\u00e6ult", "va\u00fc\u013et",
			},
			[]string{"vaults", "vau", "va/ult", "va/(2)ult", "photo%20(2).jpg", "a(b)(c)", "va%3Flts", "v\u00e6\u00e6lt", "vaul\u00e6", "(s(x)ault"},
		},
		"aether":      {[]string{"\u00e6ther", "\u00c6THER", "\u01fdther", "\u00e4ther", "a\u0308ther", "%C3%A6ther", "%25C3%25A6ther"}, []string{"\u0153ther", "ether"}},
		"oeuvre":      {[]string{"\u0153uvre", "\u0152UVRE", "\u00f6uvre", "\u00f8uvre"}, []string{"\u00e6uvre"}},
		"thor":        {[]string{"\u00feor", "\u00deOR"}, []string{"\u00f0or"}},
		"dom":         {[]string{"\u00f0om", "\u00d0OM", "\u0111om", "\u0256om"}, []string{"\u00feom"}},
		"strasse":     {[]string{"stra\u00dfe", "STRA\u1e9eE", "stra%C3%9Fe"}, []string{"strase"}},
		"stra\u00dfe": {[]string{"strasse", "STRASSE", "strase"}, []string{"strae"}},
		"ae":          {[]string{"\u00e6"}, nil},
		"\u00e6":      {[]string{"ae", "a", "AE"}, []string{"oe"}},
		"file":        {[]string{"\ufb01le", "F\u0130LE", "f\u0131le", "FILE"}, []string{"fle"}},
		"FILE":        {[]string{"f\u0131le", "file", "f\u0130le"}, nil},
		"kelvin":      {[]string{"\u212aelvin", "%E2%84%AAelvin"}, nil},
		"\u212aelvin": {[]string{"kelvin", "KELVIN"}, nil},
		"angstrom":    {[]string{"\u212bngstrom", "\u00e5ngstr\u00f6m"}, nil},
		"caf\u00e9":   {[]string{"cafe\u0301", "CAF\u00c9", "cafe"}, []string{"caf"}},
		"cafe\u0301":  {[]string{"caf\u00e9", "cafe"}, nil},
		"\u1e69":      {[]string{"s\u0323\u0307", "s\u0307\u0323", "s"}, nil},
		"\u03c3":      {[]string{"\u03c2", "\u03a3"}, nil},
	} {
		p, err := ParsePlace("https://example.com/" + EscapePath(place) + "/")
		if err != nil {
			t.Fatal(err)
		}
		for want, names := range map[bool][]string{true: keys.refused, false: keys.accepted} {
			for _, name := range names {
				if got := (URL{Path: "/" + name + "/a.jpg"}).Reading().Within(p.Reading()); got != want {
					t.Errorf("%q for %q: %v", name, place, got)
				}
			}
		}
	}
}

// TestReadingOfShortNames: a short name matches only long names that can have it.
func TestReadingOfShortNames(t *testing.T) {
	for private, keys := range map[string]struct{ refused, accepted []string }{
		"photos-long": {
			[]string{"PHOTOS~1", "photos~4", "Photos~9", "PHOTO~10", "PHOT~123", "P~999999", "PH3A7B~1", "ph0000~5", "PH3A7~10", "PHOTOS%7E1", "PHOTOS~1.", "PHOTOS~1::$DATA"},
			[]string{"PHOTO~1.JPG", "PHOTO~1", "a~1.png", "PHOTOS~1.JPG", "PHOTOS~0", "PHOTOS~", "PHOTOS~A", "PHOTOS-~1", "PICTUR~1", "PH3A7G~1", "PH3A~1", "P~1", "IMG_00~1.JPG",
				"PHOTOS~12", "photos-long~1", "~1", "~", "PHOT3A7B~1", "1~PHOTOS"},
		},
		"vault":            {[]string{"VAULT~1", "VAULT~10", "VAUL~123", "VA12EF~1"}, []string{"VAUL~1", "VAULTS~1", "VAULT~1.PNG", "V~1"}},
		"My%20Photos":      {[]string{"MYPHOT~1"}, []string{"MY~1", "MY_PHO~1"}},
		"a.b.c.long":       {[]string{"ABC~1.LON", "AB12EF~1.lon"}, []string{"A~1", "A~1.LON", "ABC~1", "ABC~1.LO"}},
		".well-known":      {[]string{"WELL-K~1", "WE12EF~1"}, []string{"W~1.WEL", "WELLKN~1"}},
		"x":                {[]string{"X12EF~1", "X~1"}, []string{"X1~1", "XY12EF~1", "X12EFF~1"}},
		"a,b=[c]!":         {[]string{"A_B__C~1"}, []string{"AB~1"}},
		"a~b~c-long":       {[]string{"A~B~C-~1"}, []string{"A~1"}},
		"foto.jpeg":        {[]string{"FOTO~1.JPE"}, []string{"FOTO~1.JPG", "FOTO~1"}},
		"PHOTOS~1":         {[]string{"photos-long", "photos-old"}, []string{"photo", "pictures"}}, // itself a short name
		"fotos-a%C3%B1o":   {[]string{"FOTOS-~1", "FO12EF~1"}, []string{"FOTO~1", "PHOTOS~1", "FOTOS-~1.X"}},
		"%C3%B1andu-fotos": {[]string{"ANDU-F~1", "_ANDU-~1", "%C3%91ANDU-~1", "X~1"}, []string{"IMAGES1~1", "X~1.JPEG", "X~1.JPG"}}, // nobody knows what becomes of the first letter
		"an%CC%83o-2026":   {[]string{"AO-202~1", "AN_O-2~1"}, []string{"B~1"}},
		"a+b-photos":       {[]string{"A_B-PH~1", "AB-PHO~1"}, []string{"B~1"}},
		"vault;v=1":        {[]string{"VAULT_~1", "VAULT~1"}, []string{"PHOTOS~1"}},
	} {
		place, err := ParsePlace("https://example.com/shop/" + private + "/")
		if err != nil {
			t.Fatal(err)
		}
		for want, names := range map[bool][]string{true: keys.refused, false: keys.accepted} {
			for _, name := range names {
				if got := (URL{Path: "/shop/" + name + "/a.jpg"}).Reading().Within(place.Reading()); got != want {
					t.Errorf("%s for %s: %v", name, private, got)
				}
			}
		}
		// Only at its own depth.
		if (URL{Path: "/" + keys.refused[0] + "/shop/a.jpg"}).Reading().Within(place.Reading()) {
			t.Errorf("%s elsewhere", keys.refused[0])
		}
	}
}

// readers are changes that servers make to a path before they look for a file.
var readers = []func(string) string{
	func(p string) string { return unescape(p) },
	func(p string) string {
		return strings.NewReplacer("%2F", "/", "%2f", "/", "%5C", "\\", "%5c", "\\").Replace(p)
	},
	func(p string) string { return strings.ReplaceAll(p, `\`, "/") },
	func(p string) string { return strings.ReplaceAll(p, "+", " ") },
	strings.ToLower,
	func(p string) string {
		return strings.Map(func(r rune) rune {
			if 'a' <= r && r <= 'z' {
				r -= 32
			}
			return r
		}, p)
	},
	norm.NFC.String, norm.NFD.String, norm.NFKC.String, norm.NFKD.String,
	func(p string) string {
		return strings.NewReplacer("\u200b", "", "\ufeff", "", "\u00ad", "", "\ufe0f", "").Replace(p)
	},
	func(p string) string { return strings.ToValidUTF8(p, "") },
	bySegment(func(s string) string { return strings.TrimRight(s, ". ") }),
	bySegment(func(s string) string { return strings.Trim(s, " \u00a0\u3000\u2002") }),
	bySegment(func(s string) string { return before(s, ";") }),
	bySegment(func(s string) string { return before(s, ":") }),
	bySegment(func(s string) string { return before(s, "\x00") }),
	path.Clean,
	bySegment(func(s string) string { return strings.ReplaceAll(s, "\x00", "") }),
	bySegment(func(s string) string {
		if sessions.MatchString(s) {
			return ""
		}
		return s
	}),
	func(p string) string { return sessionsWithin.ReplaceAllString(p, "") },
	func(p string) string {
		return strings.Map(func(r rune) rune {
			if i := slices.Index([]rune(bestFit), r); i >= 0 {
				return rune(bestFitASCII[i])
			}
			return r
		}, p)
	},
	strings.NewReplacer("\u00ad", "-", "\u00af", "-", "\u2013", "-", "\u2212", "-", "\u30fc", "-", "\u2017", "_", "\u0332", "_", "\u02cd", "_").Replace,
	strings.NewReplacer("\u0663", "3", "\uff13", "3", "\u096a", "4").Replace,
	func(p string) string { return strings.Join(strings.FieldsFunc(" "+p, isSpace), " ") },
}

func isSpace(r rune) bool { return r == ' ' }

// sessions are those of ASP.NET in a path.
var sessionsWithin = regexp.MustCompile(`/?\(([A-Za-z]\([^)/]*\))+\)`)
var sessions = regexp.MustCompile(`^\(([A-Za-z]\([^)/]*\))+\)$`)

func bySegment(f func(string) string) func(string) string {
	return func(p string) string {
		all := strings.Split(p, "/")
		for i, s := range all {
			if s != "." && s != ".." {
				all[i] = f(s)
			}
		}
		return strings.Join(all, "/")
	}
}

func before(s, cut string) string {
	s, _, _ = strings.Cut(s, cut)
	return s
}

// FuzzReading: after any changes of readers, in any order, the Reading of a path is the
// same, or it leaves.
func FuzzReading(f *testing.F) {
	for _, p := range []string{
		"/pub/..%252fvault/a.png", "/%2576ault/a", "/vault%C2%A0/a", "/vault%E2%80%8B/a", "/vault::$DATA/a", "/VAULT~1/a",
		"/a%EF%BC%85%EF%BC%852F/b", "/%EF%BC%85EF%BC%85EF%BC%85EF%BC%8F/a", "/x;%252f/b", "/a.%20/%2e/b", "/%u002e%u002e/b",
		"/%C0%AE%C0%AE%C0%AF", "/a%EF%BC%9Bb/c", "/a%c1%1cb", "/%FF%2e/a", "/a%2%35f/b", "/½/℀/ﬃ", "/a%C2%A5b", "/a..%00b/c",
		"/%EF%BC%85EF%B8%80", "/%0%880", "/%C0%A5", "/%E1%80%A4", "/%25E1%2580%A4", "/%252%25FFF",
		"/(S(x))/vault/a", "/va/(S(x))ult/a", "/(S(x;y));z/a", "/%28A(x)%2546(y)%29/a", "/v%2500ault/a", "/vau\u0142t/a", "/x.%2500./a",
		"/a%C2%ADb.%C2%AD/x", "/a\u2017b/\u00afx", "/%C2%AD/a", "/a%20%20+b", "/\u0663%u0664/a", "/(S%C2%AD(x))/a", "/%C2%AD25%C2%AD/a", "/\u044f%C2%AD\u0306/a", "/caf%C3%83%C2%A9/a", "/æ—¥æœ¬/a", "/–Ã©", "/va\u2236x\u223c1/\u2217\u066a41/a\u2019b\u2261",
	} {
		for i := range readers {
			f.Add(p, []byte{byte(i), byte(i * 7), byte(i * 5)})
		}
	}
	f.Fuzz(func(t *testing.T, p string, how []byte) {
		if len(p) > 300 || len(how) > 12 {
			return
		}
		p, _, err := canonicalPath("/" + p)
		if err != nil {
			return
		}
		was := (URL{Path: p}).Reading()
		if was.Leaves() {
			return
		}
		read := p
		for _, h := range how {
			read = readers[int(h)%len(readers)](read)
			got := (URL{Path: read}).Reading()
			if got.Leaves() || !slices.EqualFunc(was.segments, got.segments, segment.mayBe) {
				t.Fatalf("%q is read as %q by a server, and as %q after that: %+v, not %+v", p, read, how, got, was)
			}
		}
	})
}

// TestReadingIsBounded: every path that fits into a URL is folded quickly.
func TestReadingIsBounded(t *testing.T) {
	for p, leaves := range map[string]bool{
		"/%" + strings.Repeat("25", maxURL/2-2) + "2F":                                true,
		"/" + strings.Repeat("%EF%BC%85", 3) + strings.Repeat("EF%BC%85", maxURL/8-8): true, // once more for each "％"
		"/" + strings.Repeat("%EF%B7%BA", maxURL/9):                                   true, // 33 bytes of 3
		"/" + strings.Repeat("%E1%BE%87", maxURL/9):                                   false,
		"/" + strings.Repeat("%ED%9B%8A", maxURL/9):                                   false, // Korean
	} {
		if got := (URL{Path: p}).Reading().Leaves(); got != leaves {
			t.Errorf("%.30s…: %v", p, got)
		}
	}
}

func BenchmarkReading(b *testing.B) {
	for name, p := range map[string]string{
		"plain": "/photos/2026/summer/cat.jpg", "escaped": "/photos/K%C3%A4se%20und%20Brot.jpg", "longest": "/" + strings.Repeat("%ED%9B%8A", maxURL/9),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				(URL{Path: p}).Reading()
			}
		})
	}
}

// TestReadingOfWindows1252: UTF-8 that a server reads as windows-1252, or as Latin-1.
func TestReadingOfWindows1252(t *testing.T) {
	for _, test := range []struct {
		path, place string
		want        bool
	}{
		{"/cafÃ©/a", "/café/", true},
		{"/Ã…ngstrÃ¶m/a", "/Ångström/", true},
		{"/Ã\u0085ngstrÃ¶m/a", "/Ångström/", true},
		{"/straÃŸe/a", "/straße/", true},
		{"/æ—¥æœ¬/a", "/日本/", true},
		{"/cafÃƒÂ©/a", "/café/", true}, // twice
		{"/–cafÃ©/a", "/–café/", true},
		{"/straße/a", "/straÃŸe/", true},
		{"/café/a", "/thé/", false},
		{"/a—b/x", "/日本/", false},
		{"/1990–1999/x", "/1990/", false},
	} {
		place, err := ParsePlace("https://example.com" + test.place)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{test.path, EscapePath(test.path)} {
			if got := (URL{Path: path}).Reading().Within(place.Reading()); got != test.want {
				t.Errorf("%s within %s: %v", path, test.place, got)
			}
		}
	}
}

// TestReadingCovers: places that some server takes for the folder around them.
func TestReadingCovers(t *testing.T) {
	for path, want := range map[string]bool{
		"/x/%231/": true, "/x/%3Fx/": true, "/x/%3Bx/": true, "/x/%252e/": true, "/x/%E2%80%8B/": true, "/x/*/": true, "/x/%2500a/": true,
		"/x/": true, "/x/1/": false, "/x/a%3Fb/": false, "/x/*/a/": false, "/*/": true, "/": false, "/x/*/*/": false,
	} {
		place, err := ParsePlace("https://example.com" + path)
		if err != nil {
			t.Fatal(err)
		}
		outer := URL{Path: "/x/"}
		if got := place.Reading().Covers(outer.Reading()); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
}

// TestSameHostNAT64: an IPv4 address in an address of NAT64 is the same server.
func TestSameHostNAT64(t *testing.T) {
	for other, want := range map[string]bool{
		"[64:ff9b::127.0.0.1]": true, "[64:ff9b::7f00:1]": true, "[::ffff:127.0.0.1]": true, "127.0.0.1": true,
		"[64:ff9b::127.0.0.2]": false, "[64:ff9b:1::7f00:1]": false, "[2002:7f00:1::]": false, "[64:ff9b::127.0.0.1]:8080": false,
	} {
		u, err := ParsePlace("http://127.0.0.1/")
		if err != nil {
			t.Fatal(err)
		}
		v, err := ParsePlace("http://" + other + "/")
		if err != nil {
			t.Fatal(err)
		}
		if u.SameHost(v) != want || v.SameHost(u) != want || (u.Server() == v.Server()) != want {
			t.Errorf("%s: %v", other, !want)
		}
	}
}
