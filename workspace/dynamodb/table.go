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

// ErrTable says that the table can't be used as it is.
var ErrTable = errors.New("DynamoDB table can't be used")

func (s *Store) errNoTable() error {
	return fmt.Errorf("%w: there is no table %s in %s, or it is not one of Tintype's: make it with tintype store init", ErrTable, s.table, s.region)
}

// Init makes the table where there is none, waits until it is there and makes it
// ready for use: pay per request, expiring items, recovery to a point in time. One
// that is ready stays as it is.
func (s *Store) Init(ctx context.Context) (created bool, err error) {
	_, err = s.client.CreateTable(ctx, &dynamodb.CreateTableInput{
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
	if meta == nil { // a table that is ready keeps what its operator has set
		if err := s.recoverable(ctx); err != nil {
			return created, fmt.Errorf("turning on recovery to a point in time (run this again when that may be done): %w", s.failure(ctx, err))
		}
	}
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: with(metaKey, item{"format": number(format), "token": text(s.codec.Token())}),
		ConditionExpression: absent.expression(),
	})
	if _, there := conditionFailed(err); there {
		_, err = s.Check(ctx)
		return created, err
	}
	return created, s.failure(ctx, err)
}

// recoverable turns on recovery to a point in time. Where the service knows nothing of
// this, as DynamoDB Local, the table does without.
func (s *Store) recoverable(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, maxPause) {
		_, err := s.client.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
			TableName:                        &s.table,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{PointInTimeRecoveryEnabled: aws.Bool(true)},
		})
		if e, ok := errors.AsType[smithy.APIError](err); ok && e.ErrorCode() == "UnknownOperationException" {
			return nil
		}
		// A table that was made just now isn't ready for it at once.
		if _, soon := errors.AsType[*types.ContinuousBackupsUnavailableException](err); !soon {
			return err
		}
		if err := wait(ctx, pause); err != nil {
			return err
		}
	}
}

// expire has the service delete items that have expired.
func (s *Store) expire(ctx context.Context) error {
	out, err := s.client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &s.table})
	if err != nil {
		return err
	}
	if out.TimeToLiveDescription != nil && aws.ToString(out.TimeToLiveDescription.AttributeName) == ttl {
		return nil
	}
	_, err = s.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &s.table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String(ttl), Enabled: aws.Bool(true)},
	})
	return err
}

// Check says whether the table is one that this process can read and write: an
// error that wraps ErrTable, or workspace.ErrUnavailable where the table can't be
// reached now. Where newest is false, secrets are there that an older key
// encrypts: see Rekey.
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
	if v := getNumber(i, "format"); v != format {
		return false, fmt.Errorf("%w: %s was written by another version of tintype (format %d; this one knows %d)", ErrTable, s.table, v, format)
	}
	newest, err = s.codec.CheckToken(getText(i, "token"))
	if err != nil {
		return false, fmt.Errorf("%w: %s: %w", ErrTable, s.table, err)
	}
	return newest, nil
}

// Rekey encrypts the secrets of all workspaces under the newest key, and returns how
// many it wrote. Nobody's revision changes. Every server must have been given the
// new key before, in front of the old one, which may go afterwards. Stopped half
// way, it may be begun again.
func (s *Store) Rekey(ctx context.Context) (written int, err error) {
	if _, err := s.Check(ctx); err != nil {
		return 0, err
	}
	err = s.query(ctx, query{pk: listPK}, func(listed item) (bool, error) {
		err := s.rekey(ctx, getText(listed, sk))
		if err == nil {
			written++
		}
		if errors.Is(err, workspace.ErrNotFound) { // deleted since
			err = nil
		}
		return true, err
	})
	if err != nil {
		return written, s.failure(ctx, err)
	}
	_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &s.table, Item: with(metaKey, item{"format": number(format), "token": text(s.codec.Token())}),
	})
	return written, s.failure(ctx, err)
}

// rekey writes one workspace anew, whatever others do to it meanwhile.
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
		_, err = s.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &s.table, Item: i, ConditionExpression: same.expression(), ExpressionAttributeValues: same.values,
		})
		if _, changed := conditionFailed(err); !changed {
			return err
		}
	}
}
