package workspace

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"unicode/utf8"
)

// A tree is parsed JSON or YAML before it is decoded into a Go type: an object, a list, a
// string, a json.Number, a bool or nil. encoding/json can't do this: it accepts duplicate
// keys, ignores the case of names, and reports no paths.
type tree any

type object []field // in the order of the document

type field struct {
	name  string
	value tree
}

// maxDepth bounds the nesting of a document; a workspace has five levels.
const maxDepth = 32

// parseJSON parses one JSON value.
func parseJSON(data []byte) (tree, error) {
	if !utf8.Valid(data) {
		return nil, invalid("", "invalid JSON: the text is not UTF-8")
	}
	var whole json.RawMessage
	if err := json.Unmarshal(data, &whole); err != nil {
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			line := 1 + bytes.Count(data[:min(int(syntax.Offset), len(data))], []byte("\n"))
			return nil, invalid("", "invalid JSON in line %d: %v", line, err)
		}
		return nil, invalid("", "invalid JSON: %v", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	return jsonTree(dec, "", 0)
}

func jsonTree(dec *json.Decoder, path string, depth int) (tree, error) {
	if depth > maxDepth {
		return nil, invalid(path, "nested too deeply: at most %d levels", maxDepth)
	}
	token, err := dec.Token()
	if err != nil {
		return nil, invalid(path, "invalid JSON: %v", err)
	}
	switch token {
	case json.Delim('{'):
		o := object{}
		seen := map[string]bool{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, invalid(path, "invalid JSON: %v", err)
			}
			name := key.(string)
			if seen[name] {
				return nil, invalid(member(path, name), "given twice")
			}
			seen[name] = true
			value, err := jsonTree(dec, member(path, name), depth+1)
			if err != nil {
				return nil, err
			}
			o = append(o, field{name, value})
		}
		_, err := dec.Token()
		return o, err
	case json.Delim('['):
		list := []tree{}
		for dec.More() {
			value, err := jsonTree(dec, element(path, len(list)), depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		_, err := dec.Token()
		return list, err
	}
	return token, nil
}

// get returns the value of a field, or nil.
func (o object) get(name string) tree {
	if i := slices.IndexFunc(o, func(f field) bool { return f.name == name }); i >= 0 {
		return o[i].value
	}
	return nil
}

// elements returns the number of elements or members of a tree.
func elements(t tree) int {
	switch t := t.(type) {
	case []tree:
		return len(t)
	case object:
		return len(t)
	}
	return 0
}

// kindOf names the kind of a tree, for messages.
func kindOf(t tree) string {
	switch t.(type) {
	case nil:
		return "null"
	case object:
		return "an object"
	case []tree:
		return "a list"
	case string:
		return "a string"
	case bool:
		return "true or false"
	default:
		return "a number"
	}
}
