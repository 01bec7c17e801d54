package cdn_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A restartable is a server that is ended and started again on the same address.
type restartable struct {
	*server
	arguments []string
	cmd       *exec.Cmd
}

func (r *restartable) start() {
	r.t.Helper()
	r.cmd = exec.Command(needs(r.t, "TINTYPE"), r.arguments...)
	r.cmd.Env = append(os.Environ(), "TINTYPE_ROOT_KEY="+rootKey)
	r.cmd.Stderr = io.Discard
	if err := r.cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.await("http://" + r.address + "/readyz")
}

// restart ends the server as Kubernetes or systemd does, and starts it again.
func (r *restartable) restart() {
	r.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		r.t.Fatal(err)
	}
	if err := r.cmd.Wait(); err != nil {
		r.t.Errorf("the server ended with %v", err)
	}
	r.start()
}

// TestRolling: servers behind HAProxy, which tries nothing twice, are restarted one after another. No
// request is lost: HAProxy, which asks every 2 s, hears by /readyz that a server is about to stop, and that one answers all
// that comes until then, and after.
func TestRolling(t *testing.T) {
	root := needs(t, "PROXIES")
	picture := serve(t) // its folder
	var servers []*restartable
	pairs := []string{"\tretry-on conn-failure empty-response 503\n\tretries 2\n\toption redispatch 1\n", "\tretries 0\n"}
	front := free(t)
	pairs = append(pairs, "bind :80", "bind "+front)
	for _, node := range []string{"one", "two", "three"} {
		s := &restartable{server: &server{t: t, address: free(t), client: picture.client}}
		s.arguments = []string{"serve", "--listen", s.address, "--ops-listen", "off", "--data", t.TempDir(), "--dir", "acme/photos=" + picture.folders,
			"--trusted-proxies", "127.0.0.1", "--workers", "1", "--log-level", "warn"}
		s.start()
		t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
		servers = append(servers, s)
		pairs = append(pairs, node+":8080", s.address)
	}
	run(t, []string{"LD_LIBRARY_PATH=" + filepath.Join(root, "usr/lib/x86_64-linux-gnu")}, filepath.Join(root, "usr/sbin/haproxy"), "-f", picture.config("fleet.haproxy.cfg", pairs...))
	picture.await("http://" + front + "/readyz")

	const clients, pause = 16, 25 * time.Millisecond
	var asked, lost atomic.Int64
	var why sync.Map
	var asking sync.WaitGroup
	restarted := make(chan struct{})
	for c := range clients {
		asking.Go(func() {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}, Timeout: 20 * time.Second}
			for tick, n := time.Tick(pause), 0; ; n++ {
				select {
				case <-restarted:
					if asked.Load() >= 10_000 {
						return
					}
				default:
				}
				err := get(client, fmt.Sprintf("http://%s/acme/photos/a.png?w=%d&v=%d", front, 20+n%50, c*7919+n), n%5 == 0)
				asked.Add(1)
				if err != nil {
					lost.Add(1)
					why.Store(err.Error(), time.Now())
				}
				<-tick
			}
		})
	}
	for round := range 2 {
		for i, s := range servers {
			began := time.Now()
			s.restart()
			t.Logf("round %d, server %d: again after %v; %d asked, %d lost", round, i, time.Since(began).Round(100*time.Millisecond), asked.Load(), lost.Load())
			time.Sleep(5 * time.Second) // until HAProxy has seen it twice
		}
	}
	close(restarted)
	asking.Wait()
	t.Logf("%d requests, %d lost", asked.Load(), lost.Load())
	if lost.Load() > 0 {
		why.Range(func(err, at any) bool { t.Errorf("%v: %v", at, err); return true })
	}
}

// get asks for an image. fresh ends its connection.
func get(client *http.Client, url string, fresh bool) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Close = fresh
	res, err := client.Do(req)
	if err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), url, "URL"))
	}
	defer res.Body.Close()
	if body, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s, %w: %.200s", res.Status, err, body)
	}
	return nil
}
