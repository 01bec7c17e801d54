package origin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// ErrBusy is the error of a body for which this server has no room at the moment.
var ErrBusy = errors.New("the server is busy")

var (
	errNoRoom = fmt.Errorf("%w: too many large originals are being read; try again in a second", ErrBusy)
	errSlow   = fmt.Errorf("%w: it sent less than 64 KiB a second", ErrTimeout)
)

const (
	firstBuffer = 16 << 10 // bytes of the first buffer; the next ones are four times as large
	// largeBody is the size in bytes from which a body leaves Go's heap. What it takes
	// is then given back at once, without a collection.
	largeBody = 1 << 20
	growBy    = 1 << 20   // bytes that a large body takes at a time
	readBy    = 128 << 10 // bytes of a large body that are read at a time
	copyBy    = 32 << 10  // bytes that are copied to a file at a time

	tick      = time.Second // between looks at what a body has brought
	slowRate  = 64 << 10    // bytes a tick: a body that brings less is slow
	slowTicks = 3           // a large body that was slow for so long is ended

	// Large bodies of a workspace are read at up to paceRate bytes a second for each
	// processor. After a pause of paceBurst, what fits into that time comes at once.
	paceRate  = 256 << 20
	paceBurst = 50 * time.Millisecond

	waitForRoom = 2 * time.Second // of a body for those that give way to it, or are done
)

// An Owner is whom a body is read for: bodies of one owner give way to those of others.
type Owner struct {
	Workspace string
	Host      string // that it comes from; empty for a folder and for a client
}

type ownerKey struct{}

// WithOwner has the bodies that are read under the context count for an owner.
func WithOwner(ctx context.Context, o Owner) context.Context {
	return context.WithValue(ctx, ownerKey{}, o)
}

// A BodiesConfig bounds the bodies of a server.
type BodiesConfig struct {
	Memory  int64        // bytes; 0 is no bound
	Disk    int64        // bytes in files in Dir; 0 is none
	Dir     string       // of a file system on disk: where there is none, Disk must be 0
	Largest int64        // bytes of one body: a workspace may have that much, however small the budget
	Log     *slog.Logger // nil is silence
}

// Bodies hold the originals under way: from their first byte until the last user has
// released them, in memory or, where that is short, in files without a name. All that
// is held counts as it arrives, whatever was announced, and stays within two bounds.
//
// No workspace may have more than half of either. Where there is no room, a body that
// is still being read gives way, with [ErrBusy]: one of the workspace that holds most; of
// these first one that is slow, and else the newest from the host that holds most. A
// large body that brings less than 64 KiB a second for three seconds is ended with
// [ErrTimeout], room or not.
//
// A nil *Bodies holds any number. It is safe for concurrent use.
type Bodies struct {
	config  BodiesConfig
	writing chan struct{} // holds one for every write to disk that is under way

	mu      sync.Mutex // guards all below, and what reading leads to
	pools   [2]pool
	reading map[*intake]struct{}
	begun   uint64               // bodies so far
	freed   chan struct{}        // closed when bytes are given back; nil where nobody waits
	whole   int                  // bodies that are read whole and not released
	diskOff time.Time            // no body goes to disk before
	paced   map[string]time.Time // by workspace, when its large bodies so far should have come
	counts  BodyCounts
}

// What bytes are taken of.
const (
	inMemory = iota
	onDisk
)

// A pool is bytes of one kind.
type pool struct {
	limit, share int64 // in all, and of one workspace
	used         int64
	most         int64 // that were used at a time
	of           map[string]int64
}

func (p *pool) fits(workspace string, n int64) bool {
	return p.used+n <= p.limit && p.of[workspace]+n <= p.share
}

func (p *pool) add(workspace string, n int64) {
	p.used += n
	p.most = max(p.most, p.used)
	if p.of[workspace] += n; p.of[workspace] == 0 {
		delete(p.of, workspace)
	}
}

// NewBodies returns the bodies of a server.
func NewBodies(c BodiesConfig) *Bodies {
	b := &Bodies{config: c, writing: make(chan struct{}, 2), reading: map[*intake]struct{}{}, paced: map[string]time.Time{}}
	if c.Memory == 0 {
		c.Memory = math.MaxInt64 / 2
	}
	for i, limit := range []int64{c.Memory, c.Disk} {
		b.pools[i] = pool{limit: limit, share: max(limit/2, min(limit, c.Largest+2*growBy)), of: map[string]int64{}}
	}
	if c.Disk > 0 {
		left, _ := filepath.Glob(filepath.Join(c.Dir, leftBody)) // the pattern is good
		for _, name := range left {
			_ = os.Remove(name) // at worst it takes up room
		}
	}
	return b
}

