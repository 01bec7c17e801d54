package workspace

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/origin"
)

const maxName = 200 // bytes

const (
	namespaceRule = "3 to 63 of a-z, 0-9 and \"-\", neither starting nor ending with \"-\""
	keyRule       = "1 to 63 of a-z, 0-9, \"_\" and \"-\", starting with a letter or digit"
)

// Validate returns a *[ValidationError] with everything that is wrong and what is allowed.
// If lists or maps are too long, it reports only that, since checking their elements could
// take long. The workspace comes from [Decode], or from New and code.
//
// operator are the keys of the operator's folders in this namespace. They are not part of
// the workspace, but its marks and presets may refer to them, and its own sources need
// other keys. Other references must name a source or a mark of the workspace. A typing
// error could otherwise bind a mark to nothing.
func (w *Workspace) Validate(operator ...string) error {
	return Process{Dirs: operator}.Validate(w)
}

// A Process describes what the serving process adds to a workspace.
type Process struct {
	Dirs        []string // keys of the operator's folders in the workspace's namespace
	PrivateDirs []string // those of Dirs whose images need a signed URL; only pages read it
	// LendsCredentials allows buckets without credentials. They are read with those of the
	// process.
	LendsCredentials bool
}

// Validate is [Workspace.Validate] for this process.
func (p Process) Validate(w *Workspace) error { return p.validate(w, w) }

// ValidateChange is Validate for a workspace w that replaces old. New sources also must not
// have names that were reserved after others took them. A nil old means that w is created.
func (p Process) ValidateChange(old, w *Workspace) error {
	if old == nil {
		old = New(w.Namespace)
	}
	return p.validate(old, w)
}

func (p Process) validate(old, w *Workspace) error {
	v := validator{w: w, old: old, operator: p.Dirs, lends: p.LendsCredentials, places: sync.OnceValue(w.places)}
	v.allowed = sync.OnceValues(func() (origin.Allowlist, error) { return origin.ParseAllowlist(w.AllowedSources) })
	v.counts(reflect.ValueOf(*w), "")
	if err := v.err(); err != nil {
		return err
	}
	v.namespace()
	v.name()
	v.patterns()
	v.dialect()
	v.answers()
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
	old      *Workspace // the workspace before the change; w if unknown
	operator []string   // keys of the operator's folders
	lends    bool       // buckets may be without credentials

	// Parsed once, since a workspace can have many URLs of images.
	allowed func() (origin.Allowlist, error)
	places  func() []origin.URL
}

func (v *validator) namespace() {
	if wrong := namespaceProblem(v.w.Namespace); wrong != "" {
		v.add("namespace", "%s", wrong)
	}
}

// namespaceProblem returns what is wrong with a namespace, or "".
func namespaceProblem(ns string) string {
	switch {
	case ns == "":
		return "is missing: give " + namespaceRule
	case !ValidNamespace(ns):
		return fmt.Sprintf("%q is not allowed: use %s", cut(ns), namespaceRule)
	case Reserved(ns):
		return fmt.Sprintf("%q is reserved: choose another", ns)
	}
	return ""
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
	for i, pattern := range v.w.AllowedOrigins {
		if _, err := ParseOrigins([]string{pattern}); err != nil {
			v.add(element("allowed_origins", i), "%v", err)
			continue
		}
		if name, ok := strings.CutPrefix(pattern, "*."); ok {
			v.below(element("allowed_origins", i), pattern, DomainName(name))
		}
	}
	for i, pattern := range v.w.AllowedSources {
		p, err := origin.ParsePattern(pattern)
		if err != nil {
			v.add(element("allowed_sources", i), "bad source pattern %q: %v; use *, example.com, *.example.com, "+
				"optionally with https:// before and a :port and a /path/ after", cut(pattern), err)
			continue
		}
		v.below(element("allowed_sources", i), pattern, p.Below())
	}
}

// below refuses a pattern for all subdomains of a registry's suffix.
func (v *validator) below(path, pattern, host string) {
	if registrySuffix(host) {
		v.add(path, "%q allows every domain that anybody registers under %s: name the domain, as in *.example.%[2]s, or allow all with *", cut(pattern), host)
	}
}

func (v *validator) domains() {
	for i, domain := range v.w.Domains {
		path := element("domains", i)
		name, ok := origin.HostName(domain)
		_, notAddr := netip.ParseAddr(domain)
		switch {
		case notAddr == nil:
			v.add(path, "%q is an address: give a host name such as img.example.com", domain)
		case !ok || !ValidDomain(name):
			v.add(path, "%q is not a host name: give one such as img.example.com, without scheme, port and path", cut(domain))
		case name != domain:
			v.add(path, "%q must be written %q", cut(domain), name)
		case registrySuffix(name):
			v.add(path, "%q is a public suffix, under which a registry sells domains: give a name such as img.example.%[1]s", name)
		case slices.Index(v.w.Domains, domain) < i:
			v.add(path, "%q is there twice", domain)
		}
	}
}

// ValidDomain reports whether a canonical name can be a domain of a workspace.
func ValidDomain(name string) bool {
	ascii, ok := origin.HostName(name)
	return ok && ascii == name && strings.Contains(name, ".") && !strings.Contains(name, "_")
}

func (v *validator) limits() {
	if p := v.w.Plan; p != "" && !ValidSourceKey(p) {
		v.add("plan", "%q is not the name of a plan: use %s", cut(p), keyRule)
	}
	for _, limit := range v.w.Limits.Named() {
		if limit.Most < 0 {
			v.add(member("limits", limit.Name), "%d is not allowed: give 0 for no limit, or a number above", limit.Most)
		}
	}
}

// key checks the key or the name of a list's element.
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

// hasSource reports whether the workspace or the operator has a source with this key.
func (v *validator) hasSource(key string) bool {
	return v.w.source(key) != nil || slices.Contains(v.operator, key)
}

// image checks a reference to an image: `source/path` or a URL.
func (v *validator) image(path, image string) {
	if scheme, _, ok := strings.Cut(image, "://"); ok && !strings.Contains(scheme, "/") {
		u, err := origin.ParseURL(image)
		if err != nil {
			v.add(path, "%v", err)
			return
		}
		allowed, err := v.allowed()
		switch {
		case v.w.HTTPSOnly && u.Scheme != "https":
			v.add(path, "must be an https URL, since https_only is set")
		case err == nil && !allowed.Allow(u) && !v.withinSource(u):
			v.add(path, "is a URL that allowed_sources don't allow: add a pattern for %s", u.Host)
		}
		return
	}
	key, object, _ := strings.Cut(image, "/")
	below, _, _ := strings.Cut(object, "/")
	switch {
	case key == "" && ValidSourceKey(below):
		v.add(path, "%q is not allowed: leave out the first slash, as in media/logo.png", cut(image))
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

// withinSource reports whether a URL is an original of the workspace's own sources, which
// need no pattern.
func (v *validator) withinSource(u origin.URL) bool {
	return slices.ContainsFunc(v.places(), func(place origin.URL) bool {
		_, within := u.Within(place)
		return within
	})
}

// places returns the prefixes of the workspace's own originals. It skips wrong ones.
func (w *Workspace) places() (all []origin.URL) {
	for i := range w.Sources {
		places, _ := w.Sources[i].Places()
		all = append(all, places...)
	}
	return all
}

// reason returns an error's text without the prefix for its kind.
func reason(err error, kind error) string {
	if errors.Is(err, kind) {
		return strings.TrimPrefix(err.Error(), kind.Error()+": ")
	}
	return err.Error()
}
