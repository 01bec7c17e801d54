package manage_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// A sourceStub answers every test with an image or an error, and keeps the workspace that it
// was asked for.
type sourceStub struct {
	stub
	asked **workspace.Workspace
	err   error
}

func (s sourceStub) TestSource(_ context.Context, w *workspace.Workspace, source, path string) (delivery.Metadata, error) {
	if *s.asked = w; source != "trial" || path != "cat.jpg" {
		return delivery.Metadata{}, fmt.Errorf("asked for %s/%s", source, path)
	}
	return delivery.Metadata{Bytes: 14, Width: 30, Height: 20, Format: "jpeg"}, s.err
}

// TestTestSource: a test says what is wrong with a source that isn't stored.
func TestTestSource(t *testing.T) {
	for _, c := range []struct {
		err  error
		kind string
		ok   bool
		want string
	}{
		{nil, "http", true, "14 bytes, 30×20, jpeg"},
		{fault.New(fault.UnsupportedFormat, "it is a page"), "http", false, "with nothing that Tintype takes"},
		{origin.ErrNotFound, "http", false, "nothing at this path"},
		{origin.ErrNotFound, "s3", false, "no object under this path"},
		{fmt.Errorf("%w: x", origin.ErrAddress), "http", false, "private or reserved address"},
		{origin.ErrTimeout, "http", false, "in time"},
		{fmt.Errorf("%w: it answered with status 403", origin.ErrUnavailable), "http", false, "Check the headers"},
		{fmt.Errorf("%w: the bucket is in another region", origin.ErrUnavailable), "s3", false, "Check bucket, region"},
		{fmt.Errorf("%w: the bucket refused the credentials: check access_key_id and secret_access_key", origin.ErrUnavailable), "s3", false, "check access_key_id and secret_access_key."},
		{fmt.Errorf("%w: its host name could not be resolved", origin.ErrUnavailable), "http", false, "could not be resolved"},
		{fmt.Errorf("%w: its TLS certificate is not valid", origin.ErrUnavailable), "http", false, "TLS certificate"},
	} {
		var asked *workspace.Workspace
		m, db := start(t, func(m *manage.Config) { m.Delivery = sourceStub{asked: &asked, err: c.err} })
		w, _ := db.Get(t.Context(), "acme")
		s := workspace.Source{Key: "trial", Kind: c.kind, URL: "https://trial.test/"}
		if c.kind == "s3" {
			s = workspace.Source{Key: "trial", Kind: "s3", Bucket: "trial", Region: "eu-west-1", AccessKeyID: "id", SecretAccessKey: "secret"}
		}
		got, err := m.TestSource(t.Context(), person(w.ID, "ed@example.com", account.Editor), "acme", s, "cat.jpg")
		if err != nil || got.OK != c.ok || !strings.Contains(got.Message, c.want) || strings.Count(strings.ToLower(got.Message), "check") > 1 {
			t.Errorf("%v: %+v, %v", c, got, err)
		}
		if after, _ := db.Get(t.Context(), "acme"); after.Revision != w.Revision || asked == nil || asked.Sources[len(asked.Sources)-1].Key != "trial" {
			t.Errorf("%v: stored, or not asked for", c)
		}
	}
	m, db := start(t, func(m *manage.Config) { m.Delivery = sourceStub{asked: new(*workspace.Workspace)} })
	w, _ := db.Get(t.Context(), "acme")
	s := workspace.Source{Key: "trial", Kind: "http", URL: "https://trial.test/", Headers: map[string]string{"X-Key": workspace.Mask}}
	if _, err := m.TestSource(t.Context(), person(w.ID, "ed@example.com", account.Editor), "acme", s, "cat.jpg"); err == nil {
		t.Error("a mask without a secret was tested")
	}
	s.Headers = nil
	if _, err := m.TestSource(t.Context(), person(w.ID, "v@example.com", account.Viewer), "acme", s, "cat.jpg"); err == nil || fault.OfManaging(err).Code != fault.Forbidden {
		t.Error("a viewer tested a source:", err)
	}
}
