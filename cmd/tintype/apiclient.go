package main

import (
	"errors"

	"github.com/tintype/tintype/client"
	"github.com/tintype/tintype/cmd/tintype/remote"
)

// newAPIClient returns a client of the server at a URL of --server.
func newAPIClient(server, key string) (*client.Client, error) {
	return client.New(server, key, client.WithUserAgent("tintype/"+version))
}

// firstRootKey returns the first key in TINTYPE_ROOT_KEY, or "" where there is none.
func firstRootKey(getenv func(string) string) (string, error) {
	keys, err := rootKeys(getenv)
	if err != nil || len(keys) == 0 {
		return "", err
	}
	return keys[0], nil
}

// apiKey returns the key in TINTYPE_API_KEY, or else the first in TINTYPE_ROOT_KEY.
func apiKey(getenv func(string) string) (string, error) {
	key, err := secret(getenv, "TINTYPE_API_KEY")
	if err != nil || key != "" {
		return key, err
	}
	if key, err = firstRootKey(getenv); err != nil {
		return "", err
	}
	if key == "" {
		return "", errors.New("set TINTYPE_API_KEY to an API key of the workspace, or TINTYPE_ROOT_KEY to the server's root key")
	}
	return key, nil
}

// remoteEnv is what the commands of package remote read and write.
func remoteEnv(std stdio) remote.Env {
	return remote.Env{
		Stdout: std.stdout, Stderr: std.stderr,
		Secret: func(name string) (string, error) { return secret(std.getenv, name) },
		Connect: func(server string) (*client.Client, error) {
			key, err := apiKey(std.getenv)
			if err != nil {
				return nil, err
			}
			return newAPIClient(server, key)
		},
	}
}
