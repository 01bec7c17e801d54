package main

import (
	"cmp"
	"fmt"
	"log/slog"
	"runtime/debug"
	"syscall"

	"github.com/tintype/tintype/delivery"
	"github.com/tintype/tintype/origin"
	"github.com/tintype/tintype/transform/worker"
)

// The memory of idle processes, in bytes, measured and rounded up.
const (
	serverBase = 64 << 20
	workerBase = 24 << 20
	// connectionSize is the memory of an open connection: buffers, stacks and the kernel's part.
	connectionSize = 24 << 10
	// connectionSizeTLS is that of one with TLS and HTTP/2, and of a request over it. Measured
	// idle: 27 KiB of Go's memory with HTTP/1, 34 with HTTP/2.
	connectionSizeTLS = 64 << 10
	// missSize is the memory of a request that waits for its original, with its connection and
	// that to the origin: 25 KiB of heap and 53 KiB of stacks, measured with 1,200 that hang.
	missSize = 80 << 10
)

// A memoryPlan divides the memory of this machine, or of the container, in bytes. The sum of
// the parts fits into it, unless flags make them larger.
type memoryPlan struct {
	machine    int64 // the whole; 0 is unknown
	processes  int64 // the server and its workers, idle
	transforms int64
	cache      int64
	workspaces int64
	bodies     int64 // originals in memory
	bodiesDisk int64 // originals on disk
	marks      int64 // the part of bodies for cached images of marks
	answers    int64 // answers that clients are taking
	filter     int64 // of what the cache's bucket holds, beyond its default
	// connections bounds the connections of clients, by the rest of the memory and by the
	// files that may be open.
	connections int
	waiting     int   // bound of the fetches that wait for a place
	heap        int64 // bound of this process's heap for Go's garbage collector; 0 is no bound
}

// planMemory divides the memory. The rest is for requests, connections and the file cache of
// the system.
func (c *serveCmd) planMemory(machine int64) memoryPlan {
	workers := int64(cmp.Or(c.Workers, worker.Cores())) + 1
	p := memoryPlan{machine: machine, processes: serverBase + workers*workerBase}
	usual := machine
	if machine == 0 {
		usual = 4 << 30
	}
	rest := max(usual-p.processes, usual/4)
	p.transforms = cmp.Or(int64(c.TransformMemory), rest/2)
	p.cache = cmp.Or(int64(c.CacheMemory), min(256<<20, rest/8))
	p.workspaces = cmp.Or(int64(c.WorkspaceMemory), min(max(rest/16, 8<<20), 256<<20))
	p.bodies = cmp.Or(int64(c.BodyMemory), min(max(rest/8, 32<<20), 1<<30))
	p.bodiesDisk = min(4*p.bodies, 2<<30)
	p.marks = min(64<<20, p.bodies/4)
	p.answers = cmp.Or(int64(c.AnswerMemory), min(max(rest/16, 16<<20), 1<<30))
	p.filter = c.filterBeyondUsual()
	p.connections = int(rest / 8 / connectionSize)
	if c.TLS != "" && c.TLS != "off" {
		p.connections = int(rest / 8 / connectionSizeTLS)
	}
	var files syscall.Rlimit // which Go has raised as far as it may
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil {
		// The others are for origins, bodies on disk, workers and the store.
		p.connections = min(p.connections, int(min(files.Cur-min(files.Cur/2, 2048), 1<<20)))
	}
	p.waiting = min(delivery.DefaultFetches().Waiting, p.connections/2)
	if machine > 0 {
		p.heap = max(machine-p.transforms-p.bodies-workers*workerBase, p.cache+p.workspaces+p.answers+p.filter+2*serverBase)
		// Stacks count in the bound of the heap. If requests that wait filled it, the garbage
		// collector would take half of the processors.
		misses := int((p.heap - p.cache - p.workspaces - p.answers - p.filter - serverBase) / missSize)
		p.waiting = min(p.waiting, max(misses-c.Fetches, 256))
	}
	return p
}

// fits returns an error where the parts are larger than the memory.
func (p memoryPlan) fits() error {
	if sum := p.processes + p.transforms + p.cache + p.workspaces + p.bodies + p.answers + p.filter; p.machine > 0 && sum > p.machine {
		return fmt.Errorf("%d MiB for idle processes, %d for transforms, %d for the cache, %d for workspaces, %d for originals, %d for answers and %d for a larger filter of the bucket are more than the %d MiB of memory: "+
			"lower --transform-memory, --cache-memory, --workspace-memory, --body-memory, --answer-memory, --cache-bucket-filter or --workers",
			p.processes>>20, p.transforms>>20, p.cache>>20, p.workspaces>>20, p.bodies>>20, p.answers>>20, p.filter>>20, p.machine>>20)
	}
	return nil
}

// apply sets the bound of Go's garbage collector, and logs the plan.
func (p memoryPlan) apply(getenv func(string) string, log *slog.Logger) {
	if err := p.fits(); err != nil {
		log.Warn("memory may run out", "error", err.Error())
	}
	if p.heap > 0 && getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(p.heap + heapFloor) // the collector counts heapFloor, which takes no memory
	}
	log.Info("memory is shared out", "machine_bytes", p.machine, "transforms_bytes", p.transforms, "cache_bytes", p.cache, "workspaces_bytes", p.workspaces,
		"originals_bytes", p.bodies, "originals_disk_bytes", p.bodiesDisk, "answers_bytes", p.answers, "heap_limit_bytes", p.heap, "connections", p.connections)
}

// newBodies returns the Bodies that bound originals.
func (c *serveCmd) newBodies(p memoryPlan, log *slog.Logger) *origin.Bodies {
	b := origin.BodiesConfig{Memory: p.bodies, Disk: p.bodiesDisk, Dir: c.Data, Largest: int64(c.MaxOriginalBytes), Log: log}
	if !origin.OnDisk(c.Data) {
		b.Disk = 0
		log.Info("the data folder is in memory, so large originals can't go to disk", "data", c.Data)
	}
	if most := max(b.Memory, b.Disk); b.Largest > most {
		log.Warn("--max-original-bytes is more than the room for originals: larger originals are answered 503", "room_bytes", most)
	}
	return origin.NewBodies(b)
}
