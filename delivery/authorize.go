package delivery

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tintype/tintype/signing"
)

// access is the right by which a request sees its image.
type access struct {
	private bool          // a private source is read, or the image was sent: shared caches must not keep the answer
	limited bool          // the right ends after left
	left    time.Duration // at least 0
	signed  bool          // a signature gives the right
	bearer  bool          // an API key gives the right: shared caches must not keep the answer
	test    string        // id of the test key; empty is none
}

// authorize checks that the request may see what it asks for. Every original that it may
// read counts, except the images of marks that the owner configured. An API key opens all
// of them. Without one, a private original needs a signature, and so does every image of a
// workspace with require_signature.
func (s *Service) authorize(a *ask, t Target) error {
	c := a.site
	private := slices.ContainsFunc(a.reads(), ref.private)
	a.access.private = private || a.secret || a.posted // an image that was sent is for its sender only
	if a.who.known() {
		a.access = s.bearer(a.who, a.access.private)
		return nil
	}
	if !a.access.private && !c.RequireSignature {
		return nil
	}
	now := s.clock()
	grant, err := a.verify(t, now)
	if errors.Is(err, signing.ErrRequired) && a.who.err != nil {
		return a.who.err
	}
	if err != nil {
		return err
	}
	a.access.signed = true
	if grant.Expires.IsZero() {
		if a.secret && !private {
			a.access.limited, a.access.left = true, longestRight
			return nil
		}
		if private {
			return fmt.Errorf("%w: URLs of private sources need an end: exp in Unix seconds, or the one of their dialect where it has one", signing.ErrInvalid)
		}
		return nil
	}
	a.access.limited, a.access.left = true, max(grant.Expires.Sub(now), 0)
	return nil
}

// guarded reports whether it takes a right to see the image.
func (a *ask) guarded() bool {
	return a.site.RequireSignature || a.secret || slices.ContainsFunc(a.reads(), ref.private)
}

// verify verifies the signature of the target: sig= where there is one, else that of the
// dialect.
func (a *ask) verify(t Target, now time.Time) (signing.Grant, error) {
	if a.foreign != nil && a.foreign.asked.Claim.Signature != "" && !signing.Signed(t.RawQuery) {
		return a.verifyForeign(t, now)
	}
	return a.site.keyring.Verify(t.Signed(), now)
}

// verifyForeign verifies the signature of another product, with the keys of its dialect that
// the owner brought along. It tries all of them, so that the time tells nothing.
func (a *ask) verifyForeign(t Target, now time.Time) (g signing.Grant, err error) {
	if !visible(t.Rest) || !visible(t.RawQuery) {
		return g, fmt.Errorf("%w: a signed URL is visible ASCII: write other characters as escapes", signing.ErrInvalid)
	}
	d, claim := a.foreign.dialect, a.foreign.asked.Claim
	found, weak := false, false
	for _, k := range a.site.DialectKeys {
		if k.Dialect != d.Name || d.Verify == nil {
			continue
		}
		if d.Verify(k.Key, claim) {
			found, weak, g.KeyID = true, k.Key.Weak(), k.ID
		}
	}
	switch g.Expires = claim.Expires; {
	case !found:
		return g, fmt.Errorf("%w: it was made for another URL, or with a key that the workspace doesn't have for %s", signing.ErrInvalid, d.Name)
	case !g.Expires.IsZero() && now.After(g.Expires.Add(signing.Skew)):
		return g, fmt.Errorf("%w: ask for a new URL", signing.ErrExpired)
	case weak && a.access.private:
		return g, fmt.Errorf("%w: its key is shorter than 16 bytes, and opens no private source", signing.ErrInvalid)
	}
	return g, nil
}

// visible reports whether a part of a raw target is visible ASCII.
func visible(raw string) bool {
	for i := range len(raw) {
		if raw[i] < 0x21 || raw[i] > 0x7e {
			return false
		}
	}
	return true
}

// rule says why the request needs a right, or that it needs none. It names the source that
// is private, which may be another one than the URL names.
func (a *ask) rule() string {
	isPrivate := func(s *source) bool { return s.Private }
	for _, r := range a.reads() {
		switch src := r.first(isPrivate); {
		case src == nil:
		case src == r.source:
			return "the source " + src.Key + " is private"
		default:
			return "the source " + src.Key + " is private, and " + r.String() + " is one of its originals too"
		}
	}
	switch {
	case a.secret:
		return "EXIF says where and by whom a picture was taken: it takes an API key or a signature"
	case a.site.RequireSignature:
		return "the workspace requires a signature for every image"
	case len(a.refs) == 0:
		return "no source is read"
	}
	return "the source is public"
}

// cacheControl is the header of that name. Caches keep the answer no longer than the right
// lasts.
func (a *ask) cacheControl() string {
	seconds := int(a.access.left / time.Second)
	switch set := a.setCacheControl(); {
	case a.access.private || a.access.bearer:
		return "private, max-age=" + strconv.Itoa(min(seconds, int(a.lifetime()/time.Second)))
	case a.access.limited:
		return "public, max-age=" + strconv.Itoa(min(seconds, 3600))
	case set != "":
		return set
	case a.endpoint.cacheControl != "":
		return a.endpoint.cacheControl
	case a.options.Version != "":
		return cacheControlVersioned
	}
	return cacheControlDefault
}

// setCacheControl is what the sources say, or empty: of several, what keeps the answer for
// the shortest time.
func (a *ask) setCacheControl() (set string) {
	for _, r := range a.refs {
		src := r.at().source
		if src == nil || src.CacheControl == "" {
			continue
		}
		if set == "" || maxAge(src.CacheControl) < maxAge(set) {
			set = src.CacheControl
		}
	}
	return set
}

// maxAge is how long browsers keep an answer with this Cache-Control, in seconds: -1 is not
// at all.
func maxAge(cacheControl string) int {
	age := 0
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		switch strings.ToLower(name) {
		case "no-store", "private", "no-cache":
			return -1
		case "max-age":
			age, _ = strconv.Atoi(value) // what is no number counts as 0, as it does to browsers
		}
	}
	return age
}
