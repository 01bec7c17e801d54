//go:build race

package transform

import "time"

// mostTime is what a header of the worst kind may take to be read.
const mostTime = 4 * time.Second // the race detector takes its time
