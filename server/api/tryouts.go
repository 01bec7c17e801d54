package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

// SourceTestRequest says which source to test.
type SourceTestRequest struct {
	Source workspace.Source `json:"source" doc:"The source, as for a PUT. Masked secrets are those of the stored source with this key. With nothing but its key, the stored source is tested."`
	Path   string           `json:"path" doc:"Object key of an image in the source."`
}

// MarkPreviewRequest says what to show a mark on.
type MarkPreviewRequest struct {
	Mark    workspace.Mark `json:"mark" doc:"The mark, as for a PUT. A new mark may have no name yet."`
	Picture string         `json:"picture,omitempty" doc:"The image that the mark lies on: source/path, or a URL that the workspace allows. Left out, the answer is the image of the mark itself."`
	Width   int            `json:"width,omitempty" minimum:"1" maximum:"2000" doc:"Width of the answer in pixels. Left out, 800."`
}

const previewWidth = 800 // pixels, where a request names none

type (
	tryoutInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		What      body
	}
	sourceTestOutput struct{ Body manage.SourceTest }
	markPreviewInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		Accept    string `header:"Accept" doc:"Image formats that the client takes, as for a request for an image."`
		What      body
	}
	markPreviewOutput struct {
		ContentType   string `header:"Content-Type" hidden:"true"`
		ContentLength string `header:"Content-Length" hidden:"true"`
		Policy        string `header:"Content-Security-Policy" hidden:"true"`
		Marks         string `header:"Tintype-Marks" doc:"Names of the marks on the picture, the lowest first, separated by commas."`
		Body          []byte
	}
	reviewOutput struct {
		Body struct {
			Changes []string `json:"changes" nullable:"false" doc:"What differs, one line for each setting. Empty if the patch changes nothing."`
			Closes  []string `json:"closes" nullable:"false" doc:"How many URLs that this server answered in the last hour would be refused, which URLs fail or need a signature from then on, and warnings that the workspace would have and doesn't have now."`
			Opens   []string `json:"opens" nullable:"false" doc:"What the change makes public, or takes a mark from."`
		}
	}
)

// tryoutRoutes registers what says how something would be, and stores nothing.
func (a *api) tryoutRoutes() {
	tag := []string{"Workspaces"}
	handle(a, account.UpdateWorkspace, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/review", OperationID: "reviewPatch", Tags: tag,
		Summary:     "Review a change of a workspace",
		Description: "Says what a PATCH with the same body would change, what it would refuse from then on and what it would open. It stores nothing, and fails where the PATCH would.",
		RequestBody: jsonBody("WorkspacePatch", "The fields to change.", "application/merge-patch+json", "application/json"),
	}, a.reviewPatch)
	handle(a, account.WriteSource, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/sources/test", OperationID: "testSource", Tags: tag,
		Summary: "Test a source",
		Description: "Fetches an original from a source as it would be stored, and stores nothing. The answer is 200 where the origin refuses or fails too: `ok` is false then, and `message` says what to check. " +
			"Settings that a PUT would refuse are refused here.",
		RequestBody: jsonBody("SourceTestRequest", "The source, and an image in it.", "application/json"),
	}, a.testSource)
	handle(a, account.WriteMark, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/marks/preview", OperationID: "previewMark", Tags: tag,
		Summary: "Preview a mark",
		Description: "Answers the picture that delivery would make with a mark as it would be stored, and stores nothing. A mark that isn't bound to the source of the picture is shown as if the URL asked for it. " +
			"The picture counts as a transform. Needs the right to sign URLs, since the picture may be of a private source.",
		RequestBody: jsonBody("MarkPreviewRequest", "The mark, and the picture that it lies on.", "application/json"),
		Responses: map[string]*huma.Response{"200": {
			Description: "The picture, in the format that a request with this Accept gets.",
			Content:     map[string]*huma.MediaType{"image/*": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
		}},
	}, a.previewMark)
}

func (a *api) reviewPatch(ctx context.Context, in *tryoutInput) (*reviewOutput, error) {
	patch, err := in.What.read()
	if err != nil {
		return nil, err
	}
	c, err := a.manage.ReviewPatch(ctx, caller(ctx), in.Namespace, patch)
	out := &reviewOutput{}
	out.Body.Changes, out.Body.Closes, out.Body.Opens = orEmpty(c.Lines), orEmpty(c.Closes), orEmpty(c.Opens)
	return out, err
}

func orEmpty(list []string) []string { return append([]string{}, list...) }

func (a *api) testSource(ctx context.Context, in *tryoutInput) (*sourceTestOutput, error) {
	var req SourceTestRequest
	if err := in.What.decode(&req); err != nil {
		return nil, err
	}
	t, err := a.manage.TestSource(ctx, caller(ctx), in.Namespace, req.Source, req.Path)
	return &sourceTestOutput{t}, err
}

func (a *api) previewMark(ctx context.Context, in *markPreviewInput) (*markPreviewOutput, error) {
	req := MarkPreviewRequest{Width: previewWidth}
	if err := in.What.decode(&req); err != nil {
		return nil, err
	}
	p, err := a.manage.PreviewMark(ctx, caller(ctx), in.Namespace, req.Mark, manage.MarkPreview{Picture: req.Picture, Width: req.Width, Accept: in.Accept})
	if err != nil {
		return nil, err
	}
	return &markPreviewOutput{
		ContentType: p.ContentType, ContentLength: strconv.Itoa(len(p.Body)), Policy: "default-src 'none'; sandbox", Marks: strings.Join(p.Marks, ", "), Body: p.Body,
	}, nil
}
