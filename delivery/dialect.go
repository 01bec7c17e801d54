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

// A foreign is what the URL of another product says besides its image.
type foreign struct {
	dialect   *dialect.Dialect
	asked     dialect.Request
	query     string            // raw
	variant   transform.Options // that facts are wanted of
	redirects bool              // to the original, where no variant can be made
}

// dialectOf finds the dialect that a target is written in, and the URL that the dialect
// reads. Nil is a native URL. Endpoints keep their meaning everywhere. So does a source that
// has the name of a prefix.
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

// parseForeign reads the URL of another product.
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
	p := parsed{src: r.Image.URL + r.Image.Path, hasSrc: true} // one of them is set
	p.name.bySrc = true
	p.implied, p.query = r.Options.Layers()
	return p, nil
}

// namedForeign is named of a URL of another product.
func (c *site) namedForeign(d *dialect.Dialect, u dialect.URL) string {
	r, err := d.Parse(u)
	if err != nil {
		return ""
	}
	return c.namedBySrc(r.Image.URL + r.Image.Path)
}

// ofDialect is what an error of a dialect means to clients.
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

// renamed is an error about a native parameter as one about the parameter of the URL that it
// comes from. Other errors stay as they are.
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
	if native == "src" { // the URL has no such parameter
		message = reason
	}
	if message == e.Message {
		return err
	}
	renamed := *e
	renamed.Message = message
	return &renamed
}
