//go:build !race

package worker

const race = false
