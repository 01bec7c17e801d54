//go:build cgo && linux

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/internal/dynamodblocal"
)

// unpack returns a file of the fixture that scripts/upgrade-fixture made with an earlier version.
func unpack(t *testing.T, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", "upgrade", name+".gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUpgrade: this version opens the database and the table of an earlier one, reads every kind
// of what is in it, writes, and serves an image.
func TestUpgrade(t *testing.T) {
	t.Parallel() // it waits more than it computes
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	key := string(unpack(t, "key.txt"))
	data := t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "tintype.db"), unpack(t, "tintype.db"), 0o600); err != nil {
		t.Fatal(err)
	}
	local := dynamodblocal.Shared(t)
	table := initStore(t, local)
	putItems(t, local, table, unpack(t, "table.jsonl"))
	for name, s := range map[string]struct{ data, store string }{"sqlite": {data, "sqlite"}, "dynamodb": {t.TempDir(), table}} {
		t.Run(name, func(t *testing.T) {
			p := serveShared(t, s.data, s.store, "--dir", "acme/samples="+dir)
			if status, err := p.image(t.Context(), "/acme/samples/dusk.jpg?w=16", ""); status != 200 || err != nil {
				t.Errorf("an image: %d, %v", status, err)
			}
			if res, err := p.get(t.Context(), "/samples/dusk.jpg?w=16", "Host", "img.acme.example"); err != nil || res.StatusCode != 200 {
				t.Errorf("an image on the verified domain: %v, %v", res, err)
			}
			if status, answer, err := p.callWith(t.Context(), key, "GET", "/workspaces/acme", nil); status != 200 || err != nil {
				t.Errorf("the API key: %d, %v, %s", status, err, answer)
			}
			for _, path := range []string{"", "/api-keys", "/signing-keys", "/domains", "/audit", "/usage", "/errors", "/members", "/limits", "/blocks"} {
				if status, answer, err := p.call(t.Context(), "GET", "/workspaces/acme"+path, nil); status != 200 || err != nil {
					t.Errorf("%s: %d, %v, %s", path, status, err, answer)
				}
			}
			p.mustCall(t, 200, "PATCH", "/workspaces/acme", map[string]any{"name": "upgraded"})
			p.mustCall(t, 202, "POST", "/workspaces/acme/purge", map[string]any{"path": "samples/dusk.jpg"})
			// The export reads every kind of records, and knows all that is stored.
			storeCommand(t, s.store, "export", "--data", s.data, "-o", filepath.Join(t.TempDir(), "x.jsonl"))
		})
	}
}

// putItems writes a dump of items into a table.
func putItems(t *testing.T, local *dynamodblocal.Server, url string, dump []byte) {
	t.Helper()
	loaded, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("eu-west-1"),
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(dynamodblocal.AccessKeyID, dynamodblocal.SecretAccessKey, "")))
	if err != nil {
		t.Fatal(err)
	}
	client := awsdynamodb.NewFromConfig(loaded, func(o *awsdynamodb.Options) { o.BaseEndpoint = &local.Endpoint })
	var table string
	if _, err := fmt.Sscanf(url, "dynamodb://%s", &table); err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexByte([]byte(table), '?'); i >= 0 {
		table = table[:i]
	}
	lines := bufio.NewScanner(bytes.NewReader(dump))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var plain map[string]value
		if err := json.Unmarshal(lines.Bytes(), &plain); err != nil {
			t.Fatal(err)
		}
		i := map[string]types.AttributeValue{}
		for name, v := range plain {
			i[name] = v.attribute()
		}
		if _, err := client.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: &table, Item: i}); err != nil {
			t.Fatal(err)
		}
	}
}

// A value is an attribute in a dump.
type value struct {
	S *string
	N *string
	B []byte
	L []value
}

func (v value) attribute() types.AttributeValue {
	switch {
	case v.S != nil:
		return &types.AttributeValueMemberS{Value: *v.S}
	case v.N != nil:
		return &types.AttributeValueMemberN{Value: *v.N}
	case v.B != nil:
		return &types.AttributeValueMemberB{Value: v.B}
	}
	l := &types.AttributeValueMemberL{Value: []types.AttributeValue{}}
	for _, e := range v.L {
		l.Value = append(l.Value, e.attribute())
	}
	return l
}
