// Package certs has the certificates with which listeners speak TLS.
//
// For most uses, call [OpenFiles] with the operator's own files, or [NewAuto] for those that a
// certificate authority issues by ACME, and give their GetCertificate to crypto/tls.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
)

// A Pair names a certificate and its key, in PEM. With the certificate are those of the
// authorities between it and the root.
type Pair struct{ Cert, Key string }

// A Reader returns what a name of a Pair stands for.
type Reader func(name string) ([]byte, error)

// Files has certificates from files. It is safe for concurrent use.
type Files struct {
	pairs   []Pair
	read    Reader
	present atomic.Pointer[[]*tls.Certificate] // in the order of pairs
}

// OpenFiles reads certificates. There must be one or more. [os.ReadFile] is a reader whose names
// are paths.
func OpenFiles(read Reader, pairs ...Pair) (*Files, error) {
	if len(pairs) == 0 {
		return nil, errors.New("there are no files of certificates")
	}
	f := &Files{pairs: pairs, read: read}
	return f, f.Reload()
}

// Reload reads the files again. After an error, the certificates are those from before.
func (f *Files) Reload() error {
	all := make([]*tls.Certificate, len(f.pairs))
	for i, p := range f.pairs {
		c, err := f.load(p)
		if err != nil {
			return err
		}
		all[i] = c
	}
	f.present.Store(&all)
	return nil
}

func (f *Files) load(p Pair) (*tls.Certificate, error) {
	cert, err := f.read(p.Cert)
	if err != nil {
		return nil, err
	}
	key, err := f.read(p.Key)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", p.Cert, p.Key, err)
	}
	return &c, nil
}

// GetCertificate is for [tls.Config]. It returns the first certificate that is for the
// client's host, else the first one: a client that checks it sees by itself that it is for
// another host, and one that doesn't, such as a probe of health, is served.
func (f *Files) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := f.For(hello); c != nil {
		return c, nil
	}
	return (*f.present.Load())[0], nil
}

// For returns the first certificate that is for the client's host and whose kind of key the
// client understands, or nil.
func (f *Files) For(hello *tls.ClientHelloInfo) *tls.Certificate {
	if hello.ServerName == "" {
		return nil
	}
	for _, c := range *f.present.Load() {
		if hello.SupportsCertificate(c) == nil {
			return c
		}
	}
	return nil
}

// Covers reports whether a certificate is for a host.
func (f *Files) Covers(host string) bool {
	return slices.ContainsFunc(*f.present.Load(), func(c *tls.Certificate) bool { return c.Leaf.VerifyHostname(host) == nil })
}

// EndsFirst returns the certificate that ends first.
func (f *Files) EndsFirst() *x509.Certificate {
	return slices.MinFunc(*f.present.Load(), func(a, b *tls.Certificate) int {
		return a.Leaf.NotAfter.Compare(b.Leaf.NotAfter)
	}).Leaf
}
