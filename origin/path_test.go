package origin

import (
	"errors"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	long := strings.Repeat("a", 1024)
	tests := []struct {
		escaped string
		want    string // empty: refused
	}{
		{"cat.jpg", "cat.jpg"},
		{"a/b/cat.jpg", "a/b/cat.jpg"},
		{"a%20b.jpg", "a b.jpg"},
		{"a+b.jpg", "a+b.jpg"},
		{"a%2Bb.jpg", "a+b.jpg"},
		{"%63at.jpg", "cat.jpg"},
		{"caf%C3%A9.jpg", "café.jpg"},
		{"café.jpg", "café.jpg"},
		{"100%25.jpg", "100%.jpg"},
		{"%252e%252e/cat.jpg", "%2e%2e/cat.jpg"}, // decoded once
		{"...", "..."},
		{".hidden/..cat.jpg", ".hidden/..cat.jpg"},
		{"a;v=1/cat.jpg", "a;v=1/cat.jpg"},
		{long, long},
		{strings.Repeat("%61", 1024), long},

		{"", ""},
		{"/cat.jpg", ""},
		{"a//cat.jpg", ""},
		{"a/", ""},
		{".", ""},
		{"..", ""},
		{"./cat.jpg", ""},
		{"a/../cat.jpg", ""},
		{"a/..", ""},
		{"%2e%2e/cat.jpg", ""},
		{"a/%2E/cat.jpg", ""},
		{".%2e/cat.jpg", ""},
		{"a/..;x/cat.jpg", ""},
		{"a/..%3b/cat.jpg", ""},
		{"%2e%2e%2f", ""},
		{"a%2Fb.jpg", ""},
		{"a%2fb.jpg", ""},
		{`a\b.jpg`, ""},
		{"a%5Cb.jpg", ""},
		{`\host/cat.jpg`, ""},
		{"/host/cat.jpg", ""},
		{"a%00.jpg", ""},
		{"a\x00.jpg", ""},
		{"a%0A.jpg", ""},
		{"a\tb.jpg", ""},
		{"a%7F.jpg", ""},
		{"a%C2%85.jpg", ""}, // NEL, a C1 control
		{"a%FF.jpg", ""},
		{"a\xff.jpg", ""},
		{"a%C0%AF.jpg", ""}, // an overlong slash
		{"%", ""},
		{"a%2", ""},
		{"a%zz.jpg", ""},
		{"a%u002e.jpg", ""},
		{long + "a", ""},
		{strings.Repeat("%61", 1025), ""},
	}
	for _, tt := range tests {
		got, err := ParsePath(tt.escaped)
		switch {
		case tt.want == "":
			if !errors.Is(err, ErrInvalidPath) {
				t.Errorf("ParsePath(%.40q) = %q, %v; want ErrInvalidPath", tt.escaped, got, err)
			}
		case err != nil || got != tt.want:
			t.Errorf("ParsePath(%.40q) = %q, %v; want %q", tt.escaped, got, err, tt.want)
		}
	}
}

func TestEscapePath(t *testing.T) {
	tests := []struct{ path, want string }{
		{"a/b-c_d.e~f/0.jpg", "a/b-c_d.e~f/0.jpg"},
		{"a b+c@2x (1).jpg", "a%20b%2Bc%402x%20%281%29.jpg"},
		{"100%.jpg", "100%25.jpg"},
		{"café?#.jpg", "caf%C3%A9%3F%23.jpg"},
	}
	for _, tt := range tests {
		if got := EscapePath(tt.path); got != tt.want {
			t.Errorf("EscapePath(%q) = %q; want %q", tt.path, got, tt.want)
		}
	}
}

func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"cat.jpg", "a%20b/%2e%2e", "%2F", "a/..;x", "caf%C3%A9", "%", "a//b", "%C2%85"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, escaped string) {
		path, err := ParsePath(escaped)
		if err != nil {
			if !errors.Is(err, ErrInvalidPath) {
				t.Fatalf("%v does not wrap ErrInvalidPath", err)
			}
			return
		}
		for segment := range strings.SplitSeq(path, "/") {
			if segment == "" || segment == "." || segment == ".." {
				t.Fatalf("%q has the segment %q", path, segment)
			}
		}
		if strings.ContainsAny(path, "\x00\n\r\\") || len(path) > 1024 {
			t.Fatalf("accepted %q", path)
		}
		again, err := ParsePath(EscapePath(path))
		if err != nil || again != path {
			t.Fatalf("ParsePath(EscapePath(%q)) = %q, %v", path, again, err)
		}
	})
}
