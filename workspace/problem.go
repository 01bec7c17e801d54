package workspace

import (
	"fmt"
	"strings"
)

// A Problem is one error in a workspace.
type Problem struct {
	Path    string `json:"path"`    // where in the JSON, such as "sources[0].url"; empty is the whole text
	Message string `json:"message"` // what is wrong and what is allowed; contains no secrets
}

// String returns "path: message".
func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// A ValidationError lists the errors in a workspace, or in the JSON or YAML of one: the
// first hundred, and the number of others.
type ValidationError struct {
	Problems []Problem // at least one
}

// Error joins the problems.
func (e *ValidationError) Error() string {
	texts := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		texts[i] = p.String()
	}
	return strings.Join(texts, "; ")
}

// Within returns the error with paths in a larger document, where the checked part is at
// path. Problems without a path, which concern the whole text, are unchanged.
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

// maxProblems bounds the problems of an error. Otherwise a document of a megabyte that is
// wrong everywhere would get an answer of a hundred megabytes.
const maxProblems = 100

// problems collects errors.
type problems struct {
	list []Problem // the first maxProblems
	more int       // number of others
}

func (p *problems) add(path, format string, args ...any) {
	if len(p.list) == maxProblems {
		p.more++
		return
	}
	p.list = append(p.list, Problem{Path: path, Message: ReplaceCredentials(fmt.Sprintf(format, args...), Mask+"@")})
}

// tooMany adds the problem of a list or map with n elements.
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

// invalid returns a ValidationError with one problem.
func invalid(path, format string, args ...any) error {
	var p problems
	p.add(path, format, args...)
	return p.err()
}

// member returns the path of a field of the object at path. It quotes a name that isn't a
// plain word, and cuts a long one.
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

// element returns the path of an element of the list at path.
func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
