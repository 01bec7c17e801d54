package worker

import "fmt"

// A Sandbox says which layers of the sandbox are required.
//
// A worker enters these layers when its engine has loaded everything that it needs:
//
//   - no-new-privs: programs that the worker runs can't gain rights.
//   - seccomp: only system calls on a list are allowed, those that decoding needs. Others
//     fail with EPERM: network, programs, files for writing, other processes. They don't kill
//     the worker, since libraries try calls that they can do without, and a new version of a
//     library must not stop the service.
//   - landlock: the worker can read fonts and colour profiles, and no other file. Where this
//     layer is missing, seccomp allows no open at all.
//   - limits: of memory, open files, file size, and processor time per job. There are no
//     core dumps, and the worker dies with the pool's process.
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
