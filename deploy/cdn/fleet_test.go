package cdn_test

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// A fleet is three servers without a common store: a front finds the one of a path.
type fleet struct {
	servers       []*server
	fetches, puts atomic.Int64
}

// serveFleet starts the servers, with an origin and a bucket that count what they are asked for.
func serveFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewNRGBA(image.Rect(0, 0, 60, 40))); err != nil {
		t.Fatal(err)
	}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f.fetches.Add(1)
		_, _ = w.Write(picture.Bytes())
	}))
	t.Cleanup(origin.Close)
	backend := s3mem.New()
	if err := backend.CreateBucket("cache"); err != nil {
		t.Fatal(err)
	}
	s3 := gofakes3.New(backend).Server()
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			f.puts.Add(1)
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(bucket.Close)
	file := filepath.Join(t.TempDir(), "workspaces.yaml")
	text := fmt.Sprintf("namespace: site\nsources:\n  - {key: photos, kind: http, url: \"%s/\"}\n", origin.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
	for range 3 {
		f.servers = append(f.servers, serve(t, "--apply", file, "--allow-cidr", "127.0.0.0/8", "--cache-bucket-writes", "always", "--cache-bucket", "s3://cache/?region=auto&endpoint="+bucket.URL))
	}
	return f
}

// transforms are those of all servers.
func (f *fleet) transforms() (n int) {
	for _, s := range f.servers {
		n += transformsOf(s)
	}
	return n
}

func transformsOf(s *server) (n int) {
	for line := range strings.Lines(string(s.get("http://"+s.ops+"/metrics", "*/*").body)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.HasPrefix(name, "tintype_transform_seconds_count") {
			m, _ := strconv.Atoi(value)
			n += m
		}
	}
	return n
}

// nodes is the configuration with the servers in place of its nodes.
func (f *fleet) nodes(name string, pairs ...string) string {
	for i, node := range []string{"one", "two", "three"} {
		pairs = append(pairs, node+":8080", f.servers[i].address)
	}
	return f.servers[0].config(name, pairs...)
}

