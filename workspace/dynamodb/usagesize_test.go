package dynamodb

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/tintype/tintype/workspace"
)

// TestUsageRowIsAUnit: a row with as many countries and keys as it may name is within the
// kilobyte that is written for one unit, with counts of a busy day.
func TestUsageRowIsAUnit(t *testing.T) {
	u := workspace.Usage{
		WorkspaceID: strings.Repeat("W", 26), Day: "2026-05-01", Operation: "placeholder", Source: strings.Repeat("s", 32),
		Requests: 98_765_432, Hits: 98_765_432, Transforms: 1_234_567, Errors: 123_456, BytesIn: 987_654_321_987, BytesOut: 987_654_321_987, Units: 1_234_567_500, Previews: 12,
		Countries: map[string]workspace.Part{}, Keys: map[string]workspace.Part{},
	}
	for i := range workspace.MostCountries {
		u.Countries[fmt.Sprintf("A%c", 'A'+i)] = workspace.Part{Requests: 1_234_567, Units: 123_456_500}
	}
	for i := range workspace.MostKeys {
		u.Keys[fmt.Sprintf("key-of-16-bytes-%d", i)[:16]] = workspace.Part{Requests: 123_456, Units: 12_345_500}
	}
	u.Countries[workspace.OtherParts], u.Keys[workspace.OtherParts] = workspace.Part{Requests: 1}, workspace.Part{Requests: 1}
	row := usageCounts(u)
	maps.Copy(row, usageKey(u))
	row[ttl], row["fa"], row["fs"] = number(1_900_000_000), number(98_765), number(98_765)
	size := 0
	for name, value := range row { // as the service's documentation counts
		size += len(name)
		switch v := value.(type) {
		case *types.AttributeValueMemberN:
			size += (len(strings.TrimRight(v.Value, "0"))+1)/2 + 1
		case *types.AttributeValueMemberS:
			size += len(v.Value)
		default:
			t.Fatalf("%T", value)
		}
	}
	if size > 1024 {
		t.Errorf("%d bytes", size)
	}
}
