package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/tintype/tintype/workspace"
)

// codec returns the codec that encrypts secrets in the store, under TINTYPE_SECRET_KEY.
// Without that variable it uses a key in the data folder, which the first run makes.
func (c *serveCmd) codec(getenv func(string) string) (*workspace.Codec, error) {
	keys, err := secret(getenv, "TINTYPE_SECRET_KEY")
	if err != nil {
		return nil, err
	}
	from := "TINTYPE_SECRET_KEY"
	if keys == "" {
		from = filepath.Join(c.Data, "secret.key")
		if keys, err = readOrMakeKey(from); err != nil {
			return nil, err
		}
	}
	codec, err := workspace.NewCodec(keys)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", from, err)
	}
	return codec, nil
}

// readOrMakeKey reads the key file. Where there is none, it makes one with mode 0600.
func readOrMakeKey(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	key := workspace.NewSecretKey()
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.WriteString(key + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Link(f.Name(), path) // fails where another process was first
	}
	err = errors.Join(err, os.Remove(f.Name()))
	if errors.Is(err, fs.ErrExist) {
		return readOrMakeKey(path)
	}
	return key, err
}
