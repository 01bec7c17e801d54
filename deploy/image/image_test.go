// Package image_test tries the image that scripts/image-test builds, by runc.
package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/tintype/tintype/internal/pebble"
)

// root is the folder with the files of the image.
func root(t *testing.T) string {
	t.Helper()
	folder := os.Getenv("IMAGE")
	if folder == "" {
		t.Skip("make image-test builds the image, and runs this")
	}
	return folder
}

// The bounds of the image, in bytes.
const (
	mostFiles      = 120e6
	mostCompressed = 50e6
)

// TestSize: the image is small, has no shell, and nobody but root may write to its files.
func TestSize(t *testing.T) {
	folder := root(t)
	packed := &counter{}
	zip := gzip.NewWriter(packed)
	archive := tar.NewWriter(zip)
	var files int64
	err := filepath.WalkDir(folder, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files += info.Size()
		if info.Mode()&0o022 != 0 || info.Mode()&fs.ModeSetuid != 0 || info.Sys().(*syscall.Stat_t).Uid != 0 {
			t.Errorf("%s: mode %v", name, info.Mode())
		}
		header, err := tar.FileInfoHeader(info, "")
		if err != nil {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		_, err = io.Copy(archive, f)
		return err
	})
	if err := errors.Join(err, archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	t.Logf("files: %.1f MB, compressed %.1f MB", float64(files)/1e6, float64(packed.n)/1e6)
	if os.Getenv("FONTS") == "" && (files > mostFiles || packed.n > mostCompressed) { // other fonts may be larger
		t.Errorf("%d bytes, compressed %d, are too many", files, packed.n)
	}
	if info, err := os.Stat(filepath.Join(folder, "data")); err != nil || info.Sys().(*syscall.Stat_t).Uid != 10001 {
		t.Errorf("/data: %v, %v", info, err) // a new volume gets its owner
	}
	for _, name := range []string{"bin/sh", "usr/bin/dpkg", "usr/bin/perl"} {
		if _, err := os.Stat(filepath.Join(folder, name)); err == nil {
			t.Errorf("the image has %s", name)
		}
	}
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) { c.n += int64(len(p)); return len(p), nil }

// TestContents: the list of contents has what is in the image, and each package its licence.
func TestContents(t *testing.T) {
	folder := root(t)
	data, err := os.ReadFile(filepath.Join(folder, "usr/share/sbom/tintype.spdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"pkg:golang/github.com/davidbyttow/govips/v2@", "pkg:deb/debian/libc6@", "pkg:deb/debian/libheif1@", "pkg:generic/libvips@8.", "pkg:generic/jpegli@0.", "pkg:golang/stdlib@1."} {
		if !bytes.Contains(data, []byte(want)) {
			t.Errorf("no %s", want)
		}
	}
	records, err := filepath.Glob(filepath.Join(folder, "var/lib/dpkg/status.d/*"))
	if err != nil || len(records) < 30 {
		t.Errorf("%d packages, %v", len(records), err)
	}
	for _, name := range records {
		if _, err := os.Stat(filepath.Join(folder, "usr/share/doc", filepath.Base(name), "copyright")); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"libMagickCore", "libpoppler", "libhdf5", "libopenslide", "libOpenEXR", "libmatio", "libcfitsio"} {
		if found, _ := filepath.Glob(filepath.Join(folder, "usr/lib/*", name+"*")); len(found) > 0 {
			t.Errorf("the image has %v", found)
		}
	}
}

// A container runs the image as a careful operator would.
type container struct {
	t       *testing.T
	id      string
	cmd     *exec.Cmd
	url     string
	started time.Duration
	ended   chan struct{} // closed when the container has ended

	mu  sync.Mutex // guards log
	log bytes.Buffer
}

func (c *container) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.Write(p)
}

func (c *container) said() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.log.String()
}

// A setup is how a container is started.
type setup struct {
	memory  int64 // in bytes
	seccomp any   // a profile of OCI
	flags   []string
	env     []string
	files   map[string]string // where each is to be, and where it is
}

