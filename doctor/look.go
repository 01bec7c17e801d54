package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Config says where to look. Server is required.
type Config struct {
	Server  string // URL under which people reach the server
	Ops     string // URL of its ops listener; empty asks none
	Key     string // a root key; empty leaves checks out
	Version string // of this program
	// Client sends all requests. Nil is http.DefaultClient. It follows no redirect.
	Client *http.Client
	Now    func() time.Time // nil is time.Now
}

// maxAnswer bounds the answers that are read.
const maxAnswer = 32 << 20

// a looker has what Look needs.
type looker struct {
	Config
	client http.Client
}

// Look asks a server. The error is that it can't be asked at all.
func Look(ctx context.Context, c Config) (*Facts, error) {
	base, err := url.Parse(c.Server)
	if err != nil || base.Scheme != "https" && base.Scheme != "http" || base.Host == "" {
		return nil, fmt.Errorf("%q is no URL such as https://img.example.com", c.Server)
	}
	c.Server = strings.TrimSuffix(base.String(), "/")
	l := looker{Config: c}
	if c.Client != nil {
		l.client = *c.Client
	}
	l.client.Timeout = cmp.Or(l.client.Timeout, 10*time.Second)
	l.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	if l.Now == nil {
		l.Now = time.Now
	}
	f := &Facts{URL: c.Server, Version: c.Version, HTTPS: base.Scheme == "https"}
	res, body, err := l.get(ctx, c.Server+"/readyz", "")
	if err != nil {
		return nil, fmt.Errorf("the server can't be asked: %w", err)
	}
	f.Now, f.Ready, f.ReadySays = l.Now(), res.StatusCode, strings.TrimSpace(string(body[:min(len(body), 200)]))
	f.HSTS = res.Header.Get("Strict-Transport-Security")
	f.Date, _ = http.ParseTime(res.Header.Get("Date"))
	f.Front = frontOf(res.Header)
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		f.CertEnds = res.TLS.PeerCertificates[0].NotAfter
	}
	l.lookAround(ctx, f, base)
	f.Server, err = l.server(ctx)
	if err != nil {
		f.WhyServer = err.Error()
	}
	f.Workspaces, err = l.workspaces(ctx)
	if err != nil {
		f.WhyKey = err.Error()
	}
	return f, nil
}

// lookAround finds out what the public host answers besides.
func (l looker) lookAround(ctx context.Context, f *Facts, base *url.URL) {
	if f.HTTPS && base.Port() == "" {
		res, _, err := l.get(ctx, "http://"+base.Host+"/", "")
		f.Redirects = err == nil && res.StatusCode/100 == 3 && strings.HasPrefix(res.Header.Get("Location"), "https://")
	}
	for _, path := range []string{"/metrics", "/debug/pprof/", "/doctor"} {
		if res, _, err := l.get(ctx, l.Server+path, ""); err == nil && res.StatusCode == http.StatusOK {
			f.OpenPaths = append(f.OpenPaths, path)
		}
	}
	if res, _, err := l.get(ctx, l.Server+"/.well-known/security.txt", ""); err == nil {
		f.Contact = res.StatusCode
	}
	if ip := net.ParseIP(base.Hostname()); base.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.IsPrivate()) {
		return // it is this machine or network, where the ops listener may answer
	}
	within, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	at := net.JoinHostPort(base.Hostname(), "9090")
	if res, body, err := l.get(within, "http://"+at+"/metrics", ""); err == nil && res.StatusCode == http.StatusOK && strings.Contains(string(body), "tintype_") {
		f.OpsReached = at
	}
}

// server asks the ops listener.
func (l looker) server(ctx context.Context) (*Server, error) {
	if l.Ops == "" {
		return nil, errors.New("no ops listener was named")
	}
	res, body, err := l.get(ctx, strings.TrimSuffix(l.Ops, "/")+"/doctor", "")
	if err != nil {
		return nil, fmt.Errorf("the ops listener can't be asked: %w", err)
	}
	var s Server
	if res.StatusCode != http.StatusOK || json.Unmarshal(body, &s) != nil {
		return nil, fmt.Errorf("%s answers %s, which is no ops listener of this version", l.Ops, res.Status)
	}
	return &s, nil
}

// workspaces asks the API for all workspaces and their keys.
func (l looker) workspaces(ctx context.Context) ([]Workspace, error) {
	if l.Key == "" {
		return nil, errors.New("there is no key")
	}
	all := []Workspace{}
	for after := ""; ; {
		var page struct {
			Workspaces []Workspace `json:"workspaces"`
			Next       string      `json:"next"`
		}
		if err := l.api(ctx, "/v1/workspaces?limit=100&after="+url.QueryEscape(after), &page); err != nil {
			return nil, err
		}
		all = append(all, page.Workspaces...)
		if after = page.Next; after == "" {
			break
		}
	}
	for i := range all {
		w := &all[i]
		var apiKeys struct {
			APIKeys []APIKey `json:"api_keys"`
		}
		var signing struct {
			SigningKeys []struct {
				ID    string `json:"id"`
				Short bool   `json:"short"`
			} `json:"signing_keys"`
		}
		var alerts struct {
			Channels []Channel `json:"channels"`
		}
		at := "/v1/workspaces/" + url.PathEscape(w.Namespace)
		if err := errors.Join(l.api(ctx, at+"/api-keys", &apiKeys), l.api(ctx, at+"/signing-keys", &signing), l.api(ctx, at+"/alerts?limit=1", &alerts)); err != nil {
			return nil, err
		}
		w.APIKeys, w.SigningKeys, w.Channels = apiKeys.APIKeys, len(signing.SigningKeys), alerts.Channels
		for _, k := range signing.SigningKeys {
			if k.Short {
				w.ShortKeys = append(w.ShortKeys, k.ID)
			}
		}
	}
	return all, nil
}

func (l looker) api(ctx context.Context, path string, into any) error {
	res, body, err := l.get(ctx, l.Server+path, l.Key)
	if err != nil {
		return err
	}
	switch res.StatusCode {
	case http.StatusOK:
		return json.Unmarshal(body, into)
	case http.StatusUnauthorized, http.StatusForbidden:
		return errors.New("the server refuses the key: it must be the root key")
	}
	return fmt.Errorf("the API answered %s", res.Status)
}

// get sends a GET, with a key if there is one.
func (l looker) get(ctx context.Context, url, key string) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := l.client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return res, body, err
}

// frontOf returns what is in front of a server, by the headers of an answer.
func frontOf(h http.Header) string {
	for _, sign := range []struct{ header, name string }{
		{"Cf-Ray", "Cloudflare"}, {"X-Amz-Cf-Id", "CloudFront"}, {"X-Served-By", "Fastly"}, {"X-Varnish", "Varnish"}, {"Via", "a proxy"},
	} {
		if h.Get(sign.header) != "" {
			return sign.name
		}
	}
	return ""
}
