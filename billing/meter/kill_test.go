package meter_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tintype/tintype/billing/meter"
	"github.com/tintype/tintype/internal/dynamodblocal"
	"github.com/tintype/tintype/webhook"
	"github.com/tintype/tintype/workspace"
	"github.com/tintype/tintype/workspace/sqlite"
)

// Variables with which this test binary runs as the process that is killed.
const (
	killedStore = "METER_TEST_STORE"
	killedURL   = "METER_TEST_URL"
)

// begin is when the counting begins. The store keeps counts for 400 days.
var begin = time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -300)

var hookKey = []byte("0123456789abcdef01234567")

func TestMain(m *testing.M) {
	if os.Getenv(killedStore) != "" {
		if err := countAndTell(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	dynamodblocal.Stop()
	os.Exit(code)
}

func openStore(path string) (*sqlite.Store, error) {
	codec, err := workspace.NewCodec(strings.Repeat("0123456789abcdef", 4))
	if err != nil {
		return nil, err
	}
	return sqlite.Open(path, codec)
}

// countAndTell counts units in the store and tells them to the webhook, two hours each moment,
// until it is killed. Its clock goes on where the last one's stopped.
func countAndTell() error {
	store, err := openStore(os.Getenv(killedStore))
	if err != nil {
		return err
	}
	ctx := context.Background()
	var all []*workspace.Workspace
	for _, name := range []string{"acme", "corp", "other"} {
		w, err := store.Get(ctx, name)
		if err != nil {
			return err
		}
		all = append(all, w)
	}
	rows, err := store.Usage(ctx, all[0].ID, "0000-00-00", "9999-99-99")
	if err != nil {
		return err
	}
	now := begin.Add(5 * time.Minute)
	if len(rows) > 0 {
		if now, err = time.Parse(time.DateOnly, rows[len(rows)-1].Day); err != nil {
			return err
		}
		now = now.AddDate(0, 0, 1).Add(5 * time.Minute) // after its lease
	}
	m := meter.New(meter.Config{
		Workspaces: store, Counts: store, Records: store, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		Sinks: []meter.Sink{&meter.Webhook{Sender: &webhook.Sender{URL: os.Getenv(killedURL), Key: hookKey, Transport: http.DefaultTransport}}},
	})
	fmt.Println("ready")
	for i := 0; ; i++ {
		if err := m.Step(ctx); err != nil {
			return err
		}
		for _, w := range all {
			err := store.AddTally(ctx, workspace.Tally{ID: fmt.Sprint(now.Unix(), w.ID), Usage: []workspace.Usage{
				{WorkspaceID: w.ID, Day: now.Format(time.DateOnly), Operation: []string{"transform", "grid"}[i%2], Units: 500},
			}})
			if err != nil {
				return err
			}
		}
		now = now.Add(2 * time.Hour)
	}
}

// TestKilledProcess: a process that counts and tells is killed at random moments, again and
// again. In the end the receiver, which drops repeats by their ID, has every unit that the
// store has.
func TestKilledProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	store, err := openStore(path)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var all []*workspace.Workspace
	for _, name := range []string{"acme", "corp", "other"} {
		w := workspace.New(name)
		if err := store.Create(t.Context(), w); err != nil {
			t.Fatal(err)
		}
		all = append(all, w)
	}
	var mu sync.Mutex // guards events and repeats
	events, repeats := map[string]meter.Event{}, 0
	told := make(chan struct{}, 10_000)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it was killed meanwhile
		}
		var e meter.Event
		if err := json.Unmarshal(body, &e); err != nil || e.ID != r.Header.Get("webhook-id") {
			t.Errorf("%s: %v", body, err)
		}
		defer func() { told <- struct{}{} }()
		mu.Lock()
		defer mu.Unlock()
		if first, again := events[e.ID]; again {
			if repeats++; first.Data != e.Data {
				t.Errorf("one ID: %+v and %+v", first, e)
			}
		}
		events[e.ID] = e
	}))
	defer receiver.Close()
	// The first look notes what was used before.
	clock := begin.Add(2 * time.Minute)
	sinks := []meter.Sink{&meter.Webhook{Sender: &webhook.Sender{URL: receiver.URL, Key: hookKey, Transport: http.DefaultTransport}}}
	m := meter.New(meter.Config{Workspaces: store, Counts: store, Records: store, Sinks: sinks, Now: func() time.Time { return clock }})
	step := func() {
		t.Helper()
		if err := m.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	step()
	for range 12 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), killedStore+"="+path, killedURL+"="+receiver.URL)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		for range 1 + rand.IntN(8) {
			<-told
		}
		<-time.After(time.Duration(rand.IntN(10_000)) * time.Microsecond)
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	clock = begin.AddDate(0, 0, 200).Add(2 * time.Minute)
	step()
	clock = clock.Add(2 * time.Minute) // the lease of the last process ends
	step()
	want, got := workspace.Units(0), workspace.Units(0)
	for _, w := range all {
		total, err := store.Total(t.Context(), w.ID, "0000-00-00", "9999-99-99")
		if err != nil {
			t.Fatal(err)
		}
		want += total.Units
	}
	mu.Lock()
	defer mu.Unlock()
	for _, e := range events {
		got += e.Data.Units
	}
	if got != want || want == 0 {
		t.Errorf("%s units were told, want %s", got, want)
	}
	t.Logf("%s units in %d events, %d repeats", got, len(events), repeats)
}
