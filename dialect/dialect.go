// Package dialect parses the image URLs of other products, so that a front end can move to
// Tintype by changing a host name.
//
// For most uses, call [Find] with the path after the namespace, then the dialect's Parse
// with the result. Parse is a pure function: it looks nothing up. Its result is a request
// that a native URL could make too. The code for native URLs handles the rest of the
// request: sources, allowlist, rights, marks, options, cache.
package dialect

import (
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/transform"
)

// A Dialect is the URL grammar of another product. Each has its own file.
type Dialect struct {
	Name string // as in the workspace's setting "dialect", such as "imgix"
	// Prefixes begin its URLs after the namespace, without slashes at the ends, such as
	// "_next/image".
	Prefixes []string
	// Whole reports whether a workspace may choose the dialect for all of its URLs.
	Whole bool

	// Parse parses a URL. It decodes the path and the query itself, once, and strictly.
	Parse func(u URL) (Request, error)
	// Verify reports whether the key made the claim's signature. It compares in constant
	// time. Nil if the dialect has no signatures.
	Verify func(k Key, c Claim) bool

	// Params are the parameters for docs/dialects.md and for the tests.
	Params []Param
}

// A URL is the input of Parse. It is not decoded.
type URL struct {
	Path     string // after the namespace and the prefix: empty, or with a leading slash
	RawQuery string // without the question mark
	// DefaultSource is the key of the workspace's default source, for relative paths. If it
	// is empty, the first segment of a path is the key of a source, or a host in some
	// grammars.
	DefaultSource string
	// Slow reports whether the client's hints (Save-Data, RTT, ECT, Downlink) mean a slow
	// connection.
	Slow bool
}

// Key returns SOURCE/PATH for a decoded relative path. With a default source, the path is
// an object key in it.
func (u URL) Key(path string) string {
	path = strings.TrimPrefix(path, "/")
	if u.DefaultSource == "" {
		return path
	}
	return u.DefaultSource + "/" + path
}

// A Request is the result of Parse, in Tintype's terms.
type Request struct {
	Image   Image
	Options Options
	Ignored []string // parameters that have no effect in Tintype, as the URL spells them
	Claim   Claim
	Answer  Answer
	// RedirectOnError asks for a redirect to the original if no variant can be made.
	RedirectOnError bool
	// Hinted means that the answer depends on [URL.Slow].
	Hinted bool
}

// An Image names the original. Exactly one field is set.
type Image struct {
	URL string // a full URL, http or https
	// Path is SOURCE/PATH as in a native ?src=, decoded once. [URL.Key] makes it from a
	// relative path.
	Path string
}

// set sets the original from a decoded text of the URL: a full URL or a relative path.
func (i *Image) set(u URL, name string) error {
	if isURL(name) {
		return i.setURL(name, "")
	}
	path := strings.TrimLeft(name, "/")
	if path == "" {
		return &Error{Reason: "the URL names no image: it ends where the image's path or URL should be"}
	}
	i.Path = u.Key(path)
	return nil
}

// setURL sets the original to a full URL. param is the parameter that has it; empty is the
// path.
func (i *Image) setURL(url, param string) error {
	if !hasHost(url) {
		return &Error{param, "the image's URL has no host: write https://HOST/PATH"}
	}
	i.URL = url
	return nil
}

// Options are parameters of a native URL, as transform parses them.
type Options struct {
	Query transform.Query
	notes []note // one for each parameter in Query
}

// A note says where a native parameter comes from.
type note struct {
	from    string // the URL's parameter, which errors name; empty is the native name
	implied bool   // the product implies it
}

// roomy has the memory of the parameters and notes of most URLs, so that they need one
// allocation.
type roomy struct {
	query [8]transform.Param
	notes [8]note
}

// Set adds a native parameter. from is the URL's parameter, which errors name; empty is the
// native name. If native is set already, the later value wins.
func (o *Options) Set(native, value, from string) {
	for i := range o.Query {
		if o.Query[i].Name == native {
			o.Query[i].Value, o.notes[i].implied = value, false
			if from != "" {
				o.notes[i].from = from
			}
			return
		}
	}
	o.add(native, value, note{from: from})
}

func (o *Options) add(native, value string, n note) {
	if o.Query == nil {
		room := new(roomy)
		o.Query, o.notes = room.query[:0], room.notes[:0]
	}
	o.Query = append(o.Query, transform.Param{Name: native, Value: value, Literal: true})
	o.notes = append(o.notes, n)
}

// Imply sets what the product does if the URL says nothing. A preset overrides it. Call it
// after all calls of Set for the parameter.
func (o *Options) Imply(native, value, from string) {
	if _, given := o.Get(native); !given {
		o.add(native, value, note{from, true})
	}
}

