package dialect

import (
	"testing"

	"github.com/tintype/tintype/transform"
)

func TestDecodePath(t *testing.T) {
	for _, tt := range []struct {
		raw, want string
		ok        bool
	}{
		{"a/b.jpg", "a/b.jpg", true},
		{"a%20b+c%2Fd%25", "a b+c/d%", true},
		{"%E2%82%AC.jpg", "€.jpg", true},
		{"a%", "", false},
		{"a%4", "", false},
		{"a%zz", "", false},
		{"a%00", "", false},
		{"a%0a", "", false},
		{"a%ff", "", false},
		{"a%C2%85", "", false},
	} {
		got, err := decodePath(tt.raw)
		if got != tt.want || (err == nil) != tt.ok {
			t.Errorf("decodePath(%q) = %q, %v; want %q", tt.raw, got, err, tt.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for _, s := range []string{"", ".", "-", "1e3", "0x1p2", "Inf", "NaN", "1_0", "--1", "1-", "1.2.3", "１", "000000000000000000001"} {
		if n, ok := number(s); ok {
			t.Errorf("number(%q) = %v", s, n)
		}
	}
	for s, want := range map[string]float64{"0": 0, "-1.5": -1.5, "+2": 2, ".5": 0.5, "5.": 5} {
		if n, ok := number(s); !ok || n != want {
			t.Errorf("number(%q) = %v, %v; want %v", s, n, ok, want)
		}
	}
	for _, s := range []string{"", "-1", "+1", "1.0", "1234567890", "١"} {
		if n, ok := whole(s); ok {
			t.Errorf("whole(%q) = %v", s, n)
		}
	}
	if n, ok := whole("0400"); !ok || n != 400 {
		t.Errorf("whole(0400) = %v, %v", n, ok)
	}
}

func TestHarmless(t *testing.T) {
	for name, want := range map[string]bool{"utm_source": true, "_": true, "ixlib": true, "widht": false, "": false, "S": false} {
		if transform.Harmless(name) != want {
			t.Errorf("transform.Harmless(%q) = %v", name, !want)
		}
	}
}
