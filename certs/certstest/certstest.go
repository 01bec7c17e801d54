// Package certstest makes certificates for tests.
//
// For most uses, call [New] for an authority, and [Authority.Write] for the files of a
// certificate.
package certstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
)

// An Authority signs certificates that only those trust who have its Pool.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// New makes an authority.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{key: newKey(t)}
	der := sign(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "tests"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotAfter: time.Now().Add(time.Hour),
	}, nil, a.key, a.key)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return a
}

// Pool returns what trusts the authority.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// PEM returns the authority's certificate as a file has it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Write writes the files of a new certificate for hosts into a folder, NAME.crt and NAME.key,
// and replaces them where they are there.
func (a *Authority) Write(t testing.TB, dir, name string, hosts ...string) (cert, key string) {
	t.Helper()
	private := newKey(t)
	der := sign(t, &x509.Certificate{DNSNames: hosts, NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.cert, private, a.key)
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	for file, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// Due has the certificate of a host in a storage be one that must be renewed, and returns it.
func (a *Authority) Due(t testing.TB, storage certmagic.Storage, host string) *x509.Certificate {
	t.Helper()
	private := newKey(t)
	der := sign(t, &x509.Certificate{DNSNames: []string{host}, NotAfter: time.Now().Add(20 * time.Minute), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, a.cert, private, a.key)
	Replace(t, storage, host, private, der, a.cert.Raw)
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Replace has the certificate of a host in a storage be another one, with what signed it behind
// it.
func Replace(t testing.TB, storage certmagic.Storage, host string, private *ecdsa.PrivateKey, chain ...[]byte) {
	t.Helper()
	secret, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	var certs []byte
	for _, der := range chain {
		certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	names, err := storage.List(t.Context(), "certificates", true)
	if err != nil {
		t.Fatal(err)
	}
	replaced := 0
	for _, name := range names {
		var value []byte
		switch path.Base(name) {
		case host + ".crt":
			value = certs
		case host + ".key":
			value = pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: secret})
		default:
			continue
		}
		if err := storage.Store(t.Context(), name, value); err != nil {
			t.Fatal(err)
		}
		replaced++
	}
	if replaced != 2 {
		t.Fatalf("the storage has no certificate of %s: %v", host, names)
	}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// sign makes a certificate of a key. A nil parent has it sign itself.
func sign(t testing.TB, c, parent *x509.Certificate, of, by *ecdsa.PrivateKey) []byte {
	t.Helper()
	c.NotBefore = time.Now().Add(-time.Hour)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber = serial
	if parent == nil {
		parent = c
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, of.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	return der
}
