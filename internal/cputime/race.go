//go:build race

package cputime

import "time"

// Enough is what reading the header of any original may take, with the race detector.
const Enough = 4 * time.Second