// BodyStats are the figures of bodies at one moment.
type BodyStats struct {
	Memory, MemoryLimit int64 // bytes
	Disk, DiskLimit     int64
	PeakMemory          int64 // most since the start
	PeakDisk            int64
	Reading, Whole      int // bodies that are being read, and that are read and in use
	BodyCounts
}

// BodyCounts count since the start.
type BodyCounts struct {
	Evicted      int64 // bodies that gave way to another
	Refused      int64 // that found no room in time
	Slow         int64 // that were ended for being slow
	Spilled      int64 // that went to disk
	DiskFailures int64 // writes that the disk failed, or had no room for
}

// Stats returns the figures.
func (b *Bodies) Stats() BodyStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, d := &b.pools[inMemory], &b.pools[onDisk]
	return BodyStats{
		Memory: m.used, MemoryLimit: m.limit, PeakMemory: m.most,
		Disk: d.used, DiskLimit: d.limit, PeakDisk: d.most,
		Reading: len(b.reading), Whole: b.whole, BodyCounts: b.counts,
	}
}

// An intake is one body, from its first byte on.
type intake struct {
	bodies *Bodies
	owner  Owner
	number uint64
	stop   func() // ends a read that is under way
	store  store
	came   atomic.Int64 // bytes

	// Guarded by Bodies.mu.
	took    [2]int64
	ended   chan struct{} // closed once cause is set
	stopped chan struct{} // closed once stop has returned after that
	cause   error         // why it was ended
	waiting bool          // for room, or for its turn
	whole   bool
	slow    bool // it brought little in the last tick
	seen    [slowTicks]int64
	ticks   int
	timer   *time.Timer
}

// Read reads a whole body of at most limit bytes. length is what the headers promised,
// or negative. stop is called, from another goroutine, to have r return that is being
// read. The error wraps [ErrTooLarge], without a byte read where length says so already,
// [ErrBusy], [ErrTimeout] of a body that came too slowly, or is ctx's or what r
// answered. The object must be released.
func (b *Bodies) Read(ctx context.Context, r io.Reader, length, limit int64, stop func()) (*Object, error) {
	if length > limit {
		return nil, tooLarge(limit)
	}
	if b == nil {
		b = NewBodies(BodiesConfig{})
	}
	in := b.begin(ctx, stop)
	n, err := in.fill(ctx, r, length, limit)
	if cause := in.end(); cause != nil {
		err = cause
	}
	if err == nil && length >= 0 && n < length {
		err = io.ErrUnexpectedEOF
	}
	var body []byte
	if err == nil {
		body, err = in.store.finish()
	}
	if err != nil {
		in.free()
		return nil, err
	}
	b.mu.Lock()
	in.whole = true
	b.whole++
	b.mu.Unlock()
	return &Object{Body: body, share: newShare(in.free)}, nil
}

// Admit returns [ErrBusy] where a body of ctx's owner that began now would have to give
// way itself, once it is large: then it need not be asked for.
func (b *Bodies) Admit(ctx context.Context) error {
	if b == nil {
		return nil
	}
	owner, _ := ctx.Value(ownerKey{}).(Owner)
	b.mu.Lock()
	defer b.mu.Unlock()
	kind := inMemory
	if b.pools[onDisk].limit > 0 && time.Now().After(b.diskOff) {
		kind = onDisk
	}
	p := &b.pools[kind]
	if p.fits(owner.Workspace, largeBody+growBy) {
		return nil
	}
	if own := p.of[owner.Workspace] + largeBody + growBy; own <= p.share && b.largest(p, kind, owner.Workspace, own) != owner.Workspace {
		return nil // another workspace gives way
	}
	hosts := map[string]int64{}
	var reading, count int64 // bytes and number of the workspace's that can give way
	for other := range b.reading {
		if !other.mayGive(owner.Workspace, kind, nil) {
			continue
		}
		if other.slow {
			return nil
		}
		hosts[other.owner.Host] += other.took[kind]
		reading += other.took[kind]
		count++
	}
	if p.of[owner.Workspace] > reading {
		return nil // it will wait for those that are whole
	}
	for _, n := range hosts {
		if n >= hosts[owner.Host]+reading/count {
			return nil // another host gives way, and holds no less afterwards
		}
	}
	b.counts.Refused++
	return errNoRoom
}

// begin registers a body that is about to be read.
func (b *Bodies) begin(ctx context.Context, stop func()) *intake {
	in := &intake{bodies: b, stop: stop, ended: make(chan struct{}), stopped: make(chan struct{})}
	in.owner, _ = ctx.Value(ownerKey{}).(Owner)
	in.store.in = in
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun++
	in.number = b.begun
	b.reading[in] = struct{}{}
	in.timer = time.AfterFunc(tick, in.look)
	return in
}

