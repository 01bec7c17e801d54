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
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tintype/tintype/awake"
	"github.com/tintype/tintype/limit"
)

// ErrBusy says that this server has no room for a body at the moment.
var ErrBusy = errors.New("the server is busy")

var (
	errNoRoom = fmt.Errorf("%w: too many large originals are being read; try again in a second", ErrBusy)
	errSlow   = fmt.Errorf("%w: it sent less than 64 KiB a second", ErrTimeout)
)

const (
	firstBuffer = 16 << 10 // bytes that a body takes first
	// heapBody is the size in bytes from which a body is kept outside of Go's heap. Its memory
	// is then freed at once, without a garbage collection.
	heapBody = 64 << 10
	// largeBody is the size in bytes from which a body goes to disk where memory isn't ample,
	// and is read at a pace.
	largeBody = 1 << 20
	growBy    = 1 << 20   // bytes by which a large body grows
	readBy    = 128 << 10 // bytes of one read of a large body
	copyBy    = 32 << 10  // bytes of one write to a file

	tick      = time.Second // between checks of a body's progress
	slowRate  = 64 << 10    // bytes a tick; a body that brings less is slow
	slowTicks = 3           // a large body that is slow for this many ticks is ended

	// All large bodies of a workspace together are read at paceRate bytes a second for each
	// processor, which is more than a processor decodes. After a pause the bytes of paceBurst
	// may come at once.
	paceRate  = 64 << 20
	paceBurst = 200 * time.Millisecond

	waitForRoom  = 2 * time.Second // how long a body waits until others free memory
	keptForSmall = 8               // large bodies leave a part of the memory to small ones: one in so many
)

// An Owner says on whose behalf a body is read. Where memory is short, the owner with the
// most bytes loses bodies first.
type Owner struct {
	Workspace string
	Host      string // the host that the body comes from; empty for a folder and a client
	Client    string // whose request reads it, see limit.Client; empty is nobody's
}

// source is the owner without its client: the bodies of a workspace from a host.
func (o Owner) source() Owner {
	o.Client = ""
	return o
}

type ownerKey struct{}

// WithOwner returns a context under which bodies are read on behalf of an owner.
func WithOwner(ctx context.Context, o Owner) context.Context {
	return context.WithValue(ctx, ownerKey{}, o)
}

// A BodiesConfig bounds the bodies of a server.
type BodiesConfig struct {
	Memory  int64        // bytes in memory; 0 is no bound
	Disk    int64        // bytes of files in Dir; 0 uses no disk
	Dir     string       // a folder on a disk; without one, Disk must be 0
	Largest int64        // bytes of the largest body; one workspace may always hold this much
	Log     *slog.Logger // nil logs nothing
}

// Bodies hold originals from their first byte until the last user has released them. They
// are in memory, or in files without a name where memory is short. Two bounds limit the
// bytes that have arrived; a Content-Length doesn't count.
//
// No workspace may hold more than half of either bound, and large bodies leave an eighth of
// the memory to small ones. Where there is no room, a body that is still being read ends
// with [ErrBusy]. It is one of the workspace or of the client that holds most, whichever is
// more: first a slow one, else the newest one from the host that holds most. So a client that
// names many workspaces can't keep others out. What becomes free goes to the bodies that wait:
// first to those whose workspace and client hold least, and within a workspace to the host that
// holds least. In addition, a large body that brings less than 64 KiB a second for three seconds ends with
// [ErrTimeout].
//
// A nil *Bodies holds any number of bodies. Bodies are safe for concurrent use.
type Bodies struct {
	config  BodiesConfig
	writing chan struct{} // has one element for every write to disk that runs

	mu      sync.Mutex // guards all fields below, and those of the intakes in reading
	pools   [2]pool
	reading map[*intake]struct{}
	begun   uint64               // bodies so far
	hosts   map[Owner]*hostBytes // of the bodies that aren't released yet
	whole   int                  // bodies that are read and not released
	diskOff time.Time            // until then no body goes to disk
	paced   map[string]time.Time // by workspace: the clock of pace
	counts  BodyCounts
}

// The pools of Bodies.
const (
	inMemory = iota
	onDisk
)

