package api

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/billing/plan"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

const schemaPrefix = "#/components/schemas/"

// describe returns the OpenAPI document without operations: the schemas, the security
// scheme and the tags.
func describe(version string) *huma.OpenAPI {
	return &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info: &huma.Info{
			Title:   "Tintype management API",
			Version: version,
			Description: "Manages workspaces and everything in them. Every error is an `ErrorEnvelope`. An unknown field in a body is " +
				"400 `VALIDATION_ERROR`. Unknown query parameters are ignored. HEAD answers as GET, without the body.",
			License: &huma.License{Name: "Apache-2.0", URL: "https://github.com/tintype/tintype/blob/main/LICENSE"},
		},
		Servers: []*huma.Server{{URL: "/", Description: "The server that has this document."}},
		Tags: []*huma.Tag{
			{Name: "Workspaces", Description: "One owner's settings, under one namespace."},
			{Name: "Signing", Description: "Signed URLs, for private sources."},
			{Name: "API keys", Description: "Keys for backends. The root key makes and revokes them."},
			{Name: "Members", Description: "The people of a workspace. The root key manages them here, and owners on the pages under /app. A server that sends no mail has none."},
			{Name: "Alerts", Description: "What needs a look in a workspace, the rules by which it is found, and the channels by which people are told. docs/alerts.md explains them."},
			{Name: "Accounts", Description: "The people of the server, for the operator. A server that sends no mail has none."},
			{Name: "Images", Description: "The images of buckets and folders, and how the server answers a request for one."},
			{Name: "Audit", Description: "Who changed what, and who requested what."},
			{Name: "Domains", Description: "A workspace's own host names."},
			{Name: "Plans", Description: "What bounds the use of workspaces. The operator makes them."},
			{Name: "Billing", Description: "What a workspace pays for, at Stripe."},
			{Name: "Usage", Description: "Counts of requests, transforms and bytes, and what failed."},
			{Name: "Cache", Description: "Purging cached variants."},
			{Name: "Documentation", Description: "This document."},
		},
		Security: []map[string][]string{{bearer: {}}},
		Components: &huma.Components{
			Schemas: schemas(),
			Responses: map[string]*huma.Response{"Error": {
				Description: "The request was refused or failed.",
				Content: map[string]*huma.MediaType{
					"application/json": {Schema: &huma.Schema{Ref: schemaPrefix + "ErrorEnvelope"}},
				},
			}},
			SecuritySchemes: map[string]*huma.SecurityScheme{bearer: {
				Type:   "http",
				Scheme: "bearer",
				Description: "The root key, or an API key of the workspace with the scope that the operation lists here. " +
					"Keys in a query string are refused.",
			}},
		},
	}
}

// schemas derives the schemas from the Go types and adds the notes. It makes the schemas of
// request bodies from the schema of the answer.
func schemas() huma.Registry {
	registry := huma.NewMapRegistry(schemaPrefix, huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[workspace.Units](), reflect.TypeFor[float64]()) // as it is written
	registry.Schema(reflect.TypeFor[workspace.Workspace](), true, "")
	registry.Schema(reflect.TypeFor[fault.ErrorEnvelope](), true, "")
	registry.Schema(reflect.TypeFor[SignRequest](), true, "")
	registry.Schema(reflect.TypeFor[CheckoutRequest](), true, "")
	registry.Schema(reflect.TypeFor[SignImageRequest](), true, "")
	registry.Schema(reflect.TypeFor[manage.NewBlock](), true, "")
	registry.Schema(reflect.TypeFor[manage.NewUploadURL](), true, "")
	registry.Schema(reflect.TypeFor[manage.NewUploadParts](), true, "")
	registry.Schema(reflect.TypeFor[manage.UploadName](), true, "")
	registry.Schema(reflect.TypeFor[manage.CompleteUpload](), true, "")
	registry.Schema(reflect.TypeFor[manage.NewDialectKey](), true, "")
	registry.Schema(reflect.TypeFor[manage.NewAPIKey](), true, "")
	registry.Schema(reflect.TypeFor[manage.PurgeRequest](), true, "")
	registry.Schema(reflect.TypeFor[SourceTestRequest](), true, "")
	registry.Schema(reflect.TypeFor[MarkPreviewRequest](), true, "")
	registry.Schema(reflect.TypeFor[MemberRole](), true, "")
	registry.Schema(reflect.TypeFor[NewInvitation](), true, "")
	registry.Schema(reflect.TypeFor[AlertRuleSettings](), true, "")
	registry.Schema(reflect.TypeFor[NewAlertChannel](), true, "")
	registry.Schema(reflect.TypeFor[AlertChannelSwitch](), true, "")
	registry.Schema(reflect.TypeFor[AlertCode](), true, "")
	registry.Schema(reflect.TypeFor[NewAccount](), true, "")
	registry.Schema(reflect.TypeFor[plan.Plan](), true, "")
	// huma adds its own error type to every operation. No operation returns it.
	registry.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[fault.ErrorEnvelope]())

	all := registry.Map()
	for name, fields := range notes {
		if name == "Mark" {
			fields = withOptions(fields, workspace.MarkOptions())
		}
		annotate(name, all[name], fields)
	}
	for _, k := range fault.All() {
		code := all["ErrorDetail"].Properties["code"]
		code.Enum = append(code.Enum, string(k.Code))
	}
	// Requests and answers share the schemas of nested objects. Only what a request needs is
	// required.
	for name, required := range requiredInRequests {
		all[name].Required = required
	}
	answered := all["Workspace"]
	all["NewWorkspace"] = requestSchema(answered, "namespace")
	all["WorkspaceReplacement"] = requestSchema(answered, "namespace", "revision")
	all["WorkspacePatch"] = patchSchema(answered, all["Limits"])
	return registry
}

