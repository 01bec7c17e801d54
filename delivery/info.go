package delivery

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/transform/facts"
	"github.com/tintype/tintype/transform/header"
)

// infoEndpoint answers with facts about an original, as JSON. Marks play no part: neither
// the facts nor some thirty numbers of a hash show the picture.
//
// What is told of an original is in up to three entries of the cache: the whole, with all
// parts that take a decode; the facts of its header alone, where nothing else has been asked
// for yet; and what its EXIF says, which only those with a right may have. The parameter
// select chooses from them, so that it is in no key.
var infoEndpoint = &endpoint{
	name: "info", lifetime: 24 * time.Hour, atMost: true, parts: []string{"metadata", "colors", "blurhash", "thumbhash"},
	cacheControl: "public, max-age=3600, s-maxage=86400",
	takes:        []string{"select", "v"},
	read:         (*site).readInfo, load: (*Service).loadInfo, make: (*Service).makeInfo,
}

// The layers of info besides the whole: see infoEndpoint.
const (
	layerHeader = "header"
	layerEXIF   = "exif"
)

// parts is a set of the parts of info.
type parts uint8

const (
	partMetadata parts = 1 << iota
	partBlurHash
	partThumbHash
	partColors
	partPalette
	partEXIF

	allParts = partEXIF - 1 // those that are told unless select= says otherwise
)

// infoParts are the parts by the words that name them in select=.
var infoParts = map[string]parts{
	"metadata": partMetadata, "blurhash": partBlurHash, "thumbhash": partThumbHash, "colors": partColors, "palette": partPalette, "exif": partEXIF,
}

// fieldNames are the fields of the answer, in their order. Those of exif are the last.
var fieldNames = [...]string{"metadata", "blurhash", "thumbhash", "colors", "palette", "exif", "iptc", "xmp", "gps"}

// partOf is the part that field i belongs to.
func partOf(i int) parts { return 1 << min(i, 5) }

// readInfo reads what info is to show, and of which original.
func (c *site) readInfo(a *ask, n name, q transform.Query) error {
	a.options = lookOptions()
	a.options.Format = transform.JSON
	if err := c.readSelect(a, n, q); err != nil {
		return err
	}
	if err := c.readPlain(a, n, q); err != nil {
		return err
	}
	a.canonical = versioned(a.options.Version)
	return nil
}

func versioned(version string) string {
	if version == "" {
		return ""
	}
	o := transform.Defaults()
	o.Version = version
	return o.String()
}

// readPlain reads src and v, and finds the original, for endpoints that take one and stamp
// no marks.
func (c *site) readPlain(a *ask, n name, q transform.Query) error {
	if err := c.takesPlain(); err != nil {
		return err
	}
	o, err := transform.Parse(transform.Defaults(), only(q, "v"))
	if err != nil {
		return err
	}
	a.options.Version = o.Version
	a.marks = withoutMarks()
	src, hasSrc, err := q.Value("src")
	if err != nil {
		return err
	}
	original, err := c.resolve(n, src, hasSrc)
	if err != nil {
		return err
	}
	a.refs = []ref{original}
	return nil
}

// takesPlain refuses what no preset describes where the workspace serves presets only.
func (c *site) takesPlain() error {
	if c.PresetsOnly {
		return fault.New(fault.PresetRequired, "this workspace serves presets only: it has no info and no placeholders")
	}
	return nil
}

// only is the parameters of these names.
func only(q transform.Query, names ...string) (some transform.Query) {
	for _, p := range q {
		if slices.Contains(names, p.Name) {
			some = append(some, p)
		}
	}
	return some
}

// lookOptions describe the small picture that facts are found in.
func lookOptions() transform.Options {
	o := transform.Defaults()
	o.Width, o.Height, o.Anim = facts.Side, facts.Side, false
	return o
}

