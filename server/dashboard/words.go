package dashboard

import (
	"cmp"
	"regexp"
	"strings"

	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/server/playground"
	"github.com/tintype/tintype/workspace"
)

// words has what forms call each field of a workspace, by its path without names of elements.
// Reviews say the same.
var words = map[string]string{
	"name":              "Name",
	"allowed_origins":   "Sites that may load images in scripts",
	"allowed_sources":   "External originals",
	"https_only":        "External originals by https only",
	"require_signature": "Every image needs a signed URL",
	"presets_only":      "Options by presets only",
	"strict_options":    "Refuse unknown options",
	"dialect":           "URLs",
	"default_source":    "Default source",
	"fallback_format":   "Clients that name no image format",
	"cdn_cache_control": "CDN-Cache-Control",
	"surrogate_key":     "Send tags as Surrogate-Key too",
	"quota_headers":     "Say on images what is left of the quotas",
	"allow_svg":         "Take SVG originals",
	"allow_tiff":        "Take TIFF originals",
	"domains":           "Domains",

	"sources.key":               "Key",
	"sources.kind":              "Kind",
	"sources.private":           "Private",
	"sources.url":               "URL",
	"sources.headers":           "Headers for this server",
	"sources.public_urls":       "Other URLs of the same originals",
	"sources.bucket":            "Bucket",
	"sources.region":            "Region",
	"sources.prefix":            "Prefix",
	"sources.endpoint":          "Endpoint",
	"sources.account_id":        "Account ID",
	"sources.access_key_id":     "Access key ID",
	"sources.secret_access_key": "Secret access key",
	"sources.uploads":           "Members and API keys may upload and delete images here",
	"sources.ttl":               "Seconds that a variant is kept",
	"sources.revalidate":        "Seconds until the origin is asked again",
	"sources.cache_control":     "Cache-Control for browsers",

	"marks.name":               "Name",
	"marks.image":              "Image",
	"marks.width":              "Width",
	"marks.height":             "Height",
	"marks.size":               "Width and height in one",
	"marks.fit":                "Fit into width and height",
	"marks.align":              "Place",
	"marks.pad":                "Distance from the edges",
	"marks.opacity":            "Opacity",
	"marks.repeat":             "Repeat all over the picture",
	"marks.auto_apply_sources": "Bind to sources",

	"presets.name":    "Name",
	"presets.options": "Options",

	"plan":                         "Plan",
	"limits.requests_per_minute":   "Requests a minute",
	"limits.transforms_per_minute": "Transforms a minute",
	"limits.transforms_per_day":    "Transforms a day",
	"limits.transforms_per_month":  "Transforms a month",
}

// nouns has what pages call an element of each list.
var nouns = map[string]string{"sources": "Source", "marks": "Mark", "presets": "Preset"}

// A changeGroup is what changes in one element of a list, or in the workspace itself.
type changeGroup struct {
	Noun, Name string // of the element; empty for the workspace itself
	What       string // "added" or "removed"; empty where only the lines change
	Lines      []changedField
}

// A changedField is one field that changes.
type changedField struct {
	Label   string
	What    string // such as "changed", of a secret; empty where the values say it
	Was, Is []string
	List    bool // Was and Is are what is removed and added
	Fresh   bool // there was no value before
}

var (
	// pathOf matches the path of a difference: a field, the name of an element, and a field of it.
	pathOf = regexp.MustCompile(`^([a-z_]+)(?:\[(.*)\])?(?:\.(.*))?$`)

	yesOrNo = map[string]bool{
		"https_only": true, "require_signature": true, "presets_only": true, "strict_options": true, "surrogate_key": true, "quota_headers": true, "allow_svg": true, "allow_tiff": true,
		"sources.private": true, "sources.uploads": true, "marks.repeat": true,
	}
	textLists = map[string]bool{"allowed_origins": true, "allowed_sources": true, "domains": true, "sources.public_urls": true, "marks.auto_apply_sources": true}
)

// changeGroups says differences in the words of the forms.
func changeGroups(all []workspace.Difference) (groups []changeGroup) {
	for _, d := range all {
		parts := pathOf.FindStringSubmatch(d.Path)
		if parts == nil {
			parts = []string{"", d.Path, "", ""}
		}
		group := changeGroup{Noun: nouns[parts[1]], Name: parts[2]}
		last := len(groups) - 1
		if last < 0 || groups[last].Noun != group.Noun || groups[last].Name != group.Name {
			groups = append(groups, group)
			last++
		}
		if group.Noun != "" && parts[3] == "" {
			groups[last].What = d.What
			continue
		}
		path := strings.TrimSuffix(parts[1]+"."+parts[3], ".")
		label := words[path]
		if field, header, ok := strings.Cut(path, ".headers."); ok {
			label = words[field+".headers"] + ": " + header
		}
		groups[last].Lines = append(groups[last].Lines, changedField{
			Label: cmp.Or(label, path), What: d.What, Was: inWords(path, d.Was), Is: inWords(path, d.Is), List: textLists[path], Fresh: groups[last].What != "",
		})
	}
	return groups
}

// inWords returns the values of a field as people say them.
func inWords(path string, values []string) []string {
	switch {
	case len(values) != 1:
	case yesOrNo[path] && values[0] == "true":
		return []string{"yes"}
	case yesOrNo[path]:
		return []string{"no"}
	case strings.HasPrefix(path, "limits.") && values[0] == "0":
		return []string{"no limit"}
	}
	return values
}

// inBrackets matches a code of an error within a sentence.
var inBrackets = regexp.MustCompile(` \(([A-Z]+(?:_[A-Z]+)+)\)`)

// withoutCodes says codes in the words of the playground. A warning about a place that is taken
// for another one has said why already.
func withoutCodes(text string) string {
	return inBrackets.ReplaceAllStringFunc(text, func(code string) string {
		name := fault.Code(strings.Trim(code, " ()"))
		means := strings.TrimSuffix(playground.Means(name), ".")
		switch {
		case name == fault.InvalidSource:
			return ""
		case means == "":
			return code
		}
		return " (" + strings.ToLower(means[:1]) + means[1:] + ")"
	})
}

// fieldName matches what may be the name of a field in a text.
var fieldName = regexp.MustCompile(`\b[a-z]+(_[a-z]+)+\b`)

// plainly replaces the names of fields in a text of package workspace, or of an origin, by the
// words of the forms.
func plainly(text string) string {
	return fieldName.ReplaceAllStringFunc(text, func(name string) string {
		for _, at := range []string{"", "sources.", "marks.", "limits."} {
			if label := words[at+name]; label != "" {
				return "“" + label + "”"
			}
		}
		return name
	})
}
