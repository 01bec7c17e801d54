package manage

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/signing"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/cached"
)

// Lifetime of a signed URL, in seconds.
const (
	defaultExpiry = 60 * 60
	maxExpiry     = 7 * 24 * 60 * 60
)

// SignURL signs a URL of the workspace, or its path and query, with the newest signing key
// that every server knows. It doesn't change the URL. The signature expires after the
// number of seconds; 0 is an hour.
func (m *Manager) SignURL(ctx context.Context, who Caller, namespace, url string, seconds int) (signed string, expires time.Time, err error) {
	w, err := m.open(ctx, who, account.Sign, namespace)
	if err != nil {
		return "", expires, err
	}
	return m.signIn(ctx, w, url, seconds)
}

// MaxBatch is the maximum number of URLs or paths in one call.
const MaxBatch = 1000

// SignURLs is [Manager.SignURL] for up to MaxBatch URLs, which all expire at the same time.
// Where one can't be signed, none is.
func (m *Manager) SignURLs(ctx context.Context, who Caller, namespace string, urls []string, seconds int) (signed []string, expires time.Time, err error) {
	w, err := m.open(ctx, who, account.Sign, namespace)
	if err != nil {
		return nil, expires, err
	}
	if len(urls) == 0 || len(urls) > MaxBatch {
		return nil, expires, invalid(fmt.Sprintf("urls: must have 1 to %d URLs.", MaxBatch))
	}
	signed = make([]string, len(urls))
	for i, url := range urls {
		var end time.Time
		signed[i], end, err = m.signIn(ctx, w, url, seconds)
		if e, ok := errors.AsType[*fault.Error](err); ok && e.Code == fault.Validation {
			if rest, about := strings.CutPrefix(e.Message, "url: "); about {
				return nil, expires, invalid(fmt.Sprintf("urls[%d]: %s", i, rest))
			}
		}
		if err != nil {
			return nil, expires, err
		}
		if i == 0 {
			expires = end
		}
	}
	return signed, expires, nil
}

// signIn is SignURL in a workspace that has been opened.
func (m *Manager) signIn(ctx context.Context, w *workspace.Workspace, url string, seconds int) (signed string, expires time.Time, err error) {
	if len(w.SigningKeys) == 0 {
		return "", expires, conflict("The workspace has no signing key yet. Make one first.")
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
		return "", expires, invalid("url: has an empty segment before the source. Leave out one slash.")
	}
	expires = m.now().Add(time.Duration(seconds) * time.Second).UTC().Truncate(time.Second)
	signed, err = signingKey(w.SigningKeys, m.now()).Secret.SignUntil(target, expires)
	if err != nil {
		return "", expires, invalid("url: " + err.Error() + ".")
	}
	return prefix + strings.TrimPrefix(signed, omitted), expires, nil
}

// signingKey returns the newest key that every server knows by now, or the oldest key if
// all are newer. A server refuses signatures of a key that it doesn't know yet.
func signingKey(keys []signing.Key, now time.Time) signing.Key {
	for _, k := range slices.Backward(keys) {
		if now.Sub(k.CreatedAt) > cached.ChangeReach {
			return k
		}
	}
	return keys[0]
}

// target splits a URL of the workspace: into the part before the request target, the part
// that host form leaves out of the target, and the target in path form.
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
			return "", "", "", invalid("url: its host is not valid.")
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
		return "", "", "", invalid("url: on a host of the workspace, the path has no namespace. Leave out " + own + ".")
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

// under reports whether the target is in path form, in the workspace whose path is own.
func under(own, target string) bool {
	return strings.HasPrefix(target, own+"/") || strings.HasPrefix(target, own+"?")
}

func (m *Manager) hasSource(w *workspace.Workspace, key string) bool {
	return slices.ContainsFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key }) || slices.Contains(m.process(w.Namespace).Dirs, key)
}

// omitted returns the part that the URLs of a host leave out of their path. That is the
// namespace, if delivery knows the host as one of the workspace.
func (m *Manager) omitted(ctx context.Context, w *workspace.Workspace, host, target string) (string, error) {
	host, own := workspace.DomainName(host), "/"+w.Namespace
	if sub, ok := strings.CutSuffix(host, "."+m.baseDomain); ok && m.baseDomain != "" {
		switch {
		case sub == w.Namespace:
			return own, nil
		case workspace.UsableNamespace(sub):
			return "", invalid("url: its host belongs to another workspace, " + sub + ".")
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
		return "", nil // every host serves path form
	}
	return "", invalid(fmt.Sprintf("url: %s is not verified, so it doesn't serve the workspace yet. Verify it first, or use a URL whose path begins with %s/.", host, own))
}
