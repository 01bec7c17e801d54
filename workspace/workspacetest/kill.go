package workspacetest

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tintype/tintype/workspace"
)

// revisions is the number of revisions that WriteForEver writes for each workspace.
const revisions = 5

// WriteForEver writes workspaces into a store until it fails. Each has domains, an API key,
// and a line of the audit log for each revision. It writes a line to acknowledged after
// each write. It runs in the process that Kill kills.
func WriteForEver(ctx context.Context, s Store, acknowledged io.Writer) error {
	there := 0
	for after := ""; ; {
		page, err := s.List(ctx, after, 1000)
		if err != nil {
			return err
		}
		if len(page) == 0 {
			break
		}
		there, after = there+len(page), page[len(page)-1].Namespace
	}
	for i := max(0, there-1); ; i++ { // continue with the last one, which may be incomplete
		namespace := fmt.Sprintf("ws-%d", i)
		w, err := s.Get(ctx, namespace)
		switch {
		case err == nil:
			w = w.Clone()
		case errors.Is(err, workspace.ErrNotFound):
			w = workspace.New(namespace)
		default:
			return err
		}
		for w.Revision < revisions {
			write := s.Update
			if w.Revision == 0 {
				write = s.Create
			}
			w.Domains = []string{fmt.Sprintf("r%d.%s.test", w.Revision+1, namespace), namespace + ".test"}
			if err := write(ctx, w, workspace.AuditEntry{Action: fmt.Sprint("revision ", w.Revision+1)}); err != nil {
				return err
			}
			fmt.Fprintln(acknowledged, namespace, w.Revision)
		}
		k := &workspace.APIKey{ID: "key", WorkspaceID: w.ID, Namespace: namespace, Hash: sha256.Sum256([]byte(w.ID)), CreatedAt: now()}
		switch err := s.CreateAPIKey(ctx, k, workspace.AuditEntry{Action: "key"}); {
		case errors.Is(err, workspace.ErrKeyExists):
		case err != nil:
			return err
		default:
			fmt.Fprintln(acknowledged, namespace, revisions+1)
		}
	}
}

// Kill runs a process that calls WriteForEver, and kills it after some writes. It repeats
// that as often as rounds says. It tests that no acknowledged write is lost, and that no
// write is stored partly. open returns the store that the process writes into. Kill closes
// it.
func Kill(t *testing.T, rounds int, command func() *exec.Cmd, open func(t *testing.T) Store) {
	acknowledged := map[string]int64{}
	s := open(t)
	_, cursor, err := s.Changes(t.Context(), "")
	must(t, "Changes", err)
	must(t, "Close", s.Close())
	for round := range rounds {
		child := command()
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		must(t, "starting the writer", err)
		must(t, "starting the writer", child.Start())
		// The kill comes during the write after these lines, at another moment in each round.
		wait := time.Duration(round%11) * 300 * time.Microsecond
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ { // read to the end: lines before the kill count
			namespace, text, _ := strings.Cut(lines.Text(), " ")
			revision, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				t.Fatalf("the writer said %q", lines.Text())
			}
			acknowledged[namespace] = revision
			if n == round%7 {
				time.AfterFunc(wait, func() { _ = child.Process.Kill() })
			}
		}
		_ = child.Wait()                                           // killed
		if (round+1)%max(10, rounds/5) == 0 || round == rounds-1 { // reading everything takes longer in each round
			s := open(t)
			whole(t, s, acknowledged, cursor)
			must(t, "Close", s.Close())
		}
		if t.Failed() {
			t.Fatalf("after round %d", round)
		}
	}
	if len(acknowledged) == 0 {
		t.Error("nothing was acknowledged")
	}
	t.Logf("killed %d times; %d workspaces are whole", rounds, len(acknowledged))
}

// whole tests that acknowledged writes are stored, and that no write is stored partly.
func whole(t *testing.T, s Store, acknowledged map[string]int64, cursor string) {
	t.Helper()
	stored := map[string]int64{}
	for after := ""; ; {
		page, err := s.List(t.Context(), after, 100)
		must(t, "List", err)
		if len(page) == 0 {
			break
		}
		for _, w := range page {
			after = w.Namespace
			entries, err := s.Audit(t.Context(), w.ID, workspace.TrailChanges, "", 100)
			must(t, "Audit", err)
			keys, err := s.APIKeys(t.Context(), w.ID)
			must(t, "APIKeys", err)
			stored[w.Namespace] = w.Revision + int64(len(keys))
			if len(entries) != int(w.Revision)+len(keys) {
				t.Errorf("%s is at revision %d with %d keys, and has %d lines in its log", w.Namespace, w.Revision, len(keys), len(entries))
			}
			_, err = s.APIKey(t.Context(), sha256.Sum256([]byte(w.ID)))
			if found := err == nil; found != (len(keys) == 1) {
				t.Errorf("%s has %d keys; looking one up: %v", w.Namespace, len(keys), err)
			}
			for r := range int64(revisions + 1) {
				_, err := s.Domain(t.Context(), fmt.Sprintf("r%d.%s.test", r, w.Namespace))
				if claimed := err == nil; claimed != (r == w.Revision) {
					t.Errorf("%s is at revision %d; the domain of revision %d: %v", w.Namespace, w.Revision, r, err)
				}
			}
			if d, err := s.Domain(t.Context(), w.Namespace+".test"); err != nil || d.WorkspaceID != w.ID {
				t.Errorf("%s: its domain is %+v, %v", w.Namespace, d, err)
			}
		}
	}
	for namespace, revision := range acknowledged {
		if stored[namespace] < revision {
			t.Errorf("%s is at %d, %d was acknowledged", namespace, stored[namespace], revision)
		}
	}
	changes, _, err := s.Changes(t.Context(), cursor)
	must(t, "Changes", err)
	told := map[string]bool{}
	for _, c := range changes {
		told[c.Namespace] = true
	}
	for namespace := range stored {
		if !told[namespace] {
			t.Errorf("the feed doesn't tell of %s", namespace)
		}
	}
}

// Soak returns short, or long under `make soak`.
func Soak(short, long int) int {
	if os.Getenv("SOAK") != "" {
		return long
	}
	return short
}
