package account

import (
	"errors"
	"strings"
	"testing"
)

func TestParseEmail(t *testing.T) {
	for text, want := range map[string]string{
		"anna@example.com":          "anna@example.com",
		" Anna.B+x@Example.COM ":    "anna.b+x@example.com",
		"anna@bücher.example":       "anna@xn--bcher-kva.example",
		"anna@BÜCHER.example":       "anna@xn--bcher-kva.example",
		"o'neil@mail.example.co.uk": "o'neil@mail.example.co.uk",
	} {
		got, err := ParseEmail(text)
		if err != nil || got != want {
			t.Errorf("ParseEmail(%q) is %q, %v, want %q", text, got, err, want)
		}
		if again, err := ParseEmail(got); err != nil || again != got {
			t.Errorf("ParseEmail(%q) is %q, %v: not canonical", got, again, err)
		}
	}
	for _, text := range []string{
		"", "anna", "@example.com", "anna@", "anna@localhost", "anna@@example.com", "anna@example.com\r\nBcc: eve@example.com",
		"anna\n@example.com", "Anna <anna@example.com>", `"anna b"@example.com`, "anna b@example.com", "anna@example..com", "anna@-example.com",
		"anna@exam ple.com", "anna@[127.0.0.1]", ".anna@example.com", "an..na@example.com", "anna,eve@example.com", "аnna@example.com", "anna\x00@example.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b.", 130) + "com", "anna@example.com,eve@example.com",
	} {
		if got, err := ParseEmail(text); !errors.Is(err, ErrEmail) || got != "" {
			t.Errorf("ParseEmail(%q) is %q, %v", text, got, err)
		}
	}
}

func TestMaskEmail(t *testing.T) {
	for email, want := range map[string]string{"anna@example.com": "a***@example.com", "": "***", "@x": "***", "anna": "***"} {
		if got := MaskEmail(email); got != want {
			t.Errorf("MaskEmail(%q) is %q", email, got)
		}
	}
}
