package tintype_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tintype/tintype"

// mayImport lists the packages of this module that each package may import in its
// non-test code. A package that is missing here fails the test: say what it is for
// in ARCHITECTURE.md, and what it needs here.
var mayImport = map[string][]string{
	"transform":  {},
	"awake":      {},
	"origin":     {"awake", "limit"},
	"cache":      {},
	"samples":    {},
	"signing":    {},
	"client":     {"signing", "transform"},
	"mcp":        {"client", "transform"},
	"limit":      {},
	"purgehook":  {},
	"moderation": {},
	"tracing":    {},
	"secretref":  {},
	"awsenv":     {},
	"doctor":     {},
	"accesslog":  {},

	// Readers of what files say, without decoding. transform has the types that they fill.
	"transform/header":     {"transform", "transform/header/svg"},
	"transform/header/svg": {"transform"},

	// What pixels say, and the pictures of hashes.
	"transform/facts": {"transform"},

	// Grammars of other products, in transform's vocabulary.
	"dialect": {"transform"},

	// The table of errors knows those of the packages that it maps.
	"fault": {"account", "transform", "origin", "cache", "signing", "workspace", "workspace/cached", "apikey"},

	"workspace": {"dialect", "transform", "origin", "signing"},
	"apikey":    {"workspace", "workspace/cached"},
	"usage":     {"workspace"},
	"marks":     {"transform", "origin", "cache", "workspace"},

	// Certificates of the listeners.
	"certs": {"account", "workspace"},

	// People, and what they may.
	"account": {"workspace", "apikey", "limit", "mail"},
	"mail":    {},

	// Countries of addresses.
	"geoip":           {},
	"geoip/geoiptest": {},

	// Which of several servers does what.
	"lease": {"account", "workspace"},

	// The other servers of a fleet.
	"peer": {"cache", "lease"},

	// Alerts are records of the store, and webhooks and mails.
	"alert":   {"account", "lease", "mail", "webhook", "workspace"},
	"webhook": {},

	// Plans are records of the store too, and so are the journal of usage and customers of Stripe.
	"billing/plan":   {"account", "workspace"},
	"billing/meter":  {"account", "lease", "webhook", "workspace"},
	"billing/stripe": {"account", "billing/meter", "billing/plan", "fault", "workspace"},

	// Use cases know neither HTTP nor who serves it.
	"manage": {"account", "alert", "billing/plan", "fault", "lease", "workspace", "workspace/cached", "apikey", "signing", "origin", "moderation", "delivery"},

	// Adapters import their parent.
	"transform/vips":     {"transform", "transform/header", "transform/faces", "transform/facts"},
	"transform/worker":   {"awake", "limit", "tracing", "transform", "transform/header"},
	"workspace/cached":   {"workspace", "limit"},
	"workspace/sqlite":   {"account", "workspace", "workspace/cached", "workspace/transfer", "limit"},
	"workspace/dynamodb": {"awsenv", "account", "workspace", "workspace/transfer", "limit"},
	"workspace/transfer": {"workspace"},
	"origin/bucket":      {"awsenv", "origin"},
	"cache/bucket":       {"awsenv", "cache"},

	// Faces in pictures, which the engine looks for; drawn ones for tests.
	"transform/faces":           {},
	"transform/faces/facestest": {},

	// Conformance suites import what they judge.
	"cache/cachetest":         {"cache"},
	"certs/certstest":         {},
	"manage/managetest":       {"delivery", "fault", "origin", "transform", "workspace"},
	"delivery/deliverytest":   {"transform", "transform/facts", "workspace"},
	"server/api/apitest":      {"alert", "apikey", "delivery", "manage", "server/api", "workspace", "workspace/cached", "workspace/sqlite"},
	"workspace/workspacetest": {"account", "alert", "billing/plan", "dialect", "workspace", "limit", "signing"},

	// For tests: servers to run against, generated files, how much time a function takes, logs.
	"internal/cputime":       {},
	"internal/freeport":      {},
	"internal/golden":        {},
	"internal/letterbox":     {},
	"internal/otlp":          {},
	"internal/testlog":       {},
	"internal/tool":          {},
	"internal/versitygw":     {"internal/freeport", "internal/tool"},
	"internal/dynamodblocal": {"internal/freeport", "internal/tool"},
	"internal/pebble":        {"certs/certstest", "internal/freeport", "internal/testlog", "internal/tool"},
	"internal/stripemock":    {"internal/tool"},

	// Delivery and the server import parents, never an adapter.
	"delivery":         {"awake", "fault", "tracing", "dialect", "transform", "transform/header", "transform/facts", "origin", "cache", "workspace", "signing", "marks", "apikey", "limit", "usage"},
	"server":           {"accesslog", "delivery", "tracing", "fault", "limit", "origin", "workspace", "apikey", "server/playground", "server/web"},
	"server/web":       {"delivery", "fault"},
	"server/dashboard": {"account", "alert", "billing/plan", "manage", "delivery", "fault", "limit", "workspace", "apikey", "server/playground", "server/web", "server/dashboard/plot"},

	// The controls of all options, and words for errors, on both playgrounds.
	"server/playground": {"fault", "transform"},

	// Plots of values by day, as SVG.
	"server/dashboard/plot": {},

	"server/api": {"account", "alert", "billing/plan", "manage", "delivery", "fault", "transform", "workspace", "apikey", "limit", "usage"},

	// What the image is made of.
	"deploy/image/sbom": {},

	// Fits the table of transform/vips that predicts qualities.
	"bench/autofit": {},

	// Only commands import everything.
	"cmd/tintype": {"*"},

	// Commands that call a running server.
	"cmd/tintype/remote": {"client", "workspace"},

	"bench": {"*"},
}

