package main

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// minRootKey is the least length of a root key, in characters. The key has all rights, and
// nothing limits how often somebody may guess it.
const minRootKey = 32

// rootKeys returns the keys in TINTYPE_ROOT_KEY, separated by commas. Each of them is root,
// so that the operator can replace a key while both work.
func rootKeys(getenv func(string) string) (keys []string, err error) {
	text, err := secret(getenv, "TINTYPE_ROOT_KEY")
	if err != nil {
		return nil, err
	}
	return parseRootKeys(text)
}

// parseRootKeys returns the keys in a value of TINTYPE_ROOT_KEY.
func parseRootKeys(text string) (keys []string, err error) {
	if text == "" {
		return nil, nil
	}
	for key := range strings.SplitSeq(text, ",") {
		if key = strings.TrimSpace(key); key != "" {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("TINTYPE_ROOT_KEY: there is no key between the commas")
	}
	for i, key := range keys {
		if utf8.RuneCountInString(key) < minRootKey {
			which := "the key"
			if len(keys) > 1 {
				which = []string{"the first key", "the second key", "one of the keys"}[min(i, 2)]
			}
			return nil, errors.New("TINTYPE_ROOT_KEY: " + which + " has fewer than 32 characters; make one with `openssl rand -hex 32`")
		}
	}
	return keys, nil
}
