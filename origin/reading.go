package origin

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A Reading is what servers may take the path of a URL for. Two paths that any server
// could read as one place have the same Reading, or that of one of them [Reading.Leaves].
//
// Servers differ in how often they decode percent signs, and in what they drop or fold
// before they look for a file. A Reading does all of it at once:
//
//	/%2576ault/a   /vault;v=1/a   /VAULT/a   /vault%2E/a        /vault/a
//	/vault%C2%A0/a   /ｖault/a   /vault::$DATA/a   /x%5Ca       /vault/a, /x/a
//	/(S(x))/vault/a   /vaułt/a                                  /vault/a
//	/pub/..%252fvault/a   /pub/%C0%AE%C0%AE/vault/a             leaves
//	/pub../vault/a   /v%2500ault/a                              leaves
//
// The zero Reading is that of "/".
type Reading struct {
	segments []segment
	leaves   bool
}

// A segment is one name of a folded path.
type segment struct {
	name  string
	known int  // so many bytes of name, at its beginning, are the file's but for case
	exact bool // all of them are, and there are no others
	any   bool // it may stand for every name: it has wildcards of Windows, or bytes that aren't UTF-8
}

// Reading folds the path of u. See [Reading].
func (u URL) Reading() Reading {
	var r Reading
	for escaped := range strings.SplitSeq(u.Path, "/") {
		r.add(escaped)
	}
	return r
}

// Leaves reports whether some server may find a ".." in the path, so that it may lead
// anywhere on its host, or whether the path can't be folded.
func (r Reading) Leaves() bool { return r.leaves }

// Depth is how many names the path has.
func (r Reading) Depth() int { return len(r.segments) }

// Within reports whether some server may take the path for the place of another
// Reading, or for something below it. What [Reading.Leaves] is within every place.
func (r Reading) Within(place Reading) bool {
	if r.leaves {
		return true
	}
	if len(r.segments) < len(place.segments) {
		return false
	}
	for i, want := range place.segments {
		if !r.segments[i].mayBe(want) {
			return false
		}
	}
	return true
}

func (s segment) mayBe(want segment) bool {
	return s.any || want.any || s.name == want.name || s.shortens(want) || want.shortens(s)
}

// add appends what stands between two slashes of a path.
func (r *Reading) add(escaped string) {
	if plain(escaped) {
		name := strings.TrimRight(lowerASCII(escaped), ".")
		if climbs(escaped, name) {
			r.leaves = true
		} else if name != "" {
			r.segments = append(r.segments, segment{name: name, known: len(name), exact: true})
		}
		return
	}
	folded, ok := foldText(escaped)
	// Who drops parameters before decoding slashes sees other segments than who decodes first.
	mixed := strings.ContainsAny(folded, "/\\") && strings.ContainsAny(folded, cuts)
	// Of a zero byte some servers drop what follows, others the byte alone.
	if !ok || mixed || overlong(folded) || strings.IndexByte(folded, 0) >= 0 {
		r.leaves = true
		return
	}
	lead, exact := kept(decode(escaped))
	for name := range strings.FieldsFuncSeq(folded, func(c rune) bool { return c == '/' || c == '\\' }) {
		if i := strings.IndexAny(name, cuts); i >= 0 {
			if session := strings.TrimLeft(name, " "); len(session) > 2 && session[0] == '(' && session[2] == '(' {
				r.leaves = true // who drops parameters first finds no session
				return
			}
			name = name[:i]
		}
		valid := strings.ToValidUTF8(name, "") // some drop the rest
		wild := len(valid) < len(name) || strings.ContainsAny(name, "<>*")
		trimmed := strings.Trim(valid, ". ")
		if trimmed == "" && (wild || strings.Count(valid, ".") > 1) || climbs(strings.TrimRight(valid, " "), trimmed) {
			r.leaves = true
			return
		}
		name = strings.TrimLeft(strings.TrimRight(name, ". "), " ")
		if cookieless(strings.ToValidUTF8(name, "")) {
			if wild {
				r.leaves = true
				return
			}
			continue
		}
		if name != "" {
			known := 0
			if exact = exact && strings.HasPrefix(lead, name); exact {
				known = len(name) // there may be dots and spaces behind it
			} else if strings.HasPrefix(name, lead) {
				known = len(lead)
			}
			r.segments = append(r.segments, segment{name, known, exact, wild})
			lead, exact = "", false
		}
	}
}

