// Package doctor walks the production checklist against a running server, and says what to
// change.
//
// For most uses, call [Look] to find out how a server stands, and [Facts.Walk] to judge it.
package doctor

import (
	"fmt"
	"time"
)

// A State is the outcome of a check.
type State string

// The states. Only Fail makes a checklist fail.
const (
	OK      State = "ok"
	Warn    State = "warn" // may be right here; look at it
	Fail    State = "fail"
	Skipped State = "skipped" // it could not be checked
)

// A Need is what a check has to ask.
type Need string

// The needs.
const (
	Network Need = "the server's URL"
	Ops     Need = "the ops listener"  // --ops
	Key     Need = "an operator's key" // TINTYPE_ROOT_KEY
)

// A Finding is what a check found.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Found string `json:"found"`
	Fix   string `json:"fix,omitempty"` // what to do; empty with OK
}

// A Check is a line of the checklist.
type Check struct {
	ID      string
	Section string
	Asks    string // what must hold
	Need    Need
	Fix     string // what to do where it doesn't hold

	// judge returns OK, Warn or Fail, and what it found. What the check needs is there.
	judge func(*Facts) (State, string)
}

// Facts are what is known of a server.
type Facts struct {
	URL string
	Now time.Time // of this machine, when the server answered

	// Of the network.
	HTTPS      bool
	CertEnds   time.Time // zero without https
	Redirects  bool      // http:// on the same host leads to https://
	HSTS       string
	Date       time.Time // of the server; zero if it doesn't say
	Ready      int       // status of /readyz
	ReadySays  string
	OpenPaths  []string // private paths that the public listener answers
	Contact    int      // status of security.txt
	Front      string   // what is in front of the server, by its headers; empty is unknown
	Version    string   // of this program
	OpsReached string   // address of the ops listener that this machine reaches at the public host; empty is none

	Server     *Server     // nil: the ops listener didn't answer
	WhyServer  string      // why not
	Workspaces []Workspace // nil: there is no key
	WhyKey     string      // why not
}

// A Server is what a server says of itself on its ops listener. It holds no secret.
type Server struct {
	Version         string    `json:"version"`
	TLS             string    `json:"tls"`
	PublicURL       string    `json:"public_url"`
	OpsListen       string    `json:"ops_listen"`
	TrustedProxies  int       `json:"trusted_proxies"`
	AllowedRanges   []string  `json:"allowed_ranges"` // of --allow-cidr
	Ambient         bool      `json:"ambient_credentials"`
	Store           string    `json:"store"` // sqlite or dynamodb
	StoreAnswered   bool      `json:"store_answered"`
	RootKeys        int       `json:"root_keys"`
	ShortestRootKey int       `json:"shortest_root_key"` // in characters
	Mail            string    `json:"mail"`              // smtp, log or off
	Operators       int       `json:"operators"`         // addresses that get the server's alerts
	Plans           int       `json:"plans"`
	ClientRequests  int       `json:"client_requests"`
	Demo            bool      `json:"demo"`
	Sandbox         string    `json:"sandbox"`
	MissingLayers   []string  `json:"missing_layers"`
	DiskFull        bool      `json:"disk_full"`
	DiskFree        int64     `json:"disk_free_bytes"`
	Memory          string    `json:"memory"` // why memory may run out; empty is that it fits
	BackupAt        time.Time `json:"backup_at"`
	Recovery        string    `json:"recovery"` // point-in-time recovery of a table: on, off, or why it can't be told
}

// A Workspace is what the API says of a workspace.
type Workspace struct {
	Namespace      string   `json:"namespace"`
	AllowedSources []string `json:"allowed_sources"`
	AllowedOrigins []string `json:"allowed_origins"`
	Sources        []struct {
		Key     string `json:"key"`
		Private bool   `json:"private"`
	} `json:"sources"`
	Limits      map[string]any `json:"limits"`
	Plan        string         `json:"plan"`
	APIKeys     []APIKey       `json:"-"`
	SigningKeys int            `json:"-"`
	ShortKeys   []string       `json:"-"` // IDs of signing keys of other products with a short secret
	Channels    []Channel      `json:"-"` // of alerts
}

// A Channel is what the API says of a channel of alerts.
type Channel struct {
	ID           string     `json:"id"`
	Confirmed    bool       `json:"confirmed"`
	On           bool       `json:"on"`
	FailingSince *time.Time `json:"failing_since"`
}

// An APIKey is what the API says of a key.
type APIKey struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Test       bool       `json:"test"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at"`
	RevokedAt  *time.Time `json:"revoked_at"`
	LastUsedAt *time.Time `json:"last_used_at"`
}

// Walk judges all checks, in the order of the checklist.
func (f *Facts) Walk() (all []Finding) {
	for _, c := range Checks() {
		all = append(all, f.check(c))
	}
	return all
}

func (f *Facts) check(c Check) Finding {
	switch {
	case c.Need == Ops && f.Server == nil:
		return Finding{c.ID, Skipped, f.WhyServer, "run tintype doctor on the server's machine, or name its ops listener with --ops"}
	case c.Need == Key && f.Workspaces == nil:
		return Finding{c.ID, Skipped, f.WhyKey, "set TINTYPE_ROOT_KEY to the server's root key"}
	}
	state, found := c.judge(f)
	finding := Finding{Check: c.ID, State: state, Found: found}
	if state == Warn || state == Fail {
		finding.Fix = c.Fix
	}
	return finding
}

// Failed reports whether a check failed.
func Failed(all []Finding) bool {
	for _, f := range all {
		if f.State == Fail {
			return true
		}
	}
	return false
}

// yes is OK or another state.
func yes(ok bool, other State, good, bad string) (State, string) {
	if ok {
		return OK, good
	}
	return other, bad
}

// some names the first of several things.
func some(list []string, of string) string {
	switch n := len(list); {
	case n == 0:
		return "no " + of
	case n > 5:
		return fmt.Sprintf("%d %s: %s …", n, of, join(list[:5]))
	default:
		return of + ": " + join(list)
	}
}

func join(list []string) (text string) {
	for i, s := range list {
		if i > 0 {
			text += ", "
		}
		text += s
	}
	return text
}
