// Package transfer moves what a store holds into a file and from there into another store, of
// the same kind or another.
//
// For most uses, call [Export] with a store as [Source], and [Import] with one as [Target].
// Secrets stay encrypted all the way, so both stores need the same secret key.
//
// The file is JSON lines: a [Header], one [Record] a line, and an end with counts and a
// checksum. A file without its end is never imported.
package transfer

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"maps"
	"time"
)

// Format is the version of the file's form.
const Format = 1

// maxLine bounds a line. The longest are logs of purges, of some megabytes.
const maxLine = 256 << 20

// ErrNotEmpty means that a target holds something already.
var ErrNotEmpty = errors.New("the store isn't empty")

// A Header is the first line of a file.
type Header struct {
	Format  int       `json:"format"`
	Version string    `json:"tintype"` // which made the file
	From    string    `json:"from"`    // kind of the store, such as sqlite
	MadeAt  time.Time `json:"made_at"`
	// Token is a ciphertext that tells whether a secret key opens the secrets in the file.
	Token string `json:"token"`
}

// Counts are numbers of records by kind.
type Counts map[string]int

// Total returns the number of all records.
func (c Counts) Total() (n int) {
	for _, v := range c {
		n += v
	}
	return n
}

// An end is the last line of a file.
type end struct {
	Counts Counts `json:"counts"`
	SHA256 string `json:"sha256"` // of all lines before, in hex
}

// A line is any line of a file.
type line struct {
	Header *Header `json:"tintype_store,omitempty"`
	End    *end    `json:"end,omitempty"`
	Record
}

// A Source is a store that can be exported.
type Source interface {
	// Token returns a ciphertext that tells whether a secret key is the store's.
	Token(ctx context.Context) (string, error)
	// Export calls do with every record, in no order.
	Export(ctx context.Context, do func(Record) error) error
}

// A Target is a store that can be imported into.
type Target interface {
	// Fits reports why the store can't take a record; nil is that it can. It writes nothing.
	Fits(Record) error
	// Take writes all records. If the store isn't empty, it fails with ErrNotEmpty, or removes
	// what it holds where replace is true. When it fails or the process ends before it is
	// done, a server finds the store as it was, or refuses to start on it. The records come
	// with workspaces last, so that a server that runs already serves no workspace before
	// what belongs to it is there.
	Take(ctx context.Context, records iter.Seq2[Record, error], token string, replace bool) error
	// CheckToken reports why the store's secret key doesn't open secrets; nil is that it does.
	CheckToken(token string) error
}

// Export writes a file. progress is called after each record.
func Export(ctx context.Context, w io.Writer, from Source, h Header, progress func(Counts)) (Counts, error) {
	token, err := from.Token(ctx)
	if err != nil {
		return nil, err
	}
	h.Format, h.Token = Format, token
	out := bufio.NewWriterSize(w, 1<<20)
	sum, counts := sha256.New(), Counts{}
	lines := json.NewEncoder(io.MultiWriter(out, sum))
	lines.SetEscapeHTML(false)
	if err := lines.Encode(line{Header: &h}); err != nil {
		return nil, err
	}
	err = from.Export(ctx, func(r Record) error {
		kind, err := r.Kind()
		if err != nil {
			return err
		}
		counts[kind]++
		progress(counts)
		return lines.Encode(line{Record: r})
	})
	if err != nil {
		return nil, err
	}
	last := line{End: &end{Counts: counts, SHA256: hex.EncodeToString(sum.Sum(nil))}}
	if err := json.NewEncoder(out).Encode(last); err != nil {
		return nil, err
	}
	return counts, out.Flush()
}

// Import reads a file into a store. It reads all of it before it writes anything: a file that is
// damaged, cut off, of another version or of another secret key changes nothing. progress is
// called after each record that was given to the store, with the number of all.
func Import(ctx context.Context, file io.ReadSeeker, to Target, replace bool, progress func(done, all int)) (Counts, error) {
	h, counts, err := verify(ctx, file, to)
	if err != nil {
		return nil, err
	}
	done, all := 0, counts.Total()
	records := func(yield func(Record, error) bool) {
		for _, last := range []bool{false, true} {
			err := read(ctx, file, func(l line, _ func() string) error {
				if l.Header != nil || l.End != nil || (l.Workspace != nil) != last {
					return nil
				}
				done++
				progress(done, all)
				if !yield(l.Record, nil) {
					return errStop
				}
				return nil
			})
			if errors.Is(err, errStop) {
				return
			}
			if err != nil {
				yield(Record{}, err)
				return
			}
		}
	}
	return counts, to.Take(ctx, records, h.Token, replace)
}

var errStop = errors.New("stop")

// verify reads all of a file.
func verify(ctx context.Context, file io.ReadSeeker, to Target) (h Header, counts Counts, err error) {
	counts = Counts{}
	number, ended := 0, false
	err = read(ctx, file, func(l line, sum func() string) error {
		number++
		switch {
		case ended:
			return errors.New("there is something after its end: import the file as it was exported")
		case number == 1:
			if l.Header == nil {
				return errors.New("this is no export of tintype store export")
			}
			h = *l.Header
			if h.Format != Format {
				return fmt.Errorf("its format is %d, and this tintype reads %d: import it with the version that made it (%s), or a newer one", h.Format, Format, h.Version)
			}
			return to.CheckToken(h.Token)
		case l.End != nil:
			ended = true
			if l.End.SHA256 != sum() || !maps.Equal(l.End.Counts, counts) {
				return errors.New("its checksum or its counts are wrong: it was damaged or changed; export again")
			}
			return nil
		case l.Header != nil:
			return errors.New("it has two beginnings: import one export after the other")
		}
		kind, err := l.Kind()
		if err != nil {
			return err
		}
		counts[kind]++
		return to.Fits(l.Record)
	})
	if err == nil && !ended {
		err = errors.New("its end is missing: the export was cut off; export again")
	}
	if err != nil && number > 0 {
		err = fmt.Errorf("line %d: %w", number, err)
	}
	return h, counts, err
}

// read calls do for each line of a file, and with what returns the checksum of the lines before.
func read(ctx context.Context, file io.ReadSeeker, do func(l line, sum func() string) error) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	scanner := bufio.NewScanner(file)
	scanner.Buffer(make([]byte, 1<<20), maxLine)
	scanner.Split(wholeLines)
	var sum hash.Hash = sha256.New()
	for scanner.Scan() {
		if err := ctx.Err(); err != nil {
			return err
		}
		var l line
		in := json.NewDecoder(bytes.NewReader(scanner.Bytes()))
		in.DisallowUnknownFields()
		if err := in.Decode(&l); err != nil {
			return fmt.Errorf("it can't be read: it was damaged, or made by a newer tintype: %w", err)
		}
		if err := do(l, func() string { return hex.EncodeToString(sum.Sum(nil)) }); err != nil {
			return err
		}
		sum.Write(scanner.Bytes())
		sum.Write([]byte("\n"))
	}
	return scanner.Err()
}

// wholeLines splits as bufio.ScanLines does, but keeps a carriage return and leaves out a last
// line without an end, which was cut off.
func wholeLines(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i], nil
	}
	if atEOF {
		return len(data), nil, nil
	}
	return 0, nil, nil
}