// start runs tintype serve in a container with one processor, on its folder of originals and
// its settings.
func start(t *testing.T, folder string, s setup) *container {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	_ = listener.Close()
	if i := slices.Index(s.flags, "--listen"); i >= 0 {
		address = s.flags[i+1]
		s.flags = slices.Delete(slices.Clone(s.flags), i, i+2)
	}
	bundle, data := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Chown(data, 10001, 10001), os.Chmod(data, 0o700)); err != nil {
		t.Fatal(err)
	}
	read := []string{"rbind", "ro", "nosuid", "nodev", "noexec"}
	mount := func(to, kind, from string, options ...string) map[string]any {
		return map[string]any{"destination": to, "type": kind, "source": from, "options": options}
	}
	none := []string{}
	var bound []any
	for to, from := range s.files {
		if err := os.Chmod(from, 0o755); err != nil { // for the user of the container
			t.Fatal(err)
		}
		options := read
		if to == "/orphan" {
			options = read[:4] // it is run
		}
		bound = append(bound, mount(to, "bind", from, options...))
	}
	spec := map[string]any{
		"ociVersion": "1.0.2", "hostname": "tintype",
		"process": map[string]any{
			"user": map[string]int{"uid": 10001, "gid": 10001}, "cwd": "/", "noNewPrivileges": true,
			"args":         append([]string{"tintype", "serve", "--listen", address, "--ops-listen", "off", "--sandbox", "require", "--drain", "1s", "--dir", "acme/photos=/originals", "--apply", "/settings.yaml"}, s.flags...),
			"env":          append([]string{"PATH=/usr/local/bin", "TINTYPE_DATA=/data"}, s.env...),
			"capabilities": map[string]any{"bounding": none, "effective": none, "inheritable": none, "permitted": none, "ambient": none},
		},
		"root": map[string]any{"path": folder, "readonly": true},
		"mounts": append([]any{
			mount("/proc", "proc", "proc"), mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
			mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"), mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"),
			mount("/data", "bind", data, "rbind", "rw", "nosuid", "nodev", "noexec"),
		}, bound...),
		"linux": map[string]any{
			"namespaces":    []map[string]string{{"type": "pid"}, {"type": "ipc"}, {"type": "uts"}, {"type": "mount"}, {"type": "cgroup"}}, // the network is the machine's
			"resources":     map[string]any{"memory": map[string]int64{"limit": s.memory}, "cpu": map[string]int64{"quota": 100000, "period": 100000}},
			"seccomp":       s.seccomp,
			"maskedPaths":   []string{"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"},
			"readonlyPaths": []string{"/proc/asound", "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"},
		},
	}
	config, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	c := &container{t: t, id: "tintype-" + strconv.Itoa(os.Getpid()) + "-" + filepath.Base(bundle), url: "http://" + address}
	c.cmd = exec.Command("runc", "run", "--bundle", bundle, c.id)
	c.cmd.Stdout, c.cmd.Stderr = c, c
	begun := time.Now()
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.ended = make(chan struct{})
	go func() {
		_ = c.cmd.Wait() // ProcessState has the result
		close(c.ended)
	}()
	t.Cleanup(func() {
		_ = exec.Command("runc", "delete", "--force", c.id).Run()
		if t.Failed() {
			t.Logf("it said:\n%s", c.said())
		}
	})
	for tick := time.Tick(20 * time.Millisecond); ; {
		select {
		case <-c.ended:
			t.Fatalf("it ended: %v", c.cmd.ProcessState)
		case <-tick:
		}
		if res, err := http.Get(c.url + "/readyz"); err == nil { // which the redirecting listener answers too
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				c.started = time.Since(begun)
				return c
			}
		}
		if time.Since(begun) > time.Minute {
			t.Fatal("it isn't ready after a minute")
		}
	}
}

