// Package dynamodb keeps workspaces, and everything that is stored beside them, in one
// DynamoDB table for several servers.
//
// For most uses, call [Store.Init] once to make the table, and [Open] in each server. Open
// connects to nothing, so that a server can start while the table is unreachable.
// [Store.Check] tells whether this process can use the table. keys.go lists the items.
// write.go describes writes of several items. feed.go describes how servers learn of them.
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

	"github.com/tintype/tintype/awsenv"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// Config configures a Store. URL and Codec are required.
type Config struct {
	URL   string           // see ParseURL
	Codec *workspace.Codec // encrypts secrets

	// Credentials sign requests. Nil takes those of the environment, by the rules of AWS's
	// SDKs.
	Credentials aws.CredentialsProvider
	// Timeout bounds a call with its retries. 0 is 10 s.
	Timeout time.Duration
	// Log receives errors that no caller gets. Nil is slog.Default.
	Log *slog.Logger
	// Now is this machine's clock. Nil is time.Now.
	Now func() time.Time
	// Watch is told of every call. It must not wait. It may be nil.
	Watch func(workspace.Call)
}

const (
	defaultTimeout = 10 * time.Second
	attemptTimeout = 5 * time.Second // for one request and its answer
	dialTimeout    = 2 * time.Second
	attempts       = 6 // for one request; the pauses between them are random and grow
	maxPause       = time.Second

	// tolerated is how far this machine's clock may differ from the service's before the
	// service's is used. The service's time has a resolution of one second.
	tolerated = 2 * time.Second

	// remarkable is by how much more it may differ before the log says so.
	remarkable = 3 * time.Second
)

// Store is a [workspace.Store] in a DynamoDB table. It is safe for concurrent use.
type Store struct {
	client    client
	transport *awshttp.BuildableClient
	table     string
	region    string
	codec     *workspace.Codec
	timeout   time.Duration
	localNow  func() time.Time
	log       *slog.Logger
	watch     func(workspace.Call) // nil where nobody counts

	warned atomic.Bool          // of a wrong clock
	offset atomic.Int64         // nanoseconds to add to this machine's clock to get the service's
	heads  [shards]atomic.Int64 // last known heads of the feed, as guesses for the next write

	folding tallyCache
}

var (
	_ workspace.Store    = (*Store)(nil)
	_ workspace.Rereader = (*Store)(nil)
	_ workspace.Clock    = (*Store)(nil)
	_ workspace.Domains  = (*Store)(nil)
	_ workspace.APIKeys  = (*Store)(nil)
	_ workspace.AuditLog = (*Store)(nil)
	_ workspace.Counters = (*Store)(nil)
	_ workspace.Purges   = (*Store)(nil)
	_ workspace.Replays  = (*Store)(nil)
	_ limit.Leases       = (*Store)(nil)

	_ workspace.Deletions = (*Store)(nil)

	_ workspace.ImageErrors = (*Store)(nil)
)

// A Location is a parsed URL of a table.
type Location struct {
	Table    string
	Region   string // empty: from the environment
	Endpoint string // empty is AWS
}

var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

// ParseURL parses dynamodb://TABLE?region=REGION&endpoint=URL. The query is optional.
func ParseURL(raw string) (Location, error) {
	u, err := url.Parse(raw)
	// The errors don't contain the URL: somebody may have put credentials into it.
	if err != nil || u.Scheme != "dynamodb" || u.Opaque != "" || u.Fragment != "" || u.User == nil && !tableName.MatchString(u.Host) || u.Path != "" && u.Path != "/" {
		return Location{}, errors.New("write it as dynamodb://TABLE?region=REGION&endpoint=URL, where TABLE has 3 to 255 letters, digits, -, _ and dots")
	}
	if u.User != nil {
		return Location{}, errors.New("it must not contain credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or use the machine's role")
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

// Open returns the store in a table that Init has made. It connects to nothing.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	l, err := ParseURL(cfg.URL)
	if err != nil {
		return nil, fmt.Errorf("DynamoDB store: %w", err)
	}
	s := &Store{table: l.Table, codec: cfg.Codec, timeout: cfg.Timeout, localNow: cfg.Now, log: cfg.Log, watch: cfg.Watch}
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
	loaded, err := awsenv.Load(ctx, s.log, options...)
	if err != nil {
		return nil, fmt.Errorf("DynamoDB store: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("DynamoDB store: it needs a region: add ?region=REGION to the URL, or set AWS_REGION")
	}
	s.region = loaded.Region
	s.client = of(dynamodb.NewFromConfig(loaded, func(o *dynamodb.Options) {
		if l.Endpoint != "" {
			o.BaseEndpoint = &l.Endpoint
		}
		o.Logger = logging.Nop{} // errors are returned, and the caller logs them
		// The SDK would warn of every refused condition, since it doesn't read the whole body
		// of such an answer.
		o.DisableValidateResponseChecksum = true
		o.APIOptions = append(o.APIOptions, s.watchClock)
		if s.watch != nil {
			o.APIOptions = append(o.APIOptions, s.watchCalls)
		}
	}))
	return s, nil
}

// Close closes idle connections.
func (s *Store) Close() error {
	s.transport.GetTransport().CloseIdleConnections()
	return nil
}

// watchClock updates offset from the Date header of every answer that came soon.
func (s *Store) watchClock(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("watchClock",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			asked := time.Now()
			out, metadata, err := next.HandleInitialize(ctx, in)
			if at, ok := awsmiddleware.GetServerTime(metadata); ok && !at.IsZero() && time.Since(asked) < tolerated {
				s.heardClock(at.Sub(s.localNow()))
			}
			return out, metadata, err
		}), middleware.Before)
}

// heardClock keeps by how much the service's clock is ahead. It warns once while the difference
// is large.
func (s *Store) heardClock(offset time.Duration) {
	s.offset.Store(int64(offset))
	switch wrong := offset.Abs() > tolerated+remarkable; {
	case wrong && s.warned.CompareAndSwap(false, true):
		s.log.Warn("this machine's clock is wrong: the store's is used for what ends or is dated; let the machine set its clock by NTP", "seconds_ahead", -offset.Seconds())
	case !wrong:
		s.warned.Store(false)
	}
}

// Now implements [workspace.Clock].
func (s *Store) Now() time.Time { return s.now() }

// ClockOffset implements [workspace.Clock].
func (s *Store) ClockOffset() time.Duration { return time.Duration(s.offset.Load()) }

// now returns the time of this machine, or of the service if this machine's clock is wrong.
func (s *Store) now() time.Time {
	at := s.localNow()
	if offset := s.ClockOffset(); offset.Abs() > tolerated {
		at = at.Add(offset)
	}
	return at.UTC().Truncate(time.Microsecond)
}

// bound adds the store's timeout to a call.
func (s *Store) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, s.timeout)
}
