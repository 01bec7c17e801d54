package delivery

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"
	"time"

	"github.com/tintype/tintype/delivery/deliverytest"
	"github.com/tintype/tintype/limit"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// TestBodiesThatAreSent: bodies of requests count as originals do: one that stalls gives
// way to that of another workspace, and its client is told to come back.
func TestBodiesThatAreSent(t *testing.T) {
	k := newKeyBench(t)
	const promised = 1 << 20
	b := origin.NewBodies(origin.BodiesConfig{Memory: 19 << 17}) // as much as the first three hold, and half of the last
	k.Service.bodies = b
	srv := httptest.NewServer(k.handler)
	t.Cleanup(srv.Close) // after those of the pipes

	type answer struct {
		status     int
		retryAfter string
	}
	// send begins a body that brings n bytes and then nothing, and waits until so many
	// are held for all.
	send := func(workspace string, n int, held int64) (stop func(), got chan answer) {
		t.Helper()
		pr, pw := io.Pipe()
		t.Cleanup(func() { _ = pw.CloseWithError(io.ErrUnexpectedEOF) }) // else the server waits for it after a failure
		got = make(chan answer, 1)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/"+workspace+"/transform?w=30", pr)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = promised
		req.Header.Set("Authorization", "Bearer "+rootKey)
		go func() {
			res, err := srv.Client().Do(req)
			if err != nil {
				got <- answer{}
				return
			}
			_ = res.Body.Close()
			got <- answer{res.StatusCode, res.Header.Get("Retry-After")}
		}()
		go func() { _, _ = pw.Write(make([]byte, n)) }()
		deadline := time.Now().Add(time.Minute)
		for b.Stats().Memory != held {
			if time.Now().After(deadline) {
				t.Fatalf("%d bytes are held, want %d", b.Stats().Memory, held)
			}
			runtime.Gosched()
		}
		return func() { _ = pw.CloseWithError(io.ErrUnexpectedEOF) }, got
	}
	const small = 256 << 10 // the room of 200,000 bytes, as promised is that of 600,000
	stop1, first := send("acme", 600_000, promised)
	stop2, second := send("signed", 600_000, 2*promised)
	stop3, third := send("other", 200_000, 2*promised+small)
	stop4, fourth := send("other", 200_000, promised+2*small)
	var gave answer
	select {
	case gave = <-first:
	case gave = <-second:
	}
	if gave != (answer{503, "1"}) {
		t.Errorf("what gave way: %+v", gave)
	}
	if s := b.Stats(); s.Evicted != 1 || s.PeakMemory > s.MemoryLimit {
		t.Errorf("%+v", s)
	}
	for _, stop := range []func(){stop1, stop2, stop3, stop4} {
		stop()
	}
	for _, got := range []chan answer{third, fourth} {
		<-got
	}
	srv.Close()
	if s := b.Stats(); s.Memory != 0 || s.Reading+s.Whole != 0 {
		t.Errorf("afterwards: %+v", s)
	}
}

// TestUploadsHaveAClient: uploads wait in the same queues as images. There they count for the
// client that sends them.
func TestUploadsHaveAClient(t *testing.T) {
	k := newKeyBench(t)
	w := k.acme(func(*workspace.Workspace) {})
	ctx := limit.WithClient(t.Context(), limit.Client("2001:db8::17"))
	photo := deliverytest.Photo(t, 30, 20)
	o, err := k.Service.ReadUpload(ctx, w, bytes.NewReader(photo), int64(len(photo)), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Release()
	if _, err := k.Service.CheckUpload(ctx, w, o); err != nil {
		t.Fatal(err)
	}
	if got := k.engine.owner.Load(); got.Client != "2001:db8::/64" || got.Workspace != "acme" {
		t.Errorf("counted for %+v", got)
	}
}
