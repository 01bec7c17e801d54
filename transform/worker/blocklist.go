package worker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/tintype/tintype/transform"
)

// A blocklist remembers for a while what brought workers down, so that the next
// request for it is refused without being tried.
//
// One failure doesn't tell whether the image is at fault or what was asked of it:
// decoder and encoder run at the same time. So a failure blocks the variant alone, and
// makes the image a suspect. The next request for another variant of a suspect has to
// wait for a probe: the plainest variant of it, made by a worker (see [probe]). An
// image whose probe fails too is blocked with all its variants. One whose probe
// succeeds is cleared: from then on a failure blocks one variant without a probe.
//
// A job of several originals counts as one image, their combination, unless it is known
// that the worker was at one of them: then this original alone is at fault, and its
// probe is the plainest variant of it alone.
//
// An image that is cleared could still crash a worker under every other options: its
// first pixels are well, say, and its last are not. Two crashes within one group of options
// block that group, of which there are few.
type blocklist struct {
	lasts time.Duration
	most  int

	mu       sync.Mutex // guards all below
	blocked  map[culprit]verdict
	suspects map[subject]*suspect
}

// A subject is an image: an original by its name; several originals by all their names;
// or a mark's image by its hash, in the workspace that stamps it. The zero subject is
// an image without a name, of which nothing can be remembered.
type subject struct {
	original    string
	combination string
	workspace   string
	image       [32]byte
}

// A culprit is what is blocked: an image; or, where group is set, all its variants of
// that group; or, where variant is set, this one.
type culprit struct {
	subject
	group   group
	variant variant
}

// A variant is all that is asked of an image, but for what changes no pixel.
type variant struct {
	options   transform.Options
	format    transform.Format
	originals int      // of the job, which is another one where there are others beside it
	marks     [32]byte // a hash of the marks and their images; zero is none
}

// A group says roughly what is asked of an image.
type group struct {
	format transform.Format
	class  class
}

type class int

const (
	minimal class = iota + 1 // about as a probe, in any format
	usual                    // resized and cropped only
	unusual                  // anything else
	heavy                    // large
)

type verdict struct {
	err   error
	until time.Time
}

// A suspect is an image over which a worker was lost.
type suspect struct {
	until   time.Time
	cleared bool          // its probe has succeeded
	probing chan struct{} // closed when the probe that runs has ended; nil is none
	crashes map[group]int
}

func newBlocklist(lasts time.Duration, most int) *blocklist {
	return &blocklist{lasts: lasts, most: most, blocked: map[culprit]verdict{}, suspects: map[subject]*suspect{}}
}

// subjects are the images of a job with what is asked of each: its originals together
// first, then each where there are several, then the images of its marks.
func subjects(job *transform.Job) []culprit {
	all := make([]culprit, 0, 1+len(job.Originals)+len(job.Marks))
	all = append(all, culprit{together(job.Originals), groupOf(job), variantOf(job)})
	if each(job) > 0 {
		v := all[0].variant
		v.marks = [32]byte{} // they have no part in it
		for _, o := range job.Originals {
			all = append(all, culprit{subject{original: o.ID}, all[0].group, v})
		}
	}
	for i := range job.Marks {
		drawn := markJob(job, i)
		v := variantOf(&drawn)
		v.options.Trim = job.Options.Trim // which decides how large the mark is too
		all = append(all, culprit{subject{workspace: job.Owner.Workspace, image: job.Marks[i].Hash}, groupOf(&drawn), v})
	}
	return all
}

// together is all originals of a job as one subject. They have no name where one of
// them has none.
func together(originals []transform.Original) subject {
	switch len(originals) {
	case 0:
		return subject{}
	case 1:
		return subject{original: originals[0].ID}
	}
	var names []byte
	for _, o := range originals {
		if o.ID == "" {
			return subject{}
		}
		names = strconv.AppendQuote(names, o.ID)
	}
	return subject{combination: string(names)}
}

// each is how many originals of a job are subjects of their own: one alone is the job's
// first subject already.
func each(job *transform.Job) int {
	if len(job.Originals) < 2 {
		return 0
	}
	return len(job.Originals)
}

// subjectAt is the index in [subjects] of the image at a place of a job.
func subjectAt(job *transform.Job, at transform.Place) int {
	switch each := each(job); {
	case at.Mark > 0:
		return each + at.Mark
	case at.Original > 0 && each > 0:
		return at.Original
	}
	return 0
}