// exec runs a program in the container.
func (c *container) exec(arguments ...string) (string, error) {
	out, err := exec.CommandContext(c.t.Context(), "runc", append([]string{"exec", c.id}, arguments...)...).CombinedOutput()
	return string(out), err
}

// stop ends the server like docker stop, and returns its exit status.
func (c *container) stop() int {
	c.t.Helper()
	if out, err := exec.Command("runc", "kill", c.id, "TERM").CombinedOutput(); err != nil {
		c.t.Fatalf("%v: %s", err, out)
	}
	select {
	case <-c.ended:
		return c.cmd.ProcessState.ExitCode()
	case <-time.After(time.Minute):
		c.t.Fatal("it didn't end within a minute")
		return 0
	}
}

// get returns an image and its type.
func (c *container) get(ctx context.Context, path string) ([]byte, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return nil, "", err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, body)
	}
	return body, res.Header.Get("Content-Type"), err
}

// resident is the memory of all processes in the container that is their own, in bytes.
func (c *container) resident() (bytes int64, processes int) {
	out, err := exec.Command("runc", "ps", "--format", "json", c.id).Output()
	var pids []int
	if err != nil || json.Unmarshal(out, &pids) != nil {
		c.t.Fatalf("runc ps: %v, %s", err, out)
	}
	for _, pid := range pids {
		smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		processes++
		for _, line := range regexp.MustCompile(`(?m)^Pss: +(\d+) kB`).FindAllSubmatch(smaps, -1) {
			n, _ := strconv.ParseInt(string(line[1]), 10, 64)
			bytes += n << 10
		}
	}
	return bytes, processes
}

