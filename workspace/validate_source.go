package workspace

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tintype/tintype/dialect"
	"github.com/tintype/tintype/origin"
	"golang.org/x/net/http/httpguts"
)

const (
	maxSeconds      = 31_536_000 // one year
	maxCacheControl = 256        // bytes
	maxHeaderValue  = 4096       // bytes
	maxPrefix       = 512        // bytes; a key with its prefix can have 1,024
	maxAccessKey    = 256        // bytes
)

// kindFields has, for each kind of source, the fields that it requires and those that it
// allows. Fields of all kinds aren't listed.
var kindFields = map[string]struct{ required, optional []string }{
	"http": {[]string{"url"}, []string{"headers", "public_urls"}},
	"s3": {[]string{"bucket", "region", "access_key_id", "secret_access_key"},
		[]string{"prefix", "endpoint", "public_urls", "uploads"}},
	"r2": {[]string{"account_id", "bucket", "access_key_id", "secret_access_key"},
		[]string{"prefix", "public_urls", "uploads"}},
}

func (v *validator) sources() {
	for i := range v.w.Sources {
		v.source(element("sources", i), &v.w.Sources[i], i)
	}
}

func (v *validator) source(path string, s *Source, i int) {
	first := slices.IndexFunc(v.w.Sources, func(o Source) bool { return o.Key == s.Key }) == i
	v.key(member(path, "key"), s.Key, "source", first)
	if ReservedSourceKey(s.Key) {
		v.add(member(path, "key"), "%q is reserved: choose another", s.Key)
	}
	if dialect.Reserved(s.Key) && v.old.source(s.Key) == nil {
		v.add(member(path, "key"), "%q is reserved, since URLs of another product begin with it: choose another", s.Key)
	}
	if slices.Contains(v.operator, s.Key) {
		v.add(member(path, "key"), "%q is a folder of the operator's (--dir): choose another", s.Key)
	}
	v.cachingRules(path, s)

	kind, ok := kindFields[s.Kind]
	switch {
	case s.Kind == "dir":
		v.add(member(path, "kind"), "\"dir\" is only for the operator: set it with --dir NAMESPACE/KEY=FOLDER, not in a workspace")
		return
	case !ok:
		v.add(member(path, "kind"), "%q is unknown; allowed are \"http\", \"s3\" and \"r2\"", cut(s.Kind))
		return
	}
	for _, f := range []struct {
		name  string
		set   bool
		check func(path string)
	}{
		{"url", s.URL != "", func(p string) { v.prefixURL(p, s.URL) }},
		{"headers", len(s.Headers) > 0, func(p string) { v.headers(p, s.Headers) }},
		{"public_urls", len(s.PublicURLs) > 0, func(p string) { v.publicURLs(p, s.PublicURLs) }},
		{"bucket", s.Bucket != "", func(p string) { v.bucket(p, s) }},
		{"region", s.Region != "", func(p string) { v.region(p, s.Region) }},
		{"prefix", s.Prefix != "", func(p string) { v.prefix(p, s.Prefix) }},
		{"endpoint", s.Endpoint != "", func(p string) { v.endpoint(p, s.Endpoint) }},
		{"account_id", s.AccountID != "", func(p string) { v.accountID(p, s.AccountID) }},
		{"access_key_id", s.AccessKeyID != "", func(p string) { v.accessKey(p, s.AccessKeyID) }},
		{"secret_access_key", s.SecretAccessKey != "", func(p string) { v.accessKey(p, s.SecretAccessKey) }},
		{"uploads", s.Uploads, func(string) {}},
	} {
		at := member(path, f.name)
		required := slices.Contains(kind.required, f.name)
		if v.lends && s.AccessKeyID == "" && s.SecretAccessKey == "" && (f.name == "access_key_id" || f.name == "secret_access_key") {
			continue
		}
		switch {
		case required && !f.set:
			v.add(at, "is missing: a source of kind %q needs it", s.Kind)
		case f.set && !required && !slices.Contains(kind.optional, f.name):
			v.add(at, "is not for sources of kind %q, which have %s", s.Kind,
				strings.Join(slices.Concat(kind.required, kind.optional), ", "))
		case f.set:
			f.check(at)
		}
	}
}

// cachingRules checks the fields that every kind has.
func (v *validator) cachingRules(path string, s *Source) {
	for _, f := range []struct {
		name    string
		seconds int
	}{{"ttl", s.TTL}, {"revalidate", s.Revalidate}} {
		if f.seconds < 0 || f.seconds > maxSeconds {
			v.add(member(path, f.name), "%d is not allowed: give seconds, 0 to %d", f.seconds, maxSeconds)
		}
	}
	v.cacheControl(member(path, "cache_control"), s.CacheControl)
}

func (v *validator) cacheControl(path, cc string) {
	if len(cc) > maxCacheControl || !visible(cc, true) || strings.TrimSpace(cc) != cc {
		v.add(path, "must be the value of a Cache-Control header, such as \"public, max-age=3600\": "+
			"at most %d visible ASCII characters", maxCacheControl)
	}
}

// answers checks what is said of answers.
func (v *validator) answers() {
	if f := v.w.FallbackFormat; f != FallbackOriginal && f != FallbackJPEG {
		v.add("fallback_format", "%q is unknown; allowed are \"original\" and \"jpeg\"", cut(f))
	}
	v.cacheControl("cdn_cache_control", v.w.CDNCacheControl)
}

