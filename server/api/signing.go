package api

import (
	"context"
	"crypto/rand"
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

type (
	namespaceInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
	}
	signingKeyInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The key's id."`
	}
	signInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Request   body
	}
)

type (
	// NewSigningKey is a key as it is shown once.
	NewSigningKey struct {
		ID        string    `json:"id"`
		Secret    string    `json:"secret" doc:"64 hex digits: the 32 bytes that URLs are signed with. Shown this once."`
		CreatedAt time.Time `json:"created_at"`
	}
	// SigningKey is a key without its secret.
	SigningKey struct {
		ID        string    `json:"id"`
		CreatedAt time.Time `json:"created_at"`
	}
	newSigningKeyOutput struct{ Body NewSigningKey }
	signingKeysOutput   struct {
		Body struct {
			SigningKeys []SigningKey `json:"signing_keys" nullable:"false" doc:"The active keys, the newest last."`
		}
	}
	signOutput struct {
		Body struct {
			SignedURL string    `json:"signed_url"`
			ExpiresAt time.Time `json:"expires_at"`
		}
	}
)

// SignRequest is what is to be signed.
type SignRequest struct {
	URL       string `json:"url" doc:"A URL of the workspace, or the path and query of one, as clients will send it."`
	ExpiresIn int    `json:"expires_in,omitempty" doc:"Seconds, 1 to 604800 (7 days). Left out, 3600."`
}

func (a *api) createSigningKey(ctx context.Context, in *namespaceInput) (*newSigningKeyOutput, error) {
	key := signing.Key{ID: rand.Text()[:16], Secret: signing.NewSecret(), CreatedAt: a.now().UTC().Truncate(time.Second)}
	err := a.edit(ctx, in.Namespace, a.changed(ctx, "signing_key.create", key.ID, nil, SigningKey{key.ID, key.CreatedAt}), func(w *workspace.Workspace) error {
		if len(w.SigningKeys) >= signing.MaxKeys {
			return conflict(fmt.Sprintf("The workspace has %d signing keys, the most that can be active: delete one first.", signing.MaxKeys))
		}
		w.SigningKeys = append(w.SigningKeys, key)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &newSigningKeyOutput{NewSigningKey{key.ID, key.Secret.Reveal(), key.CreatedAt}}, nil
}

func (a *api) listSigningKeys(ctx context.Context, in *namespaceInput) (*signingKeysOutput, error) {
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	out := &signingKeysOutput{}
	out.Body.SigningKeys = []SigningKey{}
	for _, k := range w.SigningKeys {
		out.Body.SigningKeys = append(out.Body.SigningKeys, SigningKey{k.ID, k.CreatedAt})
	}
	return out, nil
}

func (a *api) deleteSigningKey(ctx context.Context, in *signingKeyInput) (*struct{}, error) {
	return nil, a.edit(ctx, in.Namespace, a.changed(ctx, "signing_key.delete", in.ID, nil, nil), func(w *workspace.Workspace) error {
		n := len(w.SigningKeys)
		w.SigningKeys = slices.DeleteFunc(w.SigningKeys, func(k signing.Key) bool { return k.ID == in.ID })
		if len(w.SigningKeys) == n {
			return errNoSigningKey
		}
		return nil
	})
}

func (a *api) sign(ctx context.Context, in *signInput) (*signOutput, error) {
	data, err := in.Request.read()
	if err != nil {
		return nil, err
	}
	var req SignRequest
	if err := workspace.DecodeInto(data, &req); err != nil {
		return nil, err
	}
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	if len(w.SigningKeys) == 0 {
		return nil, conflict("The workspace has no signing key: make one with POST …/signing-keys.")
	}
	if req.ExpiresIn == 0 {
		req.ExpiresIn = defaultExpiry
	}
	if req.ExpiresIn < 1 || req.ExpiresIn > maxExpiry {
		return nil, invalid(fmt.Sprintf("expires_in: must be 1 to %d seconds.", maxExpiry))
	}
	prefix, omitted, target, err := a.target(ctx, w, req.URL)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(target, "/"+w.Namespace+"//") {
		return nil, invalid("url: names no source: leave out the first slash before it.")
	}
	expires := a.now().Add(time.Duration(req.ExpiresIn) * time.Second).UTC().Truncate(time.Second)
	signed, err := signingKey(w.SigningKeys, a.now()).Secret.SignUntil(target, expires)
	if err != nil {
		return nil, invalid("url: " + err.Error() + ".")
	}
	out := &signOutput{}
	out.Body.SignedURL, out.Body.ExpiresAt = prefix+strings.TrimPrefix(signed, omitted), expires
	return out, nil
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
func (a *api) target(ctx context.Context, w *workspace.Workspace, raw string) (prefix, omitted, target string, err error) {
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
		if omitted, err = a.omitted(ctx, w, u.Hostname(), target); err != nil {
			return "", "", "", err
		}
	}
	if !strings.HasPrefix(target, "/") {
		return "", "", "", invalid("url: has no path.")
	}
	own := "/" + w.Namespace
	first, _, _ := strings.Cut(target[1:], "/")
	if omitted != "" && first == w.Namespace && !a.hasSource(w, first) {
		return "", "", "", invalid("url: on a host of the workspace the path is without the namespace: leave out " + own + ".")
	}
	target = omitted + target
	if !under(own, target) {
		message := "url: must be a URL of this workspace: its path begins with " + own + "/, or its host is the workspace's."
		if a.hasSource(w, first) {
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

func (a *api) hasSource(w *workspace.Workspace, key string) bool {
	return slices.ContainsFunc(w.Sources, func(s workspace.Source) bool { return s.Key == key }) || slices.Contains(a.dirSources(w.Namespace), key)
}

// omitted is what the URLs of a host leave out of their path: the namespace, where the host
// is the workspace's own and delivery knows it as that.
func (a *api) omitted(ctx context.Context, w *workspace.Workspace, host, target string) (string, error) {
	host, own := workspace.DomainName(host), "/"+w.Namespace
	if sub, ok := strings.CutSuffix(host, "."+a.baseDomain); ok && a.baseDomain != "" {
		switch {
		case sub == w.Namespace:
			return own, nil
		case workspace.ValidNamespace(sub) && !workspace.Reserved(sub):
			return "", invalid("url: its host is that of another workspace, " + sub + ".")
		}
		return "", nil
	}
	if !slices.Contains(w.Domains, host) {
		return "", nil
	}
	if a.records != nil {
		d, err := a.records.Domain(ctx, host)
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

// editAttempts bounds how often an edit starts over because the workspace changed in
// between.
const editAttempts = 50

// edit changes a copy of the workspace and writes it, with an entry of the audit log.
func (a *api) edit(ctx context.Context, namespace string, entry workspace.AuditEntry, change func(*workspace.Workspace) error) error {
	for attempt := 1; ; attempt++ {
		old, err := a.workspace(ctx, namespace)
		if err != nil {
			return err
		}
		w := old.Clone()
		if err := change(w); err != nil {
			return err
		}
		err = a.store.Update(ctx, w, entry)
		if errors.Is(err, workspace.ErrConflict) && attempt < editAttempts {
			continue
		}
		if err != nil {
			return fmt.Errorf("changing workspace %q: %w", namespace, err)
		}
		return nil
	}
}
