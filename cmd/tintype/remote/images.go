package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/tintype/tintype/client"
)

// imagesCmd has the commands for the images of a source.
type imagesCmd struct {
	List   imagesListCmd   `cmd:"" help:"List the images of a source."`
	Upload imagesUploadCmd `cmd:"" help:"Upload files, or all images of a folder."`
	Delete imagesDeleteCmd `cmd:"" help:"Delete an original from its bucket or folder."`
}

type imagesListCmd struct {
	inWorkspace
	output
	Source    string `arg:"" help:"Key of the source, or SOURCE/PREFIX."`
	Recursive bool   `short:"r" help:"List what is in folders too."`
	Limit     int    `default:"1000" placeholder:"N" help:"How many at most (${default})."`
}

func (c *imagesListCmd) Run(ctx context.Context, env Env) error {
	if c.Limit < 1 {
		return errors.New("--limit: must be 1 or more")
	}
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	source, prefix, _ := strings.Cut(c.Source, "/")
	o := client.ListImagesOptions{Source: source, Prefix: prefix, Delimiter: "/"}
	if c.Recursive {
		o.Delimiter = ""
	}
	found := client.ImageList{Images: []client.Image{}, Folders: []string{}}
	for {
		page, err := api.ListImages(ctx, c.NS, o)
		if err != nil {
			return err
		}
		found.Images = append(found.Images, page.Images...)
		found.Folders = append(found.Folders, page.Folders...)
		if found.Next, o.Cursor = page.Next, page.Next; page.Next == "" || len(found.Images)+len(found.Folders) >= c.Limit {
			break
		}
	}
	if found.Next != "" {
		fmt.Fprintln(env.Stderr, "there are more: raise --limit")
	}
	return c.print(env, found, func(row func(...any)) {
		row("PATH", "BYTES", "TYPE", "CHANGED (UTC)", "BLOCKED")
		for _, folder := range found.Folders {
			row(folder, "", "", "", "")
		}
		for _, i := range found.Images {
			row(i.Path, i.Bytes, i.ContentType, i.LastModified, i.Blocked)
		}
	})
}

type imagesUploadCmd struct {
	inWorkspace
	output
	To          string   `arg:"" help:"Where the images go: SOURCE, or SOURCE/FOLDER."`
	Files       []string `arg:"" type:"existingpath" help:"Files, and folders whose images are sent with their paths below the folder; what is hidden is left out."`
	Overwrite   bool     `help:"Replace images that are there."`
	SkipSame    bool     `name:"skip-existing" help:"Leave out images that are there."`
	Pregenerate []string `placeholder:"PRESET" help:"Presets whose variants are made in the background."`
}

// A file is on its way to a path.
type file struct {
	name, path string
	size       int64
}

func (c *imagesUploadCmd) Run(ctx context.Context, env Env) error {
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	source, folder, _ := strings.Cut(c.To, "/")
	files, err := c.find(strings.Trim(folder, "/"))
	if err != nil {
		return err
	}
	if len(files) == 0 {
		return errors.New("there is no image to send")
	}
	sources, err := api.ListSources(ctx, c.NS)
	if err != nil {
		return err
	}
	kind := ""
	for _, s := range sources.Sources {
		if s.Key == source {
			kind = s.Kind
		}
	}
	if kind == "" {
		return fmt.Errorf("workspace %s has no source %q: tintype source list %[1]s names them", c.NS, source)
	}
	all := []*client.Uploaded{}
	failed := 0
	for n, f := range files {
		// Through the server as far as it takes a body of that size, then in parts to the bucket.
		inParts := f.size > partsFrom && kind != "dir"
		u := client.Upload{Source: source, Path: f.path, Overwrite: c.Overwrite, Pregenerate: c.Pregenerate, Progress: progress(env, n, len(files), f)}
		made, err := send(ctx, api, c.NS, u, f, inParts)
		if isTerminal(env.Stderr) {
			fmt.Fprint(env.Stderr, "\r\x1b[K")
		}
		switch {
		case err == nil:
			all = append(all, made)
			continue
		case c.SkipSame && errors.Is(err, client.CodeConflict):
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		}
		failed++
		fmt.Fprintf(env.Stderr, "%s: %v\n", f.name, err)
	}
	if err := c.print(env, all, func(row func(...any)) {
		for _, u := range all {
			row(u.Source+"/"+u.Path, fmt.Sprintf("%d × %d", u.Metadata.Width, u.Metadata.Height), length(u.Bytes), u.Metadata.Format)
		}
	}); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d images were not sent", failed, len(files))
	}
	return nil
}

// partsFrom is the length from which a file goes to its bucket in parts.
const partsFrom = 16 << 20

// send uploads one file.
func send(ctx context.Context, api *client.Client, ns string, u client.Upload, f file, inParts bool) (*client.Uploaded, error) {
	r, err := os.Open(f.name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if inParts {
		return api.UploadLarge(ctx, ns, u, r, f.size)
	}
	return api.Upload(ctx, ns, u, r, f.size)
}

// progress returns a function that says how far a file is, for a terminal.
func progress(env Env, n, of int, f file) func(int64) {
	if !isTerminal(env.Stderr) {
		return nil
	}
	var last time.Time
	return func(sent int64) {
		if now := time.Now(); now.Sub(last) > 100*time.Millisecond {
			last = now
			fmt.Fprintf(env.Stderr, "\r\x1b[K%d of %d: %s %d %% of %s", n+1, of, show(f.path), sent*100/max(f.size, 1), length(f.size))
		}
	}
}

// find returns the files to send, and where each goes.
func (c *imagesUploadCmd) find(folder string) (files []file, err error) {
	seen := map[string]string{}
	add := func(name, to string, info fs.FileInfo) error {
		to = path.Join(folder, filepath.ToSlash(to))
		if before, ok := seen[to]; ok {
			return fmt.Errorf("%s and %s would have the same path %s", before, name, to)
		}
		seen[to] = name
		files = append(files, file{name, to, info.Size()})
		return nil
	}
	for _, name := range c.Files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			if err := add(name, filepath.Base(name), info); err != nil {
				return nil, err
			}
			continue
		}
		err = filepath.WalkDir(name, func(at string, entry fs.DirEntry, err error) error {
			hidden := at != name && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules")
			switch {
			case err != nil:
				return err
			case hidden && entry.IsDir():
				return fs.SkipDir
			case hidden || !entry.Type().IsRegular() || client.ContentType(at) == "":
				return nil
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			below, err := filepath.Rel(name, at)
			if err != nil {
				return err
			}
			return add(at, below, info)
		})
		if err != nil {
			return nil, err
		}
	}
	return files, nil
}

type imagesDeleteCmd struct {
	inWorkspace
	Path string `arg:"" help:"The image as SOURCE/PATH."`
	Yes  bool   `required:"" help:"Delete the original. It can't be had back."`
}

func (c *imagesDeleteCmd) Run(ctx context.Context, env Env) error {
	source, key, ok := strings.Cut(c.Path, "/")
	if !ok || key == "" {
		return fmt.Errorf("%q is no image such as photos/cat.jpg", c.Path)
	}
	api, err := env.Connect(c.Server)
	if err != nil {
		return err
	}
	if err := api.DeleteImage(ctx, c.NS, source, key); err != nil {
		return err
	}
	return done(env, "deleted %s", c.Path)
}