// prefixURL checks a URL that object keys are appended to.
func (v *validator) prefixURL(path, raw string) {
	u, err := origin.ParsePlace(raw)
	switch canonical := prefixURL(raw); {
	case err != nil:
		v.add(path, "bad URL: %s", reason(err, origin.ErrInvalidURL))
	case u.Query != "" || strings.Contains(raw, "?"):
		v.add(path, "must have no query: object keys are appended to the URL")
	case !u.PathIsCanonical():
		v.add(path, "must have no // and no encoded slash, backslash or dot in its path")
	case canonical != raw:
		v.add(path, "must be written %q", canonical)
	}
}

func (v *validator) publicURLs(path string, urls []string) {
	for i, raw := range urls {
		v.prefixURL(element(path, i), raw)
		if slices.Index(urls, raw) < i {
			v.add(element(path, i), "%q is there twice", cut(raw))
		}
	}
}

// ownHeaders are the headers that a source can't set: those that a fetch sets itself, and
// those of a connection (RFC 9110 §7.6.1).
var ownHeaders = []string{
	"Accept-Encoding", "Cdn-Loop", "Connection", "Content-Length", "Expect", "Host", "If-Match", "If-Modified-Since",
	"If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization",
	"Proxy-Connection", "Range", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

func (v *validator) headers(path string, headers map[string]string) {
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		at := member(path, name)
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			v.add(at, "is not the name of a header")
		case slices.Contains(ownHeaders, canonical):
			v.add(at, "is a header that a source can't set: Tintype or the connection does")
		case seen[canonical]:
			v.add(at, "is there twice, in another case")
		}
		seen[canonical] = true
		if value := headers[name]; len(value) > maxHeaderValue || !httpguts.ValidHeaderFieldValue(value) {
			v.add(at, "must be the value of a header: at most %d bytes without control characters", maxHeaderValue)
		}
	}
}

// bucket checks a bucket's name by the rules of S3. The rules of R2 are stricter.
func (v *validator) bucket(path string, s *Source) {
	name := s.Bucket
	ok := len(name) >= 3 && len(name) <= 63 && lowerAlnum(name[0]) && lowerAlnum(name[len(name)-1]) && !strings.Contains(name, "..")
	for i := range len(name) {
		ok = ok && (lowerAlnum(name[i]) || name[i] == '-' || name[i] == '.' && s.Kind == "s3")
	}
	if _, err := netip.ParseAddr(name); err == nil {
		ok = false
	}
	if ok {
		return
	}
	if s.Kind == "r2" {
		v.add(path, "%q is not a bucket's name: use 3 to 63 of a-z, 0-9 and \"-\", starting and ending with a letter or digit", cut(name))
	} else {
		v.add(path, "%q is not a bucket's name: use 3 to 63 of a-z, 0-9, \"-\" and single dots, "+
			"starting and ending with a letter or digit, and no address", cut(name))
	}
}

// region accepts what can be a label of a host name, since it becomes one.
func (v *validator) region(path, region string) {
	ok := len(region) <= 32 && region[0] != '-' && region[len(region)-1] != '-'
	for i := range len(region) {
		ok = ok && (lowerAlnum(region[i]) || region[i] == '-')
	}
	if !ok {
		v.add(path, "%q is not a region: give one such as \"eu-west-1\" or \"auto\"", cut(region))
	}
}

func (v *validator) prefix(path, prefix string) {
	folder, ok := strings.CutSuffix(prefix, "/")
	switch err := origin.CheckPath(folder); {
	case len(prefix) > maxPrefix:
		v.add(path, "is %d bytes long; at most %d are allowed", len(prefix), maxPrefix)
	case !ok:
		v.add(path, "must be written %q", cut(prefix+"/"))
	case err != nil:
		v.add(path, "must be folders such as \"photos/2026/\": %s", reason(err, origin.ErrInvalidPath))
	}
}

func (v *validator) endpoint(path, raw string) {
	u, err := origin.ParsePlace(raw)
	switch canonical := endpointURL(raw); {
	case err != nil:
		v.add(path, "bad URL: %s", reason(err, origin.ErrInvalidURL))
	case u.Path != "/" || u.Query != "" || strings.Contains(raw, "?"):
		v.add(path, "must be scheme, host and port only, such as \"https://minio.example.com:9000\"")
	case canonical != raw:
		v.add(path, "must be written %q", canonical)
	}
}

func (v *validator) accountID(path, id string) {
	if len(id) != 32 || strings.Trim(id, "0123456789abcdef") != "" {
		v.add(path, "must be the 32 hex digits (0-9, a-f) of the account that the bucket's owner finds in the dashboard of R2")
	}
}

func (v *validator) accessKey(path, key string) {
	if len(key) > maxAccessKey || !visible(key, false) {
		v.add(path, "must be at most %d visible ASCII characters, without spaces", maxAccessKey)
	}
}

// visible reports whether s has only visible ASCII characters, or spaces if they are
// allowed.
func visible(s string, spaces bool) bool {
	for i := range len(s) {
		if s[i] > '~' || s[i] < ' ' || s[i] == ' ' && !spaces {
			return false
		}
	}
	return true
}