// TestContainer: the image works with a read-only root, no capability, Docker's seccomp profile,
// 512 MiB and one processor.
func TestContainer(t *testing.T) {
	folder := root(t)
	originals, settings := makeOriginals(t)
	c := start(t, folder, setup{memory: 512 << 20, seccomp: dockerProfile(t), files: map[string]string{"/originals": originals, "/settings.yaml": settings}})
	if out, err := c.exec("tintype", "health"); err != nil {
		t.Errorf("tintype health: %v: %s", err, out)
	}
	if out, err := c.exec("tintype", "version"); err != nil || !strings.Contains(out, "libvips 8.") || !strings.Contains(out, "jpegli") {
		t.Errorf("tintype version: %v: %s", err, out)
	} else {
		t.Log(strings.TrimSpace(out))
	}
	said := c.said()
	for _, want := range []string{`"layers":"limits, memory files, no-new-privs, landlock, seccomp","missing":"none"`, `"workers":1,`, `"machine_bytes":536870912,`} {
		if !strings.Contains(said, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	for _, bad := range []string{"Fontconfig", "memory may run out", `"level":"ERROR"`, `"level":"WARN"`} {
		if strings.Contains(said, bad) {
			t.Errorf("the log has %s", bad)
		}
	}
	idle, processes := c.resident()
	t.Logf("ready after %d ms; %d processes, %.0f MB", c.started.Milliseconds(), processes, float64(idle)/1e6)

	pairs := 0
	for _, in := range files(t, originals) {
		for _, out := range []string{"avif", "webp", "jpeg", "png", "gif", "tiff", "jxl"} {
			body, kind, err := c.get(t.Context(), "/acme/photos/"+in+"?w=64&format="+out)
			if err != nil || kind != "image/"+out || len(body) == 0 {
				t.Errorf("%s to %s: %d bytes of %s, %v", in, out, len(body), kind, err)
				continue
			}
			pairs++
		}
	}
	t.Logf("%d pairs of formats", pairs)

	// A crowd of large ones at the same time stays within the memory.
	var crowd sync.WaitGroup
	for i := range 24 {
		crowd.Go(func() {
			_, _, err := c.get(t.Context(), "/acme/photos/large.png?w="+strconv.Itoa(1000+i)+"&format=webp")
			if err != nil && !strings.Contains(err.Error(), "OVERLOADED") {
				t.Error(err)
			}
		})
	}
	crowd.Wait()
	if strings.Contains(c.said(), "a worker is lost") {
		t.Error("a worker is lost")
	}
	busy, _ := c.resident()
	t.Logf("after 24 large ones at a time: %.0f MB", float64(busy)/1e6)

	if code := c.stop(); code != 0 {
		t.Errorf("after SIGTERM it ended with %d", code)
	}
	if !strings.Contains(c.said(), `"msg":"stopping: finishing requests"`) {
		t.Error("it didn't stop by itself")
	}
}

// TestMain lets the program of the tests be one that leaves an orphan in a container.
func TestMain(m *testing.M) {
	switch os.Getenv("ORPHAN") {
	case "":
		os.Exit(m.Run())
	case "parent":
		child := exec.Command("/orphan")
		child.Env = []string{"ORPHAN=child"}
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "child":
		time.Sleep(300 * time.Millisecond) // it outlives its parent
	}
}

// TestOrphans: as the first process of a container, the server waits for processes whose parent
// has ended, so that none stays a zombie.
func TestOrphans(t *testing.T) {
	folder := root(t)
	originals, settings := makeOriginals(t)
	c := start(t, folder, setup{memory: 512 << 20, seccomp: dockerProfile(t), files: map[string]string{"/originals": originals, "/settings.yaml": settings, "/orphan": os.Args[0]}})
	state, err := exec.Command("runc", "state", c.id).Output()
	var first struct{ Pid int }
	if err != nil || json.Unmarshal(state, &first) != nil {
		t.Fatalf("runc state: %v %s", err, state)
	}
	// children counts the processes that the server has besides its workers, and the zombies among them.
	children := func() (orphans, zombies int) {
		all, err := filepath.Glob("/proc/[0-9]*/status")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range all {
			status, err := os.ReadFile(name)
			if err != nil || !bytes.Contains(status, []byte(fmt.Sprintf("\nPPid:\t%d\n", first.Pid))) || !bytes.HasPrefix(status, []byte("Name:\torphan\n")) {
				continue
			}
			orphans++
			if bytes.Contains(status, []byte("\nState:\tZ")) {
				zombies++
			}
		}
		return orphans, zombies
	}
	if out, err := exec.Command("runc", "exec", "--env", "ORPHAN=parent", c.id, "/orphan").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	seen := false
	// The server looks now and then, and takes what it saw twice.
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		orphans, zombies := children()
		seen = seen || orphans > 0
		if seen && orphans == 0 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("seen: %t, orphans: %d, zombies: %d", seen, orphans, zombies)
		}
	}
}

