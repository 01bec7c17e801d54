package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/transform/header"
)

func TestMain(m *testing.M) {
	// The servers of these tests start this binary for their workers.
	if len(os.Args) > 1 && os.Args[1] == "worker" {
		if err := testWorker(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	// The tests that run in parallel wait more than they compute: for servers to start, and
	// for counts and changes to be stored. One for each processor would leave processors idle.
	if err := flag.Set("test.parallel", strconv.Itoa(2+2*runtime.GOMAXPROCS(0))); err != nil {
		panic(err)
	}
	testscript.Main(tidy{m}, map[string]func(){"tintype": main, "tintype-attack": attacker})
}

// tidy runs the tests, and removes their shared files.
type tidy struct{ *testing.M }

func (m tidy) Run() int {
	code := m.M.Run()
	if drew != "" {
		_ = os.RemoveAll(drew)
	}
	dynamodblocal.Stop()
	stopChromium()
	return code
}

// drawn is a folder of the demo's pictures, which all tests read and none changes. To draw
// them takes seconds, so a test that runs this binary again passes the folder on.
var drawn = sync.OnceValues(func() (string, error) {
	const known = "TEST_SAMPLES"
	if dir := os.Getenv(known); dir != "" {
		return dir, nil
	}
	dir, err := os.MkdirTemp("", "tintype-samples-")
	if err != nil {
		return "", err
	}
	drew = dir
	if err := samples.Write(dir); err != nil {
		return "", err
	}
	return dir, os.Setenv(known, dir)
})

// drew is the folder that drawn made, to be removed when the tests end.
var drew string

// TestScripts runs testdata/*.txtar against the real binary.
func TestScripts(t *testing.T) {
	dir, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			e.Setenv("SAMPLES", dir)
			e.Setenv("HOME", e.WorkDir)
			return nil
		},
		Cmds: scriptCmds,
	})
}

var scriptCmds = map[string]func(*testscript.TestScript, bool, []string){
	"server":   cmdServer,
	"stop":     cmdStop,
	"request":  cmdRequest,
	"capture":  cmdCapture,
	"image":    cmdImage,
	"truncate": cmdTruncate,

	"receiver":   cmdReceiver,
	"eventually": cmdEventually,
}

// A process is a server that a script started.
type process struct {
	cmd    *exec.Cmd
	stderr *bytes.Buffer
	done   chan error
}

// cmdServer starts `tintype serve ARGS…` on a free port with its data in $WORK/data,
// waits until it serves, and sets $URL. What it prints from then on is in server.out. A
// script may stop it and start another.
func cmdServer(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("server can't be negated: use ! exec tintype serve")
	}
	p := &process{stderr: &bytes.Buffer{}, done: make(chan error, 1)}
	all := slices.Concat([]string{"serve", "--listen", "127.0.0.1:0", "--ops-listen", "off", "--drain", "0s", "--data", ts.MkAbs("data"), "--log-format", "text"}, unhurried, args)
	bin, err := exec.LookPath(strings.TrimSpace(ts.Getenv("TINTYPE_BIN")))
	if err != nil {
		bin, err = lookIn(ts.Getenv("PATH"), "tintype")
	}
	ts.Check(err)
	p.cmd = exec.Command(bin, all...)
	p.cmd.Dir = ts.MkAbs(".")
	p.cmd.Env = []string{"HOME=" + ts.Getenv("HOME"), "PATH=" + ts.Getenv("PATH"), "TINTYPE_ROOT_KEY=" + ts.Getenv("TINTYPE_ROOT_KEY"),
		"TINTYPE_PURGE_WEBHOOK_TOKEN=" + ts.Getenv("TINTYPE_PURGE_WEBHOOK_TOKEN"),
		"AWS_ACCESS_KEY_ID=" + ts.Getenv("AWS_ACCESS_KEY_ID"), "AWS_SECRET_ACCESS_KEY=" + ts.Getenv("AWS_SECRET_ACCESS_KEY"), "AWS_EC2_METADATA_DISABLED=true"}
	p.cmd.Stderr = p.stderr
	out, err := p.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	lines := bufio.NewScanner(out)
	url := ""
	for url == "" && lines.Scan() {
		_, url, _ = strings.Cut(lines.Text(), "Tintype serves on ")
	}
	rest, err := os.Create(ts.MkAbs("server.out"))
	ts.Check(err)
	go func() {
		for lines.Scan() {
			fmt.Fprintln(rest, lines.Text())
		}
		_ = rest.Close()
		p.done <- p.cmd.Wait()
	}()
	if url == "" {
		<-p.done
		ts.Fatalf("the server did not start:\n%s", p.stderr)
	}
	ts.Setenv("URL", url)
	running.Store(ts, p)
	ts.Defer(func() {
		if p, ok := running.LoadAndDelete(ts); ok {
			p := p.(*process)
			_ = p.cmd.Process.Kill()
			<-p.done
			ts.Logf("server log:\n%s", p.stderr)
		}
	})
}

