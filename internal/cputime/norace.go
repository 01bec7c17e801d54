//go:build !race

package cputime

import "time"

// Enough is what reading the header of any original may take.
const Enough = 200 * time.Millisecond
