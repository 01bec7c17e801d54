package dynamodb

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// batchItems is the largest number of items in one BatchWriteItem.
const batchItems = 25

// PutErrors implements [workspace.ImageErrors]. A report is one item, which replaces the
// one before. So it needs no transaction, which would cost twice as much, and may be sent twice.
func (s *Store) PutErrors(ctx context.Context, reports ...workspace.ErrorReport) error {
	within, cancel := s.bound(ctx)
	defer cancel()
	for chunk := range slices.Chunk(reports, batchItems) {
		var requests []types.WriteRequest
		for _, r := range chunk {
			day, err := time.Parse(time.DateOnly, r.Day)
			if err != nil {
				return fmt.Errorf("day of errors: %w", err)
			}
			rows, err := workspace.EncodeErrors(r.Rows)
			if err != nil {
				return err
			}
			requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{
				Item: with(key(errorsPK(r.WorkspaceID), r.Day+"#"+r.Part), item{"json": text(rows), ttl: seconds(day.Add(workspace.ErrorsKept + 24*time.Hour))}),
			}})
		}
		if err := s.batch(within, requests); err != nil {
			return s.failure(ctx, err)
		}
	}
	return ctx.Err()
}

// Errors implements [workspace.ImageErrors]. The rows may be some seconds behind, which costs
// half.
func (s *Store) Errors(ctx context.Context, workspaceID, from, to string) ([]workspace.ErrorCount, error) {
	if from > to {
		return nil, ctx.Err()
	}
	// The service deletes expired items some days later.
	from = max(from, s.now().Add(-workspace.ErrorsKept).Format(time.DateOnly))
	if from > to {
		return nil, ctx.Err()
	}
	within, cancel := s.bound(ctx)
	defer cancel()
	var all []workspace.ErrorCount
	q := query{pk: errorsPK(workspaceID), condition: "sk BETWEEN :from AND :to", values: item{":from": text(from), ":to": text(to + "~")}, behind: true}
	err := s.query(within, q, func(i item) (bool, error) {
		day, _, _ := strings.Cut(getText(i, sk), "#")
		rows, err := workspace.DecodeErrors(day, getText(i, "json"))
		all = append(all, rows...)
		return true, err
	})
	if err != nil {
		return nil, s.failure(ctx, err)
	}
	return workspace.MergeErrors(all), nil
}
