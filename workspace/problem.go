package workspace

import (
	"fmt"
	"strings"
)

// A Problem is one thing that is wrong with a workspace.
type Problem struct {
	Path    string `json:"path"`    // where in the JSON, such as "sources[0].url"; empty is all of it
	Message string `json:"message"` // what is wrong and what is allowed; holds no secret
}

// String is "path: message".
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// A ValidationError lists what is wrong with a workspace, or with the JSON or YAML of
// one: all of it, or the first hundred problems and how many more there are.
type ValidationError struct {
	Problems []Problem // at least one
}

// Error is the problems, one after the other.
func (e *ValidationError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// Within returns the error as one of a document in which what was judged is at path.
// Problems without a path, which are about the text as a whole, stay so.
func (e *ValidationError) Within(path string) *ValidationError {
	out := &ValidationError{Problems: make([]Problem, len(e.Problems))}
	for i, p := range e.Problems {
		switch {
		case p.Path == "":
		case strings.HasPrefix(p.Path, "["):
			p.Path = path + p.Path
		default:
			p.Path = path + "." + p.Path
		}
		out.Problems[i] = p
	}
	return out
}

// maxProblems bounds how many problems an error lists, so that a document of a
// megabyte that is wrong all over isn't answered with a hundred megabytes.
const maxProblems = 100

// problems collects what is wrong.
type problems struct {
	list []Problem // the first maxProblems
	more int       // that aren't listed
}

func (p *problems) add(path, format string, args ...any) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, Problem{Path: path, Message: fmt.Sprintf(format, args...)})
}

// tooMany reports a list or map of n elements.
func (p *problems) tooMany(path string, n, most int) {
	p.add(path, "has %d elements; at most %d are allowed", n, most)
}

func (p problems) err() error {
	switch {
	case len(p.list) == 0:
		return nil
	case p.more > 0:
		return &ValidationError{Problems: append(p.list, Problem{Message: fmt.Sprintf("%d more problems are not listed", p.more)})}
	}
	return &ValidationError{Problems: p.list}
}

// invalid is a ValidationError of one problem.
func invalid(path, format string, args ...any) error {
	var p problems
	p.add(path, format, args...)
	return p.err()
}

// member is the path of a field of the object at path. A name that isn't a plain
// word is quoted, and cut where it is long, since it may be anybody's.
func member(path, field string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-'
	}
	if len(field) > 64 {
		field = strings.ToValidUTF8(field[:64], "") + "…"
	}
	if field == "" || strings.ContainsFunc(field, func(r rune) bool { return !plain(r) }) {
		return fmt.Sprintf("%s[%q]", path, field)
	}
	if path == "" {
		return field
	}
	return path + "." + field
}

// element is the path of an element of the list at path.
func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
