package workspace

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"reflect"
	"strings"
)

// New returns a workspace as one is created where nothing else is said: open to
// every origin and every full URL, without sources. Lists are empty, never nil.
func New(namespace string) *Workspace {
	w := &Workspace{
		Namespace:      namespace,
		AllowedOrigins: []string{"*"},
		AllowedSources: []string{"*"},
		Dialect:        Native,
	}
	w.normalize()
	return w
}

// Decode reads the JSON of one workspace. Fields that are left out have the
// defaults of [New]; an empty list is empty, so "allowed_sources":[] allows
// nothing. Unknown fields, names in another case, duplicate keys, nulls, wrong
// types, lists and maps that are too long, and trailing data are a *[ValidationError]
// that names the paths. In id, created_at and updated_at, which the server makes,
// nothing is wrong, and what is no such value leaves them empty. URLs and host names
// come out in their canonical form. Decode judges form only: [Workspace.Validate]
// judges the rest.
func Decode(data []byte) (*Workspace, error) {
	t, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	return decodeTree(t, "")
}

// decodeStored is Decode of what a store was given before. Bounds that were higher
// then don't make it unreadable.
func decodeStored(data []byte) (*Workspace, error) {
	t, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	return filler{stored: true}.workspace(t, "")
}

// DecodePart reads the JSON of one source, mark or preset, as [Decode] reads those of a
// workspace. The paths in its errors begin at the part: see [ValidationError.Within].
func DecodePart[E Source | Mark | Preset](data []byte) (part E, err error) {
	t, err := parseJSON(data)
	if err != nil {
		return part, err
	}
	var f filler
	f.fill(reflect.ValueOf(&part).Elem(), t, "")
	if n, ok := any(&part).(interface{ normalize() }); ok {
		n.normalize()
	}
	return part, f.err()
}

// DecodeInto reads one JSON object into the struct that into points to, as strictly as
// [Decode]: its errors are a *[ValidationError] too. A null leaves its field as it is.
func DecodeInto(data []byte, into any) error {
	t, err := parseJSON(data)
	if err != nil {
		return err
	}
	f := filler{nulls: true}
	f.fill(reflect.ValueOf(into).Elem(), t, "")
	return f.err()
}

func decodeTree(t tree, path string) (*Workspace, error) { return filler{}.workspace(t, path) }

func (f filler) workspace(t tree, path string) (*Workspace, error) {
	w := New("")
	f.fill(reflect.ValueOf(w).Elem(), t, path)
	if err := f.err(); err != nil {
		return nil, err
	}
	w.normalize()
	return w, nil
}

// maxDocument bounds what DecodeAll reads, in bytes.
const maxDocument = 64 << 20

// DecodeAll reads the workspaces of a file for `tintype apply`: JSON, or YAML of
// one or more documents. A document is a workspace or a list of workspaces, each
// as [Decode] takes it; empty documents are skipped. Errors name the file, the
// document and the path, and wrap a *[ValidationError] where the content is
// wrong. Every document must have a namespace, and no two the same one.
func DecodeAll(r io.Reader, name string) ([]*Document, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: the file is over %d MiB", name, maxDocument>>20)
	}
	var documents []tree
	if strings.EqualFold(filepath.Ext(name), ".json") || json.Valid(data) {
		t, err := parseJSON(data)
		if err != nil {
			return nil, fmt.Errorf("%s: document 1: %w", name, err)
		}
		documents = []tree{t}
	} else if documents, err = parseYAML(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}

	var all []*Document
	var errs []error
	first := map[string]int{} // namespace → the document it is in
	for i, document := range documents {
		number := i + 1
		list, isList := document.([]tree)
		if !isList {
			list = []tree{document}
		}
		for j, t := range list {
			if t == nil && !isList {
				continue // an empty document, as a trailing "---" makes
			}
			path := ""
			if isList {
				path = element("", j)
			}
			w, err := decodeTree(t, path)
			if err == nil {
				if wrong := namespaceProblem(w.Namespace); wrong != "" {
					err = invalid(member(path, "namespace"), "%s", wrong)
				}
			}
			if err == nil && first[w.Namespace] != 0 {
				err = invalid(member(path, "namespace"), "%q is already in document %d", w.Namespace, first[w.Namespace])
			}
			if err != nil {
				errs = append(errs, fmt.Errorf("%s: document %d: %w", name, number, err))
				continue
			}
			first[w.Namespace] = number
			all = append(all, &Document{w, t.(object)})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return all, nil
}
