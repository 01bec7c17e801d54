package delivery

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tintype/tintype/cache"
	"github.com/tintype/tintype/fault"
	"github.com/tintype/tintype/marks"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform"
)

// gridEndpoint answers with several originals beside each other. Each of them is held to the
// rules of a single one, and carries the marks of its sources on its cell.
var gridEndpoint = &endpoint{
	name: "grid", several: true, lifetime: 365 * 24 * time.Hour, cacheControl: "public, max-age=31536000",
	takes: append([]string{"type", "cols", "gap", "missing"}, gridOptions...),
	read:  (*site).readGrid, make: (*Service).makeGrid,
}

// A grid is what a URL says of one.
type grid struct {
	transform.Grid
	skip    bool // cells that can't be had are left out
	partial bool // one is left out
}

// gridOptions are the options that grids share with variants, with their aliases.
var gridOptions = []string{
	"size", "w", "width", "h", "height", "dpr", "bg", "background", "format", "fm", "f", "output",
	"q", "quality", "q-avif", "q-webp", "q-jxl", "q-target", "lossless", "progressive", "v", "dl",
	"mark", "mark-size", "mark-w", "mark-h", "mark-fit", "mark-align", "mark-pad", "mark-opacity", "mark-repeat",
}

// readGrid reads a grid's layout and options, finds its originals and decides on the marks
// of each.
func (c *site) readGrid(a *ask, n name, q transform.Query) error {
	if c.PresetsOnly {
		return fault.New(fault.PresetRequired, "this workspace serves presets only: it has no grids")
	}
	if !n.bySrc {
		return fault.New(fault.InvalidSource, "src: a grid names its images as /grid?src=…&src=…")
	}
	o, err := c.marks.Parse(nil, only(q, gridOptions...))
	if err != nil {
		return err
	}
	if o.Format == transform.SameAsOriginal {
		return &transform.OptionError{Name: "format", Reason: "original is not allowed here, since there are several; leave it out, or name a format"}
	}
	a.grid = &grid{}
	if err := a.grid.read(o, q); err != nil {
		return err
	}
	var sources []string
	for _, p := range q {
		if p.Name == "src" {
			sources = append(sources, p.Value)
		}
	}
	if len(sources) < transform.GridLeast || len(sources) > transform.GridMost {
		return fault.New(fault.InvalidSource, fmt.Sprintf("src: a grid has %d to %d images, and this one %d", transform.GridLeast, transform.GridMost, len(sources)))
	}
	for i, src := range sources {
		r, err := c.resolve(n, src, true)
		if err != nil {
			return ofCell(i, err)
		}
		a.refs = append(a.refs, r)
	}
	if a.marks, err = c.decideGridMarks(o, a.refs); err != nil {
		return err
	}
	a.options = o
	a.canonical = a.grid.canonical(o)
	// The sizes of the grid are those of the output, and marks have theirs.
	a.options.DPR, a.options.Anim, a.options.Fit = 1, false, transform.FitScaleDown
	return nil
}