// fronts start each front with its recipe, in which more pairs of texts are replaced.
func fronts(t *testing.T) map[string]func(t *testing.T, f *fleet, front, folder string, more ...string) {
	root := needs(t, "PROXIES")
	lib := filepath.Join(root, "usr/lib/x86_64-linux-gnu")
	return map[string]func(t *testing.T, f *fleet, front, folder string, more ...string){
		"nginx": func(t *testing.T, f *fleet, front, folder string, more ...string) {
			site := f.nodes("fleet.nginx.conf", append(more, "listen 80;", "listen "+front+";")...)
			whole := filepath.Join(folder, "whole.conf")
			text := fmt.Sprintf("daemon off; master_process off; pid %s/pid; error_log stderr crit;\nevents { worker_connections 4096; }\nhttp { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;\ninclude %[2]s; }\n", folder, site)
			if err := os.WriteFile(whole, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			run(t, nil, filepath.Join(root, "usr/sbin/nginx"), "-p", folder, "-c", whole, "-e", "stderr")
		},
		"haproxy": func(t *testing.T, f *fleet, front, _ string, more ...string) {
			run(t, []string{"LD_LIBRARY_PATH=" + lib}, filepath.Join(root, "usr/sbin/haproxy"), "-f", f.nodes("fleet.haproxy.cfg", append(more, "bind :80", "bind "+front)...))
		},
		"caddy": func(t *testing.T, f *fleet, front, folder string, more ...string) {
			config := f.nodes("fleet.Caddyfile", append(more, ":80 {", "{\n\tadmin off\n}\nhttp://"+front+" {")...)
			run(t, []string{"HOME=" + folder, "XDG_DATA_HOME=" + folder, "XDG_CONFIG_HOME=" + folder}, filepath.Join(root, "usr/bin/caddy"), "run", "--config", config, "--adapter", "caddyfile")
		},
		"varnish": func(t *testing.T, f *fleet, front, folder string, more ...string) {
			pairs := more
			for i, node := range []string{"one", "two", "three"} {
				_, port, _ := net.SplitHostPort(f.servers[i].address)
				pairs = append(pairs, "\""+node+"\";\n\t.port = \"8080\"", "\"127.0.0.1\";\n\t.port = \""+port+"\"")
			}
			run(t, []string{"LD_LIBRARY_PATH=" + lib}, filepath.Join(root, "usr/sbin/varnishd"), "-F", "-n", folder, "-j", "none", "-a", front,
				"-f", f.servers[0].config("fleet.vcl", pairs...), "-s", "malloc,64m", "-p", "vmod_path="+filepath.Join(lib, "varnish/vmods"))
		},
	}
}

// TestFleetFronts: behind each front, every variant is fetched, made and written once, whoever asks
// for it, and the variants of an original come from one node, which fetches it once for those that
// are asked for together.
func TestFleetFronts(t *testing.T) {
	for name, begin := range fronts(t) {
		t.Run(name, func(t *testing.T) {
			f := serveFleet(t)
			front := free(t)
			begin(t, f, front, t.TempDir())
			s := f.servers[0]
			s.front = "http://" + front
			s.await(s.front + "/readyz")
			const originals, widths = 25, 4
			var wait sync.WaitGroup
			var failed atomic.Int64
			for i := range originals * widths {
				for range 4 {
					wait.Go(func() {
						url := fmt.Sprintf("%s/site/photos/%02d.png?w=%d&format=png", s.front, i/widths, 10+i%widths)
						if i%2 == 1 {
							url = fmt.Sprintf("%s/site?w=%d&src=photos/s%02d.png&format=png", s.front, 10+i%widths, i/widths)
						}
						got := s.get(url, "*/*")
						for try := 0; got.status == http.StatusServiceUnavailable && try < 20; try++ { // a busy machine
							<-time.After(time.Second)
							got = s.get(url, "*/*")
						}
						if got.status != http.StatusOK {
							failed.Add(1)
						}
					})
				}
			}
			wait.Wait()
			written := func() bool { return f.puts.Load() >= originals*widths }
			for end := time.Now().Add(10 * time.Second); !written() && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			}
			fetches, transforms, puts := f.fetches.Load(), f.transforms(), f.puts.Load()
			t.Logf("%d variants asked 4 times: %d fetches, %d transforms, %d PUTs, %d failed", originals*widths, fetches, transforms, puts, failed.Load())
			if failed.Load() > 0 || fetches > originals*widths || transforms > originals*widths+5 || puts > originals*widths+5 {
				t.Error("more work than once for each variant")
			}
			shares := 0
			for _, s := range f.servers {
				if transformsOf(s) > 0 {
					shares++
				}
			}
			if shares < 3 {
				t.Errorf("%d of 3 nodes have a share of the work", shares)
			}
		})
	}
}

// TestStoppedNode: a node is stopped (SIGSTOP), which keeps its connections open and answers nothing.
// Requests that it has end by the recipe's time limit, here 3 s, and soon its paths go to the others.
func TestStoppedNode(t *testing.T) {
	for name, begin := range fronts(t) {
		t.Run(name, func(t *testing.T) {
			f := serveFleet(t)
			front := free(t)
			begin(t, f, front, t.TempDir(), "30s", "3s")
			s := f.servers[0]
			s.front = "http://" + front
			s.await(s.front + "/readyz")
			stopped := f.servers[2].process
			if err := stopped.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = stopped.Signal(syscall.SIGCONT) })
			const images = 12
			round := func() (failed int, longest time.Duration) {
				var wait sync.WaitGroup
				var bad, most atomic.Int64
				for i := range images {
					wait.Go(func() {
						began := time.Now()
						if got := s.get(fmt.Sprintf("%s/site/photos/%02d.png?w=30", s.front, i), "*/*"); got.status != http.StatusOK {
							bad.Add(1)
						}
						for took := time.Since(began).Nanoseconds(); ; {
							if old := most.Load(); took <= old || most.CompareAndSwap(old, took) {
								return
							}
						}
					})
				}
				wait.Wait()
				return int(bad.Load()), time.Duration(most.Load())
			}
			failed, longest := round()
			t.Logf("at once: %d of %d failed, after %v at most", failed, images, longest)
			if failed > images*3/4 || longest > 12*time.Second {
				t.Error("requests at the stopped node don't end by the time limit, or all go there")
			}
			for end := time.Now().Add(20 * time.Second); failed > 0 && time.Now().Before(end); {
				failed, longest = round()
			}
			t.Logf("later: %d failed, after %v at most", failed, longest)
			if failed > 0 {
				t.Error("the paths of the stopped node don't go to the others")
			}
		})
	}
}
