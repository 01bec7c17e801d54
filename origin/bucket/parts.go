package bucket

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/origin"
)

// maxListed is the largest number of parts and of uploads that a bucket lists in one answer.
const maxListed = 1000

// StartParts implements origin.Staging.
func (s *Source) StartParts(ctx context.Context, id, contentType string) (string, error) {
	name, err := s.staged(id)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	out, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &name, ContentType: &contentType})
	if err != nil {
		return "", explainParts(ctx, err)
	}
	upload := aws.ToString(out.UploadId)
	if upload == "" || len(upload) > maxName {
		return "", unavailable("the bucket began an upload in parts and gave it no id")
	}
	return upload, nil
}

// PresignPart implements origin.Staging. The length is a header that the signature covers.
func (s *Source) PresignPart(ctx context.Context, id, upload string, number int, length int64, lifetime time.Duration) (string, http.Header, error) {
	name, err := s.staged(id)
	if err != nil {
		return "", nil, err
	}
	signed, err := s.presigner(lifetime).PresignUploadPart(ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: &name, UploadId: &upload, PartNumber: aws.Int32(int32(number)), ContentLength: &length,
	})
	if err != nil {
		return "", nil, errNotSigned
	}
	header := signedHeader(signed.SignedHeader)
	if header.Get("Content-Length") == "" {
		return "", nil, errors.New("bucket: the presigned URL of a part isn't bound to its length")
	}
	return signed.URL, header, nil
}

// ListParts implements origin.Staging.
func (s *Source) ListParts(ctx context.Context, id, upload string) (parts []origin.Part, err error) {
	name, err := s.staged(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	out, err := s.client.ListParts(ctx, &s3.ListPartsInput{Bucket: &s.bucket, Key: &name, UploadId: &upload, MaxParts: aws.Int32(maxListed)})
	if err != nil {
		return nil, explainParts(ctx, err)
	}
	for _, p := range out.Parts {
		parts = append(parts, origin.Part{Number: int(aws.ToInt32(p.PartNumber)), Bytes: aws.ToInt64(p.Size), ETag: aws.ToString(p.ETag)})
	}
	return parts, nil
}

// JoinParts implements origin.Staging.
func (s *Source) JoinParts(ctx context.Context, id, upload string, parts []origin.Part) error {
	name, err := s.staged(id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, putFor)
	defer cancel()
	whole := &types.CompletedMultipartUpload{}
	for _, p := range parts {
		whole.Parts = append(whole.Parts, types.CompletedPart{PartNumber: aws.Int32(int32(p.Number)), ETag: aws.String(p.ETag)})
	}
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &s.bucket, Key: &name, UploadId: &upload, MultipartUpload: whole})
	if err != nil {
		return explainParts(ctx, err)
	}
	return nil
}

// DropParts implements origin.Staging. A part that is on its way when an upload is aborted may
// be stored nevertheless, so it looks, and aborts again (Amazon's AbortMultipartUpload says to).
// Some buckets refuse to abort while a part is on its way: it tries that again too. What comes
// later than that is left to SweepParts.
func (s *Source) DropParts(ctx context.Context, id, upload string) error {
	name, err := s.staged(id)
	if err != nil {
		return err
	}
	aborted := false
	for range dropTries {
		switch err = s.abort(ctx, name, upload); {
		case err == nil:
			aborted = true
		case errors.Is(err, origin.ErrNotFound) && aborted:
			return nil
		case errors.Is(err, origin.ErrNotFound):
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(dropPause):
		}
		if err != nil {
			continue
		}
		if _, err := s.ListParts(ctx, id, upload); err != nil {
			return nil // it is gone, or can't be looked at
		}
	}
	return err
}

const (
	dropTries = 5
	dropPause = 200 * time.Millisecond
)

func (s *Source) abort(ctx context.Context, name, upload string) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	if _, err := s.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &name, UploadId: &upload}); err != nil {
		return explainParts(ctx, err)
	}
	return nil
}

// SweepParts implements origin.Staging.
func (s *Source) SweepParts(ctx context.Context, before time.Time) (removed int, err error) {
	prefix := s.prefix + staging
	limited, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	out, err := s.client.ListMultipartUploads(limited, &s3.ListMultipartUploadsInput{Bucket: &s.bucket, Prefix: &prefix, MaxUploads: aws.Int32(maxListed)})
	if err != nil {
		return 0, explainParts(limited, err)
	}
	for _, u := range out.Uploads {
		// A store that doesn't know prefixes here would answer uploads of others too.
		if !strings.HasPrefix(aws.ToString(u.Key), prefix) || u.Initiated == nil || !u.Initiated.Before(before) {
			continue
		}
		if err := s.abort(ctx, aws.ToString(u.Key), aws.ToString(u.UploadId)); err != nil && !errors.Is(err, origin.ErrNotFound) {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// explainParts is explainWrite for uploads in parts.
func explainParts(ctx context.Context, err error) error {
	if errorCode(err) == "NoSuchUpload" {
		return origin.ErrNotFound
	}
	if _, known := explanations[errorCode(err)]; !known {
		if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() == http.StatusForbidden {
			return unavailable("the bucket refused an upload in parts: allow these credentials to put objects, and to list and abort multipart uploads")
		}
	}
	return explainWrite(ctx, err)
}
