//go:build cgo && linux

package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"html"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// runWhole are pages whose blocks other tests run from the first to the last: TestGuides,
// TestWalkthrough, TestMigrationPages, the test of deploy/walkthrough, and the tests of clients/js.
var runWhole = []string{"start.md", "walkthrough.md", "deploy.md", "clients.md", "guides/", "migrate/"}

// ofOthers are the commands of pages that aren't pageHost.
var ofOthers = []string{"base64", "cat", "chmod", "docker", "echo", "export", "go", "grep", "head", "install", "jq", "make", "npx", "openssl", "scripts/soak", "systemctl", "tail"}

// ofRunning are the commands of tintype that are run, against the server. The others start a server, need
// another store, or never end.
var ofRunning = []string{"apply", "key", "mark", "purge", "sign"}

// otherStatuses are the statuses of requests of pages that this server can't answer as they are meant.
var otherStatuses = map[string]string{
	`"namespace": "acme"`:                   "400", // its photos are a folder here
	"/alerts/channels/$ID/test":             "409", // nobody has confirmed the address
	"/demo/pictures/":                       "",    // a folder of the page
	"https://acme.img.example.com/photos":   "",    // other hosts
	"http://acme.img.example.com/photos":    "",
	"https://localhost:8443/":               "",
	"curl -s http://localhost:9090/metrics": "", // another listener
}

