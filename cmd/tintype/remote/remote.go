// Package remote has the commands that call the API of a running server: tintype ws, source,
// mark, key, purge, usage, audit, images and explain.
//
// For most uses, embed [Commands] in the struct that kong reads, and bind an [Env].
package remote

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/tintype/tintype/client"
)

// Commands are the commands of this package.
type Commands struct {
	WS      wsCmd      `cmd:"" name:"ws" help:"List, make, change, export and delete workspaces."`
	Source  sourceCmd  `cmd:"" help:"List, set, test and delete the sources of a workspace."`
	Mark    markCmd    `cmd:"" help:"List, set and delete the marks of a workspace."`
	Key     keyCmd     `cmd:"" help:"List, make and revoke the API keys and signing keys of a workspace."`
	Purge   purgeCmd   `cmd:"" help:"Purge cached variants."`
	Usage   usageCmd   `cmd:"" help:"Show what a workspace has used."`
	Audit   auditCmd   `cmd:"" help:"Show who changed what, and who requested what."`
	Images  imagesCmd  `cmd:"" help:"List, upload and delete the images of a source."`
	Explain explainCmd `cmd:"" help:"Say how a server would answer a URL, check by check."`
}

// An Env is what the commands read and write besides files.
type Env struct {
	Stdout, Stderr io.Writer

	// Connect returns a client of the server at a URL.
	Connect func(server string) (*client.Client, error)

	// Secret returns the value of a variable, or of the file that the variable with _FILE
	// names.
	Secret func(name string) (string, error)
}

// A server is the one that a command calls.
type server struct {
	Server string `required:"" env:"TINTYPE_URL,TINTYPE_SERVER" placeholder:"URL" help:"The server, such as http://localhost:8080. The key is read from TINTYPE_API_KEY, else from TINTYPE_ROOT_KEY, or from the files that TINTYPE_API_KEY_FILE and TINTYPE_ROOT_KEY_FILE name."`
}

// An output says how answers are printed.
type output struct {
	Output string `short:"o" enum:"table,json" default:"table" placeholder:"FORMAT" help:"table, or json as the API answers it (${default})."`
}

// print writes an answer: as JSON, or as a table by a function that gets cells with tabs
// between them.
func (o output) print(env Env, answer any, table func(row func(cells ...any))) error {
	if o.Output == "json" {
		enc := json.NewEncoder(env.Stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(answer)
	}
	w := tabwriter.NewWriter(env.Stdout, 0, 0, 2, ' ', 0)
	table(func(cells ...any) {
		for i, cell := range cells {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, show(cell))
		}
		fmt.Fprintln(w)
	})
	return w.Flush()
}

// show returns a value as a cell. What a client or an owner wrote holds nothing that a
// terminal would obey.
func show(cell any) string {
	var text string
	switch cell := cell.(type) {
	case time.Time:
		if cell.IsZero() {
			return "-"
		}
		return cell.UTC().Format("2006-01-02 15:04:05")
	case *time.Time:
		if cell == nil {
			return "-"
		}
		return show(*cell)
	case bool:
		if cell {
			return "yes"
		}
		return "no"
	case []string:
		text = strings.Join(cell, ",")
	default:
		text = fmt.Sprint(cell)
	}
	if text == "" {
		return "-"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, text)
}

// warn writes the warnings of an answer to standard error.
func warn(env Env, warnings []string) {
	for _, text := range warnings {
		fmt.Fprintln(env.Stderr, "warning:", text)
	}
}

// done writes a line about what a command did.
func done(env Env, format string, args ...any) error {
	_, err := fmt.Fprintf(env.Stdout, format+"\n", args...)
	return err
}

// isTerminal reports whether somebody watches what is written to w.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
