package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// cmdReceiver starts a server that appends what is posted to it to a file, a line for
// each with its Authorization in front, and sets $RECEIVER to its URL: `receiver FILE`.
// As long as there is a file `refuse` it answers 503 instead, and appends to `refused`.
func cmdReceiver(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: receiver FILE")
	}
	var mu sync.Mutex
	note := func(file string, r *http.Request, body []byte) error {
		mu.Lock()
		defer mu.Unlock()
		f, err := os.OpenFile(ts.MkAbs(file), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = fmt.Fprintf(f, "%s %s %s\n", r.Header.Get("Authorization"), r.Header.Get("Content-Type"), body)
		return err
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		file, status := args[0], http.StatusNoContent
		if _, refuse := os.Stat(ts.MkAbs("refuse")); refuse == nil {
			file, status = "refused", http.StatusServiceUnavailable
		}
		if err == nil {
			err = note(file, r, body)
		}
		if err != nil {
			status = http.StatusInternalServerError
		}
		w.WriteHeader(status)
	}))
	ts.Setenv("RECEIVER", s.URL)
	ts.Defer(s.Close)
}

// cmdEventually waits until a file is there and matches: `eventually FILE PATTERN`.
func cmdEventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: eventually FILE PATTERN")
	}
	pattern, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		have, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && pattern.Match(have) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("nothing in %s matches %s:\n%s%v", args[0], args[1], have, err)
		}
	}
}
