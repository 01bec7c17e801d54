package bucket

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// lists is the folder of lists. No folder of entries has this name, since those are two hex digits.
const lists = "v1/puts/"

const listTimeout = 30 * time.Second // of one request

// A listed is a list in the bucket.
type listed struct {
	name     string // without folders
	etag     string
	size     int64 // bytes
	modified time.Time
}

// lists returns the lists of all servers.
func (s store) lists(ctx context.Context) (found []listed, err error) {
	folder := s.prefix + lists
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &folder})
	for pages.HasMorePages() {
		page, err := s.page(ctx, pages)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			name, ok := strings.CutPrefix(aws.ToString(o.Key), folder)
			if ok && name != "" {
				found = append(found, listed{name, aws.ToString(o.ETag), aws.ToInt64(o.Size), aws.ToTime(o.LastModified)})
			}
		}
	}
	return found, nil
}

func (s store) page(ctx context.Context, pages *s3.ListObjectsV2Paginator) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	page, err := pages.NextPage(ctx, retriedBy(patient()))
	s.requests.count(ctx, requestList, err)
	return page, err
}

// empty reports whether the bucket holds nothing of ours.
func (s store) empty(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	out, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + "v1/"), MaxKeys: aws.Int32(1)}, retriedBy(patient()))
	s.requests.count(ctx, requestList, err)
	return err == nil && len(out.Contents) == 0, err
}

// getList reads a list.
func (s store) getList(ctx context.Context, name string) (prints []print, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	defer func() { s.requests.count(ctx, requestGet, err) }()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + lists + name)}, retriedBy(patient()))
	if isAbsent(err) { // a lifecycle rule has taken it just now
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(out.Body, int64(mostListBytes)+1))
	if err = errors.Join(err, out.Body.Close()); err != nil {
		return nil, err
	}
	return decodeList(b)
}

// putList writes a list of this server's.
func (s store) putList(ctx context.Context, name string, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String(s.prefix + lists + name),
		Body: bytes.NewReader(b), ContentType: aws.String("application/octet-stream"),
	}, retriedBy(patient()))
	s.requests.count(ctx, requestPut, err)
	return err
}
