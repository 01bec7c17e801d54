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

// A blocklist remembers for a while which jobs crashed a worker or timed out, so that the
// next such request is refused without a try.
//
// A failure alone doesn't show whether the image or the options are at fault, since
// decoding and encoding overlap. So a failure blocks the variant, and makes the image a
// suspect. The next request for another variant of a suspect waits for a probe: a worker
// makes the simplest variant of it (see [probe]). If the probe fails too, the image is
// blocked with all its variants. If it succeeds, the image is cleared: a later failure
// blocks one variant without a probe.
//
// The originals of a job count together as one image, their combination. Where the pool
// knows at which original the worker failed, only that original is a suspect, and its probe
// is the simplest variant of it alone.
//
// A cleared image can still crash workers under many options, for example if only its last
// pixels are damaged. So two crashes within one group of options block the group.
type blocklist struct {
	lasts time.Duration
	most  int

	mu       sync.Mutex // guards all below
	blocked  map[culprit]verdict
	suspects map[subject]*suspect
}

// A subject is an image: an original by its name, several originals by all their names, or
// the image of a mark by its hash and workspace. The zero subject is an image without a
// name. The blocklist can't remember it.
type subject struct {
	original    string
	combination string
	workspace   string
	image       [32]byte
}

// A culprit is an entry of the blocklist: an image, a group of its variants where group is
// set, or one variant where variant is set.
type culprit struct {
	subject
	group   group
	variant variant
}

// A variant is the part of a job that decides the pixels, without the images.
type variant struct {
	task      transform.Task
	drawing   transform.Drawing // zero without one
	grid      transform.Grid    // zero without one
	options   transform.Options
	format    transform.Format
	originals int      // number of originals of the job
	marks     [32]byte // a hash of the marks and their images; zero without marks
}

// A group is a coarse class of variants.
type group struct {
	format transform.Format
	class  class
}

type class int

const (
	minimal class = iota + 1 // about as small and simple as a probe
	usual                    // only resized and cropped
	unusual                  // anything else
	heavy                    // large
)

type verdict struct {
	err   error
	until time.Time
}

// A suspect is an image over which a job failed.
type suspect struct {
	until   time.Time
	cleared bool          // its probe has succeeded
	probing chan struct{} // closed at the end of the running probe; nil where none runs
	crashes map[group]int
}

func newBlocklist(lasts time.Duration, most int) *blocklist {
	return &blocklist{lasts: lasts, most: most, blocked: map[culprit]verdict{}, suspects: map[subject]*suspect{}}
}

// subjects returns the images of a job with the variant of each: first all its originals
// together, then each of several originals, then the images of its marks.
func subjects(job *transform.Job) []culprit {
	all := make([]culprit, 0, 1+len(job.Originals)+len(job.Marks))
	all = append(all, culprit{together(job.Originals), groupOf(job), variantOf(job)})
	if each(job) > 0 {
		v := all[0].variant
		v.marks = [32]byte{} // marks don't affect the decoding of one original
		for _, o := range job.Originals {
			all = append(all, culprit{subject{original: o.ID}, all[0].group, v})
		}
	}
	for i := range job.Marks {
		drawn := markJob(job, i)
		v := variantOf(&drawn)
		v.options.Trim = job.Options.Trim // trim changes the size of the mark
		all = append(all, culprit{subject{workspace: job.Owner.Workspace, image: job.Marks[i].Hash}, groupOf(&drawn), v})
	}
	return all
}

// together returns all originals of a job as one subject. It is the zero subject where one
// of several originals has no name.
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

// each returns the number of originals that are subjects of their own. A single original is
// already the job's first subject.
func each(job *transform.Job) int {
	if len(job.Originals) < 2 {
		return 0
	}
	return len(job.Originals)
}

// subjectAt returns the index in [subjects] of the image at a place of a job.
func subjectAt(job *transform.Job, at transform.Place) int {
	switch each := each(job); {
	case at.Mark > 0:
		return each + at.Mark
	case at.Original > 0 && each > 0:
		return at.Original
	}
	return 0
}

// placeOf returns the place of image i of [subjects]. It is the inverse of subjectAt.
func placeOf(job *transform.Job, i int) transform.Place {
	switch each := each(job); {
	case i > each:
		return transform.Place{Mark: i - each}
	case i > 0:
		return transform.Place{Original: i}
	}
	return transform.Place{}
}

