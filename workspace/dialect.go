package workspace

import (
	"fmt"
	"strings"

	"github.com/tintype/tintype/dialect"
)

// Native is the dialect of Tintype's own URLs.
const Native = "native"

// Values of fallback_format.
const (
	FallbackOriginal = "original"
	FallbackJPEG     = "jpeg"
)

// Dialects returns the allowed values of a workspace's dialect.
func Dialects() []string { return append([]string{Native}, dialect.Names()...) }

// dialect checks dialect and default_source.
func (v *validator) dialect() {
	if w := v.w; w.Dialect != Native && dialect.Named(w.Dialect) == nil {
		v.add("dialect", "%q is unknown; allowed are %s", cut(w.Dialect), quotedList(Dialects()))
	}
	if key := v.w.DefaultSource; key != "" && !v.hasSource(key) {
		v.add("default_source", "there is no source %q: give the key of a source, or leave it empty", cut(key))
	}
}

// quotedList joins names for a sentence, such as "a", "b" and "c".
func quotedList(names []string) string {
	var b strings.Builder
	for i, name := range names {
		switch i {
		case 0:
		case len(names) - 1:
			b.WriteString(" and ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(quoted(name))
	}
	return b.String()
}

// warnOfPrefixes warns of sources that hide the URLs of another product.
func (w *Workspace) warnOfPrefixes() (warnings []string) {
	for i := range w.Sources {
		if key := w.Sources[i].Key; dialect.Reserved(key) {
			warnings = append(warnings, fmt.Sprintf("source %s has the name of another product's prefix: the URLs of that product are off in this workspace, and /%[1]s/ still names the source", key))
		}
	}
	return warnings
}
