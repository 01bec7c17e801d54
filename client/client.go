// Package client calls the management API of a Tintype server, and builds and signs the URLs
// of images.
//
// For most uses, call [FromEnv] and a method that is named after the operation:
//
//	c, err := client.FromEnv() // TINTYPE_URL and TINTYPE_API_KEY
//	…
//	source, err := c.PutSource(ctx, "acme", "photos", client.Source{Key: "photos", Kind: "http", URL: "https://origin.example.com/"})
//
// Methods that list have a second one that goes through all pages, such as
// [Client.AllImages]. [Client.Upload] sends an image, [Client.UploadLarge] one in parts.
// [Images] builds URLs.
//
// An answer that is an error is an [*Error]. errors.Is finds its code:
//
//	if errors.Is(err, client.CodeConflict) { … }
//
// The client tries again where that is safe: after 429 and 503, and where a connection
// breaks. Every POST has an Idempotency-Key of its own, so that the server does nothing
// twice.
package client

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 20

// A Client calls the API of one server with one key. Its methods may be called at once.
type Client struct {
	base, key, agent string
	http             *http.Client
	tries            int
	pause            func(ctx context.Context, d time.Duration) error
}

// An Option changes how a Client works.
type Option func(*Client)

// WithHTTPClient makes the client send its requests by h. The default is a client of
// net/http that waits 60 s for an answer.
func WithHTTPClient(h *http.Client) Option { return func(c *Client) { c.http = h } }

// WithTries sets how many times at most a request is sent. The default is 4.
func WithTries(n int) Option { return func(c *Client) { c.tries = max(n, 1) } }

// WithUserAgent sets the header User-Agent.
func WithUserAgent(text string) Option { return func(c *Client) { c.agent = text } }

// New returns a client of the server at a URL, such as https://img.example.com. A path, such
// as the namespace in https://img.example.com/acme, which builders of image URLs take, is left
// out. The key is an API key of a workspace, or the root key.
func New(server, key string, options ...Option) (*Client, error) {
	base, err := url.Parse(server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("the server: %q is no URL such as http://localhost:8080", server)
	}
	if key == "" {
		return nil, errors.New("the key is empty: make one with POST /v1/workspaces/NS/api-keys, or on the page Keys")
	}
	if strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, errors.New("the key holds a blank, a line break or a character that no key has")
	}
	c := &Client{
		base:  base.Scheme + "://" + base.Host,
		key:   key,
		agent: "tintype-go",
		http:  &http.Client{Timeout: 60 * time.Second, CheckRedirect: sameHost},
		tries: 4,
		pause: pause,
	}
	for _, o := range options {
		o(c)
	}
	return c, nil
}

// FromEnv returns a client of the server that TINTYPE_URL names, with the key in
// TINTYPE_API_KEY.
func FromEnv(options ...Option) (*Client, error) {
	server, key := os.Getenv("TINTYPE_URL"), os.Getenv("TINTYPE_API_KEY")
	if server == "" {
		return nil, errors.New("set TINTYPE_URL to the server, such as https://img.example.com")
	}
	if key == "" {
		return nil, errors.New("set TINTYPE_API_KEY to an API key of the workspace")
	}
	c, err := New(server, key, options...)
	if err != nil {
		return nil, fmt.Errorf("TINTYPE_URL or TINTYPE_API_KEY: %w", err)
	}
	return c, nil
}

// sameHost follows no redirect: the API sends none, and what answers one is another server,
// which must not get the key.
func sameHost(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A request is one call.
type request struct {
	method, path string
	query        any // a struct whose fields have the tag url, or nil
	body         any // written as JSON, or nil
	single       bool
}

// Do sends a request to a path such as /v1/workspaces, with in as JSON unless it is nil, and
// reads the answer into out unless that is nil. It is for what has no method of its own. PUT,
// PATCH and DELETE are tried again only where the server says that it did nothing.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	single := method != http.MethodGet && method != http.MethodPost
	return c.do(ctx, request{method: method, path: path, body: in, single: single}, out)
}

// do sends a request until it is answered or there is no use, and reads the answer into out.
func (c *Client) do(ctx context.Context, r request, out any) error {
	var body []byte
	if v := reflect.ValueOf(r.body); v.Kind() == reflect.Pointer && v.IsNil() {
		r.body = nil // what may be left out
	}
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			return err
		}
	}
	header := http.Header{}
	if r.body != nil {
		header.Set("Content-Type", "application/json")
	}
	if r.method == http.MethodPost {
		header.Set("Idempotency-Key", rand.Text())
	}
	target := r.path + encode(r.query)
	unknown := false // an earlier try may have been carried out
	for try := 1; ; try++ {
		err := c.once(ctx, r.method, target, header, bytes.NewReader(body), int64(len(body)), out)
		if err == nil {
			return nil
		}
		answer, answered := errors.AsType[*Error](err)
		if unknown && r.method == http.MethodDelete && answered && answer.Code == CodeNotFound {
			return nil // the try before did it
		}
		wait, again := c.again(err, try, r)
		if !again || ctx.Err() != nil {
			return err
		}
		unknown = unknown || !answered
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < wait {
			return err
		}
		if c.pause(ctx, wait) != nil {
			return err
		}
	}
}

