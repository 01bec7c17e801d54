package svg

import (
	"bytes"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/tintype/tintype/transform"
)

// readElements reads all tags and the drawn text.
func (r *reader) readElements(doc xmlScanner) error {
	for {
		piece, err := doc.next()
		if err != nil {
			return err
		}
		switch piece {
		case xmlEOF:
			return nil
		case xmlStart:
			if err := r.start(&doc); err != nil {
				return err
			}
			if doc.empty {
				r.open = r.open[:len(r.open)-1]
			}
		case xmlEnd:
			r.open = r.open[:len(r.open)-1]
		case xmlText:
			e := &r.open[len(r.open)-1]
			if e.mute {
				continue
			}
			n := len(bytes.TrimSpace(doc.text))
			if r.text += n; r.text > maxText {
				return tooLarge("the SVG holds more than %d bytes of text", maxText)
			}
			r.nodes[e.node].bytes += textWeight * n
		}
	}
}

// start reads the tag of an element.
func (r *reader) start(doc *xmlScanner) error {
	isRoot := len(r.open) == 0
	t := tag{reader: r, isRoot: isRoot}
	t.name = localName(doc.name)
	if !isRoot {
		parent := &r.open[len(r.open)-1]
		t.node, t.layers, t.paints, t.mute = parent.node, parent.layers, parent.paints, parent.mute
	}
	weight := 1
	switch name := string(t.name); {
	case name == "script", name == "foreignObject":
		return unsupported("the SVG holds a %s; save it as plain SVG", name)
	case name == "style", name == "title", name == "desc", name == "metadata":
		t.mute = true
	case name == "stop", strings.HasSuffix(name, "Gradient"):
		weight = 0
	case strings.HasPrefix(name, "fe"):
		weight = filterWeight
	}
	if err := t.readID(doc.attrs); err != nil {
		return err
	}
	node := &r.nodes[t.node]
	firstEdge := len(node.edges)
	node.elements += weight
	for _, attr := range doc.attrs {
		node.bytes += len(attr.name) + len(attr.value)
		if name := string(attr.name); name == "d" || name == "points" {
			t.corners += len(attr.value) / 2
		}
	}
	for _, attr := range doc.attrs {
		if err := t.read(attr); err != nil {
			return err
		}
	}
	for _, key := range []string{"*", string(t.name)} {
		if err := t.apply(key); err != nil {
			return err
		}
	}
	if err := t.paint(); err != nil {
		return err
	}
	if t.layer {
		node = &r.nodes[t.node]
		for i := range node.edges[firstEdge:] {
			node.edges[firstEdge+i].layers++
		}
		t.layers++
		node.layers = max(node.layers, int32(t.layers))
	}
	r.open = append(r.open, t.element)
	return nil
}

// A tag is an element whose tag is being read.
type tag struct {
	*reader
	element
	isRoot  bool
	corners int  // upper bound of the corners of its shape
	layer   bool // the renderer draws it into a separate picture first
}

// readID makes a node for an element with an id.
func (t *tag) readID(attrs []xmlAttr) error {
	for _, attr := range attrs {
		if string(attr.name) != "id" && string(attr.name) != "xml:id" {
			continue
		}
		id := unescapeXML(attr.value)
		own := len(t.nodes)
		t.nodes = append(t.nodes, node{})
		t.link(t.node, own, 1, t.layers)
		t.link(t.named(id), own, 1, 0)
		t.node, t.layers = own, 0
		if err := t.apply("#" + string(id)); err != nil {
			return err
		}
	}
	return nil
}

func (t *tag) read(attr xmlAttr) error {
	name, value := localName(attr.name), unescapeXML(attr.value)
	if hasPrefix(attr.name, "xmlns") {
		if bytes.Contains(value, []byte("XInclude")) {
			return outsideReference()
		}
		return nil
	}
	switch string(name) {
	case "d", "points", "transform", "id":
		return nil
	case "viewBox":
		if t.isRoot {
			t.root.setViewBox(value)
		}
		return nil
	case "href", "src":
		return t.reference(bytes.TrimSpace(value))
	case "style":
		if err := checkCSS(value); err != nil {
			return err
		}
		return eachCSSDeclaration(value, func(name, value []byte) error { return t.property(name, value, true) })
	case "class":
		for class := range bytes.FieldsSeq(value) {
			if err := t.count(); err != nil {
				return err
			}
			if err := t.apply("." + string(class)); err != nil {
				return err
			}
		}
		return nil
	}
	return t.property(name, value, false)
}

