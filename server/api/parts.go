package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// A part is a list in a workspace whose elements are resources of their own.
type part struct {
	list   string         // JSON name of the list, and its segment in the path
	id     string         // JSON name of the field that identifies an element
	schema string         // name of the elements' schema in the OpenAPI document
	noun   string         // for texts
	action account.Action // what a caller must be allowed to do

	// put decodes an element, puts it into the workspace, and returns it as stored.
	put func(ctx context.Context, namespace, id string, data []byte) (any, error)
	del func(ctx context.Context, who manage.Caller, namespace, id string) (warnings []string, err error)
}

func (a *api) parts() []part {
	m := a.manage
	return []part{
		{"sources", "key", "Source", "source", account.WriteSource, putPart(a, "sources", m.PutSource, func(w *workspace.Workspace, id string) any {
			s := w.Sources[slices.IndexFunc(w.Sources, func(s workspace.Source) bool { return s.Key == id })]
			return struct {
				workspace.Source
				Warnings []string `json:"warnings,omitempty"`
			}{s, w.Warnings}
		}), m.DeleteSource},
		{"marks", "name", "Mark", "mark", account.WriteMark, putPart(a, "marks", m.PutMark, func(w *workspace.Workspace, id string) any {
			mark := w.Marks[slices.IndexFunc(w.Marks, func(m workspace.Mark) bool { return m.Name == id })]
			return struct {
				workspace.Mark
				Warnings []string `json:"warnings,omitempty"`
			}{mark, w.Warnings}
		}), m.DeleteMark},
		{"presets", "name", "Preset", "preset", account.WritePreset, putPart(a, "presets", m.PutPreset, func(w *workspace.Workspace, id string) any {
			p := w.Presets[slices.IndexFunc(w.Presets, func(p workspace.Preset) bool { return p.Name == id })]
			return struct {
				workspace.Preset
				Warnings []string `json:"warnings,omitempty"`
			}{p, w.Warnings}
		}), m.DeletePreset},
	}
}

// putPart returns a part.put that decodes JSON, calls put, and returns the element as show
// finds it in the changed workspace.
func putPart[E workspace.Source | workspace.Mark | workspace.Preset](
	a *api, list string, put func(context.Context, manage.Caller, string, E) (*workspace.Workspace, error), show func(w *workspace.Workspace, id string) any,
) func(ctx context.Context, namespace, id string, data []byte) (any, error) {
	return func(ctx context.Context, namespace, id string, data []byte) (any, error) {
		e, err := workspace.DecodePart[E](data)
		if err != nil {
			return nil, a.manage.Misplaced(ctx, caller(ctx), namespace, list, id, err)
		}
		w, err := put(ctx, caller(ctx), namespace, e)
		if err != nil {
			return nil, err
		}
		return show(w, id), nil
	}
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
	deletedPartOutput struct {
		Warnings []string `header:"Tintype-Warning"`
	}
)

// partRoutes registers what can be done with the elements of each part.
func (a *api) partRoutes() {
	for _, p := range a.parts() {
		tag := []string{"Workspaces"}
		handle(a, p.action, huma.Operation{
			Method: "PUT", Path: "/v1/workspaces/{ns}/" + p.list + "/{id}", OperationID: "put" + p.schema, Tags: tag,
			Summary:     "Set a " + p.noun,
			Description: "Adds the " + p.noun + ", or replaces the one with this " + p.id + ". The body may leave the " + p.id + " out.",
			RequestBody: jsonBody(p.schema, "The "+p.noun+".", "application/json"),
			Responses: map[string]*huma.Response{"200": {
				Description: "The " + p.noun + ", secrets masked. If the workspace has `warnings`, they are beside its fields.",
				Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + p.schema}}},
			}},
		}, func(ctx context.Context, in *putPartInput) (*partOutput, error) { return a.putPart(ctx, p, in) })
		deletion := huma.Operation{
			Method: "DELETE", Path: "/v1/workspaces/{ns}/" + p.list + "/{id}", OperationID: "delete" + p.schema, Tags: tag,
			Summary: "Delete a " + p.noun, DefaultStatus: http.StatusNoContent,
			Description: "The answer has a header `Tintype-Warning` for each thing that this closes or opens: URLs that fail or need a signature from then on, images that become public or lose a mark. It names the rule.",
		}
		handle(a, p.action, deletion, func(ctx context.Context, in *partInput) (*deletedPartOutput, error) { return a.deletePart(ctx, p, in) })
	}
}

func (a *api) putPart(ctx context.Context, p part, in *putPartInput) (*partOutput, error) {
	data, err := in.Element.read()
	if err != nil {
		return nil, err
	}
	var given map[string]json.RawMessage
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
	delete(given, "warnings") // clients may send back what they got
	if data, err = json.Marshal(given); err != nil {
		return nil, err
	}
	shown, err := p.put(ctx, in.Namespace, in.ID, data)
	return &partOutput{shown}, err
}

// deletePart deletes an element. The answer's headers name what the deletion closes and opens.
func (a *api) deletePart(ctx context.Context, p part, in *partInput) (*deletedPartOutput, error) {
	warnings, err := p.del(ctx, caller(ctx), in.Namespace, in.ID)
	return &deletedPartOutput{warnings}, err
}
