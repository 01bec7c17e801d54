package workspace_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tintype/tintype/workspace"
)

func purge(kind workspace.PurgeKind, source, value string) workspace.Purge {
	return workspace.Purge{Kind: kind, Source: source, Value: value}
}

// ask returns the last purge of an original, a mark or a URL.
func ask(x *workspace.PurgeIndex, kind workspace.PurgeKind, source, value string) int64 {
	switch kind {
	case workspace.PurgeMark:
		return x.Mark(value)
	case workspace.PurgeURL:
		return x.URL(value)
	}
	return x.Original(source, value)
}

// forms returns the log as it is, as one that has been summed up, and as it is after
// encoding and decoding.
func forms(t *testing.T, l workspace.PurgeLog) map[string]workspace.PurgeLog {
	t.Helper()
	summed := l
	for i := 0; summed.Base == l.Base; i++ { // purges of another source, which take the last places
		summed, _ = summed.Add(purge("path", "filler", fmt.Sprint(i)))
	}
	data, err := json.Marshal(summed)
	if err != nil {
		t.Fatal(err)
	}
	var read workspace.PurgeLog
	if err := json.Unmarshal(data, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(summed, read); diff != "" {
		t.Errorf("read again: %s", diff)
	}
	return map[string]workspace.PurgeLog{"as added": l, "summed up": summed, "read again": read}
}

// TestPurgeIndex: an image's last purge is found, also after purges were summed up.
func TestPurgeIndex(t *testing.T) {
	type want struct {
		kind          workspace.PurgeKind
		source, value string
		last          int64
	}
	for _, test := range []struct {
		name string
		add  []workspace.Purge
		want []want
	}{
		{"nothing", nil, []want{{"path", "a", "x", 0}, {"mark", "", "m", 0}, {"url", "", "u", 0}}},
		{"paths", []workspace.Purge{purge("path", "a", "x"), purge("path", "a", "y"), purge("path", "a", "x"), purge("path", "", "https://a.example/x")},
			[]want{{"path", "a", "x", 3}, {"path", "a", "y", 2}, {"path", "a", "z", 0}, {"path", "b", "x", 0}, {"path", "", "https://a.example/x", 4}, {"url", "", "x", 0}}},
		{"URLs", []workspace.Purge{purge("url", "a", "u"), purge("url", "a", "v")}, []want{{"url", "", "u", 1}, {"url", "", "v", 2}, {"path", "a", "u", 0}}},
		{"prefixes", []workspace.Purge{purge("prefix", "a", "x/"), purge("prefix", "a", "x/y/"), purge("prefix", "a", "x/y/z"), purge("prefix", "b", "x"), purge("prefix", "a", "x/")},
			[]want{{"path", "a", "x/1", 5}, {"path", "a", "x/y/1", 5}, {"path", "a", "x/y/zz", 5}, {"path", "a", "x", 0}, {"path", "b", "xx", 4}, {"path", "b", "w", 0}, {"path", "c", "x", 0}}},
		{"the longer prefix is later", []workspace.Purge{purge("prefix", "a", "x"), purge("prefix", "a", "xy"), purge("prefix", "a", "xyzz")},
			[]want{{"path", "a", "x", 1}, {"path", "a", "xa", 1}, {"path", "a", "xy", 2}, {"path", "a", "xyz", 2}, {"path", "a", "xyzzy", 3}, {"path", "a", "xz", 1}}},
		{"source", []workspace.Purge{purge("path", "a", "x"), purge("prefix", "a", "x"), purge("source", "a", ""), purge("path", "a", "y")},
			[]want{{"path", "a", "x", 3}, {"path", "a", "y", 4}, {"path", "b", "x", 0}}},
		{"marks", []workspace.Purge{purge("mark", "", "m")}, []want{{"mark", "", "m", 1}, {"mark", "", "n", 0}, {"path", "a", "m", 0}}},
		{"all", []workspace.Purge{purge("path", "a", "x"), purge("mark", "", "m"), purge("all", "", ""), purge("path", "a", "y")},
			[]want{{"path", "a", "x", 3}, {"path", "a", "y", 4}, {"mark", "", "m", 3}, {"url", "", "u", 3}}},
		{"of a later version", []workspace.Purge{purge("moon", "a", "x")}, []want{{"path", "b", "y", 1}, {"mark", "", "m", 1}, {"url", "", "u", 1}}},
	} {
		var l workspace.PurgeLog
		for _, p := range test.add {
			l, _ = l.Add(p)
		}
		for form, l := range forms(t, l) {
			x := workspace.NewPurgeIndex(l)
			for _, w := range test.want {
				if got := ask(x, w.kind, w.source, w.value); got != w.last {
					t.Errorf("%s, %s: %s %s %s: %d, want %d", test.name, form, w.kind, w.source, w.value, got, w.last)
				}
			}
		}
	}
}

// A stored log of the first version, with widened purges.
func TestPurgeLogOfBefore(t *testing.T) {
	var l workspace.PurgeLog
	err := json.Unmarshal([]byte(`{"sequence":2050,"purges":[{"sequence":101,"kind":"source","source":"a"},
		{"sequence":1999,"kind":"path","source":"b","value":"x"},{"sequence":2050,"kind":"prefix","source":"b","value":"y/"}]}`), &l)
	if err != nil {
		t.Fatal(err)
	}
	for form, l := range forms(t, l) {
		x := workspace.NewPurgeIndex(l)
		for path, want := range map[string]int64{"x": 1999, "y/1": 2050, "z": 0} {
			if got := x.Original("b", path); got != want {
				t.Errorf("%s: %s: %d, want %d", form, path, got, want)
			}
		}
		if got := x.Original("a", "x"); got != 101 {
			t.Errorf("%s: %d", form, got)
		}
	}
	if n, _ := l.Add(purge("path", "b", "x")); workspace.NewPurgeIndex(n).Original("b", "x") != 2051 {
		t.Errorf("%+v", n)
	}
}

// TestPurgeHashesOfBefore: a base of an earlier version with hashes of 24 bits is read with
// purges of slices, so that every purge stays in force. That version can't read a base of
// this one. Otherwise it would ignore its paths.
func TestPurgeHashesOfBefore(t *testing.T) {
	// Hashes of photos/2026/0.jpg to 2026/99.jpg with the sequences 1 to 100.
	const hashes = "9qoeCq2AAg3HtAMcjDgi5ZEDA8SbCmGlpwwQnvoJK8TeCEKuxQc+pfcSS7yPBle/2goVz6kDOfPhAmS6tgMwuI8FDJivBj2EyCMa58QICdbMBAiqmDQsmNsETZyqGVjVxglAzegGMf25AVz69gZI8v0MJ5ijBBLB4hoB1sMDAqmiBjLZzwsXus0XVPGXBVDglQEu26ACRJ98WfrEBUODuRdSgPIDIfytAxjE1AQ/tgdby+ILHay2CiSlkB8emE0OtFoo2r8rXsWfBCDLlAcEncIRN/ZKJsbCDEra/AZjkZECFoaWAyqY5QYUm6sHO5SIBx/CflaO5xcGltELBfSCCDS5iAUL2IIIRpHZBl2H/AYP58EBTvjuAxO+xgNJ1f8FB+S6CEy4vwQb5t8ONZiQIRn09gk4kKIMWpGnDVOYXy/+yBIt0+gFJfmpBSOP9RFgjuwsUeSOC1Wtgwg27M8JQZOJF2LxhgozgDYprcsPT+CXAUWUrAhf59gdR7miCjqG8QE8h3gR"
	var l workspace.PurgeLog
	if err := json.Unmarshal([]byte(`{"sequence":100,"purges":null,"base":{"hashes":"`+hashes+`","slices":{"7":3}}}`), &l); err != nil {
		t.Fatal(err)
	}
	for form, l := range forms(t, l) {
		x := workspace.NewPurgeIndex(l)
		for i := range 100 {
			if got := x.Original("photos", fmt.Sprintf("2026/%d.jpg", i)); got < int64(i+1) || got > 100 {
				t.Errorf("%s: path %d: %d", form, i, got)
			}
		}
		purged := 0
		for i := range 1000 {
			if x.Original("photos", fmt.Sprintf("other/%d.jpg", i)) > 0 {
				purged++
			}
		}
		if purged > 200 {
			t.Errorf("%s: %d of 1000 others are purged", form, purged)
		}
	}
	for name, hashes := range map[string]string{
		"cut short": `"` + hashes[:len(hashes)-8] + `"`, "no base64": `"%"`, "null": "null", "a list": "[]", "empty": "{}",
		"of nothing": `{"coded":"AAA="}`, "of more than there is": `{"coded":"/////w8B"}`,
	} {
		if err := json.Unmarshal([]byte(`{"base":{"hashes":`+hashes+`}}`), new(workspace.PurgeLog)); err == nil {
			t.Errorf("hashes that are %s are read", name)
		}
	}
	l, _ = workspace.PurgeLog{}.Add(paths("photos", 0, workspace.MaxRecentPurges)...)
	data, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	var before struct{ Base struct{ Hashes []byte } }
	if err := json.Unmarshal(data, &before); err == nil {
		t.Error("an earlier version reads hashes of this one")
	}
	coded, end := strings.Index(string(data), `"coded":"`)+len(`"coded":"`), strings.LastIndex(string(data), `"`)
	for cut := 4; cut < end-coded; cut += 52 {
		if err := json.Unmarshal([]byte(string(data[:coded+cut])+string(data[end:])), new(workspace.PurgeLog)); err == nil {
			t.Errorf("hashes that end after %d bytes are read", cut)
		}
	}
}

// FuzzPurgeBase: a base that can be decoded is the same after encoding and decoding.
func FuzzPurgeBase(f *testing.F) {
	l, _ := workspace.PurgeLog{}.Add(paths("photos", 0, workspace.MaxRecentPurges)...)
	data, err := json.Marshal(l.Base)
	if err != nil {
		f.Fatal(err)
	}
	mixed, _ := l.Add(slices.Repeat([]workspace.Purge{purge("url", "photos", "u"), purge("path", "photos", "v")}, workspace.MaxRecentPurges/2)...)
	both, err := json.Marshal(mixed.Base)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{string(data), string(both), `{"slices":{"5":3},"url_slices":{"5":3},"hashes":{"coded":"AQEBAAA=","kinds":"BQ=="}}`, `{"hashes":"YgM="}`, `{"all":7,"slices":{"5":3},"hashes":{"coded":"AQEBAAA="}}`, `{"hashes":{"coded":"AAA="}}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var b, again workspace.PurgeBase
		if json.Unmarshal(text, &b) != nil {
			return
		}
		workspace.NewPurgeIndex(workspace.PurgeLog{Sequence: 1, Base: &b}).Original("photos", "2026/1.jpg")
		data, err := json.Marshal(&b)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(data, &again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, again, cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

// paths returns n purges of paths, beginning with the path number first.
func paths(source string, first, n int) []workspace.Purge {
	list := make([]workspace.Purge, n)
	for i := range list {
		list[i] = purge("path", source, fmt.Sprintf("2026/%d.jpg", first+i))
	}
	return list
}

// changed returns how many of some thousands of other images have a later purge in the log
// than in another one.
func changed(before, after workspace.PurgeLog) (n int) {
	x, y := workspace.NewPurgeIndex(before), workspace.NewPurgeIndex(after)
	for i := range 20_000 {
		if path := fmt.Sprintf("other/%d.jpg", i); x.Original("photos", path) != y.Original("photos", path) {
			n++
		}
	}
	return n
}

// TestPurgesWidenInSmallSteps: in a full log, a purge makes only a small part of the other
// images miss.
func TestPurgesWidenInSmallSteps(t *testing.T) {
	l, widened := workspace.PurgeLog{}.Add(paths("photos", 0, 50_000)...)
	if n := changed(workspace.PurgeLog{}, l); n > 5 || widened != nil {
		t.Errorf("50,000 purges: %d of 20,000 others purged, %+v", n, widened)
	}
	// The same paths again, as from a CMS that saves pages twice.
	again, widened := l.Add(paths("photos", 0, 50_000)...)
	if n := changed(l, again); n > 5 || widened != nil {
		t.Errorf("the same again: %d of 20,000 others purged, %+v", n, widened)
	}
	full, widened := again.Add(paths("photos", 50_000, workspace.MaxPurgedPaths-50_000-workspace.MaxRecentPurges)...)
	if widened != nil {
		t.Errorf("as many as there may be: %+v", widened)
	}
	more, widened := full.Add(paths("photos", 1_000_000, workspace.MaxPurgedPaths/10)...) // a tenth more
	purges := 0
	for _, w := range widened {
		purges += w.Purges
		if w.Kind != workspace.PurgeSlice {
			t.Errorf("widened to %+v", w)
		}
	}
	if n := changed(full, more); n < 200 || n > 20_000/5 {
		t.Errorf("a tenth more than it holds: %d of 20,000 others purged", n)
	}
	if purges < workspace.MaxPurgedPaths/12 || purges > workspace.MaxPurgedPaths/5 {
		t.Errorf("widened %d purges", purges)
	}
	if n := changed(full, more); float64(n)/20_000 > 1.5*float64(purges)/workspace.MaxPurgedPaths {
		t.Errorf("%d of 20,000 others purged by widening %d purges", n, purges)
	}
	data, err := json.Marshal(more)
	if err != nil || len(data) > 7*workspace.MaxPurgedPaths+64<<10 {
		t.Errorf("a full log is %d bytes long, %v", len(data), err)
	}
	t.Logf("a full log: %d bytes as it is stored", len(data))
}

// TestWidenedSliceIsAThousandth: each slice that a purge is widened to empties one in 1,024 of
// the other images, though an image is found by its path and by its URL. Half as many purges of
// both kinds fit into the slices of each.
func TestWidenedSliceIsAThousandth(t *testing.T) {
	const images = 20_000
	variantURL := func(i int) string { return fmt.Sprintf("variant %d", i) }
	missed := func(before, after workspace.PurgeLog) (n int) {
		x, y := workspace.NewPurgeIndex(before), workspace.NewPurgeIndex(after)
		for i := range images {
			path := fmt.Sprintf("other/%d.jpg", i)
			if x.Original("photos", path) != y.Original("photos", path) || x.URL(variantURL(i)) != y.URL(variantURL(i)) {
				n++
			}
		}
		return n
	}
	read := func(data []byte) (l workspace.PurgeLog) {
		if err := json.Unmarshal(data, &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	for _, tt := range []struct {
		name string
		urls int // of 10 purges
	}{{"paths", 0}, {"both", 5}} {
		purges := paths("photos", 0, workspace.MaxPurgedPaths*9/8)
		for i := range purges {
			if i%10 < tt.urls {
				purges[i] = purge("url", "photos", fmt.Sprintf("purged %d", i))
			}
		}
		full, _ := workspace.PurgeLog{}.Add(purges[:workspace.MaxPurgedPaths]...)
		more, widened := full.Add(purges[workspace.MaxPurgedPaths:]...)
		emptied := 0
		for _, w := range widened {
			var n int
			if _, err := fmt.Sscanf(w.Value, "%d/1024", &n); err != nil {
				t.Fatal(err)
			}
			emptied += n
		}
		got, want := missed(full, more), images*float64(emptied)/workspace.PurgeSlices
		t.Logf("%s: %d slices, %d of %d others missed, expected %.0f", tt.name, emptied, got, images, want)
		if float64(got) > 1.1*want || float64(got) < want*0.7 || emptied < 100 {
			t.Errorf("%s: %d slices are widened to, and %d of %d others missed, want %.0f", tt.name, emptied, got, images, want)
		}

		data, err := json.Marshal(more)
		if err != nil {
			t.Fatal(err)
		}
		// An earlier version reads what it knows, and writes that alone.
		var known map[string]any
		if err := json.Unmarshal(data, &known); err != nil {
			t.Fatal(err)
		}
		base := known["base"].(map[string]any)
		delete(base, "path_slices")
		delete(base, "url_slices")
		delete(base["hashes"].(map[string]any), "kinds")
		if data, err = json.Marshal(known); err != nil {
			t.Fatal(err)
		}
		before := read(data)
		again, _ := before.Add(paths("more", 0, workspace.MaxPurgedPaths/32)...)
		for name, l := range map[string]workspace.PurgeLog{"as added": more, "as an earlier version writes it": before, "and widened again": again} {
			x := workspace.NewPurgeIndex(l)
			for i, p := range purges {
				if got := ask(x, p.Kind, p.Source, p.Value); got < int64(i+1) {
					t.Fatalf("%s, %s: %s %s is forgotten: %d", tt.name, name, p.Kind, p.Value, got)
				}
			}
		}
	}
}

// TestOthersStayForAWeek: a workspace purges 50,000 different paths each day. For a week,
// that purges none of its other images, and later none twice in a week.
func TestOthersStayForAWeek(t *testing.T) {
	const aDay, days = 50_000, 24 // all others are purged within 24
	var l workspace.PurgeLog
	before := make([]int64, 4000) // the last purge of other images
	missed := make([]int, len(before))
	told, atOnce, early := 0, 0, 0
	for day := range days {
		var widened []workspace.Widened
		l, widened = l.Add(paths("photos", day*aDay, aDay)...)
		x := workspace.NewPurgeIndex(l)
		today := 0
		for i, last := range before {
			now := x.Original("photos", fmt.Sprintf("other/%d.jpg", i))
			if now == last {
				continue
			}
			if day-missed[i] < 7 {
				t.Logf("other/%d.jpg misses on day %d, and missed on day %d", i, day, missed[i])
				early++
			}
			before[i], missed[i] = now, day
			today++
		}
		atOnce = max(atOnce, today)
		for _, w := range widened {
			told += w.Purges
		}
		for _, i := range []int{0, aDay / 2, aDay - 1} { // of this day and of the first day
			if x.Original("photos", fmt.Sprintf("2026/%d.jpg", day*aDay+i)) < int64(day*aDay+i+1) || x.Original("photos", fmt.Sprintf("2026/%d.jpg", i)) < int64(i+1) {
				t.Fatalf("day %d: purge %d is forgotten", day, i)
			}
		}
	}
	if early > 4 { // those that share a hash with a purged path: one in 86,000 a day
		t.Errorf("%d others missed within a week", early)
	}
	if n := slices.Index(missed, 0); n >= 0 {
		t.Errorf("other/%d.jpg was never purged: the test must go on for longer", n)
	}
	t.Logf("a day on which most others missed: %.1f %%", 100*float64(atOnce)/float64(len(before)))
	if atOnce > len(before)/7 {
		t.Errorf("%d of %d others miss on one day", atOnce, len(before))
	}
	if kept := aDay*days - told; kept > workspace.MaxPurgedPaths+workspace.MaxRecentPurges {
		t.Errorf("%d purges are neither kept nor told as widened", kept)
	}
}

func TestPrefixesWiden(t *testing.T) {
	add := func(l workspace.PurgeLog, n int, at func(int) workspace.Purge) (workspace.PurgeLog, []workspace.Widened) {
		list := make([]workspace.Purge, n)
		for i := range list {
			list[i] = at(i)
		}
		return l.Add(list...)
	}
	for _, test := range []struct {
		name string
		n    int
		at   func(int) workspace.Purge
		kept string // a path that isn't purged
		want string // kinds of the widened purges
	}{
		{"folders in folders", 6 * workspace.MaxRecentPurges, func(i int) workspace.Purge {
			return purge("prefix", "photos", fmt.Sprintf("20%02d/%02d/%04d/", i%50, i/50%12, i))
		}, "1999/x", "prefix"},
		{"flat names", 6 * workspace.MaxRecentPurges, func(i int) workspace.Purge {
			return purge("prefix", "photos", fmt.Sprintf("sku-%05d-", i*7919%100_000))
		}, "shirt.jpg", "prefix"},
		{"in letters that are longer than a byte", 6 * workspace.MaxRecentPurges, func(i int) workspace.Purge {
			return purge("prefix", "photos", fmt.Sprintf("é%c%c/", 'ä'+rune(i%64), 'à'+rune(i/64)))
		}, "x", "prefix"},
		{"long ones", 300, func(i int) workspace.Purge {
			return purge("prefix", fmt.Sprint("source", i%100), fmt.Sprintf("%s%04d", strings.Repeat("x", 4000), i))
		}, "x", "prefix"},
		{"more sources than there can be", 2 * workspace.MaxRecentPurges, func(i int) workspace.Purge {
			return purge("source", fmt.Sprint(i), "")
		}, "", "all"},
	} {
		l, widened := add(workspace.PurgeLog{}, test.n, test.at)
		x := workspace.NewPurgeIndex(l)
		for i := range test.n {
			if p := test.at(i); x.Original(p.Source, p.Value) < int64(i+1) || x.Original(p.Source, p.Value+"z") < int64(i+1) {
				t.Fatalf("%s: %+v is forgotten", test.name, p)
			}
		}
		if test.kept != "" && x.Original("photos", test.kept) != 0 {
			t.Errorf("%s: %s is purged", test.name, test.kept)
		}
		kinds := map[string]bool{}
		for _, w := range widened {
			kinds[string(w.Kind)] = true
		}
		if got := strings.Join(slices.Sorted(maps.Keys(kinds)), " "); got != test.want {
			t.Errorf("%s: widened to %s, want %s", test.name, got, test.want)
		}
		if len(widened) > 20*(test.n/65+1) {
			t.Errorf("%s: %d lines about it", test.name, len(widened))
		}
		if len(l.Base.Prefixes) > workspace.MaxPurgedPrefixes {
			t.Errorf("%s: %d prefixes", test.name, len(l.Base.Prefixes))
		}
		forms(t, l)
	}
}

// hits reports whether p purges a variant of an original that was made when the last purge
// was `made`.
func hits(p workspace.Purge, source, key, mark string, made int64) bool {
	if p.Sequence <= made {
		return false
	}
	switch p.Kind {
	case workspace.PurgeAll:
		return true
	case workspace.PurgeSource:
		return p.Source == source
	case workspace.PurgePrefix:
		return p.Source == source && strings.HasPrefix(key, p.Value)
	case workspace.PurgePath, workspace.PurgeURL:
		return p.Source == source && p.Value == key
	case workspace.PurgeMark:
		return p.Value == mark
	}
	return false
}

// Whatever is purged, in any order, every purge stays in force, and the log stays bounded.
func TestPurgeLogForgetsNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	kinds := []workspace.PurgeKind{"path", "path", "path", "url", "prefix", "prefix", "mark", "source", "all"}
	for round := range 8 {
		var l workspace.PurgeLog
		var asked []workspace.Purge
		for range 5 * workspace.MaxRecentPurges / 2 {
			kind := kinds[random.IntN(len(kinds)-min(2, round%4))]
			p := workspace.Purge{Kind: kind, Value: fmt.Sprintf("%d/%d", random.IntN(9), random.IntN(30))}
			if kind != workspace.PurgeMark && kind != workspace.PurgeAll {
				p.Source = fmt.Sprint(random.IntN(1 + 3*round))
			}
			if kind == workspace.PurgePrefix {
				p.Value = p.Value[:2+random.IntN(2)]
			}
			if kind == workspace.PurgeSource || kind == workspace.PurgeAll {
				p.Value = ""
			}
			before := l
			l, _ = l.Add(p)
			p.Sequence = l.Sequence
			asked = append(asked, p)
			if len(l.Purges) > workspace.MaxRecentPurges || l.Sequence != before.Sequence+1 {
				t.Fatalf("%d purges at sequence %d", len(l.Purges), l.Sequence)
			}
		}
		// Adding all at once gives the same log as one by one.
		plain := slices.Clone(asked)
		if at, _ := (workspace.PurgeLog{}).Add(plain...); cmp.Diff(l, at) != "" {
			t.Fatalf("round %d: added at once: %s", round, cmp.Diff(l, at))
		}
		x := workspace.NewPurgeIndex(l)
		last := map[workspace.Purge]int64{} // the last purge that names each object
		for _, p := range asked {
			if got := ask(x, p.Kind, p.Source, p.Value); got < p.Sequence {
				t.Fatalf("round %d: %+v is forgotten: %d", round, p, got)
			}
			for i := range 30 {
				value := fmt.Sprintf("%d/%d", i%9, i)
				o := purge("path", p.Source, value)
				if hits(p, p.Source, value, "", 0) && p.Kind != workspace.PurgeURL && p.Kind != workspace.PurgeMark {
					last[o] = p.Sequence
				}
			}
		}
		for o, want := range last {
			want = max(want, x.Everything())
			if got := x.Original(o.Source, o.Value); got != want { // and nothing else was purged
				t.Fatalf("round %d: %s/%s: %d, want %d", round, o.Source, o.Value, got, want)
			}
		}
	}
}
