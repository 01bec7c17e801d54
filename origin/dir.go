package origin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
)

// Bounds of Dir.List, which keep it quick in a huge folder.
const (
	maxListDepth   = 8      // folders below the root
	maxListEntries = 20_000 // entries that List looks at
)

// A Dir is a folder as a [Source]. It follows symbolic links inside the folder, and never
// out of it. It is safe for concurrent use. Set its fields before the first use.
type Dir struct {
	MaxBytes int64   // size of the largest original; OpenDir sets that of DefaultLimits
	Bodies   *Bodies // bounds the originals; nil is no bound
	Uploads  bool    // originals may be put into the folder
	Private  bool    // variants need a signed URL

	root *os.Root
}

var (
	_ Storage   = (*Dir)(nil)
	_ io.Closer = (*Dir)(nil)
)

// OpenDir opens the folder at path. Call Close at the end.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{MaxBytes: DefaultLimits().Bytes, root: root}, nil
}

// Close releases the folder. Fetches after it fail.
func (d *Dir) Close() error { return d.root.Close() }

// Fetch implements Source. Only regular files are originals, and none that is hidden or in a
// hidden folder, such as .git. A key with a query is
// ErrNotFound.
func (d *Dir) Fetch(ctx context.Context, key Key, have Validators) (*Object, error) {
	if err := CheckPath(key.Path); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if key.Query != "" {
		return nil, ErrNotFound
	}
	file, info, err := d.open(key.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	now := validators(info)
	switch {
	case have.ETag != "":
		if have.ETag == now.ETag {
			return nil, ErrNotModified
		}
	case have.LastModified != "" && have.LastModified == now.LastModified:
		return nil, ErrNotModified
	}
	if info.Size() > d.MaxBytes {
		return nil, tooLarge(d.MaxBytes)
	}
	object, err := d.Bodies.Read(ctx, contextReader{ctx, file}, info.Size(), d.MaxBytes, func() {})
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, ErrBusy), errors.Is(err, ErrTimeout):
		return nil, err
	default:
		return nil, unavailable("the file could not be read whole")
	}
	if after, err := file.Stat(); err != nil || validators(after) != now {
		object.Release()
		return nil, unavailable("the file changed while it was read")
	}
	object.Validators = now
	return object, nil
}

// open opens a regular file. It checks the type before it opens the file, since opening a
// device can have an effect. It checks again afterwards, since the name may lead to another
// file by then. Without O_NONBLOCK, opening a FIFO would wait for a writer.
func (d *Dir) open(name string) (*os.File, fs.FileInfo, error) {
	if hidden(name) {
		return nil, nil, ErrNotFound
	}
	info, err := d.root.Stat(name)
	if err != nil {
		return nil, nil, fileError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, nil, ErrNotFound
	}
	file, err := d.root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fileError(err)
	}
	info, err = file.Stat()
	if err != nil || !info.Mode().IsRegular() {
		file.Close()
		return nil, nil, ErrNotFound
	}
	return file, info, nil
}

// hidden reports whether a segment of an object key begins with a dot.
func hidden(name string) bool { return name[0] == '.' || strings.Contains(name, "/.") }

// fileError returns ErrNotFound for a name without a file, or with a link out of the folder.
// Other errors are ErrUnavailable.
func fileError(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ErrNotFound
	case errors.Is(err, os.ErrClosed):
		return unavailable("the folder is closed")
	case !errors.As(err, &errno):
		return ErrNotFound // for a link out of the folder os.Root has no error value
	}
	switch errno {
	case syscall.ENOTDIR, syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL:
		return ErrNotFound
	}
	return unavailable("the file could not be opened")
}

// validators returns validators that change when the file is written or replaced.
func validators(info fs.FileInfo) Validators {
	return Validators{
		ETag:         fmt.Sprintf(`"%x-%x-%x"`, inode(info), info.ModTime().UnixNano(), info.Size()),
		LastModified: info.ModTime().UTC().Format(http.TimeFormat),
	}
}

// A contextReader ends between two reads when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p[:min(len(p), 1<<20)])
}

// List returns the object keys of up to limit images, sorted. Images are regular files with
// an image's extension that aren't hidden. List goes eight folders deep and looks at 20,000
// entries at most. It follows links to files, but not to folders,
// and leaves out node_modules.
func (d *Dir) List(ctx context.Context, limit int) ([]string, error) {
	l := listing{dir: d, ctx: ctx, left: maxListEntries}
	if err := l.walk(".", 0); err != nil {
		return nil, err
	}
	slices.Sort(l.keys)
	return l.keys[:min(max(limit, 0), len(l.keys))], nil
}

// A listing is one walk of List.
type listing struct {
	dir  *Dir
	ctx  context.Context
	left int // entries that may still be looked at
	keys []string
}

func (l *listing) walk(folder string, depth int) error {
	entries, err := l.read(folder)
	if err != nil {
		if depth > 0 && l.ctx.Err() == nil {
			return nil // go on with other folders
		}
		return err
	}
	for _, entry := range entries {
		name := path.Join(folder, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") || CheckPath(name) != nil {
			continue
		}
		switch {
		case entry.IsDir():
			// The libraries of a project have thousands of folders, and icons of others.
			if depth < maxListDepth && entry.Name() != "node_modules" {
				if err := l.walk(name, depth+1); err != nil {
					return err
				}
			}
		case isImageName(name):
			if info, err := l.dir.root.Stat(name); err == nil && info.Mode().IsRegular() {
				l.keys = append(l.keys, name)
			}
		}
	}
	return nil
}

// read returns the entries of a folder, sorted, within the bound.
func (l *listing) read(folder string) ([]fs.DirEntry, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	if l.left <= 0 {
		return nil, nil
	}
	file, err := l.dir.root.OpenFile(folder, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fileError(err)
	}
	defer file.Close()
	entries, err := file.ReadDir(l.left)
	if err != nil && err != io.EOF {
		return nil, fileError(err)
	}
	l.left -= len(entries)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

// isImageName checks the extension, which is enough for a list. A fetch checks the bytes.
func isImageName(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".gif", ".webp", ".avif", ".heic", ".heif", ".jxl", ".tif", ".tiff", ".svg":
		return true
	}
	return false
}
