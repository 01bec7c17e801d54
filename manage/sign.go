package manage

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// How long a signed URL is good, in seconds.
const (
	defaultExpiry = 60 * 60
	maxExpiry     = 7 * 24 * 60 * 60
)

// SignURL signs a URL of the workspace with the newest of its signing keys that every server
// knows. The URL is signed as it stands. It may be the path and query of one. It is good
// for so many seconds; 0 is an hour.
func (m *Manager) SignURL(ctx context.Context, who Caller, namespace, url string, seconds int) (signed string, expires time.Time, err error) {
	w, err := m.open(ctx, who, Write, namespace)
	if err != nil {
		return "", expires, err
	}
	if len(w.SigningKeys) == 0 {
		return "", expires, conflict("The workspace has no signing key: make one with POST …/signing-keys.")
	}
	if seconds == 0 {
		seconds = defaultExpiry
	}
	if seconds < 1 || seconds > maxExpiry {
		return "", expires, invalid(fmt.Sprintf("expires_in: must be 1 to %d seconds.", maxExpiry))
	}
	prefix, omitted, target, err := m.target(ctx, w, url)
	if err != nil {
		return "", expires, err
	}
	if strings.HasPrefix(target, "/"+w.Namespace+"//") {
		return "", expires, invalid("url: names no source: leave out the first slash before it.")
	}
	expires = m.now().Add(time.Duration(seconds) * time.Second).UTC().Truncate(time.Second)
	signed, err = signingKey(w.SigningKeys, m.now()).Secret.SignUntil(target, expires)
	if err != nil {
		return "", expires, invalid("url: " + err.Error() + ".")
	}
	return prefix + strings.TrimPrefix(signed, omitted), expires, nil
}

// signingKey is the newest key that every server knows by now, or the oldest where
// there is none: other servers refuse what is signed with a key that they haven't heard of.
func signingKey(keys []signing.Key, now time.Time) signing.Key {
	for _, k := range slices.Backward(keys) {
		if now.Sub(k.CreatedAt) > cached.ChangeReach {
			return k
		}
	}
	return keys[0]
}

// target takes a URL of the workspace apart: what stands before the request target, what
// host form leaves out of the target, and the target in path form.
func (m *Manager) target(ctx context.Context, w *workspace.Workspace, raw string) (prefix, omitted, target string, err error) {
	target = raw
	if !strings.HasPrefix(raw, "/") {
		scheme, rest, ok := strings.Cut(raw, "://")
		if !ok || scheme != "http" && scheme != "https" {
			return "", "", "", invalid(fmt.Sprintf("url: must begin with https://, http:// or /%s/.", w.Namespace))
		}
		end := strings.IndexAny(rest, "/?#")
		if end < 0 {
			end = len(rest)
		}
		u, err := url.Parse(scheme + "://" + rest[:end])
		if err != nil || u.Host == "" || u.User != nil {
			return "", "", "", invalid("url: its host can't be read.")
		}
		prefix, target = scheme+"://"+rest[:end], rest[end:]
		if omitted, err = m.omitted(ctx, w, u.Hostname(), target); err != nil {
			return "", "", "", err
		}
	}
	if !strings.HasPrefix(target, "/") {
		return "", "", "", invalid("url: has no path.")
	}
	own := "/" + w.Namespace
	first, _, _ := strings.Cut(target[1:], "/")
	if omitted != "" && first == w.Namespace && !m.hasSource(w, first) {
		return "", "", "", invalid("url: on a host of the workspace the path is without the namespace: leave out " + own + ".")
	}
	target = omitted + target
	if !under(own, target) {
		message := "url: must be a URL of this workspace: its path begins with " + own + "/, or its host is the workspace's."
		if m.hasSource(w, first) {
			message += " Put " + own + " before /" + first + "."
		}
		return "", "", "", invalid(message)
	}
	return prefix, omitted, target, nil
}

// under reports whether the target is in path form, and of the workspace whose path is own.
func under(own, target string) bool {
	return strings.HasPrefix(target, own+"/") || strings.HasPrefix(target, own+"?")
}

func (m *Manager) hasSource(w *workspace.Workspace, key string) bool {
	return slices.ContainsFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key }) || slices.Contains(m.process(w.Namespace).Dirs, key)
}

// omitted is what the URLs of a host leave out of their path: the namespace, where the host
// is the workspace's own and delivery knows it as that.
func (m *Manager) omitted(ctx context.Context, w *workspace.Workspace, host, target string) (string, error) {
	host, own := workspace.DomainName(host), "/"+w.Namespace
	if sub, ok := strings.CutSuffix(host, "."+m.baseDomain); ok && m.baseDomain != "" {
		switch {
		case sub == w.Namespace:
			return own, nil
		case workspace.UsableNamespace(sub):
			return "", invalid("url: its host is that of another workspace, " + sub + ".")
		}
		return "", nil
	}
	if !slices.Contains(w.Domains, host) {
		return "", nil
	}
	if m.records != nil {
		d, err := m.records.Domain(ctx, host)
		switch {
		case errors.Is(err, workspace.ErrDomainNotFound):
		case err != nil:
			return "", err
		case !d.VerifiedAt.IsZero() && d.Namespace == w.Namespace:
			return own, nil
		}
	}
	if under(own, target) {
		return "", nil // any host serves path form
	}
	return "", invalid(fmt.Sprintf("url: %s is not verified, so that it doesn't serve the workspace at its root yet. Verify it first, or give a URL whose path begins with %s/.", host, own))
}
