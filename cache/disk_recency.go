package cache

// recency holds the files of a disk cache in the order of their last use, and their sizes.
// A cache may have millions of files. So recency has no pointers that the garbage collector
// would follow, and takes about 110 bytes a file. It isn't safe for concurrent use.
type recency struct {
	// nodes[0] has both ends of the list: next is the file that was used last, prev the one
	// that was used longest ago. Unused nodes form a chain from free, linked by next.
	nodes []recencyNode
	free  uint32
	byKey map[Key]uint32
	bytes int64
}

type recencyNode struct {
	key        Key
	next, prev uint32
	blocks     uint32
	verified   uint64 // file.state when the checksum was verified; 0 is never
}

// fileBlock is the usual block size of file systems, in bytes.
const fileBlock = 4096

func newRecency() *recency {
	return &recency{nodes: make([]recencyNode, 1), byKey: make(map[Key]uint32)}
}

func (r *recency) len() int { return len(r.byKey) }

// touch makes the file the last used one, and reports whether it is known.
func (r *recency) touch(key Key) bool {
	i, ok := r.byKey[key]
	if ok {
		r.unlink(i)
		r.link(i, 0)
	}
	return ok
}

// verified returns the state of the file whose checksum was verified, or 0.
func (r *recency) verified(key Key) uint64 {
	if i, ok := r.byKey[key]; ok {
		return r.nodes[i].verified
	}
	return 0
}

// verify notes the state of the file whose checksum was verified.
func (r *recency) verify(key Key, state uint64) {
	if i, ok := r.byKey[key]; ok {
		r.nodes[i].verified = state
	}
}

// add adds or replaces a file of size bytes as the last used one.
func (r *recency) add(key Key, size int64) {
	r.remove(key)
	r.link(r.node(key, size), 0)
}

// addOldest adds a file as the one that was used longest ago, unless it is known.
func (r *recency) addOldest(key Key, size int64) {
	if _, ok := r.byKey[key]; !ok {
		i := r.node(key, size)
		r.link(i, r.nodes[0].prev)
	}
}

// remove forgets the file, and reports whether it was known.
func (r *recency) remove(key Key) bool {
	i, ok := r.byKey[key]
	if !ok {
		return false
	}
	r.unlink(i)
	delete(r.byKey, key)
	r.bytes -= int64(r.nodes[i].blocks) * fileBlock
	r.nodes[i] = recencyNode{next: r.free}
	r.free = i
	return true
}

// size returns the bytes of the disk that the file takes, or 0 where it isn't known.
func (r *recency) size(key Key) int64 {
	i, ok := r.byKey[key]
	if !ok {
		return 0
	}
	return int64(r.nodes[i].blocks) * fileBlock
}

// oldest returns the file that was used longest ago.
func (r *recency) oldest() (key Key, ok bool) {
	i := r.nodes[0].prev
	return r.nodes[i].key, i != 0
}

// node makes a node that is not in the list yet.
func (r *recency) node(key Key, size int64) uint32 {
	i := r.free
	if i != 0 {
		r.free = r.nodes[i].next
	} else {
		i = uint32(len(r.nodes))
		r.nodes = append(r.nodes, recencyNode{})
	}
	blocks := (size + fileBlock - 1) / fileBlock
	r.nodes[i] = recencyNode{key: key, blocks: uint32(blocks)}
	r.byKey[key] = i
	r.bytes += blocks * fileBlock
	return i
}

// link puts node i after node at.
func (r *recency) link(i, at uint32) {
	next := r.nodes[at].next
	r.nodes[i].prev, r.nodes[i].next = at, next
	r.nodes[at].next, r.nodes[next].prev = i, i
}

func (r *recency) unlink(i uint32) {
	n := r.nodes[i]
	r.nodes[n.prev].next, r.nodes[n.next].prev = n.next, n.prev
}
