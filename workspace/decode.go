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

// New returns a workspace with default settings: without sources, and open to every origin
// and every full URL. Lists are empty, never nil.
func New(namespace string) *Workspace {
	w := &Workspace{
		Namespace:      namespace,
		AllowedOrigins: []string{"*"},
		AllowedSources: []string{"*"},
		Dialect:        Native,
		FallbackFormat: FallbackOriginal,
	}
	w.normalize()
	return w
}

// Decode reads the JSON of one workspace. Fields that are left out get the defaults of
// [New]. An empty list stays empty, so "allowed_sources":[] allows nothing.
//
// The error is a *[ValidationError] with the paths of all problems: unknown fields, names
// in the wrong case, duplicate keys, nulls, wrong types, lists and maps that are too long,
// and data after the end. Decode accepts any value for id, created_at and updated_at, which
// the server sets; it leaves them empty if the type is wrong. It returns URLs and host
// names in canonical form. Decode checks only the form. [Workspace.Validate] checks the
// values.
func Decode(data []byte) (*Workspace, error) {
	t, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	return decodeTree(t, "")
}

// decodeStored is Decode for data from a store. It ignores the bounds of lists and maps,
// which may have been higher when the data was written.
func decodeStored(data []byte) (*Workspace, error) {
	t, err := parseJSON(data)
	if err != nil {
		return nil, err
	}
	return filler{stored: true}.workspace(t, "")
}

// DecodePart reads the JSON of one source, mark or preset, as strictly as [Decode]. The
// paths in its errors begin at the part: see [ValidationError.Within].
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
// [Decode]. Its errors are a *[ValidationError]. A null leaves its field unchanged. Fields
// that are a source or a mark become canonical, as in [DecodePart].
func DecodeInto(data []byte, into any) error {
	t, err := parseJSON(data)
	if err != nil {
		return err
	}
	f := filler{nulls: true}
	v := reflect.ValueOf(into).Elem()
	f.fill(v, t, "")
	for _, field := range v.Fields() {
		if !field.CanInterface() {
			continue
		}
		if n, ok := field.Addr().Interface().(interface{ normalize() }); ok {
			n.normalize()
		}
	}
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

// maxDocument is the maximum size of a file for DecodeAll, in bytes.
const maxDocument = 64 << 20

// DecodeAll reads the workspaces of a file for `tintype apply`: JSON, or YAML with one or
// more documents. A document is a workspace or a list of workspaces, as [Decode] reads
// them. Empty documents are skipped. Errors name the file, the document and the path, and
// wrap a *[ValidationError] if the content is wrong. Every workspace must have a namespace,
// and no two the same.
func DecodeAll(r io.Reader, name string) ([]*Document, error) {
	documents, err := parseFile(r, name)
	if err != nil {
		return nil, err
	}

	var all []*Document
	var errs []error
	first := map[string]int{} // namespace → number of its document
	for i, document := range documents {
		number := i + 1
		list, isList := document.([]tree)
		if !isList {
			list = []tree{document}
		}
		for j, t := range list {
			if t == nil && !isList {
				continue // an empty document, such as after a trailing "---"
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

// DecodeFile reads a file of one document, JSON or YAML, into the struct that into points to,
// as strictly as [Decode]. Errors name the file and the path, and wrap a *[ValidationError] if
// the content is wrong.
func DecodeFile(r io.Reader, name string, into any) error {
	documents, err := parseFile(r, name)
	if err != nil {
		return err
	}
	if len(documents) != 1 || documents[0] == nil {
		return fmt.Errorf("%s: %w", name, invalid("", "has %d documents: it must have one", len(documents)))
	}
	var f filler
	f.fill(reflect.ValueOf(into).Elem(), documents[0], "")
	if err := f.err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// parseFile returns the documents of a file, JSON or YAML. Errors name the file.
func parseFile(r io.Reader, name string) ([]tree, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("%s: the file is over %d MiB", name, maxDocument>>20)
	}
	if strings.EqualFold(filepath.Ext(name), ".json") || json.Valid(data) {
		t, err := parseJSON(data)
		if err != nil {
			return nil, fmt.Errorf("%s: document 1: %w", name, err)
		}
		return []tree{t}, nil
	}
	documents, err := parseYAML(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return documents, nil
}
