package origin

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A Reading is a folded path, which shows whether servers may confuse two paths. If any
// server could resolve two paths to the same file, they have the same Reading, or the
// Reading of one of them [Reading.Leaves].
//
// Servers differ: they decode percent signs once or more often, and remove or fold
// characters before they look for a file. A Reading does all of it at once:
//
//	/%2576ault/a   /vault;v=1/a   /VAULT/a   /vault%2E/a        /vault/a
//	/vault%C2%A0/a   /ｖault/a   /vault::$DATA/a   /x%5Ca       /vault/a, /x/a
//	/(S(x))/vault/a   /vaułt/a   /vaulþ/a                       /vault/a
//	/pub/..%252fvault/a   /pub/%C0%AE%C0%AE/vault/a             leaves
//	/pub../vault/a   /v%2500ault/a   /va/(S(x))ult/a            leaves
//
// The zero Reading is that of "/".
type Reading struct {
	segments []segment
	leaves   bool
	other    *Reading // of the path that other servers find, see otherPaths; nil is the same
}

// A segment is one name of a folded path.
type segment struct {
	name  string
	known int  // the first bytes of name that every server reads alike, apart from case
	exact bool // every server reads the whole name alike, apart from case
	vague bool // it has characters that servers remove, or read as a dash, an underscore, an equals sign or a space
	any   bool // it may match every name: it has wildcards of Windows, or bytes that aren't UTF-8
}

// Reading returns the folded path of u.
func (u URL) Reading() Reading {
	r := readingOf(u.Path)
	last := &r
	for _, read := range otherPaths {
		if path, ok := read(u.Path); ok {
			other := readingOf(path)
			last.other = &other
			last = &other
		}
	}
	return r
}

// otherPaths return the path that some servers find, and whether it is another one: those that
// write windows-1252, those that ask for the best fit in another code page, those that write
// letters in ASCII, in two or in one, and those for which "?" is a wildcard.
var otherPaths = [...]func(string) (string, bool){fromLatin1, fitOthers, inTwoLetters, inOneLetter, keepQuestionMarks}

func readingOf(path string) (r Reading) {
	for escaped := range strings.SplitSeq(path, "/") {
		r.add(escaped)
	}
	return r
}

// Leaves reports whether some server may find a ".." in the path, which may then lead
// anywhere on its host. It also reports paths that can't be folded.
func (r Reading) Leaves() bool { return r.leaves || r.other != nil && r.other.Leaves() }

// Depth returns the number of names in the path.
func (r Reading) Depth() int { return len(r.segments) }

