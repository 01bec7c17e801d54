package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/tintype/tintype/samples"
)

// samplesCmd draws the demo's pictures. Files that exist are left alone.
type samplesCmd struct {
	Folder string `arg:"" help:"Where they go; made if it is missing."`
}

func (c *samplesCmd) Run() error { return samples.Write(c.Folder) }

// healthCmd is the container's health check, so that its image needs no curl.
type healthCmd struct {
	Listen string `env:"TINTYPE_LISTEN" default:":8080" help:"Where the server listens."`
}

func (c *healthCmd) Run(ctx context.Context, std stdio) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
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
