package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// serveCmd is the configuration of a server. Flags, variables and defaults are declared only
// here. Secrets have no flags, since every user of a machine can see flags. They are
// variables, such as TINTYPE_ROOT_KEY or TINTYPE_ROOT_KEY_FILE.
type serveCmd struct {
	Listen        string   `env:"TINTYPE_LISTEN" placeholder:"ADDRESS" help:"Address for images and the API, without TLS: :8080 by default. With --tls it only redirects to https, and is :80 by default."`
	TLS           string   `env:"TINTYPE_TLS" default:"off" enum:"auto,files,off" placeholder:"auto|files|off" help:"Serve images and the API by https on --tls-listen, with certificates that are ordered by ACME (auto), or with those of --tls-cert (files), or not (${default})."`
	TLSListen     string   `env:"TINTYPE_TLS_LISTEN" default:":443" placeholder:"ADDRESS" help:"Address for https (${default})."`
	TLSCert       []string `env:"TINTYPE_TLS_CERT" sep:";" placeholder:"FILE" help:"A certificate in PEM, with those of the authorities between it and the root. Repeatable: a client gets the first one for its host. Needed with --tls files, where other clients get the first. With --tls auto no certificate is ordered for its hosts. Files are read again on SIGHUP."`
	TLSKey        []string `env:"TINTYPE_TLS_KEY" sep:";" placeholder:"FILE" help:"The private key of --tls-cert, in PEM: a file, or a reference to a secret. With several, in the same order."`
	ACMEDirectory string   `name:"acme-directory" env:"TINTYPE_ACME_DIRECTORY" default:"https://acme-v02.api.letsencrypt.org/directory" placeholder:"URL" help:"The certificate authority of --tls auto, whose terms you accept by using it (${default})."`
	ACMEEmail     string   `name:"acme-email" env:"TINTYPE_ACME_EMAIL" placeholder:"ADDRESS" help:"Address to which the certificate authority may write about your certificates."`

	ACMEDNSHook string `name:"acme-dns-hook" env:"TINTYPE_ACME_DNS_HOOK" placeholder:"FILE" help:"A program that sets and removes DNS records, so that --tls auto gets one certificate for all hosts below --base-domain. It is run as FILE present|cleanup NAME VALUE."`
	DNSResolver string `name:"dns-resolver" env:"TINTYPE_DNS_RESOLVER" placeholder:"ADDRESS" help:"The DNS server that is asked for the records that prove domains, such as 9.9.9.9:53. By default those of this system."`

	HTTP3       bool `name:"http3" env:"TINTYPE_HTTP3" help:"Serve HTTP/3 too, by UDP on the address of --tls-listen, and say so in answers by https."`
	HSTSPreload bool `env:"TINTYPE_HSTS_PRELOAD" help:"Let answers by https on the host of --public-url, and on --base-domain and below, say that browsers may have built in that these hosts and all below them are reached by https only (Strict-Transport-Security with includeSubDomains and preload). It can't be undone for months."`

	OpsListen   string `env:"TINTYPE_OPS_LISTEN" default:"127.0.0.1:9090" placeholder:"ADDRESS" help:"Address for metrics, profiles and health. Keep it private. 'off' disables it (${default})."`
	PeerListen  string `env:"TINTYPE_PEER_LISTEN" placeholder:"ADDRESS" help:"Address for the other servers of a fleet, such as 10.0.0.7:7070: each variant is then made by one of them, and the others ask that one. Needs a store that servers share, and TINTYPE_PEER_SECRET. Keep it private."`
	PeerAddress string `env:"TINTYPE_PEER_ADDRESS" placeholder:"ADDRESS" help:"Where the other servers reach --peer-listen, if not at its own address."`

	Drain      time.Duration `env:"TINTYPE_DRAIN" default:"5s" placeholder:"DURATION" help:"How long a server still takes requests after SIGTERM. Meanwhile /readyz is 503 and answers close their connections, so that load balancers choose another server (${default})."`
	Data       string        `env:"TINTYPE_DATA" default:"data" placeholder:"FOLDER" help:"Folder of the database and the disk cache; made if it is missing (${default})."`
	Store      storeURL      `env:"TINTYPE_STORE" default:"sqlite" placeholder:"URL" help:"Where workspaces are kept: 'sqlite' in the data folder, sqlite:PATH, or dynamodb://TABLE?region=REGION&endpoint=URL, a table that several servers share, with the credentials of this process's environment. Set endpoint for stores other than AWS (${default})."`
	BaseDomain string        `env:"TINTYPE_BASE_DOMAIN" placeholder:"DOMAIN" help:"Serve workspace NS on NS.DOMAIN too. Needs a wildcard DNS record."`
	Dir        []dirSpec     `env:"TINTYPE_DIR" sep:";" placeholder:"NS/KEY=PATH" help:"Serve a folder of this machine as source KEY of workspace NS, which is made if it is missing. What is hidden, by a dot before its name, is not served. Repeatable."`
	DirUploads []string      `env:"TINTYPE_DIR_UPLOADS" sep:";" placeholder:"NS/KEY" help:"Let owners upload images to the folder of --dir NS/KEY=PATH, and delete them there. This server must be allowed to write to the folder. Repeatable."`
	DirPrivate []string      `env:"TINTYPE_DIR_PRIVATE" sep:";" placeholder:"NS/KEY" help:"Serve the images of the folder of --dir NS/KEY=PATH to signed URLs only. No folder that isn't private may hold it. Repeatable."`
	Demo       bool          `env:"TINTYPE_DEMO" help:"Try Tintype on this machine: draws pictures into the data folder, serves them in the workspaces demo and gallery, makes a root key, and prints the codes with which operator@tintype.example signs in at /app."`
	PublicURL  publicURL     `env:"TINTYPE_PUBLIC_URL" placeholder:"URL" help:"The URL under which people reach this server, such as https://img.example.com: the host of every link in mails and on the pages of the dashboard. With --tls, its port is where clients are redirected and offered HTTP/3. Needed with --mail smtp://."`
	Operators  []email       `env:"TINTYPE_OPERATORS" placeholder:"ADDRESS" help:"E-mail addresses of the operators, who may sign in at /app and have all rights in every workspace. Repeatable, or with commas between."`
	Signup     string        `env:"TINTYPE_SIGNUP" default:"invite" enum:"open,invite,off" placeholder:"open|invite|off" help:"Who gets an account by signing in: everybody (open), whoever is invited to a workspace (invite), or nobody but operators (off) (${default})."`
	Plans      string        `env:"TINTYPE_PLANS" type:"existingfile" placeholder:"FILE" help:"Plans, which bound what workspaces may use, in this YAML or JSON file. With its signup_plan, people make workspaces for themselves. SIGHUP reads it again."`
	GeoIP      string        `name:"geoip" env:"TINTYPE_GEOIP" type:"existingfile" placeholder:"FILE" help:"A database of the countries of addresses in MaxMind's format, such as GeoLite2-Country.mmdb, with which usage says how much each country used, and an alert that a key is used from a new one. SIGHUP reads it again."`

	BillingWebhook   string `env:"TINTYPE_BILLING_WEBHOOK" placeholder:"URL" help:"URL to which events of usage are posted once an hour, signed with TINTYPE_BILLING_WEBHOOK_SECRET as Standard Webhooks says."`
	BillingOpenMeter string `name:"billing-openmeter" env:"TINTYPE_BILLING_OPENMETER" placeholder:"URL" help:"The OpenMeter to which events of usage are sent once an hour, such as https://openmeter.cloud, with TINTYPE_OPENMETER_KEY if that is set."`
	StripeMeter      string `env:"TINTYPE_STRIPE_METER" placeholder:"NAME" help:"The event name of the meter at Stripe to which units are sent once an hour, in thousandths of a unit. Needs TINTYPE_STRIPE_KEY, with which plans are sold by Stripe too."`
	StripeAPI        string `name:"stripe-api" env:"TINTYPE_STRIPE_API" default:"https://api.stripe.com" placeholder:"URL" help:"Where Stripe's API is, for tests (${default})."`

	Unconfirmed time.Duration `env:"TINTYPE_UNCONFIRMED" default:"1m" placeholder:"DURATION" help:"How old the settings may be by which an image that takes a signature or a key is shown, and after which it is 503 while the store doesn't answer (${default}). Longer keeps such images up in an outage, and a revoked signing key too."`
	AlertsEvery time.Duration `env:"TINTYPE_ALERTS_EVERY" default:"1m" placeholder:"DURATION" help:"How often alerts are judged (${default})."`

	SecurityContact contact `env:"TINTYPE_SECURITY_CONTACT" placeholder:"ADDRESS" help:"Whom to tell about a vulnerability of this server, as an e-mail address or an https:// URL: /.well-known/security.txt and its page name it. By default there is neither."`
	Mail            string  `env:"TINTYPE_MAIL" placeholder:"URL" help:"The mail server that sends codes and invitations: smtp://USER@HOST:587 with STARTTLS, or smtps://USER@HOST:465, with the password in TINTYPE_MAIL_PASSWORD. 'log' prints mails on the terminal, which is the default while --listen, and --tls-listen if there is one, are addresses of loopback. Without it, or with 'off', there is no dashboard."`
	MailFrom        string  `env:"TINTYPE_MAIL_FROM" placeholder:"ADDRESS" help:"Sender of mails. By default tintype@ and the host of --public-url."`
	Apply           string  `env:"TINTYPE_APPLY" type:"existingfile" placeholder:"FILE" help:"Create or update the workspaces in this YAML or JSON file at start. Settings that aren't in the file stay."`
	ApplyPrune      bool    `env:"TINTYPE_APPLY_PRUNE" help:"Remove settings of the workspaces in the file of --apply that aren't in the file, as tintype apply --prune does."`

	AllowCIDR      []cidr `env:"TINTYPE_ALLOW_CIDR" name:"allow-cidr" placeholder:"CIDR" help:"Private ranges that originals may be fetched from, such as 10.1.0.0/16. By default Tintype never connects to a private, loopback or link-local address."`
	TrustedProxies []cidr `env:"TINTYPE_TRUSTED_PROXIES" placeholder:"CIDR" help:"Proxies in front whose X-Forwarded-For is trusted."`

	ClientRequests int    `env:"TINTYPE_CLIENT_REQUESTS" default:"0" placeholder:"N" help:"Requests a minute that one client address (of IPv6 one /64) may send to this server, of any kind; 0 is any number (${default})."`
	PurgeWebhook   string `env:"TINTYPE_PURGE_WEBHOOK" placeholder:"URL" help:"URL to which the Cache-Tags of each purge are posted, so that a CDN in front can be purged too. The request has the bearer token of TINTYPE_PURGE_WEBHOOK_TOKEN, if that is set."`
	PurgeCommand   string `env:"TINTYPE_PURGE_COMMAND" placeholder:"FILE" help:"A program to run for each purge. It gets the body of --purge-webhook on its standard input."`

	ModerationWebhook string `env:"TINTYPE_MODERATION_WEBHOOK" placeholder:"URL" help:"URL that is asked about each upload before it is stored. The request has the bearer token of TINTYPE_MODERATION_WEBHOOK_TOKEN, if that is set."`
	ModerationFailure string `env:"TINTYPE_MODERATION_FAILURE" default:"refuse" enum:"refuse,allow" placeholder:"refuse|allow" help:"What becomes of an upload if --moderation-webhook doesn't answer: it is refused, or stored without (${default})."`

	AllowAmbientCredentials bool `env:"TINTYPE_ALLOW_AMBIENT_CREDENTIALS" help:"Read buckets of sources without credentials with the credentials of this process's environment (AWS variables, profile or role). Every workspace can then read all buckets that these credentials open."`

	Dev bool `hidden:"" help:"Serve as tintype dev does: for this machine only, without the API and the dashboard, with a playground at / that shows a picture anew when its file changes."`

	CacheMemory size `env:"TINTYPE_CACHE_MEMORY" default:"0" placeholder:"SIZE" help:"Memory for variants. 0 is 256MiB, but at most an eighth of the memory that idle processes leave on this machine or in the container (${default})."`
	CacheDisk   size `env:"TINTYPE_CACHE_DISK" default:"10GiB" placeholder:"SIZE" help:"Disk for variants, under the data folder; 0 for none (${default})."`

	WorkspaceMemory size `env:"TINTYPE_WORKSPACE_MEMORY" default:"0" placeholder:"SIZE" help:"Memory for the settings of workspaces, about 6 kB each. 0 is a sixteenth of the memory that idle processes leave on this machine or in the container, from 8MiB to 256MiB (${default})."`
	CopiesDisk      size `env:"TINTYPE_COPIES_DISK" default:"1GiB" placeholder:"SIZE" help:"Disk for copies of workspaces from a store on another machine, under the data folder, about 1.2 kB each, 1MiB at least. Images are served from them while the store can't be read (${default})."`

	CacheBucket string `env:"TINTYPE_CACHE_BUCKET" placeholder:"URL" help:"A bucket for variants that several servers share, as s3://BUCKET/PREFIX?region=REGION&endpoint=URL, with the credentials of this process's environment. Set endpoint for stores other than AWS."`

	CacheBucketWrites string        `env:"TINTYPE_CACHE_BUCKET_WRITES" default:"second-use" enum:"second-use,always" placeholder:"second-use|always" help:"When a variant is written to --cache-bucket: once it is asked for again after it was made, or always (${default})."`
	CacheBucketFilter size          `env:"TINTYPE_CACHE_BUCKET_FILTER" default:"16MiB" placeholder:"SIZE" help:"Most memory for what --cache-bucket is known to hold, 2 bytes a variant: new variants then cost no request to it. 0 asks it for each, and needs --cache-bucket-writes always (${default})."`
	CacheBucketMaxAge time.Duration `env:"TINTYPE_CACHE_BUCKET_MAX_AGE" default:"0" placeholder:"DURATION" help:"Age at which objects in --cache-bucket are deleted, such as 30d, by one of the servers, once a day. 0 leaves that to a lifecycle rule of the bucket, which costs nothing (${default})."`

	Workers          int           `env:"TINTYPE_WORKERS" default:"0" placeholder:"N" help:"Worker processes, and so transforms at the same time. 0 is one for every core of the machine or the container (${default})."`
	Sandbox          string        `env:"TINTYPE_SANDBOX" default:"auto" enum:"auto,require,off" placeholder:"auto|require|off" help:"Sandbox of worker processes: the layers that this system has (auto), all layers or no start (require), or limits only (off) (${default})."`
	Queue            int           `env:"TINTYPE_QUEUE" default:"256" placeholder:"N" help:"Transforms that may wait. One workspace takes at most as many places as it leaves free for others. Further transforms are answered 503 at once (${default})."`
	TransformMemory  size          `env:"TINTYPE_TRANSFORM_MEMORY" default:"0" placeholder:"SIZE" help:"Bound of the estimated memory of all running transforms. 0 is half of the memory that idle processes leave on this machine or in the container (${default})."`
	BodyMemory       size          `env:"TINTYPE_BODY_MEMORY" default:"0" placeholder:"SIZE" help:"Memory for originals that are being read or wait for their transform. 0 is an eighth of the memory that idle processes leave on this machine or in the container, from 32MiB to 1GiB. When it is short, large originals go to files in the data folder (${default})."`
	AnswerMemory     size          `env:"TINTYPE_ANSWER_MEMORY" default:"0" placeholder:"SIZE" help:"Memory for variants that clients are taking. 0 is a sixteenth of the memory that idle processes leave on this machine or in the container, from 16MiB to 1GiB. When it is short, slow clients are cut off (${default})."`
	WorkerMemory     size          `env:"TINTYPE_WORKER_MEMORY" default:"2GiB" placeholder:"SIZE" help:"Most memory of one worker process, up to three quarters of the memory of this machine or the container. Transforms that are estimated to need more are refused (${default})."`
	TransformTimeout time.Duration `env:"TINTYPE_TRANSFORM_TIMEOUT" default:"10s" placeholder:"DURATION" help:"Timeout of one transform. It may also wait this long before it begins (${default})."`
	FetchTimeout     time.Duration `env:"TINTYPE_FETCH_TIMEOUT" default:"10s" placeholder:"DURATION" help:"Timeout of fetching one original. The fetch may also wait this long before it begins (${default})."`

	Fetches             int `env:"TINTYPE_FETCHES" default:"512" placeholder:"N" help:"Originals that are fetched over the network at the same time. Others wait. Those that still wait after --fetch-timeout are answered 503 (${default})."`
	FetchesPerWorkspace int `env:"TINTYPE_FETCHES_PER_WORKSPACE" default:"128" placeholder:"N" help:"Originals of one workspace that are fetched at the same time (${default})."`
	FetchesPerHost      int `env:"TINTYPE_FETCHES_PER_HOST" default:"128" placeholder:"N" help:"Originals from one host, or one bucket of S3 or R2, that are fetched at the same time for all workspaces. One workspace may have a quarter of it (${default})."`

	MaxOriginalBytes size     `env:"TINTYPE_MAX_ORIGINAL_BYTES" default:"25MiB" placeholder:"SIZE" help:"Largest original (${default})."`
	MaxPixels        int      `env:"TINTYPE_MAX_PIXELS" default:"64000000" placeholder:"N" help:"Most pixels of one frame of an original, and of a variant over all its frames (${default})."`
	MaxFrames        int      `env:"TINTYPE_MAX_FRAMES" default:"1000" placeholder:"N" help:"Most frames of an animation (${default})."`
	AutoFormats      []string `env:"TINTYPE_AUTO_FORMATS" default:"avif,webp" enum:"avif,webp,none" placeholder:"FORMAT" help:"Formats that format=auto may choose besides JPEG and PNG, where the client accepts them: avif, webp or none (${default})."`

	Looks string `env:"TINTYPE_LOOKS" default:"fast" enum:"fast,best" placeholder:"fast|best" help:"What variants are made for: for speed, with looks that few can tell from the best (fast), or for looks alone: originals are decoded whole, and get smaller in linear light (best). docs/quality.md says what that costs. All servers of a fleet need the same (${default})."`

	MetricsPerWorkspace int `env:"TINTYPE_METRICS_PER_WORKSPACE" default:"0" placeholder:"N" help:"Figures of their own in /metrics for the N workspaces that get most requests; all others are counted together (${default})."`

	LogLevel  string `env:"TINTYPE_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" placeholder:"debug|info|warn|error" help:"The least level of log lines that are written. Requests are info, those answered with a status from 500 warn (${default})."`
	LogFormat string `env:"TINTYPE_LOG_FORMAT" default:"json" enum:"json,text" placeholder:"json|text" help:"How log lines are written to stderr (${default})."`
	LogSample int    `env:"TINTYPE_LOG_SAMPLE" default:"1" placeholder:"N" help:"Log one of N requests that are answered without an error: 1 logs each, 0 none. Requests that fail are always logged (${default})."`
}