// TestPageExamples holds the examples of the reference pages to what is true: requests are sent to
// a server, commands of tintype are parsed, programs are compiled, and documents are read.
func TestPageExamples(t *testing.T) {
	t.Parallel() // it waits more than it computes
	plans, err := os.ReadFile("../../docs/plans.md")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("plans.yaml", []byte(block.FindStringSubmatch(string(plans))[2]))
	samples, err := drawn()
	if err != nil {
		t.Fatal(err)
	}
	picture, err := os.ReadFile(filepath.Join(samples, "dusk.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cat.jpg", "photos/cat.jpg", "photos/sydney.jpg", "vault/cat.jpg"} {
		write(name, picture)
	}
	write("large.jpg", append(slices.Clone(picture), make([]byte, 18_399_021-len(picture))...)) // as large as images.md says
	u := startUploader(t, "--plans", filepath.Join(dir, "plans.yaml"), "--dir", "acme/photos="+filepath.Join(dir, "photos"), "--dir", "demo/samples="+samples,
		"--dir", "acme/vault="+filepath.Join(dir, "vault"), "--dir-private", "acme/vault")
	u.gateway.Put(t, "media", "shop/logo.png", picture)

	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) < 40 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	requests, commands, run := 0, 0, 0
	for _, page := range append(pages, "../../README.md") {
		name, _ := filepath.Rel("../../docs", page)
		if slices.ContainsFunc(runWhole, func(whole string) bool { return strings.HasPrefix(name, whole) }) {
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		answered := map[string]string{} // the fields of the answers so far, by the names of variables
		for _, b := range block.FindAllStringSubmatch(string(text), -1) {
			switch language, code := b[1], b[2]; language {
			case "json":
				if !json.Valid([]byte(code)) {
					t.Errorf("%s: no JSON:\n%s", name, code)
				}
			case "yaml":
				if err := yaml.Unmarshal([]byte(code), new(any)); err != nil {
					t.Errorf("%s: %v:\n%s", name, err, code)
				}
				if name == "workspaces.md" && strings.HasPrefix(code, "namespace:") {
					write("workspaces.yaml", []byte(strings.Replace(code, "acme", "shop", 1))) // the photos of acme are a folder here
				}
			case "html":
				for _, url := range imageURL.FindAllString(html.UnescapeString(code), -1) {
					requests += pageCommand{text: url, words: []string{"curl", url}}.request(t, name, u, dir, answered)
				}
			case "go":
				if name == "signing.md" {
					continue // the tests of signing run it, and those in other languages
				}
				write("program.go", []byte(code))
				build := exec.CommandContext(t.Context(), "go", "build", "-o", os.DevNull, filepath.Join(dir, "program.go"))
				build.Dir = "../.."
				if out, err := build.CombinedOutput(); err != nil {
					t.Errorf("%s: %v\n%s", name, err, out)
				}
			case "sh", "console":
				if name == "signing.md" && language == "sh" {
					continue
				}
				for _, c := range commandsOf(code, language == "console") {
					switch c.words[0] {
					case "curl":
						requests += c.request(t, name, u, dir, answered)
					case "tintype":
						commands++
						if err := parses(c.words[1:]); err != nil {
							t.Errorf("%s: %s: %v", name, c.text, err)
						} else if len(c.words) > 1 && slices.Contains(ofRunning, c.words[1]) {
							c.run(t, name, u, dir)
							run++
						}
					default:
						if !slices.Contains(ofOthers, strings.TrimRight(c.words[0], ")")) {
							t.Errorf("%s: nothing holds this to what is true: %s", name, c.text)
						}
					}
				}
			}
		}
	}
	t.Logf("%d requests, %d commands, of which %d were run", requests, commands, run)
	if requests < 25 || commands < 35 || run < 3 {
		t.Error("some examples weren't found")
	}
}

// A pageCommand is one command of a page.
type pageCommand struct {
	text  string
	words []string
	want  string // the status that a comment names
}

var (
	statusComment = regexp.MustCompile(`^\s*# ([1-5]\d\d)\b`)
	aComment      = regexp.MustCompile(`(^|\s)# .*`)
	assignment    = regexp.MustCompile(`^[A-Z_]+=`)
	shellWord     = regexp.MustCompile(`'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\]+`)
	hereDocument  = regexp.MustCompile(`(?ms)<<'?END'?$.*?^END$`)
	pageHost      = regexp.MustCompile(`https://img\.example\.com|http://localhost:8080`)
	aKey          = regexp.MustCompile(`\$(KEY|ADMIN_KEY|TINTYPE_ROOT_KEY|TINTYPE_API_KEY)\b`)
	aVariable     = regexp.MustCompile(`\$[A-Z_0-9]+`)
)

// commandsOf returns the commands of a block. Of a console they have a prompt, and the rest is
// output.
func commandsOf(code string, console bool) (all []pageCommand) {
	code = strings.ReplaceAll(hereDocument.ReplaceAllString(code, ""), "\\\n", " ")
	open := "" // of a text in quotes that goes over lines
	for line := range strings.Lines(code) {
		if line = open + line; strings.Count(aComment.ReplaceAllString(line, ""), "'")%2 == 1 {
			open = strings.TrimSuffix(line, "\n") + " "
			continue
		}
		open = ""
		if m := statusComment.FindStringSubmatch(line); m != nil && len(all) > 0 {
			all[len(all)-1].want = m[1]
		}
		line, prompt := strings.CutPrefix(line, "$ ")
		if console && !prompt || strings.HasPrefix(line, "{") { // output
			continue
		}
		var c pageCommand
		end := func() {
			for len(c.words) > 0 && (assignment.MatchString(c.words[0]) || c.words[0] == "sudo") {
				c.words = c.words[1:]
			}
			if len(c.words) > 0 {
				c.text = strings.Join(c.words, " ")
				all = append(all, c)
			}
			c = pageCommand{}
		}
		word, last := "", 0
		push := func() {
			switch word {
			case "":
			case "&&", "||", "|", ";", "&":
				end()
			default:
				c.words = append(c.words, word)
			}
			word = ""
		}
		for _, at := range shellWord.FindAllStringIndex(line, -1) {
			piece := line[at[0]:at[1]]
			if at[0] > last {
				push()
			}
			if word == "" && strings.HasPrefix(piece, "#") {
				if m := statusComment.FindStringSubmatch(line[at[0]:]); m != nil {
					c.want = m[1]
				}
				break
			}
			last = at[1]
			switch piece[0] {
			case '\'':
				piece = piece[1 : len(piece)-1]
			case '"':
				piece = strings.ReplaceAll(piece[1:len(piece)-1], `\"`, `"`)
			}
			word += piece
		}
		push()
		end()
	}
	return all
}

// run runs a command of tintype against the server.
func (c pageCommand) run(t *testing.T, page string, u *uploader, dir string) {
	t.Helper()
	words := c.words[1:]
	if i := slices.Index(words, ">"); i >= 0 {
		words = words[:i]
	}
	for i, word := range words {
		words[i] = pageHost.ReplaceAllString(word, u.url)
	}
	cmd := exec.CommandContext(t.Context(), "tintype", words...) // that testscript.Main put there
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TINTYPE_URL="+u.url, "TINTYPE_ROOT_KEY="+testRootKey, "TINTYPE_SIGNING_SECRET="+strings.Repeat("0", 64))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %s: %v\n%s", page, c.text, err, out)
	}
}

