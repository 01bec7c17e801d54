package transform_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/transform"
)

func TestParseQuery(t *testing.T) {
	for _, tt := range []struct {
		raw  string
		want transform.Query
	}{
		{"", nil},
		{"&&", transform.Query{}},
		{"w=400", transform.Query{{"w", "400", true}}},
		{"w=400&&h=300&", transform.Query{{"w", "400", true}, {"h", "300", true}}},
		{"lossless", transform.Query{{"lossless", "", true}}},
		{"lossless=", transform.Query{{"lossless", "", true}}},
		{"=x", transform.Query{{"", "x", true}}},
		{"v=a=b", transform.Query{{"v", "a=b", true}}},
		{"dl=my+cat%2b1.jpg", transform.Query{{"dl", "my cat+1.jpg", true}}},
		{"%77=1", transform.Query{{"w", "1", false}}},
		{"s%69g=00&sig=11", transform.Query{{"sig", "00", false}, {"sig", "11", true}}},
		{"a+b=c", transform.Query{{"a b", "c", false}}},
		{"v=%2541", transform.Query{{"v", "%41", true}}},
		{"v=a%3Bb%26c", transform.Query{{"v", "a;b&c", true}}},
		{"dl=%E2%9C%93", transform.Query{{"dl", "✓", true}}},
		{"dl=✓", transform.Query{{"dl", "✓", true}}},
		{"w=1&w=2", transform.Query{{"w", "1", true}, {"w", "2", true}}},
	} {
		got, err := transform.ParseQuery(tt.raw)
		if err != nil {
			t.Errorf("ParseQuery(%q): %v", tt.raw, err)
		} else if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("ParseQuery(%q) (-want +got):\n%s", tt.raw, diff)
		}
	}
}

func TestParseQueryRefuses(t *testing.T) {
	for _, tt := range []struct{ raw, message string }{
		{"w=1;h=2", "“;”"},
		{";", "“;”"},
		{"rect=10%,10%,50%,50%", `"rect" has a malformed escape`},
		{"w=%", "malformed escape"},
		{"w=%4", "malformed escape"},
		{"w=%zz", "malformed escape"},
		{"w=%+1", "malformed escape"},
		{"%=1", `"%" has a malformed escape`},
		{"v=%00", "control character"},
		{"%0a=1", "control character"},
		{"utm_source=%1b", "control character"},
		{"v=%7F", "control character"},
		{"v=%C2%85", "control character"},
		{"v=a\tb", "control character"},
		{"v=%ff", "invalid UTF-8"},
		{"v=%ED%A0%80", "invalid UTF-8"},
		{"%C0%AE=1", "invalid UTF-8"},
		{strings.Repeat("long", 50) + "=%", `longlong…" has`},
	} {
		_, err := transform.ParseQuery(tt.raw)
		var refused *transform.QueryError
		if !errors.As(err, &refused) {
			t.Errorf("ParseQuery(%q) = %v, want a QueryError", tt.raw, err)
		} else if !strings.Contains(err.Error(), tt.message) {
			t.Errorf("ParseQuery(%q): %q lacks %q", tt.raw, err, tt.message)
		}
	}
}

func TestQueryErrorHoldsNoValue(t *testing.T) {
	_, err := transform.ParseQuery("sig=deadbeef%")
	if err == nil || strings.Contains(err.Error(), "deadbeef") {
		t.Errorf("ParseQuery shows a value: %v", err)
	}
}

func TestQueryAccessors(t *testing.T) {
	value := func(name string) func(transform.Query) (string, bool, error) {
		return func(q transform.Query) (string, bool, error) { return q.Value(name) }
	}
	literal := func(name string) func(transform.Query) (string, bool, error) {
		return func(q transform.Query) (string, bool, error) { return q.LiteralValue(name) }
	}
	for _, tt := range []struct {
		raw   string
		get   func(transform.Query) (string, bool, error)
		want  string
		found bool
		wrong string // name of the parameter in the error
	}{
		{"w=1", value("src"), "", false, ""},
		{"src=photos/a.jpg&w=1", value("src"), "photos/a.jpg", true, ""},
		{"s%72c=photos/a.jpg", value("src"), "photos/a.jpg", true, ""},
		{"src=", value("src"), "", true, ""},
		{"src=a&w=1&src=a", value("src"), "", false, "src"},
		{"src=a&s%72c=a", value("src"), "", false, "src"},

		{"w=1&sig=ab", literal("sig"), "ab", true, ""},
		{"w=1&s%69g=ab", literal("sig"), "", false, ""},
		{"s%69g=cd&sig=ab", literal("sig"), "ab", true, ""},
		{"sig=ab&sig=ab", literal("sig"), "", false, "sig"},
		{"exp=17%304", literal("exp"), "1704", true, ""},

		{"w=1", transform.Query.Preset, "", false, ""},
		{"preset=thumb", transform.Query.Preset, "thumb", true, ""},
		{"p:thumb&w=1", transform.Query.Preset, "thumb", true, ""},
		{"p:thumb=", transform.Query.Preset, "thumb", true, ""},
		{"p%3Athumb=", transform.Query.Preset, "thumb", true, ""},
		{"p:thumb=1", transform.Query.Preset, "", false, "preset"},
		{"p:=", transform.Query.Preset, "", false, "preset"},
		{"preset=", transform.Query.Preset, "", false, "preset"},
		{"preset=a&p:b", transform.Query.Preset, "", false, "preset"},
		{"p:a&p:a", transform.Query.Preset, "", false, "preset"},
	} {
		q, err := transform.ParseQuery(tt.raw)
		if err != nil {
			t.Fatal(err)
		}
		got, found, err := tt.get(q)
		if got != tt.want || found != tt.found {
			t.Errorf("%q: got %q, %t; want %q, %t", tt.raw, got, found, tt.want, tt.found)
		}
		checkNames(t, tt.raw, err, tt.wrong)
	}
}

// checkNames checks that err is an OptionError of the parameter with this name, or nil if
// name is empty.
func checkNames(t *testing.T, input string, err error, name string) {
	t.Helper()
	if name == "" {
		if err != nil {
			t.Errorf("%q: %v", input, err)
		}
		return
	}
	var wrong *transform.OptionError
	switch {
	case !errors.As(err, &wrong):
		t.Errorf("%q: error %v, want an OptionError of %q", input, err, name)
	case wrong.Name != name, !strings.HasPrefix(err.Error(), name+": "):
		t.Errorf("%q: error %q names %q, want %q", input, err, wrong.Name, name)
	}
}

// net/url reads everything that ParseQuery accepts, in the same way.
func FuzzParseQuery(f *testing.F) {
	for _, seed := range []string{
		"", "&", "w=400&h=300", "w=400;h=300", "rect=10%25,10%25,50%25,50%25", "rect=10%,1", "dl=a+b%2Bc", "%77=1", "p:thumb",
		"v=%00", "v=%ff", "v=%C2%85", "v=✓", "=", "==&=", "a=b=c", "utm_source=x&utm_source=y", "%", "%4", "%zz=1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := transform.ParseQuery(raw)
		if err != nil {
			if q != nil {
				t.Errorf("a query beside the error %v", err)
			}
			return
		}
		want, err := url.ParseQuery(raw)
		if err != nil {
			t.Fatalf("accepts %q, which net/url refuses: %v", raw, err)
		}
		got := url.Values{}
		for _, p := range q {
			got.Add(p.Name, p.Value)
			if p.Literal && !strings.Contains(raw, p.Name) {
				t.Errorf("%q is said to be literal in %q", p.Name, raw)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q differs from net/url (-url +ours):\n%s", raw, diff)
		}
	})
}
