//go:build !race

package transform

import "time"

// mostTime is what a header of the worst kind may take to be read.
const mostTime = 200 * time.Millisecond
