package certs_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"
	"golang.org/x/crypto/ocsp"

	"github.com/tintype/tintype/certs"
	"github.com/tintype/tintype/certs/certstest"
	"github.com/tintype/tintype/workspace/workspacetest"
)

// A responder is an authority that answers whether its certificates are good.
type responder struct {
	url    string
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	asked  atomic.Int32
	broken atomic.Bool
	hang   chan struct{} // it answers once this is closed; nil answers at once
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
		if r.hang != nil {
			<-r.hang
		}
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

// replace has a host's certificate in a storage be one of this authority, which ends after some
// time. It returns it.
func (r *responder) replace(t *testing.T, storage certmagic.Storage, host string, ends time.Duration) *x509.Certificate {
	t.Helper()
	leaf, key := r.sign(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: []string{host}, NotBefore: time.Now().Add(-1000 * time.Hour), NotAfter: time.Now().Add(ends),
		OCSPServer: []string{r.url}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	certstest.Replace(t, storage, host, key, leaf.Raw, r.cert.Raw)
	return leaf
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
		const host = "ocsp.shop.example"
		issued := f.issued(t, host)
		mustStaple := asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}
		for _, e := range issued.Extensions {
			if e.Id.Equal(mustStaple) {
				t.Error("the certificate must not be used without OCSP")
			}
		}

		r := newResponder(t)
		r.broken.Store(broken)
		leaf := r.replace(t, storage, host, 1000*time.Hour)
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

// TestHangs: an authority and its OCSP responder that take connections and never answer hold up
// no handshake of a host that has a certificate, also after a start and where it must be renewed.
// A new host learns why it has none, and others are told that the authority can't be reached.
func TestHangs(t *testing.T) {
	t.Parallel() // it waits more than it computes
	f, records := newFront(t), workspacetest.NewMemory()
	storage := certs.Shared(records, newCodec(t, oldKey))
	const due, stapled = "due.shop.example", "stapled.shop.example"
	f.auto(t, storage)
	for _, host := range []string{due, stapled} {
		f.issued(t, host)
	}
	type failure struct {
		host                 string
		renewal, unreachable bool
	}
	failures := make(chan failure, 10)
	for _, c := range []struct {
		host string
		ends time.Duration
	}{{due, 100 * time.Hour}, {stapled, 3000 * time.Hour}} {
		r := newResponder(t)
		r.hang = make(chan struct{})
		defer close(r.hang) // before the server is closed, which waits for its requests
		leaf := r.replace(t, storage, c.host, c.ends)
		if c.host == due {
			f.ca.Hang(t)
			defer f.ca.Resume(t)
		}
		a := f.auto(t, storage, func(cfg *certs.AutoConfig) {
			cfg.Failed = func(host string, renewal, unreachable bool, _ string) {
				failures <- failure{host, renewal, unreachable}
			}
		})
		const handshakes = 50
		var all sync.WaitGroup
		var first time.Duration
		var one sync.Once
		began := time.Now()
		for range handshakes {
			all.Go(func() {
				got, err := f.shake(t, c.host)
				one.Do(func() { first = time.Since(began) })
				if err != nil || !got.Equal(leaf) {
					t.Errorf("%s: %v", c.host, err)
				}
			})
		}
		all.Wait()
		took := time.Since(began)
		began = time.Now()
		if _, err := f.shake(t, c.host); err != nil {
			t.Error(err)
		}
		if a.Settled(c.host) != (c.host == stapled) {
			t.Errorf("%s is settled: %v", c.host, a.Settled(c.host))
		}
		t.Logf("%s: %d handshakes after a start within %v, the first in %v, then one in %v", c.host, handshakes, took.Round(time.Millisecond), first.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
		if first >= 8*time.Second { // as long as handshakes wait where there is no certificate
			t.Errorf("%s: the first handshake took %v", c.host, first)
		}
	}
	if _, err := f.shake(t, "new.shop.example"); err == nil {
		t.Error("a host without a certificate got one")
	}
	seen := map[failure]bool{}
	for len(seen) < 2 {
		select {
		case got := <-failures:
			seen[got] = true
		case <-time.After(time.Minute):
			t.Fatalf("told of %v only", seen)
		}
	}
	if !seen[failure{due, true, true}] || !seen[failure{"new.shop.example", false, true}] {
		t.Errorf("told of %v", seen)
	}
}