// read reads the layout. o are the options.
func (g *grid) read(o transform.Options, q transform.Query) error {
	for _, side := range []struct {
		name    string
		pixels  int
		percent float64
	}{{"w", o.Width, o.WidthPercent}, {"h", o.Height, o.HeightPercent}} {
		if side.percent > 0 {
			return &transform.OptionError{Name: side.name, Reason: "is in percent; a grid needs pixels"}
		}
		if side.pixels == 0 {
			return &transform.OptionError{Name: side.name, Reason: "is missing; a grid needs w and h, or size"}
		}
	}
	g.Size = transform.Size{W: scaled(float64(o.Width), o.DPR), H: scaled(float64(o.Height), o.DPR)}
	kind, _, err := q.Value("type")
	if err != nil {
		return err
	}
	switch g.Type = transform.GridType(kind); g.Type {
	case "":
		g.Type = transform.GridAuto
	case transform.GridAuto, transform.GridClassic, transform.GridColumn, transform.GridRow:
	default:
		return &transform.OptionError{Name: "type", Reason: fmt.Sprintf("%.40q is not allowed; allowed: auto, classic, column, row", kind)}
	}
	if g.Cols, _, err = wholeNumber(q, 1, transform.GridMost, "cols"); err != nil {
		return err
	}
	if g.Cols == 0 {
		g.Cols = 2
	}
	gap, _, err := wholeNumber(q, 0, transform.GridGap, "gap")
	if err != nil {
		return err
	}
	g.Gap = int(math.Round(float64(gap) * o.DPR))
	switch missing, has, err := q.Value("missing"); {
	case err != nil:
		return err
	case missing == "skip":
		g.skip = true
	case has && missing != "error":
		return &transform.OptionError{Name: "missing", Reason: fmt.Sprintf("%.40q is not allowed; allowed: skip, error", missing)}
	}
	if g.Type == transform.GridAuto || g.Type == transform.GridRow {
		g.Cols = 0 // no effect
	}
	return nil
}

// canonical is what decides the grid but for its originals, marks and Accept.
func (g *grid) canonical(o transform.Options) string {
	b := fmt.Appendf(nil, "w=%d&h=%d&type=%s", g.Size.W, g.Size.H, g.Type)
	if g.Cols > 0 {
		b = fmt.Appendf(b, "&cols=%d", g.Cols)
	}
	if g.Gap > 0 {
		b = fmt.Appendf(b, "&gap=%d", g.Gap)
	}
	if g.skip {
		b = append(b, "&missing=skip"...)
	}
	o.Width, o.Height, o.DPR, o.Mark, o.Download = 0, 0, 1, transform.Defaults().Mark, ""
	if rest := o.String(); rest != "" {
		b = append(append(b, '&'), rest...)
	}
	return string(b)
}

// decideGridMarks decides on the marks of a grid: those that are bound to the sources of an
// original lie on its cell. Where there are none, the options may ask for one on the whole,
// as for a variant.
func (c *site) decideGridMarks(o transform.Options, refs []ref) (all decidedMarks, err error) {
	var list []variantMark
	for i, r := range refs {
		if all, err = c.decideMarks(transform.Mark{}, r); err != nil {
			return all, err
		}
		for _, m := range all.list {
			m.cell = i + 1
			list = append(list, m)
		}
	}
	if len(list) == 0 {
		if all, err = c.decideMarks(o.Mark, ref{}); err != nil {
			return all, err
		}
		list = all.list
	}
	for i := range list {
		list[i].Applied = sized(list[i].Applied, o.DPR)
	}
	all.list = list
	return all, nil
}

// sized multiplies a mark's lengths in pixels.
func sized(m marks.Applied, dpr float64) marks.Applied {
	for _, l := range []*transform.Length{&m.Mark.Width, &m.Mark.Height, &m.Mark.Pad} {
		if !l.Percent {
			l.Value *= dpr
		}
	}
	return m
}

// ofCell is an error about one of a grid's images, counted from 1.
func ofCell(i int, err error) error {
	e := *fault.Of(err)
	e.Message = fmt.Sprintf("image %d of the grid: %s", i+1, strings.TrimPrefix(e.Message, "src: "))
	if e.Cause == nil {
		e.Cause = err
	}
	return &e
}

