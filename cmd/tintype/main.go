// Command tintype is the Tintype server and its tools: serve, dev, transform, apply, and the
// commands of package remote.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	kongcompletion "github.com/jotaen/kong-completion"

	"github.com/tintype/tintype/cmd/tintype/remote"
)

// version is set by the linker.
var version = "dev"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "worker" { // the parser of all other commands would only take time and memory
		if err := (workerCmd{}).Run(stdio{os.Getenv, os.Stdout, os.Stderr}); err != nil {
			fmt.Fprintln(os.Stderr, "tintype:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := untilSignal()
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "tintype:", err)
		stop()
		os.Exit(1)
	}
}

// cli is every command, flag and variable.
type cli struct {
	Serve     serveCmd     `cmd:"" help:"Serve images, and the management API under /v1."`
	Dev       devCmd       `cmd:"" help:"Serve the pictures of a folder on this machine, with a playground, while you work on them."`
	Transform transformCmd `cmd:"" help:"Transform one file, with the same engine and without a server."`
	Apply     applyCmd     `cmd:"" help:"Create or update workspaces from a file, through the API of a running server: it prints what changes, and removes nothing without --prune."`
	Account   accountCmd   `cmd:"" help:"See who may sign in to a running server, invite people, and end their sessions."`
	Store     storeCmd     `cmd:"" help:"Look after a store: make a table, export, import, back up."`
	Doctor    doctorCmd    `cmd:"" help:"Walk the production checklist against a running server, and say what to change."`
	Sign      signCmd      `cmd:"" help:"Sign a URL, without a server."`
	MCP       mcpCmd       `cmd:"" name:"mcp" help:"Offer a running server to a language model, as tools of the Model Context Protocol over standard input and output."`
	Samples   samplesCmd   `cmd:"" help:"Draw the demo's pictures into a folder." hidden:""`
	Health    healthCmd    `cmd:"" help:"Ask a running server on this machine whether it is well." hidden:""`
	Version   versionCmd   `cmd:"" help:"Say which version this is."`

	remote.Commands

	Completion kongcompletion.Completion `cmd:"" help:"Print what makes bash, zsh or fish complete commands and flags."`
}

// stdio is what commands read from and write to besides files.
type stdio struct {
	getenv         func(string) string
	stdout, stderr io.Writer
}

// run is the whole program. It returns when the command is done, or after ctx has ended and
// running work is finished.
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	var exit *int
	parser, err := kong.New(&cli{},
		kong.Name("tintype"),
		kong.Description("An image-transformation CDN that you run yourself: one binary in front of the originals you already keep."),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exit = &code }),
		kong.KindMapper(reflect.Int, kong.MapperFunc(decimalInt)),
		kong.TypeMapper(reflect.TypeFor[time.Duration](), kong.MapperFunc(readDuration)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(stdio{getenv, stdout, stderr}),
		kong.Bind(remoteEnv(stdio{getenv, stdout, stderr})),
	)
	if err != nil {
		return err
	}
	kongcompletion.Register(parser)
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(joinNegative(args))
	if exit != nil { // --help has been printed
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w (see tintype --help)", err)
	}
	err = command.Run()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) { // it ended as asked
		return nil
	}
	return err
}

// decimalInt reads the number of a flag or a variable. kong's own would take 010 for 8.
func decimalInt(c *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := c.Scan.PopValueInto("int", &text); err != nil {
		return err
	}
	n, err := strconv.Atoi(text)
	if digits := strings.TrimLeft(text, "+-"); err != nil || digits != "0" && digits[0] == '0' {
		return fmt.Errorf("%.40q is not a decimal number, such as 10", text)
	}
	target.SetInt(int64(n))
	return nil
}

// joinNegative writes --workers -1 as --workers=-1. kong would read it as two flags, and its
// error would be about a flag -1.
func joinNegative(args []string) (joined []string) {
	for i, arg := range args {
		if arg == "--" {
			return append(joined, args[i:]...)
		}
		negative := len(arg) > 1 && arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9'
		if n := len(joined); negative && n > 0 && strings.HasPrefix(joined[n-1], "--") && !strings.Contains(joined[n-1], "=") {
			joined[n-1] += "=" + arg
			continue
		}
		joined = append(joined, arg)
	}
	return joined
}

type versionCmd struct{}

func (versionCmd) Run(std stdio) error {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "dev" && info.Main.Version != "" {
		v = info.Main.Version
	}
	_, err := fmt.Fprintf(std.stdout, "tintype %s, libvips %s, JPEG by %s\n", v, engineVersion(), jpegEncoder())
	return err
}
