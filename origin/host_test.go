package origin_test

import (
	"strings"
	"testing"

	"github.com/tintype/tintype/origin"
)

// HostName agrees with ParseURL about every name: there is one canonical form.
func TestHostName(t *testing.T) {
	for in, want := range map[string]string{
		"Example.COM":           "example.com",
		"bücher.example":        "xn--bcher-kva.example",
		"BÜCHER.example":        "xn--bcher-kva.example",
		"xn--bcher-kva.example": "xn--bcher-kva.example",
		"faß.example":           "xn--fa-hia.example",
		"my_bucket.example":     "my_bucket.example",
		"r3---sn.example.com":   "r3---sn.example.com",
		"a。example.com":         "a.example.com",
		"\u212aelvin.example":   "kelvin.example",
		"a.0xyz":                "a.0xyz",

		"":                               "",
		".":                              "",
		"example.com.":                   "",
		"example.com。":                   "",
		"a..example.com":                 "",
		"-a.example.com":                 "",
		"a-.example.com":                 "",
		"a b.example.com":                "",
		"a/b.example.com":                "",
		"a：b.example.com":                "", // a full-width colon
		"127.0.0.1":                      "",
		"127.1":                          "",
		"a.7":                            "",
		"a.0x7f":                         "",
		"①②⑦.0.0.1":                      "",
		"[::1]":                          "",
		"xn--a.example":                  "",
		"xn--example-.com":               "",
		strings.Repeat("a", 64) + ".com": "",
		strings.Repeat("a.", 126) + "ab": "",
	} {
		got, ok := origin.HostName(in)
		if got != want || ok != (want != "") {
			t.Errorf("HostName(%q) = %q, %v, want %q", in, got, ok, want)
		}
		if want == "" {
			continue
		}
		if again, _ := origin.HostName(got); again != got {
			t.Errorf("HostName(%q) = %q", got, again)
		}
		u, err := origin.ParseURL("https://" + in + "/a")
		if err != nil || u.Host != got {
			t.Errorf("ParseURL of %q has the host %q, %v", in, u.Host, err)
		}
	}
}
