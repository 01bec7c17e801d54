package dynamodb

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// A client has the operations of a [dynamodb.Client] that a Store needs. With the SDK's type in
// a field of the Store, or as an interface, the linker would keep all of its operations.
type client struct {
	options func() dynamodb.Options // with which tests make another one

	batchGetItem              operation[dynamodb.BatchGetItemInput, dynamodb.BatchGetItemOutput]
	batchWriteItem            operation[dynamodb.BatchWriteItemInput, dynamodb.BatchWriteItemOutput]
	createTable               operation[dynamodb.CreateTableInput, dynamodb.CreateTableOutput]
	deleteItem                operation[dynamodb.DeleteItemInput, dynamodb.DeleteItemOutput]
	describeContinuousBackups operation[dynamodb.DescribeContinuousBackupsInput, dynamodb.DescribeContinuousBackupsOutput]
	describeTable             operation[dynamodb.DescribeTableInput, dynamodb.DescribeTableOutput]
	describeTimeToLive        operation[dynamodb.DescribeTimeToLiveInput, dynamodb.DescribeTimeToLiveOutput]
	getItem                   operation[dynamodb.GetItemInput, dynamodb.GetItemOutput]
	putItem                   operation[dynamodb.PutItemInput, dynamodb.PutItemOutput]
	query                     operation[dynamodb.QueryInput, dynamodb.QueryOutput]
	scan                      operation[dynamodb.ScanInput, dynamodb.ScanOutput]
	transactGetItems          operation[dynamodb.TransactGetItemsInput, dynamodb.TransactGetItemsOutput]
	transactWriteItems        operation[dynamodb.TransactWriteItemsInput, dynamodb.TransactWriteItemsOutput]
	updateContinuousBackups   operation[dynamodb.UpdateContinuousBackupsInput, dynamodb.UpdateContinuousBackupsOutput]
	updateItem                operation[dynamodb.UpdateItemInput, dynamodb.UpdateItemOutput]
	updateTimeToLive          operation[dynamodb.UpdateTimeToLiveInput, dynamodb.UpdateTimeToLiveOutput]
}

type operation[I, O any] func(context.Context, *I, ...func(*dynamodb.Options)) (*O, error)

func of(c *dynamodb.Client) client {
	return client{
		options: c.Options,

		batchGetItem:              c.BatchGetItem,
		batchWriteItem:            c.BatchWriteItem,
		createTable:               c.CreateTable,
		deleteItem:                c.DeleteItem,
		describeContinuousBackups: c.DescribeContinuousBackups,
		describeTable:             c.DescribeTable,
		describeTimeToLive:        c.DescribeTimeToLive,
		getItem:                   c.GetItem,
		putItem:                   c.PutItem,
		query:                     c.Query,
		scan:                      c.Scan,
		transactGetItems:          c.TransactGetItems,
		transactWriteItems:        c.TransactWriteItems,
		updateContinuousBackups:   c.UpdateContinuousBackups,
		updateItem:                c.UpdateItem,
		updateTimeToLive:          c.UpdateTimeToLive,
	}
}

// DescribeTable implements [dynamodb.DescribeTableAPIClient].
func (c client) DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput, options ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error) {
	return c.describeTable(ctx, in, options...)
}
