package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/workspace"
)

// of returns what getenv of an environment does.
func of(environ map[string]string) func(string) string {
	return func(name string) string { return environ[name] }
}

// TestSecret: a secret is a variable, the file of its _FILE, or what a reference in either
// names. A text that begins almost as a reference is refused.
func TestSecret(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const hidden = "hunter2hunter2"
	a, b := file("a", hidden+"\n"), file("b", "two\n")
	for _, c := range []struct{ name, value, secret, err string }{
		{"TINTYPE_MAIL_PASSWORD", hidden, hidden, ""},
		{"TINTYPE_MAIL_PASSWORD", "file:" + a, hidden, ""},
		{"TINTYPE_MAIL_PASSWORD", "a,b", "a,b", ""},
		{"TINTYPE_MAIL_PASSWORD_FILE", a, hidden, ""},
		{"TINTYPE_MAIL_PASSWORD_FILE", file("c", "file:"+a), hidden, ""},
		{"TINTYPE_ROOT_KEY", "file:" + a + ", file:" + b + ",three", hidden + ",two,three", ""},
		{"TINTYPE_ROOT_KEY", "file:" + file("d", "x,y"), "x,y", ""},
		{"TINTYPE_MAIL_PASSWORD", "http://" + hidden, "http://" + hidden, ""},
		{"TINTYPE_MAIL_PASSWORD", "file:" + dir + "/none", "", "TINTYPE_MAIL_PASSWORD: file:" + dir + "/none: no such file or directory: let this process read the file"},
		{"TINTYPE_MAIL_PASSWORD_FILE", dir + "/none", "", "TINTYPE_MAIL_PASSWORD_FILE: open "},
		{"TINTYPE_MAIL_PASSWORD_FILE", file("e", "\n"), "", "TINTYPE_MAIL_PASSWORD_FILE: " + dir + "/e is empty"},
		{"TINTYPE_MAIL_PASSWORD", "valt:" + hidden, "", "it begins with valt:, which is no kind of reference: did you mean vault:?"},
		{"TINTYPE_ROOT_KEY", "ok,aws-ms:" + hidden, "", "did you mean aws-sm:?"},
	} {
		got, err := secret(of(map[string]string{c.name: c.value}), strings.TrimSuffix(c.name, "_FILE"))
		if got != c.secret || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s=%s: %q, %v; want %q, %q", c.name, c.value, got, err, c.secret, c.err)
		}
		if err != nil && strings.Contains(err.Error(), hidden) {
			t.Errorf("the error holds the secret: %v", err)
		}
	}
}

// TestSecretsReadAgain: what SIGHUP calls takes over another secret. One that can't be read, or
// isn't usable, leaves the old one.
func TestSecretsReadAgain(t *testing.T) {
	status, root := 200, "first"
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"data":{"root":"` + root + `"}}`))
	}))
	defer vault.Close()
	t.Setenv("VAULT_ADDR", vault.URL)
	t.Setenv("VAULT_TOKEN", "t")
	l := &liveSecrets{getenv: of(map[string]string{"TINTYPE_ROOT_KEY": "vault:kv/tintype#root"})}
	var used []string
	value, err := l.read("TINTYPE_ROOT_KEY", func(v string) error {
		if v == "short" {
			_, err := parseRootKeys(v)
			return err
		}
		used = append(used, v)
		return nil
	})
	if err != nil || value() != "first" {
		t.Fatal(value(), err)
	}
	if empty, err := l.read("TINTYPE_MAIL_PASSWORD", nil); err != nil || empty() != "" || len(l.all) != 1 {
		t.Error("a variable that isn't set is read again", err)
	}
	for _, c := range []struct {
		status    int
		root, now string
		err       string
	}{
		{200, "first", "first", ""},
		{200, "second", "second", ""},
		{503, "third", "second", "TINTYPE_ROOT_KEY: vault:kv/tintype#root: the vault is sealed"},
		{200, "short", "second", "fewer than 32 characters"},
		{200, "", "second", "it is empty"},
		{200, "fourth", "fourth", ""},
	} {
		status, root = c.status, c.root
		err := l.all[0].reload(l.getenv)
		if value() != c.now || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%d %s: %s, %v", c.status, c.root, value(), err)
		}
	}
	if strings.Join(used, " ") != "second fourth" {
		t.Errorf("used %v", used)
	}
}

// TestKeyOfReference: the key of a certificate may be a reference.
func TestKeyOfReference(t *testing.T) {
	cert, key := certstest.New(t).Write(t, t.TempDir(), "img", "img.example.com")
	c := serveCmd{TLSCert: []string{cert}, TLSKey: []string{"file:" + key}}
	files, err := c.openCertFiles()
	if err != nil || !files.Covers("img.example.com") {
		t.Fatal(err)
	}
	c.TLSKey[0] = "file:" + key + "x"
	if _, err := c.openCertFiles(); err == nil || !strings.Contains(err.Error(), "--tls-cert: file:"+key+"x: no such file") {
		t.Error(err)
	}
}

// TestDocumentsHoldNoReference: in a workspace document such text is a plain value, or an owner
// could read the operator's secrets.
func TestDocumentsHoldNoReference(t *testing.T) {
	const text = "file:/etc/hostname"
	all, err := workspace.DecodeAll(strings.NewReader(`{"namespace":"acme","sources":[{"key":"photos","kind":"http","url":"https://origin.example/","headers":{"X-Token":"`+text+`"}},
		{"key":"b","kind":"s3","bucket":"b","region":"eu-west-1","access_key_id":"a","secret_access_key":"vault:a#b"}]}`), "a.json")
	if err != nil {
		t.Fatal(err)
	}
	s := all[0].Workspace.Sources
	if s[0].Headers["X-Token"] != text || s[1].SecretAccessKey != "vault:a#b" {
		t.Errorf("%+v", s)
	}
}