// running is the server of each script.
var running sync.Map

func lookIn(path, name string) (string, error) {
	for _, dir := range strings.Split(path, string(os.PathListSeparator)) {
		if f := dir + "/" + name; exec.Command(f, "version").Run() == nil {
			return f, nil
		}
	}
	return "", fmt.Errorf("no %s in %s", name, path)
}

// cmdStop stops the server: with SIGTERM, after which it must exit with 0, or with
// -9, after which its data folder must still be good. What it logged is added to
// server.log.
func cmdStop(ts *testscript.TestScript, neg bool, args []string) {
	v, ok := running.LoadAndDelete(ts)
	if neg || !ok {
		ts.Fatalf("there is no server to stop")
	}
	p := v.(*process)
	sig := syscall.SIGTERM
	if len(args) == 1 && args[0] == "-9" {
		sig = syscall.SIGKILL
	}
	ts.Check(p.cmd.Process.Signal(sig))
	select {
	case err := <-p.done:
		if sig == syscall.SIGTERM && err != nil {
			ts.Fatalf("exit after SIGTERM: %v\n%s", err, p.stderr)
		}
	case <-time.After(patience):
		ts.Fatalf("the server did not stop:\n%s", p.stderr)
	}
	log, err := os.OpenFile(ts.MkAbs("server.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	ts.Check(err)
	_, err = log.Write(p.stderr.Bytes())
	ts.Check(errors.Join(err, log.Close()))
	ts.Logf("server log:\n%s", p.stderr)
}

// cmdRequest sends a request and prints the status, the headers in order of their
// names, and a body that is text. `request [-X METHOD] [-H HEADER]… [-d BODY]
// [-f FILE] [-o FILE] URL`, where -f sends a file as the body. A URL without a host is below $URL, and is sent as it is written.
func cmdRequest(ts *testscript.TestScript, neg bool, args []string) {
	fs := flag.NewFlagSet("request", flag.ContinueOnError)
	method := fs.String("X", "GET", "")
	body := fs.String("d", "", "")
	bodyFile := fs.String("f", "", "")
	file := fs.String("o", "", "")
	hd := http.Header{}
	fs.Func("H", "", func(s string) error {
		name, value, _ := strings.Cut(s, ":")
		hd.Add(name, strings.TrimSpace(value))
		return nil
	})
	if err := fs.Parse(args); err != nil || neg || fs.NArg() != 1 {
		ts.Fatalf("usage: request [-X METHOD] [-H HEADER]… [-d BODY] [-f FILE] [-o FILE] URL")
	}
	base := ts.Getenv("URL")
	var in io.Reader
	if *body != "" {
		in = strings.NewReader(*body)
	}
	if *bodyFile != "" {
		in = strings.NewReader(ts.ReadFile(*bodyFile))
	}
	req, err := http.NewRequest(*method, base, in)
	ts.Check(err)
	req.URL.Opaque = fs.Arg(0) // on the wire as it is written
	req.Header = hd
	if h := hd.Get("Host"); h != "" {
		req.Host = h
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	var out strings.Builder
	fmt.Fprintln(&out, res.Status)
	for _, name := range slices.Sorted(maps.Keys(res.Header)) {
		for _, v := range res.Header[name] {
			fmt.Fprintf(&out, "%s: %s\n", name, v)
		}
	}
	if *file != "" {
		ts.Check(os.WriteFile(ts.MkAbs(*file), b, 0o644))
	}
	if t := res.Header.Get("Content-Type"); strings.HasPrefix(t, "application/json") || strings.HasPrefix(t, "text/") {
		fmt.Fprintf(&out, "\n%s\n", b)
	} else {
		fmt.Fprintf(&out, "\n(%d bytes)\n", len(b))
	}
	_, err = ts.Stdout().Write([]byte(out.String()))
	ts.Check(err)
	if etag := res.Header.Get("ETag"); etag != "" {
		ts.Setenv("ETAG", etag)
	}
}

// cmdCapture sets a variable to the text of the first group of a pattern, in the output of
// the last command or in a file: `capture VARIABLE PATTERN [FILE]`.
func cmdCapture(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: capture VARIABLE PATTERN [FILE]")
	}
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	file := "stdout"
	if len(args) > 2 {
		file = args[2]
	}
	found := pattern.FindStringSubmatch(ts.ReadFile(file))
	if len(found) < 2 {
		ts.Fatalf("%s matches nothing in the output", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// cmdImage prints what kind of image a file is: `webp 400x267 frames=1`.
func cmdImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: image FILE")
	}
	h, err := header.Read([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	_, err = fmt.Fprintf(ts.Stdout(), "%s %dx%d frames=%d\n", h.Format, h.Width, h.Height, h.Frames)
	ts.Check(err)
}

// cmdTruncate writes the first half of a file: `truncate FROM TO`.
func cmdTruncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FROM TO")
	}
	b, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b[:len(b)/2], 0o644))
}
