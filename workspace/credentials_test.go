package workspace_test

import (
	"testing"

	"github.com/tintype/tintype/workspace"
)

func TestReplaceCredentials(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"https://user:secret@o.example/a", "https://***@o.example/a"},
		{"https://secret@o.example", "https://***@o.example"},
		{"https://user:sec#ret@o.example/", "https://***@o.example/"},
		{"https://user:sec/ret@o.example/", "https://***@o.example/"},
		{"https://user:s@e?c@o.example/", "https://***@o.example/"},
		{"user:secret@o.example/a", "***@o.example/a"},
		{"//user:secret@o.example/a", "//***@o.example/a"},
		{"a\n  https://a:b@x/ and\thttps://c:d@y/\n", "a\n  https://***@x/ and\thttps://***@y/\n"},
		{`bad pattern "user:secret@o.example": use`, `bad pattern "***@o.example": use`},
		{"https://o.example/@photos/a@2x.jpg", "https://o.example/@photos/a@2x.jpg"},
		{"https://o.example:8443/@photos/", "https://o.example:8443/@photos/"},
		{"https://[::1]:80/@a https://[::1]/@a", "https://[::1]:80/@a https://[::1]/@a"},
		{"photos/a:b@2x.jpg", "photos/a:b@2x.jpg"},
		{"ann@x.example", "ann@x.example"},
		{"", ""},
	} {
		if got := workspace.ReplaceCredentials(c.text, "***@"); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}
