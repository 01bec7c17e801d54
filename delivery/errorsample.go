package delivery

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// countError counts a request that was answered with an error, with a sample of what was
// asked for. It leaves out what usage leaves out.
func (s *Service) countError(ctx context.Context, w *Response, r *http.Request, t Target) {
	c := w.Log.site
	if c == nil || s.errors == nil || w.Status < 400 {
		return
	}
	if p, ok := apikey.PrincipalOf(ctx); ok && p.Test {
		return
	}
	code := cmp.Or(string(w.Log.Code), workspace.ClientGone)
	s.errors.Note(c.ID, w.Log.Source, w.Status, code, func() (path, from string) { return c.errorSample(w, r, t) })
}

// cut stands in a sample for what is left out.
const cut = "…"

// errorSample returns what an owner may see of a request that failed: the path, the options
// and, where it is refused for that, the origin of the page. Signatures, keys, passwords and
// queries of other servers may be secret, and everything that isn't known to be harmless is
// left out. It is empty where the path holds a key.
func (c *site) errorSample(w *Response, r *http.Request, t Target) (path, from string) {
	if d, u := c.dialectOf(t); d != nil {
		path = c.foreignSample(d, u, t)
	} else {
		path = c.nativeSample(t)
	}
	if path == "" {
		return "", ""
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		path = printable(r.Method) + " " + path
	}
	if len(path) > workspace.MaxErrorPath {
		path = strings.ToValidUTF8(path[:workspace.MaxErrorPath-len(cut)], "")
		if i := strings.LastIndexByte(path, '%'); i >= len(path)-2 {
			path = path[:i]
		}
		path += cut
	}
	if w.Log.Code == fault.OriginNotAllowed {
		from = originSample(r.Header["Origin"])
	}
	return path, from
}

// nativeSample is errorSample of one of our URLs.
func (c *site) nativeSample(t Target) string {
	path, ok := c.pathSample(t.Rest)
	if !ok {
		return ""
	}
	first, _, _ := strings.Cut(strings.TrimPrefix(t.Rest, "/"), "/")
	e := endpoints[first]
	if e == nil {
		e = transformEndpoint
	}
	query, err := transform.ParseQuery(t.RawQuery)
	if err != nil {
		return path
	}
	return path + c.querySample(e, query)
}

// foreignSample is errorSample of a URL of another product: the native URL that means the
// same. Its own would show the signature that is in it, or a URL that nobody can read. Of one that
// can't be understood, it shows the name of the file.
func (c *site) foreignSample(d *dialect.Dialect, u dialect.URL, t Target) string {
	r, err := d.Parse(u)
	if err != nil {
		if apikey.Within(t.Rest) || apikey.Within(t.RawQuery) {
			return ""
		}
		return strings.TrimSuffix(strings.TrimSuffix(t.Rest, u.Path), "/") + "/" + nameSample(u.Path)
	}
	if r.Image.URL != "" || c.dialect != nil { // where a path would be read as the dialect's
		src := transform.Param{Name: "src", Value: r.Image.URL + r.Image.Path}
		return "/transform" + c.querySample(transformEndpoint, append(transform.Query{src}, r.Options.Query...))
	}
	path, ok := c.pathSample("/" + (&url.URL{Path: r.Image.Path}).EscapedPath())
	if !ok {
		return ""
	}
	return path + c.querySample(transformEndpoint, r.Options.Query)
}

// nameSample returns of a path the name of the file, where it shows nothing else.
func nameSample(path string) string {
	if name := path[strings.LastIndexByte(path, '/')+1:]; fileName(name) {
		return cut + "/" + name
	}
	return cut
}

// fileName reports whether a text is a name of an image in plain letters, and no token.
func fileName(s string) bool {
	name, extension, _ := strings.Cut(s, ".")
	switch strings.ToLower(extension) {
	case "jpg", "jpeg", "png", "gif", "webp", "avif", "svg":
	default:
		return false
	}
	// A long name without - and _ may be encoded, as the URLs of some products are.
	return isToken(name) && len(name) <= 64 && (len(name) <= 24 || strings.ContainsAny(name, "-_")) && !strings.HasPrefix(name, "aHR0c")
}

// pathSample returns a raw path without what may be secret. ok is false where it holds a key.
func (c *site) pathSample(raw string) (path string, ok bool) {
	path, ok = c.cleanPath(raw)
	return cmp.Or(printable(path), "/"), ok
}