// A pool counts the bytes of memory, or those of the disk.
type pool struct {
	limit, share int64 // bounds of all workspaces, and of one workspace
	reserve      int64 // the part of limit that is left to small bodies
	used         int64
	peak         int64                // the most bytes that were ever used
	of           map[string]int64     // used, by workspace
	clients      map[string]int64     // used, by client
	leaving      map[string]int64     // by workspace: bytes of bodies that were ended and aren't free yet
	allLeaving   int64                // the sum of leaving
	waiting      map[string][]*waiter // by workspace, in the order in which they came
}

// A waiter is a body that waits for n bytes of a pool.
type waiter struct {
	in      *intake
	n       int64
	granted chan struct{} // closed when the bytes are taken
}

// hostBytes are the bytes that the bodies of an [Owner] hold.
type hostBytes struct {
	bodies int
	took   [2]int64 // by pool
}

// A party is a workspace or a client, whose bodies are counted together.
type party struct {
	client bool
	name   string
}

// party returns what counts for a body where others want room: its workspace, or its client if
// that holds more, and how much it holds. A proxy in front of many people may look like one
// client, so clients count above their part of the pool only.
func (p *pool) party(o Owner) (party, int64) {
	most := p.of[o.Workspace]
	if n := p.clients[o.Client]; o.Client != "" && n > most && n > p.floor() {
		return party{true, o.Client}, n
	}
	return party{false, o.Workspace}, most
}

func (p *pool) floor() int64 { return limit.Part(p.limit, len(p.clients)) }

// of reports whether the body counts for a party.
func (in *intake) of(p party) bool {
	if p.client {
		return in.owner.Client == p.name
	}
	return in.owner.Workspace == p.name
}

// room returns how many bytes all workspaces together may use, so that in may take n more.
func (p *pool) room(in *intake, kind int, n int64) int64 {
	if in.took[kind]+n > largeBody {
		return p.limit - p.reserve
	}
	return p.limit
}

func (p *pool) leave(workspace string, n int64) {
	p.allLeaving += n
	if p.leaving[workspace] += n; p.leaving[workspace] == 0 {
		delete(p.leaving, workspace)
	}
}

func (p *pool) add(o Owner, n int64) {
	p.used += n
	p.peak = max(p.peak, p.used)
	if p.of[o.Workspace] += n; p.of[o.Workspace] == 0 {
		delete(p.of, o.Workspace)
	}
	if o.Client == "" {
		return
	}
	if p.clients[o.Client] += n; p.clients[o.Client] == 0 {
		delete(p.clients, o.Client)
	}
}

// NewBodies returns the bodies of a server.
func NewBodies(c BodiesConfig) *Bodies {
	b := &Bodies{config: c, writing: make(chan struct{}, 2), reading: map[*intake]struct{}{}, hosts: map[Owner]*hostBytes{}, paced: map[string]time.Time{}}
	if c.Memory == 0 {
		c.Memory = math.MaxInt64 / 2
	}
	for i, limit := range []int64{c.Memory, c.Disk} {
		b.pools[i] = pool{limit: limit, share: max(limit/2, min(limit, c.Largest+2*growBy)),
			of: map[string]int64{}, clients: map[string]int64{}, leaving: map[string]int64{}, waiting: map[string][]*waiter{}}
	}
	b.pools[inMemory].reserve = c.Memory / keptForSmall
	if c.Disk > 0 {
		left, _ := filepath.Glob(filepath.Join(c.Dir, leftBody)) // the pattern is valid
		for _, name := range left {
			_ = os.Remove(name) // a file that stays only takes up room
		}
	}
	return b
}

// BodyStats are the present figures of Bodies.
type BodyStats struct {
	Memory, MemoryLimit int64 // bytes
	Disk, DiskLimit     int64
	PeakMemory          int64 // the most bytes since the start
	PeakDisk            int64
	Reading, Whole      int // bodies that are being read, and bodies that are read and in use
	BodyCounts
}

// BodyCounts are counts since the start.
type BodyCounts struct {
	Evicted      int64 // bodies that were ended to make room for another
	Refused      int64 // bodies that found no room in time
	Slow         int64 // bodies that were ended because they were slow
	Spilled      int64 // bodies that went to disk
	DiskFailures int64 // writes that failed, or for which the disk had no room
}

