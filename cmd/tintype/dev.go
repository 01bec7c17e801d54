package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// devCmd serves the pictures of a folder while somebody works on them.
type devCmd struct {
	Folder string `arg:"" default:"." type:"existingdir" help:"Folder of the pictures, such as the one of your project."`
	Listen string `default:"127.0.0.1:8080" placeholder:"ADDRESS" help:"Where to serve (${default})."`
}

// devNamespace is the workspace of tintype dev.
const devNamespace = "dev"

var noKey = regexp.MustCompile(`[^a-z0-9_-]+`)

// Run serves the folder from memory, until a signal or the end of the terminal. It keeps
// nothing, and takes no variable: those of a real server may be set in the same shell.
func (c *devCmd) Run(ctx context.Context, std stdio) (err error) {
	if !signal.Ignored(syscall.SIGHUP) { // as nohup does
		var stop context.CancelFunc
		ctx, stop = signal.NotifyContext(ctx, syscall.SIGHUP)
		defer stop()
	}
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
	removeLeftData(os.TempDir())
	data, remove, err := makeDevData(os.TempDir())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()

	key := strings.Trim(noKey.ReplaceAllString(strings.ToLower(filepath.Base(folder)), "-"), "-_")
	if key == "" || len(key) > 63 {
		key = "pictures"
	}
	return run(ctx, []string{
		"serve", "--dev", "--listen", c.Listen, "--ops-listen", "off", "--mail", "off", "--data", data, "--cache-disk", "0", "--drain", "0s", "--log-level", "warn",
		"--dir", devNamespace + "/" + key + "=" + folder,
	}, func(string) string { return "" }, std.stdout, std.stderr)
}

// makeDevWorkspace makes the workspace of tintype dev. No page of another site reads its
// pictures, and it fetches nothing.
func makeDevWorkspace(ctx context.Context, m *manage.Manager) error {
	w := workspace.New(devNamespace)
	w.AllowedOrigins, w.AllowedSources = []string{}, []string{}
	_, err := m.CreateWorkspace(ctx, manage.Operator, w)
	return err
}

// devHosts returns the hosts to which tintype dev answers: those of loopback, and where it
// listens. A site that lets its name lead to this machine comes under that name (DNS
// rebinding), and never under an address. So where it listens on all addresses, any is good.
func devHosts(listen string, addr net.Addr) func(host string) bool {
	name, _, _ := net.SplitHostPort(listen)
	var own netip.Addr
	if bound, err := netip.ParseAddrPort(addr.String()); err == nil {
		own = bound.Addr().Unmap()
	}
	return func(host string) bool {
		if ip, err := netip.ParseAddr(strings.Trim(host, "[]")); err == nil {
			ip = ip.Unmap()
			return ip.IsLoopback() || ip == own || own.IsUnspecified()
		}
		return host == "localhost" || host != "" && host == strings.ToLower(name)
	}
}

// announceDev prints where the pictures are.
func (c *serveCmd) announceDev(out io.Writer, addr net.Addr) {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	base := "http://" + net.JoinHostPort(host, port)
	for _, d := range c.Dir {
		picture := "PICTURE.jpg"
		if first := firstPicture(d.path); first != "" {
			picture = first
		}
		fmt.Fprintf(out, "%s\n  playground  %s/playground/%s\n  in a page   <img src=\"%s/%s/%s/%s?w=400\">\nA picture that changes is made anew within seconds, in the playground too. Stop with Ctrl+C.\n",
			d.path, base, d.namespace, base, d.namespace, d.key, picture)
	}
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