// onlyImporters lists who may import what must stay behind one door.
var onlyImporters = map[string][]string{
	"github.com/davidbyttow/govips/v2": {"transform/vips", "bench"},
	"github.com/wneessen/go-mail":      {"mail"},
	"github.com/go-webauthn":           {"account"},
	"github.com/bep/imagemeta":         {"transform/facts"},
	"github.com/miekg/dns":             {"manage"},
	"github.com/caddyserver/certmagic": {"certs", "certs/certstest"},
	"github.com/oschwald/maxminddb":    {"geoip"},
	"github.com/stripe/stripe-go":      {"billing/stripe"},
	"github.com/maxmind/mmdbwriter":    {"geoip/geoiptest"},
	"github.com/quic-go/quic-go":       {"server"},
	"go.opentelemetry.io/otel":         {"tracing"},
	"modernc.org/sqlite":               {"workspace/sqlite"},
	"kernel.org/pub/linux":             {"transform/worker"},
	"github.com/aws":                   {"awsenv", "origin/bucket", "cache/bucket", "workspace/dynamodb", "secretref", "internal/versitygw"},
	"golang.org/x/oauth2":              {"secretref"},
	"github.com/modelcontextprotocol":  {"mcp"},
}

// mayNotImport lists what a package must do without.
var mayNotImport = map[string][]string{
	"manage":  {"net/http"},
	"account": {"net/http"},
}

// A sourceFile is one Go file's package clause and imports.
type sourceFile struct {
	pkg, name string // folder, relative to the root; file name
	imports   []string
	doc       bool
}

