// Package awsenv finds settings and credentials of AWS in the environment of this process: its variables, its
// profile, the role of its machine or container.
//
// Call [Load] in place of the SDK's LoadDefaultConfig.
package awsenv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/smithy-go/logging"
)

// ErrNoCredentials is in the errors of requests for which no credentials were found. Nothing else tells these from errors of
// the service that is asked: the metadata address of a machine answers with statuses too.
var ErrNoCredentials = errors.New("no credentials of AWS were found")

// Load finds the settings, by the rules of AWS's SDKs. Credentials are read when a request needs them. log receives the
// SDK's warnings.
func Load(ctx context.Context, log *slog.Logger, options ...func(*config.LoadOptions) error) (aws.Config, error) {
	warn := logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		log.Warn("AWS's SDK warns", "what", fmt.Sprintf(format, v...))
	})
	c, err := config.LoadDefaultConfig(ctx, append(options, config.WithLogger(warn))...)
	c.Credentials = provider{c.Credentials}
	return c, err
}

type provider struct{ aws.CredentialsProvider }

func (p provider) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := p.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrNoCredentials, err)
	}
	return c, err
}
