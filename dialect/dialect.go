// Package dialect reads the image URLs of other products, so that a front end moves to
// Tintype by changing a host name.
//
// For most uses, call [Find] with the path after the namespace, then the dialect's Parse
// with what Find returned. Parse is a pure function: it looks nothing up, and what it
// returns is what a native URL could have said. The rest of a request is the same code as
// for a native URL: sources, allowlist, rights, marks, options, cache.
package dialect

import (
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/transform"
)

// A Dialect is the URL grammar of another product. There is one file for each.
type Dialect struct {
	Name string // as in the workspace's setting "dialect", such as "imgix"
	// Prefixes are where its URLs begin after the namespace, without slashes at the ends,
	// such as "_next/image".
	Prefixes []string
	// Whole reports whether a workspace may choose it for all of its URLs ("dialect").
	Whole bool

	// Parse reads a URL. It decodes the path and the query itself, once, and strictly.
	Parse func(u URL) (Request, error)
	// Verify reports whether the claim's signature is the key's. It compares in constant
	// time. Nil where the dialect has no signatures.
	Verify func(k Key, c Claim) bool

	// Params are what docs/dialects.md lists, and what the tests try.
	Params []Param
}

// A URL is what Parse reads. Nothing of it is decoded.
type URL struct {
	Path     string // after the namespace and the prefix: empty, or with its leading slash
	RawQuery string // without its question mark
	// DefaultSource is the key of the workspace's default source, which relative paths are
	// in. Empty is none: then the first segment of a path is the key of a source, or a host
	// in grammars that say so.
	DefaultSource string
	// Slow says that the client's hints (Save-Data, RTT, ECT, Downlink) tell of a slow
	// connection.
	Slow bool
}

// Key is what a decoded relative path names, as SOURCE/PATH: an object of the default
// source where there is one.
func (u URL) Key(path string) string {
	path = strings.TrimPrefix(path, "/")
	if u.DefaultSource == "" {
		return path
	}
	return u.DefaultSource + "/" + path
}

// A Request is what a URL asks for, in Tintype's words.
type Request struct {
	Image   Image
	Options Options
	Ignored []string // parameters of the dialect that Tintype can't do, as the URL spells them
	Claim   Claim
	Answer  Answer
	// RedirectOnError says that the client wants a redirect to the original where no variant
	// can be made.
	RedirectOnError bool
	// Hinted says that the answer depends on [URL.Slow].
	Hinted bool
}

// An Image names the original. Exactly one field is set.
type Image struct {
	URL string // a full URL, http or https
	// Path is SOURCE/PATH as in a native ?src=, decoded once. [URL.Key] makes it of a
	// relative path.
	Path string
}

// set names an original by what a URL says of it, decoded: a full URL or a relative path.
func (i *Image) set(u URL, name string) error {
	if isURL(name) {
		i.URL = name
		return nil
	}
	path := strings.TrimLeft(name, "/")
	if path == "" {
		return &Error{Reason: "the URL names no image: it ends where the image's path or URL should be"}
	}
	i.Path = u.Key(path)
	return nil
}

// Options are parameters of a native URL, in transform's vocabulary and query form.
type Options struct {
	Query   transform.Query
	from    []origin // of those that the URL spells differently
	implied []string // names of those that no parameter of the URL says
}

// An origin is the parameter of the URL that a native one comes from.
type origin struct{ native, from string }

// Set adds a native parameter. from is the parameter of the URL that it comes from, which
// errors name; empty is the native name. Where native is set already, the later value wins.
func (o *Options) Set(native, value, from string) {
	if from != "" && from != native {
		o.from = append(o.from, origin{native, from})
	}
	for i := range o.Query {
		if o.Query[i].Name == native {
			o.Query[i].Value = value
			return
		}
	}
	if o.Query == nil {
		o.Query = make(transform.Query, 0, 8)
	}
	o.Query = append(o.Query, transform.Param{Name: native, Value: value, Literal: true})
}

// Imply is Set of what the product does where a URL says nothing. A preset goes over it. It
// comes after all that sets the parameter.
func (o *Options) Imply(native, value, from string) {
	if _, given := o.Get(native); given {
		return
	}
	o.Set(native, value, from)
	o.implied = append(o.implied, native)
}

// Layers are the parameters that the product implies, and those that the URL gives. A preset
// stands between them.
func (o *Options) Layers() (implied, given transform.Query) {
	if len(o.implied) == 0 {
		return nil, o.Query
	}
	for _, p := range o.Query {
		if slices.Contains(o.implied, p.Name) {
			implied = append(implied, p)
		} else {
			given = append(given, p)
		}
	}
	return implied, given
}

// Get returns the value of a native parameter, and whether it is set.
func (o *Options) Get(native string) (value string, ok bool) {
	for _, p := range o.Query {
		if p.Name == native {
			return p.Value, true
		}
	}
	return "", false
}

// Unset removes a native parameter.
func (o *Options) Unset(native string) {
	o.Query = slices.DeleteFunc(o.Query, func(p transform.Param) bool { return p.Name == native })
}

// From is the parameter of the URL that a native one comes from, or native itself.
func (o *Options) From(native string) string {
	for _, origin := range slices.Backward(o.from) {
		if origin.native == native {
			return origin.from
		}
	}
	return native
}

// An Answer is what is wanted of the image.
type Answer int

const (
	AnswerImage    Answer = iota // the variant
	AnswerBlurHash               // the image's BlurHash, as text/plain
	AnswerFacts                  // size and format before and after, as Cloudflare's format=json
)

// A Claim is the signature that a URL carries. The zero Claim is none: so are words that
// the product takes for "unsigned", such as imgproxy's "unsafe".
type Claim struct {
	Signature string // as it stands in the URL
	Message   string // what the product signs: raw, as it stands in the URL
	Expires   time.Time
}

// A Key is a signing key of another product, which its owner brought along.
type Key struct {
	Secret, Salt []byte
	Algorithm    string // empty is the product's default; else sha1, sha256 or sha512
	Size         int    // how many bytes of a signature are sent; 0 is all
}

// An Error says which parameter of a URL is wrong, and what is allowed. It is safe to show.
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
	Note    string // how it differs, or why it is ignored; empty where it works
	Example string // a URL's path and query that uses it, after the prefix
	Native  string // what that means in native options, canonical
}

// A State says what becomes of a parameter.
type State string

const (
	Works   State = "works"
	Differs State = "differs" // works, but not as in the product: Note says how
	Ignored State = "ignored" // named in Tintype-Ignored, refused by strict_options
)

// All are the dialects, in the order of docs/dialects.md.
var All = []*Dialect{
	next, vercel, netlify, cloudflare, ipx,
	imgix,
	imgproxy,
	thumbor,
	cloudinary,
	weserv,
}

// Find finds the dialect whose prefix a path begins with. rest is the raw path after the
// namespace, and tail what follows the prefix.
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

// Reserved reports whether a path segment is what URLs of a dialect begin with. New sources
// may not be named so.
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

// Names are the dialects that a workspace may choose for all of its URLs.
func Names() (names []string) {
	for _, d := range All {
		if d.Whole {
			names = append(names, d.Name)
		}
	}
	return names
}

// Named returns the dialect of that name that a workspace may choose for all of its URLs,
// or nil.
func Named(name string) *Dialect {
	for _, d := range All {
		if d.Name == name && d.Whole {
			return d
		}
	}
	return nil
}
