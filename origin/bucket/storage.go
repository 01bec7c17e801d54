package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/origin"
)

// staging is the folder below the prefix for what clients send by themselves. The name is
// one that origin.CheckPath refuses: requests for images can't name what is in it.
const staging = ".tintype-staging/"

// putFor is how long storing an original may take.
const putFor = time.Minute

// Stat implements origin.Storage.
func (s *Source) Stat(ctx context.Context, path string) (origin.Stored, error) {
	name, err := s.name(path)
	if err != nil {
		return origin.Stored{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &name})
	if err != nil {
		err, _ = explain(ctx, err, origin.Validators{})
		return origin.Stored{}, err
	}
	st := origin.Stored{Path: path, Bytes: aws.ToInt64(out.ContentLength), ContentType: aws.ToString(out.ContentType)}
	st.Validators = validators(out.ETag, out.LastModified)
	return st, nil
}

func validators(etag *string, at *time.Time) (v origin.Validators) {
	if e := aws.ToString(etag); len(e) <= maxValidator {
		v.ETag = e
	}
	if at != nil {
		v.LastModified = at.UTC().Format(http.TimeFormat)
	}
	return v
}

// name returns the name of an object in the bucket.
func (s *Source) name(path string) (string, error) {
	if err := origin.CheckPath(path); err != nil {
		return "", err
	}
	if len(s.prefix)+len(path) > maxName {
		return "", fmt.Errorf("%w: with the prefix of the source it is longer than %d bytes", origin.ErrInvalidPath, maxName)
	}
	return s.prefix + path, nil
}

// Put implements origin.Storage. The bucket decides about overwriting (If-None-Match: *). A
// store that doesn't know that header may answer 501, or ignore it: then the look before the
// write is all there is.
func (s *Source) Put(ctx context.Context, path string, o *origin.Object, contentType string, overwrite bool) (isNew bool, err error) {
	name, err := s.name(path)
	if err != nil {
		return false, err
	}
	_, err = s.Stat(ctx, path)
	isNew = errors.Is(err, origin.ErrNotFound)
	switch {
	case err != nil && !isNew:
		return false, err
	case err == nil && !overwrite:
		return false, origin.ErrExists
	}
	ctx, cancel := context.WithTimeout(ctx, putFor)
	defer cancel()
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &name, Body: o.NewReader(), ContentLength: aws.Int64(int64(len(o.Body))), ContentType: &contentType,
	}
	if !overwrite {
		in.IfNoneMatch = aws.String("*")
	}
	if _, err = s.client.PutObject(ctx, in); err != nil {
		return false, explainWrite(ctx, err)
	}
	return isNew, nil
}

// Delete implements origin.Storage.
func (s *Source) Delete(ctx context.Context, path string) error {
	if _, err := s.Stat(ctx, path); err != nil { // a bucket doesn't say whether there was an object
		return err
	}
	return s.remove(ctx, s.prefix+path)
}

func (s *Source) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	if _, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &name}); err != nil {
		return explainWrite(ctx, err)
	}
	return nil
}

// Browse implements origin.Storage.
func (s *Source) Browse(ctx context.Context, q origin.ListQuery) (page origin.ListPage, err error) {
	if err := origin.CheckListPrefix(q.Prefix); err != nil {
		return page, err
	}
	ctx, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	prefix := s.prefix + q.Prefix
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix, MaxKeys: aws.Int32(int32(min(q.Limit, 1000)))}
	if !q.Flat {
		in.Delimiter = aws.String("/")
	}
	if q.Cursor != "" {
		in.ContinuationToken = &q.Cursor
	}
	out, err := s.client.ListObjectsV2(ctx, in)
	if err != nil {
		err, _ = explain(ctx, err, origin.Validators{})
		return page, err
	}
	for _, o := range out.Contents {
		path, inside := strings.CutPrefix(aws.ToString(o.Key), s.prefix)
		if !inside || origin.CheckPath(path) != nil { // such as the object of an empty folder
			continue
		}
		page.Images = append(page.Images, origin.Stored{Path: path, Bytes: aws.ToInt64(o.Size), Validators: validators(o.ETag, o.LastModified)})
	}
	for _, p := range out.CommonPrefixes {
		folder, inside := strings.CutPrefix(aws.ToString(p.Prefix), s.prefix)
		if inside && origin.CheckPath(strings.TrimSuffix(folder, "/")) == nil {
			page.Folders = append(page.Folders, folder)
		}
	}
	if aws.ToBool(out.IsTruncated) {
		page.Next = aws.ToString(out.NextContinuationToken)
	}
	return page, nil
}

