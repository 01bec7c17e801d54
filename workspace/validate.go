package workspace

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/origin"
)

// Bounds of a workspace. They are far above what people need and keep what a
// request walks through short.
const (
	maxName       = 200 // bytes
	maxPatterns   = 200 // of allowed_origins, and of allowed_sources
	maxDomains    = 20
	maxSources    = 100
	maxPublicURLs = 20
	maxHeaders    = 20
	maxMarks      = 100
	maxPresets    = 500
)

const (
	namespaceRule = "3 to 63 of a-z, 0-9 and \"-\", neither starting nor ending with \"-\""
	keyRule       = "1 to 63 of a-z, 0-9, \"_\" and \"-\", starting with a letter or digit"
)

// Validate reports all that is wrong as a *[ValidationError], each problem with
// what is allowed. The workspace is as [Decode] makes it, or as New and code do.
//
// operator are the keys of the dir sources that the process adds to this
// namespace. A workspace can't see them, but its marks and presets may refer to
// them, and its own sources must have other keys. Any other reference must be to a
// source or mark of the workspace: a typo there would bind a mark to nothing.
func (w *Workspace) Validate(operator ...string) error {
	return Process{Dirs: operator}.Validate(w)
}

// A Process is what the process that serves a workspace adds to it.
type Process struct {
	Dirs []string // keys of its dir sources in the workspace's namespace
	// LendsCredentials: buckets may be without credentials, and are read with those of
	// the process.
	LendsCredentials bool
}

// Validate is w's Validate in this process.
func (p Process) Validate(w *Workspace) error {
	v := validator{w: w, operator: p.Dirs, lends: p.LendsCredentials}
	v.namespace()
	v.name()
	v.patterns()
	if w.Dialect != "native" {
		v.add("dialect", "%q is unknown; the only one is \"native\"", cut(w.Dialect))
	}
	v.domains()
	v.sources()
	v.marks()
	v.presets()
	v.limits()
	return v.err()
}

type validator struct {
	problems
	w        *Workspace
	operator []string // keys of the process's dir sources
	lends    bool     // buckets may be without credentials
}

func (v *validator) namespace() {
	switch ns := v.w.Namespace; {
	case ns == "":
		v.add("namespace", "is missing: give %s", namespaceRule)
	case !ValidNamespace(ns):
		v.add("namespace", "%q is not allowed: use %s", cut(ns), namespaceRule)
	case Reserved(ns):
		v.add("namespace", "%q is reserved: choose another", ns)
	}
}

func (v *validator) name() {
	switch name := v.w.Name; {
	case len(name) > maxName:
		v.add("name", "is %d bytes long; at most %d are allowed", len(name), maxName)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		v.add("name", "must be text without control characters")
	}
}

func (v *validator) patterns() {
	v.bounded("allowed_origins", len(v.w.AllowedOrigins), maxPatterns, "patterns")
	for i, pattern := range v.w.AllowedOrigins {
		if _, err := ParseOrigins([]string{pattern}); err != nil {
			v.add(element("allowed_origins", i), "%v", err)
		}
	}
	v.bounded("allowed_sources", len(v.w.AllowedSources), maxPatterns, "patterns")
	for i, pattern := range v.w.AllowedSources {
		if _, err := origin.ParsePattern(pattern); err != nil {
			v.add(element("allowed_sources", i), "bad source pattern %q: %v; use *, example.com, *.example.com, "+
				"optionally with https:// before and a :port and a /path/ after", cut(pattern), err)
		}
	}
}

func (v *validator) domains() {
	v.bounded("domains", len(v.w.Domains), maxDomains, "domains")
	for i, domain := range v.w.Domains {
		path := element("domains", i)
		name, ok := asciiName(domain)
		_, notAddr := netip.ParseAddr(domain)
		switch {
		case notAddr == nil:
			v.add(path, "%q is an address: give a host name such as img.example.com", domain)
		case !ok || !validDomain(name):
			v.add(path, "%q is not a host name: give one such as img.example.com, without scheme, port and path", cut(domain))
		case name != domain:
			v.add(path, "%q must be written %q", cut(domain), name)
		case slices.Index(v.w.Domains, domain) < i:
			v.add(path, "%q is there twice", domain)
		}
	}
}

// validDomain reports whether a canonical name can be a workspace's.
func validDomain(name string) bool {
	ascii, ok := asciiName(name)
	return ok && ascii == name && strings.Contains(name, ".") && !strings.Contains(name, "_")
}

func (v *validator) limits() {
	limits := v.w.Limits
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"requests_per_minute", limits.RequestsPerMinute},
		{"transforms_per_minute", limits.TransformsPerMinute},
		{"transforms_per_day", limits.TransformsPerDay},
		{"transforms_per_month", limits.TransformsPerMonth},
	} {
		if limit.value < 0 {
			v.add(member("limits", limit.name), "%d is not allowed: give 0 for no limit, or a number above", limit.value)
		}
	}
}

// bounded reports a list that is too long.
func (v *validator) bounded(path string, n, most int, what string) {
	if n > most {
		v.add(path, "has %d %s; at most %d are allowed", n, what, most)
	}
}

// key checks the key or name of an element of a list.
func (v *validator) key(path, key, what string, first bool) {
	switch {
	case key == "":
		v.add(path, "is missing: give %s", keyRule)
	case !ValidSourceKey(key):
		v.add(path, "%q is not allowed: use %s", cut(key), keyRule)
	case !first:
		v.add(path, "%q is there twice: every %s needs its own", key, what)
	}
}

// hasSource reports whether requests of the workspace find a source under the key.
func (v *validator) hasSource(key string) bool {
	return v.w.source(key) != nil || slices.Contains(v.operator, key)
}

// image checks a reference to an image, `source/path` or a URL.
func (v *validator) image(path, image string) {
	if scheme, _, ok := strings.Cut(image, "://"); ok && !strings.Contains(scheme, "/") {
		u, err := origin.ParseURL(image)
		if err != nil {
			v.add(path, "%v", err)
			return
		}
		allowed, err := origin.ParseAllowlist(v.w.AllowedSources)
		switch {
		case v.w.HTTPSOnly && u.Scheme != "https":
			v.add(path, "must be an https URL, since https_only is set")
		case err == nil && !allowed.Allow(u) && !v.withinSource(u):
			v.add(path, "is a URL that allowed_sources don't allow: add a pattern for %s", u.Host)
		}
		return
	}
	key, object, _ := strings.Cut(image, "/")
	switch {
	case !ValidSourceKey(key) || object == "":
		v.add(path, "%q is not allowed: give source/path, such as media/logo.png, or a URL", cut(image))
	case !v.hasSource(key):
		v.add(path, "there is no source %q", key)
	default:
		if err := origin.CheckPath(object); err != nil {
			v.add(path, "%v", err)
		}
	}
}

// withinSource reports whether a URL is one of the workspace's own originals, which
// need no pattern.
func (v *validator) withinSource(u origin.URL) bool {
	for _, s := range v.w.Sources {
		for _, raw := range append([]string{s.URL}, s.PublicURLs...) {
			if prefix, err := origin.ParsePlace(raw); err == nil {
				if _, within := u.Within(prefix); within {
					return true
				}
			}
		}
	}
	return false
}

// reason is an error's text without the prefix that names the kind of error.
func reason(err error, kind error) string {
	if errors.Is(err, kind) {
		return strings.TrimPrefix(err.Error(), kind.Error()+": ")
	}
	return err.Error()
}
