package dialect

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestReadKey(t *testing.T) {
	const hex16 = "000102030405060708090a0b0c0d0e0f"
	for _, tt := range []struct {
		dialect, secret, salt, algorithm string
		size                             int
		wrong                            string // the field; empty is none
	}{
		{"imgix", "secret", "", "", 0, ""},
		{"imgix", "", "", "", 0, "secret"},
		{"imgix", strings.Repeat("x", 513), "", "", 0, "secret"},
		{"imgix", "secret", "salt", "", 0, "salt"},
		{"imgix", "secret", "", "sha1", 0, "algorithm"},
		{"imgix", "secret", "", "", 8, "signature_size"},
		{"imgproxy", hex16, hex16, "", 0, ""},
		{"imgproxy", hex16, "", "sha256", 8, ""},
		{"imgproxy", "secret", "", "", 0, "secret"},
		{"imgproxy", hex16, "salt", "", 0, "salt"},
		{"imgproxy", hex16, "", "", 7, "signature_size"},
		{"imgproxy", hex16, "", "", 33, "signature_size"},
		{"imgproxy", hex16, "", "", -1, "signature_size"},
		{"thumbor", "secret", "", "sha512", 40, ""},
		{"thumbor", "secret", "", "", 40, "signature_size"},
		{"thumbor", "secret", "", "md5", 0, "algorithm"},
		{"cloudinary", "secret", "", "", 8, ""},
		{"cloudinary", "secret", "", "sha256", 32, ""},
		{"cloudinary", "secret", "", "", 32, "signature_size"},
		{"cloudinary", "secret", "", "sha256", 16, "signature_size"},
		{"weserv", "secret", "", "", 0, "dialect"},
		{"next", "secret", "", "", 0, "dialect"},
	} {
		for _, d := range All {
			if d.Name != tt.dialect {
				continue
			}
			k, err := d.ReadKey(tt.secret, tt.salt, tt.algorithm, tt.size)
			var e *Error
			if errors.As(err, &e); (e == nil) != (tt.wrong == "") || e != nil && e.Param != tt.wrong {
				t.Errorf("%+v: %v", tt, err)
			}
			if err != nil && tt.secret != "" && strings.Contains(err.Error(), tt.secret) && tt.secret != "secret" {
				t.Errorf("%+v: the error holds the secret", tt)
			}
			if text := fmt.Sprintf("%v %+v %#v", k, k, k); strings.Contains(text, "secret") {
				t.Errorf("a key is printed as %s", text)
			}
		}
	}
	for _, d := range All {
		if _, ok := keyRules[d.Name]; ok != (d.Verify != nil) {
			t.Errorf("%s has signatures or a rule of keys, and not both", d.Name)
		}
	}
}
