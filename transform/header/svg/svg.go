package svg

import "github.com/tintype/tintype/transform"

const (
	maxBytes  = 10 << 20
	maxText   = 100_000 // bytes of text to be set
	maxImages = 32e6    // pixels of all pictures within the SVG

	// What a renderer has to draw once every reference has been followed. A page
	// of text whose glyphs are uses of symbols comes to some 20,000 elements.
	maxElements   = 100_000
	maxDrawn      = 40 << 20 // bytes of markup
	maxLayers     = 10       // pictures as large as the output that are held at a time
	maxReferences = 200_000  // before any is followed
	maxPaints     = 50       // patterns and markers of an element and those around it

	textWeight   = 100 // bytes of markup that a byte of text counts as: a glyph is a path of its own
	filterWeight = 20  // elements that one of a filter counts as: it goes over a whole picture
)

// Read reads all of an SVG (SVG 1.1, and of SVG 2 what librsvg knows): its size, and
// whether it refers to something outside of the file or costs far more to draw than its
// length shows. The size is in CSS pixels, 96 to the inch. A size that depends on where
// the SVG is shown counts as none. An SVG with neither a size nor a viewBox is refused,
// since only drawing it would tell its extent.
//
// picture is called with the file of each picture within the SVG; it returns its header,
// or refuses it. Errors wrap those of package transform: ErrUnsupported, ErrCorrupt,
// ErrTruncated or ErrTooLarge. A compressed SVG is never inflated.
func Read(b []byte, picture func(file []byte) (transform.Header, error)) (transform.Header, error) {
	h := transform.Header{Format: transform.SVG, Orientation: 1, Frames: 1, Alpha: true, Bands: 4, Bits: 8}
	if len(b) > maxBytes {
		return h, tooLarge("the SVG is over %d MiB", maxBytes>>20)
	}
	doc, err := newXMLScanner(b)
	if err != nil {
		return h, err
	}
	r := reader{readPicture: picture, names: map[string]int{}, rules: map[string]rule{}, nodes: make([]node, 1)}
	// Style sheets apply to what stands before them too.
	if err := r.readSheets(doc); err != nil {
		return h, err
	}
	if err := r.readElements(doc); err != nil {
		return h, err
	}
	if err := r.follow(0, 0); err != nil {
		return h, err
	}
	return h, setSize(&h, r.root)
}

// A reader collects what an SVG draws as a graph: a node for the document and
// for each element with an id, for each id that is spoken of, and for each kind of
// element that a style sheet speaks of; edges to what is drawn along with it.
type reader struct {
	readPicture func(file []byte) (transform.Header, error)

	nodes []node          // the document first
	names map[string]int  // an id → its node
	rules map[string]rule // by the keys of cssKeys

	references  int // classes included
	root        root
	open        []element
	text        int
	imagePixels int
}

// A node is what is drawn under a name. Its own elements are without those
// that edges lead to.
type node struct {
	elements, bytes int // its own; of a visited node, all
	edges           []edge
	layers          int32 // the most that are open at a time, likewise
	depth           int16 // of references, of a visited node
	state           state
}

type state byte

const (
	unvisited state = iota
	entered
	visited
)

type edge struct {
	to, times, layers int32 // layers are those that are open where it leads away
}

// A rule is what a style sheet says of a kind of element.
type rule struct {
	own, paints, corners int // nodes of what is drawn with it, by how usesOf says
	layer                bool
}

// An element is one that is being read.
type element struct {
	name   []byte // without prefix
	node   int
	layers int     // open in it, counted from its node
	paints []paint // what it hands down to the shapes in it
	mute   bool    // its text is not drawn
}

// A paint is what is drawn with every shape: a pattern, or a marker, perhaps
// at each corner.
type paint struct {
	node    int
	corners bool
}

// named is the node that stands for an id.
func (r *reader) named(id []byte) int {
	n, ok := r.names[string(id)]
	if !ok {
		n = len(r.nodes)
		r.nodes = append(r.nodes, node{})
		r.names[string(id)] = n
	}
	return n
}

// count counts a reference, before it is followed.
func (r *reader) count() error {
	if r.references++; r.references > maxReferences {
		return tooLarge("the SVG has more than %d references", maxReferences)
	}
	return nil
}

// refer adds a reference to what is drawn under a name.
func (r *reader) refer(from, to, times, layers int) error {
	r.link(from, to, times, layers)
	return r.count()
}

func (r *reader) link(from, to, times, layers int) {
	r.nodes[from].edges = append(r.nodes[from].edges, edge{int32(to), int32(times), int32(layers)})
}

// follow adds to a node what its edges lead to.
func (r *reader) follow(n, depth int) error {
	const maxDepth = 2 * maxXMLDepth
	node := &r.nodes[n]
	switch node.state {
	case visited:
		return nil
	case entered:
		return corrupt("an element of the SVG draws itself")
	}
	node.state = entered
	for _, e := range node.edges {
		if depth > maxDepth {
			break
		}
		if err := r.follow(int(e.to), depth+1); err != nil {
			return err
		}
		to := &r.nodes[e.to]
		node.elements += int(e.times) * to.elements
		node.bytes += int(e.times) * to.bytes
		node.layers = max(node.layers, e.layers+to.layers)
		node.depth = max(node.depth, to.depth+1)
		if node.elements > maxElements || node.bytes > maxDrawn {
			return tooLarge("the SVG comes to more than %d elements, or %d MiB, once its references are followed", maxElements, maxDrawn>>20)
		}
	}
	if max(depth, int(node.depth)) > maxDepth {
		return tooLarge("the references of the SVG go more than %d deep", maxDepth)
	}
	if node.layers > maxLayers {
		return tooLarge("the SVG nests more than %d transparent groups, masks and filters", maxLayers)
	}
	node.state = visited
	return nil
}
