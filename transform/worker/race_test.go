//go:build race

package worker

// The race detector's shadow memory is far beyond any bound on memory.
const race = true
