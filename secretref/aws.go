package secretref

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"
)

// readAWS reads the current version of a secret of AWS Secrets Manager, by its name or ARN.
// Region, credentials and endpoint are those of AWS's SDKs.
func readAWS(ctx context.Context, name, field string) (string, error) {
	loaded, err := config.LoadDefaultConfig(ctx, config.WithLogger(logging.Nop{})) // errors are returned
	if err != nil {
		return "", fmt.Errorf("the settings of AWS can't be read: %w", err)
	}
	if a, err := arn.Parse(name); err == nil && a.Region != "" {
		loaded.Region = a.Region
	}
	if loaded.Region == "" {
		return "", errors.New("set AWS_REGION to the region of the secret, or name the secret by its ARN")
	}
	client := secretsmanager.NewFromConfig(loaded)
	out, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &name})
	if err != nil {
		return "", awsError(err, loaded.Region)
	}
	if out.SecretString == nil {
		return fieldOf(out.SecretBinary, field)
	}
	return fieldOf([]byte(aws.ToString(out.SecretString)), field)
}

func awsError(err error, region string) error {
	e, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return fmt.Errorf("AWS Secrets Manager in %s can't be asked; check the credentials of this process (variables, profile or role) and the network: %w", region, err)
	}
	switch e.ErrorCode() {
	case "ResourceNotFoundException":
		return fmt.Errorf("AWS Secrets Manager in %s has no such secret: check its name, and AWS_REGION", region)
	case "AccessDeniedException":
		return errors.New("AWS refuses it: allow secretsmanager:GetSecretValue on the secret, and kms:Decrypt where it has a key of its own")
	}
	return fmt.Errorf("AWS Secrets Manager in %s answered %s: %s", region, e.ErrorCode(), e.ErrorMessage())
}
