package workspace

// NamespacePattern and SourceKeyPattern are [ValidNamespace] and [ValidSourceKey] as
// regular expressions (ECMA-262), for documents such as the API's.
const (
	NamespacePattern = `^[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])$`
	SourceKeyPattern = `^[a-z0-9][a-z0-9_-]{0,62}$`
)

// UsableNamespace reports whether s can name a workspace: it has the form of a namespace
// and isn't reserved. It allocates nothing.
func UsableNamespace(s string) bool { return ValidNamespace(s) && !Reserved(s) }

// ValidNamespace reports whether s has the form of a namespace: 3 to 63 of a-z, 0-9 and
// "-", neither starting nor ending with "-". It doesn't check [Reserved]. It allocates
// nothing.
func ValidNamespace(s string) bool {
	if len(s) < 3 || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !lowerAlnum(s[i]) && s[i] != '-' {
			return false
		}
	}
	return true
}

// Reserved reports whether paths of Tintype itself, or of CDNs in front, begin with this
// namespace. It allocates nothing.
func Reserved(namespace string) bool {
	switch namespace {
	case "v1", "app", "api", "healthz", "readyz", "metrics", "static", "docs", "www", "admin", "assets", "login",
		"playground", "transform", "info", "placeholder", "grid", "cdn-cgi":
		return true
	}
	return false
}

// ValidSourceKey reports whether s has the form of a source key: 1 to 63 of a-z, 0-9, "_"
// and "-", starting with a letter or digit. Names of marks and presets have the same form.
// It doesn't check [ReservedSourceKey]. It allocates nothing.
func ValidSourceKey(s string) bool {
	if s == "" || len(s) > 63 || !lowerAlnum(s[0]) {
		return false
	}
	for i := range len(s) {
		if !lowerAlnum(s[i]) && s[i] != '_' && s[i] != '-' {
			return false
		}
	}
	return true
}

// ReservedSourceKey reports whether URLs give this word another meaning after the
// namespace. It allocates nothing.
func ReservedSourceKey(key string) bool {
	switch key {
	case "transform", "info", "placeholder", "grid", "cdn-cgi", "metadata", "colors", "palette", "blurhash", "thumbhash", "v1":
		return true
	}
	return false
}

func lowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
