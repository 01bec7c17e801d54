package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/tintype/tintype/certs"
)

// A responder is an authority that answers whether its certificates are good.
type responder struct {
	url    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	asked  atomic.Int32
	broken atomic.Bool
}

func newResponder(t *testing.T) *responder {
	t.Helper()
	r := &responder{}
	r.cert, r.key = r.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.asked.Add(1)
		body, err := io.ReadAll(req.Body)
		question, bad := ocsp.ParseRequest(body)
		if err != nil || bad != nil || r.broken.Load() {
			http.Error(w, "broken", http.StatusInternalServerError)
			return
		}
		answer, err := ocsp.CreateResponse(r.cert, r.cert, ocsp.Response{
			Status: ocsp.Good, SerialNumber: question.SerialNumber, ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(96 * time.Hour),
		}, r.key)
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(answer)
	}))
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

// sign returns a certificate of this authority, with its key.
func (r *responder) sign(t *testing.T, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, by := r.cert, r.key
	if parent == nil {
		parent, by = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return signed, key
}

// TestOCSP: where a certificate names a responder, its answer is sent to clients. Without an
// answer they are served all the same. What is ordered doesn't ask for it: most authorities have
// no responder any more.
func TestOCSP(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f := newFront(t)
	for _, broken := range []bool{false, true} {
		storage := certs.Disk(t.TempDir(), newCodec(t, oldKey))
		f.auto(t, storage)
		const host = "www.shop.example"
		issued, err := f.shake(t, host)
		if err != nil {
			t.Fatal(err)
		}
		mustStaple := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
		for _, e := range issued.Extensions {
			if e.Id.Equal(mustStaple) {
				t.Error("the certificate must not be used without OCSP")
			}
		}

		r := newResponder(t)
		r.broken.Store(broken)
		leaf, key := r.sign(t, &x509.Certificate{
			SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(1000 * time.Hour),
			OCSPServer: []string{r.url}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			t.Fatal(err)
		}
		chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.cert.Raw})...)
		keys, err := storage.List(t.Context(), "certificates", true)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range keys {
			value := map[string][]byte{".crt": chain, ".key": pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})}[path.Ext(name)]
			if value != nil {
				if err := storage.Store(t.Context(), name, value); err != nil {
					t.Fatal(err)
				}
			}
		}
		f.auto(t, storage)
		conn, err := tls.Dial("tcp", f.secure.Addr().String(), &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		state := conn.ConnectionState()
		_ = conn.Close()
		if !state.PeerCertificates[0].Equal(leaf) || r.asked.Load() == 0 {
			t.Errorf("the certificate is of %v, the responder was asked %d times", state.PeerCertificates[0].Issuer, r.asked.Load())
		}
		if broken {
			if len(state.OCSPResponse) != 0 {
				t.Error("an answer of a broken responder was sent")
			}
			continue
		}
		if answer, err := ocsp.ParseResponseForCert(state.OCSPResponse, leaf, r.cert); err != nil || answer.Status != ocsp.Good {
			t.Errorf("the stapled answer: %+v, %v", answer, err)
		}
	}
}
