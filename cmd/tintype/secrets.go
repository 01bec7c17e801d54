package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/tintype/tintype/secretref"
)

// secret reads a secret from variable name, or from the file that name_FILE names. Where it is
// a reference, it reads what the reference names.
func secret(getenv func(string) string, name string) (string, error) {
	text, where := getenv(name), name
	if text == "" {
		path := getenv(name + "_FILE")
		if path == "" {
			return "", nil
		}
		where = name + "_FILE"
		b, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("%s: %w", where, err)
		}
		if text = strings.TrimSpace(string(b)); text == "" {
			return "", fmt.Errorf("%s: %s is empty", where, path)
		}
	}
	text, err := resolve(context.Background(), text, slices.Contains(lists, name))
	if err != nil {
		return "", fmt.Errorf("%s: %w", where, err)
	}
	return text, nil
}

// lists are the variables that may have several values with commas between them.
var lists = []string{"TINTYPE_ROOT_KEY", "TINTYPE_SECRET_KEY"}

// resolve returns a secret that is written down, or that of a reference. Of a list, each part
// may be a reference.
func resolve(ctx context.Context, text string, list bool) (string, error) {
	if list {
		parts := strings.Split(text, ",")
		for i, part := range parts {
			var err error
			if parts[i], err = resolve(ctx, strings.TrimSpace(part), false); err != nil {
				return "", err
			}
		}
		return strings.Join(parts, ","), nil
	}
	if secretref.Is(text) {
		return secretref.Read(ctx, text)
	}
	return text, misspelt(text)
}

var scheme = regexp.MustCompile(`^[a-z][a-z-]{2,7}:`)

// misspelt refuses a text that begins almost as a reference does, such as valt:. It would be
// taken for the secret itself, and others could guess it.
func misspelt(text string) error {
	begins := scheme.FindString(text)
	if begins == "" {
		return nil
	}
	for _, prefix := range secretref.Prefixes() {
		if slips(begins, prefix) <= 2 {
			return fmt.Errorf("it begins with %s, which is no kind of reference: did you mean %s? A secret that does begin so goes into a file, named by file:PATH", begins, prefix)
		}
	}
	return nil
}

// readSecretFile reads a file, or the secret of a reference.
func readSecretFile(name string) ([]byte, error) {
	if secretref.Is(name) {
		text, err := secretref.Read(context.Background(), name)
		return []byte(text + "\n"), err
	}
	return os.ReadFile(name)
}

// liveSecrets are the secrets of a server that SIGHUP reads again.
type liveSecrets struct {
	getenv func(string) string
	all    []*liveSecret
}

type liveSecret struct {
	name  string
	value atomic.Pointer[string]
	use   func(value string) error // called with another value before it counts; may be nil
}

// read reads a secret and returns what returns its present value.
func (l *liveSecrets) read(name string, use func(value string) error) (func() string, error) {
	value, err := secret(l.getenv, name)
	if err != nil {
		return nil, err
	}
	s := &liveSecret{name: name, use: use}
	s.value.Store(&value)
	if value != "" { // variables of a process don't change
		l.all = append(l.all, s)
	}
	return func() string { return *s.value.Load() }, nil
}

// reload reads the secret again. After an error, it is as it was.
func (s *liveSecret) reload(getenv func(string) string) error {
	value, err := secret(getenv, s.name)
	if err != nil || value == *s.value.Load() {
		return err
	}
	if s.use != nil {
		if err := s.use(value); err != nil {
			return err
		}
	}
	s.value.Store(&value)
	return nil
}

// rereads returns what SIGHUP reads again, once all secrets have been read.
func (l *liveSecrets) rereads() (all []reread) {
	for _, s := range l.all {
		all = append(all, reread{s.name, func() error { return s.reload(l.getenv) }})
	}
	return all
}