// staged returns the name of the object under an id.
func (s *Source) staged(id string) (string, error) {
	random := strings.TrimPrefix(id, origin.PartsID)
	if len(random) < 16 || len(random) > 64 || strings.Trim(random, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", origin.ErrNotFound
	}
	return s.prefix + staging + id, nil
}

// ClientOrigin implements origin.Staging. It makes no request.
func (s *Source) ClientOrigin() string {
	o := s.client.Options()
	no := false
	e, err := o.EndpointResolverV2.ResolveEndpoint(context.Background(), s3.EndpointParameters{
		Bucket: &s.bucket, Region: &o.Region, Endpoint: o.BaseEndpoint, ForcePathStyle: &o.UsePathStyle, UseFIPS: &no, UseDualStack: &no, Accelerate: &no,
	})
	if err != nil {
		return ""
	}
	return e.URI.Scheme + "://" + e.URI.Host
}

// PresignPut implements origin.Staging. The length and the type are headers that the
// signature covers.
func (s *Source) PresignPut(ctx context.Context, id, contentType string, length int64, lifetime time.Duration) (string, http.Header, error) {
	name, err := s.staged(id)
	if err != nil {
		return "", nil, err
	}
	signed, err := s.presigner(lifetime).PresignPutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &name, ContentType: &contentType, ContentLength: &length,
	})
	if err != nil {
		return "", nil, errNotSigned
	}
	header := signedHeader(signed.SignedHeader)
	if header.Get("Content-Length") == "" || header.Get("Content-Type") == "" {
		return "", nil, errors.New("bucket: a presigned URL isn't bound to its length and type")
	}
	return signed.URL, header, nil
}

var errNotSigned = unavailable("no URL could be signed: check the credentials of the source")

func (s *Source) presigner(lifetime time.Duration) *s3.PresignClient {
	// What New adds to requests is not in the steps that sign a URL.
	plain := s3.WithPresignClientFromClientOptions(func(o *s3.Options) { o.APIOptions = nil })
	return s3.NewPresignClient(s.client, s3.WithPresignExpires(lifetime), plain)
}

// signedHeader returns the headers that a client must send beside those that every client
// sends.
func signedHeader(signed http.Header) http.Header {
	header := http.Header{}
	for k, v := range signed {
		if !strings.EqualFold(k, "Host") {
			header[http.CanonicalHeaderKey(k)] = v
		}
	}
	return header
}

// FetchStaged implements origin.Staging.
func (s *Source) FetchStaged(ctx context.Context, id string) (*origin.Object, error) {
	name, err := s.staged(id)
	if err != nil {
		return nil, err
	}
	return s.fetch(ctx, name, origin.Validators{})
}

// DeleteStaged implements origin.Staging.
func (s *Source) DeleteStaged(ctx context.Context, id string) error {
	name, err := s.staged(id)
	if err != nil {
		return err
	}
	return s.remove(ctx, name)
}

// SweepStaged implements origin.Staging.
func (s *Source) SweepStaged(ctx context.Context, before, partsBefore time.Time) (removed int, err error) {
	prefix := s.prefix + staging
	limited, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	out, err := s.client.ListObjectsV2(limited, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
	if err != nil {
		err, _ = explain(limited, err, origin.Validators{})
		return 0, err
	}
	for _, o := range out.Contents {
		limit := before
		if strings.HasPrefix(aws.ToString(o.Key), prefix+origin.PartsID) {
			limit = partsBefore
		}
		if o.LastModified == nil || !o.LastModified.Before(limit) {
			continue
		}
		if err := s.remove(ctx, aws.ToString(o.Key)); err != nil {
			return removed, err
		}
		removed++
	}
	return removed, nil
}

// explainWrite is explain for a write.
func explainWrite(ctx context.Context, err error) error {
	var answer *smithyhttp.ResponseError
	if errors.As(err, &answer) && answer.Response != nil && answer.Response.Response != nil {
		switch answer.HTTPStatusCode() {
		case http.StatusPreconditionFailed:
			return origin.ErrExists
		case http.StatusConflict: // another conditional write of the key is running (ConditionalRequestConflict)
			return fmt.Errorf("%w, or it is being put there at this moment", origin.ErrExists)
		case http.StatusNotImplemented:
			return unavailable("the bucket knows no conditional writes (If-None-Match): upload with overwrite")
		case http.StatusForbidden, http.StatusUnauthorized:
			if _, known := explanations[errorCode(err)]; !known {
				return unavailable("the bucket refused to be written: allow these credentials to put and delete objects")
			}
		}
	}
	err, _ = explain(ctx, err, origin.Validators{})
	return err
}
