package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// An apiClient speaks to the management API.
type apiClient struct{ base, key string }

// apiError is an answer of the API that is an error.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%s (%d %s)", e.message, e.status, e.code) }

// newAPIClient returns a client of the server at a URL of --server.
func newAPIClient(server, key string) (c apiClient, err error) {
	base, err := url.Parse(server)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return c, fmt.Errorf("--server: %q is no URL such as http://localhost:8080", server)
	}
	return apiClient{base: strings.TrimSuffix(base.String(), "/"), key: key}, nil
}

// firstRootKey returns the first key in TINTYPE_ROOT_KEY, or "" where there is none.
func firstRootKey(getenv func(string) string) (string, error) {
	keys, err := rootKeys(getenv)
	if err != nil || len(keys) == 0 {
		return "", err
	}
	return keys[0], nil
}

// call sends in as JSON, if it is not nil, and reads the answer into out, if that is not nil.
func (c apiClient) call(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 8<<20))
	if err != nil {
		return err
	}
	if res.StatusCode/100 == 2 {
		if out == nil {
			return nil
		}
		return json.Unmarshal(b, out)
	}
	var e struct {
		Error struct{ Code, Message string }
	}
	if json.Unmarshal(b, &e) != nil || e.Error.Code == "" {
		return fmt.Errorf("%s%s answered %s, which is not Tintype's API", c.base, path, res.Status)
	}
	return &apiError{res.StatusCode, e.Error.Code, e.Error.Message}
}
