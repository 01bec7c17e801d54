package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxTag is the maximum length of an original's tag, in bytes. The strictest known cache
// allows 1,024.
const maxTag = 512

// CacheTag returns the Cache-Tag of a workspace. Every answer with one of its images has
// it.
func CacheTag(namespace string) string { return namespace }

// SourceTag returns the Cache-Tag of a source.
func SourceTag(namespace, source string) string { return namespace + "/" + source }

// MarkTag returns the Cache-Tag of the variants with a mark. It can't equal a SourceTag,
// since source keys have no colon.
func MarkTag(namespace, mark string) string { return namespace + "/mark:" + mark }

// PathTag returns the Cache-Tag of an original: its name, percent-encoded where a tag needs
// that, or a hash of a long name. An original by full URL, with an empty source, always
// gets a hash, since its query may hold a secret.
func PathTag(namespace, source, path string) string {
	if source == "" {
		return namespace + "/url:" + pathHash(path)
	}
	var b strings.Builder
	b.Grow(len(namespace) + len(source) + len(path) + 2)
	b.WriteString(namespace)
	b.WriteByte('/')
	b.WriteString(source)
	b.WriteByte('/')
	const hexDigits = "0123456789ABCDEF"
	for i := range len(path) {
		if c := path[i]; c < 0x21 || c > 0x7e || c == ',' || c == '%' {
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		} else {
			b.WriteByte(c)
		}
	}
	if b.Len() > maxTag {
		return SourceTag(namespace, source) + "/hash:" + pathHash(path)
	}
	return b.String()
}

func pathHash(path string) string {
	sum := sha256.Sum256([]byte(path))
	return hex.EncodeToString(sum[:16])
}

// Tag returns the Cache-Tag that covers everything the purge concerns. Prefixes and single
// variants have no tags, so their tag is that of the source.
func (p Purge) Tag(namespace string) string {
	switch {
	case p.Kind == PurgeMark:
		return MarkTag(namespace, p.Value)
	case p.Kind == PurgePath:
		return PathTag(namespace, p.Source, p.Value)
	case p.Kind == PurgeAll || p.Source == "":
		return CacheTag(namespace)
	}
	return SourceTag(namespace, p.Source)
}