// request sends a request of a page to the server, and says whether it did. A variable such as
// $UPLOAD_ID is the field upload_id of an answer before it.
func (c pageCommand) request(t *testing.T, page string, u *uploader, dir string, answered map[string]string) int {
	t.Helper()
	want := c.want
	for part, status := range otherStatuses {
		if strings.Contains(c.text, part) {
			if status == "" {
				return 0
			}
			want = status
		}
	}
	// What a page can't know is left out of it, such as an id.
	known := func(variable string) bool { return answered[variable] != "" }
	if !pageHost.MatchString(c.text) && !slices.ContainsFunc(aVariable.FindAllString(c.text, -1), known) || strings.Contains(c.text, "…") {
		return 0
	}
	args := []string{"-sS", "-D", "head", "-w", "%{http_code}"}
	output := false
	for _, word := range c.words[1:] {
		if word == ">" || word == "2>" {
			break
		}
		output = output || word == "-o"
		word = aVariable.ReplaceAllStringFunc(pageHost.ReplaceAllString(word, u.url), func(variable string) string {
			if aKey.MatchString(variable) {
				return testRootKey
			}
			return cmp.Or(answered[variable], variable)
		})
		args = append(args, word)
	}
	if !output {
		args = append(args, "-o", "answer")
	}
	cmd := exec.CommandContext(t.Context(), "curl", args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%s: %s: %v\n%s", page, c.text, err, out)
		return 0
	}
	status := string(out[max(0, len(out)-3):])
	head, _ := os.ReadFile(filepath.Join(dir, "head"))
	if want == "" {
		want = "2"
	}
	if !strings.HasPrefix(status, want) {
		answer, _ := os.ReadFile(filepath.Join(dir, "answer"))
		t.Errorf("%s: %s: %s, want %s\n%s", page, c.text, status, want, answer)
	}
	if bytes.Contains(head, []byte("Tintype-Ignored:")) {
		t.Errorf("%s: %s: the server ignores a parameter:\n%s", page, c.text, head)
	}
	if answer, _ := os.ReadFile(filepath.Join(dir, "answer")); !output {
		var fields map[string]any
		_ = json.Unmarshal(answer, &fields) // many answers are no JSON
		for name, value := range fields {
			if text, is := value.(string); is {
				answered["$"+strings.ToUpper(name)] = text
			}
		}
	}
	return 1
}

// parses reports what is wrong with the arguments of a command of tintype. The files that they
// name needn't be there.
func parses(words []string) error {
	words = strings.Split(strings.ReplaceAll(strings.Join(words, "\x00"), "$TABLE", "dynamodb://tintype?region=eu-west-1"), "\x00")
	words = slices.DeleteFunc(words, func(word string) bool { return word == "…" })
	if i := slices.IndexFunc(words, func(word string) bool { return strings.Contains(word, ">") }); i >= 0 {
		words = words[:i]
	}
	parse := func(words []string) error {
		parser, err := kong.New(&cli{}, kong.Name("tintype"), kong.Writers(io.Discard, io.Discard), kong.Exit(func(int) {}),
			kong.KindMapper(reflect.Int, kong.MapperFunc(decimalInt)), kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(readDuration)),
			kong.NamedMapper("existingfile", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
				return ctx.Scan.PopValueInto("file", target.Addr().Interface())
			})))
		if err != nil {
			return err
		}
		_, err = parser.Parse(joinNegative(words))
		return err
	}
	err := parse(words)
	for missing, flag := range map[string]string{"--server=URL": "--server=https://img.example.com", "--store=URL": "--store=dynamodb://tintype?region=eu-west-1"} {
		if err != nil && strings.Contains(err.Error(), "missing flags: "+missing) { // the page has it in a variable
			err = parse(append(words, flag))
		}
	}
	return err
}
