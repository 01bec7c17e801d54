package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// healthCmd is the container's health check, so that its image needs no curl.
type healthCmd struct {
	Data   string `env:"TINTYPE_DATA" default:"data" placeholder:"FOLDER" help:"The server's data folder, in which it says where it listens (${default})."`
	Listen string `placeholder:"ADDRESS" help:"Where the server listens, if that folder doesn't say."`
}

// Run asks the server, and prints its answer.
func (c *healthCmd) Run(ctx context.Context, std stdio) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	address := c.Listen
	if address == "" {
		said, err := os.ReadFile(addressFile(c.Data))
		if err != nil { // the folder may be read-only, so the server couldn't write its address
			c := serveCmd{Listen: std.getenv("TINTYPE_LISTEN"), TLS: cmp.Or(std.getenv("TINTYPE_TLS"), "off")}
			said = []byte(c.plainListen())
		}
		address = strings.TrimSpace(string(said))
	}
	if err := checkAddress("--listen", address); err != nil {
		return err
	}
	host, port, _ := net.SplitHostPort(address)
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, port)+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s", res.Status)
	}
	_, err = io.Copy(std.stdout, res.Body)
	return err
}

// addressFile returns the path of the file in which a server writes its address for
// healthCmd.
func addressFile(data string) string { return filepath.Join(data, "address") }

// sayAddress writes the server's address into the file, and removes it at the end.
func (c *serveCmd) sayAddress(address net.Addr, parts *parts, log *slog.Logger) {
	name := addressFile(c.Data)
	f, err := os.CreateTemp(c.Data, ".address-*")
	if err == nil {
		_, err = fmt.Fprintln(f, address)
		err = errors.Join(err, f.Close())
		if err == nil {
			err = os.Rename(f.Name(), name) // so that nobody reads half of it
		}
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}
	if err != nil {
		_ = os.Remove(name) // it may be from an earlier server
		log.Warn("the address file can't be written, so tintype health asks at the address in TINTYPE_LISTEN", "err", err)
		return
	}
	parts.close(func() error {
		_ = os.Remove(name) // it fails on a disk that has become read-only
		return nil
	})
}
