package transform

import (
	"strings"
	"unicode/utf8"
)

// A Param is one decoded parameter of a URL's query.
type Param struct {
	Name, Value string
	Literal     bool // the URL spells the name without escapes
}

// A Query holds the parameters of a URL in their order, unknown ones included. A name may
// occur more than once.
type Query []Param

// A QueryError says why a query string was refused. It quotes at most the start of a
// parameter's name, never a value. Clients may see it.
type QueryError struct{ Reason string }

func (e *QueryError) Error() string { return "query string: " + e.Reason }

// ParseQuery splits a raw query string (without the "?") at each "&" and decodes names and
// values once. "+" is a space. Empty parts are skipped. Unlike [net/url.ParseQuery] it
// drops nothing silently: a malformed escape, a ";", a control character or invalid UTF-8
// is a [*QueryError].
func ParseQuery(raw string) (Query, error) {
	if strings.IndexByte(raw, ';') >= 0 {
		return nil, &QueryError{"it holds a “;”: separate parameters with “&”, and write “;” in a value as %3B"}
	}
	if raw == "" {
		return nil, nil
	}
	q := make(Query, 0, strings.Count(raw, "&")+1)
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(piece, "=")
		name, reason := unescape(rawName)
		if reason == "" {
			var value string
			if value, reason = unescape(rawValue); reason == "" {
				q = append(q, Param{Name: name, Value: value, Literal: !hasEscape(rawName)})
				continue
			}
		}
		return nil, &QueryError{"parameter " + quote(rawName) + " " + reason}
	}
	return q, nil
}

// Value returns the value of the parameter with this name, and whether the query has it. If
// the query has it twice, the error is an [*OptionError]. Use it for parameters that are
// not options, such as src. [Parse] reads options.
func (q Query) Value(name string) (value string, found bool, err error) {
	return q.only(name, func(p Param) bool { return p.Name == name })
}

// LiteralValue is Value for parameters such as sig and exp, whose names must be spelled
// without escapes. It ignores others of the same name.
func (q Query) LiteralValue(name string) (value string, found bool, err error) {
	return q.only(name, func(p Param) bool { return p.Name == name && p.Literal })
}

// Preset returns the name of the preset in the query, written as preset=NAME or p:NAME, and
// whether there is one. Two presets, an empty name, and a p:NAME with a value are an
// [*OptionError].
func (q Query) Preset() (name string, found bool, err error) {
	for _, p := range q {
		short, isShort := strings.CutPrefix(p.Name, "p:")
		switch {
		case !isShort && p.Name != "preset":
			continue
		case found:
			return "", false, &OptionError{"preset", "is given more than once; name one preset"}
		case isShort && p.Value != "":
			return "", false, &OptionError{"preset", "p:NAME takes no value; use p:NAME or preset=NAME"}
		case isShort:
			name = short
		default:
			name = p.Value
		}
		if name == "" {
			return "", false, &OptionError{"preset", "has no name; use preset=NAME or p:NAME"}
		}
		found = true
	}
	return name, found, nil
}

// only returns the value of the single parameter that is wanted.
func (q Query) only(name string, wanted func(Param) bool) (value string, found bool, err error) {
	for _, p := range q {
		if !wanted(p) {
			continue
		}
		if found {
			return "", false, &OptionError{name, "is given more than once; give it once"}
		}
		value, found = p.Value, true
	}
	return value, found, nil
}

// unescape decodes one name or value. An empty reason means success.
func unescape(raw string) (decoded, reason string) {
	decoded = raw
	if hasEscape(raw) {
		var b strings.Builder
		b.Grow(len(raw))
		for i := 0; i < len(raw); i++ {
			switch raw[i] {
			case '+':
				b.WriteByte(' ')
			case '%':
				if i+2 >= len(raw) {
					return "", "has a malformed escape: write “%” as %25"
				}
				high, ok1 := hexDigit(raw[i+1])
				low, ok2 := hexDigit(raw[i+2])
				if !ok1 || !ok2 {
					return "", "has a malformed escape: write “%” as %25"
				}
				b.WriteByte(high<<4 | low)
				i += 2
			default:
				b.WriteByte(raw[i])
			}
		}
		decoded = b.String()
	}
	if !IsText(decoded) {
		return "", "holds a control character or invalid UTF-8"
	}
	return decoded, ""
}

// hasEscape reports whether decoding changes raw.
func hasEscape(raw string) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] == '%' || raw[i] == '+' {
			return true
		}
	}
	return false
}

// IsText reports whether s is valid UTF-8 without control characters.
func IsText(s string) bool {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c < 0x20 || c == 0x7f:
			return false
		case c >= utf8.RuneSelf:
			for _, r := range s[i:] {
				// 0x80–0x9f are the C1 controls.
				if r < 0x20 || r >= 0x7f && r < 0xa0 {
					return false
				}
			}
			return utf8.ValidString(s[i:])
		}
	}
	return true
}

func hexDigit(c byte) (value byte, ok bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

const upperHex = "0123456789ABCDEF"

// appendEscaped appends s as a query value. It escapes all characters except those that RFC
// 3986 §3.4 allows in a query and that have no meaning there.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if c := s[i]; plain[c] {
			b = append(b, c)
		} else {
			b = append(b, '%', upperHex[c>>4], upperHex[c&15])
		}
	}
	return b
}

// plain are the bytes that appendEscaped doesn't escape.
var plain = func() (set [256]bool) {
	const bytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$'()*,:@/?="
	for i := 0; i < len(bytes); i++ {
		set[bytes[i]] = true
	}
	return set
}()
