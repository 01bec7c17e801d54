package workspace

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"github.com/tintype/tintype/dialect"
)

// TestCiphertextIsBoundToItsPlace: a secret that is copied to another workspace, source or
// field can't be decrypted there.
func TestCiphertextIsBoundToItsPlace(t *testing.T) {
	c, err := NewCodec(NewSecretKey())
	if err != nil {
		t.Fatal(err)
	}
	w := New("acme")
	w.ID = "one"
	w.Sources = []Source{
		{Key: "photos", Kind: "http", URL: "https://a.example.com/", Headers: map[string]string{"X-Token": "hunter2"}},
		{Key: "spare", Kind: "http", URL: "https://b.example.com/", Headers: map[string]string{"X-Token": "other"}},
	}
	w.DialectKeys = []DialectKey{{ID: "k", Dialect: "thumbor", Key: dialect.Key{Secret: []byte("hunter3"), Salt: []byte("hunter3"), Algorithm: "sha1", Size: 8}}}
	data, err := c.Marshal(w)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("hunter2")) || bytes.Contains(data, []byte("68756e74657233")) {
		t.Fatal("the secret is readable")
	}
	if got, err := c.Unmarshal(data); err != nil || got.Sources[0].Headers["X-Token"] != "hunter2" {
		t.Fatal(got, err)
	}
	if got, err := c.Unmarshal(data); err != nil || !reflect.DeepEqual(got.DialectKeys, w.DialectKeys) {
		t.Fatal(got, err)
	}
	for what, moved := range map[string][]byte{
		"another workspace": bytes.Replace(data, []byte(`"id":"one"`), []byte(`"id":"two"`), 1),
		"another source":    bytes.Replace(data, []byte(`"key":"photos"`), []byte(`"key":"phones"`), 1),
		"another dialect":   bytes.Replace(data, []byte(`"thumbor"`), []byte(`"imgix"`), 1),
		"another header":    bytes.Replace(data, []byte(`"X-Token"`), []byte(`"X-Other"`), 1),
		"plain text":        []byte(strings.Replace(string(data), "enc:1:", "enc:2:", 1)),
	} {
		if bytes.Equal(moved, data) {
			t.Fatalf("%s: nothing was changed", what)
		}
		if _, err := c.Unmarshal(moved); err == nil {
			t.Errorf("%s: it opens", what)
		}
	}
}

func TestNewCodecRefuses(t *testing.T) {
	for _, keys := range []string{"", "abc", strings.Repeat("0", 63), strings.Repeat("0", 64) + ",", strings.Repeat("g", 64)} {
		if _, err := NewCodec(keys); err == nil {
			t.Errorf("%q is taken for a key", keys)
		}
	}
}
