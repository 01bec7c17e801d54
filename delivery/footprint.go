package delivery

import (
	"unsafe"

	"github.com/tintype/tintype/workspace"
)

const (
	// compiledBytes is what sites take for one of them beside the site: a compiled, and a place in the
	// map.
	compiledBytes = 112
	// verifierBytes is what a keyring takes for a key.
	verifierBytes = 160
)

// footprint estimates how many bytes of memory a site takes beside its workspace. A test compares
// it with the heap: it is within 30 %.
func (c *site) footprint() int64 {
	n := compiledBytes + int64(unsafe.Sizeof(*c)) + workspace.Beyond(&c.origins) + workspace.Beyond(&c.allow) + workspace.Beyond(&c.marks)
	n += int64(len(c.SigningKeys)) * verifierBytes
	n += workspace.TableSize(len(c.sources), 24)
	for _, src := range c.sources {
		n += int64(unsafe.Sizeof(*src)) + 16 + workspace.Beyond(&src.base) + workspace.Beyond(&src.marks) + int64(8*len(src.near))
	}
	n += c.purges.Footprint()
	if c.blocked != nil {
		n += workspace.Beyond(c.blocked)
	}
	if x := c.indexed.Load(); x != nil {
		n += x.footprint()
	}
	return n
}

func (x *index) footprint() int64 {
	n := workspace.TableSize(len(x.places), 32)
	for _, places := range x.places {
		n += workspace.Beyond(&places)
	}
	for _, hosts := range []map[string][]placed{x.hosts, x.shared} {
		n += workspace.TableSize(len(hosts), 40)
		for server, on := range hosts {
			n += int64(len(server)+15) &^ 15
			n += int64(cap(on)) * int64(unsafe.Sizeof(placed{}))
			for i := range on { // the texts of the place are those of x.places
				n += workspace.Beyond(&on[i].reading)
			}
		}
	}
	return n
}
