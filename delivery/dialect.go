package delivery

import (
	"errors"
	"slices"
	"strings"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/transform"
)

// A foreign has the parts of another product's URL that a native URL hasn't.
type foreign struct {
	dialect   *dialect.Dialect
	asked     dialect.Request
	query     string            // raw
	variant   transform.Options // for an answer with the facts of the variant
	redirects bool              // to the original, if no variant can be made
}

// dialectOf returns the dialect of a target, and the URL for the dialect's Parse. A native URL
// has no dialect: nil. Endpoints are native in every workspace. So are sources that have the
// name of a prefix.
func (c *site) dialectOf(t Target) (*dialect.Dialect, dialect.URL) {
	first, _, _ := strings.Cut(strings.TrimPrefix(t.Rest, "/"), "/")
	if endpoints[first] != nil {
		return nil, dialect.URL{}
	}
	u := dialect.URL{Path: t.Rest, RawQuery: t.RawQuery, DefaultSource: c.DefaultSource}
	if c.sources[first] == nil {
		if d, tail := dialect.Find(t.Rest); d != nil {
			u.Path = tail
			return d, u
		}
	}
	return c.dialect, u
}

// parseForeign parses the URL of another product.
func (c *site) parseForeign(a *ask, t Target, d *dialect.Dialect, u dialect.URL) (parsed, error) {
	a.endpoint = transformEndpoint
	if apikey.Within(t.Rest) || apikey.Within(t.RawQuery) {
		return parsed{}, errKeyInURL
	}
	r, err := d.Parse(u)
	if err != nil {
		return parsed{}, ofDialect(err)
	}
	decoded := append(r.Options.Query, transform.Param{Name: r.Image.Path, Value: r.Image.URL})
	if slices.ContainsFunc(decoded, func(p transform.Param) bool { return apikey.Within(p.Name) || apikey.Within(p.Value) }) {
		return parsed{}, errKeyInURL
	}
	a.foreign, a.ignored = &foreign{dialect: d, asked: r, query: t.RawQuery}, r.Ignored
	p := parsed{src: r.Image.URL + r.Image.Path, hasSrc: true} // exactly one of URL and Path is set
	p.name.bySrc = true
	p.implied, p.query = r.Options.Layers()
	return p, nil
}

// namedForeign does for a URL of another product what named does for a native URL.
func (c *site) namedForeign(d *dialect.Dialect, u dialect.URL) string {
	r, err := d.Parse(u)
	if err != nil {
		return ""
	}
	return c.namedBySrc(r.Image.URL + r.Image.Path)
}

// ofDialect returns the API error for an error of a dialect.
func ofDialect(err error) error {
	e, ok := errors.AsType[*dialect.Error](err)
	if !ok {
		return err
	}
	code := fault.InvalidOption
	switch e.Param {
	case "":
		code = fault.InvalidPath
	case "url", "src":
		code = fault.InvalidSource
	}
	return &fault.Error{Code: code, Message: e.Error(), Cause: err}
}

// renamed replaces the native parameter in an error by the URL's parameter. Other errors stay
// the same.
func (f *foreign) renamed(err error) error {
	if f == nil {
		return err
	}
	e := fault.Of(err)
	native, reason, ok := strings.Cut(e.Message, ": ")
	if !ok || e.Status() != 400 && e.Status() != 403 {
		return err
	}
	message := f.asked.Options.From(native) + ": " + reason
	if native == "src" { // no dialect has a parameter for it
		message = reason
	}
	if message == e.Message {
		return err
	}
	renamed := *e
	renamed.Message = message
	return &renamed
}
