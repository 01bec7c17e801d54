package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/tintype/tintype/workspace"
)

// ErrTable means that the table can't be used.
var ErrTable = errors.New("DynamoDB table can't be used")

func (s *Store) errNoTable() error {
	return fmt.Errorf("%w: there is no table %s in %s, or Tintype did not make it: make it with tintype store init", ErrTable, s.table, s.region)
}

// Init makes the table if it doesn't exist, waits for it, and configures it: pay per
// request, expiring items, point-in-time recovery. It doesn't change a table that is
// configured.
func (s *Store) Init(ctx context.Context) (created bool, err error) {
	_, err = s.client.createTable(ctx, &dynamodb.CreateTableInput{
		TableName: &s.table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String(pk), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String(sk), AttributeType: types.ScalarAttributeTypeS},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String(pk), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String(sk), KeyType: types.KeyTypeRange},
		},
	})
	_, there := errors.AsType[*types.ResourceInUseException](err)
	if err != nil && !there {
		return false, s.failure(ctx, err)
	}
	created = !there
	waiter := dynamodb.NewTableExistsWaiter(s.client, func(o *dynamodb.TableExistsWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, 5*time.Second
	})
	if err := waiter.Wait(ctx, &dynamodb.DescribeTableInput{TableName: &s.table}, 5*time.Minute); err != nil {
		return created, s.failure(ctx, err)
	}
	if err := s.expire(ctx); err != nil {
		return created, s.failure(ctx, err)
	}
	meta, err := s.get(ctx, metaKey)
	if err != nil {
		return created, s.failure(ctx, err)
	}
	if meta == nil { // keep the operator's settings of a table that is configured
		if err := s.recoverable(ctx); err != nil {
			return created, fmt.Errorf("turning on point-in-time recovery (allow it, and run this again): %w", s.failure(ctx, err))
		}
	}
	_, err = s.client.putItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: with(metaKey, item{"format": number(format), "token": text(s.codec.Token())}),
		ConditionExpression: absent.expression(),
	})
	if _, there := conditionFailed(err); there {
		_, err = s.Check(ctx)
		return created, err
	}
	return created, s.failure(ctx, err)
}

// recoverable turns on point-in-time recovery. Services without it, such as DynamoDB Local,
// are accepted.
func (s *Store) recoverable(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		_, err := s.client.updateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
			TableName:                        &s.table,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
		})
		if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == "UnknownOperationException" {
			return nil
		}
		// A new table isn't ready for it at once.
		if _, soon := errors.AsType[*types.ContinuousBackupsUnavailableException](err); !soon {
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// Recovery reports whether point-in-time recovery of the table is on. The process needs the
// right to ask.
func (s *Store) Recovery(ctx context.Context) (on bool, err error) {
	out, err := s.client.describeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &s.table})
	if err != nil {
		return false, s.failure(ctx, err)
	}
	is := out.ContinuousBackupsDescription
	return is != nil && is.PointInTimeRecoveryDescription != nil &&
		is.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled, nil
}

// expire makes the service delete expired items.
func (s *Store) expire(ctx context.Context) error {
	out, err := s.client.describeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &s.table})
	if err != nil {
		return err
	}
	if out.TimeToLiveDescription != nil && aws.ToString(out.TimeToLiveDescription.AttributeName) == ttl {
		return nil
	}
	_, err = s.client.updateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &s.table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(ttl), Enabled: aws.Bool(true)},
	})
	return err
}

// Check reports whether this process can read and write the table. The error wraps
// ErrTable, or workspace.ErrUnavailable if the table is unreachable now. If newest is
// false, some secrets are encrypted with an older key: see Rekey.
func (s *Store) Check(ctx context.Context) (newest bool, err error) {
	within, cancel := s.bound(ctx)
	defer cancel()
	i, err := s.get(within, metaKey)
	if _, missing := errors.AsType[*types.ResourceNotFoundException](err); missing || err == nil && i == nil {
		return false, s.errNoTable()
	}
	if err != nil {
		return false, s.failure(ctx, err)
	}
	switch v := getNumber(i, "format"); v {
	case format:
	case importing:
		return false, fmt.Errorf("%w: an import into %s was cut off or still runs: when none runs, call tintype store import again, which begins anew", ErrTable, s.table)
	default:
		return false, fmt.Errorf("%w: %s was written by another version of tintype (format %d; this one knows %d)", ErrTable, s.table, v, format)
	}
	newest, err = s.codec.CheckToken(getText(i, "token"))
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrTable, s.table, err)
	}
	return newest, nil
}

// Rekey encrypts the secrets of all workspaces with the newest key, and returns how many it
// wrote. Revisions don't change. Before the call, every server needs the new key in front
// of the old one. Afterwards the old one can be removed. If Rekey is interrupted, call it
// again.
func (s *Store) Rekey(ctx context.Context) (written int, err error) {
	if _, err := s.Check(ctx); err != nil {
		return 0, err
	}
	err = s.query(ctx, query{pk: listPK}, func(listed item) (bool, error) {
		err := s.rekey(ctx, getText(listed, sk))
		if err == nil {
			written++
		}
		if errors.Is(err, workspace.ErrNotFound) { // deleted in the meantime
			err = nil
		}
		return true, err
	})
	if err != nil {
		return written, s.failure(ctx, err)
	}
	_, err = s.client.putItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: with(metaKey, item{"format": number(format), "token": text(s.codec.Token())}),
	})
	return written, s.failure(ctx, err)
}

// rekey encrypts one workspace again. It retries if the workspace changes in between.
func (s *Store) rekey(ctx context.Context, namespace string) error {
	for {
		old, err := s.get(ctx, workspaceKey(namespace))
		if err != nil {
			return err
		}
		if old == nil {
			return workspace.ErrNotFound
		}
		w, err := s.decode(old)
		if err != nil {
			return err
		}
		i, err := s.encode(w)
		if err != nil {
			return err
		}
		same := sameVersion(old)
		_, err = s.client.putItem(ctx, &dynamodb.PutItemInput{
			TableName: &s.table, Item: i, ConditionExpression: same.expression(), ExpressionAttributeValues: same.values,
		})
		if _, changed := conditionFailed(err); !changed {
			return err
		}
	}
}