// Within reports whether some server may resolve the path to place, or to something below
// it. A Reading that [Reading.Leaves] is within every place.
func (r Reading) Within(place Reading) bool {
	if r.Leaves() || r.other != nil && r.other.Within(place) || place.other != nil && r.Within(*place.other) {
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

// Covers reports whether some server may resolve every path right below outer to place r, or
// to something below it. The names that r adds to outer are then dropped or wildcards, as in
// "/#1/", "/%3Fx/" and "/*/".
func (r Reading) Covers(outer Reading) bool {
	depth := outer.Depth()
	if r.other != nil && r.other.Covers(outer) {
		return true
	}
	return r.Depth() == depth && outer.Within(r) || r.Depth() == depth+1 && r.segments[depth].any && r.Within(outer)
}

// Wild reports whether r has names that may match every name.
func (r Reading) Wild() bool {
	for _, s := range r.segments {
		if s.any {
			return true
		}
	}
	return false
}

// mayBe reports whether some server may take two names for the same.
func (s segment) mayBe(want segment) bool {
	return s.any || want.any || s.name == want.name || s.shortens(want) || want.shortens(s) ||
		matches(s.name, want.name) || matches(want.name, s.name) ||
		(s.vague || want.vague) && strings.Map(dropVague, s.name) == strings.Map(dropVague, want.name)
}

// matches reports whether a name matches a pattern that has anyCharacter, as in a search of
// Windows: one character, or none at the end or before a dot.
func matches(pattern, name string) bool {
	if !strings.ContainsRune(pattern, anyCharacter) {
		return false
	}
	for pattern != "" {
		p, n := utf8.DecodeRuneInString(pattern)
		if p == anyCharacter && (name == "" || name[0] == '.') {
			pattern = pattern[n:]
			continue
		}
		c, m := utf8.DecodeRuneInString(name)
		if name == "" || p != anyCharacter && p != c {
			return false
		}
		pattern, name = pattern[n:], name[m:]
	}
	return name == ""
}

// anyCharacter stands for a "?" where it doesn't end a name. Folding keeps it.
const anyCharacter = '\uE03F'

// keepQuestionMarks returns the path that a server finds which searches for names with "?" in
// them. It reports whether there are any.
func keepQuestionMarks(path string) (string, bool) {
	if strings.IndexByte(path, '%') < 0 && ascii(path) {
		return path, false
	}
	path = decodeAll(path)
	kept := strings.Map(func(r rune) rune {
		if strings.ContainsRune("?\uFE16\uFE56\uFF1F", r) {
			return anyCharacter
		}
		return r
	}, path)
	return kept, strings.ContainsRune(kept, anyCharacter)
}

// dropVague removes what a vague character may be read as, and what may then be dropped at
// the end of a name or behind an ASCII letter.
func dropVague(r rune) rune {
	if strings.ContainsRune("-_=. ", r) || unicode.Is(unicode.Mn, r) {
		return -1
	}
	return r
}

// add appends the text between two slashes of a path.
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
	// A server that removes parameters before it decodes slashes sees other segments than one
	// that decodes first.
	mixed := strings.ContainsAny(folded, "/\\") && strings.ContainsAny(folded, cuts)
	// Where a server removes a vague character, it joins what is around it.
	joins := strings.ContainsRune(folded, vague) && (strings.IndexByte(folded, '%') >= 0 || !utf8.ValidString(folded))
	// At a zero byte some servers end the name, others remove the byte.
	if !ok || mixed || joins || overlong(folded) || strings.IndexByte(folded, 0) >= 0 {
		r.leaves = true
		return
	}
	lead, exact := kept(decode(escaped))
	for name := range strings.FieldsFuncSeq(folded, func(c rune) bool { return c == '/' || c == '\\' }) {
		removed := strings.ReplaceAll(name, string(vague), "")
		isVague := len(removed) < len(name)
		name = removed
		if isVague && (strings.Contains(name, "..") || strings.Map(dropVague, uncut(name)) == "" || cookieless(strings.Trim(name, ". "))) {
			r.leaves = true
			return
		}
		if leavesSession(name) {
			r.leaves = true
			return
		}
		if i := strings.IndexAny(name, cuts); i >= 0 {
			if session := strings.TrimLeft(name, " "); len(session) > 2 && session[0] == '(' && session[2] == '(' {
				r.leaves = true // a server that removes parameters first finds no session
				return
			}
			name = name[:i]
		}
		valid := strings.ToValidUTF8(name, "") // some servers remove the other bytes
		wild := len(valid) < len(name) || strings.ContainsAny(name, "<>*?")
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
				known = len(name) // dots and spaces may follow
			} else if strings.HasPrefix(name, lead) {
				known = len(lead)
			}
			r.segments = append(r.segments, segment{name, known, exact, isVague, wild})
			lead, exact = "", false
		}
	}
}

// climbs reports whether a segment ends in two dots. name is the segment without the dots at
// its end. nginx reads "/pub../" as "/data/pub/../" where the alias of a location ends in a
// slash and the location doesn't.
func climbs(segment, name string) bool {
	return strings.HasSuffix(segment, "..") && (name != "" || len(segment) > 1)
}

// cookieless reports whether a folded segment is a session that ASP.NET writes into paths:
// "(S(lit3py55t21z5v55vlm25s55))", "(A(x)F(y))". IIS removes it.
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

