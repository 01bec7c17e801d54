package bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/tintype/tintype/awsenv"
	"github.com/tintype/tintype/cache"
)

var (
	errAbsent   = errors.New("no such entry")
	errLate     = errors.New("it takes longer than usual")
	errPaused   = errors.New("the bucket failed a moment ago")
	errTooLarge = errors.New("the object is too large")
	errNoRoom   = errors.New("there is no memory to read the object")

	errOtherPart = errors.New("the object has changed, or the bucket doesn't answer with the part that it was asked for")
)

// A Location is where a cache's objects are. Region and Endpoint may be empty.
type Location struct {
	Bucket   string
	Prefix   string // ends in "/", or is empty
	Region   string // empty is the environment's
	Endpoint string // empty is AWS's
}

// ParseURL reads s3://BUCKET/PREFIX?region=REGION&endpoint=URL. The prefix and both
// parameters may be missing. For R2 write region=auto and
// endpoint=https://ACCOUNT.r2.cloudflarestorage.com. The error says what is wrong, and
// doesn't repeat the URL, since it may hold credentials.
func ParseURL(raw string) (Location, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "s3" || u.Host == "" || u.Port() != "" || u.Opaque != "" {
		return Location{}, errors.New("write it as s3://BUCKET/PREFIX?region=REGION&endpoint=URL")
	}
	if u.User != nil {
		return Location{}, errors.New("it must hold no credentials: give those in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil || u.Fragment != "" {
		return Location{}, errors.New("its query must be region=REGION&endpoint=URL")
	}
	for name, values := range q {
		if name != "region" && name != "endpoint" || len(values) != 1 {
			return Location{}, fmt.Errorf("its query has %q; it may have region and endpoint, once each", name)
		}
	}
	l := Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/"), Region: q.Get("region"), Endpoint: strings.TrimSuffix(q.Get("endpoint"), "/")}
	if l.Prefix != "" {
		l.Prefix += "/"
	}
	if l.Endpoint != "" {
		e, err := url.Parse(l.Endpoint)
		if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || e.User != nil || e.Path != "" || e.RawQuery != "" {
			return Location{}, errors.New("its endpoint must be scheme, host and port only, such as https://minio.example.com:9000")
		}
	}
	return l, nil
}

// A store makes requests to the bucket, one for each call.
type store struct {
	client         *s3.Client
	transport      *http.Transport
	bucket, prefix string
	reserve        cache.Reserve // nil reads every entry
	requests       *requests
}

const (
	// leastForPart is the size in bytes from which a part of an object is read alone: that takes a
	// second request.
	leastForPart = 1 << 20
	// partHead is what is read of such an object first. It has all fields but the body.
	partHead = 64 << 10
)

// largeRead is the size in bytes from which memory is reserved for an entry that is read.
const largeRead = 64 << 10

func openStore(raw string, log *slog.Logger) (store, error) {
	l, err := ParseURL(raw)
	if err != nil {
		return store{}, err
	}
	var options []func(*config.LoadOptions) error
	if l.Region != "" {
		options = append(options, config.WithRegion(l.Region))
	}
	env, err := awsenv.Load(context.Background(), log, options...)
	if err != nil {
		return store{}, err
	}
	if env.Region == "" {
		return store{}, errors.New("the region is missing: add region=eu-west-1 to its query, or auto for R2")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	transport.DisableCompression = true
	client := s3.NewFromConfig(env, func(o *s3.Options) {
		o.HTTPClient = &http.Client{
			Transport:     transport,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
		o.UsePathStyle = l.Endpoint != "" || strings.Contains(l.Bucket, ".")
		if l.Endpoint != "" {
			o.BaseEndpoint = &l.Endpoint
		}
		// Stores that speak S3 answer unknown checksum headers with errors, and entries
		// have a checksum of their own.
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	return store{client: client, transport: transport, bucket: l.Bucket, prefix: l.Prefix, requests: &requests{}}, nil
}

// name returns the object key of an entry. Two digits in front spread the keys over
// partitions, and keep folders small enough to list. v1 is the version of the layout and
// of the entries' format.
func (s store) name(key cache.Key) *string {
	hex := key.String()
	return aws.String(s.prefix + "v1/" + hex[:2] + "/" + hex)
}

// An object is what a lookup has read: the stored bytes of an entry, or an entry with a Part.
type object struct {
	stored []byte
	part   *cache.Entry
}

// get returns an entry, or errAbsent. An object of more than limit bytes is errTooLarge. Without memory
// for it the error is errNoRoom. It calls answered once the bucket says whether there is one. Of a large
// object it reads only the part that is asked for, if there is one.
func (s store) get(ctx context.Context, key cache.Key, limit int64, part cache.PartOf, answered func()) (_ object, err error) {
	defer func() { s.requests.count(ctx, requestGet, err) }()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: s.name(key)}, retriedBy(aws.NopRetryer{}))
	if err == nil || isAbsent(err) {
		answered()
	}
	if isAbsent(err) {
		return object{}, errAbsent
	}
	if err != nil {
		return object{}, err
	}
	defer out.Body.Close()
	if out.ContentLength == nil {
		stored, err := io.ReadAll(io.LimitReader(out.Body, limit+1))
		if err == nil && int64(len(stored)) > limit {
			return object{}, errTooLarge
		}
		return object{stored: stored}, err
	}
	size := *out.ContentLength
	if size > limit {
		return object{}, errTooLarge
	}
	var head []byte
	if part != nil && size >= leastForPart {
		head = make([]byte, partHead)
		if _, err := io.ReadFull(out.Body, head); err != nil {
			return object{}, err
		}
		if p, ok := partIn(head, key, size, part); ok {
			out.Body.Close() // the rest of it isn't read
			if p.n > 0 {
				p.entry.Body, err = s.getPart(ctx, key, out.ETag, p.from, p.n)
			}
			return object{part: p.entry}, err
		}
	}
	stored, err := s.readAll(ctx, head, out.Body, size)
	return object{stored: stored}, err
}

// readAll reads the rest of size bytes, of which there is the head.
func (s store) readAll(ctx context.Context, head []byte, rest io.Reader, size int64) ([]byte, error) {
	if s.reserve != nil && size >= largeRead {
		release, ok := s.reserve(ctx, size)
		if !ok {
			return nil, errNoRoom
		}
		defer release()
	}
	stored := make([]byte, size)
	_, err := io.ReadFull(rest, stored[copy(stored, head):])
	return stored, err
}

// A foundPart is an entry whose body is n bytes of an object.
type foundPart struct {
	entry   *cache.Entry
	from, n int64
}

// partIn finds out which part is asked for of an object of size bytes, which begins with head. It finds
// none where the entry has to be renewed, which takes the whole.
func partIn(head []byte, key cache.Key, size int64, part cache.PartOf) (foundPart, bool) {
	e, begin, err := cache.DecodeHead(head, key, size)
	if err != nil {
		return foundPart{}, false
	}
	if now := time.Now(); e.Stale(now) || e.Expired(now) {
		return foundPart{}, false
	}
	first, last, ok := part(e, size-begin)
	if ok && last < first {
		first, last = 0, -1
	}
	if !ok || first < 0 || last >= size-begin {
		return foundPart{}, false
	}
	e.Part = &cache.Part{First: first, Size: size - begin}
	return foundPart{e, begin + first, last - first + 1}, true
}

// getPart reads n bytes of an object that still has an ETag. The checksum of the entry is of the whole,
// so nothing but the connection vouches for them.
func (s store) getPart(ctx context.Context, key cache.Key, etag *string, from, n int64) (body []byte, err error) {
	defer func() { s.requests.count(ctx, requestGet, err) }()
	out, err := s.client.GetObject(ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: s.name(key), IfMatch: etag, Range: aws.String(fmt.Sprintf("bytes=%d-%d", from, from+n-1)),
	}, retriedBy(aws.NopRetryer{}))
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	place := fmt.Sprintf("bytes %d-%d/", from, from+n-1)
	if aws.ToInt64(out.ContentLength) != n || aws.ToString(out.ETag) != aws.ToString(etag) || !strings.HasPrefix(aws.ToString(out.ContentRange), place) {
		return nil, errOtherPart
	}
	return s.readAll(ctx, nil, out.Body, n)
}

// put stores an entry.
func (s store) put(ctx context.Context, key cache.Key, e *cache.Entry) error {
	head, err := cache.EncodeHead(key, e)
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket: &s.bucket, Key: s.name(key),
		Body:        bytes.NewReader(append(head, e.Body...)),
		ContentType: aws.String("application/octet-stream"), // no image, since the encoded header comes first
		Metadata:    metadata(e),
	}
	if !e.ExpiresAt.IsZero() {
		in.Expires = aws.Time(e.ExpiresAt)
		in.CacheControl = aws.String("private, max-age=" + strconv.FormatInt(max(int64(time.Until(e.ExpiresAt)/time.Second), 0), 10))
	}
	_, err = s.client.PutObject(ctx, in, retriedBy(patient()))
	s.requests.count(ctx, requestPut, err)
	return err
}

// metadata describes an entry for people who look into the bucket's console. Nothing reads
// it, since the entry holds the same.
func metadata(e *cache.Entry) map[string]string {
	m := map[string]string{}
	if strings.Trim(e.ContentType, " abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/+-.;=") == "" && e.ContentType != "" {
		m["tintype-type"] = e.ContentType
	}
	if e.Width > 0 && e.Height > 0 {
		m["tintype-size"] = fmt.Sprintf("%dx%d", e.Width, e.Height)
	}
	return m
}

// delete deletes the entry under a key, if there is one.
func (s store) delete(ctx context.Context, key cache.Key) error {
	return s.deleteNamed(ctx, s.name(key))
}

func (s store) deleteNamed(ctx context.Context, name *string) error {
	_, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: name}, retriedBy(patient()))
	if api, ok := errors.AsType[smithy.APIError](err); ok && api.ErrorCode() == "NoSuchKey" {
		err = nil // some stores say so
	}
	s.requests.count(ctx, requestDelete, err)
	return err
}