// climbs reports whether a segment, whose name is what is left of it without dots at its
// end, ends with two dots. nginx makes "/data/pub/../" of "/pub../" where the alias of a
// location ends with a slash and the location doesn't.
func climbs(segment, name string) bool {
	return strings.HasSuffix(segment, "..") && (name != "" || len(segment) > 1)
}

// cookieless reports whether a folded segment holds a session as ASP.NET writes it into
// paths: "(S(lit3py55t21z5v55vlm25s55))", "(A(x)F(y))". IIS leaves it out.
func cookieless(s string) bool {
	s, ok := strings.CutPrefix(s, "(")
	for n := 0; ok; n++ {
		if s == ")" {
			return n > 0
		}
		if len(s) < 3 || !isLetter(s[0]) || s[1] != '(' {
			return false
		}
		_, s, ok = strings.Cut(s, ")")
	}
	return false
}

// cuts are what some servers drop a name from: parameters (RFC 3986 §3.3), streams of
// NTFS ("vault::$INDEX_ALLOCATION"), and a query and a fragment once they are decoded.
const cuts = ";:?#"

// plain reports whether a segment has nothing but letters, digits, "-", "_" and ".":
// all that servers disagree on then is case, and dots at its end.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isUnreserved(c) || c == '~' {
			return false
		}
	}
	return true
}

// maxFolds bounds how often a text is decoded and folded. Links that went through many
// hands are encoded three times or four.
const maxFolds = 10

// foldText decodes and folds a text until nothing changes. It reports false where that
// takes too often or makes the text much longer, and where the text depends on whether
// bytes that aren't UTF-8 are dropped first ("%2\xFFF") or come together ("\xEF\xAC\f\x83").
func foldText(s string) (string, bool) {
	longest := 3 * len(s)
	for range maxFolds {
		decoded := decode(s)
		next := foldRunes(decoded)
		switch {
		case len(next) > longest, broken(next) != broken(decoded), !utf8.ValidString(next) && strings.IndexByte(next, '%') >= 0:
			return "", false
		case next == s:
			return s, true
		}
		s = next
	}
	return "", false
}

// broken is how many bytes of s aren't UTF-8.
func broken(s string) (n int) {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			n++
		}
	}
	return n
}

