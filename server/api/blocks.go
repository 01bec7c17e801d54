package api

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/workspace"
)

type (
	newBlockInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		What      body
	}
	blockInput struct {
		Namespace string `path:"ns" doc:"Namespace of the workspace."`
		ID        string `path:"id" doc:"The block's id."`
	}
	blockOutput  struct{ Body workspace.Block }
	blocksOutput struct {
		Body struct {
			Blocks []workspace.Block `json:"blocks" nullable:"false" doc:"The newest last."`
		}
	}
)

func (a *api) blockRoutes() {
	tag := []string{"Images"}
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodPost, Path: "/v1/workspaces/{ns}/blocks", OperationID: "blockImage", Tags: tag,
		Summary: "Block an image",
		Description: "The answer to every request that would show the image, or use it as a mark, is 451 `BLOCKED`, cached or not: at once on this server, within 10 seconds on all. " +
			"What is blocked already stays as it is.",
		RequestBody:   jsonBody("NewBlock", "The image: a path or a hash.", "application/json"),
		DefaultStatus: http.StatusCreated,
	}, a.block)
	handle(a, account.ReadImages, huma.Operation{
		Method: http.MethodGet, Path: "/v1/workspaces/{ns}/blocks", OperationID: "listBlocks", Tags: tag,
		Summary: "List blocked images",
	}, a.listBlocks)
	handle(a, account.WriteImages, huma.Operation{
		Method: http.MethodDelete, Path: "/v1/workspaces/{ns}/blocks/{id}", OperationID: "unblockImage", Tags: tag,
		Summary: "Unblock an image", DefaultStatus: http.StatusNoContent,
	}, a.unblock)
}

func (a *api) block(ctx context.Context, in *newBlockInput) (*blockOutput, error) {
	var n manage.NewBlock
	if err := in.What.decode(&n); err != nil {
		return nil, err
	}
	b, err := a.manage.BlockImage(ctx, caller(ctx), in.Namespace, n)
	return &blockOutput{b}, err
}

func (a *api) listBlocks(ctx context.Context, in *namespaceInput) (out *blocksOutput, err error) {
	out = &blocksOutput{}
	out.Body.Blocks, err = a.manage.Blocks(ctx, caller(ctx), in.Namespace)
	return out, err
}

func (a *api) unblock(ctx context.Context, in *blockInput) (*struct{}, error) {
	return nil, a.manage.UnblockImage(ctx, caller(ctx), in.Namespace, in.ID)
}
