package usage

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/tintype/tintype/workspace"
)

// A diary has on disk what a [Recorder] has counted and the store may not have, so that a kill
// loses only the last interval. A file has the counts of one cut, a line for each interval: the
// sum of its lines is what the store gets, under the ID and Seq in its name. So it gets the same
// where another process sends it again.
type diary struct {
	folder string // empty keeps none
	page   *page  // that is written; nil before its first line
}

// A page is a file of a diary. It is locked while its process lives.
type page struct {
	path string
	file *os.File
}

const pageEnd = ".counts"

// add writes a line to the page whose first tally has this ID and Seq.
func (d *diary) add(t workspace.Tally) error {
	if d.folder == "" {
		return nil
	}
	line, err := t.MarshalRows()
	if err != nil {
		return err
	}
	if d.page == nil {
		if err := os.MkdirAll(d.folder, 0o700); err != nil {
			return err
		}
		path := filepath.Join(d.folder, fmt.Sprintf("%s-%012d%s", t.ID, t.Seq, pageEnd))
		file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
			return errors.Join(err, file.Close())
		}
		d.page = &page{path, file}
	}
	_, err = d.page.file.Write(append(line, '\n'))
	return err
}

// turn returns the page so far, and begins another.
func (d *diary) turn() *page {
	p := d.page
	d.page = nil
	return p
}

// drop removes the page, since the store has what is in it, or since not all of it could be
// written.
func (p *page) drop() {
	if p == nil {
		return
	}
	_ = os.Remove(p.path) // one that stays is sent again, and counts once
	_ = p.file.Close()
}

// A leftover is a page of a process that was killed.
type leftover struct {
	*page
	workspace.Tally
	at time.Time // of the last line
}

// leftovers returns the pages of processes that have ended, in their order, and takes them over.
func (d *diary) leftovers() (list []leftover, err error) {
	if d.folder == "" {
		return nil, nil
	}
	names, err := filepath.Glob(filepath.Join(d.folder, "*"+pageEnd))
	if err != nil {
		return nil, err
	}
	for _, path := range names {
		id, text, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), pageEnd), "-")
		seq, bad := strconv.ParseInt(text, 10, 64)
		if bad != nil || d.page != nil && d.page.path == path {
			continue
		}
		l, failed := openLeftover(path)
		if failed != nil {
			err = errors.Join(err, failed)
		} else if l != nil {
			l.ID, l.Seq = id, seq
			list = append(list, *l)
		}
	}
	slices.SortFunc(list, func(a, b leftover) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Seq, b.Seq)) })
	return list, err
}

// openLeftover reads a page, or returns nil where its process lives.
func openLeftover(path string) (*leftover, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	l := &leftover{page: &page{path, file}}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = file.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, nil
		}
		return nil, err
	}
	info, err := file.Stat()
	if err == nil {
		l.at = info.ModTime()
		err = l.read()
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return l, nil
}

// read reads the lines. The last one may be cut off, and was not promised then.
func (l *leftover) read() error {
	data, err := os.ReadFile(l.path)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(data) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		if err := l.UnmarshalRows(line); err != nil {
			return err
		}
	}
	return nil
}
