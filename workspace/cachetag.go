package workspace

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// maxTag bounds a tag of an original, in bytes: caches in front bound them too, the
// strictest that is known at 1,024.
const maxTag = 512

// CacheTag is the Cache-Tag of a workspace: every answer with an image of it has it.
func CacheTag(namespace string) string { return namespace }

// SourceTag is the Cache-Tag of a source.
func SourceTag(namespace, source string) string { return namespace + "/" + source }

// MarkTag is the Cache-Tag of what carries a mark. No source key has a colon.
func MarkTag(namespace, mark string) string { return namespace + "/mark:" + mark }

// PathTag is the Cache-Tag of an original: its name, with what a tag can't hold
// percent-encoded, or a hash of it where it is long. Of an original by full URL,
// whose source is empty, it is always a hash: its query may hold a secret.
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

// Tag is the Cache-Tag under which a cache in front has all that the purge is aimed
// at. There are no tags of prefixes and of single variants: it is that of the source.
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
