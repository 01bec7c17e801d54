// Package bucket fetches originals from S3, R2 and other stores that speak S3.
//
// For most uses, call [New] with a [Config], and Fetch of the [Source] that it returns.
//
// [origin.S3Places] lists the URLs of a bucket. The [origin.Guard] of the transport checks
// the addresses of connections.
package bucket

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/tintype/tintype/awsenv"
	"github.com/tintype/tintype/origin"
)

// A Config describes one bucket. Bucket and Transport are required, and Region or
// AccountID. Without Ambient, the credentials are required too.
type Config struct {
	Bucket          string
	Region          string // such as "eu-west-1"; R2 ignores it
	Endpoint        string // scheme, host and port of the store; empty for AWS and R2
	AccountID       string // the account on R2; else empty
	Prefix          string // comes before every key; ends in "/" or is empty
	AccessKeyID     string
	SecretAccessKey string

	// Ambient are the credentials for a bucket without credentials of its own. If it is nil,
	// New refuses such a bucket.
	Ambient *Ambient
	// Transport must come from origin.NewTransport, whose guard checks every connection.
	// Sources should share a transport, and so its connections.
	Transport http.RoundTripper
	Limits    origin.Limits // zero fields are those of origin.DefaultLimits; Connect isn't used
	UserAgent string        // empty is "Tintype"
	// Bodies bounds the originals; nil is no bound.
	Bodies *origin.Bodies
}

// ErrNoCredentials is returned by New for a bucket without credentials.
var ErrNoCredentials = errors.New("the source has no credentials: set access_key_id and secret_access_key")

const (
	retries = 2
	// pauseBefore is the mean pause before the first retry. The second pause is three times
	// as long.
	pauseBefore = 100 * time.Millisecond

	maxName      = 1024 // bytes of an object's name with its prefix; the limit of S3 and R2
	maxValidator = 512  // bytes; longer validators are ignored
)

// A Source fetches the objects of one bucket below one prefix. It is safe for concurrent
// use, and needs no Close.
type Source struct {
	client         *s3.Client
	bucket, prefix string
	limits         origin.Limits
	bodies         *origin.Bodies
}

var _ origin.Staging = (*Source)(nil)

// New returns the bucket as a source. It makes no request.
func New(c Config) (*Source, error) {
	switch {
	case c.Bucket == "":
		return nil, errors.New("bucket: the name is missing")
	case c.Transport == nil:
		return nil, errors.New("bucket: the transport is missing")
	}
	region, endpoint := c.Region, c.Endpoint
	if c.AccountID != "" {
		region, endpoint = "auto", "https://"+c.AccountID+".r2.cloudflarestorage.com"
	}
	if region == "" {
		return nil, errors.New("bucket: the region is missing")
	}
	keys, err := c.credentials()
	if err != nil {
		return nil, err
	}
	o := s3.Options{
		Region:      region,
		Credentials: keys,
		HTTPClient:  newSender(c.Transport, c.UserAgent),
		// Other stores than AWS may not know virtual hosts. The certificates of AWS for *.s3.…
		// don't cover a bucket with a dot in its name.
		UsePathStyle: endpoint != "" || strings.Contains(c.Bucket, "."),
		// The SDK's retries wouldn't cover bodies that end early.
		Retryer: aws.NopRetryer{},
		// Stores that speak S3 answer unknown checksum headers with errors.
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
		APIOptions: unsigned,
	}
	if endpoint != "" {
		o.BaseEndpoint = &endpoint
	}
	return &Source{client: s3.New(o), bucket: c.Bucket, prefix: c.Prefix, limits: c.limits(), bodies: c.Bodies}, nil
}

func (c *Config) limits() origin.Limits {
	l, d := c.Limits, origin.DefaultLimits()
	if l.Bytes <= 0 {
		l.Bytes = d.Bytes
	}
	if l.Timeout <= 0 {
		l.Timeout = d.Timeout
	}
	return l
}