// Layers returns the parameters that the product implies, and those that the URL gives. A
// preset goes between them.
func (o *Options) Layers() (implied, given transform.Query) {
	if !slices.ContainsFunc(o.notes, func(n note) bool { return n.implied }) {
		return nil, o.Query
	}
	both := make(transform.Query, 0, len(o.Query)) // one allocation for the two
	for i, n := range o.notes {
		if n.implied {
			both = append(both, o.Query[i])
		}
	}
	split := len(both)
	for i, n := range o.notes {
		if !n.implied {
			both = append(both, o.Query[i])
		}
	}
	return both[:split:split], both[split:]
}

// Get returns the value of a native parameter, and whether it is set.
func (o *Options) Get(native string) (value string, ok bool) {
	for i := range o.Query {
		if p := &o.Query[i]; p.Name == native {
			return p.Value, true
		}
	}
	return "", false
}

// Unset removes a native parameter.
func (o *Options) Unset(native string) {
	for i := range o.Query {
		if o.Query[i].Name == native {
			o.Query, o.notes = slices.Delete(o.Query, i, i+1), slices.Delete(o.notes, i, i+1)
			return
		}
	}
}

// From returns the URL's parameter for a native one, or native itself.
func (o *Options) From(native string) string {
	for i, n := range o.notes {
		if o.Query[i].Name == native && n.from != "" {
			return n.from
		}
	}
	return native
}

// An Answer is the kind of answer that a URL asks for.
type Answer int

const (
	AnswerImage    Answer = iota // the variant
	AnswerBlurHash               // the image's BlurHash, as text/plain
	AnswerFacts                  // size and format before and after, as Cloudflare's format=json
)

// A Claim is the signature of a URL. An unsigned URL has the zero Claim. So has a URL with a
// word that the product takes for "unsigned", such as imgproxy's "unsafe".
type Claim struct {
	Signature string // as in the URL
	Message   string // what the product signs: raw, as in the URL
	Expires   time.Time
}

// A Key is a signing key of another product. The owner gives it to the workspace.
type Key struct {
	Secret, Salt []byte
	Algorithm    string // md5, sha1, sha256 or sha512; empty is the product's default
	Size         int    // bytes of a signature in a URL; 0 is the whole signature
}

// An Error says which parameter of a URL is wrong, and what is allowed. Clients may see it.
type Error struct {
	Param  string // as the URL spells it; empty is the URL as a whole
	Reason string
}

func (e *Error) Error() string {
	if e.Param == "" {
		return e.Reason
	}
	return e.Param + ": " + e.Reason
}

// A Param is one parameter of a dialect, for docs and tests.
type Param struct {
	Name    string // with its aliases: "w, width"
	State   State
	Note    string // how it differs, or why it is ignored; empty if it works
	Example string // path and query of a URL with the parameter, after the prefix
	Native  string // the Example's meaning as canonical native options
}

// Spellings yields the names and aliases of Params that are words. It leaves out parts of a
// path, such as WxH.
func (d *Dialect) Spellings() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, p := range d.Params {
			for name := range strings.SplitSeq(p.Name, ", ") {
				name = strings.TrimSuffix(name, "()")
				if name == strings.ToLower(name) && !yield(name) {
					return
				}
			}
		}
	}
}

// A State says how Tintype treats a parameter.
type State string

const (
	Works   State = "works"
	Differs State = "differs" // works, but not exactly as in the product: see Note
	Ignored State = "ignored" // named in Tintype-Ignored, refused by strict_options
)

// All lists the dialects in the order of docs/dialects.md.
var All = []*Dialect{
	next, vercel, netlify, cloudflare, ipx,
	imgix,
	imgproxy,
	thumbor,
	cloudinary,
	weserv,
}

// Find returns the dialect whose prefix begins a path. rest is the raw path after the
// namespace. tail is the path after the prefix.
func Find(rest string) (d *Dialect, tail string) {
	if len(rest) < 2 || rest[0] != '/' {
		return nil, ""
	}
	for _, d := range All {
		for _, prefix := range d.Prefixes {
			if tail, ok := strings.CutPrefix(rest[1:], prefix); ok && (tail == "" || tail[0] == '/') {
				return d, tail
			}
		}
	}
	return nil, ""
}

// Reserved reports whether the URLs of a dialect begin with this path segment. New sources
// can't have such a name.
func Reserved(segment string) bool {
	for _, d := range All {
		for _, prefix := range d.Prefixes {
			if first, _, _ := strings.Cut(prefix, "/"); first == segment {
				return true
			}
		}
	}
	return false
}

// Names returns the dialects that a workspace may choose for all of its URLs.
func Names() (names []string) {
	for _, d := range All {
		if d.Whole {
			names = append(names, d.Name)
		}
	}
	return names
}

// Named returns the dialect with this name if a workspace may choose it for all of its
// URLs, else nil.
func Named(name string) *Dialect {
	for _, d := range All {
		if d.Name == name && d.Whole {
			return d
		}
	}
	return nil
}