// Defaults of --listen.
const (
	defaultListen         = ":8080"
	defaultRedirectListen = ":80" // beside TLS
)

// plainListen returns the address of the listener without TLS.
func (c *serveCmd) plainListen() string {
	switch {
	case c.Listen != "":
		return c.Listen
	case c.TLS != "off":
		return defaultRedirectListen
	}
	return defaultListen
}

// maxNamed bounds --metrics-per-workspace.
const maxNamed = 1000

// maxWorkers bounds --workers. No machine has more cores.
const maxWorkers = 1024

// Validate returns an error about a value that can be read, but isn't valid. kong calls it.
func (c *serveCmd) Validate() error {
	if c.MetricsPerWorkspace > maxNamed {
		return fmt.Errorf("--metrics-per-workspace: must be at most %d; each workspace is 8 series", maxNamed)
	}
	if c.Workers > maxWorkers {
		return fmt.Errorf("--workers: must be at most %d; more workers than cores make nothing faster", maxWorkers)
	}
	for _, v := range []struct {
		flag  string
		value int64
		min   int64
		what  string
	}{
		{"--log-sample", int64(c.LogSample), 0, "0 or more; 100 logs one of a hundred requests that go well, 0 only those that fail"},
		{"--unconfirmed", int64(c.Unconfirmed), int64(15 * time.Second), "a duration from 15s, such as 1m"},
		{"--alerts-every", int64(c.AlertsEvery), int64(100 * time.Millisecond), "a duration from 100ms, such as 1m"},
		{"--workers", int64(c.Workers), 0, "a whole number from 0"},
		{"--queue", int64(c.Queue), 1, "a whole number from 1; with no queue, whatever can't begin at once would be answered 503"},
		{"--worker-memory", int64(c.WorkerMemory), 256 << 20, "a size from 256MiB, such as 2GiB"},
		{"--client-requests", int64(c.ClientRequests), 0, "a whole number from 0"},
		{"--metrics-per-workspace", int64(c.MetricsPerWorkspace), 0, "a whole number from 0"},
		{"--transform-timeout", int64(c.TransformTimeout), int64(time.Millisecond), "a duration from 1ms, such as 10s"},
		{"--fetch-timeout", int64(c.FetchTimeout), int64(time.Millisecond), "a duration from 1ms, such as 10s"},
		{"--drain", int64(c.Drain), 0, "a duration from 0s, such as 5s"},
		{"--fetches", int64(c.Fetches), 1, "a whole number from 1"},
		{"--fetches-per-workspace", int64(c.FetchesPerWorkspace), 1, "a whole number from 1"},
		{"--fetches-per-host", int64(c.FetchesPerHost), 1, "a whole number from 1"},
		{"--max-original-bytes", int64(c.MaxOriginalBytes), 1, "a size from 1, such as 25MiB"},
		{"--max-pixels", int64(c.MaxPixels), 1, "a whole number from 1"},
		{"--max-frames", int64(c.MaxFrames), 1, "a whole number from 1"},
		{"--cache-memory", cmp.Or(int64(c.CacheMemory), 1<<20), 1 << 20, "a size from 1MiB, such as 256MiB, or 0"},
		{"--workspace-memory", cmp.Or(int64(c.WorkspaceMemory), 1<<20), 1 << 20, "a size from 1MiB, such as 256MiB, or 0"},
		{"--copies-disk", int64(c.CopiesDisk), 1 << 20, "a size from 1MiB, such as 1GiB; none is not possible, since images are served from these copies while the store can't be read"},
		{"--body-memory", cmp.Or(int64(c.BodyMemory), 16<<20), 16 << 20, "a size from 16MiB, such as 256MiB, or 0"},
		{"--answer-memory", cmp.Or(int64(c.AnswerMemory), 16<<20), 16 << 20, "a size from 16MiB, such as 256MiB, or 0"},
	} {
		if v.value < v.min {
			return fmt.Errorf("%s: must be %s", v.flag, v.what)
		}
	}
	if err := checkAddress("--listen", c.plainListen()); err != nil {
		return err
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	if c.DNSResolver != "" {
		if addr, err := netip.ParseAddrPort(c.DNSResolver); err != nil || addr.Port() == 0 {
			return fmt.Errorf("--dns-resolver: %q is no address of a DNS server; write it as 9.9.9.9:53", c.DNSResolver)
		}
	}
	if c.OpsListen != "off" {
		if err := checkAddress("--ops-listen", c.OpsListen); err != nil {
			return fmt.Errorf("%w, or off for none", err)
		}
	}
	if err := c.checkPeers(); err != nil {
		return err
	}
	if err := c.checkCacheBucket(); err != nil {
		return err
	}
	if c.PurgeWebhook != "" {
		if u, err := url.Parse(c.PurgeWebhook); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return errors.New("--purge-webhook: must be a URL such as https://cdn-purger.example.com/tintype; a token goes into TINTYPE_PURGE_WEBHOOK_TOKEN")
		}
	}
	if c.ModerationWebhook != "" {
		if u, err := url.Parse(c.ModerationWebhook); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil {
			return errors.New("--moderation-webhook: must be a URL such as https://moderation.example.com/tintype; a token goes into TINTYPE_MODERATION_WEBHOOK_TOKEN")
		}
	}
	if err := c.checkBilling(); err != nil {
		return err
	}
	if b := c.BaseDomain; b != "" && (strings.ContainsAny(b, "/:@* ") || !strings.Contains(strings.Trim(b, "."), ".") || strings.Contains(b, "..")) {
		return fmt.Errorf("--base-domain: %q is no domain; write it as img.example.com", b)
	}
	if c.Data == "" {
		return errors.New("--data: must be a folder")
	}
	if len(c.AutoFormats) > 1 && slices.Contains(c.AutoFormats, "none") {
		return errors.New("--auto-formats: none stands alone")
	}
	seen := map[string]bool{}
	for _, d := range c.Dir {
		name := d.name()
		if seen[name] {
			return fmt.Errorf("--dir: %s is given twice", name)
		}
		seen[name] = true
	}
	for _, f := range []struct {
		flag  string
		names []string
	}{{"--dir-uploads", c.DirUploads}, {"--dir-private", c.DirPrivate}} {
		for _, name := range f.names {
			if !seen[name] {
				return fmt.Errorf("%s: %q is no folder of --dir: write NAMESPACE/KEY as there", f.flag, name)
			}
		}
	}
	return nil
}

