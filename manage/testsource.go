package manage

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tintype/tintype/account"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/workspace"
)

// testTime bounds the fetch of a test.
const testTime = 5 * time.Second

// A SourceTest says whether an original can be fetched from a source.
type SourceTest struct {
	OK      bool   `json:"ok" doc:"The original was fetched, and is an image."`
	Message string `json:"message" doc:"What was found, or what is wrong and what to check."`
}

var errNoTest = notFound("This server delivers no images, so it can't test a source.")

// TestSource fetches an original from a source as it would be stored, and stores nothing.
// Masked secrets are those of the stored source with the same key. A source that has nothing
// but its key is the stored one. The error is about the
// settings; what the origin answered is in the SourceTest.
func (m *Manager) TestSource(ctx context.Context, who Caller, namespace string, s workspace.Source, path string) (t SourceTest, err error) {
	old, err := m.open(ctx, who, account.WriteSource, namespace)
	if err != nil {
		return t, err
	}
	if m.delivery == nil {
		return t, errNoTest
	}
	if path = strings.TrimPrefix(path, "/"); path == "" {
		return t, wrong("path", "is required: the path of an image in the source.")
	}
	if err := origin.CheckPath(path); err != nil {
		return t, err
	}
	w := old.Masked()
	i := slices.IndexFunc(w.Sources, func(o workspace.Source) bool { return o.Key == s.Key })
	switch {
	case i < 0:
		w.Sources = append(w.Sources, s)
	case reflect.DeepEqual(s, workspace.Source{Key: s.Key}):
		s = w.Sources[i]
	default:
		w.Sources[i] = s
	}
	if err := w.Unmask(old); err != nil {
		return t, err
	}
	if err := m.judge(old, w); err != nil {
		return t, err
	}
	fetching, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	image, err := m.delivery.TestSource(fetching, w, s.Key, path)
	if err != nil {
		if code := fault.Of(err).Code; code == fault.Validation || code == fault.InvalidSource || code == fault.SourceNotFound {
			return t, err // about the settings, or the path
		}
		return SourceTest{Message: whyNot(err, s)}, nil
	}
	m.noteTested(ctx, old, s.Key, path)
	return SourceTest{true, fmt.Sprintf("It answered with %d bytes, %d×%d, %s.", image.Bytes, image.Width, image.Height, image.Format)}, nil
}

// advises matches an explanation of package origin/bucket that says what to do.
var advises = regexp.MustCompile(`: (check|set|allow|ask|restore) `)

// whyNot says why a fetch failed, and what to check. Errors of package origin hold no secret
// and no address.
func whyNot(err error, s workspace.Source) string {
	detail := strings.TrimSuffix(err.Error(), ".") + "."
	switch {
	case errors.Is(err, origin.ErrNotFound):
		if s.Kind == "http" {
			return "The server was reached, but it has nothing at this path. Check the path, and the path in the URL of the source."
		}
		return "The bucket was reached, but it has no object under this path. Check the path and the prefix. Upper and lower case count."
	case errors.Is(err, origin.ErrAddress):
		return "The host has a private or reserved address, to which this server makes no connections. Use a public host, or ask the operator."
	case errors.Is(err, origin.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		return "The origin didn't answer in time. Check the host, the port and its firewall."
	case fault.Of(err).Code == fault.UnsupportedFormat:
		return "The origin answered, but with nothing that Tintype takes as an image here: " + detail + " Check the path, and whether the server answers with a page."
	case errors.Is(err, origin.ErrTooLarge):
		return "The image is larger than this server takes as an original."
	case errors.Is(err, origin.ErrUnavailable) && s.Kind == "http" && (strings.Contains(detail, "status 401") || strings.Contains(detail, "status 403")):
		return detail + " Check the headers of the source, such as Authorization, and whether the server lets this server in."
	case errors.Is(err, origin.ErrUnavailable) && s.Kind != "http" && !advises.MatchString(detail):
		return detail + " Check bucket, region or account, endpoint and the access key."
	}
	return detail
}