// leavesSession reports whether a folded name has a session of ASP.NET beside other text. IIS
// may join the texts around it, with those of the segments before and behind
// (CVE-2023-36899): "/va/(S(x))ult/" and "/va(S(x))/ult/" are "/vault/" then.
func leavesSession(name string) bool {
	name = strings.Trim(strings.ToValidUTF8(name, ""), ". ")
	if cookieless(name) {
		return false
	}
	for rest := name; ; {
		i := strings.IndexByte(rest, '(')
		if i < 0 {
			return false
		}
		if rest = rest[i:]; len(rest) > 3 && isLetter(rest[1]) && rest[2] == '(' && strings.Contains(rest, "))") {
			return true
		}
		rest = rest[1:]
	}
}

// cuts are the characters where some servers end a name. They begin parameters (RFC 3986
// §3.3), streams of NTFS ("vault::$INDEX_ALLOCATION"), and a decoded query or fragment.
const cuts = ";:?#"

// uncut is the name without what follows the first of the cuts.
func uncut(name string) string {
	if i := strings.IndexAny(name, cuts); i >= 0 {
		return name[:i]
	}
	return name
}

// plain reports whether a segment has only letters, digits, "-", "_" and ".". Servers then
// disagree on case only, and on dots at its end.
func plain(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isUnreserved(c) || c == '~' {
			return false
		}
	}
	return true
}

// maxFolds bounds how often a text is decoded and folded. Real links are encoded up to
// three or four times.
const maxFolds = 10

// foldText decodes and folds a text until nothing changes. It returns false where that
// needs too many rounds or makes the text much longer. It also returns false where the
// result depends on when bytes that aren't UTF-8 are removed ("%2\xFFF", "\xEF\xAC\f\x83").
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

// broken returns how many bytes of s aren't UTF-8.
func broken(s string) (n int) {
	for i, r := range s {
		if r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD") {
			n++
		}
	}
	return n
}

// decode decodes "%41" and "%u0041". IIS reads the second form, and JavaScript's escape()
// writes it.
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

// hexadecimal reads n hex digits of s from i on.
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

// overlong reports whether s has bytes that aren't UTF-8, but that old decoders read as a
// character (RFC 3629 §10), such as "\xC0\xAF" for a slash.
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

// foldRunes replaces characters that servers confuse by one of them, and removes invisible
// ones. Bytes that aren't UTF-8 stay.
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
	folded := b.String()
	for strings.Contains(folded, "  ") {
		folded = strings.ReplaceAll(folded, "  ", " ")
	}
	return folded
}

// foldValid is case folding over compatibility decomposition (Unicode 3.13, UAX #15), without
// combining marks: "ā" becomes "a" in some code pages of Windows, and stores that ignore accents
// take "й" for "и".
func foldValid(s string) string {
	s = cases.Fold().String(norm.NFKD.String(strings.Map(confuse, s)))
	return strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			return -1
		}
		return r
	}, s)
}

// vague stands for characters that some servers remove, and that others read as a dash, an
// underscore, an equals sign or a space. It is itself one of them, the soft hyphen.
const vague = '\u00AD'

// confuse maps characters that servers read as an ASCII character, and that compatibility
// decomposition doesn't find. It removes invisible characters.
func confuse(r rune) rune {
	switch r {
	case 0:
		return r
	case '+': // a space in forms
		return ' '
	case '"': // a wildcard in file names of Windows
		return '.'
	case vague, '\u00AF', '\u0332', '\u2017': // decomposition makes spaces and marks of the last three
		return vague
	case '\u02CD':
		return '_'
	case '\u02D7', '\u2043', '\u2212', '\u2500', '\u30FC', '\uFF70':
		return '-'
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
	case r >= utf8.RuneSelf && unicode.Is(unicode.Pd, r):
		return '-'
	case r >= utf8.RuneSelf && unicode.Is(unicode.Nd, r):
		return asciiDigit(r)
	}
	return r
}

