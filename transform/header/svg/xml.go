package svg

import (
	"bytes"
	"unicode/utf8"
)

const (
	maxXMLDepth      = 100
	maxXMLElements   = 100_000
	maxXMLAttributes = 1000 // of one element
)

// An xmlScanner reads an XML document (XML 1.0, fifth edition) piece by piece, without
// copying. It accepts less than the standard and refuses the rest, so that no other parser
// can find something that this one missed. The document must be UTF-8. It has no entities
// except the five of XML, and no processing instruction with an effect. encoding/xml is ten
// times slower, since it reads byte by byte.
type xmlScanner struct {
	b    []byte
	i    int
	open [][]byte // names of the open elements, the outermost first

	elements int  // started so far
	ended    bool // the root element has ended

	// The piece that next returned:
	name    []byte    // of an element, prefix included
	attrs   []xmlAttr // of a start tag
	empty   bool      // a start tag that is also its end
	text    []byte    // may contain references unless literal is set
	literal bool
}

// An xmlAttr is an attribute as written. Its value may contain references.
type xmlAttr struct{ name, value []byte }

type xmlPiece int

const (
	xmlEOF xmlPiece = iota
	xmlStart
	xmlEnd
	xmlText
)

// newXMLScanner checks the document's encoding, its characters and its declaration.
func newXMLScanner(b []byte) (xmlScanner, error) {
	b = bytes.TrimPrefix(b, []byte("\ufeff"))
	s := xmlScanner{b: b}
	if !utf8.Valid(b) {
		return s, unsupported("the SVG is not in UTF-8; save it as UTF-8")
	}
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			return s, corrupt("the SVG holds a control character")
		}
	}
	if !hasPrefix(b, "<?xml") || len(b) > 5 && xmlNameByte(b[5]) {
		return s, nil
	}
	n := bytes.Index(b, []byte("?>"))
	if n < 0 {
		return s, truncated("the SVG ends within its declaration")
	}
	s.i = n + len("?>")
	_, rest, ok := bytes.Cut(b[:n], []byte("encoding"))
	if !ok {
		return s, nil
	}
	rest = bytes.TrimLeft(rest, " \t\r\n=")
	if len(rest) == 0 {
		return s, corrupt("the declaration of the SVG is broken")
	}
	encoding, _, ok := bytes.Cut(rest[1:], rest[:1])
	if !ok || !bytes.EqualFold(encoding, []byte("utf-8")) && !bytes.EqualFold(encoding, []byte("us-ascii")) {
		return s, unsupported("the SVG is not in UTF-8; save it as UTF-8")
	}
	return s, nil
}

// next reads the next piece. It skips comments.
func (s *xmlScanner) next() (xmlPiece, error) {
	for {
		rest := s.b[s.i:]
		switch {
		case len(rest) == 0:
			if !s.ended {
				return 0, truncated("the SVG ends within an element")
			}
			return xmlEOF, nil
		case rest[0] != '<':
			if piece, err := s.characters(rest); piece != xmlEOF || err != nil {
				return piece, err
			}
		case hasPrefix(rest, "<!--"):
			n := bytes.Index(rest[4:], []byte("--"))
			if n < 0 || len(rest) <= 4+n+2 {
				return 0, truncated("the SVG ends within a comment")
			}
			if rest[4+n+2] != '>' {
				return 0, corrupt("the SVG has a comment that holds --")
			}
			s.i += 4 + n + 3
		case hasPrefix(rest, "<![CDATA["):
			n := bytes.Index(rest, []byte("]]>"))
			if n < 0 {
				return 0, truncated("the SVG ends within a character section")
			}
			if len(s.open) == 0 {
				return 0, corrupt("the SVG has text outside its root element")
			}
			s.i += n + len("]]>")
			s.text, s.literal = rest[len("<![CDATA["):n], true
			return xmlText, nil
		case hasPrefix(rest, "<!"):
			if err := s.doctype(rest); err != nil {
				return 0, err
			}
		case hasPrefix(rest, "<?"):
			if err := s.instruction(rest); err != nil {
				return 0, err
			}
		case hasPrefix(rest, "</"):
			return xmlEnd, s.end(rest)
		default:
			return xmlStart, s.start(rest)
		}
	}
}

