package svg

import (
	"bytes"
	"strings"
)

// A cssBlock is a rule of a style sheet: keys and declarations. A key stands for a
// selector: ".class", "#id", an element's name, or "*".
type cssBlock struct {
	keys         []string
	declarations []byte
}

// maxCSSKeys bounds the selectors of a style sheet.
const maxCSSKeys = 20_000

// cssBlocks splits a style sheet at all braces and semicolons, also those in comments and
// strings. It applies what it can't parse to every element ("*"). That can count a
// reference too often, but never misses one.
func cssBlocks(sheet []byte) ([]cssBlock, error) {
	var blocks []cssBlock
	keys := 0
	for len(sheet) > 0 {
		n := bytes.IndexAny(sheet, "{};")
		if n < 0 {
			n = len(sheet)
		}
		prelude := bytes.TrimSpace(sheet[:n])
		open := n < len(sheet) && sheet[n] == '{'
		sheet = sheet[min(n+1, len(sheet)):]
		if !open || len(prelude) > 0 && prelude[0] == '@' && !bytes.EqualFold(prelude, []byte("@font-face")) {
			// The rest of a broken rule, or the start of a group such as @media.
			if keys++; keys > maxCSSKeys {
				return nil, tooLarge("the style sheet of the SVG has more than %d rules", maxCSSKeys)
			}
			if len(prelude) > 0 {
				blocks = append(blocks, cssBlock{[]string{"*"}, prelude})
			}
			continue
		}
		declarations := sheet
		if n = bytes.IndexByte(sheet, '}'); n >= 0 {
			declarations = sheet[:n]
			sheet = sheet[n+1:]
		} else {
			sheet = nil
		}
		if keys += 1 + bytes.Count(prelude, []byte(",")); keys > maxCSSKeys {
			return nil, tooLarge("the style sheet of the SVG has more than %d rules", maxCSSKeys)
		}
		blocks = append(blocks, cssBlock{cssKeys(prelude), declarations})
	}
	return blocks, nil
}

