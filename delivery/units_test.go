package delivery

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/workspace"
)

// TestUnits: what is made costs the units of its operation, and counts for the country and
// the key of the request that made it. Hits, errors and refusals cost none.
func TestUnits(t *testing.T) {
	k := newKeyBench(t)
	k.units = func(operation string) workspace.Units {
		return map[string]workspace.Units{opTransform: 1000, "info": 500, "placeholder": 500, "grid": 2000}[operation]
	}
	k.country = func(address string) string {
		if address != "192.0.2.1" { // of httptest
			t.Errorf("a client at %q", address)
		}
		return "DE"
	}
	made := []string{
		"/acme/photos/cat.jpg?w=9", "/acme/info?src=photos/cat.jpg", "/acme/placeholder/color?color=fff&w=4&h=4",
		gridURL("w=20&h=10", "photos/cat.jpg", "photos/cat.jpg"),
	}
	for range 3 { // the first time it is made, then hits
		for _, target := range made {
			if w := k.get(target); w.Code != 200 {
				t.Fatal(target, w.Code, w.Body)
			}
		}
		k.get("/acme/photos/missing.jpg")
		k.get("/acme/photos/cat.jpg?w=0")
	}
	k.get("/acme/vault/a.jpg?w=5", k.as("both")...)
	k.get("/acme/vault/a.jpg?w=6", k.as("test")...) // isn't counted
	k.get("/acme/vault/a.jpg?w=7", k.as("root")...) // is of no API key
	if err := k.usage.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := k.store.UsageInParts(t.Context(), "id-of-acme", "0000-00-00", "9999-99-99")
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Requests, Made int64
		Units          workspace.Units
		DE, Key        workspace.Part
	}
	got := map[string]line{}
	for _, u := range rows {
		l := got[u.Operation+" "+u.Source]
		l.Requests, l.Made, l.Units = l.Requests+u.Requests, l.Made+u.Transforms, l.Units+u.Units
		l.DE.Requests, l.DE.Units = l.DE.Requests+u.Countries["DE"].Requests, l.DE.Units+u.Countries["DE"].Units
		l.Key.Requests, l.Key.Units = l.Key.Requests+u.Keys["both"].Requests, l.Key.Units+u.Keys["both"].Units
		got[u.Operation+" "+u.Source] = l
	}
	want := map[string]line{
		"transform photos": {9, 1, 1000, workspace.Part{Requests: 9, Units: 1000}, workspace.Part{}},
		"transform vault":  {2, 2, 2000, workspace.Part{Requests: 2, Units: 2000}, workspace.Part{Requests: 1, Units: 1000}},
		"info photos":      {3, 1, 500, workspace.Part{Requests: 3, Units: 500}, workspace.Part{}},
		"placeholder ":     {3, 1, 500, workspace.Part{Requests: 3, Units: 500}, workspace.Part{}},
		"grid photos":      {3, 1, 2000, workspace.Part{Requests: 3, Units: 2000}, workspace.Part{}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