// asciiDigit returns the ASCII digit of a decimal digit of any script. Unicode has them in
// runs of ten, which begin with zero (Unicode 4.6).
func asciiDigit(r rune) rune {
	for _, t := range unicode.Nd.R16 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if rune(t.Lo) <= r && r <= rune(t.Hi) {
			return '0' + (r-rune(t.Lo))%10
		}
	}
	return r
}

// decodeAll decodes a path until nothing changes, or for maxFolds times.
func decodeAll(path string) string {
	for range maxFolds {
		decoded := decode(path)
		if decoded == path {
			break
		}
		path = decoded
	}
	return path
}

// fitOthers returns the path that a server finds which asks Windows for the best fit in code
// page 1250, 1251, 1253 or 1254. It reports whether that is another path.
func fitOthers(path string) (string, bool) {
	if strings.IndexByte(path, '%') < 0 && ascii(path) {
		return path, false
	}
	path = decodeAll(path)
	changed := false
	var b strings.Builder
	for path != "" {
		r, size := utf8.DecodeRuneInString(path)
		if i := strings.IndexRune(otherFit, r); i >= 0 && size > 1 {
			b.WriteByte(otherFitASCII[utf8.RuneCountInString(otherFit[:i])])
			changed = true
		} else {
			b.WriteString(path[:size])
		}
		path = path[size:]
	}
	return b.String(), changed
}

// twoLetters are letters, with small ones only, and what is written for them in ASCII: by
// transliteration (iconv, ICU, WordPress) and by case folding, German and Scandinavian ways
// included. oneLetter are what code pages without them, and other programs, make of them.
var (
	twoLetters = map[rune]string{
		'æ': "ae", 'ǣ': "ae", 'ǽ': "ae", 'œ': "oe", 'þ': "th", 'ð': "dh", 'ß': "ss", 'ø': "oe", 'ǿ': "oe", 'å': "aa", 'ä': "ae", 'ö': "oe", 'ü': "ue",
		'ŋ': "ng", 'ĸ': "kk", 'ŀ': "l.", 'ŉ': "n", 'ƕ': "hv", 'ȣ': "ou", 'ꜳ': "aa", 'ꜵ': "ao", 'ꜷ': "au", 'ꜹ': "av", 'ꜻ': "av", 'ꜽ': "ay", 'ꝏ': "oo", 'ꝡ': "vy", 'ᵫ': "ue", 'ȸ': "db", 'ȹ': "qp",
	}
	oneLetter = map[rune]string{
		'æ': "a", 'ǣ': "a", 'ǽ': "a", 'œ': "o", 'þ': "t", 'ð': "d", 'ß': "s", 'ø': "o", 'ǿ': "o", 'ŋ': "n", 'ĸ': "k", 'ŉ': "n", 'ə': "e", 'ǝ': "e", 'ɛ': "e",
		'ɖ': "d", 'ɗ': "d", 'ɓ': "b", 'ƈ': "c", 'ȼ': "c", 'ɇ': "e", 'ƒ': "f", 'ɠ': "g", 'ħ': "h", 'ɉ': "j", 'ƙ': "k", 'ɋ': "q", 'ɍ': "r", 'ƥ': "p", 'ƭ': "t", 'ʋ': "v", 'ɏ': "y", 'ƴ': "y", 'ȥ': "z", 'ƨ': "s", 'ʟ': "l", 'ɴ': "n", 'ʀ': "r", 'ʏ': "y",
	}
)

func inTwoLetters(path string) (string, bool) { return transliterate(path, twoLetters) }
func inOneLetter(path string) (string, bool)  { return transliterate(path, oneLetter) }