// readSelect reads which parts are shown.
func (c *site) readSelect(a *ask, n name, q transform.Query) error {
	list, has, err := q.Value("select")
	switch {
	case err != nil:
		return err
	case has && n.part != "":
		return &transform.OptionError{Name: "select", Reason: "is said by the path already: leave it out, or ask /info"}
	case n.part == "colors":
		a.show = partColors | partPalette
		return nil
	case n.part != "":
		list = n.part
	case !has:
		a.show = allParts
		return nil
	}
	for word := range strings.SplitSeq(list, ",") {
		part, ok := infoParts[word]
		if !ok {
			return &transform.OptionError{Name: "select", Reason: fmt.Sprintf("%.40q is no part; name some of metadata, blurhash, thumbhash, colors, palette and exif, separated by commas", word)}
		}
		a.show |= part
	}
	a.secret = a.show&partEXIF != 0
	return nil
}

// loadInfo gets the entries that the answer takes, and makes it of them.
func (s *Service) loadInfo(ctx context.Context, w *Response, a *ask) (*cache.Entry, error) {
	var entries []*cache.Entry
	missed := ""
	get := func(layer string) error {
		of := *a
		of.layer = layer
		e, err := s.load(ctx, w, &of)
		if err != nil {
			return err
		}
		if w.Log.Cache == "miss" { // then the answer is one, whatever else is a hit
			missed = w.Header().Get("Cache-Status")
		}
		entries = append(entries, e)
		return nil
	}
	if a.show&allParts != 0 {
		layer, err := s.layerOf(ctx, a)
		if err != nil {
			return nil, err
		}
		if err := get(layer); err != nil {
			return nil, err
		}
	}
	if a.show&partEXIF != 0 {
		if err := get(layerEXIF); err != nil {
			return nil, err
		}
	}
	if missed != "" {
		w.Log.Cache = "miss"
		w.Header()["Cache-Status"] = []string{missed}
	}
	return renderInfo(a.show, entries)
}

// layerOf is the entry that has the parts but EXIF. The facts of the header are taken from
// the whole where that is known, and take no decode where it isn't.
func (s *Service) layerOf(ctx context.Context, a *ask) (string, error) {
	if a.show&allParts != partMetadata {
		return "", nil
	}
	whole, err := a.find(func(a *ask) (*cache.Entry, cache.Outcome, error) { return s.loader.Peek(ctx, a.key()) })
	if err != nil || whole.entry != nil && whole.entry.Code == "" {
		return "", err
	}
	return layerHeader, nil
}

// renderInfo makes the answer of what the entries have.
func renderInfo(show parts, entries []*cache.Entry) (*cache.Entry, error) {
	if show == allParts {
		return entries[0], nil
	}
	var values [len(fieldNames)][]byte
	n := 0
	for _, e := range entries {
		n += len(e.Body)
		for name, value := range fieldsOfObject(e.Body) {
			if i := slices.Index(fieldNames[:], string(name)); i >= 0 {
				values[i] = value
			}
		}
	}
	b := append(make([]byte, 0, n), '{')
	for i, name := range fieldNames {
		if show&partOf(i) == 0 || values[i] == nil {
			continue
		}
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, name...)
		b = append(b, `":`...)
		b = append(b, values[i]...)
	}
	out := *entries[0]
	out.Body = append(b, '}')
	out.ETag = etagOf(out.Body)
	return &out, nil
}

// fieldsOfObject are the fields of a JSON object that encoding/json wrote. It copies
// nothing, since hits go through it.
func fieldsOfObject(b []byte) func(yield func(name, value []byte) bool) {
	return func(yield func(name, value []byte) bool) {
		depth, quoted, start, colon := 0, false, 0, 0
		for i := 0; i < len(b); i++ {
			switch c := b[i]; {
			case quoted && c == '\\':
				i++
			case c == '"':
				quoted = !quoted
			case quoted:
			case c == '{' || c == '[':
				if depth++; depth == 1 {
					start = i + 1
				}
			case c == ':' && depth == 1:
				colon = i
			case c == ',' && depth == 1, (c == '}' || c == ']') && depth == 1:
				if colon > start+2 && !yield(b[start+1:colon-1], b[colon+1:i]) {
					return
				}
				if start = i + 1; c != ',' {
					depth--
				}
			case c == '}' || c == ']':
				depth--
			}
		}
	}
}

