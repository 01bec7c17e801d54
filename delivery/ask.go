package delivery

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/tracing"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// generation is part of every variant key. It goes up when the engine's output for
// the same options changes.
const generation = "6"

// An ask is what a request wants, once it has been read and resolved.
type ask struct {
	site       *site
	endpoint   *endpoint
	refs       []ref         // the originals that it is made of: one, but for endpoints that take several
	again      again         // the entry is another than the first one, which is outdated
	posted     bool          // the original is sent with the request
	background bool          // no client waits for it
	forMembers bool          // it is for a page of the dashboard: see Service.Thumbnail
	client     string        // address of who asks; empty if unknown
	span       *tracing.Span // of the request; nil is not recorded
	fallback   *ref          // what default= names; nil is none
	who        sender
	access     access
	options    transform.Options
	marks      decidedMarks
	canonical  string // of options, but for the mark and what changes no byte of the output
	accept     transform.Accept
	ignored    []string     // parameters that change nothing, as the URL spells them
	foreign    *foreign     // what the URL of another product says besides; nil is one of ours
	told       *told        // of a URL that is known, see known; nil is not known
	asked      *asking      // how it was asked for, so that another server of the fleet can be asked; nil is by nobody whom that one could understand
	part       cache.PartOf // which bytes of the answer are asked for; nil is all
	lent       *cache.Lend  // the body may come as a file; nil is not
	forPeer    bool         // another server of the fleet asks, which counts what is made for it

	// Of endpoints that make no variant of one original:
	show    parts        // of info: what the answer shows
	layer   string       // of info: which of the entries; empty is the whole
	secret  bool         // it shows what is for those with a right only, whatever the source
	drawing *placeholder // of a placeholder
	grid    *grid        // of a grid
}

// A client is what the headers of a request say of who asks.
type client struct {
	accept string      // header Accept
	hints  http.Header // that client hints are in; nil is none
}

// A step is how far a request got.
type step int

const (
	stepURL    step = iota // what it asks for
	stepAccess             // whether it may have that
)

// decide finds out all about a request that takes no fetch: its options, originals and
// marks, and by what right it sees them. Deliver, Explain and requests with a body all
// come through here, so that what one of them refuses, all refuse. who is called once the
// URL has been read. Where decide fails, the ask holds what was known by then, and the
// step says at what it failed.
func (s *Service) decide(c *site, t Target, posted bool, from client, who func() (sender, error)) (a *ask, failed step, err error) {
	if a, err = s.known.read(c, t, posted, from.hints); err != nil {
		return a, stepURL, err
	}
	a.accept = s.accepted(a, from.accept)
	if a.who, err = who(); err != nil {
		return a, stepAccess, err
	}
	if err := s.authorize(a, t); err != nil {
		return a, stepAccess, err
	}
	return a, stepAccess, a.checkBlocked() // after the rights: who has none doesn't learn it
}

// accepted are the formats that the client of an Accept header can be given. A client that
// names none gets the original's format where the workspace says so: some caches keep an
// answer to it only if it is of the type that the path's extension says.
func (s *Service) accepted(a *ask, header string) transform.Accept {
	if !a.auto() || a.endpoint.read != nil || a.site.FallbackFormat != workspace.FallbackOriginal || transform.NamesFormats(header) {
		return transform.ParseAccept(header).And(s.formats)
	}
	kept := transform.AcceptKept
	switch at := a.original().at(); {
	case hasExtension(at, ".webp"):
		kept |= transform.AcceptWebP & s.formats
	case hasExtension(at, ".avif"):
		kept |= transform.AcceptAVIF & s.formats
	}
	return kept
}

func hasExtension(r ref, extension string) bool {
	path := r.key.Path
	if r.source == nil {
		path = r.url.Path
	}
	return len(path) > len(extension) && strings.EqualFold(path[len(path)-len(extension):], extension)
}

// read takes the target apart, applies the preset, finds the originals that it names, and
// decides on their marks. hints matter to dialects only. Where an error is returned, the
// options are those read by then.
func (c *site) read(t Target, posted bool, hints http.Header) (ask, error) {
	a := ask{site: c, posted: posted, options: transform.Defaults()}
	err := c.readInto(&a, t, hints)
	return a, err
}

// readInto is read into an ask of which something is known already.
func (c *site) readInto(a *ask, t Target, hints http.Header) error {
	u, err := c.parse(a, t, hints)
	if err == nil {
		err = c.readURL(a, u)
	}
	if err != nil && a.foreign != nil {
		err = a.foreign.renamed(err)
	}
	return err
}

// A parsed is what a URL says in native words. Nothing of it is looked up.
type parsed struct {
	implied, query transform.Query // a preset stands between them
	name           name
	src            string
	hasSrc         bool
}

// parse reads a URL in whichever grammar it is written. It sets a's endpoint.
func (c *site) parse(a *ask, t Target, hints http.Header) (parsed, error) {
	if d, u := c.dialectOf(t); d != nil {
		u.Slow = slow(hints)
		return c.parseForeign(a, t, d, u)
	}
	var p parsed
	var err error
	if apikey.Within(t.Rest) {
		return p, errKeyInURL
	}
	if a.endpoint, p.name, err = parseRest(t.Rest); err != nil {
		return p, err
	}
	if p.query, err = parseQuery(t.RawQuery); err != nil {
		return p, err
	}
	a.ignored = p.query.Ignored(a.endpoint.takes...)
	if a.endpoint.several {
		return p, nil
	}
	p.src, p.hasSrc, err = p.query.Value("src")
	if a.posted && (err != nil || p.hasSrc) {
		return p, fault.New(fault.InvalidSource, "src: the body is the image already; leave src out")
	}
	return p, err
}

