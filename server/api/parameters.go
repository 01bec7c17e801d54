package api

import (
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tintype/tintype/manage"
)

// Query parameters that hold numbers are strings with a schema, so that this API words their
// errors (see [handle]).

const (
	pageDefault = 50
	pageMax     = 200
)

// A pageSize is the maximum number of elements on a page.
type pageSize string

// Schema describes the parameter.
func (pageSize) Schema(huma.Registry) *huma.Schema {
	least, most := 1.0, float64(pageMax)
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: pageDefault}
}

// count returns the number, or pageDefault if the parameter is left out.
func (p pageSize) count() (int, error) {
	if p == "" {
		return pageDefault, nil
	}
	n, err := strconv.Atoi(string(p))
	if err != nil || n < 1 || n > pageMax {
		return 0, invalid("limit: must be a whole number from 1 to " + strconv.Itoa(pageMax) + ".")
	}
	return n, nil
}

// A cursor is the `next` of the previous page.
type cursor string

// Schema describes the parameter.
func (cursor) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

// A revisionParameter is a workspace's revision in a query.
type revisionParameter string

// Schema describes the parameter.
func (revisionParameter) Schema(huma.Registry) *huma.Schema {
	least := 1.0
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &least}
}

// number returns the revision, or 0 if the parameter is left out.
func (p revisionParameter) number() (int64, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(p), 10, 64)
	if err != nil || n < 1 {
		return 0, errRevision
	}
	return n, nil
}

var errRevision = invalid("revision: must be the revision of the workspace, a whole number from 1.")

// An ifMatch is the header of this name (RFC 9110 §13.1.1).
type ifMatch string

// Schema describes the header.
func (ifMatch) Schema(huma.Registry) *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

// condition returns whether a revision matches the header. It is nil without the header. Our
// entity tags contain no commas. Weak tags never match.
func (m ifMatch) condition() manage.Condition {
	if m == "" {
		return nil
	}
	return func(revision int64) bool {
		for tag := range strings.SplitSeq(string(m), ",") {
			if tag = strings.TrimSpace(tag); tag == "*" || tag == etag(revision) {
				return true
			}
		}
		return false
	}
}

func etag(revision int64) string { return `"` + strconv.FormatInt(revision, 10) + `"` }

// An errorStatus is the HTTP status of an error in a query.
type errorStatus string

// Schema describes the parameter.
func (errorStatus) Schema(huma.Registry) *huma.Schema {
	least, most := 400.0, 599.0
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most}
}

// number returns the status, or 0 if the parameter is left out.
func (p errorStatus) number() (int, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(string(p))
	if err != nil || n < 400 || n > 599 {
		return 0, invalid("status: must be a whole number from 400 to 599.")
	}
	return n, nil
}
