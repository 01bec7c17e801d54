package api

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/workspace"
)

const (
	maxKeyDays  = 365
	maxKeyName  = 100 // characters
	keyLifetime = 24 * time.Hour
)

var errNoAPIKeys = fmt.Errorf("%w: none is set up for API keys", workspace.ErrUnavailable)

// NewAPIKey is what is asked for.
type NewAPIKey struct {
	Name          string   `json:"name" doc:"What people call the key: 1 to 100 characters."`
	Scopes        []string `json:"scopes" nullable:"false" enum:"read,write" doc:"read sees settings, usage and logs, fetches private originals and transforms bodies. write changes settings, purges and signs. Neither includes the other."`
	ExpiresInDays *int     `json:"expires_in_days,omitempty" minimum:"1" maximum:"365" doc:"Days until the key ends. Left out, it doesn't."`
	Test          bool     `json:"test,omitempty" doc:"Images made with the key are stamped TEST, are 100 a day at most, and aren't counted."`
}

type (
	// MadeAPIKey is a key as it is shown once.
	MadeAPIKey struct {
		ID        string     `json:"id"`
		Key       string     `json:"key" doc:"What clients send as Authorization: Bearer KEY. Shown this once."`
		Name      string     `json:"name"`
		Scopes    []string   `json:"scopes" nullable:"false"`
		Test      bool       `json:"test"`
		CreatedAt time.Time  `json:"created_at"`
		ExpiresAt *time.Time `json:"expires_at" doc:"Null where the key doesn't end."`
	}
	// APIKey is a key without the key itself.
	APIKey struct {
		ID            string     `json:"id"`
		Name          string     `json:"name"`
		Scopes        []string   `json:"scopes" nullable:"false"`
		Test          bool       `json:"test"`
		CreatedAt     time.Time  `json:"created_at"`
		ExpiresAt     *time.Time `json:"expires_at" doc:"Null where the key doesn't end."`
		RevokedAt     *time.Time `json:"revoked_at" doc:"Null where it isn't. Revoked keys are listed for 30 days."`
		LastUsedAt    *time.Time `json:"last_used_at" doc:"Null where it wasn't yet. Some seconds behind, as the counts are."`
		TotalRequests int64      `json:"total_requests"`
		TotalErrors   int64      `json:"total_errors" doc:"Of the requests, those answered with 400 or more."`
	}
	apiKeyInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The key's id."`
	}
	newAPIKeyInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Key       body
	}
	newAPIKeyOutput struct{ Body MadeAPIKey }
	apiKeysOutput   struct {
		Body struct {
			APIKeys []APIKey `json:"api_keys" nullable:"false" doc:"The oldest first."`
		}
	}
	revokedOutput struct {
		Body struct {
			Revoked int `json:"revoked" doc:"How many keys were revoked."`
		}
	}
)

