package purgehook

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// A journal is a file of JSON lines. A line is the new state of a delivery, or says that
// the delivery has ended. The file survives a kill of the process. It isn't synced: a crash
// of the machine may lose the last lines. The caller must let only one goroutine at a time
// use it.
type journal struct {
	path  string
	lock  *os.File
	file  *os.File
	lines int
	torn  bool // the last write failed, and may have left half a line
}

// journalSlack is how many outdated lines a journal may have before it is rewritten.
const journalSlack = 1000

// A line is one line of a journal.
type line struct {
	delivery
	Done bool `json:"done"` // the delivery has ended
}

// An end is the line of a delivery that has ended: it was sent or dropped.
type end struct {
	ID   string `json:"id"`
	Done bool   `json:"done"`
}

var errInUse = errors.New("its journal is in use by another process: give each server a data folder of its own")

// openJournal returns the journal at path, and its deliveries that aren't older than since.
func openJournal(path string, since time.Time) (*journal, map[string]*delivery, error) {
	lock, err := openLock(path)
	if err != nil {
		return nil, nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = errInUse
		}
		return nil, nil, err
	}
	j := &journal{path: path, lock: lock, torn: true} // the first write rewrites the file
	open, err := j.read(since)
	if err != nil {
		_ = lock.Close()
		return nil, nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, open, nil
}

// openLock opens the file whose lock protects the journal. The journal itself can't be
// locked, since rewrite replaces it. Where the lock file can't be made, the folder is
// locked.
func openLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path+".lock", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		f, err = os.Open(path + ".lock")
	}
	if err != nil {
		f, err = os.Open(filepath.Dir(path))
	}
	return f, err
}

// read returns the deliveries in the file. A missing file has none.
func (j *journal) read(since time.Time) (map[string]*delivery, error) {
	data, err := os.ReadFile(j.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return parseJournal(data, since), nil
}

// parseJournal reads lines. It skips lines that are torn, which a full disk or a loss of
// power leaves behind.
func parseJournal(data []byte, since time.Time) map[string]*delivery {
	open := map[string]*delivery{}
	for text := range bytes.Lines(data) {
		var l line
		switch err := json.Unmarshal(text, &l); {
		case err != nil || l.ID == "":
		case l.Done:
			delete(open, l.ID)
		case l.At.After(since):
			open[l.ID] = &l.delivery
		}
	}
	return open
}

// write appends the deliveries that have changed. open are all deliveries that haven't
// ended.
func (j *journal) write(open map[string]*delivery, changed []*delivery) error {
	if j.torn || j.lines+len(changed) > len(open)+journalSlack {
		return j.rewrite(open)
	}
	var b bytes.Buffer
	for _, d := range changed {
		var l any = d
		if open[d.ID] == nil {
			l = end{d.ID, true}
		}
		if err := json.NewEncoder(&b).Encode(l); err != nil {
			return err
		}
	}
	j.lines += len(changed)
	_, err := j.file.Write(b.Bytes())
	j.torn = err != nil
	return err
}

// rewrite replaces the journal by a file with only the open deliveries. After an error the
// journal is unchanged.
func (j *journal) rewrite(open map[string]*delivery) error {
	next, err := os.OpenFile(j.path+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(next)
	for _, d := range open {
		if err = json.NewEncoder(w).Encode(d); err != nil {
			break
		}
	}
	if err == nil {
		err = w.Flush()
	}
	if err == nil {
		err = os.Rename(j.path+".new", j.path)
	}
	if err != nil {
		return errors.Join(err, next.Close(), os.Remove(j.path+".new")) // frees its room on the disk
	}
	if j.file != nil {
		_ = j.file.Close() // the new file holds all that counts
	}
	j.file, j.lines, j.torn = next, len(open), false
	return nil
}

func (j *journal) close() error {
	var err error
	if j.file != nil {
		err = j.file.Close()
	}
	return errors.Join(err, j.lock.Close())
}
