//go:build cgo

package vips

import (
	govips "github.com/davidbyttow/govips/v2/vips"

	"github.com/tintype/tintype/transform/header"
)

// A profile is the ICC profile of an original's colours.
type profile struct {
	header.ColorProfile
	data []byte // nil without a valid profile
}

func readProfile(image *govips.ImageRef) profile {
	if !image.HasICCProfile() {
		return profile{}
	}
	data := image.GetICCProfile()
	parsed, ok := header.ParseColorProfile(data)
	if !ok {
		return profile{}
	}
	return profile{parsed, data}
}

// fits reports whether the profile is valid for pixels with this number of colours.
func (p profile) fits(colours int) bool { return p.data != nil && p.Channels == colours }