// decode replaces "%41" and "%u0041", which is of IIS and of JavaScript's escape(), by
// what they stand for.
func decode(s string) string {
	if strings.IndexByte(s, '%') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if v, ok := hexadecimal(s, i+1, 2); ok {
				b = append(b, byte(v))
				i += 2
				continue
			}
			if v, ok := hexadecimal(s, i+2, 4); ok && s[i+1]|0x20 == 'u' {
				b = utf8.AppendRune(b, v)
				i += 5
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

// hexadecimal reads n digits of s from i on.
func hexadecimal(s string, i, n int) (v rune, ok bool) {
	if i+n > len(s) {
		return 0, false
	}
	for _, c := range []byte(s[i : i+n]) {
		d, ok := unhex(c)
		if !ok {
			return 0, false
		}
		v = v<<4 | rune(d)
	}
	return v, true
}

// overlong reports whether s has bytes that aren't UTF-8 and that old decoders take for a
// character (RFC 3629 §10): "\xC0\xAF" for a slash.
func overlong(s string) bool {
	for i, r := range s {
		c := s[i]
		if r != utf8.RuneError || c < 0xC0 || strings.HasPrefix(s[i:], "\uFFFD") {
			continue
		}
		if c <= 0xC1 || i+1 < len(s) && s[i+1]&0xC0 == 0x80 {
			return true
		}
	}
	return false
}

// foldRunes brings characters that servers confuse into one form, and leaves out those
// that can't be seen. Bytes that aren't UTF-8 stay.
func foldRunes(s string) string {
	var b strings.Builder
	for s != "" {
		n := 0
		for n < len(s) {
			r, size := utf8.DecodeRuneInString(s[n:])
			if r == utf8.RuneError && size == 1 {
				break
			}
			n += size
		}
		b.WriteString(foldValid(s[:n]))
		if s = s[n:]; s != "" {
			b.WriteByte(s[0])
			s = s[1:]
		}
	}
	return b.String()
}

// foldValid is case folding over compatibility decomposition (Unicode 3.13, UAX #15).
func foldValid(s string) string {
	s = cases.Fold().String(norm.NFKD.String(strings.Map(confuse, s)))
	var last rune // but for marks
	return strings.Map(func(r rune) rune {
		if !unicode.Is(unicode.Mn, r) {
			last = r
		} else if last < utf8.RuneSelf {
			return -1 // "ā", for which Windows has "a" in some code pages
		}
		return r
	}, s)
}

// confuse maps what servers take for an ASCII character, besides what compatibility
// decomposition finds, and drops what can't be seen.
func confuse(r rune) rune {
	switch r {
	case 0:
		return r
	case '+': // a form's space
		return ' '
	case '"': // file names of Windows, with wildcards
		return '.'
	case '\u2044', '\u2215', '\u29F8': // "best fit" of Windows' code pages
		return '/'
	case '\u2216', '\u29F5', '\u29F9', '¥', '￥', '₩', '￦':
		return '\\'
	}
	if i := strings.IndexRune(bestFit, r); r >= utf8.RuneSelf && i >= 0 {
		return rune(bestFitASCII[utf8.RuneCountInString(bestFit[:i])])
	}
	switch {
	case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector):
		return -1
	case unicode.IsSpace(r):
		return ' '
	}
	return r
}

// bestFit are small letters that don't decompose, and for which code page 1252 of Windows
// has the ASCII letters of bestFitASCII.
const (
	bestFit      = "đħıłŧƀɨƚɵƫʈƶǥɡһγθσφωαδεπτ"
	bestFitASCII = "dhiltbilottzgghgtsfoadept"
)

// shortens reports whether short may be the name that file systems give a file or folder
// name for DOS, as Windows and Linux make them (RtlGenerate8dot3Name, vfat): six
// characters and a number ("PHOTOS~1" of "photos-long"), fewer before a longer number, or,
// where many names begin alike, two and four digits of a hash ("PH3A7B~2"). Of the
// extension there are three characters.
func (short segment) shortens(name segment) bool {
	base, extension, _ := strings.Cut(short.name, ".")
	tilde := strings.LastIndexByte(base, '~')
	if tilde <= 0 || utf8.RuneCountInString(base) > 8 || utf8.RuneCountInString(extension) > 3 {
		return false
	}
	stem, number := base[:tilde], base[tilde+1:]
	if number == "" || number[0] == '0' || strings.Trim(number, "0123456789") != "" {
		return false
	}
	room := min(6, 7-len(number))
	long, suffix := name.forDOS()
	long = long[:min(room, len(long))]
	head := min(2, len(long))
	hashed := agree(stem, long[:head]) && strings.Trim(stem[min(len(stem), head):], hexDigits) == ""
	if !name.exact { // there may be more of it
		return strings.HasPrefix(stem, long) || hashed
	}
	return (stem == long || hashed && len(stem) == min(room, head+4)) && extension == suffix[:min(3, len(suffix))]
}

const hexDigits = "0123456789abcdef"

// agree reports whether one of the texts begins with the other.
func agree(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// forDOS are name and extension as far as short names are made of them. Where s isn't
// exact, name is what is known of its beginning, and nothing is of the extension.
func (s segment) forDOS() (name, extension string) {
	name = strings.TrimLeft(s.name[:s.known], ".")
	if s.exact {
		if i := strings.LastIndexByte(name, '.'); i >= 0 {
			name, extension = name[:i], name[i+1:]
		}
	} else {
		name, _, _ = strings.Cut(name, ".")
	}
	return strings.Map(forDOS, name), strings.Map(forDOS, extension)
}

// forDOS is a character as it stands in short names: some do not.
func forDOS(r rune) rune {
	switch r {
	case ' ', '.':
		return -1
	case ',', '=', '[', ']', '|':
		return '_'
	}
	return r
}

// kept is the beginning of a text that folding leaves as it is but for case, and that no
// two servers read differently, and whether that is all of it.
func kept(s string) (string, bool) {
	n := strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c > '~' || strings.ContainsRune(`%+"<>*/\`+cuts, c) })
	all := n < 0
	if all {
		n = len(s)
	} else if n > 0 && s[n] >= utf8.RuneSelf {
		n-- // a mark may follow the letter that it belongs to
	}
	return strings.TrimLeft(lowerASCII(s[:n]), " "), all
}
