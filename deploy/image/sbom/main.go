// Command sbom writes what the image is made of as SPDX 2.3: the Go modules in the program,
// Debian's packages, and what was built out of source beside them.
//
// For most uses, call it as deploy/image/root does, when the image's files are complete:
//
//	sbom -image /image -version v1.2.3 libvips@8.18.6-1 jpegli@0.11.2-5
package main

import (
	"bufio"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

func main() {
	image := flag.String("image", "", "folder with the files of the image")
	version := flag.String("version", "dev", "version of Tintype")
	flag.Parse()
	if err := run(*image, *version, flag.Args()); err != nil {
		log.Fatal(err)
	}
}

// run writes usr/share/sbom/tintype.spdx.json into the image. built are names with versions.
func run(image, version string, built []string) error {
	packages, err := modules(filepath.Join(image, "usr/local/bin/tintype"))
	if err != nil {
		return err
	}
	debian, err := debianPackages(filepath.Join(image, "var/lib/dpkg/status.d"))
	if err != nil {
		return err
	}
	packages = append(packages, debian...)
	for _, b := range built {
		name, version, _ := strings.Cut(b, "@")
		packages = append(packages, newPackage(name, version, "pkg:generic/"+name+"@"+url.QueryEscape(version)))
	}
	data, err := json.MarshalIndent(newDocument(version, packages, created()), "", " ")
	if err != nil {
		return err
	}
	name := filepath.Join(image, "usr/share/sbom/tintype.spdx.json")
	return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, append(data, '\n'), 0o644))
}

// created is the time that SOURCE_DATE_EPOCH names, so that an image can be built again to
// the same bytes, or else now.
func created() time.Time {
	if seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64); err == nil {
		return time.Unix(seconds, 0)
	}
	return time.Now()
}

// A document is an SPDX 2.3 document, with the fields of its JSON form.
type document struct {
	Version       string         `json:"spdxVersion"`
	DataLicense   string         `json:"dataLicense"`
	ID            string         `json:"SPDXID"`
	Name          string         `json:"name"`
	Namespace     string         `json:"documentNamespace"`
	Creation      creation       `json:"creationInfo"`
	Packages      []spdxPackage  `json:"packages"`
	Relationships []relationship `json:"relationships"`
}

type creation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	ID            string      `json:"SPDXID"`
	Name          string      `json:"name"`
	Version       string      `json:"versionInfo"`
	Download      string      `json:"downloadLocation"`
	FilesAnalyzed bool        `json:"filesAnalyzed"`
	References    []reference `json:"externalRefs"`
}

type reference struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type relationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

// newDocument returns the document of the image with these packages.
func newDocument(version string, packages []spdxPackage, at time.Time) document {
	ours := newPackage("tintype", version, "pkg:oci/tintype@"+url.QueryEscape(version))
	d := document{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: "tintype-" + version,
		Creation:      creation{at.UTC().Format(time.RFC3339), []string{"Tool: tintype-sbom"}},
		Packages:      []spdxPackage{ours},
		Relationships: []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", ours.ID}},
	}
	contents := sha256.New()
	for _, p := range packages {
		fmt.Fprintln(contents, p.References[0].Locator)
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{ours.ID, "CONTAINS", p.ID})
	}
	d.Namespace = fmt.Sprintf("https://github.com/tintype/tintype/spdx/%s-%x", url.PathEscape(version), contents.Sum(nil)[:8])
	return d
}

// newPackage returns a package that a package URL (purl) identifies.
func newPackage(name, version, purl string) spdxPackage {
	sum := sha256.Sum256([]byte(purl))
	return spdxPackage{
		ID: fmt.Sprintf("SPDXRef-%x", sum[:8]), Name: name, Version: version, Download: "NOASSERTION",
		References: []reference{{"PACKAGE-MANAGER", "purl", purl}},
	}
}

// modules returns Go's library and the modules that are compiled into a program.
func modules(program string) ([]spdxPackage, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	compiler := strings.TrimPrefix(info.GoVersion, "go")
	packages := []spdxPackage{newPackage("stdlib", compiler, "pkg:golang/stdlib@"+compiler)}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		packages = append(packages, newPackage(m.Path, m.Version, "pkg:golang/"+m.Path+"@"+url.QueryEscape(m.Version)))
	}
	return packages, nil
}

// debianPackages returns the packages whose records are in a folder, one in each file.
func debianPackages(folder string) (packages []spdxPackage, err error) {
	names, err := filepath.Glob(filepath.Join(folder, "*"))
	if err == nil && len(names) == 0 {
		err = fmt.Errorf("%s has no records of packages", folder)
	}
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		fields := map[string]string{}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if key, value, ok := strings.Cut(lines.Text(), ": "); ok && !strings.HasPrefix(key, " ") {
				fields[key] = value
			}
		}
		_ = f.Close()
		if fields["Package"] == "" || fields["Version"] == "" {
			return nil, fmt.Errorf("%s is no record of a package", name)
		}
		packages = append(packages, newPackage(fields["Package"], fields["Version"], fmt.Sprintf("pkg:deb/debian/%s@%s?arch=%s",
			url.QueryEscape(fields["Package"]), url.QueryEscape(fields["Version"]), fields["Architecture"])))
	}
	return packages, nil
}