// characters reads text up to the next tag. Outside the root element only space is allowed;
// it returns xmlEOF then.
func (s *xmlScanner) characters(rest []byte) (xmlPiece, error) {
	n := bytes.IndexByte(rest, '<')
	if n < 0 {
		n = len(rest)
	}
	s.i += n
	s.text, s.literal = rest[:n], false
	if len(s.open) > 0 {
		return xmlText, checkXMLReferences(s.text)
	}
	if len(bytes.TrimLeft(s.text, " \t\r\n")) != 0 {
		return 0, corrupt("the SVG has text outside its root element")
	}
	return xmlEOF, nil
}

// doctype skips a document type declaration. The declaration may only name definitions of
// W3C, which no renderer fetches.
func (s *xmlScanner) doctype(rest []byte) error {
	declaration, _, whole := bytes.Cut(rest, []byte(">"))
	switch {
	case whole && !hasPrefix(rest, "<!DOCTYPE ") || s.elements > 0:
		return corrupt("the SVG has a declaration out of place")
	case bytes.IndexByte(declaration, '[') >= 0:
		return unsupported("the SVG declares entities of its own; save it as plain SVG")
	case !whole:
		return truncated("the SVG ends within a declaration")
	}
	quoted := 0
	for rest := declaration; ; quoted++ {
		n := bytes.IndexAny(rest, `"'`)
		if n < 0 {
			break
		}
		literal, after, ok := bytes.Cut(rest[n+1:], rest[n:n+1])
		if !ok {
			return corrupt("the document type of the SVG is broken")
		}
		if !hasPrefix(literal, "-//W3C//") && !hasPrefix(literal, "http://www.w3.org/") && !hasPrefix(literal, "https://www.w3.org/") {
			return unsupported("the SVG refers to a document type that is not W3C's")
		}
		rest = after
	}
	if quoted > 2 {
		return corrupt("the document type of the SVG is broken")
	}
	s.i += len(declaration) + 1
	return nil
}

// instruction skips the wrapper of Adobe's metadata, which is common and harmless. It
// refuses every other processing instruction.
func (s *xmlScanner) instruction(rest []byte) error {
	n := bytes.Index(rest, []byte("?>"))
	if n < 0 {
		return truncated("the SVG ends within a processing instruction")
	}
	if !hasPrefix(rest, "<?xpacket ") {
		return unsupported("the SVG holds a processing instruction; save it as plain SVG")
	}
	s.i += n + len("?>")
	return nil
}

func (s *xmlScanner) end(rest []byte) error {
	n := bytes.IndexByte(rest, '>')
	if n < 0 {
		return truncated("the SVG ends within a tag")
	}
	s.name = bytes.TrimRight(rest[2:n], " \t\r\n")
	if len(s.open) == 0 || !bytes.Equal(s.name, s.open[len(s.open)-1]) {
		return corrupt("an element of the SVG ends that has not begun")
	}
	s.i += n + 1
	s.close()
	return nil
}

func (s *xmlScanner) close() {
	s.open = s.open[:len(s.open)-1]
	s.ended = len(s.open) == 0
}

func (s *xmlScanner) start(rest []byte) error {
	if s.ended {
		return corrupt("the SVG has more than one root element")
	}
	if len(s.open) == maxXMLDepth {
		return tooLarge("the SVG is nested more than %d deep", maxXMLDepth)
	}
	if s.elements++; s.elements > maxXMLElements {
		return tooLarge("the SVG has more than %d elements", maxXMLElements)
	}
	i := 1 + xmlNameLength(rest[1:])
	s.name, s.attrs, s.empty = rest[1:i], s.attrs[:0], false
	for {
		space := xmlSpaceLength(rest[i:])
		i += space
		switch {
		case i == len(rest):
			return truncated("the SVG ends within a tag")
		case i == 1:
			return corrupt("the SVG has a < that begins no tag")
		case rest[i] == '>':
			s.i += i + 1
			s.open = append(s.open, s.name)
			return nil
		case rest[i] == '/' && i+1 == len(rest):
			return truncated("the SVG ends within a tag")
		case rest[i] == '/' && rest[i+1] == '>':
			s.i += i + 2
			s.empty, s.ended = true, len(s.open) == 0
			return nil
		case space == 0:
			return corrupt("a tag of the SVG is broken")
		case len(s.attrs) == maxXMLAttributes:
			return tooLarge("an element of the SVG has more than %d attributes", maxXMLAttributes)
		}
		attr, n, err := xmlAttribute(rest[i:])
		if err != nil {
			return err
		}
		s.attrs = append(s.attrs, attr)
		i += n
	}
}