func (a *api) createAPIKey(ctx context.Context, in *newAPIKeyInput) (*newAPIKeyOutput, error) {
	data, err := in.Key.read()
	if err != nil {
		return nil, err
	}
	var req NewAPIKey
	if err := workspace.DecodeInto(data, &req); err != nil {
		return nil, err
	}
	if err := req.validate(); err != nil {
		return nil, err
	}
	w, err := a.workspace(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	if a.records == nil {
		return nil, errNoAPIKeys
	}
	secret := apikey.New(req.Test)
	k := &workspace.APIKey{
		ID: strings.ToLower(rand.Text()[:16]), WorkspaceID: w.ID, Namespace: w.Namespace, Hash: secret.Hash(),
		Name: req.Name, Scopes: req.Scopes, Test: req.Test, CreatedAt: a.now().UTC().Truncate(time.Microsecond),
	}
	if req.ExpiresInDays != nil {
		k.ExpiresAt = k.CreatedAt.Add(time.Duration(*req.ExpiresInDays) * keyLifetime)
	}
	err = a.records.CreateAPIKey(ctx, k, a.changed(ctx, "api_key.create", k.ID, nil, listed(k)))
	if errors.Is(err, workspace.ErrTooManyKeys) {
		return nil, conflict(fmt.Sprintf("The workspace has %d API keys, the most that there can be: revoke one first.", workspace.MaxAPIKeys))
	}
	if err != nil {
		return nil, fmt.Errorf("making an API key of workspace %q: %w", w.Namespace, err)
	}
	a.auth.Forget(w.Namespace)
	return &newAPIKeyOutput{MadeAPIKey{
		ID: k.ID, Key: secret.Reveal(), Name: k.Name, Scopes: k.Scopes, Test: k.Test, CreatedAt: k.CreatedAt, ExpiresAt: orNull(k.ExpiresAt),
	}}, nil
}

func (r *NewAPIKey) validate() error {
	if n := utf8.RuneCountInString(r.Name); n < 1 || n > maxKeyName || !utf8.ValidString(r.Name) || strings.ContainsFunc(r.Name, unicode.IsControl) {
		return invalid(fmt.Sprintf("name: must have 1 to %d characters, none of them a control character.", maxKeyName))
	}
	if len(r.Scopes) == 0 {
		return invalid("scopes: must have read, write or both.")
	}
	for i, s := range r.Scopes {
		if s != string(apikey.Read) && s != string(apikey.Write) || slices.Contains(r.Scopes[:i], s) {
			return invalid("scopes: must have read, write or both, each once.")
		}
	}
	if d := r.ExpiresInDays; d != nil && (*d < 1 || *d > maxKeyDays) {
		return invalid(fmt.Sprintf("expires_in_days: must be 1 to %d; leave it out for a key that doesn't end.", maxKeyDays))
	}
	return nil
}

// liveKeys returns a workspace and its API keys that aren't revoked.
func (a *api) liveKeys(ctx context.Context, namespace string) (*workspace.Workspace, []*workspace.APIKey, error) {
	w, keys, err := a.apiKeys(ctx, namespace)
	return w, slices.DeleteFunc(keys, func(k *workspace.APIKey) bool { return !k.RevokedAt.IsZero() }), err
}

func (a *api) apiKeys(ctx context.Context, namespace string) (*workspace.Workspace, []*workspace.APIKey, error) {
	w, err := a.workspace(ctx, namespace)
	if err != nil {
		return nil, nil, err
	}
	if a.records == nil {
		return nil, nil, errNoAPIKeys
	}
	keys, err := a.records.APIKeys(ctx, w.ID)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the API keys of workspace %q: %w", namespace, err)
	}
	return w, keys, nil
}

func (a *api) listAPIKeys(ctx context.Context, in *namespaceInput) (*apiKeysOutput, error) {
	_, keys, err := a.apiKeys(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	out := &apiKeysOutput{}
	out.Body.APIKeys = make([]APIKey, len(keys))
	for i, k := range keys {
		out.Body.APIKeys[i] = listed(k)
	}
	return out, nil
}

func (a *api) revokeAPIKey(ctx context.Context, in *apiKeyInput) (*struct{}, error) {
	w, keys, err := a.apiKeys(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(keys, func(k *workspace.APIKey) bool { return k.ID == in.ID })
	if i < 0 {
		return nil, workspace.ErrKeyNotFound
	}
	return nil, a.revoke(ctx, w, keys[i])
}

// revokeAPIKeys revokes all keys of a workspace. What fails may be tried again.
func (a *api) revokeAPIKeys(ctx context.Context, in *namespaceInput) (*revokedOutput, error) {
	w, keys, err := a.liveKeys(ctx, in.Namespace)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		if err := a.revoke(ctx, w, k); err != nil {
			return nil, err
		}
	}
	out := &revokedOutput{}
	out.Body.Revoked = len(keys)
	return out, nil
}

func (a *api) revoke(ctx context.Context, w *workspace.Workspace, k *workspace.APIKey) error {
	at := a.now().UTC()
	after := k.Clone()
	after.RevokedAt = at
	err := a.records.RevokeAPIKey(ctx, w.ID, k.ID, at, a.changed(ctx, "api_key.revoke", k.ID, listed(k), listed(after)))
	a.auth.Forget(w.Namespace) // also after an error: it may have been done
	if err != nil {
		return fmt.Errorf("revoking an API key of workspace %q: %w", w.Namespace, err)
	}
	return nil
}

func listed(k *workspace.APIKey) APIKey {
	return APIKey{
		ID: k.ID, Name: k.Name, Scopes: k.Scopes, Test: k.Test, CreatedAt: k.CreatedAt, ExpiresAt: orNull(k.ExpiresAt),
		RevokedAt: orNull(k.RevokedAt), LastUsedAt: orNull(k.LastUsedAt), TotalRequests: k.TotalRequests, TotalErrors: k.TotalErrors,
	}
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
