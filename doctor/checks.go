package doctor

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Bounds of checks.
const (
	soon       = 14 * 24 * time.Hour // before the end of a certificate
	skew       = 5 * time.Second
	rootKeyMin = 32 // characters
	diskMin    = 1 << 30
	backupMax  = 7 * 24 * time.Hour
	keyMax     = 90 * 24 * time.Hour
	keyUnused  = 30 * 24 * time.Hour
)

// Sections of the checklist.
const (
	production = "Production"
	keys       = "Keys and access"
)

// Checks returns the checklist.
func Checks() []Check {
	return []Check{
		{"https", production, "People reach the server by https.", Network, "set --tls auto, or put a proxy with TLS in front (docs/tls.md)", func(f *Facts) (State, string) {
			return yes(f.HTTPS, Fail, "https answers", f.URL+" is http")
		}},
		{"certificate", production, "The certificate is valid for 14 days or more.", Network, "see why it isn't renewed: the log says so (docs/tls.md)", func(f *Facts) (State, string) {
			if !f.HTTPS {
				return Fail, "there is none"
			}
			return yes(f.CertEnds.Sub(f.Now) >= soon, Fail, "it ends "+f.CertEnds.Format(time.DateOnly), "it ends "+f.CertEnds.Format(time.DateOnly))
		}},
		{"redirect", production, "http leads to https.", Network, "let --listen be port 80 beside --tls, or let the proxy redirect", func(f *Facts) (State, string) {
			return yes(f.Redirects, Warn, "it does", "http on the same host doesn't redirect, or isn't reached")
		}},
		{"hsts", production, "Answers have Strict-Transport-Security of a year.", Network, "serve by --tls, or let the proxy add the header with max-age=31536000", func(f *Facts) (State, string) {
			return yes(strings.Contains(f.HSTS, "max-age=31536000"), Warn, f.HSTS, "the header is "+quoted(f.HSTS))
		}},
		{"ready", production, "The server is ready.", Network, "see what /readyz says, and the log", func(f *Facts) (State, string) {
			return yes(f.Ready == 200, Fail, "/readyz is 200", fmt.Sprintf("/readyz is %d: %s", f.Ready, f.ReadySays))
		}},
		{"clock", production, "The server's clock is right within 5 s.", Network, "let both machines set their clocks by NTP: signatures and limits go by it", func(f *Facts) (State, string) {
			if f.Date.IsZero() {
				return Warn, "answers have no Date"
			}
			off := f.Date.Sub(f.Now).Round(time.Second)
			return yes(off.Abs() <= skew, Fail, "it is", "it differs from this machine's by "+off.String())
		}},
		{"ops-private", production, "Metrics and profiles aren't public.", Network, "bind --ops-listen to loopback or a private network, and let no proxy pass these paths to it", func(f *Facts) (State, string) {
			if f.OpsReached != "" {
				return Fail, "the ops listener answers at " + f.OpsReached
			}
			return yes(len(f.OpenPaths) == 0, Fail, "they aren't", some(f.OpenPaths, "public"))
		}},
		{"security-contact", production, "Whoever finds a vulnerability knows whom to tell.", Network, "set --security-contact", func(f *Facts) (State, string) {
			return yes(f.Contact == 200, Warn, "/.well-known/security.txt is there", fmt.Sprintf("/.well-known/security.txt is %d", f.Contact))
		}},
		{"version", production, "The server runs the version of this program.", Ops, "update the older one (docs/upgrading.md)", func(f *Facts) (State, string) {
			return yes(f.Server.Version == f.Version, Warn, f.Version, "the server is "+f.Server.Version+", this is "+f.Version)
		}},
		{"demo", production, "It isn't the demo.", Ops, "start it without --demo", func(f *Facts) (State, string) {
			return yes(!f.Server.Demo, Fail, "it isn't", "--demo is set: codes of the operator are printed")
		}},
		{"ops-listen", production, "The ops listener is on loopback or a private address.", Ops, "bind --ops-listen to 127.0.0.1:9090 or a private address", func(f *Facts) (State, string) {
			return yes(private(f.Server.OpsListen), Fail, f.Server.OpsListen, f.Server.OpsListen+" takes connections from everywhere")
		}},
		{"public-url", production, "--public-url is set, with https.", Ops, "set --public-url to the https:// URL that people use", func(f *Facts) (State, string) {
			return yes(strings.HasPrefix(f.Server.PublicURL, "https://"), Warn, f.Server.PublicURL, "it is "+quoted(f.Server.PublicURL))
		}},
		{"trusted-proxies", production, "A proxy in front is named by --trusted-proxies.", Ops, "name its addresses with --trusted-proxies, or all clients count as one", func(f *Facts) (State, string) {
			if f.Front == "" {
				return OK, "answers don't come through a known proxy"
			}
			return yes(f.Server.TrustedProxies > 0, Fail, f.Front+" is in front, and proxies are named", f.Front+" is in front, and no proxy is named")
		}},
		{"private-ranges", production, "Originals come from public addresses only.", Ops, "open single addresses rather than ranges, where you don't know all owners (docs/operations.md)", func(f *Facts) (State, string) {
			return yes(len(f.Server.AllowedRanges) == 0, Warn, "no range is open", some(f.Server.AllowedRanges, "open"))
		}},
		{"ambient-credentials", production, "No workspace borrows the server's credentials.", Ops, "give sources their own credentials, and unset --allow-ambient-credentials", func(f *Facts) (State, string) {
			return yes(!f.Server.Ambient, Warn, "none does", "every workspace can read all buckets that they open")
		}},
		{"store", production, "The store has answered.", Ops, "see the log: it serves the last known copies (docs/store.md)", func(f *Facts) (State, string) {
			return yes(f.Server.StoreAnswered, Fail, f.Server.Store, f.Server.Store+" hasn't answered since the start")
		}},
		{"backup", production, "The database was backed up in the last 7 days, or the table has point-in-time recovery.", Ops, "run tintype store backup every night, and keep the secret key elsewhere; for a table, run tintype store init again, which turns recovery on (docs/store.md)", func(f *Facts) (State, string) {
			at := f.Server.BackupAt
			switch {
			case f.Server.Store == "sqlite":
			case f.Server.Recovery == "on" || f.Server.Recovery == "off":
				return yes(f.Server.Recovery == "on", Fail, "point-in-time recovery is on", "point-in-time recovery of the table is off")
			default:
				return Warn, "whether point-in-time recovery of the table is on can't be told: " + f.Server.Recovery
			}
			if at.IsZero() {
				return Fail, "tintype store backup never ran with this data folder"
			}
			return yes(f.Now.Sub(at) <= backupMax, Fail, "on "+at.Format(time.DateOnly), "the last one was on "+at.Format(time.DateOnly))
		}},
		{"disk", production, "The data folder's disk has room.", Ops, "make room, or lower --cache-disk", func(f *Facts) (State, string) {
			free := fmt.Sprintf("%d MiB free", f.Server.DiskFree>>20)
			return yes(!f.Server.DiskFull && f.Server.DiskFree >= diskMin, Fail, free, free)
		}},
		{"memory", production, "What flags ask for fits into the memory of the machine or container.", Ops, "lower the flags that it names, or give more memory", func(f *Facts) (State, string) {
			return yes(f.Server.Memory == "", Fail, "it fits", f.Server.Memory)
		}},
		{"sandbox", production, "Workers have all layers of the sandbox.", Ops, "use Linux 5.13 or newer and a seccomp profile like Docker's, then --sandbox require (docs/operations.md)", func(f *Facts) (State, string) {
			if f.Server.Sandbox == "off" {
				return Fail, "--sandbox is off"
			}
			return yes(len(f.Server.MissingLayers) == 0, Fail, "all layers are active", some(f.Server.MissingLayers, "missing"))
		}},
		{"mail", production, "Mails are sent by a mail server.", Ops, "set --mail smtp://… (docs/accounts.md)", func(f *Facts) (State, string) {
			return yes(f.Server.Mail == "smtp", Warn, "they are", "--mail is "+f.Server.Mail+": nobody gets a code or an alert by mail")
		}},
		{"operators", production, "The operator gets the alerts of the server.", Ops, "name addresses with --operators (docs/alerts.md)", func(f *Facts) (State, string) {
			return yes(f.Server.Operators > 0 && f.Server.Mail == "smtp", Warn, fmt.Sprintf("%d addresses", f.Server.Operators), "they go to the log and to metrics only")
		}},
		{"alerts", production, "Somebody gets the alerts of each workspace.", Key, "add a channel on the page of alerts, and let its address agree (docs/alerts.md)", func(f *Facts) (State, string) {
			list := f.those(func(w Workspace) bool {
				return !slices.ContainsFunc(w.Channels, func(c Channel) bool { return c.Confirmed && c.On })
			})
			return yes(len(list) == 0, Warn, "yes", some(list, "workspaces without a channel"))
		}},
		{"alert-channels", production, "Every channel of alerts takes messages.", Key, "mend or remove it: the page of alerts says why it fails (docs/alerts.md)", func(f *Facts) (State, string) {
			var list []string
			for _, w := range f.Workspaces {
				for _, c := range w.Channels {
					if c.FailingSince != nil || c.Confirmed && !c.On {
						list = append(list, w.Namespace+"/"+c.ID)
					}
				}
			}
			return yes(len(list) == 0, Fail, "all do", some(list, "channels that fail or are off"))
		}},
		{"limits", production, "Clients and workspaces are bounded.", Ops, "set --plans or --client-requests (docs/limits.md)", func(f *Facts) (State, string) {
			return yes(f.Server.Plans > 0 || f.Server.ClientRequests > 0, Warn, fmt.Sprintf("%d plans, %d requests a client", f.Server.Plans, f.Server.ClientRequests), "there are no plans, and --client-requests is 0")
		}},

		{"root-key", keys, "The root key is set, and long.", Ops, "set TINTYPE_ROOT_KEY to what openssl rand -hex 32 prints", func(f *Facts) (State, string) {
			if f.Server.RootKeys == 0 {
				return Warn, "there is none: nobody can use the API but by API keys"
			}
			length := fmt.Sprintf("%d characters", f.Server.ShortestRootKey)
			return yes(f.Server.ShortestRootKey >= rootKeyMin, Fail, length, length)
		}},
		{"open-sources", keys, "No workspace takes originals from everywhere.", Key, "list the hosts in allowed_sources instead of * (docs/workspaces.md)", func(f *Facts) (State, string) {
			list := f.those(func(w Workspace) bool { return slices.Contains(w.AllowedSources, "*") })
			return yes(len(list) == 0, Fail, "none does", some(list, "workspaces with *"))
		}},
		{"origins", keys, "Workspaces name the pages that may use their images.", Key, "list them in allowed_origins (docs/workspaces.md)", func(f *Facts) (State, string) {
			list := f.those(func(w Workspace) bool { return len(w.AllowedOrigins) == 0 || slices.Contains(w.AllowedOrigins, "*") })
			return yes(len(list) == 0, Warn, "all do", some(list, "workspaces without"))
		}},
		{"private-sources", keys, "Who has private sources can sign for them.", Key, "make a signing key (docs/signing.md)", func(f *Facts) (State, string) {
			list := f.those(func(w Workspace) bool {
				return w.SigningKeys == 0 && slices.ContainsFunc(w.Sources, func(s struct {
					Key     string `json:"key"`
					Private bool   `json:"private"`
				}) bool {
					return s.Private
				})
			})
			return yes(len(list) == 0, Warn, "yes", some(list, "workspaces without a signing key"))
		}},
		{"short-keys", keys, "No signing key from another product can be guessed.", Key, "make a longer secret there, and bring it along in the place of the short one (docs/dialects.md)", func(f *Facts) (State, string) {
			var list []string
			for _, w := range f.Workspaces {
				for _, id := range w.ShortKeys {
					list = append(list, w.Namespace+"/"+id)
				}
			}
			return yes(len(list) == 0, Warn, "none has under 16 bytes", some(list, "short keys"))
		}},
		{"old-keys", keys, "No API key is over 90 days old.", Key, "replace them (docs/rotation.md)", func(f *Facts) (State, string) {
			list := f.keys(func(k APIKey) bool { return f.Now.Sub(k.CreatedAt) > keyMax })
			return yes(len(list) == 0, Fail, "none is", some(list, "old keys"))
		}},
		{"unused-keys", keys, "Every API key was used in the last 30 days.", Key, "revoke those that nobody needs (docs/keys.md)", func(f *Facts) (State, string) {
			list := f.keys(func(k APIKey) bool {
				last := k.CreatedAt
				if k.LastUsedAt != nil {
					last = *k.LastUsedAt
				}
				return f.Now.Sub(last) > keyUnused
			})
			return yes(len(list) == 0, Warn, "all were", some(list, "unused keys"))
		}},
		{"endless-keys", keys, "Every API key ends.", Key, "make keys with expires_in (docs/keys.md)", func(f *Facts) (State, string) {
			list := f.keys(func(k APIKey) bool { return k.ExpiresAt == nil })
			return yes(len(list) == 0, Warn, "all do", some(list, "keys without an end"))
		}},
		{"admin-keys", keys, "API keys have no more rights than back ends need.", Key, "use read or write where admin isn't needed (docs/keys.md)", func(f *Facts) (State, string) {
			list := f.keys(func(k APIKey) bool { return slices.Contains(k.Scopes, "admin") })
			return yes(len(list) == 0, Warn, "none is of scope admin", some(list, "keys of scope admin"))
		}},
	}
}

func quoted(s string) string {
	if s == "" {
		return "missing"
	}
	return fmt.Sprintf("%q", s)
}

// private reports whether an address of a listener is not for the world.
func private(address string) bool {
	if address == "off" {
		return true
	}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsPrivate())
}

// those returns the namespaces of some workspaces.
func (f *Facts) those(are func(Workspace) bool) (list []string) {
	for _, w := range f.Workspaces {
		if are(w) {
			list = append(list, w.Namespace)
		}
	}
	return list
}

// keys returns some of the API keys that work, as namespace/ID.
func (f *Facts) keys(are func(APIKey) bool) (list []string) {
	for _, w := range f.Workspaces {
		for _, k := range w.APIKeys {
			if k.RevokedAt == nil && (k.ExpiresAt == nil || k.ExpiresAt.After(f.Now)) && are(k) {
				list = append(list, w.Namespace+"/"+k.ID)
			}
		}
	}
	return list
}