// transliterate returns the path with letters replaced. It reports whether that is another
// path.
func transliterate(path string, letters map[rune]string) (string, bool) {
	if strings.IndexByte(path, '%') < 0 && ascii(path) {
		return path, false
	}
	path = norm.NFC.String(decodeAll(path))
	changed := false
	var b strings.Builder
	for path != "" {
		r, size := utf8.DecodeRuneInString(path)
		if to, ok := letters[unicode.ToLower(r)]; ok {
			b.WriteString(to)
			changed = true
		} else {
			b.WriteString(path[:size])
		}
		path = path[size:]
	}
	return b.String(), changed
}

// fromLatin1 returns the path that a server finds which writes windows-1252 or Latin-1, and
// then reads UTF-8, once or more often: "/cafÃ©" is "/café", and "/æ—¥" is "/日". It reports
// whether that is another path.
func fromLatin1(path string) (string, bool) {
	if strings.IndexByte(path, '%') < 0 && ascii(path) {
		return path, false
	}
	path = decodeAll(path)
	changed := false
	for range maxFolds {
		next, again := fromLatin1Once(path)
		if !again {
			break
		}
		path, changed = next, true
	}
	return path, changed
}

func fromLatin1Once(path string) (string, bool) {
	changed := false
	var b strings.Builder
	for path != "" {
		var run []byte // path as windows-1252
		var ends []int // of its characters in path
		n := 0
		for n < len(path) {
			r, size := utf8.DecodeRuneInString(path[n:])
			c, ok := windows1252(r)
			if size < 2 || !ok {
				break
			}
			n += size
			run, ends = append(run, c), append(ends, n)
		}
		if n == 0 {
			b.WriteByte(path[0])
			path = path[1:]
			continue
		}
		start := 0
		for i := 0; i < len(run); {
			// A character of several bytes changes. A byte that is none stays as it was.
			size := 1
			if _, long := utf8.DecodeRune(run[i:]); long > 1 {
				size, changed = long, true
				b.Write(run[i : i+size])
			} else {
				b.WriteString(path[start:ends[i]])
			}
			i += size
			start = ends[i-1]
		}
		path = path[n:]
	}
	return b.String(), changed
}

// windows1252 returns the byte of a character above ASCII in windows-1252, or in Latin-1,
// which has control characters in place of its 27 signs and letters.
func windows1252(r rune) (byte, bool) {
	if 0x80 <= r && r <= 0xFF {
		return byte(r), true
	}
	if i := strings.IndexRune(signs1252, r); i >= 0 && r > 0xFF && r != utf8.RuneError {
		return codes1252[utf8.RuneCountInString(signs1252[:i])], true
	}
	return 0, false
}

// codes1252 are the bytes of the characters of signs1252 in windows-1252.
const (
	signs1252 = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
	codes1252 = "\x80\x82\x83\x84\x85\x86\x87\x88\x89\x8A\x8B\x8C\x8E\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9A\x9B\x9C\x9E\x9F"
)

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// bestFit are characters that Windows maps to those of bestFitASCII where a program asks for
// a code page, and that decompose to nothing else. The first lines are small letters, whose
// capitals fold to them, and signs of code page 1252. They are all that Unicode's table has
// (https://www.unicode.org/Public/MAPPINGS/VENDORS/MICSFT/WindowsBestFit/bestfit1252.txt), but
// for those that confuse has for other reasons too, and for the combining marks of otherFit. The last
// line is what 1252 has itself and the code pages of DOS don't.
const (
	bestFit = "đħıłŧƀɨƚɵƫʈƶǥɡһγθσφωαδεπτ∞∩√℮₧℘" +
		"\u01C0\u01C3\u02B9\u02BA\u02BC\u02C4\u02C8\u02CB\u0589\u066A\u2032\u2035\u2107\u2217\u2223" +
		"\u2236\u223C\u2261\u2264\u2265\u2303\u2320\u2321\u2329\u232A\u3008\u3009\u250C\u2510\u2514" +
		"\u2518\u251C\u252C\u2534\u253C\u2550\u2552\u2553\u2554\u2555\u2556\u2557\u2558\u2559\u255A" +
		"\u255B\u255C\u255D\u2564\u2565\u2566\u2567\u2568\u2569\u256A\u256B\u256C\u2584\u2758\u301A" +
		"\u301B" +
		"\u2018\u2019\u201C\u201D\u201E\u2030\u2039\u203A"
	bestFitASCII = "dhiltbilottzgghgtsfoadept8nvepp" +
		"|!'\"'^'`:%'`e*|:~===^()<><>+++++--+-++++++++++++------+++_|[]" +
		"''\"\"\"%<>"
)