// readURL is read of a URL that has been parsed.
func (c *site) readURL(a *ask, u parsed) error {
	if read := a.endpoint.read; read != nil {
		if err := read(c, a, u.name, u.query); err != nil {
			return err
		}
		return a.checkIgnored()
	}
	if a.foreign != nil && a.foreign.asked.Answer != dialect.AnswerImage {
		if err := c.readForeignAnswer(a, u); err != nil {
			return err
		}
		return a.checkIgnored()
	}
	err := c.readOptions(a, u)
	if err == nil {
		err = a.checkIgnored()
	}
	if err != nil {
		return err
	}
	if a.posted && a.options.Default != "" {
		return fault.New(fault.InvalidOption, "default: the image is the body, which can't be missing; leave default out")
	}
	var original ref
	if !a.posted {
		if original, err = c.resolve(u.name, u.src, u.hasSrc); err != nil {
			return err
		}
	}
	a.refs = []ref{original}
	if a.marks, err = c.decideMarks(a.options.Mark, original); err != nil {
		return err
	}
	if name := a.options.Default; name != "" {
		r, err := c.resolveName(name)
		if err != nil {
			return fault.New(fault.InvalidOption, "default: "+fault.Of(err).Message)
		}
		a.fallback = &r
	}
	return c.checkRedirectOnError(a)
}

// readOptions reads the options, over those of the preset that the query names.
func (c *site) readOptions(a *ask, u parsed) error {
	preset, hasPreset, err := u.query.Preset()
	if err != nil {
		return err
	}
	var base transform.Query
	if hasPreset {
		if base, hasPreset = c.preset(preset); !hasPreset {
			return fault.New(fault.InvalidOption, fmt.Sprintf("preset: workspace %s has no preset %q", c.Namespace, preset))
		}
	}
	if c.PresetsOnly && !a.forMembers {
		if err := onlyPreset(u.query, preset); err != nil {
			return err
		}
	}
	o, err := c.marks.Parse(u.implied, base, u.query)
	if err != nil {
		return err
	}
	a.options = o
	o.Download, o.Default = "", ""     // no byte of the output depends on them
	o.Mark = transform.Defaults().Mark // what counts is what is decided
	a.canonical = o.String()
	return nil
}

// original is the first of the originals, which the source's settings are read from.
func (a *ask) original() ref {
	if len(a.refs) == 0 {
		return ref{}
	}
	return a.refs[0]
}

// reads are all originals that the request may read by what its URL says.
func (a *ask) reads() []ref {
	asked := a.marks.asked()
	if len(asked) == 0 && a.fallback == nil {
		return a.refs
	}
	refs := append(asked, a.refs...)
	if a.fallback != nil {
		refs = append(refs, *a.fallback)
	}
	return refs
}

// onlyPreset holds a URL of a presets_only workspace to a preset and what changes
// no pixel.
func onlyPreset(q transform.Query, preset string) error {
	if preset == "" {
		return fault.New(fault.PresetRequired, "this workspace serves presets only: add preset=NAME")
	}
	for _, p := range q {
		switch p.Name {
		case "preset", "p:" + preset, "v", "dl", "sig", "exp", "src":
		default:
			return fault.New(fault.PresetRequired, "this workspace serves presets only: leave out "+p.Name)
		}
	}
	return nil
}

// auto reports whether the answer depends on the Accept header.
func (a *ask) auto() bool { return a.options.Format == transform.Auto }

// key is the hash of everything that decides the variant's bytes.
func (a *ask) key() cache.Key {
	if key, ok := a.variantKey(); ok {
		return key
	}
	b := a.appendWhat(make([]byte, 0, 512))
	add := func(field string) { b = appendField(b, field) }
	if a.auto() {
		add(a.accept.String())
	}
	if a.site.best {
		add("best")
	}
	if a.site.AllowSVG {
		add("svg")
	}
	if a.site.AllowTIFF {
		add("tiff")
	}
	if a.access.test != "" {
		add("test")
	}
	if a.site.blocked.byHash() {
		add("hashed")
	}
	if a.again.refused {
		add("again")
	}
	if a.again.purge > 0 {
		add("again after purge " + strconv.FormatInt(a.again.purge, 10))
	}
	for _, m := range a.marks.list {
		add("mark")
		if m.cell > 0 {
			add("cell " + strconv.Itoa(m.cell))
		}
		add(m.Fields())
		add(string(m.image.Hash[:]))
	}
	if a.layer != "" {
		add("layer")
		add(a.layer)
	}
	return sha256.Sum256(a.appendPurged(b))
}

// appendWhat appends the part of the key that the URL alone decides.
func (a *ask) appendWhat(b []byte) []byte {
	b = appendField(b, generation)
	if a.endpoint != transformEndpoint {
		b = appendField(b, "/"+a.endpoint.name)
	}
	b = appendField(b, a.site.ID)
	for _, r := range a.refs {
		at := r.at()
		for _, field := range [...]string{at.place(), at.key.Path, at.key.Query} {
			b = appendField(b, field)
		}
	}
	return appendField(b, a.canonical)
}

func appendField(b []byte, field string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(field))), field...)
}

// place is the part of a key that says where the original is fetched from.
func (r ref) place() string {
	if r = r.at(); r.source == nil {
		return "url"
	}
	return r.source.id
}
