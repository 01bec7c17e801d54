package origin

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// staging is the folder of files that aren't whole yet, inside the root. Its name is
// reserved, so that no request reads it.
const staging = reserved + "staging"

// leftFor is after how long a file in the staging folder is one that a killed process left.
const leftFor = time.Hour

// Stat implements Storage.
func (d *Dir) Stat(ctx context.Context, name string) (Stored, error) {
	if err := CheckPath(name); err != nil {
		return Stored{}, err
	}
	if hidden(name) {
		return Stored{}, ErrNotFound
	}
	info, err := d.root.Stat(name)
	if err != nil {
		return Stored{}, fileError(err)
	}
	if !info.Mode().IsRegular() {
		return Stored{}, ErrNotFound
	}
	return Stored{Path: name, Bytes: info.Size(), Validators: validators(info)}, nil
}

// Put implements Storage. It writes a file in the staging folder, syncs it, and then gives it
// its name: with a link, which fails if the name is taken, or by renaming it.
func (d *Dir) Put(ctx context.Context, name string, o *Object, _ string, overwrite bool) (isNew bool, err error) {
	if err := CheckPath(name); err != nil {
		return false, err
	}
	if !overwrite { // saves the write; the link below decides
		if _, err := d.root.Lstat(name); err == nil {
			return false, ErrExists
		}
	}
	temp, err := d.stage(ctx, o)
	if err != nil {
		return false, err
	}
	defer d.root.Remove(temp) // after a rename it is gone already
	if folder := path.Dir(name); folder != "." {
		if err := d.root.MkdirAll(folder, 0o755); err != nil {
			return false, writeError(err)
		}
	}
	info, err := d.root.Lstat(name)
	isNew = errors.Is(err, fs.ErrNotExist)
	switch {
	case err == nil && info.IsDir():
		return false, fmt.Errorf("%w: it is a folder", ErrExists)
	case overwrite:
		err = d.root.Rename(temp, name)
	default:
		isNew = true
		err = d.root.Link(temp, name)
	}
	if err != nil {
		return false, writeError(err)
	}
	d.sync(path.Dir(name))
	return isNew, nil
}

// stage writes the original into a file of the staging folder, and returns the file's name.
func (d *Dir) stage(ctx context.Context, o *Object) (name string, err error) {
	if err := d.root.Mkdir(staging, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", writeError(err)
	}
	d.sweep(time.Now().Add(-leftFor))
	name = path.Join(staging, rand.Text())
	file, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return "", writeError(err)
	}
	_, err = io.Copy(file, contextReader{ctx, o.NewReader()})
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		return name, nil
	}
	_ = d.root.Remove(name)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return "", writeError(err)
}

// sweep removes files of the staging folder that were written before a time.
func (d *Dir) sweep(before time.Time) {
	folder, err := d.root.OpenFile(staging, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer folder.Close()
	entries, _ := folder.ReadDir(1000)
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && info.ModTime().Before(before) {
			_ = d.root.Remove(path.Join(staging, e.Name()))
		}
	}
}

// sync makes a new name in a folder durable, where the file system can.
func (d *Dir) sync(folder string) {
	if f, err := d.root.Open(folder); err == nil {
		_ = f.Sync()
		f.Close()
	}
}

// Delete implements Storage.
func (d *Dir) Delete(ctx context.Context, name string) error {
	if err := CheckPath(name); err != nil {
		return err
	}
	info, err := d.root.Lstat(name)
	if err != nil {
		return fileError(err)
	}
	if info.IsDir() {
		return ErrNotFound
	}
	if err := d.root.Remove(name); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return ErrNotFound
		}
		return writeError(err)
	}
	return nil
}

// writeError is fileError for a write.
func writeError(err error) error {
	var errno syscall.Errno
	switch {
	case errors.Is(err, fs.ErrExist):
		return ErrExists
	case errors.Is(err, ErrUnavailable):
		return err
	case !errors.As(err, &errno):
		return fmt.Errorf("%w: a link leads out of the folder", ErrInvalidPath)
	}
	switch errno {
	case syscall.ENOTDIR, syscall.EISDIR:
		return fmt.Errorf("%w: a part of the path is a file, or the whole is a folder", ErrExists)
	case syscall.ELOOP, syscall.ENAMETOOLONG, syscall.EINVAL:
		return fmt.Errorf("%w: the folder can't hold such a name", ErrInvalidPath)
	case syscall.ENOSPC, syscall.EDQUOT:
		return unavailable("the disk of the folder is full")
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return unavailable("this server may not write to the folder")
	case syscall.EXDEV:
		return unavailable("this part of the folder is on another disk than the folder itself")
	}
	return unavailable("the file could not be written")
}

// Browse implements Storage. It is sorted, and looks at 20,000 entries at most. Hidden files
// are not listed, and folders that are links only as such.
func (d *Dir) Browse(ctx context.Context, q ListQuery) (ListPage, error) {
	if err := CheckListPrefix(q.Prefix); err != nil {
		return ListPage{}, err
	}
	folder := path.Dir(q.Prefix + "x")
	l := folderListing{listing: listing{dir: d, ctx: ctx, left: maxListEntries}, prefix: q.Prefix, flat: q.Flat, after: q.Cursor}
	if err := l.walk(folder, 0); err != nil && !errors.Is(err, ErrNotFound) {
		return ListPage{}, err
	}
	slices.Sort(l.names)
	var page ListPage
	for i, name := range l.names {
		if i >= q.Limit {
			page.Next = l.names[i-1]
			break
		}
		if strings.HasSuffix(name, "/") {
			page.Folders = append(page.Folders, name)
			continue
		}
		if s, err := d.Stat(ctx, name); err == nil {
			page.Images = append(page.Images, s)
		}
	}
	return page, nil
}

// A folderListing is one walk of Browse.
type folderListing struct {
	listing
	prefix, after string
	flat          bool
	names         []string // folders end in a slash
}

func (l *folderListing) walk(folder string, depth int) error {
	entries, err := l.read(folder)
	if err != nil {
		if depth > 0 && l.ctx.Err() == nil {
			return nil // go on with other folders
		}
		return err
	}
	for _, entry := range entries {
		name := path.Join(folder, entry.Name())
		if strings.HasPrefix(entry.Name(), ".") || !listable(name) {
			continue
		}
		isDir := entry.IsDir()
		if entry.Type()&fs.ModeSymlink != 0 && !l.flat {
			info, err := l.dir.root.Stat(name)
			isDir = err == nil && info.IsDir()
		}
		within := strings.HasPrefix(name, l.prefix)
		switch {
		case isDir && l.flat:
			if depth < maxListDepth && (within || strings.HasPrefix(l.prefix, name+"/")) {
				if err := l.walk(name, depth+1); err != nil {
					return err
				}
			}
		case isDir:
			name += "/"
			fallthrough
		default:
			if within && name > l.after {
				l.names = append(l.names, name)
			}
		}
	}
	return nil
}