// cleanPath is pathSample without escapes of what isn't printable.
func (c *site) cleanPath(raw string) (path string, ok bool) {
	decoded := decodedOften(raw)
	if apikey.Within(raw) || apikey.Within(decoded) {
		return "", false
	}
	first, tail, _ := strings.Cut(strings.TrimPrefix(raw, "/"), "/")
	switch known := endpoints[first] != nil || c.sources[first] != nil; {
	case suspicious(decoded) && known: // of a path with another URL in it, only what we know stays
		return "/" + first + "/" + cut, true
	case suspicious(decoded):
		return "/" + cut, true
	case !known && first != "" && !workspace.ValidSourceKey(first): // such as a signature of another product
		return "/" + nameSample(tail), true
	}
	return withoutSignature(raw), true
}

// withoutSignature returns a path without a signature of Cloudinary.
func withoutSignature(path string) string {
	if !strings.Contains(path, "/s--") {
		return path
	}
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "s--") && strings.HasSuffix(s, "--") {
			segments[i] = cut
		}
	}
	return strings.Join(segments, "/")
}

// suspicious reports whether a decoded text may hold credentials, or a query.
func suspicious(decoded string) bool {
	if strings.Contains(decoded, "?") || strings.Contains(decoded, ";") {
		return true
	}
	at := strings.LastIndexByte(decoded, '@')
	return at >= 0 && (strings.Contains(decoded[:at], ":") || strings.Contains(decoded[:at], "//"))
}

// decodedOften decodes a text until nothing is left to decode, as a careless server does.
func decodedOften(s string) string {
	for range 4 {
		decoded, err := url.PathUnescape(s)
		if err != nil || decoded == s {
			return s
		}
		s = decoded
	}
	return s
}

// querySample returns the parameters that the endpoint knows, with their question mark. Of
// others it shows the name where the workspace refuses them.
func (c *site) querySample(e *endpoint, q transform.Query) string {
	var b strings.Builder
	for _, p := range q {
		value, shown := p.Value, true
		switch {
		case p.Name == "src" || p.Name == "default":
			value = c.refSample(value)
		case len(transform.Query{p}.Ignored(e.takes...)) > 0:
			value, shown = "", c.StrictOptions && plainName(p.Name)
		case transform.Harmless(p.Name): // that nobody knows, signatures among them
			shown = false
		case suspicious(decodedOften(value)):
			value = cut
		}
		if !shown || apikey.Within(p.Name) || apikey.Within(value) {
			continue
		}
		if b.Len() == 0 {
			b.WriteByte('?')
		} else {
			b.WriteByte('&')
		}
		b.WriteString(queryText(p.Name))
		if value != "" || !strings.HasPrefix(p.Name, "p:") {
			b.WriteByte('=')
			b.WriteString(queryText(value))
		}
	}
	return b.String()
}

// plainName reports whether a text looks like the name of a parameter.
func plainName(s string) bool {
	return len(s) <= 24 && !strings.ContainsFunc(s, func(r rune) bool { return (r < 'a' || r > 'z') && r != '-' && r != '_' })
}

// refSample returns the name of an original, without credentials and the query.
func (c *site) refSample(name string) string {
	decoded := decodedOften(name)
	if !hasScheme(decoded) {
		path, ok := c.cleanPath("/" + name)
		if !ok {
			return cut
		}
		return path[1:]
	}
	name, _, query := strings.Cut(name, "?")
	u, err := origin.ParsePlace(name)
	if err != nil || apikey.Within(decoded) || suspicious(decodedOften(name)) {
		scheme, _, _ := strings.Cut(decoded, "://")
		return strings.ToLower(scheme) + "://" + cut
	}
	name = strings.TrimSuffix(u.String(), u.Path) + withoutSignature(u.Path)
	if query {
		name += "?" + cut
	}
	return name
}

// originSample returns the origins of a header, where they look like some.
func originSample(given []string) string {
	if len(given) != 1 || len(given[0]) > workspace.MaxErrorOrigin {
		return ""
	}
	if given[0] == "null" {
		return "null"
	}
	u, err := url.Parse(given[0])
	if err != nil || u.Host == "" || u.Scheme+"://"+u.Host != given[0] || u.User != nil {
		return ""
	}
	return printable(given[0])
}

// printable percent-encodes what isn't visible ASCII, and quotes.
func printable(s string) string {
	return escape(s, func(c byte) bool { return c > ' ' && c < 0x7f && c != '"' && c != '\\' && c != '<' && c != '>' })
}

// queryText writes a decoded name or value as it stands in a query.
func queryText(s string) string {
	return escape(s, func(c byte) bool {
		return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~!$'()*,:@/", c) >= 0
	})
}

// escape percent-encodes all bytes that aren't plain, but for those of our ….
func escape(s string, plain func(byte) bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case plain(c):
			b.WriteByte(c)
		case strings.HasPrefix(s[i:], cut):
			b.WriteString(cut)
			i += len(cut) - 1
		default:
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}