// Stats returns the present figures.
func (b *Bodies) Stats() BodyStats {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, d := &b.pools[inMemory], &b.pools[onDisk]
	return BodyStats{
		Memory: m.used, MemoryLimit: m.limit, PeakMemory: m.peak,
		Disk: d.used, DiskLimit: d.limit, PeakDisk: d.peak,
		Reading: len(b.reading), Whole: b.whole, BodyCounts: b.counts,
	}
}

// An intake is one body while it is read, and afterwards until it is released.
type intake struct {
	bodies *Bodies
	owner  Owner
	host   *hostBytes
	number uint64
	stop   func() // ends a read that runs
	store  store
	came   atomic.Int64 // bytes that have arrived

	// Bodies.mu guards the fields below.
	took    [2]int64      // bytes of each pool
	ended   chan struct{} // closed when cause is set
	stopped chan struct{} // closed when stop has returned after that
	cause   error         // why the body was ended, or nil
	waiting bool          // the body waits for room, or in pace
	whole   bool
	slow    bool             // the last tick brought less than slowRate
	seen    [slowTicks]int64 // came at the last ticks
	ticks   int
	timer   *time.Timer
}

// Read reads a whole body of at most limit bytes from r. length is the Content-Length, or
// negative where it is unknown. To end a body, Read calls stop from another goroutine: stop
// must make the call of r.Read that runs return. The caller must release the object.
//
// The error wraps [ErrTooLarge], [ErrBusy], or [ErrTimeout] where the body came too slowly.
// Else it is that of ctx or of r. Where length is above the limit, Read reads nothing.
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

