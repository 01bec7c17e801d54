package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"syscall"

	"github.com/tintype/tintype/origin"
)

// What processes take before they have anything to do, in bytes: measured, rounded up.
const (
	serverBase = 64 << 20
	workerBase = 24 << 20
	// Of a connection that is open: buffers, stacks, what the kernel holds.
	connectionSize = 24 << 10
)

// A memoryPlan says how the memory of this machine, or of the container, is shared out,
// in bytes. All its parts together fit into it, unless flags say otherwise.
type memoryPlan struct {
	machine    int64 // 0 is not known
	processes  int64 // the server and its workers, idle
	transforms int64
	cache      int64
	bodies     int64 // of originals, in memory
	bodiesDisk int64 // and on disk
	marks      int64 // of bodies, the images of marks that are kept
	answers    int64 // that clients are taking
	// Connections of clients: what is left over, and the files that may be open, bound them.
	connections int
	heap        int64 // what Go's collector keeps this process's heap below; 0 is no bound
}

// planMemory shares out the memory. What is left over is for requests and connections,
// and for files that the system keeps in memory.
func (c *serveCmd) planMemory(machine int64) memoryPlan {
	workers := int64(cmp.Or(c.Workers, runtime.GOMAXPROCS(0))) + 1
	p := memoryPlan{machine: machine, processes: serverBase + workers*workerBase}
	usual := machine
	if machine == 0 {
		usual = 4 << 30
	}
	rest := max(usual-p.processes, usual/4)
	p.transforms = cmp.Or(int64(c.TransformMemory), rest/2)
	p.cache = cmp.Or(int64(c.CacheMemory), min(256<<20, rest/8))
	p.bodies = cmp.Or(int64(c.BodyMemory), min(max(rest/8, 32<<20), 1<<30))
	p.bodiesDisk = min(4*p.bodies, 2<<30)
	p.marks = min(64<<20, p.bodies/4)
	p.answers = cmp.Or(int64(c.AnswerMemory), min(max(rest/16, 16<<20), 1<<30))
	p.connections = int(rest / 8 / connectionSize)
	var files syscall.Rlimit // which Go has raised as far as it may
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		// The others are for origins, bodies on disk, workers and the store.
		p.connections = min(p.connections, int(min(files.Cur-min(files.Cur/2, 2048), 1<<20)))
	}
	if machine > 0 {
		p.heap = max(machine-p.transforms-p.bodies-workers*workerBase, p.cache+p.answers+2*serverBase)
	}
	return p
}

// fits says what doesn't.
func (p memoryPlan) fits() error {
	if sum := p.processes + p.transforms + p.cache + p.bodies + p.answers; p.machine > 0 && sum > p.machine {
		return fmt.Errorf("%d MiB for idle processes, %d for transforms, %d for the cache, %d for originals and %d for answers are more than the %d MiB that there are: "+
			"lower --transform-memory, --cache-memory, --body-memory, --answer-memory or --workers", p.processes>>20, p.transforms>>20, p.cache>>20, p.bodies>>20, p.answers>>20, p.machine>>20)
	}
	return nil
}

// apply has Go's collector follow the plan, and tells the log.
func (p memoryPlan) apply(getenv func(string) string, log *slog.Logger) {
	if err := p.fits(); err != nil {
		log.Warn("memory may run out", "error", err.Error())
	}
	if p.heap > 0 && getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(p.heap + heapFloor) // which counts, but takes none
	}
	log.Info("memory is shared out", "machine_bytes", p.machine, "transforms_bytes", p.transforms, "cache_bytes", p.cache,
		"originals_bytes", p.bodies, "originals_disk_bytes", p.bodiesDisk, "answers_bytes", p.answers, "heap_limit_bytes", p.heap, "connections", p.connections)
}

// newBodies are what originals are read under.
func (c *serveCmd) newBodies(p memoryPlan, log *slog.Logger) *origin.Bodies {
	b := origin.BodiesConfig{Memory: p.bodies, Disk: p.bodiesDisk, Dir: c.Data, Largest: int64(c.MaxOriginalBytes), Log: log}
	if !origin.OnDisk(c.Data) {
		b.Disk = 0
		log.Info("the data folder is in memory: so large originals stay there too", "data", c.Data)
	}
	if most := max(b.Memory, b.Disk); b.Largest > most {
		log.Warn("--max-original-bytes is more than there is room for: larger originals are answered 503", "room_bytes", most)
	}
	return origin.NewBodies(b)
}