// maxWait is the longest pause between two tries. A quota's Retry-After may be hours.
const maxWait = 30 * time.Second

// again reports whether to send a request once more after an error, and when.
func (c *Client) again(err error, try int, r request) (wait time.Duration, ok bool) {
	if try >= c.tries {
		return 0, false
	}
	wait = 200 * time.Millisecond << (try - 1)
	wait += time.Duration(float64(wait) * jitter())
	e, answered := errors.AsType[*Error](err)
	if answered {
		switch e.Status {
		case http.StatusTooManyRequests: // nothing was done
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			if !repeatable(r) {
				return 0, false
			}
		default:
			return 0, false
		}
		wait = max(wait, e.RetryAfter)
		return wait, wait <= maxWait
	}
	return wait, repeatable(r) && errors.Is(err, errTransport)
}

// jitter returns a random part between 0 and 0.5.
func jitter() float64 {
	var b [1]byte
	_, _ = rand.Read(b[:]) // never fails
	return float64(b[0]) / 512
}

// repeatable reports whether sending a request twice does the same as once. A change that is
// based on a revision would conflict with itself.
func repeatable(r request) bool {
	switch body := r.body.(type) {
	case WorkspaceReplacement:
		return false
	case WorkspacePatch:
		return body["revision"] == nil
	}
	if o, ok := r.query.(DeleteWorkspaceOptions); ok {
		return o.Revision == 0
	}
	return !r.single
}

// errTransport says that there was no answer, or half of one.
var errTransport = errors.New("no answer")

// once sends a request once.
func (c *Client) once(ctx context.Context, method, target string, header http.Header, body io.Reader, length int64, out any) error {
	res, err := c.send(ctx, method, target, header, body, length)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("%s %s: %w: %w", method, c.base+target, errTransport, err)
	}
	if res.StatusCode/100 != 2 {
		return c.failure(target, res, text)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what this version knows: %w", method, c.base+target, err)
	}
	return nil
}

// send sends a request.
func (c *Client) send(ctx context.Context, method, target string, header http.Header, body io.Reader, length int64) (*http.Response, error) {
	if length == 0 {
		body = http.NoBody
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+target, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	for name, values := range header {
		req.Header[name] = values
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("User-Agent", c.agent)
	res, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTransport, err)
	}
	return res, nil
}

// failure returns the error of an answer.
func (c *Client) failure(target string, res *http.Response, text []byte) error {
	var e struct {
		Error struct {
			Code      Code
			Message   string
			RequestID string `json:"request_id"`
		}
	}
	retry := retryAfter(res.Header.Get("Retry-After"))
	if json.Unmarshal(text, &e) != nil || e.Error.Code == "" {
		return &Error{Status: res.StatusCode, RetryAfter: retry, Message: fmt.Sprintf("%s answered %s, which is not Tintype's API", c.base+target, res.Status)}
	}
	return &Error{
		Status: res.StatusCode, Code: e.Error.Code, Message: e.Error.Message,
		RequestID: cmp.Or(e.Error.RequestID, res.Header.Get("X-Request-Id")), RetryAfter: retry,
	}
}

// retryAfter reads a Retry-After in seconds.
func retryAfter(text string) time.Duration {
	seconds, err := strconv.Atoi(text)
	if err != nil || seconds < 0 {
		return 0
	}
	return time.Duration(seconds) * time.Second
}

// pages goes through a list page by page.
func pages[T any](page func(next string) (rows []T, following string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		next := ""
		for {
			rows, following, err := page(next)
			if err != nil {
				var zero T
				yield(zero, err)
				return
			}
			for _, row := range rows {
				if !yield(row, nil) {
					return
				}
			}
			if following == "" || following == next {
				return
			}
			next = following
		}
	}
}

// escape escapes a segment of a path.
func escape(segment string) string { return url.PathEscape(segment) }

// escapePath escapes an object key, and keeps its slashes.
func escapePath(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		segments[i] = escape(s)
	}
	return strings.Join(segments, "/")
}

// encode returns a query with its ?, from a struct whose fields have the tag url. What is
// zero is left out.
func encode(options any) string {
	if options == nil {
		return ""
	}
	q := url.Values{}
	v := reflect.ValueOf(options)
	for i := range v.NumField() {
		if f := v.Field(i); !f.IsZero() {
			q.Set(v.Type().Field(i).Tag.Get("url"), fmt.Sprint(f.Interface()))
		}
	}
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}
