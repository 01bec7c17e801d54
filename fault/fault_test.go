package fault

import (
	"context"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tintype/tintype/internal/golden"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
	"github.com/tintype/tintype/workspace"
)

// TestEveryCodeHasARow compares the constants, as the source declares them, with the table.
func TestEveryCodeHasARow(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var declared []string
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && kind.Name == "Code" {
			declared = append(declared, strings.Trim(spec.Values[0].(*ast.BasicLit).Value, `"`))
		}
		return true
	})
	var listed []string
	for _, k := range All() {
		listed = append(listed, string(k.Code))
		if http.StatusText(k.Status) == "" || k.Status < 400 || k.Meaning == "" || k.Remedy == "" {
			t.Errorf("%s: status %d, meaning %q, remedy %q", k.Code, k.Status, k.Meaning, k.Remedy)
		}
		if k.Remembered && k.Retry > 0 {
			t.Errorf("%s is remembered, and yet may be retried after %d s", k.Code, k.Retry)
		}
	}
	slices.Sort(declared)
	slices.Sort(listed)
	if diff := cmp.Diff(declared, listed); diff != "" {
		t.Errorf("constants and table differ (-constants +table):\n%s", diff)
	}
	if !slices.IsSortedFunc(All(), func(a, b Kind) int { return a.Status - b.Status }) {
		t.Error("the table is not in the order of statuses")
	}
}

// TestOfManaging: requests that change settings get other messages about a store that fails.
func TestOfManaging(t *testing.T) {
	secret := errors.New("dial 10.1.2.3: refused")
	for _, c := range []struct {
		err     error
		code    Code
		message string // a part of it
		retry   int
	}{
		{fmt.Errorf("reading: %w", New(PresetRequired, "say preset")), PresetRequired, "say preset", 0},
		{fmt.Errorf("%w: %w", workspace.ErrUnavailable, secret), Overloaded, "not certain that a change was made", 5},
		{fmt.Errorf("%w: %w", workspace.ErrFull, secret), Overloaded, "is full", 5},
		{fmt.Errorf("%w: %w", workspace.ErrReadOnly, secret), Overloaded, "can only be read", 5},
		{context.DeadlineExceeded, Overloaded, "workspace store", 5},
		{workspace.ErrNotFound, WorkspaceNotFound, "namespace", 0},
		{&workspace.ValidationError{Problems: []workspace.Problem{{Path: "name", Message: "is long"}, {Message: "more."}}}, Validation, "name: is long. more.", 0},
		{secret, Internal, "request_id", 0},
	} {
		if e := OfManaging(c.err); e.Code != c.code || !strings.Contains(e.Message, c.message) || e.RetryAfter != c.retry || strings.Contains(e.Message, "10.1.2.3") {
			t.Errorf("%v: %+v", c.err, e)
		}
	}
}

func TestOf(t *testing.T) {
	secret := errors.New("dial 10.1.2.3: refused")
	for _, c := range []struct {
		err     error
		code    Code
		message string // a part of it
		retry   string
	}{
		{fmt.Errorf("reading: %w", New(PresetRequired, "say preset")), PresetRequired, "say preset", ""},
		{fmt.Errorf("mark: %w: %w", transform.ErrMark, transform.ErrCorrupt), MarkUnavailable, "corrupt", ""},
		{fmt.Errorf("%w: it answered with status 500", origin.ErrUnavailable), OriginError, "status 500", ""},
		{fmt.Errorf("%w: %w", workspace.ErrUnavailable, secret), Overloaded, "settings", "1"},
		{context.DeadlineExceeded, TransformTimeout, "too long", ""},
		{context.Canceled, Overloaded, "cancelled", "1"},
		{secret, Internal, "request_id", ""},
	} {
		e := Of(c.err)
		h := http.Header{}
		e.Headers(h)
		if e.Code != c.code || !strings.Contains(e.Message, c.message) || h.Get("Retry-After") != c.retry {
			t.Errorf("%v: %s %q, Retry-After %q", c.err, e.Code, e.Message, h.Get("Retry-After"))
		}
		if strings.Contains(e.Message, "10.1.2.3") {
			t.Errorf("%v: the message shows a private address: %s", c.err, e.Message)
		}
		if !errors.Is(e, c.err) && e.Cause != nil {
			t.Errorf("%v: the cause is lost", c.err)
		}
	}
}

func TestUnknownCodeIsInternal(t *testing.T) {
	if got := Code("FROM_A_LATER_VERSION").Kind().Status; got != http.StatusInternalServerError {
		t.Errorf("status %d", got)
	}
}

// TestErrorsDoc holds docs/errors.md to the table that it is made from.
func TestErrorsDoc(t *testing.T) {
	const file = "../docs/errors.md"
	var b strings.Builder
	b.WriteString(`# Errors

<!-- Made from fault/fault.go by go test ./fault -run TestErrorsDoc -update -->

Every error, of an image and of the API, has a JSON body:

` + "```json" + `
{"error":{"code":"SOURCE_NOT_FOUND","message":"workspace acme has no source photo","status":404,"request_id":"4f1c…"}}
` + "```" + `

Programs look at ` + "`code`, which never changes its meaning. `message` is for people: it says what is wrong and what to do. `request_id`" + `
finds the request in the server's log.

Answers with errors say ` + "`Cache-Control: no-store`" + `, with two exceptions. An error that is **kept** is remembered for 60 seconds, and caches in front may keep it
for the rest of that time. An error about the **original** is answered with the image that ` + "`default=`" + ` names, if the URL has one: the status stays.

| status | code | what went wrong | what to do | kept | original |
| --- | --- | --- | --- | --- | --- |
`)
	mark := map[bool]string{true: "yes", false: ""}
	for _, k := range All() {
		fmt.Fprintf(&b, "| %d | `%s` | %s | %s | %s | %s |\n", k.Status, k.Code, k.Meaning, k.Remedy, mark[k.Remembered], mark[k.Original])
	}
	b.WriteString(`
A target that Go's net/http can't parse (` + "`%zz`" + ` in the path) is answered 400 without this body.
`)
	golden.File(t, file, b.String())
}
