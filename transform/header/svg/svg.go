package svg

import "github.com/tintype/tintype/transform"

const (
	maxBytes  = 10 << 20
	maxText   = 100_000 // bytes of drawn text
	maxImages = 32e6    // pixels of all pictures in the SVG

	// Limits of what a renderer has to draw after it has followed every reference. A page of
	// text whose glyphs are uses of symbols has about 20,000 elements.
	maxElements   = 100_000
	maxDrawn      = 40 << 20 // bytes of markup
	maxLayers     = 10       // pictures as large as the output that the renderer holds at a time
	maxReferences = 200_000  // before any reference is followed
	maxPaints     = 50       // patterns and markers of an element and its ancestors

	textWeight   = 100 // bytes of markup for each byte of text: the renderer draws a glyph as a path
	filterWeight = 20  // elements for each element of a filter: it processes a whole picture
)

// Read reads a whole SVG (SVG 1.1, and the parts of SVG 2 that librsvg knows) and returns
// its size. It refuses SVGs that refer to something outside the file, and those that are
// far more costly to draw than their length suggests. The size is in CSS pixels, 96 to the
// inch. A size that depends on where the SVG is shown is ignored. An SVG with neither a
// size nor a viewBox is refused, since only drawing would reveal its extent.
//
// Read calls picture with the file of each picture in the SVG. picture returns its header,
// or an error that refuses it. Errors wrap those of package transform: ErrUnsupported,
// ErrCorrupt, ErrTruncated or ErrTooLarge. Read doesn't accept compressed SVGs.
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
	// Style sheets also apply to elements before them.
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

// A reader collects what an SVG draws as a graph. There is a node for the document, for
// each element with an id, for each id in a reference, and for each key of a style sheet.
// Edges lead to what is drawn along with a node.
type reader struct {
	readPicture func(file []byte) (transform.Header, error)

	nodes []node          // the document is the first
	names map[string]int  // node of each id
	rules map[string]rule // by key, see cssKeys

	references  int // references and classes
	root        root
	open        []element
	text        int
	imagePixels int
}

// A node is what is drawn under a name.
type node struct {
	elements, bytes int // without the targets of edges; with them once visited
	edges           []edge
	layers          int32 // maximum number of open layers, counted in the same way
	depth           int16 // of references, once visited
	state           state
}

type state byte

const (
	unvisited state = iota
	entered
	visited
)

type edge struct {
	to, times, layers int32 // layers are the ones open at the start of the edge
}

// A rule is what a style sheet adds to the elements of a key.
type rule struct {
	own, paints, corners int // nodes that are drawn with the element, by use
	layer                bool
}

// An element is an open element.
type element struct {
	name   []byte // without prefix
	node   int
	layers int     // open layers in it, counted from its node
	paints []paint // drawn with each shape in it
	mute   bool    // its text is not drawn
}

// A paint is drawn with every shape: a pattern, or a marker, which may be drawn at each
// corner.
type paint struct {
	node    int
	corners bool
}

// named returns the node of an id.
func (r *reader) named(id []byte) int {
	n, ok := r.names[string(id)]
	if !ok {
		n = len(r.nodes)
		r.nodes = append(r.nodes, node{})
		r.names[string(id)] = n
	}
	return n
}

// count counts a reference and returns an error if there are too many.
func (r *reader) count() error {
	if r.references++; r.references > maxReferences {
		return tooLarge("the SVG has more than %d references", maxReferences)
	}
	return nil
}

// refer adds a reference.
func (r *reader) refer(from, to, times, layers int) error {
	r.link(from, to, times, layers)
	return r.count()
}

func (r *reader) link(from, to, times, layers int) {
	r.nodes[from].edges = append(r.nodes[from].edges, edge{int32(to), int32(times), int32(layers)})
}

// follow adds the targets of a node's edges to its counts.
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
			return tooLarge("with its references followed, the SVG has more than %d elements or %d MiB", maxElements, maxDrawn>>20)
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
