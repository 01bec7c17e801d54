// Package secretref reads secrets that the operator names instead of writing them down: a
// file, or a secret of AWS, Google Cloud or Vault.
//
// For most uses, call [Is] to tell a reference from a plain value, and [Read] for its secret.
// Where a service is and who asks it come from the environment, by the variables that its own
// tools read.
package secretref

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"
)

// Timeout bounds the reading of one reference.
const Timeout = 15 * time.Second

// maxBytes bounds a secret, and the answer of a service. AWS and Google Cloud keep 64 KiB at most.
const maxBytes = 1 << 20

// A scheme is one kind of reference.
type scheme struct {
	prefix string
	read   func(ctx context.Context, name, field string) (string, error)
	form   string // how a reference is written
}

var schemes = []scheme{
	{"file:", readFile, "file:PATH"},
	{"aws-sm:", readAWS, "aws-sm:NAME#FIELD"},
	{"gcp-sm:", readGCP, "gcp-sm:projects/PROJECT/secrets/NAME#FIELD"},
	{"vault:", readVault, "vault:PATH#FIELD"},
}

// Prefixes returns how references begin.
func Prefixes() (list []string) {
	for _, s := range schemes {
		list = append(list, s.prefix)
	}
	return list
}

// Is reports whether a text is a reference.
func Is(text string) bool {
	_, ok := schemeOf(text)
	return ok
}

func schemeOf(text string) (scheme, bool) {
	for _, s := range schemes {
		if strings.HasPrefix(text, s.prefix) {
			return s, true
		}
	}
	return scheme{}, false
}

// Read returns the secret that a reference names, without white space around it. What it
// returns is never read as a reference again. The error says what to do, and doesn't hold the
// secret.
func Read(ctx context.Context, ref string) (string, error) {
	s, ok := schemeOf(ref)
	if !ok {
		return "", fmt.Errorf("this is no reference to a secret: write one as %s", forms())
	}
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	name, field := strings.TrimPrefix(ref, s.prefix), ""
	if s.prefix != "file:" { // paths may have a #
		name, field, _ = strings.Cut(name, "#")
	}
	if name == "" {
		return "", fmt.Errorf("%s: it names nothing: write it as %s", ref, s.form)
	}
	text, err := s.read(ctx, name, field)
	if err == nil {
		if text = strings.TrimSpace(text); text == "" {
			err = errors.New("it is empty")
		}
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", ref, err)
	}
	return text, nil
}

func forms() string {
	var all []string
	for _, s := range schemes {
		all = append(all, s.form)
	}
	return strings.Join(all, ", ")
}

func readFile(_ context.Context, path, _ string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("%w: let this process read the file", unwrapped(err))
	}
	if len(b) > maxBytes {
		return "", errors.New("the file has more than 1 MiB: name one that holds the secret alone")
	}
	return string(b), nil
}

// unwrapped returns the reason in an error of package os, whose path the caller says.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}

// fieldOf returns a field of a secret that is a JSON object, or all of it where there is no
// name of a field.
func fieldOf(secret []byte, field string) (string, error) {
	if field == "" {
		return string(secret), nil
	}
	var all map[string]any
	if json.Unmarshal(secret, &all) != nil { // its errors quote what they read
		return "", fmt.Errorf("the secret is no JSON object, so it has no field %s: leave out #%s, or store an object", field, field)
	}
	return text(all, field)
}

// text returns a field of an object that is a text.
func text(object map[string]any, field string) (string, error) {
	switch v := object[field].(type) {
	case string:
		return v, nil
	case float64:
		return "", fmt.Errorf("field %s is a number: store it as a text, since digits may be lost", field)
	case nil:
		return "", fmt.Errorf("the secret has no field %s: name one that it has after the #", field)
	}
	return "", fmt.Errorf("field %s is no text: name another one", field)
}

// A statusError is an answer of a service that is no success.
type statusError struct {
	status int
	body   []byte
}

func (e *statusError) Error() string {
	return fmt.Sprintf("the service answered %d %s", e.status, http.StatusText(e.status))
}

// get returns the body of an answer with status 200. It follows no redirect, which could take
// the token in the header elsewhere.
func get(ctx context.Context, client *http.Client, url string, header http.Header) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	req.Header = header
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(http.MaxBytesReader(nil, res.Body, maxBytes)); err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, &statusError{res.StatusCode, b.Bytes()}
	}
	return b.Bytes(), nil
}
