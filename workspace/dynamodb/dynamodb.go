// Package dynamodb keeps workspaces, and all that is kept beside them, in one
// DynamoDB table, for several servers: the store where one machine is not enough.
//
// [Open] connects to nothing, so that a server can start while the table can't be
// reached; [Store.Check] then says whether the table is one that this process can
// use. [Store.Init] makes the table. keys.go lists the items, write.go how writes
// that need more than one item are made, feed.go how servers learn of them.
package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"
	"github.com/aws/smithy-go/middleware"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// Config says where the table is. URL and Codec are required.
type Config struct {
	URL   string           // as ParseURL reads it
	Codec *workspace.Codec // encrypts secrets

	// Credentials sign requests. Nil is those of the environment, by the rules of
	// AWS's SDKs.
	Credentials aws.CredentialsProvider
	// Timeout bounds a call, its retries included. 0 is 10 s.
	Timeout time.Duration
	// Log receives what no caller can be told. Nil is slog.Default.
	Log *slog.Logger
	// Now is this machine's clock. Nil is time.Now.
	Now func() time.Time
}

const (
	defaultTimeout = 10 * time.Second
	attemptTimeout = 5 * time.Second // of one request and its answer
	dialTimeout    = 2 * time.Second
	attempts       = 6 // of one request; the pauses between them are random and grow
	maxPause       = time.Second

	// tolerated is how far this machine's clock may be from the service's before the
	// service's counts, which is told in whole seconds only.
	tolerated = 2 * time.Second
)

// Store is the table. It is safe for concurrent use.
type Store struct {
	client    *dynamodb.Client
	transport *awshttp.BuildableClient
	table     string
	region    string
	codec     *workspace.Codec
	timeout   time.Duration
	localNow  func() time.Time
	log       *slog.Logger

	offset atomic.Int64         // nanoseconds from this machine's clock to the service's
	heads  [shards]atomic.Int64 // last known heads of the feed: guesses for the next write
}

var (
	_ workspace.Store    = (*Store)(nil)
	_ workspace.Domains  = (*Store)(nil)
	_ workspace.APIKeys  = (*Store)(nil)
	_ workspace.AuditLog = (*Store)(nil)
	_ workspace.Counters = (*Store)(nil)
	_ workspace.Purges   = (*Store)(nil)
	_ workspace.Replays  = (*Store)(nil)
	_ limit.Leases       = (*Store)(nil)

	_ workspace.Deletions = (*Store)(nil)
)

// A Location is what a URL of a table says.
type Location struct {
	Table    string
	Region   string // empty is the environment's
	Endpoint string // empty is AWS
}

var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

// ParseURL reads dynamodb://TABLE?region=REGION&endpoint=URL. The query may be left
// out.
func ParseURL(raw string) (Location, error) {
	u, err := url.Parse(raw)
	// Not the URL itself: whoever wrote credentials into it would read them in a log.
	if err != nil || u.Scheme != "dynamodb" || u.Opaque != "" || u.Fragment != "" || u.User == nil && !tableName.MatchString(u.Host) || u.Path != "" && u.Path != "/" {
		return Location{}, errors.New("write it as dynamodb://TABLE?region=REGION&endpoint=URL, where TABLE has 3 to 255 letters, digits, -, _ and dots")
	}
	if u.User != nil {
		return Location{}, errors.New("it must hold no credentials: give those in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by the machine's role")
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return Location{}, errors.New("its query must be region=REGION&endpoint=URL")
	}
	for name, values := range q {
		if name != "region" && name != "endpoint" || len(values) != 1 {
			return Location{}, fmt.Errorf("its query has %q; it may have region and endpoint, once each", name)
		}
	}
	l := Location{Table: u.Host, Region: q.Get("region"), Endpoint: q.Get("endpoint")}
	if l.Endpoint != "" {
		e, err := url.Parse(l.Endpoint)
		if err != nil || e.Scheme != "http" && e.Scheme != "https" || e.Host == "" || e.User != nil || e.Path != "" && e.Path != "/" || e.RawQuery != "" {
			return Location{}, errors.New("its endpoint must be scheme, host and port only, such as http://127.0.0.1:8000")
		}
	}
	return l, nil
}

// Open returns the store in a table, which must have been made by Init. It connects
// to nothing.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	l, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("DynamoDB store: %w", err)
	}
	s := &Store{table: l.Table, codec: cfg.Codec, timeout: cfg.Timeout, localNow: cfg.Now, log: cfg.Log}
	if s.timeout <= 0 {
		s.timeout = defaultTimeout
	}
	if s.localNow == nil {
		s.localNow = time.Now
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	s.transport = awshttp.NewBuildableClient().WithTimeout(attemptTimeout).
		WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = 64 })
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(s.transport),
		config.WithRetryer(func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = attempts, maxPause })
		}),
	}
	if l.Region != "" {
		options = append(options, config.WithRegion(l.Region))
	}
	if cfg.Credentials != nil {
		options = append(options, config.WithCredentialsProvider(cfg.Credentials))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("DynamoDB store: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("DynamoDB store: it needs a region: add ?region=REGION to the URL, or set AWS_REGION")
	}
	s.region = loaded.Region
	s.client = dynamodb.NewFromConfig(loaded, func(o *dynamodb.Options) {
		if l.Endpoint != "" {
			o.BaseEndpoint = &l.Endpoint
		}
		o.Logger = logging.Nop{} // what fails is returned, and is logged by who asked
		// It finds fault with every refusal, whose body the SDK doesn't read to its end.
		o.DisableValidateResponseChecksum = true
		o.APIOptions = append(o.APIOptions, s.watchClock)
	})
	return s, nil
}

// Close lets go of idle connections.
func (s *Store) Close() error {
	s.transport.GetTransport().CloseIdleConnections()
	return nil
}

// watchClock keeps offset true by the Date of every answer.
func (s *Store) watchClock(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("watchClock",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if at, ok := awsmiddleware.GetServerTime(metadata); ok && !at.IsZero() {
				s.offset.Store(int64(at.Sub(s.localNow())))
			}
			return out, metadata, err
		}), middleware.Before)
}

// now is the time: this machine's, or the service's where this machine's is wrong.
func (s *Store) now() time.Time {
	at := s.localNow()
	if offset := time.Duration(s.offset.Load()); offset.Abs() > tolerated {
		at = at.Add(offset)
	}
	return at.UTC().Truncate(time.Microsecond)
}

// bound limits a call that its caller doesn't.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