// partOf returns the job for the image at a place alone. For the zero place it returns job.
func partOf(job *transform.Job, at transform.Place) transform.Job {
	switch {
	case at.Mark > 0:
		return markJob(job, at.Mark-1)
	case at.Original > 0 && job.Grid != nil:
		if cells, _ := job.Cells(); cells != nil {
			return cells[at.Original-1]
		}
		return *job
	case at.Original > 0:
		part := *job
		part.Originals = job.Originals[at.Original-1 : at.Original]
		return part
	}
	return *job
}

// about wraps an error in a [transform.OriginalError] where it concerns one of several
// originals.
func about(job *transform.Job, at transform.Place, err error) error {
	if at.Original == 0 || len(job.Originals) < 2 || err == nil {
		return err
	}
	if _, ok := errors.AsType[*transform.OriginalError](err); ok {
		return err
	}
	return &transform.OriginalError{Index: at.Original - 1, Err: err}
}

// markJob returns the job of drawing the image of mark i.
func markJob(job *transform.Job, i int) transform.Job {
	m := &job.Marks[i]
	drawn := transform.Job{
		Originals: []transform.Original{{Body: m.Image, Header: m.Header}}, Options: transform.Defaults(), Format: transform.PNG,
		Limits: job.Limits, Owner: job.Owner, Retain: job.Retain,
	}
	if on, ok := markedSize(job, m); ok {
		drawn.Options = m.Mark.Place(on, m.Header.Upright(), job.Options.DPR).Options
	}
	return drawn
}

// markedSize is the size of the picture that a mark lies on.
func markedSize(job *transform.Job, m *transform.MarkImage) (on transform.Size, ok bool) {
	if job.Grid != nil {
		if m.Cell == 0 {
			return job.Grid.Size, true
		}
		_, cells := job.Cells()
		if m.Cell > len(cells) {
			return on, false
		}
		cell := cells[m.Cell-1]
		return transform.Size{W: cell.Dx(), H: cell.Dy()}, true
	}
	plan, err := job.Options.Plan(job.Header().Upright())
	if err != nil {
		return on, false
	}
	if m.OnPicture {
		return transform.Size{W: plan.Picture().Dx(), H: plan.Picture().Dy()}, true
	}
	return plan.Output, true
}

// variantOf returns the variant of a job.
func variantOf(job *transform.Job) variant {
	v := variant{task: job.Task, options: job.Options, format: job.Format, originals: len(job.Originals)}
	if job.Drawing != nil {
		v.drawing = *job.Drawing
	}
	if job.Grid != nil {
		v.grid = *job.Grid
	}
	v.options.Format, v.options.Mark = "", transform.Mark{}
	v.options.Default, v.options.Download, v.options.Version = "", "", ""
	if len(job.Marks) > 0 {
		sum := sha256.New()
		for i := range job.Marks {
			m := &job.Marks[i]
			fmt.Fprintf(sum, "%x %v %v %d\n", m.Hash, m.Mark, m.OnPicture, m.Cell)
		}
		sum.Sum(v.marks[:0])
	}
	return v
}

// A variant beyond one of these bounds is heavy.
const (
	heavyBytes  = 256 << 20 // of memory, beyond the memory of a probe
	heavyPixels = 4 << 20
)

func groupOf(job *transform.Job) group {
	o, resized := variantOf(job).options, transform.Defaults()
	resized.Format, resized.Mark = "", transform.Mark{}
	resized.WidthPercent, resized.HeightPercent, resized.Inset = o.WidthPercent, o.HeightPercent, o.Inset
	resized.Width, resized.Height, resized.DPR, resized.Fit, resized.Enlarge, resized.Aspect, resized.Rect = o.Width, o.Height, o.DPR, o.Fit, o.Enlarge, o.Aspect, o.Rect
	resized.FocalX, resized.FocalY, resized.FocalZoom, resized.Background = o.FocalX, o.FocalY, o.FocalZoom, o.Background
	resized.QualityAVIF, resized.QualityWebP, resized.QualityJXL = o.QualityAVIF, o.QualityWebP, o.QualityJXL
	resized.Quality, resized.QualityTarget, resized.Anim, resized.Metadata = o.Quality, o.QualityTarget, o.Anim, o.Metadata
	if o.Gravity != transform.GravityAttention && o.Gravity != transform.GravityEntropy && o.Gravity != transform.GravityFace {
		resized.Gravity = o.Gravity
	}
	plan, err := o.Plan(job.Header().Upright())
	out, frames, least := plan.Output, framesOf(job), probe(job)
	if job.Grid != nil {
		out, frames, err = job.Grid.Size, 1, nil
	}
	switch {
	case err != nil || job.Drawing != nil:
		return group{job.Format, unusual} // the engine returns the error
	case out.W*out.H*frames > heavyPixels || Estimate(job)-Estimate(&least) > heavyBytes:
		return group{job.Format, heavy}
	case o != resized:
		return group{job.Format, unusual}
	case out.W*out.H <= 4*probeSide*probeSide && frames == 1 && o.Rect == (transform.Rect{}) && o.Inset == ([4]int{}):
		return group{job.Format, minimal}
	}
	return group{job.Format, usual}
}