// TestFonts: text has the fonts that the image was built with. FONTS=fonts-noto-cjk among others
// adds Chinese, Japanese and Korean.
func TestFonts(t *testing.T) {
	folder := root(t)
	// ink returns how wide and high the drawn part of a text is.
	ink := func(name, text string) (wide, high int) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "chroot", folder, "/usr/local/bin/tintype", "transform", "-", "format=png", "-o", "-")
		cmd.Stdin = strings.NewReader(`<svg xmlns="http://www.w3.org/2000/svg" width="400" height="200"><rect width="400" height="200" fill="#fff"/><text x="40" y="150" font-size="120" font-family="sans-serif">` + text + `</text></svg>`)
		cmd.Stderr = os.Stderr
		data, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		if pictures := os.Getenv("PICTURES"); pictures != "" {
			if err := os.WriteFile(filepath.Join(pictures, name+".png"), data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		m, err := png.Decode(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		var drawn image.Rectangle
		for y := range 200 {
			for x := range 400 {
				if r, _, _, _ := m.At(x, y).RGBA(); r < 0x8000 {
					drawn = drawn.Union(image.Rect(x, y, x+1, y+1))
				}
			}
		}
		return drawn.Dx(), drawn.Dy()
	}
	if wide, high := ink("latin", "l"); high < 60 || wide > 30 {
		t.Errorf("l is %d×%d", wide, high)
	}
	ink("words", "漢字")
	// A stroke. Where no font has it, a box with its number is drawn.
	wide, high := ink("one", "一")
	if has := wide > 80 && high < 40; has != strings.Contains(os.Getenv("FONTS"), "cjk") {
		t.Errorf("with fonts %q, 一 is %d×%d", os.Getenv("FONTS"), wide, high)
	}
}

// TestServiceFilter: the system calls that deploy/systemd/tintype.service allows are enough.
func TestServiceFilter(t *testing.T) {
	folder := root(t)
	originals, settings := makeOriginals(t)
	c := start(t, folder, setup{memory: 1 << 30, seccomp: serviceFilter(t, os.Getenv("SERVICE")), files: map[string]string{"/originals": originals, "/settings.yaml": settings}})
	for _, in := range files(t, originals) {
		if _, _, err := c.get(t.Context(), "/acme/photos/"+in+"?w=64&format=avif"); err != nil {
			t.Errorf("%s: %v", in, err)
		}
	}
	if !strings.Contains(c.said(), `"missing":"none"`) {
		t.Error("layers of the sandbox are missing")
	}
	if code := c.stop(); code != 0 {
		t.Errorf("after SIGTERM it ended with %d", code)
	}
}

// TestHTTPS goes the way of docs/deploy.md, with Pebble as the authority: a certificate that is
// valid, an image over HTTP/2 and HTTP/3, and a sign-in with the code that the log shows.
func TestHTTPS(t *testing.T) {
	folder := root(t)
	originals, settings := makeOriginals(t)
	ports := make([]int, 2)
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = l.Addr().(*net.TCPAddr).Port
		_ = l.Close()
	}
	ca := pebble.Start(t, ports[0], ports[1])
	const host, operator = "img.example.com", "you@example.com"
	secure := "127.0.0.1:" + strconv.Itoa(ports[1])
	hosts := filepath.Join(t.TempDir(), "hosts") // as Docker gives a container
	if err := os.WriteFile(hosts, []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	c := start(t, folder, setup{
		memory: 1 << 30, seccomp: dockerProfile(t),
		flags: []string{"--listen", "127.0.0.1:" + strconv.Itoa(ports[0]), "--tls-listen", secure, "--http3"},
		env: []string{
			"TINTYPE_ROOT_KEY=" + strings.Repeat("ab", 32), "TINTYPE_SECRET_KEY=" + strings.Repeat("cd", 32), "TINTYPE_TLS=auto", "TINTYPE_PUBLIC_URL=https://" + host,
			"TINTYPE_OPERATORS=" + operator, "TINTYPE_MAIL=log", "TINTYPE_ACME_DIRECTORY=" + ca.Directory, "SSL_CERT_FILE=/roots.pem",
		},
		files: map[string]string{"/originals": originals, "/settings.yaml": settings, "/roots.pem": ca.RootsFile, "/etc/hosts": hosts},
	})
	begun := time.Now()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: time.Minute, Transport: &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: ca.Issued(t)},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, secure)
		},
	}}
	ask := func(path string, form url.Values) (*http.Response, string) {
		t.Helper()
		var res *http.Response
		var err error
		if form == nil {
			res, err = client.Get("https://" + host + path)
		} else {
			res, err = client.PostForm("https://"+host+path, form)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	res, _ := ask("/acme/photos/a.png?w=64&format=webp", nil)
	if res.StatusCode != http.StatusOK || res.ProtoMajor != 2 || res.Header.Get("Content-Type") != "image/webp" {
		t.Errorf("an image: %s %s %s", res.Status, res.Proto, res.Header)
	}
	t.Logf("an image by https %d ms after the start, over %s", time.Since(begun).Milliseconds(), res.Proto)
	if got := res.Header.Get("Alt-Svc"); got != `h3=":443"; ma=86400` { // where a container's 443 leads to its 8443
		t.Errorf("Alt-Svc: %s", got)
	}
	by3 := &http3.Transport{TLSClientConfig: &tls.Config{RootCAs: ca.Issued(t), ServerName: host}}
	defer by3.Close()
	res, err = (&http.Client{Transport: by3}).Get("https://" + secure + "/acme/photos/a.png?w=64&format=webp")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Proto != "HTTP/3.0" {
		t.Errorf("an image by HTTP/3: %s %s", res.Status, res.Proto)
	}
	plain := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, c.url+"/acme/photos/a.png", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	if res, err = plain.Do(req); err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if to := res.Header.Get("Location"); to != "https://"+host+"/acme/photos/a.png" {
		t.Errorf("by http it leads to %s", to)
	}
	ask("/app/me/sign-in", url.Values{"email": {operator}, "next": {"/app"}})
	var code string
	for end := time.Now().Add(10 * time.Second); code == "" && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		code = regexp.MustCompile(`[0-9]{4} [0-9]{4}`).FindString(c.said())
	}
	res, page := ask("/app/me/sign-in", url.Values{"email": {operator}, "next": {"/app"}, "code": {code}})
	if res.StatusCode != http.StatusOK || !strings.Contains(page, operator) || !strings.Contains(page, "acme") {
		t.Errorf("signed in: %s %s", res.Status, page)
	}
}

