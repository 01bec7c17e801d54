package worker

import (
	"os"
	"sync"
	"time"

	"github.com/tintype/tintype/transform"
)

// marks has the files of the images of a job's marks.
type marks struct {
	files    []*os.File
	lengths  []int
	releases []func()
}

// of returns the files of a job. The caller must release them.
func (m *markFiles) of(job *transform.Job) (list marks, err error) {
	for _, mark := range job.Marks {
		f, release, err := m.get(mark.Hash, mark.Image)
		if err != nil {
			list.release()
			return marks{}, err
		}
		list.files = append(list.files, f)
		list.lengths = append(list.lengths, len(mark.Image))
		list.releases = append(list.releases, release)
	}
	return list, nil
}

func (m *marks) release() {
	for _, release := range m.releases {
		release()
	}
}

// markFiles keeps recently used files of marks, by the hashes of their images, since many
// variants carry the same mark.
type markFiles struct {
	most int64 // bytes beyond which unused files are closed

	mu    sync.Mutex // guards all below
	files map[[32]byte]*markFile
	bytes int64
}

type markFile struct {
	file   *os.File
	length int64
	users  int
	used   time.Time // when the last user released it
}

func newMarkFiles(most int64) *markFiles {
	return &markFiles{most: most, files: map[[32]byte]*markFile{}}
}

// get returns the file of an image. It stays open until release is called.
func (m *markFiles) get(hash [32]byte, image []byte) (f *os.File, release func(), err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := m.files[hash]
	if e == nil {
		f, err := imageFile(image)
		if err != nil {
			return nil, nil, err
		}
		e = &markFile{file: f, length: int64(len(image))}
		m.files[hash] = e
		m.bytes += e.length
	}
	e.users++
	return e.file, sync.OnceFunc(func() { m.release(e) }), nil
}

func (m *markFiles) release(e *markFile) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e.users--
	e.used = time.Now()
	for m.bytes > m.most {
		var oldest [32]byte
		found := false
		for hash, o := range m.files {
			if o.users == 0 && (!found || o.used.Before(m.files[oldest].used)) {
				oldest, found = hash, true
			}
		}
		if !found {
			return
		}
		m.drop(oldest)
	}
}

func (m *markFiles) drop(hash [32]byte) {
	e := m.files[hash]
	delete(m.files, hash)
	m.bytes -= e.length
	_ = e.file.Close()
}

// close closes all files. No job may run.
func (m *markFiles) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for hash := range m.files {
		m.drop(hash)
	}
}