// Admit returns [ErrBusy] where a large body of ctx's owner that began now would be ended
// for lack of room. The caller can then save the request. A client that holds nothing may try,
// since its body may be small.
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
	if p.used+largeBody+growBy <= p.limit-p.reserve && p.of[owner.Workspace]+largeBody+growBy <= p.share {
		return nil
	}
	if owner.Client != "" && p.clients[owner.Client] == 0 {
		return nil
	}
	own := party{name: owner.Workspace}
	if p.of[owner.Workspace]+largeBody+growBy <= p.share {
		if from, _ := b.largest(p, kind, owner, largeBody+growBy); from != own {
			return nil // a body of another one would be ended
		}
	}
	hosts := map[string]int64{}
	var reading, count int64 // bytes and number of the workspace's bodies that could be ended
	for other := range b.reading {
		if !other.mayGive(own, kind, nil) {
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
		return nil // the body would wait for the workspace's whole bodies
	}
	for _, n := range hosts {
		if n >= hosts[owner.Host]+reading/count {
			return nil // a body of another host would be ended, and that host still holds as much
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
	if in.host = b.hosts[in.owner.source()]; in.host == nil {
		in.host = &hostBytes{}
		b.hosts[in.owner.source()] = in.host
	}
	in.host.bodies++
	b.reading[in] = struct{}{}
	in.timer = time.AfterFunc(tick, in.look)
	return in
}

// fill reads the body to its end, and returns how many bytes have arrived.
func (in *intake) fill(ctx context.Context, r io.Reader, length, limit int64) (n int64, err error) {
	most := limit + 1 // one byte more shows that the body is above the limit
	if length >= 0 {
		most = length
	}
	in.store.most, in.store.long = most, length > heapBody
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

// pace slows a large body down while all large bodies of its workspace together arrive
// faster than paceRate. Otherwise short requests, such as hits, would wait for a processor
// behind thousands of them. Each workspace has a clock, which every byte moves forward.
// While the clock is ahead of the time, bodies wait.
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

// end removes the body from those that can be ended. It returns the cause where the body
// has been ended, or nil.
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

// free frees the bytes of the body.
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
	if in.host.bodies--; in.host.bodies == 0 {
		delete(b.hosts, in.owner.source())
	}
}

func (in *intake) give(kind int, n int64) {
	in.bodies.mu.Lock()
	defer in.bodies.mu.Unlock()
	in.giveLocked(kind, n)
}

// giveLocked frees bytes of a pool. The caller holds Bodies.mu.
func (in *intake) giveLocked(kind int, n int64) {
	if n == 0 {
		return
	}
	p := &in.bodies.pools[kind]
	in.took[kind] -= n
	in.host.took[kind] -= n
	p.add(in.owner, -n)
	if in.cause != nil {
		p.leave(in.owner.Workspace, -n)
	}
	in.bodies.grant(kind)
}

// tryTake takes bytes of a pool, and reports whether there was room.
func (in *intake) tryTake(kind int, n int64) bool {
	in.bodies.mu.Lock()
	defer in.bodies.mu.Unlock()
	return in.tryTakeLocked(kind, n)
}

// tryTakeLocked takes bytes that no body waits for.
func (in *intake) tryTakeLocked(kind int, n int64) bool {
	p := &in.bodies.pools[kind]
	if in.cause != nil || p.of[in.owner.Workspace]+n > p.share || p.used+n > p.room(in, kind, n) {
		return false
	}
	for workspace, line := range p.waiting {
		w := p.first(line, kind)
		if w != nil && p.of[workspace]+w.n <= p.share && !p.precedes(in, w.in, kind) {
			return false
		}
	}
	in.takeLocked(kind, n)
	return true
}

func (in *intake) takeLocked(kind int, n int64) {
	in.bodies.pools[kind].add(in.owner, n)
	in.took[kind] += n
	in.host.took[kind] += n
}

// grant gives free bytes of a pool to the bodies that wait, and ends others where the next
// one needs more. The caller holds mu.
func (b *Bodies) grant(kind int) {
	p := &b.pools[kind]
	for {
		var next *waiter
		for workspace, line := range p.waiting {
			w := p.first(line, kind)
			if w == nil {
				continue
			}
			if p.of[workspace]+w.n > p.share {
				b.makeRoom(w.in, kind, w.n)
				continue
			}
			if next == nil || p.precedes(w.in, next.in, kind) {
				next = w
			}
		}
		if next == nil {
			return
		}
		if p.used+next.n > p.room(next.in, kind, next.n) {
			b.makeRoom(next.in, kind, next.n)
			return
		}
		next.in.takeLocked(kind, next.n)
		p.unwait(next)
		close(next.granted)
	}
}

// first returns the waiter of a workspace that is the next one: the first one from the host
// that holds least.
func (p *pool) first(line []*waiter, kind int) (first *waiter) {
	for _, w := range line {
		if w.in.cause == nil && (first == nil || p.precedes(w.in, first.in, kind)) {
			first = w
		}
	}
	return first
}

// precedes reports whether a gets free bytes before b, which has waited longer if both are of
// one workspace: a's party holds less, or its host does within the same workspace.
func (p *pool) precedes(a, b *intake, kind int) bool {
	_, theirs, ours := p.compare(a.owner, 0, b.owner)
	if a.owner.Workspace == b.owner.Workspace {
		return cmp.Or(cmp.Compare(ours, theirs), cmp.Compare(a.host.took[kind], b.host.took[kind])) < 0
	}
	return cmp.Or(cmp.Compare(ours, theirs), cmp.Compare(a.number, b.number)) < 0
}

// unwait removes a waiter, if it still waits.
func (p *pool) unwait(w *waiter) {
	name := w.in.owner.Workspace
	line := p.waiting[name]
	if i := slices.Index(line, w); i >= 0 {
		line = slices.Delete(line, i, i+1)
	}
	if p.waiting[name] = line; len(line) == 0 {
		delete(p.waiting, name)
	}
}

// ample reports whether most of the memory stays free after n more bytes. A body then needs
// no disk.
func (in *intake) ample(n int64) bool {
	b := in.bodies
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &b.pools[inMemory]
	return p.used+n <= p.limit/4
}

// take takes bytes of a pool. Where there is no room, it ends other bodies and waits.
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
	if in.cause != nil {
		return in.cause
	}
	w := &waiter{in: in, n: n, granted: make(chan struct{})}
	p := &b.pools[kind]
	p.waiting[in.owner.Workspace] = append(p.waiting[in.owner.Workspace], w)
	in.waiting = true
	b.grant(kind)
	b.mu.Unlock()
	limit := awake.NewTimer(waitForRoom)
	defer limit.Stop()
	var err error
	select {
	case <-w.granted:
	case <-in.ended:
	case <-ctx.Done():
		err = ctx.Err()
	case <-limit.C:
		err = errNoRoom
	}
	b.mu.Lock()
	in.waiting = false
	select {
	case <-w.granted:
		err = nil // perhaps at the same time
	default:
		p.unwait(w)
		if err == errNoRoom {
			b.counts.Refused++
		}
	}
	return cmp.Or(in.cause, err)
}

// makeRoom ends bodies until n bytes for in are free, or soon will be. in itself may be
// ended. Whole bodies are never ended, but will be released soon: the other bodies of their
// workspace wait for them. The caller holds mu.
func (b *Bodies) makeRoom(in *intake, kind int, n int64) {
	p := &b.pools[kind]
	name := in.owner.Workspace
	room := p.room(in, kind, n)
	whole := int64(-1) // bytes of the workspace's whole bodies, counted when needed
	for own := p.of[name] + n; own-p.leaving[name] > p.share || p.used+n-p.allLeaving > room; {
		if whole < 0 {
			whole = p.of[name]
			for other := range b.reading {
				if other.owner.Workspace == name {
					whole -= other.took[kind]
				}
			}
		}
		from, found := party{name: name}, true
		if own-p.leaving[name] <= p.share {
			from, found = b.largest(p, kind, in.owner, n)
		}
		if !found {
			return
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
	}
}

// compare returns what counts for a body where one of o wants n more bytes: a party, and the
// bytes that it holds, beside those that o's would hold. Between bodies of one client only
// workspaces count, so that they are treated alike behind a proxy that looks like one client.
func (p *pool) compare(o Owner, n int64, other Owner) (who party, theirs, ours int64) {
	if o.Client == other.Client {
		return party{name: other.Workspace}, p.of[other.Workspace], p.of[o.Workspace] + n
	}
	who, theirs = p.party(other)
	_, ours = p.party(o)
	return who, theirs, ours + n
}

// largest returns the party that holds most and has a body that can be ended, for one of o that
// wants n bytes. It is o's workspace where no other one holds more than o's would. It reports
// false where others hold more, but all their bodies are whole.
func (b *Bodies) largest(p *pool, kind int, o Owner, n int64) (from party, found bool) {
	from, most := party{name: o.Workspace}, int64(0)
	for other := range b.reading {
		if other.cause != nil || other.took[kind] == 0 {
			continue
		}
		if who, theirs, ours := p.compare(o, n, other.owner); theirs > ours && theirs > most {
			from, most = who, theirs
		}
	}
	if most > 0 {
		return from, true
	}
	for name, theirs := range p.of {
		if name != o.Workspace && theirs > p.of[o.Workspace]+n {
			return party{}, false
		}
	}
	_, ours := p.party(o)
	for client, theirs := range p.clients {
		if client != o.Client && theirs > max(ours+n, p.floor()) {
			return party{}, false
		}
	}
	return from, true
}

// victim returns the body of a party that must be ended. It is the slow one that holds
// most, else the newest one from the host that holds most. It may be in, which wants room.
// It is nil where no body that is being read has bytes of the pool.
func (b *Bodies) victim(from party, kind int, in *intake) *intake {
	var slow *intake
	hosts := map[string]int64{}
	for other := range b.reading {
		if !other.mayGive(from, kind, in) {
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
		if other.mayGive(from, kind, in) &&
			(victim == nil || cmp.Or(cmp.Compare(hosts[other.owner.Host], hosts[victim.owner.Host]), cmp.Compare(other.number, victim.number)) > 0) {
			victim = other
		}
	}
	return victim
}

// mayGive reports whether in is a body of the party that can be ended for asks.
func (in *intake) mayGive(from party, kind int, asks *intake) bool {
	return in.cause == nil && in.of(from) && (in.took[kind] > 0 || in == asks)
}

// endLocked ends a body that is being read. The caller holds Bodies.mu.
func (in *intake) endLocked(cause error) {
	in.cause = cause
	for kind, n := range in.took {
		in.bodies.pools[kind].leave(in.owner.Workspace, n)
	}
	close(in.ended)
	go func() { // stop may take locks
		in.stop()
		close(in.stopped)
	}()
}

// look runs every tick. It ends the body if it is large and too slow.
func (in *intake) look() {
	b := in.bodies
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, reading := b.reading[in]; !reading || in.cause != nil {
		return
	}
	now := in.came.Load()
	if in.waiting { // the wait isn't the origin's fault: count the ticks again
		in.ticks, in.slow = 0, false
	} else {
		last := in.seen[(in.ticks+slowTicks-1)%slowTicks]
		first := in.seen[in.ticks%slowTicks] // slowTicks ago
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
