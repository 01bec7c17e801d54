package main

import (
	"errors"
	"strings"
)

// minRootKey is how many characters a root key must have where there are several, so
// that a comma in a long one doesn't quietly make two short ones of it.
const minRootKey = 16

// rootKeys are the keys in TINTYPE_ROOT_KEY, separated by commas: any of them is root,
// so that one can be replaced without a moment in which neither works.
func rootKeys(getenv func(string) string) (keys []string, err error) {
	text, err := secret(getenv, "TINTYPE_ROOT_KEY")
	if err != nil || text == "" {
		return nil, err
	}
	for key := range strings.SplitSeq(text, ",") {
		if key = strings.TrimSpace(key); key != "" {
			keys = append(keys, key)
		}
	}
	for _, key := range keys {
		if len(keys) > 1 && len(key) < minRootKey {
			return nil, errors.New("TINTYPE_ROOT_KEY: where there are several keys, separated by commas, each must have 16 characters or more")
		}
	}
	return keys, nil
}
