package dynamodb

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/workspace"
)

// The items of the table by key. ID is a workspace's ID, NS a namespace.
//
//	pk            sk             what
//	META          TABLE          the version of this list, and a token of the secret key
//	LIST          NS             one for each workspace, for sorted lists
//	WS#NS         WS             a workspace
//	DOMAIN#name   DOMAIN         a claim to a host name
//	KEY#hash      KEY            an API key, by hash
//	KEYS#ID       key's ID       an API key with its counters, for lists
//	KEYS#ID       #              number of keys made so far
//	AUDIT#ID#…    entry's ID     a line of a log
//	USE#ID        day#op#source  counts
//	TALLY#part    B#server#seq   counts of many workspaces, to be folded into those of USE and KEYS
//	TALLY#part    #              which of them the last fold has
//	ERR#ID        day#part       errors of images that one server saw on a day
//	PURGE#ID      LOG            the last purge, and how much of them is in the snapshot
//	PURGE#ID      PART#number    a part of the snapshot of all purges up to one
//	PURGE#ID      SEQ#sequence   a purge
//	GONE#NS       time#ID        a deleted workspace
//	LIMIT#key     window#start   tokens handed out
//	ONCE#hash     ONCE           an answer to a request with an Idempotency-Key
//	PEOPLE#group  name           a record of people: see account.Records
//	FEED          HEAD#shard     number of the last change in a shard
//	FEED#shard    number         a change
const (
	pk, sk  = "pk", "sk"
	ttl     = "expires" // Unix seconds; the service deletes the item after this time
	format  = 1         // version of this list
	shards  = 16        // of the feed; part of the format
	feedKey = "FEED"
)

// An item is one item of the table, or its key.
type item = map[string]types.AttributeValue

func key(partition, sort string) item { return item{pk: text(partition), sk: text(sort)} }

var (
	metaKey = key("META", "TABLE")
	listPK  = "LIST"
)

func workspaceKey(namespace string) item { return key("WS#"+namespace, "WS") }
func domainKey(name string) item         { return key("DOMAIN#"+name, "DOMAIN") }
func apiKeyKey(hash [32]byte) item       { return key("KEY#"+hex.EncodeToString(hash[:]), "KEY") }
func apiKeysPK(id string) string         { return "KEYS#" + id }

// madeSK is the sort key of the number of keys made. It sorts before all keys.
const madeSK = "#"

func auditPK(id string, trail workspace.Trail) string {
	return "AUDIT#" + id + "#" + string(trail)
}
func usagePK(id string) string { return "USE#" + id }
func usageKey(u workspace.Usage) item {
	return key(usagePK(u.WorkspaceID), u.Day+"#"+u.Operation+"#"+u.Source)
}
func errorsPK(id string) string      { return "ERR#" + id }
func gonePK(namespace string) string { return "GONE#" + namespace }

const (
	purgePartPrefix  = "PART#"
	purgeEventPrefix = "SEQ#"
)

func purgePK(id string) string                     { return "PURGE#" + id }
func purgeKey(id string) item                      { return key(purgePK(id), "LOG") }
func purgePartSK(n int64) string                   { return fmt.Sprintf("%s%02d", purgePartPrefix, n) }
func purgePartKey(id string, n int64) item         { return key(purgePK(id), purgePartSK(n)) }
func purgeSK(sequence int64) string                { return purgeEventPrefix + changeSK(sequence) }
func purgeEventKey(id string, sequence int64) item { return key(purgePK(id), purgeSK(sequence)) }

func leaseKey(r limit.Request, start time.Time) item {
	return key("LIMIT#"+r.Key, string(r.Window)+"#"+strconv.FormatInt(start.Unix(), 10))
}

// answerKey hashes the caller's key, which may be longer than DynamoDB allows for keys.
func answerKey(k string) item {
	sum := sha256.Sum256([]byte(k))
	return key("ONCE#"+hex.EncodeToString(sum[:]), "ONCE")
}

func shardOf(namespace string) int {
	h := fnv.New32a()
	_, _ = h.Write([]byte(namespace)) // never fails
	return int(h.Sum32() % shards)
}

func headKey(shard int) item            { return key(feedKey, fmt.Sprintf("HEAD#%02d", shard)) }
func changePK(shard int) string         { return fmt.Sprintf("FEED#%02d", shard) }
func changeSK(number int64) string      { return fmt.Sprintf("%020d", number) }
func changeKey(shard int, n int64) item { return key(changePK(shard), changeSK(n)) }

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

// seconds returns the value of the attribute ttl.
func seconds(t time.Time) types.AttributeValue { return number(t.Unix()) }

// micros converts a time for items. 0 is the zero time.
func micros(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return number(0)
	}
	return number(t.UnixMicro())
}

// getText returns a text of an item, or "".
func getText(i item, name string) string {
	if v, ok := i[name].(*types.AttributeValueMemberS); ok {
		return v.Value
	}
	return ""
}

// getBytes returns a binary value of an item, or nil.
func getBytes(i item, name string) []byte {
	if v, ok := i[name].(*types.AttributeValueMemberB); ok {
		return v.Value
	}
	return nil
}

// getNumber returns a number of an item, or 0.
func getNumber(i item, name string) int64 {
	if v, ok := i[name].(*types.AttributeValueMemberN); ok {
		n, _ := strconv.ParseInt(v.Value, 10, 64) // number wrote it, so it parses
		return n
	}
	return 0
}

func getTime(i item, name string) time.Time {
	if n := getNumber(i, name); n != 0 {
		return time.UnixMicro(n).UTC()
	}
	return time.Time{}
}

// with returns an item with a key and more attributes.
func with(k item, attributes item) item {
	i := make(item, len(k)+len(attributes))
	for name, v := range k {
		i[name] = v
	}
	for name, v := range attributes {
		i[name] = v
	}
	return i
}
