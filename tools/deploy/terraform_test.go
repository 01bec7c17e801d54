package deploy_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
)

// TestTerraform: the example is of Terraform's language and in its layout, and each name in it is declared. What the
// provider would say of its fields is not asked.
func TestTerraform(t *testing.T) {
	const name = "../../deploy/terraform/main.tf"
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	file, problems := hclsyntax.ParseConfig(text, name, hcl.InitialPos)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	if want := hclwrite.Format(text); !bytes.Equal(want, text) {
		t.Errorf("terraform fmt would change %s", name)
	}
	declared, used := map[string]bool{}, map[string]bool{}
	body := file.Body.(*hclsyntax.Body)
	for _, b := range body.Blocks {
		switch b.Type {
		case "variable":
			declared["var."+b.Labels[0]] = true
		case "resource":
			declared[b.Labels[0]+"."+b.Labels[1]] = true
		case "data":
			declared["data."+b.Labels[0]+"."+b.Labels[1]] = true
		case "terraform", "provider", "output":
		default:
			t.Errorf("a block %s", b.Type)
		}
	}
	problems = hclsyntax.VisitAll(body, func(node hclsyntax.Node) hcl.Diagnostics {
		expression, ok := node.(*hclsyntax.ScopeTraversalExpr)
		if !ok {
			return nil
		}
		words := 2
		if expression.Traversal.RootName() == "data" {
			words = 3
		}
		path := expression.Traversal.RootName()
		if path == "string" || path == "list" || path == "desired_count" { // types of variables, and what a lifecycle ignores
			return nil
		}
		for _, step := range expression.Traversal[1:min(words, len(expression.Traversal))] {
			if attribute, ok := step.(hcl.TraverseAttr); ok {
				path += "." + attribute.Name
			}
		}
		used[path] = true
		if !declared[path] {
			t.Errorf("%s: %s is not declared", expression.Range(), path)
		}
		return nil
	})
	if problems.HasErrors() {
		t.Error(problems)
	}
	if len(used) < 15 {
		t.Errorf("only %d names are used", len(used))
	}
	for path := range declared {
		if len(path) > 4 && path[:4] == "var." && !used[path] {
			t.Errorf("%s is not used", path)
		}
	}
}