// A rule is a rule of a seccomp profile, as OCI has them.
type rule struct {
	Names  []string         `json:"names"`
	Action string           `json:"action"`
	Errno  *uint            `json:"errnoRet,omitempty"`
	Args   []map[string]any `json:"args,omitempty"`
}

func profile(rules []rule) any {
	return map[string]any{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1, "architectures": []string{"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"}, "syscalls": rules}
}

// dockerProfile is the profile that SECCOMP names, for a container without capabilities on this
// machine.
func dockerProfile(t *testing.T) any {
	t.Helper()
	data, err := os.ReadFile(os.Getenv("SECCOMP"))
	if err != nil {
		t.Fatal(err)
	}
	type condition struct {
		Caps, Arches []string
		MinKernel    string
	}
	var docker struct {
		Syscalls []struct {
			rule
			Includes, Excludes condition
		}
	}
	if err := json.Unmarshal(data, &docker); err != nil {
		t.Fatal(err)
	}
	var rules []rule
	for _, s := range docker.Syscalls {
		if len(s.Includes.Caps) > 0 || len(s.Includes.Arches) > 0 && !slices.Contains(s.Includes.Arches, "amd64") || slices.Contains(s.Excludes.Arches, "amd64") {
			continue
		}
		rules = append(rules, s.rule)
	}
	if len(rules) < 3 {
		t.Fatalf("%d rules", len(rules))
	}
	return profile(rules)
}