// xmlAttribute reads an attribute and returns it with its length.
func xmlAttribute(b []byte) (xmlAttr, int, error) {
	i := xmlNameLength(b)
	a := xmlAttr{name: b[:i]}
	i += xmlSpaceLength(b[i:])
	if i < len(b) && (len(a.name) == 0 || b[i] != '=') {
		return a, 0, corrupt("an attribute of the SVG has no value")
	}
	i = min(i+1, len(b))
	i += xmlSpaceLength(b[i:])
	if i == len(b) {
		return a, 0, truncated("the SVG ends within a tag")
	}
	if b[i] != '"' && b[i] != '\'' {
		return a, 0, corrupt("an attribute of the SVG is not quoted")
	}
	n := bytes.IndexByte(b[i+1:], b[i])
	if n < 0 {
		return a, 0, truncated("the SVG ends within a tag")
	}
	a.value = b[i+1 : i+1+n]
	if bytes.IndexByte(a.value, '<') >= 0 {
		return a, 0, corrupt("an attribute of the SVG holds a <")
	}
	return a, i + n + 2, checkXMLReferences(a.value)
}

func xmlSpaceLength(b []byte) int {
	for i, c := range b {
		if c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return i
		}
	}
	return len(b)
}

func xmlNameLength(b []byte) int {
	for i, c := range b {
		if !xmlNameByte(c) || i == 0 && (c == '-' || c == '.' || '0' <= c && c <= '9') {
			return i
		}
	}
	return len(b)
}

// xmlNameByte accepts every byte of a character outside ASCII.
func xmlNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '_' || c == ':' || c == '-' || c == '.' || c >= utf8.RuneSelf
}

func checkXMLReferences(b []byte) error {
	for {
		n := bytes.IndexByte(b, '&')
		if n < 0 {
			return nil
		}
		b = b[n:]
		if _, n = xmlReference(b); n == 0 {
			return unsupported("the SVG uses an entity that is not one of XML's own")
		}
		b = b[n:]
	}
}

// unescapeXML replaces the references in a value. next has checked them.
func unescapeXML(b []byte) []byte {
	n := bytes.IndexByte(b, '&')
	if n < 0 {
		return b
	}
	out := append(make([]byte, 0, len(b)), b[:n]...)
	for b = b[n:]; len(b) > 0; {
		if r, n := xmlReference(b); n > 0 {
			out = utf8.AppendRune(out, r)
			b = b[n:]
			continue
		}
		out = append(out, b[0])
		b = b[1:]
	}
	return out
}

// xmlReference reads the character or entity reference at the start of b. It returns its
// length, or 0 if there is none.
func xmlReference(b []byte) (rune, int) {
	const longest = 12
	n := bytes.IndexByte(b[:min(len(b), longest)], ';')
	if n < 2 || b[0] != '&' {
		return 0, 0
	}
	switch string(b[1:n]) {
	case "lt":
		return '<', n + 1
	case "gt":
		return '>', n + 1
	case "amp":
		return '&', n + 1
	case "quot":
		return '"', n + 1
	case "apos":
		return '\'', n + 1
	}
	digits, base := b[1:n], rune(10)
	if digits[0] != '#' {
		return 0, 0
	}
	if digits = digits[1:]; len(digits) > 0 && digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	if len(digits) == 0 {
		return 0, 0
	}
	var r rune
	for _, c := range digits {
		d := rune(99)
		switch {
		case '0' <= c && c <= '9':
			d = rune(c - '0')
		case 'a' <= c && c <= 'f':
			d = rune(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = rune(c-'A') + 10
		}
		if d >= base || r > utf8.MaxRune {
			return 0, 0
		}
		r = r*base + d
	}
	if r < ' ' && r != '\t' && r != '\n' && r != '\r' || !utf8.ValidRune(r) {
		return 0, 0
	}
	return r, n + 1
}

func hasPrefix(b []byte, prefix string) bool {
	return len(b) >= len(prefix) && string(b[:len(prefix)]) == prefix
}
