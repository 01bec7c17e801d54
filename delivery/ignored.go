package delivery

import (
	"net/http"
	"slices"
	"strings"

	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/transform"
)

// What the header Tintype-Ignored holds at most.
const (
	mostIgnored    = 8
	longestIgnored = 64 // bytes of a name
)

// An Ignored is a parameter that changed nothing.
type Ignored struct {
	Name string `json:"name" doc:"As the URL spells it."`
	Hint string `json:"hint" doc:"What may be meant, such as: did you mean width? Empty where nothing is near."`
}

// hintAt says what an ignored parameter may mean.
func (a *ask) hintAt(name string) string {
	if a.foreign != nil && slices.ContainsFunc(a.foreign.dialect.Params, func(p dialect.Param) bool {
		return slices.ContainsFunc(strings.Split(p.Name, ", "), func(spelling string) bool { return strings.TrimSuffix(spelling, "()") == name })
	}) {
		return "Tintype can't do this option of " + a.foreign.dialect.Name
	}
	near := ""
	if a.foreign != nil {
		near = transform.Nearest(name, a.foreign.dialect.Spellings())
	} else {
		near = transform.Suggest(name)
	}
	if near == "" {
		return ""
	}
	return "did you mean " + near + "?"
}

// checkIgnored refuses what is ignored where the workspace asks for that.
func (a *ask) checkIgnored() error {
	if len(a.ignored) == 0 || !a.site.StrictOptions {
		return nil
	}
	name := a.ignored[0]
	message := shortName(name) + ": is no option, and this workspace refuses what would be ignored (strict_options)"
	if hint := a.hintAt(name); hint != "" {
		message += ": " + hint
	}
	return fault.New(fault.InvalidOption, message)
}

func shortName(name string) string {
	if len(name) > longestIgnored {
		return strings.ToValidUTF8(name[:longestIgnored], "") + "…"
	}
	return name
}

// nameIgnored sets the header Tintype-Ignored, which is the same for every answer to the URL.
func (a *ask) nameIgnored(h http.Header) {
	if len(a.ignored) > 0 {
		h["Tintype-Ignored"] = []string{ignoredList(a.ignored)}
	}
}

// ignoredList is the value of Tintype-Ignored: names in order, each once. What is no token
// (RFC 9110 §5.6.2) is percent-encoded, and so is the percent sign itself.
func ignoredList(names []string) string {
	encoded := make([]string, len(names))
	for i, name := range names {
		encoded[i] = tokenOf(name)
	}
	slices.Sort(encoded)
	encoded = slices.Compact(encoded)
	return strings.Join(encoded[:min(len(encoded), mostIgnored)], ", ")
}

// plainInToken reports whether a token has this byte as it is: the percent sign is left for
// escapes.
func plainInToken(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("!#$&'*+-.^_`|~", c) >= 0
}

// isToken reports whether s is a token without a percent sign.
func isToken(s string) bool {
	for i := range len(s) {
		if !plainInToken(s[i]) {
			return false
		}
	}
	return s != ""
}

func tokenOf(name string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(name) {
		c, n := name[i], 3
		plain := plainInToken(c)
		if plain {
			n = 1
		}
		if b.Len()+n > longestIgnored {
			break
		}
		if plain {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