func sourceFiles(t *testing.T) []sourceFile {
	t.Helper()
	var files []sourceFile
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := d.Name()
		if d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "data" || base == "bin" || base == "tools" || base == "node_modules") {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, sourceFile{filepath.ToSlash(filepath.Dir(name)), base, importsOf(t, f), f.Doc != nil})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func importsOf(t *testing.T, f *ast.File) (paths []string) {
	t.Helper()
	for _, s := range f.Imports {
		p, err := strconv.Unquote(s.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

func TestImportRules(t *testing.T) {
	for _, f := range sourceFiles(t) {
		allowed, known := mayImport[f.pkg]
		if !known {
			t.Errorf("%s: package %s is not in mayImport", path.Join(f.pkg, f.name), f.pkg)
			continue
		}
		for _, imp := range f.imports {
			if own, ok := strings.CutPrefix(imp, module+"/"); ok && !slices.Contains(allowed, own) && !slices.Contains(allowed, "*") {
				t.Errorf("%s imports %s, which %s may not", path.Join(f.pkg, f.name), own, f.pkg)
			}
			if slices.Contains(mayNotImport[f.pkg], imp) {
				t.Errorf("%s imports %s, which %s may not", path.Join(f.pkg, f.name), imp, f.pkg)
			}
			for door, importers := range onlyImporters {
				if (imp == door || strings.HasPrefix(imp, door+"/")) && !slices.Contains(importers, f.pkg) {
					t.Errorf("%s imports %s, which only %s may", path.Join(f.pkg, f.name), imp, strings.Join(importers, " and "))
				}
			}
		}
	}
}

func TestEveryPackageHasADoc(t *testing.T) {
	docs := map[string]int{}
	for _, f := range sourceFiles(t) {
		if f.doc {
			docs[f.pkg]++
		} else {
			docs[f.pkg] += 0
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(docs)) {
		if docs[pkg] != 1 {
			t.Errorf("package %s has %d package comments, want one", pkg, docs[pkg])
		}
	}
}

// TestSerialPackages: make test runs the packages in SERIAL without the race detector. That
// loses nothing only while neither they nor their tests start a goroutine.
func TestSerialPackages(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^SERIAL +:= (.+)$`).FindSubmatch(makefile)
	if list == nil {
		t.Fatal("the Makefile has no SERIAL")
	}
	starts := []string{"Go", "Parallel", "RunParallel", "AfterFunc", "NewServer", "NewTLSServer", "NewUnstartedServer"}
	for _, pkg := range strings.Fields(string(list[1])) {
		files, err := filepath.Glob(filepath.Join(filepath.FromSlash(pkg), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pkg, len(files), err)
		}
		for _, name := range files {
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(f, func(n ast.Node) bool {
				concurrent := false
				switch n := n.(type) {
				case *ast.GoStmt:
					concurrent = true
				case *ast.CallExpr:
					called, ok := n.Fun.(*ast.SelectorExpr)
					concurrent = ok && slices.Contains(starts, called.Sel.Name)
				}
				if concurrent {
					t.Errorf("%s starts a goroutine: take %s from SERIAL in the Makefile", set.Position(n.Pos()), pkg)
				}
				return true
			})
		}
	}
}

// TestRacelessTests: make test runs the pure packages with the race detector, and so without
// the files that have the tag !race. It runs the tests of these by their names.
func TestRacelessTests(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := regexp.MustCompile(`(?m)^RACELESS_TESTS := (.+) -run '\^Test\((.+)\)\$\$'$`).FindSubmatch(makefile)
	if list == nil {
		t.Fatal("the Makefile has no RACELESS_TESTS")
	}
	packages, names := strings.Fields(string(list[1])), strings.Split(string(list[2]), "|")
	seen := map[string]bool{}
	tests := regexp.MustCompile(`(?m)^func Test(\w+)\(`)
	for name, data := range pureFiles(t) {
		if !bytes.HasPrefix(data, []byte("//go:build !race\n")) {
			continue
		}
		pkg := "./" + path.Dir(name)
		for _, test := range tests.FindAllSubmatch(data, -1) {
			seen[string(test[1])] = true
			if !slices.Contains(packages, pkg) || !slices.Contains(names, string(test[1])) {
				t.Errorf("%s: Test%s isn't in RACELESS_TESTS of the Makefile", name, test[1])
			}
		}
	}
	for _, name := range names {
		if !seen[name] {
			t.Errorf("RACELESS_TESTS of the Makefile has Test%s, which no file of the tag !race has", name)
		}
	}
}

// TestPurePackages: make test runs the tests of pure packages with the race detector alone,
// which needs cgo. That loses nothing only while their files are the same without it.
func TestPurePackages(t *testing.T) {
	cgo := regexp.MustCompile(`(?m)^//go:build .*\bcgo\b|^import "C"$`)
	for name, data := range pureFiles(t) {
		if !bytes.Contains(data, []byte("cgo")) && !bytes.Contains(data, []byte(`"C"`)) { // the expression is slow
			continue
		}
		if found := cgo.Find(data); found != nil {
			t.Errorf("%s: %s: let the Makefile run this package's tests with CGO_ENABLED=0 too", name, found)
		}
	}
}

// pureFiles returns the files of packages that need no C library, also tests, by their names
// with slashes.
func pureFiles(t *testing.T) map[string][]byte {
	t.Helper()
	linked := []string{"cmd", "transform/vips", "bench", "tools"}
	files := map[string][]byte{}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(name)
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || slices.Contains(linked, slashed)) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) == ".go" {
			files[slashed], err = os.ReadFile(name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
