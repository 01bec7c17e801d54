package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/tintype/tintype/origin"
)

// devCmd serves the pictures of a folder while somebody works on them.
type devCmd struct {
	Folder string `arg:"" default:"." type:"existingdir" help:"Folder of the pictures, such as the one of your project."`
	Listen string `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"Where to serve (${default})."`
}

// devNamespace is the workspace of tintype dev.
const devNamespace = "dev"

var noKey = regexp.MustCompile(`[^a-z0-9_-]+`)

// Run serves the folder from memory. It keeps nothing, and takes no variable: those of a real
// server may be set in the same shell.
func (c *devCmd) Run(ctx context.Context, std stdio) (err error) {
	folder, err := filepath.Abs(c.Folder)
	if err != nil {
		return err
	}
	if strings.Contains(folder, ";") {
		return fmt.Errorf("%s: a folder with ; in its path can't be served", folder)
	}
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, ours) {
			if err := os.Unsetenv(name); err != nil {
				return err
			}
		}
	}
	data, err := os.MkdirTemp("", "tintype-dev-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()

	key := strings.Trim(noKey.ReplaceAllString(strings.ToLower(filepath.Base(folder)), "-"), "-_")
	if key == "" || len(key) > 63 {
		key = "pictures"
	}
	c.say(std, folder, key)
	return run(ctx, []string{
		"serve", "--listen", c.Listen, "--ops-listen", "off", "--data", data, "--cache-disk", "0", "--drain", "0s", "--log-level", "warn", "--live",
		"--dir", devNamespace + "/" + key + "=" + folder,
	}, func(string) string { return "" }, std.stdout, std.stderr)
}

// say says where the pictures are going to be.
func (c *devCmd) say(std stdio, folder, key string) {
	host, port, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return // serve says so
	}
	if host == "" || host == "0.0.0.0" || host == "::" {
		host = "localhost"
	}
	base := "http://" + net.JoinHostPort(host, port)
	picture := "PICTURE.jpg"
	if first := firstPicture(folder); first != "" {
		picture = first
	}
	fmt.Fprintf(std.stdout, "%s\n  playground  %s/playground/%s\n  in a page   <img src=\"%s/%s/%s/%s?w=400\">\nA picture that changes is made anew within seconds, in the playground too. Stop with Ctrl+C.\n",
		folder, base, devNamespace, base, devNamespace, key, picture)
}

// firstPicture returns the path of a picture in the folder, for the example, or "".
func firstPicture(folder string) string {
	dir, err := origin.OpenDir(folder)
	if err != nil {
		return ""
	}
	defer dir.Close()
	names, err := dir.List(context.Background(), 1)
	if err != nil || len(names) == 0 {
		return ""
	}
	return origin.EscapePath(names[0])
}