// fill reads to the end. It returns how much came.
func (in *intake) fill(ctx context.Context, r io.Reader, length, limit int64) (n int64, err error) {
	most := limit + 1 // tells a body at the limit from one above it
	if length >= 0 {
		most = length
	}
	in.store.most = most
	for n < most {
		if err := ctx.Err(); err != nil {
			return n, err
		}
		space, err := in.store.space(ctx)
		if err != nil {
			return n, err
		}
		m, err := r.Read(space[:min(int64(len(space)), most-n)])
		n += int64(m)
		in.came.Store(n)
		if n > limit {
			return n, tooLarge(limit)
		}
		if e := in.store.wrote(ctx, m); e != nil {
			return n, e
		}
		if n > largeBody {
			in.pace(m)
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// pace holds a large body back while those of its workspace together arrive faster than
// the processors should copy them: requests that need little, such as hits, would
// otherwise wait behind thousands of them. Bytes of a workspace count on a clock, which
// runs ahead of the time while too many arrive.
func (in *intake) pace(n int) {
	b := in.bodies
	b.mu.Lock()
	now := time.Now()
	quiet := now.Add(-paceBurst)
	clock := b.paced[in.owner.Workspace]
	if clock.Before(quiet) {
		clock = quiet
	}
	wait := clock.Sub(now)
	b.paced[in.owner.Workspace] = clock.Add(time.Duration(n) * time.Second / time.Duration(paceRate*runtime.GOMAXPROCS(0)))
	if len(b.paced) > 1000 {
		maps.DeleteFunc(b.paced, func(_ string, clock time.Time) bool { return clock.Before(quiet) })
	}
	in.waiting = wait > 0
	b.mu.Unlock()
	if wait <= 0 {
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-in.ended:
	}
	b.mu.Lock()
	in.waiting = false
	b.mu.Unlock()
}

// end takes the body from those that may give way, and says why it was ended, if it was.
func (in *intake) end() error {
	b := in.bodies
	b.mu.Lock()
	in.timer.Stop()
	delete(b.reading, in)
	cause := in.cause
	b.mu.Unlock()
	if cause != nil {
		<-in.stopped
	}
	return cause
}

func (in *intake) isEnded() bool {
	select {
	case <-in.ended:
		return true
	default:
		return false
	}
}

// free gives all back.
func (in *intake) free() {
	in.store.drop()
	b := in.bodies
	b.mu.Lock()
	defer b.mu.Unlock()
	if in.whole {
		b.whole--
	}
	for kind, n := range in.took {
		in.giveLocked(kind, n)
	}
}

func (in *intake) give(kind int, n int64) {
	in.bodies.mu.Lock()
	defer in.bodies.mu.Unlock()
	in.giveLocked(kind, n)
}

// giveLocked gives bytes back. The caller holds Bodies.mu.
func (in *intake) giveLocked(kind int, n int64) {
	if n == 0 {
		return
	}
	b := in.bodies
	in.took[kind] -= n
	b.pools[kind].add(in.owner.Workspace, -n)
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}

// tryTake takes bytes if there is room.
func (in *intake) tryTake(kind int, n int64) bool {
	in.bodies.mu.Lock()
	defer in.bodies.mu.Unlock()
	return in.tryTakeLocked(kind, n)
}

func (in *intake) tryTakeLocked(kind int, n int64) bool {
	p := &in.bodies.pools[kind]
	if !p.fits(in.owner.Workspace, n) {
		return false
	}
	p.add(in.owner.Workspace, n)
	in.took[kind] += n
	return true
}

// ample reports whether so many bytes more leave most of the memory free: then no body
// has reason to go to disk.
func (in *intake) ample(n int64) bool {
	b := in.bodies
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &b.pools[inMemory]
	return p.used+n <= p.limit/4
}

// take takes bytes, and waits for them where others have to give way first.
func (in *intake) take(ctx context.Context, kind int, n int64) error {
	b := in.bodies
	b.mu.Lock()
	defer b.mu.Unlock()
	if in.tryTakeLocked(kind, n) {
		return nil
	}
	if in.took[kind]+n > b.pools[kind].share {
		return fmt.Errorf("%w: this original is larger than all the memory for originals; --body-memory sets it", ErrBusy)
	}
	in.waiting = true
	defer func() { in.waiting = false }()
	limit := time.NewTimer(waitForRoom)
	defer limit.Stop()
	for !in.tryTakeLocked(kind, n) {
		b.makeRoom(in, kind, n)
		if in.cause != nil {
			return in.cause
		}
		if b.freed == nil {
			b.freed = make(chan struct{})
		}
		freed := b.freed
		b.mu.Unlock()
		var err error
		select {
		case <-freed:
		case <-in.ended:
		case <-ctx.Done():
			err = ctx.Err()
		case <-limit.C:
			err = errNoRoom
		}
		b.mu.Lock()
		switch {
		case in.cause != nil:
			return in.cause
		case err == errNoRoom:
			b.counts.Refused++
			return err
		case err != nil:
			return err
		}
	}
	return nil
}

// makeRoom ends bodies until there is, or will be, room for one, which may be that one
// itself. Those that are read whole don't give way, but are soon done with: within a
// workspace the others wait for them. The caller holds mu.
func (b *Bodies) makeRoom(in *intake, kind int, n int64) {
	p := &b.pools[kind]
	name := in.owner.Workspace
	var leaving, leavingOwn int64 // bytes of bodies that have been ended
	whole := p.of[name]           // bytes of the workspace's that are read whole
	for other := range b.reading {
		if other.cause != nil {
			leaving += other.took[kind]
		}
		if other.owner.Workspace == name {
			whole -= other.took[kind]
			if other.cause != nil {
				leavingOwn += other.took[kind]
			}
		}
	}
	for own := p.of[name] + n; own-leavingOwn > p.share || p.used+n-leaving > p.limit; {
		from := name
		if own-leavingOwn <= p.share {
			from = b.largest(p, kind, name, own)
		}
		victim := b.victim(from, kind, in)
		if victim == nil || victim.owner.Workspace == name && !victim.slow && whole > 0 {
			return
		}
		b.counts.Evicted++
		victim.endLocked(errNoRoom)
		if victim == in {
			return
		}
		leaving += victim.took[kind]
		if victim.owner.Workspace == name {
			leavingOwn += victim.took[kind]
		}
	}
}

// largest is the workspace that holds most, of those of which a body can give way, and
// own's where none holds more than that would. It is empty where others hold more, but
// all of it is read whole.
func (b *Bodies) largest(p *pool, kind int, own string, bytes int64) string {
	from, most := own, bytes
	for other := range b.reading {
		name := other.owner.Workspace
		if other.cause == nil && other.took[kind] > 0 && p.of[name] > most {
			from, most = name, p.of[name]
		}
	}
	if from != own {
		return from
	}
	for name, n := range p.of {
		if n > bytes && name != own {
			return ""
		}
	}
	return own
}

// victim is the body of a workspace that gives way: of the slow ones the one that holds
// most, else the newest from the host that holds most. It is nil where no body that is
// being read has bytes of this kind. in, which wants some, counts among them.
func (b *Bodies) victim(workspace string, kind int, in *intake) *intake {
	if workspace == "" && in.owner.Workspace != "" {
		return nil
	}
	var slow *intake
	hosts := map[string]int64{}
	for other := range b.reading {
		if !other.mayGive(workspace, kind, in) {
			continue
		}
		hosts[other.owner.Host] += other.took[kind]
		if other.slow && (slow == nil || cmp.Or(cmp.Compare(other.took[kind], slow.took[kind]), cmp.Compare(other.number, slow.number)) > 0) {
			slow = other
		}
	}
	if slow != nil {
		return slow
	}
	var victim *intake
	for other := range b.reading {
		if other.mayGive(workspace, kind, in) &&
			(victim == nil || cmp.Or(cmp.Compare(hosts[other.owner.Host], hosts[victim.owner.Host]), cmp.Compare(other.number, victim.number)) > 0) {
			victim = other
		}
	}
	return victim
}

func (in *intake) mayGive(workspace string, kind int, asks *intake) bool {
	return in.cause == nil && in.owner.Workspace == workspace && (in.took[kind] > 0 || in == asks)
}

// endLocked ends a body that is being read. The caller holds Bodies.mu.
func (in *intake) endLocked(cause error) {
	in.cause = cause
	close(in.ended)
	go func() { // stop may take locks
		in.stop()
		close(in.stopped)
	}()
}

// look is called every tick, and ends the body if it is large and too slow.
func (in *intake) look() {
	b := in.bodies
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, reading := b.reading[in]; !reading || in.cause != nil {
		return
	}
	now := in.came.Load()
	if in.waiting { // not its own fault: it begins anew
		in.ticks, in.slow = 0, false
	} else {
		last := in.seen[(in.ticks+slowTicks-1)%slowTicks]
		first := in.seen[in.ticks%slowTicks] // so many ticks ago
		in.slow = now-last < slowRate
		if in.ticks >= slowTicks && now > largeBody && now-first < slowTicks*slowRate {
			b.counts.Slow++
			in.endLocked(errSlow)
			return
		}
	}
	in.seen[in.ticks%slowTicks] = now
	in.ticks++
	in.timer.Reset(tick)
}
