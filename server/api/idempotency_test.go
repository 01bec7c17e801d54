package api_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/tintype/tintype/apikey"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/workspacetest"
)

func TestIdempotency(t *testing.T) {
	s := start(t, nil)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"other"}`).want(t, 201)
	const keys, body = "/v1/workspaces/acme/api-keys", `{"name":"CI","scopes":["write"]}`

	first := s.do(t, "POST", keys, body, "Idempotency-Key", "one").want(t, 201)
	again := s.do(t, "POST", keys, body, "Idempotency-Key", "one").want(t, 201)
	if again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" || first.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("the same request again: %v %s\nthe first: %s", again.header, again.body, first.body)
	}
	for _, name := range []string{"Content-Type", "Cache-Control", "X-Content-Type-Options"} {
		again.wantHeader(t, name, first.header.Get(name))
	}
	if list := decodeInto[keyList](t, s.do(t, "GET", keys, "").want(t, 200)).APIKeys; len(list) != 1 {
		t.Errorf("%d keys were made", len(list))
	}
	if location := s.do(t, "POST", "/v1/workspaces", `{"namespace":"third"}`, "Idempotency-Key", "w").want(t, 201).header.Get("Location"); location !=
		s.do(t, "POST", "/v1/workspaces", `{"namespace":"third"}`, "Idempotency-Key", "w").want(t, 201).header.Get("Location") || location == "" {
		t.Errorf("Location %q is not answered again", location)
	}

	// The same key with another request, from another caller, or in another workspace; and
	// another key.
	s.do(t, "POST", keys, `{"name":"CD","scopes":["write"]}`, "Idempotency-Key", "one").wantError(t, 409, "CONFLICT")
	s.do(t, "POST", "/v1/workspaces/acme/signing-keys", "", "Idempotency-Key", "one").wantError(t, 409, "CONFLICT")
	s.do(t, "POST", "/v1/workspaces/other/api-keys", body, "Idempotency-Key", "one").want(t, 201)
	bearer := "Bearer " + decodeInto[manage.MadeAPIKey](t, first).Key
	a := s.do(t, "POST", "/v1/workspaces/acme/signing-keys", "", "Idempotency-Key", "one", "Authorization", bearer).want(t, 201)
	if b := s.do(t, "POST", "/v1/workspaces/acme/signing-keys", "", "Idempotency-Key", "one", "Authorization", bearer).want(t, 201); a.body != b.body {
		t.Error("an empty body is done twice")
	}
	s.do(t, "POST", "/v1/workspaces/acme/signing-keys", "", "Idempotency-Key", "one", "Authorization", "-").wantError(t, 401, "UNAUTHORIZED")
	for _, key := range []string{"", "a b", "ü", strings.Repeat("x", 256)} {
		s.do(t, "POST", keys, body, "Idempotency-Key", key).wantError(t, 400, "VALIDATION_ERROR")
	}

	// A refusal is stored as other answers are.
	refused := s.do(t, "POST", keys, `{"name":""}`, "Idempotency-Key", "bad").want(t, 400)
	if again := s.do(t, "POST", keys, `{"name":""}`, "Idempotency-Key", "bad").want(t, 400); again.header.Get("Idempotent-Replayed") != "true" || again.body != refused.body {
		t.Errorf("a refusal again: %s", again.body)
	}
	s.do(t, "POST", "/v1/workspaces", `{"name":"`+strings.Repeat("x", 1<<20)+`"}`, "Idempotency-Key", "large").wantError(t, 400, "VALIDATION_ERROR")
}

// TestBrokenBodies sends bodies that are too short or too long, with and without an
// Idempotency-Key. Each answer names the error.
func TestBrokenBodies(t *testing.T) {
	s := start(t, nil)
	for _, key := range []string{"", "Idempotency-Key: one\r\n"} {
		for body, want := range map[string]string{
			"Content-Length: 100\r\n\r\n{":                                   "could not be read to its end",
			"Transfer-Encoding: chunked\r\n\r\n5\r\n{\"na\r\nnot a length":   "could not be read to its end",
			"Content-Length: 1048577\r\n\r\n" + strings.Repeat(" ", 1<<20+1): "larger than 1 MiB",
			"Content-Length: 1048576\r\n\r\n" + strings.Repeat(" ", 1<<20):   "is empty",
		} {
			c, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			go func() {
				_, _ = io.WriteString(c, "POST /v1/workspaces HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+rootKey+"\r\n"+key+body)
				if strings.HasSuffix(body, "{") {
					_ = c.(*net.TCPConn).CloseWrite() // closing the whole connection would cancel the request
				}
			}()
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			message := answer{res.StatusCode, res.Header, string(data)}.wantError(t, 400, "VALIDATION_ERROR")
			if !strings.Contains(message, want) {
				t.Errorf("%q %.60q: %s", key, body, message)
			}
		}
	}
}

// failing is a store that can fail to create API keys.
type failing struct {
	records
	mu    sync.Mutex
	fail  int
	begun chan struct{} // with hold: closed by CreateAPIKey
	hold  chan struct{} // not nil: CreateAPIKey waits for it
}

func (f *failing) CreateAPIKey(ctx context.Context, k *workspace.APIKey, audit ...workspace.AuditEntry) error {
	f.mu.Lock()
	fail, hold := f.fail > 0, f.hold
	f.fail--
	f.mu.Unlock()
	if hold != nil {
		close(f.begun)
		<-hold
	}
	if fail {
		return workspace.ErrUnavailable
	}
	return f.records.CreateAPIKey(ctx, k, audit...)
}

// TestIdempotencyFails: a request that failed can be sent again. A repeat is refused while
// the first request is in progress.
func TestIdempotencyFails(t *testing.T) {
	db := workspacetest.NewMemory()
	f := &failing{fail: 1}
	s := startOn(t, db, func(c *config) {
		f.records = c.Records
		c.Records = f
		c.Auth = apikey.NewAuthenticator(apikey.AuthenticatorConfig{RootKeys: []string{rootKey}})
	})
	s.do(t, "POST", "/v1/workspaces", `{"namespace":"acme"}`).want(t, 201)
	const keys, body = "/v1/workspaces/acme/api-keys", `{"name":"CI","scopes":["write"]}`
	s.do(t, "POST", keys, body, "Idempotency-Key", "one").wantError(t, 503, "OVERLOADED")

	f.mu.Lock()
	f.begun, f.hold = make(chan struct{}), make(chan struct{})
	f.mu.Unlock()
	first := make(chan answer)
	go func() { first <- s.do(t, "POST", keys, body, "Idempotency-Key", "one") }()
	<-f.begun
	a := s.do(t, "POST", keys, body, "Idempotency-Key", "one")
	a.wantError(t, 409, "CONFLICT")
	a.wantHeader(t, "Retry-After", "1")
	close(f.hold)
	if a := <-first; a.status != 201 {
		t.Errorf("the request sent again: %d %s", a.status, a.body)
	}
}

// records renames manage.Records, so that it can be embedded.
type records manage.Records