func (c *Config) credentials() (aws.CredentialsProvider, error) {
	switch {
	case c.AccessKeyID != "" && c.SecretAccessKey != "":
		return credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, ""), nil
	case c.AccessKeyID == "" && c.SecretAccessKey == "" && c.Ambient != nil:
		return c.Ambient.provider, nil
	}
	return nil, ErrNoCredentials
}

// Ambient are the credentials of the process: from variables, shared configuration files,
// or the role of the machine or container. An owner who may set a source without credentials
// can then read every bucket that these credentials open. It is safe for concurrent use.
type Ambient struct{ provider aws.CredentialsProvider }

// LoadAmbient finds where the credentials are, by the rules of AWS's SDKs. The first request
// that needs them reads them. log receives the SDK's warnings.
func LoadAmbient(ctx context.Context, log *slog.Logger) (*Ambient, error) {
	c, err := awsenv.Load(ctx, log)
	if err != nil {
		return nil, fmt.Errorf("credentials of the environment: %w", err)
	}
	return &Ambient{c.Credentials}, nil
}

// Fetch implements origin.Source. It retries a failure that may pass, twice at most and
// within the timeout. A key with a query is origin.ErrNotFound.
func (s *Source) Fetch(ctx context.Context, key origin.Key, have origin.Validators) (*origin.Object, error) {
	if err := origin.CheckPath(key.Path); err != nil {
		return nil, err
	}
	if key.Query != "" {
		return nil, fmt.Errorf("%w: an object in a bucket has no query; leave out what follows the question mark", origin.ErrNotFound)
	}
	name := s.prefix + key.Path
	if len(name) > maxName {
		return nil, origin.ErrNotFound
	}
	return s.fetch(ctx, name, have)
}

// fetch is Fetch of the object with this name, which begins with the prefix.
func (s *Source) fetch(ctx context.Context, name string, have origin.Validators) (*origin.Object, error) {
	limited, cancel := context.WithTimeout(ctx, s.limits.Timeout)
	defer cancel()
	for attempt := range retries + 1 {
		object, again, err := s.get(limited, cancel, name, have)
		switch {
		case err == nil:
			return object, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case !again || attempt == retries || !pause(limited, attempt):
			return nil, err
		}
	}
	panic("unreachable: the last attempt returns")
}

// get makes one attempt. again says that a retry may succeed. stop ends ctx.
func (s *Source) get(ctx context.Context, stop func(), name string, have origin.Validators) (object *origin.Object, again bool, err error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &name}
	if have.ETag != "" {
		in.IfNoneMatch = &have.ETag
	}
	if t, err := http.ParseTime(have.LastModified); err == nil {
		in.IfModifiedSince = &t
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		err, again = explain(ctx, err, have)
		return nil, again, err
	}
	defer out.Body.Close()
	// "aws-chunked" says how the object was uploaded, not how it is stored.
	for coding := range strings.SplitSeq(aws.ToString(out.ContentEncoding), ",") {
		if coding = strings.TrimSpace(coding); coding != "" && !strings.EqualFold(coding, "identity") && !strings.EqualFold(coding, "aws-chunked") {
			return nil, false, unavailable("the object is stored with a Content-Encoding; upload it without")
		}
	}
	length := int64(-1)
	if out.ContentLength != nil {
		length = *out.ContentLength
	}
	object, err = s.bodies.Read(ctx, out.Body, length, s.limits.Bytes, stop)
	switch {
	case errors.Is(err, origin.ErrTooLarge), errors.Is(err, origin.ErrBusy), errors.Is(err, origin.ErrTimeout):
		return nil, false, err
	case err != nil:
		return nil, true, origin.Failure(ctx, err)
	}
	if etag := aws.ToString(out.ETag); len(etag) <= maxValidator {
		object.ETag = etag
	}
	if out.LastModified != nil {
		object.LastModified = out.LastModified.UTC().Format(http.TimeFormat)
	}
	return object, false, nil
}

// pause waits before the next attempt, with jitter. It returns false where the context ends
// first.
func pause(ctx context.Context, attempt int) bool {
	mean := pauseBefore
	for range attempt {
		mean *= 3
	}
	t := time.NewTimer(mean/2 + rand.N(mean))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
