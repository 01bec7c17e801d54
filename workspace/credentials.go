package workspace

import (
	"net"
	"strings"
	"unicode"
)

// ReplaceCredentials replaces the user name and the password of every URL in a text, with the
// @ behind them. No setting may have them, and neither may a page or a log that shows a
// setting which is refused.
func ReplaceCredentials(text, by string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	var b strings.Builder
	for rest := text; rest != ""; {
		end := strings.IndexFunc(rest, unicode.IsSpace)
		if end < 0 {
			end = len(rest)
		}
		from, to := credentials(rest[:end])
		b.WriteString(rest[:from])
		if to > from {
			b.WriteString(by)
		}
		b.WriteString(rest[to:end])
		space := len(rest[end:]) - len(strings.TrimLeftFunc(rest[end:], unicode.IsSpace))
		b.WriteString(rest[end : end+space])
		rest = rest[end+space:]
	}
	return b.String()
}

// credentials returns where in a word the credentials of a URL begin, and where the host after
// them does. Without credentials both are 0. A password may have characters that end a host,
// such as #, so what looks like a host and can't be one counts as credentials too.
func credentials(word string) (from, to int) {
	at := strings.LastIndexByte(word, '@')
	if at < 0 {
		return 0, 0
	}
	slashes := strings.Index(word, "//")
	if slashes < 0 || slashes > at {
		from = len(word) - len(strings.TrimLeft(word, "\"'`(["))
		colon := strings.IndexByte(word, ':')
		if colon < 0 || colon > at || strings.Contains(word[:colon], "/") {
			return 0, 0
		}
		return from, at + 1
	}
	from = slashes + 2
	authority := word[from:]
	if i := strings.IndexAny(authority, "/?#"); i >= 0 {
		authority = authority[:i]
	}
	if !strings.Contains(authority, "@") && hasPort(authority) {
		return 0, 0
	}
	return from, at + 1
}

// hasPort reports whether a host has a number as its port, or none.
func hasPort(authority string) bool {
	if !strings.Contains(authority, ":") {
		return true
	}
	_, port, err := net.SplitHostPort(authority)
	return err == nil && strings.Trim(port, "0123456789") == "" || strings.HasSuffix(authority, "]")
}
