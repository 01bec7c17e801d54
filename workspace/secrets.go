package workspace

import (
	"maps"
	"net/http"
	"slices"
)

// Mask replaces a secret in answers. If a client sends it back, it stands for the stored
// secret: see [Workspace.Unmask].
const Mask = "***"

// Clone returns a deep copy. Nil lists become empty.
func (w *Workspace) Clone() *Workspace {
	c := *w
	c.AllowedOrigins = cloneList(w.AllowedOrigins)
	c.AllowedSources = cloneList(w.AllowedSources)
	c.Domains = cloneList(w.Domains)
	c.Sources = cloneList(w.Sources)
	for i := range c.Sources {
		c.Sources[i].Headers = maps.Clone(c.Sources[i].Headers)
		c.Sources[i].PublicURLs = slices.Clone(c.Sources[i].PublicURLs)
	}
	c.Marks = cloneList(w.Marks)
	for i := range c.Marks {
		m := &c.Marks[i]
		m.AutoApplySources = cloneList(m.AutoApplySources)
		if m.Opacity != nil {
			opacity := *m.Opacity
			m.Opacity = &opacity
		}
	}
	c.Presets = cloneList(w.Presets)
	c.SigningKeys = slices.Clone(w.SigningKeys)
	c.DialectKeys = slices.Clone(w.DialectKeys)
	c.Blocks = slices.Clone(w.Blocks)
	return &c
}

// cloneList copies a list. The copy is never nil, so that it is [] in JSON.
func cloneList[E any](s []E) []E { return append(make([]E, 0, len(s)), s...) }

// Masked returns a deep copy in which [Mask] replaces every secret that is set: secret
// access keys and values of headers. Only masked workspaces may leave the server.
func (w *Workspace) Masked() *Workspace {
	c := w.Clone()
	c.SigningKeys, c.DialectKeys, c.Blocks = nil, nil, nil
	for i := range c.Sources {
		s := &c.Sources[i]
		if s.SecretAccessKey != "" {
			s.SecretAccessKey = Mask
		}
		for name, value := range s.Headers {
			if value != "" {
				s.Headers[name] = Mask
			}
		}
	}
	return c
}

// Unmask replaces every [Mask] in w by the secret that old has in its place. old may be nil
// if there is no older workspace.
//
// It does so only if old has a source with the same key, kind, url, endpoint, account_id
// and bucket. Otherwise somebody who may change a source could send its secrets to their
// own server. Clients don't send signing keys, so w gets those of old. If a mask has no
// secret to keep, w stays unchanged and the error is a *[ValidationError].
func (w *Workspace) Unmask(old *Workspace) error {
	var p problems
	var keep []func()
	for i := range w.Sources {
		s := &w.Sources[i]
		path := element("sources", i)
		from := old.source(s.Key)
		same := from != nil && from.Kind == s.Kind && from.URL == s.URL && from.Endpoint == s.Endpoint &&
			from.AccountID == s.AccountID && from.Bucket == s.Bucket
		reject := func(path string) {
			if from != nil && !same {
				p.add(path, "must be given again, since kind, url, endpoint, account_id or bucket of the source changed: "+
					"%q keeps a secret only for the same place", Mask)
			} else {
				p.add(path, "%q keeps the stored secret, but there is none: give the secret itself", Mask)
			}
		}
		if s.SecretAccessKey == Mask {
			if same && from.SecretAccessKey != "" {
				keep = append(keep, func() { s.SecretAccessKey = from.SecretAccessKey })
			} else {
				reject(member(path, "secret_access_key"))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(s.Headers)) {
			if s.Headers[name] != Mask {
				continue
			}
			var secret string
			if same {
				secret = header(from.Headers, name)
			}
			if secret != "" {
				keep = append(keep, func() { s.Headers[name] = secret })
			} else {
				reject(member(member(path, "headers"), name))
			}
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	for _, set := range keep {
		set()
	}
	w.SigningKeys, w.DialectKeys, w.Blocks = nil, nil, nil
	if old != nil {
		w.SigningKeys = slices.Clone(old.SigningKeys)
		w.DialectKeys = slices.Clone(old.DialectKeys)
		w.Blocks = slices.Clone(old.Blocks)
	}
	return nil
}

// source returns the source with the key, or nil. w may be nil.
func (w *Workspace) source(key string) *Source {
	if w == nil {
		return nil
	}
	if i := slices.IndexFunc(w.Sources, func(s Source) bool { return s.Key == key }); i >= 0 {
		return &w.Sources[i]
	}
	return nil
}

// header returns the value of a header, whose name may be in any case, or "".
func header(headers map[string]string, name string) string {
	for n, value := range headers {
		if http.CanonicalHeaderKey(n) == http.CanonicalHeaderKey(name) {
			return value
		}
	}
	return ""
}
