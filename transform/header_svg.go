package transform

const (
	maxSVGBytes  = 10 << 20
	maxSVGText   = 100_000 // bytes of text to be set
	maxSVGImages = 32e6    // pixels of all pictures within the SVG

	// What a renderer has to draw once every reference has been followed. A page
	// of text whose glyphs are uses of symbols comes to some 20,000 elements.
	maxSVGElements   = 100_000
	maxSVGDrawn      = 40 << 20 // bytes of markup
	maxSVGLayers     = 10       // pictures as large as the output that are held at a time
	maxSVGReferences = 200_000  // before any is followed
	maxSVGPaints     = 50       // patterns and markers of an element and those around it

	svgTextWeight   = 100 // bytes of markup that a byte of text counts as: a glyph is a path of its own
	svgFilterWeight = 20  // elements that one of a filter counts as: it goes over a whole picture
)

// svgHeader reads all of an SVG (SVG 1.1, and of SVG 2 what librsvg knows): its
// size, and whether it holds something that reaches out of the file or that costs
// far more to draw than its length shows. The size is in CSS pixels, 96 to the
// inch. A size that depends on where the SVG is shown counts as none; an SVG with
// neither a size nor a viewBox is refused, since the extent of what it draws is
// known only after drawing it.
//
// A compressed SVG is not recognised by Sniff, and never inflated.
func svgHeader(b []byte) (Header, error) {
	h := Header{Orientation: 1, Frames: 1, Alpha: true, Bands: 4, Bits: 8}
	if len(b) > maxSVGBytes {
		return h, tooLarge("the SVG is over %d MiB", maxSVGBytes>>20)
	}
	doc, err := newXMLScanner(b)
	if err != nil {
		return h, err
	}
	r := svgReader{names: map[string]int{}, rules: map[string]svgRule{}, nodes: make([]svgNode, 1)}
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
	return h, h.setSVG(r.root)
}

// An svgReader collects what an SVG draws as a graph: a node for the document and
// for each element with an id, for each id that is spoken of, and for each kind of
// element that a style sheet speaks of; edges to what is drawn along with it.
type svgReader struct {
	nodes []svgNode          // the document first
	names map[string]int     // an id → its node
	rules map[string]svgRule // by the keys of cssKeys

	references  int // classes included
	root        svgRoot
	open        []svgElement
	text        int
	imagePixels int
}

// An svgNode is what is drawn under a name. Its own elements are without those
// that edges lead to.
type svgNode struct {
	elements, bytes int // its own; of a visited node, all
	edges           []svgEdge
	layers          int32 // the most that are open at a time, likewise
	depth           int16 // of references, of a visited node
	state           svgState
}

type svgState byte

const (
	svgUnvisited svgState = iota
	svgEntered
	svgVisited
)

type svgEdge struct {
	to, times, layers int32 // layers are those that are open where it leads away
}

// An svgRule is what a style sheet says of a kind of element.
type svgRule struct {
	own, paints, corners int // nodes of what is drawn with it, by how svgUses says
	layer                bool
}

// An svgElement is one that is being read.
type svgElement struct {
	name   []byte // without prefix
	node   int
	layers int        // open in it, counted from its node
	paints []svgPaint // what it hands down to the shapes in it
	mute   bool       // its text is not drawn
}

// An svgPaint is what is drawn with every shape: a pattern, or a marker, perhaps
// at each corner.
type svgPaint struct {
	node    int
	corners bool
}

// named is the node that stands for an id.
func (r *svgReader) named(id []byte) int {
	n, ok := r.names[string(id)]
	if !ok {
		n = len(r.nodes)
		r.nodes = append(r.nodes, svgNode{})
		r.names[string(id)] = n
	}
	return n
}

// count counts a reference, before it is followed.
func (r *svgReader) count() error {
	if r.references++; r.references > maxSVGReferences {
		return tooLarge("the SVG has more than %d references", maxSVGReferences)
	}
	return nil
}

// refer adds a reference to what is drawn under a name.
func (r *svgReader) refer(from, to, times, layers int) error {
	r.link(from, to, times, layers)
	return r.count()
}

func (r *svgReader) link(from, to, times, layers int) {
	r.nodes[from].edges = append(r.nodes[from].edges, svgEdge{int32(to), int32(times), int32(layers)})
}

// follow adds to a node what its edges lead to.
func (r *svgReader) follow(n, depth int) error {
	const maxDepth = 2 * maxXMLDepth
	node := &r.nodes[n]
	switch node.state {
	case svgVisited:
		return nil
	case svgEntered:
		return corrupt("an element of the SVG draws itself")
	}
	node.state = svgEntered
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
		if node.elements > maxSVGElements || node.bytes > maxSVGDrawn {
			return tooLarge("the SVG comes to more than %d elements, or %d MiB, once its references are followed", maxSVGElements, maxSVGDrawn>>20)
		}
	}
	if max(depth, int(node.depth)) > maxDepth {
		return tooLarge("the references of the SVG go more than %d deep", maxDepth)
	}
	if node.layers > maxSVGLayers {
		return tooLarge("the SVG nests more than %d transparent groups, masks and filters", maxSVGLayers)
	}
	node.state = svgVisited
	return nil
}