// placeOf is the place of the image i of [subjects]: what subjectAt turns into i.
func placeOf(job *transform.Job, i int) transform.Place {
	switch each := each(job); {
	case i > each:
		return transform.Place{Mark: i - each}
	case i > 0:
		return transform.Place{Original: i}
	}
	return transform.Place{}
}

// partOf is what a job asks of the image at a place alone; of no image in particular it
// is the job.
func partOf(job *transform.Job, at transform.Place) transform.Job {
	switch {
	case at.Mark > 0:
		return markJob(job, at.Mark-1)
	case at.Original > 0:
		part := *job
		part.Originals = job.Originals[at.Original-1 : at.Original]
		return part
	}
	return *job
}

// about says of an error which of several originals of a job it concerns.
func about(job *transform.Job, at transform.Place, err error) error {
	if at.Original == 0 || len(job.Originals) < 2 || err == nil {
		return err
	}
	if _, ok := errors.AsType[*transform.OriginalError](err); ok {
		return err
	}
	return &transform.OriginalError{Index: at.Original - 1, Err: err}
}

// markJob is what a job asks of the image of its mark i.
func markJob(job *transform.Job, i int) transform.Job {
	m := &job.Marks[i]
	drawn := transform.Job{
		Originals: []transform.Original{{Body: m.Image, Header: m.Header}}, Options: transform.Defaults(), Format: transform.PNG,
		Limits: job.Limits, Owner: job.Owner, Retain: job.Retain,
	}
	if plan, err := job.Options.Plan(job.Header().Upright()); err == nil {
		on := plan.Output
		if m.OnPicture {
			on = transform.Size{W: plan.Picture().Dx(), H: plan.Picture().Dy()}
		}
		drawn.Options = m.Mark.Place(on, m.Header.Upright(), job.Options.DPR).Options
	}
	return drawn
}

// variantOf is what a job asks of its originals.
func variantOf(job *transform.Job) variant {
	v := variant{options: job.Options, format: job.Format, originals: len(job.Originals)}
	v.options.Format, v.options.Mark = "", transform.Mark{}
	v.options.Default, v.options.Download, v.options.Version = "", "", ""
	if len(job.Marks) > 0 {
		sum := sha256.New()
		for i := range job.Marks {
			m := &job.Marks[i]
			fmt.Fprintf(sum, "%x %v %v\n", m.Hash, m.Mark, m.OnPicture)
		}
		sum.Sum(v.marks[:0])
	}
	return v
}

// Beyond these a variant is heavy.
const (
	heavyBytes  = 256 << 20 // of memory, more than what a probe takes
	heavyPixels = 4 << 20
)

func groupOf(job *transform.Job) group {
	o, resized := variantOf(job).options, transform.Defaults()
	resized.Format, resized.Mark = "", transform.Mark{}
	resized.Width, resized.Height, resized.DPR, resized.Fit, resized.Aspect, resized.Rect = o.Width, o.Height, o.DPR, o.Fit, o.Aspect, o.Rect
	resized.FocalX, resized.FocalY, resized.FocalZoom, resized.Background = o.FocalX, o.FocalY, o.FocalZoom, o.Background
	resized.Quality, resized.Anim, resized.Metadata = o.Quality, o.Anim, o.Metadata
	if o.Gravity != transform.GravityAttention && o.Gravity != transform.GravityEntropy {
		resized.Gravity = o.Gravity
	}
	plan, err := o.Plan(job.Header().Upright())
	out, frames, least := plan.Output, framesOf(job), probe(job)
	switch {
	case err != nil:
		return group{job.Format, unusual} // the engine will say so
	case out.W*out.H*frames > heavyPixels || Estimate(job)-Estimate(&least) > heavyBytes:
		return group{job.Format, heavy}
	case o != resized:
		return group{job.Format, unusual}
	case out.W*out.H <= 4*probeSide*probeSide && frames == 1 && o.Rect == (transform.Rect{}):
		return group{job.Format, minimal}
	}
	return group{job.Format, usual}
}

// probeSide is the side of a probe's variant, in pixels.
const probeSide = 64

// probe is the job that shows whether an image can be decoded: its first frame, small,
// and encoded without loss.
func probe(job *transform.Job) transform.Job {
	p := transform.Job{
		Originals: job.Originals, Options: transform.Defaults(), Format: transform.PNG,
		Limits: job.Limits, Owner: job.Owner, Retain: job.Retain,
	}
	p.Options.Width, p.Options.Height, p.Options.Anim = probeSide, probeSide, false
	return p
}

