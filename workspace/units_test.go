package workspace_test

import (
	"encoding/json"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// TestUnits: units are written as a number of units, and read back.
func TestUnits(t *testing.T) {
	for u, want := range map[workspace.Units]string{0: "0", 1: "0.001", 500: "0.5", 1000: "1", 1250: "1.25", 1_000_000_007: "1000000.007", -500: "-0.5"} {
		data, err := json.Marshal(u)
		if err != nil || string(data) != want || u.String() != want {
			t.Errorf("%d thousandths are %s, want %s, %v", int64(u), data, want, err)
		}
		var back workspace.Units
		if err := json.Unmarshal(data, &back); err != nil || back != u {
			t.Errorf("%s is read as %d, %v", data, int64(back), err)
		}
	}
	var u workspace.Units
	if err := json.Unmarshal([]byte(`"1"`), &u); err == nil {
		t.Error("a text is units")
	}
}