// otherFit are characters that code pages 1250, 1251, 1253 and 1254 map to those of
// otherFitASCII, where 1252 has them itself or maps them to others: those of ICU's tables
// (windows-1250-2000.ucm and so on). The combining marks are those of all five.
const (
	otherFit = "\u00A1\u00A2\u00A3\u00A5\u00BC\u00BD\u00BE\u00C6\u00D8\u00E6\u00F8\u0152\u0153\u02C6\u02C7" +
		"\u02D8\u02D9\u02DC\u0300\u0302\u0303\u030E\u0331\u0332\u203C\u2081\u2190\u2191\u2192\u2193" +
		"\u2194\u2195\u21A8\u221F\u2502\u250C\u2514\u2518\u252C\u2550\u2552\u2554\u2558\u2559\u255A" +
		"\u255B\u255C\u255D\u2564\u2565\u2566\u2580\u2584\u2588\u2591\u2592\u2593\u25AC\u25B2\u25BA" +
		"\u25C4\u25CB\u25D9\u263A\u263B\u263C\u2640\u2642\u266A\u266B\u301B\u301D\u301E"
	otherFitASCII = "!cLY113AOaoOo^^^'~`^~\"__!0<^>v-||L--L-T=--LLL---TTT-------^><00OO0+>dd=\"\""
)

// shortens reports whether short may be the DOS name that a file system gives to name.
// Windows and Linux (RtlGenerate8dot3Name, vfat) take six characters and a number
// ("PHOTOS~1" of "photos-long"), or fewer characters before a longer number. Where many
// names begin alike, they take two characters and four digits of a hash ("PH3A7B~2"). Three
// characters of the extension follow.
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
	if !name.exact && extension != "" && !strings.Contains(name.name, ".") {
		return false // the short name of a name without a dot has none either
	}
	room := min(6, 7-len(number))
	long, suffix := name.forDOS()
	long = long[:min(room, len(long))]
	head := min(2, len(long))
	hashed := agree(stem, long[:head]) && strings.Trim(stem[min(len(stem), head):], hexDigits) == ""
	if !name.exact { // the name may go on
		return strings.HasPrefix(stem, long) || hashed
	}
	return (stem == long || hashed && len(stem) == min(room, head+4)) && extension == suffix[:min(3, len(suffix))]
}

const hexDigits = "0123456789abcdef"

// agree reports whether one of the texts begins with the other.
func agree(a, b string) bool { return strings.HasPrefix(a, b) || strings.HasPrefix(b, a) }

// forDOS returns the characters of name and extension that short names are made of. Where s
// isn't exact, only the beginning of the name is known, and extension is empty.
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

// forDOS returns the character of a short name for r, or -1 where short names leave r out.
func forDOS(r rune) rune {
	switch r {
	case ' ', '.':
		return -1
	case ',', '=', '[', ']', '|':
		return '_'
	}
	return r
}

// kept returns the beginning of a text that every server reads alike, and that folding
// changes only in case. It reports whether that is the whole text.
func kept(s string) (string, bool) {
	n := strings.IndexFunc(s, func(c rune) bool { return c < ' ' || c > '~' || strings.ContainsRune(`%+"<>*/\`+cuts, c) })
	all := n < 0
	if all {
		n = len(s)
	} else if n > 0 && s[n] >= utf8.RuneSelf {
		n-- // the next character may be a combining mark of this letter
	}
	return strings.TrimLeft(lowerASCII(s[:n]), " "), all
}
