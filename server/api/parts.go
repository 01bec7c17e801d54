package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/workspace"
)

// A part is a list in a workspace whose elements are resources of their own.
type part struct {
	path string // of the collection, behind the workspace's: "sources"
	list string // JSON name of the list
	id   string // JSON name of what names an element
	noun string // for people
	find func(w *workspace.Workspace, id string) any
}

var parts = []part{
	{"sources", "sources", "key", "source", func(w *workspace.Workspace, id string) any {
		return first(w.Sources, func(s workspace.Source) bool { return s.Key == id })
	}},
	{"marks", "marks", "name", "mark", func(w *workspace.Workspace, id string) any {
		return first(w.Marks, func(m workspace.Mark) bool { return m.Name == id })
	}},
	{"presets", "presets", "name", "preset", func(w *workspace.Workspace, id string) any {
		return first(w.Presets, func(p workspace.Preset) bool { return p.Name == id })
	}},
}

func first[E any](list []E, is func(E) bool) any {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i]
	}
	return nil
}

type (
	partInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The key of the source, or the name of the mark or preset."`
	}
	putPartInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The key of the source, or the name of the mark or preset."`
		Element   body
	}
	partOutput struct {
		Body any
	}
)

// schema is the name of the part's elements in the OpenAPI document.
func (p part) schema() string {
	return map[string]string{"sources": "Source", "marks": "Mark", "presets": "Preset"}[p.list]
}

// warns says whether answers may have warnings.
func (p part) warns() string {
	if p.list == "presets" {
		return ""
	}
	return " Where the workspace has `warnings`, they are beside its fields."
}

// partRoutes registers what can be done with the elements of each part.
func (a *api) partRoutes() {
	for _, p := range parts {
		tag := []string{"Workspaces"}
		handle(a, huma.Operation{
			Method: "PUT", Path: "/v1/workspaces/{ns}/" + p.path + "/{id}", OperationID: "put" + p.schema(), Tags: tag, Security: needsWrite,
			Summary:     "Set a " + p.noun,
			Description: "Adds the " + p.noun + ", or replaces the one of this " + p.id + ". The body may leave the " + p.id + " out.",
			RequestBody: jsonBody(p.schema(), "The "+p.noun+".", "application/json"),
			Responses: map[string]*huma.Response{"200": {
				Description: "The " + p.noun + ", secrets masked." + p.warns(),
				Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + p.schema()}}},
			}},
		}, func(ctx context.Context, in *putPartInput) (*partOutput, error) { return a.putPart(ctx, p, in) })
		handle(a, huma.Operation{
			Method: "DELETE", Path: "/v1/workspaces/{ns}/" + p.path + "/{id}", OperationID: "delete" + p.schema(), Tags: tag, Security: needsWrite,
			Summary: "Delete a " + p.noun,
		}, func(ctx context.Context, in *partInput) (*struct{}, error) { return a.deletePart(ctx, p, in) })
	}
}

// An element is one member of a part as JSON.
type element = map[string]json.RawMessage

func (a *api) putPart(ctx context.Context, p part, in *putPartInput) (*partOutput, error) {
	data, err := in.Element.read()
	if err != nil {
		return nil, err
	}
	var given element
	if err := json.Unmarshal(data, &given); err != nil || given == nil {
		return nil, invalid("The body must be a JSON object: a " + p.noun + ".")
	}
	id, err := json.Marshal(in.ID)
	if err != nil {
		return nil, err
	}
	if own, ok := given[p.id]; ok && string(own) != string(id) {
		return nil, invalid(fmt.Sprintf("%s: must be %q, as in the path, or be left out.", p.id, in.ID))
	}
	given[p.id] = id
	delete(given, "warnings") // of an answer
	w, err := a.editPart(ctx, p, in.Namespace, func(all []element) ([]element, error) {
		for i := range all {
			if string(all[i][p.id]) == string(id) {
				all[i] = given
				return all, nil
			}
		}
		return append(all, given), nil
	})
	if err != nil {
		return nil, err
	}
	return &partOutput{warned(p.find(w, in.ID), w.Warnings)}, nil
}

// warned is an element with what its workspace's owner is to be warned of.
func warned(element any, warnings []string) any {
	switch e := element.(type) {
	case workspace.Source:
		return struct {
			workspace.Source
			Warnings []string `json:"warnings,omitempty"`
		}{e, warnings}
	case workspace.Mark:
		return struct {
			workspace.Mark
			Warnings []string `json:"warnings,omitempty"`
		}{e, warnings}
	}
	return element // presets close nothing
}

func (a *api) deletePart(ctx context.Context, p part, in *partInput) (*struct{}, error) {
	id, err := json.Marshal(in.ID)
	if err != nil {
		return nil, err
	}
	_, err = a.editPart(ctx, p, in.Namespace, func(all []element) ([]element, error) {
		for i := range all {
			if string(all[i][p.id]) == string(id) {
				return append(all[:i], all[i+1:]...), nil
			}
		}
		return nil, errNoPart
	})
	return nil, err
}

// editPart changes a part as a merge patch would, so that it is judged alike, and
// answers the workspace as it is then, secrets masked, with its warnings.
func (a *api) editPart(ctx context.Context, p part, namespace string, change func([]element) ([]element, error)) (*workspace.Workspace, error) {
	for attempt := 1; ; attempt++ {
		old, err := a.workspace(ctx, namespace)
		if err != nil {
			return nil, err
		}
		all, err := elements(old, p)
		if err != nil {
			return nil, err
		}
		if all, err = change(all); err != nil {
			return nil, err
		}
		patch, err := json.Marshal(map[string][]element{p.list: all})
		if err != nil {
			return nil, err
		}
		w, err := workspace.MergePatch(old, patch)
		if err != nil {
			return nil, err
		}
		out, err := a.change(ctx, old, w)
		if errors.Is(err, workspace.ErrConflict) && attempt < editAttempts {
			continue
		}
		if err != nil {
			return nil, err
		}
		return out.Body, nil
	}
}

// elements are the members of a part, secrets masked.
func elements(w *workspace.Workspace, p part) ([]element, error) {
	data, err := json.Marshal(w.Masked())
	if err != nil {
		return nil, err
	}
	var lists map[string]json.RawMessage
	if err := json.Unmarshal(data, &lists); err != nil {
		return nil, err
	}
	var all []element
	err = json.Unmarshal(lists[p.list], &all)
	return all, err
}
