package transform

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// An OptionError says which parameter of a URL is wrong, why, and what is allowed. It
// quotes at most the start of the value. Clients may see it.
type OptionError struct {
	Name   string // the parameter as the URL spells it, such as "width"
	Reason string
}

func (e *OptionError) Error() string { return e.Name + ": " + e.Reason }

// quote returns the client's text in quotes, shortened for a message.
func quote(s string) string {
	const most = 40
	if len(s) <= most {
		return strconv.Quote(s)
	}
	end := most
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return strings.TrimSuffix(strconv.Quote(s[:end]), `"`) + `…"`
}