// probeSide is the side of a probe's variant, in pixels.
const probeSide = 64

// probe returns a job that tests whether an image can be decoded: its first frame, small,
// and losslessly encoded.
func probe(job *transform.Job) transform.Job {
	p := transform.Job{
		Originals: job.Originals, Options: transform.Defaults(), Format: transform.PNG,
		Limits: job.Limits, Owner: job.Owner, Retain: job.Retain,
	}
	p.Options.Width, p.Options.Height, p.Options.Anim = probeSide, probeSide, false
	if job.Grid != nil && len(job.Originals) > 1 {
		p.Task, p.Grid = transform.TaskGrid, &transform.Grid{Type: transform.GridRow, Size: transform.Size{W: probeSide, H: probeSide}}
	}
	return p
}

// check returns the error of a blocked job. Otherwise it returns the images that must be
// probed first, by their index in [subjects].
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

// checkOne returns the error of a culprit that is blocked. The caller holds mu.
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

// suspect returns the suspect of an image, or nil. The caller holds mu.
func (b *blocklist) suspect(s subject) *suspect {
	known := b.suspects[s]
	if known != nil && known.probing == nil && !time.Now().Before(known.until) {
		delete(b.suspects, s)
		return nil
	}
	return known
}

// failed blocks a variant of an image, and makes the image a suspect. crashed means that
// the job lost a process other than by a timeout. After two crashes the group of the
// variant is blocked.
func (b *blocklist) failed(c culprit, err error, crashed bool) {
	const enough = 2
	if c.subject == (subject{}) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	of := culprit{subject: c.subject, variant: c.variant}
	again := b.checkOne(of) != nil // two requests for it ran at the same time
	b.block(of, err)
	s := b.addSuspect(c.subject)
	if !crashed || again {
		return
	}
	if s.crashes[c.group]++; s.crashes[c.group] >= enough {
		b.block(culprit{subject: c.subject, group: c.group}, err)
	}
}

// block adds a culprit. The caller holds mu.
func (b *blocklist) block(c culprit, err error) {
	now := time.Now()
	makeRoom(b.blocked, b.most, func(v verdict) bool { return !now.Before(v.until) })
	b.blocked[c] = verdict{err, now.Add(b.lasts)}
}

// makeRoom deletes entries until m has fewer than most: expired ones first, then any.
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

// suspectToo makes an image a suspect without blocking a variant.
func (b *blocklist) suspectToo(of subject) {
	if of == (subject{}) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.addSuspect(of)
}

// addSuspect returns the suspect of an image, which it adds where it is missing. The caller
// holds mu.
func (b *blocklist) addSuspect(of subject) *suspect {
	s := b.suspect(of)
	if s == nil {
		makeRoom(b.suspects, b.most, func(s *suspect) bool { return s.probing == nil && !time.Now().Before(s.until) })
		s = &suspect{until: time.Now().Add(b.lasts), crashes: map[group]int{}}
		b.suspects[of] = s
	}
	return s
}

// beginProbe begins the probe of a suspect. Where end isn't nil, the caller must probe the
// image and call end. tried reports whether the probe ran, and fault is the error for all
// variants of the image. Where end is nil, another goroutine probes it, or no probe is
// needed. done is closed at the end of the probe.
func (b *blocklist) beginProbe(s subject) (done <-chan struct{}, end func(tried bool, fault error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	known := b.suspect(s)
	if known == nil || known.cleared { // since the caller's check
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

// len returns the number of blocked culprits.
func (b *blocklist) len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.blocked)
}
