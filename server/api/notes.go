package api

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// A note is what the type of a field can't say about it.
type note struct {
	text     string
	absent   any // the value where a request leaves the field out; nil where it must be there or has none
	oneOf    []any
	pattern  string
	min, max *float64
	readOnly bool
	format   string // of a text
	example  string
}

const year = 365 * 24 * 60 * 60 // seconds

// requiredInRequests are the fields of nested objects that have no default.
var requiredInRequests = map[string][]string{
	"Source": {"key", "kind"},
	"Mark":   {"name", "image"},
	"Preset": {"name", "options"},
	"Limits": nil,
}

// notes has an entry for every field of every schema of a workspace, but for the fields of
// marks that an option describes (see noteOption).
var notes = map[string]map[string]note{
	"Workspace": {
		"namespace": {text: "First segment of the workspace's image URLs: 3 to 63 lower-case letters, digits and hyphens. Can't be changed. " +
			"Names that Tintype's own paths begin with are reserved.", pattern: workspace.NamespacePattern},
		"name": {text: "What people call the workspace.", absent: ""},
		"allowed_origins": {text: "Web origins whose pages may read images by script (CORS): `*`, `https://app.example.com`, `example.com`, " +
			"`*.example.com` (subdomains only; not of a registry's suffix, such as `*.com` and `*.co.uk`), `null`. No protection against hot-linking.", absent: []string{"*"}},
		"allowed_sources": {text: "Which full URLs may be given as `src`: `*`, `host`, `*.host`, with an optional `scheme://`, `:port` and " +
			"`/path/prefix/`. The host below `*.` must not be a registry's suffix, such as `com` or `co.uk`. An empty list allows none; the workspace's own sources are always allowed.", absent: []string{"*"}},
		"https_only":        {text: "Refuse http in full URLs given as `src`.", absent: false},
		"require_signature": {text: "Require a signature, or an API key, for the originals of every source.", absent: false},
		"presets_only":      {text: "Refuse URLs that carry other options than `preset`, `v`, `dl`, `sig` and `exp`.", absent: false},
		"dialect":           {text: "Whose URLs the workspace's are: Tintype's own (`native`), or those of another product. Endpoints and prefixes keep their meaning.", absent: workspace.Native, oneOf: dialects()},
		"default_source":    {text: "Key of the source that relative paths of dialects are in. Left out, the first segment of such a path names the source. Native URLs never use it.", absent: ""},
		"strict_options":    {text: "Refuse parameters that would be ignored, with 400 and the likely name.", absent: false},
		"allow_svg":         {text: "Accept SVG originals, which are only ever rasterised.", absent: false},
		"allow_tiff":        {text: "Accept TIFF originals.", absent: false},
		"domains": {text: "Host names that serve this workspace's images at their root, without the namespace. " +
			"Several may claim a host; the first that verifies it has it.", absent: []string{}},
		"sources": {text: "Where originals come from.", absent: []any{}},
		"marks":   {text: "Watermarks by name.", absent: []any{}},
		"presets": {text: "Transform options by name.", absent: []any{}},
		"limits":  {text: "What the workspace may use. Left out, it is unlimited."},
		"id":      {text: "Made by the server; ignored where it is sent.", readOnly: true},
		"revision": {text: "1 on creation, one more with every change. In a request, the revision that a change is based on: " +
			"another one in the store is 409 `CONFLICT`. PUT must carry it, POST ignores it.", min: number(1)},
		"created_at": {text: "Made by the server; ignored where it is sent.", readOnly: true},
		"warnings": {text: "What the workspace does that its owner may not expect: which patterns allow the hosts of a company's customers (`*.github.io`), which images of one source another one's rules close or mark. A write also answers what it makes public, or shows without a mark, and by which rule. " +
			"Left out where there are none. Made by the server; ignored where it is sent.", readOnly: true},
		"updated_at": {text: "Time of the last change. Made by the server; ignored where it is sent.", readOnly: true},
	},
	"Source": {
		"key": {text: "Names the source in URLs, after the namespace. Unique in the workspace; some words are reserved.", pattern: workspace.SourceKeyPattern},
		"kind": {text: "`http`: a URL prefix. `s3`: an S3 bucket, or one of a compatible store. `r2`: a Cloudflare R2 bucket.",
			oneOf: []any{"http", "s3", "r2"}},
		"private": {text: "Require a signature, or an API key, for the originals of this source.", absent: false},
		"url":     {text: "Kind http: what object keys are appended to. An http or https URL; a `/` at its end is added where it is missing."},
		"headers": {text: "Kind http: headers sent with every request to the origin. Values are secret: they are answered as `***`, and `***` " +
			"keeps the present value as long as key, kind, url, endpoint, account_id and bucket stay the same."},
		"public_urls":   {text: "Further URL prefixes under which the same originals can be had. A full URL below one is treated as this source."},
		"bucket":        {text: "Kinds s3 and r2: name of the bucket."},
		"region":        {text: "Kind s3: region of the bucket, such as `eu-west-1`, or `auto`."},
		"prefix":        {text: "Kinds s3 and r2: folders that are put in front of object keys, such as `photos/2026/`."},
		"endpoint":      {text: "Kind s3: scheme, host and port of a compatible store. Left out, it is AWS."},
		"account_id":    {text: "Kind r2: id of the Cloudflare account, 32 hex digits."},
		"access_key_id": {text: "Kinds s3 and r2: id of the access key."},
		"secret_access_key": {text: "Kinds s3 and r2: the secret of the access key. Answered as `***`; `***` keeps the present value as long as " +
			"key, kind, url, endpoint, account_id and bucket stay the same."},
		"ttl": {text: "Seconds that a variant is kept. 0 is one year.", absent: 0, min: number(0), max: number(year)},
		"revalidate": {text: "Seconds after which the origin is asked whether the original has changed; meanwhile the kept variant is served. " +
			"0 is never.", absent: 0, min: number(0), max: number(year)},
		"cache_control": {text: "Cache-Control that browsers and CDNs are told. Left out, it is Tintype's default."},
	},
	"Mark": {
		"name":  {text: "Names the mark in `mark=`. Unique in the workspace.", pattern: workspace.SourceKeyPattern},
		"image": {text: "The mark's image: `source/path`, or a full URL that allowed_sources allows."},
		"auto_apply_sources": {text: "Keys of the sources whose every variant is stamped with this mark, whatever the URL says.",
			absent: []string{}},
	},
	"Preset": {
		"name":    {text: "Names the preset in `preset=`. Unique in the workspace.", pattern: workspace.SourceKeyPattern},
		"options": {text: "Transform options as a query string, such as `w=320&h=320&fit=cover`. Options in the URL override them."},
	},
	"Limits": {
		"requests_per_minute":   {text: "Images delivered a minute, cached or not. 0 is unlimited.", absent: 0, min: number(0)},
		"transforms_per_minute": {text: "Variants made a minute. 0 is unlimited.", absent: 0, min: number(0)},
		"transforms_per_day":    {text: "Variants made a day (UTC): a cap on what is spent. A warning is logged at 80 %. 0 is unlimited.", absent: 0, min: number(0)},
		"transforms_per_month":  {text: "Variants made a calendar month (UTC). 0 is unlimited.", absent: 0, min: number(0)},
	},
}