// limits returns the limits of pixels that the flags set.
func (c *serveCmd) limits() transform.Limits {
	l := transform.DefaultLimits()
	l.FramePixels, l.OutputPixels, l.Frames = c.MaxPixels, c.MaxPixels, c.MaxFrames
	l.TotalPixels = max(l.TotalPixels, c.MaxPixels)
	l.AVIFPixels = min(l.AVIFPixels, c.MaxPixels)
	return l
}

// formats returns the formats that format=auto may choose.
func (c *serveCmd) formats() (a transform.Accept) {
	for _, f := range c.AutoFormats {
		switch f {
		case "avif":
			a |= transform.AcceptAVIF
		case "webp":
			a |= transform.AcceptWebP
		}
	}
	return a
}

// storePath returns the path of the database file.
func (c *serveCmd) storePath() string {
	if c.Store.path != "" {
		return c.Store.path
	}
	return filepath.Join(c.Data, "tintype.db")
}

// A size is a number of bytes.
type size int64

var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12},
	{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}, {"T", 1 << 40}, {"B", 1}, {"", 1},
}

// UnmarshalText reads a size such as 64MiB, 1.5GB or 1048576.
func (s *size) UnmarshalText(text []byte) error {
	for _, u := range units {
		number, ok := strings.CutSuffix(string(text), u.suffix)
		if !ok {
			continue
		}
		// strconv takes NaN, infinity, hexadecimal digits and exponents too.
		number = strings.TrimSpace(number)
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || strings.Trim(number, "0123456789.") != "" || n*u.bytes > 1<<60 {
			break
		}
		*s = size(n * u.bytes)
		return nil
	}
	return fmt.Errorf("%q is no size; write it as 64MiB, 1.5GB or a number of bytes", text)
}

