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

// A note describes a field beyond its Go type.
type note struct {
	text     string
	absent   any // the value if a request leaves the field out; nil if the field is required or has no default
	oneOf    []any
	pattern  string
	min, max *float64
	readOnly bool
	format   string // of a string: its kind
	example  string
}

const year = 365 * 24 * 60 * 60 // seconds

// requiredInRequests lists the fields of nested objects that a request can't leave out.
var requiredInRequests = map[string][]string{
	"Source": {"key", "kind"},
	"Mark":   {"name", "image"},
	"Preset": {"name", "options"},
	"Limits": nil,
	"Plan":   nil,
}

// notes has an entry for every field of every schema of a workspace, except for the fields
// of a mark that an option describes (see noteOption).
var notes = map[string]map[string]note{
	"Workspace": {
		"namespace": {text: "First segment of the workspace's image URLs: 3 to 63 lower-case letters, digits and hyphens. Can't be changed. " +
			"The first segments of Tintype's own paths are reserved.", pattern: workspace.NamespacePattern},
		"name": {text: "What people call the workspace.", absent: ""},
		"allowed_origins": {text: "Web origins whose pages may read images by script (CORS): `*`, `https://app.example.com`, `example.com`, " +
			"`*.example.com` (subdomains only; not of a public suffix, such as `*.com` and `*.co.uk`), `null`. This does not protect against hot-linking.", absent: []string{"*"}},
		"allowed_sources": {text: "Which full URLs `src` may name: `*`, `host`, `*.host`, with an optional `scheme://`, `:port` and " +
			"`/path/prefix/`. The host after `*.` must not be a public suffix, such as `com` or `co.uk`. An empty list allows none. The workspace's own sources are always allowed.", absent: []string{"*"}},
		"https_only":        {text: "Refuse http in full URLs given as `src`.", absent: false},
		"require_signature": {text: "Require a signature, or an API key, for the originals of every source.", absent: false},
		"presets_only":      {text: "Refuse URLs with options other than `preset`, `v`, `dl`, `sig` and `exp`.", absent: false},
		"dialect":           {text: "The grammar of the workspace's URLs: Tintype's own (`native`), or that of another product. Endpoints and prefixes keep their meaning.", absent: workspace.Native, oneOf: dialects()},
		"default_source":    {text: "Key of the source for relative paths in a dialect. Left out, the first segment of the path names the source. Native URLs never use it.", absent: ""},
		"strict_options":    {text: "Refuse parameters that would be ignored, with 400 and the likely name.", absent: false},
		"fallback_format": {text: "What a client gets that names no image format in Accept, such as `*/*`: the `original` format where every browser shows it, or `jpeg` (PNG where there is transparency).",
			absent: workspace.FallbackOriginal, oneOf: []any{workspace.FallbackOriginal, workspace.FallbackJPEG}},
		"cdn_cache_control": {text: "CDN-Cache-Control of public answers, where the operator has set a purge hook. Left out, it is as long as `s-maxage`.", absent: ""},
		"surrogate_key":     {text: "Send the tags of Cache-Tag as Surrogate-Key too, as Fastly reads them.", absent: false},
		"quota_headers":     {text: "Say on images too what is left of the quotas: X-Quota-Limit, X-Quota-Remaining and X-Quota-Reset. Caches in front may keep them with an answer.", absent: false},
		"allow_svg":         {text: "Accept SVG originals. The output is always a raster image.", absent: false},
		"allow_tiff":        {text: "Accept TIFF originals.", absent: false},
		"domains": {text: "Host names that serve this workspace's images at their root, without the namespace. " +
			"Several workspaces can claim a host. The first one to verify it gets it.", absent: []string{}},
		"sources": {text: "Where originals come from.", absent: []any{}},
		"marks":   {text: "Watermarks by name.", absent: []any{}},
		"presets": {text: "Transform options by name.", absent: []any{}},
		"plan": {text: "Name of the plan that bounds the limits, members, domains and API requests: GET /v1/plans lists them. Only the root key sets it; in a PUT of others, left out, it stays. Empty is no plan.",
			absent: ""},
		"limits": {text: "What the workspace may use. Left out, its plan bounds it; without a plan it is unlimited. A limit above the plan's is 400 `VALIDATION_ERROR`."},
		"id":     {text: "Set by the server; ignored in requests.", readOnly: true},
		"revision": {text: "1 on creation, one more with every change. In a request, the revision that the change is based on: " +
			"if the store has another one, the answer is 409 `CONFLICT`. PUT requires it, POST ignores it.", min: number(1)},
		"created_at": {text: "Set by the server; ignored in requests.", readOnly: true},
		"warnings": {text: "Effects that the owner may not expect: patterns that allow the hosts of a company's customers (`*.github.io`), and images of one source that the rules of another close or mark. " +
			"After a write also the URLs that it closed, the images that it made public or unmarked, and the rule that did so. Left out if there are none. Set by the server; ignored in requests.", readOnly: true},
		"updated_at": {text: "Time of the last change. Set by the server; ignored in requests.", readOnly: true},
	},
	"Source": {
		"key": {text: "Names the source in URLs, after the namespace. Unique in the workspace; some words are reserved.", pattern: workspace.SourceKeyPattern},
		"kind": {text: "`http`: a URL prefix. `s3`: an S3 bucket, or one of a compatible store. `r2`: a Cloudflare R2 bucket.",
			oneOf: []any{"http", "s3", "r2"}},
		"private": {text: "Require a signature, or an API key, for the originals of this source.", absent: false},
		"url":     {text: "Kind http: the URL that object keys are appended to. http or https. A missing `/` at its end is added."},
		"headers": {text: "Kind http: headers sent with every request to the origin. Values are secret. Answers show `***`. In a request, `***` " +
			"keeps the present value if key, kind, url, endpoint, account_id and bucket stay the same."},
		"public_urls":   {text: "Other URL prefixes of the same originals. A full URL below one is treated as this source."},
		"bucket":        {text: "Kinds s3 and r2: name of the bucket."},
		"region":        {text: "Kind s3: region of the bucket, such as `eu-west-1`, or `auto`."},
		"prefix":        {text: "Kinds s3 and r2: folders in front of each object key, such as `photos/2026/`."},
		"endpoint":      {text: "Kind s3: scheme, host and port of a compatible store. Left out, it is AWS."},
		"account_id":    {text: "Kind r2: id of the Cloudflare account, 32 hex digits."},
		"access_key_id": {text: "Kinds s3 and r2: id of the access key."},
		"secret_access_key": {text: "Kinds s3 and r2: the secret of the access key. Answers show `***`. In a request, `***` keeps the present value if " +
			"key, kind, url, endpoint, account_id and bucket stay the same."},
		"uploads": {text: "Kinds s3 and r2: let editors and API keys with the scope write put originals into the bucket, and delete them. The credentials must allow that. Left out, false."},
		"ttl":     {text: "Seconds that a variant is kept. 0 is one year.", absent: 0, min: number(0), max: number(year)},
		"revalidate": {text: "Seconds after which Tintype asks the origin whether the original has changed. It serves the cached variant until the answer is there. " +
			"0 is never.", absent: 0, min: number(0), max: number(year)},
		"cache_control": {text: "Cache-Control header for browsers and CDNs. Left out, it is Tintype's default."},
	},
	"Mark": {
		"name":  {text: "Names the mark in `mark=`. Unique in the workspace.", pattern: workspace.SourceKeyPattern},
		"image": {text: "The mark's image: `source/path`, or a full URL that allowed_sources allows."},
		"auto_apply_sources": {text: "Keys of sources. Every variant of these sources carries this mark, whatever the URL says.",
			absent: []string{}},
	},
	"Preset": {
		"name":    {text: "Names the preset in `preset=`. Unique in the workspace.", pattern: workspace.SourceKeyPattern},
		"options": {text: "Transform options as a query string, such as `w=320&h=320&fit=cover`. Options in the URL override them."},
	},
	"Limits": {
		"requests_per_minute":   {text: "Images delivered a minute, cached or not. 0 is unlimited.", absent: 0, min: number(0)},
		"transforms_per_minute": {text: "Variants made a minute. 0 is unlimited.", absent: 0, min: number(0)},
		"transforms_per_day":    {text: "Variants made a day (UTC), as a limit on costs. A warning is logged at 80 %. 0 is unlimited.", absent: 0, min: number(0)},
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

// withOptions adds a note for each field that an option describes. options maps fields to
// options.
func withOptions(fields map[string]note, options map[string]string) map[string]note {
	all := maps.Clone(fields)
	var terms []string // pairs: a name in the option's text, and its replacement
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

// noteOption returns the note on a field that takes the values of an option.
//
// A position gets no enum, since its words leave out allowed spellings such as `left,top`.
// A length is a string in JSON, so the description names its bounds. The description also
// names the default, unless answers always have the field.
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

// sampleValue returns the option's value in its example.
func sampleValue(doc transform.OptionDoc) string {
	_, query, _ := strings.Cut(doc.Sample, "?")
	values, err := url.ParseQuery(query)
	if err != nil || !values.Has(doc.Name) {
		panic("api: the example of the option " + doc.Name + " doesn't have it")
	}
	return values.Get(doc.Name)
}
