package certs_test

import (
	"crypto/tls"
	"os"
	"testing"

	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/certs/certstest"
)

// hello is what a client sends that knows all of ours.
func hello(host string) *tls.ClientHelloInfo {
	return &tls.ClientHelloInfo{
		ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256}, SupportedCurves: []tls.CurveID{tls.X25519},
	}
}

// TestFiles: a client gets the first certificate for its host, else the first of all. Files
// that have changed are read again, and files that can't be read change nothing.
func TestFiles(t *testing.T) {
	ca, dir := certstest.New(t), t.TempDir()
	cert1, key1 := ca.Write(t, dir, "one", "img.example.com", "*.img.example.com")
	cert2, key2 := ca.Write(t, dir, "two", "img.shop.example")
	files, err := certs.OpenFiles(os.ReadFile, certs.Pair{Cert: cert1, Key: key1}, certs.Pair{Cert: cert2, Key: key2})
	if err != nil {
		t.Fatal(err)
	}
	check := func(host, want string) {
		t.Helper()
		c, err := files.GetCertificate(hello(host))
		if err != nil || c.Leaf.DNSNames[0] != want {
			t.Errorf("%q gets %v, %v; want that of %s", host, c.Leaf.DNSNames, err, want)
		}
	}
	check("acme.img.example.com", "img.example.com")
	check("img.shop.example", "img.shop.example")
	check("other.example", "img.example.com")
	check("", "img.example.com")
	if files.Covers("other.example") || !files.Covers("a.img.example.com") || files.Covers("a.b.img.example.com") {
		t.Error("Covers is wrong")
	}

	ca.Write(t, dir, "two", "new.shop.example")
	check("new.shop.example", "img.example.com")
	if err := files.Reload(); err != nil {
		t.Fatal(err)
	}
	check("new.shop.example", "new.shop.example")
	if err := os.WriteFile(key2, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := files.Reload(); err == nil {
		t.Error("a key that is none was read")
	}
	check("new.shop.example", "new.shop.example")
	if _, err := certs.OpenFiles(os.ReadFile, certs.Pair{Cert: cert1, Key: key1}, certs.Pair{Cert: cert2, Key: key2}); err == nil {
		t.Error("opened with a key that is none")
	}
}