// check returns the error of a job that is blocked, and else its images that have to
// be probed first, by their index in [subjects].
func (b *blocklist) check(job *transform.Job) (toProbe []int, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.blocked) == 0 && len(b.suspects) == 0 {
		return nil, nil
	}
	for i, c := range subjects(job) {
		if c.subject == (subject{}) {
			continue
		}
		for _, c := range []culprit{{subject: c.subject}, {subject: c.subject, group: c.group}, {subject: c.subject, variant: c.variant}} {
			if err := b.checkOne(c); err != nil {
				return nil, about(job, placeOf(job, i), err)
			}
		}
		if s := b.suspect(c.subject); s != nil && !s.cleared {
			toProbe = append(toProbe, i)
		}
	}
	return toProbe, nil
}

// checkOne is the error of what is blocked. The caller holds mu.
func (b *blocklist) checkOne(c culprit) error {
	v, ok := b.blocked[c]
	if !ok {
		return nil
	}
	if !time.Now().Before(v.until) {
		delete(b.blocked, c)
		return nil
	}
	return v.err
}

// suspect is what is known of an image, or nil. The caller holds mu.
func (b *blocklist) suspect(s subject) *suspect {
	known := b.suspects[s]
	if known != nil && known.probing == nil && !time.Now().Before(known.until) {
		delete(b.suspects, s)
		return nil
	}
	return known
}

// failed blocks a variant of an image, which is a suspect from now on. crashed is that
// a process was lost, for no want of time: after two such failures the variant's group
// is blocked.
func (b *blocklist) failed(c culprit, err error, crashed bool) {
	const enough = 2
	if c.subject == (subject{}) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	of := culprit{subject: c.subject, variant: c.variant}
	again := b.checkOne(of) != nil // it was asked for twice at the same time
	b.block(of, err)
	s := b.addSuspect(c.subject)
	if !crashed || again {
		return
	}
	if s.crashes[c.group]++; s.crashes[c.group] >= enough {
		b.block(culprit{subject: c.subject, group: c.group}, err)
	}
}

// block refuses a culprit from now on. The caller holds mu.
func (b *blocklist) block(c culprit, err error) {
	now := time.Now()
	makeRoom(b.blocked, b.most, func(v verdict) bool { return !now.Before(v.until) })
	b.blocked[c] = verdict{err, now.Add(b.lasts)}
}

// makeRoom makes room for one more of at most so many: by what is over, or by any.
func makeRoom[K comparable, V any](m map[K]V, most int, over func(V) bool) {
	if len(m) < most {
		return
	}
	for k, v := range m {
		if over(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < most {
			break
		}
		delete(m, k)
	}
}

// suspectToo makes an image a suspect, of which nothing is blocked yet.
func (b *blocklist) suspectToo(of subject) {
	if of == (subject{}) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addSuspect(of)
}

// addSuspect is the suspect that an image is from now on. The caller holds mu.
func (b *blocklist) addSuspect(of subject) *suspect {
	s := b.suspect(of)
	if s == nil {
		makeRoom(b.suspects, b.most, func(s *suspect) bool { return s.probing == nil && !time.Now().Before(s.until) })
		s = &suspect{until: time.Now().Add(b.lasts), crashes: map[group]int{}}
		b.suspects[of] = s
	}
	return s
}

// beginProbe is called before a suspect is probed. Where end is not nil the caller is
// to probe it, and to call end: with whether that was possible, and the error that all
// its variants are to get. Else another does. done is closed at the end.
func (b *blocklist) beginProbe(s subject) (done <-chan struct{}, end func(tried bool, fault error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.suspect(s)
	if known == nil || known.cleared { // meanwhile
		over := make(chan struct{})
		close(over)
		return over, nil
	}
	if known.probing != nil {
		return known.probing, nil
	}
	probing := make(chan struct{})
	known.probing = probing
	return probing, func(tried bool, fault error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		known.probing = nil
		switch {
		case fault != nil:
			b.block(culprit{subject: s}, fault)
			delete(b.suspects, s)
		case tried:
			known.cleared, known.until = true, time.Now().Add(b.lasts)
		}
		close(probing)
	}
}

// len is how many culprits are blocked.
func (b *blocklist) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.blocked)
}