// fetchCells fetches the originals of a grid at the same time. Where the grid leaves out
// what can't be had, the originals of such cells are nil.
func (s *Service) fetchCells(ctx context.Context, a *ask) (all []*original, release func(), err error) {
	held := make([]*cache.Hold[*original], len(a.refs))
	errs := make([]error, len(a.refs))
	var fetches sync.WaitGroup
	for i, r := range a.refs {
		fetches.Go(func() {
			held[i], errs[i] = s.shareOriginal(ctx, a.site, a.endpoint.name, r, origin.Validators{})
		})
	}
	fetches.Wait()
	release = func() {
		for _, h := range held {
			if h != nil {
				h.Release()
			}
		}
	}
	all = make([]*original, len(a.refs))
	left := 0
	for i, err := range errs {
		switch {
		case err == nil:
			all[i] = held[i].Value
			left++
		case !a.grid.skips(err):
			release()
			return nil, nil, ofCell(i, err)
		}
	}
	if left < transform.GridLeast {
		release()
		i := slices.IndexFunc(errs, func(err error) bool { return err != nil })
		return nil, nil, ofCell(i, errs[i])
	}
	return all, release, nil
}

// skips reports whether an image with this error is left out.
func (g *grid) skips(err error) bool {
	return g.skip && fault.Of(err).Code.Kind().Original
}

// makeGrid lays the originals beside each other.
func (s *Service) makeGrid(ctx context.Context, a *ask, from []*original, background bool) (*cache.Entry, error) {
	for {
		kept, present := a.without(from)
		image, err := s.layGrid(ctx, kept, present, background)
		if err == nil {
			a.grid.partial = len(present) < len(from)
			return &cache.Entry{
				Body: image.Data, ContentType: image.Format.MediaType(),
				Width: image.Width, Height: image.Height, Frames: image.Frames, Quality: image.Quality, Partial: a.grid.partial,
			}, nil
		}
		of, ok := errors.AsType[*transform.OriginalError](err)
		if !ok || of.Index >= len(present) {
			return nil, err
		}
		i := slices.Index(from, present[of.Index])
		if !a.grid.skips(of.Err) || len(present) <= transform.GridLeast {
			return nil, ofCell(i, of.Err)
		}
		from = slices.Clone(from)
		from[i] = nil
	}
}

// without returns the ask without the cells whose original is nil, and the other originals.
func (a *ask) without(from []*original) (*ask, []*original) {
	if !slices.Contains(from, nil) {
		return a, from
	}
	kept := *a
	kept.refs, kept.marks.list = nil, nil
	var present []*original
	for i, o := range from {
		if o == nil {
			continue
		}
		present = append(present, o)
		kept.refs = append(kept.refs, a.refs[i])
		for _, m := range a.marks.list {
			if m.cell == i+1 {
				m.cell = len(present)
				kept.marks.list = append(kept.marks.list, m)
			}
		}
	}
	for _, m := range a.marks.list {
		if m.cell == 0 {
			kept.marks.list = append(kept.marks.list, m)
		}
	}
	return &kept, present
}

// layGrid has the engine make a grid of all originals.
func (s *Service) layGrid(ctx context.Context, a *ask, from []*original, background bool) (transform.Image, error) {
	g := a.grid.Grid
	job := transform.Job{Task: transform.TaskGrid, Grid: &g, Options: a.options}
	alpha := g.Gap > 0 || slices.ContainsFunc(from, func(o *original) bool { return o.header.Alpha })
	job.Format = a.formatOf(g.Size, alpha, s.limits)
	job.Options.Format = job.Format
	stamped, retainMarks, release, err := s.markImages(ctx, a)
	if err != nil {
		return transform.Image{}, err
	}
	defer release()
	if a.access.test != "" {
		stamped = append(stamped, s.testMark)
	}
	job.Marks = stamped
	return s.work(ctx, a, from, background, retainMarks, job)
}

// cacheControlOf is cacheControl for an entry. A grid that leaves cells out is kept no longer
// than the entry, since what is missing may come back.
func (a *ask) cacheControlOf(e *cache.Entry, now time.Time) string {
	c := a.cacheControl()
	left := int(e.ExpiresAt.Sub(now) / time.Second)
	if !e.Partial || maxAge(c) < left {
		return c
	}
	scope := "public"
	if strings.HasPrefix(c, "private") {
		scope = "private"
	}
	return scope + ", max-age=" + strconv.Itoa(max(left, 0))
}
