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

// A journal is a file of JSON lines, each of which is a delivery as it stands from
// then on, or says that it is no more. What was written outlives the process; it
// isn't synced, so that the last of it may be lost with the machine. Whoever has it
// sees to it that one goroutine at a time uses it.
type journal struct {
	path  string
	lock  *os.File
	file  *os.File
	lines int
	torn  bool // the last write failed, and may have left half a line
}

// journalSlack is how many lines a journal may have beyond those that say something
// new.
const journalSlack = 1000

// A line is one line of a journal.
type line struct {
	delivery
	Done bool `json:"done"` // the delivery is no more
}

// An end is the line of a delivery that is no more.
type end struct {
	ID   string `json:"id"`
	Done bool   `json:"done"`
}

var errInUse = errors.New("its journal is in use by another process: give each server a data folder of its own")

// openJournal returns the journal in the file at path, and what is to be delivered
// and isn't older than since.
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
	j := &journal{path: path, lock: lock, torn: true} // it is rewritten before anything is added
	open, err := j.read(since)
	if err != nil {
		_ = lock.Close()
		return nil, nil, fmt.Errorf("journal %s: %w", path, err)
	}
	return j, open, nil
}

// openLock opens the file that is locked in the journal's place, since that is replaced now
// and then. On a disk that can't be written it is the folder, if need be.
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

// read reads the file, which may not be there.
func (j *journal) read(since time.Time) (map[string]*delivery, error) {
	data, err := os.ReadFile(j.path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return parseJournal(data, since), nil
}

// parseJournal reads lines. One that is torn, since the disk was full or the machine
// lost power, says nothing.
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

// write appends what has changed. open is all that is to be delivered, the changed
// included.
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

// rewrite puts a file in the place of the journal that says no more than it must. After an
// error the journal is as it was.
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
		return errors.Join(err, next.Close(), os.Remove(j.path+".new")) // what it holds takes room
	}
	if j.file != nil {
		_ = j.file.Close() // what it holds is in the other
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
