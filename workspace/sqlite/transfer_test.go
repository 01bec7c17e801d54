package sqlite

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tintype/tintype/workspace"
)

// TestTransferKnowsEverything: a table or column that an export would forget fails here. Give a
// new one a place in kinds or elsewhere, and move what it holds.
func TestTransferKnowsEverything(t *testing.T) {
	codec, err := workspace.NewCodec(strings.Repeat("0a", 32))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(filepath.Join(t.TempDir(), "tintype.db"), codec)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	known := map[string][]string{}
	for _, k := range kinds {
		known[k.table] = k.columns
	}
	for table, e := range elsewhere {
		known[table] = e.columns
	}
	rows, err := s.file.reader().Query(`SELECT m.name, group_concat(c.name) FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' GROUP BY m.name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, columns string
		if err := rows.Scan(&table, &columns); err != nil {
			t.Fatal(err)
		}
		want, ok := known[table]
		got := strings.Split(columns, ",")
		slices.Sort(got)
		sorted := slices.Sorted(slices.Values(want))
		if !ok || want != nil && !slices.Equal(got, sorted) {
			t.Errorf("table %s has the columns %v; an export knows %v", table, got, sorted)
		}
		delete(known, table)
	}
	for table := range known {
		t.Errorf("there is no table %s", table)
	}
}
