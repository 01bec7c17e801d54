package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/tintype/tintype/manage"
	"github.com/tintype/tintype/samples"
	"github.com/tintype/tintype/server"
	"github.com/tintype/tintype/workspace"
)

// The demo has two workspaces: demo, whose pictures anybody may transform, and gallery, for
// the examples on the start page.
const (
	demoNamespace    = "demo"
	galleryNamespace = "gallery"
	demoOperator     = "operator@tintype.example"
)

// setUpDemo draws the pictures of the demo into the data folder, and sets the flags that it
// needs. Flags that are given stay.
func (c *serveCmd) setUpDemo() error {
	pictures := filepath.Join(c.Data, "samples")
	if err := samples.Write(pictures); err != nil {
		return fmt.Errorf("--demo: %w", err)
	}
	marked, private := filepath.Join(c.Data, "gallery", "marked"), filepath.Join(c.Data, "gallery", "private")
	for _, f := range []struct{ folder, name string }{{marked, "noon.jpg"}, {private, "night.jpg"}, {private, "logo.png"}} {
		if err := copyOnce(filepath.Join(pictures, f.name), f.folder, f.name); err != nil {
			return fmt.Errorf("--demo: %w", err)
		}
	}
	for _, d := range []dirSpec{{demoNamespace, "samples", pictures}, {galleryNamespace, "marked", marked}, {galleryNamespace, "private", private}} {
		if !slices.ContainsFunc(c.Dir, func(o dirSpec) bool { return o.namespace == d.namespace && o.key == d.key }) {
			c.Dir = append(c.Dir, d)
		}
	}
	c.DirPrivate = append(c.DirPrivate, galleryNamespace+"/private")
	if len(c.Operators) == 0 {
		c.Operators = []email{demoOperator}
	}
	if c.Mail == "" {
		c.Mail = "log"
	}
	return nil
}

// copyOnce copies a file into a folder, which it makes. It doesn't change a file that is
// there.
func copyOnce(from, folder, name string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	to := filepath.Join(folder, name)
	if _, err := os.Lstat(to); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	half := to + ".part"
	if err := os.WriteFile(half, data, 0o644); err != nil {
		return err
	}
	return os.Rename(half, to)
}

// demoRootKey returns the root key in the data folder. Where there is none it makes one, and
// reports that it is new.
func demoRootKey(data string) (key string, isNew bool, err error) {
	name := filepath.Join(data, "root.key")
	text, err := os.ReadFile(name)
	if key = strings.TrimSpace(string(text)); err == nil && key != "" {
		return key, false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("--demo: %w", err)
	}
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	key = hex.EncodeToString(b)
	if err := os.WriteFile(name, []byte(key+"\n"), 0o600); err != nil {
		return "", false, fmt.Errorf("--demo: %w", err)
	}
	return key, true, nil
}

// prepareGallery gives the workspace gallery its settings, if nobody has given it any.
func prepareGallery(ctx context.Context, m *manage.Manager) error {
	w, err := m.Workspace(ctx, manage.Operator, galleryNamespace)
	if err != nil {
		return err
	}
	keys, err := m.SigningKeys(ctx, manage.Operator, galleryNamespace)
	if err != nil {
		return err
	}
	if len(keys) == 0 {
		if _, err := m.CreateSigningKey(ctx, manage.Operator, galleryNamespace); err != nil {
			return err
		}
	}
	if len(w.Marks) > 0 {
		return nil
	}
	if _, err := m.PatchWorkspace(ctx, manage.Operator, galleryNamespace, []byte(`{"allowed_sources":["images.example.com"]}`), nil); err != nil {
		return err
	}
	_, err = m.PutMark(ctx, manage.Operator, galleryNamespace, workspace.Mark{
		Name: "tintype", Image: "private/logo.png", Width: "22%", Align: "bottom,right", Pad: "4%", AutoApplySources: []string{"marked"},
	})
	return err
}

// examples are what the start page shows of the gallery.
func examples(m *manage.Manager) func(context.Context) []server.Example {
	return func(ctx context.Context) []server.Example {
		const shape = "w=420&h=280&fit=cover"
		all := []server.Example{
			{
				Title: "A mark that no URL takes off",
				Text:  "The owner bound a mark to this source. The URL asks for an opacity of 0, and the picture carries the mark all the same.",
				Image: "/" + galleryNamespace + "/marked/noon.jpg?" + shape + "&mark-opacity=0",
				About: "Noon over a lake, with the logo of Tintype in the corner",
				Page:  "/app/" + galleryNamespace + "/marks", PageTitle: "Edit the mark",
			},
			{
				Title: "A private image, for a minute",
				Text:  "This source is private. The URL of this picture is signed, and ends a minute after the page was loaded. Without its signature:",
				About: "Night over a lake",
				Tried: "/" + galleryNamespace + "/private/night.jpg?" + shape,
				Page:  "/app/" + galleryNamespace + "/signing-keys", PageTitle: "See the signing keys",
			},
			{
				Title: "An allowlist that refuses",
				Text:  "This workspace takes originals from its own sources and from images.example.com. A URL with another host:",
				Tried: "/" + galleryNamespace + "?src=https%3A%2F%2Felsewhere.example%2Fa.jpg&" + shape,
				Page:  "/app/" + galleryNamespace + "/access", PageTitle: "Edit the allowlist",
			},
		}
		// A new key signs after a few seconds. Until then the picture isn't shown.
		if signed, _, err := m.SignImage(ctx, manage.Operator, galleryNamespace, "private", "night.jpg", shape, 60); err == nil {
			all[1].Image = signed
		}
		return all
	}
}

// announceDemo says how to sign in, and a new root key, which is said only once.
func (c *serveCmd) announceDemo(out io.Writer, newKey string) {
	fmt.Fprintf(out, "  /app: sign in as %s; the code appears here\n", c.Operators[0])
	if newKey != "" {
		fmt.Fprintf(out, "  root key of the API, kept in %s: %s\n", filepath.Join(c.Data, "root.key"), newKey)
	}
}
