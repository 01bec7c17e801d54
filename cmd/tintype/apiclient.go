package main

import (
	"fmt"

	"github.com/tintype/tintype/client"
)

// newAPIClient returns a client of the server at a URL of --server.
func newAPIClient(server, key string) (*client.Client, error) {
	c, err := client.New(server, key, client.WithUserAgent("tintype/"+version))
	if err != nil {
		return nil, fmt.Errorf("--server: %w", err)
	}
	return c, nil
}

// firstRootKey returns the first key in TINTYPE_ROOT_KEY, or "" where there is none.
func firstRootKey(getenv func(string) string) (string, error) {
	keys, err := rootKeys(getenv)
	if err != nil || len(keys) == 0 {
		return "", err
	}
	return keys[0], nil
}