// property reads a presentation attribute or a declaration of a style.
func (t *tag) property(name, value []byte, style bool) error {
	if t.isRoot {
		t.root.set(name, value, style)
	}
	if err := checkSVGFilter(name, value); err != nil {
		return err
	}
	t.layer = t.layer || needsLayer(name, value)
	return eachCSSURL(value, func(id []byte) error {
		to := t.named(id)
		if uses := usesOf(name); uses != once {
			return t.handDown(paint{to, uses == eachCorner})
		}
		return t.refer(t.node, to, 1, t.layers)
	})
}

// apply adds what style sheets say for a key.
func (t *tag) apply(key string) error {
	rule, ok := t.rules[key]
	if !ok {
		return nil
	}
	t.layer = t.layer || rule.layer
	if t.nodes[rule.paints].edges != nil {
		if err := t.handDown(paint{rule.paints, false}); err != nil {
			return err
		}
	}
	if t.nodes[rule.corners].edges != nil {
		if err := t.handDown(paint{rule.corners, true}); err != nil {
			return err
		}
	}
	if t.nodes[rule.own].edges == nil {
		return nil
	}
	return t.refer(t.node, rule.own, 1, t.layers)
}

// handDown adds p to the paints of this element and of those in it. It must not change the
// list of the parent.
func (t *tag) handDown(p paint) error {
	if slices.Contains(t.paints, p) {
		return t.count()
	}
	if len(t.paints) == maxPaints {
		return tooLarge("an element of the SVG has more than %d patterns and markers", maxPaints)
	}
	t.paints = append(t.paints[:len(t.paints):len(t.paints)], p)
	return nil
}

// paint adds the inherited paints to a shape.
func (t *tag) paint() error {
	switch string(t.name) {
	case "path", "rect", "circle", "ellipse", "line", "polyline", "polygon", "text", "tspan":
	default:
		return nil
	}
	for _, p := range t.paints {
		times := 1
		if p.corners {
			times = t.corners
		}
		if err := t.refer(t.node, p.node, times, t.layers); err != nil {
			return err
		}
	}
	return nil
}

// reference reads an href or src.
func (t *tag) reference(value []byte) error {
	switch element := string(t.name); {
	case len(value) == 0, element == "a":
		return nil // links draw nothing
	case strings.HasPrefix(element, "animate"), element == "set", element == "mpath", element == "discard":
		return nil // animations are not played
	case value[0] == '#' && strings.HasSuffix(element, "Gradient"):
		return nil // a gradient inherits from it, which draws nothing
	case value[0] == '#':
		return t.refer(t.node, t.named(value[1:]), 1, t.layers)
	case element == "image", element == "feImage":
		return t.picture(value)
	}
	return outsideReference()
}

// picture checks a picture in the SVG like any original.
func (r *reader) picture(uri []byte) error {
	if !hasOneOf(uri, []string{"data:"}) {
		return outsideReference()
	}
	head, data, _ := bytes.Cut(uri, []byte(","))
	if !hasOneOf(head, []string{"data:image/png;base64", "data:image/jpeg;base64", "data:image/jpg;base64"}) {
		return unsupported("the SVG holds a picture that is neither a PNG nor a JPEG in base64")
	}
	if bytes.ContainsAny(data, " \t") {
		data = bytes.ReplaceAll(bytes.ReplaceAll(data, []byte(" "), nil), []byte("\t"), nil)
	}
	data = bytes.TrimRight(data, "=\r\n")
	file := make([]byte, base64.RawStdEncoding.DecodedLen(len(data)))
	n, err := base64.RawStdEncoding.Decode(file, data)
	if err != nil {
		return corrupt("a picture in the SVG is not valid base64")
	}
	h, err := r.readPicture(file[:n])
	if errors.Is(err, transform.ErrTruncated) {
		return corrupt("a picture in the SVG is truncated") // the SVG itself may be
	}
	if err != nil {
		return err
	}
	// A side is below 2³¹, so this can't overflow.
	pixels := h.Width * h.Height
	if pixels > maxImages-r.imagePixels {
		return tooLarge("the SVG holds pictures of more than %d megapixels in all", int(maxImages/1e6))
	}
	r.imagePixels += pixels
	return nil
}