// serviceFilter is the SystemCallFilter= of a unit, whose groups systemd-analyze knows.
func serviceFilter(t *testing.T, unit string) any {
	t.Helper()
	text, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	allowed := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^SystemCallFilter=(~?)(.+)$`).FindAllStringSubmatch(string(text), -1) {
		for _, word := range strings.Fields(line[2]) {
			for _, name := range expand(t, word) {
				allowed[name] = line[1] == ""
			}
		}
	}
	var rules []rule
	for name, yes := range allowed {
		if yes {
			rules = append(rules, rule{Names: []string{name}, Action: "SCMP_ACT_ALLOW"})
		}
	}
	// runc itself needs these before it starts the program.
	rules = append(rules, rule{Names: []string{"execve", "execveat", "capset", "setgroups", "setresuid", "setresgid", "prctl"}, Action: "SCMP_ACT_ALLOW"})
	if len(allowed) < 100 {
		t.Fatalf("%s allows %d calls", unit, len(allowed))
	}
	return profile(rules)
}

// expand returns the system calls of a group such as @system-service.
func expand(t *testing.T, word string) (names []string) {
	t.Helper()
	if !strings.HasPrefix(word, "@") {
		return []string{word}
	}
	out, err := exec.Command("systemd-analyze", "syscall-filter", word).Output()
	if err != nil {
		t.Fatalf("systemd-analyze syscall-filter %s: %v", word, err)
	}
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" && line != word && !strings.HasPrefix(line, "#") {
			names = append(names, expand(t, line)...)
		}
	}
	return names
}

// files returns the names of the originals that all formats are made from.
func files(t *testing.T, originals string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(originals)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "large.png" {
			names = append(names, url.PathEscape(e.Name()))
		}
	}
	return names
}

// makeOriginals writes an original of each format into a folder, and the settings that allow
// all of them. Those that Go's library has no encoder for are below.
func makeOriginals(t *testing.T) (folder, settings string) {
	t.Helper()
	folder = t.TempDir()
	picture := func(side int) *image.NRGBA {
		m := image.NewNRGBA(image.Rect(0, 0, side, side))
		for y := range side {
			for x := range side {
				m.Set(x, y, color.NRGBA{uint8(x * 255 / side), uint8(y * 255 / side), uint8((x ^ y) * 3), 255})
			}
		}
		return m
	}
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	encoded := func(encode func(io.Writer) error) []byte {
		t.Helper()
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	write("a.png", encoded(func(w io.Writer) error { return png.Encode(w, picture(96)) }))
	write("large.png", encoded(func(w io.Writer) error { return png.Encode(w, picture(2400)) }))
	write("still.gif", encoded(func(w io.Writer) error { return gif.Encode(w, picture(96), nil) }))
	frame := func(c uint8) *image.Paletted {
		p := image.NewPaletted(image.Rect(0, 0, 80, 80), color.Palette{color.Black, color.Gray{c}})
		for i := range p.Pix {
			p.Pix[i] = uint8(i % 2)
		}
		return p
	}
	write("moving.gif", encoded(func(w io.Writer) error {
		return gif.EncodeAll(w, &gif.GIF{Image: []*image.Paletted{frame(90), frame(180), frame(250)}, Delay: []int{10, 10, 10}})
	}))
	write("text.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80"><rect width="120" height="80" fill="#fff"/><text x="5" y="40" font-family="sans-serif">Grüße</text></svg>`))
	heic, err := base64.StdEncoding.DecodeString(heic)
	if err != nil {
		t.Fatal(err)
	}
	write("black.heic", heic)

	// The image itself makes the others.
	settings = filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(settings, []byte("namespace: acme\nallow_svg: true\nallow_tiff: true\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"jpeg", "webp", "avif", "tiff", "jxl"} {
		made := filepath.Join(folder, "b."+name)
		cmd := exec.CommandContext(t.Context(), "chroot", root(t), "/usr/local/bin/tintype", "transform", "-", "format="+name, "-o", "-")
		cmd.Stdin = bytes.NewReader(encoded(func(w io.Writer) error { return png.Encode(w, picture(96)) }))
		cmd.Stderr = os.Stderr
		data, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", made, err)
		}
		write("b."+name, data)
	}
	return folder, settings
}

// heic is an HEIC of 64×64 black pixels: the image has no encoder for one.
const heic = "AAAAHGZ0eXBoZWljAAAAAG1pZjFoZWljbWlhZgAAAUJtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAAA5waXRtAAAAAAABAA" +
	"AAImlsb2MAAAAAREAAAQABAAAAAAFmAAEAAAAAAAAAEwAAACNpaW5mAAAAAAABAAAAFWluZmUCAAAAAAEAAGh2YzEAAAAAwmlwcnAAAACkaXBjbwAAAHho" +
	"dmNDAQNwAAAAAAAAAAAAHvAA/P34+AAADwMgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQCEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoCCBBZbqSSmubg" +
	"QEDAgAAAMACAAAAwAIQCIAAQAHRAHBcrAiQAAAABRpc3BlAAAAAAAAAEAAAABAAAAAEHBpeGkAAAAAAwgICAAAABZpcG1hAAAAAAAAAAEAAQOBAoMAAAAb" +
	"bWRhdAAAAA8oAa8FGP0BDUn/15Xwk4A="
