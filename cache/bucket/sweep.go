package bucket

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// A sweep deletes what is older than an age: entries that have expired, those that purges have left
// behind, whose names nobody can tell, and lists of what was written then. It is for stores that do
// not do so by themselves, by a lifecycle rule.

const (
	sweepEvery = 24 * time.Hour
	// A server looks about so often whether a sweep is due.
	sweepLook = time.Hour
	// sweepPause bounds the rate of a sweep: it is the pause before each request. A page of a listing
	// has a thousand objects.
	sweepPause = 500 * time.Millisecond
	// swept is the object whose time is that of the last sweep, for all servers.
	swept = "v1/swept"
)

// sweepDaily sweeps until ctx ends, once a day for all servers together.
func (c *Cache) sweepDaily(ctx context.Context, age time.Duration) {
	for {
		// Servers that start together don't look together.
		wait := sweepLook/2 + rand.N(sweepLook)
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := c.sweepDue(ctx, age); err != nil && ctx.Err() == nil {
			c.log.Warn("what is old in the cache's bucket couldn't be deleted", "err", describe(err))
		}
	}
}

// sweepDue sweeps where no server has done so for a day. Two that begin at the same moment do no harm.
func (c *Cache) sweepDue(ctx context.Context, age time.Duration) error {
	last, err := c.store.lastSweep(ctx)
	if err != nil || c.now().Sub(last) < sweepEvery {
		return err
	}
	if err := c.store.noteSweep(ctx); err != nil {
		return err
	}
	_, err = c.Sweep(ctx, age)
	return err
}

// Sweep deletes what has been in the bucket for longer than age, and returns the number of objects. A
// cache with MaxAge does so once a day.
func (c *Cache) Sweep(ctx context.Context, age time.Duration) (deleted int, err error) {
	before := c.now().Add(-age)
	begin := time.Now()
	pages := s3.NewListObjectsV2Paginator(c.store.client, &s3.ListObjectsV2Input{Bucket: &c.store.bucket, Prefix: aws.String(c.store.prefix + "v1/")})
	remove := c.store.deleteMany
	for pages.HasMorePages() {
		if err := c.pause(ctx); err != nil {
			return deleted, err
		}
		page, err := c.store.page(ctx, pages)
		if err != nil {
			return deleted, err
		}
		var old []types.ObjectIdentifier
		for _, o := range page.Contents {
			if at := aws.ToTime(o.LastModified); !at.IsZero() && at.Before(before) && !strings.HasSuffix(aws.ToString(o.Key), swept) {
				old = append(old, types.ObjectIdentifier{Key: o.Key})
			}
		}
		if len(old) == 0 {
			continue
		}
		if err := c.pause(ctx); err != nil {
			return deleted, err
		}
		n, err := remove(ctx, old)
		if isUnsupported(err) {
			remove = c.store.deleteEach
			n, err = remove(ctx, old)
		}
		deleted += n
		if err != nil {
			return deleted, err
		}
	}
	c.mu.Lock()
	c.sweptObjects += uint64(deleted)
	c.mu.Unlock()
	if deleted > 0 {
		c.log.Info("what is old in the cache's bucket was deleted", "objects", deleted, "took", time.Since(begin).Round(time.Second).String())
	}
	return deleted, nil
}

// pause waits before a request of a sweep.
func (c *Cache) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(c.sweepPause):
		return nil
	}
}

func (c *Cache) now() time.Time {
	if c.clock != nil {
		return c.clock()
	}
	return time.Now()
}

// lastSweep returns the time of the last sweep, or the zero time.
func (s store) lastSweep(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	name := s.prefix + swept
	out, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &name, MaxKeys: aws.Int32(1)}, retriedBy(patient()))
	s.requests.count(ctx, requestList, err)
	if err != nil || len(out.Contents) == 0 || aws.ToString(out.Contents[0].Key) != name {
		return time.Time{}, err
	}
	return aws.ToTime(out.Contents[0].LastModified), nil
}

// noteSweep records that a sweep begins.
func (s store) noteSweep(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + swept), Body: strings.NewReader("")}, retriedBy(patient()))
	s.requests.count(ctx, requestPut, err)
	return err
}

// deleteMany deletes up to a thousand objects by one request.
func (s store) deleteMany(ctx context.Context, objects []types.ObjectIdentifier) (deleted int, err error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	out, err := s.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.bucket, Delete: &types.Delete{Objects: objects, Quiet: aws.Bool(true)},
	}, retriedBy(patient()))
	s.requests.count(ctx, requestDelete, err)
	if err != nil {
		return 0, err
	}
	if n := len(out.Errors); n > 0 {
		return len(objects) - n, &smithy.GenericAPIError{Code: cmp.Or(aws.ToString(out.Errors[0].Code), "unknown"), Message: "some objects can't be deleted"}
	}
	return len(objects), nil
}

// deleteEach deletes objects one by one, for stores that don't know DeleteObjects.
func (s store) deleteEach(ctx context.Context, objects []types.ObjectIdentifier) (deleted int, err error) {
	for _, o := range objects {
		if err := s.deleteNamed(ctx, o.Key); err != nil {
			return deleted, err
		}
		deleted++
	}
	return deleted, nil
}

// isUnsupported reports whether a store may not know a request. Some say so by another error than
// NotImplemented, or miss a checksum that others don't want.
func isUnsupported(err error) bool {
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok {
		return false
	}
	switch answer.HTTPStatusCode() {
	case 400, 404, 405, 411, 501:
		return true
	}
	return false
}
