package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

func known(t *testing.T) []string {
	t.Helper()
	parser, err := kong.New(&cli{})
	if err != nil {
		t.Fatal(err)
	}
	return knownVariables(parser.Model)
}

// TestUnknownVariables: the error names a misspelt variable and the likely right one.
// Variables of Kubernetes and of other programs are ignored.
func TestUnknownVariables(t *testing.T) {
	for environ, want := range map[string]string{
		"": "",
		"TINTYPE_LISTEN=:1 TINTYPE_ROOT_KEY=x TINTYPE_ROOT_KEY_FILE=x TINTYPE_SECRET_KEY_FILE=x": "",
		// The command line's own.
		"TINTYPE_SERVER=x TINTYPE_API_KEY=x TINTYPE_API_KEY_FILE=x TINTYPE_SIGNING_SECRET=x": "",
		// The clients' own.
		"TINTYPE_URL=x": "",
		// Kubernetes sets these for Services called tintype and tintype-ops.
		"TINTYPE_SERVICE_HOST=10.0.0.1 TINTYPE_SERVICE_PORT=80 TINTYPE_SERVICE_PORT_HTTP=80 TINTYPE_PORT=tcp://10.0.0.1:80": "",
		"TINTYPE_PORT_80_TCP=x TINTYPE_PORT_80_TCP_PROTO=tcp TINTYPE_PORT_80_TCP_PORT=80 TINTYPE_PORT_80_TCP_ADDR=10.0.0.1": "",
		"TINTYPE_OPS_SERVICE_HOST=x TINTYPE_OPS_SERVICE_PORT=9090 TINTYPE_OPS_SERVICE_PORT_METRICS=9090":                    "",
		"TINTYPE_OPS_PORT=tcp://10.0.0.2:9090 TINTYPE_OPS_PORT_9090_TCP=tcp://x TINTYPE_OPS_PORT_9090_TCP_ADDR=10.0.0.2":    "",
		"AWS_REGION=x TINTYPES=x MY_TINTYPE_LISTEN=x":                                                                       "",

		"TINTYPE_CACHE_MEMROY=1GiB": "TINTYPE_CACHE_MEMROY: there is no such variable; did you mean TINTYPE_CACHE_MEMORY?",
		"TINTYPE_CACHE_MEMROY=":     "TINTYPE_CACHE_MEMROY: there is no such variable; did you mean TINTYPE_CACHE_MEMORY?",
		"TINTYPE_ROOTKEY=secret":    "TINTYPE_ROOTKEY: there is no such variable; did you mean TINTYPE_ROOT_KEY?",
		"TINTYPE_ALLOW_CIDRS=x":     "TINTYPE_ALLOW_CIDRS: there is no such variable; did you mean TINTYPE_ALLOW_CIDR?",
		"TINTYPE_OPS_PORT=9090":     "TINTYPE_OPS_PORT: there is no such variable; tintype serve --help lists them",
		"TINTYPE_XYZZY=1":           "TINTYPE_XYZZY: there is no such variable; tintype serve --help lists them",
		"TINTYPE_=1":                "TINTYPE_: there is no such variable; tintype serve --help lists them",
		"TINTYPE_WORKER=2 TINTYPE_DRIAN=1s": "TINTYPE_DRIAN: there is no such variable; did you mean TINTYPE_DRAIN?\n" +
			"TINTYPE_WORKER: there is no such variable; did you mean TINTYPE_WORKERS?",
	} {
		got := ""
		if err := checkVariables(strings.Fields(environ), known(t)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s:\n%s\nwant\n%s", environ, got, want)
		}
		if strings.Contains(got, "secret") {
			t.Errorf("%s: the message has a value", environ)
		}
	}
}

// TestKnownVariables: all variables in the code and the docs are known.
func TestKnownVariables(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.go", "../../docs/*.md", "../../README.md", "../../Dockerfile", "../../server/api/*.go"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, found...)
	}
	names := regexp.MustCompile(`\bTINTYPE_[A-Z_]*[A-Z]\b`)
	all, n := known(t), 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names.FindAllString(string(b), -1) {
			if n++; !slices.Contains(all, name) && !ofKubernetes.MatchString(name) && !strings.HasPrefix(name, "TINTYPE_SERVICE") {
				t.Errorf("%s: %s would end the start", file, name)
			}
		}
	}
	if n < 50 {
		t.Errorf("%d names found", n)
	}
}

func TestSlips(t *testing.T) {
	for pair, want := range map[[2]string]int{
		{"", ""}: 0, {"a", "a"}: 0, {"", "ab"}: 2, {"ab", ""}: 2, {"memroy", "memory"}: 1, {"memry", "memory"}: 1,
		{"memoryy", "memory"}: 1, {"menory", "memory"}: 1, {"kitten", "sitting"}: 3, {"abc", "cab"}: 2,
	} {
		if got := slips(pair[0], pair[1]); got != want {
			t.Errorf("%v: %d, want %d", pair, got, want)
		}
	}
}

// TestRootKeys: keys that could be guessed are refused, one as well as many.
func TestRootKeys(t *testing.T) {
	long, other := strings.Repeat("k", 32), strings.Repeat("o", 40)
	for text, want := range map[string]string{
		"": "", long: "", long + "," + other: "", " " + long + " ,": "", strings.Repeat("é", 32): "",

		"a":                       "the key has fewer than 32 characters",
		strings.Repeat("k", 31):   "the key has fewer than 32 characters",
		strings.Repeat("é", 31):   "the key has fewer than 32 characters",
		"short," + long:           "the first key has fewer than 32 characters",
		long + ",half of it":      "the second key has fewer than 32 characters",
		long + "," + other + ",x": "one of the keys has fewer than 32 characters",
		",":                       "there is no key",
		" , ":                     "there is no key",
	} {
		keys, err := rootKeys(func(name string) string {
			if name == "TINTYPE_ROOT_KEY" {
				return text
			}
			return ""
		})
		if (err != nil) != (want != "") || err != nil && (!strings.Contains(err.Error(), "TINTYPE_ROOT_KEY: "+want) || strings.Contains(err.Error(), "half")) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
		if err == nil && len(keys) != len(strings.FieldsFunc(strings.TrimSuffix(text, ","), func(r rune) bool { return r == ',' })) {
			t.Errorf("%q: %d keys", text, len(keys))
		}
	}
}

func TestJoinNegative(t *testing.T) {
	for args, want := range map[string]string{
		"serve --workers -1":            "serve --workers=-1",
		"serve --workers 1 --drain -5s": "serve --workers 1 --drain=-5s",
		"serve --workers=2 -1":          "serve --workers=2 -1",
		"transform in w=1 -o -":         "transform in w=1 -o -",
		"apply -f - --server http://x":  "apply -f - --server http://x",
		"serve -- --workers -1":         "serve -- --workers -1",
		"sign --expires-in -1h /a/b/c":  "sign --expires-in=-1h /a/b/c",
	} {
		if got := strings.Join(joinNegative(strings.Fields(args)), " "); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}