// annotate adds the notes to the properties of a schema. It panics if a property has no
// note, or a note no property.
func annotate(name string, s *huma.Schema, fields map[string]note) {
	for _, field := range slices.Sorted(maps.Keys(s.Properties)) {
		n, ok := fields[field]
		if !ok {
			panic(fmt.Sprintf("api: no note on %s.%s", name, field))
		}
		p := s.Properties[field]
		p.Description = n.text
		p.Default = n.absent
		p.Enum = n.oneOf
		p.Pattern = n.pattern
		p.Minimum, p.Maximum = n.min, n.max
		p.ReadOnly = n.readOnly
		p.Format = cmp.Or(n.format, p.Format)
		if n.example != "" {
			p.Examples = []any{n.example}
		}
		p.Nullable = false // lists are never null
	}
	for field := range fields {
		if s.Properties[field] == nil {
			panic(fmt.Sprintf("api: a note on %s.%s, which doesn't exist", name, field))
		}
	}
}

// requestSchema returns the schema of a request body: as in answers, but only the named
// fields are required.
func requestSchema(answered *huma.Schema, required ...string) *huma.Schema {
	s := *answered
	s.Required = required
	return &s
}

// patchSchema returns the schema of merge patches. Nothing is required, and null restores
// the default of a field that has one.
func patchSchema(answered, limits *huma.Schema) *huma.Schema {
	s := requestSchema(answered)
	s.Properties = maps.Clone(answered.Properties)
	for name, p := range s.Properties {
		switch {
		case name == "limits":
			s.Properties[name] = nullable(patchSchema(limits, nil))
			s.Properties[name].Description = p.Description
		case p.Default != nil:
			s.Properties[name] = nullable(p)
		}
	}
	return s
}

func nullable(s *huma.Schema) *huma.Schema {
	n := *s
	n.Nullable = true
	if n.Enum != nil {
		n.Enum = append(slices.Clone(n.Enum), nil)
	}
	return &n
}

// jsonBody describes a request body with a schema of [schemas], sent as one of
// the content types.
// optional says that a body may be left out.
func optional(b *huma.RequestBody) *huma.RequestBody {
	b.Required = false
	return b
}

func jsonBody(schema, description string, contentTypes ...string) *huma.RequestBody {
	content := map[string]*huma.MediaType{}
	for _, t := range contentTypes {
		content[t] = &huma.MediaType{Schema: &huma.Schema{Ref: schemaPrefix + schema}}
	}
	return &huma.RequestBody{Required: true, Description: description, Content: content}
}

// describeAnswers adds the error that any call may return. huma adds its own description of
// errors only to operations without one.
func describeAnswers(op *huma.Operation) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	refused := &huma.Response{Ref: "#/components/responses/Error"}
	op.Responses["4XX"], op.Responses["default"] = refused, refused
}

func render(doc *huma.OpenAPI) []byte {
	data, err := json.Marshal(doc)
	if err != nil {
		panic("api: encoding the OpenAPI document: " + err.Error())
	}
	return data
}

type documentOutput struct {
	ContentType   string `header:"Content-Type" hidden:"true"`
	ContentLength string `header:"Content-Length" hidden:"true"`
	CacheControl  string `header:"Cache-Control" hidden:"true"`
	Body          []byte
}

func (a *api) documentRoutes() {
	handle(a, anybody, huma.Operation{
		Method: http.MethodGet, Path: "/v1/openapi.json", OperationID: "getOpenAPI", Tags: []string{"Documentation"},
		Summary:     "Get this document",
		Description: "Needs no key.",
		Responses: map[string]*huma.Response{"200": {
			Description: "An OpenAPI 3.1 document.",
			Content:     map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject}}},
		}},
	}, a.getDocument)
}

func (a *api) getDocument(context.Context, *struct{}) (*documentOutput, error) {
	document := a.documents().openAPI
	return &documentOutput{
		ContentType:   "application/json",
		ContentLength: strconv.Itoa(len(document)),
		CacheControl:  "public, max-age=300",
		Body:          document,
	}, nil
}