// A cidr is a range of addresses.
type cidr netip.Prefix

// UnmarshalText reads a range such as 10.1.0.0/16, or a single address. Ranges of IPv4 addresses
// may be written in IPv6 (::ffff:10.1.0.0/112).
func (c *cidr) UnmarshalText(text []byte) error {
	s := string(text)
	if addr, err := netip.ParseAddr(s); err == nil {
		addr = addr.Unmap()
		*c = cidr(netip.PrefixFrom(addr, addr.BitLen()))
		return nil
	}
	p, err := netip.ParsePrefix(s)
	if mapped := 96; err == nil && p.Addr().Is4In6() && p.Bits() >= mapped {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-mapped) // addresses are compared as IPv4
	}
	if err != nil {
		return fmt.Errorf("%q is no range of addresses; write it as 10.1.0.0/16 or fd00::/8, or a single address", s)
	}
	*c = cidr(p.Masked())
	return nil
}

func prefixes(all []cidr) (list []netip.Prefix) {
	for _, c := range all {
		list = append(list, netip.Prefix(c))
	}
	return list
}

// A dirSpec is NS/KEY=PATH.
type dirSpec struct{ namespace, key, path string }

// name is how other flags name the folder.
func (d dirSpec) name() string { return d.namespace + "/" + d.key }