// fieldOf is the field of this name of a JSON object that encoding/json wrote, or nil.
func fieldOf(object []byte, name string) []byte {
	for field, value := range fieldsOfObject(object) {
		if string(field) == name {
			return value
		}
	}
	return nil
}

// Metadata is what info says of a file.
type Metadata struct {
	Bytes        int     `json:"bytes"`
	ContentType  string  `json:"contentType"`
	Format       string  `json:"format"`
	Width        int     `json:"width"` // upright
	Height       int     `json:"height"`
	Orientation  int     `json:"orientation"`
	Frames       int     `json:"frames"`
	HasAlpha     bool    `json:"hasAlpha"`
	ColorSpace   string  `json:"colorSpace"`
	BitDepth     *int    `json:"bitDepth"`
	Progressive  bool    `json:"progressive"`
	Profile      *string `json:"profile"`
	ETag         *string `json:"etag"`         // as the origin says it
	LastModified *string `json:"lastModified"` // RFC 3339
}

// makeInfo makes an entry of the layer that the ask names.
func (s *Service) makeInfo(ctx context.Context, a *ask, from []*original, background bool) (*cache.Entry, error) {
	var answer any
	switch a.layer {
	case layerHeader:
		m, err := metadataOf(from[0])
		if err != nil {
			return nil, err
		}
		answer = struct {
			Metadata Metadata `json:"metadata"`
		}{m}
	case layerEXIF:
		made, err := s.work(ctx, a, from, background, nil, transform.Job{Task: transform.TaskMetadata, Options: a.options, Format: transform.JSON})
		if err != nil {
			return nil, err
		}
		if answer, err = facts.ParseMetadata(made.Data); err != nil {
			return nil, err
		}
	default:
		m, err := metadataOf(from[0])
		if err != nil {
			return nil, err
		}
		made, err := s.work(ctx, a, from, background, nil, transform.Job{Task: transform.TaskFacts, Options: a.options, Format: transform.JSON})
		if err != nil {
			return nil, err
		}
		f, err := facts.Parse(made.Data)
		if err != nil {
			return nil, err
		}
		answer = struct {
			Metadata Metadata `json:"metadata"`
			facts.Facts
		}{m, f}
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("info: %w", err)
	}
	return &cache.Entry{Body: body, ContentType: transform.JSON.MediaType()}, nil
}

// metadataOf is what the header of an original and its origin say.
func metadataOf(o *original) (m Metadata, err error) {
	size := o.header.Upright()
	m = Metadata{
		Bytes: len(o.Body), ContentType: o.header.Format.MediaType(), Format: string(o.header.Format), Width: size.W, Height: size.H,
		Orientation: o.header.Orientation, Frames: o.header.Frames, HasAlpha: o.header.Alpha,
		ETag: textOrNil(o.ETag), LastModified: modified(o.Object),
	}
	err = o.Look(func(body []byte) error {
		d := header.Describe(body, o.header)
		m.ColorSpace, m.Progressive, m.Profile = d.ColorSpace, d.Progressive, textOrNil(d.Profile)
		if d.Bits > 0 {
			m.BitDepth = &d.Bits
		}
		return nil
	})
	return m, err
}

func textOrNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// modified is when the original was last changed, as far as its origin says.
func modified(o *origin.Object) *string {
	at, err := http.ParseTime(o.LastModified)
	if err != nil {
		return nil
	}
	return textOrNil(at.UTC().Format(time.RFC3339))
}