// cssKeys returns one key for each selector of a list. The key is from the selector's last
// part: its first class, else its id, else its name.
func cssKeys(selectors []byte) []string {
	var keys []string
	for selector := range bytes.SplitSeq(selectors, []byte(",")) {
		last := selector
		if parts := bytes.FieldsFunc(selector, func(r rune) bool { return strings.ContainsRune(" \t\r\n>+~", r) }); len(parts) > 0 {
			last = parts[len(parts)-1]
		}
		key := "*"
		for _, sign := range []byte(".#") {
			if n := bytes.IndexByte(last, sign); n >= 0 && xmlWordLength(last[n+1:]) > 0 {
				key = string(last[n : n+1+xmlWordLength(last[n+1:])])
				break
			}
		}
		if n := xmlWordLength(last); key == "*" && n > 0 && bytes.IndexByte(last, '[') < 0 {
			key = string(last[:n])
		}
		if bytes.ContainsAny(last, `[(\`) { // attribute selectors and functions can match anything
			key = "*"
		}
		keys = append(keys, key)
	}
	return keys
}

// xmlWordLength returns the length of the name at the start of b. It ends at a dot or
// colon, which begins the next part of a selector.
func xmlWordLength(b []byte) int {
	for i, c := range b {
		if !xmlNameByte(c) || c == '.' || c == ':' {
			return i
		}
	}
	return len(b)
}

// eachCSSDeclaration calls f with each property and its value.
func eachCSSDeclaration(b []byte, f func(property, value []byte) error) error {
	for declaration := range bytes.SplitSeq(b, []byte(";")) {
		property, value, ok := bytes.Cut(declaration, []byte(":"))
		if !ok {
			property, value = nil, declaration
		}
		if err := f(bytes.TrimSpace(property), bytes.TrimSpace(value)); err != nil {
			return err
		}
	}
	return nil
}

// checkCSS refuses styles that fetch something, and escapes that could hide that. It reads
// whole sheets and style attributes, whatever their syntax.
func checkCSS(b []byte) error {
	for rest := b; ; {
		n := bytes.IndexByte(rest, '\\')
		if n < 0 {
			break
		}
		if n+1 == len(rest) || rest[n+1] != '\'' && rest[n+1] != '"' {
			return unsupported("a style of the SVG holds an escaped character")
		}
		rest = rest[n+2:]
	}
	for rest := b; ; {
		n := bytes.IndexByte(rest, '@')
		if n < 0 {
			break
		}
		if rest = rest[n+1:]; len(rest) >= 6 && bytes.EqualFold(rest[:6], []byte("import")) {
			return unsupported("the SVG imports a style sheet; put the styles into the SVG")
		}
	}
	return eachCSSURL(b, func([]byte) error { return nil })
}

// cssData are the data URIs that a style may hold. No renderer reads fonts here, and no
// property draws these pictures.
var cssData = []string{"data:font/", "data:application/font", "data:application/x-font", "data:image/png", "data:image/jpeg"}

// eachCSSURL calls f with the id of each url(#id). It refuses every other url().
func eachCSSURL(b []byte, f func(id []byte) error) error {
	for {
		n := bytes.IndexByte(b, '(')
		if n < 0 {
			return nil
		}
		isURL := n >= 3 && bytes.EqualFold(b[n-3:n], []byte("url"))
		if b = b[n+1:]; !isURL {
			continue
		}
		target, _, _ := bytes.Cut(b, []byte(")"))
		target = bytes.Trim(target, " \t\r\n\"'")
		if len(target) == 0 {
			continue
		}
		if target[0] == '#' {
			if err := f(target[1:]); err != nil {
				return err
			}
			continue
		}
		if !hasOneOf(target, cssData) {
			return outsideReference()
		}
	}
}

func hasOneOf(b []byte, prefixes []string) bool {
	for _, prefix := range prefixes {
		if len(b) >= len(prefix) && strings.EqualFold(string(b[:len(prefix)]), prefix) {
			return true
		}
	}
	return false
}

func outsideReference() error {
	return unsupported("the SVG refers to something outside of it; put that into the SVG")
}

func (r *reader) readSheets(doc xmlScanner) error {
	var sheet []byte
	depth := 0 // of open elements, from a style element on
	for {
		piece, err := doc.next()
		if err != nil {
			return err
		}
		switch piece {
		case xmlEOF:
			return nil
		case xmlStart:
			if depth > 0 || string(localName(doc.name)) == "style" {
				depth++
			}
		case xmlText:
			if depth > 0 {
				text := doc.text
				if !doc.literal {
					text = unescapeXML(text)
				}
				sheet = append(sheet, text...)
			}
			continue
		}
		if depth > 0 && (piece == xmlEnd || doc.empty) {
			if depth--; depth > 0 {
				continue
			}
			if err := r.addSheet(sheet); err != nil {
				return err
			}
			sheet = sheet[:0]
		}
	}
}

func (r *reader) addSheet(sheet []byte) error {
	if err := checkCSS(sheet); err != nil {
		return err
	}
	blocks, err := cssBlocks(sheet)
	if err != nil {
		return err
	}
	for _, block := range blocks {
		var rules []rule // the rules of block.keys, once need was called
		need := func() {
			for _, key := range block.keys {
				if len(rules) == len(block.keys) {
					break
				}
				rules = append(rules, r.rule(key))
			}
		}
		err := eachCSSDeclaration(block.declarations, func(property, value []byte) error {
			if needsLayer(property, value) {
				for _, key := range block.keys {
					rule := r.rule(key)
					rule.layer = true
					r.rules[key] = rule
				}
			}
			return eachCSSURL(value, func(id []byte) error {
				need()
				to := r.named(id)
				for _, rule := range rules {
					from := [...]int{once: rule.own, eachShape: rule.paints, eachCorner: rule.corners}[usesOf(property)]
					if err := r.refer(from, to, 1, 0); err != nil {
						return err
					}
				}
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) rule(key string) rule {
	found, ok := r.rules[key]
	if !ok {
		n := len(r.nodes)
		r.nodes = append(r.nodes, node{}, node{}, node{})
		found = rule{own: n, paints: n + 1, corners: n + 2}
		r.rules[key] = found
	}
	return found
}

func localName(name []byte) []byte {
	return name[bytes.IndexByte(name, ':')+1:]
}

// A use says how often the target of a property is drawn.
type use int

const (
	once       use = iota // once for the element that has the property
	eachShape             // for each shape in the element
	eachCorner            // for each corner of these shapes
)

func usesOf(property []byte) use {
	switch strings.ToLower(string(property)) {
	case "fill", "stroke", "marker-start", "marker-end":
		return eachShape
	case "marker", "marker-mid":
		return eachCorner
	}
	return once
}

// needsLayer reports whether a property makes the renderer draw the element into a separate
// picture first.
func needsLayer(property, value []byte) bool {
	switch strings.ToLower(string(property)) {
	case "opacity":
		n, rest := leadingNumber(value)
		return !(len(rest) == 0 && n >= 1 || string(rest) == "%" && n >= 100)
	case "mask", "filter", "mix-blend-mode", "isolation":
		return !hasOneOf(value, []string{"none", "normal", "auto"})
	}
	return false
}

// checkSVGFilter bounds the filter parameters that multiply the work per pixel: the size of
// the area to read, or the number of noise layers.
func checkSVGFilter(name, value []byte) error {
	most := 0.0
	switch string(name) {
	case "order": // feConvolveMatrix
		most = 15
	case "radius": // feMorphology
		most = 50
	case "numOctaves": // feTurbulence
		most = 10
	default:
		return nil
	}
	for field := range bytes.FieldsFuncSeq(value, separates) {
		if n, _ := leadingNumber(field); n > most {
			return tooLarge("a filter of the SVG has %s=%.40q; at most %v is drawn", name, value, most)
		}
	}
	return nil
}

func separates(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '\r' || r == '\n' }