// UnmarshalText reads NS/KEY=PATH.
func (d *dirSpec) UnmarshalText(text []byte) error {
	name, path, ok := strings.Cut(string(text), "=")
	ns, key, ok2 := strings.Cut(name, "/")
	if !ok || !ok2 || path == "" {
		return fmt.Errorf("%q must be NS/KEY=PATH, such as demo/samples=./pictures", text)
	}
	if !workspace.UsableNamespace(ns) {
		return fmt.Errorf("%q is no namespace: 3 to 63 lower-case letters, digits and -, and none of Tintype's own paths", ns)
	}
	if !workspace.ValidSourceKey(key) || workspace.ReservedSourceKey(key) {
		return fmt.Errorf("%q is no source key: lower-case letters, digits, - and _, and none of Tintype's own paths", key)
	}
	if home, err := os.UserHomeDir(); err == nil && (path == "~" || strings.HasPrefix(path, "~/")) {
		path = filepath.Join(home, path[1:])
	}
	d.namespace, d.key, d.path = ns, key, path
	return nil
}

// checkAddress returns an error where the value of a flag isn't an address. The error shows
// how to write one.
func checkAddress(flag, address string) error {
	_, port, err := net.SplitHostPort(address)
	if err == nil && port != "" {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil || port == "" {
		return fmt.Errorf("%s: %q is no address; write it as :8080, or as 127.0.0.1:8080", flag, address)
	}
	return nil
}
