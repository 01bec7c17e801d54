package api

import (
	"strconv"

	"github.com/danielgtaylor/huma/v2"
)

// Query parameters that hold numbers are strings with a schema, so that their
// faults are told in this API's words (see [handle]).

const (
	pageDefault = 50
	pageMax     = 200
)

// A pageSize is how many workspaces a list holds.
type pageSize string

// Schema describes the parameter.
func (pageSize) Schema(huma.Registry) *huma.Schema {
	least, most := 1.0, float64(pageMax)
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most, Default: pageDefault}
}

// count returns the number, the default if there is none.
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

// A revisionParameter is a workspace's revision in a query.
type revisionParameter string

// Schema describes the parameter.
func (revisionParameter) Schema(huma.Registry) *huma.Schema {
	least := 1.0
	return &huma.Schema{Type: huma.TypeInteger, Format: "int64", Minimum: &least}
}

// number returns the revision, 0 if there is none.
func (p revisionParameter) number() (int64, error) {
	if p == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(string(p), 10, 64)
	if err != nil || n < 1 {
		return 0, invalid("revision: must be the revision of the workspace, a whole number from 1.")
	}
	return n, nil
}
