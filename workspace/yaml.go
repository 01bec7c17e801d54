package workspace

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// parseYAML returns a tree for each document.
func parseYAML(data []byte) ([]tree, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var documents []tree
	unfold := unfolder{left: maxUnfolded}
	for {
		number := len(documents) + 1
		var node yaml.Node
		if err := dec.Decode(&node); errors.Is(err, io.EOF) {
			return documents, nil
		} else if err != nil {
			return nil, invalid("", "invalid YAML: %v", err) // err names the line; the parser may be ahead of this document
		}
		t, err := unfold.tree(&node, "", 0)
		if err != nil {
			return nil, fmt.Errorf("document %d: %w", number, err)
		}
		documents = append(documents, t)
	}
}

// YAML returns the document as [DecodeAll] reads it. Its secrets are as they are in the
// workspace: take one of [Workspace.Masked] to show it.
func (d *Document) YAML() []byte {
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(yamlNode(d.given)); err != nil {
		panic(err) // plain values always encode
	}
	_ = enc.Close()
	return b.Bytes()
}

func yamlNode(t tree) *yaml.Node {
	scalar := func(tag, value string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: tag, Value: value}
	}
	switch t := t.(type) {
	case object:
		n := &yaml.Node{Kind: yaml.MappingNode}
		for _, f := range t {
			n.Content = append(n.Content, scalar("!!str", f.name), yamlNode(f.value))
		}
		return n
	case []tree:
		n := &yaml.Node{Kind: yaml.SequenceNode}
		if len(t) == 0 {
			n.Style = yaml.FlowStyle
		}
		for _, e := range t {
			n.Content = append(n.Content, yamlNode(e))
		}
		return n
	case string:
		n := &yaml.Node{}
		if err := n.Encode(t); err != nil { // quotes what would be read as another type
			panic(err)
		}
		return n
	case bool:
		return scalar("!!bool", fmt.Sprint(t))
	case json.Number:
		tag := "!!int"
		if strings.ContainsAny(t.String(), ".eE") {
			tag = "!!float"
		}
		return scalar(tag, t.String())
	}
	return scalar("!!null", "null")
}

// maxUnfolded bounds the number of values that aliases of a YAML file can expand to.
const maxUnfolded = 1 << 16

// An unfolder makes trees of YAML and replaces aliases by their values.
type unfolder struct {
	within int // number of aliases around the current value
	left   int // how many of maxUnfolded are left
}

func (u *unfolder) tree(n *yaml.Node, path string, depth int) (tree, error) {
	if u.within > 0 {
		if u.left--; u.left < 0 {
			return nil, invalid(path, "aliases expand to too many values: at most %d", maxUnfolded)
		}
	}
	if depth > maxDepth {
		return nil, invalid(path, "nested too deeply: at most %d levels", maxDepth)
	}
	switch n.Kind {
	case 0:
		return nil, nil
	case yaml.DocumentNode:
		return u.tree(n.Content[0], path, depth)
	case yaml.AliasNode:
		u.within++
		defer func() { u.within-- }()
		return u.tree(n.Alias, path, depth+1)
	case yaml.SequenceNode:
		list := make([]tree, len(n.Content))
		for i, e := range n.Content {
			var err error
			if list[i], err = u.tree(e, element(path, i), depth+1); err != nil {
				return nil, err
			}
		}
		return list, nil
	case yaml.MappingNode:
		o := make(object, 0, len(n.Content)/2)
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yaml.ScalarNode {
				return nil, invalid(path, "line %d: a key must be a plain word", key.Line)
			}
			at := member(path, key.Value)
			if seen[key.Value] {
				return nil, invalid(at, "given twice, the second time in line %d", key.Line)
			}
			seen[key.Value] = true
			value, err := u.tree(n.Content[i+1], at, depth+1)
			if err != nil {
				return nil, err
			}
			o = append(o, field{key.Value, value})
		}
		return o, nil
	}
	return yamlScalar(n, path)
}

// decimal are the numbers that all versions of YAML read alike.
var decimal = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*|(0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)\.)([eE][-+]?[0-9]+)?$`)

func yamlScalar(n *yaml.Node, path string) (tree, error) {
	tag := n.ShortTag()
	// "010" is 8 in YAML 1.1 and 10 in YAML 1.2, and "1_000" a number in 1.1 only.
	if (tag == "!!int" || tag == "!!float") && !decimal.MatchString(n.Value) && strings.ContainsAny(n.Value, "0123456789") {
		return nil, invalid(path, "line %d: %.40q is read as different numbers by different versions of YAML: write a decimal number, such as 10, or put text in quotes", n.Line, n.Value)
	}
	switch tag {
	case "!!str", "!!timestamp":
		return n.Value, nil
	case "!!null":
		return nil, nil
	case "!!bool":
		var b bool
		if err := n.Decode(&b); err == nil {
			return b, nil
		}
	case "!!int":
		var i int64
		if err := n.Decode(&i); err == nil {
			return json.Number(fmt.Sprint(i)), nil
		}
	case "!!float":
		var x float64
		if err := n.Decode(&x); err == nil {
			if text, err := json.Marshal(x); err == nil { // refuses .inf and .nan
				return json.Number(text), nil
			}
		}
	}
	return nil, invalid(path, "line %d: %q is not a string, a number, true or false", n.Line, n.Value)
}
