// Package dynamodblocal starts DynamoDB Local for tests, from where
// scripts/install-dynamodb-local puts it. [Shared] is one server for all tests of a
// binary, which TestMain stops with [Stop]; [Start] is a test's own, for tests that
// hurt it. Everything is in memory.
package dynamodblocal

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/internal/freeport"
	"github.com/tintype/tintype/internal/tool"
)

// What every client sends. The server takes any.
const (
	Region          = "eu-west-1"
	AccessKeyID     = "LOCALACCESSKEY"
	SecretAccessKey = "local-secret"
)

// A Server is a running DynamoDB Local.
type Server struct {
	Endpoint string // such as "http://127.0.0.1:41234"

	cmd    *exec.Cmd
	alive  *os.File      // closing it kills the server
	output *bytes.Buffer // complete once ended is closed
	ended  chan struct{}
}

// shared is the server of Shared, made when it is first asked for.
var shared struct {
	sync.Mutex
	server *Server
}

// Shared returns the server that all tests of this binary have in common. Each test
// makes a table of its own there: see [TableName].
func Shared(t testing.TB) *Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		shared.server = start(t)
	}
	return shared.server
}

// Stop ends the server of Shared, if there is one. TestMain calls it last.
func Stop() {
	shared.Lock()
	defer shared.Unlock()
	if shared.server != nil {
		shared.server.kill()
		shared.server = nil
	}
}

// Start starts a server that ends with the test.
func Start(t testing.TB) *Server {
	t.Helper()
	s := start(t)
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("DynamoDB Local: %s", s.output)
		}
	})
	return s
}

// TableName is a name for a table that no other test has.
func TableName() string { return "test-" + strings.ToLower(rand.Text()) }

// URL is the URL of a table for --store.
func (s *Server) URL(table string) string {
	return fmt.Sprintf("dynamodb://%s?region=%s&endpoint=%s", table, Region, s.Endpoint)
}

// Env are the variables by which a process finds the credentials.
func Env() []string {
	return []string{"AWS_ACCESS_KEY_ID=" + AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + SecretAccessKey, "AWS_EC2_METADATA_DISABLED=true"}
}

// Pause stops the server in its tracks: connections are accepted by the system and
// answered by nobody.
//
// It returns when the server has stopped: a process with many threads needs a moment.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	for {
		err := unix.Waitid(unix.P_PID, s.cmd.Process.Pid, nil, unix.WSTOPPED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if !errors.Is(err, unix.EINTR) {
			t.Fatalf("DynamoDB Local: %v", err)
		}
	}
}

// Resume undoes Pause.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

func (s *Server) signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("DynamoDB Local: %v", err)
	}
}

func (s *Server) kill() {
	_ = s.alive.Close()
	<-s.ended
}

// lifeline becomes the command in its arguments, beside a process that kills it when
// the other end of file 3 is closed: when the test binary is gone, however it went.
const lifeline = `(read -r _; kill -9 $$) <&3 >/dev/null 2>&1 & exec "$0" "$@"`

func start(t testing.TB) *Server {
	t.Helper()
	jar, err := tool.Find("dynamodb-local/DynamoDBLocal.jar", "scripts/install-dynamodb-local, which fetches it")
	if err != nil {
		t.Fatal(err)
	}
	watched, alive, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer watched.Close()
	port := freeport.Port(t)
	s := &Server{Endpoint: fmt.Sprintf("http://127.0.0.1:%d", port), alive: alive, output: &bytes.Buffer{}, ended: make(chan struct{})}
	// A small heap and the first compiler only: tests are over before the second pays.
	s.cmd = exec.Command("sh", "-c", lifeline, "java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djava.library.path=./DynamoDBLocal_lib",
		"-jar", "DynamoDBLocal.jar", "-inMemory", "-sharedDb", "-disableTelemetry", "-port", strconv.Itoa(port))
	s.cmd.Dir = filepath.Dir(jar)
	s.cmd.ExtraFiles = []*os.File{watched}
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("DynamoDB Local: %v", errors.Join(err, alive.Close()))
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.ended)
	}()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for tick := time.Tick(20 * time.Millisecond); ; {
		if s.answers(ctx) {
			return s
		}
		select {
		case <-s.ended:
			t.Fatalf("DynamoDB Local ended on %s: %s", s.Endpoint, s.output)
		case <-ctx.Done():
			s.kill()
			t.Fatalf("DynamoDB Local did not answer within three minutes: %s", s.output)
		case <-tick:
		}
	}
}

// answers tells whether it is our server that answers: one that speaks of access keys.
func (s *Server) answers(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint, nil)
	if err != nil {
		return false
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return strings.HasPrefix(res.Header.Get("Content-Type"), "application/x-amz-json")
}
