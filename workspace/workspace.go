// Package workspace defines an owner's settings: the workspace with its sources, marks,
// presets and allowlists. It validates them, and defines the interfaces of stores.
//
// For most uses, call [Decode], which reads the JSON of the API, of `tintype apply` and of
// stores, then [Workspace.Validate]. A [Store] keeps workspaces (workspace/sqlite,
// workspace/dynamodb). Requests read them from memory (workspace/cached). What is stored
// beside workspaces has an interface and a file each: [APIKeys], [Domains], [AuditLog],
// [Counters], [Purges], [Replays].
package workspace

import (
	"time"

	"github.com/tintype/tintype/signing"
)

// A Workspace is one owner's settings under one namespace. Workspaces from a Store are
// shared: clone one before you change it.
//
// The tags maxItems and maxProperties bound lists and maps. The bounds are far above what
// people need, and keep requests fast. [Decode] and Validate count the elements before they
// check any. The OpenAPI document names the bounds.
type Workspace struct {
	Namespace        string   `json:"namespace"`
	Name             string   `json:"name"`
	AllowedOrigins   []string `json:"allowed_origins" maxItems:"200"`
	AllowedSources   []string `json:"allowed_sources" maxItems:"200"`
	HTTPSOnly        bool     `json:"https_only"`
	RequireSignature bool     `json:"require_signature"`
	PresetsOnly      bool     `json:"presets_only"`
	Dialect          string   `json:"dialect"`        // the grammar of all URLs: native, or one of [Dialects]
	DefaultSource    string   `json:"default_source"` // source of relative paths in dialects; empty is none
	StrictOptions    bool     `json:"strict_options"`
	FallbackFormat   string   `json:"fallback_format"`   // of clients that name none: original or jpeg
	CDNCacheControl  string   `json:"cdn_cache_control"` // what caches in front are told; empty is the default
	SurrogateKey     bool     `json:"surrogate_key"`
	QuotaHeaders     bool     `json:"quota_headers"` // images say what is left of quotas
	AllowSVG         bool     `json:"allow_svg"`
	AllowTIFF        bool     `json:"allow_tiff"`
	Domains          []string `json:"domains" maxItems:"20"`
	Sources          []Source `json:"sources" maxItems:"100"`
	Marks            []Mark   `json:"marks" maxItems:"100"`
	Presets          []Preset `json:"presets" maxItems:"500"`
	Plan             string   `json:"plan"` // what bounds Limits and more; the operator sets it; empty is none
	Limits           Limits   `json:"limits"`

	// Set by the server, which ignores these fields in requests, except for Revision: a PUT
	// must have it.
	ID        string    `json:"id"`
	Revision  int64     `json:"revision"` // 1 on creation, one more with every change
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Warnings  []string  `json:"warnings,omitempty"` // only in answers of the API: see Warn

	// SigningKeys sign and verify URLs, the newest last; at most signing.MaxKeys. They are
	// not part of the JSON. An update keeps the stored ones (see Unmask).
	SigningKeys []signing.Key `json:"-"`

	// DialectKeys verify URLs of other products, the newest last; at most MaxDialectKeys of
	// each. They are in no JSON either.
	DialectKeys []DialectKey `json:"-"`

	// Blocks are images that are not shown, the newest last. They are in no JSON either.
	Blocks []Block `json:"-"`

	// Purges are the workspace's purges. Only copies from a cached.Store have them. Writes
	// ignore them.
	Purges PurgeLog `json:"-"`
}

// A Source is a named place for originals.
type Source struct {
	Key     string `json:"key"`
	Kind    string `json:"kind"` // http, s3, r2; dir is only the operator's and never stored
	Private bool   `json:"private"`

	URL        string            `json:"url,omitempty"`                        // http: prefix, ends in "/"
	Headers    map[string]string `json:"headers,omitempty" maxProperties:"20"` // http: sent to the origin; the values are secret
	PublicURLs []string          `json:"public_urls,omitempty" maxItems:"20"`  // other URL prefixes of the same originals

	Bucket          string `json:"bucket,omitempty"` // s3, r2
	Region          string `json:"region,omitempty"` // s3
	Prefix          string `json:"prefix,omitempty"`
	Endpoint        string `json:"endpoint,omitempty"`   // s3: other than AWS
	AccountID       string `json:"account_id,omitempty"` // r2
	AccessKeyID     string `json:"access_key_id,omitempty"`
	SecretAccessKey string `json:"secret_access_key,omitempty"` // secret
	Uploads         bool   `json:"uploads,omitempty"`           // s3, r2: originals may be put there and deleted

	TTL          int    `json:"ttl"`                     // seconds that a variant is kept; 0 is one year
	Revalidate   int    `json:"revalidate"`              // seconds until the origin is asked again; 0 is never
	CacheControl string `json:"cache_control,omitempty"` // header for browsers and CDNs; empty is the default
}

// A Mark is a configured watermark. Lengths are written as in the mark-* options.
type Mark struct {
	Name             string   `json:"name"`
	Image            string   `json:"image"`
	Width            string   `json:"width,omitempty"`
	Height           string   `json:"height,omitempty"`
	Size             string   `json:"size,omitempty"`
	Fit              string   `json:"fit,omitempty"`
	Align            string   `json:"align,omitempty"`
	Pad              string   `json:"pad,omitempty"`
	Opacity          *float64 `json:"opacity,omitempty"`
	Repeat           bool     `json:"repeat"`
	AutoApplySources []string `json:"auto_apply_sources" maxItems:"200"`
}

// A Preset is a name for transform options, written as a query string.
type Preset struct {
	Name    string `json:"name"`
	Options string `json:"options"`
}

// Limits of a workspace; 0 is unlimited.
type Limits struct {
	RequestsPerMinute   int `json:"requests_per_minute"`
	TransformsPerMinute int `json:"transforms_per_minute"`
	TransformsPerDay    int `json:"transforms_per_day"`   // in UTC
	TransformsPerMonth  int `json:"transforms_per_month"` // a calendar month in UTC
}

// A NamedLimit is one of the [Limits], under its name in JSON.
type NamedLimit struct {
	Name string
	Most int // 0 is unlimited
}

// Named returns the limits with their names, in the order of the fields.
func (l Limits) Named() []NamedLimit {
	return []NamedLimit{
		{"requests_per_minute", l.RequestsPerMinute},
		{"transforms_per_minute", l.TransformsPerMinute},
		{"transforms_per_day", l.TransformsPerDay},
		{"transforms_per_month", l.TransformsPerMonth},
	}
}

// Lower returns the lower one of each limit.
func (l Limits) Lower(other Limits) Limits {
	lower := func(a, b int) int {
		if a > 0 && (b <= 0 || a < b) {
			return a
		}
		return b
	}
	return Limits{
		lower(l.RequestsPerMinute, other.RequestsPerMinute), lower(l.TransformsPerMinute, other.TransformsPerMinute),
		lower(l.TransformsPerDay, other.TransformsPerDay), lower(l.TransformsPerMonth, other.TransformsPerMonth),
	}
}
