package peer

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"time"
	"unicode/utf8"
)

// An identity is the certificate of every server that knows the secret.
type identity struct {
	certificate tls.Certificate
	public      ed25519.PublicKey
}

var errStranger = errors.New("this is no server of the fleet: it has another secret")

// newIdentity derives the identity from the secret.
func newIdentity(secret string) (id identity, err error) {
	if utf8.RuneCountInString(secret) < secretMinimum {
		return id, fmt.Errorf("the secret of the fleet needs %d characters or more: openssl rand -hex 32 makes one", secretMinimum)
	}
	seed, err := hkdf.Key(sha256.New, []byte(secret), nil, "tintype peer v1", ed25519.SeedSize)
	if err != nil {
		return id, err
	}
	private := ed25519.NewKeyFromSeed(seed)
	id.public = private.Public().(ed25519.PublicKey)
	// Only its key counts: see verify.
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<35, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, id.public, private)
	if err != nil {
		return id, err
	}
	id.certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: private}
	return id, nil
}

// server is how a listener speaks TLS: it takes nobody without the secret.
func (id identity) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{id.certificate},
		ClientAuth: tls.RequireAnyClientCert, VerifyConnection: id.verify,
		SessionTicketsDisabled: true, NextProtos: []string{"h2"},
	}
}

// client is how connections to others speak TLS: they talk to nobody without the secret.
func (id identity) client() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{id.certificate},
		InsecureSkipVerify: true, // no authority signs it, and no name is in it: verify compares its key
		VerifyConnection:   id.verify,
		NextProtos:         []string{"http/1.1"},
	}
}

// verify reports whether the other side has proved that it knows the secret: the handshake has
// checked that it has the private key of its certificate.
func (id identity) verify(c tls.ConnectionState) error {
	if len(c.PeerCertificates) == 0 {
		return errStranger
	}
	if key, ok := c.PeerCertificates[0].PublicKey.(ed25519.PublicKey); !ok || !key.Equal(id.public) {
		return errStranger
	}
	return nil
}