func (s store) close() { s.transport.CloseIdleConnections() }

func retriedBy(r aws.Retryer) func(*s3.Options) {
	return func(o *s3.Options) { o.Retryer = r }
}

// patient retries twice with jitter. It is for writes, which no client waits for.
func patient() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 3
		o.MaxBackoff = 2 * time.Second
	})
}

// describe says why a request failed, for the operator's log. Of the bucket's answer it
// takes the status and the error code only, since some stores repeat the signed string.
func describe(err error) string {
	if errors.Is(err, awsenv.ErrNoCredentials) {
		return "no credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this process a profile or a role of AWS"
	}
	answer, ok := errors.AsType[*smithyhttp.ResponseError](err)
	if !ok || answer.Response == nil || answer.Response.Response == nil || answer.HTTPStatusCode() == 0 {
		if send, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
			return send.Err.Error()
		}
		return err.Error()
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok || len(api.ErrorCode()) > 64 {
		return fmt.Sprintf("the bucket answered with status %d", answer.HTTPStatusCode())
	}
	said := fmt.Sprintf("the bucket answered with status %d (%s)", answer.HTTPStatusCode(), api.ErrorCode())
	if api.ErrorCode() == "AccessDenied" {
		said += "; allow the credentials s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket " +
			"(without s3:ListBucket a missing object is answered like this)"
	}
	return said
}
