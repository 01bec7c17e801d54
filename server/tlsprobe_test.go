package server

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

// clientHello returns the first record of a client of TLS 1.2 or before.
func clientHello(version uint16, compressions []byte, curves []uint16) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint8(22) // handshake
	b.AddUint16(0x0301)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(1) // ClientHello
		b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
			b.AddUint16(version)
			b.AddBytes(make([]byte, 32)) // random
			b.AddUint8(0)                // session
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddUint16(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256) })
			b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(compressions) })
			b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
				extension := func(id uint16, content func(*cryptobyte.Builder)) {
					b.AddUint16(id)
					b.AddUint16LengthPrefixed(content)
				}
				extension(0, func(b *cryptobyte.Builder) { // server_name
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
						b.AddUint8(0)
						b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes([]byte("img.example.com")) })
					})
				})
				extension(10, func(b *cryptobyte.Builder) { // supported_groups
					b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
						for _, c := range curves {
							b.AddUint16(c)
						}
					})
				})
				extension(11, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1, 0}) })       // ec_point_formats
				extension(13, func(b *cryptobyte.Builder) { b.AddBytes([]byte{0, 2, 4, 3}) }) // signature_algorithms: ECDSA with P-256
				extension(0xff01, func(b *cryptobyte.Builder) { b.AddBytes([]byte{0}) })      // renegotiation_info
				extension(15, func(b *cryptobyte.Builder) { b.AddBytes([]byte{1}) })          // heartbeat
			})
		})
	})
	return b.BytesOrPanic()
}

// answerTo sends a record, and returns the first one of the answer: its type, and its content.
func answerTo(t *testing.T, address string, record []byte) (kind byte, content []byte) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := conn.Write(record); err != nil {
		t.Fatal(err)
	}
	var head [5]byte
	if _, err := io.ReadFull(conn, head[:]); err != nil {
		return 0, nil // closed without an answer
	}
	content = make([]byte, binary.BigEndian.Uint16(head[3:]))
	if _, err := io.ReadFull(conn, content); err != nil {
		return 0, nil // no record of TLS, such as a plain answer
	}
	return head[0], content
}

// TestTLSProbes looks for what scanners of TLS look for: old versions, compression, weak groups,
// heartbeats, and renegotiation.
func TestTLSProbes(t *testing.T) {
	address, _ := secure(t, &Connections{Most: 100}, http.NotFoundHandler())
	const p256, handshake = 23, 22
	for name, test := range map[string]struct {
		record []byte
		taken  bool
	}{
		"TLS 1.2":              {clientHello(tls.VersionTLS12, []byte{0}, []uint16{p256}), true},
		"TLS 1.1":              {clientHello(tls.VersionTLS11, []byte{0}, []uint16{p256}), false},
		"SSL 3":                {clientHello(0x0300, []byte{0}, []uint16{p256}), false},
		"SSL 2":                {[]byte{0x80, 46, 1, 0, 2, 0, 21, 0, 0, 0, 16, 1, 0, 128, 2, 0, 128, 3, 0, 128, 4, 0, 128, 5, 0, 128, 6, 0, 64, 7, 0, 192, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, false},
		"compression offered":  {clientHello(tls.VersionTLS12, []byte{1, 0}, []uint16{p256}), true},
		"compression demanded": {clientHello(tls.VersionTLS12, []byte{1}, []uint16{p256}), false},
		"P-224, secp256k1":     {clientHello(tls.VersionTLS12, []byte{0}, []uint16{21, 22}), false},
		"no bytes of TLS":      {[]byte("GET / HTTP/1.1\r\nHost: img.example.com\r\n\r\n"), false},
	} {
		kind, content := answerTo(t, address, test.record)
		if !test.taken {
			if kind == handshake {
				t.Errorf("%s is taken", name)
			}
			continue
		}
		if kind != handshake || content[0] != 2 {
			t.Errorf("%s: a record of type %d, %v", name, kind, content)
			continue
		}
		hello := cryptobyte.String(content[4:])
		var session, extensions cryptobyte.String
		var version, suite uint16
		var compression uint8
		if !hello.ReadUint16(&version) || !hello.Skip(32) || !hello.ReadUint8LengthPrefixed(&session) || !hello.ReadUint16(&suite) || !hello.ReadUint8(&compression) {
			t.Fatalf("%s: %v", name, content)
		}
		if version != tls.VersionTLS12 || compression != 0 {
			t.Errorf("%s: version %x, compression %d", name, version, compression)
		}
		secureRenegotiation := false
		for hello.ReadUint16LengthPrefixed(&extensions); !extensions.Empty(); {
			var id uint16
			var value cryptobyte.String
			if !extensions.ReadUint16(&id) || !extensions.ReadUint16LengthPrefixed(&value) {
				t.Fatalf("%s: %v", name, content)
			}
			if id == 15 {
				t.Errorf("%s: heartbeats are taken", name)
			}
			secureRenegotiation = secureRenegotiation || id == 0xff01
		}
		if !secureRenegotiation {
			t.Errorf("%s: RFC 5746 isn't spoken", name)
		}
	}

	_, trust := testTLS(t)
	trust.InsecureSkipVerify = true // these are probes of groups
	for group, want := range map[tls.CurveID]bool{tls.X25519MLKEM768: true, tls.X25519: true, tls.CurveP256: true, tls.CurveP384: true} {
		config := trust.Clone()
		config.CurvePreferences = []tls.CurveID{group}
		conn, err := tls.Dial("tcp", address, config)
		if (err == nil) != want {
			t.Errorf("%v: %v", group, err)
		}
		if err == nil {
			if got := conn.ConnectionState().CurveID; got != group {
				t.Errorf("%v was asked for, %v is used", group, got)
			}
			_ = conn.Close()
		}
	}
}

// TestNoRenegotiation: a client of TLS 1.2 can't make the server negotiate again and again.
func TestNoRenegotiation(t *testing.T) {
	address, _ := secure(t, &Connections{Most: 100}, http.NotFoundHandler())
	cmd := exec.CommandContext(t.Context(), "openssl", "s_client", "-connect", address, "-tls1_2", "-servername", "img.example.com")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "Extended master secret") { // the last line about the session
			_, _ = io.WriteString(in, "R\n")
		}
	}
	_ = cmd.Wait()
	if !strings.Contains(said.String(), "RENEGOTIATING") || !strings.Contains(said.String(), "SSL alert number") {
		t.Errorf("openssl says\n%s", said.String())
	}
}
