// Package workspace holds what an owner sets: the workspace and its sources,
// marks, presets and allowlists, their validation, and where they are kept.
//
// For most uses, call [Decode], which reads the JSON that the API, `tintype apply` and
// stores share, and [Workspace.Validate]. A [Store] keeps workspaces (workspace/sqlite,
// workspace/dynamodb); requests read them from memory (workspace/cached). What is stored
// beside workspaces has an interface and a file each: [APIKeys], [Domains], [AuditLog],
// [Counters], [Purges], [Replays].
package workspace

import (
	"time"

	"github.com/tintype/tintype/signing"
)

// A Workspace is one owner's settings under one namespace. Workspaces that were
// read from a Store are shared: clone before changing one.
//
// The tags maxItems and maxProperties bound lists and maps. The bounds are far above
// what people need, and keep short what a request walks through. [Decode] and Validate
// count before they look at any element, and the OpenAPI document names the bounds.
type Workspace struct {
	Namespace        string   `json:"namespace"`
	Name             string   `json:"name"`
	AllowedOrigins   []string `json:"allowed_origins" maxItems:"200"`
	AllowedSources   []string `json:"allowed_sources" maxItems:"200"`
	HTTPSOnly        bool     `json:"https_only"`
	RequireSignature bool     `json:"require_signature"`
	PresetsOnly      bool     `json:"presets_only"`
	Dialect          string   `json:"dialect"`        // of all URLs: native, or one of [Dialects]
	DefaultSource    string   `json:"default_source"` // that relative paths of dialects are in; empty is none
	StrictOptions    bool     `json:"strict_options"`
	AllowSVG         bool     `json:"allow_svg"`
	AllowTIFF        bool     `json:"allow_tiff"`
	Domains          []string `json:"domains" maxItems:"20"`
	Sources          []Source `json:"sources" maxItems:"100"`
	Marks            []Mark   `json:"marks" maxItems:"100"`
	Presets          []Preset `json:"presets" maxItems:"500"`
	Limits           Limits   `json:"limits"`

	// Made by the server. Whatever a client sends in them is ignored, but for Revision,
	// which a PUT must carry.
	ID        string    `json:"id"`
	Revision  int64     `json:"revision"` // 1 on creation, one more with every change
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Warnings  []string  `json:"warnings,omitempty"` // in answers of the API only: see Warn

	// SigningKeys sign and verify URLs, the newest last; at most signing.MaxKeys.
	// They are in no JSON: an update keeps those that there are (see Unmask).
	SigningKeys []signing.Key `json:"-"`

	// Purges is what the workspace has purged, in copies that a cached.Store answers; empty
	// in what a store does. Writes don't look at it.
	Purges PurgeLog `json:"-"`
}

// A Source is a named place that originals come from.
type Source struct {
	Key     string `json:"key"`
	Kind    string `json:"kind"` // http, s3, r2; dir is the operator's and never stored
	Private bool   `json:"private"`

	URL        string            `json:"url,omitempty"`                        // http: prefix, ends in "/"
	Headers    map[string]string `json:"headers,omitempty" maxProperties:"20"` // http: sent to the origin; values are secret
	PublicURLs []string          `json:"public_urls,omitempty" maxItems:"20"`  // further names of the same originals

	Bucket          string `json:"bucket,omitempty"` // s3, r2
	Region          string `json:"region,omitempty"` // s3
	Prefix          string `json:"prefix,omitempty"`
	Endpoint        string `json:"endpoint,omitempty"`   // s3: other than AWS
	AccountID       string `json:"account_id,omitempty"` // r2
	AccessKeyID     string `json:"access_key_id,omitempty"`
	SecretAccessKey string `json:"secret_access_key,omitempty"` // secret

	TTL          int    `json:"ttl"`                     // seconds a variant is kept; 0 is one year
	Revalidate   int    `json:"revalidate"`              // seconds after which the origin is asked again; 0 is never
	CacheControl string `json:"cache_control,omitempty"` // what browsers and CDNs are told; empty is the default
}

// A Mark is a watermark preset. Lengths are as the mark-* options write them.
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

// A Preset is transform options with a name, written as a query string.
type Preset struct {
	Name    string `json:"name"`
	Options string `json:"options"`
}

// Limits of a workspace; 0 is unlimited.
type Limits struct {
	RequestsPerMinute   int `json:"requests_per_minute"`
	TransformsPerMinute int `json:"transforms_per_minute"`
	TransformsPerDay    int `json:"transforms_per_day"`   // of UTC
	TransformsPerMonth  int `json:"transforms_per_month"` // a calendar month of UTC
}
