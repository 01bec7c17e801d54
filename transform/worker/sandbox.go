package worker

import "fmt"

// A Sandbox says how much of the sandbox must be had.
//
// The layers, each taken on by a worker once its engine has loaded all it needs:
//
//   - no-new-privs: no program that it could run would have more rights.
//   - seccomp: it may only make the system calls of a list that decoding needs. All
//     others fail with EPERM: network, programs, files for writing, other processes.
//     They fail rather than kill, since libraries ask for things that they can do
//     without, and another version of one must not take the service down.
//   - landlock: of all files it may read fonts and colour profiles, nothing else.
//     Where this layer is missing, seccomp refuses to open any file at all.
//   - limits: of memory, open files, the size of files, and processor time per job;
//     no core dumps; and it dies with the pool's process.
type Sandbox string

const (
	Auto    Sandbox = "auto"    // the layers that the system has
	Require Sandbox = "require" // all layers, or no start
	Off     Sandbox = "off"     // limits only
)

// Layer names.
const (
	layerNoNewPrivs = "no-new-privs"
	layerSeccomp    = "seccomp"
	layerLandlock   = "landlock"
	layerLimits     = "limits"
	layerMemfd      = "memory files"
)

func missing(layer string, err error) string { return fmt.Sprintf("%s (%v)", layer, err) }