func dialects() (all []any) {
	for _, name := range workspace.Dialects() {
		all = append(all, name)
	}
	return all
}

func number(n float64) *float64 { return &n }

// withOptions adds a note for each field that an option describes. options has the option
// of each field.
func withOptions(fields map[string]note, options map[string]string) map[string]note {
	all := maps.Clone(fields)
	var terms []string // in the option's text, and what the field's says
	for field, option := range options {
		terms = append(terms, "`"+option+"`", "`"+field+"`")
	}
	words := strings.NewReplacer(terms...)
	docs := transform.Vocabulary()
	for field, option := range options {
		i := slices.IndexFunc(docs, func(d transform.OptionDoc) bool { return d.Name == option })
		n := noteOption(docs[i])
		n.text = words.Replace(n.text)
		all[field] = n
	}
	return all
}

// noteOption is the note on a field with the values of an option.
//
// A position gets no enum: its words leave out spellings that are allowed too, such as
// `left,top`. A length is text in JSON, so its bounds stand in the description. So does a
// default, unless answers have the field wherever a request leaves it out.
func noteOption(doc transform.OptionDoc) note {
	d := doc.Domain
	n := note{text: doc.Meaning}
	switch d.Kind {
	case transform.KindInt, transform.KindFloat:
		n.min, n.max = &d.Min, &d.Max
	case transform.KindBool:
		n.absent = d.Default == "1"
		return n
	case transform.KindEnum:
		for _, w := range d.Words {
			n.oneOf = append(n.oneOf, w)
		}
		for _, s := range d.Synonyms {
			n.oneOf = append(n.oneOf, s.Spelling)
			n.text += fmt.Sprintf(" `%s` means `%s`.", s.Spelling, s.Word)
		}
	default:
		n.text += " Allowed: " + doc.Values + "."
		n.format, n.example = string(d.Kind), sampleValue(doc)
	}
	if d.Default != "" {
		n.text += " Default `" + d.Default + "`."
	} else {
		n.text += " Default: " + doc.Default + "."
	}
	return n
}

// sampleValue is the option's value in its example.
func sampleValue(doc transform.OptionDoc) string {
	_, query, _ := strings.Cut(doc.Sample, "?")
	values, err := url.ParseQuery(query)
	if err != nil || !values.Has(doc.Name) {
		panic("api: the example of the option " + doc.Name + " doesn't have it")
	}
	return values.Get(doc.Name)
}
